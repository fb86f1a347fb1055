package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"
)

// What is in the head of a server's answers.
const (
	floorLocation  = "/v1/reservations/" + floorID
	floorRequestID = "f242cb81d8fda7a2"
)

// Run answers until it is told to stop.
func (c *benchFloorHTTPCmd) Run(o output) error {
	tuneRuntime()
	work, err := c.open(c.Data, false)
	if err != nil {
		return err
	}
	e := echo.New()
	location, requestID := []string{floorLocation}, []string{floorRequestID}
	e.POST("/v1/reservations", func(c echo.Context) error {
		if err := work.disk.wait(c.Request().Body); err != nil {
			return err
		}
		h := c.Response().Header()
		h["Location"], h["X-Request-Id"] = location, requestID
		return c.Blob(http.StatusCreated, "application/json", work.answer)
	})
	e.POST("/v1/batch", func(c echo.Context) error {
		raw, out := takeText(), takeText()
		defer raw.free()
		defer out.free()
		if _, err := raw.ReadFrom(c.Request().Body); err != nil {
			return fmt.Errorf("read the request: %w", err)
		}
		answer, err := work.batch(raw.Bytes(), out)
		if err != nil {
			return err
		}
		h := c.Response().Header()
		h["X-Request-Id"] = requestID
		h.Set("Content-Length", strconv.Itoa(len(answer))) // Else net/http sends what is long in chunks.
		return c.Blob(http.StatusOK, "application/json", answer)
	})
	door := http.Server{
		Handler: e, ReadHeaderTimeout: floorReadHeaderTimeout, ReadTimeout: floorReadTimeout,
		WriteTimeout: floorWriteTimeout, IdleTimeout: floorIdleTimeout, MaxHeaderBytes: floorHeaderBytesMax,
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen for HTTP: %w", err)
	}
	err = untilTold(o, "http", "http://"+l.Addr().String(), func() error {
		if err := door.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	}, door.Close)
	return errors.Join(err, work.close())
}
