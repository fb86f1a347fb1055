package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/skua-stock/skua/gateway"
)

// benchFloorCmd answers reservations and batches of them with a constant: all that a door costs before
// Skua does anything; or, durable, with the same once their records are on disk: all that a door costs
// which has to wait. With events, one for each record is published besides. With turns, a batch is read as
// Skua reads it, and decided on. `skua bench` starts it, and loads it as it loads a server.
type benchFloorCmd struct {
	HTTP benchFloorHTTPCmd `cmd:"" name:"http" help:"Answer over HTTP."`
	NATS benchFloorNATSCmd `cmd:"" name:"nats" help:"Answer over NATS."`
}

type (
	benchFloorHTTPCmd struct {
		floorFlags
		Data string `help:"Directory of the log, where there is one: with --durable, --events and --turns." placeholder:"DIR"`
	}
	benchFloorNATSCmd struct {
		floorFlags
		Data string `help:"Directory of JetStream and the log." required:"" placeholder:"DIR"`
	}
	floorFlags struct {
		Durable bool `help:"Answer once a record of each operation is on disk."`
		Events  int  `help:"Publish an event for each operation that is on disk, of so many items; implies durable." placeholder:"ITEMS"`
		Lines   int  `help:"Lines of a reservation." default:"1"`
		Turns   int  `help:"Take the engine's turn for each operation of a batch, on so many items; implies durable." placeholder:"ITEMS"`
	}
)

// logs says that there is a log.
func (c *floorFlags) logs() bool { return c.Durable || c.Events > 0 || c.Turns > 0 }

// Validate refuses a log that is nowhere.
func (c *benchFloorHTTPCmd) Validate() error {
	if c.logs() && c.Data == "" {
		return errors.New("--durable, --events and --turns need --data, for the log")
	}
	return nil
}

// floorWork is what a floor does with what comes.
type floorWork struct {
	disk    *floorDisk
	events  *floorEvents // nil where there is no NATS server
	answer  []byte
	batches floorBatches
	// turns reads and does batches; nil has them answered with a constant.
	turns *gateway.Reader
}

// open opens a log in a directory where there is to be one, and makes the items where there are to be
// some. There is a NATS server where one is asked for, or needed for events.
func (c *floorFlags) open(dir string, nats bool) (*floorWork, error) {
	w := &floorWork{disk: &floorDisk{record: floorRecordOf(c.Lines)}, answer: floorAnswerOf(c.Lines)}
	w.batches.result = floorResultOf(w.answer)
	var err error
	if c.logs() {
		if w.disk.logSite, err = openLogSite(filepath.Join(dir, "log")); err != nil {
			return nil, err
		}
	}
	if nats || c.Events > 0 {
		if w.events, err = openEvents(dir, w.disk, c.Events); err != nil {
			return nil, errors.Join(err, w.close())
		}
	}
	if c.Turns > 0 {
		port, err := openTurnPort(w.disk.log, c.Turns)
		if err != nil {
			return nil, errors.Join(err, w.close())
		}
		w.turns = &gateway.Reader{Port: port}
	}
	return w, nil
}

func (w *floorWork) close() error {
	var err error
	if w.events != nil {
		err = w.events.close()
	}
	return errors.Join(err, w.disk.close())
}

// untilTold says where it answers, as a server does, and serves until a signal comes.
func untilTold(o output, door, at string, serve, stop func() error) error {
	ctx, end := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer end()
	slog.New(slog.NewJSONHandler(o.err, nil)).Info("ready", door, at)
	served := make(chan error, 1)
	go func() { served <- serve() }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	err := stop()
	return errors.Join(err, <-served)
}
