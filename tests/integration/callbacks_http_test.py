"""Any callback, explanations and the API's own description over HTTP of the real program."""

import http.client
import json
import re
import signal
import time
import unittest

import service_test
from antispam_test import BODIES
from harness import ROOT, SERVER_NAME, run_weir, wait_until
from openapi_check import Document
from service_test import QUICK, SLOW

MODULES = """
modules:
  - module: list_spam_checker
    config: {evil_users: ["@evil:lab.test"]}
  - module: presence_router
    config: {routes: [{to: "@boss:lab.test", from: ["@worker:lab.test"]}]}
  - module: keywords
    dry_run: true
    config: {patterns: ["spam"]}
  - module: lua
    config: {script: t.lua}
"""
SCRIPT = """
function user_may_create_room(user_id) if user_id == "@raises:lab.test" then error("broken") end return pass end
function on_create_room(requester, content, admin) content.topic = "edited" end
"""

# A sample of each type of argument, by what GET /v1/callbacks calls it.
SAMPLES = {
    "text": "x", "text_or_null": None, "boolean": True, "integer": 5, "json": [1], "edited_object": {}, "object": {},
    "event": {"type": "m.room.message", "room_id": "!r:lab.test", "sender": "@a:lab.test", "content": {}},
    "state": [], "presence_states": [{"user_id": "@a:lab.test", "state": "online"}],
    "limit": {"max_bytes": 1, "time_period_ms": 1}, "request": None,
}


NAMES = re.findall(r"^CALLBACK\((\w+)", (ROOT / "filters/callbacks.def").read_text(), re.M)
DOCUMENT = Document(json.loads(run_weir("callbacks", "--openapi").stdout))


def event(sender="@good:lab.test", body="x", **members):
    return {"type": "m.room.message", "event_id": "$1", "room_id": "!r:lab.test", "sender": sender,
            "content": {"msgtype": "m.text", "body": body}, **members}


class HttpApi(service_test.ServiceServer):
    def begin(self, requests="http: true", modules=MODULES, body=""):
        self.write("t.lua", SCRIPT)
        self.write("bodies.jsonl", "")
        return self.start_engine(self.configuration(f"bodies: {{file: bodies.jsonl}}\nrequests: {{{requests}}}\n{body}",
                                                    modules=modules))

    def connect(self, engine):
        host, port = engine.http.rsplit(":", 1)
        connection = http.client.HTTPConnection(host, int(port), timeout=60)
        self.addCleanup(connection.close)
        return connection

    def request(self, engine, method, path, body=None, connection=None):
        """(status, answer) for an object or bytes; an answer that is no JSON as text."""
        connection = connection or self.connect(engine)
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        connection.request(method, path, data)
        return self.answer(connection)

    @staticmethod
    def answer(connection):
        answer = connection.getresponse()
        text = answer.read().decode()
        return answer.status, json.loads(text) if answer.headers["Content-Type"] == "application/json" else text

    def ask(self, engine, callback, args, **options):
        return self.request(engine, "POST", f"/v1/callbacks/{callback}", {"args": args}, **options)


