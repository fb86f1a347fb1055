package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/skua-stock/skua/persistence"
)

// stockedServer starts a server with the items of the kill tests.
func stockedServer(t *testing.T, seed uint64) *killedServer {
	t.Helper()
	// The path is too long for a socket's address.
	dir := filepath.Join(t.TempDir(), strings.Repeat("long-", 20), "data")
	t.Logf("replay with: go test ./cmd/skua -run '^%s$' -kill.seed %d", t.Name(), seed)
	s := &killedServer{t: t, dir: dir}
	s.start()
	s.stock()
	return s
}

func drawKillSeed() uint64 {
	if *killSeed != 0 {
		return *killSeed
	}
	return rand.Uint64()
}

// clients sell until told to stop, and return what they were told.
func (s *killedServer) clients(from, n int, seed uint64, stop <-chan struct{}) (wait func() [][]*told) {
	logs := make([][]*told, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { logs[i] = s.client(from+i, seed, stop) })
	}
	return func() [][]*told { wg.Wait(); return logs }
}

// histories are those of all items, and what each reservation holds by them.
func (s *killedServer) histories() (all map[string][]map[string]any, held map[string]map[string]float64) {
	all, held = make(map[string][]map[string]any), make(map[string]map[string]float64)
	for i := range killSKUs {
		sku := killSKU(i)
		all[sku] = s.history(sku)
		for _, m := range all[sku] {
			if m["type"] == "stock.reserved" {
				id := m["reservation_id"].(string)
				if held[id] == nil {
					held[id] = make(map[string]float64)
				}
				held[id][sku] += m["quantity"].(float64)
			}
		}
	}
	return all, held
}

// TestBackupOfAServer backs up a server under load, and starts what is restored from it: all that was
// acknowledged before is there and is told again as it was told, no reservation is half there, and each
// item is as the original was at one moment, but for holds that were over since.
func TestBackupOfAServer(t *testing.T) {
	seed := drawKillSeed()
	s := stockedServer(t, seed)
	stop := make(chan struct{})
	wait := s.clients(0, 16, seed, stop)
	time.Sleep(700 * time.Millisecond)
	close(stop)
	before := wait()
	sequences := make(map[string]float64)
	for i := range killSKUs {
		sequences[killSKU(i)] = s.get("/v1/items/" + killSKU(i))["sequence"].(float64)
	}
	stop = make(chan struct{})
	wait = s.clients(100, 16, seed, stop)
	time.Sleep(100 * time.Millisecond)
	place := t.TempDir()
	backup, restored := filepath.Join(place, "backup"), filepath.Join(place, "restored")
	var out bytes.Buffer
	if code := run([]string{"backup", "--data", s.dir, "--to", backup, "--json"}, &out, &out); code != exitOK {
		t.Fatalf("backup ended with %d: %s", code, out.String())
	}
	time.Sleep(300 * time.Millisecond)
	close(stop)
	wait()
	histories, held := s.histories()
	s.end(syscall.SIGKILL)
	var b persistence.Backup
	if err := json.Unmarshal(out.Bytes(), &b); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(s.dir); err != nil {
		t.Fatal(err)
	}
	out.Reset()
	if code := run([]string{"restore", "--from", backup, "--to", restored}, &out, &out); code != exitOK {
		t.Fatalf("restore ended with %d: %s", code, out.String())
	}

	r := &killedServer{t: t, dir: restored}
	r.start()
	never := make(chan struct{})
	again := 0
	for _, log := range before {
		for _, c := range log {
			if c.answer != nil && c.code == "" {
				r.askAgain(again%2 == 0, c, never)
				again++
			}
		}
	}
	got, gotHeld := r.histories()
	same, extra := 0, 0
	for sku, all := range got {
		if len(all) < int(sequences[sku]) {
			t.Errorf("%s had %v movements before the backup began, %d came back", sku, sequences[sku], len(all))
		}
		i := 0
		for i < min(len(all), len(histories[sku])) && reflect.DeepEqual(all[i], histories[sku][i]) {
			i++
		}
		same += i
		for _, m := range all[i:] {
			at, err := time.Parse(time.RFC3339Nano, m["at"].(string))
			if err != nil {
				t.Fatal(err)
			}
			if m["type"] != "stock.reservation_expired" || !at.After(b.At) {
				t.Errorf("%s: the original never did %v, which came back", sku, m)
			}
			extra++
		}
	}
	for id, lines := range gotHeld {
		if !reflect.DeepEqual(lines, held[id]) {
			t.Errorf("reservation %s came back with %v, it had %v", id, lines, held[id])
		}
	}
	r.end(syscall.SIGTERM)
	t.Logf("%d changes asked again, %d movements came back, %d holds ran out since", again, same, extra)
	if again == 0 || same == 0 {
		t.Error("nothing was shown")
	}
	if code := run([]string{"check", restored}, &out, &out); code != exitOK {
		t.Errorf("check ended with %d:\n%s", code, out.String())
	}
	out.Reset()
	again2 := filepath.Join(place, "offline")
	if code := run([]string{"backup", "--data", restored, "--to", again2}, &out, &out); code != exitOK {
		t.Errorf("backup of a directory that nobody uses ended with %d:\n%s", code, out.String())
	}
	if code := run([]string{"restore", "--from", again2, "--to", restored}, &out, &out); code != exitError {
		t.Errorf("restore over another directory ended with %d:\n%s", code, out.String())
	}
}

// TestBackupKill kills the server while it makes a backup: what is there then is no backup, or a
// whole one, and the next try makes one.
func TestBackupKill(t *testing.T) {
	seed := drawKillSeed()
	s := stockedServer(t, seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	stop := make(chan struct{})
	wait := s.clients(0, 8, seed, stop)
	place := t.TempDir()
	whole, cut := 0, 0
	for round := range 8 {
		time.Sleep(100 * time.Millisecond)
		backup := filepath.Join(place, "backup")
		done := make(chan error, 1)
		go func() {
			_, err := orderBackup(t.Context(), s.dir, backup)
			done <- err
		}()
		time.Sleep(time.Duration(rng.IntN(6<<round)) * 100 * time.Microsecond)
		s.end(syscall.SIGKILL)
		told := <-done
		_, err := persistence.ReadBackup(backup, nil)
		switch {
		case err == nil:
			whole++
		case errors.Is(err, persistence.ErrNoBackup):
			cut++
			if told == nil {
				t.Error("a backup was told to be whole, and is not there")
			}
		default:
			t.Error(err)
		}
		s.start()
		if err != nil {
			if _, err := orderBackup(t.Context(), s.dir, backup); err != nil {
				t.Fatal(err)
			}
		}
		restored := filepath.Join(place, "restored")
		var out bytes.Buffer
		if code := run([]string{"restore", "--from", backup, "--to", restored}, &out, &out); code != exitOK {
			t.Fatalf("restore ended with %d: %s", code, out.String())
		}
		if err := errors.Join(os.RemoveAll(backup), os.RemoveAll(restored)); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	wait()
	s.end(syscall.SIGTERM)
	t.Logf("%d backups were whole, %d cut off", whole, cut)
	if cut == 0 {
		t.Error("no backup was cut off")
	}
}
