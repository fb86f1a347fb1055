package access

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"strings"
)

const tokenPrefix = "skua_"

var letters = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// newSecret draws the parts of a token.
func newSecret() (id, secret string) {
	var b [40]byte
	_, _ = rand.Read(b[:]) // It never fails: the process ends before.
	return letters.EncodeToString(b[:8])[:idChars], letters.EncodeToString(b[8:])
}

// spell is the token of an id and a secret.
func spell(id, secret string) string { return tokenPrefix + id + "_" + secret }

// split takes a token apart.
func split(token string) (id, secret string, ok bool) {
	if len(token) != len(tokenPrefix)+idChars+1+secretChars || token[:len(tokenPrefix)] != tokenPrefix {
		return "", "", false
	}
	rest := token[len(tokenPrefix):]
	return rest[:idChars], rest[idChars+1:], rest[idChars] == '_'
}

// hash is what is kept of a secret. Longer ones than there are come out as none.
func hash(secret string) [sha256.Size]byte {
	var b [secretChars]byte // A copy, so that no memory is allocated.
	if len(secret) > len(b) {
		return [sha256.Size]byte{}
	}
	return sha256.Sum256(b[:copy(b[:], secret)])
}

// matches compares in a time that does not depend on where the hashes differ.
func matches(secret string, kept *[sha256.Size]byte) bool {
	sum := hash(secret)
	return len(secret) == secretChars && subtle.ConstantTimeCompare(sum[:], kept[:]) == 1
}

// dummy is compared with where there is no token of an id, so that it takes as long as where there is.
var dummy = sha256.Sum256([]byte(tokenPrefix))

// Bearer takes the token out of the value of the header Authorization; ok is false where there is
// none.
func Bearer(header string) (token string, ok bool) {
	const scheme = "Bearer "
	if len(header) < len(scheme) || !strings.EqualFold(header[:len(scheme)], scheme) {
		return "", false
	}
	return strings.TrimLeft(header[len(scheme):], " "), true
}