class Callbacks(HttpApi):
    def test_callbacks_are_answered_with_the_chains_value(self):
        engine = self.begin()
        connection = self.connect(engine)
        questions = [
            ("check_event_for_spam", {"event": event("@evil:lab.test")}, {"code": "M_FORBIDDEN", "fields": {}}),
            ("check_event_for_spam", {"event": event()}, "NOT_SPAM"),
            ("get_interested_users", {"user_id": "@boss:lab.test"}, {"set": ["@worker:lab.test"]}),
            ("on_create_room",
             {"requester": {"user_id": "@a:lab.test"}, "config": {"name": "x"}, "is_requester_admin": False},
             {"none": True, "after": {"name": "x", "topic": "edited"}}),
            ("user_may_create_room", {"user_id": "@a:lab.test", "room_config": {}}, "NOT_SPAM"),
        ]
        for callback, args, wanted in questions:
            self.assertEqual(self.ask(engine, callback, args, connection=connection), (200, wanted), callback)
        status, answer = self.ask(engine, "user_may_create_room", {"user_id": "@raises:lab.test", "room_config": {}})
        self.assertEqual((status, answer["raise"]["type"]), (200, "Exception"))
        self.assertIn("broken", answer["raise"]["msg"])

    def test_every_callback_of_the_list_can_be_asked(self):
        engine = self.begin()
        connection = self.connect(engine)
        status, answer = self.request(engine, "GET", "/v1/callbacks", connection=connection)
        self.assertEqual((status, answer["semantics"]), (200, "latest"))
        document = DOCUMENT
        self.assertTrue(document.fits(answer, {"$ref": "#/components/schemas/CallbackList"}))
        self.assertEqual([row["name"] for row in answer["callbacks"]], NAMES)
        modules = {row["name"]: row["modules"] for row in answer["callbacks"]}
        self.assertEqual((modules["check_event_for_spam"], modules["get_users_for_states"]), (2, 1))
        self.assertEqual(modules["on_new_event"], 0)
        for row in answer["callbacks"]:
            args = {argument["name"]: SAMPLES[argument["type"]] for argument in row["arguments"]}
            operation = document.document["paths"][f"/v1/callbacks/{row['name']}"]["post"]
            schema = operation["requestBody"]["content"]["application/json"]["schema"]
            self.assertTrue(document.fits({"args": args}, schema), row["name"])
            status, value = self.ask(engine, row["name"], args, connection=connection)
            if row["exists"]:
                self.assertEqual(status, 200, (row["name"], value))
                self.assertTrue(document.fits(value, {"$ref": "#/components/schemas/Value"}), (row["name"], value))
            else:
                self.assertEqual((status, value["errcode"]), (400, "M_BAD_JSON"), row["name"])

    def test_what_cannot_be_asked_is_refused(self):
        engine = self.begin()
        connection = self.connect(engine)
        path = "/v1/callbacks/get_interested_users"

        def refused(status, errcode, body, path=path, method="POST"):
            got, answer = self.request(engine, method, path, body, connection)
            self.assertEqual((got, answer["errcode"]), (status, errcode), (body, answer))
            self.assertTrue(answer["error"])
            return answer["error"]

        for body in (b"", b"{", b'{"args":{}}}', b'{"args":{"user_id":"\xff"}}'):
            refused(400, "M_NOT_JSON", body)
        for body in ([], {}, {"args": []}, {"args": {}}, {"args": {"user_id": 5}},
                     {"args": {"user_id": "@a"}, "timeout_ms": 0}):
            refused(400, "M_BAD_JSON", body)
        self.assertIn("user_id", refused(400, "M_BAD_JSON", {"args": {"user_id": 5}}))
        self.assertIn("`is_user_expired`",
                      refused(404, "M_UNRECOGNIZED", {"args": {}}, "/v1/callbacks/is_user_expirde"))
        refused(404, "M_UNRECOGNIZED", {"args": {}}, "/v1/callbacks/" + "x" * 3000)
        refused(404, "M_UNRECOGNIZED", None, "/v1/nothing", "GET")
        refused(404, "M_UNRECOGNIZED", {}, "/_weir/v1/ask/get_interested_users")
        refused(405, "M_UNRECOGNIZED", None, method="GET")
        refused(405, "M_UNRECOGNIZED", {}, "/v1/callbacks")
        refused(405, "M_UNRECOGNIZED", None, "/v1/explain", "GET")
        self.assertEqual(self.ask(engine, "get_interested_users", {"user_id": "@boss:lab.test"}, connection=connection),
                         (200, {"set": ["@worker:lab.test"]}))
        large = json.dumps({"args": {"user_id": "x" * (2 << 20)}}).encode()
        status, answer = self.request(engine, "POST", path, large)
        self.assertEqual((status, answer["errcode"]), (413, "M_TOO_LARGE"))

    def test_it_is_off_unless_asked_for(self):
        engine = self.begin("", body="console: false\n")
        for method, path in (("POST", "/v1/callbacks/get_interested_users"), ("GET", "/v1/callbacks"),
                             ("POST", "/v1/explain"), ("GET", "/openapi.json"), ("POST", "/antispam/ping")):
            self.assertEqual(self.request(engine, method, path, {"args": {}})[0], 404, path)

    def test_the_secret_closes_all_of_it(self):
        engine = self.begin()
        self.stop_engine(engine)
        configuration = self.configuration("bodies: {file: bodies.jsonl}\nrequests: {http: true}", modules=MODULES)
        configuration.write_text(configuration.read_text().replace("listen: '127.0.0.1:0'",
                                                                   "listen: '127.0.0.1:0', secret: between-us"))
        engine = self.start_engine(configuration)
        connection = self.connect(engine)
        for method, path in (("POST", "/v1/callbacks/get_interested_users"), ("GET", "/v1/callbacks"),
                             ("POST", "/v1/explain"), ("GET", "/openapi.json"), ("POST", "/antispam/ping")):
            status, answer = self.request(engine, method, path, b"{}", connection)
            self.assertEqual((status, answer["errcode"]), (401, "M_MISSING_TOKEN"), path)
        connection.request("GET", "/openapi.json", headers={"Authorization": "Bearer between-us"})
        self.assertEqual(self.answer(connection)[0], 200)

    def test_a_chain_that_is_loaded_again_is_asked(self):
        engine = self.begin()
        connection = self.connect(engine)
        args = {"event": event("@late:lab.test")}
        self.assertEqual(self.ask(engine, "check_event_for_spam", args, connection=connection), (200, "NOT_SPAM"))
        self.configuration("bodies: {file: bodies.jsonl}\nrequests: {http: true}",
                           modules=MODULES.replace("@evil:lab.test", "@late:lab.test"))
        engine.send_signal(signal.SIGHUP)
        wait_until(lambda: self.logged(engine, "the configuration was loaded again"), what="the reload")
        self.assertEqual(self.ask(engine, "check_event_for_spam", args, connection=connection)[1],
                         {"code": "M_FORBIDDEN", "fields": {}})
        answer = self.request(engine, "POST", "/v1/explain", args, connection)[1]
        self.assertEqual(answer["outcome"]["kind"], "denied")


