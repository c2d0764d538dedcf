"""The drop-in server for synapse-http-antispam: every endpoint of the real program, asked as that module asks."""

import json
import signal
import unittest

import service_test
from antispam_client import PASS, AntispamClient, canonical, client_format
from harness import wait_until
from service_test import QUICK, SLOW

# Whatever has "bad" in it is refused; other words choose how.
SCRIPT = """
local function judge(...)
  local said = table.concat({...}, " ")
  if said:find("raises") then error("broken") end
  if said:find("limited") then
    return code("M_LIMIT_EXCEEDED", {retry_after_ms = 5, msg = "x", code = "y", error = "slow"})
  end
  if said:find("thrown") then raise{status = 451, errcode = "M_UNKNOWN", msg = "law", fields = {law = "x"}} end
  if said:find("bad") then return refuse("M_FORBIDDEN") end
  return pass
end
function check_event_for_spam(event)
  local body = tostring(event.content.body)
  if body:find("text") then return "a sentence of its own" end
  return judge(event.event_id, event.room_id or "no room", event.sender, event.content.membership or "", body)
end
function federated_user_may_invite(event)
  return judge(event.sender, event.unsigned.invite_room_state[1].content.name)
end
function user_may_join_room(user_id, room_id, is_invited) return judge(user_id, room_id, is_invited and "" or "bad") end
function user_may_invite(inviter, invitee, room_id) return judge(inviter, invitee, room_id) end
function user_may_send_3pid_invite(inviter, medium, address, room_id) return judge(inviter, medium, address, room_id) end
function user_may_create_room(user_id, room_config) return judge(user_id, room_config.name or "") end
function user_may_create_room_alias(user_id, room_alias) return judge(user_id, room_alias) end
function user_may_publish_room(user_id, room_id) return judge(user_id, room_id) end
function check_username_for_spam(user_profile, requester_id)
  return judge(user_profile.user_id, user_profile.display_name or "", requester_id)
end
function check_login_for_spam(user_id, device_id, initial_display_name, request_info, auth_provider_id)
  return judge(user_id, device_id or "", initial_display_name or "", request_info[1][2], auth_provider_id or "")
end
"""
LUA = "modules: [{module: lua, config: {script: t.lua}}]"
MEOWLNIR = "/_meowlnir/antispam/!abc%3Alab.test"
DRAUPNIR = "/api/1/spam_check"


def event(body="hello", **members):
    pdu = {"type": "m.room.message", "room_id": "!r:lab.test", "sender": "@a:lab.test", "origin_server_ts": 1,
           "content": {"msgtype": "m.text", "body": body}, "unsigned": {}, "depth": 5, "auth_events": [],
           "prev_events": [], "hashes": {"sha256": "x"}, "signatures": {}, **members}
    return client_format(pdu, "$1")


def invite(name):
    return event(type="m.room.member", state_key="@b:lab.test", content={"membership": "invite"},
                 unsigned={"invite_room_state": [{"type": "m.room.name", "content": {"name": name}}]})


