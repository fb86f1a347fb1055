package bench

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/metrics"
	"strconv"
	"strings"
	"time"
)

// usage is what processes have used so far.
type usage struct {
	cpu time.Duration
	// peak is the most memory that they had, in bytes, each at its time.
	peak int64
}

// processes is what root processes and all that they started have used: the live ones, and those
// that ended, which count with who waited for them.
func processes(roots []int) (usage, error) {
	paths, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return usage{}, fmt.Errorf("list processes: %w", err)
	}
	type process struct {
		parent int
		cpu    time.Duration
	}
	all := make(map[int]process)
	for _, path := range paths {
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path))) // It is digits, by the pattern.
		parent, cpu, err := readStat(path)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errGone) {
			continue // It has ended meanwhile.
		}
		if err != nil {
			return usage{}, err
		}
		all[pid] = process{parent, cpu}
	}
	isRoot := make(map[int]bool)
	for _, pid := range roots {
		if _, ok := all[pid]; !ok {
			return usage{}, fmt.Errorf("process %d is not there any more", pid)
		}
		isRoot[pid] = true
	}
	var u usage
	for pid, p := range all {
		at := pid
		for at > 1 && !isRoot[at] {
			at = all[at].parent
		}
		if isRoot[at] {
			u.cpu += p.cpu
			u.peak += peakMemory(pid)
		}
	}
	return u, nil
}

// errGone is what reading about a process that just ended comes to.
var errGone = errors.New("the process has ended")

// readStat reads the parent of a process and its CPU time, that of its dead children included.
func readStat(path string) (parent int, cpu time.Duration, err error) {
	b, err := os.ReadFile(path)
	if err != nil {
		if strings.Contains(err.Error(), "no such process") {
			return 0, 0, errGone
		}
		return 0, 0, fmt.Errorf("read CPU time: %w", err)
	}
	// The second field is the name in parentheses, which may have spaces.
	fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	if len(fields) < 15 {
		return 0, 0, fmt.Errorf("read CPU time from %s: %d fields", path, len(fields))
	}
	var ticks int64
	for _, f := range fields[11:15] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0, 0, fmt.Errorf("read CPU time: %w", err)
		}
		ticks += n
	}
	parent, err = strconv.Atoi(fields[1])
	return parent, time.Duration(ticks) * (time.Second / ticksPerSecond), err
}

// ticksPerSecond is the unit of /proc/PID/stat: USER_HZ, which is 100 on every Linux of today.
const ticksPerSecond = 100

// peakMemory is the most memory that a process had, or zero when it cannot be known.
func peakMemory(pid int) int64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(b), "VmHWM:")
	rest, _, _ = strings.Cut(rest, "kB")
	n, err := strconv.ParseInt(strings.TrimSpace(rest), 10, 64)
	if err != nil {
		return 0
	}
	return n << 10
}

// mallocs is how many allocations this process has done so far.
func mallocs() int64 {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:objects"}}
	metrics.Read(s)
	return int64(s[0].Value.Uint64())
}
