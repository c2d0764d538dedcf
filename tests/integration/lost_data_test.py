"""A Redis that lost its data, or came back with older data: under a running engine, and together with it. What the
durable log must hold afterwards follows from what Redis kept."""

import json
import shutil
import signal
import subprocess
import unittest

import harness
import stand_in
from harness import SERVER_NAME, wait_until

POSITIONS = f"{SERVER_NAME}/weir/positions"
PASS_ALL = "modules: []"


class WithWriters(harness.Server):
    """One writer, and an engine that publishes every verdict and can fetch what it missed."""

    def setUp(self):
        super().setUp()
        self.writers = [stand_in.Writer("master"), stand_in.Writer("p2")]
        for writer in self.writers:
            self.addCleanup(writer.close)
        self.writer = self.writers[0]
        self.state = self.folder / "state"
        self.state.mkdir()

    def settings(self, state=True, body="", modules=PASS_ALL):
        return self.configuration(
            f"publish: {{verdicts: all}}\ninstance_map: {{main: {self.writers[0].address}, p2: {self.writers[1].address}}}\n"
            f"stream_writers: {{events: [main, p2]}}\n" + (f"state_dir: {self.state}\n" if state else "") + body,
            modules=modules)

    def tokens(self, name="master"):
        return [row["token"] for row in self.judged() if row["instance"] == name]

    def judged(self):
        return [json.loads(row) for _, row in self.durable()]

    def wait_for(self, *tokens, name="master"):
        wait_until(lambda: len(self.tokens(name)) >= len(tokens), what=f"{len(tokens)} rows")
        self.assertEqual(sorted(self.tokens(name)), list(tokens))

    def stored(self):
        return {field.decode(): value.decode() for field, value in self.redis.hgetall(POSITIONS).items()}

    def state_file(self):
        return self.state / f"{SERVER_NAME}.weir1.positions"

    def kept(self):
        try:
            return json.loads(self.state_file().read_text())["positions"]
        except FileNotFoundError:
            return {}

    def wait_for_state_file(self):
        """A copy of what Redis holds, neither more nor less."""
        wait_until(lambda: self.kept() == self.stored(), what="the state file")

    def kill_redis(self):
        self.redis_process.kill()
        self.redis_process.wait()

    def restart_redis(self, data):
        if not data:
            (self.folder / "dump.rdb").unlink(missing_ok=True)
        self.start_redis()

    def subscriptions(self, engine):
        return len(self.logged(engine, "subscribed; asks every writer for its position"))

    def announce_when_subscribed(self, engine, times=1):
        wait_until(lambda: self.subscriptions(engine) >= times, what="the subscription")
        for writer in self.writers:
            writer.announce(self.redis)

    def kill_engine(self, engine):
        engine.kill()
        engine.wait()

    def assert_said(self, engine, part):
        self.assertTrue(any(part in line["message"] for line in self.log_lines(engine)), engine.log.read_text())


