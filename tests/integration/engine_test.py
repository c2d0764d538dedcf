"""The engine's manners: bad input, secrets, reloads, HTTP, signals, a Redis that comes and goes."""

import json
import pathlib
import signal
import subprocess
import unittest

import harness
from harness import SERVER_NAME, body_line, ev_row, rdata, wait_until

KEYWORD = "modules: [{module: keywords, config: {patterns: [spam]}}]"


class Engine(harness.Server):
    def start_with_bodies(self, *bodies, body="", modules=KEYWORD):
        self.write("bodies.jsonl", "".join(line + "\n" for line in bodies))
        self.config = self.configuration(f"bodies: {{file: bodies.jsonl}}\n{body}", modules=modules)
        return self.start_engine(self.config)

    def judged_ids(self):
        return [json.loads(row)["event_id"] for _, row in self.durable()]

    def test_bad_input_is_counted_and_the_next_good_event_is_judged(self):
        engine = self.start_with_bodies(body_line("$good1", body="spam 1"), body_line("$good2", body="spam 2"),
                                        '{"event_id": "$list", "json": [1, 2]}',
                                        '{"event_id": "$text", "json": "no object"}',
                                        '{"event_id": "$torn", "json": {"type": "m.room.mess')
        self.publish(rdata(1, ev_row("$good1")))
        bad = [
            rdata(2, '["ev",["$x"'), rdata(2, '["ev",["$x"]]'), rdata(2, '["ev",{}]'), rdata(2, "7"), rdata(2, ""),
            rdata(2, '["nosuch",[]]'), rdata(2, "[" * 100000), rdata(2, '["ev",' + "[" * 900 + "]" * 900 + "]"),
            rdata(2, '["ev",[1,2,3,4,5,6,7,8,9]]'), rdata("18446744073709551616", ev_row("$x")),
            rdata("9223372036854775808", ev_row("$x")), rdata("-", ev_row("$x")), rdata("0x10", ev_row("$x")),
            "RDATA events persister1", "RDATA", "POSITION events persister1 one two", "POSITION events", " RDATA x",
            b"RDATA events persister1 2 \xff\xfe", b"\x00\x00", "NOSUCH command", "rdata events persister1 2 []",
            rdata(2, ev_row("$nul").replace("$nul", "$n\x00ul")), "", "   ", "USER_IP", "LOCK_RELEASED [1]",
        ]
        self.publish(*bad)
        self.publish(rdata(3, ev_row("$list")), rdata(4, ev_row("$text")), rdata(5, ev_row("$torn")))
        self.publish(rdata(6, "x" * 10_000_000), rdata(7, json.dumps(["ev", ["$" + "y" * 10_000_000]])))
        self.publish("RDATA nosuchstream w 1 []", rdata(9, ev_row("$good2")))
        wait_until(lambda: self.judged_ids() == ["$good1", "$good2"], what="the good events' verdicts")
        self.assertGreaterEqual(self.metric(engine, "weir_replication_bad_lines_total"), 18)
        self.assertEqual(self.metric(engine, "weir_bodies_missing_total"), 3, "lines that hold no event are no bodies")
        self.assertEqual(self.logged(engine, "event bodies come from a file")[0]["bad_lines"], 3)
        self.assertEqual(self.metric(engine, "weir_replication_rows_total", 'stream="unknown"'), 1)
        self.assertGreaterEqual(self.metric(engine, "weir_replication_commands_total", 'command="unknown"'), 2)
        self.assertTrue(self.logged(engine, "a row of `events` could not be read and was dropped"))
        self.assertEqual(self.metric(engine, "weir_events_judged_total"), 5)
        self.stop_engine(engine)

    def test_rejected_events_and_outliers(self):
        rows = [rdata(1, ev_row("$a", rejected=True)), rdata(2, ev_row("$b", outlier=True)), rdata(3, ev_row("$c")),
                rdata(4, ev_row("$b")), rdata(5, json.dumps(["ev", ["$old", "!r", "t", None, None, None, None, False]]))]
        bodies = [body_line(event_id, body="spam") for event_id in ("$a", "$b", "$c", "$old")]
        engine = self.start_with_bodies(*bodies)
        self.publish(*rows)
        wait_until(lambda: self.judged_ids() == ["$c", "$b", "$old"])
        self.assertEqual(self.metric(engine, "weir_events_rejected_total"), 1)
        self.assertEqual(self.metric(engine, "weir_events_outliers_total"), 1)
        self.stop_engine(engine)
        self.redis.flushall()
        engine = self.start_with_bodies(*bodies, body="observe: {rejected: true, outliers: true}")
        self.publish(*rows)
        wait_until(lambda: self.judged_ids() == ["$a", "$b", "$c", "$b", "$old"])
        self.stop_engine(engine)

    def test_batches_and_interleaved_writers(self):
        bodies = [body_line(f"${number}", body="spam") for number in range(1, 7)]
        engine = self.start_with_bodies(*bodies)
        state = json.dumps(["state", ["!r:lab.test", "m.room.topic", "", "$1"]])
        self.publish("POSITION events p1 0 0", "POSITION events p2 0 0",
                     rdata("batch", ev_row("$1"), "p1"), rdata("batch", ev_row("$2"), "p2"),
                     rdata("batch", ev_row("$3"), "p1"), rdata(4, state, "p1"), rdata(5, ev_row("$4"), "p2"),
                     rdata(5, ev_row("$4"), "p2"), rdata(3, ev_row("$5"), "p1"), rdata(7, ev_row("$6"), "p1"))
        wait_until(lambda: len(self.durable()) == 5)
        rows = [json.loads(row) for _, row in self.durable()]
        self.assertEqual([(row["event_id"], row["instance"], row["token"]) for row in rows],
                         [("$1", "p1", 4), ("$3", "p1", 4), ("$2", "p2", 5), ("$4", "p2", 5), ("$6", "p1", 7)])
        self.stop_engine(engine)

    def test_access_tokens_are_never_logged_stored_or_republished(self):
        secret = "syt_c2VjcmV0_token"
        subscriber = self.subscribe()
        self.write("bodies.jsonl", body_line("$1", body="spam"))
        engine = self.start_engine(self.configuration("bodies: {file: bodies.jsonl}\nlog: {level: debug}",
                                                      modules=KEYWORD))
        lines = [f'USER_IP @a:lab.test ["{secret}","1.2.3.4","agent",null,5]', f'USER_IP @a:lab.test ["{secret}"',
                 f'RDATA caches master 5 ["get_user_by_access_token",["{secret}"],5]',
                 f'RDATA caches master x ["get_user_by_access_token",["{secret}"],5]',
                 f'RDATA caches master 6 ["get_user_by_access_token",["{secret}"', f'USER_IP {secret}',
                 f'RDATA caches master {secret} []', f'USER_SYNC {secret}', f'{secret} x', rdata(1, ev_row("$1"))]
        self.publish(*lines)
        wait_until(lambda: len(self.durable()) == 1)
        metrics = self.http(engine, "/metrics")[1]
        self.stop_engine(engine)
        published = self.heard(subscriber)
        self.assertTrue(published)
        stored = json.dumps([self.redis.xrange(f"{SERVER_NAME}/weir/verdicts").__repr__(),
                             self.redis.hgetall(f"{SERVER_NAME}/weir/positions").__repr__()])
        for place, text in (("log", engine.log.read_text()), ("channel", "\n".join(published)), ("keys", stored),
                            ("metrics", metrics)):
            self.assertNotIn(secret, text, place)

    def test_http(self):
        engine = self.start_with_bodies(body_line("$1", body="spam"))
        self.publish(rdata(1, ev_row("$1")))
        wait_until(lambda: len(self.durable()) == 1)
        status, text = self.http(engine, "/metrics")
        self.assertEqual(status, 200)
        for line in text.splitlines():
            self.assertRegex(line, r'^(# (HELP|TYPE) (weir|process)_\w+ .+|'
                                   r'(weir|process)_\w+({[a-z]+="[^"]*"(,[a-z]+="[^"]*")*})? [0-9.e+-]+|'
                                   r'weir_\w+_bucket{le="(\+Inf|[0-9.e+-]+)"} [0-9]+)$')
        self.assertEqual(self.metric(engine, "weir_module_denials_total", 'module="keywords"'), 1)
        self.assertEqual(self.metric(engine, "weir_line_to_verdict_seconds_count"), 1)
        self.assertEqual(self.http(engine, "/healthz"), (200, "ok\n"))
        self.assertEqual(self.http(engine, "/readyz"), (200, "ready\n"))
        self.assertEqual(self.http(engine, "/nosuch")[0], 404)
        self.stop_engine(engine)

    def test_reload(self):
        bodies = [body_line(f"${number}", body=text) for number, text in enumerate(["spam", "ham", "spam ham"])]
        engine = self.start_with_bodies(*bodies)
        self.publish(rdata(1, ev_row("$0")), rdata(2, ev_row("$1")))
        wait_until(lambda: self.judged_ids() == ["$0"])
        good = self.config.read_text()
        self.config.write_text(good.replace("patterns: [spam]", "patern: [ham]"))
        engine.send_signal(signal.SIGHUP)
        lines = wait_until(lambda: self.logged(engine, "the configuration is wrong"))
        self.assertIn("patterns", lines[0]["at"])
        self.assertRegex(lines[0]["at"], r"weir\.yaml:\d+:\d+: ")
        self.publish(rdata(3, ev_row("$0")))
        wait_until(lambda: self.judged_ids() == ["$0", "$0"])
        self.assertIn("redis: {path:", good)
        self.config.write_text(good.replace("[spam]", "[ham]").replace("redis: {path:", "redis: {dbid: 3, path:"))
        engine.send_signal(signal.SIGHUP)
        wait_until(lambda: self.logged(engine, "the configuration was loaded again"))
        passed_over = self.logged(engine, "this key has changed and needs a restart; what it was goes on")
        self.assertEqual([line["key"] for line in passed_over], ["redis.dbid"])
        self.publish(rdata(4, ev_row("$0")), rdata(5, ev_row("$1")), rdata(6, ev_row("$2")))
        wait_until(lambda: self.judged_ids() == ["$0", "$0", "$1", "$2"])
        self.stop_engine(engine, signal.SIGINT)

    def test_a_reload_during_the_start_waits(self):
        words = ", ".join(f"word{number}x{number * 7919}" for number in range(1000))
        self.write("bodies.jsonl", body_line("$1", body="spam"))
        configuration = self.configuration("bodies: {file: bodies.jsonl}", modules=KEYWORD.replace("spam", words))
        log = self.folder / "engine.log"
        with log.open("wb") as stderr:
            engine = self.start([harness.WEIR, "run", "-c", configuration], stderr=stderr)
        engine.log = log

        def blocks_reloads():
            status = pathlib.Path(f"/proc/{engine.pid}/status").read_text()
            return int(status.split("SigBlk:")[1].split()[0], 16) & 1
        wait_until(blocks_reloads)
        engine.send_signal(signal.SIGHUP)
        wait_until(lambda: self.logged(engine, "started"), what="the start")
        wait_until(lambda: self.logged(engine, "the configuration was loaded again"), what="the reload")
        self.stop_engine(engine)

    def test_redis_goes_away_and_comes_back(self):
        engine = self.start_with_bodies(body_line("$1", body="spam"), body_line("$2", body="spam"))
        self.publish("POSITION events persister1 0 0", rdata(1, ev_row("$1")))
        wait_until(lambda: self.judged_ids() == ["$1"])
        self.redis_process.terminate()
        self.redis_process.wait()
        wait_until(lambda: self.http(engine, "/readyz")[0] == 503)
        self.start_redis()
        wait_until(lambda: self.http(engine, "/readyz")[0] == 200, what="readiness after Redis came back")
        self.publish("POSITION events persister1 1 1", rdata(2, ev_row("$2")))
        wait_until(lambda: self.judged_ids() == ["$2"])
        # Redis lost its data: our tokens still rise.
        self.assertEqual([token for token, _ in self.durable()], [2])
        self.stop_engine(engine)

    def test_writes_that_redis_refuses_are_made_later(self):
        engine = self.start_with_bodies(*(body_line(f"${number}", body="spam") for number in range(20)))
        self.publish("POSITION events persister1 0 0", rdata(1, ev_row("$0")))
        wait_until(lambda: self.judged_ids() == ["$0"])
        self.redis.config_set("maxmemory", "1mb")
        self.publish(*(rdata(number + 1, ev_row(f"${number}")) for number in range(1, 20)))
        wait_until(lambda: self.logged(engine, "Redis refused a write; it is tried again every second, and nothing is lost"))
        self.assertIn("OOM", self.logged(engine, "Redis refused a write; it is tried again every second, and nothing is lost")[0]["error"])
        self.assertEqual(self.judged_ids(), ["$0"])
        self.redis.config_set("maxmemory", "0")
        wait_until(lambda: self.judged_ids() == [f"${number}" for number in range(20)])
        self.assertLess(len(self.logged(engine, "Redis refused a write; it is tried again every second, and nothing is lost")), 10)
        self.stop_engine(engine)

    def test_rows_of_a_newer_synapse_are_read_as_far_as_they_are_known(self):
        engine = self.start_with_bodies(body_line("$1", body="spam"))
        row = json.loads(ev_row("$1"))
        row[1] += ["new", {"newer": True}]
        self.publish(rdata(1, json.dumps(row)), rdata(2, json.dumps(row)))
        wait_until(lambda: self.judged_ids() == ["$1", "$1"])
        self.assertEqual(self.metric(engine, "weir_event_rows_newer_total"), 2)
        self.assertEqual(len([line for line in self.log_lines(engine) if "more elements" in line["message"]]), 1)
        self.stop_engine(engine)

    def test_replicate_is_asked_for_after_the_subscription_and_repeated(self):
        listener = self.subscribe(SERVER_NAME)
        engine = self.start_with_bodies(body_line("$1", body="spam"))
        heard = []
        wait_until(lambda: heard.append(listener.get_message(timeout=1)) or len(list(filter(None, heard))) == 2)
        self.assertEqual({message["data"] for message in heard if message}, {b"REPLICATE "})
        self.stop_engine(engine)

    def test_a_second_engine_cannot_take_the_port(self):
        engine = self.start_with_bodies()
        text = self.config.read_text().replace("127.0.0.1:0", engine.http)
        other = self.write("other.yaml", text)
        done = subprocess.run([harness.WEIR, "run", "-c", other], capture_output=True, timeout=20)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"cannot listen for HTTP", done.stderr)
        self.stop_engine(engine)

    def resident_mib(self, engine):
        with open(f"/proc/{engine.pid}/status") as status:
            return int(next(line for line in status if line.startswith("VmRSS")).split()[1]) / 1024

    @unittest.skipIf("debug" in harness.WEIR, "sanitizers need memory of their own")
    def test_memory_is_bounded(self):
        engine = self.start_with_bodies(modules="modules: []")
        self.assertLess(self.resident_mib(engine), 16)
        self.stop_engine(engine)
        self.write("ids.txt", "".join(f"@user{number}.name:host{number % 5000}.example\n" for number in range(1000000)))
        engine = self.start_with_bodies(modules="modules: [{module: sender_list, config: {users_file: ids.txt}}]")
        self.assertLess(self.resident_mib(engine), 100)
        self.stop_engine(engine)


