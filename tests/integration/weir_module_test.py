"""What of Synapse's module needs neither Synapse nor Twisted: the table, arguments, answers, RESP, the configuration."""

import atexit
import collections.abc
import enum
import json
import os
import pathlib
import random
import re
import shutil
import sys
import tempfile
import types
import unittest

import harness
import oracle
from harness import DATA, ROOT, SERVER_NAME

sys.path.insert(0, str(ROOT / "deploy" / "synapse"))
import weir_module  # noqa: E402


class Codes(str, enum.Enum):
    FORBIDDEN = "M_FORBIDDEN"
    LIMIT_EXCEEDED = "M_LIMIT_EXCEEDED"
    BAD_STATE = "M_BAD_STATE"


class SynapseError(Exception):
    def __init__(self, code, msg, errcode="M_UNKNOWN", additional_fields=None):
        super().__init__(msg)
        self.code, self.msg, self.errcode, self.fields = code, msg, errcode, additional_fields


Behaviour = enum.Enum("Behaviour", "ALLOW SHADOW_BAN DENY")


def synapse(minor=10**6):
    """The types of a Synapse of that version."""
    return weir_module.Synapse(minor, Codes, SynapseError, "NOT_SPAM", Behaviour, weir_module.State, weir_module.Limit,
                               weir_module.Override)


class Event:
    event_id, room_id, sender = "$1", "!r:lab.test", "@a:lab.test"

    def __init__(self, **members):
        self.members = {"type": "m.room.message", "content": {"body": "x"}, **members}

    def get_dict(self):
        return dict(self.members)


class Unchangeable(collections.abc.Mapping):
    """As event content is in some versions: no dict."""

    def __init__(self, members):
        self.members = members

    def __getitem__(self, name):
        return self.members[name]

    def __iter__(self):
        return iter(self.members)

    def __len__(self):
        return len(self.members)


# The walks of Synapse's chain over our answer alone (callbacks.md, section 2): what the caller gets, as in the vectors.

def refused(code, fields=None):
    return {"code": Codes(code).value, "fields": fields or {}}


def is_code(value):
    return isinstance(value, Codes)


def is_code_with_fields(value):
    return isinstance(value, tuple) and len(value) == 2 and is_code(value[0]) and isinstance(value[1], dict)


def walk(good, values):
    """The common walk of the spam checker; `values` pass."""

    def walked(value):
        if any(value is passing for passing in values) or isinstance(value, str) and not is_code(value) and value == "NOT_SPAM":
            return {"not_spam": True}
        if is_code(value):
            return refused(value)
        return refused(*value) if is_code_with_fields(value) else refused("M_FORBIDDEN")

    return walked


def walk_event(value):
    if isinstance(value, str) and not is_code(value) and value != "NOT_SPAM":
        return {"str": value}
    return walk(False, [False])(value)


def walk_state_event(value):
    return {"not_spam": True} if value == "NOT_SPAM" and not is_code(value) else refused(value if is_code(value) else "M_FORBIDDEN")


def retag(value):
    """A Python value as the vectors write it."""
    if value is None or isinstance(value, bool):
        return {"none": True} if value is None else {"bool": value}
    if isinstance(value, weir_module.Limit):
        return {"limit": list(value)}
    if isinstance(value, weir_module.Override):
        return {"override": list(value)}
    if isinstance(value, Behaviour):
        return {"behaviour": value.name}
    for kind, tag in ((str, "str"), (int, "int"), (float, "float")):
        if isinstance(value, kind):
            return {tag: value}
    if isinstance(value, (tuple, list)):
        return {"tuple" if isinstance(value, tuple) else "list": [retag(item) for item in value]}
    if isinstance(value, set):
        return {"set": sorted(state_text(item) if isinstance(item, weir_module.State) else item for item in value)}
    if isinstance(value, dict):
        return {"dict": {name: retag(item) for name, item in value.items()}}
    raise AssertionError(f"Synapse would not know what {value!r} is")


def state_text(state):
    return state.user_id if state.state == "offline" else f"{state.user_id}/{state.state}"


