package gateway

import (
	"context"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/skua-stock/skua/engine"
)

// BatchRequest is the body of batch. An operation of it has the fields of that operation's body,
// and op, idempotency_key, sku or id, and if_match beside them.
type BatchRequest struct {
	ErrorPolicy Text             `json:"error_policy" enum:"error_policies" doc:"ignore_failed by default: each operation stands alone. reject_everything: one atomic turn, of at most 1000 lines."`
	Operations  []jsontext.Value `json:"operations" items:"operation" required:"true" minitems:"1" maxitems:"10000" doc:"Done in order, as far as they touch the same item."`
}

// BatchAnswer has a result for each operation, in order: the answer or the problem of the
// operation, with its status beside.
type BatchAnswer struct {
	Results []jsontext.Value `json:"results" items:"result"`
}

// ErrorPolicies are what a batch can do about a refused operation. An operation is always all or
// nothing, so that the first two come to the same.
var ErrorPolicies = []string{"ignore_failed", "reject_failed_rows", "reject_everything"}

const rejectEverything = "reject_everything"

// batch is a batch under way.
type batch struct {
	port    Port
	members []member
}

// member is one operation of a batch: it has a problem, or a command.
type member struct {
	operation *Operation
	command   *engine.Command
	problem   *Problem
	answer    engine.Answer
	// skus are the items that the command touches.
	skus []string
}

// Batch does a batch and writes a [BatchAnswer].
func (r *Reader) Batch(ctx context.Context, b, raw []byte) ([]byte, *Problem) {
	var req BatchRequest
	if p := decode(raw, &req); p != nil {
		return b, p
	}
	policy, p := checkBatch(&req)
	if p != nil {
		return b, p
	}
	run := batch{port: r.Port, members: make([]member, len(req.Operations))}
	bad := -1
	for i, raw := range req.Operations {
		m := &run.members[i]
		if m.problem = m.decode(r.Port, raw); m.problem != nil {
			bad = i
		}
	}
	switch {
	case policy != rejectEverything:
		run.each(ctx)
	case bad >= 0:
		run.refuseRest()
	default:
		if p := run.together(ctx); p != nil {
			return b, p
		}
	}
	b = append(b, `{"results":[`...)
	for i := range run.members {
		if i > 0 {
			b = append(b, ',')
		}
		b = run.members[i].append(b, r)
	}
	return append(b, "]}"...), nil
}

func checkBatch(req *BatchRequest) (policy string, p *Problem) {
	policy = ErrorPolicies[0]
	if req.ErrorPolicy.Set {
		policy = req.ErrorPolicy.S
	}
	switch policy {
	case ErrorPolicies[0], ErrorPolicies[1], rejectEverything:
	default:
		return "", Invalid("error_policy", "error_policy must be ignore_failed, reject_failed_rows or reject_everything")
	}
	switch n := len(req.Operations); {
	case req.Operations == nil:
		return "", Invalid("operations", "operations is required")
	case n == 0:
		return "", Invalid("operations", "operations must have at least one operation")
	case n > BatchOperationsMax:
		return "", newProblem(PayloadTooLarge, "operations", "at most %d operations, there are %d", BatchOperationsMax, n)
	}
	return policy, nil
}

func (m *member) decode(port Port, raw jsontext.Value) *Problem {
	if raw.Kind() != '{' {
		return Invalid("", "an operation must be a JSON object, is %s", kindNames[raw.Kind()])
	}
	var named opMember
	if err := json.Unmarshal(raw, &named); err != nil {
		return explain(raw, err)
	}
	if !named.Op.Set {
		return Invalid("op", "op is required")
	}
	m.operation = mutations[named.Op.S]
	if m.operation == nil {
		return Invalid("op", "op must be one of the operations that change something, such as reserve")
	}
	var msg Message
	if p := m.operation.DecodeMessage(raw, &msg); p != nil {
		return p
	}
	c := &msg.Command
	c.Key = msg.Key.S
	if p := Check(port, c, msg.ID.S); p != nil {
		return p
	}
	m.command = c
	return nil
}

// together does the batch in one turn.
func (b *batch) together(ctx context.Context) *Problem {
	lines := 0
	commands := make([]*engine.Command, len(b.members))
	for i := range b.members {
		commands[i] = b.members[i].command
		lines += max(1, len(commands[i].Lines))
	}
	if lines > engine.LinesMax {
		return newProblem(KindOf(engine.TooManyLines), "operations",
			"an atomic batch has at most %d lines, this has %d; an operation without lines counts as one", engine.LinesMax, lines)
	}
	done := make(chan []engine.Answer, 1)
	b.port.SubmitAll(commands, func(answers []engine.Answer) { done <- answers })
	select {
	case answers := <-done:
		for i := range b.members {
			b.members[i].answer = answers[i]
		}
		return nil
	case <-ctx.Done():
		return TimedOut(AnswerWait)
	}
}

// refuseRest gives every operation without a problem that of its siblings.
func (b *batch) refuseRest() {
	for i := range b.members {
		if m := &b.members[i]; m.problem == nil {
			m.problem = newProblem(KindOf(engine.LinkedLineFailed), "", "another operation of the batch was refused")
		}
	}
}

// append writes the result of one operation: what it would have answered alone, with the status.
func (m *member) append(b []byte, r *Reader) []byte {
	p := m.problem
	if p == nil {
		p = ProblemIn(&m.answer)
	}
	r.Metrics.batched(m.operation, p)
	if p != nil {
		switch p.Field {
		case KeyHeader:
			p.Field = "idempotency_key"
		case MatchHeader:
			p.Field = "if_match"
		}
		return AppendProblem(b, p, "")
	}
	op := m.operation.Op
	b = appendInt(b, `{"status":`, int64(StatusOf(op, &m.answer)))
	OrderLines(m.command, &m.answer)
	if m.answer.Replayed {
		b = append(b, `,"replayed":true`...)
	}
	b = append(b, ',')
	start := len(b)
	b = AppendAnswer(b, op, &m.answer, r.Port.AppendReservationID)
	// The answer is an object; without its brace it goes on with the one begun above.
	return append(b[:start], b[start+1:]...)
}
