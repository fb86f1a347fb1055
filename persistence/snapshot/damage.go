package snapshot

import (
	"fmt"
	"log/slog"
	"sync"

	"github.com/cockroachdb/pebble/v2"
)

// damaged tells of each damaged file once, however often it is met. Whoever reads from it gets an
// error, and everything else goes on: left to itself Pebble would end the process, at every start
// and for every reader of one old page of history.
type damaged struct {
	log  *slog.Logger
	seen sync.Map // paths
}

func (d *damaged) found(info pebble.DataCorruptionInfo) {
	if _, again := d.seen.LoadOrStore(info.Path, true); again || d.log == nil {
		return
	}
	d.log.Error("a file is damaged, and what is in it cannot be read: stop, look with 'skua check', and restore from a backup",
		"file", info.Path, "error", info.Details)
}

// reading wraps an error of Pebble, if it is one; with the file, if it is damage.
func reading(what string, err error) error {
	if err == nil {
		return nil
	}
	if info := pebble.ExtractDataCorruptionInfo(err); info != nil {
		return fmt.Errorf("%s: %s is damaged: %w", what, info.Path, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}
