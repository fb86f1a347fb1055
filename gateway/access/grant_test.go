package access

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/skua-stock/skua/engine"
)

func TestScopes(t *testing.T) {
	for i, name := range scopeNames {
		s, err := ParseScopes([]string{name})
		if err != nil || s != 1<<i || s.String() != name {
			t.Errorf("%s: %v, %v", name, s, err)
		}
		for _, needed := range []Scopes{Read, Sell, Stock, Admin} {
			if got, want := s.Allows(needed), s == needed || s == Admin; got != want {
				t.Errorf("%v for %v: %v", s, needed, got)
			}
		}
		if s.Allows(0) != (s == Admin) {
			t.Errorf("%v may do what nobody thought of", s)
		}
	}
	if !Sell.Allows(Sell|Stock) || Read.Allows(Sell|Stock) {
		t.Error("one of several is enough, and none is not")
	}
}

// TestNobodyRestricted: a nil grant stands for no authentication and lets everything through.
func TestNobodyRestricted(t *testing.T) {
	var g *Grant
	if g.Allows(Admin) != nil || g.Restricted() || g.Command(&engine.Command{Op: engine.OpPutItem}) != nil || g.Over() != nil ||
		g.Principal() != "" || !g.HasSKU("x") || !g.HasLocation("") || g.Reservation(&engine.ReservationView{}) != nil {
		t.Error("a nil grant refuses")
	}
	m, v := new(engine.Movement), new(engine.ItemView)
	if g.Movement(m) != m || g.View(v) != v {
		t.Error("a nil grant hides")
	}
}

func TestCommands(t *testing.T) {
	both := &Grant{Locations: []string{"berlin", "bonn"}, Prefixes: []string{"SHOES-", "hat"}}
	location := &Grant{Locations: []string{"berlin"}}
	prefix := &Grant{Prefixes: []string{"SHOES-"}}
	line := func(sku, location string) []engine.Line { return []engine.Line{{SKU: sku, Location: location}} }
	for _, c := range []struct {
		grant *Grant
		cmd   engine.Command
		want  Reason
		field string
	}{
		{both, engine.Command{Op: engine.OpReceive, SKU: "SHOES-1", Location: "bonn"}, None, ""},
		{both, engine.Command{Op: engine.OpReceive, SKU: "hat", Location: "bonn"}, None, ""},
		{both, engine.Command{Op: engine.OpReceive, SKU: "SHOES", Location: "bonn"}, SKU, "sku"},
		{both, engine.Command{Op: engine.OpReceive, SKU: "shoes-1", Location: "bonn"}, SKU, "sku"},
		{both, engine.Command{Op: engine.OpReceive, SKU: "SHOES-1", Location: "bonn2"}, Location, "location"},
		{both, engine.Command{Op: engine.OpReceive, SKU: "SHOES-1"}, Location, "location"},
		{location, engine.Command{Op: engine.OpAdjust, SKU: "any", Location: "berlin"}, None, ""},
		{location, engine.Command{Op: engine.OpSet, SKU: "any", Location: "Berlin"}, Location, "location"},
		{location, engine.Command{Op: engine.OpMove, SKU: "any", Location: "paris"}, Location, "location"},
		{location, engine.Command{Op: engine.OpRestock, SKU: "any", Location: "paris"}, Location, "location"},
		{location, engine.Command{Op: engine.OpPutItem, SKU: "any"}, Location, "sku"},
		{prefix, engine.Command{Op: engine.OpPutItem, SKU: "SHOES-1"}, None, ""},
		{prefix, engine.Command{Op: engine.OpPutItem, SKU: "x"}, SKU, "sku"},
		{location, engine.Command{Op: engine.OpGetItem, SKU: "any"}, None, ""},
		{prefix, engine.Command{Op: engine.OpGetItem, SKU: "any"}, SKU, "sku"},
		{location, engine.Command{Op: engine.OpReserve, Lines: line("x", "berlin")}, None, ""},
		{location, engine.Command{Op: engine.OpReserve, Lines: line("x", "")}, Location, "lines[0].location"},
		{location, engine.Command{Op: engine.OpCommit, Lines: append(line("x", "berlin"), line("x", "rome")...)}, Location, "lines[1].location"},
		{prefix, engine.Command{Op: engine.OpReserve, Lines: line("SHOES-1", "")}, None, ""},
		{prefix, engine.Command{Op: engine.OpReserve, Lines: append(line("SHOES-1", ""), line("x", "")...)}, SKU, "lines[1].sku"},
		{both, engine.Command{Op: engine.OpConfirm}, None, ""},
	} {
		d := c.grant.Command(&c.cmd)
		if d == nil {
			d = &Denial{}
		}
		if d.Reason != c.want || d.Field != c.field || d.Reason != None && d.Detail == "" {
			t.Errorf("%v %+v: %+v", c.grant, c.cmd, d)
		}
	}
}

