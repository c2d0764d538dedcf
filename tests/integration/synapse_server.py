"""A real Synapse for the integration tests: a main process and the workers that a test names, with a PostgreSQL and a
Redis of their own.

SYNAPSE_PATH names a checkout of Synapse v1.67.0 (others that are pure Python may do), which needs Debian's Python packages
of its dependencies; what is not there as a package (txredisapi) is looked for in PYTHONPATH. Without SYNAPSE_PATH such tests
are skipped."""

import base64
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import urllib.request

import postgres_test
from harness import SERVER_NAME, free_port, wait_until

PYTHON = "/usr/bin/python3"
CLIENT = "/_matrix/client/v3"

METADATA = "Metadata-Version: 2.1\nName: matrix-synapse\nVersion: {version}\nRequires-Dist: PyYAML\n" + "".join(
    f"Provides-Extra: {extra}\n" for extra in ("all", "redis", "postgres"))
NO_LIMIT = "{per_second: 100000, burst_count: 100000}"
HOMESERVER = """
server_name: {server_name}
public_baseurl: http://127.0.0.1:{ports[client]}/
listeners:
  - {{port: {ports[client]}, type: http, bind_addresses: ['127.0.0.1'], resources: [{{names: [client, media], compress: false}}]}}
  - {{port: {ports[main]}, type: http, bind_addresses: ['127.0.0.1'], resources: [{{names: [replication]}}]}}
  - {{port: {ports[metrics]}, type: metrics, bind_addresses: ['127.0.0.1']}}
enable_metrics: true
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
rc_login: {{address: {no_limit}, account: {no_limit}, failed_attempts: {no_limit}}}
rc_joins: {{local: {no_limit}, remote: {no_limit}}}
rc_joins_per_room: {no_limit}
rc_invites: {{per_room: {no_limit}, per_user: {no_limit}, per_issuer: {no_limit}}}
send_federation: false
federation_sender_instances: []
worker_replication_secret: between-workers
"""
WORKER = """
worker_app: synapse.app.generic_worker
worker_name: {name}
worker_replication_host: 127.0.0.1
worker_replication_http_port: {ports[main]}
worker_log_config: {folder}/log-{name}.yaml
worker_pid_file: {folder}/{name}.pid
worker_listeners:
  - {{type: http, port: {port}, bind_addresses: ['127.0.0.1'], resources: [{{names: [{resource}]}}]}}
"""
LOGGING = """
version: 1
formatters: {{short: {{format: '%(asctime)s %(levelname)s %(name)s %(message)s'}}}}
handlers: {{file: {{class: logging.FileHandler, formatter: short, filename: {folder}/{name}.log, encoding: utf8}}}}
root: {{level: WARNING, handlers: [file]}}
loggers: {{weir_module: {{level: INFO}}}}
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


def call(port, method, path, body=None, token=None, timeout=15, prefix=CLIENT):
    """A request to the client API; what is answered, or urllib.error.HTTPError."""
    data = body if isinstance(body, bytes) else json.dumps(body or {}).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}{prefix}{path}", method=method, data=data)
    request.add_header("Content-Type", "application/octet-stream" if isinstance(body, bytes) else "application/json")
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    with urllib.request.urlopen(request, timeout=timeout) as answer:
        return json.load(answer)


def version_of(path):
    """The version of a checkout: in pyproject.toml, or up to v1.58 in the package itself."""
    for name in ("pyproject.toml", "synapse/__init__.py"):
        file = pathlib.Path(path) / name
        found = file.is_file() and re.search(r'^(?:version|__version__) = "([0-9.]+)', file.read_text(), re.MULTILINE)
        if found:
            return found.group(1)
    return "1.67.0"


class SynapseServer(postgres_test.PostgresServer):
    redis_arguments = ("--bind", "127.0.0.1", "--appendonly", "yes")
    persisters = ()  # names of workers that write events
    client_workers = ()  # names of workers that serve clients

    def setUp(self):
        self.workers = (*self.persisters, *self.client_workers)
        self.ports = {name: free_port() for name in ("client", "main", "metrics", "redis", *self.workers)}
        self.port = self.ports["redis"]
        super().setUp()
        self.sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        self.synapse = {}
        self.write_configuration()

    def tearDown(self):
        kept = os.environ.get("WEIR_KEEP_LOGS")  # a folder: what Synapse and Weir said, for whoever looks why a test failed
        for log in (*self.folder.glob("*.log"), *self.folder.glob("*.out")) if kept else ():
            shutil.copy(log, kept)
        super().tearDown()

    def start_synapse(self):
        self.start_process("main")
        wait_until(lambda: self.listens("main") and self.listens("client"), 60, "Synapse's main process")
        for name in self.workers:
            self.start_process(name)
        for name in self.workers:
            wait_until(lambda: self.listens(name), 60, name)

    def synapse_configuration(self):
        """What a test adds to homeserver.yaml."""
        return ""

    def persisters_configuration(self):
        if not self.persisters:
            return ""
        lines = "".join(f"  {name}: {{host: 127.0.0.1, port: {self.ports[name]}}}\n" for name in self.persisters)
        return f"instance_map:\n{lines}stream_writers: {{events: [{', '.join(self.persisters)}]}}\n"

    def write_configuration(self):
        values = {"server_name": SERVER_NAME, "folder": self.folder, "database": self.database, "ports": self.ports,
                  "no_limit": NO_LIMIT}
        self.write("homeserver.yaml", HOMESERVER.format(**values) + self.persisters_configuration()
                   + self.synapse_configuration())
        for name in ("main", *self.workers):
            self.write(f"log-{name}.yaml", LOGGING.format(name=name, **values))
        for name in self.workers:
            resource = "replication" if name in self.persisters else "client"
            self.write(f"{name}.yaml", WORKER.format(name=name, port=self.ports[name], resource=resource, **values))
        self.write("signing.key", f"ed25519 a_test {base64.b64encode(os.urandom(32)).decode().rstrip('=')}\n")
        version = version_of(os.environ["SYNAPSE_PATH"])
        metadata = self.folder / "metadata" / f"matrix_synapse-{version}.dist-info"
        metadata.mkdir(parents=True)
        (metadata / "METADATA").write_text(METADATA.format(version=version))

    def start_process(self, name):
        application = "homeserver" if name == "main" else "generic_worker"
        paths = [os.environ["SYNAPSE_PATH"], self.folder / "metadata", *self.module_paths(), os.environ.get("PYTHONPATH", "")]
        environment = {**os.environ, "PYTHONPATH": ":".join(map(str, paths)), "LANG": "C.UTF-8"}
        worker = () if name == "main" else ("-c", self.folder / f"{name}.yaml")
        with (self.folder / f"{name}.out").open("ab") as output:
            self.synapse[name] = self.start(
                [PYTHON, "-B", "-m", f"synapse.app.{application}", "-c", self.folder / "homeserver.yaml", *worker],
                env=environment, cwd=self.folder, stdout=output, stderr=output)

    def module_paths(self):
        """Where Synapse finds the modules of a test."""
        return ()

    def listens(self, name):
        process = self.synapse.get("main" if name == "client" else name)
        if process and process.poll() is not None:
            raise AssertionError(f"{name} ended: {(self.folder / f'{name}.out').read_text()[-2000:]}")
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.ports[name])) == 0

    def kill(self, process):
        process.kill()
        process.wait()
