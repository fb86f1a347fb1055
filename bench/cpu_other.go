//go:build !linux

package bench

import (
	"errors"
	"time"
)

func OwnCPU() (time.Duration, error) { return 0, errors.ErrUnsupported }

func device(string) (major, minor uint64, err error) { return 0, 0, errors.ErrUnsupported }
