"""Event bodies from a real PostgreSQL: batches, bodies that come late or never, a database that goes away."""

import json
import os
import pathlib
import pwd
import shutil
import subprocess

import harness
import oracle
from harness import DATA, SERVER_NAME, ev_row, rdata, wait_until

KEYWORD = "modules: [{module: keywords, config: {patterns: [spam]}}]"


def postgres_program(name):
    found = shutil.which(name)
    if found:
        return found
    return str(sorted(pathlib.Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))[-1])


class PostgresServer(harness.Server):
    """A PostgreSQL of its own beside the Redis, with those tables of Synapse that Weir reads."""

    def setUp(self):
        super().setUp()
        self.set_up_database()

    def set_up_database(self):
        self.folder.chmod(0o755)
        self.database = self.folder / "postgres"
        self.database.mkdir()
        self.user = {}
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            entry = pwd.getpwnam("postgres")
            os.chown(self.database, entry.pw_uid, entry.pw_gid)
            self.user = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
        subprocess.run([postgres_program("initdb"), "-D", self.database / "data", "-A", "trust", "-U", "synapse", "-E",
                        "UTF8", "--locale=C", "--no-sync"], check=True, capture_output=True, **self.user)
        self.start_postgres()
        self.sql((pathlib.Path(__file__).parent / "synapse_schema.sql").read_text())
        self.bodies = (f"bodies: {{postgres: {{host: {self.database}, user: synapse, dbname: postgres}}, "
                       f"retry_for: 1s}}")

    def start_postgres(self):
        self.postgres = self.start(
            [postgres_program("postgres"), "-D", self.database / "data", "-k", self.database, "-c",
             "listen_addresses=", "-c", "fsync=off"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **self.user)
        wait_until(lambda: self.sql("SELECT 1", check=False).returncode == 0, what="postgres")

    def sql(self, text, check=True, **options):
        return subprocess.run(["psql", "-qAt", "-h", self.database, "-U", "synapse", "-d", "postgres", "-v",
                               "ON_ERROR_STOP=1", "-c", text], check=check, capture_output=True, **options)

    def insert(self, events):
        lines = "".join(f"{self.copy_text(event_id)}\t!r\t{{}}\t{self.copy_text(json.dumps(event))}\t4\n"
                        for event_id, event in events)
        self.sql("COPY event_json FROM STDIN", input=lines.encode())

    def store(self, events):
        """Events as Synapse stores them: [(token, writer, event_id, event)], with their bodies."""
        lines = "".join(
            f"{event.get('depth', 1)}\t{self.copy_text(event_id)}\t{event['type']}\t{event['room_id']}\tt\tf\t"
            f"{writer}\t{token}\n" for token, writer, event_id, event in events)
        self.sql("COPY events (topological_ordering, event_id, type, room_id, processed, outlier, instance_name, "
                 "stream_ordering) FROM STDIN", input=lines.encode())
        self.insert((event_id, event) for _, _, event_id, event in events)

    @staticmethod
    def copy_text(text):
        return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")


class Postgres(PostgresServer):
    def test_a_recording_gives_the_rows_of_its_replay(self):
        for name in ("synapse-1.140-small", "synapse-1.140-big"):
            with self.subTest(name):
                self.redis.flushall()
                self.sql("TRUNCATE event_json")
                recording, bodies = DATA / f"{name}.jsonl.zst", DATA / f"{name}.events.jsonl.zst"
                self.insert((line["event_id"], line["json"]) for line in oracle.read_jsonl(bodies))
                configuration = self.configuration(self.bodies)
                engine = self.start_engine(configuration)
                self.play(recording)
                self.settle(engine)
                expected = self.replay(configuration, recording, bodies)
                # A body that never comes holds up its own room only: the order is that of each room.
                room = lambda row: json.loads(row)["room_id"]
                self.assertEqual(sorted((row for _, row in self.durable()), key=room), sorted(expected, key=room))
                judged = self.metric(engine, "weir_events_judged_total")
                self.assertLess(self.metric(engine, "weir_bodies_queries_total"), judged / 2 + 200, "batches")
                self.stop_engine(engine)

    def event(self, text):
        return {"type": "m.room.message", "sender": "@a:lab.test", "room_id": "!r", "content": {"body": text}}

    def test_bodies_that_come_late_or_never(self):
        self.insert([("$1", self.event("spam")), ("$3", self.event("spam")), ('$quo"te\\', self.event("spam"))])
        engine = self.start_engine(self.configuration(self.bodies, modules=KEYWORD))
        self.publish(rdata(1, ev_row("$1")), rdata(2, ev_row("$late")), rdata(3, ev_row("$3")),
                     rdata(4, ev_row("$never")), rdata(5, ev_row('$quo"te\\')), rdata(6, ev_row("$nu\x01l")),
                     rdata(7, json.dumps(["ev", ["$n\0l", "!r", "t", None, None, None, None, False, False]])))
        wait_until(lambda: self.metric(engine, "weir_events_waiting") == 6)
        self.assertEqual([json.loads(row)["event_id"] for _, row in self.durable()], ["$1"])
        self.insert([("$late", self.event("spam, late"))])
        wait_until(lambda: self.metric(engine, "weir_events_waiting") == 0, what="every body found or given up")
        self.settle(engine)
        self.assertEqual([json.loads(row)["event_id"] for _, row in self.durable()],
                         ["$1", "$late", "$3", '$quo"te\\'])
        self.assertEqual(self.metric(engine, "weir_bodies_missing_total"), 3)
        self.assertGreater(self.metric(engine, "weir_bodies_retried_total"), 0)
        self.assertEqual(int(self.redis.hget(f"{SERVER_NAME}/weir/positions", "weir1 events persister1")), 7)
        self.stop_engine(engine)

    def test_bodies_that_are_no_events(self):
        self.sql("INSERT INTO event_json VALUES ('$1', '!r', '{}', '[1,2]', 4), ('$2', '!r', '{}', 'no json', 4), "
                 "('$3', '!r', '{}', '{\"content\": 5}', 4)")
        self.insert([("$4", self.event("spam"))])
        engine = self.start_engine(self.configuration(self.bodies, modules=KEYWORD))
        self.publish(*(rdata(number, ev_row(f"${number}")) for number in range(1, 5)))
        wait_until(lambda: [json.loads(row)["event_id"] for _, row in self.durable()] == ["$4"])
        self.assertEqual(self.metric(engine, "weir_bodies_unreadable_total"), 3)
        self.assertTrue(self.logged(engine, "a body could not be read; the event was judged by its stream row alone"))
        self.stop_engine(engine)

    def test_the_database_goes_away_and_comes_back(self):
        self.insert([(f"${number}", self.event("spam")) for number in range(10)])
        engine = self.start_engine(self.configuration(self.bodies, modules=KEYWORD))
        self.publish(rdata(1, ev_row("$0")))
        wait_until(lambda: len(self.durable()) == 1)
        self.postgres.kill()
        self.postgres.wait()
        wait_until(lambda: self.http(engine, "/readyz")[0] == 503)
        self.publish(*(rdata(number + 1, ev_row(f"${number}")) for number in range(1, 10)))
        wait_until(lambda: self.metric(engine, "weir_events_waiting") == 9)
        (self.database / "data" / "postmaster.pid").unlink(missing_ok=True)
        self.start_postgres()
        wait_until(lambda: len(self.durable()) == 10, what="verdicts after the database came back")
        self.assertEqual(self.metric(engine, "weir_bodies_missing_total"), 0)
        self.stop_engine(engine)

    def test_a_missing_table_is_said(self):
        self.sql("DROP TABLE event_json")
        engine = self.start_engine(self.configuration(self.bodies, modules=KEYWORD), ready=False)
        wait_until(lambda: any("event_json" in line.get("reason", "") for line in self.log_lines(engine)))
        self.stop_engine(engine)

    def test_back_pressure_bounds_the_queue(self):
        configuration = self.configuration(self.bodies.replace("retry_for: 1s", "retry_for: 1s, queue: 100"),
                                           modules=KEYWORD)
        engine = self.start_engine(configuration)
        self.publish(*(rdata(number, ev_row(f"$absent{number}")) for number in range(1, 20001)))
        self.settle(engine, "weir_events_judged_total")
        wait_until(lambda: self.metric(engine, "weir_events_judged_total") == 20000, seconds=120)
        self.assertEqual(self.metric(engine, "weir_bodies_missing_total"), 20000)
        self.stop_engine(engine)
