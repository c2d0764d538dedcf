"""Weir beside the real Synapse 1.67: a main process and two event persisters, traffic through the client API, and in the
middle of it kill -9 of Weir, of a persister and of Redis. In the end the durable log holds what the database holds.

SYNAPSE_PATH names a checkout of Synapse v1.67.0, which needs Debian's Python packages of its dependencies; what is not
there as a package (txredisapi) is looked for in PYTHONPATH. Without SYNAPSE_PATH the test is skipped."""

import base64
import collections
import json
import os
import random
import socket
import subprocess
import threading
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request

import postgres_test
from harness import SERVER_NAME, free_port, wait_until

PYTHON = "/usr/bin/python3"
PERSISTERS = ("persister1", "persister2")
CLIENT = "/_matrix/client/v3"
USERS, ROOMS, SENDERS = 4, 5, 4
PHASE_EVENTS = 25  # sent between one incident and the next

METADATA = "Metadata-Version: 2.1\nName: matrix-synapse\nVersion: 1.67.0\nRequires-Dist: PyYAML\n" + "".join(
    f"Provides-Extra: {extra}\n" for extra in ("all", "redis", "postgres"))
NO_LIMIT = "{per_second: 100000, burst_count: 100000}"
HOMESERVER = """
server_name: {server_name}
public_baseurl: http://127.0.0.1:{ports[client]}/
listeners:
  - {{port: {ports[client]}, type: http, bind_addresses: ['127.0.0.1'], resources: [{{names: [client], compress: false}}]}}
  - {{port: {ports[main]}, type: http, bind_addresses: ['127.0.0.1'], resources: [{{names: [replication]}}]}}
database:
  name: psycopg2
  args: {{user: synapse, database: postgres, host: {database}, cp_min: 2, cp_max: 6}}
redis: {{enabled: true, host: 127.0.0.1, port: {ports[redis]}}}
log_config: {folder}/log-main.yaml
media_store_path: {folder}/media
signing_key_path: {folder}/signing.key
pid_file: {folder}/main.pid
macaroon_secret_key: not-a-secret
form_secret: not-a-secret
enable_registration: true
enable_registration_without_verification: true
report_stats: false
suppress_key_server_warning: true
trusted_key_servers: []
bcrypt_rounds: 4
presence: {{enabled: false}}
rc_message: {no_limit}
rc_registration: {no_limit}
rc_joins: {{local: {no_limit}, remote: {no_limit}}}
rc_joins_per_room: {no_limit}
send_federation: false
federation_sender_instances: []
worker_replication_secret: between-workers
instance_map:
  persister1: {{host: 127.0.0.1, port: {ports[persister1]}}}
  persister2: {{host: 127.0.0.1, port: {ports[persister2]}}}
stream_writers: {{events: [persister1, persister2]}}
"""
WORKER = """
worker_app: synapse.app.generic_worker
worker_name: {name}
worker_replication_host: 127.0.0.1
worker_replication_http_port: {ports[main]}
worker_log_config: {folder}/log-{name}.yaml
worker_pid_file: {folder}/{name}.pid
worker_listeners:
  - {{type: http, port: {port}, bind_addresses: ['127.0.0.1'], resources: [{{names: [replication]}}]}}
"""
LOGGING = """
version: 1
formatters: {{short: {{format: '%(asctime)s %(levelname)s %(name)s %(message)s'}}}}
handlers: {{file: {{class: logging.FileHandler, formatter: short, filename: {folder}/{name}.log, encoding: utf8}}}}
root: {{level: WARNING, handlers: [file]}}
disable_existing_loggers: false
"""


def why_not():
    """Why the test cannot run here; None if it can."""
    path = os.environ.get("SYNAPSE_PATH")
    if not path:
        return "SYNAPSE_PATH names no checkout of Synapse 1.67"
    missing = subprocess.run([PYTHON, "-c", "import txredisapi, psycopg2, twisted, signedjson, pydantic, treq"],
                             capture_output=True, cwd="/").stderr.decode().strip()
    return f"Synapse cannot run here: {missing.splitlines()[-1]}" if missing else None


