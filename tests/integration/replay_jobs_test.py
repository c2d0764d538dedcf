"""A replay of several jobs writes what one job writes, byte for byte, and counts the same; what cannot be asked by
several threads is asked by one."""

import json
import re
import subprocess
import unittest

import harness
import oracle
from harness import DATA, SERVER_NAME, ev_row, rdata, run_weir

RECORDINGS = ["synapse-1.67-small", "synapse-1.140-small", "synapse-1.140-big"]
JOBS = (1, 2, 3, 8)
# Every kind of module that may be asked by several threads, in dry_run and with selectors, and expressions that PCRE2
# has to confirm.
MODULES = harness.MODULES + r"""
  - module: keywords
    dry_run: true
    config: {patterns: ['(?<!un)as', '(\w)\1\1', '\bthe\b'], syntax: regex}
  - module: event_types
    except: {rooms: ["!a*", "!b*"]}
    dry_run: true
    config: {deny: ["m.room.m*", m.reaction]}
  - module: event_types
    only: {senders: ["@u00*:lab.test"]}
    config: {deny: [m.room.redaction, m.sticker]}
  - module: list_spam_checker
    config: {evil_users: ["@u011:lab.test"]}
"""
SCRIPT = """
local seen = 0
function check_event_for_spam(event)
    seen = seen + 1
    if seen % 3 == 0 then
        return refuse("M_FORBIDDEN")
    end
    return pass
end
"""


def message(data, channel=SERVER_NAME):
    return json.dumps({"t": 1.5, "ch": channel, "data": data})