def state_of(text):
    user_id, _, state = text.partition("/")
    return {"user_id": user_id, "state": state or "offline", "last_active_ts": 1, "last_federation_update_ts": 2,
            "last_user_sync_ts": 3, "status_msg": None, "currently_active": False}


def truth(tagged):
    """Python's truth of a tagged value."""
    (tag, value), = [(tag, value) for tag, value in tagged.items() if tag != "fields"]
    return tag in ("not_spam", "code", "behaviour", "object") or tag != "none" and bool(value)


ROUTED = {"get_users_for_states"}
LATEST = {sort: walked for sort, walked in (
    (weir_module.EVENT_SPAM, walk_event),
    (weir_module.MAY, walk(True, [True])),
    (weir_module.MEDIA, walk(False, [False])),
    (weir_module.STATE_EVENT, walk_state_event),
    (weir_module.LOGIN, walk(None, [])),
)}


class Vectors(unittest.TestCase):
    """What the vectors expect of Synapse's chain, and what the module makes of it."""

    maxDiff = None

    def wire(self, callback, result):
        """The result as the engine writes it."""
        if callback == "get_users_for_states":
            return {"dict": {user: {"set": [state_of(text) for text in states["set"]]}
                             for user, states in result["dict"].items()}}
        return "NOT_SPAM" if result == {"not_spam": True} else result

    def answer(self, vector, minor):
        callback = weir_module.CALLBACKS[vector["callback"]]
        value, _ = weir_module.read_answer(json.dumps(self.wire(callback.name, vector["expect"]["result"])))
        return callback.sort, callback.sort.convert(synapse(minor), value, (Event(),))

    def expected(self, vector):
        """The vector's result, less what deploy/synapse/README.md says is lost on the way."""
        callback, result = vector["callback"], vector["expect"]["result"]
        sort = weir_module.CALLBACKS[callback].sort
        if sort is weir_module.TRUTH:
            return {"bool": truth(result)}
        if sort is weir_module.EXPIRED:
            return {"none": True} if result == {"bool": False} else {"bool": truth(result)}
        if sort is weir_module.AUTHENTICATED and "tuple" in result:
            return {"tuple": [result["tuple"][0], {"none": True}]}
        if sort is weir_module.TEXT and "code" in result:
            return {"str": result["code"]}
        if sort is weir_module.OVERRIDE and "override" not in result:
            return {"none": True}
        if "event" in str(result) and sort is weir_module.ALLOWED:
            members = {**Event().members, **result["tuple"][1].get("event", {})}
            return {"tuple": [{"bool": True}, retag_plain(members)]}
        if "set" in result:
            return {"set": sorted(result["set"])}
        if callback in ROUTED:
            return {"dict": {user: {"set": sorted(states["set"])} for user, states in result["dict"].items()}}
        return {"str": "ALL"} if result == {"all_users": True} else result

    def vectors(self, version):
        for vector in oracle.read_jsonl(DATA / "chain-vectors.jsonl.zst"):
            if vector["version"] == version and vector["callback"] in weir_module.CALLBACKS and "result" in vector["expect"]:
                if vector["expect"]["result"] == {"host_text": True}:
                    vector["expect"]["result"] = {"str": "some sentence of the engine's"}
                yield vector


