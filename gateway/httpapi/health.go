package httpapi

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/skua-stock/skua/gateway"
)

// livez says that the process answers at all, and which version it is.
func (s *Server) livez(c echo.Context) error {
	return c.JSON(http.StatusOK, map[string]string{"status": "live", "version": s.cfg.Version})
}

// readyz says whether the server serves: not while it starts, and not while it stops.
func (s *Server) readyz(c echo.Context) error {
	return s.handle(nil, func(x *exchange) *gateway.Problem {
		if p := s.unready(); p != nil {
			return p
		}
		x.reply(http.StatusOK, jsonType, append(x.out.b[:0], `{"status":"ready"}`...))
		return nil
	})(c)
}

// unready is the problem of a server that starts or stops, or nil.
func (s *Server) unready() *gateway.Problem {
	if s.stopping.Err() != nil {
		return &gateway.Problem{Kind: gateway.Unavailable, Detail: "the server is stopping"}
	}
	if s.cfg.Ready == nil {
		return nil
	}
	if err := s.cfg.Ready(); err != nil {
		return &gateway.Problem{Kind: gateway.Unavailable, Detail: err.Error()}
	}
	return nil
}

// metricsPage serves the metrics, without counting itself among the requests.
func (s *Server) metricsPage(c echo.Context) error {
	x := takeExchange(c)
	defer x.free()
	p := s.guarded(x, func(*exchange) *gateway.Problem {
		if p := s.admit(x, gateway.MetricsScope); p != nil {
			return p
		}
		s.cfg.MetricsHandler.ServeHTTP(c.Response(), c.Request())
		return nil
	})
	if p != nil {
		x.reportAs("metrics", p)
		s.writeProblem(x, p)
	}
	return nil
}

// problemPage serves what the type of a problem leads to.
func (s *Server) problemPage(c echo.Context) error {
	for _, k := range gateway.Kinds() {
		if k.Slug() == c.Param("kind") {
			return c.String(http.StatusOK, k.Code+"\n\n"+k.Title+".\n\n"+k.Cause+"\n\n"+k.Remedy+"\n")
		}
	}
	return echo.ErrNotFound
}
