"""Actions beyond a verdict: in the rows of a running engine, and the reference consumer against an HTTP server that fails
in every way a homeserver may."""

import json
import signal
import time
import unittest

import harness
from actions_bot import ClientApi, start_bot
from harness import ROOT, SERVER_NAME, body_line, ev_row, rdata, run_weir, wait_until

STREAM = f"{SERVER_NAME}/weir/verdicts"
FAILED = f"{SERVER_NAME}/weir/actions/failed"
MODULES = """
modules:
  - module: keywords
    dry_run: true
    actions: [redact, notify]
    config: {patterns: [trial]}
  - module: keywords
    actions: [ban, redact, quarantine_media]
    reason: no advertising here
    config: {patterns: [spam], syntax: literal}
  - module: keywords
    config: {patterns: [quiet]}
"""


class Rows(harness.Server):
    def test_actions_in_rows_and_in_tail(self):
        bodies = self.write("bodies.jsonl", "\n".join((
            body_line("$1", body="spam", url="mxc://lab.test/abc"), body_line("$2", body="spam"),
            body_line("$3", body="a trial"), body_line("$4", body="quiet"))) + "\n")
        configuration = self.configuration(f"bodies: {{file: {bodies}}}", modules=MODULES)
        self.assertIn("actions: redact, ban, quarantine_media", run_weir("check", "-c", configuration).stdout.decode())
        engine = self.start_engine(configuration)
        self.publish("POSITION events persister1 0 0", *(rdata(number, ev_row(f"${number}")) for number in range(1, 5)))
        wait_until(lambda: len(self.durable()) == 4)
        rows = {row["event_id"]: row for row in (json.loads(text) for _, text in self.durable())}
        self.assertEqual(rows["$1"]["actions"], [{"type": "redact"}, {"type": "ban"},
                                                 {"type": "quarantine_media", "media": ["mxc://lab.test/abc"]}])
        self.assertEqual(rows["$1"]["reason"], "no advertising here")
        self.assertEqual(rows["$2"]["actions"], [{"type": "redact"}, {"type": "ban"}])
        self.assertEqual(rows["$3"]["would_actions"], [{"type": "redact"}, {"type": "notify"}])
        self.assertTrue(rows["$3"]["dry_run"])
        self.assertNotIn("actions", rows["$3"])
        self.assertNotIn("actions", rows["$4"])
        shown = run_weir("tail", "-c", configuration, "--stored").stdout.decode()
        self.assertIn("-> redact, ban, quarantine_media", shown)
        self.assertIn("(dry run) would redact, notify", shown)
        self.stop_engine(engine)


