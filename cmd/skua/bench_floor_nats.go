package main

import (
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/micro"

	"github.com/skua-stock/skua/gateway/natsapi"
)

// Run answers until it is told to stop.
func (c *benchFloorNATSCmd) Run(o output) error {
	tuneRuntime()
	work, err := c.open(c.Data, true)
	if err != nil {
		return err
	}
	nc, err := work.events.server.Connect()
	if err != nil {
		return fmt.Errorf("connect to NATS: %w", err)
	}
	defer nc.Close()
	service, err := micro.AddService(nc, micro.Config{Name: "floor", Version: "1.0.0"})
	if err != nil {
		return fmt.Errorf("add the nats service: %w", err)
	}
	failed := make(chan error, 1)
	done := func(err error) {
		if err == nil {
			return
		}
		select {
		case failed <- fmt.Errorf("answer over NATS: %w", err):
		default:
		}
	}
	group := service.AddGroup(natsapi.Subject)
	err = errors.Join(
		group.AddEndpoint("reserve", micro.HandlerFunc(func(r micro.Request) { work.reserved(r, done) })),
		group.AddEndpoint("batch", micro.HandlerFunc(func(r micro.Request) { work.batched(r, done) })),
		nc.Flush(),
	)
	if err != nil {
		return fmt.Errorf("add the nats endpoints: %w", err)
	}
	stop := make(chan struct{})
	err = untilTold(o, "nats", work.events.server.ClientURL(), func() error {
		select {
		case err := <-failed:
			return err
		case <-stop:
			return nil
		}
	}, func() error { close(stop); return nil })
	return errors.Join(err, work.close())
}

// reserved answers a reservation.
func (f *floorWork) reserved(r micro.Request, done func(error)) {
	f.disk.then(1, func(err error) { done(errors.Join(err, r.Respond(f.answer))) })
}

// batched answers a batch. One that is decided on waits for its turns, so that it has a goroutine of
// its own, as at the door of a server.
func (f *floorWork) batched(r micro.Request, done func(error)) {
	if f.turns != nil {
		go func() {
			out := takeText()
			defer out.free()
			answer, err := f.decided(r.Data(), out)
			done(errors.Join(err, r.Respond(answer)))
		}()
		return
	}
	answer, n, err := f.batches.answer(r.Data())
	if err != nil {
		done(err)
		return
	}
	f.disk.then(n, func(err error) { done(errors.Join(err, r.Respond(answer))) })
}
