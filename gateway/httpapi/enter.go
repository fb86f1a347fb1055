package httpapi

import (
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/skua-stock/skua/gateway"
	"github.com/skua-stock/skua/gateway/access"
)

// enter decides whether a request comes in. What is no operation and asks for no token, as the
// readiness of the server, goes in here as well, and anybody comes in.
func (s *Server) enter(x *exchange, o *gateway.Operation) *gateway.Problem {
	if o == nil {
		return nil
	}
	if p := s.admit(x, o.Scopes()); p != nil {
		return p
	}
	if o == gateway.ListItems || o == gateway.HistoryOf {
		return nil // They read their own.
	}
	return x.takesNoParameter()
}

// takesNoParameter refuses a query: who asks for a change with ?if_match=3 does not want it made without.
func (x *exchange) takesNoParameter() *gateway.Problem {
	if x.Request().URL.RawQuery == "" {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(x.QueryParams())) {
		return gateway.Invalid(cut(name), "the operation takes no parameter %.100q", name)
	}
	return nil
}

// admit finds who sent a request, and whether he has one of the scopes.
func (s *Server) admit(x *exchange, needed access.Scopes) *gateway.Problem {
	r := x.Request()
	x.who = gateway.Caller{Guard: s.cfg.Guard, Door: doorName, RequestID: x.requestID, Remote: r.RemoteAddr}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		if err := s.origins.Check(r); err != nil {
			return gateway.Denied(&access.Denial{
				Reason: access.CrossSite, Field: "Origin", Detail: "changes are not taken from web pages of another origin",
			})
		}
	}
	if s.cfg.Hosts != nil && !s.named(r.Host) {
		return gateway.Denied(&access.Denial{
			Reason: access.Host, Field: "Host", Detail: "the server is not known by the name that the request has for it; see --allow-host",
		})
	}
	if !s.cfg.Guard.Closed() {
		return nil
	}
	values := r.Header["Authorization"]
	grant, p := s.cfg.Guard.Enter(first(values), len(values))
	if p != nil {
		return p
	}
	x.who.Grant = grant
	return gateway.Denied(grant.Allows(needed))
}

// named reports whether a host is one that the server may be asked by.
func (s *Server) named(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	if n := len(name); n > 2 && name[0] == '[' && name[n-1] == ']' {
		name = name[1 : n-1]
	}
	same := func(host string) bool { return strings.EqualFold(host, name) }
	if name == "127.0.0.1" || slices.ContainsFunc(s.cfg.Hosts, same) {
		return true
	}
	ip := net.ParseIP(name)
	return ip != nil && ip.IsLoopback()
}

// report reports a refusal of access to an operation.
func (x *exchange) report(o *gateway.Operation, p *gateway.Problem) {
	if o != nil {
		x.who.Report(o.Name, p)
	}
}

// reportAs is report for what is no operation.
func (x *exchange) reportAs(what string, p *gateway.Problem) { x.who.Report(what, p) }
