"""The policy server: real requests of other servers, signed and refused, with a notary, a database and a slow service."""

import concurrent.futures
import copy
import json
import os
import socket
import sqlite3
import stat
import subprocess
import time
import unittest

import harness
from harness import run_weir, wait_until
from policy_peers import Homeserver, Key, Notary, canonical, event_id, hashed, post, signed_part
from postgres_test import PostgresServer
from service_test import SLOW, ServiceServer
from synapse_server import METADATA, PYTHON

SIGN = "/_matrix/policy/v1/sign"
UNSTABLE = "/_matrix/policy/unstable/org.matrix.msc4284/sign"
VIA = "lab.test"
KEY_ID = "ed25519:policy_server"
VERSION = ", default_room_version: 10"
KEYWORD = "{module: keywords, config: {patterns: [spam]}}"
# Verifies the signature with Synapse's own code.
SYNAPSE_CHECK = """
import json, sys
from signedjson.key import decode_verify_key_bytes
from signedjson.sign import verify_signed_json
from unpaddedbase64 import decode_base64
from synapse.api.room_versions import KNOWN_ROOM_VERSIONS
from synapse.events.utils import prune_event_dict
event, key, via = json.load(sys.stdin)
verify_signed_json(prune_event_dict(KNOWN_ROOM_VERSIONS["10"], event), via,
                   decode_verify_key_bytes("ed25519:policy_server", decode_base64(key)))
print("good")
"""


def why_no_synapse():
    """Synapse without a database server or Redis needs less than synapse_server does."""
    if not os.environ.get("SYNAPSE_PATH"):
        return "SYNAPSE_PATH names no checkout of Synapse"
    missing = subprocess.run([PYTHON, "-c", "import twisted, signedjson"], capture_output=True, check=False).stderr.decode()
    return f"Synapse cannot run here: {missing.strip().splitlines()[-1]}" if missing else None


NO_SYNAPSE = why_no_synapse()


class Policy(ServiceServer):
    """Without a database all rooms have one version."""

    bodies = ""
    versions = VERSION

    def setUp(self):
        super().setUp()
        self.notary = Notary()
        self.key_server = self.notary.url
        self.addCleanup(self.notary.server_close)
        self.addCleanup(self.notary.shutdown)
        self.peer = self.homeserver("peer.example")
        run_weir("policy-key", self.folder / "policy.key")
        self.public = run_weir("policy-key", "--show", self.folder / "policy.key").stdout.decode().split()[2]

    def homeserver(self, name, **options):
        server = Homeserver(name, self.folder, VIA, **options)
        self.notary.servers[name] = server
        return server

    def synapse_environment(self):
        metadata = self.folder / "metadata" / "matrix_synapse-1.67.0.dist-info"
        metadata.mkdir(parents=True)
        (metadata / "METADATA").write_text(METADATA.format(version="1.67.0"))
        paths = [os.environ["SYNAPSE_PATH"], str(metadata.parent), os.environ.get("PYTHONPATH", "")]
        return {**os.environ, "PYTHONPATH": ":".join(paths), "LANG": "C.UTF-8"}

    def policy_configuration(self, policy="", modules=KEYWORD, more=""):
        return self.configuration(
            f"{self.bodies}\nobserve: false\n{more}\npolicy_server: {{enabled: true, signing_key_path: policy.key, "
            f"key_server: '{self.key_server}'{self.versions}{policy}}}", modules=f"modules: [{modules}]")

    def start_policy(self, *arguments, **options):
        engine = self.start_engine(self.policy_configuration(*arguments, **options))
        return engine

    def ask(self, engine, event, server=None, uri=SIGN, **changes):
        server = server or self.peer
        return post(engine.http, uri, event, server.authorization(uri, event, **changes))

    def assert_refused(self, answer, status, errcode):
        self.assertEqual((answer[0], answer[1].get("errcode")), (status, errcode), answer)
        self.assertNotIn(VIA, answer[1])

    def assert_signed(self, answer, event, version="10"):
        self.assertEqual(answer[0], 200, answer)
        self.assertEqual(list(answer[1]), [VIA])
        self.assertEqual(list(answer[1][VIA]), [KEY_ID])
        signature = answer[1][VIA][KEY_ID]
        self.assertTrue(Key(self.folder, public=self.public).verifies(signed_part(event, version), signature))
        return signature

    def requests(self, engine, result):
        return self.metric(engine, "weir_policy_requests_total", f'result="{result}"')


