"""All that takes part in a run, and the links between them, in one folder."""

import pathlib
import queue
import shutil
import socket
import threading

import redis

import proxy
import servers
from recording import SERVER_NAME

SCHEMA = pathlib.Path(__file__).resolve().parents[1] / "integration" / "synapse_schema.sql"
SECRET = "chaos secret"
VERDICTS = f"{SERVER_NAME}/weir/verdicts"
POSITIONS = f"{SERVER_NAME}/weir/positions"
# Where weir's bodies come from, and the rows that it has missed.
SET_UPS = {"database": ("postgres",), "http": ("http",), "both": ("postgres", "http")}
# Some deny, so that rows of every kind are there; every event has a row (publish.verdicts: all).
MODULES = r"""
modules:
  - module: sender_list
    config: {users: ["@u003:lab.test", "@u01*:lab.test"]}
  - module: keywords
    config: {patterns: ["as", '\d\d'], syntax: regex}
  - module: link_domains
    config: {domains: [evil-casino.example, Example.ORG]}
"""
NOISE_EVERY = 0.02
AUDIT = "2s"


def free_ports(count):
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


class Voice:
    """Publishes on the channel beside the writers: what other processes say all the time, and what is put to it."""

    def __init__(self, port, noise):
        self.client = redis.Redis(port=port, socket_timeout=2)
        self.noise = noise
        self.wanted = queue.Queue()
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        turn = 0
        while not self.over.wait(NOISE_EVERY):
            lines = [self.noise[turn % len(self.noise)]]
            turn += 1
            while not self.wanted.empty():
                lines.append(self.wanted.get())
            try:
                for line in lines:
                    self.client.publish(SERVER_NAME, line)
            except redis.RedisError:
                pass

    def close(self):
        self.over.set()
        self.thread.join(5)


