"""`shared: redis` of the module rate: two engines, one Redis, and a sender that floods both of them."""

import http.client
import json
import signal
import threading
import time
import unittest

import harness
from harness import DATA, SERVER_NAME, ev_row, rdata, wait_until

BURST, RATE = 30, 20  # at once, and in a second


def modules(rule, more="", shared="redis"):
    return f"modules: [{{module: rate, config: {{shared: {shared}, rules: [{{{rule}}}]{more}}}}}]"


ROOMS = f"actions: [rooms], rate: {RATE}/s, burst: {BURST}"
AWAY = "rates are not shared for now, Redis does not answer; until it does, `on_error` of the modules decides"


class Asker(threading.Thread):
    """Asks one engine, one question behind the other, until it is told to stop; counts what passed."""

    def __init__(self, engine, user="@flood:lab.test"):
        super().__init__(daemon=True)
        self.address, self.user = engine.http, user
        self.passed = self.refused = self.failed = 0
        self.ended = threading.Event()

    def run(self):
        host, port = self.address.rsplit(":", 1)
        body = json.dumps({"args": {"user_id": self.user, "room_config": {}}})
        try:
            connection = http.client.HTTPConnection(host, int(port), timeout=60)
            while not self.ended.is_set():
                connection.request("POST", "/v1/callbacks/user_may_create_room", body)
                answer = connection.getresponse().read().decode()
                if "M_FORBIDDEN" in answer:
                    self.refused += 1
                elif "NOT_SPAM" in answer:
                    self.passed += 1
                else:
                    raise AssertionError(answer)
        except (OSError, http.client.HTTPException):
            self.failed += 1  # the engine was killed


