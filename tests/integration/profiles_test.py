"""The ready-made sets of modules on recorded traffic: what they deny there is what a person would call spam, found again
by other means, and nothing else."""

import collections
import json
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

from harness import DATA, run_weir

RECORDINGS = ["synapse-1.67-small", "synapse-1.140-small", "synapse-1.140-big"]


def bodies(name):
    lines = subprocess.run(["zstdcat", DATA / f"{name}.events.jsonl.zst"], capture_output=True, check=True).stdout
    events = (json.loads(line) for line in lines.splitlines())
    return {event["event_id"]: event["json"] for event in events}


def text(event):
    return str(event["content"].get("body", ""))


def is_phrase(event):
    return "cheap followers" in text(event)


def is_bait(event):
    return re.match(r"(?i)(\* )?(claim|win|free|earn \$\d{3,}) now https?://", text(event)) is not None


def is_row(event):
    """Of one character."""
    return re.fullmatch(r"(?s)(.)\1{90,}", text(event)) is not None


def is_repeated(event):
    """What comes again and again: rows, emoji, lists of mentions."""
    return is_row(event) or "🎉🔥💯" in text(event) or all(word.startswith("@") for word in text(event).split())


class Profiles(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="weir-test."))
        self.addCleanup(shutil.rmtree, self.folder)

    def replay(self, profile, recording):
        configuration = self.folder / "weir.yaml"
        configuration.write_text(f"server_name: lab.test\nmodules:\n  - include: {profile}\n")
        self.assertEqual(run_weir("check", "-c", configuration, "--for", "replay").stderr, b"")
        output = run_weir("replay", "-c", configuration, DATA / f"{recording}.jsonl.zst", "--events",
                          DATA / f"{recording}.events.jsonl.zst").stdout
        return [json.loads(line) for line in output.splitlines()]

    def denied(self, profile, recording, allowed):
        """How many events each module denies, of which `allowed` says what they must be."""
        events = bodies(recording)
        rows = self.replay(profile, recording)
        refused = collections.Counter()
        for row in rows:
            event = events[row["event_id"]]
            if row["module"] == "hold":
                self.assertGreaterEqual(refused[event["sender"]], 3, (recording, row))
                continue
            self.assertTrue(allowed[row["module"]](event), (recording, row, event["content"]))
            refused[event["sender"]] += row["module"] not in ("newcomer", "shape")
        found = {row["event_id"] for row in rows}
        for event_id, event in events.items():
            if event["type"] == "m.room.message" and (is_phrase(event) or is_bait(event)):
                self.assertIn(event_id, found, (recording, event["content"]))
        return dict(collections.Counter(row["module"] for row in rows))

    def compare(self, profile, allowed, expected):
        self.maxDiff = None
        self.assertEqual([self.denied(profile, recording, allowed) for recording in RECORDINGS], expected)

    def test_small_community(self):
        self.compare("small-community", {"keywords": is_phrase, "regex": is_bait, "repeat": is_repeated}, [
            {"keywords": 5, "regex": 10},
            {"keywords": 4, "regex": 12},
            {"keywords": 187, "regex": 360, "repeat": 83}])

    def test_public_homeserver(self):
        self.compare("public-homeserver",
                     {"keywords": is_phrase, "regex": is_bait, "shape": is_row, "repeat": is_repeated}, [
            {"keywords": 5, "regex": 10, "shape": 6},
            {"keywords": 4, "regex": 12, "shape": 3},
            {"keywords": 187, "regex": 360, "repeat": 46, "shape": 96}])

    def test_under_attack(self):
        def newcomers(event):
            """Everybody has just come to a recorded room: links, media and mentions of all are denied."""
            whole = json.dumps(event["content"])
            return "url" in event["content"] or "http" in whole or "@" in whole or "." in text(event)

        self.compare("under-attack",
                     {"keywords": is_phrase, "regex": is_bait, "repeat": is_repeated, "newcomer": newcomers,
                      "shape": lambda event: is_row(event) or text(event).isupper(),
                      "mentions": lambda event: text(event).count("@") > 5,
                      "invite_guard": lambda event: event["content"].get("membership") == "invite"}, [
            {"hold": 17, "invite_guard": 2, "keywords": 5, "mentions": 2, "newcomer": 32, "regex": 5, "shape": 10},
            {"hold": 5, "invite_guard": 3, "keywords": 4, "mentions": 1, "newcomer": 36, "regex": 2, "shape": 6},
            # Every user of this one sends spam, soon three times.
            {"hold": 3428, "invite_guard": 15, "keywords": 70, "mentions": 10, "newcomer": 406, "regex": 33, "repeat": 4,
             "shape": 95}])


if __name__ == "__main__":
    unittest.main()
