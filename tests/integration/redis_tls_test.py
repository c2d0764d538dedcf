"""TLS to a real Redis: who is trusted, client certificates, renewed ones, and the words of each failure."""

import shutil
import subprocess


import certificates
import harness
from harness import DATA, SERVER_NAME, body_line, ev_row, rdata, wait_until

KEYWORD = "modules: [{module: keywords, config: {patterns: [spam]}}]"


class TLS(harness.Server):
    @classmethod
    def setUpClass(cls):
        import pathlib
        import tempfile
        cls.keys = pathlib.Path(tempfile.mkdtemp(prefix="weir-certificates."))
        cls.authority = certificates.Authority(cls.keys)
        cls.stranger = certificates.Authority(cls.keys, "stranger")
        cls.server = cls.authority.issue("server")
        cls.client = cls.authority.issue("client")
        cls.elsewhere = cls.authority.issue("elsewhere", "DNS:elsewhere.example,IP:127.0.0.99")
        cls.expired = cls.authority.issue("expired", expired=True)
        cls.strange_client = cls.stranger.issue("strange")

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.keys)

    def setUp(self):
        self.tls_port = harness.free_port()
        self.serve_with(*self.server)
        super().setUp()

    def serve_with(self, certificate, key, clients="no"):
        self.redis_arguments = ("--tls-port", self.tls_port, "--tls-cert-file", certificate, "--tls-key-file", key,
                                "--tls-ca-cert-file", self.authority.certificate, "--tls-auth-clients", clients)

    def serve_again_with(self, *arguments, **options):
        self.redis_process.kill()
        self.redis_process.wait()
        self.serve_with(*arguments, **options)
        self.start_redis()

    def section(self, **more):
        keys = {"host": "127.0.0.1", "port": self.tls_port, "use_tls": "true", "ca_file": self.authority.certificate}
        keys.update(more)
        return "{" + ", ".join(f"{key}: {value}" for key, value in keys.items() if value is not None) + "}"

    def begin(self, ready=True, **section):
        self.write("bodies.jsonl", "".join(body_line(f"${number}", body="spam") + "\n" for number in range(100)))
        return self.start_engine(self.configuration("bodies: {file: bodies.jsonl}", KEYWORD, self.section(**section)),
                                 ready=ready)

    def reason(self, engine):
        lines = wait_until(lambda: self.logged(engine, "no connection to Redis, trying again"))
        return lines[0]["reason"], lines[0]["advice"]

    def judge(self, *numbers):
        self.publish(*(rdata(number + 1, ev_row(f"${number}")) for number in numbers))

    def judged(self):
        return [token for token, _ in self.durable()]

    def check_refused(self, words, **section):
        engine = self.begin(ready=False, **section)
        reason, _ = self.reason(engine)
        self.assertIn(words, reason)
        self.assertEqual(self.http(engine, "/readyz")[0], 503)
        self.stop_engine(engine)

    def test_every_recorded_event_is_judged_over_tls(self):
        recording = DATA / "synapse-1.67-small.jsonl.zst"
        bodies = DATA / "synapse-1.67-small.events.jsonl.zst"
        self.serve_again_with(*self.server, clients="yes")
        files = {"certificate_file": self.client[0], "private_key_file": self.client[1]}
        configuration = self.configuration(f"bodies: {{file: {bodies}}}", redis_text=self.section(**files))
        engine = self.start_engine(configuration)
        query = "&".join(f"{key}={value}" for key, value in {"ca_file": self.authority.certificate, **files}.items())
        harness.run_weir("play", recording, "--redis", f"rediss://127.0.0.1:{self.tls_port}?{query}", "--speed", "max",
                         "--wait-for-subscribers", "1")
        self.settle(engine)
        expected = self.replay(configuration, recording, bodies)
        self.assertEqual([row for _, row in self.durable()], expected)
        self.assertTrue(expected)
        tail = harness.run_weir("tail", "-c", configuration, "--stored", "--json").stdout.decode().splitlines()
        self.assertEqual(tail, expected)
        tail = harness.run_weir("tail", "--server-name", SERVER_NAME, "--redis",
                                f"rediss://127.0.0.1:{self.tls_port}/0?{query}", "--stored", "--json")
        self.assertEqual(tail.stdout.decode().splitlines(), expected)
        self.stop_engine(engine)

    def test_messages_larger_than_a_record_and_floods(self):
        engine = self.begin()
        self.publish(rdata(50, "x" * 3_000_000), *(rdata(100 + number, ev_row("$1")) for number in range(5000)))
        wait_until(lambda: len(self.durable()) == 5000, seconds=60)
        self.assertEqual(self.judged(), list(range(1, 5001)))
        self.stop_engine(engine)

    def test_the_name_is_checked_where_a_name_is_given(self):
        engine = self.begin(host="localhost")
        self.stop_engine(engine)

    def test_wrong_host(self):
        self.serve_again_with(*self.elsewhere)
        self.check_refused('its certificate is not for the host "127.0.0.1"')
        self.check_refused('its certificate is not for the host "localhost"', host="localhost")

    def test_expired(self):
        self.serve_again_with(*self.expired)
        self.check_refused("has expired")

    def test_not_trusted(self):
        for authority in (self.stranger.certificate, None):  # None: the system's
            with self.subTest(authority):
                self.check_refused("its certificate is not trusted", ca_file=authority)

    def test_unverified_only_when_told_so(self):
        self.serve_again_with(*self.elsewhere)
        engine = self.begin(ca_file=None, verify="false")
        self.judge(1)
        wait_until(lambda: self.judged() == [1])
        self.stop_engine(engine)

    def test_a_folder_of_authorities(self):
        folder = self.folder / "authorities"
        folder.mkdir()
        shutil.copy(self.authority.certificate, folder)
        self.check_refused("its certificate is not trusted", ca_file=None, ca_path=folder)
        subprocess.run(["openssl", "rehash", folder], check=True)
        engine = self.begin(ca_file=None, ca_path=folder)
        self.stop_engine(engine)

    def test_client_certificate_missing_or_not_accepted(self):
        self.serve_again_with(*self.server, clients="yes")
        engine = self.begin(ready=False)
        reason, advice = self.reason(engine)
        self.assertIn("asks for a client certificate, and we have none to show", reason)
        self.assertIn("certificate_file", advice)
        self.stop_engine(engine)
        self.check_refused("does not trust the authority of our certificate",
                           certificate_file=self.strange_client[0], private_key_file=self.strange_client[1])

    def test_tls_and_clear_text_do_not_meet(self):
        engine = self.begin(ready=False, use_tls="false", ca_file=None)
        self.assertRegex(self.reason(engine)[0], r"want TLS \(use_tls\)|does not speak Redis's protocol")
        self.stop_engine(engine)
        plain = harness.free_port()
        self.redis_process.kill()
        self.redis_process.wait()
        self.redis_arguments = ("--port", plain)
        self.start_redis()
        engine = self.begin(ready=False, port=plain)
        reason = wait_until(lambda: self.logged(engine, "no connection to Redis, trying again"), seconds=30)[0]["reason"]
        self.assertRegex(reason, "TLS at this port")
        self.stop_engine(engine)

    def test_renewed_certificates_are_used_by_the_next_connection(self):
        mine = self.folder / "mine.pem", self.folder / "mine.key"
        for source, target in zip(self.client, mine):
            shutil.copy(source, target)
        self.serve_again_with(*self.server, clients="yes")
        engine = self.begin(certificate_file=mine[0], private_key_file=mine[1])
        renewed = self.authority.issue("renewed")
        for source, target in zip(renewed, mine):
            shutil.copy(source, target)
        # A server that trusts the old client no more shows that the new files were read.
        self.redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        wait_until(lambda: len([line for line in self.logged(engine, "connected to Redis")
                                if line["link"] == "subscriber"]) == 2)
        wait_until(lambda: self.http(engine, "/readyz")[0] == 200)
        self.judge(1)
        wait_until(lambda: self.judged() == [1])
        # Files that are broken at that moment are named, and read again.
        mine[1].write_text("half a file")
        self.redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        reason = wait_until(lambda: [line["reason"] for line in self.logged(engine, "no connection to Redis, trying again")
                                     if "mine.key" in line["reason"]])[0]
        self.assertIn("holds no private key", reason)
        shutil.copy(renewed[1], mine[1])
        wait_until(lambda: self.http(engine, "/readyz")[0] == 200)
        self.publish("POSITION events persister1 2 2")
        self.judge(2)
        wait_until(lambda: self.judged() == [1, 2])
        self.stop_engine(engine)

    def test_files_that_are_wrong_are_errors_of_the_configuration(self):
        secret = self.folder / "nobody.key"
        shutil.copy(self.client[1], secret)
        configuration = self.configuration(modules=KEYWORD, redis_text=self.section(
            ca_file=self.server[1], certificate_file=self.client[0], private_key_file=self.server[1]))
        done = harness.run_weir("check", "-c", configuration, check=False)
        text = (done.stdout + done.stderr).decode()
        self.assertEqual(done.returncode, 3, text)
        self.assertRegex(text, r"weir\.yaml:2:\d+: redis\.ca_file: .*server\.key\" holds no certificate in PEM form")
        self.assertRegex(text, r"weir\.yaml:2:\d+: redis\.private_key_file: .* does not fit the certificate in ")

    def test_a_lost_connection_under_traffic_repeats_and_loses_nothing_that_was_heard(self):
        engine = self.begin()
        listening = self.subscribe()
        for number in range(1, 40):
            self.judge(number)
            if number % 10 == 0:
                wait_until(lambda: number in self.judged())
                self.redis.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        wait_until(lambda: self.judged() == list(range(1, 40)))
        self.assertTrue(self.heard(listening))
        self.stop_engine(engine)


