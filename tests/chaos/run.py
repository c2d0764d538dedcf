"""make chaos SEED=N FAULTS=N: a recording is published by stand-in writers to a real engine, everything is killed,
stopped, cut off and lied to by a seeded plan, and in the end the durable log must be the offline replay's."""

import argparse
import collections
import heapq
import pathlib
import random
import re
import signal
import sys
import tempfile
import time

import redis

import compare
import faults
import plan
import recording
import servers
import world as worlds

RECORDINGS = ["synapse-1.140-small", "synapse-1.67-small", "synapse-1.140-big"]
TICK = 0.05
FINISH_BOUND = 180  # seconds until all is written and judged once the faults are over
QUIET_BOUND = 75  # … of them without any new row
FINISH_PACE = 400
NEAR = 200  # a log line with a number so close to a token may be about it


class Player:
    """Makes the faults of a plan at their times, and ends them."""

    def __init__(self, world, faults_planned, say):
        self.world = world
        self.say = say
        self.ends = []
        self.number = 0
        self.planned = faults_planned
        self.made = collections.Counter()
        self.clock_start = time.monotonic()
        self.metrics = {name: Metrics(engine) for name, engine in world.engines.items()}

    def now(self):
        return time.monotonic() - self.clock_start

    def sleep_until(self, at):
        while True:
            self.look()
            rest = at - self.now()
            if rest <= 0:
                return
            time.sleep(min(rest, TICK))

    def look(self):
        self.world.check()
        for metrics in self.metrics.values():
            metrics.sample()

    def totals(self):
        together = sum((metrics.totals() for metrics in self.metrics.values()), collections.Counter())
        return dict(sorted(together.items()))

    def add_end(self, at, end):
        self.number += 1
        heapq.heappush(self.ends, (at, self.number, end))

    def run_ends(self, upto):
        while self.ends and self.ends[0][0] <= upto:
            at, _, end = heapq.heappop(self.ends)
            if upto != float("inf"):
                self.sleep_until(at)
            again = end()
            if again:
                self.add_end(max(at, self.now()) + again, end)
                if upto == float("inf"):
                    time.sleep(again)

    def play(self):
        for fault in self.planned:
            self.run_ends(fault.at)
            self.sleep_until(fault.at)
            self.say(f"{fault.at:8.3f} {fault.kind} {fault.target} {fault.amount:g}")
            self.make(fault)
        self.run_ends(float("inf"))

    def make(self, fault):
        if fault.target in self.metrics:
            self.metrics[fault.target].sample(at_once=True)
        self.made[fault.kind] += 1
        if fault.kind not in plan.ALONE:
            end = faults.MAKE[fault.kind](self.world, fault)
            if end:
                self.add_end(fault.at + fault.amount, end)
            return
        began = time.monotonic()
        self.run_ends(float("inf"))
        self.world.wait_until_ready()
        faults.MAKE[fault.kind](self.world, fault)
        self.clock_start += time.monotonic() - began


class Metrics:
    """Counters over all lives of an engine: the last seen of each life, added up."""

    EVERY = 1.0
    WANTED = ("catch_up", "positions_missed", "positions_unexplained", "event_rows_duplicate", "audit", "outbox_resent",
              "bad_lines", "lines_bad")

    def __init__(self, weir):
        self.weir = weir
        self.ended = collections.Counter()
        self.life = {}
        self.starts = weir.starts
        self.next = 0

    def sample(self, at_once=False):
        if self.weir.starts != self.starts:
            self.ended.update(self.life)
            self.life, self.starts = {}, self.weir.starts
        if not at_once and time.monotonic() < self.next:
            return
        self.next = time.monotonic() + self.EVERY
        found = {name: int(value) for name, value in self.weir.metrics().items()
                 if any(part in name for part in self.WANTED) and "total" in name}
        self.life = found or self.life

    def totals(self):
        self.sample(at_once=True)
        return self.ended + collections.Counter(self.life)


def finish(world, player):
    """Everything is whole again: the writers write the rest, and weir judges it."""
    deadline = time.monotonic() + FINISH_BOUND
    for writer in world.writers.values():
        servers.wait_until(lambda: writer.set_pace(FINISH_PACE), 20, f"{writer.name} listening")
    held = sum(len(life) for life in world.lives)
    last, grown = -1, time.monotonic()
    while time.monotonic() < deadline:
        player.look()
        try:
            with redis.Redis(port=world.redis.port, socket_timeout=5) as client:
                count = client.xlen(worlds.VERDICTS) + held
        except redis.RedisError:
            count = last
        states = [writer.state() for writer in world.writers.values()]
        done = all(state and state["done"] for state in states)
        if done and count >= world.recording.events:
            time.sleep(1)  # for what should not come
            return
        if count != last or not done:
            last, grown = count, time.monotonic()
        if time.monotonic() - grown > QUIET_BOUND:
            return
        time.sleep(0.2)


