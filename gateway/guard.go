package gateway

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/skua-stock/skua/engine"
	"github.com/skua-stock/skua/gateway/access"
)

// Guard keeps the doors: it says who comes in, and reports who does not. One is made per process.
// A door without a guard is open.
type Guard struct {
	tokens  *access.Tokens
	log     *slog.Logger
	refused [access.CrossSite + 1]prometheus.Counter
	lines   Lines
}

// NewGuard makes the guard of the doors. Without tokens nobody needs one; what else is refused, as a
// request of a foreign web page, is reported all the same.
func NewGuard(tokens *access.Tokens, log *slog.Logger, reg prometheus.Registerer) *Guard {
	g := &Guard{tokens: tokens, log: log}
	counters := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "skua_access_refused_total",
		Help: "Requests, operations of batches and connections that were refused access, by reason.",
	}, []string{"reason"})
	reg.MustRegister(counters)
	for _, r := range access.Reasons() {
		g.refused[r] = counters.WithLabelValues(r.String())
	}
	return g
}

// Closed reports whether a token is needed.
func (g *Guard) Closed() bool { return g != nil && g.tokens != nil }

// Enter finds the grant of a request by its header Authorization; given is how often it has one.
func (g *Guard) Enter(header string, given int) (*access.Grant, *Problem) {
	token, ok := access.Bearer(header)
	if given > 1 || header != "" && (!ok || token == "") {
		token = "malformed"
	}
	grant, denial := g.tokens.Authenticate(token, time.Now())
	return grant, Denied(denial)
}

// Denied turns a denial into a problem, or nil into none.
func Denied(d *access.Denial) *Problem {
	switch {
	case d == nil:
		return nil
	case d.Nobody():
		return &Problem{Kind: Unauthenticated, Field: d.Field, Detail: d.Detail, Access: d.Reason}
	}
	return &Problem{Kind: PermissionDenied, Field: d.Field, Detail: d.Detail, Access: d.Reason}
}

// Refusal is one refusal of access, as it is reported.
type Refusal struct {
	Reason                                            access.Reason
	Door, Operation, RequestID, Principal, ID, Remote string
}

// Report counts a refusal, and logs it unless there were too many in this second.
func (g *Guard) Report(r *Refusal) {
	g.refused[r.Reason].Inc()
	suppressed, ok := g.lines.Take()
	if !ok {
		return
	}
	g.log.LogAttrs(context.Background(), slog.LevelWarn, "access refused",
		slog.String("reason", r.Reason.String()), slog.String("door", r.Door), slog.String("operation", r.Operation),
		slog.String("request_id", r.RequestID), slog.String("principal", r.Principal), slog.String("token_id", r.ID),
		slog.String("remote", r.Remote), slog.Int64("suppressed", suppressed))
}

// Caller is who sent a request, as far as a door knows.
type Caller struct {
	// Grant is what the caller may do; nil where no token is needed.
	Grant *access.Grant
	// Guard is told of refusals; nil where there is none.
	Guard *Guard
	// Door, RequestID and Remote are for the report of a refusal.
	Door, RequestID, Remote string
}

// Report reports a problem if it is a refusal of access; the operation is by its name.
func (c *Caller) Report(operation string, p *Problem) {
	if p == nil || p.Access == access.None || c.Guard == nil {
		return
	}
	r := Refusal{Reason: p.Access, Door: c.Door, Operation: operation, RequestID: c.RequestID, Remote: c.Remote}
	if c.Grant != nil {
		r.Principal, r.ID = c.Grant.Name, c.Grant.ID
	}
	c.Guard.Report(&r)
}

// Admit decides whether the caller may give a command, and makes it the caller's: the key is the
// principal's, and so is the movement, whatever actor the request names. What a step does to its
// reservation is not decided yet: see [Caller.MustLook].
func (c *Caller) Admit(cmd *engine.Command) *Problem {
	g := c.Grant
	if g == nil {
		return nil
	}
	if d := g.Allows(byOp[cmd.Op]); d != nil {
		return Denied(d)
	}
	if cmd.Op.Mutates() {
		cmd.Principal, cmd.Actor = g.Name, g.Name
	}
	return Denied(g.Command(cmd))
}

// MustLook reports whether the reservation of a step has to be read before the step is taken, to see
// whether the caller may. The answer to that goes through [Seen].
func (c *Caller) MustLook(op engine.Op) bool { return op.Step() && c.Grant.Restricted() }

// Look is the command that reads the reservation of a step.
func Look(step *engine.Command) *engine.Command {
	return &engine.Command{Op: engine.OpGetReservation, Reservation: step.Reservation}
}

// Seen is an answer as who has a grant may see it, or its problem. One that is seen in part is a copy;
// the answer itself stays as it is.
func Seen(g *access.Grant, op engine.Op, a *engine.Answer) (*engine.Answer, *Problem) {
	p := ProblemIn(a)
	if p != nil || !g.Restricted() {
		return a, p
	}
	switch op {
	case engine.OpGetReservation:
		return a, Denied(g.Reservation(&a.Reservation))
	case engine.OpGetItem:
		shown := *a
		shown.Item = g.View(a.Item)
		return &shown, nil
	}
	return a, nil
}
