"""Policy lists live: the state of their rooms from a real PostgreSQL when the engine begins, and the changes that the
replication stream tells of."""

import json
import signal
import unittest

import harness
from harness import SERVER_NAME, ev_row, rdata, run_weir, wait_until
from postgres_test import PostgresServer

ROOM = "!policies:lab.test"
POLICIES = f"""
modules:
  - module: policy_list
    config: {{rooms: [{{room: "{ROOM}", name: mine}}]}}
"""


def ban(entity, recommendation="m.ban"):
    return {"entity": entity, "recommendation": recommendation, "reason": "spam"}


class PolicyList(PostgresServer):
    def setUp(self):
        super().setUp()
        self.token = 0

    def next_token(self):
        self.token += 1
        return self.token

    # ---- what Synapse does

    def keep_rule(self, key, content, kind="m.policy.rule.user", sender="@mod:lab.test", current=True):
        """An event of the room in the database, and in its state unless it did not become that; its id."""
        token = self.next_token()
        event_id = f"$rule{token}"
        self.store([(token, "persister1", event_id, {"type": kind, "room_id": ROOM, "sender": sender,
                                                     "state_key": key, "content": content})])
        self.sql(f"UPDATE events SET sender = '{sender}' WHERE event_id = '{event_id}'")
        if current:
            self.sql(f"DELETE FROM current_state_events WHERE room_id = '{ROOM}' AND type = '{kind}' AND "
                     f"state_key = '{key}'; INSERT INTO current_state_events VALUES ('{event_id}', '{ROOM}', '{kind}', "
                     f"'{key}', NULL)")
        return event_id

    def tell(self, event_id, key, kind="m.policy.rule.user", token=None, rows=("ev", "state")):
        token = token or self.token
        texts = {"ev": ["ev", [event_id, ROOM, kind, key, None, None, None, False, False]],
                 "state": ["state", [ROOM, kind, key, event_id]]}
        self.publish(*(f"RDATA events persister1 {'batch' if row != rows[-1] else token} {json.dumps(texts[row])}"
                       for row in rows))

    def rule(self, key, content, **options):
        event_id = self.keep_rule(key, content, **options)
        self.tell(event_id, key)
        return event_id

    def redact(self, event_id, sender="@mod:lab.test", recheck=False):
        token = self.next_token()
        redaction = f"$redaction{token}"
        self.store([(token, "persister1", redaction, {"type": "m.room.redaction", "room_id": ROOM, "sender": sender,
                                                      "redacts": event_id, "content": {}})])
        metadata = json.dumps({"recheck_redaction": recheck})
        self.sql(f"UPDATE events SET sender = '{sender}' WHERE event_id = '{redaction}'; UPDATE event_json SET "
                 f"internal_metadata = '{metadata}' WHERE event_id = '{redaction}'; "
                 f"INSERT INTO redactions VALUES ('{redaction}', '{event_id}')")
        self.publish(rdata(token, json.dumps(["ev", [redaction, ROOM, "m.room.redaction", None, event_id, None, None,
                                                     False, False]])))

    def say(self, user):
        """A message of a user, told and judged; the rules that refused it."""
        token = self.next_token()
        event_id = f"$message{token}"
        self.store([(token, "persister1", event_id, {"type": "m.room.message", "room_id": "!r:lab.test", "sender": user,
                                                     "content": {"body": "hello"}})])
        self.publish(rdata(token, ev_row(event_id)))
        wait_until(lambda: self.position() == token, what="the judgement")
        return [row["rule"] for _, text in self.durable() if (row := json.loads(text))["event_id"] == event_id]

    def position(self):
        return int(self.redis.hget(f"{SERVER_NAME}/weir/positions", "weir1 events persister1") or 0)

    def wait_for(self, user, rules):
        wait_until(lambda: self.say(user) == rules, what=f"{rules} for {user}")

    # ---- the tests

    def engine(self, extra="", modules=POLICIES):
        return self.start_engine(self.configuration(self.bodies + extra, modules=modules))

    def started(self, **options):
        engine = self.engine(**options)
        wait_until(lambda: self.metric(engine, "weir_followed_rooms_unread") == 0, what="the rooms' state")
        return engine

    def test_the_state_is_read_when_the_engine_begins(self):
        for number in range(2500):  # more than a page
            self.token += 1
        rows = "".join(f"$old{number}\t{ROOM}\t{{}}\t" + json.dumps(
            {"type": "m.policy.rule.user", "sender": "@mod:lab.test", "content": ban(f"@old{number}:x")}) + "\t4\n"
            for number in range(2500))
        self.sql("COPY event_json FROM STDIN", input=rows.encode())
        self.sql("INSERT INTO events (topological_ordering, event_id, type, room_id, processed, outlier, "
                 f"instance_name, stream_ordering) SELECT 1, '$old' || n, 'm.policy.rule.user', '{ROOM}', true, false, "
                 "'persister1', n + 1 FROM generate_series(0, 2499) AS n; INSERT INTO current_state_events SELECT "
                 f"'$old' || n, '{ROOM}', 'm.policy.rule.user', 'k' || n, NULL FROM generate_series(0, 2499) AS n")
        self.keep_rule("s", ban("*.evil.example"), kind="org.matrix.mjolnir.rule.server")
        lost = self.keep_rule("lost", ban("@lost:x"), current=False)
        gone = self.keep_rule("gone", ban("@gone:x"))
        self.redact(gone)
        pretended = self.keep_rule("held", ban("@held:x"))
        self.redact(pretended, sender="@stranger:elsewhere", recheck=True)
        self.assertTrue(lost)
        engine = self.started()
        read = self.logged(engine, "the state of a followed room was read")
        self.assertEqual([(line["room_id"], line["events"]) for line in read], [(ROOM, 2503)])
        self.assertEqual(self.say("@old0:x"), ["mine: ban @old0:x"])
        self.assertEqual(self.say("@old2499:x"), ["mine: ban @old2499:x"])
        self.assertEqual(self.say("@u:a.evil.example"), ["mine: ban *.evil.example"])
        self.assertEqual(self.say("@held:x"), ["mine: ban @held:x"])
        for user in ("@lost:x", "@gone:x", "@good:x"):
            self.assertEqual(self.say(user), [], user)
        self.stop_engine(engine)

    def keep_many(self):
        """2500 rules, more than two pages."""
        self.token += 2500
        self.sql("INSERT INTO event_json SELECT '$many' || n, '%s', '{}', json_build_object('type', "
                 "'m.policy.rule.user', 'sender', '@mod:lab.test', 'content', json_build_object('entity', '@many' || n "
                 "|| ':x', 'recommendation', 'm.ban', 'reason', 'spam')), 4 FROM generate_series(1, 2500) AS n; "
                 "INSERT INTO events (topological_ordering, event_id, type, room_id, processed, outlier, instance_name, "
                 "stream_ordering) SELECT 1, '$many' || n, 'm.policy.rule.user', '%s', true, false, 'persister1', n "
                 "FROM generate_series(1, 2500) AS n; INSERT INTO current_state_events SELECT '$many' || n, '%s', "
                 "'m.policy.rule.user', 'k' || n, NULL FROM generate_series(1, 2500) AS n" % (ROOM, ROOM, ROOM))

    def hinder(self, what):
        """What comes of reading the body of $many2499, which is on a later page than that of $many1."""
        self.sql("ALTER TABLE event_json RENAME TO kept_json; CREATE TABLE hindrance (divisor int, seconds int); "
                 "CREATE FUNCTION hinder() RETURNS text LANGUAGE plpgsql STABLE AS $$ DECLARE one hindrance; BEGIN "
                 "FOR one IN SELECT * FROM hindrance LOOP PERFORM pg_sleep(one.seconds), 1 / one.divisor; END LOOP; "
                 "RETURN ''; END $$; CREATE VIEW event_json AS SELECT event_id, room_id, internal_metadata, json || "
                 "CASE WHEN event_id = '$many2499' THEN hinder() ELSE '' END AS json, format_version FROM kept_json; "
                 f"INSERT INTO hindrance VALUES ({what})")

    def test_a_room_that_changes_while_it_is_read_is_read_again(self):
        self.keep_many()
        newer = self.keep_rule("k1", ban("@other:x"), current=False)
        self.hinder("0, 0")
        engine = self.engine()
        wait_until(lambda: self.metric(engine, "weir_followed_events_total") >= 1000, what="a page")
        wait_until(lambda: self.metric(engine, "weir_followed_connects_total") >= 2, what="the next one fails")
        self.sql(f"UPDATE current_state_events SET event_id = '{newer}' WHERE event_id = '$many1'")
        self.publish(f"RDATA events persister1 {self.next_token()} {json.dumps(['state-all', [ROOM]])}")
        wait_until(lambda: self.metric(engine, "weir_followed_waiting") == 2, what="the room, asked for once more")
        self.sql("TRUNCATE hindrance")
        wait_until(lambda: self.metric(engine, "weir_followed_waiting") == 0, what="the room's state")
        self.sql("DROP VIEW event_json; ALTER TABLE kept_json RENAME TO event_json")
        self.assertEqual(self.say("@other:x"), ["mine: ban @other:x"])
        self.assertEqual(len(self.logged(engine, "the state of a followed room was read")), 1, "said once")
        self.stop_engine(engine)

    def test_what_is_not_the_rooms_state_holds_up_no_rule(self):
        engine = self.started()
        for number in range(300):
            self.tell(f"$never{number}", f"never{number}", token=self.next_token(), rows=("state",))
        wait_until(lambda: self.metric(engine, "weir_followed_queries_total") >= 300, what="all asked for once")
        self.rule("k", ban("@bad:x"))
        wait_until(lambda: self.metric(engine, "weir_followed_events_total") == 1, seconds=20, what="the rule")
        self.assertGreater(self.metric(engine, "weir_followed_waiting"), 0)
        self.assertEqual(self.say("@bad:x"), ["mine: ban @bad:x"])
        self.stop_engine(engine)

    def test_a_query_that_nobody_waits_for_is_ended(self):
        self.keep_many()
        self.hinder("1, 600")
        engine = self.engine(extra="\ncatch_up: {timeout: 500ms}")
        wait_until(lambda: self.metric(engine, "weir_followed_connects_total") >= 5, what="further attempts")
        sleeping = lambda: int(self.sql("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'").stdout)
        self.assertLessEqual(sleeping(), 1)
        self.stop_engine(engine)
        wait_until(lambda: sleeping() == 0, what="the end of the query")

    def test_rules_come_change_and_go(self):
        engine = self.started()
        self.assertEqual(self.say("@bad:x"), [])
        self.rule("k", ban("@bad:x"))
        self.wait_for("@bad:x", ["mine: ban @bad:x"])
        self.rule("k", ban("@worse*"))
        self.wait_for("@worse:x", ["mine: ban @worse*"])
        self.assertEqual(self.say("@bad:x"), [])
        self.rule("k", {})
        self.wait_for("@worse:x", [])
        # A row of the state alone, and a row of the event alone.
        event_id = self.keep_rule("s", ban("@s:x"))
        self.tell(event_id, "s", rows=("state",))
        self.wait_for("@s:x", ["mine: ban @s:x"])
        event_id = self.keep_rule("e", ban("@e:x"))
        self.tell(event_id, "e", rows=("ev",))
        self.wait_for("@e:x", ["mine: ban @e:x"])
        # The state's entry was removed.
        self.sql(f"DELETE FROM current_state_events WHERE state_key = 's'")
        self.publish(rdata(self.next_token(), json.dumps(["state", [ROOM, "m.policy.rule.user", "s", None]])))
        self.wait_for("@s:x", [])
        # An older event is the room's state again.
        first = self.keep_rule("back", ban("@first:x"))
        self.tell(first, "back")
        self.rule("back", ban("@second:x"))
        self.wait_for("@second:x", ["mine: ban @second:x"])
        self.sql(f"UPDATE current_state_events SET event_id = '{first}' WHERE state_key = 'back'")
        self.publish(rdata(self.next_token(), json.dumps(["state", [ROOM, "m.policy.rule.user", "back", first]])))
        self.wait_for("@first:x", ["mine: ban @first:x"])
        self.assertEqual(self.say("@second:x"), [])
        # So much has changed that the rows do not say what.
        self.keep_rule("all", ban("@all:x"))
        self.publish(rdata(self.token, json.dumps(["state-all", [ROOM]])))
        self.wait_for("@all:x", ["mine: ban @all:x"])
        self.stop_engine(engine)

    def test_an_event_that_is_not_the_rooms_state_changes_nothing(self):
        engine = self.started()
        self.rule("k", ban("@bad:x"))
        self.wait_for("@bad:x", ["mine: ban @bad:x"])
        event_id = self.keep_rule("k", {}, current=False)  # soft-failed, say
        self.tell(event_id, "k", rows=("ev",))
        wait_until(lambda: self.metric(engine, "weir_followed_missing_total") == 1)
        self.assertEqual(self.say("@bad:x"), ["mine: ban @bad:x"])
        self.stop_engine(engine)

    def test_redactions(self):
        engine = self.started()
        held = self.rule("held", ban("@held:x"))
        gone = self.rule("gone", ban("@gone:x"))
        self.wait_for("@gone:x", ["mine: ban @gone:x"])
        self.redact(held, sender="@stranger:elsewhere", recheck=True)  # has no right to
        self.redact(gone)
        self.wait_for("@gone:x", [])
        self.assertEqual(self.say("@held:x"), ["mine: ban @held:x"])
        self.stop_engine(engine)

    def test_rules_are_known_after_a_restart_before_the_database_is(self):
        state = f"\nstate_dir: {self.folder}/state"
        (self.folder / "state").mkdir()
        engine = self.started(extra=state)
        self.rule("k", ban("@bad:x"))
        self.wait_for("@bad:x", ["mine: ban @bad:x"])
        self.stop_engine(engine)
        self.rule("l", ban("@worse:x"))  # while nobody listens
        self.postgres.terminate()
        self.postgres.wait()
        engine = self.start_engine(self.configuration(self.bodies + state, modules=POLICIES), ready=False)
        wait_until(lambda: self.logged(engine, "no connection to the database of followed rooms; their rules stay as "
                                               "they are until it is back"))
        self.assertEqual(self.metric(engine, "weir_followed_rooms_unread"), 1)
        self.start_postgres()
        wait_until(lambda: self.metric(engine, "weir_followed_rooms_unread") == 0, what="the rooms' state")
        self.publish(f"POSITION events persister1 {self.token} {self.token}")
        self.assertEqual(self.say("@bad:x"), ["mine: ban @bad:x"])
        self.assertEqual(self.say("@worse:x"), ["mine: ban @worse:x"])
        self.stop_engine(engine)

    def test_a_reload_reads_only_new_rooms(self):
        self.keep_rule("k", ban("@bad:x"))
        engine = self.started()
        self.assertEqual(self.say("@bad:x"), ["mine: ban @bad:x"])
        read = lambda: len(self.logged(engine, "the state of a followed room was read")
                           + self.logged(engine, "the database has no state of a followed room: is a user of this "
                                                 "homeserver in it?"))
        reloads = lambda: len(self.logged(engine, "the configuration was loaded again"))
        self.configuration(self.bodies + "\nlog: {level: info}", modules=POLICIES)
        engine.send_signal(signal.SIGHUP)
        wait_until(lambda: reloads() == 1, what="the reload")
        self.assertEqual(self.say("@bad:x"), ["mine: ban @bad:x"])
        self.assertEqual(read(), 1)
        self.configuration(self.bodies, modules=POLICIES.replace("rooms: [", 'rooms: ["!new:lab.test", '))
        engine.send_signal(signal.SIGHUP)
        wait_until(lambda: reloads() == 2, what="the reload")
        wait_until(lambda: read() == 3, what="both rooms, of a module with another configuration")
        self.assertEqual(self.say("@bad:x"), ["mine: ban @bad:x"])
        self.stop_engine(engine)


