package codec

import "fmt"

// Kind says what some bytes are. It is the first byte of everything that this package writes.
type Kind byte

// The kinds. A number is never used for anything else again. Those from KindPrepare to KindAbort
// are the steps of a command over several nodes, each with a log of its own; they have their
// numbers now so that a node that does not know them stops instead of guessing.
const (
	KindRecord   Kind = 1
	KindPrepare  Kind = 2
	KindDecided  Kind = 3
	KindFinish   Kind = 4
	KindAbort    Kind = 5
	KindItem     Kind = 16
	KindHold     Kind = 17
	kindNamesLen      = 18
)

var kindNames = [kindNamesLen]string{
	KindRecord: "record", KindPrepare: "prepare", KindDecided: "decided", KindFinish: "finish",
	KindAbort: "abort", KindItem: "item", KindHold: "hold",
}

func (k Kind) String() string {
	if k < kindNamesLen && kindNames[k] != "" {
		return kindNames[k]
	}
	return fmt.Sprintf("kind %d", byte(k))
}

// The versions that are written. A reader of this program knows all versions up to these: bytes
// are changed by a new version next to the old ones, never by a change of an old one.
const (
	recordVersion = 1
	itemVersion   = 1
	holdVersion   = 1
)

// head reads the kind and the version and refuses what the caller does not want.
func (r *reader) head(want Kind, version byte) {
	kind, v := Kind(r.byte()), r.byte()
	switch {
	case r.err != nil:
	case kind == want && v == version:
	case kind == want:
		r.err = fmt.Errorf("%s of version %d: %w", kind, v, ErrNotSupported)
	case kind >= KindPrepare && kind <= KindAbort:
		r.err = fmt.Errorf("record of kind %q, of a cluster: %w", kind, ErrNotSupported)
	default:
		r.err = fmt.Errorf("%w: %s where a %s should be", ErrMalformed, kind, want)
	}
}
