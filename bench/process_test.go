package bench

import (
	"os"
	"os/exec"
	"runtime"
	"testing"
)

// TestProcesses: the CPU time of a server is also that of what it started, the dead included.
func TestProcesses(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("there is no /proc")
	}
	before, err := processes([]int{os.Getpid()})
	if err != nil {
		t.Fatal(err)
	}
	if before.peak == 0 {
		t.Error("this process has never used memory")
	}
	// A loop that takes time in a child of a child, and nothing in this process.
	if out, err := exec.Command("sh", "-c", `sh -c 'i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done'; true`).CombinedOutput(); err != nil {
		t.Fatal(err, string(out))
	}
	after, err := processes([]int{os.Getpid()})
	if err != nil {
		t.Fatal(err)
	}
	if after.cpu <= before.cpu {
		t.Errorf("the CPU time of dead children is not counted: %v, then %v", before.cpu, after.cpu)
	}
	if _, err := processes([]int{1 << 30}); err == nil {
		t.Error("a process that is not there has used something")
	}
}

func TestMachine(t *testing.T) {
	m, err := MachineOf(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if m.CPU == "" || m.Cores == 0 || m.Sync <= 0 {
		t.Errorf("%+v", m)
	}
}
