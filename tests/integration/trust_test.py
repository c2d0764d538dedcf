"""Who is trusted and who is held, in the real program: on recorded traffic as a model has it, over HTTP, over a restart."""

import http.client
import json
import subprocess
import unittest

import harness
from callbacks_http_test import event
from harness import DATA, SERVER_NAME, ev_row, rdata, run_weir, wait_until
from postgres_test import PostgresServer
from presence_test import presence_row, routes_of

SECRET = "between-us"
METRIC = 'module="hold"'
HOLD = """modules:
  - module: hold
    config: {after: 2, minutes: 60}
  - module: keywords
    config: {words: [cheap]}
"""
POWER = """modules:
  - module: trust
    config: {sources: [{power_level: 50}]}
  - module: event_types
    except: {tags: trusted}
    config: {deny: [m.room.message]}
"""


STAFF = "!staff:lab.test"
MEMBERS = f"""modules:
  - module: trust
    config: {{sources: [{{member_of: "{STAFF}"}}]}}
  - module: event_types
    except: {{tags: trusted}}
    config: {{deny: [m.room.message]}}
"""


PRESENCE = f"""modules:
  - module: presence_groups
    config:
      groups:
        - {{from: "@boss:lab.test", to: "{STAFF}"}}
        - {{from: "@friend:lab.test", to: "@a:lab.test"}}
"""


def bodies(name):
    text = subprocess.run(["zstd", "-dcq", DATA / f"{name}.events.jsonl.zst"], stdout=subprocess.PIPE, check=True).stdout
    rows = sorted(map(json.loads, text.splitlines()), key=lambda row: row["stream_ordering"])
    return [(row["event_id"], row["json"]) for row in rows if not row["rejected"]]


def messages_of_the_powerless(name):
    levels, found = {}, []
    for event_id, body in bodies(name):
        room = levels.setdefault(body["room_id"], {})
        if body["type"] == "m.room.create":
            room["creator"] = body["sender"]
        elif body["type"] == "m.room.power_levels" and body["state_key"] == "":
            room["content"] = body["content"]
        elif body["type"] == "m.room.message":
            content = room.get("content")
            power = (content["users"].get(body["sender"], content["users_default"]) if content
                     else 100 if body["sender"] == room.get("creator") else 0)
            if power < 50:
                found.append(event_id)
    return found


class Trust(harness.Server):
    def test_power_levels_of_recorded_rooms(self):
        for name in ("synapse-1.67-small", "synapse-1.140-small", "synapse-1.140-big"):
            output = run_weir("replay", "-c", self.configuration(modules=POWER), DATA / f"{name}.jsonl.zst", "--events",
                              DATA / f"{name}.events.jsonl.zst").stdout
            known = {event_id for event_id, _ in bodies(name)}  # by its row alone nothing is known of an event's sender
            found = [row["event_id"] for row in map(json.loads, output.splitlines()) if row["event_id"] in known]
            wanted = messages_of_the_powerless(name)
            self.assertTrue(wanted, name)
            self.assertEqual(sorted(found), sorted(wanted), name)

    def test_a_tag_that_nobody_sets_is_warned_of(self):
        backwards = "modules:\n  - {module: keywords, only: {tags: trusted}, config: {words: [x]}}\n" \
                    "  - {module: trust, config: {sources: [{users: ['@a:x']}]}}\n"
        checked = run_weir("check", "-c", self.configuration("observe: false", backwards))
        text = (checked.stdout + checked.stderr).decode()
        self.assertIn("modules[0]: selects by the tag `trusted`, which no module before it sets", text)
        wrong = backwards.replace("tags: trusted", "tags: [trusted, '']")
        checked = run_weir("check", "-c", self.configuration("observe: false", wrong), check=False)
        self.assertNotEqual(checked.returncode, 0)
        self.assertIn("modules[0].only.tags[1]: is empty", (checked.stdout + checked.stderr).decode())


