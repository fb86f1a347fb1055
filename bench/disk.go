package bench

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// SyncTime is the median time of one write of 4 KiB and one fsync, over a file that is written
// already, as the log's segments are: the floor under every durable answer.
func SyncTime(dir string) (median time.Duration, err error) {
	const block, blocks, rounds = 4 << 10, 256, 512
	f, err := os.CreateTemp(dir, "skua-sync-")
	if err != nil {
		return 0, fmt.Errorf("measure the disk: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()
	if _, err := f.Write(make([]byte, block*blocks)); err != nil {
		return 0, fmt.Errorf("measure the disk: %w", err)
	}
	if err := f.Sync(); err != nil {
		return 0, fmt.Errorf("measure the disk: %w", err)
	}
	took := make([]time.Duration, rounds)
	b := make([]byte, block)
	for i := range took {
		b[0] = byte(i)
		began := time.Now()
		if _, err := f.WriteAt(b, int64(i%blocks)*block); err != nil {
			return 0, fmt.Errorf("measure the disk: %w", err)
		}
		if err := f.Sync(); err != nil {
			return 0, fmt.Errorf("measure the disk: %w", err)
		}
		took[i] = time.Since(began)
	}
	slices.Sort(took)
	return took[rounds/2], nil
}

// Disk is a device, as the kernel counts what is written to it.
type Disk struct{ Name string }

// DiskOf finds the device that has a directory. The name is empty where there is none to be found,
// as for a directory in memory.
func DiskOf(dir string) Disk {
	major, minor, err := device(dir)
	if err != nil {
		return Disk{}
	}
	for _, fields := range diskStats() {
		if fields[0] == fmt.Sprint(major) && fields[1] == fmt.Sprint(minor) {
			return Disk{Name: fields[2]}
		}
	}
	return Disk{}
}

// Written is how many bytes were written to the device so far, by whomever.
func (d Disk) Written() int64 {
	const sector = 512 // The unit of /proc/diskstats, whatever the device has.
	for _, fields := range diskStats() {
		if d.Name != "" && fields[2] == d.Name && len(fields) > 9 {
			n, _ := strconv.ParseInt(fields[9], 10, 64) // A kernel that writes no number here has none.
			return n * sector
		}
	}
	return 0
}

func diskStats() (all [][]string) {
	b, err := os.ReadFile("/proc/diskstats")
	if err != nil {
		return nil // Not Linux: nothing is known of its disks.
	}
	for line := range strings.Lines(string(b)) {
		if fields := strings.Fields(line); len(fields) > 2 {
			all = append(all, fields)
		}
	}
	return all
}
