package report

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/skua-stock/skua/bench"
)

// Report is what is shown.
type Report struct {
	Title    string
	Machine  bench.Machine
	When     time.Time
	Sections []Section
}

// Section is a part of a report. Text is paragraphs, without markup.
type Section struct {
	Title  string
	Text   []string
	Tables []Table
	Plots  []Plot
}

// Table is a table. Columns whose names begin with a minus, which is not shown, hold words and are
// aligned to the left; the others hold figures.
type Table struct {
	Columns []string
	Rows    [][]string
}

func (t *Table) add(cells ...string) { t.Rows = append(t.Rows, cells) }

// column is a column's name, and whether it holds words.
func column(name string) (string, bool) {
	if name[0] == '-' {
		return name[1:], true
	}
	return name, false
}

// On says what was measured on, and when.
func (r *Report) On() string {
	disk := r.Machine.Disk
	if disk == "" {
		disk = "what the kernel counts as no disk: in memory nothing is durable, see --dir"
	}
	return fmt.Sprintf("%s, %d cores, %.0f GiB of memory; %s, %s; writing 4 KiB and an fsync take %.0f µs (median, on %s); %s",
		r.Machine.CPU, r.Machine.Cores, float64(r.Machine.Memory)/(1<<30), r.Machine.System, r.Machine.Go,
		float64(r.Machine.Sync.Nanoseconds())/1e3, disk, r.When.UTC().Format("2 January 2006"))
}

// Text writes the tables for a terminal.
func (r *Report) Text(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(out, r.On())
	for _, s := range r.Sections {
		if len(s.Tables) == 0 {
			continue // Text alone is for the page.
		}
		fmt.Fprintf(out, "\n%s\n", s.Title)
		for _, t := range s.Tables {
			for _, c := range t.Columns {
				name, _ := column(c)
				fmt.Fprint(w, name, "\t")
			}
			fmt.Fprintln(w)
			for _, row := range t.Rows {
				for _, cell := range row {
					fmt.Fprint(w, cell, "\t")
				}
				fmt.Fprintln(w)
			}
			if err := w.Flush(); err != nil {
				return err
			}
		}
	}
	return nil
}