class Members(PostgresServer):
    """Who is in a room, from Synapse's tables when the engine begins, and then from the stream."""

    token = 0

    def member(self, user, membership, tell=True):
        self.token += 1
        event_id = f"$member{self.token}"
        self.store([(self.token, "persister1", event_id, {
            "type": "m.room.member", "room_id": STAFF, "sender": user, "state_key": user,
            "content": {"membership": membership}})])
        self.sql(f"DELETE FROM current_state_events WHERE room_id = '{STAFF}' AND state_key = '{user}'; INSERT INTO "
                 f"current_state_events VALUES ('{event_id}', '{STAFF}', 'm.room.member', '{user}', '{membership}')")
        if tell:
            rows = (["ev", [event_id, STAFF, "m.room.member", user, None, None, membership, False, False]],
                    ["state", [STAFF, "m.room.member", user, event_id]])
            self.publish(f"RDATA events persister1 batch {json.dumps(rows[0])}",
                         f"RDATA events persister1 {self.token} {json.dumps(rows[1])}")

    def refused(self, user):
        """Whether a message of the user is."""
        self.token += 1
        event_id = f"$message{self.token}"
        self.store([(self.token, "persister1", event_id, {"type": "m.room.message", "room_id": "!r:lab.test",
                                                          "sender": user, "content": {"body": "hello"}})])
        self.publish(rdata(self.token, ev_row(event_id)))
        judged = lambda: int(self.redis.hget(f"{SERVER_NAME}/weir/positions", "weir1 events persister1") or 0)
        wait_until(lambda: judged() == self.token, what="the judgement")
        return event_id in [json.loads(row)["event_id"] for _, row in self.durable()]

    def test_members_of_a_room_are_trusted(self):
        self.member("@a:lab.test", "join", tell=False)
        self.member("@b:lab.test", "leave", tell=False)
        engine = self.start_engine(self.configuration(self.bodies, modules=MEMBERS))
        wait_until(lambda: self.metric(engine, "weir_followed_rooms_unread") == 0, what="the room's state")
        self.assertEqual(self.metric(engine, "weir_module_trust_members", 'module="trust"'), 2)
        self.assertFalse(self.refused("@a:lab.test"))
        self.assertTrue(self.refused("@b:lab.test"))
        self.member("@b:lab.test", "join")
        wait_until(lambda: not self.refused("@b:lab.test"), what="the new member")
        self.member("@a:lab.test", "ban")
        wait_until(lambda: self.refused("@a:lab.test"), what="the end of trust")
        self.assertFalse(self.refused("@b:lab.test"))
        self.stop_engine(engine)

    def test_members_of_a_room_get_presence(self):
        self.member("@a:lab.test", "join", tell=False)
        subscriber = self.subscribe()
        engine = self.start_engine(self.configuration(self.bodies, modules=PRESENCE))
        wait_until(lambda: self.metric(engine, "weir_followed_rooms_unread") == 0, what="the room's state")
        self.assertEqual(self.metric(engine, "weir_module_presence_groups_members", 'module="presence_groups"'), 1)

        self.publish("POSITION presence presence1 1 1")

        def presence(token, *users):
            for place, user in enumerate(users):
                self.publish(rdata(token + place, presence_row(user), writer="presence1", stream="presence"))

        presence(2, "@boss:lab.test")
        wait_until(lambda: self.metric(engine, "weir_presence_routes_total") == 1, what="the member's route")
        read = self.metric(engine, "weir_followed_events_total")
        self.member("@a:lab.test", "leave")
        wait_until(lambda: self.metric(engine, "weir_followed_events_total") > read, what="the leave")
        presence(3, "@boss:lab.test", "@friend:lab.test")
        wait_until(lambda: self.metric(engine, "weir_presence_routes_total") == 2, what="the friend's route")
        wait_until(lambda: self.metric(engine, "weir_outbox_waiting") == 0, what="Redis's answers")
        self.assertEqual([(row[0], [state["user_id"] for state in row[1]]) for _, row in routes_of(self.heard(subscriber))],
                         [("@a:lab.test", ["@boss:lab.test"]), ("@a:lab.test", ["@friend:lab.test"])])
        self.stop_engine(engine)