class Consumer(harness.Server):
    def setUp(self):
        super().setUp()
        self.api = ClientApi()
        self.addCleanup(self.api.close)

    def bot(self, *arguments, **options):
        return start_bot(self, self.api.url, "--from-start", *arguments, **options)

    def row(self, event_id="$1", *actions, sender="@spammer:lab.test", **more):
        row = {"event_id": event_id, "room_id": "!r:lab.test", "sender": sender, "type": "m.room.message",
               "callback": "check_event_for_spam", "result": {"code": "M_FORBIDDEN", "fields": {}}, "module": "keywords",
               "rule": "spam", "reason": "advertising", "token": 7, "origin": "observe", "dry_run": False}
        row["actions"] = [action if isinstance(action, dict) else {"type": action} for action in actions or ("redact",)]
        return self.add(json.dumps(row | more))

    def add(self, text, entry="*"):
        return self.redis.xadd(STREAM, {"token": 1, "row": text}, id=entry)

    def settled(self, rows=None):
        """Nothing is in hand any more, and all that there is was delivered."""
        def check():
            groups = self.redis.xinfo_groups(STREAM) if self.redis.exists(STREAM) else []
            last = self.redis.xrevrange(STREAM, count=1)
            return groups and groups[0]["pending"] == 0 and groups[0]["last-delivered-id"] == last[0][0]
        wait_until(check, seconds=40, what="an end of the work")

    def failed(self):
        return [fields[b"reason"].decode() for _, fields in self.redis.xrange(FAILED)]

    def stop(self, bot):
        bot.send_signal(signal.SIGTERM)
        self.assertEqual(bot.wait(timeout=20), 0, bot.log.read_text())
        return bot.log.read_text()

    def test_every_action_once_however_often_the_row_comes(self):
        media = {"type": "quarantine_media", "media": ["mxc://lab.test/a/b", "mxc://../purge_media_cache",
                                                        "mxc://lab.test/../..", "mxc://far.example/c"]}
        for _ in range(2):
            self.row("$1", "notify", media, "ban", "kick", "report", "redact", {"type": "of_tomorrow"})
        self.row("$2", dry_run=True)
        self.row("$3", would_actions=[{"type": "ban"}], actions=None)
        bot = self.bot("--moderation-room", "!mods:lab.test")
        self.settled()
        client, admin = "/_matrix/client/v3", "/_synapse/admin/v1"
        requests = [request for request in self.api.requests if "whoami" not in request[1]]
        transaction = requests[0][1].rpartition("/")[2]
        self.assertRegex(transaction, "^weir[0-9a-f]{32}$")
        self.assertEqual(requests[:6], [
            ("PUT", f"{client}/rooms/!r:lab.test/redact/$1/{transaction}", {"reason": "advertising"}),
            ("POST", f"{client}/rooms/!r:lab.test/report/$1", {"reason": "Weir, keywords: advertising", "score": -100}),
            ("POST", f"{client}/rooms/!r:lab.test/kick", {"user_id": "@spammer:lab.test", "reason": "advertising"}),
            ("POST", f"{client}/rooms/!r:lab.test/ban", {"user_id": "@spammer:lab.test", "reason": "advertising"}),
            ("POST", f"{admin}/media/quarantine/lab.test/a/b", {}),
            ("POST", f"{admin}/media/quarantine/far.example/c", {})])
        method, path, message = requests[6]
        self.assertTrue(method == "PUT" and path.startswith(f"{client}/rooms/!mods:lab.test/send/m.room.message/weir"))
        self.assertEqual((message["msgtype"], message["m.mentions"]), ("m.notice", {}))
        for part in ("M_FORBIDDEN by keywords", "@spammer:lab.test", "https://matrix.to/#/%21r%3Alab.test/%241",
                     "reason: advertising", "actions: redact, report, kick, ban, quarantine_media"):
            self.assertIn(part, message["body"])
        self.assertEqual(len(requests), 7)
        self.assertEqual(self.api.tokens, {"Bearer secret-token"})
        self.assertEqual(self.failed(), [])
        self.stop(bot)

    def test_what_may_pass_is_tried_again(self):
        self.api.script("/redact/\\$1/", (429, {"errcode": "M_LIMIT_EXCEEDED", "retry_after_ms": 700}),
                        (429, b"", {"Retry-After": "1"}), "cut", (502, b"<html>"), (503, {}), "half")
        self.api.script("/redact/\\$2/", (500, {"errcode": "M_UNKNOWN"}), (500, {}))
        self.row("$1")
        self.row("$2")
        started = time.monotonic()
        bot = self.bot("--tries", "4")
        self.settled()
        self.assertGreater(time.monotonic() - started, 1.7, "patience")
        self.assertEqual([len(self.api.made(f"redact/{event}/")) for event in ("$1", "$2")], [6, 3])
        self.assertEqual(len({request[1] for request in self.api.made("redact/")}), 2, "the same transactions")
        self.assertEqual(self.failed(), [])
        text = self.stop(bot)
        self.assertIn("waiting 0.7 s: 429 M_LIMIT_EXCEEDED", text)
        self.assertIn("waiting 1.0 s: 429", text)

    def test_poison_is_put_aside_and_holds_nobody_up(self):
        self.api.script("/redact/\\$bad/", *[(500, {"error": "no"})] * 10)
        self.api.script("/ban", (403, {"errcode": "M_FORBIDDEN", "error": "You can't"}))
        self.row("$bad", "redact", "ban")
        self.row("$no power", "ban", "redact")
        for text in ("no json", "[1]", '{"actions":[{"type":"redact"}],"event_id":5}', "[" * 100000,
                     '{"actions":[{"type":"notify"}],"event_id":5,"room_id":1}'):
            self.add(text)
        self.redis.xadd(STREAM, {"other": "fields"})
        self.row("$good")
        bot = self.bot("--tries", "2", "--moderation-room", "!m:lab.test")
        self.settled()
        self.assertEqual(len(self.api.made("redact/$good/")), 1)
        self.assertEqual(len(self.api.made("redact/$bad/")), 2)
        self.assertEqual(len(self.api.made("redact/$no power/")), 1, "what is refused holds up no other action")
        reasons = self.failed()
        self.assertEqual(len(reasons), 8, reasons)
        self.assertIn("ban: 403 M_FORBIDDEN You can't", reasons)
        self.assertIn("failed 2 times: 500", " ".join(reasons))
        self.assertEqual(self.redis.xrange(FAILED)[0][1][b"row"][:1], b"n" if reasons[0].startswith("the row") else b"{")
        self.stop(bot)

    def test_a_token_that_is_refused_is_waited_for(self):
        self.api.script("whoami", (401, {"errcode": "M_UNKNOWN_TOKEN"}))
        self.api.script("/redact/", (401, {"errcode": "M_UNKNOWN_TOKEN"}))
        self.row("$1")
        bot = self.bot()
        wait_until(lambda: self.api.made("redact/"))
        (self.folder / "bot.token").write_text("another\n")
        self.settled()
        self.assertEqual(self.api.tokens, {"Bearer secret-token", "Bearer another"})
        self.assertEqual(self.failed(), [])
        self.stop(bot)

    def test_a_token_that_is_being_written_is_waited_for(self):
        bot = self.bot()
        wait_until(lambda: self.api.made("whoami"))
        (self.folder / "bot.token").write_text("not yet\nthe token\n")
        self.row("$1")
        wait_until(lambda: "more than one line" in bot.log.read_text())
        (self.folder / "bot.token").write_text("secret-token\n")
        self.settled()
        self.assertEqual(len(self.api.made("redact/$1/")), 1)
        self.assertEqual(self.failed(), [])
        self.stop(bot)

    def test_a_consumer_that_was_killed_leaves_nothing_undone(self):
        self.api.script("/redact/", *[(429, {"retry_after_ms": 60000})])
        for number in range(50):
            self.row(f"${number}")
        bot = self.bot("--take-over", "3s", name="first")
        wait_until(lambda: self.api.made("redact/"))
        bot.kill()
        bot.wait()
        self.assertGreater(self.redis.xpending(STREAM, "actions")["pending"], 0)
        # Another one takes over what was in hand; and two share the rest.
        second, third = (self.bot("--take-over", "3s", name=name) for name in ("second", "third"))
        self.settled()
        done = {request[1].split("/")[-2] for request in self.api.made("redact/")}
        self.assertEqual(done, {f"${number}" for number in range(50)})
        self.assertIn("took over entry", self.stop(second) + self.stop(third))
        # The same consumer, begun again, goes on with what it had in hand, without waiting.
        self.api.script("/redact/\\$again/", (429, {"retry_after_ms": 60000}))
        self.row("$again")
        bot = self.bot(name="first")
        wait_until(lambda: self.api.made("redact/$again/"))
        self.assertIn("1 rows are left for later", self.stop(bot))
        bot = self.bot(name="first")
        self.settled()
        self.assertEqual(len(self.api.made("redact/$again/")), 2)
        self.stop(bot)

    def test_rows_in_hand_are_not_taken_over(self):
        self.api.script("/redact/", (429, {"retry_after_ms": 5000}))
        self.row("$1")
        first = self.bot("--take-over", "1s", name="first")
        wait_until(lambda: self.api.made("redact/"))
        second = self.bot("--take-over", "1s", name="second")
        self.settled()
        self.assertEqual(len(self.api.made("redact/")), 2)
        self.stop(first)
        self.assertNotIn("took over", self.stop(second))

    def test_redis_that_forgets_everything(self):
        self.row("$1")
        bot = self.bot()
        self.settled()
        self.redis.flushall()
        self.row("$2")
        self.settled()
        wait_until(lambda: self.api.made("redact/$2/"))
        self.redis_process.kill()
        self.redis_process.wait()
        self.start_redis()
        self.row("$3")
        wait_until(lambda: self.api.made("redact/$3/"), seconds=40)
        self.settled()
        self.stop(bot)

    def test_whom_and_what_it_leaves_alone(self):
        old = json.dumps({"event_id": "$old", "room_id": "!r", "actions": [{"type": "redact"}]})
        self.add(old, entry="1000-1")
        self.row("$1", "redact", "ban", "report", sender="@admin:lab.test")
        self.row("$2", "ban", sender="@bot:lab.test")
        self.row("$3", "kick", "redact")
        self.row("$4", "redact", room_id="!mods:lab.test")
        bot = self.bot("--protect", "@admin*", "--actions", "redact,report,ban", "--moderation-room", "!mods:lab.test")
        self.settled()
        self.assertEqual([request[1].split("/")[6] for request in self.api.requests if "whoami" not in request[1]],
                         ["report", "redact"])
        text = self.stop(bot)
        self.assertIn("is too old", text)
        self.assertEqual(text.count("the user is protected"), 2)

    def test_a_dry_run_does_nothing(self):
        self.row("$1", "redact", "ban")
        bot = self.bot("--dry-run")
        wait_until(lambda: "would redact, ban: M_FORBIDDEN by keywords" in bot.log.read_text())
        self.stop(bot)
        self.assertEqual((self.api.requests, self.redis.xinfo_groups(STREAM)), ([], []))

    def test_a_row_that_the_program_dies_of(self):
        self.api.script("/redact/", *[(429, {"retry_after_ms": 60000})] * 4)
        for _ in range(2):
            entry = self.row("$1").decode()
            bot = self.bot("--deaths", "2")
            wait_until(lambda: "waiting 60.0 s" in bot.log.read_text())
            self.stop(bot)  # an orderly end is no death
        self.redis.set(f"{SERVER_NAME}/weir/actions/begun/{entry}", 2)
        bot = self.bot("--deaths", "2")
        wait_until(lambda: "waiting 60.0 s" in bot.log.read_text())
        self.api.scripts.clear()
        self.stop(bot)
        bot = self.bot("--deaths", "2")
        self.settled()
        self.assertEqual(self.failed(), ["was begun 2 times and never ended"])
        self.assertEqual(len(self.redis.keys(f"{SERVER_NAME}/weir/actions/begun/*")), 0)
        self.stop(bot)

    def test_an_acl_user_of_its_own(self):
        page = (ROOT / "docs" / "actions.md").read_text()
        words = next(line for line in page.splitlines() if line.startswith("ACL SETUSER")).replace("example.org", SERVER_NAME)
        self.redis.execute_command(*words.split())
        self.api.script("/redact/", (429, {"retry_after_ms": 2000}))
        self.row("$1", "redact", "ban")
        self.add("no json")
        bot = self.bot("--take-over", "1s", "--redis", f"unix://weir-actions:PASSWORD@{self.socket}")
        self.settled()
        self.assertEqual((len(self.api.made("redact/")), len(self.failed())), (2, 1))
        self.assertNotIn("NOPERM", self.stop(bot))

    def test_a_command_line_that_is_wrong(self):
        for arguments, sentence in ((("--actions", "redakt"), "no action"), (("--homeserver", "ftp://x"), "is a URL"),
                                    (("--take-over", "0"), "above 0"), (("--max-age", "x"), "invalid")):
            bot = self.bot(*arguments)
            self.assertEqual(bot.wait(timeout=20), 2)
            self.assertIn(sentence, bot.log.read_text())


if __name__ == "__main__":
    unittest.main()
