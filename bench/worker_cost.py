#!/usr/bin/python3
"""A Synapse worker as far as check_event_for_spam goes: worker_cost.py SYNAPSE BODIES RULES REDIS_SOCKET SERVER_NAME.

SYNAPSE is a checkout of Synapse 1.67; BODIES and RULES are as synapse_reference.py has them. Answers "ready" and what was
used, or "missing" and why Synapse cannot be loaded; then a pass over all events for each line on standard input, which says
who judges: `weir` (deploy/synapse/weir_module.py, and an engine that is there), `python` (the modules of
synapse_reference.py in this process), or `nobody`. A pass is answered with seconds of this process's processor, seconds, and
how many events were denied.

Synapse's own code is real: the event objects, SpamChecker with its metrics and logging contexts, and the reactor. All are
driven alike, so many events in flight as a busy worker has. Each event is made just before it is asked about, as in a
worker, whose caches hold it then; what that costs is what `nobody` costs.
"""

import json
import pathlib
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.path.insert(0, str(HERE.parent / "deploy" / "synapse"))

from synapse_reference import CODE, MODULES, ROOM_VERSION, give_version, read  # noqa: E402

IN_FLIGHT = 64


class Worker:
    def __init__(self, bodies, rules, socket, server_name):
        from synapse.api.errors import Codes
        from synapse.api.room_versions import KNOWN_ROOM_VERSIONS
        from synapse.events import make_event_from_dict
        from synapse.events.spamcheck import SpamChecker
        from synapse.metrics import install_gc_manager
        from synapse.util import Clock, json_decoder
        from twisted.internet import reactor

        class HomeServer:
            """As much of it as SpamChecker and the module ask for."""

            hostname = server_name

            class config:
                class redis:
                    redis_enabled = True

            def get_clock(self):
                return Clock(reactor)

            def get_reactor(self):
                return reactor

            def get_instance_name(self):
                return "worker1"

        class ModuleApi:
            def __init__(self, hs, checker):
                self._hs = hs
                self.checker = checker

            def register_spam_checker_callbacks(self, *, check_event_for_spam=None):
                self.checker.register_callbacks(check_event_for_spam=check_event_for_spam)

        import weir_module

        install_gc_manager()  # a process of Synapse collects garbage by its own clock
        self.reactor = reactor
        hs = HomeServer()
        self.checkers = {"python": SpamChecker(hs), "weir": SpamChecker(hs)}
        for name, configuration in rules.items():
            module = MODULES[name](configuration, Codes(CODE))
            self.checkers["python"].register_callbacks(check_event_for_spam=module.check_event_for_spam)
        settings = weir_module.WeirModule.parse_config({"callbacks": ["check_event_for_spam"], "redis": {"path": socket},
                                                        "timeout": "60s"})
        self.module = weir_module.WeirModule(settings, ModuleApi(hs, self.checkers["weir"]))
        self.version = KNOWN_ROOM_VERSIONS[ROOM_VERSION]
        self.make_event, self.decode = make_event_from_dict, json_decoder.decode
        self.bodies = bodies

    def run(self, who, done):
        """One pass; `done` gets seconds of the processor, seconds, and the number of denied events."""
        from synapse.logging.context import LoggingContext, run_in_background
        from twisted.internet.defer import gatherResults

        checker, bodies, denied = self.checkers.get(who), iter(self.bodies), 0

        async def ask():
            nonlocal denied
            for body in bodies:
                event = self.make_event(self.decode(body), self.version)
                event.event_id  # a hash, which is taken when it is first asked for
                with LoggingContext("bench"):
                    if checker and await checker.check_event_for_spam(event) != checker.NOT_SPAM:
                        denied += 1

        processor, started = time.process_time(), time.perf_counter()
        waiting = gatherResults([run_in_background(ask) for _ in range(IN_FLIGHT)])
        waiting.addCallback(lambda _: done(time.process_time() - processor, time.perf_counter() - started, denied))
        waiting.addErrback(lambda failure: (failure.printTraceback(), self.reactor.stop()))

    def serve(self):
        from twisted.internet.protocol import Protocol
        from twisted.internet.stdio import StandardIO

        worker = self

        class Lines(Protocol):
            def dataReceived(self, data):
                for who in data.decode().split():
                    worker.run(who, lambda *figures: self.transport.write(("%f %f %d\n" % figures).encode()))

            def connectionLost(self, reason):
                worker.reactor.stop()

        StandardIO(Lines())
        self.reactor.run()


def main():
    synapse, bodies, rules, socket, server_name = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        give_version(folder)
        sys.path.insert(0, synapse)
        try:
            worker = Worker(read(bodies).rstrip("\n").split("\n"), json.loads(read(rules)), socket, server_name)
        except ImportError as error:
            print(f"missing {error}", flush=True)
            return
    print(f"ready Python {sys.version.split()[0]}", flush=True)
    worker.serve()


if __name__ == "__main__":
    main()
