"""Events that wait for a service while the engine is stopped, killed, started again or given another configuration:
each is judged exactly once, and by the chain that asked about it. A replay waits for the same services."""

import json
import signal

import harness
import service_test
from harness import rdata, ev_row, wait_until
from service_test import QUICK, SLOW, body_line

POSITIONS = f"{harness.SERVER_NAME}/weir/positions"
POSITION, AHEAD = "weir1 events persister1", "weir1 events.ahead persister1"
BOTH = "[check_event_allowed, check_event_for_spam]"


class Waiting(harness.Server):
    def serve(self, reply=lambda question: {"code": "M_FORBIDDEN"}):
        service = service_test.WebService(reply)
        self.addCleanup(service.server_close)
        self.addCleanup(service.shutdown)
        self.addCleanup(service.gate.set)
        return service

    def configure(self, service, *more, callbacks="[check_event_for_spam]", body="", **options):
        """A chain of http_service and of what else is given."""
        config = {"url": service.url, "timeout_ms": 60000, "connections": 8}
        first = f"{{module: http_service, config: {json.dumps(config)[:-1]}, callbacks: {callbacks}}}}}"
        return self.configuration(f"bodies: {{file: bodies.jsonl}}\n{body}",
                                  modules=f"modules: [{', '.join([first, *more])}]", **options)

    def events(self, count):
        """Every third event is of the room that waits; their bodies are where the engine looks for them."""
        events = [(token, f"${token}", QUICK if token % 3 else SLOW) for token in range(1, count + 1)]
        self.write("bodies.jsonl", "".join(body_line(event_id, room, body=event_id) + "\n"
                                           for _, event_id, room in events))
        return events

    def send(self, events, since=0):
        self.publish(f"POSITION events persister1 {since} {since}",
                     *(rdata(token, ev_row(event_id, room=room)) for token, event_id, room in events))

    def rows(self):
        return [json.loads(row) for _, row in self.durable()]

    def judged(self):
        return [row["event_id"] for row in self.rows()]

    def stored(self, field):
        value = self.redis.hget(POSITIONS, field)
        return value and json.loads(value)

    def expect_each_once(self, events):
        wait_until(lambda: len(self.judged()) >= len(events), what="every verdict")
        wait_until(lambda: self.stored(POSITION) == len(events), what="the last position")
        self.assertEqual(sorted(self.judged()), sorted(event_id for _, event_id, _ in events))
        for room in (SLOW, QUICK):
            of_room = [event_id for _, event_id, of in events if of == room]
            self.assertEqual([event_id for event_id in self.judged() if event_id in of_room], of_room)
        self.assertIsNone(self.stored(AHEAD), "the record goes when the position has caught up")

    def wait_until_parked(self, events):
        quick = [event_id for _, event_id, room in events if room == QUICK]
        wait_until(lambda: self.judged() == quick, what="the verdicts of the quick room")
        wait_until(lambda: self.stored(AHEAD), what="the record of what is ahead")

    def end_and_start_again(self, end):
        service = self.serve()
        events = self.events(30)
        configuration = self.configure(service)
        engine = self.start_engine(configuration)
        self.send(events)
        self.wait_until_parked(events)
        self.assertEqual(self.stored(POSITION), 2)
        self.assertEqual(self.stored(AHEAD), [29, *range(3, 30, 3)])
        end(engine)
        self.assertEqual(self.stored(POSITION), 2, "no position beyond an event that waits")
        service.gate.set()
        engine = self.start_engine(configuration)
        self.send(events[2:], since=2)
        self.expect_each_once(events)
        self.assertEqual(self.metric(engine, "weir_events_judged_before_total"), 18)
        self.stop_engine(engine)

    def test_a_stop_does_not_wait_for_ever_and_nothing_is_judged_twice(self):
        def stop(engine):
            self.stop_engine(engine)
            self.assertTrue(self.logged(engine, "did not finish in time; what was not answered will be judged again by "
                                                "the next start"))

        self.end_and_start_again(stop)

    def test_a_crash_repeats_nothing(self):
        def kill(engine):
            engine.kill()
            engine.wait()

        self.end_and_start_again(kill)

    def test_a_stop_finishes_what_is_answered_in_time(self):
        service = self.serve()
        events = self.events(6)
        engine = self.start_engine(self.configure(service))
        self.send(events)
        self.wait_until_parked(events)
        engine.send_signal(signal.SIGTERM)
        wait_until(lambda: self.logged(engine, "stops: finishes what is in hand"), what="the stop")
        service.gate.set()
        self.assertEqual(engine.wait(timeout=20), 0)
        self.expect_each_once(events)

    def test_a_reload_lets_the_old_chain_finish(self):
        old, new = self.serve(), self.serve(lambda _: {"code": "M_TOO_LARGE"})
        new.gate.set()
        events = self.events(9)
        engine = self.start_engine(self.configure(old))
        self.send(events)
        self.wait_until_parked(events)
        self.configure(new)
        engine.send_signal(signal.SIGHUP)
        wait_until(lambda: self.logged(engine, "the configuration was loaded again"), what="the reload")
        self.assertIsNotNone(self.metric(engine, "weir_service_in_flight", f'service="{old.url}"'),
                             "the old chain's service is there as long as somebody waits for it")
        self.assertEqual(len(self.judged()), 6)
        old.gate.set()
        self.expect_each_once(events)
        codes = {row["event_id"]: row["result"]["code"] for row in self.rows()}
        self.assertEqual([codes[f"${token}"] for token in (1, 3, 6, 9)],
                         ["M_FORBIDDEN", "M_FORBIDDEN", "M_TOO_LARGE", "M_TOO_LARGE"])
        self.stop_engine(engine)

    def test_dry_runs_share_the_token_of_their_event(self):
        service = self.serve(lambda question: {"code": "M_FORBIDDEN"} if question["event_id"] == "$1" else "NOT_SPAM")
        service.gate.set()
        dry = '{module: keywords, dry_run: true, config: {patterns: ["$"], syntax: literal}}'
        events = self.events(3)
        configuration = self.configure(service)
        text = configuration.read_text()
        configuration.write_text(text.replace("modules: [", f"modules: [{dry}, "))
        engine = self.start_engine(configuration)
        subscriber = self.subscribe()
        self.send(events)
        wait_until(lambda: len(self.durable()) >= 4, what="four rows")
        tokens = {}
        for token, row in self.durable():
            row = json.loads(row)
            tokens.setdefault(row["event_id"], []).append((token, row["module"], row["dry_run"]))
        first = tokens["$1"][0][0]
        self.assertEqual(tokens["$1"], [(first, "keywords", True), (first, "http_service", False)])
        self.assertEqual([len(tokens["$2"]), len(tokens["$3"])], [1, 1], "a row for the dry run, none for the pass")
        self.assertEqual(len({token for token, _ in self.durable()}), 3)
        lines = [line.split(" ", 4) for line in self.heard(subscriber) if line.startswith("RDATA")]
        shown = {(json.loads(row)["event_id"], json.loads(row)["dry_run"]): token for _, _, _, token, row in lines}
        self.assertEqual(shown[("$1", True)], "batch")
        self.assertEqual(shown[("$1", False)], str(first))
        self.assertNotEqual(shown[("$2", True)], "batch")
        self.assertEqual(self.metric(engine, "weir_events_denied_total"), 1)
        self.assertEqual(self.metric(engine, "weir_module_dry_run_total", 'module="keywords"'), 3)
        self.assertEqual(self.metric(engine, "weir_module_denials_total", 'module="keywords"'), 0)
        self.stop_engine(engine)

    def asked(self, ask):
        """Which callbacks the service is asked, live and in a replay, about events of each kind."""
        senders = {"$local": "@a:lab.test", "$federated": "@a:other.test"}
        kinds = {**{event_id: ("m.room.message", sender, None) for event_id, sender in senders.items()},
                 "$member": ("m.room.member", "@a:lab.test", "@a:lab.test")}
        bodies, lines = [], []
        for token, (event_id, (kind, sender, state_key)) in enumerate(kinds.items(), 1):
            event = {"type": kind, "room_id": QUICK, "sender": sender, "content": {"membership": "join"}}
            row = [event_id, QUICK, kind, state_key, None, None, None, False, False]
            if state_key:
                event["state_key"], row[6] = state_key, "join"
            bodies.append(json.dumps({"event_id": event_id, "json": event}) + "\n")
            lines.append(rdata(token, json.dumps(["ev", row])))
        self.write("bodies.jsonl", "".join(bodies))
        recording = self.write("recording.jsonl", "".join(
            json.dumps({"t": 1.0, "ch": harness.SERVER_NAME, "data": line}) + "\n" for line in lines))
        service = self.serve(lambda question: "NOT_SPAM" if "spam" in question["callback"] else [True, None])
        configuration = self.configure(service, callbacks=BOTH, body=f"observe: {{ask: {ask}}}")
        engine = self.start_engine(configuration)
        self.publish("POSITION events persister1 0 0", *lines)
        wait_until(lambda: self.stored(POSITION) == len(lines), what="the last position")
        self.stop_engine(engine)
        live = {(question["event_id"], question["callback"]) for question in service.questions}
        service.questions.clear()
        self.replay(configuration, recording)
        self.assertEqual({(question["event_id"], question["callback"]) for question in service.questions}, live)
        return {event_id: sorted(callback for of, callback in live if of == event_id) for event_id in kinds}

    def test_both_callbacks_are_asked_or_only_those_that_synapse_asks(self):
        both = ["check_event_allowed", "check_event_for_spam"]
        self.assertEqual(self.asked("both"), {"$local": both, "$federated": both, "$member": both})
        self.redis.flushall()
        self.assertEqual(self.asked("as_synapse"),
                         {"$local": both, "$federated": both[1:], "$member": both[:1]})