class Answers(Vectors):
    """What the vectors expect of Synapse's chain comes out of it when our module alone is asked."""

    def test_latest(self):
        seen = set()
        for vector in self.vectors("latest"):
            sort, value = self.answer(vector, 10**6)
            with self.subTest(vector["id"]):
                if sort in LATEST:
                    # An empty text, which only Synapse 1.60 and later refuse, comes as a refusal with M_FORBIDDEN.
                    expected = vector["expect"]["result"]
                    expected = refused("M_FORBIDDEN") if expected == {"str": ""} else expected
                    self.assertEqual(LATEST[sort](value), {"fields": {}, **expected} if "code" in expected else expected)
                elif sort is weir_module.ALLOWED and isinstance(value[1], dict):
                    self.assertEqual({"tuple": [retag(value[0]), retag_plain(value[1])]}, self.expected_allowed(vector))
                else:
                    self.assertEqual(retag(value), self.expected(vector))
            seen.add(vector["callback"])
        self.assertGreater(len(seen), 35)

    def expected_allowed(self, vector):
        replacement = vector["expect"]["result"]["tuple"][1]
        if "event" in replacement:
            return self.expected(vector)
        return {"tuple": [{"bool": True}, retag_plain({})]}

    def test_147(self):
        """1.47 refuses by truth or by exactly False; texts stay the error's text."""
        for vector in self.vectors("1.47"):
            sort, value = self.answer(vector, 47)
            result = vector["expect"]["result"]
            with self.subTest(vector["id"]):
                if sort is weir_module.EVENT_SPAM:
                    self.assertEqual(bool(value), truth(result))
                    if isinstance(result.get("str"), str) and result["str"] not in ("", "NOT_SPAM"):
                        self.assertEqual(value, result["str"])
                elif sort in (weir_module.MAY, weir_module.MEDIA):
                    self.assertEqual(retag(value), result)

    def test_codes_and_fields_by_version(self):
        forms = {47: False, 59: False, 61: False, 62: Codes.LIMIT_EXCEEDED, 63: (Codes.LIMIT_EXCEEDED, {"a": 1}),
                 157: (Codes.LIMIT_EXCEEDED, {"a": 1})}
        value, _ = weir_module.read_answer(b'{"code":"M_LIMIT_EXCEEDED","fields":{"a":1,"msg":"collides"}}')
        for minor, form in forms.items():
            self.assertEqual(weir_module.MAY.convert(synapse(minor), value, ()), form)
        self.assertEqual(weir_module.EVENT_SPAM.convert(synapse(60), value, ()), Codes.LIMIT_EXCEEDED)
        self.assertIs(weir_module.EVENT_SPAM.convert(synapse(59), value, ()), True)
        unknown, _ = weir_module.read_answer(b'{"code":"ORG_UNKNOWN","fields":{"a":1}}')
        self.assertEqual(weir_module.MAY.convert(synapse(), unknown, ()), (Codes.FORBIDDEN, {"a": 1}))

    def test_errors_are_raised_as_the_module_raised_them(self):
        value, _ = weir_module.read_answer(b'{"raise":{"type":"SynapseError","code":418,"errcode":"M_X","msg":"tea",'
                                           b'"fields":{"pot":1}}}')
        with self.assertRaises(SynapseError) as caught:
            weir_module.raise_error(synapse(), value)
        error = caught.exception
        self.assertEqual((error.code, error.errcode, error.msg, error.fields), (418, "M_X", "tea", {"pot": 1}))
        for kind, error in (("KeyError", KeyError), ("ModuleFailedException", weir_module.ModuleOfWeirFailed)):
            value, _ = weir_module.read_answer(json.dumps({"raise": {"type": kind, "msg": "x"}}))
            self.assertRaises(error, weir_module.raise_error, synapse(), value)

    def test_answers_that_are_none(self):
        deep = '{"list":[' * 5000 + "]}" * 5000
        for text in ("", "x", "[]", "5", "null", "{}", '{"what":1}', '{"tuple":5}', '{"raise":5}', '{"dict":[1]}',
                     '{"code":"M","fields":[1]}', '{"limit":[1]}', '{"set":[[1]]}', '"SPAM"', deep):
            with self.assertRaises(weir_module.Unreadable, msg=text[:40]):
                weir_module.read_answer(text)

    def test_an_edited_argument_comes_beside_the_value(self):
        self.assertEqual(weir_module.read_answer(b'{"none":true,"after":{"name":"x"}}'), (None, {"name": "x"}))

    def test_deny_refuses_by_every_callback_that_can(self):
        powerless = {weir_module.NOTICE, weir_module.AFTERWARDS, weir_module.AUTHENTICATED, weir_module.ROUTES,
                     weir_module.INTERESTED, weir_module.CONFIG, weir_module.LIMITS, weir_module.OVERRIDE}
        for callback in weir_module.CALLBACKS.values():
            for minor in (47, 60, 62, 10**6):
                passing = callback.sort.passing(synapse(minor))
                try:
                    self.assertEqual(callback.sort.deny(synapse(minor)) == passing, callback.sort in powerless, callback.name)
                except SynapseError as error:
                    self.assertIn(error.code, (403, 503))


