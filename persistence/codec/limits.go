package codec

// The limits of what is read. Counts of elements have none of their own: a count is believed only
// if that many elements, at their shortest, fit into the bytes that are left, and memory grows as
// elements are read. So garbage of n bytes makes a decoder take at most about eventMemory/
// eventBytesMin times n bytes.
const (
	// EntryBytesMax bounds an entry, in bytes. It is the longest record that the log takes.
	EntryBytesMax = 8 << 20
	// RowBytesMax bounds an item row or a hold row, in bytes. The longest that the engine's limits
	// allow are an item with 1,000 locations and a hold with 1,000 lines elsewhere, each below 1 MB.
	RowBytesMax = 4 << 20
	// NamesMax is how many names a Decoder remembers. It is a power of two.
	NamesMax = 1 << 14
	// NameBytesMax is the longest text that a Decoder remembers, in bytes.
	NameBytesMax = 128
)

// The shortest encodings, in bytes. They are part of the formats.
const (
	textBytesMin     = 1
	skuBytesMin      = textBytesMin + 1
	positionBytesMin = 2
	actBytesMin      = 4
	eventBytesMin    = 6
	lineBytesMin     = 3
	safetyBytesMin   = 2
	levelBytesMin    = 4
	holdLineBytesMin = 4
)
