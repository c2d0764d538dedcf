"""Missed rows from Synapse's tables in a real PostgreSQL, and in a replica of it that lags. The client is that of the
engine, in tests/programs/missed_rows.c."""

import json
import os
import pathlib
import subprocess
import unittest

from harness import WEIR, wait_until
from postgres_test import PostgresServer, postgres_program

PROGRAM = str(pathlib.Path(WEIR).parent / "tests" / "missed_rows")


def event(kind="m.room.message"):
    return {"type": kind, "room_id": "!r:lab.test", "sender": "@a:lab.test", "content": {}}


def row(event_id, kind="m.room.message", state_key=None, redacts=None, relates_to=None, membership=None,
        rejected=False, outlier=False):
    return json.dumps(["ev", [event_id, "!r:lab.test", kind, state_key, redacts, relates_to, membership, rejected,
                              outlier]], separators=(",", ":"))


class RowsPostgres(PostgresServer):
    def command(self, *arguments, host=None, user="synapse"):
        return [PROGRAM, "postgres", f"host={host or self.database}", f"user={user}", "dbname=postgres", *arguments]

    def ask(self, *arguments, **where):
        done = subprocess.run(self.command(*arguments, **where), capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.splitlines()

    def store_range(self, first, last, writer="persister1"):
        self.store([(token, writer, f"${token}", event()) for token in range(first, last + 1)])

    def stand_at(self, token, writer="persister1"):
        self.sql("INSERT INTO stream_positions VALUES ('events', '%s', %d) ON CONFLICT (stream_name, instance_name) "
                 "DO UPDATE SET stream_id = EXCLUDED.stream_id" % (writer, token))

    def test_every_column_as_synapse_writes_it(self):
        state_key = '@"ä\\\x7f😀\n:lab.test'
        self.store([(1, "master", "$create", event("m.room.create")), (2, "master", "$join", event("m.room.member")),
                    (3, "master", "$text", event()), (4, "master", "$reaction", event("m.reaction")),
                    (5, "master", "$redaction", event("m.room.redaction")), (6, "master", "$bad", event()),
                    (7, "master", "$outlier", event()), (8, "master", "$late", event())])
        self.sql("INSERT INTO state_events VALUES ('$create', '!r', 'm.room.create', '', NULL),"
                 f" ('$join', '!r', 'm.room.member', '{state_key}', NULL);"
                 "INSERT INTO room_memberships VALUES ('$join', '@u', '@u', '!r', 'join');"
                 "INSERT INTO event_relations VALUES ('$reaction', '$text', 'm.annotation', 'x');"
                 "INSERT INTO redactions VALUES ('$redaction', '$text');"
                 "INSERT INTO rejections VALUES ('$bad', 'auth_error', '');"
                 "UPDATE events SET outlier = true WHERE event_id = '$outlier';"
                 "INSERT INTO ex_outlier_stream VALUES (9, '$late', 1, 'master')")
        # Events of before there were writers' names are nobody's.
        self.sql("INSERT INTO events (topological_ordering, event_id, type, room_id, processed, outlier, "
                 "stream_ordering) VALUES (1, '$ancient', 't', '!r', true, false, 10)")
        self.assertEqual(self.ask("events,master,0,10"), [
            f"rows 0 1 {row('$create', 'm.room.create', state_key='')}",
            f"rows 0 2 {row('$join', 'm.room.member', state_key=state_key, membership='join')}"
            .replace("\x7f", "\\u007f"),
            f"rows 0 3 {row('$text')}",
            f"rows 0 4 {row('$reaction', 'm.reaction', relates_to='$text')}",
            f"rows 0 5 {row('$redaction', 'm.room.redaction', redacts='$text')}",
            f"rows 0 6 {row('$bad', rejected=True)}",
            f"rows 0 7 {row('$outlier', outlier=True)}",
            f"rows 0 8 {row('$late', outlier=True)}",
            f"rows 0 9 {row('$late')}",
            "end 0 10"])

    def test_pages(self):
        self.store_range(1, 4)
        self.store_range(5, 8, "persister2")
        self.store_range(9, 12)
        self.sql("INSERT INTO ex_outlier_stream VALUES (13, '$2', 1, 'persister1'), (14, '$6', 1, 'persister2')")
        lines = self.ask("--page", "3", "events,persister1,1,13", "events,persister2,0,20", "events,nobody,0,20")
        mine = lambda number: [line.split(" ", 3) for line in lines if line.split(" ")[1] == number]
        tokens = lambda number: [int(words[2]) for words in mine(number) if words[0] == "rows"]
        self.assertEqual(tokens("0"), [2, 3, 4, 9, 10, 11, 12, 13])
        self.assertEqual([words[2] for words in mine("0") if words[0] in ("more", "end")], ["4", "11", "13"])
        self.assertEqual(tokens("1"), [5, 6, 7, 8, 14])
        self.assertEqual(mine("2"), [["end", "2", "20"]])

    def test_a_range_longer_than_is_searched_at_once(self):
        self.sql("INSERT INTO events (topological_ordering, event_id, type, room_id, processed, outlier, instance_name, "
                 "stream_ordering) SELECT 1, '$' || n, 't', '!r', true, false, 'persister2', n "
                 "FROM generate_series(1, 1300000, 50000) AS n")
        self.store([(2, "persister1", "$first", event()), (1250007, "persister1", "$last", event())])
        self.assertEqual(self.ask("events,persister1,0,9000000000000000000"), [
            f"rows 0 2 {row('$first')}", "more 0 500000", "more 0 1000000", f"rows 0 1250007 {row('$last')}",
            "end 0 9000000000000000000"])

    def test_a_database_that_cannot_be_asked(self):
        self.sql("CREATE ROLE stranger LOGIN")
        self.store_range(1, 3)
        for words, where in ((("permission denied",), {"user": "stranger"}), (("ghost",), {"user": "ghost"}),
                             (("No such file",), {"host": self.folder})):
            lines = self.ask("events,persister1,0,3", **where)
            self.assertEqual(len(lines), 1)
            self.assertTrue(lines[0].startswith("failed 0 ") and all(word in lines[0] for word in words), lines)
        self.sql("ALTER TABLE event_relations RENAME COLUMN relates_to_id TO parent")
        self.assertRegex(self.ask("events,persister1,0,3")[0], "^failed 0 .*relates_to_id")
        self.sql("DROP TABLE ex_outlier_stream")
        self.assertRegex(self.ask("events,persister1,0,3")[0], "^failed 0 .*ex_outlier_stream")

    def test_a_query_that_hangs(self):
        holder = self.start(["psql", "-qAt", "-h", self.database, "-U", "synapse", "-d", "postgres"],
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        holder.stdin.write(b"BEGIN; LOCK TABLE redactions; SELECT 'locked';\n")
        holder.stdin.flush()
        self.assertEqual(holder.stdout.readline(), b"locked\n")
        self.assertRegex(self.ask("--timeout", "300", "events,persister1,0,3")[0], "^failed 0 .*in time")
        holder.stdin.close()

    def test_nothing_is_asked_of_a_source_that_is_gone(self):
        self.store_range(1, 9)
        # The second takes several questions, so that it cannot end in the turn of the first.
        lines = self.ask("--page", "1", "--stop-after", "1", "events,persister1,0,1", "events,persister1,0,9")
        self.assertEqual([line for line in lines if line.startswith("end")], ["end 0 1"])

    def test_only_events(self):
        self.assertEqual(self.ask("receipts,persister1,0,3", "events,\udcff,0,3"), ["unserved 0", "unserved 1"])

    # ---- a replica

    def replica_sql(self, text):
        return subprocess.run(["psql", "-qAt", "-h", self.replica, "-U", "synapse", "-d", "postgres", "-v",
                               "ON_ERROR_STOP=1", "-c", text], check=True, capture_output=True, text=True).stdout.strip()

    def start_replica(self):
        self.replica = self.folder / "replica"
        self.replica.mkdir()
        if self.user:
            os.chown(self.replica, self.user["user"], self.user["group"])
        subprocess.run([postgres_program("pg_basebackup"), "-h", self.database, "-U", "synapse", "-D",
                        self.replica / "data", "-R", "--checkpoint=fast", "--no-sync"], check=True, capture_output=True,
                       **self.user)
        self.start([postgres_program("postgres"), "-D", self.replica / "data", "-k", self.replica, "-c",
                    "listen_addresses=", "-c", "fsync=off"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                   **self.user)
        wait_until(lambda: subprocess.run(["psql", "-qAt", "-h", self.replica, "-U", "synapse", "-d", "postgres", "-c",
                                           "SELECT 1"], capture_output=True).returncode == 0, what="the replica")

    def wait_for_replica(self):
        newest = self.sql("SELECT pg_current_wal_lsn()").stdout.decode().strip()
        wait_until(lambda: self.replica_sql(f"SELECT pg_last_wal_replay_lsn() >= '{newest}'") == "t", what="replaying")

    def pause_replica(self):
        self.replica_sql("SELECT pg_wal_replay_pause()")
        wait_until(lambda: self.replica_sql("SELECT pg_get_wal_replay_pause_state()") == "paused", what="the pause")

    def test_a_replica_that_lags(self):
        self.store_range(1, 10)
        self.stand_at(10)
        self.start_replica()
        self.wait_for_replica()
        rows = lambda lines: [int(line.split(" ")[2]) for line in lines if line.startswith("rows")]
        self.assertEqual(rows(self.ask("--retry-for", "0", "events,persister1,0,10", host=self.replica)),
                         list(range(1, 11)))

        self.pause_replica()
        self.store_range(11, 20)
        self.stand_at(20)
        lines = self.ask("--retry-for", "200", "--page", "5", "events,persister1,5,20", host=self.replica)
        self.assertEqual(rows(lines), list(range(6, 11)), "what is there, in the end")
        self.assertEqual(lines[-1], "unconfirmed 1")

        asker = self.start(self.command("--retry-for", "50000", "--timeout", "50000", "events,persister1,5,20",
                                        host=self.replica), stdout=subprocess.PIPE)
        wait_until(lambda: self.replica_sql("SELECT count(*) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND "
                                            "state = 'idle' AND query LIKE 'SELECT page.token%'") == "1",
                   what="a first answer")
        self.assertIsNone(asker.poll())
        self.replica_sql("SELECT pg_wal_replay_resume()")
        lines = asker.communicate(timeout=60)[0].decode().splitlines()
        self.assertEqual(rows(lines), list(range(6, 21)))
        self.assertEqual(lines[-1], "end 0 20", "and it is sure of that")

    def test_an_idle_writer_of_a_replica(self):
        """Its own position stays behind; that another's event is there will do, a moment later."""
        self.store_range(1, 3)
        self.store_range(4, 30, "persister2")
        self.stand_at(3)
        self.start_replica()
        self.wait_for_replica()
        lines = self.ask("--retry-for", "50000", "--page", "1", "events,persister1,0,30", host=self.replica)
        self.assertEqual([line.split(" ")[:3] for line in lines if line.startswith("rows")],
                         [["rows", "0", str(token)] for token in (1, 2, 3)])
        self.assertEqual(lines[-1], "end 0 30")


if __name__ == "__main__":
    unittest.main()
