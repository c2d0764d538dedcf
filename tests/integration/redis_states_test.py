"""Every way in which a real Redis says no, or says nothing: all is judged once it is over, none of it twice, and the log
says in one line what to do."""

import json
import re
import threading
import time

import redis

import harness
from harness import SERVER_NAME, body_line, ev_row, rdata, wait_until

KEYWORD = "modules: [{module: keywords, config: {patterns: [spam]}}]"
REFUSED = "Redis refused a write; it is tried again every second, and nothing is lost"
LOST = "no connection to Redis, trying again"


class StatesServer(harness.Server):
    def begin(self, redis_text=None, ready=True):
        self.write("bodies.jsonl", "".join(body_line(f"${number}", body="spam") + "\n" for number in range(1, 3000)))
        engine = self.start_engine(self.configuration("bodies: {file: bodies.jsonl}", KEYWORD, redis_text), ready=ready)
        self.next = 1
        return engine

    def send(self, count=10):
        """Events that are published now; each of them must be judged exactly once."""
        self.publish(*(rdata(number, ev_row(f"${number}")) for number in range(self.next, self.next + count)))
        self.next += count

    def judged(self):
        return [json.loads(row)["event_id"] for _, row in self.durable()]

    def expect_all(self, seconds=20):
        wait_until(lambda: len(self.durable()) >= self.next - 1, seconds, "the verdicts")
        rows = self.durable()
        self.assertEqual([json.loads(row)["event_id"] for _, row in rows], [f"${number}" for number in range(1, self.next)])
        self.assertEqual([token for token, _ in rows], list(range(1, self.next)))

    def expect_one_line(self, engine, message, word, advice):
        lines = [line for line in self.logged(engine, message) if word in line.get("error", line.get("reason", ""))]
        self.assertEqual(len(lines), 1, self.log_lines(engine))
        self.assertRegex(lines[0]["advice"], advice)
        self.assertLess(len(self.log_lines(engine)), 60, "the log is not flooded")

    def transactions_refused(self, engine):
        return self.metric(engine, "weir_outbox_refused_total") or 0

    def hold(self, engine, seconds=3.5):
        """The state lasts; the engine asks about once a second, no more."""
        before, began = self.transactions_refused(engine), time.monotonic()
        time.sleep(seconds)
        after, took = self.transactions_refused(engine), time.monotonic() - began
        self.assertLessEqual(after - before, took + 2, "no busy loop")
        return after - before


