"""Makes the faults of a plan at their times, ends them, and lets everything come to rest."""

import collections
import heapq
import time

import faults
import plan
import servers

TICK = 0.05
FINISH_BOUND = 180  # seconds until all is written and judged once the faults are over
QUIET_BOUND = 75  # … of them without any new row
SETTLED = 5  # … when as many rows are there as should be
FINISH_PACE = 400


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
        self.clock_start = time.monotonic()
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

    def finish(self):
        """Everything is whole again: the writers write the rest, and weir judges it."""
        deadline = time.monotonic() + FINISH_BOUND
        for writer in self.world.writers.values():
            servers.wait_until(lambda: writer.set_pace(FINISH_PACE), 20, f"{writer.name} listening")
        held = sum(len(life) for life in self.world.lives)
        last, grown = -1, time.monotonic()
        while time.monotonic() < deadline:
            self.look()
            count = self.world.count_durable() or 0
            states = [writer.state() for writer in self.world.writers.values()]
            if count != last or not all(state and state["done"] for state in states):
                last, grown = count, time.monotonic()
            quiet = time.monotonic() - grown
            # Also when all is there: for what should not come.
            if quiet > (SETTLED if count + held >= self.world.recording.events else QUIET_BOUND):
                return
            time.sleep(0.2)
