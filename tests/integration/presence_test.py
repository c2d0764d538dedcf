"""Presence on its way through the routers, and requests over Redis, with the program and a real Redis."""

import json
import re
import signal
import time
import unittest

from harness import DATA, SERVER_NAME, Server, rdata, run_weir, wait_until

ROUTES = """
modules:
  - module: presence_router
    config:
      routes:
        - {to: "@boss:lab.test", from: ["@u000:lab.test", "@u002:lab.test"]}
        - {to: "@aide:lab.test", from: ["@u002:lab.test"]}
"""
OTHER_ROUTES = ROUTES.replace("@boss", "@chef")
RULES = """
modules:
  - module: keywords
    config: {patterns: [spam]}
  - module: presence_router
    config:
      routes:
        - {to: "@boss:lab.test", from: ["@u000:lab.test"]}
"""
REPLIES = f"{SERVER_NAME}/weir/replies/worker1"
REQUESTS = f"{SERVER_NAME}/weir/requests"


def presence_row(user_id, state="online", active=1000):
    return json.dumps([user_id, state, active, 2000, 3000, None, state == "online"], separators=(",", ":"))


class Engines(Server):
    """Configurations name an empty file of bodies, since some of the modules want to see what events say."""

    def configuration(self, body="", **options):
        bodies = self.write("bodies.jsonl", "")
        return super().configuration(f"bodies: {{file: {bodies}}}\n{body}", **options)


def routes_of(lines):
    """[(token, [destination, states])] of the lines of a subscription."""
    found = (re.fullmatch(r"RDATA presence_routes weir1 (\d+) (.*)", line) for line in lines)
    return [(int(match[1]), json.loads(match[2])) for match in found if match]


