#!/bin/sh
# The container image: image.sh build [BASE] makes localhost/weir; image.sh test makes it on a Debian of debootstrap's, where
# no registry is needed, and runs it beside a Redis: user, health, verdicts, what it may write, a stop.
#
# The test keeps everything of podman's under build/containers, and leaves itself out, with words, where it cannot run.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
what=${1:?usage: image.sh build [BASE] | test}
cd "$root"

if [ "$what" = build ]; then
    tool=podman
    command -v podman >/dev/null || tool=docker
    # shellcheck disable=SC2046 # two words or none
    exec "$tool" build ${2:+--build-arg "BASE=$2"} $([ "$tool" = docker ] || echo --format docker) -t localhost/weir -f Containerfile .
fi

release=trixie
base=$root/build/debian-$release
# CONTAINERS: where podman keeps what it has, and what the test writes.
work=${CONTAINERS:-$root/build/containers}
mirror=${MIRROR:-http://deb.debian.org/debian}
container=weir-image-test
redis=""

skip() { echo "weir: image-test left out: $*"; exit 0; }
die() {
    echo "weir: $*" >&2
    podman_ logs "$container" 2>&1 | tail -n 20 >&2 || true
    exit 1
}
# crun refuses the hybrid control groups that some machines have.
podman_() { podman --runtime runc --root "$work/storage" --runroot "$work/run" --storage-driver overlay --cgroup-manager cgroupfs "$@"; }
until_true() { # SECONDS COMMAND…
    end=$(($(date +%s) + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$(date +%s)" -lt "$end" ] || return 1
        sleep 0.2
    done
}
finish() {
    podman_ rm -f "$container" >/dev/null 2>&1 || true
    [ -z "$redis" ] || kill "$redis" 2>/dev/null || true
    rm -rf "$work/shared"
}
trap finish EXIT
trap 'exit 130' INT TERM

[ "$(id -u)" = 0 ] || skip "it needs root"
for program in debootstrap podman runc redis-server; do
    command -v "$program" >/dev/null || skip "there is no $program here"
done
mkdir -p "$work/shared"

if ! podman_ image exists localhost/debian:trixie-slim; then
    if [ ! -e "$base/complete" ]; then
        rm -rf "$base"
        mkdir -p "$base"
        debootstrap --variant=minbase --include=ca-certificates "$release" "$base/root" "$mirror" >"$base/log" 2>&1 ||
            skip "debootstrap could not make $release: $(tail -n 1 "$base/log")"
        touch "$base/complete"
    fi
    tar -C "$base/root" -c . | podman_ import -q - localhost/debian:trixie-slim >/dev/null || skip "podman cannot keep an image"
fi
if [ -z "${KEEP_IMAGE:-}" ] || ! podman_ image exists localhost/weir; then
    echo "weir: builds the image"
    podman_ build --build-arg BASE=localhost/debian:trixie-slim --isolation chroot --network host --format docker \
        -t localhost/weir -f Containerfile . >"$work/log" 2>&1 || { tail -n 30 "$work/log" >&2; die "the image could not be built"; }
fi

# ---- as somebody runs it: a configuration that is only read, a volume, no rights, a root that cannot be written

mkdir -p "$work/shared/etc" "$work/shared/redis"
cp deploy/sample/* "$work/shared/etc/"
sed -i -e 's,^  host: 127.0.0.1$,  path: /redis/redis.sock,' -e 's,^# state_dir: .*,state_dir: /var/lib/weir,' \
    -e 's,^  listen: .*,  listen: 127.0.0.1:9180,' "$work/shared/etc/weir.yaml"
chmod -R a+rX "$work/shared"
redis-server --port 0 --unixsocket "$work/shared/redis/redis.sock" --unixsocketperm 777 --save '' --appendonly no \
    --dir "$work/shared/redis" >/dev/null 2>&1 &
redis=$!
answer() { redis-cli -s "$work/shared/redis/redis.sock" "$@"; }
until_true 20 answer ping || die "redis-server does not run"

# Limits that any machine has: so it runs where podman itself is in a container, too.
podman_ run -d --name "$container" --ulimit nofile=4096:4096 --ulimit nproc=1024:1024 \
    --network none --read-only --cap-drop ALL --security-opt no-new-privileges \
    -v "$work/shared/etc:/etc/weir:ro" -v "$work/shared/redis:/redis" localhost/weir >/dev/null ||
    die "the container does not start"
ready() { podman_ exec "$container" weir status -c /etc/weir/weir.yaml; }
healthy() { podman_ healthcheck run "$container"; }
until_true 60 ready || die "weir status: $(ready 2>&1)"
until_true 20 healthy || die "the health check fails"
echo "  ready and healthy, as $(podman_ exec "$container" id)"
[ "$(podman_ exec "$container" id -u)" = 991 ] || die "not the user 991"
podman_ exec "$container" sh -c 'grep -q "^CapEff:.0000000000000000$" /proc/1/status' || die "it has rights"
podman_ exec "$container" sh -c 'touch /usr/x 2>/dev/null' && die "it can write into /usr"
[ -z "$(podman_ exec "$container" find / -xdev -perm -4000 -user root -name 'weir*' 2>/dev/null)" ] || die "setuid"

podman_ exec "$container" weir play /etc/weir/recording.jsonl.zst --redis /redis/redis.sock --speed 1000 >"$work/log" 2>&1 ||
    die "weir play: $(tail -n 3 "$work/log")"
rows=$(podman_ exec "$container" weir replay -c /etc/weir/weir.yaml /etc/weir/recording.jsonl.zst \
    --events /etc/weir/recording.events.jsonl.zst 2>/dev/null | wc -l)
all_there() { [ "$(answer xlen lab.test/weir/verdicts)" = "$rows" ]; }
until_true 120 all_there || die "$(answer xlen lab.test/weir/verdicts) rows of verdicts, $rows expected"
echo "  $rows rows of verdicts, as offline"

answer shutdown nosave >/dev/null 2>&1 || true
redis=""
unhealthy() { ! healthy; }
until_true 30 unhealthy || die "healthy without Redis"
echo "  without Redis: $(podman_ exec "$container" weir status -c /etc/weir/weir.yaml 2>&1 | head -n 1)"
podman_ stop -t 20 "$container" >/dev/null
[ "$(podman_ inspect -f '{{.State.ExitCode}}' "$container")" = 0 ] || die "it did not end well"
echo "weir: image-test passed: $(podman_ image inspect -f '{{.Size}}' localhost/weir | awk '{ printf "%.0f MB", $1 / 1e6 }')"
