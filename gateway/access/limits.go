package access

import "time"

// The limits of tokens and of their file.
const (
	// TokensMax bounds the tokens of a file.
	TokensMax = 10_000
	// FileBytesMax bounds the file, in bytes.
	FileBytesMax = 16 << 20
	// NameBytesMax bounds the name of a token, in bytes.
	NameBytesMax = 64
	// RestrictionsMax bounds the locations, and the SKU prefixes, of one token.
	RestrictionsMax = 100
	// PollEvery is how often the file is looked at: a revocation counts after so long at the most.
	PollEvery = time.Second
	// settledAfter is how old the last change of the file has to be for its time to be trusted: one
	// more within the same tick of the file system's clock would not show.
	settledAfter = 3 * time.Second
	// idChars and secretChars are the lengths of the two parts of a token.
	idChars     = 12
	secretChars = 52 // 256 bits in base32.
)