class PresenceTest(Engines):
    def publish_presence(self, token, user_id, **fields):
        self.publish(rdata(token, presence_row(user_id, **fields), writer="presence1", stream="presence"))

    def routed(self, engine, count):
        wait_until(lambda: self.metric(engine, "weir_presence_routes_total") == count, what=f"{count} routes")
        wait_until(lambda: self.metric(engine, "weir_outbox_waiting") == 0, what="Redis's answers")

    def test_states_reach_whom_the_routes_name(self):
        subscriber = self.subscribe()
        engine = self.start_engine(self.configuration(modules=ROUTES))
        self.publish("POSITION presence presence1 1 1")
        self.publish_presence(2, "@u000:lab.test")
        self.publish_presence(3, "@nobody:lab.test")
        self.publish_presence(4, "@u002:lab.test", state="offline")
        wait_until(lambda: self.metric(engine, "weir_presence_updates_total") == 3, what="three updates")
        wait_until(lambda: self.metric(engine, "weir_outbox_waiting") == 0, what="Redis's answers")
        routes = routes_of(self.heard(subscriber))
        # However the rows fell into batches, tokens count up by one and every state goes where it should.
        self.assertEqual([token for token, _ in routes], list(range(1, len(routes) + 1)))
        got = sorted((row[0], state["user_id"], state["state"]) for _, row in routes for state in row[1])
        self.assertEqual(got, [("@aide:lab.test", "@u002:lab.test", "offline"),
                               ("@boss:lab.test", "@u000:lab.test", "online"),
                               ("@boss:lab.test", "@u002:lab.test", "offline")])
        state = next(state for _, row in routes for state in row[1] if state["user_id"] == "@u000:lab.test")
        self.assertEqual(state, {"user_id": "@u000:lab.test", "state": "online", "last_active_ts": 1000,
                                 "last_federation_update_ts": 2000, "last_user_sync_ts": 3000, "status_msg": None,
                                 "currently_active": True})
        self.assertEqual(self.redis.hget(f"{SERVER_NAME}/weir/positions", "weir1 presence presence1"), b"4")

    def test_tokens_go_on_after_a_restart(self):
        configuration = self.configuration(modules=ROUTES)
        engine = self.start_engine(configuration)
        self.publish("POSITION presence presence1 1 1")
        self.publish_presence(2, "@u000:lab.test")
        self.routed(engine, 1)
        self.stop_engine(engine)
        self.assertEqual(self.redis.hget(f"{SERVER_NAME}/weir/positions", "weir1 presence_routes weir1"), b"1")

        subscriber = self.subscribe()
        engine = self.start_engine(configuration)
        self.publish("POSITION presence presence1 2 2")
        self.publish_presence(2, "@u000:lab.test")  # seen before
        self.publish_presence(3, "@u000:lab.test")
        self.routed(engine, 1)
        self.redis.publish(f"{SERVER_NAME}/weir", "REPLICATE ")
        lines = self.heard(subscriber)
        self.assertIn("POSITION presence_routes weir1 1 1", lines)
        self.assertEqual([token for token, _ in routes_of(lines)], [2])
        self.assertEqual(lines[-2:], ["POSITION verdicts weir1 0 0", "POSITION presence_routes weir1 2 2"])

        # Redis loses the connections at once; what it has carried out is not sent again.
        self.redis.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        self.publish_presence(4, "@u000:lab.test")
        self.routed(engine, 2)
        self.assertEqual([token for token, _ in routes_of(self.heard(subscriber))], [3])

    def test_a_reload_begins_and_ends_to_route(self):
        none = "modules: [{module: keywords, config: {patterns: [spam]}}]"
        configuration = self.configuration(modules=none)
        engine = self.start_engine(configuration)
        self.publish("POSITION presence presence1 1 1")
        self.publish_presence(2, "@u000:lab.test")
        wait_until(lambda: self.metric(engine, "weir_replication_lines_total") >= 2)
        self.assertEqual(self.metric(engine, "weir_presence_updates_total"), 0)
        for modules, token in ((ROUTES, 3), (none, 4)):
            loads = len(self.logged(engine, "the configuration was loaded again"))
            self.configuration(modules=modules)
            engine.send_signal(signal.SIGHUP)
            wait_until(lambda: len(self.logged(engine, "the configuration was loaded again")) > loads)
            lines = self.metric(engine, "weir_replication_lines_total")
            self.publish_presence(token, "@u000:lab.test")
            wait_until(lambda: self.metric(engine, "weir_replication_lines_total") > lines)
        self.assertEqual(self.metric(engine, "weir_presence_updates_total"), 1)
        self.assertEqual(self.metric(engine, "weir_presence_routes_total"), 1)

    def test_a_recording_played_gives_the_routes_of_its_replay(self):
        recording = DATA / "synapse-1.140-big.jsonl.zst"
        configuration = self.configuration(modules=ROUTES)
        done = run_weir("replay", "-c", configuration, recording, "--routes")
        replayed = sorted((row[0], json.dumps(state)) for row in map(json.loads, done.stdout.decode().splitlines())
                          for state in row[1])
        self.assertIn(f" {len(replayed)} routes of presence", done.stderr.decode())
        self.assertGreater(len(replayed), 20)
        subscriber = self.subscribe()
        engine = self.start_engine(configuration)
        self.play(recording)
        self.settle(engine)
        published = routes_of(self.heard(subscriber))
        self.assertEqual(sorted((row[0], json.dumps(state)) for _, row in published for state in row[1]), replayed)
        self.assertEqual([token for token, _ in published], list(range(1, len(published) + 1)))


class Requests(Engines):
    def ask(self, callback, args, number, reply_to=REPLIES, seconds=60, **changes):
        """Sends a request; a field that is None is left out."""
        text = args if isinstance(args, str) or args is None else json.dumps(args)
        fields = {"callback": callback, "args": text,
                  "reply_to": reply_to, "id": f"q{number}", "deadline": int((time.time() + seconds) * 1000), **changes}
        return self.redis.xadd(REQUESTS, {name: value for name, value in fields.items() if value is not None})

    def answer(self, subscriber, number):
        message = wait_until(lambda: subscriber.get_message(timeout=1), what=f"the answer to q{number}")
        name, request, value = message["data"].decode().split(" ", 2)
        self.assertEqual((name, request), ("VERDICT", f"q{number}"))
        return json.loads(value)

    def settled(self):
        """Nothing is pending and nothing is left in the stream."""
        wait_until(lambda: self.redis.xlen(REQUESTS) == 0 and self.redis.xpending(REQUESTS, "weir")["pending"] == 0,
                   what="settling")

    def event(self, body):
        return {"event": {"type": "m.room.message", "sender": "@a:lab.test", "room_id": "!r:lab.test",
                          "event_id": "$e", "content": {"msgtype": "m.text", "body": body}}}


