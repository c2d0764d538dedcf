"""make soak SECONDS=300: 64 clients ask two engines about everything, over Redis and over HTTP, while engines are killed,
stopped and reloaded, connections are cut, and the web service that some questions wait for goes away. Every answer must
be the right one, nobody may wait in vain but at the moment of a fault, and the engines must not grow."""

import argparse
import asyncio
import contextlib
import json
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import asked
import askers

REDIS_CLIENTS, CALLBACK_CLIENTS, ANTISPAM_CLIENTS = 40, 12, 12
# How long after a fault a question may have been without an answer: the deadline, the time after which another engine
# takes a request over, and what a loaded machine adds.
AFTERMATH = askers.DEADLINE + 4
GROWTH_MIB = 24


def free_port():
    import socket
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Engine:
    def __init__(self, world, number):
        self.world, self.number = world, number
        self.name = f"weir{number}"
        self.port = free_port()
        self.log = world.folder / f"{self.name}.log"
        self.process = None
        world.write(f"{self.name}.yaml", f"server_name: lab.test\ninstance_name: {self.name}\n"
                    f"redis: {{host: 127.0.0.1, port: {world.redis_port}}}\n"
                    f"http: {{listen: '127.0.0.1:{self.port}', secret: {world.secret}}}\n"
                    f"observe: false\nrequests: {{http: true, claim_after: 1s, waiting_per_room: 500}}\nlog: {{level: warning}}\n"
                    + asked.MODULES.format(service=world.service_port))

    def start(self):
        with self.log.open("ab") as log:
            self.process = subprocess.Popen([self.world.weir, "run", "-c", self.world.folder / f"{self.name}.yaml"],
                                            stderr=log)

    def resident_mib(self):
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        return 0

    def descriptors(self):
        return len(list(pathlib.Path(f"/proc/{self.process.pid}/fd").iterdir()))


class World:
    secret = "soak-secret"

    def __init__(self, weir, folder):
        self.weir, self.folder = weir, folder
        self.sanitized = b"__asan_init" in pathlib.Path(weir).read_bytes()
        self.over = False
        self.redis_port, self.service_port = free_port(), free_port()
        self.write("soak.lua", asked.SCRIPT)
        self.engines = [Engine(self, number) for number in (1, 2)]
        self.faults = []         # (moment, what)
        self.service_away = False
        self.service_back = 0.0  # when it came back
        self.redis = None
        self.service = None

    def write(self, name, text):
        (self.folder / name).write_text(text)

    def http_port(self, number):
        """Half of the clients use each engine; while it is away they use the other, as behind a balancer."""
        engine = self.engines[number % 2]
        return engine.port if engine.process.poll() is None else self.engines[1 - number % 2].port

    def forgives(self, callback, value):
        """A question that waited for a service that is away passes, as `on_error` says."""
        recent = self.service_away or time.monotonic() - self.service_back < 8
        return callback == "user_may_join_room" and value == asked.PASS and recent

    async def serve(self, reader, writer):
        """The web service: answers each question on a connection after a little while."""
        chance = random.Random(7)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, OSError):
            while True:
                length = None
                while (header := (await reader.readline())) not in (b"\r\n", b""):
                    if header.lower().startswith(b"content-length:"):
                        length = int(header.split(b":")[1])
                if length is None:
                    break
                question = json.loads(await reader.readexactly(length))
                await asyncio.sleep(chance.random() * 0.03)
                body = json.dumps(asked.service_answer(question)).encode()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        writer.close()

    async def open_service(self):
        self.service_writers = []

        async def serve(reader, writer):
            self.service_writers.append(writer)
            await self.serve(reader, writer)
        self.service = await asyncio.start_server(serve, "127.0.0.1", self.service_port, backlog=256)
        self.service_away = False
        self.service_back = time.monotonic()

    def close_service(self):
        self.service_away = True
        self.service.close()
        for writer in self.service_writers:
            writer.transport.abort()

    async def ask_redis(self, *words):
        reader, writer = await asyncio.open_connection("127.0.0.1", self.redis_port)
        writer.write(askers.command(*words))
        try:
            return await asyncio.wait_for(askers.reply(reader), 10)
        finally:
            writer.close()

    async def start(self):
        self.redis = subprocess.Popen(["redis-server", "--bind", "127.0.0.1", "--port", str(self.redis_port), "--save", "",
                                       "--appendonly", "no", "--dir", self.folder], stdout=subprocess.DEVNULL)
        await self.until(lambda: self.ask_redis("PING"), "redis-server")
        await self.open_service()
        for engine in self.engines:
            engine.start()
        for engine in self.engines:
            await self.await_engine(engine)

    async def await_engine(self, engine):
        async def ready():
            reader, writer = await asyncio.open_connection("127.0.0.1", engine.port)
            writer.write(b"GET /readyz HTTP/1.1\r\nHost: weir\r\nConnection: close\r\n\r\n")
            answer = await asyncio.wait_for(reader.read(), 5)
            writer.close()
            return answer.split()[1:2] == [b"200"]
        await self.until(ready, engine.name)

    @staticmethod
    async def until(condition, what, seconds=30):
        deadline = time.monotonic() + seconds
        while True:
            with contextlib.suppress(OSError, ConnectionError):
                if await condition():
                    return
            if time.monotonic() > deadline:
                raise SystemExit(f"soak: {what} did not come up in {seconds} s")
            await asyncio.sleep(0.02)

    def stop(self):
        for engine in self.engines:
            if engine.process and engine.process.poll() is None:
                engine.process.kill()
                engine.process.wait()
        if self.redis:
            self.redis.kill()
            self.redis.wait()


