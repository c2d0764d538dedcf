"""How Synapse's module asks: its connections to a real Redis on Twisted's reactor, with the test in the engine's place, so
that answers are late, doubled, lost or missing. Skipped where Debian's python3-twisted and python3-prometheus-client are
not installed (`deploy/dependencies.sh synapse`)."""

import contextlib
import json
import pathlib
import shutil
import signal
import sys
import tempfile
import threading
import time
import types
import unittest

import certificates
import harness
from harness import ROOT, SERVER_NAME, wait_until

sys.path.insert(0, str(ROOT / "deploy" / "synapse"))
import weir_module  # noqa: E402

try:
    import prometheus_client
    from twisted.internet import reactor
    from twisted.internet.threads import blockingCallFromThread
    REASON = None
except ImportError as error:
    REASON = f"the module's connections cannot be tested here: {error}"
STREAM = f"{SERVER_NAME}/weir/requests"
NOTICES = f"{SERVER_NAME}/weir/replies"


def setUpModule():
    if REASON is None:
        threading.Thread(target=reactor.run, kwargs={"installSignalHandlers": False}, daemon=True).start()
        wait_until(lambda: reactor.running, what="the reactor")


def tearDownModule():
    if REASON is None:
        reactor.callFromThread(reactor.stop)


@contextlib.contextmanager
def quiet():
    yield


@unittest.skipIf(REASON, REASON)
class AskerTest(harness.Server):
    def setUp(self):
        super().setUp()
        self.askers = []
        self.seen = "0"

    def tearDown(self):
        for asker in self.askers:
            self.on_reactor(asker.stop)
        super().tearDown()

    def on_reactor(self, function, *arguments):
        return blockingCallFromThread(reactor, function, *arguments)

    def asker(self, ready=True, redis=None, **settings):
        settings = weir_module.Settings({"timeout": "20s", **settings})
        where = weir_module.redis_settings(types.SimpleNamespace(), redis or {"path": str(self.socket)})
        asker = self.on_reactor(lambda: weir_module.Asker(reactor, where, SERVER_NAME, "worker 1%s", settings, quiet))
        asker.ended = []
        self.askers.append(asker)
        self.on_reactor(asker.start)
        if ready:
            wait_until(lambda: asker.ready, what="connections to Redis")
        return asker

    def ask(self, asker, *user_ids, name="check_can_deactivate_user"):
        """Asks in one turn of the reactor; the answers appear in asker.ended as (user id, answer)."""
        row = weir_module.CALLBACKS[name]

        def now():
            slots = asker.__dict__.setdefault("slots", {})
            slot = slots.setdefault(name, None) or weir_module.Slot(row, asker.settings, asker, asker.metrics)
            slots[name] = slot
            deferreds = []
            for user_id in user_ids:
                answer = asker.closed() or asker.ask(slot, weir_module.encode_arguments(row, (user_id, False), False), None)
                if isinstance(answer, weir_module.Deferred):
                    deferreds.append(answer)
                    answer.addErrback(lambda failure: failure.type.__name__)
                    answer.addCallback(lambda answer, user_id=user_id: asker.ended.append((user_id, answer)))
                else:
                    asker.ended.append((user_id, answer))
            return deferreds

        return self.on_reactor(now)

    def questions(self, count):
        """The next entries of the stream: [{field: text}]."""
        wait_until(lambda: len(self.redis.xrange(STREAM, f"({self.seen}" if self.seen != "0" else "-")) >= count,
                   what=f"{count} questions")
        entries = self.redis.xrange(STREAM, f"({self.seen}" if self.seen != "0" else "-")
        self.seen = entries[-1][0].decode()
        return [{name.decode(): value.decode() for name, value in fields.items()} for _, fields in entries]

    def answer(self, questions, json_text='{"bool":true}', together=False):
        lines = [f"VERDICT {question['id']} {json_text}" for question in questions]
        for message in (["\n".join(lines)] if together else lines):
            self.redis.publish(questions[0]["reply_to"], message)

    def ended(self, asker, count):
        wait_until(lambda: len(asker.ended) >= count, what=f"{count} answers")
        return asker.ended