class Signs(Policy):
    def test_signs_and_refuses_and_remembers(self):
        engine = self.start_policy()
        good, bad = self.peer.event(), self.peer.event("cheap spam")
        signature = self.assert_signed(self.ask(engine, good), good)
        self.assert_refused(self.ask(engine, bad), 400, "M_FORBIDDEN")
        other = self.homeserver("other.example:8448")
        self.assertEqual(self.assert_signed(self.ask(engine, good, other), good), signature)
        self.assert_refused(self.ask(engine, bad, other), 400, "M_FORBIDDEN")
        self.assertEqual(self.ask(engine, good, uri=UNSTABLE)[1], {VIA: {KEY_ID: signature}})
        self.assertEqual(self.ask(engine, bad, uri=UNSTABLE), (200, {}))
        for event, recommendation in ((good, "ok"), (bad, "spam")):
            uri = f"/_matrix/policy/unstable/org.matrix.msc4284/event/{event_id(event).replace('$', '%24')}/check"
            self.assertEqual(self.ask(engine, event, uri=uri), (200, {"recommendation": recommendation}))
        self.assertEqual(self.notary.asked, ["peer.example", "other.example:8448"])
        self.assertEqual(self.metric(engine, "weir_policy_remembered_total"), 6)
        self.assertEqual((self.requests(engine, "signed"), self.requests(engine, "refused")), (4, 4))
        rows = [json.loads(row) for _, row in self.durable()]
        self.assertEqual([(row["event_id"], row["instance"], row["origin"]) for row in rows],
                         [(event_id(bad), "peer.example", "request")])
        # What came of an event stays, whatever the rules are now: servers must not hear different things.
        self.policy_configuration(modules="{module: keywords, config: {patterns: [hello]}}")
        engine.send_signal(1)
        wait_until(lambda: self.logged(engine, "the configuration was loaded again"))
        self.assertEqual(self.assert_signed(self.ask(engine, good), good), signature)
        self.assert_refused(self.ask(engine, self.peer.event("hello you")), 400, "M_FORBIDDEN")
        self.check_with_synapse(good, signature)
        self.stop_engine(engine)

    def check_with_synapse(self, event, signature):
        if NO_SYNAPSE:
            return
        event = copy.deepcopy(event)
        event["signatures"][VIA] = {KEY_ID: signature}
        done = subprocess.run([PYTHON, "-B", "-c", SYNAPSE_CHECK], capture_output=True, text=True, check=False,
                              input=json.dumps([event, self.public, VIA]),
                              env=self.synapse_environment())
        self.assertEqual(done.stdout, "good\n", done.stderr)

    def test_events_that_are_none(self):
        engine = self.start_policy()
        event = self.peer.event()
        tampered = {**event, "content": {"body": "other"}}
        self.assert_refused(self.ask(engine, tampered), 400, "M_BAD_JSON")
        self.assert_refused(self.ask(engine, {key: event[key] for key in event if key != "depth"}), 400, "M_BAD_JSON")
        self.assert_refused(self.ask(engine, {key: event[key] for key in event if key != "room_id"}), 400, "M_BAD_JSON")
        self.assert_refused(self.ask(engine, []), 400, "M_BAD_JSON")
        self.assert_refused(self.ask(engine, self.peer.event(content={"n": 1.5})), 400, "M_BAD_JSON")
        self.assert_refused(self.ask(engine, self.peer.event("x" * 66000)), 400, "M_BAD_JSON")
        self.assert_refused(post(engine.http, SIGN, b"{", self.peer.authorization(SIGN, {})), 400, "M_NOT_JSON")
        self.assert_refused(post(engine.http, SIGN, b"", self.peer.authorization(SIGN, None)), 400, "M_NOT_JSON")
        self.assertEqual(self.ask(engine, tampered, uri=UNSTABLE)[0], 400)
        uri = "/_matrix/policy/unstable/org.matrix.msc4284/event/%24x/check"
        self.assertEqual(self.ask(engine, tampered, uri=uri), (200, {"recommendation": "spam"}))
        self.assertEqual(post(engine.http, uri, b"", self.peer.authorization(uri, None)),
                         (200, {"recommendation": "spam"}))
        # The others may still ask about the event itself.
        self.assert_signed(self.ask(engine, event), event)
        self.stop_engine(engine)

    def test_rooms_that_are_served(self):
        engine = self.start_policy(", rooms: ['!a:x', '!room:lab.test']")
        event = self.peer.event()
        self.assert_signed(self.ask(engine, event), event)
        self.assert_refused(self.ask(engine, self.peer.event(room="!b:x")), 404, "M_NOT_FOUND")
        # An event that creates a room says itself which version that has.
        create = self.peer.event(type="m.room.create", state_key="", content={"room_version": "11"})
        self.assert_signed(self.ask(engine, create), create, "11")
        self.stop_engine(engine)

    def test_the_event_that_names_the_policy_server(self):
        engine = self.start_policy()
        for event_type, state_key, signed in (("m.room.policy", "", True), ("org.matrix.msc4284.policy", "", True),
                                              ("m.room.policy", "x", False), ("m.room.policy", None, False)):
            event = self.peer.event(type=event_type, content={"body": "spam"},
                                    **({} if state_key is None else {"state_key": state_key}))
            answer = self.ask(engine, event)
            if signed:
                self.assert_signed(answer, event)
            else:
                self.assert_refused(answer, 400, "M_FORBIDDEN")
        self.stop_engine(engine)

    def test_pages(self):
        engine = self.start_policy()
        keys = {"public_keys": {"ed25519": self.public}}
        for path in ("/.well-known/matrix/policy_server", "/.well-known/matrix/org.matrix.msc4284.policy_server"):
            status, text = self.http(engine, path)
            self.assertEqual((status, json.loads(text)), (200, keys))
        self.assertEqual(post(engine.http, SIGN, b"", method="PUT")[0], 405)
        self.assert_refused(post(engine.http, "/_matrix/policy/v1/other", b"{}"), 404, "M_UNRECOGNIZED")
        self.assert_refused(post(engine.http, SIGN, b"x" * 600000), 413, "M_TOO_LARGE")
        self.stop_engine(engine)

    def test_off_by_default(self):
        engine = self.start_engine(self.configuration("observe: false", modules=f"modules: [{KEYWORD}]"))
        self.assert_refused(post(engine.http, SIGN, b"{}"), 404, "M_UNRECOGNIZED")
        self.assertEqual(self.http(engine, "/.well-known/matrix/policy_server")[0], 404)
        self.assertIsNone(self.requests(engine, "signed"))
        self.stop_engine(engine)


