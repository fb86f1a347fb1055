//go:build !mutant_ack_before_sync

package wal

// ackBeforeSync is false: nobody is told before the fsync. Its twin under the build tag
// mutant_ack_before_sync is the defect that the crash tests must catch; see crash_test.go.
const ackBeforeSync = false
