"""Loading the configuration again: by a signal, over HTTP and by changed files, whole or not at all, and nothing is lost meanwhile."""

import http.client
import json
import os
import signal
import threading
import time
import unittest

import harness
from harness import ev_row, rdata, wait_until

AGAIN = "the configuration was loaded again"
REFUSED = "the configuration was not loaded; the old one goes on"
CHANGED = "a file of the configuration has changed"
TYPES = "modules: [{{module: event_types, config: {{deny: [{}]}}}}]"
# Patterns; some seconds of compiling.
SLOW = 3000
API = "requests: {http: true}"


class Reload(harness.Server):
    def start_watching(self, body="", modules=TYPES.format("m.bad")):
        self.config = self.configuration(f"{API}\nwatch: true\n{body}", modules=modules)
        return self.start_engine(self.config)

    def post(self, engine, timeout=120, secret=None):
        connection = http.client.HTTPConnection(engine.http, timeout=timeout)
        headers = {"Authorization": f"Bearer {secret}"} if secret else {}
        connection.request("POST", "/v1/reload", headers=headers)
        answer = connection.getresponse()
        body = json.loads(answer.read())
        connection.close()
        return answer.status, body

    def status(self, engine):
        return json.loads(self.http(engine, "/v1/reload")[1])

    def again(self, engine, count=1):
        return wait_until(lambda: len(lines := self.logged(engine, AGAIN)) >= count and lines, seconds=120,
                          what="another configuration")

    def refused(self, engine, count=1):
        return wait_until(lambda: len(lines := self.logged(engine, REFUSED)) >= count and lines, seconds=120,
                          what="a refusal")

    def denies(self, engine, event_type):
        """Whether an event of this type is denied now."""
        self.token = getattr(self, "token", 0) + 1
        before = self.metric(engine, "weir_events_judged_total")
        denied = self.metric(engine, "weir_events_denied_total") or 0
        self.publish(rdata(self.token, ev_row(f"${self.token}", event_type)))
        wait_until(lambda: self.metric(engine, "weir_events_judged_total") == before + 1)
        return self.metric(engine, "weir_events_denied_total") == denied + 1

    def slow_modules(self, first="m.bad", count=SLOW):
        """A list of patterns that nobody has compiled before."""
        Reload.lists = getattr(Reload, "lists", 0) + 1
        words = [f"(spam|scam){Reload.lists}x{number}[a-f]+[0-9]{{2,5}}(buy|sell)?" for number in range(count)]
        self.write("slow.txt", "\n".join(words) + "\n")
        return (f"modules:\n  - {{module: event_types, config: {{deny: [{first}]}}}}\n"
                "  - {module: keywords, config: {patterns_file: slow.txt, syntax: regex}}\n")

    def test_over_http(self):
        engine = self.start_engine(self.configuration(API, modules=TYPES.format("m.bad")))
        self.assertEqual(self.status(engine), {"loading": False, "reloads": 0, "refused": 0, "last": None})
        self.assertTrue(self.denies(engine, "m.bad"))
        self.configuration(API, modules=TYPES.format("m.worse"))
        status, answer = self.post(engine)
        self.assertEqual((status, answer["modules"], answer["warnings"]), (200, 1, []))
        self.assertGreater(answer["seconds"], answer["stall_ms"] / 1000)
        self.assertFalse(self.denies(engine, "m.bad"))
        self.assertTrue(self.denies(engine, "m.worse"))
        # All that is wrong, where it is; and nothing is changed.
        path = self.configuration(f"{API}\nlog: {{level: loud}}", modules=TYPES.format("m.bad").replace("deny", "denny"))
        status, answer = self.post(engine)
        self.assertEqual((status, answer["errcode"]), (422, "M_INVALID_PARAM"))
        self.assertEqual(len(answer["errors"]), 2, answer)
        self.assertRegex(answer["errors"][0], rf"^{path}:\d+:\d+: log\.level: ")
        self.assertRegex(answer["errors"][1], rf"^{path}:\d+:\d+: modules\[0\]\.config\.denny: .*`deny`")
        self.assertTrue(self.denies(engine, "m.worse"))
        status = self.status(engine)
        self.assertEqual((status["reloads"], status["refused"], status["last"]["loaded"]), (1, 1, False))
        self.assertEqual(status["last"]["errors"], answer["errors"])
        self.assertEqual(self.metric(engine, "weir_reloads_total"), 1)
        self.assertEqual(self.metric(engine, "weir_reloads_refused_total"), 1)
        self.assertEqual(self.metric(engine, "weir_reload_last_successful"), 0)
        self.assertLess(abs(time.time() - self.metric(engine, "weir_reload_last_success_timestamp_seconds")), 60)
        self.assertEqual(self.metric(engine, "weir_reload_stall_seconds_count"), 1)
        # What cannot be changed without a restart is refused, what is passed over is said.
        self.configuration(f"{API}\ninstance_name: weir2", modules=TYPES.format("m.bad"))
        status, answer = self.post(engine)
        self.assertEqual(status, 422)
        self.assertIn("need a restart", answer["errors"][0])
        self.configuration("requests: {http: true, timeout: 3s}", modules=TYPES.format("m.bad"))
        status, answer = self.post(engine)
        self.assertEqual(status, 200)
        self.assertEqual([line for line in answer["warnings"] if "requests.timeout" in line], answer["warnings"])
        self.assertEqual(len(answer["warnings"]), 1)
        self.assertTrue(self.denies(engine, "m.bad"))
        self.stop_engine(engine)

    def test_the_secret_is_asked_for(self):
        configuration = self.configuration(API, modules=TYPES.format("m.bad"))
        engine = self.start_engine(configuration)
        configuration.write_text(configuration.read_text().replace(":0'}", ":0', secret: between-us}"))
        self.assertEqual(self.post(engine)[0], 200)
        self.assertEqual(self.post(engine)[0], 401)
        self.assertEqual(self.post(engine, secret="guessed")[0], 401)
        self.assertEqual(self.post(engine, secret="between-us")[0], 200)
        self.assertEqual(len(self.logged(engine, AGAIN)), 2)
        self.stop_engine(engine)

    def test_without_api_and_console_there_is_no_such_path(self):
        engine = self.start_engine(self.configuration("console: false\n", modules=TYPES.format("m.bad")))
        self.assertEqual(self.http(engine, "/v1/reload")[0], 404)
        self.stop_engine(engine)

    def test_a_changed_file(self):
        engine = self.start_watching()
        self.assertEqual(self.logged(engine, "watches the files of the configuration")[0]["files"], 1)
        good = self.config.read_text()
        # In place.
        self.config.write_text(good.replace("m.bad", "m.worse"))
        self.assertEqual(self.again(engine)[0]["cause"], "a changed file")
        self.assertEqual(self.logged(engine, CHANGED)[0]["path"], str(self.config))
        self.assertTrue(self.denies(engine, "m.worse"))
        # By rename, as editors do.
        self.write("weir.yaml.new", good.replace("m.bad", "m.worst")).rename(self.config)
        self.again(engine, 2)
        self.assertTrue(self.denies(engine, "m.worst"))
        # Broken, left alone, and mended.
        self.config.write_text(good.replace("deny", "denny"))
        self.refused(engine)
        self.write("unrelated.txt", "x")
        time.sleep(1.5)
        self.assertEqual(len(self.logged(engine, REFUSED)), 1, "what is known to be broken is not tried again")
        self.assertTrue(self.denies(engine, "m.worst"))
        self.config.write_text(good)
        self.again(engine, 3)
        self.assertTrue(self.denies(engine, "m.bad"))
        # Gone for a moment is not gone; gone for good is refused.
        self.config.rename(self.folder / "away")
        (self.folder / "away").rename(self.config)
        time.sleep(1.5)
        self.assertEqual(len(self.logged(engine, CHANGED)), 4)
        self.config.unlink()
        self.refused(engine, 2)
        # Turned off by the file itself.
        self.config.write_text(good.replace("watch: true", "watch: false"))
        self.again(engine, 4)
        self.config.write_text(good.replace("m.bad", "m.worse"))
        time.sleep(1.5)
        self.assertEqual(len(self.logged(engine, AGAIN)), 4)
        self.assertTrue(self.denies(engine, "m.bad"))
        self.stop_engine(engine)

    def test_changed_lists_scripts_and_links(self):
        self.write("bodies.jsonl", "".join(json.dumps({"event_id": f"${number}", "json": {"type": event_type, "content": {}}})
                                           + "\n" for number, event_type in enumerate(
                                               ("m.script", "m.script", "m.other", "m.other"), 1)))
        versions = [self.folder / "one", self.folder / "two"]
        for number, folder in enumerate(versions):
            folder.mkdir()
            (folder / "domains.txt").write_text(f"bad{number}.example\n")
        os.symlink("one", self.folder / "current")
        self.write("spam.lua", SCRIPT.replace("TYPE", "m.script"))
        engine = self.start_watching("bodies: {file: bodies.jsonl}", modules=(
            "modules:\n  - {module: lua, config: {script: spam.lua}}\n"
            "  - {module: link_domains, config: {domains_file: current/domains.txt}}\n"))
        self.assertEqual(self.logged(engine, "watches the files of the configuration")[0]["files"], 3)
        self.assertTrue(self.denies(engine, "m.script"))
        self.write("spam.lua", SCRIPT.replace("TYPE", "m.other"))
        self.again(engine)
        self.assertEqual(self.logged(engine, CHANGED)[-1]["path"], str(self.folder / "spam.lua"))
        self.assertFalse(self.denies(engine, "m.script"))
        self.assertTrue(self.denies(engine, "m.other"))
        # A link on the way, as configuration systems change a whole folder at once.
        os.symlink("two", self.folder / "next")
        (self.folder / "next").rename(self.folder / "current")
        self.again(engine, 2)
        # A list by rename in its own folder.
        (versions[1] / "new").write_text("bad3.example\n")
        (versions[1] / "new").rename(versions[1] / "domains.txt")
        self.again(engine, 3)
        # A script that does not load is refused, with its line.
        self.write("spam.lua", "return {")
        self.refused(engine)
        self.assertIn("spam.lua", self.logged(engine, "the configuration is wrong")[-1]["at"])
        self.assertTrue(self.denies(engine, "m.other"))
        self.stop_engine(engine)

    def test_an_included_file(self):
        self.write("more.yaml", TYPES.format("m.bad"))
        engine = self.start_watching("include: more.yaml", modules="")
        self.assertEqual(self.logged(engine, "watches the files of the configuration")[0]["files"], 2)
        self.assertTrue(self.denies(engine, "m.bad"))
        self.write("more.yaml", TYPES.format("m.worse"))
        self.again(engine)
        self.assertTrue(self.denies(engine, "m.worse"))
        self.stop_engine(engine)

    def test_what_is_remembered_stays(self):
        engine = self.start_watching(modules="modules:\n  - {module: rate, config: {rules: [{key: room, rate: 2/h}]}}\n")
        self.assertEqual([self.denies(engine, "m.one") for _ in range(3)], [False, False, True])
        self.config.write_text(self.config.read_text() + "  - {module: event_types, config: {deny: [m.bad]}}\n")
        self.again(engine)
        self.assertTrue(self.denies(engine, "m.one"))
        self.stop_engine(engine)

    def wait_until_it_compiles(self, engine):
        """Its files are read by then."""
        wait_until(lambda: self.status(engine)["loading"])
        time.sleep(1)

    def test_requests_while_one_compiles(self):
        """What comes meanwhile is answered by one more run, which sees the newest file."""
        self.write("bodies.jsonl", "")
        body = f"{API}\nbodies: {{file: bodies.jsonl}}"
        engine = self.start_engine(self.configuration(body, modules=TYPES.format("m.bad")))
        answers = {}
        self.configuration(body, modules=self.slow_modules("m.one"))
        def ask(number):
            answers[number] = self.post(engine)
        threads = [threading.Thread(target=ask, args=(0,))]
        threads[0].start()
        self.wait_until_it_compiles(engine)
        self.configuration(body, modules=TYPES.format("m.two"))
        threads += [threading.Thread(target=ask, args=(number,)) for number in (1, 2, 3)]
        for thread in threads[1:]:
            thread.start()
        engine.send_signal(signal.SIGHUP)
        denied = self.denies(engine, "m.bad")
        if self.status(engine)["loading"] and self.status(engine)["reloads"] == 0:
            self.assertTrue(denied, "the old one goes on")
        for thread in threads:
            thread.join(timeout=120)
        self.assertEqual([answers[number][0] for number in range(4)], [200] * 4)
        self.assertEqual([answers[number][1]["modules"] for number in range(4)], [2, 1, 1, 1])
        self.assertEqual(len(self.again(engine, 2)), 2)
        self.assertTrue(self.denies(engine, "m.two"))
        # A broken one is refused while it waits behind another.
        self.configuration(body, modules=self.slow_modules("m.three"))
        threads = [threading.Thread(target=ask, args=(4,))]
        threads[0].start()
        self.wait_until_it_compiles(engine)
        self.configuration(body, modules=TYPES.format("m.two").replace("deny", "denny"))
        self.assertEqual(self.post(engine)[0], 422)
        threads[0].join(timeout=120)
        self.assertEqual(answers[4][0], 200)
        self.assertTrue(self.denies(engine, "m.three"))
        self.stop_engine(engine)

    def test_a_stop_does_not_wait_for_a_compilation(self):
        self.write("bodies.jsonl", "")
        body = f"{API}\nbodies: {{file: bodies.jsonl}}\nshutdown_timeout: 100ms"
        engine = self.start_engine(self.configuration(body, modules=TYPES.format("m.bad")))
        self.configuration(body, modules=self.slow_modules().replace("slow.txt", "slower.txt"))
        # Some minutes of work.
        self.write("slower.txt", "\n".join(f"(a|b){number}[a-f]+x{{2,9}}(buy|sell)?(y|z)+q" for number in range(20000)))
        answers = []
        thread = threading.Thread(target=lambda: answers.append(self.post(engine)))
        thread.start()
        wait_until(lambda: self.status(engine)["loading"])
        time.sleep(0.5)
        begun = time.monotonic()
        self.stop_engine(engine)
        self.assertLess(time.monotonic() - begun, 10)
        thread.join(timeout=20)
        self.assertEqual([status for status, _ in answers], [503])

    def test_under_load_every_event_is_judged_once(self):
        """Two reloads a second while events come, some of which wait for bodies."""
        count = 3000
        self.write("bodies.jsonl", "".join(harness.body_line(f"${number}", body="spam") + "\n"
                                           for number in range(1, count + 1)))
        body = f"{API}\nbodies: {{file: bodies.jsonl}}\npublish: {{verdicts: all}}"
        keyword = "modules: [{{module: keywords, config: {{patterns: [{}]}}}}]"
        engine = self.start_engine(self.configuration(body, modules=keyword.format("spam")))
        stop = threading.Event()
        statuses = []

        def reload():
            number = 0
            while not stop.is_set():
                number += 1
                self.configuration(body, modules=keyword.format("spam" if number % 2 else "spam, ham"))
                statuses.append(self.post(engine)[0])

        thread = threading.Thread(target=reload)
        thread.start()
        for token in range(1, count + 1):
            self.publish(rdata(token, ev_row(f"${token}")))
            if token % 100 == 0:
                time.sleep(0.05)
        wait_until(lambda: len(self.durable()) >= count, seconds=120)
        stop.set()
        thread.join(timeout=60)
        self.settle(engine)
        rows = [json.loads(row) for _, row in self.durable()]
        self.assertEqual([row["token"] for row in rows], list(range(1, count + 1)))
        self.assertEqual({row["module"] for row in rows}, {"keywords"})
        self.assertGreater(len(statuses), 5)
        self.assertEqual(set(statuses), {200})
        self.stop_engine(engine)

    def test_events_go_on_while_patterns_compile(self):
        """The longest silence of an engine that is asked all the time; generous, for a machine with other work."""
        self.write("bodies.jsonl", "")
        body = f"{API}\nbodies: {{file: bodies.jsonl}}"
        self.write("ids.txt", "".join(f"@spammer{number}:bad.example\n" for number in range(200000)))
        ids = "  - {module: sender_list, config: {users_file: ids.txt}}\n"
        engine = self.start_engine(self.configuration(body, modules=TYPES.format("m.bad")))
        self.configuration(body, modules=self.slow_modules(count=300) + ids)
        answers, gaps = [], []
        thread = threading.Thread(target=lambda: answers.append(self.post(engine)))
        connection = http.client.HTTPConnection(engine.http, timeout=60)
        thread.start()
        while thread.is_alive():
            begun = time.monotonic()
            connection.request("GET", "/healthz")
            connection.getresponse().read()
            gaps.append(time.monotonic() - begun)
            time.sleep(0.002)
        connection.close()
        self.assertEqual([(status, answer["modules"]) for status, answer in answers], [(200, 3)])
        self.assertGreater(len(gaps), 20)
        took = answers[0][1]["seconds"]
        self.assertLess(answers[0][1]["stall_ms"], 1000)
        self.assertLess(max(gaps), max(0.5, took / 2), f"of {took} s")
        self.stop_engine(engine)

    def test_compiled_patterns_are_kept(self):
        self.write("bodies.jsonl", "")
        state = self.folder / "state"
        state.mkdir(mode=0o700)
        body = f"{API}\nbodies: {{file: bodies.jsonl}}\nstate_dir: state"
        engine = self.start_engine(self.configuration(body, modules=self.slow_modules(count=100)))
        kept = list((state / "patterns").iterdir())
        self.assertEqual([path.suffix for path in kept], [".patterns"])
        self.assertEqual(kept[0].stat().st_mode & 0o777, 0o600)
        self.assertEqual(self.post(engine)[0], 200)
        line = self.again(engine)[0]
        self.assertEqual((line["patterns_kept"], line["patterns_compiled"]), (1, 0))
        # Damage is seen, said, and mended.
        content = bytearray(kept[0].read_bytes())
        content[len(content) // 2] ^= 1
        kept[0].write_bytes(content)
        self.assertEqual(self.post(engine)[0], 200)
        line = self.again(engine, 2)[1]
        self.assertEqual((line["patterns_kept"], line["patterns_compiled"]), (0, 1))
        told = self.logged(engine, "a kept pattern set cannot be used; it is compiled again")
        self.assertEqual([(line["path"], line["reason"]) for line in told],
                         [(str(kept[0]), "its checksum does not fit: it is damaged")])
        self.assertEqual(self.post(engine)[0], 200)
        self.assertEqual(self.again(engine, 3)[2]["patterns_kept"], 1)
        # A folder that others may write to is not trusted.
        (state / "patterns").chmod(0o777)
        self.assertEqual(self.post(engine)[0], 200)
        self.assertEqual(self.again(engine, 4)[3]["patterns_kept"], 0)
        self.assertTrue(self.logged(engine, "the folder of kept pattern sets is not used: it must be a folder of the "
                                            "engine's user that nobody else may write to"))
        self.stop_engine(engine)


SCRIPT = """
function check_event_for_spam(event)
  if event.type == "TYPE" then return refuse("M_FORBIDDEN") end
  return pass
end
"""

if __name__ == "__main__":
    unittest.main()