class Rooms(PostgresServer, Policy):
    """With a database, which knows the rooms."""

    versions = ""

    def setUp(self):
        super().setUp()
        self.sql("INSERT INTO rooms (room_id, room_version) VALUES ('!room:lab.test', '10'), ('!slow:lab.test', '10'), "
                 "('!old:lab.test', '1'), ('!odd:lab.test', 'org.example.odd'), ('!null:lab.test', NULL)")

    def test_rooms_and_their_versions(self):
        engine = self.start_policy()
        self.assert_refused(self.ask(engine, self.peer.event(room="!unknown:lab.test")), 404, "M_NOT_FOUND")
        self.assert_refused(self.ask(engine, self.peer.event(room="!odd:lab.test")), 404, "M_NOT_FOUND")
        self.assert_refused(self.ask(engine, self.peer.event(room="!null:lab.test")), 404, "M_NOT_FOUND")
        self.assert_refused(self.ask(engine, self.peer.event(room="!nul\0:lab.test")), 404, "M_NOT_FOUND")
        old = self.peer.event(room="!old:lab.test", event_id="$1:peer.example", prev_events=[], auth_events=[])
        self.assert_signed(self.ask(engine, old), old)
        # A room of version 12 has the id of the event that creates it.
        create = self.peer.event(type="m.room.create", state_key="", content={"room_version": "12"})
        del create["room_id"]
        create = hashed(create)
        self.assert_refused(self.ask(engine, create), 404, "M_NOT_FOUND")
        room = "!" + event_id(create, "12")[1:]
        self.sql(f"INSERT INTO rooms (room_id, room_version) VALUES ('{room}', '12')")
        answer = wait_until(lambda: (lambda answer: answer[0] == 200 and answer)(self.ask(engine, create)),
                            what="a new room to be known")
        self.assert_signed(answer, create, "12")
        inside = self.peer.event(room=room)
        self.assert_signed(self.ask(engine, inside), inside, "12")
        self.stop_engine(engine)

    def test_servers_that_a_room_keeps_out(self):
        acl = {"type": "m.room.server_acl", "content": {"allow": ["*"], "deny": ["*.evil.example"], "x": "\0"}}
        self.insert([("$acl", acl)])
        self.sql("INSERT INTO current_state_events VALUES ('$acl', '!room:lab.test', 'm.room.server_acl', '', NULL)")
        engine = self.start_policy()
        event, evil = self.peer.event(), self.homeserver("x.EVIL.example:8448")
        self.assert_refused(self.ask(engine, event, evil), 403, "M_FORBIDDEN")
        self.assert_refused(self.ask(engine, event, evil, uri=UNSTABLE), 403, "M_FORBIDDEN")
        self.assert_signed(self.ask(engine, event), event)
        old = evil.event(room="!slow:lab.test")
        self.assert_signed(self.ask(engine, old, evil), old)
        self.assertEqual(self.requests(engine, "kept_out"), 2)
        self.stop_engine(engine)

    def test_a_database_that_is_gone(self):
        engine = self.start_policy()
        event = self.peer.event()
        self.assert_signed(self.ask(engine, event), event)
        self.postgres.kill()
        self.postgres.wait()
        wait_until(lambda: self.logged(engine, "no connection to the database for the versions of rooms; requests to the "
                                               "policy server wait for it"), what="the loss")
        other = self.peer.event("another in a room that is known")
        self.assert_signed(self.ask(engine, other), other)
        waiting = self.peer.event(room=SLOW)
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            answer = pool.submit(self.ask, engine, waiting)
            wait_until(lambda: self.metric(engine, "weir_policy_waiting") == 1, what="the request to wait")
            self.start_postgres()
            self.assert_signed(answer.result(), waiting)
        self.stop_engine(engine)