def retag_plain(members):
    return json.loads(json.dumps(members))


def synapse_missing():
    """Why Synapse's own classes cannot be loaded; None if they are."""
    path = os.environ.get("SYNAPSE_PATH")
    if not path:
        return "SYNAPSE_PATH names no checkout of Synapse 1.67"
    metadata = pathlib.Path(tempfile.mkdtemp(prefix="weir-test."))
    atexit.register(shutil.rmtree, metadata, ignore_errors=True)
    folder = metadata / "matrix_synapse-1.67.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: matrix-synapse\nVersion: 1.67.0\nProvides-Extra: all\n")
    sys.path += [path, str(metadata)]
    try:
        import synapse.events.presence_router
        import synapse.events.spamcheck
        import synapse.module_api  # noqa: F401
        return None
    except ImportError as error:
        return f"Synapse is not whole here: {error}"


MISSING = synapse_missing()


@unittest.skipIf(MISSING, MISSING)
class RealClasses(Vectors):
    """The same through the spam checker and the presence router of Synapse 1.67, whose walks are those of the newest."""

    def owner(self, callback):
        from synapse.events.presence_router import PresenceRouter
        from synapse.events.spamcheck import SpamChecker
        from synapse.util import Clock
        from twisted.internet import reactor

        hs = types.SimpleNamespace(get_clock=lambda: Clock(reactor))
        owner = PresenceRouter(hs) if callback.family == "presence_router" else SpamChecker(hs)
        return owner if hasattr(owner, callback.name) and callback.name != "check_registration_for_spam" else None

    def asked(self, owner, callback, value, arguments):
        """What Synapse's chain makes of the value, when we are the only module."""
        from synapse.logging.context import LoggingContext

        async def answer(*_):
            return value

        if callback.family == "presence_router":
            owner.register_presence_router_callbacks(get_users_for_states=answer, get_interested_users=answer)
        else:
            owner.register_callbacks(**{callback.name: answer})
        with LoggingContext("test"):
            question = getattr(owner, callback.name)(*arguments)
            try:
                question.send(None)
            except StopIteration as stop:
                return stop.value
        raise AssertionError("Synapse waits")

    def retag_real(self, value):
        from synapse.api.errors import Codes as RealCodes

        if isinstance(value, tuple):
            return {"code": value[0].value, "fields": value[1]}
        if isinstance(value, RealCodes):
            return {"code": value.value, "fields": {}}
        if isinstance(value, dict):
            return {"dict": {user: {"set": sorted(map(state_text, states))} for user, states in value.items()}}
        return {"not_spam": True} if value == "NOT_SPAM" else retag(value)

    def test_latest(self):
        real = weir_module.Synapse.installed()
        self.assertEqual(real.minor, 67)
        seen = set()
        for vector in self.vectors("latest"):
            callback = weir_module.CALLBACKS[vector["callback"]]
            owner = self.owner(callback)
            if not owner:
                continue
            result = vector["expect"]["result"]
            value, _ = weir_module.read_answer(json.dumps(self.wire(callback.name, result)))
            value = callback.sort.convert(real, value, (Event(),))
            arguments = (Event(),) * (1 if callback.name == "check_username_for_spam" else len(callback.arguments))
            if callback.name in ("check_username_for_spam", "user_may_create_room"):
                arguments = ({"user_id": "@a:b"},)
            with self.subTest(vector["id"]):
                got = self.retag_real(self.asked(owner, callback, value, arguments))
                if callback.sort in LATEST:
                    result = refused("M_FORBIDDEN") if result == {"str": ""} else result
                    self.assertEqual(got, {"fields": {}, **result} if "code" in result else result)
                else:
                    self.assertEqual(got, self.expected(vector))
            seen.add(callback.name)
        self.assertGreater(len(seen), 10)