class World:
    def __init__(self, folder, weir, recording, set_up, at_once=False, standby=False, extra=""):
        self.folder = folder
        self.recording = recording
        self.writer_names = list(recording.scripts)
        self.sources = SET_UPS[set_up]
        self.proxies = proxy.Proxies()
        redis_port, self.side_port, *ports = free_ports(2 + len(self.writer_names))
        self.redis = servers.Redis(folder, redis_port)
        self.postgres = servers.Postgres(folder, SCHEMA) if "postgres" in self.sources else None
        self.links = {}
        if self.postgres:
            self.links["weir-postgres"] = self.proxies.add("weir-postgres", self.postgres.socket)
        self.writers = {}
        for name, port in zip(self.writer_names, ports):
            self.links[f"{name}-redis"] = self.proxies.add(f"{name}-redis", ("127.0.0.1", redis_port))
            if "http" in self.sources:
                self.links[f"weir-{name}"] = self.proxies.add(f"weir-{name}", ("127.0.0.1", port))
            self.writers[name] = servers.Writer(folder, name, recording, self.links[f"{name}-redis"].port, port,
                                                self.postgres and self.postgres.address, secret=SECRET, at_once=at_once)
        # With a standby there are two engines for one job, each with a link to Redis of its own.
        roles = {"weir": "active", "weir2": "standby"} if standby else {"weir": "alone"}
        self.state_folders = {name: self.make_folder(f"{name}.state") for name in roles}
        self.engines = {name: self.add_engine(name, weir, f"role: {role}\nstate_dir: {name}.state\n{extra}")
                        for name, role in roles.items()}
        self.weir = self.engines["weir"]
        self.processes = {**self.engines, "redis": self.redis, **self.writers}
        if self.postgres:
            self.processes["postgres"] = self.postgres
        self.voice = None
        self.lives = []  # the durable stream of each Redis that has lost its data

    def make_folder(self, name):
        path = self.folder / name
        path.mkdir()
        return path

    def add_engine(self, name, program, extra):
        link = self.links[f"{name}-redis"] = self.proxies.add(f"{name}-redis", ("127.0.0.1", self.redis.port))
        http_port, = free_ports(1)
        self.configuration = self.folder / f"{name}.yaml"
        self.configuration.write_text(self.configuration_text(link.port, http_port, extra))
        return servers.Weir(name, self.folder, program, self.configuration, http_port)

    def configuration_text(self, redis_port, http_port, extra):
        lines = [f"server_name: {SERVER_NAME}", f"redis: {{host: 127.0.0.1, port: {redis_port}}}",
                 f"http: {{listen: '127.0.0.1:{http_port}'}}", "publish: {verdicts: all, keep: 1000000000}",
                 f"stream_writers: {{events: [{', '.join(self.writer_names)}]}}",
                 "catch_up: {timeout: 2s, page: 100}", f"audit: {AUDIT}"]
        if self.postgres:
            lines.append(f"bodies: {{postgres: {{host: 127.0.0.1, port: {self.links['weir-postgres'].port}, "
                         f"user: synapse, dbname: postgres}}, retry_for: 300ms}}")
        else:
            lines.append(f"bodies: {{file: {self.recording.bodies}}}")
        if "http" in self.sources:
            addresses = ", ".join(f"{name}: {{host: 127.0.0.1, port: {self.links[f'weir-{name}'].port}}}"
                                  for name in self.writer_names)
            lines += [f"instance_map: {{{addresses}}}", f"worker_replication_secret: {SECRET}"]
        return "\n".join([*lines, extra]) + MODULES

    def parts(self):
        """What faults can meet. A standby takes over when the engine dies, and has no state file of its own then."""
        return {*self.processes, *self.links, *(["redis+weir"] if len(self.engines) == 1 else [])}

    def start(self):
        """Everything up, and weir knows where the writers stand, before the first event is written."""
        self.redis.start()
        if self.postgres:
            self.postgres.start()
            self.postgres.make_tables()
        servers.wait_until(self.redis.answers, 20, "redis-server")
        for engine in self.engines.values():
            engine.start()
        for writer in self.writers.values():
            writer.start()
        self.wait_until_ready()
        self.wait_for_positions()
        servers.wait_until(lambda: any(self.state_folders["weir"].iterdir()), 20, "a state file")
        self.voice = Voice(self.redis.port, self.recording.noise)

    def wait_until_ready(self):
        def ready():
            self.check()
            return all(engine.page("/readyz")[0] == 200 for engine in self.engines.values())
        servers.wait_until(ready, 90, "weir's readiness")

    def wait_for_positions(self):
        wanted = {f"weir1 events {name}".encode() for name in self.writer_names}

        def stored():
            self.check()
            try:
                with self.redis.client() as client:
                    return wanted <= set(client.hkeys(POSITIONS))
            except redis.RedisError:
                return False
        servers.wait_until(stored, 60, "a stored position of every writer")

    def check(self):
        for process in self.processes.values():
            process.check()

    def durable(self):
        """The rows stored in the present Redis: [(milliseconds, token, row)]."""
        with self.redis.client() as client:
            return self.rows_of(client)

    def count_durable(self):
        """None while Redis is away."""
        try:
            with self.redis.client() as client:
                return client.xlen(VERDICTS)
        except redis.RedisError:
            return None

    @staticmethod
    def rows_of(client):
        rows, start = [], "-"
        while page := client.xrange(VERDICTS, start, "+", 10000):
            rows += [(int(entry.split(b"-")[0]), int(fields[b"token"]), fields[b"row"].decode())
                     for entry, fields in page]
            start = b"(" + page[-1][0]
        return rows

    def lose_data(self, and_then=lambda: None):
        """Redis dies and comes back empty; what it held is kept for the comparison."""
        client, come_back = self.redis.lose_data(self.side_port)
        self.lives.append(self.rows_of(client))
        client.close()
        come_back()
        servers.wait_until(self.redis.answers, 20, "redis-server")
        and_then()
        self.wait_for_positions()

    def late(self):
        """(writer, token) of what was written and never published: its rows come when an audit has found them."""
        paths = {name: self.folder / f"{name}.lost" for name in self.writers}
        return {(name, int(token)) for name, path in paths.items() if path.exists()
                for token in path.read_text().split()}

    def close(self):
        if self.voice:
            self.voice.close()
        for process in self.processes.values():
            process.go_on()
            process.kill()
        self.proxies.close()

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)
