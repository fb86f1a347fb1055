package httpapi

import (
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"
)

// echoPath spells a path of the operations as echo does: {sku} is :sku.
func echoPath(path string) string {
	return strings.NewReplacer("{", ":", "}", "").Replace(path)
}

func (s *Server) openAPI(c echo.Context) error {
	return c.JSONBlob(http.StatusOK, []byte("{}"))
}
