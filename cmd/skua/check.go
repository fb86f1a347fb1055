package main

import (
	"encoding/json"
	"fmt"

	"github.com/skua-stock/skua/persistence"
)

type checkCmd struct {
	Data string `arg:"" optional:"" help:"Data directory." default:"./data"`
	JSON bool   `name:"json" help:"Print the report as JSON."`
}

// Run checks and prints what it found.
func (c *checkCmd) Run(o output) error {
	r, err := persistence.Check(c.Data, nil)
	if err != nil {
		return err
	}
	if c.JSON {
		enc := json.NewEncoder(o.out)
		enc.SetIndent("", "  ")
		if err := enc.Encode(r); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(o.out, "items      %d, %d of them replayed from the log and compared\nholds      %d\n", r.Items, r.Replayed, r.Holds)
		fmt.Fprintf(o.out, "log        %d records, %d to %d; the snapshots cover it through %d\n", r.Records, r.First, r.Last, r.Through)
		fmt.Fprintf(o.out, "history    %d buckets, %d movements\n", r.Buckets, r.Movements)
		for _, d := range r.Damage {
			fmt.Fprintln(o.out, "damage:", d)
		}
	}
	if len(r.Damage) > 0 {
		return errDamaged
	}
	if !c.JSON {
		fmt.Fprintln(o.out, "no damage")
	}
	return nil
}
