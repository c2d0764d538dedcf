"""Weir beside the real Synapse 1.67: a main process and two event persisters, traffic through the client API, and in the
middle of it kill -9 of Weir, of a persister and of Redis. In the end the durable log holds what the database holds.
synapse_server.py says what it needs; without that the test is skipped."""

import collections
import json
import random
import threading
import time
import unittest
import urllib.parse

import synapse_server
from harness import wait_until

PERSISTERS = ("persister1", "persister2")
USERS, ROOMS, SENDERS = 4, 5, 4
PHASE_EVENTS = 25  # sent between one incident and the next

class Traffic:
    """Seeded senders, each a thread; requests that fail, as they must while a process is down, are passed over."""

    def __init__(self, port, seed=1):
        self.port = port
        self.random = random.Random(seed)
        self.users, self.rooms = [], []
        self.sent = collections.Counter()
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self.threads = []

    def call(self, method, path, body=None, token=None):
        return synapse_server.call(self.port, method, path, body, token)

    def set_up(self):
        for number in range(USERS):
            answer = self.call("POST", "/register", {"username": f"user{number}", "password": "password",
                                                     "auth": {"type": "m.login.dummy"}})
            self.users.append(answer["access_token"])
        for number in range(ROOMS):
            creator = self.users[number % USERS]
            room = self.call("POST", "/createRoom", {"preset": "public_chat", "name": f"Room {number}"}, creator)["room_id"]
            self.rooms.append(urllib.parse.quote(room))
            for user in self.users:
                if user is not creator:
                    self.call("POST", f"/rooms/{self.rooms[-1]}/join", {}, user)

    def act(self, choice, sender, number):
        room, user, kind = choice.choice(self.rooms), choice.choice(self.users), choice.random()
        transaction = f"{sender}-{number}"
        if kind < 0.8:
            text = {"msgtype": "m.text", "body": choice.choice(("hello", "cheap followers", "naïve 🎉")) + f" {number}"}
            event = self.call("PUT", f"/rooms/{room}/send/m.room.message/{transaction}", text, user)["event_id"]
            if kind < 0.1:
                self.call("PUT", f"/rooms/{room}/redact/{urllib.parse.quote(event)}/{transaction}r", {}, user)
        elif kind < 0.9:
            self.call("POST", f"/rooms/{room}/leave", {}, user)
            self.call("POST", f"/rooms/{room}/join", {}, user)
        else:
            self.call("PUT", f"/rooms/{room}/send/m.reaction/{transaction}", {}, user)

    def send(self, sender):
        choice = random.Random(sender)
        number = 0
        while not self.stopping.is_set():
            number += 1
            try:
                self.act(choice, sender, number)
                outcome = "done"
            except (OSError, ValueError):
                outcome = "failed"
                self.stopping.wait(0.1)
            with self.lock:
                self.sent[outcome] += 1

    def start(self):
        self.threads = [threading.Thread(target=self.send, args=(sender,)) for sender in range(SENDERS)]
        for thread in self.threads:
            thread.start()

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join()

    def wait_for_more(self, count=PHASE_EVENTS):
        upto = self.sent["done"] + count
        wait_until(lambda: self.sent["done"] >= upto, 60, f"{count} more actions")


REASON = synapse_server.why_not()


@unittest.skipIf(REASON, REASON)
class Synapse(synapse_server.SynapseServer):
    persisters = PERSISTERS

    def weir_configuration(self):
        return self.configuration(
            f"bodies: {{postgres: {{host: {self.database}, user: synapse, dbname: postgres}}, retry_for: 5s}}\n"
            f"synapse_config: homeserver.yaml\npublish: {{verdicts: all}}\nstate_dir: {self.folder}\n",
            modules="modules: [{module: keywords, config: {patterns: [cheap followers]}}]")

    def expected(self):
        """What Weir judges: events that are neither rejected nor outliers."""
        rows = self.sql("SELECT event_id FROM events WHERE NOT outlier AND rejection_reason IS NULL AND event_id NOT IN "
                        "(SELECT event_id FROM rejections)").stdout.decode().split()
        return sorted(rows)

    def judged(self):
        return [json.loads(row)["event_id"] for _, row in self.durable()]

    def same_for_a_while(self):
        """Whether the log holds what the database holds, and neither grows any more."""
        for _ in range(3):
            expected = self.expected()
            if sorted(self.judged()) != expected:
                return None
            time.sleep(0.5)
        return expected

    def explain(self):
        expected, judged = set(self.expected()), collections.Counter(self.judged())
        missing = expected - set(judged)
        where = self.sql("SELECT event_id, instance_name, stream_ordering FROM events ORDER BY stream_ordering").stdout
        return (f"missing: {[line for line in where.decode().splitlines() if line.split('|')[0] in missing][:10]}; "
                f"twice: {[event for event, count in judged.items() if count > 1][:10]}; "
                f"not expected: {list(set(judged) - expected)[:10]}")

    def test_kills_in_the_middle_lose_and_repeat_nothing(self):
        self.start_synapse()
        configuration = self.weir_configuration()
        engine = self.start_engine(configuration)
        traffic = Traffic(self.ports["client"])
        traffic.set_up()
        self.addCleanup(traffic.stop)
        traffic.start()
        traffic.wait_for_more()

        self.kill(engine)
        traffic.wait_for_more()
        engine = self.start_engine(configuration)
        traffic.wait_for_more()

        self.kill(self.synapse["persister1"])
        time.sleep(1)  # requests run into the dead process
        self.start_process("persister1")
        wait_until(lambda: self.listens("persister1"), 60, "persister1 again")
        traffic.wait_for_more()

        self.kill(self.redis_process)
        time.sleep(1)  # what is written meanwhile is announced to nobody
        self.start_redis()
        traffic.wait_for_more()

        self.kill(engine)
        self.kill(self.synapse["persister2"])
        self.kill(self.redis_process)
        self.start_redis()
        self.start_process("persister2")
        engine = self.start_engine(configuration)
        wait_until(lambda: self.listens("persister2"), 60, "persister2 again")
        traffic.wait_for_more()
        traffic.stop()

        try:
            expected = wait_until(self.same_for_a_while, 40, "the same events in the log and in the database")
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.explain()}\n{engine.log.read_text()[-3000:]}") from None
        self.assertGreater(len(expected), 200)
        writers = self.sql("SELECT DISTINCT instance_name FROM events ORDER BY 1").stdout.decode().split()
        self.assertEqual(writers, list(PERSISTERS))
        self.stop_engine(engine)


if __name__ == "__main__":
    unittest.main()
