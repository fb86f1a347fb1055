package main

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
)

const ledger = "../../bench/data/online_retail_movements.csv.gz"

// TestReplay sells the first weeks of a real shop's year through each door. With one worker a
// naive book predicts every single decision; with more, it agrees on every level at the end.
func TestReplay(t *testing.T) {
	for _, door := range []string{"http", "nats"} {
		t.Run(door, func(t *testing.T) {
			p, err := spawn(filepath.Join(t.TempDir(), "data"))
			if err != nil {
				t.Fatal(err)
			}
			defer p.stop()
			args := []string{"replay", ledger, "--json", "--limit", "500"}
			if door == "nats" {
				args = append(args, "--nats", p.nats, "--workers", "8")
			} else {
				args = append(args, "--http", "http://"+p.http, "--workers", "1")
			}
			var out, errs bytes.Buffer
			if code := run(args, &out, &errs); code != exitOK {
				t.Fatalf("exit code %d: %s", code, errs.String())
			}
			var sum tally
			if err := json.Unmarshal(out.Bytes(), &sum); err != nil {
				t.Fatal(err)
			}
			if sum.Mismatches != 0 || sum.Orders == 0 || sum.OrdersRefused == 0 || sum.Returns == 0 || sum.WriteOffs+sum.WriteOffRefused == 0 {
				t.Errorf("%+v", sum)
			}
			if door == "http" && sum.Mispredicted != 0 {
				t.Errorf("the naive book would have decided %d documents otherwise", sum.Mispredicted)
			}
		})
	}
}

// TestClient walks through the verbs of the client as the README does.
func TestClient(t *testing.T) {
	p, err := spawn(filepath.Join(t.TempDir(), "data"))
	if err != nil {
		t.Fatal(err)
	}
	defer p.stop()
	skua := func(wantCode int, args ...string) string {
		t.Helper()
		var out, errs bytes.Buffer
		if code := run(append(args, "--server", "http://"+p.http), &out, &errs); code != wantCode {
			t.Fatalf("skua %v: exit code %d, want %d: %s%s", args, code, wantCode, out.String(), errs.String())
		}
		return out.String() + errs.String()
	}
	if got := skua(exitOK, "item", "mug", "--create", "--receive", "5"); !strings.Contains(got, "mug at sequence 2") {
		t.Error(got)
	}
	var r reservation
	if err := json.Unmarshal([]byte(skua(exitOK, "reserve", "mug=3@main", "--owner", "cart-7", "--json")), &r); err != nil {
		t.Fatal(err)
	}
	if got := skua(exitRefused, "reserve", "mug=3"); !strings.Contains(got, "INSUFFICIENT_STOCK") || !strings.Contains(got, "2 available") {
		t.Error(got)
	}
	if got := skua(exitOK, "confirm", r.ID); !strings.Contains(got, "confirmed") {
		t.Error(got)
	}
	if got := skua(exitRefused, "release", r.ID); !strings.Contains(got, "RESERVATION_ALREADY_CONFIRMED") {
		t.Error(got)
	}
	if got := skua(exitOK, "history", "mug"); strings.Count(got, "\n") != 4 || !strings.Contains(got, "stock.reservation_confirmed") {
		t.Error(got)
	}
	for _, args := range [][]string{{"reserve", "mug"}, {"reserve", "mug=x"}} {
		skua(exitError, args...)
	}
}

func TestUsage(t *testing.T) {
	var out bytes.Buffer
	if code := run([]string{"--help"}, &out, &out); code != exitOK || !strings.Contains(out.String(), "serve") {
		t.Errorf("%d: %s", code, out.String())
	}
	if code := run([]string{"sell"}, &out, &out); code != exitUsage {
		t.Errorf("exit code %d", code)
	}
	if code := run([]string{"check", filepath.Join(t.TempDir(), "none")}, &out, &out); code != exitError {
		t.Errorf("exit code %d", code)
	}
	if code := run([]string{"serve", "--http", "0.0.0.0:0"}, &out, &out); code != exitError || !strings.Contains(out.String(), "loopback") {
		t.Errorf("%d: %s", code, out.String())
	}
	if code := run([]string{"version"}, &out, &out); code != exitOK {
		t.Errorf("exit code %d", code)
	}
}
