package events

import "strings"

// The streams and the beginnings of their subjects.
const (
	Stream        = "STOCK_EVENTS"
	AlertStream   = "STOCK_ALERTS"
	SubjectPrefix = "stock.events.v1."
	AlertPrefix   = "stock.alerts.v1."
)

// emptyToken stands for no name. A name that is this itself is escaped.
const emptyToken = "_"

const upperHex = "0123456789ABCDEF"

// literal reports whether a byte of a name stands for itself: the unreserved characters of RFC 3986
// without the dot, which divides subjects.
func literal(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' ||
		c == '-' || c == '_' || c == '~'
}

// AppendToken appends a SKU or a location as one token of a subject. Every byte that does not stand
// for itself becomes %XX, so that any name is a legal token and percent-decoding gives it back. No
// name is "_".
func AppendToken(b []byte, name string) []byte {
	switch name {
	case "":
		return append(b, emptyToken...)
	case emptyToken:
		return append(b, "%5F"...)
	}
	for i := 0; i < len(name); i++ {
		c := name[i]
		if literal(c) {
			b = append(b, c)
		} else {
			b = append(b, '%', upperHex[c>>4], upperHex[c&0xf])
		}
	}
	return b
}

// NameOfToken is the way back; ok is false for what AppendToken does not write.
func NameOfToken(token string) (name string, ok bool) {
	switch token {
	case "":
		return "", false
	case emptyToken:
		return "", true
	case "%5F":
		return emptyToken, true
	}
	var b []byte
	for i := 0; i < len(token); i++ {
		c := token[i]
		if c == '%' {
			if i+2 >= len(token) {
				return "", false
			}
			high, low := strings.IndexByte(upperHex, token[i+1]), strings.IndexByte(upperHex, token[i+2])
			if high < 0 || low < 0 || literal(byte(high<<4|low)) {
				return "", false
			}
			c, i = byte(high<<4|low), i+2
		} else if !literal(c) {
			return "", false
		}
		b = append(b, c)
	}
	return string(b), true
}

// appendSubject appends what comes after the prefix of a subject.
func appendSubject(b []byte, location, sku string) []byte {
	return AppendToken(append(AppendToken(b, location), '.'), sku)
}
