#!/bin/sh
# compare_test.sh PYTHON COMPARE: the gate of bench/compare.py opens and closes where it should, on
# commands that print fixed speeds.
set -u
python=$1
compare=$2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for speed in 10 30; do
  echo "[{\"n_prompt\": 512, \"n_gen\": 0, \"n_depth\": 0, \"avg_ts\": $speed}," \
    "{\"n_prompt\": 0, \"n_gen\": 32, \"avg_ts\": 5}]" >"$folder/$speed"
done
status=0
expect() {
  wanted=$1
  shift
  "$python" "$compare" --rounds 2 --warmup 0 "$@" >"$folder/out" 2>"$folder/err"
  found=$?
  [ "$found" = "$wanted" ] && return
  echo "expected exit code $wanted, found $found: $*"
  cat "$folder/out" "$folder/err"
  status=1
}
fast="cat $folder/30"
slow="cat $folder/10"
expect 0 --a "$fast" --b "$slow" --at-least pp512=3 --at-least tg32=1
expect 1 --a "$fast" --b "$slow" --at-least pp512=3.1
expect 1 --a "$slow" --b "$fast" --at-least pp512=1
expect 1 --a "$fast" --b "$slow" --at-least pp999=1
expect 2 --a false --b "$slow"
expect 2 --a "$folder/absent" --b "$slow"
expect 2 --a "echo nonsense" --b "$slow"
expect 2 --a "echo []" --b "echo []"
exit $status
