package access

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"reflect"
	"sync"
	"sync/atomic"
	"time"
)

// Tokens are those of a file, as it is now. Reading them takes no lock.
type Tokens struct {
	path  string
	log   *slog.Logger
	table atomic.Pointer[table]

	mu sync.Mutex
	// seen is the file as it was read last; broken is what was wrong with it, as it was logged.
	seen   os.FileInfo
	broken string
	onEnd  []func(*Grant)
}

// table is one state of the file. It is never changed.
type table struct {
	byID, byNKey map[string]*Grant
	records      map[string]Record
}

// Open reads a tokens file, which has to be there and to be right.
func Open(path string, log *slog.Logger) (*Tokens, error) {
	t := &Tokens{path: path, log: log}
	t.table.Store(&table{})
	if err := t.load(); err != nil {
		return nil, err
	}
	return t, nil
}

// Authenticate finds what a token allows. Whether it is unknown or has another secret makes no
// difference to whoever asks, and none to speak of in time: a hash is compared in either case. It
// allocates nothing and takes no lock, so that a flood of wrong tokens is cheap.
func (t *Tokens) Authenticate(token string, now time.Time) (*Grant, *Denial) {
	if token == "" {
		return nil, noToken
	}
	id, secret, ok := split(token)
	if !ok {
		return nil, malformed
	}
	return t.Secret(id, secret, now)
}

// Secret is Authenticate for a token in two parts.
func (t *Tokens) Secret(id, secret string, now time.Time) (*Grant, *Denial) {
	g, kept := t.table.Load().byID[id], &dummy
	if g != nil {
		kept = &g.hash
	}
	switch same := matches(secret, kept); {
	case g == nil:
		return nil, unknown
	case !same:
		return nil, wrong
	}
	return g.unless(now)
}

// NKey finds what the token with a public key allows. That the caller has the private key is for
// whoever asks to verify.
func (t *Tokens) NKey(key string, now time.Time) (*Grant, *Denial) {
	g := t.table.Load().byNKey[key]
	if g == nil {
		return nil, unknown
	}
	return g.unless(now)
}

func (g *Grant) unless(now time.Time) (*Grant, *Denial) {
	if g.expired(now) {
		return nil, expired
	}
	return g, nil
}

func (g *Grant) expired(now time.Time) bool { return !g.Expires.IsZero() && !now.Before(g.Expires) }

// OnEnd has f told of each grant that is over. It must not block.
func (t *Tokens) OnEnd(f func(*Grant)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.onEnd = append(t.onEnd, f)
}

// Watch looks at the file every PollEvery, and on each of hangups at once, until ctx ends.
func (t *Tokens) Watch(ctx context.Context, hangups <-chan os.Signal) {
	tick := time.NewTicker(PollEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			t.poll(false)
		case <-hangups:
			t.poll(true)
		}
	}
}

// poll reads the file if it may have changed, and ends what has expired. A file that is broken or
// gone changes nothing, and is logged once.
func (t *Tokens) poll(always bool) {
	t.expire(time.Now())
	info, err := os.Stat(t.path)
	t.mu.Lock()
	same := err == nil && t.seen != nil && os.SameFile(info, t.seen) && info.Size() == t.seen.Size() &&
		info.ModTime().Equal(t.seen.ModTime()) && time.Since(info.ModTime()) > settledAfter
	t.mu.Unlock()
	if same && !always {
		return
	}
	err = t.load()
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case err == nil:
		t.broken = ""
	case err.Error() != t.broken:
		t.broken = err.Error()
		t.log.Error("the tokens file cannot be used; the tokens stay as they were", "error", err)
	}
}

// load reads the file and puts what it says in place of what was.
func (t *Tokens) load() (err error) {
	f, err := os.Open(t.path)
	if err != nil {
		return fmt.Errorf("open the tokens file: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("look at the tokens file: %w", err)
	}
	records, err := read(f)
	if err != nil {
		return fmt.Errorf("tokens file %s: %w", t.path, err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.seen = info
	return t.put(records)
}

// put makes records count. Grants of records that are the same go on. The lock is held.
func (t *Tokens) put(records []Record) error {
	was := t.table.Load()
	now := &table{
		byID: make(map[string]*Grant, len(records)), byNKey: make(map[string]*Grant), records: make(map[string]Record, len(records)),
	}
	for _, r := range records {
		g := was.byID[r.ID]
		if old := was.records[r.ID]; g == nil || !reflect.DeepEqual(old, r) {
			var err error
			if g, err = r.grant(); err != nil {
				return fmt.Errorf("token %s: %w", r.ID, err)
			}
		}
		now.byID[r.ID], now.records[r.ID] = g, r
		if r.NKey != "" {
			now.byNKey[r.NKey] = g
		}
	}
	t.swap(was, now)
	return nil
}

// swap puts one state in place of another, and ends the grants that are not in it any more.
func (t *Tokens) swap(was, now *table) {
	t.table.Store(now)
	changed := len(now.byID) != len(was.byID)
	for id, g := range was.byID {
		if now.byID[id] == g {
			continue
		}
		changed = true
		t.end(g)
	}
	if changed {
		t.log.Info("tokens read", "file", t.path, "tokens", len(now.byID))
	}
}

func (t *Tokens) end(g *Grant) {
	select {
	case <-g.over:
		return // It expired before.
	default:
	}
	close(g.over)
	for _, f := range t.onEnd {
		f(g)
	}
}

// expire ends grants whose time has come. They stay in the table, where they are found expired.
func (t *Tokens) expire(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, g := range t.table.Load().byID {
		if g.expired(now) {
			t.end(g)
		}
	}
}
