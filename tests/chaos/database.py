"""What a stand-in writer has written, as Synapse keeps it: rows in PostgreSQL, in one transaction for each token. Only
what replication reads is filled in."""

import json
import os

import psycopg2
import psycopg2.extras


def values(batch_rows, body, token, writer):
    """{table: [row…]} for the events of one token."""
    tables = {}
    for text in batch_rows:
        kind, fields = json.loads(text)
        if kind != "ev":
            continue
        event_id, room_id, event_type, state_key, redacts, relates_to, membership, rejected, *more = fields
        event = body.get(event_id)
        sender = event.get("sender") if event else None
        outlier = bool(more and more[0])
        add = lambda table, *row: tables.setdefault(table, []).append(row)
        add("events", token, event_id, event_type, room_id, True, outlier, token, sender, writer, token, state_key,
            "auth" if rejected else None)
        if event is not None:
            add("event_json", event_id, room_id, "{}", json.dumps(event, separators=(",", ":")), 3)
        if state_key is not None:
            add("state_events", event_id, room_id, event_type, state_key)
        if redacts is not None:
            add("redactions", event_id, redacts)
        if relates_to is not None:
            add("event_relations", event_id, relates_to, "m.reference")
        if membership is not None:
            add("room_memberships", event_id, state_key, sender or state_key, room_id, membership)
        if rejected:
            add("rejections", event_id, "auth", "0")
    return tables


COLUMNS = {
    "events": "topological_ordering, event_id, type, room_id, processed, outlier, depth, sender, instance_name, "
              "stream_ordering, state_key, rejection_reason",
    "event_json": "event_id, room_id, internal_metadata, json, format_version",
    "state_events": "event_id, room_id, type, state_key",
    "redactions": "event_id, redacts",
    "event_relations": "event_id, relates_to_id, relation_type",
    "room_memberships": "event_id, user_id, sender, room_id, membership",
    "rejections": "event_id, reason, last_check",
}


class DatabaseJournal:
    """Rows go in before they are published; how far it came is asked of the database."""

    def __init__(self, address, writer):
        self.address = address
        self.writer = writer
        self.connection = None

    def connect(self):
        if self.connection is None or self.connection.closed:
            self.connection = psycopg2.connect(self.address)
        return self.connection

    def written(self):
        """The last token that was written; 1 if none. Raises psycopg2.Error."""
        with self.transaction() as cursor:
            cursor.execute("SELECT max(stream_ordering) FROM events WHERE instance_name = %s", (self.writer,))
            return cursor.fetchone()[0] or 1

    def write(self, token, rows, bodies):
        with self.transaction() as cursor:
            for table, lines in values(rows, bodies, token, self.writer).items():
                psycopg2.extras.execute_values(cursor, f"INSERT INTO {table} ({COLUMNS[table]}) VALUES %s", lines)
            cursor.execute("INSERT INTO stream_positions VALUES ('events', %s, %s) ON CONFLICT (stream_name, "
                           "instance_name) DO UPDATE SET stream_id = excluded.stream_id", (self.writer, token))

    def transaction(self):
        return Transaction(self)


class Transaction:
    """A cursor; at the end COMMIT, or after an error a closed connection, so that the next one starts anew."""

    def __init__(self, journal):
        self.journal = journal

    def __enter__(self):
        return self.journal.connect().cursor()

    def __exit__(self, kind, *_):
        connection = self.journal.connection
        try:
            if kind is None:
                connection.commit()
                return
        except psycopg2.Error:
            connection.close()
            raise
        connection.close()


class FileJournal:
    """Without a database: the last token in a file, which outlives a SIGKILL as it is."""

    def __init__(self, path):
        self.file = open(path, "r+b" if os.path.exists(path) else "w+b", buffering=0)

    def written(self):
        return int(os.pread(self.file.fileno(), 20, 0) or b"1")

    def write(self, token, rows, bodies):
        os.pwrite(self.file.fileno(), b"%020d" % token, 0)