class WhoAsks(Policy):
    def test_only_who_signs_is_answered(self):
        engine = self.start_policy()
        event = self.peer.event()
        stranger = Homeserver("stranger.example", self.folder, VIA)
        liar = Homeserver("peer.example", self.folder, VIA)
        liar.key = stranger.key
        late = self.homeserver("late.example")
        late.valid_until = 1000
        good = self.peer.authorization(SIGN, event)
        for authorization in (None, "Bearer abc", "X-Matrix nonsense", good.replace('sig="', 'sig="A'),
                              self.peer.authorization(SIGN, event, destination="else.example"),
                              self.peer.authorization(SIGN, event, key="ed25519:unknown"),
                              self.peer.authorization(SIGN, event, origin="other.example"),
                              self.peer.authorization(UNSTABLE, event), self.peer.authorization(SIGN, {**event, "a": 1}),
                              self.peer.authorization(SIGN + "?x=1", event), stranger.authorization(SIGN, event),
                              liar.authorization(SIGN, event), late.authorization(SIGN, event)):
            self.assert_refused(post(engine.http, SIGN, event, authorization), 401, "M_UNAUTHORIZED")
        self.assertEqual(self.requests(engine, "unauthenticated"), 13)
        self.assertIsNone(self.redis.xlen("x") or None)
        for authorization in (good, self.peer.authorization(SIGN, event, destination=None)):
            self.assert_signed(post(engine.http, SIGN, event, authorization), event)
        self.assert_signed(self.ask(engine, event, uri=SIGN + "?x=1&y=%20"), event)
        # Neither unknown servers nor unknown keys are asked for again and again.
        self.assertEqual(sorted(self.notary.asked), ["late.example", "other.example", "peer.example", "peer.example",
                                                     "stranger.example"])
        self.assertIn("a request to the policy server was refused: it is not known who asks",
                      [line["message"] for line in self.log_lines(engine)])
        self.stop_engine(engine)

    def test_a_notary_that_fails(self):
        engine = self.start_policy(", timeout: 3s")
        self.notary.status = 502
        self.assert_refused(self.ask(engine, self.peer.event()), 503, "M_UNKNOWN")
        self.assertGreater(len(self.notary.asked), 1)
        self.notary.asked.clear()
        # One that is back in time is asked again: a server that is told no does not ask again.
        other = self.homeserver("other.example")
        event = other.event()
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            answer = pool.submit(self.ask, engine, event, other)
            wait_until(lambda: self.notary.asked, what="the first attempt")
            self.notary.status = 200
            self.assert_signed(answer.result(), event)
        self.assertEqual(self.metric(engine, "weir_server_key_fetches_total", 'result="failed"'), 1)
        self.stop_engine(engine)

    def test_whoever_asks_is_believed_if_told_so(self):
        engine = self.start_policy(", authenticate: false")
        event = self.peer.event()
        self.assert_signed(post(engine.http, SIGN, event), event)
        self.assertEqual(self.notary.asked, [])
        self.stop_engine(engine)

    def test_keys_are_asked_for_once(self):
        engine = self.start_policy()
        self.notary.gate.clear()
        events = [self.peer.event(str(number)) for number in range(30)]
        headers = [self.peer.authorization(SIGN, event) for event in events]
        with concurrent.futures.ThreadPoolExecutor(30) as pool:
            answers = [pool.submit(post, engine.http, SIGN, *pair) for pair in zip(events, headers)]
            wait_until(lambda: self.metric(engine, "weir_policy_waiting") == 30, what="the requests to wait")
            self.notary.gate.set()
            for event, answer in zip(events, answers):
                self.assert_signed(answer.result(), event)
        self.assertEqual(self.notary.asked, ["peer.example"])
        self.stop_engine(engine)