# ---- faults: each breaks something, and mends it

async def kill_engine(world):
    engine = world.engines[1]
    engine.process.kill()
    engine.process.wait()
    await asyncio.sleep(1)
    engine.start()
    await world.await_engine(engine)


async def stop_engine(world):
    """A stop that is asked for: what it has taken is answered first."""
    engine = world.engines[1]
    engine.process.send_signal(signal.SIGTERM)
    while engine.process.poll() is None:
        await asyncio.sleep(0.02)
    if engine.process.returncode != 0:
        raise SystemExit(f"soak: {engine.name} ended with {engine.process.returncode}")
    engine.start()
    await world.await_engine(engine)


async def reload_engine(world):
    world.engines[0].process.send_signal(signal.SIGHUP)


async def pause_engine(world):
    world.engines[0].process.send_signal(signal.SIGSTOP)
    await asyncio.sleep(1.5)
    world.engines[0].process.send_signal(signal.SIGCONT)


async def cut_connections(world):
    await world.ask_redis("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")


async def cut_subscribers(world):
    await world.ask_redis("CLIENT", "KILL", "TYPE", "pubsub")


async def take_service(world):
    world.close_service()
    await asyncio.sleep(1)
    await world.open_service()


FAULTS = [kill_engine, reload_engine, cut_connections, pause_engine, take_service, stop_engine, cut_subscribers]
# Faults after which no question may be without an answer.
HARMLESS = {"reload_engine"}


