#!/usr/bin/env bash
# Builds the engine with a planted bug at a time and sees that a test finds it. A mutant that
# survives is a missing test.
set -uo pipefail
cd "$(dirname "$0")/.."

failed=0
find_mutant() { # tag, packages, tests
  local tag=$1 packages=$2 tests=$3
  go test -tags "$tag" -run '^$' $packages >/dev/null || exit 1 # It has to build, to be a mutant.
  if go test -count 1 -tags "$tag" -run "$tests" $packages >/dev/null 2>&1; then
    echo "SURVIVED  $tag  ($packages, $tests)"
    failed=1
  else
    echo "found     $tag  by $tests in $packages"
  fi
}

go build ./... || exit 1
find_mutant mutant_ack_before_sync ./persistence/wal TestCrashAtAnyPoint
find_mutant mutant_ack_before_sync ./cmd/skua/node TestCrashAtAnyPoint
find_mutant mutant_snapshot_above_watermark ./cmd/skua/node TestCrashAtAnyPoint
find_mutant mutant_reply_above_watermark ./cmd/skua/node TestCrashAtAnyPoint
exit $failed