class LostData(WithWriters):
    def start_with_rows(self, *tokens, **settings):
        """An engine that has judged these rows, and knows an idle second writer."""
        self.writers[1].write(7)
        engine = self.start_engine(self.settings(**settings))
        self.announce_when_subscribed(engine)
        self.writer.publish(self.redis, *tokens)
        self.wait_for(*tokens)
        wait_until(lambda: self.stored().get("weir1 events p2") == "7")
        return engine

    def test_flushall_under_a_running_engine(self):
        engine = self.start_with_rows(*range(11, 31))
        self.redis.flushall()
        self.writer.publish(self.redis, 31, 32)
        wait_until(lambda: self.stored() == {"weir1 events master": "32", "weir1 events p2": "7",
                                             "weir1 verdicts weir1": "22", "weir1 presence_routes weir1": "0",
                                             "weir1 format weir": "1"},
                   what="every position again")
        self.writer.publish(self.redis, 33)
        self.wait_for(31, 32, 33)
        self.assert_said(engine, "Redis has lost its data while it was connected")
        self.assertEqual(self.metric(engine, "weir_redis_losses_total"), 1)
        self.wait_for_state_file()
        self.stop_engine(engine)

    def test_redis_restarts_without_data_under_a_running_engine(self):
        engine = self.start_with_rows(*range(11, 31))
        before = self.stored()
        self.kill_redis()
        self.writer.write(31, 32)
        self.restart_redis(data=False)
        wait_until(lambda: self.stored() == before, what="the positions put back")
        self.announce_when_subscribed(engine, 2)
        self.wait_for(31, 32)
        self.writer.publish(self.redis, 33)
        self.wait_for(31, 32, 33)
        self.assert_said(engine, "Redis has lost its data, also the rows")
        self.assertEqual([token for token, _ in self.durable()], [21, 22, 23], "our own tokens go on")
        self.stop_engine(engine)

    def test_what_was_not_answered_is_sent_to_a_redis_that_lost_its_data(self):
        engine = self.start_with_rows(*range(11, 31))
        engine.send_signal(signal.SIGSTOP)
        self.writer.publish(self.redis, 31, 32)
        self.redis.ping()  # behind it the rows have left Redis
        self.kill_redis()
        engine.send_signal(signal.SIGCONT)
        wait_until(lambda: self.metric(engine, "weir_events_judged_total") == 22, what="the rows read before the end")
        self.restart_redis(data=False)
        self.wait_for(31, 32)
        self.announce_when_subscribed(engine, 2)
        self.writer.publish(self.redis, 33)
        self.wait_for(31, 32, 33)
        self.assertEqual(self.stored()["weir1 events p2"], "7")
        self.stop_engine(engine)

    def test_redis_comes_back_older_under_a_running_engine(self):
        engine = self.start_with_rows(*range(11, 31))
        self.redis.save()
        self.writer.publish(self.redis, *range(31, 51))
        self.wait_for(*range(11, 51))
        self.kill_redis()
        self.restart_redis(data=True)
        self.assertEqual(self.tokens(), list(range(11, 31)), "rows were lost")
        messages = lambda: [line["message"] for line in self.log_lines(engine)]
        wait_until(lambda: messages().count("started") == 2, what="the second start")
        second = len(messages()) - messages()[::-1].index("started")
        wait_until(lambda: any(message.startswith("subscribed;") for message in messages()[second:]))
        self.writer.announce(self.redis)
        self.wait_for(*range(11, 51))
        self.writer.publish(self.redis, 51)
        self.wait_for(*range(11, 52))
        self.assert_said(engine, "starts over from Redis's positions")
        own = [token for token, _ in self.durable()]
        self.assertEqual(own, [*range(1, 21), *range(41, 62)], "tokens that were given out are not given out again")
        self.wait_for_state_file()
        engine.send_signal(signal.SIGTERM)
        self.assertEqual(engine.wait(timeout=20), 0)

    def test_redis_comes_back_older_and_nobody_can_be_asked(self):
        engine = self.start_engine(self.configuration("publish: {verdicts: all}", modules=PASS_ALL))
        self.announce_when_subscribed(engine)
        self.writer.publish(self.redis, 11, 12)
        self.wait_for(11, 12)
        self.redis.save()
        self.writer.publish(self.redis, 13)
        self.wait_for(11, 12, 13)
        self.kill_redis()
        self.restart_redis(data=True)
        wait_until(lambda: self.stored()["weir1 events master"] == "13", what="the newer position")
        self.announce_when_subscribed(engine, 2)
        self.writer.publish(self.redis, 14)
        self.wait_for(11, 12, 14)
        self.assert_said(engine, "there is nobody to fetch these events from")
        self.stop_engine(engine)

    def test_engine_and_redis_die_and_the_data_is_gone(self):
        engine = self.start_with_rows(*range(11, 31))
        self.wait_for_state_file()
        self.kill_engine(engine)
        self.kill_redis()
        self.restart_redis(data=False)
        self.writer.write(31, 32, 33)
        engine = self.start_engine(self.settings())
        self.announce_when_subscribed(engine)
        self.wait_for(31, 32, 33)
        self.assertEqual([token for token, _ in self.durable()], [21, 22, 23])
        self.assertEqual([line["source"] for line in self.log_lines(engine) if "has lost the positions" in
                          line["message"]], ["the state file"])
        self.assertEqual(self.stored()["weir1 events p2"], "7")
        self.stop_engine(engine)

    def test_engine_and_redis_die_and_the_data_is_older(self):
        engine = self.start_with_rows(*range(11, 31))
        self.redis.save()
        self.writer.publish(self.redis, *range(31, 51))
        self.wait_for(*range(11, 51))
        self.wait_for_state_file()
        self.kill_engine(engine)
        self.kill_redis()
        self.restart_redis(data=True)
        engine = self.start_engine(self.settings())
        self.announce_when_subscribed(engine)
        self.wait_for(*range(11, 51))
        self.assert_said(engine, "Redis holds older positions than it had acknowledged")
        self.assertEqual([token for token, _ in self.durable()], [*range(1, 21), *range(41, 61)])
        self.stop_engine(engine)

    def test_data_lost_in_part_is_filled_up_from_the_state_file(self):
        """FLUSHALL, one more row, and the engine dies before it has stored everything again."""
        engine = self.start_with_rows(*range(11, 31))
        self.wait_for_state_file()
        self.kill_engine(engine)
        self.redis.hdel(POSITIONS, "weir1 events p2")
        self.writers[1].write(8)
        engine = self.start_engine(self.settings())
        self.announce_when_subscribed(engine)
        self.wait_for(8, name="p2")
        self.wait_for(*range(11, 31))
        self.assert_said(engine, "takes the missing ones from the state file")
        self.stop_engine(engine)

    def test_without_a_state_file_the_durable_log_tells(self):
        engine = self.start_with_rows(*range(11, 31), state=False)
        self.writers[1].publish(self.redis, 8)
        self.wait_for(8, name="p2")
        self.kill_engine(engine)
        self.redis.delete(POSITIONS)
        self.redis.xadd(f"{SERVER_NAME}/weir/verdicts", {"row": "no row", "token": "x"})
        self.redis.xadd(f"{SERVER_NAME}/weir/verdicts", {"row": '{"stream":"events","instance":"p2","token":-3}'})
        foreign = 2
        self.writer.write(31)
        self.writers[1].write(9)
        engine = self.start_engine(self.settings(state=False))
        self.announce_when_subscribed(engine)
        wait_until(lambda: self.redis.xlen(f"{SERVER_NAME}/weir/verdicts") == 23 + foreign)
        rows = [json.loads(fields[b"row"]) for _, fields in self.redis.xrange(f"{SERVER_NAME}/weir/verdicts")
                if b"event_id" in fields[b"row"]]
        self.assertEqual([row["token"] for row in rows], [*range(11, 31), 8, *[row["token"] for row in rows[21:]]])
        self.assertEqual(sorted(row["token"] for row in rows[21:]), [9, 31])
        self.assertEqual([line["source"] for line in self.log_lines(engine) if "has lost the positions" in
                          line["message"]], ["the durable log"])
        self.stop_engine(engine)

    def test_another_instance_in_the_hash_is_no_loss(self):
        self.redis.hset(POSITIONS, "weir2 events master", 5)
        self.writer.write(11)
        engine = self.start_engine(self.settings())
        self.announce_when_subscribed(engine)
        self.writer.publish(self.redis, 12)
        self.wait_for(12)
        self.assertEqual(self.metric(engine, "weir_redis_losses_total"), 0)
        self.stop_engine(engine)


