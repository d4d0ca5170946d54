#!/bin/sh
# run_fuzz.sh BUILD SECONDS: runs every fuzz target of a build for a while on its kept corpus.
set -eu
build=$1
seconds=$2
root=$(cd "$(dirname "$0")/.." && pwd)
found=0
for target in "$build"/*_fuzz; do
  [ -x "$target" ] || continue
  found=$((found + 1))
  name=$(basename "$target")
  new=$build/corpus/$name
  mkdir -p "$new"
  kept=$root/tests/fuzz/corpus/${name%_fuzz}
  [ -d "$kept" ] || kept=
  echo "== $name, ${seconds} s"
  "$target" -max_total_time="$seconds" -rss_limit_mb=2048 -malloc_limit_mb=1024 -timeout=10 \
    -verbosity=0 -print_final_stats=1 -artifact_prefix="$new/crash-" "$new" $kept
done
[ "$found" -gt 0 ] || { echo "run_fuzz.sh: no *_fuzz program in $build" >&2; exit 1; }
