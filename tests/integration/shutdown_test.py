"""A stop: what is in hand is finished within `shutdown_timeout`, and what cannot be is said, and judged by the next run."""

import json
import signal
import socket
import time

import harness
from harness import SERVER_NAME, ev_row, rdata, wait_until

KEYWORD = "modules: [{module: keywords, config: {patterns: [spam]}}]"
LATE = "did not finish in time; what was not answered will be judged again by the next start"


class Shutdown(harness.Server):
    def silent_database(self):
        """Takes connections, and says nothing."""
        folder = self.folder / "database"
        folder.mkdir()
        listener = socket.socket(socket.AF_UNIX)
        self.addCleanup(listener.close)
        listener.bind(str(folder / ".s.PGSQL.5432"))
        listener.listen()
        return f"bodies: {{postgres: {{host: {folder}, user: synapse, dbname: synapse}}}}"

    def stop_in(self, engine, least, most, number=signal.SIGTERM):
        begun = time.monotonic()
        self.stop_engine(engine, number)
        took = time.monotonic() - begun
        self.assertGreaterEqual(took, least)
        self.assertLess(took, most)

    def judged(self):
        return [json.loads(row)["event_id"] for _, row in self.durable()]

    def test_a_database_that_never_answers(self):
        engine = self.start_engine(self.configuration(f"{self.silent_database()}\nshutdown_timeout: 700ms",
                                                      modules=KEYWORD), ready=False)
        wait_until(lambda: self.logged(engine, "subscribed; asks every writer for its position"))
        self.publish(*(rdata(token, ev_row(f"${token}")) for token in range(11, 14)))
        wait_until(lambda: self.metric(engine, "weir_events_waiting") == 3)
        self.stop_in(engine, 0.7, 3)
        late = self.logged(engine, LATE)
        self.assertEqual([(line["events_waiting"], line["transactions"]) for line in late], [(3, 0)])

    def test_a_second_signal_does_not_wait(self):
        engine = self.start_engine(self.configuration(f"{self.silent_database()}\nshutdown_timeout: 1h",
                                                      modules=KEYWORD), ready=False)
        wait_until(lambda: self.logged(engine, "subscribed; asks every writer for its position"))
        self.publish(rdata(11, ev_row("$11")))
        wait_until(lambda: self.metric(engine, "weir_events_waiting") == 1)
        engine.send_signal(signal.SIGTERM)
        wait_until(lambda: self.logged(engine, "stops: finishes what is in hand"))
        self.stop_in(engine, 0, 2)

    def test_a_redis_that_does_not_answer(self):
        configuration = self.configuration("publish: {verdicts: all}\nshutdown_timeout: 700ms", modules="modules: []")
        engine = self.start_engine(configuration)
        self.publish(rdata(11, ev_row("$11")))
        wait_until(lambda: self.judged() == ["$11"])
        engine.send_signal(signal.SIGSTOP)
        self.publish(rdata(12, ev_row("$12")), rdata(13, ev_row("$13")))
        self.redis_process.send_signal(signal.SIGSTOP)
        engine.send_signal(signal.SIGCONT)
        wait_until(lambda: self.metric(engine, "weir_outbox_waiting") > 0)
        self.stop_in(engine, 0.7, 3)
        late = self.logged(engine, LATE)
        self.assertEqual([line["events_waiting"] for line in late], [0])
        self.assertGreater(late[0]["transactions"], 0)
        self.redis_process.send_signal(signal.SIGCONT)
        # What had left reaches Redis; then the position says so, and nothing is judged again.
        engine = self.start_engine(configuration)
        self.publish(*(rdata(token, ev_row(f"${token}")) for token in (12, 13, 14)), "POSITION events persister1 11 11")
        self.publish(*(rdata(token, ev_row(f"${token}")) for token in (12, 13, 14)))
        wait_until(lambda: "$14" in self.judged())
        self.assertEqual(self.judged(), ["$11", "$12", "$13", "$14"])
        self.stop_in(engine, 0, 2)
        self.assertFalse(self.logged(engine, LATE))

    def test_what_is_in_hand_is_finished(self):
        """Hundreds of rows that were read, and not yet answered, when the signal comes."""
        configuration = self.configuration("publish: {verdicts: all}", modules="modules: []")
        engine = self.start_engine(configuration)
        self.redis_process.send_signal(signal.SIGSTOP)
        begun = time.monotonic()
        engine.send_signal(signal.SIGTERM)
        wait_until(lambda: self.logged(engine, "stops: finishes what is in hand"))
        self.redis_process.send_signal(signal.SIGCONT)
        self.assertEqual(engine.wait(timeout=20), 0)
        self.assertLess(time.monotonic() - begun, 5)
        engine = self.start_engine(configuration)
        engine.send_signal(signal.SIGSTOP)
        self.publish(*(rdata(token, ev_row(f"${token}")) for token in range(11, 511)))
        engine.send_signal(signal.SIGCONT)
        wait_until(lambda: self.metric(engine, "weir_events_judged_total") > 0)
        self.stop_in(engine, 0, 5)
        position = int(self.redis.hget(f"{SERVER_NAME}/weir/positions", "weir1 events persister1"))
        self.assertEqual(self.judged(), [f"${token}" for token in range(11, position + 1)])
        self.assertGreater(position, 11)
        self.assertEqual(self.logged(engine, "stopped")[0]["unanswered"], 0)


if __name__ == "__main__":
    harness.unittest.main()
