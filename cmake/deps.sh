#!/bin/sh
# deps.sh GROUP: installs the packages of one group of deps.txt, only when something is missing.
set -eu
group=$1
list=$(dirname "$0")/../deps.txt
packages=$(awk -v group="$group" '!/^#/ && $2 == group {print $1}' "$list")
[ -n "$packages" ] || { echo "deps.sh: no group '$group' in deps.txt" >&2; exit 2; }

if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
  [ -n "${LOWKEY_NO_DEPS:-}" ] && exit 0
  echo "deps.sh: this system has no apt-get. Install the equivalents of these Debian packages:" >&2
  echo "$packages" | tr '\n' ' ' >&2
  echo "and run make again with LOWKEY_NO_DEPS=1." >&2
  exit 1
fi

installed=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' $packages 2>/dev/null |
  awk '$2 == "installed" {print $1}') || true
missing=
for package in $packages; do
  echo "$installed" | grep -qx "$package" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
[ -n "${LOWKEY_NO_DEPS:-}" ] && exit 0

sudo=
if [ "$(id -u)" != 0 ]; then
  command -v sudo >/dev/null || {
    echo "deps.sh: missing packages:$missing. Run as root: apt-get install$missing" >&2
    exit 1
  }
  sudo=sudo
fi
echo "Installing:$missing" >&2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt="$sudo env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -y -qq"
if ! { $apt update && $apt install --no-install-recommends $missing; } >"$log" 2>&1; then
  tail -n 20 "$log" >&2
  echo "deps.sh: apt-get could not install:$missing" >&2
  exit 1
fi
