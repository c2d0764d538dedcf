"""The first run: `weir init` with real servers, by options, from Synapse's file and at a terminal."""

import os
import pty
import select
import signal
import stat
import subprocess
import threading
import time

import redis

import postgres_test
import stand_in
from harness import SERVER_NAME, WEIR, free_port, run_weir, wait_until

TABLES = ("event_json", "events", "state_events", "redactions", "event_relations", "room_memberships", "rejections",
          "ex_outlier_stream", "stream_positions", "current_state_events", "rooms")
# What README's section on rights gives, without what only `role` needs.
RIGHTS = ("+ping +select +info +subscribe +publish +multi +exec +hgetall +hmget +hset +hdel +xadd +xrevrange +xack +xdel "
          "+xgroup|create +xreadgroup +xpending +xclaim +xtrim").split()


class AnsweringWriter(stand_in.Writer):
    """A process of Synapse that tells its positions when it is asked."""

    def __init__(self, socket, name="master"):
        super().__init__(name)
        self.redis = redis.Redis(unix_socket_path=str(socket))
        self.subscriber = self.redis.pubsub()
        self.subscriber.subscribe(SERVER_NAME)
        self.ended = False
        wait_until(lambda: (self.subscriber.get_message(timeout=1) or {}).get("type") == "subscribe")
        self.redis.ping()  # its other connection stands before a test asks for passwords
        self.listener = threading.Thread(target=self.listen)
        self.listener.start()

    def listen(self):
        while not self.ended:
            message = self.subscriber.get_message(timeout=0.1)
            if message and message["type"] == "message" and message["data"].startswith(b"REPLICATE"):
                self.announce(self.redis)

    def close(self):
        self.ended = True
        self.listener.join()
        self.subscriber.close()
        self.redis.close()
        super().close()


class FirstRun(postgres_test.PostgresServer):
    def setUp(self):
        super().setUp()
        self.output = self.folder / "etc" / "weir.yaml"
        self.output.parent.mkdir()
        self.sql("CREATE ROLE reader LOGIN")

    def tearDown(self):
        for name in getattr(self, "writers", {}):
            self.writers[name].close()
        super().tearDown()

    def writer(self, name="master"):
        self.writers = getattr(self, "writers", {})
        self.writers[name] = AnsweringWriter(self.socket, name)
        return self.writers[name]

    def quit_writer(self, name):
        self.writers.pop(name).close()

    def grant(self, role="reader", tables=TABLES):
        self.sql(f"GRANT SELECT ON {', '.join(tables)} TO {role}")

    @property
    def dsn(self):
        return f"host={self.database} dbname=postgres user=reader"

    def init(self, *arguments, **options):
        options.setdefault("stdin", subprocess.DEVNULL)
        return run_weir("init", "--output", self.output, *arguments, check=False, **options)

    def written(self):
        return sorted(path.name for path in self.output.parent.iterdir())

    def mode(self, name):
        return stat.S_IMODE((self.output.parent / name).stat().st_mode)


