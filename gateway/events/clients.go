package events

import (
	"crypto/subtle"
	"encoding/base64"
	"math"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"

	"github.com/skua-stock/skua/gateway/access"
)

// clients lets connections to the embedded server in by their API tokens: the user is the id, the
// password the secret, or the token's NKEY has signed the server's nonce.
type clients struct {
	own    string // the password of the process's own users
	config *ServerConfig
}

// The users of the process where tokens are asked for: the outbox, which may do everything, and the
// door, whose answers go where clients say, and so may go to no subject that means something.
const doorUser = "skua-door"

// Check implements server.Authentication.
func (a *clients) Check(c server.ClientAuthentication) bool {
	o := c.GetOpts()
	if o.Username == ownUser || o.Username == doorUser {
		if subtle.ConstantTimeCompare([]byte(o.Password), []byte(a.own)) != 1 {
			a.refused(c, access.WrongSecret)
			return false
		}
		user := &server.User{Username: o.Username}
		if o.Username == doorUser {
			user.Permissions = &server.Permissions{Publish: &server.SubjectPermission{Deny: []string{"stock.>", "$JS.>", "$KV.>", "$O.>"}}}
		}
		c.RegisterUser(user)
		return true
	}
	g, denial := a.grant(c, o)
	if denial != access.None {
		a.refused(c, denial)
		return false
	}
	c.RegisterUser(&server.User{Username: g.ID, Permissions: permissions(g), ConnectionDeadline: g.Expires})
	return true
}

// grant finds whose connection it is.
func (a *clients) grant(c server.ClientAuthentication, o *server.ClientOpts) (*access.Grant, access.Reason) {
	var g *access.Grant
	var denial *access.Denial
	switch {
	case o.Nkey != "" && !signed(o.Nkey, o.Sig, c.GetNonce()):
		return nil, access.WrongSecret
	case o.Nkey != "":
		g, denial = a.config.Tokens.NKey(o.Nkey, time.Now())
	case o.Token != "":
		g, denial = a.config.Tokens.Authenticate(o.Token, time.Now())
	case o.Username == "":
		return nil, access.NoToken
	default:
		g, denial = a.config.Tokens.Secret(o.Username, o.Password, time.Now())
	}
	if denial != nil {
		return nil, denial.Reason
	}
	return g, access.None
}

func (a *clients) refused(c server.ClientAuthentication, why access.Reason) {
	if a.config.Refused == nil {
		return
	}
	remote := ""
	if addr := c.RemoteAddress(); addr != nil {
		remote = addr.String()
	}
	a.config.Refused(why, remote)
}

// signed reports whether the private key of a public key has signed the nonce.
func signed(key, signature string, nonce []byte) bool {
	sig, err := base64.RawURLEncoding.DecodeString(signature)
	if err != nil {
		return false
	}
	public, err := nkeys.FromPublicKey(key)
	return err == nil && len(nonce) > 0 && public.Verify(nonce, sig) == nil
}

// permissions are what the connections of a token may do: ask, and hear the answers in an inbox of
// their own, which nobody else can listen to. Who may read hears events as they happen, of the
// locations that the token is for; a prefix of SKUs cannot be said in subjects, so such a token hears
// none here.
//
// JetStream is for admin alone. Its requests name where the answer, or what a consumer delivers, goes
// to, and the server sends it there whoever asked: into the streams too. So who may make such a request
// may forge an event.
func permissions(g *access.Grant) *server.Permissions {
	if g.Scopes&access.Admin != 0 && !g.Restricted() {
		p := clientPermissions()
		// Requests have tokens in their headers: nobody listens in.
		p.Subscribe = &server.SubjectPermission{Deny: []string{"stock.v1.>"}}
		return p
	}
	hear := []string{InboxPrefix(g.ID) + ".>"}
	if g.Allows(access.Read) == nil && len(g.Prefixes) == 0 {
		if len(g.Locations) == 0 {
			hear = append(hear, SubjectPrefix+">", AlertPrefix+">")
		}
		for _, location := range g.Locations {
			token := string(AppendToken(nil, location))
			hear = append(hear, SubjectPrefix+token+".>", AlertPrefix+"*."+token+".>")
		}
	}
	return &server.Permissions{
		Publish:   &server.SubjectPermission{Allow: []string{"stock.v1.>", "$SRV.>"}},
		Subscribe: &server.SubjectPermission{Allow: hear},
	}
}

// InboxPrefix is what the inboxes of a token's connections have to begin with, where tokens are asked
// for: nats.CustomInboxPrefix, or --inbox-prefix of the client tool.
func InboxPrefix(id string) string { return "_INBOX_" + id }

// disconnect cuts the connections of a token that is over, and again after a moment those that were
// let in meanwhile.
func (s *Server) disconnect(g *access.Grant) {
	go func() {
		for range 2 {
			s.disconnectNow(g)
			time.Sleep(disconnectAgain)
		}
	}()
}

func (s *Server) disconnectNow(g *access.Grant) {
	all, err := s.server.Connz(&server.ConnzOptions{Username: true, Limit: math.MaxInt32})
	if err != nil {
		return // It is shutting down, and so cuts them all.
	}
	for _, c := range all.Conns {
		if c.AuthorizedUser == g.ID || g.NKey != "" && c.AuthorizedUser == g.NKey {
			// The error says that the connection is gone already.
			_ = s.server.DisconnectClientByID(c.Cid)
		}
	}
}
