package codec

import "errors"

var (
	// ErrMalformed means that bytes are not what they claim to be.
	ErrMalformed = errors.New("malformed")
	// ErrNotSupported means that bytes are of a kind or a version that this program does not know.
	ErrNotSupported = errors.New("not known to this version: made by a newer program, which has to read it")
)
