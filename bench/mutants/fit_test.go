package main

import (
	"os"
	"testing"
)

// TestMutantsFit: what each mutant changes is in its file, once, and no two have a name.
func TestMutantsFit(t *testing.T) {
	t.Chdir("../..")
	names := map[string]bool{}
	for _, m := range mutants {
		if names[m.name] {
			t.Errorf("there are two mutants %s", m.name)
		}
		names[m.name] = true
		if _, err := plant(m, t.TempDir()); err != nil {
			t.Errorf("mutant %s: %v", m.name, err)
		}
		if _, err := os.Stat(m.by.pkg); err != nil && m.by.pkg != "./gateway/..." {
			t.Errorf("mutant %s: %v", m.name, err)
		}
	}
}