// TestEveryOperationIsRestricted: whatever the engine can be asked to change, a restricted grant
// refuses outside its restriction, but steps, which are decided by their reservation.
func TestEveryOperationIsRestricted(t *testing.T) {
	for op := engine.OpPutItem; op <= engine.OpGetItem; op++ {
		if op.Step() {
			continue
		}
		c := engine.Command{Op: op, SKU: "x", Location: "y", Lines: []engine.Line{{SKU: "x", Location: "y"}}}
		for _, g := range []*Grant{{Prefixes: []string{"z"}}, {Locations: []string{"z"}}} {
			if op == engine.OpGetItem && g.Locations != nil {
				continue // It is shown in part.
			}
			if g.Command(&c) == nil {
				t.Errorf("%v goes beyond %+v", op, g)
			}
		}
	}
}

func TestReservations(t *testing.T) {
	g := &Grant{Locations: []string{"berlin"}, Prefixes: []string{"S"}}
	view := func(state engine.ReservationState, names ...string) *engine.ReservationView {
		v := &engine.ReservationView{State: state}
		for i := 0; i < len(names); i += 2 {
			v.Lines = append(v.Lines, engine.LineView{SKU: names[i], Location: names[i+1]})
		}
		return v
	}
	for _, c := range []struct {
		view *engine.ReservationView
		want Reason
	}{
		{view(engine.Active, "S1", "berlin"), None},
		{view(engine.Active, "S1", "berlin", "S2", "berlin"), None},
		{view(engine.Active, "S1", "berlin", "S2", "rome"), Location},
		{view(engine.Confirmed, "S1", "berlin", "T", "berlin"), SKU},
		{view(engine.Released, "T", "berlin"), SKU},
		{view(engine.Released), None},
		{view(engine.Active), SKU},
	} {
		d := g.Reservation(c.view)
		if d == nil {
			d = &Denial{}
		}
		if d.Reason != c.want {
			t.Errorf("%+v: %+v", c.view, d)
		}
	}
}

func TestViews(t *testing.T) {
	g := &Grant{Locations: []string{"berlin"}, Prefixes: []string{"S"}}
	settings := engine.Settings{
		ReorderPoint: 3, SafetyStock: map[string]int64{"berlin": 1, "rome": 2}, LocationOrder: []string{"rome", "berlin"},
	}
	want := engine.Settings{ReorderPoint: 3, SafetyStock: map[string]int64{"berlin": 1}, LocationOrder: []string{"berlin"}}
	level := func(name string) engine.LevelView { return engine.LevelView{Key: engine.LevelKey{Location: name}} }
	v := &engine.ItemView{SKU: "S", Sequence: 9, Settings: settings, Levels: []engine.LevelView{level("berlin"), level("rome")}}
	shown := g.View(v)
	if diff := cmp.Diff(&engine.ItemView{SKU: "S", Sequence: 9, Settings: want, Levels: []engine.LevelView{level("berlin")}}, shown); diff != "" {
		t.Error(diff)
	}
	if len(v.Levels) != 2 || len(v.Settings.SafetyStock) != 2 {
		t.Error("the item itself was changed")
	}
	move := func(sku, location string) *engine.Movement {
		return &engine.Movement{SKU: sku, Level: engine.LevelKey{Location: location}, Settings: &settings}
	}
	if g.Movement(move("T", "berlin")) != nil || g.Movement(move("S", "rome")) != nil || g.Movement(move("T", "")) != nil {
		t.Error("a movement is shown that must not be")
	}
	for _, location := range []string{"berlin", ""} {
		if diff := cmp.Diff(&want, g.Movement(move("S", location)).Settings); diff != "" {
			t.Error(diff)
		}
	}
}

func TestShortest(t *testing.T) {
	if diff := cmp.Diff([]string{"a", "b", "cd"}, shortest([]string{"cd", "b", "ab", "a", "abc", "b", "cde"})); diff != "" {
		t.Error(diff)
	}
}
