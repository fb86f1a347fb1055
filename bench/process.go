package bench

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"strconv"
	"strings"
	"time"
)

// process is one that serves.
type process struct {
	pid, parent int
	// cpu is what it used so far, with its children that ended.
	cpu time.Duration
}

// processes are root processes and all that they started and that are still there.
func processes(roots []int) (some []process, err error) {
	paths, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	all := make(map[int]process)
	for _, path := range paths {
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path))) // It is digits, by the pattern.
		parent, cpu, err := readStat(path)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errGone) {
			continue // It has ended meanwhile.
		}
		if err != nil {
			return nil, err
		}
		all[pid] = process{pid, parent, cpu}
	}
	isRoot := make(map[int]bool)
	for _, pid := range roots {
		if _, ok := all[pid]; !ok {
			return nil, fmt.Errorf("process %d is not there any more", pid)
		}
		isRoot[pid] = true
	}
	for _, p := range all {
		at := p.pid
		for at > 1 && !isRoot[at] {
			at = all[at].parent
		}
		if isRoot[at] {
			some = append(some, p)
		}
	}
	return some, nil
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

// forgetPeak has the kernel begin anew with what [Target.memory] tells, and reports whether it does.
func (t *Target) forgetPeak() bool {
	pid := os.Getpid()
	if len(t.PIDs) > 0 {
		pid = t.PIDs[0]
	}
	return os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0o200) == nil
}

// memory is the most that the server had, in bytes, or zero where that cannot be known. Processes of
// one server share memory, PostgreSQL's its buffers, and the kernel knows no peak of what several
// have together: of those it is what they have now, with what they share divided among them.
func (t *Target) memory() (bytes int64, err error) {
	if len(t.PIDs) == 0 {
		return kernelBytes(os.Getpid(), "status", "VmHWM"), nil
	}
	all, err := processes(t.PIDs)
	if err != nil || len(all) == 1 {
		return kernelBytes(t.PIDs[0], "status", "VmHWM"), err
	}
	for _, p := range all {
		bytes += kernelBytes(p.pid, "smaps_rollup", "Pss")
	}
	return bytes, nil
}

// kernelBytes is a field, in kB, of a file that the kernel has of a process; zero when it has none.
func kernelBytes(pid int, file, field string) int64 {
	text, _ := strings.CutSuffix(procField(fmt.Sprintf("/proc/%d/%s", pid, file), field), "kB")
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil {
		return 0
	}
	return n << 10
}

// mallocs is how many allocations this process has done so far.
func mallocs() int64 {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:objects"}, {Name: "/gc/heap/tiny/allocs:objects"}}
	metrics.Read(s)
	return int64(s[0].Value.Uint64() + s[1].Value.Uint64())
}

// LiveHeap is the bytes of the heap of this process that are in use.
func LiveHeap() int64 {
	runtime.GC()
	runtime.GC() // What only finalizers and pools held.
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
