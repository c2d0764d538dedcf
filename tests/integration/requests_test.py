"""Requests over Redis: in turn, bounded, answered by whichever engine lives, and told what there is to ask."""

import json
import multiprocessing
import pathlib
import signal
import socket
import threading
import time

import redis

import harness
from harness import SERVER_NAME, WEIR, wait_until

STREAM = f"{SERVER_NAME}/weir/requests"
POISONED = f"{STREAM}/poisoned"
CALLBACKS = f"{SERVER_NAME}/weir/callbacks"
REPLIES = f"{SERVER_NAME}/weir/replies"
FATAL = pathlib.Path(WEIR).parent / "tests" / "plugins" / "fatal.so"
PLUGIN = f"modules: [{{module: plugin, config: {{path: {FATAL}}}}}]"
EMPTY = "modules: []"
PASSED = '"NOT_SPAM"'
OVERLOADED = '{"overloaded":true}'
FOREVER = 9999999999999
SLOW = "@slow:lab.test"


def invite(invitee="@b:lab.test"):
    return json.dumps({"inviter": "@a:lab.test", "invitee": invitee, "room_id": "!r:lab.test"})


FLOOD = 100000
ELEMENTS_MAXIMUM = 1 << 20


def send_flood(path, fields, count):
    """Writes so many requests without waiting for Redis's answers to any; `{}` in the id is its number."""
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(path)
    taken = threading.Thread(target=read_answers, args=(connection, count))
    taken.start()
    words = ["XADD", STREAM, "*"] + [str(word) for field in fields.items() for word in field]
    template = f"*{len(words)}\r\n" + "".join("$%d\r\n%s\r\n" % (len(word), word) if word != "{}" else "{}"
                                             for word in words)
    before, after = template.split("{}")
    for begin in range(0, count, 1000):
        connection.sendall("".join(f"{before}${len(str(number))}\r\n{number}\r\n{after}"
                                   for number in range(begin, begin + 1000)).encode())
    taken.join()
    connection.close()


def read_answers(connection, count):
    lines = 0
    while lines < 2 * count:
        lines += connection.recv(1 << 20).count(b"\n")


class Asker:
    """A worker: what it asks, and what it hears, as (message, answers) in order of arrival."""

    def __init__(self, socket, name):
        self.redis = redis.Redis(unix_socket_path=str(socket))
        self.channel = f"{REPLIES}/{name}"
        self.subscriber = self.redis.pubsub()
        self.subscriber.subscribe(self.channel)
        wait_until(lambda: (self.subscriber.get_message(timeout=1) or {}).get("type") == "subscribe")
        self.messages = 0
        self.answers = {}
        self.again = 0  # second answers to one request

    def close(self):
        self.subscriber.close()
        self.redis.close()

    def fields(self, request_id, args=None, callback="user_may_invite", **more):
        fields = {"callback": callback, "args": args or invite(), "reply_to": self.channel, "id": request_id,
                  "deadline": FOREVER}
        fields.update(more)
        return {name: value for name, value in fields.items() if value is not None}

    def ask(self, *requests):
        for begin in range(0, len(requests), 1000):
            pipeline = self.redis.pipeline(transaction=False)
            for fields in requests[begin:begin + 1000]:
                pipeline.xadd(STREAM, fields)
            pipeline.execute()

    def hear(self, timeout):
        """Takes one message; False if none comes."""
        message = self.subscriber.get_message(timeout=timeout)
        if not message:
            return False
        self.messages += 1
        for line in message["data"].decode().split("\n"):
            word, request_id, answer = line.split(" ", 2)
            assert word == "VERDICT"
            self.again += request_id in self.answers
            self.answers.setdefault(request_id, answer)
        return True

    def hear_all(self, count, seconds=60):
        deadline = time.monotonic() + seconds
        while len(self.answers) < count and time.monotonic() < deadline:
            self.hear(0.2)
        return self.answers

    def hear_one(self, request_id, seconds=30):
        deadline = time.monotonic() + seconds
        while request_id not in self.answers and time.monotonic() < deadline:
            self.hear(1)
        return self.answers.get(request_id)


