package persistence

import (
	"github.com/skua-stock/skua/engine"
	"github.com/skua-stock/skua/persistence/codec"
)

// eachSkimmedKey is eachKey for a record that was only skimmed.
func eachSkimmedKey(e *codec.Skim, f func(hash uint64)) {
	for i := range e.Acts {
		act := &e.Acts[i]
		if act.KeyHash != ([16]byte{}) {
			f(keyHash(string(act.Home), act.KeyHash))
		}
		if act.State.Final() && act.Nonce != 0 && act.AtHome {
			f(endHash(engine.ReservationRef{Home: string(act.Home), Nonce: act.Nonce}))
		}
	}
}