class Table(unittest.TestCase):
    def definitions(self):
        """name: names of the arguments, as the engine has them."""
        text = (ROOT / "filters" / "callbacks.def").read_text()
        for row in re.split(r"^CALLBACK\(", text, flags=re.MULTILINE)[1:]:
            yield row.partition(",")[0], tuple(re.findall(r'\{"(\w+)", ARGUMENT_', row))

    def test_it_is_the_engines(self):
        definitions = dict(self.definitions())
        self.assertEqual(set(definitions), set(weir_module.CALLBACKS) | set(weir_module.NOT_OFFERED))
        for callback in weir_module.CALLBACKS.values():
            self.assertEqual(callback.arguments, definitions[callback.name], callback.name)


class Arguments(unittest.TestCase):
    def encoded(self, name, *arguments, with_state=False):
        return json.loads(weir_module.encode_arguments(weir_module.CALLBACKS[name], arguments, with_state))

    def test_events(self):
        event = Event(content=Unchangeable({"body": "naïve 🎉", "list": (1, Unchangeable({}))}),
                      unsigned={"redacted_because": Event()})
        redaction = {"type": "m.room.message", "content": {"body": "x"}, "event_id": "$1"}
        expected = {"event": {"type": "m.room.message", "content": {"body": "naïve 🎉", "list": [1, {}]},
                              "unsigned": {"redacted_because": redaction}, "event_id": "$1"}}
        self.assertEqual(self.encoded("check_event_for_spam", event), expected)
        state = {("m.room.create", ""): Event()}
        self.assertEqual(self.encoded("check_event_allowed", event, state), expected)
        self.assertEqual(self.encoded("check_event_allowed", event, state, with_state=True)["state"], [redaction])

    def test_what_an_older_synapse_does_not_pass(self):
        self.assertEqual(self.encoded("user_may_create_room", "@a:b"), {"user_id": "@a:b", "room_config": {}})
        self.assertEqual(self.encoded("user_may_create_room", "@a:b", {"x": 1}), {"user_id": "@a:b", "room_config": {"x": 1}})

    def test_synapses_records(self):
        requester = types.SimpleNamespace(user=types.SimpleNamespace(to_string=lambda: "@a:b"), access_token_id=5,
                                          is_guest=False, shadow_banned=True, device_id="D", authenticated_entity="@a:b",
                                          app_service=types.SimpleNamespace(id="bridge"))
        self.assertEqual(self.encoded("on_create_room", requester, {}, True)["requester"],
                         {"user_id": "@a:b", "access_token_id": 5, "is_guest": False, "shadow_banned": True,
                          "device_id": "D", "authenticated_entity": "@a:b", "app_service_id": "bridge"})
        info = types.SimpleNamespace(server_name=None, file_id="F", url_cache=None, thumbnail=None)
        self.assertEqual(self.encoded("check_media_file_for_spam", {"size": 5}, info),
                         {"file": {"size": 5},
                          "file_info": {"server_name": None, "file_id": "F", "url_cache": False, "thumbnail": None}})
        self.assertEqual(self.encoded("get_users_for_states", [weir_module.State(**state_of("@a:b/online"))]),
                         {"state_updates": [state_of("@a:b/online")]})

    def test_what_cannot_be_sent(self):
        for value in (float("nan"), object(), b"bytes"):
            self.assertRaises((TypeError, ValueError), self.encoded, "check_can_shutdown_room", value, "!r")


