"""The way from spam in the real Synapse 1.67 to what a bot does about it: Weir observes, the reference consumer redacts,
bans, reports, quarantines and tells the moderators; and the same traffic recorded and replayed.
synapse_server.py says what it needs."""

import json
import signal
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request

import oracle
import synapse_server
from actions_bot import start_bot
from harness import SERVER_NAME, WEIR, wait_until

MODULES = """
modules:
  - module: keywords
    actions: [redact, report, ban, quarantine_media, notify]
    reason: advertising
    config: {patterns: [cheap followers], syntax: literal}
"""
REASON = synapse_server.why_not()


@unittest.skipIf(REASON, REASON)
class ActionsInSynapse(synapse_server.SynapseServer):
    def setUp(self):
        super().setUp()
        self.users = {}
        self.start_synapse()
        for name in ("bot", "alice", "spammer"):
            answer = self.call("POST", "/register", {"username": name, "password": "password",
                                                     "auth": {"type": "m.login.dummy"}})
            self.users[name] = answer["access_token"]
        self.sql("UPDATE users SET admin = 1 WHERE name = '@bot:lab.test'")
        self.room = self.call("POST", "/createRoom", {"preset": "public_chat"}, "bot")["room_id"]
        self.moderators = self.call("POST", "/createRoom", {"preset": "private_chat"}, "bot")["room_id"]
        for name in ("alice", "spammer"):
            self.call("POST", f"/rooms/{urllib.parse.quote(self.room)}/join", {}, name)
        self.settings = self.configuration(
            f"bodies: {{postgres: {{host: {self.database}, user: synapse, dbname: postgres}}}}\n"
            "requests: {redis: false}\n", modules=MODULES)

    def call(self, method, path, body=None, user=None, **options):
        return synapse_server.call(self.ports["client"], method, path, body, self.users.get(user), **options)

    def in_room(self, rest, room=None):
        return f"/rooms/{urllib.parse.quote(room or self.room)}/{rest}"

    def say(self, content, user="spammer"):
        return self.call("PUT", self.in_room(f"send/m.room.message/{time.monotonic_ns()}"),
                         {"msgtype": "m.text", **content}, user)["event_id"]

    def event(self, event_id):
        return self.call("GET", self.in_room(f"event/{urllib.parse.quote(event_id)}"), user="bot")

    def membership(self, name):
        member = urllib.parse.quote(f"@{name}:{SERVER_NAME}")
        return self.call("GET", self.in_room(f"state/m.room.member/{member}"), user="bot")["membership"]

    def messages(self, room):
        chunk = self.call("GET", self.in_room("messages?dir=b&limit=20", room), user="bot")["chunk"]
        return [event["content"] for event in chunk if event["type"] == "m.room.message"]

    def test_spam_is_redacted_its_sender_banned_and_the_moderators_told(self):
        engine = self.start_engine(self.settings)
        bot = start_bot(self, f"http://127.0.0.1:{self.ports['client']}", "--from-start", "--moderation-room",
                        self.moderators, "--protect", "@alice:*", token=self.users["bot"])
        wait_until(lambda: "acting as @bot:lab.test" in bot.log.read_text())
        uri = self.call("POST", "/upload", b"a picture", "spammer", prefix="/_matrix/media/v3")["content_uri"]
        media = uri.removeprefix("mxc://")
        self.assertEqual(self.download(media), 200)
        fine = self.say({"body": "good morning"}, "alice")
        event_id = self.say({"body": "cheap followers here", "msgtype": "m.image", "url": uri})
        protected = self.say({"body": "they wrote: cheap followers"}, "alice")
        wait_until(lambda: self.membership("spammer") == "ban", what="the ban")
        wait_until(lambda: self.event(event_id)["content"] == {}, what="the redaction")
        wait_until(lambda: len(self.messages(self.moderators)) == 2, what="the messages to the moderators")
        self.assertEqual(self.event(fine)["content"]["body"], "good morning")
        self.assertEqual(self.event(protected)["content"]["body"], "they wrote: cheap followers")
        self.assertEqual(self.membership("alice"), "join")
        reports = self.sql("SELECT event_id, user_id, reason FROM event_reports ORDER BY id").stdout.decode().splitlines()
        self.assertEqual(reports, [f"{event}|@bot:lab.test|Weir, keywords: advertising"
                                   for event in (event_id, protected)])
        self.assertEqual(self.download(media), 404)
        message = self.messages(self.moderators)[-1]
        self.assertIn("@spammer:lab.test", message["body"])
        self.assertEqual(message["org.weir.verdict"]["event_id"], event_id)
        # The bot's own words quote the rule, are judged as well, and must not be acted upon; and nothing was put aside.
        wait_until(lambda: self.redis.xlen(f"{SERVER_NAME}/weir/verdicts") >= 4, what="verdicts of the bot's messages")
        time.sleep(1.5)
        self.assertEqual(len(self.messages(self.moderators)), 2)
        self.assertEqual(self.redis.xlen(f"{SERVER_NAME}/weir/actions/failed"), 0)
        self.assertEqual(self.redis.xpending(f"{SERVER_NAME}/weir/verdicts", "actions")["pending"], 0)
        self.refuses_without_power(bot)
        bot.send_signal(signal.SIGTERM)
        self.assertEqual(bot.wait(timeout=20), 0, bot.log.read_text())
        self.stop_engine(engine)

    def download(self, media):
        try:
            urllib.request.urlopen(
                f"http://127.0.0.1:{self.ports['client']}/_matrix/media/v3/download/{media}", timeout=15).close()
            return 200
        except urllib.error.HTTPError as error:
            error.close()
            return error.code

    def refuses_without_power(self, bot):
        """In a room where the bot is nobody its actions are refused, and put aside."""
        room = self.call("POST", "/createRoom", {"preset": "private_chat"}, "spammer")["room_id"]
        self.call("PUT", self.in_room("send/m.room.message/1", room),
                  {"msgtype": "m.text", "body": "cheap followers"}, "spammer")
        aside = f"{SERVER_NAME}/weir/actions/failed"
        wait_until(lambda: self.redis.xlen(aside) == 1, what="what is put aside")
        reason = self.redis.xrange(aside)[0][1][b"reason"].decode()
        self.assertIn("ban: 403 M_FORBIDDEN", reason)
        self.assertIn("redact: 403 M_FORBIDDEN", reason)

    def test_recorded_traffic_replays(self):
        recording, bodies = self.folder / "live.jsonl", self.folder / "live.events.jsonl"
        log = self.folder / "recorder.log"
        with open(log, "wb") as stderr:
            recorder = self.start([WEIR, "record", "-c", self.settings, recording, "--events", bodies], stderr=stderr)
        recorder.log = log
        wait_until(lambda: self.logged(recorder, "recording"))
        event_id = self.say({"body": "cheap followers"})
        self.say({"body": "good morning"}, "alice")
        wait_until(lambda: "good morning" in bodies.read_text())
        recorder.send_signal(signal.SIGTERM)
        self.assertEqual(recorder.wait(timeout=20), 0, log.read_text())
        rows = [json.loads(row) for row in self.replay(self.settings, recording, bodies, "--all")]
        self.assertEqual([row["type"] for row in rows][-2:], ["m.room.message"] * 2)
        self.assertEqual([(row["event_id"], len(row["actions"])) for row in rows if "actions" in row], [(event_id, 4)])
        text = "".join(message["data"] for message in oracle.read_jsonl(recording))
        self.assertIn(event_id, text)
        for token in self.users.values():
            self.assertNotIn(token, text)


if __name__ == "__main__":
    unittest.main()