class States(StatesServer):
    def test_out_of_memory(self):
        engine = self.begin()
        self.send()
        self.expect_all()
        self.redis.config_set("maxmemory", "1mb")
        self.send(500)
        wait_until(lambda: self.logged(engine, REFUSED))
        self.assertGreater(self.hold(engine), 0)
        self.expect_one_line(engine, REFUSED, "OOM", "maxmemory")
        self.assertEqual(self.http(engine, "/readyz")[0], 503)
        self.redis.config_set("maxmemory", "0")
        self.expect_all()
        self.assertTrue(self.logged(engine, "Redis takes what it had refused"))
        self.assertEqual(len(self.logged(engine, "connected to Redis")), 3, "no connection was given up")
        self.stop_engine(engine)

    def test_memory_that_comes_and_goes(self):
        """Refusals end between two transactions that are on their way together: each is judged once, in any order."""
        engine = self.begin()
        stop = threading.Event()

        def flip():
            other = redis.Redis(unix_socket_path=str(self.socket))
            while not stop.is_set():
                other.config_set("maxmemory", "1mb")
                time.sleep(0.001)
                other.config_set("maxmemory", "0")
                time.sleep(0.05)
            other.close()
        flipper = threading.Thread(target=flip)
        flipper.start()
        for _ in range(100):
            self.send(20)
            time.sleep(0.02)
        stop.set()
        flipper.join()
        self.redis.config_set("maxmemory", "0")
        wait_until(lambda: len(self.durable()) >= self.next - 1, 60)
        rows = self.durable()
        self.assertEqual(sorted(token for token, _ in rows), list(range(1, self.next)))
        self.assertEqual(len({row for _, row in rows}), self.next - 1)
        self.assertGreater(self.transactions_refused(engine), 0, "it was refused at all")
        stored = {field.decode(): int(value) for field, value in self.redis.hgetall(f"{SERVER_NAME}/weir/positions").items()}
        wait_until(lambda: self.redis.hget(f"{SERVER_NAME}/weir/positions", "weir1 verdicts weir1") ==
                   str(self.next - 1).encode(), what=f"the newest token behind all ({stored})")
        self.stop_engine(engine)

    def test_a_script_keeps_redis_busy(self):
        self.redis.config_set("lua-time-limit", "100")
        engine = self.begin()
        self.send()
        self.expect_all()
        # Nobody else can publish meanwhile, so the script does.
        lines = [rdata(number, ev_row(f"${number}")) for number in range(self.next, self.next + 10)]
        self.next += 10
        script = "for _, line in ipairs(ARGV) do redis.call('PUBLISH', KEYS[1], line) end while true do end"
        errors = []

        def run():
            try:
                redis.Redis(unix_socket_path=str(self.socket)).eval(script, 1, SERVER_NAME, *lines)
            except redis.RedisError as error:
                errors.append(error)
        runner = threading.Thread(target=run)
        runner.start()
        wait_until(lambda: self.logged(engine, REFUSED))
        self.assertGreater(self.hold(engine), 0)
        self.expect_one_line(engine, REFUSED, "BUSY", "SCRIPT KILL")
        self.redis.script_kill()
        runner.join()
        self.assertTrue(errors)
        self.send()
        self.expect_all()
        self.stop_engine(engine)

    def test_a_disk_that_is_full(self):
        engine = self.begin()
        self.send()
        self.expect_all()
        self.redis.config_set("save", "3600 1")
        # A folder where the file should be: saving fails as on a full disk, also for root.
        (self.folder / "dump.rdb").mkdir()
        self.assertRaises(redis.RedisError, self.redis.save)
        self.redis.bgsave()
        wait_until(lambda: self.redis.info("persistence")["rdb_last_bgsave_status"] == "err")
        self.send()
        wait_until(lambda: self.logged(engine, REFUSED))
        self.hold(engine)
        self.expect_one_line(engine, REFUSED, "MISCONF", "disk")
        # A connection that is lost now is made again: reading works.
        self.redis.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        self.redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        wait_until(lambda: len(self.logged(engine, "connected to Redis")) >= 6)
        (self.folder / "dump.rdb").rmdir()
        self.redis.bgsave()
        self.expect_all()
        self.stop_engine(engine)

    def test_a_replica(self):
        engine = self.begin()
        self.send()
        self.expect_all()
        self.redis.replicaof("127.0.0.1", 1)
        self.send()
        wait_until(lambda: self.logged(engine, REFUSED))
        self.hold(engine)
        self.expect_one_line(engine, REFUSED, "READONLY", "sentinel")
        self.redis.execute_command("REPLICAOF", "NO", "ONE")
        self.expect_all()
        self.stop_engine(engine)

    def test_too_few_replicas(self):
        engine = self.begin()
        self.send()
        self.expect_all()
        self.redis.config_set("min-replicas-to-write", "1")
        self.send()
        wait_until(lambda: self.logged(engine, REFUSED))
        self.hold(engine)
        self.expect_one_line(engine, REFUSED, "NOREPLICAS", "replicas")
        self.redis.config_set("min-replicas-to-write", "0")
        self.expect_all()
        self.stop_engine(engine)

    def test_a_replica_without_its_master(self):
        self.redis.config_set("replica-serve-stale-data", "no")
        self.redis.replicaof("127.0.0.1", 1)
        engine = self.begin(ready=False)
        wait_until(lambda: any("MASTERDOWN" in line.get("reason", "") for line in self.logged(engine, LOST)))
        time.sleep(2)
        lines = [line for line in self.logged(engine, LOST) if line["link"] == "verdicts"]
        self.assertEqual(len(lines), 1, "said once")
        self.assertRegex(lines[0]["advice"], "sentinel")
        self.redis.execute_command("REPLICAOF", "NO", "ONE")
        wait_until(lambda: self.http(engine, "/readyz")[0] == 200)
        self.send()
        self.expect_all()
        self.stop_engine(engine)

    def test_loading(self):
        self.redis.config_set("save", "3600 1")
        pipeline = self.redis.pipeline(transaction=False)
        for number in range(3000):
            pipeline.set(f"filler{number}", "x" * 2000)
        pipeline.execute()
        self.redis.save()
        self.redis_process.kill()
        self.redis_process.wait()
        self.redis_arguments = ("--key-load-delay", "1000", "--loading-process-events-interval-bytes", "1024")
        self.start_redis(wait=False)
        engine = self.begin(ready=False)
        wait_until(lambda: any("LOADING" in line["reason"] for line in self.logged(engine, LOST)))
        wait_until(lambda: self.http(engine, "/readyz")[0] == 200, seconds=40)
        lines = [line for line in self.logged(engine, LOST) if "LOADING" in line["reason"]]
        self.assertEqual(len(lines), 1, "said once")
        self.assertRegex(lines[0]["advice"], "wait")
        self.send()
        self.expect_all()
        self.stop_engine(engine)

    def test_killed_connections(self):
        engine = self.begin()
        for _ in range(15):
            self.send(20)
            wait_until(lambda: self.metric(engine, "weir_events_judged_total") == self.next - 1)
            self.redis.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        self.expect_all()
        self.stop_engine(engine)

    def test_clients_are_paused(self):
        engine = self.begin()
        self.send()
        self.expect_all()
        for mode in ("WRITE", "ALL"):
            self.redis.execute_command("CLIENT", "PAUSE", 2500, mode)
            self.send(5)  # a PUBLISH waits for the end of the pause as well
            self.expect_all()
        self.assertFalse(self.logged(engine, REFUSED))
        self.stop_engine(engine)

    def test_too_many_clients(self):
        engine = self.begin()
        self.send()
        self.expect_all()
        self.redis.config_set("maxclients", "1")
        self.redis.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        wait_until(lambda: any("max number of clients" in line["reason"] for line in self.logged(engine, LOST)))
        time.sleep(2)
        self.send()  # the subscriber was not killed, and hears it
        wait_until(lambda: self.metric(engine, "weir_events_judged_total") == self.next - 1)
        self.redis.config_set("maxclients", "100")
        self.expect_all()
        # Redis may close the connection before its words are read, which is another reason.
        reasons = [line["reason"] for line in self.logged(engine, LOST) if line["link"] == "verdicts"]
        self.assertTrue(all(one != other for one, other in zip(reasons, reasons[1:])), f"said once: {reasons}")
        lines = [line for line in self.logged(engine, LOST)
                 if line["link"] == "verdicts" and "max number" in line["reason"]]
        self.assertRegex(lines[0]["advice"], "maxclients")
        self.stop_engine(engine)

    def test_a_subscriber_that_is_too_slow(self):
        engine = self.begin()
        self.publish("POSITION events persister1 0 0")
        self.send()
        self.expect_all()
        self.redis.config_set("client-output-buffer-limit", "pubsub 262144 0 0")
        engine.send_signal(19)  # SIGSTOP
        filler = "x" * 20000
        for _ in range(200):
            self.publish("RDATA typing master 1 [" + json.dumps(filler) + "]")
        wait_until(lambda: self.redis.pubsub_numsub(SERVER_NAME)[0][1] == 0, what="the disconnection")
        engine.send_signal(18)  # SIGCONT
        wait_until(lambda: self.redis.pubsub_numsub(SERVER_NAME)[0][1] == 1, what="the return")
        self.publish("POSITION events persister1 10 10")
        self.send()
        self.expect_all()
        self.stop_engine(engine)

    def test_a_key_that_holds_something_else(self):
        engine = self.begin()
        self.send()
        self.expect_all()
        self.redis.rename(f"{SERVER_NAME}/weir/verdicts", "aside")
        self.redis.set(f"{SERVER_NAME}/weir/verdicts", "mine")
        self.send(3)
        line = wait_until(lambda: [line for line in self.log_lines(engine) if "WRONGTYPE" in line.get("error", "")])[0]
        self.assertRegex(line["advice"], "rename or delete")
        self.redis.delete(f"{SERVER_NAME}/weir/verdicts")
        self.redis.rename("aside", f"{SERVER_NAME}/weir/verdicts")
        self.send()
        wait_until(lambda: len(self.durable()) == 20)
        self.assertEqual(self.judged()[-10:], [f"${number}" for number in range(14, 24)])
        self.stop_engine(engine)