async def break_things(world, seconds, say):
    """Each fault at least once, evenly over the time; the last tenth is quiet."""
    rounds = max(1, int(seconds // 60))
    plan = FAULTS * rounds
    step = 0.9 * seconds / (len(plan) + 1)
    for fault in plan:
        await asyncio.sleep(step)
        world.faults.append((time.monotonic(), fault.__name__))
        say(f"  {fault.__name__}")
        await fault(world)
        world.faults.append((time.monotonic(), fault.__name__))


def unexplained(world, spans):
    """Those of (begin, end, what) at which nothing had been broken shortly before or in between."""
    faults = [moment for moment, name in world.faults if name not in HARMLESS]
    return [f"{what}" for begin, end, what in spans
            if not any(begin - AFTERMATH <= moment <= end for moment in faults)]


async def measure(world, sizes):
    """The memory of the engine that is never killed, once a second."""
    while not world.over:
        sizes.append((world.engines[0].resident_mib(), world.engines[0].descriptors()))
        await asyncio.sleep(1)


async def soak(world, seconds, say):
    tally = askers.Tally()
    sizes = []
    crowd = [askers.RedisClient(number, world, tally) for number in range(REDIS_CLIENTS)]
    crowd += [askers.HttpClient(number, world, tally, False) for number in range(CALLBACK_CLIENTS)]
    crowd += [askers.HttpClient(number, world, tally, True) for number in range(ANTISPAM_CLIENTS)]
    tasks = [asyncio.create_task(client.run(asked.endless(number))) for number, client in enumerate(crowd)]
    tasks.append(asyncio.create_task(measure(world, sizes)))
    began = time.monotonic()
    await break_things(world, seconds, say)
    await asyncio.sleep(max(0.0, began + seconds - time.monotonic()))
    world.over = True
    done, pending = await asyncio.wait(tasks, timeout=AFTERMATH + 10)
    problems = [f"a client did not end: {task}" for task in pending]
    problems += [f"a client ended: {task.exception()!r}" for task in done if task.exception()]
    left = await world.ask_redis("XLEN", "lab.test/weir/requests")
    return tally, sizes, time.monotonic() - began, problems, int(left)


def judge(world, tally, sizes, problems, left):
    """What is wrong, a sentence each."""
    problems += tally.wrong[:10]
    problems += [f"no answer in time, and no fault near: {what}" for what in unexplained(world, tally.late)[:10]]
    broken = [(moment, moment, why) for moment, why in tally.broken]
    problems += [f"a connection failed, and no fault near: {why}" for why in unexplained(world, broken)[:10]]
    doubled = unexplained(world, [(moment, moment, "a second answer") for moment in tally.doubled])
    problems += [f"{len(doubled)} second answers with no fault near"] if doubled else []
    if not tally.answered:
        problems.append("nothing was answered")
    if left:
        problems.append(f"{left} requests are left in the stream")
    settled = sizes[len(sizes) // 4] if sizes else (0, 0)
    # A sanitizer keeps what was freed for a while.
    if sizes and not world.sanitized and sizes[-1][0] > settled[0] + GROWTH_MIB:
        problems.append(f"the engine grew from {settled[0]:.0f} to {sizes[-1][0]:.0f} MiB")
    if sizes and sizes[-1][1] > settled[1] + 40:
        problems.append(f"the engine's descriptors grew from {settled[1]} to {sizes[-1][1]}")
    for engine in world.engines:
        for line in engine.log.read_text().splitlines():
            if '"level":"error"' in line or "Sanitizer" in line or "runtime error" in line:
                problems.append(f"{engine.name} says {line[:300]}")
    return problems


def run(arguments, say):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="weir-soak."))
    world = World(str(pathlib.Path(arguments.weir).resolve()), folder)

    async def play():
        await world.start()
        return await soak(world, arguments.seconds, say)
    try:
        tally, sizes, seconds, problems, left = asyncio.run(play())
    finally:
        world.stop()
    problems = judge(world, tally, sizes, problems, left)
    latencies = sorted(tally.latencies) or [0]
    say(f"{tally.answered} right answers in {seconds:.0f} s ({tally.answered / seconds:.0f}/s), "
        f"p50 {latencies[len(latencies) // 2] * 1000:.1f} ms, p99 {latencies[len(latencies) * 99 // 100] * 1000:.1f} ms; "
        f"at faults: {len(tally.late)} without an answer, {len(tally.broken)} broken connections, "
        f"{len(tally.doubled)} second answers; overloaded {tally.overloaded}; "
        f"memory {sizes[0][0]:.0f} to {sizes[-1][0]:.0f} MiB")
    for begin, _, what in tally.late[:5]:
        near = min(world.faults, key=lambda fault: abs(fault[0] - begin), default=(begin, "nothing"))
        say(f"  no answer: {what}, asked {begin - near[0]:+.2f} s from {near[1]}")
    for problem in problems:
        say(f"PROBLEM: {problem}")
    if problems:
        say(f"kept: {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if problems else 0


def parse(words):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weir", default="build/weir")
    parser.add_argument("--seconds", type=float, default=300)
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(run(parse(sys.argv[1:]), lambda text: print(text, flush=True)))
