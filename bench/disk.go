package bench

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"time"
)

// SyncTime is the median time of one write of 4 KiB and one fsync, over a file that is written
// already, as the log's segments are: the floor under every durable answer.
func SyncTime(dir string) (median time.Duration, err error) {
	const block, blocks, rounds = 4 << 10, 256, 512
	f, err := os.CreateTemp(dir, "skua-sync-")
	if err != nil {
		return 0, fmt.Errorf("measure the disk: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()
	if _, err := f.Write(make([]byte, block*blocks)); err != nil {
		return 0, fmt.Errorf("measure the disk: %w", err)
	}
	if err := f.Sync(); err != nil {
		return 0, fmt.Errorf("measure the disk: %w", err)
	}
	took := make([]time.Duration, rounds)
	b := make([]byte, block)
	for i := range took {
		b[0] = byte(i)
		began := time.Now()
		if _, err := f.WriteAt(b, int64(i%blocks)*block); err != nil {
			return 0, fmt.Errorf("measure the disk: %w", err)
		}
		if err := f.Sync(); err != nil {
			return 0, fmt.Errorf("measure the disk: %w", err)
		}
		took[i] = time.Since(began)
	}
	slices.Sort(took)
	return took[rounds/2], nil
}