class Access(StatesServer):
    """An ACL user that may do what the page lists, and nothing else."""

    def acl_line(self):
        text = (harness.ROOT / "docs/redis.md").read_text()
        return re.search(r"ACL SETUSER weir .*", text)[0].replace("example.org", SERVER_NAME).replace("PASSWORD", "s3cret")

    def setUp(self):
        super().setUp()
        self.redis.execute_command(*self.acl_line().split())

    def denials(self):
        return self.redis.execute_command("ACL", "LOG")

    def test_the_rights_of_the_page_are_enough(self):
        engine = self.begin(f"{{path: {self.socket}, username: weir, password: s3cret}}")
        listener = self.subscribe()
        self.send(100)
        self.expect_all()
        replies = self.subscribe(f"{SERVER_NAME}/weir/replies/test")
        self.redis.xadd(f"{SERVER_NAME}/weir/requests", {
            "callback": "check_username_for_spam", "args": json.dumps([{"user_id": "@a:b", "display_name": "", "avatar_url": None}]),
            "reply_to": f"{SERVER_NAME}/weir/replies/test", "id": "1"})
        self.assertTrue(wait_until(lambda: self.heard(replies)))
        self.redis.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        self.redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        wait_until(lambda: self.http(engine, "/readyz")[0] == 200)
        self.publish("POSITION events persister1 100 100")
        self.send()
        self.expect_all()
        self.stop_engine(engine)
        self.assertEqual(self.denials(), [], "nothing was denied")
        del listener

    def test_the_rights_for_a_role_are_enough(self):
        line = re.search(r"ACL SETUSER weir \+eval.*", (harness.ROOT / "docs/redis.md").read_text())[0]
        self.redis.execute_command(*line.split())
        self.write("bodies.jsonl", "".join(body_line(f"${number}", body="spam") + "\n" for number in range(1, 100)))
        engine = self.start_engine(self.configuration(
            "bodies: {file: bodies.jsonl}\nrole: active\nlease: 300ms", KEYWORD,
            f"{{path: {self.socket}, username: weir, password: s3cret}}"))
        self.next = 1
        self.send(50)
        self.expect_all()
        self.stop_engine(engine)
        self.assertEqual(self.denials(), [], "nothing was denied")

    def test_no_right_more_than_needed(self):
        user = redis.Redis(unix_socket_path=str(self.socket), username="weir", password="s3cret")
        for command in (["GET", "other"], ["KEYS", "*"], ["FLUSHALL"], ["CONFIG", "GET", "*"], ["PUBLISH", "other", "x"],
                        ["DEL", f"{SERVER_NAME}/weir/verdicts"], ["SET", f"{SERVER_NAME}/weir/verdicts", "x"]):
            with self.assertRaises(redis.exceptions.NoPermissionError, msg=str(command)):
                user.execute_command(*command)
        user.close()

    def test_a_wrong_password_and_a_missing_right(self):
        engine = self.begin(f"{{path: {self.socket}, username: weir, password: guess}}", ready=False)
        line = wait_until(lambda: self.logged(engine, LOST))[0]
        self.assertIn("WRONGPASS", line["reason"])
        self.assertIn("redis.password", line["advice"])
        self.assertNotIn("guess", engine.log.read_text())
        self.stop_engine(engine)
        self.redis.execute_command("ACL", "SETUSER", "weir", "-xadd", "-subscribe")
        engine = self.begin(f"{{path: {self.socket}, username: weir, password: s3cret}}", ready=False)
        line = wait_until(lambda: [line for line in self.logged(engine, LOST) if line["link"] == "subscriber"])[0]
        self.assertIn("NOPERM", line["reason"])
        self.assertIn("ACL SETUSER", line["advice"])
        time.sleep(3)
        lines = [line for line in self.logged(engine, LOST) if line["link"] == "subscriber"]
        self.assertEqual(len(lines), 1, "said once, though the connection is made again and again")
        self.redis.execute_command("ACL", "SETUSER", "weir", "+subscribe")
        wait_until(lambda: self.http(engine, "/readyz")[0] == 200)
        self.send()
        wait_until(lambda: self.logged(engine, REFUSED))
        self.expect_one_line(engine, REFUSED, "NOPERM", "ACL SETUSER")
        self.redis.execute_command("ACL", "SETUSER", "weir", "+xadd")
        self.expect_all()
        self.stop_engine(engine)

    def test_a_password_that_is_asked_for_later(self):
        engine = self.begin()
        self.send()
        self.expect_all()
        self.redis.config_set("requirepass", "late")
        self.redis.close()
        self.redis = redis.Redis(unix_socket_path=str(self.socket), password="late")
        self.redis.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        self.redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        line = wait_until(lambda: [line for line in self.logged(engine, LOST) if "NOAUTH" in line["reason"]])[0]
        self.assertIn("redis.password", line["advice"])
        self.redis.config_set("requirepass", "")
        wait_until(lambda: self.http(engine, "/readyz")[0] == 200)
        self.publish("POSITION events persister1 10 10")
        self.send()
        self.expect_all()
        self.stop_engine(engine)


class Places(StatesServer):
    """Where the keys are: a database by number, over a unix socket and over TCP."""

    port = property(lambda self: self.__dict__.setdefault("tcp", harness.free_port()))

    def test_a_database_by_number(self):
        for place, number in (f"path: {self.socket}", 3), (f"host: 127.0.0.1, port: {self.port}", 5):
            with self.subTest(place):
                self.redis.close()
                self.redis = redis.Redis(unix_socket_path=str(self.socket), db=number)
                engine = self.begin(f"{{{place}, dbid: {number}}}")
                self.send()
                self.expect_all()
                # The channels are of all databases, the keys of this one.
                self.assertEqual({key.decode() for key in self.redis.keys("*")},
                                 {f"{SERVER_NAME}/weir/{name}" for name in ("verdicts", "positions", "requests", "callbacks")})
                self.stop_engine(engine)
                tail = harness.run_weir("tail", "--server-name", SERVER_NAME, "--redis",
                                        f"unix://{self.socket}?db={number}", "--stored", "--json")
                self.assertEqual(tail.stdout.decode().splitlines(), [row for _, row in self.durable()])
        self.assertEqual(redis.Redis(unix_socket_path=str(self.socket)).dbsize(), 0)


