"""`weir backtest`: its counts against those of `weir replay`, the same outcome for any number of jobs, changed verdicts of
a crafted pair of configurations, its page, several recordings, and events from a real PostgreSQL."""

import html.parser
import json
import os
import pty
import re
import subprocess
import time
import unittest
import xml.dom.minidom

import harness
import oracle
from harness import DATA, SERVER_NAME, WEIR, ev_row, rdata, run_weir
from postgres_test import PostgresServer

NEW = """modules:
  - {module: sender_list, config: {users: ["@u003:lab.test", "@u025:lab.test"]}}
  - {module: keywords, config: {patterns: [fix, 'gr[ea]+t', cheap followers], syntax: regex}}
  - {module: keywords, dry_run: true, config: {patterns: [bridge]}}
  - {module: link_domains, config: {domains: [example.com]}}
"""
OLD = """modules:
  - {module: keywords, config: {patterns: ['gr[ea]+t', cheap followers], syntax: regex}}
  - {module: sender_list, config: {users: ["@u003:lab.test"]}}
"""
REMEMBERS = "modules: [{module: rate, config: {rules: [{name: talk, key: sender, rate: 3/10s}]}}]"
RECORDINGS = ("synapse-1.140-small", "synapse-1.140-big")


def line(data, seconds=1795424321.5, channel=SERVER_NAME):
    return json.dumps({"t": seconds, "ch": channel, "data": data})


def body(event_id, sender="@a:lab.test", **content):
    return json.dumps({"event_id": event_id, "json": {"type": "m.room.message", "room_id": "!r:lab.test",
                                                      "sender": sender, "content": content}})


class Reader(html.parser.HTMLParser):
    """What a page asks for and how its elements nest."""

    EMPTY = {"meta", "line", "rect", "polyline"}

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open, self.tags, self.attributes, self.text = [], set(), [], []

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.attributes += attributes
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.add(tag)
        self.attributes += attributes

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, tag

    def handle_data(self, data):
        self.text.append(data)


