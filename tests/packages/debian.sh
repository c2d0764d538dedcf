#!/bin/sh
# A clean Debian by debootstrap: debian.sh RELEASE FOLDER
#
# It is in FOLDER/root and kept for the next time. Needs root and a mirror of Debian (MIRROR).
set -eu

release=${1:?usage: debian.sh RELEASE FOLDER}
base=${2:?usage: debian.sh RELEASE FOLDER}
[ ! -e "$base/complete" ] || exit 0
echo "weir: makes a clean $release"
rm -rf "$base"
mkdir -p "$base"
if ! debootstrap --variant=minbase --include=ca-certificates "$release" "$base/root" \
    "${MIRROR:-http://deb.debian.org/debian}" >"$base/log" 2>&1; then
    echo "weir: debootstrap could not make $release: $(tail -n 1 "$base/log")"
    exit 1
fi
touch "$base/complete"
