package access

// Reason says why access was refused, for the metric and the log.
type Reason uint8

// The reasons. Those before Scope say that nobody is authenticated.
const (
	None Reason = iota
	NoToken
	MalformedToken
	UnknownToken
	WrongSecret
	ExpiredToken
	Scope
	Location
	SKU
	Host
	CrossSite
)

var reasonNames = [...]string{
	None: "", NoToken: "no_token", MalformedToken: "malformed_token", UnknownToken: "unknown_token",
	WrongSecret: "wrong_secret", ExpiredToken: "expired_token", Scope: "scope", Location: "location",
	SKU: "sku", Host: "host", CrossSite: "cross_site",
}

func (r Reason) String() string { return reasonNames[r] }

// Reasons lists every reason.
func Reasons() (all []Reason) {
	for r := NoToken; r <= CrossSite; r++ {
		all = append(all, r)
	}
	return all
}

// Denial is a refusal of access. Field names what of the request is at fault, as clients spell it.
type Denial struct {
	Reason        Reason
	Field, Detail string
}

// Nobody reports whether the denial is for lack of a valid token, rather than of a right.
func (d *Denial) Nobody() bool { return d.Reason < Scope }

// The denials of those who are nobody. Whether an id is known is not told.
var (
	noToken   = &Denial{NoToken, "Authorization", "the request has no token; send Authorization: Bearer skua_..."}
	malformed = &Denial{MalformedToken, "Authorization", notValid}
	unknown   = &Denial{UnknownToken, "Authorization", notValid}
	wrong     = &Denial{WrongSecret, "Authorization", notValid}
	expired   = &Denial{ExpiredToken, "Authorization", "the token has expired"}
)

const notValid = "the token is not valid"