class Init(FirstRun):
    def test_without_a_terminal_it_says_what_it_needs(self):
        done = self.init()
        self.assertEqual(done.returncode, 2)
        for option in ("--yes", "--synapse-config", "--server-name", "--redis", "--postgres", "--profile"):
            self.assertIn(option, done.stderr.decode())
        done = self.init("--yes")
        self.assertEqual(done.returncode, 2)
        self.assertIn("--server-name", done.stderr.decode())
        self.assertEqual(self.written(), [])

    def test_by_options(self):
        self.writer()
        self.grant()
        self.insert([("$1", {"type": "m.room.message", "room_id": "!r", "content": {}})])
        arguments = ("--yes", "--server-name", SERVER_NAME, "--redis", self.socket, "--postgres", self.dsn, "--profile",
                     "public-homeserver")
        done = self.init(*arguments)
        text = done.stdout.decode()
        self.assertEqual(done.returncode, 0, text + done.stderr.decode())
        self.assertIn("told their positions: master", text)
        self.assertIn("An event can be read", text)
        self.assertNotIn("!", text.split("What next")[0])
        self.assertEqual(self.written(), ["http-secret", "weir-state", "weir.yaml"])
        self.assertEqual((self.mode("http-secret"), self.mode("weir.yaml"), self.mode("weir-state")),
                         (0o600, 0o640, 0o700))
        chain = run_weir("check", "-c", self.output).stdout.decode()
        self.assertIn("dry_run", chain)
        secret = (self.output.parent / "http-secret").read_text()
        self.assertEqual(len(secret), 48)
        again = self.init(*arguments)
        self.assertEqual(again.returncode, 1)
        self.assertIn("--force", again.stderr.decode())
        self.assertEqual((self.output.parent / "http-secret").read_text(), secret)
        self.output.write_text("# of somebody\n")
        self.assertEqual(self.init(*arguments, "--force").returncode, 0)
        self.assertNotEqual((self.output.parent / "http-secret").read_text(), secret)
        self.assertEqual((self.output.parent / "weir.yaml.old").read_text(), "# of somebody\n")
        self.assertEqual(self.written(), ["http-secret", "weir-state", "weir.yaml", "weir.yaml.old"])

    def test_what_was_written_runs(self):
        self.writer().write(5)
        self.grant()
        done = self.init("--yes", "--server-name", SERVER_NAME, "--redis", self.socket, "--postgres", self.dsn)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        self.output.write_text(self.output.read_text().replace("127.0.0.1:9180", f"127.0.0.1:{free_port()}"))
        engine = self.start_engine(self.output)
        self.stop_engine(engine)

    def test_a_server_that_cannot_be_used_is_told_and_nothing_written(self):
        for arguments, words in (
                (("--redis", f"127.0.0.1:{free_port()}"), "cannot be used"),
                (("--redis", self.socket, "--postgres", f"host={self.folder} dbname=x"), "PostgreSQL cannot be used"),
                (("--redis", self.socket, "--postgres", f"host={self.database} dbname=nowhere user=reader"), "nowhere")):
            done = self.init("--yes", "--server-name", SERVER_NAME, *arguments)
            self.assertEqual(done.returncode, 1, arguments)
            self.assertIn(words, done.stdout.decode())
            self.assertIn("--untested", done.stderr.decode())
            self.assertEqual(self.written(), [])
        done = self.init("--yes", "--server-name", SERVER_NAME, "--redis", "nowhere.invalid", "--untested")
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        self.assertEqual(self.written(), ["http-secret", "weir-state", "weir.yaml"])

    def test_rights_of_redis(self):
        self.writer()
        password = self.write("password", "se cret\n")
        arguments = ("--yes", "--server-name", SERVER_NAME, "--redis", self.socket, "--redis-user", "weir",
                     "--redis-password-file", password, "--force")
        self.redis.execute_command("ACL", "SETUSER", "weir", "on", ">other", "allkeys", "allchannels", "+@all")
        done = self.init(*arguments)
        self.assertEqual(done.returncode, 1)
        self.assertIn("WRONGPASS", done.stdout.decode())
        self.assertEqual(self.written(), [])
        self.redis.execute_command("ACL", "SETUSER", "weir", "resetpass", ">se cret", "-@all", *RIGHTS, "-hset", "-xadd",
                                   "resetkeys", f"~{SERVER_NAME}/weir/positions", "resetchannels", f"&{SERVER_NAME}")
        keys = self.redis.keys()
        done = self.init(*arguments)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        line = next(line for line in done.stdout.decode().splitlines() if "ACL SETUSER" in line).split()
        self.assertEqual(line[:3], ["ACL", "SETUSER", "weir"])
        self.assertEqual(set(line[3:]), {"+hset", "+xadd", "+set", f"~{SERVER_NAME}/weir/*", f"&{SERVER_NAME}",
                                         f"&{SERVER_NAME}/weir", f"&{SERVER_NAME}/weir/*"})
        self.assertEqual(self.redis.keys(), keys, "nothing was changed by trying")
        self.redis.execute_command(*line)
        done = self.init(*arguments)
        self.assertEqual(done.returncode, 0)
        self.assertNotIn("ACL SETUSER", done.stdout.decode())
        self.assertEqual((self.output.parent / "redis-password").read_text(), "se cret")
        self.assertEqual(self.mode("redis-password"), 0o600)
        self.assertNotIn("se cret", self.output.read_text())

    def test_rights_of_the_database(self):
        arguments = ("--yes", "--server-name", SERVER_NAME, "--redis", self.socket, "--postgres", self.dsn, "--force")
        self.grant(tables=TABLES[:3])
        done = self.init(*arguments)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        line = next(line.strip() for line in done.stdout.decode().splitlines() if "GRANT" in line)
        for table in TABLES[3:]:
            self.assertIn(table, line)
        self.assertNotIn("state_events, ", line.replace("current_state_events", ""))
        self.sql(line)
        done = self.init(*arguments)
        self.assertNotIn("GRANT", done.stdout.decode())
        self.assertIn("It holds no event yet", done.stdout.decode())

    def test_a_channel_without_synapse_is_told(self):
        done = self.init("--yes", "--server-name", "other.example", "--redis", self.socket)
        self.assertEqual(done.returncode, 0)
        self.assertIn('nobody listens on the channel "other.example"', done.stdout.decode())

    def test_from_synapses_files(self):
        self.grant()
        writers = [self.writer(name) for name in ("persister1", "persister2")]
        self.redis.config_set("requirepass", "of redis")
        homeserver = self.write("homeserver.yaml", f"""
server_name: {SERVER_NAME}
redis: {{enabled: true, path: {self.socket}, password: "of redis"}}
database: {{name: psycopg2, args: {{user: reader, password: "of postgres", database: postgres, host: {self.database}, cp_min: 5}}}}
instance_map:
  main: {{host: localhost, port: 9093}}
  persister1: {writers[0].address}
  persister2: {{path: {self.folder}/p2.sock}}
worker_replication_secret: between workers
modules: [{{module: synapse_http_antispam.HTTPAntispam, config: {{}}}}]
""")
        more = self.write("writers.yaml", "stream_writers: {events: [persister1, persister2]}\n")
        done = self.init("--synapse-config", homeserver, more, "--yes")
        text = done.stdout.decode()
        self.assertEqual(done.returncode, 0, text + done.stderr.decode())
        self.assertRegex(text, r"persister[12] \(events")
        self.assertEqual(self.written(), ["http-secret", "postgres-password", "redis-password", "replication-secret",
                                          "weir-state", "weir.yaml"])
        for name, secret in (("redis-password", "of redis"), ("postgres-password", "of postgres"),
                             ("replication-secret", "between workers")):
            self.assertEqual((self.output.parent / name).read_text(), secret)
            self.assertEqual(self.mode(name), 0o600)
            self.assertNotIn(secret, self.output.read_text())
        written = self.output.read_text()
        for line in ('server_name: "lab.test"', f'path: "{self.socket}"', '"master":', '- "persister2"'):
            self.assertIn(line, written)
        broken = self.write("broken.yaml", "redis: {port: many}\n")
        done = self.init("--synapse-config", broken, "--yes", "--force")
        self.assertEqual(done.returncode, 3)
        self.assertIn("broken.yaml:1:15: redis.port", done.stderr.decode())

    def test_answers_cannot_break_the_file(self):
        nasty = 'yes: "#\\ \N{SNOWMAN} - {x'
        password = self.write("password", nasty)
        self.redis.config_set("requirepass", nasty)
        done = self.init("--yes", "--server-name", SERVER_NAME, "--redis", self.socket, "--redis-password-file", password,
                         "--state-dir", self.output.parent / 'a "b": # c')
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        run_weir("check", "-c", self.output)