class Hold(harness.Server):
    def begin(self, secret=f"secret: {SECRET}, "):
        (self.folder / "state").mkdir(exist_ok=True)
        return self.start_engine(self.write("weir.yaml", f"""
server_name: {SERVER_NAME}
redis: {{path: {self.socket}}}
http: {{{secret}listen: '127.0.0.1:0'}}
requests: {{http: true}}
observe: false
state_dir: state
{HOLD}"""))

    def request(self, engine, method, path, body=None, secret=SECRET):
        host, port = engine.http.rsplit(":", 1)
        connection = http.client.HTTPConnection(host, int(port), timeout=60)
        connection.request(method, path, json.dumps(body) if body is not None else None,
                           {"Authorization": f"Bearer {secret}"} if secret else {})
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        return answer.status, json.loads(text)

    def says(self, engine, number, body, sender="@a:lab.test"):
        args = {"event": event(sender, body, event_id=f"${number}")}
        status, answer = self.request(engine, "POST", "/v1/callbacks/check_event_for_spam", {"args": args})
        self.assertEqual(status, 200)
        return answer != "NOT_SPAM"

    def test_who_was_refused_is_held_until_somebody_lets_it_go(self):
        engine = self.begin()
        self.assertFalse(self.says(engine, 1, "hello"))
        self.assertTrue(self.says(engine, 2, "cheap"))
        self.assertTrue(self.says(engine, 2, "cheap"))
        self.assertFalse(self.says(engine, 3, "hello"), "one event, one refusal")
        self.assertTrue(self.says(engine, 4, "cheap"))
        self.assertTrue(self.says(engine, 5, "hello"))
        self.assertFalse(self.says(engine, 6, "hello", "@b:lab.test"))
        self.assertEqual(self.metric(engine, "weir_module_hold_held", METRIC), 1)
        self.assertEqual(self.metric(engine, "weir_module_hold_hits_total", METRIC), 2)
        for secret, errcode in ((None, "M_MISSING_TOKEN"), ("another", "M_UNKNOWN_TOKEN")):
            for method in ("GET", "POST"):
                status, answer = self.request(engine, method, "/_weir/held", {"release_all": True}, secret)
                self.assertEqual((status, answer["errcode"]), (401, errcode))
        status, answer = self.request(engine, "GET", "/_weir/held")
        self.assertEqual((status, answer["total"]), (200, 1))
        held, = answer["held"]
        self.assertEqual((held["user_id"], held["refusals"], held["module"]), ("@a:lab.test", 2, "keywords"))
        self.stop_engine(engine)
        engine = self.begin()
        self.assertTrue(self.says(engine, 7, "hello"), "a restart lets nobody go")
        self.assertEqual(self.request(engine, "POST", "/_weir/held", {"release": "@c:lab.test"}), (200, {"released": 0}))
        self.assertEqual(self.request(engine, "POST", "/_weir/held", {"release": "@a:lab.test"}), (200, {"released": 1}))
        self.assertFalse(self.says(engine, 8, "hello"))
        status, answer = self.request(engine, "POST", "/_weir/held", [])
        self.assertEqual((status, answer["errcode"]), (400, "M_BAD_JSON"))
        self.stop_engine(engine)

    def test_without_a_secret_the_list_is_shown_to_nobody(self):
        engine = self.begin(secret="")
        status, answer = self.request(engine, "GET", "/_weir/held")
        self.assertEqual((status, answer["errcode"]), (403, "M_FORBIDDEN"))
        self.stop_engine(engine)


if __name__ == "__main__":
    unittest.main()
