// Package access says who may do what: API tokens, their scopes, and what they are restricted to.
//
// A token is `skua_<id>_<secret>`. The tokens file has, for each, the id, a name, the scopes, the
// restrictions and the SHA-256 of the secret. The secret is 256 random bits, so there is nothing to
// guess and no slow hash is needed: who has the hash cannot find the secret, and who has neither
// cannot find one that fits.
//
//	tokens, err := access.Open("tokens.json", logger)
//	go tokens.Watch(ctx, hangups)             // changes of the file count without a restart
//	grant, denial := tokens.Authenticate(token, time.Now())
//	denial = grant.Command(&command)          // is every line inside the restrictions?
//
// A [Grant] is what a token allows. A nil grant allows everything: it stands for a server without
// authentication. Which operation needs which scope is said where the operations are, in package
// gateway; both doors and the event streams ask the same grant the same questions.
//
// The name of a token is its principal: idempotency keys belong to it, and movements have it as
// their actor. Several tokens may have one name, so that a token is replaced without a gap: make the
// second, hand it out, revoke the first by its id.
package access
