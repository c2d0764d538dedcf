"""Modules that ask a web service, in the running engine: who waits for whom, and what happens when there is no answer."""

import http.server
import json
import signal
import threading

import harness
from harness import rdata, ev_row, wait_until

SLOW, QUICK = "!slow:lab.test", "!quick:lab.test"


class WebService(http.server.ThreadingHTTPServer):
    """Answers with what `reply(question)` returns: a value, or a (status, text) pair. Questions about the room SLOW are
    answered when `gate` is open."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, reply):
        self.reply = reply
        self.gate = threading.Event()
        self.questions = []
        self.authorizations = []
        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, *_):
        """The engine may have gone, or lost its patience."""

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/ask"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.questions.append(question)
        self.server.authorizations.append(self.headers["Authorization"])
        event = question["args"]["event"] if "args" in question else question
        if event.get("room_id") == SLOW:
            self.server.gate.wait(60)
        reply = self.server.reply(question)
        status, text = reply if isinstance(reply, tuple) else (200, json.dumps(reply))
        self.send_response(status)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        pass


def body_line(event_id, room=QUICK, **content):
    event = {"type": "m.room.message", "room_id": room, "sender": "@a:lab.test",
             "content": {"msgtype": "m.text", **content}}
    return json.dumps({"event_id": event_id, "json": event})


class ServiceServer(harness.Server):
    """A web service beside the Redis."""

    def serve(self, reply):
        service = WebService(reply)
        self.addCleanup(service.server_close)
        self.addCleanup(service.shutdown)
        self.addCleanup(service.gate.set)
        return service


class Service(ServiceServer):
    def begin(self, service, config, bodies=(), module="http_service"):
        self.write("bodies.jsonl", "".join(line + "\n" for line in bodies))
        source = "bodies: {file: bodies.jsonl}" if bodies else ""
        url = f"endpoint: '{service.url}'" if module == "event_censorer" else \
            f"url: '{service.url}', callbacks: [check_event_for_spam]"
        return self.start_engine(self.configuration(source, modules=f"modules: [{{module: {module}, "
                                                                    f"config: {{{url}, {config}}}}}]"))

    def rows(self):
        return [json.loads(row) for _, row in self.durable()]

    def judged(self):
        return [row["event_id"] for row in self.rows()]

    def test_a_slow_room_delays_no_other_and_keeps_its_order(self):
        service = self.serve(lambda question: {"code": "M_FORBIDDEN"})
        events = [(f"$slow{number}", SLOW) if number % 2 else (f"$quick{number}", QUICK) for number in range(40)]
        engine = self.begin(service, "timeout_ms: 60000, connections: 64",
                            [body_line(event_id, room, body=event_id) for event_id, room in events])
        self.publish("POSITION events persister1 0 0",
                     *(rdata(token + 1, ev_row(event_id, room=room)) for token, (event_id, room) in enumerate(events)))
        quick = [event_id for event_id, room in events if room == QUICK]
        slow = [event_id for event_id, room in events if room == SLOW]
        wait_until(lambda: len(self.judged()) >= len(quick), what="the verdicts of the quick room")
        self.assertEqual(self.judged(), quick)
        service.gate.set()
        wait_until(lambda: len(self.judged()) >= len(events), what="the verdicts of the slow room")
        self.assertEqual([event_id for event_id in self.judged() if event_id in slow], slow)
        self.assertEqual(len(service.questions), len(events), "each event is asked about once")
        # On connections of their own, the first questions of two rooms may come in any order.
        asked = next(question for question in service.questions if question["event_id"] == "$quick0")
        self.assertEqual(asked["callback"], "check_event_for_spam")
        self.assertEqual(asked["args"]["event"]["content"]["body"], "$quick0")
        row = self.rows()[0]
        self.assertEqual((row["module"], row["result"]), ("http_service", {"code": "M_FORBIDDEN", "fields": {}}))
        self.assertEqual(self.metric(engine, "weir_service_answers_total", f'service="{service.url}"'), len(events))
        self.assertEqual(self.metric(engine, "weir_service_in_flight", f'service="{service.url}"'), 0)
        self.stop_engine(engine)

    def test_without_bodies_the_row_is_sent(self):
        service = self.serve(lambda question: {"code": "M_FORBIDDEN"})
        engine = self.begin(service, "timeout_ms: 60000")
        self.publish(rdata(1, ev_row("$1")))
        wait_until(lambda: self.judged() == ["$1"])
        self.assertEqual(service.questions[0]["args"]["event"],
                         {"event_id": "$1", "room_id": "!r:lab.test", "type": "m.room.message"})
        self.stop_engine(engine)

    def test_on_error(self):
        broken = [(500, "{}"), (200, "<html>"), (200, '{"no_such_tag": 1}'), (204, "")]
        answers = {f"$bad{index}": answer for index, answer in enumerate(broken)} | {"$good": {"code": "M_TOO_LARGE"}}
        service = self.serve(lambda question: answers[question["event_id"]])
        for on_error, expected in (("deny", [*answers]), ("pass", ["$good"])):
            with self.subTest(on_error):
                self.redis.flushall()
                engine = self.begin(service, f"timeout_ms: 60000, on_error: {on_error}, connections: 1",
                                    [body_line(event_id, body="x") for event_id in answers])
                self.publish(*(rdata(token + 1, ev_row(event_id)) for token, event_id in enumerate(answers)))
                wait_until(lambda: "$good" in self.judged())
                self.assertEqual(self.judged(), expected)
                for row in self.rows():
                    code = "M_TOO_LARGE" if row["event_id"] == "$good" else "M_FORBIDDEN"
                    self.assertEqual(row["result"], {"code": code, "fields": {}})
                self.assertEqual(self.metric(engine, "weir_service_failures_total", 'reason="unusable"'), len(broken))
                self.assertTrue(self.logged(engine, "a question to a service failed"))
                self.stop_engine(engine)

    def test_a_new_token_counts_from_the_reload_on(self):
        service = self.serve(lambda question: {"code": "M_FORBIDDEN"})
        token = self.write("token", "Bearer first\n")
        engine = self.begin(service, f"timeout_ms: 60000, authorization_path: '{token}'")
        self.publish(rdata(1, ev_row("$1")))
        wait_until(lambda: self.judged() == ["$1"])
        self.write("token", "Bearer second\n")
        engine.send_signal(signal.SIGHUP)
        wait_until(lambda: self.metric(engine, "weir_reloads_total") == 1, what="the reload")
        self.publish(rdata(2, ev_row("$2")))
        wait_until(lambda: self.judged() == ["$1", "$2"])
        self.assertEqual(service.authorizations, ["Bearer first", "Bearer second"])
        self.stop_engine(engine)

    def test_a_service_that_never_answers(self):
        service = self.serve(lambda question: "NOT_SPAM")
        engine = self.begin(service, "timeout_ms: 300, on_error: deny, breaker_failures: 0",
                            [body_line(f"$slow{number}", SLOW) for number in range(3)])
        self.publish(*(rdata(number + 1, ev_row(f"$slow{number}", room=SLOW)) for number in range(3)))
        wait_until(lambda: self.judged() == ["$slow0", "$slow1", "$slow2"])
        self.assertIn("no answer within 300 ms", self.rows()[0]["reason"])
        self.assertEqual(self.metric(engine, "weir_service_failures_total", 'reason="timeout"'), 3)
        self.stop_engine(engine)

    def test_event_censorer(self):
        def reply(event):
            body = event["content"]["body"]
            return (503, "{}") if body == "fail" else event["content"] | {"body": body.replace("damn", "****")}

        service = self.serve(reply)
        engine = self.begin(service, "timeout_ms: 60000",
                            [body_line("$1", body="damn it"), body_line("$2", body="fail")], module="event_censorer")
        self.publish(rdata(1, ev_row("$1")), rdata(2, ev_row("$2")))
        wait_until(lambda: self.judged() == ["$1", "$2"])
        changed, failed = self.rows()
        self.assertEqual((changed["callback"], changed["module"]), ("check_event_allowed", "event_censorer"))
        self.assertEqual(changed["result"], {"tuple": [{"bool": True}, {"event": {
            "content": {"msgtype": "m.text", "body": "**** it"}}}]})
        self.assertEqual(failed["result"]["raise"]["type"], "ModuleFailedException")
        self.assertIn("status 503", failed["result"]["raise"]["msg"])
        self.stop_engine(engine)