class Waits(Policy):
    def start_slow(self, policy="", more="", reply=lambda question: "NOT_SPAM"):
        self.service = self.serve(reply)
        return self.start_policy(policy, modules=f"{{module: http_service, config: {{url: '{self.service.url}', callbacks: "
                                                 f"[check_event_for_spam], timeout_ms: 30000}}}}", more=more)

    def ask_many(self, pool, engine, event, servers):
        return [pool.submit(post, engine.http, SIGN, event, server.authorization(SIGN, event)) for server in servers]

    def test_hundreds_of_servers_share_one_question(self):
        engine = self.start_slow()
        servers = [self.homeserver(f"s{number % 20}.example") for number in range(20)] * 10
        event = self.peer.event(room=SLOW)
        with concurrent.futures.ThreadPoolExecutor(200) as pool:
            answers = self.ask_many(pool, engine, event, servers)
            wait_until(lambda: self.metric(engine, "weir_policy_shared_total") == 199, 60, "all to wait")
            self.assertEqual(self.metric(engine, "weir_policy_waiting"), 200)
            self.service.gate.set()
            signatures = {json.dumps(answer.result()) for answer in answers}
        self.assertEqual(len(signatures), 1)
        self.assert_signed(json.loads(signatures.pop()), event)
        self.assertEqual(len(self.service.questions), 1)
        # What the hashes do not cover is not shown: nobody could rely on it.
        shown = self.service.questions[0]["args"]["event"]
        self.assertEqual(shown["event_id"], event_id(event))
        self.assertFalse({"unsigned", "signatures"} & set(shown))
        self.stop_engine(engine)

    def test_a_client_that_goes_does_not_take_the_others_along(self):
        engine = self.start_slow()
        event = self.peer.event(room=SLOW)
        data = json.dumps(event).encode()
        host, port = engine.http.split(":")
        with socket.create_connection((host, int(port))) as leaving:
            leaving.sendall(f"POST {SIGN} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(data)}\r\nAuthorization: "
                            f"{self.peer.authorization(SIGN, event)}\r\n\r\n".encode() + data)
            wait_until(lambda: len(self.service.questions) == 1, what="the question")
            with concurrent.futures.ThreadPoolExecutor(2) as pool:
                answers = self.ask_many(pool, engine, event, [self.peer, self.peer])
                wait_until(lambda: self.metric(engine, "weir_policy_waiting") == 3)
                leaving.close()
                wait_until(lambda: self.requests(engine, "gone") == 1, what="the client's going")
                self.service.gate.set()
                for answer in answers:
                    self.assert_signed(answer.result(), event)
        self.assertEqual(len(self.service.questions), 1)
        self.stop_engine(engine)

    def test_nothing_is_signed_without_a_verdict_in_time(self):
        engine = self.start_slow(", timeout: 1s")
        event = self.peer.event(room=SLOW)
        self.assert_refused(self.ask(engine, event), 503, "M_UNKNOWN")
        self.assert_refused(self.ask(engine, event), 503, "M_UNKNOWN")
        self.assertEqual(self.requests(engine, "failed"), 2)
        self.service.gate.set()
        self.assert_signed(self.ask(engine, event), event)
        self.stop_engine(engine)

    def test_overload_is_told_at_once(self):
        engine = self.start_slow(more="requests: {waiting_per_asker: 2}")
        events = [self.peer.event(str(number), room=SLOW) for number in range(3)]
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            answers = [pool.submit(self.ask, engine, event) for event in events[:2]]
            wait_until(lambda: len(self.service.questions) == 2)
            self.assert_refused(self.ask(engine, events[2]), 429, "M_LIMIT_EXCEEDED")
            self.service.gate.set()
            for event, answer in zip(events, answers):
                self.assert_signed(answer.result(), event)
        self.assert_signed(self.ask(engine, events[2]), events[2])
        self.stop_engine(engine)

    def test_a_module_that_fails(self):
        self.write("t.lua", "function check_event_for_spam(event)\n  error('broken')\nend\n")
        engine = self.start_policy(modules="{module: lua, config: {script: t.lua}}")
        event = self.peer.event()
        self.assert_refused(self.ask(engine, event), 503, "M_UNKNOWN")
        self.assert_refused(self.ask(engine, event, uri=UNSTABLE), 503, "M_UNKNOWN")
        self.assertEqual(self.metric(engine, "weir_policy_remembered_total"), 0)
        self.stop_engine(engine)

    def test_a_stop_with_requests_waiting(self):
        engine = self.start_slow()
        self.notary.gate.clear()
        slow, keyless = self.peer.event(room=SLOW), self.homeserver("keyless.example")
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            self.notary.gate.set()
            first = pool.submit(self.ask, engine, slow)
            wait_until(lambda: len(self.service.questions) == 1)
            self.notary.gate.clear()
            second = pool.submit(self.ask, engine, slow, keyless)
            wait_until(lambda: "keyless.example" in self.notary.asked)
            self.stop_engine(engine)
            self.notary.gate.set()
            self.service.gate.set()
            for answer in (first, second):
                try:
                    self.assertNotEqual(answer.result()[0], 200)
                except OSError:
                    pass


