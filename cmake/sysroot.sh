#!/bin/sh
# sysroot.sh FOLDER: unpacks the arm64 libraries of the build into FOLDER, next to the system and
# without root: apt resolves them in a state of its own, nothing is installed. The C and C++
# libraries are left out, they come with the cross compiler.
set -eu
folder=$1
[ -f "$folder/.complete" ] && exit 0
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
state=$(mktemp -d)
trap 'rm -rf "$state"' EXIT
mkdir -p "$state/lists/partial" "$state/archives/partial"
: >"$state/status"

apt() {
  apt-get -qq -y -o APT::Architecture=arm64 -o APT::Architectures::=arm64 -o Dir::State="$state" \
    -o Dir::State::lists="$state/lists" -o Dir::State::status="$state/status" \
    -o Dir::Cache="$state" -o Dir::Cache::archives="$state/archives" -o Debug::NoLocking=1 \
    -o APT::Sandbox::User= "$@"
}
list=$(dirname "$0")/../deps.txt
packages=$(awk '!/^#/ && $2 == "build" && /^(lib|nlohmann)/ {print $1}' "$list")
echo "Unpacking the arm64 libraries into $folder" >&2
apt update >/dev/null
apt install --download-only --no-install-recommends $packages >/dev/null
for deb in "$state"/archives/*.deb; do
  case $(basename "$deb") in
    libc6*|libc-dev*|linux-libc-dev*|libgcc*|gcc-*|libstdc++*|libcrypt*) continue ;;
  esac
  dpkg-deb -x "$deb" "$folder"
done
touch "$folder/.complete"