# An endpoint, what passes and what is refused.
BODIES = [
    ("check_event_for_spam", {"event": event()}, {"event": event("bad")}),
    ("user_may_join_room", {"user": "@a:lab.test", "room": "!r:lab.test", "is_invited": True},
     {"user": "@a:lab.test", "room": "!r:lab.test", "is_invited": False}),
    ("user_may_invite", {"inviter": "@a:lab.test", "invitee": "@b:lab.test", "room_id": "!r:lab.test"},
     {"inviter": "@a:lab.test", "invitee": "@bad:lab.test", "room_id": "!r:lab.test"}),
    ("federated_user_may_invite", {"event": invite("x")}, {"event": invite("a bad room")}),
    ("user_may_send_3pid_invite",
     {"inviter": "@a:lab.test", "medium": "email", "address": "a@x", "room_id": "!r:lab.test"},
     {"inviter": "@a:lab.test", "medium": "email", "address": "bad@x", "room_id": "!r:lab.test"}),
    ("user_may_create_room", {"user_id": "@a:lab.test"}, {"user_id": "@bad:lab.test"}),
    ("user_may_create_room_alias", {"user_id": "@a:lab.test", "room_alias": "#x:lab.test"},
     {"user_id": "@a:lab.test", "room_alias": "#bäd-bad:lab.test"}),
    ("user_may_publish_room", {"user_id": "@a:lab.test", "room_id": "!r:lab.test"},
     {"user_id": "@a:lab.test", "room_id": "!bad:lab.test"}),
    ("check_username_for_spam",
     {"user_profile": {"user_id": "@a:lab.test", "display_name": None, "avatar_url": None}, "requester_id": "@b:x"},
     {"user_profile": {"user_id": "@a:lab.test", "display_name": "bad", "avatar_url": None}, "requester_id": "@b:x"}),
    ("check_login_for_spam",
     {"user_id": "@a:lab.test", "device_id": None, "initial_display_name": None, "request_info": [[None, "127.0.0.1"]],
      "auth_provider_id": None},
     {"user_id": "@a:lab.test", "device_id": "D", "initial_display_name": "bad",
      "request_info": [["curl", "127.0.0.1"]], "auth_provider_id": "oidc"}),
]


class AntispamServer(service_test.ServiceServer):
    def begin(self, modules=LUA, requests="http: true", **options):
        self.write("t.lua", SCRIPT)
        self.write("bodies.jsonl", "")
        return self.start_engine(self.configuration(f"bodies: {{file: bodies.jsonl}}\nrequests: {{{requests}}}",
                                                    modules=modules, **options))

    def client(self, engine, prefix="/antispam", **options):
        client = AntispamClient(f"http://{engine.http}{prefix}", **options)
        self.addCleanup(client.close)
        return client

    def answers(self, engine, ending):
        return self.metric(engine, "weir_antispam_answers_total", f'answer="{ending}"')


class OneAsksAnother(AntispamServer):
    """`http_service` with `protocol: antispam` in one engine, which asks this server in another."""

    def begin_front(self, url, options=""):
        names = ", ".join(name for name, *_ in BODIES)
        return self.start_engine(self.configuration(
            "bodies: {file: bodies.jsonl}\nrequests: {http: true}", name="front.yaml",
            redis_text=f"{{path: {self.socket}, dbid: 5}}",
            modules=f"modules: [{{module: http_service, config: {{url: '{url}', protocol: antispam, timeout_ms: 60000, "
                    f"callbacks: [{names}]{options}}}}}]"))

    def test_every_endpoint(self):
        back = self.begin()
        for prefix in ("/antispam", MEOWLNIR + "/", DRAUPNIR):
            front = self.begin_front(f"http://{back.http}{prefix}", ", cache: 0")
            client = self.client(front)
            for name, good, bad in BODIES:
                with self.subTest(prefix=prefix, name=name):
                    self.assertEqual(client.ask(name, **good), PASS)
                    errcode, members = client.ask(name, **bad)
                    self.assertEqual((errcode, list(members)), ("M_FORBIDDEN", ["error"]))
            self.assertEqual(self.metric(front, "weir_service_failures_total", 'reason="unusable"'), 0)
            self.stop_engine(front)
        for name, *_ in BODIES:
            # A federated invite that passes goes on into user_may_invite.
            asked = 9 if name == "user_may_invite" else 6
            self.assertEqual(self.metric(back, "weir_antispam_requests_total", f'callback="{name}"'), asked)
        self.assertEqual(self.answers(back, "refused"), 3 * len(BODIES))
        self.stop_engine(back)

    def test_what_a_refusal_says_arrives(self):
        back = self.begin()
        client = self.client(self.begin_front(f"http://{back.http}/antispam"))
        self.assertEqual(client.ask("check_event_for_spam", event=event("limited")),
                         ("M_LIMIT_EXCEEDED", {"error": "slow", "retry_after_ms": 5}))
        # Kept: the same event is not asked about again.
        self.assertEqual(client.ask("check_event_for_spam", event=event("limited")),
                         ("M_LIMIT_EXCEEDED", {"error": "slow", "retry_after_ms": 5}))
        self.assertEqual(self.answers(back, "refused"), 1)

    def test_what_is_no_verdict_is_for_on_error(self):
        back = self.begin()
        for on_error, passes in (("pass", True), ("deny", False)):
            front = self.begin_front(f"http://{back.http}/antispam", f", on_error: {on_error}")
            answer = self.client(front).ask("user_may_create_room", user_id="@raises:x")
            self.assertEqual(answer == PASS, passes, answer)
            self.assertEqual(self.metric(front, "weir_service_failures_total", 'reason="unusable"'), 1)
            self.stop_engine(front)


