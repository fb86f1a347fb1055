package httpapi

import (
	"net/http"
	"strings"
	"sync"

	"github.com/labstack/echo/v4"

	"github.com/skua-stock/skua/gateway"
	"github.com/skua-stock/skua/gateway/openapi"
)

// echoPath spells a path of the operations as echo does: {sku} is :sku.
func echoPath(path string) string {
	return strings.NewReplacer("{", ":", "}", "").Replace(path)
}

// document is made when somebody first asks.
var document = sync.OnceValues(openapi.Document)

func (s *Server) openAPI(c echo.Context) error {
	return s.handle(nil, func(x *exchange) *gateway.Problem {
		b, err := document()
		if err != nil {
			return gateway.Failed(err)
		}
		x.reply(http.StatusOK, jsonType, append(x.out.b[:0], b...))
		return nil
	})(c)
}