SYNAPSE = """
server_name: notary.test
listeners: [{{port: {port}, type: http, bind_addresses: ['127.0.0.1'], resources: [{{names: [federation]}}]}}]
database: {{name: sqlite3, args: {{database: {folder}/synapse.db}}}}
media_store_path: {folder}/media
signing_key_path: {folder}/synapse.key
pid_file: {folder}/synapse.pid
macaroon_secret_key: not-a-secret
form_secret: not-a-secret
report_stats: false
suppress_key_server_warning: true
trusted_key_servers: []
"""


@unittest.skipIf(NO_SYNAPSE, NO_SYNAPSE)
class SynapseAsNotary(Policy):
    """The real thing as key server; it knows a server's keys already, since it could reach nobody here."""

    def test_keys_come_from_synapse(self):
        port = harness.free_port()
        self.write("synapse.key", "ed25519 a_own YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1\n")
        path = self.write("synapse.yaml", SYNAPSE.format(port=port, folder=self.folder))
        with (self.folder / "synapse.log").open("wb") as output:
            self.start([PYTHON, "-B", "-m", "synapse.app.homeserver", "-c", path], env=self.synapse_environment(),
                       cwd=self.folder, stdout=output, stderr=output)
        address = f"127.0.0.1:{port}"
        wait_until(lambda: self.answers(address), 60, "Synapse")
        now = int(time.time() * 1000)
        with sqlite3.connect(self.folder / "synapse.db") as database:
            database.execute("INSERT INTO server_keys_json VALUES (?, ?, ?, ?, ?, ?)",
                             ("peer.example", self.peer.key_id, "peer.example", now, self.peer.valid_until,
                              canonical(self.peer.keys())))
        database.close()
        self.key_server = f"http://{address}"
        engine = self.start_policy()
        event = self.peer.event()
        self.assert_signed(self.ask(engine, event), event)
        self.assert_refused(self.ask(engine, event, key="ed25519:unknown"), 401, "M_UNAUTHORIZED")
        stranger = Homeserver("127.0.0.1:1", self.folder, VIA)
        self.assert_refused(self.ask(engine, event, stranger), 401, "M_UNAUTHORIZED")
        self.stop_engine(engine)

    @staticmethod
    def answers(address):
        try:
            return post(address, "/_matrix/key/v2/query", {"server_keys": {}})[0] == 200
        except OSError:
            return False