class WithoutRedis(HttpApi):
    def test_answers_go_on_and_memory_has_an_end(self):
        engine = self.begin()
        connection = self.connect(engine)
        self.redis_process.kill()
        self.redis_process.wait()
        large = event("@evil:lab.test", event_id="$" + "x" * 900000)
        for _ in range(90):
            status, answer = self.ask(engine, "check_event_for_spam", {"event": large}, connection=connection)
            self.assertEqual((status, answer), (200, {"code": "M_FORBIDDEN", "fields": {}}))
        unrecorded = self.metric(engine, "weir_requests_unrecorded_total")
        self.assertGreater(unrecorded, 0)
        self.assertLess(unrecorded, 60)
        self.assertTrue(self.logged(engine, "requests are refused without a row among the verdicts: Redis has not "
                                            "answered for too long"))
        self.start_redis()
        wait_until(lambda: self.redis.xlen(f"{SERVER_NAME}/weir/verdicts") == 90 - unrecorded, 60, "the rows")


class Waiting(HttpApi):
    """Modules that ask a service."""

    def begin_with(self, service, requests="http: true", **config):
        settings = {"url": service.url, "timeout_ms": 60000, "callbacks": ["check_event_for_spam"], "connections": 64,
                    **config}
        return self.begin(requests, f"modules: [{{module: http_service, config: {json.dumps(settings)}}}]")

    def waiting(self, engine, count):
        wait_until(lambda: self.metric(engine, "weir_requests_waiting") == count, what=f"{count} waiting questions")

    def send(self, engine, room=SLOW, **members):
        connection = self.connect(engine)
        body = json.dumps({"args": {"event": event(room_id=room)}, **members})
        connection.request("POST", "/v1/callbacks/check_event_for_spam", body)
        return connection

    def test_answers_come_later_and_nobody_waits_for_another(self):
        service = self.serve(lambda question: {"code": "M_FORBIDDEN"})
        engine = self.begin_with(service)
        slow = [self.send(engine) for _ in range(5)]
        self.waiting(engine, 5)
        quick = self.send(engine, QUICK)
        self.assertEqual(self.answer(quick), (200, {"code": "M_FORBIDDEN", "fields": {}}))
        service.gate.set()
        for connection in slow:
            self.assertEqual(self.answer(connection), (200, {"code": "M_FORBIDDEN", "fields": {}}))
            self.assertEqual(self.ask(engine, "user_may_invite", {"inviter": "a", "invitee": "b", "room_id": "c"},
                                      connection=connection), (200, "NOT_SPAM"))
        self.assertEqual(len(service.questions), 6)

    def test_deadlines(self):
        service = self.serve(lambda question: "NOT_SPAM")
        engine = self.begin_with(service, "http: true, timeout: 2s")
        started = time.monotonic()
        status, answer = self.answer(self.send(engine, timeout_ms=100))
        self.assertEqual((status, answer["errcode"]), (504, "M_UNKNOWN"))
        self.assertLess(time.monotonic() - started, 1.9, "the asker's own deadline")
        started = time.monotonic()
        self.assertEqual(self.answer(self.send(engine, timeout_ms=100000))[0], 504)
        self.assertGreater(time.monotonic() - started, 1.5)
        self.assertEqual(self.metric(engine, "weir_requests_waiting"), 0)
        self.assertEqual(self.metric(engine, "weir_requests_expired_total"), 2)

    def test_too_many(self):
        service = self.serve(lambda question: "NOT_SPAM")
        engine = self.begin_with(service, "http: true, waiting_per_room: 2")
        slow = [self.send(engine) for _ in range(2)]
        self.waiting(engine, 2)
        status, answer = self.answer(self.send(engine))
        self.assertEqual((status, answer["errcode"]), (429, "M_LIMIT_EXCEEDED"))
        self.assertIsInstance(answer["retry_after_ms"], int)
        self.assertEqual(self.answer(self.send(engine, QUICK)), (200, "NOT_SPAM"))
        service.gate.set()
        self.assertEqual([self.answer(connection)[0] for connection in slow], [200, 200])

    def test_whoever_hangs_up_is_forgotten(self):
        service = self.serve(lambda question: "NOT_SPAM")
        engine = self.begin_with(service)
        connections = [self.send(engine) for _ in range(3)]
        self.waiting(engine, 3)
        connections[1].close()
        self.waiting(engine, 2)
        service.gate.set()
        self.assertEqual([self.answer(connections[index])[0] for index in (0, 2)], [200, 200])
        self.assertEqual(self.metric(engine, "weir_requests_forgotten_total"), 1)
        self.stop_engine(engine)

    def test_a_stop_waits_for_answers(self):
        service = self.serve(lambda question: "NOT_SPAM")
        engine = self.begin_with(service)
        connection = self.send(engine)
        self.waiting(engine, 1)
        engine.send_signal(signal.SIGTERM)
        wait_until(lambda: self.logged(engine, "stops: finishes what is in hand"), what="the stop")
        service.gate.set()
        self.assertEqual(self.answer(connection), (200, "NOT_SPAM"))
        self.assertEqual(engine.wait(timeout=20), 0)

    def test_a_reload_asks_again(self):
        service = self.serve(lambda question: {"code": "M_FORBIDDEN"})
        engine = self.begin_with(service)
        connection = self.send(engine)
        self.waiting(engine, 1)
        self.configuration("bodies: {file: bodies.jsonl}\nrequests: {http: true}", modules="modules: []")
        engine.send_signal(signal.SIGHUP)
        self.assertEqual(self.answer(connection), (200, "NOT_SPAM"))
        service.gate.set()
        self.stop_engine(engine)

    def test_an_explanation_waits_for_nobody(self):
        service = self.serve(lambda question: {"code": "M_FORBIDDEN"})
        engine = self.begin_with(service)
        status, answer = self.request(engine, "POST", "/v1/explain", {"event": event()})
        self.assertEqual((status, answer["outcome"]["kind"]), (200, "open"))
        self.assertIn("waits", answer["outcome"]["reason"])
        self.assertEqual(self.answer(self.send(engine, QUICK))[0], 200)
        self.stop_engine(engine)