class Asking(AskerTest):
    def test_what_one_turn_asks_leaves_together_and_is_answered(self):
        asker = self.asker()
        before = self.redis.info("stats")["total_reads_processed"]
        users = [f"@{number}:lab.test" for number in range(500)]
        self.ask(asker, *users)
        questions = self.questions(500)
        self.assertLess(self.redis.info("stats")["total_reads_processed"] - before, 100)
        question = questions[7]
        self.assertEqual(json.loads(question["args"]), {"user_id": users[7], "by_admin": False})
        self.assertEqual((question["callback"], question["lines"]), ("check_can_deactivate_user", "1"))
        self.assertTrue(question["reply_to"].startswith(f"{NOTICES}/worker_1%s-"))
        self.assertAlmostEqual(int(question["deadline"]) / 1000, time.time() + 20, delta=10)
        self.answer(questions[:250], together=True)
        self.answer(questions[250:], '{"bool":false}')
        self.answer(questions[:3], '{"bool":false}')  # again: too late
        ended = dict(self.ended(asker, 500))
        self.assertEqual({ended[user] for user in users[:250]}, {b'{"bool":true}'})
        self.assertEqual({ended[user] for user in users[250:]}, {b'{"bool":false}'})
        self.assertEqual(asker.pending, {})
        self.assertEqual(len(asker.ended), 500)

    def test_no_answer_by_the_deadline(self):
        asker = self.asker(timeout="1500ms", breaker={"timeouts": 3, "pause": "4s"})
        started = time.monotonic()
        self.ask(asker, "@a", "@b")
        self.assertEqual(self.ended(asker, 2), [("@a", "timeout"), ("@b", "timeout")])
        self.assertLess(time.monotonic() - started, 10)
        self.ask(asker, "@c")
        self.ended(asker, 3)
        self.ask(asker, "@d")
        self.assertEqual(asker.ended[3:], [("@d", "breaker")])
        time.sleep(4.1)
        self.questions(3)
        self.ask(asker, "@e", "@f")  # the first of them decides
        self.answer(self.questions(1))
        self.assertEqual(sorted(self.ended(asker, 6)[4:]), [("@e", b'{"bool":true}'), ("@f", "breaker")])
        self.ask(asker, "@g")
        self.answer(self.questions(1))
        self.assertEqual(self.ended(asker, 7)[6], ("@g", b'{"bool":true}'))

    def test_overload_is_no_timeout(self):
        asker = self.asker(breaker={"timeouts": 1}, waiting=3)
        self.ask(asker, "@a", "@b", "@c", "@d")
        self.assertEqual(asker.ended, [("@d", "full")])
        self.answer(self.questions(3), '{"overloaded":true}')
        self.assertEqual({answer for _, answer in self.ended(asker, 4)[1:]}, {"overloaded"})
        self.assertEqual(asker.breaker.state, weir_module.Breaker.CLOSED)

    def test_who_does_not_wait_any_more_leaves_nothing_behind(self):
        asker = self.asker()
        first, _ = self.ask(asker, "@a", "@b")
        self.on_reactor(first.cancel)
        self.assertEqual(self.ended(asker, 1), [("@a", "CancelledError")])
        self.assertEqual(len(asker.pending), 1)
        self.answer(self.questions(2))
        self.assertEqual(self.ended(asker, 2)[1], ("@b", b'{"bool":true}'))

    def test_repeated_questions(self):
        asker = self.asker(cache={"seconds": 60, "callbacks": ["check_can_deactivate_user"]})
        first, _, _ = self.ask(asker, "@a", "@a", "@a")
        self.on_reactor(first.cancel)  # the others still wait
        self.answer(self.questions(1))
        self.assertEqual(sorted(map(str, self.ended(asker, 3))),
                         sorted(map(str, [("@a", "CancelledError"), ("@a", b'{"bool":true}'), ("@a", b'{"bool":true}')])))
        self.ask(asker, "@a")
        self.assertEqual(asker.ended[3], ("@a", b'{"bool":true}'))
        self.assertEqual(self.redis.xlen(STREAM), 1)
        self.ask(asker, "@b")
        self.answer(self.questions(1), '{"raise":{"type":"Exception","msg":"x"}}')
        self.ended(asker, 5)
        self.ask(asker, "@b")  # failures are not remembered
        self.questions(1)

    def test_what_waits_is_asked_again_after_a_lost_connection(self):
        asker = self.asker(timeout="60s")
        for kind in ("pubsub", "normal"):
            count = len(asker.ended)
            self.ask(asker, "@a", "@b")
            before = self.questions(2)
            self.redis.client_kill_filter(_type=kind, skipme=True)
            again = self.questions(2)
            self.assertEqual([question["id"] for question in before], [question["id"] for question in again])
            self.answer(again)
            self.assertEqual(len(self.ended(asker, count + 2)), count + 2)
        self.redis_process.kill()
        self.redis_process.wait()
        wait_until(lambda: not asker.ready, what="the loss being noticed")
        self.ask(asker, "@c")
        self.start_redis()
        self.seen = "0"
        self.answer(self.questions(1))
        self.assertEqual(self.ended(asker, 5)[4], ("@c", b'{"bool":true}'))

    def test_what_redis_refuses_is_not_waited_for(self):
        asker = self.asker(timeout="60s")
        self.redis.config_set("maxmemory", "1")
        self.ask(asker, "@a")
        self.assertEqual(self.ended(asker, 1), [("@a", "refused")])
        self.redis.config_set("maxmemory", "0")
        self.ask(asker, "@b")
        self.answer(self.questions(1))
        self.assertEqual(self.ended(asker, 2)[1], ("@b", b'{"bool":true}'))

    def test_connections_on_which_nothing_comes_are_left(self):
        asker = self.asker()
        lost = []
        down = asker.commands.on_down
        asker.commands.on_down = lambda reason: (lost.append(reason), down(reason))
        for count in (1, 2):  # as the timers do every 15 seconds
            self.on_reactor(lambda: (asker.commands.check(), asker.replies.check()))
            self.ask(asker, "@a")
            self.answer(self.questions(1))
            self.ended(asker, count)
        self.assertEqual((lost, len(asker.expected)), ([], 0))
        self.redis_process.send_signal(signal.SIGSTOP)
        try:
            for _ in range(2):
                self.on_reactor(lambda: asker.commands.check() if asker.commands.protocol else None)
            wait_until(lambda: lost == ["Redis does not answer"], what="the silence being noticed")
        finally:
            self.redis_process.send_signal(signal.SIGCONT)
        wait_until(lambda: asker.ready, what="another connection")

    def test_a_user_of_its_own_with_the_rights_of_the_readme(self):
        page = (ROOT / "deploy" / "synapse" / "README.md").read_text()
        line, = [line for line in page.splitlines() if line.startswith("ACL SETUSER weir-module ")]
        self.redis.execute_command(*line.replace("example.org", SERVER_NAME).replace("PASSWORD", "sesame").split())
        asker = self.asker(redis={"path": str(self.socket), "username": "weir-module", "password": "sesame", "dbid": 1})
        self.on_reactor(asker.commands.check)
        self.on_reactor(asker.replies.check)
        self.ask(asker, "@a")
        self.redis.execute_command("SELECT", 1)
        self.answer(self.questions(1))
        self.assertEqual(self.ended(asker, 1), [("@a", b'{"bool":true}')])
        self.assertFalse(self.redis.execute_command("ACL", "LOG"))

    def test_metrics_are_made_once(self):
        self.asker()
        self.assertIs(weir_module.Metrics().asked, weir_module.Metrics.get().asked)

    def test_notices(self):
        self.redis.set(f"{SERVER_NAME}/weir/callbacks", '{"callbacks":{"user_may_invite":{}}}')
        asker = self.asker()
        wait_until(lambda: asker.wanted == {"user_may_invite": {}}, what="the notice that was there before")
        # As an engine does it: the module reads the key once more when it has subscribed.
        newer = '{"callbacks":{"check_event_allowed":{"state":true}}}'
        self.redis.set(f"{SERVER_NAME}/weir/callbacks", newer)
        self.redis.publish(NOTICES, f"CALLBACKS {newer}")
        wait_until(lambda: asker.wanted == {"check_event_allowed": {"state": True}}, what="a new notice")
        self.redis.publish(NOTICES, "CALLBACKS nonsense")
        self.redis.publish(asker.channel, 'CALLBACKS {"callbacks":{}}\nnonsense\nVERDICT\nVERDICT 99 {}')
        self.ask(asker, "@a")
        self.answer(self.questions(1))
        self.ended(asker, 1)
        self.assertEqual(asker.wanted, {"check_event_allowed": {"state": True}})


