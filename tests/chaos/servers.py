"""The processes of a run, each of which may be killed, stopped and started again at any moment."""

import json
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

import redis

HERE = pathlib.Path(__file__).resolve().parent


class Unexpected(Exception):
    """Something happened that no fault explains."""


def postgres_program(name):
    found = shutil.which(name)
    return found or str(sorted(pathlib.Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))[-1])


def wait_until(condition, seconds, what):
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise Unexpected(f"{what} did not come true in {seconds} s")
        time.sleep(0.02)
    return value


class Process:
    """One process under a name; starts with `arguments`, writes into NAME.log."""

    def __init__(self, name, folder, arguments, **options):
        self.name = name
        self.folder = folder
        self.arguments = [str(argument) for argument in arguments]
        self.options = options
        self.log = folder / f"{name}.log"
        self.process = None
        self.expected_end = True
        self.starts = 0

    def start(self):
        self.starts += 1
        self.log_start = self.log.stat().st_size if self.log.exists() else 0
        self.expected_end = False
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.arguments, stdout=log, stderr=log, **self.options)

    def running(self):
        return self.process is not None and self.process.poll() is None

    def signal(self, number):
        if self.running():
            self.process.send_signal(number)

    def kill(self):
        self.expected_end = True
        if self.running():
            self.process.kill()
            self.process.wait()

    def stop(self):
        self.signal(signal.SIGSTOP)

    def go_on(self):
        self.signal(signal.SIGCONT)

    def holds(self, number):
        """Whether a signal does not simply end it: it is blocked or caught."""
        try:
            status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        except OSError:
            return False
        masks = [int(line.split()[1], 16) for line in status.splitlines() if line.startswith(("SigBlk", "SigCgt"))]
        return any(mask >> (number - 1) & 1 for mask in masks)

    def check(self):
        if not self.expected_end and not self.running():
            raise Unexpected(f"{self.name} ended with {self.process.returncode}")


class Weir(Process):
    def __init__(self, name, folder, program, configuration, http_port):
        super().__init__(name, folder, [program, "run", "-c", configuration],
                         env={**os.environ, "ASAN_OPTIONS": "abort_on_error=0:detect_leaks=0"})
        self.address = f"http://127.0.0.1:{http_port}"

    def ended_well(self, code):
        """What SIGTERM has to lead to: None is an engine that still runs; a SIGKILL may have come between; and before it
        says that it has started, nobody takes the signal."""
        with self.log.open("rb") as log:
            log.seek(self.log_start)
            young = b'"started"' not in log.read()
        if code not in (0, -signal.SIGKILL) and not (young and code == -signal.SIGTERM):
            raise Unexpected(f"{self.name} " + ("did not end in time after SIGTERM" if code is None else
                                                f"ended with {code} after SIGTERM"))

    def page(self, path):
        """(status, text); (0, "") while nobody answers."""
        try:
            with urllib.request.urlopen(self.address + path, timeout=1) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, ""
        except (OSError, ValueError):
            return 0, ""

    def metrics(self):
        """{name with labels: value}, {} while nobody answers."""
        lines = [line.rsplit(" ", 1) for line in self.page("/metrics")[1].splitlines() if not line.startswith("#")]
        return {line[0]: float(line[1]) for line in lines if len(line) == 2}


class Redis(Process):
    def __init__(self, folder, port):
        self.data = folder / "redis"
        self.data.mkdir()
        self.port = port
        super().__init__("redis", folder, self.command(port))

    def command(self, port):
        # A subscriber that reads too slowly is cut off soon.
        return ["redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "yes",
                "--appendfsync", "no", "--dir", self.data, "--client-output-buffer-limit", "pubsub 1mb 256kb 5"]

    def client(self):
        return redis.Redis(port=self.port, socket_timeout=20)

    def answers(self):
        try:
            with self.client() as client:
                return client.ping()
        except redis.RedisError:
            return False

    def lose_data(self, side_port):
        """Dies. (A client of what it held, on another port; how to let it come back empty.)"""
        self.kill()
        side = Process("redis-side", self.folder, self.command(side_port))
        side.start()
        client = redis.Redis(port=side_port, socket_timeout=20)

        def ready():
            try:
                return client.ping()
            except redis.RedisError:
                return False
        wait_until(ready, 20, "redis with the old data")
        return client, lambda: self.come_back_empty(side)

    def come_back_empty(self, side):
        side.kill()
        shutil.rmtree(self.data)
        self.data.mkdir()
        self.start()