class CommandLine(harness.Server):
    def test_exit_codes(self):
        broken = self.write("broken.yaml", "server_nam: x\nmodules: [{module: keyword}]\n")
        for arguments, code in ((["check", "-c", broken], 3), (["run", "-c", broken], 3), (["replay"], 2),
                                (["nosuch"], 2), ([], 2), (["run"], 3), (["run", "--nosuch"], 2),
                                (["check", "-c", self.folder / "absent.yaml"], 3),
                                (["replay", "-c", self.configuration(), self.folder / "absent.jsonl"], 1),
                                (["--help"], 0), (["version"], 0), (["modules"], 0), (["modules", "nosuch"], 1)):
            done = harness.run_weir(*arguments, check=False)
            self.assertEqual(done.returncode, code, (arguments, done.stderr))
            if code:
                self.assertTrue(done.stderr, arguments)

    def test_all_errors_at_once_with_places_and_the_nearest_key(self):
        broken = self.write("broken.yaml", "server_nam: x\nredis: {prot: 1}\n"
                                           "modules:\n  - module: keyword\n  - module: keywords\n"
                                           "    config: {patterns: ['('], syntax: regex, filds: [body]}\n")
        errors = harness.run_weir("check", "-c", broken, check=False).stderr.decode()
        for wanted in (r":1:1: .*server_name", r":2:9: .*port", r":4:13: .*keywords", r":6:\d+: .*parenthesis", r":6:\d+: .*fields"):
            self.assertRegex(errors, wanted)

    def test_versions_of_weir_and_its_libraries(self):
        told = json.loads(harness.run_weir("version", "--json").stdout)
        self.assertEqual(told["version"], (harness.ROOT / "VERSION").read_text().strip())
        for name in ("libevent", "jansson", "yyjson", "OpenSSL", "Vectorscan", "zstd", "libpq", "libcurl"):
            versions = told["libraries"][name]
            self.assertRegex(versions["compiled"], r"^\d+\.\d", name)
            self.assertRegex(versions["running"], r"^\d+\.\d", name)
        lines = harness.run_weir("version").stdout.decode().splitlines()
        self.assertEqual(lines[0], f"weir {told['version']}")
        self.assertEqual([line.split()[0] for line in lines[2:]], list(told["libraries"]))

    def test_every_subcommand_has_a_manual(self):
        for name in ("run", "check", "replay", "play", "tail", "modules", "version"):
            text = harness.run_weir(name, "--help").stdout.decode()
            for heading in ("NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS"):
                self.assertIn(heading, text, name)
