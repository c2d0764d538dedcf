"""The durable log against the offline replay: the same rows, the order of each room, none twice, none missing.

A Redis that lost its data took its log with it; what it held is kept by the test. The next log may repeat what the last
one ended with: a transaction whose answer never came is written again, and rightly; a state file lags by a second, and
what was judged since the last audit only the log could have told. Older rows must not come again.
"""

import collections
import json
import subprocess

SHOWN = 10
REPEATED_MS = 10000  # the audit's interval, and time on a busy machine


def replay(weir, world):
    done = subprocess.run([weir, "replay", "-c", world.configuration, world.recording.lines, "--events",
                           world.recording.bodies, "--all"], capture_output=True, timeout=300)
    if done.returncode:
        raise RuntimeError(done.stderr.decode())
    return done.stdout.decode().splitlines()


def place(text):
    """A row in a few words."""
    row = json.loads(text)
    return f"{row['instance']} {row['token']} {row['event_id']} {row['room_id']} {row['module'] or 'passes'}"


def show(what, rows):
    return [f"{len(rows)} rows {what}:", *(f"  {place(row)}" for row in rows[:SHOWN])] if rows else []


def repeated(rows):
    return [row for row, count in collections.Counter(rows).items() if count > 1]


def join_lives(lives):
    """(the rows of all logs, once each, problems)."""
    rows, problems = [], []
    for number, life in enumerate(lives):
        texts = [text for _, _, text in life]
        problems += show("stand twice in one log", repeated(texts))
        tokens = [token for _, token, _ in life]
        if tokens != sorted(set(tokens)):
            problems.append("the tokens of one log do not rise")
        new = set(texts)
        for earlier in lives[:number]:
            problems += show("were written again that are not the end of an earlier log",
                             [text for at, _, text in earlier if text in new and earlier[-1][0] - at > REPEATED_MS])
        known = set(rows)
        rows += [text for text in texts if text not in known]
    return rows, problems


def in_order(rows, late):
    """{room: rows} without those that an audit has found late."""
    rooms = collections.defaultdict(list)
    for text in rows:
        row = json.loads(text)
        if (row["instance"], row["token"]) not in late:
            rooms[row["room_id"]].append(text)
    return rooms


def compare(lives, expected, events, late=()):
    """Problems in words; none: all is well. `lives`: for each Redis [(milliseconds, token, row)]; `events`: how many
    there must be; `late`: (writer, token) of rows that were never published, which come when an audit finds them."""
    rows, problems = join_lives(lives)
    if len(expected) != events:
        problems.append(f"the replay has {len(expected)} rows of {events} events")
    known, wanted = set(rows), set(expected)
    problems += show("are missing", [row for row in expected if row not in known])
    problems += show("are not in the replay", [row for row in rows if row not in wanted])
    if problems:
        return problems
    ours, theirs = in_order(rows, late), in_order(expected, late)
    for room, order in theirs.items():
        if ours[room] != order:
            at = next(index for index, row in enumerate(order) if ours[room][index] != row)
            problems += [f"the order in {room} differs; expected, and got:", f"  {place(order[at])}",
                         f"  {place(ours[room][at])}"]
    return problems
