"""Far more than the engine can take: reading stops, memory stays flat, Redis hangs up on the slow subscriber, and in the
end everything is judged."""

import json
import time

import harness
from catch_up_test import KEYWORD, event, position
from harness import SERVER_NAME, ev_row, rdata, wait_until
from postgres_test import PostgresServer

EVENTS = 40000


class Flood(PostgresServer):
    # A subscriber that is this far behind is cut off: what it then misses must be fetched.
    redis_arguments = ("--client-output-buffer-limit", "pubsub 1mb 1mb 1")

    def resident_kib(self, engine):
        with open(f"/proc/{engine.pid}/status") as status:
            return int(next(line for line in status if line.startswith("VmHWM")).split()[1])

    def announced_until(self, engine, judged):
        """The writer tells its position each second, as it would on each REPLICATE, until all is judged."""
        told = [0.0]

        def all_judged():
            if time.monotonic() - told[0] > 1:
                told[0] = time.monotonic()
                self.publish(position(EVENTS, EVENTS))
            return self.metric(engine, "weir_events_judged_total") == judged

        return all_judged

    def test_ten_times_too_much_is_judged_later(self):
        self.store([(token, "persister1", f"${token}", event(f"spam {token}", f"!r{token % 50}:lab.test"))
                    for token in range(1, EVENTS + 1)])
        configuration = self.configuration(
            self.bodies.replace("retry_for: 1s", "retry_for: 1s, queue: 500") + "\ncatch_up: {page: 500}",
            modules=KEYWORD)
        engine = self.start_engine(configuration)
        self.publish(position(0, 0))
        self.publish(rdata(1, ev_row("$1", room="!r1:lab.test")))
        wait_until(lambda: len(self.durable()) == 1)
        before = self.resident_kib(engine)
        # Nothing is answered while the database stands still, so whatever comes is too much.
        locker = self.start(["psql", "-qAt", "-h", self.database, "-U", "synapse", "-d", "postgres", "-c",
                             "BEGIN; LOCK TABLE event_json IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(600)"])
        wait_until(lambda: self.sql("SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted")
                   .stdout.strip() != b"0")
        dropped = lambda: not self.redis.pubsub_numsub(SERVER_NAME)[0][1]
        pipeline = self.redis.pipeline(transaction=False)
        for token in range(2, EVENTS + 1):
            pipeline.publish(SERVER_NAME, rdata(token, ev_row(f"${token}", room=f"!r{token % 50}:lab.test")))
            if token % 1000 == 0:
                pipeline.execute()
        pipeline.execute()
        wait_until(dropped, what="Redis cutting off a subscriber that does not read")
        self.assertLess(self.metric(engine, "weir_events_waiting"), 2 * 500 + 600, "the queue is bounded")
        locker.kill()
        self.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep%' "
                 "AND pid <> pg_backend_pid()")
        wait_until(self.announced_until(engine, EVENTS), seconds=120, what="every verdict")
        self.settle(engine)
        tokens = [json.loads(row)["token"] for _, row in self.durable()]
        self.assertEqual(sorted(tokens), list(range(1, EVENTS + 1)), "none missing, none twice")
        self.assertGreater(self.metric(engine, "weir_events_fetched_total"), 0)
        if "debug" not in harness.WEIR:  # sanitizers keep what was freed
            self.assertLess(self.resident_kib(engine) - before, 48 * 1024, "memory does not grow with the flood")
        self.stop_engine(engine)
