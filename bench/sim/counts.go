package sim

import (
	"fmt"
	"strings"
	"sync/atomic"
	"time"
)

// counts is what a life had in it.
type counts struct {
	crashes, kills, restarts, refusedStarts int
	damageFound, injected                   int
	records, answers, errors, refusals      int
	refusalsChecked, pages, compared        int
	faults                                  [len(faultNames)]int
	lost                                    atomic.Int64
	lived                                   time.Duration
}

func (c *counts) add(o *counts) {
	for _, n := range [...]struct {
		to   *int
		more int
	}{
		{&c.crashes, o.crashes},
		{&c.kills, o.kills},
		{&c.restarts, o.restarts},
		{&c.refusedStarts, o.refusedStarts},
		{&c.damageFound, o.damageFound},
		{&c.injected, o.injected},
		{&c.records, o.records},
		{&c.answers, o.answers},
		{&c.errors, o.errors},
		{&c.refusals, o.refusals},
		{&c.refusalsChecked, o.refusalsChecked},
		{&c.pages, o.pages},
		{&c.compared, o.compared},
	} {
		*n.to += n.more
	}
	for i := range c.faults {
		c.faults[i] += o.faults[i]
	}
	c.lost.Add(o.lost.Load())
	c.lived += o.lived
}

// String is the summary.
func (c *counts) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v of virtual time; %d answers (%d errors; %d refusals, of which the twin judged %d), %d records, "+
		"%d pages of history, %d items compared at starts, %d messages lost; %d power failures, %d processes killed, "+
		"%d restarts, %d starts refused, %d bits found flipped, %d calls that failed; faults:",
		c.lived.Round(time.Second), c.answers, c.errors, c.refusals, c.refusalsChecked, c.records, c.pages, c.compared,
		c.lost.Load(), c.crashes, c.kills, c.restarts, c.refusedStarts, c.damageFound, c.injected)
	for k, n := range c.faults {
		fmt.Fprintf(&b, " %s %d", faultNames[k], n)
		if k+1 < len(c.faults) {
			b.WriteByte(',')
		}
	}
	return b.String()
}
