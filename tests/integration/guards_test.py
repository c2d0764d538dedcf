"""The modules that guard types, state and media, on recorded traffic: what well-behaved clients did passes, and what is
listed is found wherever a look in Python's json finds it, by one thread and by several."""

import json
import signal
import time
import unittest

import callbacks_http_test
import harness
from content_modules_test import RECORDINGS, contents
from harness import DATA, run_weir, wait_until

WELL_FORMED = """modules:
  - module: event_types
    config: {malformed: deny, sticky: deny}
  - module: state_guard
    config: {protect: [power_levels, server_acl, join_rules, tombstone, policy, encryption]}
"""


def uris(value):
    """All mxc URIs that are a string of their own."""
    if isinstance(value, str):
        return {value} if value.startswith("mxc://") else set()
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return set().union(*(uris(child) for child in children))


class Guards(harness.Server):
    def rows(self, name, modules, *arguments):
        output = run_weir("replay", "-c", self.configuration(modules=modules), DATA / f"{name}.jsonl.zst", "--events",
                          DATA / f"{name}.events.jsonl.zst", *arguments).stdout
        return [json.loads(line) for line in output.splitlines()]

    def test_recorded_traffic_is_well_formed(self):
        for name in RECORDINGS:
            self.assertEqual(self.rows(name, WELL_FORMED), [], name)

    def test_listed_media_is_found_in_any_event(self):
        listed, found = 0, 0
        for name in RECORDINGS:
            media = {event: uris(content) for event, (_, content) in contents(name).items()}
            bad = sorted(set().union(*media.values()))[::2]
            listed += len(bad)
            modules = "modules:\n  - module: media_hash\n    config: {mxc: " + json.dumps(bad) + "}\n"
            rows = self.rows(name, modules, "--jobs", "1")
            self.assertEqual(rows, self.rows(name, modules, "--jobs", "3"), name)
            self.assertEqual({row["event_id"] for row in rows},
                             {event for event, named in media.items() if named.intersection(bad)}, name)
            found += len(rows)
        self.assertGreater(listed, 0)
        self.assertGreater(found, 0)


ASKED = """modules:
  - module: state_guard
    config: {protect: [tombstone]}
  - module: censor
    config: {rules: [{list: [darn]}]}
"""
STATE = [{"type": "m.room.create", "state_key": "", "sender": "@owner:lab.test", "content": {"creator": "@owner:lab.test"}},
         {"type": "m.room.power_levels", "state_key": "",
          "content": {"users": {"@owner:lab.test": 100, "@moderator:lab.test": 50}}}]


class Asked(callbacks_http_test.HttpApi):
    def test_the_state_decides_and_the_content_is_censored(self):
        engine = self.begin(modules=ASKED)

        def ask(sender, kind, content, **members):
            event = {"type": kind, "room_id": "!r:lab.test", "sender": sender, "content": content, **members}
            status, answer = self.ask(engine, "check_event_allowed", {"event": event, "state": STATE})
            self.assertEqual(status, 200, answer)
            return json.dumps(answer)

        passed = ask("@owner:lab.test", "m.room.tombstone", {"body": "", "replacement_room": "!n:lab.test"}, state_key="")
        refused = ask("@moderator:lab.test", "m.room.tombstone", {"body": "", "replacement_room": "!n:lab.test"},
                      state_key="")
        self.assertIn('{"bool": true}, {"none": true}', passed)
        self.assertIn('{"bool": false}', refused)
        message = {"msgtype": "m.text", "body": "oh d\u0430rn"}
        self.assertIn('"content": {"msgtype": "m.text", "body": "oh ****"}',
                      ask("@owner:lab.test", "m.room.message", message))

    def test_modules_say_on_the_metrics_page_what_they_count(self):
        wave = "modules:\n  - module: join_wave\n    config: {rate: 2/h, hold: %s}\n"
        engine = self.begin(modules=wave % "30m")
        figure = lambda name: self.metric(engine, f"weir_module_join_wave_{name}", 'module="join_wave"')
        join = lambda user: self.ask(engine, "user_may_join_room",
                                     {"user_id": user, "room_id": "!r:lab.test", "is_invited": False})[1]
        self.assertEqual(figure("waves_total"), 0)
        self.assertEqual([join(f"@{number}:lab.test") for number in range(2)], ["NOT_SPAM"] * 2)
        self.assertEqual(join("@3:lab.test"), {"code": "M_FORBIDDEN", "fields": {}})
        self.assertEqual((figure("waves_total"), figure("held")), (1, 1))
        self.assertGreater(figure("last_wave_timestamp_seconds"), time.time() - 600)
        self.configuration("bodies: {file: bodies.jsonl}\nrequests: {http: true}", modules=wave % "31m")
        engine.send_signal(signal.SIGHUP)
        wait_until(lambda: figure("waves_total") == 0, what="the figures of the new chain")
        self.assertEqual(join("@4:lab.test"), "NOT_SPAM")

    def test_a_wave_that_denies_nobody_is_logged(self):
        engine = self.begin(modules="modules:\n  - module: join_wave\n    config: {rate: 2/h, then: notify}\n")
        for number in range(9):
            self.assertEqual(self.ask(engine, "user_may_join_room",
                                      {"user_id": f"@{number}:lab.test", "room_id": "!r:lab.test", "is_invited": False})[1],
                             "NOT_SPAM")
        self.assertEqual(self.metric(engine, "weir_module_join_wave_waves_total", 'module="join_wave"'), 1)
        waves = [line for line in self.log_lines(engine) if "a wave of joins" in json.dumps(line)]
        self.assertEqual(len(waves), 1, waves)
        self.assertIn("!r:lab.test (more than 2 joins within 1h; only logged, for 30m)", json.dumps(waves))
        self.assertIn("join_wave", json.dumps(waves))


if __name__ == "__main__":
    unittest.main()
