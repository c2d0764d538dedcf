"""The module rate in the real program: replays decide alike and as a model does, reloads and restarts keep what is known."""

import fractions
import json
import signal
import subprocess
import unittest

import harness
from harness import DATA, SERVER_NAME, Server, ev_row, rdata, wait_until

RECORDING = DATA / "synapse-1.140-small.jsonl.zst"
BODIES = DATA / "synapse-1.140-small.events.jsonl.zst"
MODULES = """
modules:
  - module: rate
    config:
      rules:
        - {key: sender, rate: 6/m, burst: 4}
        - {key: room, rate: 20/m, types: [m.room.message]}
"""
ROOM_RATE = """
modules:
  - module: rate
    config: {rules: [{key: room, rate: 3/h}]}
"""


class Bucket:
    """Tokens as a fraction."""

    def __init__(self, count, period_ms, burst):
        self.rate, self.burst = fractions.Fraction(count, period_ms), burst
        self.buckets = {}

    def level(self, key, now):
        level, at = self.buckets.get(key, (fractions.Fraction(self.burst), now))
        return min(fractions.Fraction(self.burst), level + (now - at) * self.rate)

    def take(self, key, now):
        self.buckets[key] = (self.level(key, now) - 1, now)


def lines(path):
    return subprocess.run(["zstd", "-dcq", path], stdout=subprocess.PIPE, check=True).stdout.decode().splitlines()


def arrivals():
    """When each event's token was complete, in whole milliseconds, never going backwards."""
    times, waiting, now = {}, {}, 0
    for line in lines(RECORDING):
        message = json.loads(line)
        words = message["data"].split(" ", 4)
        now = max(now, int(fractions.Fraction(str(message["t"])) * 1000))
        if message["ch"] != SERVER_NAME or words[:2] != ["RDATA", "events"]:
            continue
        kind, fields = json.loads(words[4])
        waiting.setdefault(words[2], []).append(fields[0] if kind == "ev" else None)
        if words[3] != "batch":
            times.update(dict.fromkeys(waiting.pop(words[2]), now))
    return times


def bodies():
    return {json.loads(line)["event_id"]: json.loads(line)["json"] for line in lines(BODIES)}


