"""The parts of the chaos test by themselves, and a short form of it: a fixed plan of faults against the real engine."""

import json
import pathlib
import sys
import tempfile
import threading
import time
import unittest
import urllib.error
import urllib.request

import redis

import harness
from harness import SERVER_NAME, wait_until

CHAOS = pathlib.Path(__file__).resolve().parents[1] / "chaos"
sys.path.append(str(CHAOS))

import compare  # noqa: E402
import plan  # noqa: E402
import proxy  # noqa: E402
import recording  # noqa: E402
import run  # noqa: E402
import servers  # noqa: E402
import world  # noqa: E402


class Parts(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="weir-chaos-test."))

    def tearDown(self):
        harness.shutil.rmtree(self.folder, ignore_errors=True)

    def test_a_plan_comes_from_its_seed_and_from_its_file(self):
        parts = {"weir", "redis", "postgres", "a", "b", "weir-redis", "a-redis", "b-redis", "weir-postgres"}
        faults = plan.make(7, 300, parts, ["a", "b"], 1)
        self.assertEqual(faults, plan.make(7, 300, parts, ["a", "b"], 1))
        self.assertNotEqual(faults, plan.make(8, 300, parts, ["a", "b"], 1))
        plan.write(self.folder / "plan.json", faults, seed=7)
        self.assertEqual(plan.read(self.folder / "plan.json"), ({"seed": 7}, faults))
        self.assertLessEqual(set(plan.KINDS) - {"half-open-for-good", *plan.ALONE},
                             {fault.kind for fault in faults})
        self.assertFalse({"weir-a", "weir-b"} & {fault.target for fault in faults}, "links that are not there")
        ends = {}
        for fault in faults:
            self.assertGreaterEqual(fault.at, ends.get(fault.target, 0), "two faults at one target")
            ends[fault.target] = fault.at + (fault.amount if fault.kind in plan.LASTING else 0)

    def test_an_enlarged_recording_is_what_its_scripts_say(self):
        made = recording.enlarge(self.folder, "synapse-1.67-small", 700)
        messages = [json.loads(line) for line in made.lines.read_text().splitlines()]
        batches = recording.batches_of(messages)
        self.assertEqual(len(batches), 700)
        self.assertEqual(sum(made.tokens.values()), 700)
        ids = [json.loads(row)[1][0] for batch in batches for row in batch.rows if row.startswith('["ev"')]
        self.assertEqual(len(ids), len(set(ids)))
        for writer, path in made.scripts.items():
            written = world_script(path, made.bodies)
            mine = [batch for batch in batches if batch.writer == writer]
            self.assertEqual(written.tokens, [batch.token for batch in mine])
            self.assertEqual(written.tokens, sorted(set(written.tokens)))
            self.assertEqual([written.rows(index) for index in range(len(mine))], [batch.rows for batch in mine])
            for index in range(0, len(mine), 50):
                wanted = {json.loads(row)[1][0] for row in mine[index].rows if row.startswith('["ev"')}
                self.assertEqual(set(written.events(index)), wanted)

    def test_the_comparison_sees_every_difference(self):
        def row(token, room="!a", writer="w"):
            return json.dumps({"instance": writer, "token": token, "event_id": f"${token}", "room_id": room,
                               "module": None})
        rows = [row(1), row(2, "!b"), row(3), row(4, "!b")]
        log = lambda *texts: [(token * 4000, token, text) for token, text in enumerate(texts, 1)]
        fine = [[log(*rows)], [log(rows[1], rows[0], *rows[2:])], [log(*rows[:2]), log(*rows[2:])],
                [log(*rows[:2]), log(*rows[1:])], [log(*rows), []]]
        wrong = [[log(*rows[:3])], [log(*rows, row(5))], [log(rows[2], rows[1], rows[0], rows[3])],
                 [log(*rows, rows[0])], [[(0, token, row) for token, row in zip((2, 1, 3, 4), rows)]],
                 [log(*rows), log(rows[0])]]  # a quarter of a minute later
        for lives in fine:
            self.assertEqual(compare.compare(lives, rows, 4), [], lives)
        for lives in wrong:
            self.assertTrue(compare.compare(lives, rows, 4), lives)
        self.assertTrue(compare.compare(wrong[2], rows, 4, {("w", 2)}))
        self.assertEqual(compare.compare([log(rows[1], rows[2], rows[3], rows[0])], rows, 4, {("w", 1)}), [])
        self.assertTrue(compare.compare(fine[0], rows, 5), "an empty replay would prove nothing")


