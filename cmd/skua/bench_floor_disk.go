package main

import (
	"fmt"
	"io"
	"strings"
)

// What a server answers to a reservation of one unit of each item.
const (
	floorID         = "AYPIvDSNfxY1cC1fglNLVS0xMDAwMDAwMA"
	floorAnswerHead = `{"id":"` + floorID + `","state":"active","expires_at":"2026-11-23T16:48:29.454Z","lines":[`
	floorAnswerLine = `{"sku":"SKU-10000000","location":"main","quantity":1,"reserved":1,"committed":0,"fulfilled":0,"sequence":3}`
)

// floorAnswerOf is the answer to a reservation of so many lines.
func floorAnswerOf(lines int) []byte {
	return []byte(floorAnswerHead + strings.Repeat(floorAnswerLine+",", lines-1) + floorAnswerLine + "]}")
}

// floorRecordOf is a record as long as that of a reservation of so many lines.
func floorRecordOf(lines int) []byte {
	return make([]byte, floorRecordBytes+(lines-1)*floorRecordLineBytes)
}

// floorDisk is what a durable floor waits for; without a log it waits for nothing.
type floorDisk struct {
	*logSite
	record []byte
}

// then calls done once so many records are on disk. They are there when the last is, for the log keeps
// their order.
func (d *floorDisk) then(records int, done func(error)) {
	if d.logSite == nil {
		done(nil)
		return
	}
	w := appendeds.Get().(*appended)
	w.done = done
	for range records - 1 {
		if _, err := d.log.Append(d.record, nil); err != nil {
			w.Durable(err)
			return
		}
	}
	if _, err := d.log.Append(d.record, w); err != nil {
		w.Durable(err)
	}
}

// await is then for who has nothing else to do.
func (d *floorDisk) await(records int) error {
	if d.logSite == nil {
		return nil
	}
	durable := make(chan error, 1)
	d.then(records, func(err error) { durable <- err })
	return <-durable
}

// wait reads a request, as whoever is to act on it has to, and returns once its record is on disk.
func (d *floorDisk) wait(body io.Reader) error {
	if d.logSite == nil {
		return nil
	}
	if _, err := io.Copy(io.Discard, body); err != nil {
		return fmt.Errorf("read the request: %w", err)
	}
	return d.await(1)
}

func (d *floorDisk) close() error {
	if d.logSite == nil {
		return nil
	}
	return d.shut()
}
