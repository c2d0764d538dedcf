"""Real servers and the real program for the integration tests: each test gets its own Redis (and PostgreSQL) on a unix
socket in a temporary folder, and everything that was started is stopped at its end."""

import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest
import urllib.request

import redis

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = ROOT / "tests" / "data"
WEIR = str(ROOT / os.environ.get("WEIR", "build/weir"))
SERVER_NAME = "lab.test"

# The modules of the comparisons: rules of every kind, several of which hit in each recording.
MODULES = r"""
modules:
  - module: sender_list
    config:
      users: ["@u003:lab.test", "@u00?:nowhere.example", "@u01*:lab.test"]
      servers: ["*.spam.example", "SPAM.example"]
  - module: keywords
    config: {patterns: ["cheap followers", "здравствуйте", "as"], syntax: literal}
  - module: keywords
    config: {patterns: ['\$\d{3,}', '^(.)\1{20,}', '[🎉🔥]{2}'], syntax: regex, case_sensitive: true}
  - module: keywords
    config: {patterns: ["*error*event*", "rules.???"], syntax: glob, fields: [body, name, topic, filename]}
  - module: link_domains
    config: {domains: [evil-casino.example, crypto-gains.example, Example.ORG]}
"""


def wait_until(condition, seconds=20, what="the condition"):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"{what} did not come true in {seconds} s")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def run_weir(*arguments, check=True, **options):
    done = subprocess.run([WEIR, *map(str, arguments)], capture_output=True, timeout=120, **options)
    if check and done.returncode != 0:
        raise AssertionError(f"weir {arguments} ended with {done.returncode}: {done.stderr.decode()}")
    return done


class Server(unittest.TestCase):
    """A folder, a Redis and helpers; subclasses are the tests."""

    redis_arguments = ()
    port = 0  # a unix socket is enough for most

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="weir-test."))
        self.processes = []
        self.redis = None
        self.socket = self.folder / "redis.sock"
        self.start_redis()

    def tearDown(self):
        for process in reversed(self.processes):
            if process.poll() is None:
                process.kill()
            process.wait()
            for pipe in (process.stdout, process.stderr):
                if pipe:
                    pipe.close()
        self.redis.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self, arguments, **options):
        process = subprocess.Popen([str(argument) for argument in arguments], **options)
        self.processes.append(process)
        return process

    def start_redis(self, wait=True):
        self.redis_process = self.start(
            ["redis-server", "--port", self.port, "--unixsocket", self.socket, "--save", "", "--appendonly", "no", "--dir",
             self.folder, *self.redis_arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if self.redis:
            self.redis.close()
        self.redis = redis.Redis(unix_socket_path=str(self.socket))
        if wait:
            wait_until(self.redis_answers, what="redis-server")

    def redis_answers(self):
        try:
            return self.redis.ping()
        except (redis.ResponseError, redis.AuthenticationError):
            return True
        except redis.RedisError:
            self.redis.close()
            return False

    def write(self, name, text):
        path = self.folder / name
        path.write_text(text)
        return path

    def configuration(self, body="", modules=MODULES, redis_text=None, name="weir.yaml"):
        redis_text = redis_text or f"{{path: {self.socket}}}"
        return self.write(name, f"server_name: {SERVER_NAME}\nredis: {redis_text}\n"
                                f"http: {{listen: '127.0.0.1:0'}}\n{body}\n{modules}")

    def start_engine(self, configuration, *arguments, ready=True):
        descriptor, name = tempfile.mkstemp(prefix="engine-", suffix=".log", dir=self.folder)
        log = pathlib.Path(name)
        with open(descriptor, "wb") as stderr:
            engine = self.start([WEIR, "run", "-c", configuration, *arguments], stderr=stderr)
        engine.log = log
        wait_until(lambda: self.logged(engine, "listens for HTTP") or engine.poll() is not None, what="the engine")
        if engine.poll() is not None:
            raise AssertionError(f"the engine ended with {engine.returncode}: {log.read_text()}")
        engine.http = self.logged(engine, "listens for HTTP")[0]["address"]
        if ready:
            wait_until(lambda: self.http(engine, "/readyz")[0] == 200, what="readiness")
        return engine

    def log_lines(self, engine):
        return [json.loads(line) for line in engine.log.read_text().splitlines() if line.endswith("}")]

    def logged(self, engine, message):
        return [line for line in self.log_lines(engine) if line["message"] == message]

    def http(self, engine, path):
        try:
            with urllib.request.urlopen(f"http://{engine.http}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def metric(self, engine, name, label=None):
        wanted = f'{name}{{{label}}} ' if label else f"{name} "
        for line in self.http(engine, "/metrics")[1].splitlines():
            if line.startswith(wanted):
                return float(line.split(" ")[-1])
        return None

    def stop_engine(self, engine, number=signal.SIGTERM):
        engine.send_signal(number)
        self.assertEqual(engine.wait(timeout=20), 0, engine.log.read_text()[-2000:])

    def settle(self, engine, metric="weir_replication_lines_total"):
        """Waits until the engine has read all there is, and judged it."""
        last = -1
        while True:
            now = (self.metric(engine, metric), self.metric(engine, "weir_events_waiting"),
                   self.metric(engine, "weir_outbox_waiting"))
            if now == last and now[1] == 0 and now[2] == 0:
                return
            last = now
            time.sleep(0.15)

    def play(self, recording, *arguments):
        return run_weir("play", recording, "--redis", self.socket, "--speed", "max", "--wait-for-subscribers", "1",
                        *arguments)

    def publish(self, *lines, channel=SERVER_NAME):
        for line in lines:
            self.redis.publish(channel, line)

    def subscribe(self, channel=f"{SERVER_NAME}/weir"):
        """A subscription that is confirmed when this returns."""
        subscriber = self.redis.pubsub()
        self.addCleanup(subscriber.close)
        subscriber.subscribe(channel)
        wait_until(lambda: (subscriber.get_message(timeout=1) or {}).get("type") == "subscribe")
        return subscriber

    @staticmethod
    def heard(subscriber, seconds=0.4):
        """What a subscription has received, until nothing comes for a while."""
        lines = []
        while (message := subscriber.get_message(timeout=seconds)) is not None:
            lines.append(message["data"].decode())
        return lines

    def durable(self):
        """The rows of the durable stream: [(token, row text)]."""
        return [(int(fields[b"token"]), fields[b"row"].decode())
                for _, fields in self.redis.xrange(f"{SERVER_NAME}/weir/verdicts")]

    def replay(self, configuration, recording, bodies=None, *arguments):
        events = ("--events", bodies) if bodies else ()
        return run_weir("replay", "-c", configuration, recording, *events, *arguments).stdout.decode().splitlines()


def ev_row(event_id, event_type="m.room.message", room="!r:lab.test", rejected=False, outlier=False):
    row = ["ev", [event_id, room, event_type, None, None, None, None, rejected, outlier]]
    return json.dumps(row, separators=(",", ":"))


def rdata(token, row, writer="persister1", stream="events"):
    return f"RDATA {stream} {writer} {token} {row}"


def body_line(event_id, **content):
    event = {"type": "m.room.message", "room_id": "!r:lab.test", "sender": "@a:lab.test", "content": content}
    return json.dumps({"event_id": event_id, "stream_ordering": 1, "instance": "persister1", "rejected": None,
                       "json": event})
