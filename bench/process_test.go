package bench

import (
	"errors"
	"io"
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
	for _, target := range []Target{{}, {PIDs: []int{os.Getpid()}}} {
		if n, err := target.memory(); n == 0 || err != nil {
			t.Errorf("this process has never used memory (%v)", err)
		}
	}
	// A loop that takes time in a child of a child, and nothing in this process.
	if out, err := exec.Command("sh", "-c", `sh -c 'i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done'; true`).CombinedOutput(); err != nil {
		t.Fatal(err, string(out))
	}
	after, err := processes([]int{os.Getpid()})
	if err != nil {
		t.Fatal(err)
	}
	if len(before) != 1 || len(after) != 1 || after[0].cpu <= before[0].cpu {
		t.Errorf("the CPU time of dead children is not counted: %v, then %v", before, after)
	}
	if _, err := processes([]int{1 << 30}); err == nil {
		t.Error("a process that is not there has used something")
	}
}

// TestSharedMemoryCountsOnce: two processes of the same program have less together than each alone.
func TestSharedMemoryCountsOnce(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("there is no /proc")
	}
	// A shell that waits for another: all that they are made of is shared.
	cmd := exec.Command("sh", "-c", "echo ready; sh -c 'echo ready; read nothing'; true")
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err := errors.Join(err1, err2, cmd.Start()); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := errors.Join(in.Close(), cmd.Wait()); err != nil {
			t.Error(err)
		}
	}()
	if _, err := io.ReadFull(out, make([]byte, len("ready\nready\n"))); err != nil {
		t.Fatal(err)
	}
	target := Target{PIDs: []int{cmd.Process.Pid}}
	all, err := processes(target.PIDs)
	if err != nil || len(all) != 2 {
		t.Fatalf("%v, %v: want two processes", all, err)
	}
	got, err := target.memory()
	if err != nil || got == 0 {
		t.Fatalf("%d bytes, %v", got, err)
	}
	var resident int64
	for _, p := range all {
		resident += kernelBytes(p.pid, "smaps_rollup", "Rss")
	}
	if got >= resident {
		t.Errorf("%d bytes, as much as all that is mapped, %d", got, resident)
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

// TestCoreToCore: where there are two cores it is told, unless other work keeps it from being told, and
// where there is one it is not.
func TestCoreToCore(t *testing.T) {
	if got := CoreToCore(); got < 0 || got > coreToCoreMax {
		t.Errorf("%v", got)
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	if got := CoreToCore(); got != 0 {
		t.Errorf("%v with one core", got)
	}
}
