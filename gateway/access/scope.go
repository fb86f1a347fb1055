package access

import (
	"fmt"
	"strings"
)

// Scopes is a set of scopes. Each stands for exactly its operations and implies no other, but that
// Admin implies all.
type Scopes uint8

// The scopes.
const (
	// Read is for looking: items, reservations, history, events, metrics.
	Read Scopes = 1 << iota
	// Sell is for reservations and commitments, and every step on them.
	Sell
	// Stock is for what is there: receive, adjust, set, move, restock, and the settings of items.
	Stock
	// Admin is for everything.
	Admin
)

var scopeNames = []string{"read", "sell", "stock", "admin"}

// ParseScopes reads the names of scopes, at least one.
func ParseScopes(names []string) (s Scopes, err error) {
	for _, name := range names {
		one := Scopes(0)
		for i, known := range scopeNames {
			if name == known {
				one = 1 << i
			}
		}
		if one == 0 {
			return 0, fmt.Errorf("%q is not a scope; the scopes are %s", name, strings.Join(scopeNames, ", "))
		}
		s |= one
	}
	if s == 0 {
		return 0, fmt.Errorf("no scope; the scopes are %s", strings.Join(scopeNames, ", "))
	}
	return s, nil
}

// Names are the names of the scopes.
func (s Scopes) Names() (names []string) {
	for i, name := range scopeNames {
		if s&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return names
}

func (s Scopes) String() string { return strings.Join(s.Names(), ",") }

// Allows reports whether the set is enough for what any one of the needed scopes is enough for.
// What needs none in particular is for Admin: nothing is open by oversight.
func (s Scopes) Allows(needed Scopes) bool { return s&(needed|Admin) != 0 }
