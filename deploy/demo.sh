#!/usr/bin/env bash
# The main job, end to end: demo.sh PROGRAM. Called by `make run`.
#
# Starts a private redis-server on a unix socket in a temporary folder, the engine with the sample configuration, and
# plays a recording of a real Synapse with workers onto Redis. Shows the first verdicts, then checks that the durable
# stream holds exactly the rows that an offline replay of the same recording gives. Everything is stopped at the end,
# also by Ctrl-C.
set -euo pipefail

program=${1:?usage: demo.sh PROGRAM}
sample=$(cd "$(dirname "$0")/sample" && pwd)
speed=${SPEED:-12}
server_name=lab.test
folder=$(mktemp -d "${TMPDIR:-/tmp}/weir-demo.XXXXXX")
socket=$folder/redis.sock
processes=()

finish() {
    trap '' INT TERM
    for process in "${processes[@]}"; do kill "$process" 2>/dev/null || true; done
    wait 2>/dev/null || true
    rm -rf "$folder"
}
trap finish EXIT
trap 'echo; echo "weir: stopped"; exit 130' INT TERM

die() {
    echo "weir: $*" >&2
    [ ! -s "$folder/weir.log" ] || tail -n 5 "$folder/weir.log" >&2
    exit 1
}
until_true() { # SECONDS COMMAND…
    local tries=$(($1 * 20))
    shift
    while ! "$@" >/dev/null 2>&1; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || return 1
        sleep 0.05
    done
}
redis() { redis-cli -s "$socket" "$@"; }
logged() { grep -qF "\"message\":\"$1\"" "$folder/weir.log"; }
number() { sed -n "s/.*\"message\":\"stopped\".*\"$1\":\([0-9.]*\).*/\1/p" "$folder/weir.log"; }

redis-server --port 0 --unixsocket "$socket" --save '' --appendonly no --dir "$folder" >"$folder/redis.log" 2>&1 &
processes+=($!)
until_true 10 redis ping || die "redis-server did not start: $(tail -n 2 "$folder/redis.log")"

cp "$sample"/* "$folder/"
sed -i -e "s|^  host: 127.0.0.1$|  path: $socket|" -e 's|^  listen: .*|  listen: 127.0.0.1:0|' "$folder/weir.yaml"
"$program" check -c "$folder/weir.yaml" >"$folder/check.txt" || die "the sample configuration is wrong"
"$program" run -c "$folder/weir.yaml" 2>"$folder/weir.log" &
engine=$!
processes+=("$engine")
until_true 10 logged "subscribed; asks every writer for its position" || die "the engine did not start"
address=$(sed -n 's/.*"message":"listens for HTTP".*"address":"\([^"]*\)".*/\1/p' "$folder/weir.log")

echo "weir: $(sed -n 's/.*"message":"started".*"modules":\([0-9]*\).*/\1/p' "$folder/weir.log") modules, metrics on http://$address/metrics"
echo "weir: plays $(basename "$sample")/recording.jsonl.zst onto Redis at $speed times its pace; the first verdicts:"
echo
"$program" tail --redis "$socket" --server-name "$server_name" --count 15 &
processes+=($!)
until_true 10 sh -c "redis-cli -s '$socket' pubsub numsub $server_name/weir | grep -qx 2" || die "weir tail did not subscribe"
"$program" play "$folder/recording.jsonl.zst" --redis "$socket" --speed "$speed" 2>"$folder/play.log" &
player=$!
processes+=("$player")
wait "$player" || die "weir play failed: $(tail -n 1 "$folder/play.log")"

# The engine has read everything once its count of lines stands still.
lines_read() { curl -sf "http://$address/metrics" | sed -n 's/^weir_replication_lines_total //p'; }
before=-1
while now=$(lines_read) && [ "$now" != "$before" ]; do before=$now; sleep 0.3; done
kill -TERM "$engine"
wait "$engine" || die "the engine did not stop cleanly"

"$program" replay -c "$folder/weir.yaml" "$folder/recording.jsonl.zst" --events "$folder/recording.events.jsonl.zst" \
    >"$folder/expected.jsonl" 2>"$folder/replay.log" || die "weir replay failed: $(tail -n 1 "$folder/replay.log")"
redis --raw xrange "$server_name/weir/verdicts" - + | grep '^{' >"$folder/durable.jsonl" || true
rows=$(wc -l <"$folder/expected.jsonl")

echo
tail -n 1 "$folder/play.log"
echo "lines               $(number lines)"
echo "events judged       $(number events)"
echo "denied              $(number denied)"
sed -n 's/.*"message":"verdicts of a module".*"place":\([0-9]*\),"module":"\([^"]*\)","denied":\([0-9]*\).*/  \1. \2: \3/p' "$folder/weir.log"
echo "line to verdict     p50 $(number line_to_verdict_p50_us) µs, p99 $(number line_to_verdict_p99_us) µs, Redis's answer included"
echo "offline             $(tail -n 1 "$folder/replay.log")"
if [ "$rows" -gt 0 ] && cmp -s "$folder/expected.jsonl" "$folder/durable.jsonl"; then
    echo "nothing lost        checked: $rows durable verdict rows on Redis, byte for byte those of an offline replay"
else
    diff "$folder/expected.jsonl" "$folder/durable.jsonl" | head -n 5 >&2 || true
    die "LOST OR DIFFERENT: $rows rows expected, $(wc -l <"$folder/durable.jsonl") on Redis"
fi