def world_script(path, bodies):
    import script
    return script.Script(path, bodies)


class Proxy(harness.Server):
    def setUp(self):
        super().setUp()
        self.proxies = proxy.Proxies()
        self.addCleanup(self.proxies.close)
        self.link = self.proxies.add("link", str(self.socket))

    def client(self, timeout=0.5):
        client = redis.Redis(port=self.link.port, socket_timeout=timeout)
        self.addCleanup(client.close)
        return client

    def test_forwards_slows_and_stalls(self):
        client = self.client(5)
        client.set("big", b"x" * 3000000)
        self.assertEqual(len(client.get("big")), 3000000)
        self.link.set_mode("slow")
        began = time.monotonic()
        client.set("a", b"y" * 10000)
        self.assertGreater(time.monotonic() - began, 0.2)
        self.link.set_mode("stall")
        answers = []
        thread = threading.Thread(target=lambda: answers.append(client.get("a")))
        thread.start()
        thread.join(0.3)
        self.assertEqual(answers, [])
        self.link.set_mode("forward")
        thread.join(5)
        self.assertEqual(answers, [b"y" * 10000], "nothing of it is lost")

    def test_drops_and_refuses(self):
        client = self.client()
        client.ping()
        connection = client.connection_pool.get_connection("PING")
        self.link.drop()
        with self.assertRaises(redis.ConnectionError):
            connection.send_command("PING")
            connection.read_response()
        self.link.set_mode("refuse")
        with self.assertRaises(redis.ConnectionError):
            self.client().ping()
        self.link.set_mode("forward")
        self.assertTrue(self.client().ping())

    def test_half_open(self):
        client = self.client()
        client.ping()
        before = len(self.redis.client_list())
        self.link.forget()
        wait_until(lambda: len(self.redis.client_list()) < before, what="the server seeing the end")
        with self.assertRaises(redis.TimeoutError):
            client.execute_command("PING")
        self.link.set_mode("forget")
        with self.assertRaises(redis.TimeoutError):
            self.client().ping()
        self.link.set_mode("forward")
        self.assertTrue(self.client().ping())


