#!/bin/sh
# tidy.sh BUILD JOBS FILE...: clang-tidy on files of a build, JOBS at a time. Flags that only GCC
# knows are taken out of the build's commands first: clang refuses them.
set -eu
build=$1
jobs=$2
shift 2
mkdir -p "$build/tidy"
sed 's/ -fno-ipa-[a-z-]*//g' "$build/compile_commands.json" >"$build/tidy/compile_commands.json"
echo "clang-tidy: $# files" >&2
if ! printf '%s\n' "$@" | xargs -P "$jobs" -n 4 clang-tidy -p "$build/tidy" --quiet \
  >"$build/tidy/log" 2>&1; then
  grep -v 'warnings generated' "$build/tidy/log"
  exit 1
fi
