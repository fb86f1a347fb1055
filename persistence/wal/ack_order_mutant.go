//go:build mutant_ack_before_sync

package wal

// ackBeforeSync is the defect, on purpose: waiters are told as soon as the group is written.
const ackBeforeSync = true
