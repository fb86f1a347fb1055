package natsapi

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/skua-stock/skua/gateway"
)

// TestAnswerTooLargeForTheServer: an answer that NATS does not take is not silence.
func TestAnswerTooLargeForTheServer(t *testing.T) {
	d := open(t)
	defer d.stop()
	d.do("", "put_item", `{"sku":"A"}`)
	d.do("", "receive", `{"sku":"A","location":"main","quantity":1}`)
	var ops []string
	const where = "a place whose name is not short" // In the answers it comes to more than in the requests.
	for i := range gateway.BatchOperationsMax {
		ops = append(ops, fmt.Sprintf(`{"op":"receive","idempotency_key":"b%d","sku":"A","location":%q,"quantity":1}`, i, where))
	}
	all := d.ask("batch", `{"operations":[`+strings.Join(ops, ",")+`]}`)
	d.check("ANSWER_TOO_LARGE 413 <nil>", "batch", "", all)
	// What it did is done; a smaller batch with the same keys tells.
	some := d.check("", "batch", "", d.ask("batch", `{"operations":[`+strings.Join(ops[:10], ",")+`]}`))
	for i, r := range some["results"].([]any) {
		if r.(map[string]any)["replayed"] != true {
			t.Errorf("operation %d was done again: %v", i, r)
		}
	}
}

// TestStopWhileTheServerIsAway: nobody waits for the last answers then, and the stop must not
// either, since the rest of the process has to stop within the same time.
func TestStopWhileTheServerIsAway(t *testing.T) {
	d := open(t)
	d.do("", "put_item", `{"sku":"A"}`)
	d.nats.Shutdown()
	d.nats.WaitForShutdown()
	for d.server.conn.IsConnected() {
		time.Sleep(time.Millisecond)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if err := d.server.Stop(ctx); err != nil {
		t.Error(err)
	}
}