class Decisions(unittest.TestCase):
    """What becomes of an answer, and of none."""

    def module(self, wanted=None, **settings):
        module = object.__new__(weir_module.WeirModule)
        module.settings, module.synapse = weir_module.Settings(settings), synapse()
        module.server_name, module.worker = SERVER_NAME, "worker1"
        module.asker, module.unreadable = types.SimpleNamespace(wanted=wanted), weir_module.Gate()
        return module

    def slot(self, row):
        return types.SimpleNamespace(name=row.name, has_event="event" in row.arguments,
                                     may_be_not_spam=row.sort in weir_module.CHECKS, unanswered=self.reasons.append)

    def convert(self, name, answer, *arguments, **settings):
        row = weir_module.CALLBACKS[name]
        self.reasons = []
        return self.module(**settings).convert(row, self.slot(row), answer, arguments)

    def test_what_cannot_be_read_follows_on_timeout(self):
        with self.assertLogs("weir_module", "WARNING"):
            self.assertEqual(self.convert("user_may_invite", b"nonsense", "@a", "@b", "!r", on_timeout="deny"),
                             (Codes.FORBIDDEN, {}))
        self.assertEqual(self.reasons, ["unreadable"])
        poisoned = b'{"raise":{"type":"PoisonedRequest","msg":"engines ended over it"}}'
        self.assertEqual(self.convert("check_registration_for_spam", poisoned, None, "x", [], None), Behaviour.ALLOW)
        self.assertEqual(self.reasons, ["poisoned"])

    def test_not_spam_passes_where_it_is_no_truth(self):
        for name, passed in (("user_may_invite", True), ("check_event_for_spam", True), ("check_username_for_spam", False)):
            arguments = [Event()] * len(weir_module.CALLBACKS[name].arguments)
            self.assertEqual(self.convert(name, b'"NOT_SPAM"', *arguments), "NOT_SPAM" if passed else True)

    def test_edits_of_a_room_reach_synapses_own_object(self):
        config = {"name": "x", "gone": 1}
        self.assertIsNone(self.convert("on_create_room", b'{"none":true,"after":{"name":"y"}}', None, config, False))
        self.assertEqual(config, {"name": "y"})

    def test_events_of_other_servers(self):
        settings = {"on_timeout": {"default": "pass", "check_event_for_spam": "deny", "federated": "pass"}}
        row = weir_module.CALLBACKS["check_event_for_spam"]
        self.reasons = []
        event = Event()
        self.assertEqual(self.module(**settings).fall_back(row, self.slot(row), (event,)), (Codes.FORBIDDEN, {}))
        event.sender = "@a:elsewhere.example:8448"
        self.assertEqual(self.module(**settings).fall_back(row, self.slot(row), (event,)), "NOT_SPAM")

    def test_what_is_registered(self):
        few = {"user_may_invite": {}, "auth_checkers": {"login_types": {"x": ["y", "z"]}}}
        names = set(self.module(wanted=few).names())
        self.assertLessEqual({"user_may_invite", "user_may_join_room", "auth_checkers", *weir_module.PRESENCE}, names)
        self.assertFalse({"check_event_allowed", "on_new_event", "is_3pid_allowed"} & names)
        self.assertEqual(set(self.module().names()), set(weir_module.CALLBACKS))
        self.assertEqual(set(self.module(callbacks=["get_interested_users"]).names()), set(weir_module.PRESENCE))
        elsewhere = {"on_new_event": ["worker2"], "user_may_invite": ["worker1"]}
        names = self.module(callbacks=list(elsewhere), workers=elsewhere).names()
        self.assertEqual(names, ["user_may_invite"])


class Resp(unittest.TestCase):
    REPLIES = [b"OK", 5, -1, None, b"", b"a\r\nb", [], None, [b"message", b"channel", b"x" * 5000], [1, [b"2", None]]]
    WIRE = (b"+OK\r\n:5\r\n:-1\r\n$-1\r\n$0\r\n\r\n$4\r\na\r\nb\r\n*0\r\n*-1\r\n"
            b"*3\r\n$7\r\nmessage\r\n$7\r\nchannel\r\n$5000\r\n" + b"x" * 5000 + b"\r\n*2\r\n:1\r\n*2\r\n$1\r\n2\r\n$-1\r\n")

    def test_replies_in_any_pieces(self):
        choice = random.Random(7)
        for maximum in (1, 2, 3, 10, 700, len(self.WIRE)):
            reader, replies, position = weir_module.RespReader(), [], 0
            while position < len(self.WIRE):
                size = choice.randint(1, maximum)
                replies += reader.feed(self.WIRE[position:position + size])
                position += size
            self.assertEqual(replies, self.REPLIES)
            self.assertEqual(reader.data, b"")

    def test_errors_are_values(self):
        error, = weir_module.RespReader().feed(b"-OOM command not allowed\r\n")
        self.assertIsInstance(error, weir_module.RedisError)
        self.assertEqual(str(error), "OOM command not allowed")

    def test_what_is_no_reply(self):
        for data in (b"HTTP/1.1 400\r\n", b"$x\r\n", b":\r\n", b"*99999999999\r\n", b"$99999999999999\r\n", b"*1\r\n" * 50):
            self.assertRaises(weir_module.ProtocolError, weir_module.RespReader().feed, data)

    def test_random_bytes_are_replies_or_an_error(self):
        choice = random.Random(3)
        for _ in range(3000):
            data = bytearray(self.WIRE[:choice.randint(1, 80)])
            data[choice.randrange(len(data))] = choice.randrange(256)
            try:
                weir_module.RespReader().feed(bytes(data))
            except weir_module.ProtocolError:
                pass

    def test_commands(self):
        self.assertEqual(weir_module.resp_command("SET", "é", 5), b"*3\r\n$3\r\nSET\r\n$2\r\n\xc3\xa9\r\n$1\r\n5\r\n")


