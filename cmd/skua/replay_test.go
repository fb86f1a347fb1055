package main

import (
	"bytes"
	"encoding/json"
	"os"
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

// TestReplayOnAUsedServer: what was there before is left alone, and no false alarm.
func TestReplayOnAUsedServer(t *testing.T) {
	p, err := spawn(filepath.Join(t.TempDir(), "data"))
	if err != nil {
		t.Fatal(err)
	}
	defer p.stop()
	replay := func(wantCode int, more ...string) string {
		t.Helper()
		var out bytes.Buffer
		args := append([]string{"replay", ledger, "--http", p.http, "--limit", "50"}, more...)
		if code := run(args, &out, &out); code != wantCode {
			t.Fatalf("%v: exit code %d, want %d: %s", more, code, wantCode, out.String())
		}
		return out.String()
	}
	replay(exitOK)
	var out bytes.Buffer
	for _, args := range [][]string{{"item", "85123A", "--receive", "7", "--location", "elsewhere"}, {"reserve", "85123A=3@main"}} {
		if code := run(append(args, "--server", p.http), &out, &out); code != exitOK {
			t.Fatalf("%v: %s", args, out.String())
		}
	}
	replay(exitOK, "--run", "again")
	replay(exitOK, "--run", "again")
	if got := replay(exitError, "--run", "again", "--stock", "0.5"); !strings.Contains(got, "--run") || strings.Count(got, "\n") != 1 {
		t.Error(got)
	}
	none := filepath.Join(t.TempDir(), "none.csv")
	if err := os.WriteFile(none, []byte("invoice,sku,qty,time,price\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"replay", none}, {"replay", ledger, "--http", "127.0.0.1:1"}} {
		out.Reset()
		if code := run(args, &out, &out); code != exitError || strings.Count(out.String(), "\n") != 1 {
			t.Errorf("%v: %d: %s", args, code, out.String())
		}
	}
	for _, flag := range []string{"--workers=0", "--stock=-1", "--stock=NaN", "--rate=-1", "--limit=-1"} {
		if code := run([]string{"replay", ledger, flag}, &out, &out); code != exitUsage {
			t.Errorf("%s: exit code %d", flag, code)
		}
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
		if got := skua(exitUsage, args...); !strings.Contains(got, "SKU=QUANTITY") {
			t.Error(got)
		}
	}
	if got := skua(exitRefused, "item", "none"); got != "ITEM_NOT_FOUND: there is no item \"none\"\n  none\n" {
		t.Errorf("%q", got)
	}
	if got := skua(exitRefused, "reserve", "mug=9@main"); !strings.Contains(got, "  mug at main: 9 asked for, 2 available\n") {
		t.Errorf("%q", got)
	}
	if got := skua(exitRefused, "item", "mug", "--receive", "0"); !strings.Contains(got, "INVALID_QUANTITY_TOO_LOW") {
		t.Errorf("%q", got)
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
	if code := run([]string{"serve", "--http", "0.0.0.0:0"}, &out, &out); code != exitUsage || !strings.Contains(out.String(), "loopback") {
		t.Errorf("%d: %s", code, out.String())
	}
	if code := run([]string{"version"}, &out, &out); code != exitOK {
		t.Errorf("exit code %d", code)
	}
}
