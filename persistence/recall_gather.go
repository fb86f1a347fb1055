package persistence

import "github.com/skua-stock/skua/engine"

// gatheredKeys files keys for one who has very many and is alone: recovery. A key that is filed by
// itself touches memory that is in no cache, and a table that grows all the time is copied several
// times over. So keys wait here, by shard; then those of a shard go into its table together, which
// is made large enough for all of them at once.
type gatheredKeys struct {
	recall  *recall
	waiting int64
	shards  [recallShards][]gatheredKey
	warmth  uint64 // of no meaning; it keeps the reads ahead from being left out
}

type gatheredKey struct{ hash, index uint64 }

// put is recall.put, but that what it puts is found only after file.
func (g *gatheredKeys) put(hash, index uint64, now engine.Time) {
	if g.recall.due(g.waiting, now) {
		g.file()
		g.recall.put(hash, index, now) // It begins another generation, if it can.
		return
	}
	shard := &g.shards[hash>>56]
	*shard = append(*shard, gatheredKey{hash, index})
	if g.waiting++; g.waiting == keysGathered {
		g.file()
	}
}

// file files what waits. All of it is of the generation that is the young one.
func (g *gatheredKeys) file() {
	if g.waiting == 0 {
		return
	}
	young := g.recall.young.Load()
	for i := range g.shards {
		fresh, w := young.shards[i].putAll(g.shards[i])
		young.count.Add(int64(fresh))
		g.warmth += w
		g.shards[i] = g.shards[i][:0]
	}
	g.waiting = 0
}