class Explain(HttpApi):
    def explain(self, engine, body, query=""):
        status, told = self.request(engine, "POST", f"/v1/explain{query}", body)
        if status == 200 and not query:
            self.assertTrue(DOCUMENT.fits(told, {"$ref": "#/components/schemas/Explanation"}), told)
        return status, told

    def test_an_event(self):
        engine = self.begin()
        status, told = self.explain(engine, {"event": event("@evil:lab.test", "für SPAM now")})
        self.assertEqual(status, 200)
        self.assertEqual(told["event"]["sender"], "@evil:lab.test")
        self.assertEqual(told["weir_asks"], ["check_event_allowed", "check_event_for_spam"])
        allowed, spam = told["callbacks"]
        self.assertEqual((allowed["name"], allowed["modules"]), ("check_event_allowed", []))
        self.assertEqual(spam["name"], "check_event_for_spam")
        first, second = spam["modules"]
        self.assertEqual((first["module"], first["index"]), ("list_spam_checker", 0))
        self.assertEqual((first["ends"], first["not_asked"]), (True, None))
        self.assertGreater(first["ns"], 0)
        self.assertEqual((second["module"], second["not_asked"]), ("keywords", "list_spam_checker had ended the walk"))
        self.assertEqual(told["outcome"],
                         {"kind": "denied", "callback": "check_event_for_spam", "module": "list_spam_checker", "index": 0,
                          "value": {"code": "M_FORBIDDEN", "fields": {}}})
        self.assertEqual((told["verdict"]["event_id"], told["verdict"]["module"]), ("$1", "list_spam_checker"))

        sent = json.dumps({"event": event(body="für SPAM now")}, ensure_ascii=False).encode()
        told = self.explain(engine, sent)[1]
        second = told["callbacks"][1]["modules"][1]
        self.assertEqual((second["dry_run"], second["would_have_ended"], second["rule"]), (True, True, "spam"))
        where, text = second["where"], sent[len('{"event": '):]
        self.assertEqual((where["parent"], where["key"], where["text"]), ("content", "body", "SPAM"))
        self.assertEqual(text[where["start"]:where["end"]].decode(), "SPAM")
        self.assertTrue(where["before"].endswith('"body": "für '), where)
        self.assertTrue(text[where["end"]:].decode().startswith(where["after"]), where)
        self.assertTrue(where["after"].startswith(' now"'), where)
        self.assertEqual((told["outcome"]["kind"], len(told["dry_runs"])), ("passed", 1))
        self.assertTrue(told["dry_runs"][0]["dry_run"])

    def test_it_is_what_the_command_prints(self):
        engine = self.begin()
        text = self.explain(engine, {"event": event("@evil:lab.test")}, "?format=text")[1]
        printed = run_weir("explain", "-c", self.folder / "weir.yaml", "-", "--repeat", "0",
                           input=json.dumps(event("@evil:lab.test")).encode()).stdout.decode()
        self.assertEqual(re.sub(r"\d+ ns", "N ns", text), re.sub(r"\d+ ns", "N ns", printed))
        printed = json.loads(run_weir("explain", "-c", self.folder / "weir.yaml", "-", "--json", "--repeat", "3",
                                      input=json.dumps(event("@evil:lab.test")).encode()).stdout)
        told = self.explain(engine, {"event": event("@evil:lab.test")})[1]
        self.assertIn("median_ns", printed["callbacks"][1]["modules"][0])
        self.assertEqual((printed["outcome"], printed["verdict"]), (told["outcome"], told["verdict"]))

    def test_any_callback(self):
        engine = self.begin()
        told = self.explain(engine, {"callback": "get_interested_users", "args": {"user_id": "@boss:lab.test"}})[1]
        self.assertEqual([row["name"] for row in told["callbacks"]], ["get_interested_users"])
        self.assertEqual(told["outcome"]["value"], {"set": ["@worker:lab.test"]})
        told = self.explain(engine, {"callback": "federated_user_may_invite", "args": {"event": event("@evil:x")}})[1]
        self.assertEqual([(row["name"], row["not_asked"]) for row in told["callbacks"]],
                         [("federated_user_may_invite", None), ("user_may_invite", None)])
        told = self.explain(engine, {"callback": "on_create_room", "args": {"requester": {}, "config": {},
                                                                            "is_requester_admin": True}})[1]
        self.assertEqual(told["after"], {"config": {"topic": "edited"}})
        told = self.explain(engine, {"callback": "user_may_create_room",
                                     "args": {"user_id": "@raises:lab.test", "room_config": {}}})[1]
        self.assertEqual(told["outcome"]["kind"], "failed")
        self.assertIn("fails: ", told["callbacks"][0]["modules"][0]["says"])

    def test_nothing_is_counted_or_published(self):
        engine = self.begin()
        subscriber = self.subscribe()
        self.explain(engine, {"callback": "user_may_create_room",
                              "args": {"user_id": "@raises:lab.test", "room_config": {}}})
        self.explain(engine, {"event": event(body="spam")})
        for name in ("weir_module_raised_total", "weir_module_dry_run_total", "weir_module_denials_total"):
            for module in ("keywords", "lua", "list_spam_checker"):
                self.assertIn(self.metric(engine, name, f'module="{module}"'), (0, None), name)
        self.assertEqual(self.metric(engine, "weir_requests_answered_total"), 0)
        self.assertEqual((self.durable(), self.heard(subscriber)), ([], []))
        status, answer = self.ask(engine, "check_event_for_spam", {"event": event(body="spam")})
        self.assertEqual((status, answer), (200, "NOT_SPAM"))
        wait_until(lambda: len(self.durable()) == 1, what="the row of the dry run: it is told of again")

    def test_what_is_wrong_is_said(self):
        engine = self.begin()
        for body, errcode, says in [
                (b"{", "M_NOT_JSON", "not valid JSON"), ([], "M_BAD_JSON", "`event`"), ({}, "M_BAD_JSON", "`event`"),
                ({"args": {}}, "M_BAD_JSON", "`event`"), ({"callback": "x"}, "M_BAD_JSON", "names no callback"),
                ({"callback": 5}, "M_BAD_JSON", "names no callback"),
                ({"event": event(), "args": {}}, "M_BAD_JSON", "belongs"),
                ({"event": 5}, "M_BAD_JSON", ""), ({"event": {"content": 5}}, "M_BAD_JSON", ""),
                ({"callback": "user_may_invite", "args": {"inviter": 5}}, "M_BAD_JSON", "inviter"),
                ({"callback": "user_may_invite", "args": []}, "M_BAD_JSON", "object"),
                ({"callback": "check_event_for_spam"}, "M_BAD_JSON", "event")]:
            status, answer = self.explain(engine, body)
            self.assertEqual((status, answer["errcode"]), (400, errcode), body)
            self.assertIn(says, answer["error"])


