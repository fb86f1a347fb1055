package snapshot

import "fmt"

// Checkpoint makes a directory with the snapshots as they would be after a crash now: what was
// flushed. The files are links where the file system can, so this takes no time and hardly any
// room; they must be copied before they are a backup.
func (d *DB) Checkpoint(dir string) error {
	if err := d.pebble.Checkpoint(dir); err != nil {
		return fmt.Errorf("checkpoint snapshots: %w", err)
	}
	return nil
}
