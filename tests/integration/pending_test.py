"""Events that wait while others go by: crashes, reloads and stops in the meantime; rows of dry runs; and which callbacks
an observed event is asked of."""

import json
import signal

import harness
import oracle
from harness import DATA, SERVER_NAME, ev_row, rdata, wait_until
from service_test import QUICK, SLOW, WebService, body_line

AHEAD = "weir1 events.ahead persister1"
POSITION = "weir1 events persister1"


class Pending(harness.Server):
    def begin(self, config="timeout_ms: 60000", before=""):
        self.service = WebService(lambda question: {"code": "M_FORBIDDEN"})
        self.addCleanup(self.service.server_close)
        self.addCleanup(self.service.shutdown)
        self.addCleanup(self.service.gate.set)
        self.config = self.configuration(modules=f"modules: [{before}{{module: http_service, config: {{url: "
                                                 f"'{self.service.url}', callbacks: [check_event_for_spam], {config}}}}}]")
        return self.start_engine(self.config)

    def judged(self):
        return [json.loads(row)["event_id"] for _, row in self.durable()]

    def stored(self, field):
        return self.redis.hget(f"{SERVER_NAME}/weir/positions", field)

    def test_a_crash_judges_nothing_twice_and_loses_nothing(self):
        engine = self.begin()
        events = [(number, f"${number}", SLOW if number % 3 == 0 else QUICK) for number in range(1, 31)]
        quick = [event_id for _, event_id, room in events if room == QUICK]
        slow = [event_id for _, event_id, room in events if room == SLOW]
        rows = [rdata(token, ev_row(event_id, room=room)) for token, event_id, room in events]
        self.publish("POSITION events persister1 0 0", *rows[:20])
        wait_until(lambda: self.judged() == [event_id for event_id in quick if int(event_id[1:]) <= 20])
        self.assertEqual(json.loads(self.stored(AHEAD)), [20, 3, 6, 9, 12, 15, 18])
        self.assertEqual(int(self.stored(POSITION)), 2)
        engine.kill()
        engine.wait()
        again = self.start_engine(self.config)
        # What a catch-up brings: the rows after the stored position, then the new ones.
        self.publish("POSITION events persister1 2 2", *rows[2:])
        wait_until(lambda: self.judged() == quick, what="the verdicts of the quick room")
        self.assertEqual(self.metric(again, "weir_events_judged_before_total"), 12)
        self.assertEqual(self.metric(again, "weir_events_parked"), 1)
        self.service.gate.set()
        wait_until(lambda: len(self.judged()) >= len(events), what="the verdicts of the slow room")
        self.settle(again)
        self.assertEqual(self.judged(), quick + slow)
        self.assertEqual(int(self.stored(POSITION)), 30)
        self.assertIsNone(self.stored(AHEAD))
        self.stop_engine(again)

    def test_a_stop_waits_for_what_was_asked(self):
        engine = self.begin()
        self.publish(rdata(1, ev_row("$1", room=SLOW)), rdata(2, ev_row("$2", room=SLOW)))
        wait_until(lambda: len(self.service.questions) == 1 and self.metric(engine, "weir_events_waiting") == 2)
        engine.send_signal(signal.SIGTERM)
        wait_until(lambda: self.logged(engine, "stops: finishes what is in hand"))
        self.service.gate.set()
        self.assertEqual(engine.wait(timeout=20), 0)
        self.assertEqual(self.judged(), ["$1", "$2"])
        self.assertEqual(int(self.stored(POSITION)), 2)

    def test_a_reload_lets_the_old_chain_finish(self):
        engine = self.begin()
        self.publish(rdata(1, ev_row("$1", room=SLOW)), rdata(2, ev_row("$2", room=SLOW)), rdata(3, ev_row("$3")))
        wait_until(lambda: self.judged() == ["$3"])
        # The new chain refuses this room's events by their type, without asking anybody.
        old = self.config.read_text()
        self.config.write_text(old[:old.index("modules:")] +
                               "modules: [{module: event_types, config: {deny: [m.room.message]}}]")
        engine.send_signal(signal.SIGHUP)
        wait_until(lambda: self.logged(engine, "the configuration was loaded again"))
        self.publish(rdata(4, ev_row("$4")))
        wait_until(lambda: self.judged() == ["$3", "$4"])
        self.service.gate.set()
        wait_until(lambda: len(self.judged()) == 4)
        self.settle(engine)
        self.assertEqual([(json.loads(row)["event_id"], json.loads(row)["module"]) for _, row in self.durable()],
                         [("$3", "http_service"), ("$4", "event_types"), ("$1", "http_service"),
                          ("$2", "event_types")])
        self.assertEqual(len(self.service.questions), 2)
        self.stop_engine(engine)

    def test_rows_of_dry_runs_share_the_event_s_token(self):
        dry = "{module: event_types, config: {deny: [m.room.message]}, dry_run: true}, "
        engine = self.begin(before=dry * 2)
        subscriber = self.subscribe()
        self.service.gate.set()
        self.publish(rdata(1, ev_row("$1", event_type="t.other")), rdata(2, ev_row("$2")))
        wait_until(lambda: len(self.durable()) == 4)
        rows = [(token, json.loads(row)) for token, row in self.durable()]
        self.assertEqual([(token, row["event_id"], row["module"], row["dry_run"]) for token, row in rows],
                         [(1, "$1", "http_service", False), (2, "$2", "event_types", True),
                          (2, "$2", "event_types", True), (2, "$2", "http_service", False)])
        lines = [line.split(" ")[3] for line in self.heard(subscriber) if line.startswith("RDATA verdicts")]
        self.assertEqual(lines, ["1", "batch", "batch", "2"])
        self.assertEqual(self.metric(engine, "weir_events_denied_total"), 2)
        self.assertEqual(self.metric(engine, "weir_module_dry_run_total", 'module="event_types"'), 1)
        self.assertEqual(self.metric(engine, "weir_module_dry_run_total", 'module="event_types.2"'), 1)
        self.assertEqual(self.metric(engine, "weir_module_denials_total", 'module="event_types"'), 0)
        self.stop_engine(engine)

    def test_dry_runs_of_events_that_pass(self):
        modules = ("modules: [{module: keywords, config: {patterns: [spam]}, dry_run: true},"
                   "{module: keywords, config: {patterns: [never]}}]")
        self.write("bodies.jsonl", body_line("$1", body="spam") + "\n" + body_line("$2", body="ham") + "\n")
        engine = self.start_engine(self.configuration("bodies: {file: bodies.jsonl}", modules=modules))
        subscriber = self.subscribe()
        self.publish(rdata(1, ev_row("$1")), rdata(2, ev_row("$2")))
        self.settle(engine)
        rows = [json.loads(row) for _, row in self.durable()]
        self.assertEqual([(row["event_id"], row["dry_run"]) for row in rows], [("$1", True)])
        lines = [line.split(" ") for line in self.heard(subscriber)]
        self.assertEqual([line[3] for line in lines if line[0] == "RDATA"], ["1"])
        self.assertEqual(self.metric(engine, "weir_events_denied_total"), 0)
        self.stop_engine(engine)


