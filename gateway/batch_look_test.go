package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/skua-stock/skua/engine"
	"github.com/skua-stock/skua/gateway/access"
)

// forgetful is a port that never answers the first commands, as many as a batch may have in flight,
// and answers all others at once. Every reservation has a line at Rome.
type forgetful struct {
	bursts
	end      func()
	silent   int
	steps    int
	together int
}

func (p *forgetful) Reservation(string) (engine.ReservationRef, bool) {
	return engine.ReservationRef{Home: "A", Nonce: 1}, true
}

func (p *forgetful) SubmitEach(cs []*engine.Command, answer func(int, *engine.Answer)) {
	for i, c := range cs {
		if c.Op.Step() {
			p.steps++
		} else if p.silent < AnswersMax {
			if p.silent++; p.silent == AnswersMax {
				p.end()
			}
			continue
		}
		answer(i, &engine.Answer{Op: c.Op, Reservation: engine.ReservationView{
			Ref: c.Reservation, State: engine.Active, Lines: []engine.LineView{{SKU: "A", Location: "rome"}},
		}})
	}
}

func (p *forgetful) SubmitAll([]*engine.Command, func([]engine.Answer)) { p.together++ }

// TestStepsAreLookedAtOrRefused: when time is up while the reservations of a restricted caller are read,
// the steps whose reservations were not read are not taken.
func TestStepsAreLookedAtOrRefused(t *testing.T) {
	for _, policy := range ErrorPolicies {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		p := &forgetful{end: cancel}
		r := Reader{Port: p}
		who := Caller{Grant: restricted(t)}
		var steps []string
		for i := range AnswersMax + 20 {
			steps = append(steps, fmt.Sprintf(`{"op":"release","id":"x","idempotency_key":"k%d"}`, i))
		}
		b, problem := r.Batch(ctx, &who, nil, fmt.Appendf(nil, `{"error_policy":%q,"operations":[%s]}`, policy, strings.Join(steps, ",")))
		if problem != nil {
			t.Fatal(problem)
		}
		var out struct{ Results []struct{ Code string } }
		if err := json.Unmarshal(b, &out); err != nil {
			t.Fatal(err)
		}
		for i, r := range out.Results {
			if r.Code != "ANSWER_TIMEOUT" {
				t.Errorf("%s: step %d: %q", policy, i, r.Code)
			}
		}
		if len(out.Results) != len(steps) || p.steps+p.together > 0 {
			t.Errorf("%s: %d results, and %d steps were taken that nobody had looked at", policy, len(out.Results), p.steps)
		}
	}
}

// restricted is a grant to sell at Berlin.
func restricted(t *testing.T) *access.Grant {
	t.Helper()
	r, token, err := access.NewRecord(access.Record{Name: "till", Scopes: []string{"sell"}, Locations: []string{"berlin"}}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "tokens.json")
	if err := access.EditFile(path, func([]access.Record) ([]access.Record, error) { return []access.Record{r}, nil }); err != nil {
		t.Fatal(err)
	}
	tokens, err := access.Open(path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	g, denial := tokens.Authenticate(token, time.Now())
	if denial != nil {
		t.Fatal(denial)
	}
	return g
}