class Requests(harness.Server):
    def asker(self, name="worker1"):
        asker = Asker(self.socket, name)
        self.addCleanup(asker.close)
        return asker

    def engine(self, instance="weir1", requests="", modules=PLUGIN, body="", **options):
        configuration = self.configuration(f"instance_name: {instance}\nrequests: {{{requests}}}\n{body}",
                                           modules=modules, name=f"{instance}.yaml")
        return self.start_engine(configuration, **options)

    def pending(self):
        return self.redis.xpending(STREAM, "weir")["pending"]

    def expect_nothing_left(self):
        wait_until(lambda: self.redis.xlen(STREAM) == 0 and self.pending() == 0, what="an empty stream")

    # ---- answers

    def test_answers_that_leave_together_share_a_message_if_they_may(self):
        asker, single = self.asker(), self.asker("worker2")
        requests = [asker.fields(f"q{number}", lines=1) for number in range(2000)]
        requests[7] = asker.fields("q7", invite("@refused:lab.test"), lines=1)
        asker.ask(*requests)
        single.ask(*(single.fields(f"q{number}") for number in range(2000)))
        self.engine()
        self.assertEqual(len(asker.hear_all(2000)), 2000)
        self.assertEqual(len(single.hear_all(2000)), 2000)
        self.assertEqual(asker.answers["q7"], '{"code":"M_FORBIDDEN","fields":{}}')
        self.assertEqual({answer for request, answer in asker.answers.items() if request != "q7"}, {PASSED})
        self.assertLess(asker.messages, 1000)
        self.assertEqual(single.messages, 2000)
        self.assertEqual(asker.again + single.again, 0)
        self.expect_nothing_left()

    def test_what_is_too_large_or_cannot_be_answered(self):
        asker = self.asker()
        engine = self.engine()
        many = {f"field{number}": number for number in range(100)}
        asker.ask({**asker.fields("many"), **many}, {**asker.fields("some"), "field": 1},
                  asker.fields("room", room="!" + 2000 * "r"), asker.fields("large", args=17 * 1024 * 1024 * " "),
                  asker.fields("unknown", callback="no_such_callback"), asker.fields("late", deadline=1),
                  asker.fields(None), asker.fields("lost", reply_to=SERVER_NAME), {"callback": "user_may_invite"})
        asker.hear_all(5)
        self.assertEqual(asker.answers.pop("some"), PASSED)
        self.assertEqual(sorted(asker.answers), ["large", "many", "room", "unknown"])
        for answer in asker.answers.values():
            self.assertIn("raise", json.loads(answer))
        self.expect_nothing_left()
        self.assertEqual(self.metric(engine, "weir_requests_malformed_total"), 4)
        self.assertEqual(self.metric(engine, "weir_requests_expired_total"), 1)
        self.assertEqual(self.metric(engine, "weir_requests_unanswerable_total"), 3)

    # ---- fairness

    def test_a_flood_of_one_worker_does_not_starve_another(self):
        engine = self.engine(requests="queue: 2000")
        flooder, calm = self.asker("flooder"), self.asker("calm")
        # All at once, as fast as Redis takes them, and each costs the engine a millisecond: from a process of its own.
        fields = flooder.fields("{}", invite(SLOW), lines=1)
        flood = multiprocessing.Process(target=send_flood, args=(str(self.socket), fields, FLOOD))
        self.addCleanup(flood.kill)
        flood.start()
        times = []
        while flood.is_alive() or len(times) < 500:
            begun = time.monotonic()
            calm.ask(calm.fields(f"c{len(times)}"))
            self.assertEqual(calm.hear_one(f"c{len(times)}"), PASSED)
            times.append(time.monotonic() - begun)
        flood.join()
        self.assertEqual(len(flooder.hear_all(FLOOD)), FLOOD)
        times.sort()
        print(f"\nasked {len(times)} times beside a flood: median {times[len(times) // 2] * 1000:.1f} ms, "
              f"p99 {times[len(times) * 99 // 100] * 1000:.1f} ms, longest {times[-1] * 1000:.1f} ms; of the flood "
              f"{sum(answer == OVERLOADED for answer in flooder.answers.values())} were turned away")
        self.assertLess(times[len(times) * 99 // 100], 2)
        self.expect_nothing_left()
        self.assertEqual(self.metric(engine, "weir_requests_queued"), 0)

    def test_a_flood_that_is_there_already_does_not_starve_another(self):
        flooder, calm = self.asker("flooder"), self.asker("calm")
        send_flood(str(self.socket), flooder.fields("{}", lines=1), FLOOD)
        calm.ask(calm.fields("c"))
        begun = time.monotonic()
        engine = self.engine()
        self.assertEqual(calm.hear_one("c"), PASSED)
        took = time.monotonic() - begun
        self.assertEqual(len(flooder.hear_all(FLOOD)), FLOOD)
        turned_away = sum(answer == OVERLOADED for answer in flooder.answers.values())
        print(f"\nbehind {FLOOD} requests, of which {turned_away} were turned away: {took:.2f} s with the start")
        self.assertEqual(self.metric(engine, "weir_requests_turned_away_total"), turned_away)
        self.assertLess(took, 20)
        self.expect_nothing_left()

    def test_whoever_has_most_in_a_full_queue_is_turned_away(self):
        flooder, calm = self.asker("flooder"), self.asker("calm")
        # A millisecond each: more than the queue holds while they are answered.
        flooder.ask(*(flooder.fields(f"f{number}", invite(SLOW), room="!flood") for number in range(3000)))
        flooder.ask(*(flooder.fields(f"r{number}", invite(SLOW), room=f"!r{number}")
                      for number in range(10)))
        calm.ask(*(calm.fields(f"c{number}", invite(SLOW)) for number in range(50)))
        engine = self.engine(requests="queue: 200, batch: 100")
        self.assertEqual(set(calm.hear_all(50).values()), {PASSED})
        self.assertEqual(len(flooder.hear_all(3010)), 3010)
        turned_away = {request for request, answer in flooder.answers.items() if answer == OVERLOADED}
        self.assertGreater(len(turned_away), 1000)
        self.assertEqual(self.metric(engine, "weir_requests_turned_away_total"), len(turned_away))
        # Its flooding room gives way, not its others.
        self.assertEqual({request[0] for request in turned_away}, {"f"})
        self.expect_nothing_left()

    # ---- engines that die

    def deliver(self, requests, times):
        """Has an engine that is gone take what is in the stream, so many times."""
        for stream, entries in self.redis.xreadgroup("weir", "gone", {STREAM: ">"}, count=requests):
            self.redis.xclaim(STREAM, "weir", "gone", 0, [entry for entry, _ in entries], retrycount=times)

    def test_what_was_delivered_too_often_is_set_aside(self):
        asker = self.asker()
        self.redis.xgroup_create(STREAM, "weir", "0", mkstream=True)
        asker.ask(asker.fields("p1"), asker.fields("p2", args='"' + 100000 * "x" + '"'))
        self.deliver(2, 3)
        asker.ask(asker.fields("q1"))
        self.deliver(1, 2)
        engine = self.engine(requests="tries: 3, claim_after: 200ms")
        asker.hear_all(3)
        self.assertEqual(asker.answers["q1"], PASSED)
        self.assertEqual(json.loads(asker.answers["p1"])["raise"]["type"], "PoisonedRequest")
        self.assertEqual(asker.answers["p2"], asker.answers["p1"])
        self.expect_nothing_left()
        kept = {fields[b"id"]: fields for _, fields in self.redis.xrange(POISONED)}
        self.assertEqual(sorted(kept), [b"p1", b"p2"])
        self.assertEqual(kept[b"p1"][b"engine"], b"weir1")
        self.assertEqual(json.loads(kept[b"p1"][b"args"])["invitee"], "@b:lab.test")
        self.assertEqual(len(kept[b"p2"][b"args"]), 65536)
        self.assertEqual(self.metric(engine, "weir_requests_poisoned_total"), 2)

    def test_a_request_that_kills_engines_is_set_aside_alone(self):
        asker = self.asker()
        asker.ask(*(asker.fields("fatal" if number == 500 else f"q{number}",
                                 invite("@fatal:lab.test" if number == 500 else "@b:lab.test"))
                    for number in range(1000)))
        for _ in range(3):
            try:
                engine = self.engine(requests="tries: 3, claim_after: 300ms", ready=False)
                self.assertEqual(engine.wait(timeout=20), 99)
            except AssertionError as dead:  # before it was seen to live
                self.assertIn("the engine ended with 99", str(dead))
        self.engine(requests="tries: 3, claim_after: 300ms")
        asker.hear_all(1000)
        self.assertEqual(json.loads(asker.answers.pop("fatal"))["raise"]["type"], "PoisonedRequest")
        self.assertEqual(set(asker.answers.values()), {PASSED})
        self.expect_nothing_left()
        self.assertEqual([fields[b"id"] for _, fields in self.redis.xrange(POISONED)], [b"fatal"])

    def test_a_request_that_no_connection_takes_is_set_aside(self):
        asker = self.asker()
        # More elements than an answer of Redis's may have: it ends each connection that it comes by.
        asker.redis.execute_command("XADD", STREAM, "*", *(ELEMENTS_MAXIMUM * ["x"]))
        asker.ask(*(asker.fields(f"q{number}") for number in range(100)))
        engine = self.engine(requests="tries: 2, claim_after: 10s")
        self.assertEqual(set(asker.hear_all(100).values()), {PASSED})
        self.expect_nothing_left()
        self.assertEqual(self.metric(engine, "weir_requests_poisoned_total"), 1)
        self.assertEqual(len(self.redis.xrange(POISONED)), 1)

    def ask_of_two(self, end):
        """10,000 requests of two engines, one of which ends in the middle."""
        asker = self.asker()
        engines = [self.engine(f"weir{number}") for number in (1, 2)]
        asker.ask(*(asker.fields(f"q{number}", invite(SLOW if number % 5 == 0 else "@b:lab.test"))
                    for number in range(10000)))
        asker.hear_all(3000)
        end(engines[0])
        asker.hear_all(10000)
        while asker.hear(1):
            pass
        self.assertEqual(len(asker.answers), 10000)
        self.assertEqual(set(asker.answers.values()), {PASSED})
        self.expect_nothing_left()
        return asker, engines

    def test_one_of_two_is_killed(self):
        asker, engines = self.ask_of_two(lambda engine: engine.kill())
        # An answer and its acknowledgement leave in one transaction, so that a death doubles nothing; an engine that
        # stands still for longer than claim_after on a busy machine may.
        print(f"\nclaimed {self.metric(engines[1], 'weir_requests_claimed_total'):.0f}, "
              f"answered twice {asker.again}")
        self.assertLess(asker.again, 1000)

    def test_one_of_two_is_stopped(self):
        asker, engines = self.ask_of_two(self.stop_engine)
        self.assertFalse(self.logged(engines[0], "did not finish in time; what was not answered will be judged again "
                                                 "by the next start"))
        print(f"\nclaimed {self.metric(engines[1], 'weir_requests_claimed_total'):.0f}, "
              f"answered twice {asker.again}")
        consumers = {consumer["name"]: consumer["pending"] for consumer in self.redis.xinfo_consumers(STREAM, "weir")}
        self.assertEqual(consumers[b"weir1"], 0)

    def test_a_stop_answers_what_waits_in_the_queue(self):
        asker = self.asker()
        engine = self.engine(requests="claim_after: 1h", body="shutdown_timeout: 1m")
        asker.ask(*(asker.fields(f"q{number}", invite(SLOW)) for number in range(1000)))
        asker.hear_all(1)
        wait_until(lambda: self.redis.xinfo_groups(STREAM)[0]["last-delivered-id"] ==
                   self.redis.xinfo_stream(STREAM)["last-generated-id"], what="the last request's delivery")
        self.stop_engine(engine)
        self.assertEqual(len(asker.hear_all(1000)), 1000)
        self.assertEqual(set(asker.answers.values()), {PASSED})
        self.assertEqual((self.redis.xlen(STREAM), self.pending(), asker.again), (0, 0, 0))

    def test_a_connection_that_breaks_loses_and_doubles_nothing(self):
        asker = self.asker()
        engine = self.engine(requests="claim_after: 1h, tries: 2")
        asker.ask(*(asker.fields(f"q{number}", invite(SLOW)) for number in range(2000)))
        for heard in (100, 500, 900):
            asker.hear_all(heard)
            for client in self.redis.client_list():
                if client["cmd"] in ("xreadgroup", "xpending", "xclaim"):
                    self.redis.client_kill_filter(_id=client["id"])
        asker.hear_all(2000)
        self.assertEqual(len(asker.answers), 2000)
        self.assertEqual((set(asker.answers.values()), asker.again), ({PASSED}, 0))
        self.expect_nothing_left()
        self.assertEqual(self.metric(engine, "weir_requests_poisoned_total"), 0)

    # ---- the stream

    def test_a_stream_that_is_too_long_is_cut(self):
        asker = self.asker()
        asker.ask(*(asker.fields(f"q{number}") for number in range(3000)))
        engine = self.engine(requests="stream: 100")
        wait_until(lambda: self.metric(engine, "weir_requests_trimmed_total") > 0, what="a trimmed stream")
        self.assertGreater(self.metric(engine, "weir_requests_trimmed_total"), 2000)
        self.assertTrue(self.logged(engine, "the stream of requests was longer than `requests.stream`: its oldest "
                                            "requests were cut off, and those that no engine had in hand are not "
                                            "answered"))
        self.expect_nothing_left()
        asker.ask(asker.fields("after"))
        self.assertEqual(asker.hear_one("after"), PASSED)

    def test_a_request_that_is_deleted_while_it_is_pending(self):
        asker = self.asker()
        self.redis.xgroup_create(STREAM, "weir", "0", mkstream=True)
        asker.ask(asker.fields("p1"), asker.fields("p2"), asker.fields("p3"))
        self.deliver(1, 1)
        self.deliver(1, 2)
        self.deliver(1, 3)
        self.redis.xtrim(STREAM, maxlen=0)
        asker.ask(asker.fields("q1"))
        self.engine(requests="tries: 3, claim_after: 200ms")
        self.assertEqual(asker.hear_one("q1"), PASSED)
        self.expect_nothing_left()

    # ---- what there is to ask

    def test_what_the_chain_has_anything_for_is_told(self):
        asker = self.subscribe(REPLIES)
        engine = self.engine(modules="modules: [{module: event_types, config: {deny: [m.room.server_acl]}}]")
        wait_until(lambda: self.redis.get(CALLBACKS), what="the callbacks")
        told = json.loads(self.redis.get(CALLBACKS))
        self.assertEqual((told["version"], told["semantics"], told["instance"]), (1, "latest", "weir1"))
        self.assertEqual(told["callbacks"], {"check_event_for_spam": {}})
        heard = self.heard(asker, 1)
        self.assertEqual([json.loads(line.removeprefix("CALLBACKS ")) for line in heard], [told])
        self.configuration("instance_name: weir1\nsemantics: latest", name="weir1.yaml", modules="""
modules:
  - module: http_service
    config: {url: "http://127.0.0.1:1/", callbacks: [check_event_allowed, user_may_invite]}
  - module: my_auth_provider
    config: {users: {"@a:lab.test": secret}}
""")
        engine.send_signal(signal.SIGHUP)
        wait_until(lambda: self.logged(engine, "the configuration was loaded again"), what="a reload")
        wait_until(lambda: json.loads(self.redis.get(CALLBACKS)) != told, what="other callbacks")
        told = json.loads(self.redis.get(CALLBACKS))
        self.assertEqual(told["callbacks"]["check_event_allowed"], {"state": True})
        self.assertEqual(told["callbacks"]["user_may_invite"], {})
        self.assertEqual(told["callbacks"]["auth_checkers"],
                         {"login_types": {"my.login_type": ["my_field"], "m.login.password": ["password"]}})
        heard = self.heard(asker, 1)
        self.assertEqual([json.loads(line.removeprefix("CALLBACKS ")) for line in heard], [told])
        self.redis.flushall()
        wait_until(lambda: self.redis.get(CALLBACKS), what="the callbacks again")


if __name__ == "__main__":
    harness.unittest.main()
