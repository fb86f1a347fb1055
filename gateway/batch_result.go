package gateway

import "github.com/skua-stock/skua/engine"

// write writes the result of an operation that was handed over, while its answer is lent. It never
// blocks but for another result of the batch that is being written.
func (b *batch) write(i int, a *engine.Answer) {
	if !b.take() {
		return
	}
	m := b.members[i]
	m.from = len(b.results)
	a, p := Seen(b.who.Grant, m.operation.Op, a)
	if p == nil && len(b.results) > batchReadsBytesMax && !m.operation.Mutates() {
		p = newProblem(TooLargeAnswer, "", "the results before this have %d bytes, and a batch reads no more after %d", len(b.results), batchReadsBytesMax)
	}
	if p != nil {
		b.who.Report(m.operation.Name, p)
		b.results = m.appendProblem(b.results, p, b.reader.Metrics)
	} else {
		b.succeeded[m.operation.Op]++
		b.results = m.appendAnswer(b.results, a, b.port)
	}
	m.to = len(b.results)
	b.filed(i)
}

// appendResult writes the result of an operation: what it would have answered alone, with the
// status.
func (b *batch) appendResult(to []byte, i int) []byte {
	m := b.members[i]
	if m.problem == nil && !b.done[i] {
		m.problem = TimedOut(AnswerWait)
	}
	if m.problem != nil {
		if m.operation != nil {
			b.who.Report(m.operation.Name, m.problem)
		}
		return m.appendProblem(to, m.problem, b.reader.Metrics)
	}
	return append(to, b.results[m.from:m.to]...)
}

func (m *member) appendProblem(b []byte, p *Problem, metrics *DoorMetrics) []byte {
	metrics.batched(m.operation, p)
	switch p.Field {
	case KeyHeader:
		p.Field = "idempotency_key"
	case MatchHeader:
		p.Field = "if_match"
	}
	return AppendProblem(b, p, "")
}

func (m *member) appendAnswer(b []byte, a *engine.Answer, port Port) []byte {
	op := m.operation.Op
	b = appendInt(b, `{"status":`, int64(StatusOf(op, a)))
	OrderLines(&m.message.Command, a)
	if a.Replayed {
		b = append(b, `,"replayed":true`...)
	}
	b = append(b, ',')
	start := len(b)
	b = AppendAnswer(b, op, a, port.AppendReservationID)
	// The answer is an object; without its brace it goes on with the one begun above.
	return append(b[:start], b[start+1:]...)
}