class Writers(unittest.TestCase):
    """The stand-in writers without an engine."""

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="weir-chaos-test."))
        self.recording = recording.enlarge(self.folder, "synapse-1.140-small", 257)
        self.world = None

    def tearDown(self):
        self.world.close()
        self.world.remove()

    def start(self, set_up, at_once=False):
        self.world = world.World(self.folder, "/bin/false", self.recording, set_up, at_once)
        self.world.redis.start()
        if self.world.postgres:
            self.world.postgres.start()
            self.world.postgres.make_tables()
        wait_until(self.world.redis.answers)
        client = self.world.redis.client()
        self.addCleanup(client.close)
        self.subscriber = client.pubsub()
        self.addCleanup(self.subscriber.close)
        self.subscriber.subscribe(SERVER_NAME)
        self.lines = []
        self.client = client
        for writer in self.world.writers.values():
            writer.start()
        self.hear(lambda: {line.split(" ")[2] for line in self.lines if line.startswith("POSITION events")}
                  == set(self.world.writers))

    def hear(self, condition, seconds=20):
        deadline = time.monotonic() + seconds
        while not condition():
            self.assertLess(time.monotonic(), deadline, self.lines[-5:])
            self.take(0.1)

    def take(self, seconds):
        message = self.subscriber.get_message(timeout=seconds)
        if message and message["type"] == "message":
            self.lines.append(message["data"].decode())
        return message

    def finish(self, *writers):
        self.hear(lambda: all((writer.state() or {}).get("done") for writer in writers))
        while self.take(0.3):
            pass

    def published(self, writer):
        """[(token, rows)] as an observer reads them, and the positions' promises kept."""
        batches, pending, last = [], [], 1
        for line in self.lines:
            if not line.startswith((f"RDATA events {writer} ", f"POSITION events {writer} ")):
                continue
            name, _, _, token, *rest = line.split(" ", 4)
            if name == "POSITION":
                self.assertEqual(pending, [])
                self.assertGreaterEqual(int(rest[0]), last)
                continue
            pending.append(rest[0])
            if token != "batch":
                batches.append((int(token), pending))
                pending, last = [], max(last, int(token))
        return batches

    def scripts(self):
        return {name: world_script(path, self.recording.bodies) for name, path in self.recording.scripts.items()}

    def test_publish_the_recording_and_keep_it(self):
        self.start("database")
        for writer in self.world.writers.values():
            writer.set_pace(2000)
        self.finish(*self.world.writers.values())
        for name, script in self.scripts().items():
            whole = [(token, script.rows(index)) for index, token in enumerate(script.tokens)]
            self.assertEqual(self.published(name), whole)
        count = self.world.postgres.sql("-c", "SELECT count(*), count(json) FROM events LEFT JOIN event_json USING "
                                              "(event_id)")
        rows = sum(row.startswith('["ev"') for script in self.scripts().values() for index in range(len(script.tokens))
                   for row in script.rows(index))
        self.assertEqual(count.stdout.decode().strip(), f"{rows}|{rows}")

    def test_skip_what_they_write_while_redis_is_away(self):
        self.start("http")
        writer = self.world.writers["persister1"]
        script = self.scripts()["persister1"]
        link = self.world.links["persister1-redis"]
        link.set_mode("refuse")
        link.drop()
        wait_until(lambda: not writer.state()["connected"])
        writer.set_pace(100)
        wait_until(lambda: writer.state()["written"] >= script.tokens[20])
        writer.set_pace(0)
        written = writer.state()["written"]
        link.set_mode("forward")
        self.hear(lambda: f"POSITION events persister1 {written} {written}" in self.lines)
        self.assertEqual(self.published("persister1"), [])
        writer.kill()
        writer.start()
        self.lines.clear()
        self.hear(lambda: f"POSITION events persister1 {written} {written}" in self.lines)
        wait_until(lambda: writer.set_pace(2000), what="the writer listening")
        self.hear(lambda: (writer.state() or {}).get("done"))
        end = script.tokens[-1]
        self.hear(lambda: any(token == end for token, _ in self.published("persister1")))
        self.assertEqual(self.published("persister1")[0][0], script.tokens[script.index_after(written)])
        self.check_listener(writer, script)

    def ask(self, port, path, secret=world.SECRET):
        request = urllib.request.Request(f"http://127.0.0.1:{port}/_synapse/replication/get_repl_stream_updates/{path}",
                                         headers={"Authorization": f"Bearer {secret}"})
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code

    def check_listener(self, writer, script):
        ask = lambda path, **options: self.ask(writer.port, path, **options)
        after, whole, turn = 1, [], 0
        while True:
            turn += 1
            answer = ask(f"events/u{turn}?from_token={after}&upto_token={script.tokens[-1]}")
            whole += answer["updates"]
            after = answer["upto_token"]
            if not answer["limited"]:
                break
        self.assertGreater(turn, 1)
        self.assertEqual(after, script.tokens[-1])
        self.assertEqual(whole, [[token, json.loads(row)] for index, token in enumerate(script.tokens)
                                 for row in script.rows(index)])
        first = ask("events/u1?from_token=5&upto_token=6")
        self.assertEqual(first["updates"], whole[:len(first["updates"])], "an id is answered once")
        self.assertEqual(ask("events/x1?from_token=1&upto_token=9", secret="wrong"), 500)
        self.assertEqual(ask("events?from_token=1&upto_token=9"), 400)
        self.assertEqual(ask("events/x2?from_token=1"), 400)
        self.assertEqual(ask("no_such/x3?from_token=1&upto_token=9"), 400)
        self.assertEqual(ask("caches/x4?from_token=1&upto_token=9"), {"updates": [], "upto_token": 9, "limited": False})

    def test_misbehave_when_told(self):
        self.start("database", at_once=True)
        writer = self.world.writers["persister2"]
        script = self.scripts()["persister2"]
        writer.tell("lose", 1)
        writer.tell("slow", 3)
        writer.set_pace(50)
        self.hear(lambda: len(self.published("persister2")) > 10)
        writer.tell("duplicate", 3)
        self.finish(writer)
        self.assertEqual(self.published("persister2")[0][0], script.tokens[1], "the first was never published")
        tokens = [token for token, _ in self.published("persister2")]
        self.assertEqual(len(tokens) - len(set(tokens)), 3)
        self.assertEqual(set(tokens), set(script.tokens[1:]))


class Chaos(unittest.TestCase):
    """`make chaos` in short: the same plan each time."""

    def check_plan(self, *words):
        said = []
        status = run.run(run.parse(["--weir", harness.WEIR, *words]), said.append)
        self.assertEqual(status, 0, "\n".join(said))

    def test_short_form(self):
        self.check_plan("--seed", "5", "--faults", "36", "--seconds", "22", "--set-up", "both", "--no-standby")


if __name__ == "__main__":
    unittest.main()
