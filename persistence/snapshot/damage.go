package snapshot

import (
	"fmt"
	"log/slog"
	"strings"
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

// nothingToFlush is how Pebble calls it when what is flushed has left nothing to write, which is well.
// It has no name for it that others can use.
const nothingToFlush = "pebble: empty table"

// unwritten ends the process when a flush cannot write: Pebble would try again for ever, with
// everybody who commits waiting for it, and a disk that has failed once is not to be trusted.
func unwritten(failure func(error)) func(pebble.FlushInfo) {
	return func(info pebble.FlushInfo) {
		if info.Err != nil && failure != nil && !strings.HasSuffix(info.Err.Error(), nothingToFlush) {
			failure(fmt.Errorf("write snapshots: %w", info.Err))
		}
	}
}
