"""A stand-in for a Synapse process that writes `events`: it writes what its script says at a steady pace and publishes
it as replication.md 5 has it. It may be killed at any moment; what it has written is in its journal."""

import argparse
import json
import threading
import time

import database
import listener
import redis
import script

CHANNEL = "lab.test"
REDIS_TIMEOUT = 5.0  # Synapse waits 30 s
IDLE = 0.02


class Lost(Exception):
    """The connections to Redis are gone."""


class Publisher:
    """The two connections to Redis of a Synapse process. They are lost together: a PUBLISH that fails alone is a fault
    of its own (replication.md 6.4)."""

    def __init__(self, host, port):
        self.arguments = {"host": host, "port": port, "socket_timeout": REDIS_TIMEOUT,
                          "socket_connect_timeout": REDIS_TIMEOUT, "retry_on_timeout": False}
        self.outbound = self.pubsub = None
        self.retry_at = 0

    def connect(self):
        """True once subscribed."""
        if time.monotonic() < self.retry_at:
            return False
        try:
            self.outbound = redis.Redis(**self.arguments)
            self.pubsub = redis.Redis(**self.arguments).pubsub()
            self.pubsub.subscribe(CHANNEL)
            if (self.pubsub.get_message(timeout=REDIS_TIMEOUT) or {}).get("type") != "subscribe":
                raise redis.ConnectionError("no confirmation")
            self.outbound.ping()
            return True
        except (redis.RedisError, OSError):
            self.close()
            return False

    def close(self):
        for connection in (self.pubsub, self.outbound):
            try:
                if connection:
                    connection.close()
            except (redis.RedisError, OSError):
                pass
        if self.outbound:
            self.outbound.connection_pool.disconnect()
        self.outbound = self.pubsub = None
        self.retry_at = time.monotonic() + 0.2

    def publish(self, *lines):
        """Lines that leave in one write."""
        try:
            pipeline = self.outbound.pipeline(transaction=False)
            for line in lines:
                pipeline.publish(CHANNEL, line)
            pipeline.execute()
        except (redis.RedisError, OSError) as error:
            raise Lost(str(error)) from error

    def heard(self, seconds):
        """The next line on the channel, or None."""
        try:
            message = self.pubsub.get_message(ignore_subscribe_messages=True, timeout=seconds)
            return message["data"].decode("utf-8", "replace") if message else None
        except (redis.RedisError, OSError) as error:
            raise Lost(str(error)) from error


