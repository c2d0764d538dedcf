"""What goes wrong, and when: a list of faults made from a seed, or read from the file that an earlier run has left.

A fault has a time in seconds on the plan's own clock (which stands still during faults that have to be alone), a kind,
whom it meets, and how long it lasts or how much there is of it."""

import json
import random
import typing


class Fault(typing.NamedTuple):
    at: float
    kind: str
    target: str
    amount: float  # seconds; of lines, how many


class Kind(typing.NamedTuple):
    weight: float
    targets: str  # which of the set-up's parts it can meet
    low: float
    high: float


# Links are named "who-whom"; `{w}` stands for a writer.
ENGINES = "weir weir2"  # the second is a standby
PROCESSES = ENGINES + " redis postgres {w}"
WEIR_LINKS = "weir-redis weir2-redis weir-postgres weir-{w}"
LINKS = WEIR_LINKS + " {w}-redis"
KINDS = {
    "kill": Kind(14, PROCESSES, 0.0, 2.0),  # SIGKILL, and a start after so long
    "terminate": Kind(3, ENGINES, 0.0, 0.5),  # SIGTERM; it has to end with 0
    "stop": Kind(12, PROCESSES, 0.1, 4.0),  # SIGSTOP … SIGCONT
    "reload": Kind(1, ENGINES, 0.0, 0.0),  # SIGHUP
    "drop": Kind(14, LINKS, 0.0, 0.0),  # every connection of the link ends with a RST
    "refuse": Kind(6, LINKS, 0.1, 3.0),  # dropped, and no new ones for so long
    "stall": Kind(8, LINKS, 0.1, 4.0),  # nothing moves, then all of it
    "slow": Kind(6, LINKS, 0.5, 4.0),
    "half-open": Kind(6, LINKS, 0.2, 5.0),  # silent, while new ones are not served; then all of it is dropped
    "half-open-for-good": Kind(0.7, WEIR_LINKS, 0.0, 0.0),  # what is connected stays silent until its owner finds out
    "client-kill": Kind(8, "pubsub normal", 0.0, 0.0),  # CLIENT KILL of weir's connections of the type
    "garbage": Kind(6, "channel", 1, 20),
    "duplicate": Kind(6, "{w}", 1, 60),  # its last tokens are published again
    "slow-batches": Kind(4, "{w}", 1, 30),  # its batches leave line by line, others' lines in between
    "replicate": Kind(3, "{w}", 1, 3),  # somebody asks for positions
    "burst": Kind(3, "{w}", 30, 400),  # it writes as fast as it can, so many tokens
    "failed-publish": Kind(3, "{w}", 1, 4),  # rows that are written and never published; only an audit finds them
    "redis-loses-data": Kind(0.8, "redis", 0.0, 0.0),
    "all-lost": Kind(0.6, "redis+weir", 0.0, 0.0),  # … while the engine is dead, which has its state file then
}
ALONE = {"redis-loses-data", "all-lost"}  # everything is made whole before, and waits for their end
LASTING = {"kill", "stop", "terminate", "refuse", "stall", "slow", "half-open"}
SETTLES = 0.3  # after a fault its target is left alone for so long


def targets(kind, parts, writers):
    """The targets of a kind that exist: `parts` are processes and links."""
    names = []
    for word in KINDS[kind].targets.split():
        names += [word.format(w=writer) for writer in writers] if "{w}" in word else [word]
    return [name for name in names if name in parts or kind == "client-kill" or name == "channel"]


def make(seed, count, parts, writers, mean_gap, kinds=None):
    """`count` faults; those at one target do not overlap."""
    chance = random.Random(seed)
    usable = {kind: targets(kind, parts, writers) for kind in (kinds or KINDS)}
    usable = {kind: names for kind, names in usable.items() if names}
    faults, busy, now = [], {}, 1.0
    while len(faults) < count:
        now += chance.expovariate(1 / mean_gap)
        kind = chance.choices(list(usable), [KINDS[kind].weight for kind in usable])[0]
        free = [name for name in usable[kind] if busy.get(name, 0) <= now]
        if not free:
            continue
        target = chance.choice(free)
        low, high = KINDS[kind].low, KINDS[kind].high
        # Short ones are the rule: what has time to notice is tested by few, what has none by many.
        amount = round(low + (high - low) * chance.random() ** 2, 3)
        busy[target] = now + (amount if kind in LASTING else 0) + SETTLES
        faults.append(Fault(round(now, 3), kind, target, amount))
    return faults


def write(path, faults, **about):
    path.write_text(json.dumps({**about, "faults": [list(fault) for fault in faults]}, indent=1) + "\n")


def read(path):
    """(what it was made for, faults)"""
    about = json.loads(path.read_text())
    return about, [Fault(*fault) for fault in about.pop("faults")]
