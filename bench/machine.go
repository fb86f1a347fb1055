package bench

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// Machine is what a measurement was done on.
type Machine struct {
	CPU    string `json:"cpu"`
	Cores  int    `json:"cores"`
	Memory int64  `json:"memory_bytes"`
	System string `json:"system"`
	Go     string `json:"go"`
	Disk   string `json:"disk"`
	// Sync is the median time of one write and fsync, see [SyncTime].
	Sync time.Duration `json:"sync_ns"`
}

// MachineOf looks at this machine, and at the disk of a directory.
func MachineOf(dir string) (Machine, error) {
	m := Machine{
		CPU: runtime.GOARCH, Cores: runtime.NumCPU(), System: runtime.GOOS, Go: runtime.Version(), Disk: DiskOf(dir).Name,
	}
	if name := procField("/proc/cpuinfo", "model name"); name != "" {
		m.CPU = name
	}
	kib, _, _ := strings.Cut(procField("/proc/meminfo", "MemTotal"), " ")
	if n, err := strconv.ParseInt(kib, 10, 64); err == nil {
		m.Memory = n << 10
	}
	if b, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m.System = "Linux " + strings.TrimSpace(string(b))
	}
	var err error
	m.Sync, err = SyncTime(dir)
	return m, err
}

// procField is what follows a name and a colon in a file of the kernel.
func procField(path, name string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(b)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
