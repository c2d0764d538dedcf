"""The real synapse-http-antispam within Synapse 1.67's own classes, against the real program, its known defects
included (they are the module's, and no server can mend them).

SYNAPSE_PATH names a checkout of Synapse v1.67.0 and ANTISPAM_PATH the folder of synapse_http_antispam.py (v0.5.0);
what Debian has no package of (txredisapi) is looked for in PYTHONPATH. Without both the tests are skipped."""

import http.client
import inspect
import json
import logging
import os
import sys
import types
import unittest
import urllib.parse

from antispam_test import LUA, MEOWLNIR, SCRIPT, AntispamServer

SYNAPSE, ANTISPAM = os.environ.get("SYNAPSE_PATH"), os.environ.get("ANTISPAM_PATH")
METADATA = "Metadata-Version: 2.1\nName: matrix-synapse\nVersion: 1.67.0\nProvides-Extra: all\n"
HOOKS = ["check_event_for_spam", "user_may_join_room", "user_may_invite", "user_may_send_3pid_invite",
         "user_may_create_room", "user_may_create_room_alias", "user_may_publish_room"]


def run(awaitable):
    """The result of what never waits for the reactor."""
    from twisted.internet import defer
    results = []
    deferred = defer.ensureDeferred(awaitable) if inspect.iscoroutine(awaitable) else awaitable
    deferred.addBoth(results.append)
    if hasattr(results[0], "raiseException"):
        results[0].raiseException()
    return results[0]


class PlainClient:
    """Does what Synapse's SimpleHttpClient does, but waits."""

    def __init__(self):
        self.posted = []

    async def post_json_get_json(self, uri, post_json, headers=None):
        from canonicaljson import encode_canonical_json
        from synapse.api.errors import HttpResponseException
        address = urllib.parse.urlsplit(uri)
        connection = http.client.HTTPConnection(address.hostname, address.port, timeout=30)
        self.posted.append(uri)
        try:
            connection.request("POST", address.path, encode_canonical_json(post_json),
                               {"Content-Type": "application/json", "Accept": "application/json",
                                **{name: values[0] for name, values in (headers or {}).items()}})
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        if 200 <= answer.status < 300:
            return json.loads(body.decode())
        raise HttpResponseException(answer.status, answer.reason, body)