class Configuration(unittest.TestCase):
    MISTAKES = (
        ({"callback": "all"}, "did you mean `callbacks`"),
        ({"callbacks": ["check_event_for_spma"]}, "did you mean `check_event_for_spam`"),
        ({"callbacks": []}, "`all` or a list"),
        ({"callbacks": ["on_legacy_renew"]}, "only one module"),
        ({"timeout": "2 s"}, "must be a duration"),
        ({"timeout": True}, "must be a duration"),
        ({"timeout": "2h"}, "must be a duration"),
        ({"timeout": 0}, "between"),
        ({"timeouts": {"user_may_invites": "1s"}}, "did you mean `user_may_invite`"),
        ({"on_timeout": "allow"}, "`pass` or `deny`"),
        ({"on_timeout": {"remote": "pass"}}, "unknown key `remote`"),
        ({"breaker": {"timeouts": -1}}, "from 0"),
        ({"breaker": 5}, "must be a mapping"),
        ({"cache": {"callbacks": ["check_event_for_spam"]}}, "cannot be remembered"),
        ({"cache": {"callbacks": ["auth_checkers"]}}, "cannot be remembered"),
        ({"cache": {"seconds": 5}}, "`all` or a list"),
        ({"hash_media": "yes"}, "true or false"),
        ({"workers": {"on_new_event": "worker1"}}, "list of texts"),
        ({"auth_checkers": {"m.login.password": "password"}}, "list of texts"),
        ({"stream_length": 1}, "from 100"),
        ({"redis": {"hots": "x"}}, "did you mean `host`"),
        ([], "must be a mapping"),
    )

    def test_mistakes_are_told(self):
        for given, words in self.MISTAKES:
            with self.assertRaises(weir_module.Mistake) as caught:
                weir_module.Settings(given)
            self.assertIn(words, str(caught.exception))

    def test_on_timeout(self):
        settings = weir_module.Settings({"on_timeout": {"default": "deny", "federated": "pass", "user_may_invite": "pass"}})
        self.assertEqual([settings.choice("check_event_for_spam", False), settings.choice("check_event_for_spam", True),
                          settings.choice("user_may_invite", False)], ["deny", "pass", "pass"])
        self.assertEqual(weir_module.WeirModule.parse_config(None).choice("check_event_for_spam", True), "pass")

    def test_durations(self):
        settings = weir_module.Settings({"timeout": "1m", "timeouts": {"user_may_invite": "500ms", "is_user_expired": 20}})
        self.assertEqual([settings.timeout_of(name) for name in ("check_event_for_spam", "user_may_invite", "is_user_expired")],
                         [60.0, 0.5, 0.02])

    def test_redis_is_synapses_unless_said_otherwise(self):
        old = types.SimpleNamespace(redis_enabled=True, redis_host="h", redis_port=1, redis_password="p")
        redis = weir_module.redis_settings(old, {"dbid": 3})
        self.assertEqual((redis.host, redis.port, redis.password, redis.path, redis.dbid, redis.use_tls),
                         ("h", 1, "p", None, 3, False))
        new = types.SimpleNamespace(**vars(old), redis_path="/s", redis_use_tls=True, redis_certificate="c", redis_ca_file="a")
        redis = weir_module.redis_settings(new, {})
        self.assertEqual((redis.path, redis.use_tls, redis.certificate_file, redis.ca_file, redis.verify),
                         ("/s", True, "c", "a", True))
        off = types.SimpleNamespace(redis_enabled=False)
        self.assertRaises(weir_module.Mistake, weir_module.redis_settings, off, {})
        self.assertEqual(weir_module.redis_settings(off, {"host": "x"}).host, "x")


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