class StateFile(WithWriters):
    def test_a_clean_stop_writes_what_was_last(self):
        engine = self.start_engine(self.settings())
        self.announce_when_subscribed(engine)
        self.writer.publish(self.redis, 11)
        self.wait_for(11)
        self.stop_engine(engine)
        self.assertEqual(self.kept(), self.stored())
        self.assertEqual([path.name for path in self.state.iterdir()], [self.state_file().name])

    def test_a_damaged_file_is_passed_over_and_written_anew(self):
        self.state_file().write_text('{"weir_state":1,"server_name":"lab.test","instance_name":"weir1","checksum":"0",'
                                     '"positions":{"weir1 events master":"99"}}')
        engine = self.start_engine(self.settings())
        self.announce_when_subscribed(engine)
        self.writer.publish(self.redis, 11)
        self.wait_for(11)
        self.assert_said(engine, "the state file of an earlier run cannot be used")
        self.wait_for_state_file()
        self.stop_engine(engine)

    def test_a_folder_that_goes_away_is_said_once_and_the_engine_goes_on(self):
        engine = self.start_engine(self.settings())
        self.announce_when_subscribed(engine)
        self.writer.publish(self.redis, 11)
        self.wait_for(11)
        self.wait_for_state_file()
        shutil.rmtree(self.state)
        self.writer.publish(self.redis, 12)
        wait_until(lambda: self.metric(engine, "weir_state_file_failures_total") >= 2, what="two failures")
        self.assertEqual(sum("the state file cannot be written" in line["message"] for line in self.log_lines(engine)), 1)
        self.wait_for(11, 12)
        self.state.mkdir()
        self.wait_for_state_file()
        wait_until(lambda: self.logged(engine, "the state file can be written again"))
        self.stop_engine(engine)

    def test_a_full_disk(self):
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "weir-test", self.state],
                          stderr=subprocess.DEVNULL).returncode != 0:
            self.skipTest("a disk to fill needs the right to mount one")
        self.addCleanup(subprocess.run, ["umount", "-l", self.state])
        engine = self.start_engine(self.settings())
        self.announce_when_subscribed(engine)
        self.writer.publish(self.redis, 11)
        self.wait_for(11)
        self.wait_for_state_file()
        filler = self.state / "filler"
        with filler.open("wb", buffering=0) as full, self.assertRaises(OSError):
            while True:
                full.write(b"x" * 4096)
        self.writer.publish(self.redis, 12)
        wait_until(lambda: self.metric(engine, "weir_state_file_failures_total") >= 1, what="a failure")
        self.assertEqual(self.kept()["weir1 events master"], "11", "the old file is still whole")
        self.wait_for(11, 12)
        filler.unlink()
        self.wait_for_state_file()
        self.stop_engine(engine)

    def test_a_folder_that_cannot_be_used_is_an_error_of_the_configuration(self):
        self.state.rmdir()
        done = harness.run_weir("run", "-c", self.settings(), check=False)
        self.assertEqual(done.returncode, 3)
        self.assertIn("state_dir", done.stderr.decode())
        self.state.write_text("a file")
        self.assertEqual(harness.run_weir("run", "-c", self.settings(), check=False).returncode, 3)
        self.state.unlink()


