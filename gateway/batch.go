package gateway

import (
	"context"
	"slices"
	"sync/atomic"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/skua-stock/skua/engine"
)

// BatchRequest is the body of batch. An operation of it has the fields of that operation's body,
// and op, idempotency_key, sku or id, and if_match beside them; one that only reads has op, and sku or id.
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

// batch is a batch under way. It is memory that is used again, unless it was given up: then answers
// may still come to it.
type batch struct {
	bunch
	members []*member
	// all are the members that there is memory for; the batch has the first of them.
	all []*member
	// results has what the operations that were handed over came to, in the order of the answers;
	// succeeded counts their successes by operation. The gathering guards both.
	results   []byte
	succeeded [len(plainShapes)]int
	reader    *Reader
	who       *Caller
	// kept is what batchesKept counts for the batch while nobody has it.
	kept int64
}

// member is one operation of a batch: it has a problem, or a command that is handed over.
type member struct {
	message   Message
	operation *Operation
	problem   *Problem
	// skus are the items that the command touches, where that matters.
	skus []string
	// from and to are where the result is.
	from, to int
}

// batches is memory of batches that are over, batchesKept how many bytes of it. A pool of the library
// would lose it at each garbage collection, which large batches bring about themselves, and fresh memory
// costs a fault for each page.
var (
	batches     = make(chan *batch, batchesKeptMax)
	batchesKept atomic.Int64
)

func takeBatch() *batch {
	select {
	case b := <-batches:
		batchesKept.Add(-b.kept)
		return b
	default:
		return new(batch)
	}
}

// another makes room for one more operation. A member stays where it is, for answers find it there.
func (b *batch) another() *member {
	n := len(b.members)
	if n == len(b.all) {
		more := make([]member, membersAtOnce)
		for i := range more {
			b.all = append(b.all, &more[i])
		}
	}
	b.members = b.all[:n+1]
	return b.members[n]
}

// clear forgets the operations and what they point at, and keeps their memory.
func (b *batch) clear() {
	for _, m := range b.members {
		m.message.Reset()
		if cap(m.message.lines) > memberLinesMax {
			m.message.lines = nil
		}
		if clear(m.skus); cap(m.skus) > memberLinesMax {
			m.skus = nil
		}
		m.operation, m.problem, m.skus, m.from, m.to = nil, nil, m.skus[:0], 0, 0
	}
	b.members = nil
}

// free gives the memory back.
func (b *batch) free() {
	b.kept = int64(len(b.all)*memberBytes + cap(b.results))
	if batchesKept.Add(b.kept) > batchesKeptBytes {
		batchesKept.Add(-b.kept)
		return
	}
	b.clear()
	b.results = b.results[:0]
	b.port, b.bunch.file, b.reader, b.who, b.succeeded = nil, nil, nil, nil, [len(plainShapes)]int{}
	select {
	case batches <- b:
	default:
		batchesKept.Add(-b.kept)
	}
}

// Batch does a batch and writes a [BatchAnswer]. Whether the caller may is decided for each operation
// by itself.
func (r *Reader) Batch(ctx context.Context, who *Caller, b, raw []byte) ([]byte, *Problem) {
	run := takeBatch()
	run.port, run.reader, run.who = r.Port, r, who
	policy, p := run.decode(raw)
	if p != nil {
		return b, p
	}
	if p := run.allowed(); p != nil {
		return b, p
	}
	run.look(ctx)
	run.start(len(run.members), r.Port, run.write)
	run.results = slices.Grow(run.results, len(run.members)*resultBytes)
	if policy == rejectEverything {
		run.refuseReads()
	}
	switch {
	case policy != rejectEverything:
		run.each(ctx)
	case run.spoiled():
		run.refuseRest()
	default:
		if p := run.together(ctx); p != nil {
			return b, p
		}
	}
	whole := run.end()
	b = slices.Grow(b, len(run.results)+len(run.members)+len(`{"results":[]}`))
	b = append(b, `{"results":[`...)
	for i := range run.members {
		if i > 0 {
			b = append(b, ',')
		}
		b = run.appendResult(b, i)
	}
	r.Metrics.succeeded(&run.succeeded)
	if whole {
		run.free()
	}
	return append(b, "]}"...), nil
}

// decode reads a batch: all its operations, each with a command or a problem.
func (b *batch) decode(raw []byte) (policy string, p *Problem) {
	policy, ok := b.plainly(raw)
	if ok {
		for i := range b.members {
			m := b.members[i]
			m.problem = Check(b.port, b.who, &m.message.Command, m.message.ID.S)
		}
		return policy, nil
	}
	b.clear()
	var req BatchRequest
	if p := decode(raw, &req); p != nil {
		return "", p
	}
	if policy, p = checkBatch(&req); p != nil {
		return "", p
	}
	for _, raw := range req.Operations {
		m := b.another()
		m.problem = m.decode(b.port, b.who, raw)
	}
	return policy, nil
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

func (m *member) decode(port Port, who *Caller, raw jsontext.Value) *Problem {
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
	m.operation = batchable[named.Op.S]
	if m.operation == nil {
		return Invalid("op", "op must be an operation on one item or reservation, such as reserve or get_item")
	}
	if p := m.operation.DecodeMessage(raw, &m.message); p != nil {
		return p
	}
	m.message.Command.Key = m.message.Key.S
	return Check(port, who, &m.message.Command, m.message.ID.S)
}

// together does the batch in one turn.
func (b *batch) together(ctx context.Context) *Problem {
	lines := 0
	commands := make([]*engine.Command, len(b.members))
	for i := range b.members {
		commands[i] = &b.members[i].message.Command
		lines += max(1, len(commands[i].Lines))
	}
	if lines > engine.LinesMax {
		return newProblem(KindOf(engine.TooManyLines), "operations",
			"an atomic batch has at most %d lines, this has %d; an operation without lines counts as one", engine.LinesMax, lines)
	}
	b.handed = len(commands)
	b.port.SubmitAll(commands, func(answers []engine.Answer) {
		for i := range answers {
			b.write(i, &answers[i])
		}
	})
	if !b.wait(ctx) {
		return TimedOut(AnswerWait)
	}
	return nil
}

// spoiled reports whether an operation has a problem already.
func (b *batch) spoiled() bool {
	for i := range b.members {
		if b.members[i].problem != nil {
			return true
		}
	}
	return false
}

// allowed is the one decision about a batch as a whole: who may only read is refused a batch that is
// to change something, and nobody is told of each operation what all of them have in common.
func (b *batch) allowed() *Problem {
	if b.who.Grant == nil || b.who.Grant.Allows(changes) == nil {
		return nil
	}
	for _, m := range b.members {
		if m.operation != nil && m.operation.Mutates() {
			return Denied(b.who.Grant.Allows(changes))
		}
	}
	return nil
}

// refuseReads gives what only reads in an atomic batch a problem: its answer would be neither of before
// the turn nor of after it.
func (b *batch) refuseReads() {
	for _, m := range b.members {
		if m.problem == nil && !m.operation.Mutates() {
			m.problem = Invalid("op", "%s only reads, which a batch with %s cannot have", m.operation.Name, rejectEverything)
		}
	}
}

// refuseRest gives every operation without a problem that of its siblings.
func (b *batch) refuseRest() {
	for i := range b.members {
		if m := b.members[i]; m.problem == nil {
			m.problem = newProblem(KindOf(engine.LinkedLineFailed), "", "another operation of the batch was refused")
		}
	}
}
