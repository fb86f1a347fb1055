package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

var update = flag.Bool("update", false, "rewrite docs/reference/cli.md and configuration.md")

// TestReferencePages keeps the pages of the command line and of the configuration as the program
// is: they are written from its flags. Rewrite them with: go test ./cmd/skua -run Reference -update
func TestReferencePages(t *testing.T) {
	var p program
	k, err := kong.New(&p, kong.Name("skua"), environment())
	if err != nil {
		t.Fatal(err)
	}
	compare(t, "../../docs/reference/cli.md", commandPage(k))
	compare(t, "../../docs/reference/configuration.md", configurationPage(k))
}

func compare(t *testing.T, path, want string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, []byte(want)) {
		t.Errorf("%s is not what the program says; rewrite it with -update and read the difference", path)
	}
}

func commandPage(k *kong.Kong) string {
	var b strings.Builder
	b.WriteString("# Command line\n\nOne program, `skua`. `skua COMMAND --help` says the same as this page, which is written from it.\n\n")
	b.WriteString("| exit code | means |\n|---|---|\n| 0 | it went well |\n| 1 | it could not be done: no server, no disk, no answer |\n" +
		"| 2 | the command line makes no sense |\n| 3 | the engine refused; what it said is printed |\n| 4 | `check` or `replay` found damage or a mismatch |\n")
	for _, c := range leaves(k.Model.Children) {
		fmt.Fprintf(&b, "\n## skua %s\n\n%s\n", spoken(c), c.Help)
		var rows []string
		for _, a := range c.Positional {
			rows = append(rows, fmt.Sprintf("| `%s` | %s | %s |\n", a.Summary(), code(a.Default), a.Help))
		}
		for _, f := range c.Flags {
			if f.Name != "help" && c.Name != "serve" {
				rows = append(rows, fmt.Sprintf("| `--%s` | %s | %s |\n", f.Name, code(f.Default), f.Help))
			}
		}
		if c.Name == "serve" {
			b.WriteString("\nIts flags are the [configuration](configuration.md).\n")
		}
		if len(rows) > 0 {
			b.WriteString("\n| | default | |\n|---|---|---|\n" + strings.Join(rows, ""))
		}
	}
	return b.String()
}

// leaves are the commands that do something, in order.
func leaves(all []*kong.Node) (some []*kong.Node) {
	for _, c := range all {
		if c.Hidden {
			continue
		}
		if len(c.Children) > 0 {
			some = append(some, leaves(c.Children)...)
		} else {
			some = append(some, c)
		}
	}
	return some
}

// spoken is how a command is called: one that its parent stands for is called by that.
func spoken(c *kong.Node) string {
	if c.Parent == nil || c.Parent.Type != kong.CommandNode {
		return c.Name
	}
	if c.Parent.DefaultCmd == c {
		return c.Parent.Name
	}
	return c.Parent.Name + " " + c.Name
}

func configurationPage(k *kong.Kong) string {
	var b strings.Builder
	b.WriteString("# Configuration\n\n`skua serve` runs without any. What is to be otherwise is said by a flag, by an environment variable, or in a\n" +
		"YAML file (`skua --config FILE serve`), in this order of precedence. In the file a flag is a member of `serve`; a" +
		" name that no flag has is refused:\n\n" +
		"```yaml\nserve:\n  data: /var/lib/skua\n  snapshot-every: 30s\n```\n\n| flag | environment | default | |\n|---|---|---|---|\n")
	for _, c := range k.Model.Children {
		if c.Name != "serve" {
			continue
		}
		for _, f := range c.Flags {
			if f.Name != "help" {
				fmt.Fprintf(&b, "| `--%s` | `%s` | %s | %s |\n", f.Name, strings.Join(f.Envs, ", "), code(f.Default), f.Help)
			}
		}
	}
	b.WriteString("\nBeyond loopback nothing is listened on without `--tokens`, and not without TLS unless `--insecure-plaintext` says so: see\n" +
		"[security](../operating/security.md). SIGHUP has the tokens file read at once.\n" +
		"Sizes are bytes, times are as `10s`, `15m` or `24h`. Limits that cannot be set are in each package's `limits.go`.\n")
	return b.String()
}

func code(s string) string {
	if s == "" {
		return ""
	}
	return "`" + s + "`"
}
