#!/bin/sh
# The packages in a clean Debian, under its own systemd: clean_debian.sh FOLDER [RELEASE]
#
# debootstrap makes the Debian (kept in build/debian-RELEASE for the next time). Where RELEASE is not the one that is
# running here, or FOLDER has no packages of it, they are built inside. An older package (the same with a lower version and
# another conffile) is installed by apt; then the machine is booted by systemd-nspawn, without a network, and inside.sh does
# the rest. Needs root, a mirror of Debian and an hour's patience at most; says so and leaves it where it cannot.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
# shellcheck source=/dev/null
here=$(. /etc/os-release && echo "$VERSION_CODENAME")
packages=$(cd "${1:?usage: clean_debian.sh FOLDER [RELEASE]}" && pwd)
release=${2:-$here}
base=$root/build/debian-$release
work=$root/build/clean-debian

skip() { echo "weir: deb-test left out: $*"; exit 0; }
die() { echo "weir: $*" >&2; exit 1; }

[ "$(id -u)" = 0 ] || skip "it needs root"
for program in debootstrap systemd-nspawn dpkg-deb; do
    command -v "$program" >/dev/null || skip "there is no $program here"
done

inside() { chroot "$work" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"; }
# apt as a builder calls it: quiet, and nothing started.
install_inside() { inside apt-get install -y -qq --no-install-recommends "$@" >"$work/root/apt.log" 2>&1 || {
    tail -n 20 "$work/root/apt.log" >&2; die "could not be installed: $*"; }; }
finish() {
    umount "$work/proc" 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

"$root/tests/packages/debian.sh" "$release" "$base" || skip "there is no clean $release"
umount "$work/proc" 2>/dev/null || true
rm -rf "$work"
cp -a "$base/root" "$work"
cp /etc/resolv.conf "$work/etc/resolv.conf" 2>/dev/null || true
mount -t proc proc "$work/proc" || skip "it may not mount /proc"
printf '#!/bin/sh\nexit 101\n' >"$work/usr/sbin/policy-rc.d"
chmod 755 "$work/usr/sbin/policy-rc.d"
inside apt-get update -qq

# ---- packages of that release

mkdir -p "$work/root/new"
if [ "$release" != "$here" ]; then
    echo "weir: builds the packages in $release"
    mkdir -p "$work/root/weir"
    (cd "$root" && git ls-files -z --cached --others --exclude-standard | tar --null --ignore-failed-read -T - -cf - 2>/dev/null) |
        tar -C "$work/root/weir" -xf -
    install_inside build-essential fakeroot git lintian
    inside sh -c 'cd /root/weir && apt-get build-dep -y -qq --no-install-recommends ./' >"$work/root/apt.log" 2>&1 ||
        { tail -n 20 "$work/root/apt.log" >&2; die "what the packages are built with could not be installed"; }
    # shellcheck disable=SC2016 # for the shell inside
    inside sh -c 'cd /root/weir && DEB_BUILD_OPTIONS="${1:-}" deploy/package.sh /root/new' build "${DEB_BUILD_OPTIONS:-}" ||
        die "the packages could not be built in $release"
else
    cp "$packages"/*.deb "$work/root/new/"
fi

# ---- an older one: the same program, another conffile

version=$(dpkg-deb -f "$work"/root/new/weir_*.deb Version)
mkdir -p "$work/root/old"
for package in "$work"/root/new/weir_*.deb "$work"/root/new/matrix-synapse-weir_*.deb; do
    dpkg-deb -R "$package" "$work/root/old/tree"
    sed -i "s/^Version: .*/Version: $version~~older/" "$work/root/old/tree/DEBIAN/control"
    if [ -e "$work/root/old/tree/etc/weir/weir.yaml" ]; then
        echo "# A line that only the older version has." >>"$work/root/old/tree/etc/weir/weir.yaml"
    fi
    dpkg-deb --root-owner-group -b "$work/root/old/tree" "$work/root/old" >/dev/null
    rm -rf "$work/root/old/tree"
done

inside dpkg -l >"$work/root/packages-before"
inside find / -xdev \( -path /root -o -path /proc -o -path /var/cache -o -path /var/lib/dpkg -o -path /var/lib/apt \) -prune \
    -o -print | sort >"$work/root/files-before"
install_inside systemd-sysv dbus redis-server procps man-db
# shellcheck disable=SC2046 # a list
install_inside $(cd "$work" && printf '/%s ' root/old/*.deb)
inside weir version | grep -q '^weir ' || die "the program does not start"
# shellcheck disable=SC2016 # the format is dpkg's
echo "weir: installed $(inside dpkg-query -W -f '${Package} ${Version}' weir) on $release"

# ---- the rest under systemd

install -m 755 "$root/tests/packages/inside.sh" "$work/root/inside.sh"
rm -f "$work/usr/sbin/policy-rc.d"
umount "$work/proc"
cat >"$work/etc/systemd/system/inside.service" <<UNIT
[Unit]
After=multi-user.target redis-server.service dbus.service
[Service]
Type=oneshot
Environment=VERSION=$version
ExecStart=/root/inside.sh
StandardOutput=file:/root/said
StandardError=inherit
TimeoutStartSec=15min
ExecStopPost=/bin/systemctl --no-block poweroff
[Install]
WantedBy=default.target
UNIT
inside systemctl enable -q inside.service
timeout 1000 systemd-nspawn -q --boot --register=no --keep-unit --private-network -M weir-clean-debian -D "$work" \
    </dev/null >"$root/build/clean-debian.log" 2>&1 || true
[ -e "$work/root/said" ] || skip "systemd does not boot in a container here: $(tail -n 1 "$root/build/clean-debian.log")"
cat "$work/root/said"
[ "$(tail -n 1 "$work/root/said")" = "all is well" ] || die "deb-test failed on $release"
echo "weir: deb-test passed on $release"
