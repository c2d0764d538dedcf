#!/usr/bin/python3 -B
"""How long it takes from `apt install` to the first verdict, for somebody who does what the manual says and nothing else.

    run.py PACKAGE HOMESERVER.YAML [--admin DSN] [--limit SECONDS]

HOMESERVER.YAML is that of a Synapse that runs on this machine, with Redis and PostgreSQL on TCP and open registration.
The package is installed in a clean Debian of its own, which systemd-nspawn boots and which shares this machine's network; to
Weir it is the machine that Synapse runs on. What is typed there stands in the manual: `apt install` in docs/README.md, then
the first block `sh` or `sql` of each numbered section of docs/first-run.md. Three things are as they are here: Synapse's file
lies where Debian's package has it, the address of the database is that of this Synapse, and SQL goes to --admin,
PostgreSQL's administrator. Questions are answered at a terminal.

What is made before the clock runs: the Debian with systemd and sudo, a user of Synapse and a room. Needs root and a mirror of
Debian. The role `weir` is dropped afterwards; what Weir wrote to Redis stays there."""

import argparse
import json
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/integration"))
import manual_pages  # noqa: E402

RELEASE = re.search(r"^VERSION_CODENAME=(\w+)", pathlib.Path("/etc/os-release").read_text(), re.MULTILINE)[1]
MACHINE = ROOT / "build/quickstart"
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "TERM": "dumb",
               "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive", "NO_COLOR": "1"}
PAGE_DATABASE = "host=127.0.0.1 dbname=synapse "
SPAM = "double your bitcoin"
STEP_SECONDS = 300
SHOWN_LINES = 30


class Failed(Exception):
    pass


def run(*command, **options):
    done = subprocess.run(list(map(str, command)), capture_output=True, timeout=STEP_SECONDS, **options)
    if done.returncode:
        raise Failed(f"{' '.join(map(str, command))}: {(done.stdout + done.stderr).decode()[-2000:]}")
    return done.stdout.decode()


class Machine:
    """A clean Debian under its own systemd, at MACHINE."""

    nspawn, leader = None, None

    def boot(self):
        run(ROOT / "tests/packages/debian.sh", RELEASE, ROOT / f"build/debian-{RELEASE}")
        shutil.rmtree(MACHINE, ignore_errors=True)
        run("cp", "-a", ROOT / f"build/debian-{RELEASE}/root", MACHINE)
        shutil.copy("/etc/resolv.conf", MACHINE / "etc/resolv.conf")
        inside = ("chroot", MACHINE, "env", "-i", *(f"{name}={value}" for name, value in ENVIRONMENT.items()))
        run(*inside, "apt-get", "update", "-qq")
        run(*inside, "apt-get", "install", "-y", "-qq", "--no-install-recommends", "systemd-sysv", "dbus", "sudo")
        self.nspawn = subprocess.Popen(
            ["systemd-nspawn", "-q", "--boot", "--register=no", "--keep-unit", "--resolv-conf=off", "-M", "weir-quickstart",
             "-D", MACHINE],
            stdin=subprocess.DEVNULL, stdout=(ROOT / "build/quickstart.log").open("wb"), stderr=subprocess.STDOUT)
        deadline = time.monotonic() + 60
        while not self.is_up():
            if time.monotonic() > deadline or self.nspawn.poll() is not None:
                raise Failed("systemd does not boot in a container here: see build/quickstart.log")
            time.sleep(0.2)

    def is_up(self):
        children = pathlib.Path(f"/proc/{self.nspawn.pid}/task/{self.nspawn.pid}/children").read_text().split()
        self.leader = children[0] if children else None
        return self.leader and subprocess.run(self.command("systemctl is-system-running"), capture_output=True
                                              ).stdout.strip() in (b"running", b"degraded")

    def command(self, text):
        return ["nsenter", "-t", self.leader, "-m", "-u", "-i", "-p", "-r", "-w", "env", "-i",
                *(f"{name}={value}" for name, value in ENVIRONMENT.items()), "bash", "-c", f"cd /root && {text}"]

    def stop(self):
        if self.nspawn and self.nspawn.poll() is None:
            self.nspawn.send_signal(signal.SIGTERM)  # an orderly shutdown
            try:
                self.nspawn.wait(60)
            except subprocess.TimeoutExpired:
                self.nspawn.kill()
                self.nspawn.wait()
        shutil.rmtree(MACHINE, ignore_errors=True)

    def type(self, text, answers):
        """Types a command at a terminal, and the answer to each question; what was shown."""
        main, side = pty.openpty()
        process = subprocess.Popen(self.command(text), stdin=side, stdout=side, stderr=side, start_new_session=True)
        os.close(side)
        shown, place, deadline = "", 0, time.monotonic() + STEP_SECONDS
        while time.monotonic() < deadline and select.select([main], [], [], deadline - time.monotonic())[0]:
            try:
                data = os.read(main, 65536)
            except OSError:  # the other side is closed
                break
            shown += data.decode(errors="replace")
            for question, answer in answers.items():
                if question in shown[place:]:
                    place = len(shown)
                    os.write(main, (answer + "\n").encode())
        os.close(main)
        if time.monotonic() >= deadline:
            process.kill()
        if process.wait():
            raise Failed(f"{text}\nends with {process.returncode}:\n{shown}")
        return shown.replace("\r", "")