class Antispam(AntispamServer):
    def test_every_endpoint_under_every_prefix(self):
        engine = self.begin()
        for prefix in ("/antispam", "/antispam/", MEOWLNIR, MEOWLNIR + "//", DRAUPNIR):
            client = self.client(engine, prefix)
            self.assertTrue(client.ping("aBcDeFgH"))
            for name, good, bad in BODIES:
                with self.subTest(prefix=prefix, name=name):
                    self.assertEqual(client.ask(name, **good), PASS)
                    errcode, members = client.ask(name, **bad)
                    self.assertEqual((errcode, list(members)), ("M_FORBIDDEN", ["error"]))
                    self.assertIn("homeserver", members["error"])
            self.assertEqual(client.connections, 1, "one connection for all")
        for name, *_ in BODIES:
            self.assertEqual(self.metric(engine, "weir_antispam_requests_total", f'callback="{name}"'), 10)
        self.assertEqual(self.answers(engine, "passed"), 5 * len(BODIES))
        self.assertEqual(self.answers(engine, "refused"), 5 * len(BODIES))
        self.assertEqual(self.answers(engine, "pinged"), 5)
        self.stop_engine(engine)

    def test_what_a_refusal_says(self):
        client = self.client(self.begin())
        self.assertEqual(client.ask("check_event_for_spam", event=event("text")),
                         ("M_FORBIDDEN", {"error": "a sentence of its own"}))
        self.assertEqual(client.ask("user_may_create_room", user_id="@limited:x"),
                         ("M_LIMIT_EXCEEDED", {"error": "slow", "retry_after_ms": 5}))
        self.assertEqual(client.ask("user_may_create_room", user_id="@thrown:x"),
                         ("M_UNKNOWN", {"error": "law", "law": "x"}))
        status, content_type, _ = client.post("user_may_create_room", canonical({"user_id": "@thrown:x"}))
        self.assertEqual((status, content_type), (403, "application/json"))

    def test_a_failure_is_the_clients_to_decide(self):
        engine = self.begin()
        client = self.client(engine, fail_open={"user_may_invite": True})
        self.assertEqual(client.ask("check_event_for_spam", event=event("raises")), PASS)
        self.assertEqual(client.ask("user_may_invite", inviter="raises", invitee="b", room_id="r"), PASS)
        self.assertEqual(client.ask("user_may_create_room", user_id="raises"),
                         ("M_UNKNOWN", {"error": "Unexpected response from antispam server"}))
        status, content_type, text = client.post("user_may_create_room", canonical({"user_id": "raises"}))
        self.assertEqual((status, content_type, text), (503, "text/plain; charset=utf-8", b"a module failed\n"))
        self.assertEqual(self.answers(engine, "failed"), 4)
        self.assertTrue(self.logged(engine, "synapse-http-antispam got no verdict; its own `fail_open` decides"))

    def test_what_is_not_known_passes(self):
        engine = self.begin()
        client = self.client(engine)
        self.assertEqual(client.ask("user_may_do_what_nobody_knows", anything=["x"]), PASS)
        self.assertEqual(client.post("", b"{}")[0], 404)
        self.assertEqual(self.answers(engine, "unknown"), 1)
        self.assertEqual(self.metric(engine, "weir_antispam_requests_total", 'callback="unknown"'), 1)
        self.assertEqual(client.ask("accept_make_join", user="@bad:lab.test", room="!r:lab.test"), PASS)
        self.assertTrue(self.logged(engine, "synapse-http-antispam asked for a callback that is not known here; it was "
                                            "let pass"))

    def test_what_is_not_understood_passes(self):
        engine = self.begin()
        client = self.client(engine)
        wrong = [("user_may_invite", b"{}"), ("user_may_invite", b"[]"), ("user_may_invite", b'{"inviter":5}'),
                 ("check_event_for_spam", b"{}"), ("check_event_for_spam", b'{"event":[]}'),
                 ("check_event_for_spam", b'{"event":{"content":5}}'), ("user_may_join_room", b'{"user":"x"}'),
                 ("check_login_for_spam", b'{"user_id":"x","device_id":5}')]
        for name, body in wrong:
            self.assertEqual(client.post(name, body), (200, "application/json", b"{}"), (name, body))
        self.assertEqual(self.answers(engine, "malformed"), len(wrong))
        self.assertTrue(self.logged(engine, "a body of synapse-http-antispam was not understood; what it asked about "
                                            "was let pass"))
        for name in ("user_may_invite", "check_event_for_spam", "user_may_join_room"):
            for body in (b"", b"{", b"<html>", b'{"event":{}} x', b'{"a":"\xff"}'):
                status, _, text = client.post(name, body)
                self.assertEqual((status, json.loads(text)["errcode"]), (400, "M_NOT_JSON"), (name, body))
        for body in (b"{}", b"[", b'{"id":5}'):
            self.assertEqual(client.post("ping", body)[0], 400)

    def test_odd_events(self):
        """A create event of room version 12 has no room; members that nobody knows are no reason to fail."""
        client = self.client(self.begin())
        odd = event(type="m.room.create", state_key="", content={"room_version": "12"}, new_member={"a": [1]})
        del odd["room_id"]
        self.assertEqual(client.ask("check_event_for_spam", event=odd, another=1), PASS)
        odd["content"]["body"] = "bad"
        self.assertEqual(client.ask("check_event_for_spam", event=odd, another=1)[0], "M_FORBIDDEN")
        member = event(type="m.room.member", state_key="@a:lab.test", content={"membership": "bad"})
        self.assertEqual(client.ask("check_event_for_spam", event=member)[0], "M_FORBIDDEN")
        self.assertEqual(client.ask("user_may_create_room", user_id="@a:x", room_config={"name": "bad"})[0],
                         "M_FORBIDDEN")

    def test_methods_and_secret(self):
        engine = self.begin(requests="http: true", redis_text=None)
        client = self.client(engine)
        client.connection.request("GET", "/antispam/user_may_invite")
        answer = client.connection.getresponse()
        self.assertEqual((answer.status, answer.headers["Allow"]), (405, "POST"))
        self.assertEqual(json.loads(answer.read())["errcode"], "M_UNRECOGNIZED")
        self.stop_engine(engine)

        configuration = self.configuration("bodies: {file: bodies.jsonl}\nrequests: {http: true}", modules=LUA)
        configuration.write_text(configuration.read_text().replace("listen: '127.0.0.1:0'",
                                                                   "listen: '127.0.0.1:0', secret: between-us"))
        engine = self.start_engine(configuration)
        for authorization, errcode in ((None, "M_MISSING_TOKEN"), ("another", "M_UNKNOWN_TOKEN")):
            client = self.client(engine, authorization=authorization)
            self.assertEqual(client.post("ping", b'{"id":"x"}')[0], 401)
            self.assertEqual(client.ask("check_event_for_spam", event=event())[0], errcode)
        self.assertTrue(self.client(engine, MEOWLNIR, authorization="between-us").ping("x"))

    def test_semantics_without_the_callback(self):
        engine = self.begin(modules="modules: []\nsemantics: '1.47'")
        client = self.client(engine)
        for name, _, bad in BODIES:
            self.assertEqual(client.ask(name, **bad), PASS, name)
        self.stop_engine(engine)

    def test_it_is_off_unless_asked_for(self):
        self.assertEqual(self.client(self.begin(requests="http: false")).post("ping", b'{"id":"x"}')[0], 404)


