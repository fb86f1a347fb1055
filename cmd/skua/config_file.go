package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	"github.com/alecthomas/kong"
	"gopkg.in/yaml.v3"
)

// configFile is what a YAML file says: for each command, its flags. It stands below the environment
// and the command line, and says nothing that there is no flag for.
type configFile map[string]map[string]any

// readConfigFile implements kong.ConfigurationLoader.
func readConfigFile(r io.Reader) (kong.Resolver, error) {
	var c configFile
	if err := yaml.NewDecoder(r).Decode(&c); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read the configuration file: %w", err)
	}
	return c, nil
}

// Validate implements kong.Resolver. A setting with a slip in its name would be its default, and
// nobody would know.
func (c configFile) Validate(app *kong.Application) error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(c)) {
		i := slices.IndexFunc(app.Children, func(n *kong.Node) bool { return n.Name == name })
		if i < 0 {
			errs = append(errs, fmt.Errorf("the configuration file has %q, which is no command", name))
			continue
		}
		for _, flag := range slices.Sorted(maps.Keys(c[name])) {
			if !slices.ContainsFunc(app.Children[i].Flags, func(f *kong.Flag) bool { return f.Name == flag }) {
				errs = append(errs, fmt.Errorf("the configuration file has %q for %s, which is none of its flags", flag, name))
			}
		}
	}
	return errors.Join(errs...)
}

// Resolve implements kong.Resolver. Left to itself kong has the file win over the environment.
func (c configFile) Resolve(_ *kong.Context, parent *kong.Path, flag *kong.Flag) (any, error) {
	for _, name := range flag.Envs {
		if _, ok := os.LookupEnv(name); ok {
			return nil, nil
		}
	}
	if parent == nil || parent.Node() == nil {
		return nil, nil
	}
	return c[parent.Node().Name][flag.Name], nil
}
