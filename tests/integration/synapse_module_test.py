"""Weir's module in the real Synapse 1.67: what a rule refuses is refused to a real client, by the main process and by a
worker; and nothing waits longer than its deadline once Weir is gone. synapse_server.py says what it needs."""

import hashlib
import json
import signal
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request

import synapse_server
from harness import ROOT, SERVER_NAME, wait_until

BANNED_FILE = b"a picture that nobody may see"
SCRIPT = r"""
function check_event_for_spam(event)
  local body = event.content.body
  if type(body) == "string" and body:find("cheap followers", 1, true) then
    return code("M_FORBIDDEN", {["org.example.rule"] = "words"})
  end
  return pass
end

function check_event_allowed(event, state)
  local body = event.content.body
  if type(body) == "string" and body:find("darn", 1, true) then
    local content = weir.copy(event.content)
    content.body = body:gsub("darn", "****")
    return true, replace{content = content}
  end
  if event.type == "org.example.stateful" then
    return weir.find_state(state, "m.room.create", "") ~= nil and weir.find_state(state, "org.example.stop", "") == nil, nil
  end
  return pass
end

function on_create_room(requester, request, is_requester_admin)
  if request.name == "never" then
    raise{status = 418, errcode = "M_FORBIDDEN", msg = "no room of that name", fields = {["org.example.by"] = requester.user_id}}
  end
  if request.topic then request.topic = request.topic .. " (checked)" end
  return pass
end

local function named(name)
  return function(user_id)
    if user_id:find(name, 1, true) then return refuse("M_FORBIDDEN") end
    return pass
  end
end

user_may_create_room = named("@noroom:")
user_may_join_room = named("@nojoin:")
user_may_publish_room = named("@nopublish:")
user_may_create_room_alias = function(user_id, alias)
  if alias:find("#bad", 1, true) then return refuse() end
  return pass
end

function user_may_invite(inviter, invitee, room_id)
  if invitee:find("@noinvite:", 1, true) then return refuse() end
  return pass
end

function check_username_for_spam(user_profile)
  return user_profile.user_id:find("@hidden:", 1, true) ~= nil
end

function check_registration_for_spam(email, username, request_info, provider)
  if username == "denied" and #request_info > 0 then return DENY end
  return ALLOW
end

function check_media_file_for_spam(file, file_info)
  if file.sha256 == config.sha256 and file.size == config.size and file_info.url_cache == false then return refuse() end
  return pass
end

function is_user_expired(user_id)
  if user_id:find("@expired:", 1, true) then return true end
  return nil
end

function on_profile_update(user_id, profile, by_admin, deactivation)
  return nil
end

auth_checkers = {
  {type = "org.example.secret", fields = {"secret"}, check = function(username, login_type, fields)
    if fields.secret == "sesame" then return "@" .. username .. ":" .. config.server_name end
  end},
}
"""
LOGCONTEXT_COMPLAINTS = ("logcontext", "logging context", "log context", "sentinel", "Unhandled error in Deferred",
                         "Traceback")
SYNAPSES_OWN = ("count_daily_users", "Starting db connection from sentinel")  # it says these without any module
REASON = synapse_server.why_not()


@unittest.skipIf(REASON, REASON)
class SynapseModule(synapse_server.SynapseServer):
    client_workers = ("generic1",)
    module_configuration = ""

    def setUp(self):
        super().setUp()
        self.users = {}
        self.transaction = 0

    def module_paths(self):
        return (ROOT / "deploy" / "synapse",)

    def synapse_configuration(self):
        return ("user_directory: {enabled: true, search_all_users: true}\nmodules:\n"
                f"  - module: weir_module.WeirModule\n    config: {{{self.module_configuration}, redis: {{{self.redis_keys()}}}}}\n")

    def redis_keys(self):
        """Keys over Synapse's own settings."""
        return ""

    def start_weir(self):
        self.write("rules.lua", SCRIPT)
        settings = (f"{{sha256: {hashlib.sha256(BANNED_FILE).hexdigest()}, size: {len(BANNED_FILE)}, "
                    f"server_name: '{SERVER_NAME}'}}")
        configuration = self.configuration(
            f"bodies: {{postgres: {{host: {self.database}, user: synapse, dbname: postgres}}}}\nrequests: {{redis: true}}\n",
            modules=f"modules: [{{module: lua, config: {{script: rules.lua, settings: {settings}}}}}]")
        return self.start_engine(configuration, ready=False)

    def call(self, method, path, body=None, user=None, worker="client", **options):
        return synapse_server.call(self.ports[worker], method, path, body, self.users.get(user), **options)

    def refused(self, method, path, body=None, user=None, worker="client", **options):
        """(status, error body) of a request that must be refused."""
        with self.assertRaises(urllib.error.HTTPError) as caught:
            self.call(method, path, body, user, worker, **options)
        with caught.exception as error:
            return error.code, json.load(error)

    def make_users(self, *names):
        for name in names:
            answer = self.call("POST", "/register", {"username": name, "password": "password",
                                                     "auth": {"type": "m.login.dummy"}})
            self.users[name] = answer["access_token"]

    def make_room(self, user="alice", **options):
        room = self.call("POST", "/createRoom", {"preset": "public_chat", **options}, user)["room_id"]
        return urllib.parse.quote(room)

    def message_path(self, room, kind="m.room.message"):
        self.transaction += 1
        return f"/rooms/{room}/send/{kind}/{self.transaction}"

    def say(self, room, text, user="alice", worker="generic1"):
        body = {"msgtype": "m.text", "body": text}
        return self.call("PUT", self.message_path(room), body, user, worker)["event_id"]

    def metrics(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.ports['metrics']}/_synapse/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines
                if line.startswith("weir_module_")}

    def module_log(self, name="main"):
        return [line for line in (self.folder / f"{name}.log").read_text().splitlines() if " weir_module " in line]

    def assert_clean_logs(self):
        for name in ("main", *self.workers):
            for line in (self.folder / f"{name}.log").read_text().splitlines():
                if not any(word in line for word in SYNAPSES_OWN):
                    self.assertFalse(any(word in line for word in LOGCONTEXT_COMPLAINTS), line)