class Homeserver:
    """The Synapse that runs, by its homeserver.yaml."""

    def __init__(self, path, admin):
        self.path, self.settings = path, yaml.safe_load(path.read_text())
        arguments = self.settings["database"]["args"]
        self.database = arguments.get("database") or arguments["dbname"]
        self.address = f"host={arguments['host']} port={arguments.get('port', 5432)} dbname={self.database} "
        self.admin = admin or self.address + "user=postgres"
        self.port = next(listener["port"] for listener in self.settings["listeners"]
                         for resource in listener.get("resources", ()) if "client" in resource["names"])
        self.user = f"quick{time.time_ns()}"
        self.token = self.call("POST", "/register", {"username": self.user, "password": self.user,
                                                     "auth": {"type": "m.login.dummy"}})["access_token"]
        self.room = urllib.parse.quote(self.call("POST", "/createRoom", {"preset": "public_chat"})["room_id"])

    def call(self, method, path, body):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/_matrix/client/v3{path}", json.dumps(body).encode(),
                                         {"Content-Type": "application/json"}, method=method)
        if path != "/register":
            request.add_header("Authorization", f"Bearer {self.token}")
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def say(self, text):
        self.call("PUT", f"/rooms/{self.room}/send/m.room.message/1", {"msgtype": "m.text", "body": text})

    def sql(self, text):
        return run("psql", "-qAt", "-v", "ON_ERROR_STOP=1", "-d", self.admin, input=text.encode())

    def install(self, etc):
        """Its files, where and how Debian's package of Synapse has them."""
        (etc / "conf.d").mkdir(parents=True)
        shutil.copy(self.path, etc / "homeserver.yaml")
        (etc / "conf.d/server_name.yaml").write_text(f"server_name: {self.settings['server_name']}\n")


def of_manual():
    """[(section, kind, text)] of what is typed, in its order."""
    front = manual_pages.Page(ROOT / "docs/README.md")
    typed = [("Install", "sh", next(command for block in front.blocks if block.kind == "sh" for command in block.commands()
                                    if command.startswith("apt install")))]
    page = manual_pages.Page(ROOT / "docs/first-run.md")
    headings = [(page.text.count("\n", 0, match.start()) + 1, match[1])
                for match in re.finditer(r"^## \d+\. (.*)$", page.text, re.MULTILINE)]
    for (line, heading), (end, _) in zip(headings, headings[1:]):  # after the last a verdict has been seen
        block = next(block for block in page.blocks if line < block.line < end and block.kind in ("sh", "sql"))
        for text in [block.text] if block.kind == "sql" else block.commands():
            typed.append((heading, block.kind, text))
    return typed


def carry_out(machine, homeserver):
    """[(what, seconds)]"""
    steps, password, begin = [], None, time.monotonic()
    for section, kind, text in of_manual():
        since = time.monotonic()
        if section == "Look":
            homeserver.say(SPAM)
        if kind == "sql":
            password = re.search(r"PASSWORD '([^']*)'", text)[1]
            homeserver.sql(text)
        else:
            answers = {"[Y/n]": "y", "The role's password": password or "", "Profile:": ""}
            command = text.replace(PAGE_DATABASE, homeserver.address)
            shown = machine.type(command, answers)
            while section == "Look" and not re.search(rf"@{homeserver.user}:.*dry run", shown):
                if time.monotonic() > since + 30:
                    raise Failed(f"no verdict came:\n{shown}")
                shown = machine.type(command, answers)
            lines = shown.strip().splitlines()
            left_out = ["…"] if len(lines) > SHOWN_LINES else []
            print("\n    ".join([f"$ {command.strip()}", *left_out, *lines[-SHOWN_LINES:]]), flush=True)
        what = "a message, and " if section == "Look" else ""
        steps.append((what + (section if kind == "sql" else text.split("\n")[0].rstrip(" \\")), time.monotonic() - since))
    steps.append(("from apt install to the first verdict", time.monotonic() - begin))
    return steps


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("package", type=pathlib.Path)
    parser.add_argument("homeserver", type=pathlib.Path)
    parser.add_argument("--admin", help="PostgreSQL's administrator, as libpq takes it; the user postgres by itself")
    parser.add_argument("--limit", type=float, default=120, help="seconds that it may take")
    options = parser.parse_args()
    if os.geteuid():
        sys.exit("weir: quickstart needs root")
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", 9180)) == 0:
            sys.exit("weir: something listens on 127.0.0.1:9180 already, which an engine as of the manual wants")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("weir: quickstart was ended"))
    machine, homeserver = Machine(), Homeserver(options.homeserver, options.admin)
    if homeserver.sql("SELECT 1 FROM pg_roles WHERE rolname = 'weir'").strip():
        sys.exit("weir: this PostgreSQL has a role `weir` already")
    try:
        machine.boot()
        homeserver.install(MACHINE / "etc/matrix-synapse")
        folder = MACHINE / "root/build/deb"
        folder.mkdir(parents=True)
        shutil.copy(options.package, folder)
        steps = carry_out(machine, homeserver)
    except Failed as failure:
        sys.exit(f"weir: quickstart failed: {failure}")
    finally:
        machine.stop()
        if homeserver.sql("SELECT 1 FROM pg_roles WHERE rolname = 'weir'").strip():
            homeserver.sql("DROP OWNED BY weir; DROP ROLE weir")
    for what, seconds in steps:
        print(f"{seconds:8.1f} s  {what}")
    if steps[-1][1] > options.limit:
        sys.exit(f"weir: more than {options.limit:g} s")


if __name__ == "__main__":
    main()
