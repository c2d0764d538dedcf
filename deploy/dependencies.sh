#!/bin/sh
# Installs what Weir needs from Debian: dependencies.sh [--check] run|test|lint|bench|package|image|synapse …
# (synapse: what a checkout of Synapse needs to be measured beside the engine; package: to build and try Debian packages;
# image: to build and try a container image).
#
# Nothing is done when everything is there. Debian 12 has no yyjson: its two packages are then taken from Debian 13 (they
# need only libc6), with apt sources of their own in a temporary folder, so that the machine's sources stay as they are.
# Services of the packages (redis-server, postgresql, nginx, prometheus) are not started: Weir's tests start their own.
# --check only says whether something is missing: 0 = nothing is, 1 = something is.
set -eu

build="gcc make pkg-config libc6-dev libevent-dev libhiredis-dev libjansson-dev libvectorscan-dev libyaml-dev libpq-dev
 uthash-dev libxxhash-dev libzstd-dev libssl-dev libpcre2-dev libyyjson-dev liblua5.4-dev libcurl4-openssl-dev libicu-dev libncurses-dev"
run="$build redis-server redis-tools curl ca-certificates"
test="$run libcriterion-dev clang libclang-rt-14-dev postgresql python3 python3-redis python3-psycopg2 zstd procps openssl python3-yaml jq systemd chromium
 zsh groff prometheus nginx"
# Debian's npm is asked for only where no other is there: it takes several hundred packages with it.
command -v npm >/dev/null 2>&1 || test="$test npm"
bench="$run python3 g++ libsimdjson-dev nodejs postgresql"
synapse="python3-attr python3-bcrypt python3-bleach python3-canonicaljson python3-cryptography python3-frozendict python3-idna
 python3-jinja2 python3-jsonschema python3-matrix-common python3-nacl python3-netaddr python3-openssl python3-packaging
 python3-phonenumbers python3-pil python3-prometheus-client python3-pyasn1 python3-pydantic python3-pymacaroons
 python3-signedjson python3-sortedcontainers python3-twisted python3-typing-extensions python3-unpaddedbase64 python3-yaml
 python3-ijson python3-jwt python3-msgpack python3-psycopg2 python3-service-identity python3-treq"
lint="$build clang-format clang-tidy shellcheck"
package="$build debhelper dh-python dpkg-dev fakeroot binutils lintian debootstrap systemd python3 git"
image="debootstrap podman runc buildah docker-compose redis-server redis-tools git"

check=false
wanted=""
for word in "$@"; do
    case $word in
        --check) check=true ;;
        run) wanted="$wanted $run" ;;
        test) wanted="$wanted $test" ;;
        lint) wanted="$wanted $lint" ;;
        bench) wanted="$wanted $bench" ;;
        package) wanted="$wanted $package" ;;
        image) wanted="$wanted $image" ;;
        synapse) wanted="$wanted $synapse" ;;
        *) echo "usage: dependencies.sh [--check] run|test|lint|bench|package|image|synapse …" >&2; exit 2 ;;
    esac
done

# shellcheck disable=SC2086 # lists of words
missing() {
    dpkg-query -W -f '${Package} ${db:Status-Status}\n' $wanted 2>/dev/null | awk '$2 == "installed" { print $1 }' |
        sort -u >"$folder/installed"
    printf '%s\n' $wanted | sort -u | comm -23 - "$folder/installed"
}

folder=$(mktemp -d)
policy=/usr/sbin/policy-rc.d
made_policy=false
# shellcheck disable=SC2329 # called by the trap
finish() {
    rm -rf "$folder"
    if $made_policy; then rm -f "$policy"; fi
}
trap finish EXIT
trap 'exit 130' INT TERM

packages=$(missing)
[ -n "$packages" ] || exit 0
if $check; then exit 1; fi

if [ "$(id -u)" != 0 ]; then
    echo "weir: these Debian packages are missing: $(echo "$packages" | tr '\n' ' ')" >&2
    if command -v sudo >/dev/null 2>&1; then
        sudo "$0" "$@"
        exit
    fi
    echo "weir: install them as root, then try again" >&2
    exit 1
fi

echo "weir: installs from Debian: $(echo "$packages" | tr '\n' ' ')" >&2
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    made_policy=true
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq

# Puts libyyjson-dev and libyyjson0 of Debian 13 into the folder.
fetch_yyjson() {
    # shellcheck disable=SC2016 # the format is apt's
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -E '/debian/?$' | head -n 1)
    mkdir -p "$folder/lists/partial" "$folder/packages"
    chmod -R a+rX "$folder"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${mirror:-http://deb.debian.org/debian} trixie main" \
        >"$folder/trixie.list"
    set -- -qq -o "Dir::Etc::SourceList=$folder/trixie.list" -o Dir::Etc::SourceParts=/dev/null \
        -o "Dir::State::Lists=$folder/lists" -o APT::Sandbox::User=root
    apt-get "$@" update
    (cd "$folder/packages" && apt-get "$@" download libyyjson-dev libyyjson0)
}

if echo "$packages" | grep -qx libyyjson-dev && ! apt-cache show libyyjson-dev >/dev/null 2>&1; then
    fetch_yyjson
    packages=$(echo "$packages" | grep -vx libyyjson-dev || true)
    set -- "$folder"/packages/*.deb
else
    set --
fi
# shellcheck disable=SC2086
apt-get install -y -qq --no-install-recommends $packages "$@" >"$folder/log" 2>&1 || { tail -n 20 "$folder/log" >&2; exit 1; }
rest=$(missing)
[ -z "$rest" ] || { echo "weir: could not be installed: $rest" >&2; exit 1; }
