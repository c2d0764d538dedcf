"""`weir doctor`: with everything right, and with each thing broken in turn."""

import json
import signal
import subprocess
import time

from first_run_test import RIGHTS, FirstRun
from harness import SERVER_NAME, free_port, run_weir, wait_until


class Doctor(FirstRun):
    """A set-up in which all is well; then one thing of it is broken at a time."""

    def setUp(self):
        super().setUp()
        self.grant()
        self.store([(5, "master", "$master-5", {"type": "m.room.message", "room_id": "!r", "content": {"body": "x"}})])
        self.redis.config_set("appendonly", "yes")
        self.redis.execute_command("ACL", "SETUSER", "weir", "on", ">of redis", f"~{SERVER_NAME}/weir/*", "resetchannels",
                                   f"&{SERVER_NAME}", f"&{SERVER_NAME}/weir", f"&{SERVER_NAME}/weir/*", *RIGHTS, "+set",
                                   "+time", "+xlen", "+memory|usage", "+get", "+xinfo|stream")
        self.state = self.folder / "state"
        self.state.mkdir(mode=0o700)
        self.http_port = free_port()
        self.password = self.secret("redis-password", "of redis")
        self.api_secret = self.secret("http-secret", "of http")
        self.values = {"redis": f"{{path: {self.socket}, username: weir, password_path: redis-password}}",
                       "postgres": f"{{host: {self.database}, user: reader, dbname: postgres}}", "more": "",
                       "modules": "[{module: keywords, config: {patterns: [spam]}}]"}

    def secret(self, name, text):
        path = self.write(name, text)
        path.chmod(0o600)
        return path

    def write_configuration(self, **changes):
        values = {**self.values, **changes}
        path = self.write("weir.yaml", f"server_name: {SERVER_NAME}\nredis: {values['redis']}\n"
                                       f"bodies: {{postgres: {values['postgres']}}}\n"
                                       f"http: {{listen: '127.0.0.1:{self.http_port}', secret_path: http-secret}}\n"
                                       f"state_dir: state\n{values['more']}\nmodules: {values['modules']}\n")
        path.chmod(0o640)
        return path

    def doctor(self, timeout="2s"):
        done = run_weir("doctor", "-c", self.folder / "weir.yaml", "--timeout", timeout, "--json", check=False)
        self.report = json.loads(done.stdout)
        return done.returncode, {check["name"]: check for check in self.report["checks"]}

    def states(self, checks, state):
        return {name for name, check in checks.items() if check["state"] == state}

    def texts(self, check):
        return " ".join(f"{finding['text']} {finding['fix'] or ''}" for finding in check["findings"])

    def ask(self):
        """What Synapse's module does."""
        self.redis.xadd(f"{SERVER_NAME}/weir/requests", {
            "callback": "user_may_invite", "args": json.dumps({"inviter": "@a:x", "invitee": "@b:x", "room_id": "!r:x"}),
            "reply_to": f"{SERVER_NAME}/weir/replies/worker1", "id": "q1", "deadline": int(time.time() * 1000) + 60000})

    def start_all(self):
        self.write_configuration()
        self.writer().write(5)
        self.engine = self.start_engine(self.folder / "weir.yaml")
        self.ask()
        self.publish("POSITION events master 5 5")
        wait_until(lambda: self.redis.hget(f"{SERVER_NAME}/weir/positions", "weir1 events master") == b"5")

    def test_all_is_well(self):
        self.start_all()
        keys = sorted(self.redis.keys())
        code, checks = self.doctor()
        self.assertEqual((code, self.states(checks, "problem"), self.states(checks, "skipped")), (0, set(), set()),
                         self.report)
        # A busy machine may take its time over a body.
        self.assertEqual(self.states(checks, "note") - {"postgres.body"}, set(), self.report)
        self.assertEqual(sorted(self.redis.keys()), keys, "nothing was changed")
        self.assertIn("the last time", self.texts(checks["requests.module"]))
        self.assertIn("judged up to 5", self.texts(checks["engine.lag"]))
        self.assertIn("as this program", self.texts(checks["engine.version"]))
        self.assertIn("master (at 5)", self.texts(checks["replication.writers"]))
        text = run_weir("doctor", "-c", self.folder / "weir.yaml").stdout.decode()
        self.assertIn("No problem was found", text)

    def broken(self, check, words, state="problem", timeout="3s"):
        """`check` alone finds what was broken, and says so; what does not need it is found as before."""
        code, checks = self.doctor(timeout)
        self.assertEqual(checks[check]["state"], state, self.report)
        for word in words:
            self.assertIn(word, self.texts(checks[check]), self.report)
        self.assertTrue(any(finding["fix"] for finding in checks[check]["findings"]), "a fix")
        return code, checks

    def test_each_thing_broken_in_turn(self):
        self.start_all()
        self.sql("CREATE ROLE blind LOGIN; CREATE ROLE chief LOGIN SUPERUSER")
        database = f"host: {self.database}, dbname: postgres"
        as_weir = f"path: {self.socket}, username: weir"
        changes = [
            ("configuration", {"modules": "[{module: keywrds}]"}, ["keywords"], "problem", 3),
            ("files.secrets", {"redis": f"{{{as_weir}, password: of redis}}"}, ["weir.yaml", "chmod 640"], "problem", 1),
            ("redis.reachable", {"redis": f"{{path: {self.folder}/nowhere.sock}}"}, ["nowhere.sock"], "problem", 1),
            ("redis.reachable", {"redis": f"{{{as_weir}, password_path: http-secret}}"}, ["WRONGPASS"], "problem", 1),
            ("postgres.reachable", {"postgres": f"{{{database}, user: nobody}}"}, ["nobody"], "problem", 1),
            ("postgres.rights", {"postgres": f"{{{database}, user: blind}}"}, ["GRANT SELECT ON event_json"], "problem", 1),
            ("postgres.role", {"postgres": f"{{{database}, user: chief}}"}, ["SUPERUSER"], "note", 0),
            ("replication.writers", {"more": "stream_writers: {events: [master, gone]}"}, ["gone"], "problem", 1),
            ("replication.others", {"more": "stream_writers: {events: [gone]}"}, ["master"], "note", 1),
            ("replication.map", {"more": "instance_map: {main: {host: localhost, port: 9}}"},
             ["worker_replication_secret"], "note", 0),
            ("replication.map", {"more": "instance_map: {p9: {host: localhost, port: 9}}\nworker_replication_secret: x"},
             ["p9"], "note", 0),
            ("engine.version", {"more": f"instance_name: weir2\nadmin_socket: {self.state}/weir1.sock"}, ["another"],
             "problem", 1),
            ("verdicts.stream", {"more": "publish: {keep: 1000}"}, ["XTRIM"], "note", 0),
        ]
        for number in range(20000):
            self.redis.execute_command("XADD", f"{SERVER_NAME}/weir/verdicts", f"1-{number + 1}", "x", "y")
        for check, change, words, state, expected in changes:
            with self.subTest(check=check, change=change):
                self.write_configuration(**change)
                if "password: of redis" in str(change):
                    (self.folder / "weir.yaml").chmod(0o644)
                self.assertEqual(self.broken(check, words, state)[0], expected, self.report)

    def test_servers_broken_in_turn(self):
        self.start_all()
        acl = lambda *rules: self.redis.execute_command("ACL", "SETUSER", "weir", *rules)
        breaks = [
            ("redis.rights", lambda: acl("-xadd"), lambda: acl("+xadd"), ["ACL SETUSER weir +xadd"], "problem"),
            ("redis.rights", lambda: acl("-multi"), lambda: acl("+multi"), ["+multi", "+hset"], "problem"),
            ("redis.rights", lambda: self.redis.config_set("maxmemory", "1"),
             lambda: self.redis.config_set("maxmemory", "0"), ["OOM"], "problem"),
            ("redis.version", lambda: acl("-info"), lambda: acl("+info"), ["+info"], "note"),
            ("redis.memory", lambda: self.redis.config_set("maxmemory-policy", "allkeys-lru"),
             lambda: self.redis.config_set("maxmemory-policy", "noeviction"), ["volatile-lru"], "note"),
            ("redis.persistence", lambda: self.redis.config_set("appendonly", "no"),
             lambda: self.redis.config_set("appendonly", "yes"), ["appendonly"], "note"),
            ("replication.channel", lambda: acl("-subscribe"), lambda: acl("+subscribe"), ["+subscribe"], "problem"),
            ("replication.writers", lambda: self.quit_writer("master"), lambda: self.writer().write(5), ["master"],
             "problem"),
            ("requests.notice", lambda: self.redis.delete(f"{SERVER_NAME}/weir/callbacks"), lambda: None, ["engine"],
             "note"),
            ("files.secrets", lambda: self.api_secret.chmod(0o644), lambda: self.api_secret.chmod(0o600),
             ["http-secret", "chmod 600"], "problem"),
        ]
        for check, break_it, mend_it, words, state in breaks:
            with self.subTest(check=check, words=words):
                break_it()
                self.broken(check, words, state)
                mend_it()
        self.stop_engine(self.engine)
        self.writers["master"].write(5000)
        self.broken("engine.lag", ["judged up to 5,", "5000"], "note")
        code, _ = self.broken("engine.running", ["weir run -c", "Connection refused"])
        self.assertEqual(code, 1)

    def test_what_others_say_cannot_paint_the_terminal(self):
        self.start_all()
        self.writer("ev\x1b[31mil\u009b5n")
        self.write_configuration(postgres=f'{{host: {self.database}, user: reader, dbname: "no\\e[2Jdb"}}')
        done = run_weir("doctor", "-c", self.folder / "weir.yaml", "--timeout", "3s", check=False)
        told = run_weir("init", "--yes", "--server-name", SERVER_NAME, "--redis", self.socket, "--redis-user", "weir",
                        "--redis-password-file", self.password, "--output", self.output)
        for text, words in ((done.stdout.decode(), ("events: [ev?[31mil??5n]", "no\\x1b[2Jdb")),
                            (told.stdout.decode(), ("ev?[31mil??5n (events up to",))):
            for word in words:
                self.assertIn(word, text)
            self.assertNotRegex(text, r"[^\n -~]")

    def test_nobody_on_the_channel(self):
        self.write_configuration()
        other = self.redis.pubsub()
        self.addCleanup(other.close)
        other.subscribe("elsewhere.example", "elsewhere.example/USER_IP")
        self.redis.execute_command("ACL", "SETUSER", "weir", "+pubsub")
        code, checks = self.broken("replication.channel", ["elsewhere.example", "server_name"])
        self.assertEqual(code, 1)
        self.assertEqual(checks["replication.writers"]["state"], "skipped")
        self.assertEqual(checks["redis.rights"]["state"], "ok", "what does not need it is looked at all the same")

    def test_a_configuration_that_is_no_yaml(self):
        self.write("weir.yaml", "server_name: [")
        code, checks = self.doctor()
        self.assertEqual(code, 3)
        self.assertEqual(checks["configuration"]["state"], "problem")
        self.assertEqual(self.states(checks, "ok"), set())

    def test_a_server_that_hangs_costs_its_time_only(self):
        self.start_all()
        self.redis_process.send_signal(signal.SIGSTOP)
        start = time.monotonic()
        _, checks = self.doctor("1s")
        self.redis_process.send_signal(signal.SIGCONT)
        self.assertEqual(checks["redis.reachable"]["state"], "problem")
        self.assertIn(checks["postgres.body"]["state"], ("ok", "note"))
        self.assertLess(time.monotonic() - start, 15)

    def test_certificates_that_end(self):
        self.start_all()
        for days, state in ((3, "note"), (100, "ok")):
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                            "-keyout", self.folder / "key.pem", "-out", self.folder / "cert.pem", "-days", str(days),
                            "-subj", "/CN=localhost"], check=True, capture_output=True)
            (self.folder / "key.pem").chmod(0o600)
            path = self.write_configuration()
            path.write_text(path.read_text().replace(
                "secret_path: http-secret", "secret_path: http-secret, tls: {certificate_file: cert.pem, "
                                            "private_key_file: key.pem}"))
            _, checks = self.doctor("1s")
            self.assertEqual(checks["files.certificates"]["state"], state, self.report)
