package main

import (
	"os"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// bar shows progress, of so many documents or runs, on a terminal, and nothing elsewhere.
type bar struct {
	all *mpb.Progress
	one *mpb.Bar
}

func progress(o output, total int, what string, quiet bool) *bar {
	f, ok := o.err.(*os.File)
	if quiet || !ok {
		return &bar{}
	}
	if info, err := f.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return &bar{}
	}
	p := mpb.New(mpb.WithOutput(f), mpb.WithWidth(60))
	return &bar{all: p, one: p.AddBar(int64(total),
		mpb.PrependDecorators(decor.CountersNoUnit("%d of %d "+what+" ")),
		mpb.AppendDecorators(decor.Percentage(), decor.Name("  "), decor.AverageETA(decor.ET_STYLE_GO)))}
}

func (b *bar) Increment() {
	if b.one != nil {
		b.one.Increment()
	}
}

func (b *bar) finish() {
	if b.one != nil {
		b.one.Abort(false) // Also after a failure, when it is not full.
		b.all.Wait()
	}
}

// add counts several at once.
func (b *bar) add(n int) {
	if b.one != nil {
		b.one.IncrBy(n)
	}
}
