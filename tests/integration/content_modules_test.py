"""The modules that look into content, on recorded traffic: with their defaults they let all of it pass, with strict
parameters they catch what a look in Python's json finds, and several threads find the same."""

import json
import subprocess
import unittest

import harness
from harness import DATA, run_weir

RECORDINGS = ["synapse-1.67-small", "synapse-1.140-small", "synapse-1.140-big"]
DEFAULTS = """modules:
  - module: shape
  - module: mentions
  - module: media
"""
STRICT = """modules:
  - module: shape
    config: {max_density: 0.95, max_caps: 0.8, max_body: 2900}
  - module: mentions
    config: {max: 2, count: [at_signs]}
  - module: media
    config: {deny: [video, sticker], max_bytes: 50000}
"""


def contents(name):
    """The type and content of each event, by its id."""
    lines = subprocess.run(["zstdcat", DATA / f"{name}.events.jsonl.zst"], capture_output=True, check=True).stdout
    events = (json.loads(line) for line in lines.splitlines())
    return {event["event_id"]: (event["json"]["type"], event["json"]["content"]) for event in events}


def expected(kind, content):
    """Which module ought to catch it, by other means; the recordings have no links or code that long."""
    body = content.get("body", "")
    letters = [letter for letter in body if letter.isalpha()]
    if len(body) > 2900 or (len(body) >= 150 and len("".join(body.split())) / len(body) > 0.95):
        return "shape"
    if len(letters) >= 20 and sum(letter.isupper() for letter in letters) / len(letters) > 0.8:
        return "shape"
    if sum(word.startswith("@") for word in body.split()) > 2:
        return "mentions"
    if content.get("msgtype") == "m.video" or kind == "m.sticker":
        return "media"
    return "media" if content.get("info", {}).get("size", 0) > 50000 and "msgtype" in content else None


class ContentModules(harness.Server):
    def rows(self, name, modules, *arguments):
        configuration = self.configuration(modules=modules)
        output = run_weir("replay", "-c", configuration, DATA / f"{name}.jsonl.zst", "--events",
                          DATA / f"{name}.events.jsonl.zst", *arguments).stdout
        return [json.loads(line) for line in output.splitlines()]

    def test_the_defaults_let_recorded_traffic_pass(self):
        for name in RECORDINGS:
            self.assertEqual(self.rows(name, DEFAULTS), [], name)

    def test_strict_parameters_catch_what_they_say(self):
        for name in RECORDINGS:
            events = contents(name)
            wanted = {event: expected(*content) for event, content in events.items()}
            rows = self.rows(name, STRICT, "--jobs", "1")
            self.assertEqual(rows, self.rows(name, STRICT, "--jobs", "3"), name)
            found = {row["event_id"]: row["module"] for row in rows}
            for event, module in wanted.items():
                self.assertEqual(found.get(event), module, (name, event, events[event]))
            self.assertEqual(len({row["module"] for row in rows}), 3, name)


if __name__ == "__main__":
    unittest.main()
