"""What each kind of fault does. A function makes it and returns how it ends: nothing, or a function that is called when
its time is over and may return after how many seconds it wants to be called again."""

import random
import signal
import time

import redis

TERMINATION_BOUND = 15.0  # shutdown_timeout, and time on a busy machine


def kill(world, fault):
    process = world.processes[fault.target]
    process.kill()
    return process.start


def stop(world, fault):
    process = world.processes[fault.target]
    process.stop()
    return process.go_on


def terminate(world, fault):
    process = world.processes[fault.target]
    process.expected_end = True
    process.signal(signal.SIGTERM)
    ending = process.process
    deadline = time.monotonic() + TERMINATION_BOUND

    def end():
        code = ending.poll()
        if code is None and time.monotonic() < deadline:
            return 0.05
        process.ended_well(code)
        if not process.running():  # else it was killed and started meanwhile
            process.start()
        return None
    return end


def reload(world, fault):
    process = world.processes[fault.target]
    if process.holds(signal.SIGHUP):  # it has begun
        process.signal(signal.SIGHUP)


def drop(world, fault):
    world.links[fault.target].drop()


def mode_until_the_end(mode, before=None, after=None):
    def make(world, fault):
        link = world.links[fault.target]
        link.set_mode(mode)
        if before:
            before(link)

        def end():
            link.set_mode("forward")
            if after:
                after(link)
        return end
    return make


def half_open_for_good(world, fault):
    world.links[fault.target].forget()


def client_kill(world, fault):
    """Of the engines' connections only, which come from their proxies' ports."""
    ports = set().union(*(world.links[f"{name}-redis"].local_ports() for name in world.engines))
    try:
        with redis.Redis(port=world.redis.port, socket_timeout=0.5) as client:
            for found in client.client_list():
                subscribes = found["sub"] != "0"
                if int(found["addr"].rpartition(":")[2]) in ports and subscribes == (fault.target == "pubsub"):
                    client.client_kill_filter(_id=found["id"])
    except redis.RedisError:
        pass  # it is away just now


def garbage_line(chance, writers):
    writer = chance.choice(writers)
    return chance.choice([
        lambda: chance.randbytes(chance.randrange(1, 300)),
        lambda: "x" * chance.randrange(1, 300000),
        lambda: f"RDATA events {writer} {chance.randrange(1 << 30)} [\"ev\",[\"$a" + "[" * chance.randrange(9000),
        lambda: f"RDATA events {writer} batch [\"ev\",[5]]",
        lambda: f"RDATA events {writer} {1 << 70} [\"ev\",[]]",
        lambda: f"RDATA events {writer} batch",
        lambda: f"RDATA events  batch {{}}",
        lambda: f"RDATA no_such_stream {writer} 5 [1,2]",
        lambda: f"POSITION events {writer} x {chance.randrange(1 << 30)}",
        lambda: f"POSITION events {writer}",
        lambda: f"POSITION no_such_stream {writer} 1 2",
        lambda: f"NO_SUCH_COMMAND {writer}",
        lambda: chance.choice([" REPLICATE", "", "\t\n", "POSITION", "RDATA", "rdata events a 1 []", "LOCK_RELEASED [1",
                               "USER_IP @a:b [\"token\"", "FEDERATION_ACK x y", "ERROR what"]),
    ])()


def garbage(world, fault):
    chance = random.Random(fault.at)
    for _ in range(int(fault.amount)):
        world.voice.wanted.put(garbage_line(chance, world.writer_names))


def order(what):
    """A writer misbehaves so many times."""
    def make(world, fault):
        world.writers[fault.target].tell(what, int(fault.amount))
    return make


def failed_publish(world, fault):
    world.lose_publishes(fault.target, int(fault.amount))


def redis_loses_data(world, fault):
    world.lose_data()


def all_lost(world, fault):
    world.weir.kill()
    world.lose_data(and_then=world.weir.start)


MAKE = {
    "kill": kill,
    "terminate": terminate,
    "stop": stop,
    "reload": reload,
    "drop": drop,
    "refuse": mode_until_the_end("refuse", before=lambda link: link.drop()),
    "stall": mode_until_the_end("stall"),
    "slow": mode_until_the_end("slow"),
    "half-open": mode_until_the_end("forget", before=lambda link: link.forget(), after=lambda link: link.drop()),
    "half-open-for-good": half_open_for_good,
    "client-kill": client_kill,
    "garbage": garbage,
    "duplicate": order("duplicate"),
    "slow-batches": order("slow"),
    "replicate": order("replicate"),
    "burst": order("burst"),
    "failed-publish": failed_publish,
    "redis-loses-data": redis_loses_data,
    "all-lost": all_lost,
}
