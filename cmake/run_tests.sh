#!/bin/sh
# run_tests.sh PRESET [ctest options]: runs the tests; ctest's own summary line comes last, after
# the list of skipped tests that ctest prints behind it.
set -u
preset=$1
shift
log=$(mktemp)
status_file=$(mktemp)
trap 'rm -f "$log" "$status_file"' EXIT
{ ctest --preset "$preset" "$@" 2>&1; echo $? >"$status_file"; } | tee "$log"
status=$(cat "$status_file")
grep -E '^[0-9]+% tests passed' "$log" | tail -n 1
exit "$status"
