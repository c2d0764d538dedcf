"""make chaos SEED=N FAULTS=N: a recording is published by stand-in writers to a real engine, everything is killed,
stopped, cut off and lied to by a seeded plan, and in the end the durable log must be the offline replay's."""

import argparse
import pathlib
import random
import re
import signal
import sys
import tempfile
import time

import compare
import plan
import player
import recording
import servers
import world

RECORDINGS = ["synapse-1.140-small", "synapse-1.67-small", "synapse-1.140-big"]
NEAR = 200  # a log line with a number so close to a token may be about it


def about_run(arguments):
    """(what the run is made of, by the arguments or else by the seed; its faults if a plan is given)."""
    if arguments.plan:
        return plan.read(pathlib.Path(arguments.plan))
    chance = random.Random(arguments.seed)
    about = {"seed": arguments.seed, "count": arguments.faults, "seconds": arguments.seconds, "pace": arguments.pace,
             "recording": chance.choice(RECORDINGS), "set_up": chance.choice(list(world.SET_UPS)),
             "standby": chance.random() < 0.3}
    for name in ("recording", "set_up", "standby"):
        if getattr(arguments, name) is not None:
            about[name] = getattr(arguments, name)
    return about, None


class Run:
    """A folder, what is in it, and the plan."""

    def __init__(self, arguments, say):
        self.arguments = arguments
        self.say = say
        self.began = time.monotonic()
        self.about, self.plan = about_run(arguments)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="weir-chaos."))
        about = self.about
        self.recorded = recording.enlarge(self.folder, about["recording"], int(about["seconds"] * about["pace"]))
        self.world = world.World(self.folder, arguments.weir, self.recorded, about["set_up"], standby=about["standby"],
                                 at_once=about["recording"].startswith("synapse-1.67"), extra=arguments.extra)
        if self.plan is None:
            kinds = [kind for kind in plan.KINDS if kind not in arguments.without]
            self.plan = plan.make(about["seed"], about["count"], self.world.parts(), self.world.writer_names,
                                  about["seconds"] / about["count"], kinds)
        self.plan_path = self.folder / "plan.json"
        plan.write(self.plan_path, self.plan, **about)
        self.player = player.Player(self.world, self.plan, say if arguments.verbose else lambda text: None)
        self.lives, self.totals = [], {}

    def play(self):
        """Problems in words; none: all that was expected is there."""
        try:
            self.world.start()
            for writer, count in self.recorded.tokens.items():
                self.world.writers[writer].set_pace(round(count / self.about["seconds"], 2))
            self.player.play()
            self.player.finish()
            self.totals = self.player.totals()
            self.lives = [*self.world.lives, self.world.durable()]
        except servers.Unexpected as unexpected:
            return [f"{unexpected} (at {self.player.now():.3f} s of the plan)"]
        finally:
            self.world.close()
        expected = compare.replay(self.arguments.weir, self.world)
        return compare.compare(self.lives, expected, self.recorded.events, self.world.late())

    def introduce(self):
        self.say(f"chaos: seed {self.about['seed']}, {len(self.plan)} faults, {self.about['set_up']}"
                 f"{', two engines' * self.about['standby']}, {self.about['recording']}, {self.recorded.events} events "
                 f"in {self.about['seconds']:g} s; {self.plan_path}")

    def sum_up(self):
        made = ", ".join(f"{kind} {count}" for kind, count in sorted(self.player.made.items()))
        starts = " + ".join(str(engine.starts) for engine in self.world.engines.values())
        self.say(f"chaos: {sum(self.player.made.values())} faults ({made}); {sum(map(len, self.lives))} rows of "
                 f"{self.recorded.events} events; weir started {starts} times; {time.monotonic() - self.began:.0f} s")
        self.say("chaos: " + (", ".join(f"{name} {value}" for name, value in self.totals.items()) or "no metrics"))

    def report(self, problems):
        self.say(f"chaos: FAILED with seed {self.about['seed']}; the same again: tests/chaos/run.py --plan "
                 f"{self.plan_path}")
        for line in problems:
            self.say(line)
        self.say("the log nearby:")
        for line in near(self.world, problems):
            self.say(f"  {line[:400]}")
        self.say(f"everything is kept in {self.folder}")


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
    chaos = Run(arguments, say)
    chaos.introduce()
    problems = chaos.play()
    chaos.sum_up()
    if problems:
        chaos.report(problems)
        return 1
    if not arguments.keep:
        chaos.world.remove()
    return 0


def parse(words=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weir", default="build/weir", help="the program")
    parser.add_argument("--seed", type=int, default=None, help="default: by chance")
    parser.add_argument("--faults", type=int, default=500)
    parser.add_argument("--seconds", type=float, help="how long the plan is; default: 0.9 for each fault")
    parser.add_argument("--pace", type=float, default=100, help="tokens a second, of all writers together")
    parser.add_argument("--plan", help="a plan that an earlier run has left, instead of a new one")
    parser.add_argument("--recording", choices=RECORDINGS)
    parser.add_argument("--set-up", choices=list(world.SET_UPS))
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
