#!/bin/sh
# Builds the packages twice and compares the bytes: another path, umask, time zone, language, home, user name, age of the
# files, number of processors. Half an hour's patience at most.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
work=$root/build/reproducible
rm -rf "$work"
mkdir -p "$work/other/a longer way to the same"
other="$work/other/a longer way to the same"

# Both build this, whatever happens to the tree meanwhile.
mkdir "$work/tree"
(cd "$root" && git ls-files -z --cached --others --exclude-standard | tar --null --ignore-failed-read -T - -cf - 2>/dev/null) |
    tar -C "$work/tree" -xf -
cp -a "$work/tree/." "$other"

echo "weir: builds here"
(cd "$work/tree" && umask 022 && env GIT_DIR=/nonexistent TZ=UTC LC_ALL=C DEB_BUILD_OPTIONS="nocheck parallel=1" deploy/package.sh "$work/one") >"$work/one.log" 2>&1 ||
    { tail -n 20 "$work/one.log" >&2; exit 1; }

echo "weir: builds there"
# Paths with spaces are more than make can do; that the source lay in one is enough.
find "$other" -exec touch -h -d '2001-02-03 04:05:06' {} +
(cd "$other" && umask 077 && env -u SOURCE_DATE_EPOCH TZ=Pacific/Kiritimati LC_ALL=tr_TR.UTF-8 LANG=tr_TR.UTF-8 HOME=/nonexistent \
    USER=somebody LOGNAME=somebody GIT_DIR=/nonexistent DEB_BUILD_OPTIONS="nocheck parallel=2" \
    deploy/package.sh "$work/other/place") >"$work/other.log" 2>&1 || { tail -n 20 "$work/other.log" >&2; exit 1; }

different=0
for package in "$work"/one/*.deb; do
    name=$(basename "$package")
    if cmp -s "$package" "$work/other/place/$name"; then
        echo "  same: $name"
    else
        echo "  different: $name"
        different=1
        mkdir -p "$work/unpacked/one" "$work/unpacked/other"
        dpkg-deb -R "$package" "$work/unpacked/one/$name"
        dpkg-deb -R "$work/other/place/$name" "$work/unpacked/other/$name"
        diff -rq "$work/unpacked/one/$name" "$work/unpacked/other/$name" || true
    fi
done
[ "$different" = 0 ] || { echo "weir: not reproducible; both lie unpacked in $work/unpacked" >&2; exit 1; }
echo "weir: reproducible"
