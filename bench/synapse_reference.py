#!/usr/bin/python3
"""The rules of every figure as modules in Synapse's own chain: synapse_reference.py SYNAPSE BODIES RULES.

SYNAPSE is a checkout of Synapse 1.67, BODIES has the JSON of one event a line, RULES the configurations of the chain's
modules. Answers "ready", how many events are denied, the sum of their places and what was used, or "missing" and why
Synapse cannot be loaded; then a pass over all events for each line on standard input: seconds, denied, sum of places.

What is Synapse's is real: the event from its JSON, as the database's rows are read, and SpamChecker with its modules,
metrics, logging contexts and Deferreds. There is no database, no network, no authorisation and no reactor that runs:
the modules never wait, so each question is answered at once.
"""

import json
import pathlib
import re
import sys
import tempfile
import time

ROOM_VERSION = "10"  # of every room in the recording
WARM_PASSES = 1
CODE = "M_FORBIDDEN"


def give_version(folder):
    """Synapse asks which version of itself is installed; a checkout is not."""
    metadata = pathlib.Path(folder) / "matrix_synapse-1.67.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: matrix-synapse\nVersion: 1.67.0\nProvides-Extra: all\n")
    sys.path.insert(0, folder)


class SenderList:
    def __init__(self, rules, refusal):
        self.users = set(rules["users"])
        self.refusal = refusal

    async def check_event_for_spam(self, event):
        return self.refusal if event.sender in self.users else "NOT_SPAM"


class Keywords:
    def __init__(self, rules, refusal):
        self.expressions = [re.compile(pattern, re.IGNORECASE) for pattern in rules["patterns"]]
        self.refusal = refusal

    async def check_event_for_spam(self, event):
        body = event.content.get("body")
        if isinstance(body, str):
            for expression in self.expressions:
                if expression.search(body):
                    return self.refusal
        return "NOT_SPAM"


class LinkDomains:
    # The authority of a link. It is looked ahead at, so that a link inside it is found, too.
    LINK = re.compile(r"""https?://(?=([^\s/?#"'<>()\[\],]*))""", re.IGNORECASE)

    def __init__(self, rules, refusal):
        self.domains = {domain.lower() for domain in rules["domains"]}
        self.refusal = refusal

    def links_to_listed(self, text):
        for authority in self.LINK.findall(text):
            host = authority.rpartition("@")[2].partition(":")[0].removesuffix(".").lower()
            while host:
                if host in self.domains:
                    return True
                host = host.partition(".")[2]
        return False

    async def check_event_for_spam(self, event):
        for key in ("body", "formatted_body"):
            text = event.content.get(key)
            if isinstance(text, str) and self.links_to_listed(text):
                return self.refusal
        return "NOT_SPAM"


MODULES = {"sender_list": SenderList, "keywords": Keywords, "link_domains": LinkDomains}


def read(path):
    return pathlib.Path(path).read_text(encoding="utf-8")


def answer(question):
    """What a coroutine returns that waits for nothing."""
    try:
        question.send(None)
    except StopIteration as stop:
        return stop.value
    raise RuntimeError("a module waits")


class Bench:
    def __init__(self, bodies, rules):
        from synapse.api.errors import Codes
        from synapse.api.room_versions import KNOWN_ROOM_VERSIONS
        from synapse.events import make_event_from_dict
        from synapse.events.spamcheck import SpamChecker
        from synapse.logging.context import LoggingContext
        from synapse.util import SYNAPSE_VERSION, Clock, json_decoder
        from twisted.internet import reactor

        class HomeServer:
            """As much of it as a SpamChecker asks for."""

            def get_clock(self):
                return Clock(reactor)

        self.bodies = bodies
        self.version = SYNAPSE_VERSION
        self.room_version = KNOWN_ROOM_VERSIONS[ROOM_VERSION]
        self.make_event = make_event_from_dict
        self.decode = json_decoder.decode
        self.logging_context = LoggingContext
        self.checker = SpamChecker(HomeServer())
        for name, configuration in rules.items():
            module = MODULES[name](configuration, Codes(CODE))
            self.checker.register_callbacks(check_event_for_spam=module.check_event_for_spam)

    def run(self):
        """Seconds, denied events and the sum of their places."""
        denied = places = 0
        start = time.perf_counter()
        with self.logging_context("bench"):
            for place, body in enumerate(self.bodies):
                event = self.make_event(self.decode(body), self.room_version)
                if answer(self.checker.check_event_for_spam(event)) != self.checker.NOT_SPAM:
                    denied += 1
                    places += place
        return time.perf_counter() - start, denied, places


def main():
    synapse, bodies, rules = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        give_version(folder)
        sys.path.insert(0, synapse)
        try:
            bench = Bench(read(bodies).rstrip("\n").split("\n"), json.loads(read(rules)))
        except ImportError as error:
            print(f"missing {error}", flush=True)
            return
    for _ in range(WARM_PASSES):
        bench.run()
    _, denied, places = bench.run()
    python = sys.version.split()[0]
    print(f"ready {denied} {places} Synapse {bench.version}, Python {python}", flush=True)
    for _ in sys.stdin:
        seconds, denied, places = bench.run()
        print(f"{seconds} {denied} {places}", flush=True)


if __name__ == "__main__":
    main()