class From(WithWriters):
    def run_once(self, *arguments):
        engine = self.start_engine(self.settings(), *arguments)
        self.announce_when_subscribed(engine)
        return engine

    def setUp(self):
        super().setUp()
        engine = self.run_once()
        self.writer.publish(self.redis, *range(11, 16))
        self.wait_for(*range(11, 16))
        self.stop_engine(engine)
        self.writer.write(16, 17)
        self.writers[1].write(18)

    def test_stored_is_the_default(self):
        for arguments in ((), ("--from", "stored")):
            engine = self.run_once(*arguments)
            self.wait_for(*range(11, 18))
            self.wait_for(18, name="p2")
            self.stop_engine(engine)

    def test_now_leaves_out_what_happened_meanwhile(self):
        engine = self.run_once("--from", "now")
        self.writer.publish(self.redis, 19)
        self.writers[1].publish(self.redis, 20)
        self.wait_for(*range(11, 16), 19)
        self.wait_for(20, name="p2")
        self.assertEqual(self.stored()["weir1 events master"], "19")
        self.stop_engine(engine)

    def test_a_token_for_every_writer(self):
        self.writers[1].write(10, 13)
        engine = self.run_once("--from", "12")
        wait_until(lambda: len(self.judged()) == 12)
        self.assertEqual(sorted(self.tokens()), [11, 12, 13, 13, 14, 14, 15, 15, 16, 17])
        self.assertEqual(sorted(self.tokens("p2")), [13, 18])
        self.stop_engine(engine)

    def test_a_token_ahead(self):
        engine = self.run_once("--from", "17")
        self.wait_for(18, name="p2")
        self.writer.publish(self.redis, 19)
        self.wait_for(*range(11, 16), 19)
        self.stop_engine(engine)

    def test_nonsense_is_a_usage_error(self):
        for text in ("", "yesterday", "-3", "12x", "99999999999999999999999", "now "):
            done = harness.run_weir("run", "-c", self.settings(), "--from", text, check=False)
            self.assertEqual(done.returncode, 2, text)
            self.assertIn("--from", done.stderr.decode())


if __name__ == "__main__":
    unittest.main()
