"""Recording live traffic: what was recorded replays as the original does; kills, rotation, the limit, gaps, secrets."""

import json
import pathlib
import signal
import stat
import subprocess
import time
import unittest

import harness
import oracle
from harness import DATA, MODULES, SERVER_NAME, WEIR, ev_row, rdata, run_weir, wait_until
from postgres_test import PostgresServer


class Record(PostgresServer):
    def start_recorder(self, configuration, recording, *arguments, wait=True):
        log = self.folder / f"recorder-{len(self.processes)}.log"
        with open(log, "wb") as stderr:
            recorder = self.start([WEIR, "record", "-c", configuration, recording, *arguments], stderr=stderr)
        recorder.log = log
        if wait:
            wait_until(lambda: self.logged(recorder, "recording") or recorder.poll() is not None, what="the recorder")
            self.assertIsNone(recorder.poll(), log.read_text())
        return recorder

    def stop(self, recorder, number=signal.SIGTERM):
        recorder.send_signal(number)
        self.assertEqual(recorder.wait(timeout=30), 0, recorder.log.read_text()[-2000:])
        return recorder.log.read_text()

    def settle_files(self, *paths):
        """Until nothing more is written: what was published is heard and flushed."""
        last = None

        def settled():
            nonlocal last
            before, last = last, [path.stat().st_size for path in paths or sorted(self.folder.glob("live/*"))]
            time.sleep(1.5)
            return before == last and sum(last) > 0
        wait_until(settled, seconds=90, what="an end of writing")

    def fill_database(self, name):
        bodies = oracle.read_jsonl(DATA / f"{name}.events.jsonl.zst")
        self.insert((line["event_id"], line["json"]) for line in bodies)

    def messages(self, path):
        """Of a file of bodies, its lines; of a recording those behind the first, which says of which form it is."""
        lines = list(oracle.read_jsonl(path))
        if not lines or "ch" not in lines[0]:
            return lines
        self.assertEqual((lines[0]["ch"], lines[0]["data"].split()[:2]), (f"{SERVER_NAME}/weir/record", ["FORMAT", "1"]))
        return lines[1:]

    def test_a_record_of_a_played_recording_replays_as_the_original(self):
        for name, arguments in (("synapse-1.140-big", ()), ("synapse-1.67-small", ("--all-streams", "--replicate"))):
            with self.subTest(name):
                self.sql("TRUNCATE event_json")
                self.fill_database(name)
                original = DATA / f"{name}.jsonl.zst"
                configuration = self.configuration(self.bodies)
                recording = self.folder / f"{name}.copy.jsonl.zst"
                bodies = self.folder / f"{name}.copy.events.jsonl.zst"
                recorder = self.start_recorder(configuration, recording, "--events", bodies, *arguments)
                self.play(original)
                self.settle_files(recording, bodies)
                text = self.stop(recorder)
                self.assertIn("recorded", text)
                for path in (recording, bodies):
                    self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600)
                expected = self.replay(configuration, original, DATA / f"{name}.events.jsonl.zst", "--all")
                found = self.replay(configuration, recording, bodies, "--all")
                self.assertGreater(len(expected), 200)
                self.assertEqual(found, expected)
                # What zstd itself thinks of the files.
                for path in (recording, bodies):
                    subprocess.run(["zstd", "-tq", path], check=True)
                self.expect_no_secrets(original, recording)

    def expect_no_secrets(self, original, recording):
        """Nothing of the keys of `caches`, of USER_IP or of push keys is in the copy."""
        secrets = set()
        for message in oracle.read_jsonl(original):
            words = message["data"].split(" ", 4)
            if words[0] == "USER_IP":
                secrets.add(json.loads(message["data"].split(" ", 2)[2])[0])
            elif words[:2] == ["RDATA", "caches"]:
                function, keys, _ = json.loads(words[4])
                if function == "get_user_by_access_token":
                    secrets.update(keys)
            elif words[:2] == ["RDATA", "pushers"]:
                secrets.add(json.loads(words[4])[2])
        self.assertGreater(len(secrets), 3)
        text = "\n".join(message["data"] for message in oracle.read_jsonl(recording))
        for secret in secrets:
            self.assertNotIn(secret, text)

    def test_other_streams_keep_their_tokens_and_shapes_alone(self):
        recording = self.folder / "shapes.jsonl"
        recorder = self.start_recorder(self.configuration(), recording)
        self.publish('RDATA pushers master 12 ["@a:lab.test","im.app","KEY",false]',
                     'RDATA presence misc1 5 ["@a:lab.test","online",1,2,3,"at home",true]',
                     'RDATA new_stream w 3 ["text",{"a":1},[2],null,4.5]', 'RDATA new_stream w 4 {"token":"x"}',
                     'LOCK_RELEASED ["a","b","c"]', "POSITION events persister1 4 5", "nonsense")
        self.publish('USER_IP @a:lab.test ["syt_secret","1.2.3.4","agent","DEV",5]', channel=f"{SERVER_NAME}/USER_IP")
        wait_until(lambda: recording.read_text().count("\n") == 1 + 5)
        self.stop(recorder)
        self.assertEqual([line["data"] for line in self.messages(recording)],
                         ['RDATA pushers master 12 ["","","",false]',
                          'RDATA presence misc1 5 ["@a:lab.test","online",1,2,3,"at home",true]',
                          'RDATA new_stream w 3 ["",{},[],null,0]', "RDATA new_stream w 4 {}",
                          "POSITION events persister1 4 5"])

    def test_content_that_is_left_out_keeps_its_lengths(self):
        event = {"type": "m.room.message", "room_id": "!r:lab.test", "sender": "@a:lab.test",
                 "content": {"msgtype": "m.text", "body": "Grüße an alle", "format": "org.matrix.custom.html",
                             "formatted_body": "<b>secret</b>", "m.relates_to": {"rel_type": "m.thread", "event_id": "$x"}},
                 "unsigned": {"prev_content": {"body": "before"}}}
        self.insert([("$1", event)])
        recording, bodies = self.folder / "masked.jsonl", self.folder / "masked.events.jsonl"
        recorder = self.start_recorder(self.configuration(self.bodies), recording, "--events", bodies,
                                       "--without-content")
        self.publish(rdata(7, ev_row("$1")), 'RDATA presence m 5 ["@a:lab.test","online",1,2,3,"at home",true]')
        wait_until(lambda: bodies.read_text().count("\n") == 1)
        self.stop(recorder)
        line = self.messages(bodies)[0]
        self.assertEqual((line["event_id"], line["stream_ordering"], line["instance"]), ("$1", 7, "persister1"))
        event["content"] |= {"body": "xxxxx xx xxxx", "formatted_body": "xxxxxxxxxxxxx"}
        event["unsigned"]["prev_content"]["body"] = "xxxxxx"
        self.assertEqual(line["json"], event)
        self.assertNotIn("home", recording.read_text())

    def test_a_kill_loses_a_second_at_most(self):
        name = "synapse-1.140-small"
        self.fill_database(name)
        configuration = self.configuration(self.bodies)
        first, second = self.folder / "first.jsonl.zst", self.folder / "second.jsonl.zst"
        bodies = [self.folder / "first.events.jsonl.zst", self.folder / "second.events.jsonl.zst"]
        recorder = self.start_recorder(configuration, first, "--events", bodies[0])
        self.play(DATA / f"{name}.jsonl.zst")
        self.settle_files(first, bodies[0])
        self.publish(rdata(10**9, ev_row("$after")))
        recorder.kill()
        recorder.wait()
        expected = self.replay(configuration, DATA / f"{name}.jsonl.zst", DATA / f"{name}.events.jsonl.zst", "--all")
        done = run_weir("replay", "-c", configuration, first, "--events", bodies[0], "--all")
        self.assertEqual(done.stdout.decode().splitlines()[:len(expected)], expected)
        self.assertEqual(done.stderr.decode().count("was cut short"), 2, done.stderr.decode())
        # Put together with one that was ended properly.
        recorder = self.start_recorder(configuration, second, "--events", bodies[1])
        self.publish(rdata(10**9 + 1, ev_row("$1")))
        self.stop(recorder)
        both = self.folder / "both.jsonl.zst"
        both.write_bytes(first.read_bytes() + second.read_bytes())
        done = run_weir("replay", "-c", configuration, both, "--events", bodies[0], "--all")
        rows = done.stdout.decode().splitlines()
        self.assertEqual(rows[:len(expected)], expected)
        self.assertEqual(json.loads(rows[-1])["event_id"], "$1")
        self.assertIn("was cut short", done.stderr.decode())

    def test_rotation_and_the_limit(self):
        name = "synapse-1.140-big"
        self.fill_database(name)
        configuration = self.configuration(self.bodies)
        folder = self.folder / "live"
        folder.mkdir()
        foreign = folder / "live.notes.jsonl"
        foreign.write_text("kept")
        old = [folder / f"live.20200101T000000.000Z{ending}" for ending in (".jsonl", ".events.jsonl")]
        for path in old:
            path.write_text("x" * 1000)
        recorder = self.start_recorder(configuration, folder / "live.jsonl", "--events", folder / "live.events.jsonl",
                                       "--rotate", "200K")
        self.play(DATA / f"{name}.jsonl.zst")
        self.settle_files()
        self.stop(recorder)
        recordings = sorted(path for path in folder.glob("live.20*Z.jsonl"))
        self.assertGreater(len(recordings), 5)
        whole, bodies = self.folder / "whole.jsonl", self.folder / "whole.events.jsonl"
        whole.write_bytes(b"".join(path.read_bytes() for path in recordings[1:]))
        bodies.write_bytes(b"".join(path.read_bytes() for path in sorted(folder.glob("live.202[1-9]*.events.jsonl"))))
        expected = self.replay(configuration, DATA / f"{name}.jsonl.zst", DATA / f"{name}.events.jsonl.zst")
        self.assertEqual(self.replay(configuration, whole, bodies), expected)
        # Each pair holds the bodies of its own events.
        known = {line["event_id"] for line in oracle.read_jsonl(DATA / f"{name}.events.jsonl.zst")}
        for path in recordings[1:]:
            pair = pathlib.Path(str(path).replace(".jsonl", ".events.jsonl"))
            there = {line["event_id"] for line in oracle.read_jsonl(pair)}
            rows = {json.loads(message["data"].split(" ", 4)[4])[1][0] for message in oracle.read_jsonl(path)
                    if message["data"].startswith("RDATA events ") and ' ["ev",' in message["data"]}
            self.assertEqual(len(rows & known - there), 0, path)
        before = sum(path.stat().st_size for path in folder.glob("live.2*"))
        recorder = self.start_recorder(configuration, folder / "live.jsonl", "--events", folder / "live.events.jsonl",
                                       "--rotate", "100M", "--limit", "1M")
        self.play(DATA / f"{name}.jsonl.zst")
        self.settle_files()
        self.assertIn("old files removed", self.stop(recorder))
        after = sum(path.stat().st_size for path in folder.glob("live.2*"))
        self.assertLess(after, before)
        self.assertLess(after, 2 << 20)
        self.assertFalse(any(path.exists() for path in old))
        self.assertEqual(foreign.read_text(), "kept")

    def test_rotation_by_time_and_by_signal(self):
        configuration = self.configuration()
        recorder = self.start_recorder(configuration, self.folder / "timed.jsonl", "--rotate", "1s")
        token = 0

        def enough():
            nonlocal token
            token += 1
            self.publish(rdata(token, ev_row(f"${token}")))
            time.sleep(0.2)
            return len(list(self.folder.glob("timed.2*.jsonl"))) >= 3
        wait_until(enough)
        self.stop(recorder)
        lines = sum(len(self.messages(path)) for path in self.folder.glob("timed.2*.jsonl"))
        self.assertEqual(lines, token)
        # Without --rotate: an administrator moves the file away.
        path, moved = self.folder / "plain.jsonl", self.folder / "moved.jsonl"
        recorder = self.start_recorder(configuration, path)
        self.publish(rdata(1, ev_row("$1")))
        recorder.send_signal(signal.SIGHUP)
        wait_until(lambda: self.logged(recorder, "no other file can be begun; the recording goes on in the same one"))
        path.rename(moved)
        recorder.send_signal(signal.SIGHUP)
        wait_until(path.exists)
        self.publish(rdata(2, ev_row("$2")), rdata("batch", ev_row("$3")))
        # Rows of one token stay together.
        again = self.folder / "again.jsonl"
        wait_until(lambda: "$3" in path.read_text())
        path.rename(again)
        recorder.send_signal(signal.SIGHUP)
        time.sleep(1.5)
        self.assertFalse(path.exists())
        self.publish(rdata(3, ev_row("$4")), rdata(4, ev_row("$5")))
        wait_until(path.exists)
        self.stop(recorder)
        self.assertEqual([len(self.messages(name)) for name in (moved, again, path)], [1, 3, 1])

    def test_gaps_are_told(self):
        configuration = self.configuration(modules="modules: []")
        recording = self.folder / "gap.jsonl.zst"
        recorder = self.start_recorder(configuration, recording)
        self.publish("POSITION events persister1 0 0", rdata(1, ev_row("$1")))
        time.sleep(0.2)
        self.redis_process.kill()
        self.redis_process.wait()
        self.start_redis()
        wait_until(lambda: self.logged(recorder, "the recording has a gap: what was published meanwhile is not in it"))
        self.publish(rdata(3, ev_row("$3")))
        self.assertIn("1 gaps", self.stop(recorder))
        done = run_weir("replay", "-c", configuration, recording, "--all")
        self.assertEqual([json.loads(row)["event_id"] for row in done.stdout.decode().splitlines()], ["$1", "$3"])
        self.assertIn("1 gaps in the recording", done.stderr.decode())
        self.assertIn("the recording has a gap", done.stderr.decode())
        listener = self.subscribe(f"{SERVER_NAME}/weir/record")
        self.assertIn("played 3 messages", run_weir("play", recording, "--redis", self.socket, "--speed",
                                                    "max").stderr.decode())
        self.assertEqual(self.heard(listener), [])

    def test_a_database_that_is_away_costs_no_rows(self):
        self.insert([("$1", {"type": "m.room.message", "content": {}}), ("$2", {"type": "m.room.message", "content": {}})])
        recording, bodies = self.folder / "away.jsonl", self.folder / "away.events.jsonl"
        recorder = self.start_recorder(
            self.configuration(self.bodies.replace("retry_for: 1s", "retry_for: 1s, queue: 1")), recording, "--events",
            bodies)
        self.publish(rdata(1, ev_row("$1")))
        wait_until(lambda: bodies.read_text().count("\n") == 1)
        self.postgres.kill()
        self.postgres.wait()
        self.publish(rdata(2, ev_row("$2")), rdata(3, ev_row("$3")))
        wait_until(lambda: recording.read_text().count("\n") == 1 + 3)
        (self.database / "data" / "postmaster.pid").unlink(missing_ok=True)
        self.start_postgres()
        wait_until(lambda: bodies.read_text().count("\n") == 2)
        self.assertIn("1 events without a body, since too many were awaited", self.stop(recorder))

    def test_what_is_refused(self):
        configuration = self.configuration()
        taken = self.write("taken.jsonl", "something")
        for arguments, code, sentence in (
                ((taken,), 1, "File exists"),
                ((self.folder / "no" / "folder.jsonl",), 1, "No such file"),
                (("x.jsonl", "--rotate", "0"), 2, "--rotate is a time"),
                (("x.jsonl", "--rotate", "5ms"), 2, "--rotate is a time"),
                (("x.jsonl", "--rotate", "1h", "--limit", "10X"), 2, "--limit is a size"),
                (("x.jsonl", "--limit", "10G"), 2, "needs --rotate"),
                (("x.jsonl", "--level", "20"), 2, "--level is a number"),
                (("x.jsonl", "--events", "x.jsonl"), 2, "the same file"),
                (("x.jsonl", "--events", "y.jsonl"), 3, "needs a source of event bodies")):
            done = run_weir("record", "-c", configuration, *arguments, check=False, cwd=self.folder)
            self.assertEqual(done.returncode, code, arguments)
            self.assertIn(sentence, done.stderr.decode())
        self.assertEqual(taken.read_text(), "something")


if __name__ == "__main__":
    unittest.main()
