package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/nats-io/nkeys"

	"github.com/skua-stock/skua/gateway/access"
)

// tokenCmd keeps the tokens file. A server that has it open takes changes up within a second.
type tokenCmd struct {
	New    tokenNewCmd    `cmd:"" help:"Make a token; it is printed once and kept nowhere."`
	List   tokenListCmd   `cmd:"" help:"List the tokens, without their secrets."`
	Revoke tokenRevokeCmd `cmd:"" help:"Revoke a token by its id, or all of a name."`
}

type tokensFile struct {
	Tokens string `help:"The tokens file." default:"tokens.json" placeholder:"FILE"`
}

type tokenNewCmd struct {
	tokensFile
	Name     string   `required:"" help:"Whose it is: the actor in movements, and whose idempotency keys are its own." placeholder:"NAME"`
	Scope    []string `required:"" help:"What it is for: read, sell, stock, or admin for everything; several with commas." placeholder:"SCOPE"`
	Location []string `sep:"none" help:"Restrict it to this location; may be repeated." placeholder:"LOCATION"`
	Prefix   []string `name:"sku-prefix" sep:"none" help:"Restrict it to items whose SKU begins so; may be repeated." placeholder:"PREFIX"`
	Expires  string   `help:"When it ends by itself: after a time such as 720h, or at a date such as 2030-01-31 (UTC)." placeholder:"WHEN"`
	NKey     string   `name:"nkey" help:"Public NKEY of its connections to the embedded NATS server, in place of id and secret." placeholder:"KEY"`
}

func (c *tokenNewCmd) Run(o output) error {
	now := time.Now()
	r := access.Record{Name: c.Name, Scopes: c.Scope, Locations: c.Location, Prefixes: c.Prefix, NKey: c.NKey}
	var err error
	if r.Expires, err = expiry(c.Expires, now); err != nil {
		return err
	}
	if c.NKey != "" && !nkeys.IsValidPublicUserKey(c.NKey) {
		return fmt.Errorf("%w: --nkey %q is not the public NKEY of a user", errUsage, c.NKey)
	}
	r, token, err := access.NewRecord(r, now)
	if err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	err = access.EditFile(c.Tokens, func(all []access.Record) ([]access.Record, error) { return append(all, r), nil })
	if err != nil {
		return err
	}
	fmt.Fprintln(o.out, token)
	fmt.Fprintf(o.err, "token %s of %s is in %s; its secret is shown this once\n", r.ID, r.Name, c.Tokens)
	return nil
}

// expiry reads a time from now on, or a date; empty is never.
func expiry(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(text); err == nil {
		return now.Add(d).UTC().Truncate(time.Second), nil
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%w: --expires %q is not a time such as 720h, nor a date such as 2030-01-31", errUsage, text)
}

type tokenListCmd struct {
	tokensFile
	JSON bool `name:"json" help:"Print the records of the file as JSON, without the hashes."`
}

func (c *tokenListCmd) Run(o output) error {
	all, err := access.ReadFile(c.Tokens)
	if err != nil {
		return err
	}
	if c.JSON {
		for i := range all {
			all[i].Hash = ""
		}
		b, err := json.MarshalIndent(all, "", "  ")
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(o.out, string(b))
		return err
	}
	w := tabwriter.NewWriter(o.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "id\tname\tscopes\tlocations\tSKU prefixes\texpires\tcreated")
	for i := range all {
		r := &all[i]
		expires := "never"
		if !r.Expires.IsZero() {
			expires = r.Expires.Format(time.RFC3339)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.ID, r.Name, strings.Join(r.Scopes, ","), orAll(r.Locations),
			orAll(r.Prefixes), expires, r.Created.Format(time.RFC3339))
	}
	return w.Flush()
}

func orAll(names []string) string {
	if len(names) == 0 {
		return "all"
	}
	return strings.Join(names, ",")
}

type tokenRevokeCmd struct {
	tokensFile
	Which string `arg:"" name:"which" help:"The id of a token, or the name of one or several."`
}

func (c *tokenRevokeCmd) Run(o output) error {
	var gone []string
	err := access.EditFile(c.Tokens, func(all []access.Record) ([]access.Record, error) {
		byID := slices.ContainsFunc(all, func(r access.Record) bool { return r.ID == c.Which })
		left := slices.DeleteFunc(all, func(r access.Record) bool {
			meant := r.ID == c.Which || !byID && r.Name == c.Which
			if meant {
				gone = append(gone, r.ID)
			}
			return meant
		})
		if gone == nil {
			return nil, fmt.Errorf("%s has no token with the id or the name %q", c.Tokens, c.Which)
		}
		return left, nil
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(o.out, "revoked %s\n", strings.Join(gone, ", "))
	return nil
}
