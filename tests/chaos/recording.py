"""A recording made long enough: the batches of `events` of a real one, again and again under new event ids and tokens.

What comes out are the files that everything else works from: a recording and its bodies for the offline replay, and
for each writer its script, a line for each token: `token, body's offset, body's length, row…` between tabs (a JSON
text holds none). Bodies are cut down to what a chain reads, so that a file of many thousands is soon read."""

import json
import pathlib
import re
import subprocess
import typing

DATA = pathlib.Path(__file__).resolve().parents[1] / "data"
SERVER_NAME = "lab.test"
EVENT_ID = re.compile(r"\$[A-Za-z0-9_-]{43}")
KEPT_OF_A_BODY = ("type", "room_id", "sender", "state_key", "content", "origin_server_ts", "depth", "redacts")
REJECTED_EVERY = 101  # an event among so many is one that Synapse rejected


class Batch(typing.NamedTuple):
    """The rows of one token."""

    writer: str
    token: int
    rows: list  # JSON texts


class Recording(typing.NamedTuple):
    lines: pathlib.Path
    bodies: pathlib.Path
    scripts: dict  # writer → path
    tokens: dict  # writer → how many
    events: int  # rows that will be judged
    noise: list  # lines of other streams and commands, as published


def read_jsonl(path):
    done = subprocess.run(["zstd", "-dcq", str(path)], capture_output=True, check=True)
    return [json.loads(line) for line in done.stdout.decode().split("\n") if line]


def batches_of(messages):
    """The batches of `events` in the order of their last lines."""
    pending = {}
    batches = []
    for message in messages:
        words = message["data"].split(" ", 4)
        if message["ch"] != SERVER_NAME or words[:2] != ["RDATA", "events"]:
            continue
        rows = pending.setdefault(words[2], [])
        rows.append(words[4])
        if words[3] != "batch":
            batches.append(Batch(words[2], int(words[3]), rows))
            del pending[words[2]]
    return batches


def renamed(text, turn):
    return EVENT_ID.sub(lambda found: f"{found.group()}~{turn}", text) if turn else text


def compact(value):
    return json.dumps(value, separators=(",", ":"))


class Enlarged:
    """Writes turn after turn of the recording."""

    def __init__(self, folder, name):
        messages = read_jsonl(DATA / f"{name}.jsonl.zst")
        self.batches = batches_of(messages)
        self.noise = [message["data"] for message in messages
                      if message["ch"] == SERVER_NAME and " events " not in message["data"]
                      and not message["data"].startswith(("REPLICATE", "POSITION backfill"))]
        self.bodies = {body["event_id"]: body for body in read_jsonl(DATA / f"{name}.events.jsonl.zst")}
        self.span = max(batch.token for batch in self.batches)
        self.folder = folder
        self.tokens = {batch.writer: 0 for batch in self.batches}
        self.seen = self.events = self.offset = 0

    def write(self, tokens):
        """Turns until there are `tokens` tokens in all."""
        paths = {writer: self.folder / f"{writer}.script" for writer in self.tokens}
        self.scripts = {writer: path.open("w") for writer, path in paths.items()}
        lines, bodies = self.folder / "chaos.jsonl", self.folder / "chaos.events.jsonl"
        with lines.open("w") as self.lines_file, bodies.open("wb") as self.bodies_file:
            for writer in self.tokens:
                self.add_line(f"POSITION events {writer} 1 1")
            turn = 0
            while sum(self.tokens.values()) < tokens:
                for batch in self.batches[:tokens - sum(self.tokens.values())]:
                    self.add_batch(batch, turn)
                turn += 1
        for script in self.scripts.values():
            script.close()
        return Recording(lines, bodies, paths, self.tokens, self.events, self.noise)

    def add_line(self, data):
        self.lines_file.write(json.dumps({"t": 0.0, "ch": SERVER_NAME, "data": data}) + "\n")

    def add_batch(self, batch, turn):
        token = batch.token + turn * self.span
        rows = [self.take_row(json.loads(renamed(row, turn))) for row in batch.rows]
        start = self.offset
        for kind, fields in rows:
            if kind == "ev":
                self.add_body(fields, batch.writer, token, turn)
        texts = [compact(row) for row in rows]
        for index, text in enumerate(texts):
            number = token if index == len(texts) - 1 else "batch"
            self.add_line(f"RDATA events {batch.writer} {number} {text}")
        self.scripts[batch.writer].write("\t".join([str(token), str(start), str(self.offset - start), *texts]) + "\n")
        self.tokens[batch.writer] += 1

    def take_row(self, row):
        kind, fields = row
        if kind == "ev":
            self.seen += 1
            fields[7] = self.seen % REJECTED_EVERY == 0
            self.events += not fields[7] and not (len(fields) > 8 and fields[8])
        return row

    def add_body(self, fields, writer, token, turn):
        # The body is that of the recording under its old id; those of purged events are missing there, too.
        old = self.originals(turn).get(fields[0])
        if old is None:
            return
        event = {key: value for key, value in old["json"].items() if key in KEPT_OF_A_BODY}
        text = renamed(compact({"event_id": old["event_id"], "stream_ordering": token, "instance": writer,
                                "rejected": "auth" if fields[7] else None, "json": event}), turn)
        line = text.encode() + b"\n"
        self.bodies_file.write(line)
        self.offset += len(line)

    def originals(self, turn):
        if getattr(self, "turn", None) != turn:
            self.turn = turn
            self.by_new_id = {renamed(event_id, turn): body for event_id, body in self.bodies.items()}
        return self.by_new_id


def enlarge(folder, name, tokens):
    return Enlarged(pathlib.Path(folder), name).write(tokens)
