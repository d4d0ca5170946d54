#!/bin/sh
# build_llama.sh: builds llama.cpp's llama-bench, llama-batched-bench and llama-perplexity, from the
# sources that the llama-cpp-python package carries, for the instruction sets of this CPU; prints
# the folder that holds them. Built once per version into the cache folder; where only some are
# there, it adds the others. PEER_FLAGS adds CMake options to a new build.
set -eu
version=${PEER_VERSION:-0.3.36}
cache=${LOWKEY_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/lowkey}
folder=$cache/peers/llama-$version
bin=$folder/build/bin
sources=$folder/llama_cpp_python-$version
programs="llama-bench llama-batched-bench llama-perplexity"
missing=
for program in $programs; do
  [ -x "$bin/$program" ] || missing="$missing $program"
done
if [ -z "$missing" ]; then
  echo "$bin"
  exit 0
fi

# Flags by the CPU's own list, so that the peer is not held back. AMX is off unless PEER_FLAGS turns
# it on (-DGGML_AMX_TILE=ON -DGGML_AMX_INT8=ON): measure both, take the better one.
flags="-DGGML_NATIVE=OFF -DGGML_AMX_TILE=OFF -DGGML_AMX_INT8=OFF -DGGML_AMX_BF16=OFF"
cpu=" $(grep -m 1 -E '^(flags|Features)' /proc/cpuinfo | cut -d: -f2) "
add_if() {
  case $cpu in *" $1 "*) flags="$flags -DGGML_$2=ON" ;; esac
}
add_if avx AVX
add_if avx2 AVX2
add_if fma FMA
add_if f16c F16C
add_if bmi2 BMI2
add_if avx512bw AVX512
add_if avx512vbmi AVX512_VBMI
add_if avx512_vnni AVX512_VNNI
add_if avx512_bf16 AVX512_BF16

mkdir -p "$folder"
log=$folder/build.log
fail() {
  tail -n 15 "$log" >&2
  echo "build_llama.sh: $1 (all of it: $log)" >&2
  exit 1
}
echo "Building$missing of llama-cpp-python $version; this takes some minutes" >&2
: >"$log"
if [ ! -d "$sources" ]; then
  python3 -m pip download --no-deps --no-binary llama-cpp-python -d "$folder" \
    "llama-cpp-python==$version" >>"$log" 2>&1 || fail "pip could not get the sources"
  # They get their name last, so that a folder of that name is whole.
  rm -rf "$folder/unpacked" && mkdir "$folder/unpacked"
  tar -xzf "$folder"/llama_cpp_python-*.tar.gz -C "$folder/unpacked" >>"$log" 2>&1 ||
    fail "cannot unpack"
  mv "$folder/unpacked/llama_cpp_python-$version" "$sources"
  rm -rf "$folder/unpacked" "$folder"/llama_cpp_python-*.tar.gz
fi
# What is there keeps its flags, and what is added to it gets the same.
if [ ! -x "$bin/llama-bench" ]; then
  # shellcheck disable=SC2086  # the flags are words
  cmake -S "$sources/vendor/llama.cpp" -B "$folder/build" -G Ninja \
    -DCMAKE_BUILD_TYPE=Release $flags -DLLAMA_CURL=OFF -DLLAMA_BUILD_TESTS=OFF \
    -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_SERVER=OFF ${PEER_FLAGS:-} >>"$log" 2>&1 ||
    fail "cmake failed"
fi
# shellcheck disable=SC2086  # the programs are words
cmake --build "$folder/build" --target $programs >>"$log" 2>&1 || fail "the build failed"
echo "$bin"
