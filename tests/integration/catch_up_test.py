"""What was published while nobody listened: fetched from Synapse's database, judged once, in its place."""

import json
import signal

from harness import SERVER_NAME, ev_row, rdata, wait_until
from postgres_test import PostgresServer

KEYWORD = "modules: [{module: keywords, config: {patterns: [spam]}}]"


def event(text="spam", room="!r:lab.test"):
    return {"type": "m.room.message", "sender": "@a:lab.test", "room_id": room, "content": {"body": text}}


def position(previous, new, writer="persister1", stream="events"):
    return f"POSITION {stream} {writer} {previous} {new}"


class CatchUp(PostgresServer):
    def numbered(self, first, last, writer="persister1"):
        return [(token, writer, f"${token}", event()) for token in range(first, last + 1)]

    def judged(self):
        return [json.loads(row)["token"] for _, row in self.durable()]

    def publish_events(self, first, last, writer="persister1"):
        self.publish(*(rdata(token, ev_row(f"${token}"), writer) for token in range(first, last + 1)))

    def engine(self, extra="", page=7):
        configuration = self.configuration(f"{self.bodies}\ncatch_up: {{page: {page}}}\n{extra}", modules=KEYWORD)
        return self.start_engine(configuration)

    def test_what_came_while_the_engine_was_dead(self):
        self.store(self.numbered(1, 100) + [(token, "persister2", f"$o{token}", event()) for token in range(101, 110)])
        engine = self.engine()
        self.publish(position(0, 0))
        self.publish_events(1, 10)
        wait_until(lambda: len(self.judged()) == 10)
        engine.send_signal(signal.SIGKILL)
        engine.wait()
        engine = self.engine()
        self.publish(position(90, 90))
        self.publish_events(91, 95)
        wait_until(lambda: len(self.judged()) == 95, what="95 verdicts")
        self.settle(engine)
        self.assertEqual(self.judged(), list(range(1, 96)), "in order, none twice, and nothing of the other writer")
        self.assertEqual(self.metric(engine, "weir_events_fetched_total"), 80)
        self.assertEqual(self.metric(engine, "weir_positions_missed_ranges_total"), 0)
        self.assertEqual([line["rows"] for line in self.logged(engine, "has caught up with what was missed")], [80])
        self.stop_engine(engine)

    def test_rows_are_those_of_the_stream(self):
        """State, redactions, relations, memberships, rejections and outliers, as Synapse's own streamer gives them."""
        self.store(self.numbered(1, 6))
        self.sql("UPDATE events SET outlier = true WHERE event_id = '$2';"
                 "INSERT INTO ex_outlier_stream VALUES (9, '$4', 1, 'persister1');"
                 "INSERT INTO rejections VALUES ('$3', 'no', 'x');"
                 "INSERT INTO state_events VALUES ('$5', '!r:lab.test', 'm.room.member', '@a\"\\:lab.test', NULL);"
                 "INSERT INTO room_memberships VALUES ('$5', '@a', '@a', '!r:lab.test', 'join');"
                 "INSERT INTO redactions VALUES ('$6', '$1'); INSERT INTO event_relations VALUES ('$6', '$2', 'x', NULL)")
        engine = self.engine("publish: {verdicts: all}", page=2)
        self.redis.hset(f"{SERVER_NAME}/weir/positions", "weir1 events persister1", 0)
        self.stop_engine(engine)
        engine = self.engine("publish: {verdicts: all}", page=2)
        self.publish(position(9, 9))
        wait_until(lambda: self.metric(engine, "weir_events_fetched_total") == 7)
        self.settle(engine)
        rows = [json.loads(row) for _, row in self.durable()]
        self.assertEqual([(row["token"], row["event_id"]) for row in rows],
                         [(1, "$1"), (5, "$5"), (6, "$6"), (9, "$4")], "an outlier counts where it left that state")
        self.assertEqual(self.metric(engine, "weir_events_outliers_total"), 2)
        self.assertEqual(self.metric(engine, "weir_events_rejected_total"), 1)
        self.stop_engine(engine)

    def test_a_subscription_that_was_lost(self):
        self.store(self.numbered(1, 60))
        engine = self.engine()
        self.publish(position(0, 0))
        self.publish_events(1, 10)
        wait_until(lambda: len(self.judged()) == 10)
        subscribers = lambda: self.redis.pubsub_numsub(SERVER_NAME)[0][1]
        self.redis.client_kill_filter(_type="pubsub")
        wait_until(lambda: subscribers() == 0)
        self.publish_events(11, 30)
        wait_until(lambda: subscribers() == 1)
        self.publish_events(31, 35)
        self.publish(position(35, 40))
        self.publish_events(41, 60)
        wait_until(lambda: len(self.judged()) == 60)
        self.assertEqual(self.judged(), list(range(1, 61)))
        self.stop_engine(engine)

    def test_a_database_that_is_away_is_waited_for(self):
        self.store(self.numbered(1, 40))
        engine = self.engine()
        self.publish(position(0, 0))
        self.publish_events(1, 5)
        wait_until(lambda: len(self.judged()) == 5)
        self.postgres.kill()
        self.postgres.wait()
        self.publish(position(20, 20))
        self.publish_events(21, 30)
        wait_until(lambda: self.metric(engine, 'weir_catch_up_failures_total', 'source="database"') > 0)
        (self.database / "data" / "postmaster.pid").unlink(missing_ok=True)
        self.start_postgres()
        wait_until(lambda: len(self.judged()) == 30, what="everything, once the database is back")
        self.assertEqual(self.judged(), list(range(1, 31)))
        self.stop_engine(engine)

    def test_the_audit_finds_what_was_never_published(self):
        self.store(self.numbered(1, 30))
        engine = self.engine("audit: 500ms")
        self.publish(position(0, 0))
        self.publish_events(1, 10)
        self.publish_events(13, 20)
        wait_until(lambda: len(self.judged()) == 20, what="the audit")
        self.assertEqual(sorted(self.judged()), list(range(1, 21)))
        self.assertEqual(self.judged()[-2:], [11, 12], "late, but judged")
        self.assertEqual(self.metric(engine, "weir_audit_missed_total"), 2)
        audits = self.metric(engine, "weir_audits_total")
        self.publish_events(21, 30)
        wait_until(lambda: self.metric(engine, "weir_audits_total") > audits)
        self.assertEqual(sorted(self.judged()), list(range(1, 31)), "an audit finds nothing twice")
        self.assertEqual(self.redis.hget(f"{SERVER_NAME}/weir/positions", "weir1 events persister1"), b"30")
        self.stop_engine(engine)

    def test_an_audit_goes_on_after_a_restart(self):
        """What was never published before the engine was killed is found by the next one; nothing is judged twice."""
        for verdicts in ("all", "denied"):
            with self.subTest(verdicts):
                self.redis.flushall()
                self.sql("TRUNCATE events, event_json")
                self.store([(token, "persister1", f"${token}", event("spam" if token % 2 else "ham"))
                            for token in range(1, 41)])
                body = f"publish: {{verdicts: {verdicts}}}\naudit: "
                engine = self.engine(body + "1h")
                self.publish(position(0, 0))
                self.publish_events(1, 10)
                self.publish_events(21, 30)
                wait_until(lambda: self.metric(engine, "weir_events_judged_total") == 20)
                self.settle(engine)
                engine.send_signal(signal.SIGKILL)
                engine.wait()
                engine = self.engine(body + "300ms")
                self.publish(position(30, 30))
                self.publish_events(31, 35)
                self.publish_events(37, 40)
                wait_until(lambda: self.metric(engine, "weir_audit_events_total") == 40)
                self.settle(engine)
                expected = [token for token in range(1, 41) if verdicts == "all" or token % 2]
                self.assertEqual(sorted(self.judged()), expected)
                missed = self.metric(engine, "weir_audit_missed_total")
                self.assertEqual(missed, 11 if verdicts == "all" else 1)
                again = self.metric(engine, "weir_audit_judged_again_total")
                self.assertEqual(again, 0 if verdicts == "all" else 20, "ten that were lost and ten that had passed")
                wait_until(lambda: self.redis.hget(f"{SERVER_NAME}/weir/positions",
                                                   "weir1 events.audited persister1") == b"40", what="its position")
                self.stop_engine(engine)

    def test_an_audit_does_not_judge_again_what_a_lost_log_held(self):
        self.store(self.numbered(1, 30))
        state = self.folder / "state"
        state.mkdir()
        body = f"state_dir: {state}\naudit: "
        engine = self.engine(body + "1h")
        self.publish(position(0, 0))
        self.publish_events(1, 20)
        wait_until(lambda: len(self.judged()) == 20)
        self.stop_engine(engine)
        self.redis.flushall()
        engine = self.engine(body + "300ms")
        self.publish(position(20, 20))
        self.publish_events(21, 24)
        self.publish_events(26, 30)
        wait_until(lambda: len(self.judged()) == 10)
        self.assertEqual(sorted(self.judged()), list(range(21, 31)))
        self.assertEqual(self.metric(engine, "weir_audit_missed_total"), 1)
        self.redis.flushall()
        self.publish(position(31, 31))
        field = lambda: self.redis.hget(f"{SERVER_NAME}/weir/positions", "weir1 events.audited persister1")
        wait_until(lambda: field() == b"31", what="the audit's position again")
        self.assertEqual(self.judged(), [])
        self.stop_engine(engine)

    def test_nobody_to_ask_is_said_at_the_start(self):
        engine = self.start_engine(self.configuration("", modules="modules: [{module: event_types, config: {deny: [x]}}]"))
        self.assertTrue([line for line in self.log_lines(engine) if "nobody can be asked" in line["message"]])
        self.stop_engine(engine)
