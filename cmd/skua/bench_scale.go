package main

// benchScaleCmd sees what grows.
type benchScaleCmd struct {
	benchFlags
}

func (c *benchScaleCmd) Run(o output) error { return nil }
