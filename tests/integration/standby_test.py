"""Two engines for one job: whoever dies, sleeps, leaves or loses Redis, the durable stream holds what an offline replay
of the recording says, row for row, and the other engine goes on within three seconds."""

import json
import os
import re
import signal
import statistics
import threading
import time

import redis

import harness
import oracle
from harness import DATA, SERVER_NAME, wait_until

RECORDING = DATA / "synapse-1.140-big.jsonl.zst"
BODIES = DATA / "synapse-1.140-big.events.jsonl.zst"
EVENT_ROWS = 1200  # of it, to the end of a batch
ROWS_PER_SECOND = 400
EVENT_ROW = re.compile(r"RDATA events (\S+) (\S+) ")
LEASE_KEY, FENCE_KEY = (f"{SERVER_NAME}/weir/{kind}/weir1" for kind in ("lease", "fence"))
ROUNDS = int(os.environ.get("WEIR_STANDBY_ROUNDS", "3"))
WAITING = (200, "standby, ready to take over\n")
FAIL_OVER_SECONDS_MAXIMUM = 3


class Writer(threading.Thread):
    """Publishes the events of a recording, paced. Whoever subscribes asks with REPLICATE: it is told the positions that
    are stored, and what was published is published again from there on. So no row is lost for want of a listener, and
    what an engine makes of a repeated row is seen as well. Like Synapse it does nothing else within a batch."""

    def __init__(self, socket, rows, per_second):
        super().__init__(daemon=True)
        self.socket, self.rows, self.per_second = str(socket), rows, per_second
        self.places, self.between_batches = self.find_places(rows)
        self.next = 0
        self.furthest = 0
        self.stopped = threading.Event()
        self.may_go = threading.Event()
        self.go_as_far_as = len(rows)
        self.lost = False  # the connection, or all who listened; until somebody asks again
        self.errors = []

    @staticmethod
    def find_places(rows):
        """Writer and token of each row, where rows of a batch get the token at its end; and whether no batch is open
        before it."""
        places, between, batches = [None] * len(rows), [], {}
        for index, (writer, token) in enumerate(EVENT_ROW.match(row).groups() for row in rows):
            between.append(not batches)
            batches.setdefault(writer, []).append(index)
            if token != "batch":
                for member in batches.pop(writer):
                    places[member] = (writer, int(token))
        return places, [*between, True]

    def first_after(self, positions):
        return next((index for index, (writer, token) in enumerate(self.places) if token > positions.get(writer, 0)),
                    len(self.rows))

    def run(self):
        while not self.stopped.is_set():
            client = redis.Redis(unix_socket_path=self.socket)
            try:
                self.publish(client)
            except redis.RedisError:
                self.lost = True
                time.sleep(0.02)
            except Exception as error:  # said by the test, which would wait in vain otherwise
                self.errors.append(error)
                return
            finally:
                client.close()

    def publish(self, client):
        questions = client.pubsub()
        questions.subscribe(SERVER_NAME)
        while not self.stopped.is_set():
            between = self.between_batches[self.next]
            if self.lost or between:
                self.answer(client, questions)
            if self.lost or between and (not self.may_go.is_set() or self.next >= self.go_as_far_as):
                time.sleep(0.005)
                continue
            behind = self.next < self.furthest
            if client.publish(SERVER_NAME, self.rows[self.next]) > 1:
                self.next += 1
            else:
                self.lost = True
            self.furthest = max(self.furthest, self.next)
            if not behind:
                time.sleep(1 / self.per_second)

    def answer(self, client, questions):
        while (message := questions.get_message(ignore_subscribe_messages=True)) is not None:
            if message["data"] == b"REPLICATE ":
                positions = self.positions(client)
                for writer, token in positions.items():
                    client.publish(SERVER_NAME, f"POSITION events {writer} {token} {token}")
                self.next = min(self.next, self.first_after(positions))
                self.lost = False
                self.may_go.set()

    def positions(self, client):
        """Those that are stored; our own where Redis has lost them."""
        positions = {writer: token for writer, token in self.places[:self.furthest]}
        for field, token in client.hgetall(f"{SERVER_NAME}/weir/positions").items():
            _, stream, writer = field.decode().split(" ")
            if stream == "events":
                positions[writer] = int(token)
        return positions

    def has_published(self, count):
        if self.errors:
            raise self.errors[0]
        return self.furthest >= count