class Traffic:
    """Seeded senders, each a thread; requests that fail, as they must while a process is down, are passed over."""

    def __init__(self, port, seed=1):
        self.port = port
        self.random = random.Random(seed)
        self.users, self.rooms = [], []
        self.sent = collections.Counter()
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self.threads = []

    def call(self, method, path, body=None, token=None, timeout=15):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{CLIENT}{path}", method=method,
                                         data=json.dumps(body or {}).encode())
        request.add_header("Content-Type", "application/json")
        if token:
            request.add_header("Authorization", f"Bearer {token}")
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return json.load(answer)

    def set_up(self):
        for number in range(USERS):
            answer = self.call("POST", "/register", {"username": f"user{number}", "password": "password",
                                                     "auth": {"type": "m.login.dummy"}})
            self.users.append(answer["access_token"])
        for number in range(ROOMS):
            creator = self.users[number % USERS]
            room = self.call("POST", "/createRoom", {"preset": "public_chat", "name": f"Room {number}"}, creator)["room_id"]
            self.rooms.append(urllib.parse.quote(room))
            for user in self.users:
                if user is not creator:
                    self.call("POST", f"/rooms/{self.rooms[-1]}/join", {}, user)

    def act(self, choice, sender, number):
        room, user, kind = choice.choice(self.rooms), choice.choice(self.users), choice.random()
        transaction = f"{sender}-{number}"
        if kind < 0.8:
            text = {"msgtype": "m.text", "body": choice.choice(("hello", "cheap followers", "naïve 🎉")) + f" {number}"}
            event = self.call("PUT", f"/rooms/{room}/send/m.room.message/{transaction}", text, user)["event_id"]
            if kind < 0.1:
                self.call("PUT", f"/rooms/{room}/redact/{urllib.parse.quote(event)}/{transaction}r", {}, user)
        elif kind < 0.9:
            self.call("POST", f"/rooms/{room}/leave", {}, user)
            self.call("POST", f"/rooms/{room}/join", {}, user)
        else:
            self.call("PUT", f"/rooms/{room}/send/m.reaction/{transaction}", {}, user)

    def send(self, sender):
        choice = random.Random(sender)
        number = 0
        while not self.stopping.is_set():
            number += 1
            try:
                self.act(choice, sender, number)
                outcome = "done"
            except (OSError, ValueError):
                outcome = "failed"
                self.stopping.wait(0.1)
            with self.lock:
                self.sent[outcome] += 1

    def start(self):
        self.threads = [threading.Thread(target=self.send, args=(sender,)) for sender in range(SENDERS)]
        for thread in self.threads:
            thread.start()

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join()

    def wait_for_more(self, count=PHASE_EVENTS):
        upto = self.sent["done"] + count
        wait_until(lambda: self.sent["done"] >= upto, 60, f"{count} more actions")


REASON = why_not()