class Rules(SynapseModule):
    module_configuration = "callbacks: all, timeout: 20s, hash_media: true, auth_checkers: {org.example.secret: [secret]}"

    def test_what_a_rule_refuses_is_refused_to_a_client(self):
        engine = self.start_weir()
        self.start_synapse()
        self.make_users("alice", "bob", "hidden", "noinvite", "noroom", "nojoin", "nopublish", "expired")
        room = self.make_room(topic="About fish")
        self.check_messages(room)
        self.check_rooms(room)
        self.check_accounts()
        self.check_media()
        self.call("PUT", "/profile/" + urllib.parse.quote(f"@alice:{SERVER_NAME}") + "/displayname",
                  {"displayname": "Alice"}, "alice")
        wait_until(lambda: self.metrics().get('weir_module_answered_total{callback="on_profile_update"}'), 20,
                   "the answer to a notification")
        metrics = self.metrics()
        self.assertGreater(metrics['weir_module_answered_total{callback="check_event_for_spam"}'], 0)
        self.assertGreater(metrics['weir_module_seconds_count{callback="check_event_for_spam"}'], 0)
        self.assertEqual(metrics['weir_module_raised_total{callback="on_create_room"}'], 1)
        self.assertEqual(metrics["weir_module_connected"], 1)
        self.assertFalse([name for name in metrics if name.startswith("weir_module_unanswered_total{")])
        self.check_reload(engine, room)
        self.assert_clean_logs()

    def check_reload(self, engine, room):
        """Rules that come and go with a reload of Weir, callbacks that had none among them, need no restart of Synapse."""
        self.write("rules.lua", SCRIPT.replace("user_may_join_room = ", "local nobody = ") + """
function check_can_deactivate_user(user_id, by_admin) return refuse() end
""")
        engine.send_signal(signal.SIGHUP)
        user = {"type": "m.login.password", "identifier": {"type": "m.id.user", "user": "bob"}, "password": "password"}
        wait_until(lambda: [line for line in self.module_log() if "check_can_deactivate_user, " in line.partition("asked about")[2]],
                   20, "the new rules being told")
        self.assertEqual(self.refused("POST", "/account/deactivate", {"auth": user}, "bob")[0], 403)
        asked = self.metrics()['weir_module_asked_total{callback="user_may_join_room"}']
        self.call("POST", f"/rooms/{room}/join", {}, "nojoin")
        self.assertEqual(self.metrics()['weir_module_asked_total{callback="user_may_join_room"}'], asked)

    def check_messages(self, room):
        for worker in ("client", "generic1"):
            self.say(room, "good morning", worker=worker)
            status, error = self.refused("PUT", self.message_path(room), {"msgtype": "m.text", "body": "cheap followers"},
                                         "alice", worker)
            self.assertEqual((status, error["errcode"], error["org.example.rule"]), (403, "M_FORBIDDEN", "words"))
        event_id = self.say(room, "darn it, naïve 🎉")
        stored = json.loads(self.sql(f"SELECT json FROM event_json WHERE event_id = '{event_id}'").stdout.decode())
        self.assertEqual(stored["content"], {"msgtype": "m.text", "body": "**** it, naïve 🎉"})

        stateful = self.message_path(room, "org.example.stateful")
        self.call("PUT", stateful, {}, "alice", "generic1")
        self.call("PUT", f"/rooms/{room}/state/org.example.stop", {}, "alice")
        status, error = self.refused("PUT", stateful + "again", {}, "alice")
        self.assertEqual((status, error["errcode"]), (403, "M_FORBIDDEN"))

    def check_rooms(self, room):
        state = self.call("GET", f"/rooms/{room}/state/m.room.topic", user="alice")
        self.assertEqual(state["topic"], "About fish (checked)")
        status, error = self.refused("POST", "/createRoom", {"name": "never"}, "alice")
        self.assertEqual((status, error["error"], error["org.example.by"]),
                         (418, "no room of that name", f"@alice:{SERVER_NAME}"))
        forbidden = (
            ("POST", "/createRoom", {}, "noroom"),
            ("POST", f"/rooms/{room}/invite", {"user_id": f"@noinvite:{SERVER_NAME}"}, "alice"),
            ("POST", f"/rooms/{room}/join", {}, "nojoin"),
            ("PUT", "/directory/list/room/" + room, {"visibility": "public"}, "nopublish"),
            ("PUT", "/directory/room/" + urllib.parse.quote(f"#bad:{SERVER_NAME}"),
             {"room_id": urllib.parse.unquote(room)}, "alice"),
        )
        for question in forbidden:
            self.assertEqual(self.refused(*question)[0], 403, question)
        self.call("POST", f"/rooms/{room}/invite", {"user_id": f"@bob:{SERVER_NAME}"}, "alice")
        self.call("POST", f"/rooms/{room}/join", {}, "bob")
        self.call("PUT", "/directory/room/" + urllib.parse.quote(f"#good:{SERVER_NAME}"),
                  {"room_id": urllib.parse.unquote(room)}, "alice")

    def check_accounts(self):
        account = {"username": "denied", "password": "password", "auth": {"type": "m.login.dummy"}}
        self.assertEqual(self.refused("POST", "/register", account)[0], 429)
        status, error = self.refused("GET", "/joined_rooms", user="expired")
        self.assertEqual((status, error["errcode"]), (403, "ORG_MATRIX_EXPIRED_ACCOUNT"))

        def found(term):
            results = self.call("POST", "/user_directory/search", {"search_term": term}, "alice")["results"]
            return [result["user_id"] for result in results]

        wait_until(lambda: found("bob") == [f"@bob:{SERVER_NAME}"], 30, "bob in the user directory")
        self.assertEqual(found("hidden"), [])
        login = {"type": "org.example.secret", "identifier": {"type": "m.id.user", "user": "bob"}}
        answer = self.call("POST", "/login", {**login, "secret": "sesame"})
        self.assertEqual(answer["user_id"], f"@bob:{SERVER_NAME}")
        self.assertEqual(self.refused("POST", "/login", {**login, "secret": "guess"})[0], 403)

    def check_media(self):
        def upload(data):
            return ("POST", "/upload", data, "alice", "client")

        self.assertIn("content_uri", self.call(*upload(b"an innocent picture"), prefix="/_matrix/media/v3"))
        self.assertEqual(self.refused(*upload(BANNED_FILE), prefix="/_matrix/media/v3")[0], 400)