class Pair(harness.Server):
    redis_arguments = ("--appendonly", "yes", "--appendfsync", "always")
    lease = "1500ms"

    def setUp(self):
        super().setUp()
        self.files = {}
        for role in ("active", "standby", "alone"):
            self.files[role] = self.configuration(
                f"bodies: {{file: {BODIES}}}\npublish: {{verdicts: all}}\nrole: {role}\nlease: {self.lease}",
                name=f"{role}.yaml")
        lines = [line for line in oracle.read_jsonl(RECORDING) if EVENT_ROW.match(line["data"])]
        _, between_batches = Writer.find_places([line["data"] for line in lines])
        lines = lines[:between_batches.index(True, EVENT_ROWS)]
        self.rows = [line["data"] for line in lines]
        self.recording = self.write("recording.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
        self.writer = Writer(self.socket, self.rows, ROWS_PER_SECOND)
        self.addCleanup(self.stop_writer)

    def stop_writer(self):
        self.writer.stopped.set()
        if self.writer.is_alive():
            self.writer.join()

    def start_role(self, role):
        engine = self.start_engine(self.files[role], ready=role != "standby")
        engine.role = role
        return engine

    def ready(self, engine):
        """An engine that started over may listen elsewhere."""
        engine.http = self.logged(engine, "listens for HTTP")[-1]["address"]
        try:
            return self.http(engine, "/readyz")
        except OSError:
            return None

    def waits(self, engine):
        return self.ready(engine) == WAITING

    def works(self, engine):
        return self.ready(engine) == (200, "ready\n")

    def start_pair(self):
        active = self.start_role("active")
        wait_until(lambda: self.works(active), what="the active engine")
        standby = self.start_role("standby")
        wait_until(lambda: self.waits(standby), what="the standby")
        return active, standby

    def play_to(self, share):
        """Lets the writer go on to that part of the recording, and waits until it is there."""
        self.writer.go_as_far_as = int(len(self.rows) * share)
        if not self.writer.is_alive():
            self.writer.start()
        wait_until(lambda: self.writer.has_published(self.writer.go_as_far_as), 60, "the writer")

    def play_on_to(self, share):
        """The same without waiting."""
        self.writer.go_as_far_as = int(len(self.rows) * share)

    def last_id(self):
        return self.redis.xrevrange(f"{SERVER_NAME}/weir/verdicts", count=1)[0][0]

    def fence(self):
        return int(self.redis.get(FENCE_KEY))

    def wait_for_new_row(self, since):
        key = f"{SERVER_NAME}/weir/verdicts"
        self.assertTrue(self.redis.xread({key: since}, count=1, block=15000), "no engine took over")

    def fail_over(self, end):
        """Ends the holder in the middle of a stream that goes on; returns the seconds to the first row of the other."""
        self.writer.may_go.clear()  # until somebody subscribes
        time.sleep(0.1)             # what is on its way is stored, so that no row of the old one counts as new
        began = time.monotonic()
        end()
        wait_until(self.writer.may_go.is_set, 15, "a new subscriber")
        self.wait_for_new_row(self.last_id())
        return time.monotonic() - began

    def check_durable(self):
        """All rows are there once, in order, under tokens that rise by one for each event."""
        self.play_to(1)
        expected = self.replay(self.files["alone"], self.recording, BODIES, "--all")
        wait_until(lambda: len(self.durable()) >= len(expected), 60, "the last row")
        durable = self.durable()
        self.assertEqual([row for _, row in durable], expected)
        self.assertEqual([token for token, _ in durable], list(range(1, len(expected) + 1)))

    def assert_fast(self, seconds, what):
        print(f"fail-over after {what}: " + " ".join(f"{value:.2f}" for value in seconds) +
              f" s, median {statistics.median(seconds):.2f} s")
        self.assertLess(max(seconds), FAIL_OVER_SECONDS_MAXIMUM, what)


class Standby(Pair):
    def test_kill_9_of_whoever_works(self):
        holder, waiter = self.start_pair()
        fence = self.fence()
        seconds = []
        for number in range(ROUNDS):
            self.play_to((number + 0.5) / (ROUNDS + 1))
            self.play_on_to((number + 1) / (ROUNDS + 1))
            seconds.append(self.fail_over(holder.kill))
            wait_until(lambda: self.works(waiter), what="readiness of the new holder")
            holder.wait()
            self.assertEqual(self.metric(waiter, "weir_lease_held"), 1)
            self.assertEqual(self.metric(waiter, "weir_takeovers_total"), 1)
            self.assertEqual(self.metric(waiter, "weir_lease_fence"), fence + number + 1)
            holder, waiter = waiter, self.start_role(holder.role)
            wait_until(lambda: self.waits(waiter), what="the new standby")
            self.assertEqual(self.metric(waiter, "weir_lease_held"), 0)
        self.check_durable()
        self.assertEqual(self.fence(), fence + ROUNDS)
        self.stop_engine(waiter)
        self.stop_engine(holder)
        self.assert_fast(seconds, "SIGKILL")

    def test_a_holder_that_slept_writes_nothing(self):
        holder, waiter = self.start_pair()
        self.play_to(0.4)
        self.play_on_to(0.7)
        seconds = self.fail_over(lambda: holder.send_signal(signal.SIGSTOP))
        fence = self.fence()
        wait_until(lambda: self.works(waiter), what="readiness of the new holder")
        # The rows of the new holder's time lie in the old one's socket as well: it will judge them, in vain.
        self.play_to(0.7)
        holder.send_signal(signal.SIGCONT)
        wait_until(lambda: self.logged(holder, "another engine took over; what was not answered here is left to it, and "
                                               "this one starts over and waits"), what="the old holder's giving up")
        wait_until(lambda: len(self.logged(holder, "listens for HTTP")) == 2 and self.waits(holder),
                   what="the old holder as a standby")
        self.assertTrue(self.works(waiter))
        self.assertEqual(self.metric(holder, "weir_takeovers_total"), 1, "also before it started over")
        self.assertEqual(self.metric(holder, "weir_events_judged_total"), 0)
        # And back: what started over is as good as new.
        self.play_to(0.75)
        self.play_on_to(0.9)
        self.fail_over(waiter.kill)
        wait_until(lambda: self.works(holder), what="readiness of the first holder")
        self.assertEqual(self.fence(), fence + 1)
        self.assertEqual(self.metric(holder, "weir_takeovers_total"), 2)
        self.check_durable()
        self.stop_engine(holder)
        self.assert_fast([seconds], "SIGSTOP")

    def test_a_holder_that_is_told_to_stop_hands_over_at_once(self):
        holder, waiter = self.start_pair()
        seconds = []
        for number in range(2):
            self.play_to(0.3 + 0.3 * number)
            self.play_on_to(0.5 + 0.3 * number)
            seconds.append(self.fail_over(lambda: self.stop_engine(holder)))
            wait_until(lambda: self.works(waiter), what="readiness of the new holder")
            holder, waiter = waiter, self.start_role(holder.role)
            wait_until(lambda: self.waits(waiter), what="the new standby")
        self.check_durable()
        self.stop_engine(waiter)
        self.assertEqual(self.redis.exists(LEASE_KEY), 1, "a standby that leaves leaves the lease alone")
        self.stop_engine(holder)
        self.assertEqual(self.redis.exists(LEASE_KEY), 0)
        self.assert_fast(seconds, "SIGTERM")
        self.assertLess(min(seconds), 1.5, "it need not wait for the lease to run out")

    def test_both_started_at_once(self):
        engines = []
        starters = [threading.Thread(target=lambda: engines.append(self.start_role("active"))) for _ in range(2)]
        for starter in starters:
            starter.start()
        for starter in starters:
            starter.join()
        wait_until(lambda: sorted(map(self.waits, engines)) == [False, True] and any(map(self.works, engines)),
                   what="one holder, one standby")
        self.assertEqual(sorted(self.metric(engine, "weir_lease_held") for engine in engines), [0, 1])
        self.check_durable()
        for engine in engines:
            self.stop_engine(engine)

    def test_redis_restarts_under_both(self):
        holder, waiter = self.start_pair()
        fence = self.fence()
        self.play_to(0.4)
        self.play_on_to(0.8)
        time.sleep(0.1)
        self.redis_process.terminate()
        self.redis_process.wait()
        wait_until(lambda: self.logged(holder, "the lease could not be renewed in time: another engine may have taken "
                                               "over, and no verdict leaves until Redis says whether one has"))
        self.assertEqual(self.ready(waiter), (503, "standby: Redis does not answer\n"))
        self.assertEqual(self.ready(holder)[0], 503)
        self.start_redis()
        wait_until(lambda: sorted([self.works(holder), self.works(waiter)]) == [False, True] and
                   sorted([self.waits(holder), self.waits(waiter)]) == [False, True], what="one holder, one standby")
        self.assertIn(self.fence(), (fence, fence + 1))
        self.check_durable()
        for engine in (holder, waiter):
            self.stop_engine(engine)

    def test_a_standby_does_not_double_an_engine_without_a_role(self):
        alone = self.start_role("alone")
        standby = self.start_role("standby")
        message = ("no engine with a role has ever done this job, so this standby leaves it alone: the other engine "
                   "needs `role: active` and the same instance_name")
        wait_until(lambda: self.logged(standby, message), what="the standby's complaint")
        self.assertEqual(self.ready(standby), (503, "standby: no engine with a role has ever done this job, so it is "
                                                    "left alone\n"))
        self.play_to(0.05)
        time.sleep(1)
        self.assertEqual(len(self.logged(standby, message)), 1)
        self.assertEqual(self.metric(standby, "weir_lease_held"), 0)
        self.assertIsNone(self.metric(alone, "weir_lease_held"))
        self.assertIsNone(self.redis.get(LEASE_KEY))
        self.check_durable()
        self.stop_engine(standby)
        self.stop_engine(alone)


    def test_a_user_needs_no_more_than_the_manual_says(self):
        manual = (harness.ROOT / "docs" / "standby.md").read_text()
        pair = re.findall(r"`(\+[a-z]+)`", manual)
        self.assertIn("+eval", pair)
        alone = ["+ping", "+subscribe", "+publish", "+hgetall", "+hmget", "+hset", "+hdel", "+xadd", "+xrevrange",
                 "+xack", "+xdel", "+xgroup", "+xreadgroup", "+xpending", "+xclaim", "+xtrim", "+multi", "+exec"]
        self.redis.execute_command("ACL", "SETUSER", "weir", "on", ">secret", f"~{SERVER_NAME}/weir/*",
                                   f"&{SERVER_NAME}*", *alone, *pair)
        configuration = self.configuration(
            f"bodies: {{file: {BODIES}}}\npublish: {{verdicts: all}}\nrole: active\nlease: {self.lease}",
            redis_text=f"{{path: {self.socket}, username: weir, password: secret}}", name="user.yaml")
        holder = self.start_engine(configuration)
        self.check_durable()
        self.stop_engine(holder)
        self.assertEqual(self.redis.execute_command("ACL", "LOG"), [])
        self.assertEqual(self.redis.exists(LEASE_KEY), 0, "it was released, too")


class WithoutPersistence(Pair):
    redis_arguments = ()

    def test_redis_loses_its_data(self):
        holder, waiter = self.start_pair()
        fence = self.fence()
        self.play_to(0.4)
        self.settle(holder)
        self.redis_process.terminate()
        self.redis_process.wait()
        self.start_redis()
        wait_until(lambda: sorted([self.works(holder), self.works(waiter)]) == [False, True] and
                   sorted([self.waits(holder), self.waits(waiter)]) == [False, True], what="one holder, one standby")
        # The standby may not be the first, so it is the same engine, under its old number and with its old tokens.
        self.assertTrue(self.works(holder))
        self.assertEqual(self.fence(), fence)
        self.play_to(1)
        expected = self.replay(self.files["alone"], self.recording, BODIES, "--all")
        wait_until(lambda: self.durable() and self.durable()[-1][1] == expected[-1], 60, "the last row")
        self.assertEqual([row for _, row in self.durable()], expected[-len(self.durable()):])
        for engine in (waiter, holder):
            self.stop_engine(engine)


if __name__ == "__main__":
    harness.unittest.main()
