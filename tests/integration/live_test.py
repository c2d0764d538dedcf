"""The running engine against an offline replay of the same recording: the same rows, in order, none lost, none twice."""

import json
import threading
import time

import yaml

import harness
import oracle
from harness import DATA, SERVER_NAME, ev_row, rdata, wait_until

RECORDINGS = ["synapse-1.67-small", "synapse-1.140-small", "synapse-1.140-big"]


def paths(name):
    return DATA / f"{name}.jsonl.zst", DATA / f"{name}.events.jsonl.zst"


class Replay(harness.Server):
    def test_says_what_an_independent_reading_of_the_modules_says(self):
        configuration = self.configuration()
        modules = yaml.safe_load(harness.MODULES)["modules"]
        for name in RECORDINGS:
            recording, bodies = paths(name)
            rows = [json.loads(row) for row in self.replay(configuration, recording, bodies, "--all")]
            expected = oracle.judge_recording(modules, recording, bodies, SERVER_NAME)
            self.assertEqual([(row["event_id"], row["module"]) for row in rows], expected, name)
            denied = [row for row in rows if row["module"]]
            self.assertGreater(len({row["module"] for row in denied}), 2, name)
            for row in denied:
                self.assertEqual(row["result"], {"code": "M_FORBIDDEN", "fields": {}})
                self.assertTrue(row["rule"] and row["reason"])
            self.assertEqual([json.loads(row) for row in self.replay(configuration, recording, bodies)], denied)

    def test_output_to_a_file_and_plain_recordings(self):
        configuration = self.configuration()
        recording, bodies = paths("synapse-1.67-small")
        expected = self.replay(configuration, recording, bodies)
        for source in (recording, bodies):
            plain = self.folder / source.name.removesuffix(".zst")
            plain.write_text("".join(json.dumps(line) + "\n" for line in oracle.read_jsonl(source)))
        self.replay(configuration, self.folder / "synapse-1.67-small.jsonl",
                    self.folder / "synapse-1.67-small.events.jsonl", "--output", self.folder / "rows.jsonl")
        self.assertEqual((self.folder / "rows.jsonl").read_text().splitlines(), expected)


