"""A writer's script as recording.py has written it: what it is going to write, token by token."""

import bisect
import json


class Script:
    def __init__(self, path, bodies_path):
        self.tokens = []
        self.lines = []
        self.bodies = open(bodies_path, "rb")
        with open(path, encoding="utf-8") as lines:
            for line in lines:
                self.tokens.append(int(line[:line.index("\t")]))
                self.lines.append(line.rstrip("\n"))

    def index_after(self, token):
        """Of the first batch above the token."""
        return bisect.bisect_right(self.tokens, token)

    def rows(self, index):
        return self.lines[index].split("\t")[3:]

    def events(self, index):
        """{event id: event} of a batch, for what has a body."""
        _, offset, length, *_ = self.lines[index].split("\t", 3)
        self.bodies.seek(int(offset))
        bodies = [json.loads(line) for line in self.bodies.read(int(length)).splitlines()]
        return {body["event_id"]: body["json"] for body in bodies}

    def between(self, after, upto, limit):
        """(batches [(token, rows)], whether there are more) in (after, upto]: whole tokens, some `limit` rows."""
        found, count = [], 0
        for index in range(self.index_after(after), self.index_after(upto)):
            if count >= limit:
                return found, True
            found.append((self.tokens[index], self.rows(index)))
            count += len(found[-1][1])
        return found, False