class SharedRate(harness.Server):
    def begin(self, rule=ROOMS, more="", shared="redis", body="observe: false", count=2):
        engines = []
        for number in range(1, count + 1):
            configuration = self.configuration(f"instance_name: weir{number}\nrequests: {{http: true}}\n{body}",
                                               modules=modules(rule, more, shared), name=f"weir{number}.yaml")
            engines.append(self.start_engine(configuration))
        return engines

    def flood(self, engines, during):
        """Two askers for each engine while `during` runs; the askers, and for how long they asked."""
        askers = [Asker(engine) for engine in engines for _ in range(2)]
        started = time.monotonic()
        for asker in askers:
            asker.start()
        during()
        for asker in askers:
            asker.ended.set()
        for asker in askers:
            asker.join()
        return askers, time.monotonic() - started

    def expect_the_rate(self, askers, seconds, times=1):
        passed = sum(asker.passed for asker in askers)
        most = times * (BURST + RATE * seconds) + len(askers)  # which may be on their way at once
        self.assertLessEqual(passed, most)
        self.assertGreater(passed, 0.5 * (BURST + RATE * (seconds - 1)))
        return passed

    def test_together_they_let_the_rate_through(self):
        engines = self.begin()
        askers, seconds = self.flood(engines, lambda: time.sleep(3))
        passed = self.expect_the_rate(askers, seconds)
        for engine in engines:
            self.assertEqual(self.metric(engine, "weir_shared_rate_failed_total"), 0)
            self.assertEqual(self.logged(engine, AWAY), [])
            self.assertEqual(self.metric(engine, "weir_shared_rate_in_flight"), 0)
            asked = self.metric(engine, "weir_shared_rate_questions_total")
            self.assertLess(asked, passed + sum(asker.refused for asker in askers))
        key, = (key for key in self.redis.keys(f"{SERVER_NAME}/weir/rates/*"))
        self.assertTrue(key.endswith(b"/@flood:lab.test"), key)
        self.assertLess(self.redis.pttl(key), 1000 * BURST / RATE + 1001)
        # Alone, each would have let it through.
        for engine in engines:
            self.stop_engine(engine)
        askers, seconds = self.flood(self.begin(shared="none"), lambda: time.sleep(2))
        self.assertGreater(sum(asker.passed for asker in askers), 2 * BURST)

    def test_a_flushed_script_changes_nothing(self):
        engines = self.begin()

        def flush():
            for _ in range(20):
                time.sleep(0.1)
                self.redis.script_flush()
        askers, seconds = self.flood(engines, flush)
        self.expect_the_rate(askers, seconds)
        self.assertGreater(sum(self.metric(engine, "weir_shared_rate_scripts_total") for engine in engines), 2)
        self.assertEqual(sum(self.metric(engine, "weir_shared_rate_failed_total") for engine in engines), 0)

    def test_without_redis_each_lets_the_rate_through_and_then_they_share_again(self):
        engines = self.begin()

        def restart():
            time.sleep(1)
            self.redis_process.terminate()
            self.redis_process.wait()
            time.sleep(1.5)
            self.start_redis()
            wait_until(lambda: all(self.logged(engine, "rates are shared again") for engine in engines))
            time.sleep(1)
        askers, seconds = self.flood(engines, restart)
        self.expect_the_rate(askers, seconds, times=2)
        for engine in engines:
            self.assertEqual(len(self.logged(engine, AWAY)), 1)
            self.assertGreater(self.metric(engine, "weir_shared_rate_failed_total"), 0)
            self.assertIsNone(engine.poll())
        askers, seconds = self.flood(engines, lambda: time.sleep(2))
        self.expect_the_rate(askers, seconds)

    def test_a_redis_that_hangs_delays_one_answer(self):
        engine, = self.begin(count=1)
        asker = Asker(engine)
        asker.start()
        wait_until(lambda: asker.passed > 5)
        self.redis_process.send_signal(signal.SIGSTOP)
        self.addCleanup(self.redis_process.send_signal, signal.SIGCONT)
        before = asker.passed + asker.refused
        wait_until(lambda: self.logged(engine, AWAY) and asker.passed + asker.refused > before + 200)
        self.assertEqual(len(self.logged(engine, AWAY)), 1)
        self.redis_process.send_signal(signal.SIGCONT)
        wait_until(lambda: self.logged(engine, "rates are shared again"))
        asker.ended.set()
        asker.join()
        self.assertEqual(asker.failed, 0)

    def test_on_error(self):
        for choice, refused in (("pass", 0), ("deny", 60), ("local", 30)):
            engine, = self.begin(rule="actions: [rooms], rate: 1/h, burst: 30", more=f", on_error: {choice}", count=1)
            self.redis_process.terminate()
            self.redis_process.wait()
            asked = [self.ask(engine, f"@{choice}:lab.test") for _ in range(60)]
            self.assertEqual(asked.count(False), refused, choice)
            engine.kill()
            self.start_redis()

    @staticmethod
    def ask(engine, user):
        """Whether it passed."""
        host, port = engine.http.rsplit(":", 1)
        connection = http.client.HTTPConnection(host, int(port), timeout=60)
        connection.request("POST", "/v1/callbacks/user_may_create_room",
                           json.dumps({"args": {"user_id": user, "room_config": {}}}))
        answer = connection.getresponse().read().decode()
        connection.close()
        return "NOT_SPAM" in answer

    def test_a_killed_engine_leaves_the_rate_as_it_is(self):
        engines = self.begin(rule="actions: [rooms], rate: 1/h, burst: 20")
        passed = [self.ask(engines[number % 2], "@a:lab.test") for number in range(12)]
        self.assertEqual(passed, [True] * 12)
        engines[0].kill()
        engines[0].wait()
        self.assertEqual([self.ask(engines[1], "@a:lab.test") for _ in range(10)], [True] * 8 + [False] * 2)
        again, = self.begin(rule="actions: [rooms], rate: 1/h, burst: 20", count=1)
        self.assertFalse(self.ask(again, "@a:lab.test"), "it has no memory of its own, and Redis has")
        self.assertTrue(self.ask(again, "@b:lab.test"))

    def test_an_event_counts_once_whichever_engine_is_asked(self):
        engines = self.begin(rule="key: room, types: [m.room.message], rate: 1/h, burst: 3")

        def asked(engine, number):
            host, port = engine.http.rsplit(":", 1)
            connection = http.client.HTTPConnection(host, int(port), timeout=60)
            event = {"type": "m.room.message", "event_id": f"${number}", "room_id": "!r:lab.test",
                     "sender": "@a:lab.test", "content": {}}
            connection.request("POST", "/v1/callbacks/check_event_for_spam", json.dumps({"args": {"event": event}}))
            answer = connection.getresponse().read().decode()
            connection.close()
            return "NOT_SPAM" in answer
        for _ in range(2):
            for engine in engines:
                self.assertEqual([asked(engine, number) for number in range(6)], [True] * 3 + [False] * 3)

    def test_rates_of_requests_are_shared(self):
        shared = ("modules: [{module: room_rules, config: {shared: redis, rate: 5/h}}, "
                  "{module: login, config: {shared: redis, rate_user: 3/h, rate_ip: 100/h}}, "
                  "{module: registration, config: {shared: redis, rate_ip: 4/h, action: shadow_ban}}]")
        engines = [self.start_engine(self.configuration(f"instance_name: weir{number}\nrequests: {{http: true}}\n"
                                                        "observe: false", modules=shared, name=f"weir{number}.yaml"))
                   for number in (1, 2)]

        def asked(number, callback, args):
            host, port = engines[number % 2].http.rsplit(":", 1)
            connection = http.client.HTTPConnection(host, int(port), timeout=60)
            connection.request("POST", f"/v1/callbacks/{callback}", json.dumps({"args": args}))
            answer = connection.getresponse().read().decode()
            connection.close()
            return answer
        rooms = [asked(number, "user_may_create_room", {"user_id": "@a:lab.test", "room_config": {}})
                 for number in range(10)]
        self.assertEqual(["NOT_SPAM" in answer for answer in rooms], [True] * 5 + [False] * 5)
        origin = {"request_info": [["agent", "192.0.2.1"]], "auth_provider_id": None}
        logins = [asked(number, "check_login_for_spam", {"user_id": "@a:lab.test", "device_id": None,
                                                         "initial_display_name": None, **origin})
                  for number in range(6)]
        self.assertEqual(["NOT_SPAM" in answer for answer in logins], [True] * 3 + [False] * 3)
        accounts = [asked(number, "check_registration_for_spam", {"email_threepid": None, "username": f"u{number}",
                                                                  **origin}) for number in range(8)]
        self.assertEqual(["ALLOW" in answer for answer in accounts], [True] * 4 + [False] * 4)
        self.assertIn("SHADOW_BAN", accounts[-1])
        keys = [key.decode().split("/", 4)[4] for key in self.redis.keys(f"{SERVER_NAME}/weir/rates/*")]
        self.assertEqual(sorted(keys), ["@a:lab.test", "@a:lab.test", "c00002", "c00002"])

    def test_events_of_a_room_keep_their_order(self):
        engine, = self.begin(rule="key: room, rate: 1/h, burst: 100", body="publish: {verdicts: all}", count=1)
        rows = [rdata(number, ev_row(f"${number}", room=f"!{number % 7}:lab.test")) for number in range(1, 1401)]
        self.publish("POSITION events persister1 0 0", *rows)
        wait_until(lambda: self.metric(engine, "weir_events_judged_total") == len(rows))
        self.settle(engine)
        verdicts = [json.loads(row) for _, row in self.durable()]
        self.assertEqual(len(verdicts), len(rows))
        for room in range(7):
            mine = [row for row in verdicts if row["room_id"] == f"!{room}:lab.test"]
            numbers = [int(row["event_id"][1:]) for row in mine]
            self.assertEqual(numbers, sorted(numbers))
            self.assertEqual([row["result"] == "NOT_SPAM" for row in mine], [True] * 100 + [False] * 100)
        self.stop_engine(engine)

    def test_a_replay_asks_no_redis(self):
        recording, bodies = DATA / "synapse-1.140-small.jsonl.zst", DATA / "synapse-1.140-small.events.jsonl.zst"
        rows = {}
        for shared in ("none", "redis"):
            configuration = self.configuration(modules=modules("rate: 6/m, burst: 4", shared=shared))
            rows[shared] = self.replay(configuration, recording, bodies, "--all")
        self.assertEqual(rows["none"], rows["redis"])
        self.assertEqual(self.redis.keys("*"), [])


if __name__ == "__main__":
    unittest.main()