class Live(harness.Server):
    def judge_live(self, name, body="", **options):
        recording, bodies = paths(name)
        configuration = self.configuration(f"bodies: {{file: {bodies}}}\n{body}", **options)
        engine = self.start_engine(configuration)
        self.play(recording)
        self.settle(engine)
        return engine, configuration, recording, bodies

    def test_every_recording_gives_the_rows_of_its_replay(self):
        for name in RECORDINGS:
            with self.subTest(name):
                self.redis.flushall()
                subscriber = self.subscribe()
                engine, configuration, recording, bodies = self.judge_live(name)
                rows = self.durable()
                self.assertEqual([row for _, row in rows], self.replay(configuration, recording, bodies))
                self.assertEqual([token for token, _ in rows], sorted({token for token, _ in rows}))
                self.check_published(self.heard(subscriber), rows, engine)
                self.stop_engine(engine)

    def check_published(self, published, rows, engine):
        verdicts = [line.split(" ", 4) for line in published if line.startswith("RDATA verdicts weir1 ")]
        self.assertEqual([(int(parts[3]), parts[4]) for parts in verdicts], rows)
        # POSITION lines promise that no row lies between their tokens, and the last one tells how far we are.
        tokens = {token for token, _ in rows}
        positions = [tuple(map(int, line.split(" ")[3:])) for line in published
                     if line.startswith("POSITION verdicts weir1 ")]
        for previous, new in positions:
            self.assertFalse(tokens & set(range(previous + 1, new + 1)))
        judged = int(self.metric(engine, "weir_events_judged_total"))
        self.assertEqual(max([new for _, new in positions] + list(tokens)), judged)

    def test_all_verdicts_when_asked(self):
        engine, configuration, recording, bodies = self.judge_live("synapse-1.67-small", "publish: {verdicts: all}")
        rows = self.durable()
        self.assertEqual([row for _, row in rows], self.replay(configuration, recording, bodies, "--all"))
        self.assertEqual([token for token, _ in rows], list(range(1, len(rows) + 1)))
        passed = [json.loads(row) for _, row in rows if json.loads(row)["module"] is None]
        self.assertEqual({row["result"] for row in passed}, {"NOT_SPAM"})
        self.stop_engine(engine)

    def test_positions_and_tokens_survive_a_restart(self):
        engine, configuration, _, _ = self.judge_live("synapse-1.67-small")
        self.stop_engine(engine)
        judged = engine_total(self, engine)
        positions = self.redis.hgetall(f"{SERVER_NAME}/weir/positions")
        self.assertEqual(int(positions[b"weir1 verdicts weir1"]), judged)
        self.assertEqual({field for field in positions if b"events" in field},
                         {b"weir1 events persister1", b"weir1 events persister2"})
        last = int(positions[b"weir1 events persister1"])
        again = self.start_engine(configuration)
        self.publish(f"POSITION events persister1 {last} {last}",
                     rdata(last, ev_row("$old")), rdata(last + 5, ev_row("$new")))
        wait_until(lambda: self.metric(again, "weir_events_judged_total") == 1)
        self.settle(again)
        self.assertEqual(int(self.redis.hget(f"{SERVER_NAME}/weir/positions", "weir1 verdicts weir1")), judged + 1)
        self.assertEqual(self.metric(again, "weir_event_rows_duplicate_total"), 1)
        self.assertEqual(self.metric(again, "weir_positions_missed_ranges_total"), 0)
        self.stop_engine(again)

    def test_what_was_missed_is_said(self):
        engine, configuration, _, _ = self.judge_live("synapse-1.67-small")
        self.stop_engine(engine)
        last = int(self.redis.hget(f"{SERVER_NAME}/weir/positions", "weir1 events persister2"))
        again = self.start_engine(configuration)
        self.publish(f"POSITION events persister2 {last + 100} {last + 100}")
        wait_until(lambda: self.metric(again, "weir_positions_missed_ranges_total") == 1)
        line = [line for line in self.log_lines(again) if line.get("up_to") == last + 100]
        self.assertEqual((line[0]["level"], line[0]["writer"], line[0]["after"]), ("warning", "persister2", last))

    def test_a_broken_command_connection_loses_and_repeats_nothing(self):
        recording, bodies = paths("synapse-1.140-big")
        configuration = self.configuration(f"bodies: {{file: {bodies}}}")
        engine = self.start_engine(configuration)
        stop = threading.Event()
        killed = []

        def kill_command_connections():
            while not stop.is_set():
                for client in self.redis.client_list(_type="normal"):
                    if client["name"] == "" and client["cmd"] in ("exec", "hget", "hgetall", "multi"):
                        killed.append(self.redis.client_kill_filter(_id=client["id"]))
                time.sleep(0.01)

        killer = threading.Thread(target=kill_command_connections)
        killer.start()
        harness.run_weir("play", recording, "--redis", self.socket, "--speed", "500", "--wait-for-subscribers", "1")
        stop.set()
        killer.join()
        self.settle(engine)
        self.assertGreater(len(killed), 3)
        self.assertEqual([row for _, row in self.durable()], self.replay(configuration, recording, bodies))
        self.assertEqual(self.metric(engine, "weir_positions_missed_ranges_total"), 0)
        self.stop_engine(engine)

    def test_a_consumer_is_told_the_position_when_it_asks(self):
        engine, *_ = self.judge_live("synapse-1.67-small")
        judged = int(self.metric(engine, "weir_events_judged_total"))
        subscriber = self.subscribe()
        self.publish("REPLICATE ", channel=f"{SERVER_NAME}/weir")
        self.assertEqual(self.heard(subscriber), ["REPLICATE ", f"POSITION verdicts weir1 {judged} {judged}",
                                                  "POSITION presence_routes weir1 0 0"])

    def test_tail_prints_live_and_stored_rows(self):
        recording, bodies = paths("synapse-1.67-small")
        engine = self.start_engine(self.configuration(f"bodies: {{file: {bodies}}}"))
        out = (self.folder / "tail.txt").open("wb")
        self.start([harness.WEIR, "tail", "--redis", self.socket, "--server-name", SERVER_NAME, "--json"], stdout=out)
        wait_until(lambda: self.redis.pubsub_numsub(f"{SERVER_NAME}/weir")[0][1] == 2)
        self.play(recording)
        self.settle(engine)
        rows = [row for _, row in self.durable()]
        wait_until(lambda: (self.folder / "tail.txt").read_text().splitlines() == rows, what="weir tail")
        stored = harness.run_weir("tail", "--redis", self.socket, "--server-name", SERVER_NAME, "--json", "--stored")
        self.assertEqual(stored.stdout.decode().splitlines(), rows)
        plain = harness.run_weir("tail", "--redis", self.socket, "--server-name", SERVER_NAME, "--stored", "--count",
                                 "3").stdout.decode()
        self.assertNotIn("\x1b", plain)
        self.assertIn(json.loads(rows[0])["event_id"], plain)


def engine_total(test, engine):
    return test.logged(engine, "stopped")[0]["events"]


class Connections(harness.Server):
    redis_arguments = ("--requirepass", "geheim", "--databases", "4")

    def start_redis(self):
        self.port = harness.free_port()
        super().start_redis()
        self.redis = harness.redis.Redis(port=self.port, password="geheim", db=3)

    def test_tcp_password_and_database(self):
        recording, bodies = paths("synapse-1.67-small")
        self.write("secret", "  geheim\n")
        configuration = self.configuration(
            f"bodies: {{file: {bodies}}}",
            redis_text=f"{{host: 127.0.0.1, port: {self.port}, password_path: secret, dbid: 3}}")
        engine = self.start_engine(configuration)
        harness.run_weir("play", recording, "--redis", f"redis://:geheim@127.0.0.1:{self.port}/3", "--speed", "max",
                         "--wait-for-subscribers", "1")
        self.settle(engine)
        self.assertEqual([row for _, row in self.durable()], self.replay(configuration, recording, bodies))
        self.stop_engine(engine)

    def test_a_wrong_password_is_said_and_tried_again(self):
        configuration = self.configuration(redis_text=f"{{host: 127.0.0.1, port: {self.port}, password: falsch}}",
                                           modules="modules: []")
        engine = self.start_engine(configuration, ready=False)
        wait_until(lambda: any("WRONGPASS" in json.dumps(line) for line in self.log_lines(engine)))
        self.assertEqual(self.http(engine, "/readyz")[0], 503)
        self.assertNotIn("falsch", engine.log.read_text())
        self.redis.config_set("requirepass", "falsch")
        wait_until(lambda: self.http(engine, "/readyz")[0] == 200, what="readiness after the password was set right")
        self.stop_engine(engine)