class Replay(harness.Server):
    """In a replay the start comes from a file, and the changes from the recorded rows and bodies."""

    def setUp(self):
        super().setUp()
        self.lines, self.events = [], []

    def row(self, row):
        text = f"RDATA events persister1 {len(self.lines) + 1} {json.dumps(row)}"
        self.lines.append(json.dumps({"t": 1000.0 + len(self.lines), "ch": SERVER_NAME, "data": text}))

    def keep(self, event_id, event):
        self.events.append(json.dumps({"event_id": event_id, "stream_ordering": len(self.events) + 1,
                                       "instance": "persister1", "rejected": None, "json": event}))

    def rule(self, event_id, key, content, rows=("ev", "state")):
        kind = "m.policy.rule.user"
        self.keep(event_id, {"type": kind, "room_id": ROOM, "sender": "@mod:lab.test", "state_key": key,
                             "content": content})
        for row in rows:
            self.row(["ev", [event_id, ROOM, kind, key, None, None, None, False, False]] if row == "ev" else
                     ["state", [ROOM, kind, key, event_id]])

    def say(self, name, user):
        self.keep(name, {"type": "m.room.message", "room_id": "!r:lab.test", "sender": user, "content": {"body": "x"}})
        self.row(json.loads(ev_row(name)))

    def test_rules_of_a_recording(self):
        exported = [{"type": "m.policy.rule.user", "state_key": "old", "event_id": "$old", "sender": "@mod:lab.test",
                     "room_id": ROOM, "content": ban("@old:x")}]
        self.write("state.json", json.dumps(exported))
        self.say("old", "@old:x")
        self.say("new too early", "@new:x")
        self.rule("$new", "new", ban("@new:x"))
        self.say("new", "@new:x")
        self.rule("$only", "only", ban("@only:x"), rows=("ev",))
        self.say("only", "@only:x")
        self.rule("$empty", "old", {})
        self.say("old is gone", "@old:x")
        self.row(["ev", ["$redaction", ROOM, "m.room.redaction", None, "$new", None, None, False, False]])
        self.say("new was redacted", "@new:x")
        self.row(["state", [ROOM, "m.policy.rule.user", "only", None]])
        self.say("only is gone", "@only:x")
        configuration = self.configuration(modules=POLICIES.replace("config: {", "config: {files: state.json, "))
        recording = self.write("recording.jsonl", "\n".join(self.lines) + "\n")
        bodies = self.write("bodies.jsonl", "\n".join(self.events) + "\n")
        for jobs in ("1", "2"):
            rows = [json.loads(row) for row in self.replay(configuration, recording, bodies, "--jobs", jobs)]
            self.assertEqual([(row["event_id"], row["rule"], row["reason"]) for row in rows],
                             [("old", "mine: ban @old:x", "spam"), ("new", "mine: ban @new:x", "spam"),
                              ("only", "mine: ban @only:x", "spam")])
        report = json.loads(run_weir("backtest", "-c", configuration, recording, "--events", bodies, "--json",
                                     "-").stdout)
        self.assertEqual([(example["event_id"], example["new"]["rule"]) for example in report["examples"]],
                         [("old", "mine: ban @old:x"), ("new", "mine: ban @new:x"), ("only", "mine: ban @only:x")])


if __name__ == "__main__":
    unittest.main()