class Backtest(harness.Server):
    def outcome(self, *arguments, code=0, jobs=1):
        done = run_weir("backtest", "--json", "-", "--jobs", jobs, *arguments, check=False)
        self.assertEqual(done.returncode, code, done.stderr.decode())
        return json.loads(done.stdout)

    @staticmethod
    def settled(outcome):
        """Without times and costs."""
        outcome = json.loads(json.dumps(outcome))
        del outcome["run"]
        for side in ("new", "old"):
            for module in (outcome[side] or {"modules": []})["modules"]:
                del module["cost"]
        return outcome

    def arguments(self, name):
        return [DATA / f"{name}.jsonl.zst", "--events", DATA / f"{name}.events.jsonl.zst"]

    def test_counts_are_those_of_a_replay(self):
        for modules in (NEW, OLD, REMEMBERS):
            configuration = self.configuration(modules=modules)
            for name in RECORDINGS:
                rows = [json.loads(row) for row in self.replay(
                    configuration, DATA / f"{name}.jsonl.zst", DATA / f"{name}.events.jsonl.zst", "--all")]
                dry = [row for row in rows if row["dry_run"]]
                rows = [row for row in rows if not row["dry_run"]]
                denied = [row for row in rows if row["result"] != "NOT_SPAM" and row["module"]]
                self.assertGreater(len(denied), 5)
                outcome = self.outcome("-c", configuration, *self.arguments(name), jobs=2)
                new = outcome["new"]
                self.assertEqual(outcome["events"], len(rows))
                self.assertEqual(new["denied"], len(denied))
                self.assertEqual(new["passed"], len(rows) - len(denied))
                self.assertEqual(new["would_have"], len(dry))
                rules = {}
                for row in denied:
                    key = row["module"], row["rule"] or ""
                    rules[key] = rules.get(key, 0) + 1
                self.assertEqual({(rule["module"], rule["rule"]): rule["hits"] for rule in new["rules"]
                                  if rule["hits"]}, rules)
                for member, key in (("rooms", "room_id"), ("senders", "sender")):
                    counts = {}
                    for row in denied:
                        counts[row[key]] = counts.get(row[key], 0) + 1
                    listed = {entry["id"]: entry["new"] for entry in outcome[member]["most_denied"]}
                    self.assertEqual(listed, {key: counts[key] for key in listed})
                    self.assertEqual(len(listed), min(100, len(counts)))
                    self.assertEqual(outcome[member]["error"], 0)
                steps = outcome["times"]["steps"]
                self.assertEqual(sum(step["events"] for step in steps), len(rows))
                self.assertEqual(sum(step["new"]["denied"] for step in steps), len(denied))
                self.assertIsNone(outcome["changes"])

    def test_the_number_of_jobs_changes_nothing(self):
        pairs = ((NEW, OLD), (NEW, REMEMBERS), (REMEMBERS, NEW))
        for new, old in pairs:
            arguments = ["-c", self.configuration(modules=new, name="new.yaml"), "--against",
                         self.configuration(modules=old, name="old.yaml")]
            for name in RECORDINGS:
                outcomes = [self.outcome(*arguments, *self.arguments(name), jobs=jobs) for jobs in (1, 2, 5)]
                self.assertGreater(outcomes[0]["changes"]["changed"], 0)
                for outcome in outcomes[1:]:
                    self.assertEqual(json.dumps(self.settled(outcome)), json.dumps(self.settled(outcomes[0])))
        orders = self.outcome(*arguments, *self.arguments(RECORDINGS[0]), jobs=2)["run"]
        self.assertEqual(orders["new_in_order_for"], "rate")
        self.assertIsNone(orders["old_in_order_for"])

    def crafted(self):
        """Six messages, and what the two configurations below say of them."""
        texts = ["plain", "only new <b>bad</b>", "only old ugly", "both awful", "new code vile", "dry spooky"]
        recording = self.write("crafted.jsonl", "".join(
            line(rdata(number + 1, ev_row(f"${number}")), 1795424321 + number * 60) + "\n" for number in range(6)))
        bodies = self.write("crafted.events.jsonl", "".join(
            body(f"${number}", f"@{number}:lab.test", body=text) + "\n" for number, text in enumerate(texts)))
        keywords = "  - {module: keywords, config: {patterns: [%s], code: %s}%s}\n"
        new = self.configuration(modules="modules:\n" + keywords % ("bad, awful", "M_FORBIDDEN", "")
                                 + keywords % ("vile", "M_UNKNOWN", "") + keywords % ("spooky", "M_FORBIDDEN", ", dry_run: true"),
                                 name="new.yaml")
        old = self.configuration(modules="modules:\n" + keywords % ("ugly, vile", "M_FORBIDDEN", "")
                                 + keywords % ("awful", "M_FORBIDDEN", ""), name="old.yaml")
        return new, old, [recording, "--events", bodies]

    def test_changed_verdicts(self):
        new, old, files = self.crafted()
        outcome = self.outcome("-c", new, "--against", old, *files)
        changes = outcome["changes"]
        self.assertEqual((changes["changed"], changes["same_kind"], changes["other_reason"]), (3, 1, 0))
        self.assertEqual(changes["passed"], {"passed": 2, "replaced": 0, "denied": 1, "failed": 0})
        self.assertEqual(changes["denied"], {"passed": 1, "replaced": 0, "denied": 2, "failed": 0})
        self.assertEqual(outcome["new"]["would_have"], 1)
        self.assertEqual(outcome["examples_of"], 3)
        shown = [(example["event_id"], example["sender"], example["text"], example["old"]["verdict"],
                  example["old"]["rule"], example["new"]["verdict"], example["new"]["rule"])
                 for example in outcome["examples"]]
        self.assertEqual(shown, [
            ("$1", "@1:lab.test", "only new <b>bad</b>", "passed", None, "denied", "bad"),
            ("$2", "@2:lab.test", "only old ugly", "denied", "ugly", "passed", None),
            ("$4", "@4:lab.test", "new code vile", "denied", "vile", "denied", "vile")])
        self.assertIn("M_UNKNOWN", json.dumps(outcome["examples"][2]["new"]["result"]))
        self.assertEqual([example["time_ms"] for example in outcome["examples"]],
                         [1795424381000, 1795424441000, 1795424561000])
        # Without an old side: what did not pass, and what would not have.
        outcome = self.outcome("-c", new, *files)
        self.assertEqual([(example["event_id"], example["new"]["dry_run"]) for example in outcome["examples"]],
                         [("$1", False), ("$3", False), ("$4", False), ("$5", True)])
        self.assertIsNone(outcome["old"])

    def test_exit_codes(self):
        new, old, files = self.crafted()
        self.outcome("-c", new, "--against", old, *files, "--fail-on-change", code=4)
        self.outcome("-c", new, "--against", new, *files, "--fail-on-change", code=0)
        wrong = self.configuration(modules="modules: [{module: keywords, config: {x: 1}}]", name="wrong.yaml")
        other = self.write("other.yaml", "server_name: other.test\nmodules: []\n")
        for arguments, code, words in (
                (["-c", wrong, *files], 3, "unknown parameter"),
                (["-c", new, "--against", wrong, *files], 3, "unknown parameter"),
                (["-c", new, "--against", other, *files], 1, "different servers"),
                (["-c", new], 2, "RECORDING"),
                (["-c", new, *files, "--fail-on-change"], 2, "--against"),
                (["-c", new, *files, "--since", "7d"], 2, "--from-database"),
                (["-c", new, *files, "--from-database"], 2, "no recordings"),
                (["-c", new, "--from-database"], 1, "bodies: {postgres"),
                (["-c", new, "--from-database", "--since", "soon"], 2, "7d"),
                (["-c", new, files[0], "--events", files[2], files[2]], 2, "one file for each"),
                (["-c", new, *files, "--jobs", "0"], 2, "--jobs"),
                (["-c", new, self.folder / "nowhere"], 1, "No such file"),
                (["-c", new, files[0], "--events", self.folder / "nowhere"], 1, "No such file"),
                (["-c", new, *files, "--html", "/dev/full"], 1, "cannot write /dev/full"),
                (["-c", new, *files, "--json", self.folder / "no" / "where"], 1, "cannot write")):
            done = run_weir("backtest", *arguments, check=False)
            self.assertEqual(done.returncode, code, arguments)
            self.assertIn(words, done.stderr.decode())

    def test_services_are_not_asked(self):
        new, _, files = self.crafted()
        asks = self.write("asks.yaml", new.read_text() + "  - {module: http_service, config: {url: 'http://127.0.0.1:1/', "
                          "callbacks: [check_event_for_spam], on_error: deny}}\n")
        done = run_weir("backtest", "-c", asks, *files, "--json", "-")
        self.assertIn("asks.yaml:9:5: modules[3]: http_service asks a service, which a backtest does not do",
                      done.stderr.decode())
        self.assertEqual(self.settled(json.loads(done.stdout))["new"]["denied"], 3)

    def test_damaged_files(self):
        name = "synapse-1.140-big"
        recording, bodies = DATA / f"{name}.jsonl.zst", DATA / f"{name}.events.jsonl.zst"
        configuration = self.configuration(modules=NEW)
        whole = self.outcome("-c", configuration, recording, "--events", bodies)
        for jobs in (1, 3):
            short = self.folder / "short.zst"
            short.write_bytes(recording.read_bytes()[:-1000])
            partly = self.outcome("-c", configuration, short, "--events", bodies, jobs=jobs)
            self.assertGreater(partly["events"], whole["events"] // 2)
            self.assertLess(partly["events"], whole["events"])
            self.assertEqual(partly["notes"]["cut_short"], 1)
            short.write_bytes(bodies.read_bytes()[:-1000])
            partly = self.outcome("-c", configuration, recording, "--events", short, jobs=jobs)
            self.assertEqual(partly["events"], whole["events"])
            self.assertGreater(partly["notes"]["bodies_missing"], whole["notes"]["bodies_missing"])
            self.assertEqual(partly["notes"]["cut_short"], 1)
            short.write_bytes(recording.read_bytes() + b"\x28\xb5\x2f\xfd broken")
            partly = self.outcome("-c", configuration, short, "--events", bodies, code=1, jobs=jobs)
            self.assertEqual(partly["events"], whole["events"])
            short.write_bytes(bodies.read_bytes() + b"\x28\xb5\x2f\xfd broken")
            done = run_weir("backtest", "-c", configuration, recording, "--events", short, "--jobs", jobs, check=False)
            self.assertEqual((done.returncode, done.stdout), (1, b""))
            self.assertIn("not readable as zstd", done.stderr.decode())
        lines = ["no JSON", "{}", line("RDATA events persister1 x []"), line("RDATA caches w 5 []"), line("POSITION"),
                 line(rdata(1, ev_row("$1"))), line(rdata(1, ev_row("$1"))), line(rdata(2, ev_row("$2", rejected=True))),
                 line(rdata(3, ev_row("$3", outlier=True))), line(rdata(4, ev_row("$4")), channel="other"),
                 line(rdata("batch", ev_row("$5"))), line(rdata(6, ev_row("$6"))),
                 line("GAP 1000 2000 Redis went \"away\"", channel=f"{SERVER_NAME}/weir/record"), ""]
        notes = self.outcome("-c", configuration, self.write("damaged.jsonl", "\r\n".join(lines)), "--events",
                             self.write("bodies.jsonl", body("$1", body="x") + "\nnothing\n" + '{"event_id":"$5","json":{]}'),
                             jobs=2)
        self.assertEqual(notes["events"], 3)
        self.assertEqual(notes["notes"], {"rejected": 1, "outliers": 1, "duplicates": 1, "bodies_missing": 1,
                                          "bodies_unreadable": 1, "undated": 0, "bad_bodies": 1, "bad_lines": 2,
                                          "bad_records": 2, "gaps": 1, "cut_short": 0, "other_channels": 1})

    def test_several_recordings_are_one_stream(self):
        name = "synapse-1.140-big"
        lines = [json.dumps(text) for text in oracle.read_jsonl(DATA / f"{name}.jsonl.zst")]
        bodies = [json.dumps(text) for text in oracle.read_jsonl(DATA / f"{name}.events.jsonl.zst")]
        third = len(lines) // 3
        # The pieces overlap, as recordings do that were begun before the last one ended.
        recordings = [self.write(f"{number}.jsonl", "\n".join(lines[max(0, number * third - 500):(number + 1) * third + 2]))
                      for number in range(3)]
        whole = self.write("bodies.jsonl", "\n".join(bodies))
        for modules in (NEW, REMEMBERS):
            configuration = self.configuration(modules=modules)
            expected = self.settled(self.outcome("-c", configuration, *self.arguments(name)))
            for events in ([whole], [whole] * 3):
                outcome = self.settled(self.outcome("-c", configuration, *recordings, "--events", *events, jobs=2))
                for member in ("events", "new", "times", "rooms", "senders", "examples"):
                    self.assertEqual({**outcome, "new": {**outcome["new"], "configuration": ""}}[member],
                                     {**expected, "new": {**expected["new"], "configuration": ""}}[member], member)

    def test_followed_rooms(self):
        rule = json.dumps(["ev", ["$rule", "!policy:lab.test", "m.policy.rule.user", "r1", None, None, None, False, False]])
        lines = [line(rdata(1, ev_row("$before"))), line(rdata(2, rule)), line(rdata(3, ev_row("$after"))),
                 line(rdata(4, rule.replace("$rule", "$gone"))), line(rdata(5, ev_row("$later")))]
        recording = self.write("policy.jsonl", "\n".join(lines))
        policy = lambda event_id, content: json.dumps({"event_id": event_id, "json": {
            "type": "m.policy.rule.user", "state_key": "r1", "room_id": "!policy:lab.test", "sender": "@mod:lab.test",
            "content": content}})
        bodies = self.write("policy.events.jsonl", "\n".join(
            [body(f"${when}", "@bad:evil.test", body="x") for when in ("before", "after", "later")]
            + [policy("$rule", {"entity": "@bad:*", "recommendation": "m.ban", "reason": "spam"}), policy("$gone", {})]))
        configuration = self.configuration(modules="modules: [{module: policy_list, config: {rooms: ['!policy:lab.test']}}]")
        replayed = [json.loads(row)["event_id"] for row in self.replay(configuration, recording, bodies)]
        self.assertEqual(replayed, ["$after"])
        for jobs in (1, 3):
            outcome = self.outcome("-c", configuration, "--against", self.configuration(modules=OLD, name="old.yaml"),
                                   recording, "--events", bodies, jobs=jobs)
            self.assertEqual([example["event_id"] for example in outcome["examples"]], ["$after"])
            self.assertEqual(outcome["events"], 5)

    def test_time_without_times_is_that_of_the_events(self):
        recording = self.write("untimed.jsonl", "".join(
            json.dumps({"ch": SERVER_NAME, "data": rdata(number + 1, ev_row(f"${number}"))}) + "\n"
            for number in range(3)))
        bodies = self.write("untimed.events.jsonl", "".join(
            json.dumps({"event_id": f"${number}", "json": {"sender": "@a:lab.test", "type": "m.room.message",
                                                           "origin_server_ts": 1795424321000 + number * 1000,
                                                           "content": {"body": "x"}}}) + "\n" for number in range(2)))
        times = self.outcome("-c", self.configuration(modules=NEW), recording, "--events", bodies)["times"]
        self.assertEqual((times["first_ms"], times["latest_ms"]), (1795424321000, 1795424322000))

    def page(self, *arguments):
        path = self.folder / "page.html"
        run_weir("backtest", *arguments, "--html", path)
        self.assertEqual(path.stat().st_mode & 0o777, 0o600, "it quotes what people wrote")
        text = path.read_text()
        xml.dom.minidom.parseString(text)
        reader = Reader()
        reader.feed(text)
        reader.close()
        self.assertEqual(reader.open, [])
        return text, reader

    def test_the_page_stands_alone(self):
        new, old = self.configuration(modules=NEW, name="new.yaml"), self.configuration(modules=OLD, name="old.yaml")
        for against in ([], ["--against", old]):
            text, reader = self.page("-c", new, *against, *self.arguments("synapse-1.140-big"))
            self.assertFalse(reader.tags & {"script", "link", "img", "iframe", "object", "a", "base", "form"}, reader.tags)
            self.assertIn("svg", reader.tags)
            for name, value in reader.attributes:
                self.assertFalse(name.startswith("on") or name in ("href", "src", "xlink:href", "style"), (name, value))
            self.assertNotIn("url(", text)
            self.assertNotIn("nan", re.findall(r'"[^"]*nan[^"]*"', text))
            words = " ".join(reader.text)
            for wanted in ("Verdicts over time", "Rooms with most denied events", "Senders with most denied events",
                           "Cost of the modules of NEW", "sender_list", "5,863 events judged"):
                self.assertIn(wanted, words)
            self.assertEqual("Events that changed their verdict" in words, bool(against))

    def test_what_strangers_write_is_only_shown(self):
        nasty = "</td><script>alert(1)</script> \"'&amp; \u202egnp \x1b[2J bad"
        recording = self.write("nasty.jsonl", line(rdata(1, ev_row("$<i>1", room="!<img src=x>:lab.test"))) + "\n")
        bodies = self.write("nasty.events.jsonl", body("$<i>1", "@<b>:lab.test", body=nasty) + "\n")
        configuration = self.configuration(modules="modules: [{module: keywords, config: {patterns: [bad, '</script>']}}]")
        text, reader = self.page("-c", configuration, recording, "--events", bodies)
        self.assertFalse(reader.tags & {"script", "img", "i" if text.count("<i ") > text.count('<i class="') else "img"})
        shown = nasty.replace("\u202e", "\ufffd").replace("\x1b", "\ufffd")
        self.assertIn(shown, reader.text)
        self.assertIn("!<img src=x>:lab.test", reader.text)
        output = run_weir("backtest", "-c", configuration, recording, "--events", bodies).stdout.decode()
        self.assertNotIn("\x1b", output)
        self.assertNotIn("\u202e", output)
        self.assertIn("<script>alert(1)</script>", output)

    def test_the_text(self):
        new, old, files = self.crafted()
        text = run_weir("backtest", "-c", new, "--against", old, *files, "--jobs", "2").stdout.decode()
        for wanted in ("6 events judged", "Events whose verdict changed: 3", "1 passed -> denied", "1 denied -> passed",
                       "passed -> denied by keywords: bad", "\"only new <b>bad</b>\"", "dry run"):
            self.assertIn(wanted, text)
        self.assertLess(len(text.splitlines()), 50)

    def test_the_bar(self):
        new, _, files = self.crafted()
        big = [DATA / "synapse-1.140-big.jsonl.zst", "--events", DATA / "synapse-1.140-big.events.jsonl.zst"]
        leader, follower = pty.openpty()
        with subprocess.Popen([WEIR, "backtest", "-c", new, *big], stdout=subprocess.DEVNULL, stderr=follower) as process:
            os.close(follower)
            seen = b""
            while True:
                try:
                    part = os.read(leader, 4096)
                except OSError:
                    break
                if not part:
                    break
                seen += part
            self.assertEqual(process.wait(), 0)
        os.close(leader)
        if b"[" in seen:  # a fast machine is done before the first drawing
            self.assertRegex(seen, rb"\r\[[#.]+\] +\d+%  \d+ events ")
            self.assertTrue(seen.endswith(b"\r\x1b[K"))
        quiet = run_weir("backtest", "-c", new, *files)
        self.assertEqual(quiet.stderr, b"")


class FromDatabase(PostgresServer):
    def fill(self):
        """The recording's events as a Synapse would have them, those of the first half two weeks old."""
        rows, received = {}, {}
        for message in oracle.read_jsonl(DATA / "synapse-1.140-small.jsonl.zst"):
            words = message["data"].split(" ", 4)
            if words[:2] != ["RDATA", "events"]:
                continue
            row = json.loads(words[4])
            if row[0] == "ev":
                rows[row[1][0]] = row[1]
        bodies = [entry for entry in oracle.read_jsonl(DATA / "synapse-1.140-small.events.jsonl.zst")
                  if entry["event_id"] in rows and entry["json"]]
        now = int(time.time() * 1000)
        self.store([(entry["stream_ordering"], entry["instance"], entry["event_id"], entry["json"]) for entry in bodies])
        half = bodies[len(bodies) // 2]["stream_ordering"]
        self.sql(f"UPDATE events SET received_ts = {now} - CASE WHEN stream_ordering < {half} THEN 1209600000 ELSE 3600000 "
                 "END + stream_ordering")
        for entry in bodies:
            row = rows[entry["event_id"]]
            quoted = [("'" + value.replace("'", "''") + "'" if value is not None else "NULL") for value in row[:7]]
            if row[3] is not None:
                self.sql(f"INSERT INTO state_events (event_id, room_id, type, state_key) VALUES ({quoted[0]}, {quoted[1]}, "
                         f"{quoted[2]}, {quoted[3]})")
        return bodies, half, rows

    def test_the_outcome_of_a_recording(self):
        bodies, half, rows = self.fill()
        configuration = self.configuration(self.bodies, modules=NEW)
        for since, wanted in (("7d", [entry for entry in bodies if entry["stream_ordering"] >= half]), ("30d", bodies)):
            ids = {entry["event_id"] for entry in wanted}
            recording = self.write("same.jsonl", "".join(
                line(rdata(entry["stream_ordering"], json.dumps(["ev", rows[entry["event_id"]]]), entry["instance"]))
                + "\n" for entry in sorted(wanted, key=lambda entry: entry["stream_ordering"])))
            replayed = json.loads(run_weir("backtest", "-c", configuration, recording, "--events",
                                           DATA / "synapse-1.140-small.events.jsonl.zst", "--json", "-").stdout)
            for jobs in (1, 2):
                outcome = json.loads(run_weir("backtest", "-c", configuration, "--from-database", "--since", since,
                                              "--json", "-", "--jobs", jobs).stdout)
                skipped = sum(rows[event_id][7] or rows[event_id][8] for event_id in ids)
                self.assertEqual(outcome["events"], len(ids) if not skipped else outcome["events"])
                self.assertGreater(outcome["new"]["denied"], 5)
                for member in ("passed", "denied", "would_have", "rules"):
                    self.assertEqual(outcome["new"][member], replayed["new"][member], (since, member))
                self.assertEqual(outcome["senders"], replayed["senders"])

    def test_windows_and_what_is_passed_over(self):
        now = int(time.time() * 1000)
        self.sql("INSERT INTO events (topological_ordering, event_id, type, room_id, processed, outlier, instance_name, "
                 "stream_ordering, received_ts) SELECT 1, '$' || n, 'm.room.message', '!r:lab.test', true, n % 100 = 3, "
                 f"'persister1', n * 7, {now} - (3000 - n) * 3600000::bigint FROM generate_series(-20, 3000) AS n WHERE n <> 0;"
                 "INSERT INTO event_json SELECT event_id, room_id, '{}', '{\"type\":\"m.room.message\",\"sender\":"
                 "\"@a:lab.test\",\"content\":{\"body\":\"great ' || event_id || '\"}}', 4 FROM events WHERE "
                 "stream_ordering <> 70;"
                 "INSERT INTO rejections VALUES ('$2', 'x', ''), ('$2999', 'x', '')")
        configuration = self.configuration(self.bodies, modules=NEW)
        ask = lambda since, *more: json.loads(run_weir(
            "backtest", "-c", configuration, "--from-database", "--since", since, "--json", "-", *more).stdout)
        whole = ask("300d")
        self.assertEqual(whole["notes"]["outliers"], 30)
        self.assertEqual(whole["notes"]["rejected"], 2)
        self.assertEqual(whole["notes"]["bodies_missing"], 1)
        self.assertEqual(whole["events"], 3000 - 32)
        self.assertEqual(whole["new"]["denied"], 3000 - 33)
        self.assertEqual(ask("100h")["events"], 100 - 1 - 1)
        self.assertEqual(ask("1ms")["events"], 0)
        text = run_weir("backtest", "-c", configuration, "--from-database").stdout.decode()
        self.assertIn("events judged", text)

    def test_a_database_that_cannot_be_asked(self):
        configuration = self.configuration(self.bodies, modules=NEW)
        self.sql("ALTER TABLE event_json RENAME TO elsewhere")
        done = run_weir("backtest", "-c", configuration, "--from-database", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("event_json", done.stderr.decode())
        nowhere = self.configuration(f"bodies: {{postgres: {{host: {self.folder}, user: synapse, dbname: postgres}}}}",
                                     modules=NEW)
        done = run_weir("backtest", "-c", nowhere, "--from-database", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("No such file", done.stderr.decode())


if __name__ == "__main__":
    unittest.main()