class RequestsTest(Requests):
    def test_requests_are_answered(self):
        self.ask("check_event_for_spam", self.event("spam"), 1)  # before any engine ran
        subscriber = self.subscribe(REPLIES)
        engine = self.start_engine(self.configuration(modules=RULES))
        self.assertEqual(self.answer(subscriber, 1), {"code": "M_FORBIDDEN", "fields": {}})
        self.ask("check_event_for_spam", self.event("eggs"), 2)
        self.assertEqual(self.answer(subscriber, 2), "NOT_SPAM")
        self.ask("user_may_invite", {"inviter": "@a:x", "invitee": "@b:x", "room_id": "!r:x"}, 3)
        self.assertEqual(self.answer(subscriber, 3), "NOT_SPAM")
        self.ask("get_users_for_states", {"state_updates": [{"user_id": "@u000:lab.test", "state": "online"}]}, 4)
        self.assertIn("@boss:lab.test", json.dumps(self.answer(subscriber, 4)))
        self.settled()
        self.assertEqual(self.metric(engine, "weir_requests_answered_total"), 4)
        self.assertEqual(self.metric(engine, "weir_requests_total", 'callback="check_event_for_spam"'), 2)

    def test_interest_is_cached_until_the_next_reload(self):
        subscriber = self.subscribe(REPLIES)
        engine = self.start_engine(self.configuration(modules=ROUTES))
        for number in range(3):
            self.ask("get_interested_users", {"user_id": "@boss:lab.test"}, number)
            self.assertEqual(sorted(self.answer(subscriber, number)["set"]), ["@u000:lab.test", "@u002:lab.test"])
        self.assertEqual(self.metric(engine, "weir_request_cache_hits_total"), 2)
        self.assertEqual(self.metric(engine, "weir_request_cache_misses_total"), 1)
        self.configuration(modules=OTHER_ROUTES)
        engine.send_signal(signal.SIGHUP)
        wait_until(lambda: self.logged(engine, "the configuration was loaded again"))
        self.ask("get_interested_users", {"user_id": "@boss:lab.test"}, 9)
        self.assertEqual(self.answer(subscriber, 9)["set"], [])

    def test_what_cannot_be_asked_is_told_or_dropped(self):
        subscriber = self.subscribe(REPLIES)
        own = self.subscribe(SERVER_NAME)
        engine = self.start_engine(self.configuration(modules=RULES))
        self.heard(own)
        self.ask("no_such_callback", {}, 1)
        self.ask("check_event_for_spam", "{not json", 2)
        self.ask("check_event_for_spam", None, 3)
        self.ask("user_may_invite", {"inviter": "@a:x"}, 4)
        self.ask("user_may_invite", {}, 5, deadline="tomorrow")
        for number, words in enumerate(("names no callback", "no JSON object", "`args` is missing", "`invitee`",
                                        "milliseconds since 1970"), 1):
            self.assertIn(words, self.answer(subscriber, number)["raise"]["msg"])
        self.ask("user_may_invite", {}, 6, seconds=-1)
        self.ask("user_may_invite", {}, 7, reply_to=SERVER_NAME)
        self.ask("user_may_invite", {}, 8, id=None)
        self.redis.xadd(REQUESTS, {"nothing": "known"})
        self.ask("check_event_for_spam", self.event("spam"), 10)
        self.assertEqual(self.answer(subscriber, 10)["code"], "M_FORBIDDEN")
        self.settled()
        self.assertEqual(self.metric(engine, "weir_requests_malformed_total"), 5)
        self.assertEqual(self.metric(engine, "weir_requests_expired_total"), 1)
        self.assertEqual(self.metric(engine, "weir_requests_unanswerable_total"), 3)
        self.assertEqual(self.heard(own), [])

    def test_a_dead_engines_requests_are_claimed(self):
        self.redis.xgroup_create(REQUESTS, "weir", id="0", mkstream=True)
        self.ask("check_event_for_spam", self.event("spam"), 1)
        self.ask("check_event_for_spam", self.event("eggs"), 2)
        self.assertEqual(len(self.redis.xreadgroup("weir", "dead", {REQUESTS: ">"}, count=10)[0][1]), 2)
        subscriber = self.subscribe(REPLIES)
        engine = self.start_engine(self.configuration("requests: {claim_after: 300ms}", modules=RULES))
        self.assertEqual(self.answer(subscriber, 1)["code"], "M_FORBIDDEN")
        self.assertEqual(self.answer(subscriber, 2), "NOT_SPAM")
        self.settled()
        self.assertEqual(self.metric(engine, "weir_requests_claimed_total"), 2)

    def test_an_engine_takes_up_its_own_requests_again(self):
        self.redis.xgroup_create(REQUESTS, "weir", id="0", mkstream=True)
        for number in range(250):
            self.ask("check_event_for_spam", self.event("spam"), number)
        deleted = self.redis.xread({REQUESTS: "0"}, count=1)[0][1][0][0]
        self.redis.xreadgroup("weir", "weir1", {REQUESTS: ">"}, count=250)
        self.redis.xdel(REQUESTS, deleted)
        subscriber = self.subscribe(REPLIES)
        self.start_engine(self.configuration(modules=RULES))
        for number in range(1, 250):
            self.assertEqual(self.answer(subscriber, number)["code"], "M_FORBIDDEN")
        self.settled()

    def test_the_stream_may_vanish_and_come_back(self):
        subscriber = self.subscribe(REPLIES)
        engine = self.start_engine(self.configuration("requests: {claim_after: 1s}", modules=RULES))
        wait_until(lambda: self.redis.exists(REQUESTS))
        self.redis.delete(REQUESTS)
        wait_until(lambda: self.redis.exists(REQUESTS), what="the stream")
        self.ask("check_event_for_spam", self.event("spam"), 1)
        self.assertEqual(self.answer(subscriber, 1)["code"], "M_FORBIDDEN")
        self.stop_engine(engine)

    def test_no_requests_are_taken_where_they_are_turned_off(self):
        self.start_engine(self.configuration("requests: {redis: false}", modules=RULES))
        self.assertFalse(self.redis.exists(REQUESTS))

    def test_two_engines_share_the_requests(self):
        subscriber = self.subscribe(REPLIES)
        engines = [self.start_engine(self.configuration(f"instance_name: weir{number}\nrequests: {{batch: 1}}",
                                                        modules=RULES, name=f"weir{number}.yaml"))
                   for number in (1, 2)]
        wait_until(lambda: self.redis.info("clients")["blocked_clients"] == 2, what="two that read")
        for number in range(400):
            self.ask("check_event_for_spam", self.event("spam"), number)
        ids = set()
        while len(ids) < 400:
            message = wait_until(lambda: subscriber.get_message(timeout=1), what="every answer")
            ids.add(message["data"].split(b" ")[1])
        self.settled()
        taken = [self.metric(engine, "weir_requests_answered_total") for engine in engines]
        self.assertEqual(sum(taken), 400)
        self.assertTrue(all(taken), taken)


class OldRedisTest(Requests):
    redis_arguments = ("--rename-command", "XPENDING", "")

    def test_requests_are_answered_without_claiming(self):
        subscriber = self.subscribe(REPLIES)
        engine = self.start_engine(self.configuration("requests: {claim_after: 200ms}", modules=RULES))
        for number in range(3):
            time.sleep(0.2)
            self.ask("check_event_for_spam", self.event("spam"), number)
            self.assertEqual(self.answer(subscriber, number)["code"], "M_FORBIDDEN")
        self.assertEqual(len(self.logged(engine, "this Redis knows no XPENDING with IDLE (it is older than 6.2): requests that "
                                                 "a dead engine left are not taken over")), 1)


if __name__ == "__main__":
    unittest.main()