def near(world, problems):
    """Log lines of the engines around the first problem's token."""
    words = next((line.split() for line in problems if line.startswith("  ")), None)
    token = int(words[1]) if words and len(words) > 1 and words[1].isdecimal() else None
    found = []
    for engine in world.engines.values():
        lines = engine.log.read_text(errors="replace").splitlines() if engine.log.exists() else []
        hits = [index for index, line in enumerate(lines) if token is not None and words[0] in line and any(
            abs(int(number) - token) < NEAR for number in re.findall(r"\d+", line))]
        shown = sorted({index for hit in hits[:6] for index in range(max(0, hit - 2), min(len(lines), hit + 3))})
        found += [f"{engine.log.name}:{index + 1}: {lines[index]}" for index in shown or range(len(lines))[-20:]]
    return found


def run(arguments, say=print):
    """0, or 1 with everything said and kept."""
    began = time.monotonic()
    about = {"seed": arguments.seed, "count": arguments.faults, "seconds": arguments.seconds}
    planned = None
    if arguments.plan:
        about, planned = plan.read(pathlib.Path(arguments.plan))
    chance = random.Random(about["seed"])
    name = about.setdefault("recording", arguments.recording or chance.choice(RECORDINGS))
    set_up = about.setdefault("set_up", arguments.set_up or chance.choice(list(worlds.SET_UPS)))
    at_once = about.setdefault("at_once", name.startswith("synapse-1.67"))
    standby = about.setdefault("standby", chance.random() < 0.3 if arguments.standby is None else arguments.standby)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="weir-chaos."))
    tokens = int(about["seconds"] * arguments.pace)
    recorded = recording.enlarge(folder, name, tokens)
    world = worlds.World(folder, arguments.weir, recorded, set_up, at_once, standby, arguments.extra)
    kinds = {kind: plan.KINDS[kind] for kind in plan.KINDS if kind not in arguments.without}
    if planned is None:
        planned = plan.make(about["seed"], about["count"], world.parts(), world.writer_names,
                            about["seconds"] / about["count"], kinds)
    plan.write(folder / "plan.json", planned, **about)
    say(f"chaos: seed {about['seed']}, {len(planned)} faults, {set_up}{', two engines' * standby}, {name}, "
        f"{recorded.events} events; {folder}/plan.json")
    player = Player(world, planned, say if arguments.verbose else lambda text: None)
    problems = []
    try:
        world.start()
        for writer, count in recorded.tokens.items():
            world.writers[writer].set_pace(round(count / about["seconds"], 2))
        player.clock_start = time.monotonic()
        player.play()
        finish(world, player)
        totals = player.totals()
        lives = [*world.lives, world.durable()]
    except servers.Unexpected as unexpected:
        problems, lives, totals = [f"{unexpected} (at {player.now():.3f} s of the plan)"], [], {}
    finally:
        world.close()
    if not problems:
        problems = compare.compare(lives, compare.replay(arguments.weir, world), recorded.events, world.late)
    made = ", ".join(f"{kind} {count}" for kind, count in sorted(player.made.items()))
    say(f"chaos: {sum(player.made.values())} faults ({made}); {sum(map(len, lives))} rows of {recorded.events} events; "
        f"weir started {' + '.join(str(engine.starts) for engine in world.engines.values())} times; {time.monotonic() - began:.0f} s")
    say("chaos: " + (", ".join(f"{name} {value}" for name, value in totals.items()) or "no metrics"))
    if problems:
        report(world, about, problems, arguments.plan or folder / "plan.json", say)
        return 1
    if not arguments.keep:
        world.remove()
    return 0


def report(world, about, problems, path, say):
    say(f"chaos: FAILED with seed {about['seed']}; the same again: tests/chaos/run.py --plan {path}")
    for line in problems:
        say(line)
    say("the log nearby:")
    for line in near(world, problems):
        say(f"  {line[:400]}")
    say(f"everything is kept in {world.folder}")


def parse(words=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weir", default="build/weir", help="the program")
    parser.add_argument("--seed", type=int, default=None, help="default: by chance")
    parser.add_argument("--faults", type=int, default=500)
    parser.add_argument("--seconds", type=float, help="how long the plan is; default: 0.9 for each fault")
    parser.add_argument("--pace", type=float, default=100, help="tokens a second, of all writers together")
    parser.add_argument("--plan", help="a plan that an earlier run has left, instead of a new one")
    parser.add_argument("--recording", choices=RECORDINGS)
    parser.add_argument("--set-up", choices=list(worlds.SET_UPS))
    parser.add_argument("--standby", action=argparse.BooleanOptionalAction, help="whether there is a second engine")
    parser.add_argument("--without", action="append", default=[], choices=list(plan.KINDS), help="a kind to leave out")
    parser.add_argument("--extra", default="", help="more lines for weir's configuration")
    parser.add_argument("--keep", action="store_true", help="the folder, also when all is well")
    parser.add_argument("--verbose", action="store_true", help="says each fault")
    arguments = parser.parse_args(words)
    if arguments.seed is None:
        arguments.seed = random.SystemRandom().randrange(1000000)
    arguments.seconds = arguments.seconds or arguments.faults * 0.9
    return arguments


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    sys.exit(run(parse()))
