#!/bin/sh
# run.sh MODEL [compare.py options]: our speed and llama.cpp's on the same file and threads,
# interleaved. PEER_BIN names a folder with a ready llama-bench.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
name=${1:-smollm2-135m}
[ $# -eq 0 ] || shift
if [ -f "$name" ]; then model=$name; else model=$("$root/build/lowkey" models get "$name"); fi
peer=${PEER_BIN:-$("$root/bench/peers/build_llama.sh")}
threads=${THREADS:-$(nproc)}
arguments="-m $model -t $threads -p 512 -n 32 -r 1 -o json"
exec python3 "$root/bench/compare.py" --rounds "${ROUNDS:-5}" "$@" \
  --a "$root/build/lowkey bench $arguments" --b "$peer/llama-bench $arguments"
