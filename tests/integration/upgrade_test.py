"""What older versions of Weir left behind (tests/data/releases, made by tests/releases/keep.py) is read by this one, and
what a newer one left is refused with words: positions and verdicts on Redis, the state_dir, compiled patterns and
recordings."""

import json
import pathlib
import subprocess
import sys
import unittest

import harness
from harness import SERVER_NAME, run_weir, wait_until

sys.path.insert(0, str(harness.ROOT / "tests" / "releases"))
import keep

RELEASES = sorted((harness.DATA / "releases").glob("*.tar.zst"))
POSITIONS = f"{SERVER_NAME}/weir/positions"
VERDICTS = f"{SERVER_NAME}/weir/verdicts"
FORMAT = "weir1 format weir"


class Upgrade(harness.Server):
    def unpack(self, archive):
        """The folder as that version left it, and Redis, too."""
        self.redis.flushall()
        self.kept = self.folder / archive.name
        self.kept.mkdir()
        subprocess.run(["tar", "-I", "zstd", "-xf", archive, "-C", self.kept, "--no-same-owner"], check=True)
        self.left = json.loads((self.kept / "redis.json").read_text())
        self.about = json.loads((self.kept / "about.json").read_text())
        keep.split_recording(harness.DATA, self.kept)
        self.path = self.kept / "weir.yaml"
        self.path.write_text(keep.configuration(self.kept, self.socket))

    def fill_redis(self):
        self.redis.hset(POSITIONS, mapping=self.left["positions"])
        for identifier, fields in self.left["verdicts"]:
            self.redis.xadd(VERDICTS, fields, id=identifier)

    def for_each_release(self, test):
        self.assertTrue(RELEASES, "the files of no release are kept")
        for archive in RELEASES:
            with self.subTest(release=archive.name):
                self.unpack(archive)
                test()

    def modules_file(self):
        return self.kept / "state" / f"{SERVER_NAME}.weir1.modules"

    def positions_file(self):
        return self.kept / "state" / f"{SERVER_NAME}.weir1.positions"

    def wait_for_position(self, engine, at_least):
        wait_until(lambda: all(int(self.redis.hget(POSITIONS, f"weir1 events {writer}") or 0) >= at_least
                               for writer in ("persister1", "persister2")), what="the rest of the recording")
        self.settle(engine)

    def warnings(self, engine):
        return [line for line in self.log_lines(engine) if line["level"] in ("warning", "error") and
                not line["message"].startswith("nobody can be asked for events")]

    def test_it_goes_on_where_the_older_one_stopped(self):
        self.for_each_release(self.it_goes_on_where_the_older_one_stopped)

    def it_goes_on_where_the_older_one_stopped(self):
        self.fill_redis()
        engine = self.start_engine(self.path)
        went_on = {line["writer"]: line["token"] for line in self.logged(engine, "goes on from a stored position")}
        for writer in ("persister1", "persister2"):
            self.assertEqual(went_on[writer], int(self.left["positions"][f"weir1 events {writer}"]))
        remembered = self.logged(engine, "modules remember what they knew")
        self.assertEqual([(line["go_on"], line["begin_anew"], line["unreadable"]) for line in remembered], [(7, 0, 0)])
        self.play(self.kept / "second.jsonl")
        self.wait_for_position(engine, 200)
        self.stop_engine(engine)
        self.assertEqual(self.warnings(engine), [])
        whole = [json.loads(row) for row in self.replay(self.path, harness.DATA / f"{keep.RECORDING}.jsonl.zst",
                                                        harness.DATA / f"{keep.RECORDING}.events.jsonl.zst")]
        self.assertEqual([json.loads(row) for _, row in self.durable()], whole,
                         "the log of both versions together is that of one that saw all")
        tokens = [token for token, _ in self.durable()]
        self.assertEqual(tokens, sorted(tokens))
        self.assertEqual(self.redis.hget(POSITIONS, FORMAT), b"1")

    def test_an_empty_redis_is_filled_from_the_older_state_file(self):
        self.for_each_release(self.an_empty_redis_is_filled_from_the_older_state_file)

    def an_empty_redis_is_filled_from_the_older_state_file(self):
        engine = self.start_engine(self.path)
        wait_until(lambda: self.redis.hlen(POSITIONS) >= 4, what="the positions")
        stored = {name.decode(): value.decode() for name, value in self.redis.hgetall(POSITIONS).items()}
        self.assertEqual({**self.left["positions"], FORMAT: "1"}, stored)
        self.stop_engine(engine)

    def test_recordings_of_older_versions(self):
        self.for_each_release(self.recordings_of_older_versions)

    def recordings_of_older_versions(self):
        rows = self.replay(self.path, self.kept / "recorded.jsonl.zst", self.kept / "recorded.events.jsonl.zst")
        self.assertEqual(rows, self.about["judged"])
        report = run_weir("backtest", "-c", self.path, self.kept / "recorded.jsonl.zst", "--events",
                          self.kept / "recorded.events.jsonl.zst", "--json", "-").stdout
        self.assertGreater(json.loads(report)["events"], len(rows))

    def newest(self):
        self.unpack(RELEASES[-1])

    def test_newer_positions_are_refused(self):
        self.newest()
        self.fill_redis()
        for stored in ("2", "many"):
            self.redis.hset(POSITIONS, FORMAT, stored)
            before = self.redis.hgetall(POSITIONS)
            engine = self.start_engine(self.path, ready=False)
            self.assertEqual(engine.wait(timeout=20), 1)
            said = [line for line in self.log_lines(engine) if "stored by a newer Weir" in line["message"]]
            self.assertEqual((said[0]["level"], said[0]["known_format"]), ("error", 1))
            self.assertEqual(self.redis.hgetall(POSITIONS), before, "nothing was changed")
            self.assertEqual(self.redis.xlen(VERDICTS), len(self.left["verdicts"]))
        other = self.path.read_text() + "instance_name: weir2\n"
        self.path.write_text(other)
        self.stop_engine(self.start_engine(self.path))

    def test_newer_state_files_are_refused(self):
        self.newest()
        self.fill_redis()
        positions = self.positions_file().read_text()
        self.positions_file().write_text(positions.replace('"weir_state":1', '"weir_state":2'))
        modules = bytearray(self.modules_file().read_bytes())
        self.assertEqual(modules[:12], b"weirmods\x01\0\0\0")
        modules[8] = 2
        self.modules_file().write_bytes(modules)
        engine = self.start_engine(self.path)
        reasons = {line["reason"] for line in self.warnings(engine)}
        self.assertEqual(reasons, {"it is of another version of Weir", "the snapshot of the modules is of another version"})
        self.stop_engine(engine)

    def test_newer_recordings_are_refused(self):
        self.newest()
        lines = (self.kept / "first.jsonl").read_text().splitlines()
        mark = {"t": 1.5, "ch": f"{SERVER_NAME}/weir/record", "data": "FORMAT 2 9.9.0"}
        recording = self.kept / "newer.jsonl"
        recording.write_text("\n".join([json.dumps(mark), *lines]) + "\n")
        sentence = "the recording was written by Weir 9.9.0, in form 2 of recordings"
        for arguments in (("replay", "-c", self.path, recording), ("backtest", "-c", self.path, recording),
                          ("play", recording, "--redis", self.socket, "--speed", "max")):
            done = run_weir(*arguments, check=False)
            self.assertEqual(done.returncode, 1, arguments)
            self.assertIn(sentence, done.stderr.decode(), arguments)

    def test_a_recording_says_of_which_form_it_is(self):
        self.newest()
        recording = self.kept / "mine.jsonl"
        recorder = self.start([harness.WEIR, "record", "-c", self.path, recording], stderr=subprocess.DEVNULL)
        wait_until(lambda: dict(self.redis.pubsub_numsub(SERVER_NAME))[SERVER_NAME.encode()] == 1)
        self.play(self.kept / "first.jsonl")
        wait_until(lambda: recording.exists() and recording.read_text().count("\n") > 100, what="the recording")
        recorder.terminate()
        self.assertEqual(recorder.wait(timeout=20), 0)
        version = run_weir("version").stdout.decode().split()[1]
        marks = [json.loads(line)["data"] for line in recording.read_text().splitlines() if "/weir/record" in line]
        self.assertEqual(marks, [f"FORMAT 1 {version}"])
        self.assertIn("FORMAT", recording.read_text().splitlines()[0])


if __name__ == "__main__":
    unittest.main()