class Rate(Server):
    def replayed(self, recording, *arguments):
        configuration = self.configuration(modules=MODULES)
        return self.replay(configuration, recording, BODIES, "--all", *arguments)

    def expect_as_model(self, rows, time_of):
        events = bodies()
        senders, rooms = Bucket(6, 60000, 4), Bucket(20, 60000, 20)
        denied = 0
        for row in map(json.loads, rows):
            event, now = events[row["event_id"]], time_of(row["event_id"])
            due = [(senders, event["sender"])]
            if event["type"] == "m.room.message":
                due.append((rooms, event["room_id"]))
            wanted = [rule for rule, (bucket, key) in enumerate(due) if bucket.level(key, now) < 1]
            for bucket, key in due if not wanted else ():
                bucket.take(key, now)
            rules = ["6/m for each sender", "20/m for each room"]
            self.assertEqual(row["rule"], rules[wanted[0]] if wanted else None, row["event_id"])
            denied += bool(wanted)
        self.assertGreater(denied, 20)
        self.assertGreater(len(rows) - denied, 20)

    def test_a_replay_goes_by_the_recorded_time(self):
        rows = self.replayed(RECORDING)
        self.expect_as_model(rows, arrivals().get)
        for jobs in ("1", "2", "5"):
            self.assertEqual(self.replayed(RECORDING, "--jobs", jobs), rows)

    def test_without_recorded_times_it_goes_by_those_of_the_events(self):
        untimed = [json.dumps({key: value for key, value in json.loads(line).items() if key != "t"})
                   for line in lines(RECORDING)]
        recording = self.write("untimed.jsonl", "\n".join(untimed) + "\n")
        rows = self.replayed(recording)
        events = bodies()
        latest = 0

        def time_of(event_id):
            nonlocal latest
            latest = max(latest, events[event_id]["origin_server_ts"])
            return latest
        self.expect_as_model(rows, time_of)
        self.assertEqual(self.replayed(recording, "--jobs", "3"), rows)

    def denied(self):
        return [json.loads(row)["event_id"] for _, row in self.durable()]

    def judge(self, engine, first, *rooms):
        """Publishes an event for each room, from the token `first` on, and returns which were denied."""
        before = len(self.denied())
        judged = self.metric(engine, "weir_events_judged_total")
        self.publish(f"POSITION events persister1 {first - 1} {first - 1}")
        for place, room in enumerate(rooms):
            self.publish(rdata(first + place, ev_row(f"${first + place}", room=room)))
        wait_until(lambda: self.metric(engine, "weir_events_judged_total") == judged + len(rooms))
        self.settle(engine)
        return [int(event_id[1:]) for event_id in self.denied()[before:]]

    def test_reloads_and_restarts_keep_what_is_known(self):
        body = f"state_dir: {self.folder}"
        configuration = self.configuration(body, modules=ROOM_RATE)
        engine = self.start_engine(configuration)
        self.assertEqual(self.judge(engine, 1, *["!a:x"] * 5), [4, 5])
        # A module more, and the state of the other is kept.
        self.configuration(body, modules=ROOM_RATE + "  - module: event_types\n    config: {deny: [m.bad]}\n")
        engine.send_signal(signal.SIGHUP)
        wait_until(lambda: self.logged(engine, "the configuration was loaded again"))
        told = self.logged(engine, "modules whose configuration has not changed remember what they knew")
        self.assertEqual([(line["go_on"], line["begin_anew"]) for line in told], [(1, 0)])
        self.assertEqual(self.judge(engine, 6, "!a:x", "!b:x"), [6])
        self.stop_engine(engine)
        engine = self.start_engine(configuration)
        told = self.logged(engine, "modules remember what they knew")
        self.assertEqual([(line["go_on"], line["begin_anew"]) for line in told], [(1, 0)])
        self.assertEqual(self.judge(engine, 8, "!a:x", "!b:x", "!b:x", "!b:x"), [8, 11])
        self.stop_engine(engine)
        # Another rate begins anew; and a damaged file stops nothing.
        for path in self.folder.glob("*.modules"):
            path.write_bytes(path.read_bytes()[:-3])
        self.configuration(body, modules=ROOM_RATE)
        engine = self.start_engine(configuration)
        self.assertTrue(self.logged(engine, "what modules knew cannot be read, or not all of it; they "
                                            "begin anew"))
        self.assertEqual(self.judge(engine, 12, *["!a:x"] * 4), [15])
        self.configuration(body, modules=ROOM_RATE.replace("3/h", "2/h"))
        engine.send_signal(signal.SIGHUP)
        wait_until(lambda: self.logged(engine, "the configuration was loaded again"))
        self.assertEqual(self.judge(engine, 16, *["!a:x"] * 3), [18])
        self.stop_engine(engine)

    def test_an_engine_that_was_killed_loses_little(self):
        body = f"state_dir: {self.folder}\nstate_interval: 300ms"
        configuration = self.configuration(body, modules=ROOM_RATE)
        engine = self.start_engine(configuration)
        self.assertEqual(self.judge(engine, 1, *["!a:x"] * 5), [4, 5])
        written = self.metric(engine, "weir_module_state_writes_total")
        wait_until(lambda: self.metric(engine, "weir_module_state_writes_total") >= written + 2)
        self.assertGreater(self.metric(engine, "weir_module_state_bytes"), 100)
        # A reload in between is no trouble.
        self.configuration(body, modules=ROOM_RATE + "  - module: event_types\n    config: {deny: [m.bad]}\n")
        engine.send_signal(signal.SIGHUP)
        wait_until(lambda: self.logged(engine, "the configuration was loaded again"))
        written = self.metric(engine, "weir_module_state_writes_total")
        wait_until(lambda: self.metric(engine, "weir_module_state_writes_total") >= written + 2)
        engine.kill()
        engine.wait()
        engine = self.start_engine(configuration)
        told = self.logged(engine, "modules remember what they knew")
        self.assertEqual([(line["go_on"], line["begin_anew"]) for line in told], [(1, 0)])
        self.assertEqual(self.judge(engine, 6, "!a:x", "!b:x"), [6])
        # A disk that refuses is said once, and the engine goes on.
        path, = self.folder.glob("*.modules")
        path.unlink()
        path.mkdir()
        (path / "in-the-way").touch()
        wait_until(lambda: (self.metric(engine, "weir_module_state_failures_total") or 0) >= 2)
        wrong = self.logged(engine, "what modules remember cannot be written; an engine that is killed would lose it")
        self.assertEqual(len(wrong), 1)
        self.assertEqual(self.judge(engine, 8, "!a:x", "!b:x"), [8])
        (path / "in-the-way").unlink()
        path.rmdir()
        wait_until(lambda: self.logged(engine, "what modules remember can be written again"))
        self.stop_engine(engine)

    def test_without_an_interval_only_a_stop_writes(self):
        engine = self.start_engine(self.configuration(f"state_dir: {self.folder}\nstate_interval: 0", modules=ROOM_RATE))
        self.assertEqual(self.judge(engine, 1, *["!a:x"] * 4), [4])
        self.assertIsNone(self.metric(engine, "weir_module_state_writes_total"))
        self.assertEqual(list(self.folder.glob("*.modules")), [])
        self.stop_engine(engine)
        self.assertEqual(len(list(self.folder.glob("*.modules"))), 1)


if __name__ == "__main__":
    unittest.main()