class Terminal(FirstRun):
    """The questions, at a pseudo-terminal."""

    def start_init(self, *arguments):
        self.main, side = pty.openpty()
        self.addCleanup(os.close, self.main)
        self.seen = ""
        self.process = self.start([WEIR, "init", "--output", self.output, *arguments], stdin=side, stdout=side,
                                  stderr=side, start_new_session=True)
        os.close(side)

    def read(self, seconds):
        if not select.select([self.main], [], [], seconds)[0]:
            return False
        try:
            data = os.read(self.main, 65536)
        except OSError:  # the other side is closed
            return False
        self.seen += data.decode()
        return bool(data)

    def expect(self, words):
        deadline = time.monotonic() + 30
        while words not in self.seen:
            self.assertTrue(self.read(deadline - time.monotonic()), f"{words!r} did not come: {self.seen}")
        before, self.seen = self.seen.split(words, 1)
        return before + words

    def answer(self, question, text):
        before = self.expect(question)
        os.write(self.main, (text + "\n").encode())
        return before

    def end(self):
        text = ""
        while self.read(20):
            text += self.seen
            self.seen = ""
        return self.process.wait(timeout=20), text

    def require_passwords(self):
        rules = self.database / "data" / "pg_hba.conf"
        rules.write_text("local all reader scram-sha-256\n" + rules.read_text())
        self.sql("ALTER ROLE reader PASSWORD 'of the role'; SELECT pg_reload_conf()")
        self.redis.execute_command("ACL", "SETUSER", "weir", "on", ">of redis", "allkeys", "allchannels", "+@all")
        self.redis.execute_command("CONFIG", "SET", "requirepass", "another")

    def test_four_questions(self):
        self.grant()
        self.writer()
        self.require_passwords()
        self.start_init()
        self.answer("1. Server name:", "no name!")
        self.assertIn("!", self.answer("1. Server name:", SERVER_NAME))
        self.answer("2. Redis:", f"127.0.0.1:{free_port()}")
        self.assertIn("keep", self.answer("2. Redis:", f" {self.socket} "))
        self.answer("The ACL user", "weir")
        self.answer("The password", "wrong")
        self.answer("The password", "of redis")
        self.answer("3. PostgreSQL:", "not a dsn")
        self.answer("3. PostgreSQL:", self.dsn)
        self.answer("The role's password", "of the role")
        self.answer("4. Profile:", "no-profile")
        self.answer("4. Profile:", "")
        code, text = self.end()
        self.assertEqual(code, 0, text)
        self.assertIn("What next", text)
        self.assertEqual(self.written(), ["http-secret", "postgres-password", "redis-password", "weir-state",
                                          "weir.yaml"])
        self.assertEqual((self.output.parent / "redis-password").read_text(), "of redis")
        self.assertIn('include: "small-community"', self.output.read_text())
        self.assertEqual(run_weir("check", "-c", self.output).returncode, 0)

    def test_a_password_is_not_shown(self):
        self.redis.config_set("requirepass", "not to be seen")
        self.start_init("--server-name", SERVER_NAME, "--postgres", "none", "--profile", "none")
        before = self.answer("2. Redis:", str(self.socket)) + self.answer("The ACL user", "")
        before += self.answer("The password", "not to be seen")
        code, text = self.end()
        self.assertEqual(code, 0, text)
        self.assertNotIn("not to be seen", before + text)

    def test_passwords_of_what_options_gave_are_asked_for(self):
        self.grant()
        self.writer()
        self.require_passwords()
        given = ("--server-name", SERVER_NAME, "--redis", self.socket, "--redis-user", "weir", "--postgres", self.dsn,
                 "--profile", "none")
        self.start_init(*given)
        self.answer("The password", "of redis")
        self.answer("The role's password", "wrong")
        self.answer("The role's password", "of the role")
        code, text = self.end()
        self.assertEqual(code, 0, text)
        self.assertEqual((self.output.parent / "postgres-password").read_text(), "of the role")
        self.output.unlink()
        self.start_init(*given)
        self.expect("The password")
        self.process.send_signal(signal.SIGINT)
        code, text = self.end()
        self.assertEqual(code, 1, text)
        self.assertIn("nothing was written", text)
        self.assertFalse(self.output.exists())

    def test_what_cannot_be_tested_can_be_kept(self):
        self.start_init("--server-name", SERVER_NAME, "--postgres", "none", "--profile", "none")
        port = free_port()
        self.answer("2. Redis:", f"127.0.0.1:{port}")
        self.answer("2. Redis:", "keep")
        code, text = self.end()
        self.assertEqual(code, 0, text)
        self.assertIn(f"port: {port}", self.output.read_text())

    def test_giving_up_writes_nothing(self):
        self.start_init()
        self.expect("1. Server name:")
        self.process.send_signal(signal.SIGINT)
        self.assertEqual(self.end()[0], 1)
        self.start_init("--server-name", SERVER_NAME)
        self.expect("2. Redis:")
        os.write(self.main, b"\x04")
        self.assertEqual(self.end()[0], 1)
        self.assertEqual(self.written(), [])