class Breaking(unittest.TestCase):
    def setUp(self):
        self.clock = Clock()
        self.changes = []
        self.breaker = weir_module.Breaker(3, 5.0, lambda before, now: self.changes.append((before, now)), self.clock)

    def test_it_opens_and_one_question_decides(self):
        breaker = self.breaker
        for _ in range(2):
            breaker.timed_out()
        breaker.answered()
        for _ in range(3):
            self.assertTrue(breaker.admits())
            breaker.timed_out()
        self.assertFalse(breaker.admits())
        self.clock.now += 5.1
        self.assertEqual([breaker.admits(), breaker.admits()], [True, False])
        breaker.timed_out()
        self.assertFalse(breaker.admits())
        self.clock.now += 5.1
        self.assertEqual([breaker.admits(), breaker.admits()], [True, False])
        breaker.forgotten()
        self.assertEqual([breaker.admits(), breaker.admits()], [True, False])
        self.clock.now += 5.1  # that question got lost
        self.assertEqual([breaker.admits(), breaker.admits()], [True, False])
        breaker.answered()
        self.assertEqual([breaker.admits(), breaker.admits()], [True, True])
        self.assertEqual(self.changes, [(0, 2), (2, 1), (1, 2), (2, 1), (1, 2), (2, 1), (1, 0)])

    def test_zero_is_never(self):
        breaker = weir_module.Breaker(0, 5.0, lambda before, now: self.fail("it has opened"), self.clock)
        for _ in range(100):
            breaker.timed_out()
        self.assertTrue(breaker.admits())

    def test_the_cache_is_bounded_in_time_and_size(self):
        cache = weir_module.Cache(5, 2, self.clock)
        for key in "abc":
            cache.store(key, key.upper())
        self.assertEqual([cache.find(key) for key in "abc"], [None, "B", "C"])
        cache.find("b")
        cache.store("d", "D")
        self.assertEqual([cache.find(key) for key in "bcd"], ["B", None, "D"])
        self.clock.now += 5.1
        self.assertEqual([cache.find(key) for key in "bd"] + list(cache.answers), [None, None])


class AtTheStart(harness.Server):
    redis_arguments = ("--requirepass", "sesame")

    def settings(self, **keys):
        return weir_module.redis_settings(types.SimpleNamespace(), {"path": str(self.socket), **keys})

    def test_what_the_chain_has_is_read(self):
        self.redis.execute_command("AUTH", "sesame")
        self.redis.execute_command("SET", f"{SERVER_NAME}/weir/callbacks",
                                   '{"version":1,"callbacks":{"check_event_allowed":{"state":true},"x":5}}')
        text = weir_module.fetch(self.settings(password="sesame"), f"{SERVER_NAME}/weir/callbacks", 20)
        self.assertEqual(weir_module.read_notice(text), {"check_event_allowed": {"state": True}, "x": {}})
        self.assertIsNone(weir_module.fetch(self.settings(password="sesame", dbid=2), f"{SERVER_NAME}/weir/callbacks", 20))
        self.assertRaises(OSError, weir_module.fetch, self.settings(), "key")
        self.assertRaises(OSError, weir_module.fetch, self.settings(path=str(self.folder / "nobody.sock")), "key")
        for text in (b"", b"[]", b'{"callbacks":[]}', b"{"):
            self.assertIsNone(weir_module.read_notice(text))


if __name__ == "__main__":
    unittest.main()
