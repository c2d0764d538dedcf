#!/bin/sh
# Runs in the clean Debian, under its systemd, with the older package installed: clean_debian.sh starts it.
# Each step is a line; the first that fails ends it.
set -u

step() { echo "  $*"; }
die() {
    echo "FAILED: $*"
    systemctl status --no-pager -l weir.service 2>&1 | head -n 30
    journalctl --no-pager -n 60 2>&1
    exit 1
}
# until_true SECONDS COMMAND…
until_true() {
    end=$(($(date +%s) + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$(date +%s)" -lt "$end" ] || return 1
        sleep 0.2
    done
}
shown() { systemctl show -P "$2" "$1"; }
says() { [ "$(shown "$1" StatusText)" = "$2" ]; }
is_active() { systemctl is-active -q "$1"; }
restarts() { shown weir.service NRestarts; }
restarted() { [ "$(restarts)" -gt "$1" ] && is_active weir; }
logged() { journalctl -u "$1" --no-pager -o cat | grep -qF "$2"; }
as_weir() { runuser -u weir -- "$@"; }

step "installed and not started: disabled, inactive, a locked user, secrets only for root and weir"
[ "$(systemctl is-enabled weir 2>&1)" = disabled ] || die "is-enabled: $(systemctl is-enabled weir 2>&1)"
is_active weir && die "it runs"
[ "$(stat -c '%U:%G %a' /etc/weir /etc/weir/weir.yaml /var/lib/weir | tr '\n' ' ')" = "root:weir 750 root:weir 640 weir:weir 750 " ] ||
    die "$(stat -c '%n %U:%G %a' /etc/weir /etc/weir/weir.yaml /var/lib/weir)"
getent passwd weir | grep -q ':/var/lib/weir:/usr/sbin/nologin$' || die "the user"

step "the packaged configuration is whole, also for the user weir"
weir check -c /etc/weir/weir.yaml >/root/check 2>&1 || die "$(cat /root/check)"
as_weir weir check -c /etc/weir/weir.yaml >/root/check 2>&1 || die "as weir: $(cat /root/check)"
weir test -c /usr/share/weir/sample/weir.yaml /usr/share/weir/sample/cases.yaml >/root/check 2>&1 || die "$(cat /root/check)"

step "the units are whole; exposure at most 2.0"
systemd-analyze verify --man=no weir.service weir@east.service >/root/verify 2>&1 || die "$(cat /root/verify)"
[ -s /root/verify ] && grep -i weir /root/verify && die "systemd-analyze verify"
for unit in weir.service weir@.service; do
    systemd-analyze security --offline=true --threshold=20 "/lib/systemd/system/$unit" >/root/security 2>&1 ||
        die "$(tail -n 1 /root/security)"
done
step "$(tail -n 1 /root/security | sed 's/^[^a-zA-Z]*//')"

step "manual pages, completion, profiles, the sum of parts"
for page in "1 weir" "5 weir.yaml" "7 weir-modules"; do
    # shellcheck disable=SC2086
    [ -e "/usr/share/man/man${page% *}/${page#* }.${page% *}.gz" ] || { # minbase may leave manuals out
        grep -q . /etc/dpkg/dpkg.cfg.d/* 2>/dev/null || die "no manual page $page"; }
done
bash -c '. /usr/share/bash-completion/completions/weir && complete -p weir' >/dev/null || die "completion"

step "the engine under its sandbox judges the sample as a replay does"
cd /etc/weir || die "cd"
cp /usr/share/weir/sample/spam* /usr/share/weir/sample/recording.* /var/lib/weir/
sed -e 's,recording.events,/var/lib/weir/&,' -e 's,: spam-,: /var/lib/weir/spam-,' \
    -e 's,^# state_dir: .*,state_dir: /var/lib/weir,' /usr/share/weir/sample/weir.yaml >/root/sample.yaml
cat >>/root/sample.yaml <<'YAML'
  # What needs a compiler of code (PCRE2) and an interpreter, where no memory may be written and executed.
  - module: keywords
    config: {syntax: regex, patterns: ['(?<!not )(?=.*prize)claim\w+'], fields: [body]}
  - module: lua
    config: {script: /var/lib/weir/spam.lua}
admin_socket: /run/weir/weir1.sock
# the administrator's own line
YAML
cat /root/sample.yaml >/etc/weir/weir.yaml
chown -R weir:weir /var/lib/weir
weir check -c /etc/weir/weir.yaml >/root/check 2>&1 || die "$(cat /root/check)"
until_true 30 redis-cli ping || die "redis-server does not run"
systemctl enable -q --now weir || die "it does not start"
[ "$(shown weir.service Type)/$(shown weir.service SubState)" = notify/running ] || die "not running"
until_true 60 logged weir "subscribed; asks every writer for its position" || die "not subscribed"
weir play /var/lib/weir/recording.jsonl.zst --redis redis://127.0.0.1:6379 --speed max >/root/play 2>&1 ||
    weir play /var/lib/weir/recording.jsonl.zst --redis redis://127.0.0.1:6379 --speed 1000 >/root/play 2>&1 || die "$(tail -n 3 /root/play)"
weir replay -c /etc/weir/weir.yaml /var/lib/weir/recording.jsonl.zst --events /var/lib/weir/recording.events.jsonl.zst \
    >/root/expected 2>/root/replay || die "$(tail -n 3 /root/replay)"
rows=$(wc -l </root/expected)
all_there() { [ "$(redis-cli xlen lab.test/weir/verdicts)" = "$rows" ]; }
until_true 120 all_there || die "$(redis-cli xlen lab.test/weir/verdicts) rows of verdicts, $rows expected"
until_true 30 says weir.service ready || die "StatusText: $(shown weir.service StatusText)"
pid=$(shown weir.service MainPID)
[ "$(ps -o user= -p "$pid")" = weir ] || die "runs as $(ps -o user= -p "$pid")"
grep -q '^NoNewPrivs:.1$' "/proc/$pid/status" || die "NoNewPrivs"
grep -q '^Seccomp:.2$' "/proc/$pid/status" || die "Seccomp"
grep -q '^CapBnd:.0000000000000000$' "/proc/$pid/status" || die "CapBnd"
step "$rows rows, as weir, without rights, with seccomp; status: $(shown weir.service StatusText)"

step "the socket for administration is for root and weir"
weir status >/root/status 2>&1 || die "$(cat /root/status)"
as_weir weir status >/root/status 2>&1 || die "as weir: $(cat /root/status)"
runuser -u nobody -- weir status --socket /run/weir/weir1.sock >/dev/null 2>&1 && die "nobody is let in"
weir status --json | grep -q '"version":' || die "weir status --json"

step "systemd hears when Redis is away, and that it is back"
systemctl stop redis-server
until_true 30 says weir.service "not connected to Redis" || die "StatusText: $(shown weir.service StatusText)"
is_active weir || die "it gave up"
systemctl start redis-server
until_true 60 says weir.service ready || die "StatusText: $(shown weir.service StatusText)"

step "reload: a good configuration is taken, a broken one changes nothing"
systemctl reload weir || die "reload"
until_true 60 logged weir "the configuration was loaded again" || die "not loaded again"
cp weir.yaml /root/good.yaml
echo "nonsense: [" >>weir.yaml
systemctl reload weir 2>/root/reload && die "systemctl reload says nothing of a broken configuration"
systemctl kill -s HUP --kill-whom=main weir || die "kill"
until_true 60 logged weir "the configuration was not loaded; the old one goes on" || die "taken"
cat /root/good.yaml >weir.yaml
is_active weir || die "it ended"
[ "$(shown weir.service MainPID)" = "$pid" ] || die "it was started again"

step "an engine that hangs is started again by the watchdog"
mkdir -p /run/systemd/system/weir.service.d
printf '[Service]\nWatchdogSec=3\nTimeoutAbortSec=2\n' >/run/systemd/system/weir.service.d/short.conf
systemctl daemon-reload
systemctl restart weir || die "restart"
sleep 8
[ "$(restarts)" = 0 ] || die "it was taken for dead while it lived"
before=$(restarts)
kill -STOP "$(shown weir.service MainPID)"
until_true 60 restarted "$before" || die "the watchdog did nothing"
rm -r /run/systemd/system/weir.service.d
systemctl daemon-reload
systemctl restart weir || die "restart"

step "a broken configuration is not tried again and again"
echo "nonsense: [" >>weir.yaml
systemctl restart weir 2>/dev/null && die "started"
sleep 5
[ "$(shown weir.service ActiveState)/$(shown weir.service ExecMainStatus)/$(restarts)" = failed/3/0 ] ||
    die "$(shown weir.service ActiveState) $(shown weir.service ExecMainStatus) $(restarts)"
cat /root/good.yaml >weir.yaml
systemctl reset-failed weir
systemctl start weir || die "start"

step "an instance beside it"
sed -e 's/^instance_name: .*/instance_name: east/' -e 's,^state_dir: .*,state_dir: /var/lib/weir/east,' \
    -e 's/^  listen: .*/  listen: 127.0.0.1:9181/' -e 's,weir1.sock,east.sock,' weir.yaml >east.yaml
chown root:weir east.yaml
chmod 640 east.yaml
systemctl start weir@east || die "weir@east: $(journalctl -u weir@east --no-pager -n 20)"
until_true 60 says weir@east.service ready || die "StatusText: $(shown weir@east.service StatusText)"
[ "$(stat -c '%U %a' /var/lib/weir/east)" = "weir 750" ] || die "its folder"
is_active weir || die "the first has ended"
weir status -c /etc/weir/east.yaml >/root/status 2>&1 || die "$(cat /root/status)"

step "matrix.org's Synapse finds the module, also when it is installed later"
mkdir -p /root/venv/DEBIAN /root/venv/opt/venvs/matrix-synapse/lib/python3.11/site-packages
printf 'Package: fake-venv\nVersion: 1\nArchitecture: all\nMaintainer: x <x@weir.example>\nDescription: x\n' >/root/venv/DEBIAN/control
dpkg-deb -b /root/venv /root/venv.deb >/dev/null
dpkg -i /root/venv.deb >/root/dpkg 2>&1 || die "$(cat /root/dpkg)"
link=/opt/venvs/matrix-synapse/lib/python3.11/site-packages/weir_module.py
[ "$(readlink "$link")" = /usr/lib/python3/dist-packages/weir_module.py ] || die "no link"
python3 -c 'import ast; ast.parse(open("'"$link"'").read())' || die "not readable there"

step "upgrade: the changed conffile stays, both engines are started again"
first=$(shown weir.service MainPID)
second=$(shown weir@east.service MainPID)
dpkg -i --force-confold /root/new/weir_*.deb /root/new/matrix-synapse-weir_*.deb >/root/dpkg 2>&1 || die "$(cat /root/dpkg)"
[ "$(dpkg-query -W -f '${Version}' weir)" = "$VERSION" ] || die "the version"
cmp -s /root/good.yaml weir.yaml || die "the conffile was changed"
[ "$(stat -c '%U:%G %a' weir.yaml)" = "root:weir 640" ] || die "the conffile's owner: $(stat -c '%U:%G %a' weir.yaml)"
grep -q 'small-community' weir.yaml.dpkg-dist || die "the new conffile is not beside it"
until_true 30 is_active weir || die "not running after the upgrade"
until_true 30 is_active weir@east || die "weir@east does not run after the upgrade"
[ "$(shown weir.service MainPID)" != "$first" ] || die "weir was not started again"
[ "$(shown weir@east.service MainPID)" != "$second" ] || die "weir@east was not started again"
until_true 60 says weir.service ready || die "StatusText: $(shown weir.service StatusText)"
[ "$(systemctl is-enabled weir)" = enabled ] || die "no longer enabled"
[ "$(redis-cli xlen lab.test/weir/verdicts)" = "$rows" ] || die "something was judged twice"

step "remove: stopped, the conffile stays"
dpkg -r weir matrix-synapse-weir >/root/dpkg 2>&1 || die "$(cat /root/dpkg)"
pgrep -x weir && die "it still runs"
[ -e weir.yaml ] || die "the conffile is gone"
[ -e /var/lib/weir ] || die "the state is gone"
[ -L "$link" ] && die "the link stays"

step "installed again: the conffile and that it was enabled are still known"
dpkg -i /root/new/weir_*.deb >/root/dpkg 2>&1 || die "$(cat /root/dpkg)"
cmp -s /root/good.yaml weir.yaml || die "the conffile was changed"
[ "$(systemctl is-enabled weir)" = enabled ] || die "not enabled"

step "purge: nothing is left but the user"
rm -f east.yaml
cd /
dpkg -P weir matrix-synapse-weir fake-venv >/root/dpkg 2>&1 || die "$(cat /root/dpkg)"
pgrep -x weir && die "it still runs"
left=$(find / -xdev \( -path /root -o -path /proc -o -path /sys -o -path /run/systemd -o -path /var/log -o -path /var/lib/redis \
    -o -path /tmp -o -path /var/tmp \) -prune -o -name '*weir*' -print)
[ -z "$left" ] || die "left: $left"
systemctl list-unit-files | grep weir && die "units are left"
getent passwd weir >/dev/null || die "the user should stay"
echo "all is well"