class Postgres(Process):
    """On a unix socket in its folder; the schema is Synapse's."""

    def __init__(self, folder, schema):
        self.home = folder / "postgres"
        self.home.mkdir()
        folder.chmod(0o755)
        user = {}
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            entry = pwd.getpwnam("postgres")
            os.chown(self.home, entry.pw_uid, entry.pw_gid)
            user = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
        subprocess.run([postgres_program("initdb"), "-D", self.home / "data", "-A", "trust", "-U", "synapse", "-E",
                        "UTF8", "--locale=C", "--no-sync"], check=True, capture_output=True, **user)
        self.schema = schema
        self.address = f"host={self.home} user=synapse dbname=postgres"
        self.socket = str(self.home / ".s.PGSQL.5432")
        command = [postgres_program("postgres"), "-D", self.home / "data", "-k", self.home, "-c", "listen_addresses=",
                   "-c", "fsync=off"]
        super().__init__("postgres", folder, command, **user)

    def sql(self, *arguments):
        return subprocess.run(["psql", "-qAt", "-h", self.home, "-U", "synapse", "-d", "postgres", "-v",
                               "ON_ERROR_STOP=1", *arguments], capture_output=True)

    def make_tables(self):
        wait_until(lambda: self.sql("-c", "SELECT 1").returncode == 0, 30, "postgres")
        made = self.sql("-f", self.schema)
        if made.returncode:
            raise Unexpected(made.stderr.decode())

    def family(self):
        """The postmaster and its children, who have sessions of their own."""
        listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(self.process.pid)], capture_output=True, text=True)
        return [self.process.pid, *map(int, listed.stdout.split())]

    def signal_family(self, number):
        for pid in self.family() if self.running() else []:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass

    def stop(self):
        self.signal_family(signal.SIGSTOP)

    def go_on(self):
        self.signal_family(signal.SIGCONT)

    def kill(self):
        self.expected_end = True
        family = self.family() if self.running() else []
        self.signal_family(signal.SIGKILL)
        if self.process:
            self.process.wait()
        wait_until(lambda: not any(pathlib.Path(f"/proc/{pid}").exists() for pid in family), 10, "the end of postgres")
        (self.home / "data" / "postmaster.pid").unlink(missing_ok=True)


class Writer(Process):
    def __init__(self, folder, name, recording, redis_port, port, postgres=None, **options):
        command = [sys.executable, "-B", HERE / "writer.py", "--name", name, "--script", recording.scripts[name],
                   "--bodies", recording.bodies, "--redis", redis_port, "--listen", port, "--pace", 0]
        command += ["--postgres", postgres] if postgres else ["--journal", folder / f"{name}.journal"]
        for key, value in options.items():
            if value:
                command += [f"--{key.replace('_', '-')}"] + ([] if value is True else [value])
        super().__init__(name, folder, command)
        self.port = port
        self.pace = 0

    def tell(self, what, value):
        """False if it does not listen just now."""
        return self.ask(f"{what}?value={value}") is not None

    def state(self):
        return self.ask("state")

    def ask(self, what):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/chaos/{what}", timeout=2) as answer:
                return json.load(answer)
        except (OSError, ValueError):
            return None

    def set_pace(self, pace):
        self.pace = pace
        self.arguments[self.arguments.index("--pace") + 1] = str(pace)
        return self.tell("pace", pace)
