#!/bin/sh
# tidy.sh BUILD JOBS FILE...: clang-tidy on those of the files that a build compiles, JOBS at a
# time: no compiler of this machine can read the others. Flags that only GCC knows are taken out of
# the build's commands first: clang refuses them.
set -eu
build=$1
jobs=$2
shift 2
mkdir -p "$build/tidy"
sed -E 's/ -fno-(ipa-[a-z-]*|tree-pre)//g' "$build/compile_commands.json" \
  >"$build/tidy/compile_commands.json"
for file in "$@"; do
  if grep -qF "/$file\"" "$build/compile_commands.json"; then echo "$file"; fi
done >"$build/tidy/files"
echo "clang-tidy: $(wc -l <"$build/tidy/files") files" >&2
if ! xargs -P "$jobs" -n 4 clang-tidy -p "$build/tidy" --quiet <"$build/tidy/files" \
  >"$build/tidy/log" 2>&1; then
  grep -v 'warnings generated' "$build/tidy/log"
  exit 1
fi
