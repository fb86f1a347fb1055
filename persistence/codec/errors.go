package codec

import "errors"

var (
	// ErrMalformed means that bytes are not what they claim to be.
	ErrMalformed = errors.New("malformed")
	// ErrNotSupported means that bytes are of a kind or a version that this program does not know.
	ErrNotSupported = errors.New("not supported by this version")
)
