"""The read side of the administration API (docs/admin-api.md) over HTTP, beside a recording that plays: what an engine says
of itself is what happened, and what it says of its log is what stands on Redis."""

import json
import pathlib
import signal
import socket
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

import harness
import service_test
from harness import DATA, SERVER_NAME, body_line, ev_row, rdata, wait_until

RECORDING = DATA / "synapse-1.67-small.jsonl.zst"
BODIES = DATA / "synapse-1.67-small.events.jsonl.zst"


class Admin(harness.Server):
    def get(self, engine, path, **parameters):
        """The answer's status and its JSON."""
        query = "?" + urllib.parse.urlencode(parameters) if parameters else ""
        try:
            with urllib.request.urlopen(f"http://{engine.http}{path}{query}", timeout=20) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    def status(self, engine):
        code, status = self.get(engine, "/v1/status")
        self.assertEqual(code, 200)
        return status

    def play_into(self, body="", **options):
        engine = self.start_engine(self.configuration(f"bodies: {{file: {BODIES}}}\n{body}", **options))
        self.play(RECORDING)
        self.settle(engine)
        return engine

    def redis_down(self):
        self.redis_process.kill()
        self.redis_process.wait()


class Status(Admin):
    def test_tells_what_a_recording_came_to(self):
        before = time.time() * 1000
        engine = self.play_into()
        status = self.status(engine)
        rows = [json.loads(row) for _, row in self.durable()]
        self.assertEqual((status["server_name"], status["instance"], status["role"]), (SERVER_NAME, "weir1", "alone"))
        self.assertTrue(status["ready"] and status["works"])
        self.assertIsNone(status["missing"])
        self.assertLess(abs(status["started"] - before), 20000)
        self.assertGreaterEqual(status["now"], status["started"])
        self.assertEqual(status["configuration"], {"path": str(self.folder / "weir.yaml"), "reloads": 0, "refused": 0,
                                                   "busy": False, "last": None})
        self.assertEqual(status["redis"], {"address": str(self.socket), "connected": True, "subscribed": True,
                                           "waiting": 0, "refused": 0})
        self.assertEqual(status["bodies"], {"source": "file", "ready": True, "waiting": 0, "missing": 0})
        self.assertEqual(status["catch_up"], {"busy": False, "ranges": 0, "rows": 0, "since": None})
        events = status["events"]
        self.assertEqual(events["denied"], len(rows))
        self.assertEqual(events["judged"], events["passed"] + events["denied"])
        self.assertEqual(status["latency"]["count"], events["judged"])
        self.assertLessEqual(status["latency"]["p50"], status["latency"]["maximum"])
        self.assertEqual(status["requests"], {"redis": True, "http": False, "answered": 0, "denied": 0, "overloaded": 0,
                                              "expired": 0, "waiting": 0, "p50": None, "p99": None})
        self.assertGreater(status["memory"]["resident"], 1 << 20)
        self.assertGreater(status["processor_seconds"], 0)
        self.assertIsNone(status["backtest"])
        self.check_modules(status["chain"], rows, events["judged"])
        self.check_writers(engine, status["writers"])

    def check_modules(self, chain, rows, judged):
        self.assertEqual(chain["semantics"], "latest")
        modules = chain["modules"]
        self.assertEqual([(module["index"], module["module"], module["label"]) for module in modules],
                         [(0, "sender_list", "sender_list"), (1, "keywords", "keywords"), (2, "keywords", "keywords.2"),
                          (3, "keywords", "keywords.3"), (4, "link_domains", "link_domains")])
        for module in modules:
            self.assertRegex(module["place"], r"^weir\.yaml:\d+$")
            self.assertIn("check_event_for_spam", module["callbacks"])
            self.assertGreater(module["nanoseconds"], 0)
            self.assertFalse(module["dry_run"] or module["dry_run_configured"])
        for name in ("sender_list", "keywords", "link_domains"):
            self.assertEqual(sum(module["denied"] for module in modules if module["module"] == name),
                             sum(row["module"] == name for row in rows), name)
        # Told from samples; the last of them may lie 256 events back, and what they stand for is a guess.
        self.assertLessEqual(abs(modules[0]["asked"] - judged), 256)
        self.assertLessEqual(modules[4]["asked"], modules[0]["asked"])

    def check_writers(self, engine, writers):
        self.assertTrue(writers)
        for writer in writers:
            self.assertEqual(writer["stream"], "events")
            self.assertEqual((writer["state"], writer["behind"], writer["held"], writer["lag"]), ("live", 0, 0, 0))
            self.assertEqual(writer["position"], writer["newest"])
            stored = self.redis.hget(f"{SERVER_NAME}/weir/positions", f"weir1 events {writer['writer']}")
            self.assertEqual(writer["position"], int(stored))
        self.assertEqual(self.get(engine, "/v1/positions"), (200, {"writers": writers}))

    def test_an_engine_with_little_to_tell(self):
        engine = self.start_engine(self.configuration("observe: false\nstate_dir: .", modules="modules: []"))
        (self.folder / "backtest.html").write_text("<p>")
        status = self.status(engine)
        self.assertEqual((status["bodies"]["source"], status["bodies"]["ready"]), (None, False))
        self.assertFalse(status["redis"]["subscribed"])
        self.assertEqual(status["latency"], {"count": 0, "p50": None, "p99": None, "maximum": None})
        self.assertEqual((status["chain"]["modules"], status["writers"]), ([], []))
        self.assertLess(abs(status["backtest"]["at"] - time.time() * 1000), 20000)

    def test_a_reload_and_what_was_refused_stand_there(self):
        configuration = self.configuration("observe: false", modules="modules: []")
        engine = self.start_engine(configuration)
        self.write("weir.yaml", pathlib.Path(configuration).read_text().replace("modules: []", "modules: [{module: no}]"))
        engine.send_signal(signal.SIGHUP)
        wait_until(lambda: self.status(engine)["configuration"]["refused"] == 1)
        last = self.status(engine)["configuration"]["last"]
        self.assertEqual((last["cause"], last["loaded"]), ("SIGHUP", False))
        self.assertLess(abs(last["at"] - time.time() * 1000), 20000)
        self.assertIn("modules[0]", last["errors"][0])

    def test_questions_are_asked_for_properly(self):
        engine = self.start_engine(self.configuration("observe: false\nrequests: {http: true}", modules="modules: []")
                                   )
        for path in ("/v1/status", "/v1/positions"):
            self.assertEqual(self.get(engine, path)[0], 200)
            request = urllib.request.Request(f"http://{engine.http}{path}", data=b"{}")
            with self.assertRaises(urllib.error.HTTPError) as caught:
                urllib.request.urlopen(request, timeout=20)
            self.assertEqual(caught.exception.code, 405)
            caught.exception.close()

    def test_what_requests_were_refused_and_what_a_trial_would_have(self):
        modules = """
modules:
  - {module: keywords, dry_run: true, config: {patterns: [eggs]}}
  - {module: keywords, config: {patterns: [spam]}}"""
        bodies = [body_line(f"${number}", body=text) for number, text in enumerate(("spam eggs", "eggs eggs", "bread"))]
        (self.folder / "bodies.jsonl").write_text("\n".join(bodies))
        engine = self.start_engine(self.configuration("bodies: {file: bodies.jsonl}\nrequests: {http: true}", modules=modules))
        self.publish(*(rdata(number + 1, ev_row(f"${number}")) for number in range(3)))
        wait_until(lambda: self.status(engine)["events"]["judged"] == 3)
        for text in ("spam", "eggs", "bread", "spam"):
            event = {"type": "m.room.message", "room_id": "!r:lab.test", "sender": "@a:lab.test", "event_id": "$q",
                     "content": {"body": text}}
            request = urllib.request.Request(f"http://{engine.http}/v1/callbacks/check_event_for_spam",
                                             data=json.dumps({"args": {"event": event}}).encode())
            urllib.request.urlopen(request, timeout=20).close()
        status = self.status(engine)
        self.assertEqual((status["events"]["denied"], status["events"]["dry_run"]), (1, 2))
        self.assertEqual((status["requests"]["answered"], status["requests"]["denied"]), (4, 2))
        trial, strict = status["chain"]["modules"]
        self.assertEqual((trial["dry_run"], trial["dry_run_configured"], trial["denied"], trial["dry_runs"]),
                         (True, True, 0, 3))
        self.assertEqual((strict["denied"], strict["dry_runs"]), (3, 0))
        rows = [json.loads(row) for _, row in self.durable()]
        self.assertEqual(strict["denied"], sum(row["module"] == "keywords" and not row["dry_run"] for row in rows))
        label = 'module="keywords.2"'
        for name, value in (("denials", 1), ("requests_denied", 2), ("asked", strict["asked"])):
            self.assertEqual(self.metric(engine, f"weir_module_{name}_total", label), value, name)
        self.assertGreater(self.metric(engine, "weir_module_seconds_total", label), 0)
        self.assertEqual(self.metric(engine, "weir_requests_denied_total"), 2)
        self.assertEqual(self.metric(engine, "weir_events_dry_run_total"), 2)

    def test_one_that_waits_for_its_turn(self):
        engine = self.start_engine(self.configuration("observe: false\nrole: standby", modules="modules: []"), ready=False)
        wait_until(lambda: self.status(engine)["redis"]["connected"])
        status = self.status(engine)
        self.assertEqual((status["role"], status["works"], status["ready"]), ("standby", False, False))
        self.assertIn("standby", status["missing"])

    def test_a_writer_that_is_behind(self):
        """A service that takes its time holds events back, and their writer with them."""
        release = threading.Event()

        def answer(question):
            release.wait(20)
            return "NOT_SPAM"

        service = service_test.WebService(answer)
        self.addCleanup(service.server_close)
        self.addCleanup(service.shutdown)
        self.addCleanup(release.set)
        modules = f"""
modules:
  - {{module: http_service, config: {{url: "{service.url}", callbacks: [check_event_for_spam], timeout_ms: 20000}}}}"""
        (self.folder / "bodies.jsonl").write_text(body_line("$1", body="x") + "\n" + body_line("$2", body="x"))
        engine = self.start_engine(self.configuration("bodies: {file: bodies.jsonl}", modules=modules))
        self.publish("POSITION events persister1 4 4", rdata(5, ev_row("$1")), rdata(6, ev_row("$2")))
        wait_until(lambda: [writer["held"] for writer in self.status(engine)["writers"]] == [2])
        writer, = self.status(engine)["writers"]
        self.assertEqual((writer["position"], writer["newest"], writer["behind"]), (4, 6, 2))
        self.assertEqual(writer["state"], "live")
        wait_until(lambda: self.status(engine)["writers"][0]["lag"] > writer["lag"])
        page = self.http(engine, "/metrics")[1]
        labels = '{stream="events",writer="persister1"}'
        for name, value in (("position", 4), ("newest_token", 6), ("held_events", 2)):
            self.assertIn(f"weir_writer_{name}{labels} {value}\n", page)
        self.assertGreater(self.metric(engine, "weir_writer_lag_seconds", labels[1:-1]), 0)
        release.set()
        wait_until(lambda: self.status(engine)["writers"][0]["behind"] == 0)
        self.assertEqual(self.metric(engine, "weir_writer_lag_seconds", labels[1:-1]), 0)
        self.redis_down()
        wait_until(lambda: self.status(engine)["writers"][0]["state"] == "waiting")
        status = self.status(engine)
        self.assertIsNone(status["writers"][0]["lag"])
        self.assertFalse(status["ready"] or status["redis"]["connected"])
        self.assertEqual(status["missing"], "not connected to Redis")


