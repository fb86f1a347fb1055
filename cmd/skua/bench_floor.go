package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/labstack/echo/v4"
	"github.com/nats-io/nats.go/micro"

	"github.com/skua-stock/skua/gateway/events"
	"github.com/skua-stock/skua/gateway/natsapi"
)

// benchFloorCmd answers a reservation with a constant: all that a door costs before Skua does
// anything; or, durable, with the same once a record is on disk: all that a door costs which has to
// wait. `skua bench` starts it, and loads it as it loads a server.
type benchFloorCmd struct {
	HTTP benchFloorHTTPCmd `cmd:"" name:"http" help:"Answer over HTTP."`
	NATS benchFloorNATSCmd `cmd:"" name:"nats" help:"Answer over NATS."`
}

type (
	benchFloorHTTPCmd struct{ floorFlags }
	benchFloorNATSCmd struct{ floorFlags }
	floorFlags        struct {
		Data    string `help:"Directory of JetStream and the log." required:"" placeholder:"DIR"`
		Durable bool   `help:"Answer once a record of each request is on disk."`
	}
)

// What a server answers to a reservation of one unit.
const (
	floorAnswer = `{"id":"AYPIvDSNfxY1cC1fglNLVS0xMDAwMDAwMA","state":"active","expires_at":"2026-11-23T16:48:29.454Z",` +
		`"lines":[{"sku":"SKU-10000000","location":"main","quantity":1,"reserved":1,"committed":0,"fulfilled":0,"sequence":3}]}`
	floorLocation  = "/v1/reservations/AYPIvDSNfxY1cC1fglNLVS0xMDAwMDAwMA"
	floorRequestID = "f242cb81d8fda7a2"
)

// Run answers until it is told to stop.
func (c *benchFloorHTTPCmd) Run(o output) error {
	tuneRuntime()
	disk, err := c.openLog()
	if err != nil {
		return err
	}
	e := echo.New()
	answer, location, requestID := []byte(floorAnswer), []string{floorLocation}, []string{floorRequestID}
	e.POST("/v1/reservations", func(c echo.Context) error {
		if err := disk.wait(c.Request().Body); err != nil {
			return err
		}
		h := c.Response().Header()
		h["Location"], h["X-Request-Id"] = location, requestID
		return c.Blob(http.StatusCreated, "application/json", answer)
	})
	door := http.Server{
		Handler: e, ReadHeaderTimeout: floorReadHeaderTimeout, ReadTimeout: floorReadTimeout,
		WriteTimeout: floorWriteTimeout, IdleTimeout: floorIdleTimeout, MaxHeaderBytes: floorHeaderBytesMax,
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen for HTTP: %w", err)
	}
	err = untilTold(o, "http", "http://"+l.Addr().String(), func() error {
		if err := door.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	}, door.Close)
	return errors.Join(err, disk.close())
}

// Run answers until it is told to stop.
func (c *benchFloorNATSCmd) Run(o output) error {
	tuneRuntime()
	disk, err := c.openLog()
	if err != nil {
		return err
	}
	s, err := events.Embedded(events.ServerConfig{Addr: "127.0.0.1:0", Dir: c.Data, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	defer s.Shutdown()
	nc, err := s.Connect()
	if err != nil {
		return fmt.Errorf("connect to NATS: %w", err)
	}
	defer nc.Close()
	service, err := micro.AddService(nc, micro.Config{Name: "floor", Version: "1.0.0"})
	if err != nil {
		return fmt.Errorf("add the nats service: %w", err)
	}
	answer := []byte(floorAnswer)
	failed := make(chan error, 1)
	fail := func(err error) {
		select {
		case failed <- fmt.Errorf("answer over NATS: %w", err):
		default:
		}
	}
	err = service.AddGroup(natsapi.Subject).AddEndpoint("reserve", micro.HandlerFunc(func(r micro.Request) {
		disk.then(func(err error) {
			if err = errors.Join(err, r.Respond(answer)); err != nil {
				fail(err)
			}
		})
	}))
	if err = errors.Join(err, nc.Flush()); err != nil {
		return fmt.Errorf("add the nats endpoint: %w", err)
	}
	stop := make(chan struct{})
	err = untilTold(o, "nats", s.ClientURL(), func() error {
		select {
		case err := <-failed:
			return err
		case <-stop:
			return nil
		}
	}, func() error { close(stop); return nil })
	return errors.Join(err, disk.close())
}

// openLog opens a log where there is to be one.
func (c *floorFlags) openLog() (*floorDisk, error) {
	if !c.Durable {
		return &floorDisk{}, nil
	}
	s, err := openLogSite(filepath.Join(c.Data, "log"))
	return &floorDisk{s}, err
}

// floorDisk is what a durable floor waits for; without a log it waits for nothing.
type floorDisk struct{ *logSite }

// then calls done once a record is on disk.
func (d *floorDisk) then(done func(error)) {
	if d.logSite == nil {
		done(nil)
		return
	}
	logDriver{d.log}.Start(nil, done)
}

// wait reads a request, as whoever is to act on it has to, and returns once its record is on disk.
func (d *floorDisk) wait(body io.Reader) error {
	if d.logSite == nil {
		return nil
	}
	if _, err := io.Copy(io.Discard, body); err != nil {
		return fmt.Errorf("read the request: %w", err)
	}
	durable := make(chan error, 1)
	d.then(func(err error) { durable <- err })
	return <-durable
}

func (d *floorDisk) close() error {
	if d.logSite == nil {
		return nil
	}
	return d.shut()
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