class ReplayJobs(harness.Server):
    def counted(self, stderr):
        """The summary without what depends on the clock, and without log lines: those are bounded by the second."""
        lines = [line for line in stderr.decode().splitlines() if not line.startswith("{")]
        return [line for line in lines if not re.search(r"messages/s|^judged by", line)]

    def expect_the_same(self, *arguments, code=0, read=None):
        """With each number of jobs; returns the rows of one."""
        results = []
        for jobs in JOBS:
            command = [harness.WEIR, "replay", "--jobs", str(jobs), *map(str, arguments)]
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            if read:
                for part in read:
                    process.stdin.write(part)
                    process.stdin.flush()
            rows, stderr = process.communicate(timeout=120)
            self.assertEqual(process.returncode, code, stderr.decode())
            results.append((rows, self.counted(stderr)))
        for jobs, (rows, summary) in zip(JOBS, results):
            self.assertEqual(summary, results[0][1], jobs)
            self.assertTrue(rows == results[0][0], f"the rows of {jobs} jobs are not those of one")
        return results[0][0].decode().splitlines()

    def test_every_recording(self):
        configuration = self.configuration(modules=MODULES)
        for name in RECORDINGS:
            recording, bodies = DATA / f"{name}.jsonl.zst", DATA / f"{name}.events.jsonl.zst"
            variants = [["--events", bodies, "--all"], ["--events", bodies], ["--all"]]
            for arguments in variants if "small" in name else variants[:1]:
                with self.subTest(name, arguments=arguments):
                    rows = [json.loads(row) for row in
                            self.expect_the_same("-c", configuration, recording, *arguments)]
                    self.assertTrue(any(row["dry_run"] for row in rows))
                    if "--events" in arguments:
                        self.assertGreater(len({row["module"] for row in rows if not row["dry_run"]}), 3)

    def test_a_module_that_remembers_is_asked_by_one_job(self):
        script = self.write("third.lua", SCRIPT)
        configuration = self.configuration(modules=f"modules:\n  - module: lua\n    config: {{script: {script}}}\n")
        arguments = ["-c", configuration, DATA / "synapse-1.140-small.jsonl.zst",
                     "--events", DATA / "synapse-1.140-small.events.jsonl.zst"]
        rows = self.expect_the_same(*arguments)
        self.assertGreater(len(rows), 50)
        self.assertIn("judged by one job: lua", run_weir("replay", *arguments, "--jobs", "2").stderr.decode())
        self.assertNotIn("judged by one", run_weir("replay", *arguments, "--jobs", "1").stderr.decode())

    def test_asking_as_synapse_is_left_to_one_job(self):
        configuration = self.configuration("observe: {ask: as_synapse}\n", modules=MODULES)
        recording = DATA / "synapse-1.140-small.jsonl.zst"
        bodies = DATA / "synapse-1.140-small.events.jsonl.zst"
        self.expect_the_same("-c", configuration, recording, "--events", bodies)
        self.assertIn("judged by one job: observe.ask",
                      run_weir("replay", "-c", configuration, recording, "--jobs", "3").stderr.decode())

    def damaged(self):
        """A recording with all that may be wrong with its lines and its bodies, plain."""
        lines, bodies = [], []
        for number in range(1000):
            event_id = f"${number}"
            lines.append(message(rdata(number + 10, ev_row(event_id, rejected=number % 50 == 7,
                                                           outlier=number % 50 == 8))))
            if number % 10 == 3:
                lines.append(message(rdata(number + 10, ev_row(event_id))))  # a duplicate
            if number % 13 == 6:
                lines.append(message(rdata(number + 10, ev_row(f"$s{number}", event_type='a\\b"c\\"d\n\u00e9'), writer="w")))
            if number % 17 == 5:
                lines += ["no JSON", "{}", message("RDATA events persister1 x []"), message("RDATA events w 5 [1]"),
                          message("RDATA events per\"sister 5 " + ev_row(f"$q{number}")),
                          message("RDATA events per\"sister batch " + ev_row(f"$r{number}")),
                          message(rdata(1, "[]", stream="no\"stream")), message("caché"), message("   "),
                          message(rdata(number, "[\"x\\\\y\"]", stream="caches")), message("POSITION events a\"b 1 2"),
                          message(rdata(number, ev_row("$elsewhere")), channel="other.test")]
            body = {"type": "m.room.message", "sender": "@a:lab.test", "content": {"body": "cheap followers"}}
            text = {1: None, 2: '{"event_id": "%s", "json": {"sender": @}}', 3: '{"event_id": "%s", "json": [}',
                    4: '{"event_id": "%s", "json": {"content": []}}'}.get(
                        number % 11, json.dumps({"event_id": "%s", "json": body}))
            if text:
                bodies.append(text % event_id)
        recording = self.write("damaged.jsonl", "\n".join(lines) + "\n")
        return recording, self.write("damaged.events.jsonl", "\n".join(bodies))

    def test_damaged_lines_and_bodies(self):
        recording, bodies = self.damaged()
        configuration = self.configuration(modules=MODULES)
        rows = [json.loads(row) for row in
                self.expect_the_same("-c", configuration, recording, "--events", bodies, "--all")]
        self.assertIn('per"sister', {row["instance"] for row in rows})
        self.assertIn('a\\b"c\\"d\n\u00e9', {row["type"] for row in rows})
        summary = run_weir("replay", "-c", configuration, recording, "--events", bodies, "--jobs", "3").stderr.decode()
        for wanted in ("unreadable bodies", "without a body", "rejected", "outliers", "seen before", "other channels",
                       "could not be read", "no recorded messages"):
            self.assertIn(wanted, summary)

    def test_a_recording_that_comes_in_pieces(self):
        recording = DATA / "synapse-1.140-small.jsonl.zst"
        whole = "".join(json.dumps(line) + "\n" for line in oracle.read_jsonl(recording)).encode()
        bodies = DATA / "synapse-1.140-small.events.jsonl.zst"
        configuration = self.configuration(modules=MODULES)
        expected = self.expect_the_same("-c", configuration, recording, "--events", bodies)
        for size in (997, 65537):
            parts = [whole[start:start + size] for start in range(0, len(whole), size)]
            self.assertEqual(self.expect_the_same("-c", configuration, "-", "--events", bodies, read=parts), expected)
        short = self.folder / "short.jsonl.zst"
        short.write_bytes(recording.read_bytes()[:-1000])
        self.assertLess(len(self.expect_the_same("-c", configuration, short, "--events", bodies)), len(expected))

    def test_bodies_and_output_that_fail(self):
        configuration = self.configuration(modules=MODULES)
        recording = DATA / "synapse-1.140-big.jsonl.zst"
        bodies = DATA / "synapse-1.140-big.events.jsonl.zst"
        short = self.folder / "short.events.jsonl.zst"
        short.write_bytes(bodies.read_bytes()[:-1000])
        kept = self.write("rows.jsonl", "kept")
        for jobs in JOBS:
            done = run_weir("replay", "-c", configuration, recording, "--events", short, "--jobs", jobs)
            self.assertIn("cut short", done.stderr.decode())
            self.assertIn("events without a body", done.stderr.decode())
            done = run_weir("replay", "-c", configuration, recording, "--events", self.folder / "absent", "--output",
                            kept, "--jobs", jobs, check=False)
            self.assertEqual((done.returncode, kept.read_text()), (1, "kept"))
            done = run_weir("replay", "-c", configuration, recording, "--events", bodies, "--all", "--output",
                            "/dev/full", "--jobs", jobs, check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn("cannot write the rows", done.stderr.decode())

    def test_numbers_of_jobs(self):
        configuration = self.configuration(modules=MODULES)
        recording = DATA / "synapse-1.140-small.jsonl.zst"
        for jobs in ("0", "65", "-1", "x", "2x", ""):
            done = run_weir("replay", "-c", configuration, recording, "--jobs", jobs, check=False)
            self.assertEqual(done.returncode, 2, jobs)
            self.assertIn("--jobs is a number from 1 to 64", done.stderr.decode())
        self.assertEqual(run_weir("replay", "-c", configuration, recording, "--jobs", "64").returncode, 0)


if __name__ == "__main__":
    unittest.main()
