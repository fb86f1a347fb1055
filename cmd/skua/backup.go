package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/skua-stock/skua/persistence"
)

// backupCmd copies a data directory while it is in use, or while nobody uses it.
type backupCmd struct {
	To   string `help:"Directory to make, which must not be there." required:"" placeholder:"DIR"`
	Data string `help:"Data directory, of a server on this machine or of none." default:"./data" placeholder:"DIR"`
	JSON bool   `name:"json" help:"Print what the backup is as JSON."`
}

// Run has the server make the backup, or makes it when there is none.
func (c *backupCmd) Run(o output) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	to, err := filepath.Abs(c.To)
	if err != nil {
		return err
	}
	b, err := orderBackup(ctx, c.Data, to)
	if errors.Is(err, errNoServer) || errors.Is(err, os.ErrNotExist) {
		b, err = persistence.BackupOf(ctx, c.Data, to, persistence.Options{})
	}
	if err != nil {
		return err
	}
	return tellBackup(o, c.JSON, "backed up to "+c.To, b)
}

// tellBackup prints what a backup is.
func tellBackup(o output, asJSON bool, done string, b *persistence.Backup) error {
	if asJSON {
		enc := json.NewEncoder(o.out)
		enc.SetIndent("", "  ")
		return enc.Encode(b)
	}
	fmt.Fprintf(o.out, "%s: %d files, %d bytes, of node %s\n", done, len(b.Files), b.Bytes(), b.Node)
	fmt.Fprintf(o.out, "begun      %s: all that was acknowledged before is in it\n", b.Began.Format(time.RFC3339Nano))
	if b.Last > 0 {
		fmt.Fprintf(o.out, "as of      record %d, of %s\n", b.Last, b.At.Format(time.RFC3339Nano))
	}
	return nil
}

// restoreCmd makes a data directory of a backup.
type restoreCmd struct {
	From    string `help:"Directory of the backup." required:"" placeholder:"DIR"`
	To      string `help:"Data directory to make; it must not be there, or be empty." required:"" placeholder:"DIR"`
	NoCheck bool   `help:"Do not check what was restored; 'skua check' does that too."`
	JSON    bool   `name:"json" help:"Print what the backup is as JSON."`
}

// Run restores, and checks that what is there now is sound.
func (c *restoreCmd) Run(o output) error {
	b, err := persistence.Restore(c.From, c.To, nil)
	if err != nil {
		return err
	}
	if err := tellBackup(o, c.JSON, "restored to "+c.To, b); err != nil || c.NoCheck {
		return err
	}
	r, err := persistence.Check(c.To, nil)
	if err != nil {
		return err
	}
	for _, d := range r.Damage {
		fmt.Fprintln(o.err, "damage:", d)
	}
	if len(r.Damage) > 0 {
		return errDamaged
	}
	return nil
}