class AskAsSynapse(harness.Server):
    """A chain of spam checkers that refuses all local users: which local events is it not asked about?"""

    def asked_by_the_spec(self, recording, bodies, semantics):
        """Local membership events and, in the newest release, the events of a room's creation are not asked."""
        events = {line["event_id"]: line["json"] for line in oracle.read_jsonl(bodies)}
        creators, asked, left_out = {}, [], {"membership": 0, "creation": 0}
        for message in oracle.read_jsonl(recording):
            if message["ch"] != SERVER_NAME or not message["data"].startswith("RDATA events "):
                continue
            kind, row = json.loads(message["data"].split(" ", 4)[4])
            if kind != "ev" or row[7] or (len(row) > 8 and row[8]) or row[0] not in events:
                continue
            event_id, room, event_type, state_key = row[:4]
            sender = events[event_id]["sender"]
            member = event_type == "m.room.member"
            if event_type == "m.room.create":
                creators[room] = sender
            elif creators.get(room) != sender or state_key is None or (member and state_key != sender):
                creators.pop(room, None)
            if not sender.endswith(":" + SERVER_NAME):
                continue
            if member:
                left_out["membership"] += 1
            elif room in creators and semantics == "latest":
                left_out["creation"] += 1
            else:
                asked.append(event_id)
        return asked, left_out

    def test_recorded_traffic(self):
        modules = f"modules: [{{module: sender_list, config: {{servers: ['{SERVER_NAME}']}}}}]"
        for name in ("synapse-1.67-small", "synapse-1.140-big"):
            recording, bodies = DATA / f"{name}.jsonl.zst", DATA / f"{name}.events.jsonl.zst"
            for semantics in ("latest", "1.47"):
                with self.subTest(f"{name} {semantics}"):
                    asked, left_out = self.asked_by_the_spec(recording, bodies, semantics)
                    self.assertGreater(left_out["membership"], 0)
                    self.assertEqual(left_out["creation"] > 0, semantics == "latest")
                    configuration = self.configuration(f"observe: {{ask: as_synapse}}\nsemantics: '{semantics}'",
                                                       modules=modules)
                    rows = [json.loads(row)["event_id"] for row in self.replay(configuration, recording, bodies)]
                    self.assertEqual(rows, asked)
                    both = self.replay(self.configuration("observe: {ask: both}", modules=modules), recording, bodies)
                    self.assertGreaterEqual(len(both), len(rows) + left_out["membership"])

    def test_live_as_in_a_replay(self):
        recording, bodies = DATA / "synapse-1.67-small.jsonl.zst", DATA / "synapse-1.67-small.events.jsonl.zst"
        modules = f"modules: [{{module: sender_list, config: {{servers: ['{SERVER_NAME}']}}}}]"
        configuration = self.configuration(f"bodies: {{file: {bodies}}}\nobserve: {{ask: as_synapse}}", modules=modules)
        engine = self.start_engine(configuration)
        self.play(recording)
        self.settle(engine)
        self.assertEqual([row for _, row in self.durable()], self.replay(configuration, recording, bodies))
        self.stop_engine(engine)