class Configuration(Policy):
    def check(self, text, versions=VERSION):
        self.versions = versions
        return run_weir("check", "-c", self.policy_configuration(text), check=False)

    def test_the_report(self):
        report = self.check(", rooms: ['!a:x', '!b:x']").stdout.decode()
        self.assertIn(f"signs events as lab.test, public key {self.public}, of 2 rooms", report)
        self.assertIn(f"for servers whose keys {self.notary.url} knows", report)

    def test_errors(self):
        for text, versions, sentence in (
                ("", ", default_room_version: '99'", "must be a room version that is known here"),
                (", server_name: 'a b'", VERSION, "must be a server name"),
                (", rooms: []", VERSION, "must have 1 to 100000 room ids"),
                (", rooms: ['a']", VERSION, "must be a room id"),
                (", rooms: some", VERSION, "must be `all`, or a list of room ids"),
                ("", "", "needs to know the versions of rooms"),
                (", timeout: 2m", VERSION, "policy_server.timeout"),
                (", keyserver: x", VERSION, "did you mean")):
            done = self.check(text, versions)
            self.assertEqual(done.returncode, 3, text)
            self.assertIn(sentence, done.stderr.decode(), text)

    def test_the_key_and_the_notary(self):
        path = self.write("other.yaml", "server_name: lab.test\nredis: {host: 127.0.0.1}\nobserve: false\nhttp: false\n"
                                        "bodies: {postgres: {host: /x}}\nmodules: []\npolicy_server: {enabled: true}\n")
        text = run_weir("check", "-c", path, check=False).stderr.decode()
        for sentence in ("policy_server.signing_key_path: is missing", "policy_server.key_server: is missing",
                         "policy_server: needs `http.listen`"):
            self.assertIn(sentence, text)
        for name, content, sentence in (("absent.key", None, "cannot be read"), ("bad.key", "nonsense", "no signing key"),
                                        ("short.key", "ed25519 1 AAAA", "not 32 bytes")):
            if content:
                self.write(name, content)
            more = f"true, signing_key_path: {name}, key_server: 'ftp:x'}}"
            self.write("third.yaml", path.read_text().replace("true}", more))
            done = run_weir("check", "-c", self.folder / "third.yaml", check=False).stderr.decode()
            self.assertIn(sentence, done)
            self.assertIn("policy_server.key_server", done)

    def test_the_key_is_its_owners_alone(self):
        mode = stat.S_IMODE((self.folder / "policy.key").stat().st_mode)
        self.assertEqual(mode, 0o600)
        again = run_weir("policy-key", self.folder / "policy.key", check=False)
        self.assertEqual(again.returncode, 1)
        self.assertIn("never written over", again.stderr.decode())
        (self.folder / "policy.key").chmod(0o644)
        self.assertIn("chmod 600", self.check("").stderr.decode())


if __name__ == "__main__":
    unittest.main()
