#!/bin/sh
# Builds the Debian packages of this tree in a copy of it, and asks lintian: package.sh FOLDER
#
# FOLDER gets the packages and the file `packages`, which names them; what was in it is gone. DEB_BUILD_OPTIONS as in
# Debian: parallel=N, nocheck.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
folder=${1:?usage: package.sh FOLDER}
rm -rf "$folder"
mkdir -p "$folder/weir"
folder=$(cd "$folder" && pwd)

# What git knows, as it lies there now; without git, all but what was built.
cd "$root"
if git rev-parse --git-dir >/dev/null 2>&1; then
    git ls-files -z --cached --others --exclude-standard | tar --null --ignore-failed-read -T - -cf - 2>/dev/null
else
    tar --exclude=./build --exclude=./.git -cf - .
fi | tar -C "$folder/weir" -xf -

cd "$folder/weir"
if ! dpkg-buildpackage -b -uc -us >"$folder/log" 2>&1; then
    tail -n 40 "$folder/log" >&2
    exit 1
fi
cd "$folder"
lintian --fail-on error,warning ./*.changes
rm -rf "$folder/weir"
ls ./*.deb >packages
echo "weir: packages are in $folder:" && sed 's,^\./,  ,' packages