class Writer:
    def __init__(self, arguments):
        self.name = arguments.name
        self.script = script.Script(arguments.script, arguments.bodies)
        self.open_journal = lambda: (database.DatabaseJournal(arguments.postgres, self.name) if arguments.postgres
                                     else database.FileJournal(arguments.journal))
        self.journal = self.open_journal()
        self.publisher = Publisher("127.0.0.1", arguments.redis)
        self.at_once = arguments.at_once
        self.connected = False
        self.written = None  # the last token written
        self.sent = None  # up to which everything was published or skipped
        self.others = 0  # the greatest token heard of other writers
        self.orders = {"pace": arguments.pace, "duplicate": 0, "slow": 0, "lose": 0, "replicate": 0, "burst": 0}
        self.lost_path = arguments.lost
        self.write_at = time.monotonic()

    # What the listener's threads call.

    def written_now(self):
        journal = self.open_journal()
        try:
            return journal.written()
        finally:
            close = getattr(journal, "connection", None) or getattr(journal, "file", None)
            if close:
                close.close()

    def told(self, what, query):
        if what in self.orders:
            self.orders[what] = float(query["value"][0])
        return {"written": self.written, "sent": self.sent, "connected": self.connected,
                "last": self.script.tokens[-1], "done": min(self.written, self.sent) >= self.script.tokens[-1]}

    def take_order(self, what):
        """Whether this turn has to misbehave so; orders are counts that run down."""
        if self.orders[what] < 1:
            return False
        self.orders[what] -= 1
        return True

    # The main thread.

    def run(self):
        while self.written is None:
            try:
                self.written = self.sent = self.journal.written()
            except database.psycopg2.Error:
                time.sleep(0.1)
        while True:
            self.write_what_is_due()
            try:
                self.follow()
            except Lost:
                self.publisher.close()
                self.connected = False
            if not self.connected:
                self.sent = self.written  # skipped: the next POSITION tells
                time.sleep(IDLE)

    def write_what_is_due(self):
        index = self.script.index_after(self.written)
        now = time.monotonic()
        if index >= len(self.script.tokens) or self.orders["pace"] <= 0:
            self.write_at = now
            return
        if not self.take_order("burst"):
            if now < self.write_at:
                return
            self.write_at = max(self.write_at, now - 1) + 1 / self.orders["pace"]
        token = self.script.tokens[index]
        try:
            self.journal.write(token, self.script.rows(index), self.script.events(index))
            self.written = token
        except database.psycopg2.Error as error:
            # Whether it was committed only the database knows.
            try:
                self.written = self.journal.written()
            except database.psycopg2.Error:
                time.sleep(0.1)
                return
            if isinstance(error, database.psycopg2.IntegrityError) and self.written < token:
                raise  # what it says cannot be written at all

    def follow(self):
        if not self.connected:
            if not self.publisher.connect():
                return
            self.connected = True
            self.sent = self.written
            self.publisher.publish("REPLICATE ")
            self.announce()
        self.take_all(0)  # before the streaming: with --at-once a position may lie above rows that are yet to come
        self.stream()
        index = self.script.index_after(self.written)
        wait = self.write_at - time.monotonic() if index < len(self.script.tokens) else IDLE
        wait = 0.0 if self.orders["burst"] >= 1 else wait
        self.take_all(max(0.0, min(IDLE, wait)))

    def take_all(self, seconds):
        line = self.publisher.heard(seconds)
        while line is not None:
            self.take(line)
            line = self.publisher.heard(0)

    def take(self, line):
        words = line.split(" ", 4)
        if words[0] == "REPLICATE":
            self.announce()
        elif words[:2] == ["POSITION", "events"] and len(words) == 5 and words[2] != self.name:
            self.note_other(words[3:])
        elif words[:2] == ["RDATA", "events"] and len(words) == 5 and words[2] != self.name:
            self.note_other(words[3:4], words[4])

    def note_other(self, tokens, row="0"):
        """Both tokens of a POSITION, or that of an RDATA; a line that cannot be read is none."""
        try:
            json.loads(row)
            self.others = max(self.others, *map(int, tokens))
        except (ValueError, RecursionError):
            pass  # `batch`, or garbage

    def idle_token(self):
        """How far its position may follow the others: below its own next row."""
        index = self.script.index_after(self.written)
        bound = self.script.tokens[index] - 1 if index < len(self.script.tokens) else self.others
        return max(self.written, min(self.others, bound))

    def announce(self):
        token = self.idle_token() if self.at_once else self.sent
        self.publisher.publish(f"POSITION events {self.name} {token} {token}",
                               f"POSITION backfill {self.name} 1 1", f"POSITION caches {self.name} 1 1")

    def lines(self, index):
        rows, token = self.script.rows(index), self.script.tokens[index]
        return [f"RDATA events {self.name} {token if number == len(rows) else 'batch'} {row}"
                for number, row in enumerate(rows, 1)]

    def stream(self):
        """Publishes what was written since, then the position if it moved without rows."""
        first, end = self.script.index_after(self.sent), self.script.index_after(self.written)
        for index in range(first, end):
            # The mark moves with the attempt: what fails is not sent again.
            self.sent = self.script.tokens[index]
            self.publish_batch(index)
        count = int(self.orders["duplicate"])
        self.orders["duplicate"] = 0
        for index in range(max(0, end - count), end):
            self.publisher.publish(*self.lines(index))
        if self.take_order("replicate"):
            self.publisher.publish("REPLICATE ")
        moved = self.idle_token()
        if moved > self.sent:
            self.publisher.publish(f"POSITION events {self.name} {self.sent} {moved}")
            self.sent = moved

    def publish_batch(self, index):
        lines = self.lines(index)
        if self.take_order("lose"):
            # Whoever is killed next: the test has to know of it.
            with open(self.lost_path, "a", encoding="ascii") as lost:
                lost.write(f"{self.script.tokens[index]}\n")
            return
        if not self.take_order("slow"):
            self.publisher.publish(*lines)
            return
        for line in lines:
            self.publisher.publish(line)
            time.sleep(0.03)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", required=True)
    parser.add_argument("--script", required=True)
    parser.add_argument("--bodies", required=True)
    parser.add_argument("--redis", type=int, required=True, help="its port")
    parser.add_argument("--listen", type=int, required=True, help="port of the replication listener")
    parser.add_argument("--secret")
    parser.add_argument("--postgres", help="where it writes to; without it to --journal")
    parser.add_argument("--journal")
    parser.add_argument("--lost", required=True, help="where the tokens go that it was told not to publish")
    parser.add_argument("--pace", type=float, default=50, help="tokens a second; 0: none for now")
    parser.add_argument("--at-once", action="store_true", help="answers REPLICATE as Synapse did until 1.96")
    arguments = parser.parse_args()
    writer = Writer(arguments)
    server = listener.Listener(("127.0.0.1", arguments.listen), writer, arguments.secret)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    writer.run()


if __name__ == "__main__":
    main()
