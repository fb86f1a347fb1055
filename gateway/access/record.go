package access

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/skua-stock/skua/engine"
)

// Record is a token as the file has it.
type Record struct {
	ID     string   `json:"id"`
	Name   string   `json:"name"`
	Scopes []string `json:"scopes"`
	// Locations and Prefixes are left out where the token is for all.
	Locations []string `json:"locations,omitzero"`
	Prefixes  []string `json:"sku_prefixes,omitzero"`
	// NKey is the public key of its connections to the embedded NATS server.
	NKey    string    `json:"nkey,omitzero"`
	Hash    string    `json:"secret_sha256"`
	Created time.Time `json:"created_at"`
	Expires time.Time `json:"expires_at,omitzero"`
}

// NewRecord gives a record an id, and returns the token, which is nowhere else.
func NewRecord(r Record, now time.Time) (Record, string, error) {
	id, secret := newSecret()
	sum := hash(secret)
	r.ID, r.Hash, r.Created = id, hex.EncodeToString(sum[:]), now.UTC().Truncate(time.Second)
	if _, err := r.grant(); err != nil {
		return r, "", err
	}
	if !r.Expires.IsZero() && !r.Expires.After(now) {
		return r, "", errors.New("it would have expired already")
	}
	return r, spell(id, secret), nil
}

// grant is what the record allows.
func (r *Record) grant() (*Grant, error) {
	g := &Grant{
		ID: r.ID, Name: r.Name, Locations: slices.Clone(r.Locations), NKey: r.NKey, Expires: r.Expires, over: make(chan struct{}),
	}
	if len(r.ID) != idChars || strings.Trim(r.ID, "abcdefghijklmnopqrstuvwxyz234567") != "" {
		return nil, fmt.Errorf("%q is not the id of a token", r.ID)
	}
	if err := validName(r.Name); err != nil {
		return nil, err
	}
	sum, err := hex.DecodeString(r.Hash)
	if err != nil || copy(g.hash[:], sum) != sha256.Size || len(sum) != sha256.Size {
		return nil, errors.New("secret_sha256 is not a SHA-256 in hexadecimal")
	}
	if g.Scopes, err = ParseScopes(r.Scopes); err != nil {
		return nil, err
	}
	if err := validRestriction("locations", r.Locations); err != nil {
		return nil, err
	}
	if err := validRestriction("sku_prefixes", r.Prefixes); err != nil {
		return nil, err
	}
	slices.Sort(g.Locations)
	g.Locations, g.Prefixes = slices.Compact(g.Locations), shortest(r.Prefixes)
	if r.NKey != "" && (len(r.NKey) != 56 || r.NKey[0] != 'U') {
		return nil, errors.New("nkey is not the public key of a user: it has 56 characters and begins with U")
	}
	return g, nil
}

// validName: a name is part of subjects and of log lines, and so of few characters.
func validName(name string) error {
	plain := func(c rune) bool {
		return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_'
	}
	if name == "" || len(name) > NameBytesMax || strings.IndexFunc(name, func(c rune) bool { return !plain(c) }) >= 0 {
		return fmt.Errorf("the name %q is not 1 to %d letters, digits, - and _", name, NameBytesMax)
	}
	return nil
}

// validRestriction: a list that is there and empty is a slip, since none would mean all.
func validRestriction(what string, names []string) error {
	switch {
	case names != nil && len(names) == 0:
		return fmt.Errorf("%s is empty; leave it out where the token is for all", what)
	case len(names) > RestrictionsMax:
		return fmt.Errorf("%s has %d, more than %d", what, len(names), RestrictionsMax)
	}
	for _, name := range names {
		if bad := engine.ValidName(name); bad != "" && name != "." && name != ".." {
			return fmt.Errorf("%s: %q %s", what, name, bad)
		}
	}
	return nil
}

// shortest sorts prefixes and leaves out those that begin with another.
func shortest(prefixes []string) (kept []string) {
	for _, p := range slices.Sorted(slices.Values(prefixes)) {
		if n := len(kept); n == 0 || !strings.HasPrefix(p, kept[n-1]) {
			kept = append(kept, p)
		}
	}
	return kept
}