@unittest.skipIf(REASON, REASON)
class Secured(AskerTest):
    @classmethod
    def setUpClass(cls):
        cls.keys = pathlib.Path(tempfile.mkdtemp(prefix="weir-certificates."))
        cls.authority = certificates.Authority(cls.keys)
        cls.stranger = certificates.Authority(cls.keys, "stranger")
        cls.server = cls.authority.issue("server")
        cls.client = cls.authority.issue("client")

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.keys)

    def setUp(self):
        self.tls_port = harness.free_port()
        certificate, key = self.server
        self.redis_arguments = ("--tls-port", self.tls_port, "--tls-cert-file", certificate, "--tls-key-file", key,
                                "--tls-ca-cert-file", self.authority.certificate, "--tls-auth-clients", "yes",
                                "--requirepass", "sesame")
        super().setUp()
        self.redis.execute_command("AUTH", "sesame")

    def keys_with(self, **more):
        return {"host": "localhost", "port": self.tls_port, "use_tls": True, "ca_file": str(self.authority.certificate),
                "certificate_file": str(self.client[0]), "private_key_file": str(self.client[1]), "password": "sesame",
                "dbid": 2, **more}

    def test_with_certificates_and_a_password(self):
        for keys in (self.keys_with(), self.keys_with(ca_file=str(self.stranger.certificate), verify=False)):
            asker = self.asker(redis=keys)
            self.ask(asker, "@a")
            self.redis.execute_command("SELECT", 2)
            self.answer(self.questions(1))
            self.assertEqual(self.ended(asker, 1), [("@a", b'{"bool":true}')])
            redis = weir_module.redis_settings(None, keys)
            self.redis.set("key", "text")
            self.assertEqual(weir_module.fetch(redis, "key", 20), b"text")

    def test_who_is_not_trusted(self):
        for keys in (self.keys_with(ca_file=str(self.stranger.certificate)), self.keys_with(password="wrong"),
                     self.keys_with(ca_file="/nonexistent")):
            with self.assertLogs("weir_module", "WARNING") as logged:
                asker = self.asker(ready=False, redis=keys, timeout="200ms")
                wait_until(lambda: asker.told_lost, what="the refusal")
                time.sleep(0.5)
            self.assertFalse(asker.ready)
            self.assertEqual(len([line for line in logged.output if "no connection to Redis" in line]), 1, logged.output)
            self.assertRaises(OSError, weir_module.fetch, weir_module.redis_settings(None, keys), "key", 20)


if __name__ == "__main__":
    unittest.main()