@unittest.skipIf(REASON, REASON)
class Synapse(postgres_test.PostgresServer):
    redis_arguments = ("--bind", "127.0.0.1", "--appendonly", "yes")

    def setUp(self):
        self.ports = {name: free_port() for name in ("client", "main", "redis", *PERSISTERS)}
        self.port = self.ports["redis"]
        super().setUp()
        self.sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        self.synapse = {}
        self.write_configuration()
        self.start_process("main")
        wait_until(lambda: self.listens("main") and self.listens("client"), 60, "Synapse's main process")
        for name in PERSISTERS:
            self.start_process(name)
        for name in PERSISTERS:
            wait_until(lambda: self.listens(name), 60, name)

    def write_configuration(self):
        values = {"server_name": SERVER_NAME, "folder": self.folder, "database": self.database, "ports": self.ports,
                  "no_limit": NO_LIMIT}
        self.write("homeserver.yaml", HOMESERVER.format(**values))
        for name in ("main", *PERSISTERS):
            self.write(f"log-{name}.yaml", LOGGING.format(name=name, **values))
        for name in PERSISTERS:
            self.write(f"{name}.yaml", WORKER.format(name=name, port=self.ports[name], **values))
        self.write("signing.key", f"ed25519 a_test {base64.b64encode(os.urandom(32)).decode().rstrip('=')}\n")
        metadata = self.folder / "metadata" / "matrix_synapse-1.67.0.dist-info"
        metadata.mkdir(parents=True)
        (metadata / "METADATA").write_text(METADATA)

    def start_process(self, name):
        application = "homeserver" if name == "main" else "generic_worker"
        paths = [os.environ["SYNAPSE_PATH"], self.folder / "metadata", os.environ.get("PYTHONPATH", "")]
        environment = {**os.environ, "PYTHONPATH": ":".join(map(str, paths)), "LANG": "C.UTF-8"}
        worker = () if name == "main" else ("-c", self.folder / f"{name}.yaml")
        with (self.folder / f"{name}.out").open("ab") as output:
            self.synapse[name] = self.start(
                [PYTHON, "-B", "-m", f"synapse.app.{application}", "-c", self.folder / "homeserver.yaml", *worker],
                env=environment, cwd=self.folder, stdout=output, stderr=output)

    def listens(self, name):
        process = self.synapse.get("main" if name == "client" else name)
        if process and process.poll() is not None:
            raise AssertionError(f"{name} ended: {(self.folder / f'{name}.out').read_text()[-2000:]}")
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.ports[name])) == 0

    def weir_configuration(self):
        return self.configuration(
            f"bodies: {{postgres: {{host: {self.database}, user: synapse, dbname: postgres}}, retry_for: 5s}}\n"
            f"synapse_config: homeserver.yaml\npublish: {{verdicts: all}}\nstate_dir: {self.folder}\n",
            modules="modules: [{module: keywords, config: {patterns: [cheap followers]}}]")

    def expected(self):
        """What Weir judges: events that are neither rejected nor outliers."""
        rows = self.sql("SELECT event_id FROM events WHERE NOT outlier AND rejection_reason IS NULL AND event_id NOT IN "
                        "(SELECT event_id FROM rejections)").stdout.decode().split()
        return sorted(rows)

    def judged(self):
        return [json.loads(row)["event_id"] for _, row in self.durable()]

    def kill(self, process):
        process.kill()
        process.wait()

    def same_for_a_while(self):
        """Whether the log holds what the database holds, and neither grows any more."""
        for _ in range(3):
            expected = self.expected()
            if sorted(self.judged()) != expected:
                return None
            time.sleep(0.5)
        return expected

    def explain(self):
        expected, judged = set(self.expected()), collections.Counter(self.judged())
        missing = expected - set(judged)
        where = self.sql("SELECT event_id, instance_name, stream_ordering FROM events ORDER BY stream_ordering").stdout
        return (f"missing: {[line for line in where.decode().splitlines() if line.split('|')[0] in missing][:10]}; "
                f"twice: {[event for event, count in judged.items() if count > 1][:10]}; "
                f"not expected: {list(set(judged) - expected)[:10]}")

    def test_kills_in_the_middle_lose_and_repeat_nothing(self):
        configuration = self.weir_configuration()
        engine = self.start_engine(configuration)
        traffic = Traffic(self.ports["client"])
        traffic.set_up()
        self.addCleanup(traffic.stop)
        traffic.start()
        traffic.wait_for_more()

        self.kill(engine)
        traffic.wait_for_more()
        engine = self.start_engine(configuration)
        traffic.wait_for_more()

        self.kill(self.synapse["persister1"])
        time.sleep(1)  # requests run into the dead process
        self.start_process("persister1")
        wait_until(lambda: self.listens("persister1"), 60, "persister1 again")
        traffic.wait_for_more()

        self.kill(self.redis_process)
        time.sleep(1)  # what is written meanwhile is announced to nobody
        self.start_redis()
        traffic.wait_for_more()

        self.kill(engine)
        self.kill(self.synapse["persister2"])
        self.kill(self.redis_process)
        self.start_redis()
        self.start_process("persister2")
        engine = self.start_engine(configuration)
        wait_until(lambda: self.listens("persister2"), 60, "persister2 again")
        traffic.wait_for_more()
        traffic.stop()

        try:
            expected = wait_until(self.same_for_a_while, 40, "the same events in the log and in the database")
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.explain()}\n{engine.log.read_text()[-3000:]}") from None
        self.assertGreater(len(expected), 200)
        writers = self.sql("SELECT DISTINCT instance_name FROM events ORDER BY 1").stdout.decode().split()
        self.assertEqual(writers, list(PERSISTERS))
        self.stop_engine(engine)


if __name__ == "__main__":
    unittest.main()
