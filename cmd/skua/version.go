package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// version is set when a release is built; other builds say what they were made from.
var version = ""

type versionCmd struct{}

func (versionCmd) Run(o output) error {
	_, err := fmt.Fprintf(o.out, "skua %s %s %s/%s\n", versionText(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}

func versionText() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "0.1.0-dev"
}