class Log(Admin):
    stream = f"{SERVER_NAME}/weir/verdicts"

    def log(self, engine, **parameters):
        code, answer = self.get(engine, "/v1/log", **parameters)
        self.assertEqual(code, 200, answer)
        return answer

    def entries(self):
        """What stands on Redis, the newest first, as the API tells it."""
        return [{"id": name.decode(), "at": int(name.split(b"-")[0]), "token": int(fields[b"token"]),
                 "row": json.loads(fields[b"row"])} for name, fields in self.redis.xrevrange(self.stream)]

    def quiet_engine(self):
        return self.start_engine(self.configuration("observe: false", modules="modules: []"))

    def fill(self, rows, **more):
        """Rows, one a millisecond from 1000 on."""
        pipeline = self.redis.pipeline(transaction=False)
        for index, row in enumerate(rows):
            text = row if isinstance(row, str) else json.dumps(row)
            pipeline.xadd(self.stream, {"token": index, "row": text, **more}, id=f"{1000 + index}-0")
        pipeline.execute()

    def test_the_rows_of_a_recording_by_every_filter(self):
        engine = self.play_into()
        entries = self.entries()
        self.assertGreater(len(entries), 100)
        self.assertEqual(self.log(engine, limit=1000),
                         {"rows": entries, "next": None, "scanned": len(entries)})
        self.assertEqual(self.log(engine)["rows"], entries[:100])
        one = entries[len(entries) // 2]["row"]
        server = one["sender"].split(":", 1)[1]
        for parameters, fits in (
                ({"room": one["room_id"]}, lambda row: row["room_id"] == one["room_id"]),
                ({"sender": one["sender"]}, lambda row: row["sender"] == one["sender"]),
                ({"sender": f"*:{server}"}, lambda row: row["sender"].endswith(f":{server}")),
                ({"module": "keywords"}, lambda row: row["module"] == "keywords"),
                ({"event_id": one["event_id"]}, lambda row: row["event_id"] == one["event_id"]),
                ({"callback": "check_event_for_spam"}, lambda row: row["callback"] == "check_event_for_spam"),
                ({"code": "M_FORBIDDEN"}, lambda row: row["result"]["code"] == "M_FORBIDDEN"),
                ({"text": "здравствуйте"}, lambda row: "здравствуйте" in row["rule"] + row["reason"]),
                ({"dry_run": "true"}, lambda row: row["dry_run"]),
                ({"module": "keywords", "text": "as"},
                 lambda row: row["module"] == "keywords" and "as" in row["rule"] + "\n" + row["reason"])):
            with self.subTest(parameters):
                wanted = [entry for entry in entries if fits(entry["row"])]
                self.assertEqual(self.log(engine, limit=1000, **parameters)["rows"], wanted)
        self.assertEqual(self.log(engine, until="1d")["rows"], [])
        self.assertEqual(self.log(engine, since="1h", limit=1000)["rows"], entries)
        self.check_pages(engine, entries)

    def check_pages(self, engine, entries):
        found, before = [], ""
        while before is not None:
            answer = self.log(engine, limit=7, before=before)
            found += answer["rows"]
            before = answer["next"]
        self.assertEqual(found, entries)

    def test_moments_and_rows_that_are_none(self):
        engine = self.quiet_engine()
        self.fill([{"module": "a"}, "{", '{"module":"b"', "[]", {"module": "c"}])
        self.redis.xadd(self.stream, {"other": "x"}, id="2000-0")
        answer = self.log(engine)
        self.assertEqual([row["row"]["module"] for row in answer["rows"]], ["c", "a"])
        self.assertEqual((answer["scanned"], answer["next"]), (6, None))
        self.assertEqual([row["at"] for row in self.log(engine, since=1001)["rows"]], [1004])
        self.assertEqual([row["at"] for row in self.log(engine, until=1003)["rows"]], [1000])
        self.assertEqual(self.log(engine, before="1000-0"), {"rows": [], "next": None, "scanned": 0})
        self.assertEqual(self.log(engine, since=2, until=1), {"rows": [], "next": None, "scanned": 0})

    def test_questions_that_make_no_sense(self):
        engine = self.quiet_engine()
        for parameters, problem in (({"limit": 1001}, "limit must be a whole number from 1 to 1000"),
                                    ({"sicne": "1h"}, "there is no parameter sicne"),
                                    ({"before": "x"}, "before must be the `next` of an answer"),
                                    ({"dry_run": "maybe"}, "dry_run must be true or false")):
            self.assertEqual(self.get(engine, "/v1/log", **parameters),
                             (400, {"errcode": "M_INVALID_PARAM", "error": problem}))

    def test_one_answer_looks_at_so_many_rows(self):
        engine = self.quiet_engine()
        rows = 230000
        self.fill({"module": "rare" if index == 5 else "frequent"} for index in range(rows))
        scanned, found, before, answers = 0, [], "", 0
        while before is not None:
            begun = time.monotonic()
            answer = self.log(engine, module="rare", before=before)
            self.assertLess(time.monotonic() - begun, 10)
            self.assertLessEqual(answer["scanned"], 100000)
            self.assertTrue(answer["scanned"])
            scanned += answer["scanned"]
            found += answer["rows"]
            before = answer["next"]
            answers += 1
        self.assertEqual((scanned, [row["token"] for row in found]), (rows, [5]))
        self.assertGreaterEqual(answers, 3)

    def test_long_rows_end_an_answer_early(self):
        engine = self.quiet_engine()
        self.fill({"module": "a", "reason": "x" * 100000} for _ in range(100))
        answer = self.log(engine, limit=1000)
        self.assertLess(len(answer["rows"]), 100)
        rest = self.log(engine, limit=1000, before=answer["next"])
        while rest["next"]:
            answer["rows"] += rest["rows"]
            rest = self.log(engine, limit=1000, before=rest["next"])
        self.assertEqual([row["token"] for row in answer["rows"] + rest["rows"]], list(range(99, -1, -1)))

    def ask_in_vain(self, engine, answers):
        thread = threading.Thread(target=lambda: answers.append(self.get(engine, "/v1/log")))
        thread.start()
        self.addCleanup(thread.join)
        return thread

    def test_a_redis_that_hangs(self):
        """Four wait, a fifth is turned away, and nobody waits for long; a client that goes away leaves its place."""
        engine = self.quiet_engine()
        self.fill([{"module": "a"}])
        self.redis_process.send_signal(signal.SIGSTOP)
        self.addCleanup(self.redis_process.send_signal, signal.SIGCONT)
        answers = []
        threads = [self.ask_in_vain(engine, answers) for _ in range(5)]
        for thread in threads:
            thread.join()
        self.assertEqual(sorted(code for code, _ in answers), [429, 503, 503, 503, 503])
        with socket.create_connection(engine.http.rsplit(":", 1)) as client:
            client.sendall(b"GET /v1/log HTTP/1.1\r\nHost: weir\r\n\r\n")
            time.sleep(0.2)
        self.redis_process.send_signal(signal.SIGCONT)
        wait_until(lambda: self.get(engine, "/v1/log")[0] == 200, what="the log")
        self.assertEqual(self.http(engine, "/readyz")[0], 200)

    def test_clients_that_leave_a_redis_that_hangs(self):
        """Their places are soon free, though what they asked for does not come."""
        engine = self.quiet_engine()
        self.fill([{"module": "a"}])
        self.assertEqual(self.get(engine, "/v1/log")[0], 200)
        self.redis_process.send_signal(signal.SIGSTOP)
        self.addCleanup(self.redis_process.send_signal, signal.SIGCONT)
        clients = [socket.create_connection(engine.http.rsplit(":", 1)) for _ in range(4)]
        for client in clients:
            client.sendall(b"GET /v1/log HTTP/1.1\r\nHost: localhost\r\n\r\n")
        time.sleep(0.3)
        for client in clients:
            client.close()
        self.assertEqual(self.get(engine, "/v1/log")[0], 429)
        wait_until(lambda: self.get(engine, "/v1/log")[0] == 503, 12, what="a place")
        self.redis_process.send_signal(signal.SIGCONT)
        wait_until(lambda: self.get(engine, "/v1/log")[0] == 200, what="the log")

    def test_a_redis_that_is_away(self):
        engine = self.quiet_engine()
        self.assertEqual(self.log(engine)["rows"], [])
        self.redis_down()
        code, answer = self.get(engine, "/v1/log")
        self.assertEqual((code, answer["errcode"]), (503, "M_UNKNOWN"))
        self.assertIn("Redis", answer["error"])
        self.start_redis()
        self.fill([{"module": "a"}])
        wait_until(lambda: self.get(engine, "/v1/log")[0] == 200, what="the log")
        self.assertEqual([row["token"] for row in self.log(engine)["rows"]], [0])

    def test_the_engine_ends_with_a_question_in_hand(self):
        engine = self.quiet_engine()
        self.redis_process.send_signal(signal.SIGSTOP)
        self.addCleanup(self.redis_process.send_signal, signal.SIGCONT)
        answers = []
        thread = self.ask_in_vain(engine, answers)
        time.sleep(0.3)
        engine.send_signal(signal.SIGTERM)
        thread.join()
        self.assertEqual(answers[0][0], 503)
        self.redis_process.send_signal(signal.SIGCONT)
        self.assertEqual(engine.wait(timeout=20), 0)