class OpenApi(HttpApi):
    def test_the_document(self):
        document = DOCUMENT
        self.assertEqual(document.check(), [])
        paths = document.document["paths"]
        for name in NAMES:
            operation = paths[f"/v1/callbacks/{name}"]["post"]
            self.assertLessEqual({"200", "400", "401", "405", "413", "429", "504"}, set(operation["responses"]), name)
        for name, good, bad in BODIES:
            schema = paths[f"/antispam/{name}"]["post"]["requestBody"]["content"]["application/json"]["schema"]
            for body in (good, bad):
                self.assertTrue(document.fits(body, schema), name)
            self.assertFalse(document.fits({}, schema), name)
        engine = self.begin()
        self.assertEqual(self.request(engine, "GET", "/openapi.json"), (200, document.document))
        for path, item in paths.items():
            for method in item:
                body = b"{}" if method == "post" else None
                self.assertNotIn(self.request(engine, method.upper(), path, body)[0], (401, 404, 405, 500), path)

    def test_the_checker_finds_what_is_wrong(self):
        document = Document({"components": {"schemas": {"A": {"type": ["string", "null"]}}}})
        self.assertTrue(document.fits(None, {"$ref": "#/components/schemas/A"}))
        self.assertFalse(document.fits(5, {"$ref": "#/components/schemas/A"}))
        self.assertFalse(document.fits(True, {"type": "integer"}))
        self.assertFalse(document.fits({"a": 1}, {"properties": {"a": {"type": "string"}}}))
        self.assertFalse(document.fits({}, {"required": ["a"]}))
        self.assertFalse(document.fits([1, "x"], {"items": {"type": "integer"}}))
        document.check_schema({"type": "text", "required": ["x"], "properties": {}, "$ref": "#/nowhere"}, "here")
        self.assertEqual(len(document.problems), 3)


if __name__ == "__main__":
    unittest.main()