@unittest.skipUnless(SYNAPSE and ANTISPAM, "needs SYNAPSE_PATH (v1.67.0) and ANTISPAM_PATH")
class RealModule(AntispamServer):
    def setUp(self):
        super().setUp()
        distribution = self.folder / "matrix_synapse-1.67.0.dist-info"
        distribution.mkdir()
        (distribution / "METADATA").write_text(METADATA)
        sys.path[:0] = [str(self.folder), SYNAPSE, ANTISPAM]
        self.addCleanup(sys.path.__delitem__, slice(0, 3))
        logging.disable(logging.CRITICAL)
        self.addCleanup(logging.disable, logging.NOTSET)
        import synapse_http_antispam
        from synapse.events.spamcheck import SpamChecker
        from synapse.util import Clock
        from twisted.internet import reactor
        self.module_class, self.client_class = synapse_http_antispam.HTTPAntispam, PlainClient
        self.make_checker = lambda: SpamChecker(types.SimpleNamespace(get_clock=lambda: Clock(reactor)))

    def load(self, engine, prefix="/antispam", **config):
        """Synapse's SpamChecker with the module registered, and the module."""
        checker = self.make_checker()
        client = self.client_class()
        api = types.SimpleNamespace(http_client=client, register_spam_checker_callbacks=checker.register_callbacks)
        module = self.module_class({"base_url": f"http://{engine.http}{prefix}", "enabled_callbacks": HOOKS, **config},
                                   api)
        return checker, module, api

    def event(self, body, **members):
        from synapse.api.room_versions import RoomVersions
        from synapse.events import make_event_from_dict
        return make_event_from_dict(
            {"type": "m.room.message", "room_id": "!r:lab.test", "sender": "@a:lab.test", "origin_server_ts": 1,
             "content": {"msgtype": "m.text", "body": body}, "depth": 5, "auth_events": [], "prev_events": [],
             "hashes": {"sha256": "x"}, "signatures": {}, "unsigned": {}, **members}, room_version=RoomVersions.V10)

    def test_every_hook_passes_and_refuses(self):
        from synapse.api.errors import Codes, SynapseError
        engine = self.begin()
        good, bad = "@a:lab.test", "@bad:lab.test"
        for prefix in ("/antispam", MEOWLNIR, "/api/1/spam_check/"):
            checker, _, _ = self.load(engine, prefix)
            questions = [
                (checker.check_event_for_spam, (self.event("hello"),), (self.event("bad"),)),
                (checker.user_may_join_room, (good, "!r:lab.test", True), (good, "!r:lab.test", False)),
                (checker.user_may_invite, (good, good, "!r:lab.test"), (good, bad, "!r:lab.test")),
                (checker.user_may_send_3pid_invite, (good, "email", "a@x", "!r:lab.test"),
                 (good, "email", "bad@x", "!r:lab.test")),
                (checker.user_may_create_room, (good,), (bad,)),
                (checker.user_may_publish_room, (good, "!r:lab.test"), (good, "!bad:lab.test")),
            ]
            for function, passing, refused in questions:
                with self.subTest(prefix=prefix, function=function.__name__):
                    self.assertEqual(run(function(*passing)), checker.NOT_SPAM)
                    code, fields = run(function(*refused))
                    self.assertEqual((code, list(fields)), (Codes.FORBIDDEN, ["error"]))
                    shown = SynapseError(403, "Synapse's own text", code, fields).error_dict(None)
                    self.assertEqual(shown, {"errcode": "M_FORBIDDEN", "error": fields["error"]})
        self.assertEqual(self.answers(engine, "malformed"), 0)
        self.assertEqual(self.answers(engine, "refused"), 18)

    def test_what_a_client_is_shown(self):
        from synapse.api.errors import Codes, SynapseError
        checker, _, _ = self.load(self.begin())

        def shown(user):
            code, fields = run(checker.user_may_create_room(user))
            return code, SynapseError(403, "Synapse's own text", code, fields).error_dict(None)

        self.assertEqual(shown("@limited:x"), (Codes.LIMIT_EXCEEDED, {"errcode": "M_LIMIT_EXCEEDED", "error": "slow",
                                                                      "retry_after_ms": 5}))
        self.assertEqual(shown("@thrown:x"), (Codes.UNKNOWN, {"errcode": "M_UNKNOWN", "error": "law", "law": "x"}))
        self.assertEqual(run(checker.check_event_for_spam(self.event("text"))),
                         (Codes.FORBIDDEN, {"error": "a sentence of its own"}))

    def test_a_failure_follows_fail_open(self):
        from synapse.api.errors import Codes
        engine = self.begin()
        closed, _, _ = self.load(engine)
        opened, _, _ = self.load(engine, fail_open={"user_may_create_room": True, "check_event_for_spam": False})
        answer = (Codes.UNKNOWN, {"error": "Unexpected response from antispam server"})
        self.assertEqual(run(closed.user_may_create_room("@raises:x")), answer)
        self.assertEqual(run(closed.check_event_for_spam(self.event("raises"))), closed.NOT_SPAM)
        self.assertEqual(run(opened.user_may_create_room("@raises:x")), opened.NOT_SPAM)
        self.assertEqual(run(opened.check_event_for_spam(self.event("raises"))), answer)

    def test_events_of_every_kind(self):
        checker, module, _ = self.load(self.begin())
        member = self.event("x", type="m.room.member", state_key="@b:lab.test", content={"membership": "invite"},
                            unsigned={"invite_room_state": [{"type": "m.room.name", "content": {"name": "a room"}}]})
        self.assertEqual(run(checker.check_event_for_spam(member)), checker.NOT_SPAM)
        self.assertEqual(run(module.federated_user_may_invite(member)), checker.NOT_SPAM)
        member = self.event("x", type="m.room.member", state_key="@b:lab.test", content={"membership": "invite"},
                            unsigned={"invite_room_state": [{"type": "m.room.name", "content": {"name": "a bad room"}}]})
        self.assertEqual(run(module.federated_user_may_invite(member))[0], "M_FORBIDDEN")
        login = ("@a:lab.test", None, None, [("curl", "127.0.0.1"), (None, "::1")], None)
        self.assertEqual(run(module.check_login_for_spam(*login)), checker.NOT_SPAM)
        self.assertEqual(run(module.check_login_for_spam("@bad:lab.test", *login[1:]))[0], "M_FORBIDDEN")
        self.assertEqual(run(module.accept_make_join("@bad:lab.test", "!r:lab.test")), checker.NOT_SPAM)

    def test_ping_and_secret(self):
        from synapse.api.errors import Codes
        self.write("t.lua", SCRIPT)
        configuration = self.configuration("bodies: {file: bodies.jsonl}\nrequests: {http: true}", modules=LUA)
        self.write("bodies.jsonl", "")
        configuration.write_text(configuration.read_text().replace("listen: '127.0.0.1:0'",
                                                                   "listen: '127.0.0.1:0', secret: between-us"))
        engine = self.start_engine(configuration)
        _, module, api = self.load(engine, authorization="between-us")
        run(module._do_ping(api))
        self.assertEqual(len(api.http_client.posted), 1, "the first ping is right")
        self.assertEqual(self.answers(engine, "pinged"), 1)
        secret = self.write("secret", "between-us\n")
        checker, _, _ = self.load(engine, authorization_path=str(secret))
        self.assertEqual(run(checker.user_may_create_room("@a:lab.test")), checker.NOT_SPAM)
        checker, _, _ = self.load(engine, authorization="another")
        code, fields = run(checker.user_may_create_room("@a:lab.test"))
        self.assertEqual((code, list(fields)), (Codes.UNKNOWN_TOKEN, ["error"]))

    def test_known_defects(self):
        from synapse.api.errors import Codes
        from synapse.types import RoomAlias
        engine = self.begin()
        checker, module, api = self.load(engine, fail_open={"user_may_create_room_alias": False})
        # It hides whoever the server lets pass: what it answers for a pass is truthy.
        hiding = self.make_checker()
        hiding.register_callbacks(
            check_username_for_spam=lambda profile: module.check_username_for_spam(profile, "@r:x"))
        profile = {"user_id": "@a:lab.test", "display_name": None, "avatar_url": None}
        self.assertTrue(run(hiding.check_username_for_spam(profile)))
        self.assertEqual(self.answers(engine, "passed"), 1)
        # All hooks at once register one that no Synapse has.
        with self.assertRaises(TypeError):
            self.module_class({"base_url": "http://127.0.0.1:1"}, api)
        # An alias cannot be encoded, so that the question never leaves Synapse.
        posted = len(api.http_client.posted)
        alias = run(checker.user_may_create_room_alias("@a:lab.test", RoomAlias.from_string("#x:lab.test")))
        self.assertEqual(alias, (Codes.UNKNOWN, {"error": "Failed to connect to antispam server"}))
        self.assertEqual(self.metric(engine, "weir_antispam_requests_total", 'callback="user_may_create_room_alias"'), 0)
        self.assertEqual(len(api.http_client.posted), posted + 1)
        self.assertEqual(run(checker.user_may_create_room_alias("@a:lab.test", "#x:lab.test")), checker.NOT_SPAM)


if __name__ == "__main__":
    unittest.main()