class WeirIsGone(SynapseModule):
    module_configuration = ("callbacks: all, timeout: 2s, timeouts: {user_may_invite: 700ms}, breaker: {timeouts: 4, pause: 2s}, "
                            "on_timeout: {default: pass, user_may_invite: deny, user_may_create_room: deny}")

    def redis_keys(self):
        return f"path: {self.socket}"

    def timed(self, ask, *arguments, **options):
        started = time.monotonic()
        answer = ask(*arguments, **options)
        return time.monotonic() - started, answer

    def test_on_timeout_holds_and_nothing_hangs(self):
        engine = self.start_weir()
        self.start_synapse()
        self.make_users("alice", "bob")
        room = self.make_room()
        self.say(room, "before")
        self.kill(engine)

        invite = ("POST", f"/rooms/{room}/invite", {"user_id": f"@bob:{SERVER_NAME}"}, "alice")
        seconds, (status, error) = self.timed(self.refused, *invite)
        self.assertEqual((status, error["errcode"]), (403, "M_FORBIDDEN"))
        self.assertLess(seconds, 10)
        for number in range(4):  # several deadlines: is_user_expired, check_event_allowed, check_event_for_spam
            seconds, _ = self.timed(self.say, room, f"cheap followers {number}")
            self.assertLess(seconds, 25)
        wait_until(self.main_is_open, 60, "the breaker of the main process open")
        seconds, (status, _) = self.timed(self.refused, "POST", "/createRoom", {}, "alice")
        self.assertEqual(status, 403)
        self.assertLess(seconds, 10)
        self.assertTrue([line for line in self.module_log() if "Weir does not answer" in line])
        self.assertGreater(self.metrics()['weir_module_unanswered_total{callback="user_may_create_room",reason="breaker"}'], 0)

        self.start_weir()
        wait_until(lambda: self.judged_again(room, "generic1"), 60, "the worker asking Weir again")
        wait_until(lambda: self.judged_again(room, "client"), 60, "the main process asking Weir again")
        self.assertEqual(self.metrics()["weir_module_breaker"], 0)
        self.assertTrue([line for line in self.module_log() if "Weir answers again" in line])
        self.call(*invite)
        self.assert_clean_logs()

    def main_is_open(self):
        """Whether main's breaker is open: its own questions open it."""
        self.assertEqual(self.refused("POST", "/createRoom", {}, "alice")[0], 403)
        return self.metrics()["weir_module_breaker"] == 2

    def judged_again(self, room, worker):
        try:
            self.say(room, "cheap followers", worker=worker)
        except urllib.error.HTTPError as error:
            with error:
                return error.code == 403
        return False


if __name__ == "__main__":
    unittest.main()