class AntispamWaiting(AntispamServer):
    """Modules that ask a service, behind the drop-in server."""

    def begin_with(self, service, requests="http: true", **config):
        settings = {"url": service.url, "timeout_ms": 60000, "callbacks": ["check_event_for_spam"], **config}
        return self.begin(modules=f"modules: [{{module: http_service, config: {json.dumps(settings)}}}]",
                          requests=requests)

    def test_an_answer_that_comes_later(self):
        service = self.serve(lambda question: {"code": "M_LIMIT_EXCEEDED", "fields": {"error": "not now"}})
        client = self.client(self.begin_with(service))
        self.assertEqual(client.ask("check_event_for_spam", event=event(room_id=QUICK)),
                         ("M_LIMIT_EXCEEDED", {"error": "not now"}))
        self.assertEqual(service.questions[0]["event_id"], "$1")

    def test_too_late_and_too_many(self):
        service = self.serve(lambda question: "NOT_SPAM")
        engine = self.begin_with(service, requests="http: true, timeout: 700ms, waiting_per_room: 1")
        first, second = self.client(engine, fail_open={"check_event_for_spam": False}), self.client(engine)
        late = {"event": event(room_id=SLOW)}
        first.connection.request("POST", "/antispam/check_event_for_spam", canonical(late))
        wait_until(lambda: self.metric(engine, "weir_requests_waiting") == 1, what="the first question")
        self.assertEqual(second.post("check_event_for_spam", canonical(late))[::2], (503, b"too many requests wait\n"))
        answer = first.connection.getresponse()
        self.assertEqual((answer.status, answer.read()), (504, b"a module did not answer in time\n"))
        self.assertEqual((self.answers(engine, "overloaded"), self.answers(engine, "expired")), (1, 1))

    def test_a_stop_is_no_refusal(self):
        service = self.serve(lambda question: "NOT_SPAM")
        engine = self.begin_with(service)
        client = self.client(engine)
        client.connection.request("POST", "/antispam/check_event_for_spam", canonical({"event": event(room_id=SLOW)}))
        wait_until(lambda: self.metric(engine, "weir_requests_waiting") == 1, what="the question")
        engine.send_signal(signal.SIGTERM)
        answer = client.connection.getresponse()
        self.assertEqual((answer.status, answer.headers["Content-Type"]), (503, "text/plain; charset=utf-8"))
        self.assertRaises(ValueError, json.loads, answer.read())
        self.assertEqual(engine.wait(timeout=20), 0)

    def test_a_client_that_hangs_up(self):
        service = self.serve(lambda question: "NOT_SPAM")
        engine = self.begin_with(service)
        client = self.client(engine)
        client.connection.request("POST", "/antispam/check_event_for_spam", canonical({"event": event(room_id=SLOW)}))
        wait_until(lambda: self.metric(engine, "weir_requests_waiting") == 1, what="the question")
        client.close()
        wait_until(lambda: self.metric(engine, "weir_requests_waiting") == 0, what="its end")
        self.assertEqual(self.metric(engine, "weir_requests_forgotten_total"), 1)
        service.gate.set()
        self.assertEqual(self.client(engine).ask("check_event_for_spam", event=event(room_id=QUICK)), PASS)
        self.stop_engine(engine)


if __name__ == "__main__":
    unittest.main()
