package sim

import (
	"math/rand/v2"
	"time"

	"github.com/skua-stock/skua/engine"
)

// client is somebody who buys: it asks, waits, gives up waiting, asks again with the same key, and asks
// again later for what it was told long ago.
type client struct {
	w     *world
	lane  int
	plan  plan
	dice  *rand.Rand // of the client and of its part of the network
	inbox chan reply
	old   []*request
}

// request is one command of a client, however often it is sent.
type request struct {
	cmd   *engine.Command
	first engine.Time // when it was sent first
	told  string      // what came back, once something did
}

type reply struct {
	request *request
	answer  engine.Answer
	text    string
}

// keyWindow is for how long, in milliseconds, a key is remembered at the least, with a margin for what
// is on its way: a client that waited longer does not ask again.
const keyWindow = 9 * 60 * 1000

func newClient(w *world, i int) *client {
	c := &client{w: w, lane: laneClients + i*lanesPerClient, inbox: make(chan reply, 64)}
	c.dice = rand.New(rand.NewPCG(w.seed, 2_000_000+uint64(i)))
	c.plan = plan{
		dice: rand.New(rand.NewPCG(w.seed, 1_000_000+uint64(i))), weather: &w.weather, name: "client-" + string(rune('A'+i)),
		seen: map[string]uint64{}, due: map[engine.ReservationRef]engine.Time{},
	}
	return c
}

// live is the client's life.
func (c *client) live() {
	for range c.w.weather.ops {
		c.w.tl.sleep(c.lane, c.thought())
		if c.w.over.Load() {
			return
		}
		switch {
		case len(c.old) > 0 && c.plan.some(10):
			c.again(c.old[c.dice.IntN(len(c.old))])
		case c.plan.some(c.w.weather.reads):
			if c.plan.some(15) {
				c.history()
				continue
			}
			c.do(&request{cmd: c.plan.read()})
		default:
			r := &request{cmd: c.plan.change()}
			c.do(r)
			if r.told != "" {
				c.old = append(c.old, r)
			}
		}
	}
}

// thought draws how long the client thinks: now and then just until one of its holds falls due.
func (c *client) thought() time.Duration {
	if n := len(c.plan.holds); n > 0 && c.plan.some(15) {
		due := c.plan.due[c.plan.holds[n-1]]
		if wait := time.Duration(due-c.w.engineNow()) * time.Millisecond; wait > 0 && wait < 20*c.w.weather.think {
			return max(0, wait+time.Duration(c.dice.Int64N(int64(2*time.Millisecond)))-time.Millisecond)
		}
	}
	return spread(c.dice, c.w.weather.think)
}

// again asks for what was answered before: the answer must be the same.
func (c *client) again(r *request) {
	told := r.told
	if told == "" || c.w.engineNow()-r.first > keyWindow {
		return
	}
	again := &request{cmd: r.cmd, first: r.first}
	c.do(again)
	if again.told != "" && again.told != told {
		c.w.fail("%v %q was answered\n%s\nand when asked again\n%s", r.cmd.Op, r.cmd.Key, told, again.told)
	}
}

// do sends a request until it is answered, or the client gives up.
func (c *client) do(r *request) {
	if r.first == 0 {
		r.first = c.w.engineNow()
	}
	for range 1 + c.dice.IntN(6) {
		if c.w.over.Load() || c.w.engineNow()-r.first > keyWindow {
			return
		}
		c.send(r, c.lane+1)
		if r.cmd.Op.Mutates() && c.dice.IntN(100) < c.w.weather.repeat {
			c.send(r, c.lane+2)
		}
		if c.await(r) {
			return
		}
		c.w.tl.sleep(c.lane, spread(c.dice, c.w.weather.timeout))
	}
}

// await waits for an answer that settles a request.
func (c *client) await(r *request) bool {
	patience := time.NewTimer(c.w.weather.timeout)
	defer patience.Stop()
	for {
		select {
		case <-patience.C:
			return false
		case got := <-c.inbox:
			if got.request == r {
				if got.answer.Err != nil {
					return false
				}
				c.learn(got)
				return true
			}
		}
	}
}

func (c *client) learn(got reply) {
	a := &got.answer
	if a.Refusal.Refused() {
		return
	}
	if got.request.cmd.Op.Mutates() {
		got.request.told = got.text
	}
	switch {
	case a.Item != nil:
		c.plan.seen[a.Item.SKU] = a.Item.Sequence
	case a.Op == engine.OpReserve || a.Op == engine.OpCommit:
		c.plan.holds = append(c.plan.holds, a.Reservation.Ref)
		c.plan.due[a.Reservation.Ref] = a.Reservation.ExpiresAt
		if len(c.plan.holds) > 12 {
			c.plan.holds = c.plan.holds[1:]
		}
	}
}

// send puts a message on the network. It may get lost on the way there or back.
func (c *client) send(r *request, lane int) {
	if c.dice.IntN(100) < c.w.weather.loss {
		c.w.count.lost.Add(1)
		return
	}
	cmd := *r.cmd
	comesBack := c.dice.IntN(100) >= c.w.weather.loss
	back := spread(c.dice, c.w.weather.delay)
	time.AfterFunc(c.w.tl.place(lane, spread(c.dice, c.w.weather.delay)), func() {
		c.w.submit(&cmd, false, func(a *engine.Answer, text string) {
			if !comesBack {
				c.w.count.lost.Add(1)
				return
			}
			got := reply{r, *a, text}
			time.AfterFunc(c.w.tl.place(c.lane+3, back), func() {
				select {
				case c.inbox <- got:
				default: // Nobody reads what comes so late.
				}
			})
		})
	})
}

// history reads a page of a ledger.
func (c *client) history() {
	sku, before, limit := c.plan.item(), uint64(0), 1+c.dice.IntN(20)
	if c.plan.some(50) {
		before = 1 + c.dice.Uint64N(1+c.plan.seen[sku])
	}
	c.w.readHistory(c.lane, sku, before, limit)
}
