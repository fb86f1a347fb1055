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

// readyz says whether changes are taken.
func (s *Server) readyz(c echo.Context) error {
	return s.handle(nil, func(x *exchange) *gateway.Problem {
		err := s.stopping.Err()
		switch {
		case err != nil:
			return &gateway.Problem{Kind: gateway.Unavailable, Detail: "the server is stopping"}
		case s.cfg.Ready != nil:
			err = s.cfg.Ready()
		}
		if err != nil {
			return &gateway.Problem{Kind: gateway.Unavailable, Detail: err.Error()}
		}
		x.reply(http.StatusOK, jsonType, append(x.out.b[:0], `{"status":"ready"}`...))
		return nil
	})(c)
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
