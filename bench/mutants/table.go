package main

// mutant is a planted bug.
type mutant struct {
	name string
	what string
	file string
	old  string
	new  string
	// by is the test that is meant to find it.
	by finder
	// quick says that CI looks at it.
	quick bool
}

// finder is a test, as go test is told.
type finder struct{ pkg, run string }

// The tests that find most.
var (
	engineTwin    = finder{"./engine", "TestAgainstTwin|TestSmallWorlds"}
	logCrash      = finder{"./persistence/wal", "TestCrashAtAnyPoint"}
	logCorruption = finder{"./persistence/wal", "TestCorruptionMatrix|TestDamageInASealedSegment"}
	storeModel    = finder{"./persistence", "TestStoreAgainstAModel"}
	storeCrash    = finder{"./persistence", "TestCrashAgainstAModel"}
	nodeCrash     = finder{"./cmd/skua/node", "TestCrashAtAnyPoint"}
	simulation    = finder{"./bench/sim", "TestSim$"}
)

var mutants = []mutant{
	// The rules.
	{
		name: "sell-one-more", what: "a reservation may take one unit more than there is",
		file: "engine/scratch.go", old: "return max(0, c.Free()-c.Safety+room)", new: "return max(0, c.Free()-c.Safety+room+1)",
		by: engineTwin, quick: true,
	},
	{
		name: "forget-lines-summed", what: "of two lines for one item and location the second is not added to the first",
		file: "engine/reserve.go", old: "			w.quantity += q\n", new: "			_ = q\n",
		by: engineTwin,
	},
	{
		name: "expire-one-late", what: "a hold is due a millisecond after its deadline",
		file: "engine/stock.go", old: "next != 0 && next <= now", new: "next != 0 && next < now",
		by: finder{"./engine", "TestDueAtTheTurn|TestAgainstTwin"}, quick: true,
	},
	{
		name: "expire-one-early", what: "a hold is due a millisecond before its deadline",
		file: "engine/stock.go", old: "next != 0 && next <= now", new: "next != 0 && next <= now+1",
		by: finder{"./engine", "TestDueAtTheTurn|TestAgainstTwin"},
	},
	{
		name: "free-a-unit-too-few", what: "what expires by sums leaves a unit reserved",
		file: "engine/expire.go", old: "		after.Reserved -= units\n", new: "		after.Reserved -= units - 1\n",
		by: finder{"./engine", "TestManyDueAtOnce|TestHeavyHoldsExpireInPieces"},
	},
	{
		name: "confirm-what-expired", what: "a hold that is over in this very turn can still be confirmed",
		file: "engine/step.go", old: "	if state == Active && h.deadline <= max(t.now, t.stocks[home].freedThrough) {\n		state = Expired\n	}\n	if t.stepped", new: "	if t.stepped",
		by: finder{"./engine", "TestDueAtTheTurn|TestAgainstTwin|TestManyDueAtOnce"},
	},
	{
		name: "overflow", what: "promises may grow beyond what can be counted",
		file: "engine/change.go", old: "return a > QuantityMax-b", new: "return a > QuantityMax",
		by: finder{"./engine", "TestPromisesDoNotOverflow|TestAgainstTwin"},
	},
	{
		name: "fingerprint-without-quantity", what: "the same key with another quantity passes for a retry",
		file: "engine/command.go", old: "	f.number(uint64(c.Quantity))\n", new: "",
		by: finder{"./engine", "TestFingerprint"},
	},
	// The actors.
	{
		name: "reply-above-watermark", what: "reads and refusals are answered before what they saw is durable",
		file: "actors/call.go", old: "	k.cell.sys().wal.Await(k.cell.last, k)\n", new: "	k.Durable(nil)\n",
		by: nodeCrash, quick: true,
	},
	{
		name: "visit-above-watermark", what: "so are those about several items",
		file: "actors/visit.go", old: "if !wait || v.last == 0 {", new: "if wait || v.last == 0 {",
		by: finder{"./actors", "TestAVisitWaitsForEachOfItsItems"},
	},
	{
		name: "visit-waits-for-one", what: "an answer about several items waits for the record of the last of them only",
		file: "actors/visit.go", old: "v.last = max(v.last, c.last)", new: "v.last = c.last",
		by: finder{"./actors", "TestAVisitWaitsForEachOfItsItems"},
	},
	{
		name: "visits-in-any-order", what: "a command over several items takes them in the order of its lines",
		file: "actors/visit.go", old: "	slices.SortFunc(v.stops, stop.compare)\n", new: "	slices.SortFunc([]stop{}, stop.compare)\n",
		by: finder{"./actors", "TestVisitsAreAtomicAndNeverStick"},
	},
	{
		name: "visit-without-hold", what: "an item goes on with others while a command over several still visits",
		file: "actors/visit.go", old: "		v.reached++\n	}\n	v.cells[last].post(v)", new: "		defer v.cells[v.reached].resume()\n		v.reached++\n	}\n	v.cells[last].post(v)",
		by: finder{"./actors", "TestVisitsAreAtomicAndNeverStick"},
	},
	{
		name: "forget-a-key", what: "a retry of a change of one item is done again",
		file: "actors/call.go", old: "	if !ok || index == k.fresh {\n", new: "	if !ok || index == k.fresh || k.cmd.Op == engine.OpReceive {\n",
		by: finder{"./actors", "TestConcurrentDuplicatesHaveOneOutcome"}, quick: true,
	},
	{
		name: "forget-a-key-of-the-turn", what: "a repeat that has its turn together with the first is done again",
		file: "actors/together.go", old: "slices.Contains(traces[:n], k.trace)", new: "slices.Contains(traces[:0], k.trace)",
		by: finder{"./actors", "TestTogetherIsAsOneByOne"}, quick: true,
	},
	{
		name: "refuse-and-go-on", what: "commands that have their turn with one that is refused are forgotten",
		file: "actors/together.go", old: "		if r := t.Decide(k.cmd); r.Refused() {\n			return false\n", new: "		if r := t.Decide(k.cmd); r.Refused() {\n			return true\n",
		by: finder{"./actors", "TestTogetherIsAsOneByOne"},
	},
	{
		name: "lose-a-waiter", what: "what waits in a mailbox that is woken is not run until somebody else comes",
		file: "actors/mailbox.go", old: "	if idle {\n		c.sys().workers.schedule(c)\n	}\n", new: "	if idle {\n		m.mu.Lock()\n		m.running = false\n		m.mu.Unlock()\n	}\n",
		by: finder{"./actors", "TestPassivationStorm|TestManyFirstUsesLoadOnce"},
	},
	{
		name: "passivate-what-changed", what: "an item goes from memory before its state is in the snapshots",
		file: "actors/sweep.go", old: "c.is(markLoaded) && !c.is(markDirty) && c.idle()", new: "c.is(markLoaded) && (c.mark(markDirty, false) || true) && c.idle()",
		by: finder{"./actors", "TestWhatChangedStays"},
	},
	{
		name: "leak-a-place", what: "a command that is refused at once stays counted as in flight",
		file: "actors/call.go", old: "	k.sys.admission.leave(int64(k.weight)) //", new: "	if k.ans.Err == nil {\n		k.sys.admission.leave(int64(k.weight))\n	} //",
		by: finder{"./actors", "TestEveryOutcomeGivesItsPlaceBack"},
	},
	{
		name: "no-fence", what: "a turn that broke off while it changed an item leaves it half changed",
		file: "actors/cell.go", old: "		if !applied {\n			s.fence(t.cells)\n		}\n", new: "		_ = applied\n",
		by: finder{"./actors", "TestPanicInApply"},
	},
	{
		name: "fence-without-waiting", what: "a broken item is read again before what was appended is durable",
		file: "actors/fence.go", old: "		s.wal.Await(c.last, &reload{c})\n", new: "		(&reload{c}).Durable(nil)\n",
		by: finder{"./actors", "TestPanicInApply"},
	},
	{
		name: "clock-goes-back", what: "a wall clock that is set back takes the time of turns with it",
		file: "actors/clock.go", old: "		if ms <= last {\n			return engine.Time(last)\n		}\n", new: "		if ms <= last {\n			return engine.Time(t.UnixMilli())\n		}\n",
		by: finder{"./actors", "TestTimeNeverGoesBack|TestTimeGoesOnWhileTheWallClockIsBehind"},
	},
	// The log.
	{
		name: "acknowledge-before-fsync", what: "waiters are told as soon as a group is written",
		file: "persistence/wal/commit.go", old: "	if err := l.sync(s, len(g.buf)); err != nil {\n		return err\n	}\n", new: "",
		by: logCrash, quick: true,
	},
	{
		name: "drop-the-last-record", what: "the last record of a group is acknowledged and not written",
		file: "persistence/wal/commit.go", old: "	if err := l.write(s, g.buf); err != nil {\n", new: "	if err := l.write(s, g.buf[:len(g.buf)-1]); err != nil {\n",
		by: finder{"./persistence/wal", "TestRecordsComeBack"},
	},
	{
		name: "retry-an-fsync", what: "an fsync that failed is tried again, and believed",
		file: "persistence/wal/commit.go", old: "	if err := sync(); err != nil {\n", new: "	if err := sync(); err != nil && sync() != nil {\n",
		by: finder{"./persistence/wal", "TestErrorAtEveryOperation|TestFailureTellsEveryoneOnce"},
	},
	{
		name: "read-the-unsynced", what: "followers of the log get what is not on disk yet: events are published before they are durable",
		file: "persistence/wal/tail.go", old: "		case t.next > t.l.Durable():\n", new: "		case t.next > t.l.Last():\n",
		by: finder{"./persistence/wal", "TestTailDoesNotPassTheWatermark"},
	},
	{
		name: "damage-passes-for-a-torn-tail", what: "acknowledged records behind a flipped bit are cut off in silence",
		file: "persistence/wal/recover.go", old: "	if found {\n		damage.Reason", new: "	if found && false {\n		damage.Reason",
		by: logCorruption, quick: true,
	},
	{
		name: "settle-without-sync", what: "what recovery read is served before it is on disk for good",
		file: "persistence/wal/recover.go", old: "	return f.Sync()\n}\n\nfunc (r *recovery) closeFiles", new: "	return nil\n}\n\nfunc (r *recovery) closeFiles",
		by: finder{"./persistence/wal", "TestCrashAtAnyPoint|TestFailedSyncIsNotTrustedAfterRestart"},
	},
	{
		name: "directory-not-synced", what: "the entry of the log's directory in its parent is not brought to disk",
		file: "persistence/wal/recover.go", old: "		if err := syncDir(fs, fs.PathDir(d)); err != nil {\n", new: "		if _, err := fs.Stat(d); err != nil {\n",
		by: finder{"./persistence/wal", "TestDirectorySurvivesACrash"},
	},
	{
		name: "cut-one-too-many", what: "a segment goes whose last record is still needed",
		file: "persistence/wal/cut.go", old: "s.sealed && s.last < index", new: "s.sealed && s.first < index",
		by: finder{"./persistence/wal", "TestCutTellsReaders|TestReadersAgainstRecycling"},
	},
	// The store.
	{
		name: "snapshot-above-watermark", what: "a snapshot does not wait for the log",
		file: "actors/save.go", old: "	if err := c.sys().awaitDurable(k.last); err != nil {\n", new: "	if err := c.sys().awaitDurable(0); err != nil {\n",
		by: nodeCrash, quick: true,
	},
	{
		name: "apply-twice", what: "recovery applies a record to an item whose snapshot has it",
		file: "persistence/replay.go", old: "		if index > it.last {\n", new: "		if index >= it.last {\n",
		by: storeCrash,
	},
	{
		name: "forget-keys-on-recovery", what: "keys of records that are in the history are not remembered after a restart",
		file: "persistence/recover.go", old: "keys.put(k.Hash, k.Index, engine.Time(b.LastTime))", new: "_ = k",
		by: storeModel,
	},
	{
		name: "forget-keys-of-the-log", what: "nor those of records that are in the log",
		file: "persistence/replay.go", old: "eachKey(record, func(hash uint64) { r.keys.put(hash, rec.index, record.Time) })", new: "_ = record",
		by: nodeCrash,
	},
	{
		name: "half-an-order", what: "recovery applies a record over several items to the first of them",
		file: "persistence/replay.go", old: "		a.stocks = append(a.stocks, stock)\n", new: "		if i > 0 {\n			stock = nil\n		}\n		a.stocks = append(a.stocks, stock)\n",
		by: storeCrash,
	},
	{
		name: "time-starts-anew", what: "the time of the log is not restored, so that a clock set back lets holds live again",
		file: "persistence/replay.go", old: "	s.lastTime.Store(max(s.lastTime.Load(), int64(e.Time)))\n", new: "",
		by: finder{"./cmd/skua/node", "TestClockSetBack"},
	},
	{
		name: "history-loses-one", what: "the last record of a segment does not get into the history",
		file: "persistence/convert.go", old: "		if index == last {\n			break\n", new: "		if index+1 >= last {\n			break\n",
		by: storeModel,
	},
	{
		name: "keep-no-log-for-events", what: "the log is cut although the outbox has not published it",
		file: "persistence/convert.go", old: "min(s.safe.Load(), s.readThrough(), s.backups.through())", new: "min(s.safe.Load(), s.backups.through())",
		by: finder{"./persistence", "TestTheLogWaitsForItsReaders"},
	},
	// The doors and the events.
	{
		name: "skip-an-event", what: "the outbox goes on one movement too far behind what the stream has",
		file: "gateway/events/locate.go", old: "s.next, s.skip = p.index, p.n+1\n	if p.last()", new: "s.next, s.skip = p.index, p.n+2\n	if p.last()",
		by: finder{"./gateway/events", "TestOutboxGoesOnWithinARecord"},
	},
	{
		name: "publish-twice", what: "after a restart the outbox publishes its last event again",
		file: "gateway/events/locate.go", old: "		s.next, s.skip = p.index+1, 0\n	}\n	if oldest", new: "		s.next, s.skip = p.index, 0\n	}\n	if oldest",
		by: finder{"./gateway/events", "TestOutboxIsStoppedAnywhere"},
	},
	{
		name: "any-scope-will-do", what: "a token may do what it has no scope for",
		file: "gateway/access/grant.go", old: "if g == nil || g.Scopes.Allows(needed) {", new: "if g == nil || g.Scopes != 0 {",
		by: finder{"./gateway/gatewaytest", "TestAuthorizationMatrix"}, quick: true,
	},
	{
		name: "restriction-of-the-first-line", what: "a restricted token names another location in its second line",
		file: "gateway/access/grant.go", old: "	for i := range lines {\n		if !g.HasSKU(lines[i].SKU) {", new: "	for i := range lines[:min(1, len(lines))] {\n		if !g.HasSKU(lines[i].SKU) {",
		by: finder{"./gateway/...", "TestRestrictions|TestCommands"},
	},
}
