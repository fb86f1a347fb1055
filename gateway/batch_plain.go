package gateway

import "slices"

// plainly reads a batch that is plain in every operation; otherwise ok is false, and nothing that
// it left in the batch counts.
func (b *batch) plainly(raw []byte) (policy string, ok bool) {
	p := takePlain(raw)
	defer p.free()
	policy = ErrorPolicies[0]
	if !p.skip('{') {
		return "", false
	}
	given := false
	for {
		name, ok := p.text()
		if !ok || !p.skip(':') {
			return "", false
		}
		switch string(name) {
		case "error_policy":
			text, plainly := p.text()
			i := slices.Index(ErrorPolicies, string(text))
			if !plainly || i < 0 || given {
				return "", false
			}
			policy, given = ErrorPolicies[i], true
		case "operations":
			if len(b.members) > 0 || !b.plainOperations(p) {
				return "", false
			}
		default:
			return "", false
		}
		if p.skip(',') {
			continue
		}
		return policy, p.skip('}') && p.ended() && len(b.members) > 0
	}
}

// plainOperations reads operations, at least one.
func (b *batch) plainOperations(p *plain) bool {
	if !p.skip('[') {
		return false
	}
	for len(b.members) < BatchOperationsMax {
		if !p.object() || p.operation == nil || !p.fits(plainShapes[p.operation.Op]) {
			return false
		}
		m := b.another()
		m.operation = p.operation
		m.message.Command.Op = p.operation.Op
		p.fill(&m.message)
		m.message.Command.Key = m.message.Key.S
		if m.message.address() != nil {
			return false
		}
		if p.skip(',') {
			continue
		}
		return p.skip(']')
	}
	return false
}
