"""Weir as a module of Synapse: asks the engine, over the Redis that Synapse's workers share already, before Synapse acts.

    modules:
      - module: weir_module.WeirModule
        config: {callbacks: all, timeout: 2s, on_timeout: pass}

README.md beside this file has every key. One file, for Synapse v1.47 and later (Python 3.7 and later); it needs nothing
that Synapse does not have.

A question goes into the stream `<server_name>/weir/requests`; its answer comes on a channel that this process alone
listens to. All that is asked in one turn of the reactor leaves in one write. A question is answered, or it ends by
`on_timeout` at its deadline: nothing of Synapse's waits longer for Weir than that.

Order of the parts: what differs between versions of Synapse, answers to what Synapse expects, the table of callbacks,
arguments to JSON, RESP, configuration, breaker and cache; and then what needs Twisted and Synapse: metrics, connections,
the asker, the module. What stands above needs neither, so that it can be tested alone.
"""

import collections
import collections.abc
import difflib
import hashlib
import inspect
import json
import logging
import os
import random
import re
import socket
import ssl
import string
import time

try:
    from twisted.internet.defer import Deferred
    from twisted.internet.protocol import ClientFactory, Protocol
except ImportError:  # the parts above the connections work without it
    Deferred, ClientFactory, Protocol = None, object, object

logger = logging.getLogger(__name__)


# ---- what Synapse has, as far as it differs between versions ----------------------------------------------------------

CODES_SINCE_EVENT, CODES_SINCE, FIELDS_SINCE = 60, 62, 63  # v1.60: check_event_for_spam may answer a code, and so on


class Synapse:
    """The types of the Synapse that we run in. Whatever depends on its version is here and nowhere else."""

    def __init__(self, minor, codes, synapse_error, not_spam, behaviour, presence_state, limit=None, override=None):
        self.minor = minor
        self.codes = codes
        self.synapse_error = synapse_error
        self.not_spam = not_spam
        self.behaviour = behaviour
        self.presence_state = presence_state
        self.limit = limit
        self.override = override
        self.all_users = "ALL"

    @classmethod
    def installed(cls):
        import synapse
        from synapse import module_api
        from synapse.api.errors import Codes, SynapseError
        from synapse.api.presence import UserPresenceState
        from synapse.spam_checker_api import RegistrationBehaviour

        return cls(minor_version(synapse.__version__), Codes, SynapseError, getattr(module_api, "NOT_SPAM", "NOT_SPAM"),
                   RegistrationBehaviour, UserPresenceState, getattr(module_api, "MediaUploadLimit", None),
                   getattr(module_api, "RatelimitOverride", None))

    def code(self, text):
        """A member of Codes. One that this Synapse does not know is M_FORBIDDEN: it could not be sent."""
        try:
            return self.codes(text)
        except (ValueError, TypeError):  # up to v1.59 codes are plain texts in a class
            return getattr(self.codes, "FORBIDDEN")

    def error(self, status, message, errcode, fields=None):
        parameters = inspect.signature(self.synapse_error.__init__).parameters
        if fields and "additional_fields" in parameters:  # since v1.63
            return self.synapse_error(status, message, errcode, additional_fields=fields)
        return self.synapse_error(status, message, errcode)

    def refusal(self, code, fields, codes_since, plain):
        """How a spam checker refuses: with code and fields, with the code alone, or before codes with `plain`."""
        if self.minor >= FIELDS_SINCE:
            return self.code(code), fields
        return self.code(code) if self.minor >= codes_since else plain


def minor_version(version):
    """67 of "1.67.0"; a version that does not look so is taken for a new one."""
    match = re.match(r"1\.(\d+)", version)
    return int(match.group(1)) if match else 10**6


# ---- answers: from tagged JSON to what Synapse's chain expects of a module ----------------------------------------------

class Unreadable(Exception):
    """An answer that is not what Weir answers to this callback."""


class NotSpam:
    """The tagged constant; Synapse's own is put in its place at the end."""


NOT_SPAM = NotSpam()
NOT_SPAM_JSON = b'"NOT_SPAM"'
Code = collections.namedtuple("Code", "code fields")
Behaviour = collections.namedtuple("Behaviour", "name")
Replacement = collections.namedtuple("Replacement", "fields")
Raised = collections.namedtuple("Raised", "type code errcode msg fields")
State = collections.namedtuple("State", "user_id state last_active_ts last_federation_update_ts last_user_sync_ts "
                                        "status_msg currently_active")
Limit = collections.namedtuple("Limit", "max_bytes time_period_ms")
Override = collections.namedtuple("Override", "per_second burst_count")
FOREIGN = object()  # some object of a module, or a function: true, and nothing else is known of it
RESERVED_FIELDS = ("code", "msg")  # they would collide with parameters of the function that builds the error's body
DEPTH_MAXIMUM = 32


def read_state(state):
    return State(*(state.get(name) for name in State._fields))


def read_set(items, depth):
    return {read_state(item) if isinstance(item, dict) and "user_id" in item
            else read_value(item, depth) if isinstance(item, dict) else item for item in items}


def read_code(tagged):
    fields = tagged.get("fields") or {}
    return Code(tagged["code"], {name: value for name, value in fields.items() if name not in RESERVED_FIELDS})


READERS = {
    "none": lambda value, depth: None,
    "bool": lambda value, depth: value,
    "int": lambda value, depth: value,
    "float": lambda value, depth: value,
    "str": lambda value, depth: value,
    "json": lambda value, depth: value,
    "not_spam": lambda value, depth: NOT_SPAM,
    "behaviour": lambda value, depth: Behaviour(value),
    "tuple": lambda value, depth: tuple(read_value(item, depth) for item in value),
    "list": lambda value, depth: [read_value(item, depth) for item in value],
    "set": read_set,
    "dict": lambda value, depth: {name: read_value(item, depth) for name, item in value.items()},
    "all_users": lambda value, depth: "ALL",
    "event": lambda value, depth: Replacement(value),
    "state": lambda value, depth: read_state(value),
    "limit": lambda value, depth: Limit(*value),
    "override": lambda value, depth: Override(*value),
    "callable": lambda value, depth: FOREIGN,
    "object": lambda value, depth: FOREIGN,
    "raise": lambda value, depth: Raised(*(value.get(name) for name in Raised._fields)),
}


def read_value(tagged, depth=DEPTH_MAXIMUM):
    """A tagged value (chain-vectors.md) as a Python value, and as one of the types above where Python has none."""
    if tagged == "NOT_SPAM":
        return NOT_SPAM
    if not isinstance(tagged, dict) or depth == 0:
        raise Unreadable("no tagged value")
    if "code" in tagged:
        return read_code(tagged)
    for tag in tagged:
        if tag in READERS:
            return READERS[tag](tagged[tag], depth - 1)
    raise Unreadable("a value with no tag that is known")


def read_answer(text):
    """(value, edited argument or None) of the JSON of an answer."""
    try:
        tagged = json.loads(text)
        return read_value(tagged), tagged.get("after") if isinstance(tagged, dict) else None
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
        raise Unreadable(str(error))


def raise_error(synapse, raised):
    """What a module raised, as far as Synapse makes a difference: its own errors, and KeyError at is_user_expired."""
    message = str(raised.msg or "a module of Weir failed")
    if raised.type in ("SynapseError", "AuthError"):
        raise synapse.error(int(raised.code or 500), message, str(raised.errcode or "M_UNKNOWN"), raised.fields)
    if raised.type == "KeyError":
        raise KeyError(message)
    raise ModuleOfWeirFailed(message)


class ModuleOfWeirFailed(Exception):
    """A module in Weir's chain failed; what that means depends on the callback, as with any module of Synapse's."""


# How the value of each sort of callback is handed to Synapse. `passing` lets the next module of Synapse speak; `deny` is
# what `on_timeout: deny` answers; `convert` takes the chain's value. All get the types of Synapse first.
Sort = collections.namedtuple("Sort", "passing deny convert notifies")


def sort(passing, deny, convert, notifies=False):
    return Sort(passing, deny, convert, notifies)


def checker(good, codes_since, texts=False):
    """A check of the spam checker; `good` is the boolean that passes."""

    def passing(synapse):
        return synapse.not_spam if synapse.minor >= FIELDS_SINCE else good

    def refuse(synapse, code="M_FORBIDDEN", fields=None):
        return synapse.refusal(code, fields or {}, codes_since, not good)

    def convert(synapse, value, arguments):
        if value is NOT_SPAM or value is good:
            return passing(synapse)
        if isinstance(value, Code):
            return refuse(synapse, *value)
        # A text is the error's; but an empty one, or NOT_SPAM, would let the event pass in some version.
        return value if texts and isinstance(value, str) and value not in ("", "NOT_SPAM") else refuse(synapse)

    return sort(passing, refuse, convert)


def convert_state_event(synapse, value, arguments):
    if value is NOT_SPAM:
        return synapse.not_spam
    return synapse.code(value.code if isinstance(value, Code) else "M_FORBIDDEN")


def convert_login(synapse, value, arguments):
    if value is NOT_SPAM:
        return synapse.not_spam
    return (synapse.code(value.code), value.fields) if isinstance(value, Code) else synapse.code("M_FORBIDDEN")


def convert_registration(synapse, value, arguments):
    if not isinstance(value, Behaviour) or not hasattr(synapse.behaviour, value.name):
        raise Unreadable("no behaviour at a registration")
    return getattr(synapse.behaviour, value.name)


def convert_allowed(synapse, value, arguments):
    if not isinstance(value, tuple) or len(value) != 2:
        raise Unreadable("no pair")
    allowed, replacement = value
    if isinstance(replacement, Replacement):
        event = arguments[0].get_dict()
        event.update(replacement.fields)
        replacement = event
    return allowed is not False, replacement if isinstance(replacement, dict) and allowed is not False else None


def convert_expired(synapse, value, arguments):
    # The chain says False when no module knew: then Synapse's next module and its own table shall be asked.
    return None if value is None or value is False else bool(value)


def convert_authenticated(synapse, value, arguments):
    if value is None:
        return None
    if not isinstance(value, tuple) or not value or not isinstance(value[0], str):
        raise Unreadable("no user id")
    return value[0], None


def convert_text(synapse, value, arguments):
    return value.code if isinstance(value, Code) else value if isinstance(value, str) else None


def convert_routes(synapse, value, arguments):
    if not isinstance(value, dict):
        raise Unreadable("no dict")
    return {user: {synapse.presence_state(**state._asdict()) for state in states if isinstance(state, State)}
            for user, states in value.items() if isinstance(states, set)}


def convert_interested(synapse, value, arguments):
    if value == "ALL":
        return synapse.all_users
    if not isinstance(value, set):
        raise Unreadable("no set")
    return value


def convert_limits(synapse, value, arguments):
    if not isinstance(value, list):
        return None
    return [synapse.limit(max_bytes=limit.max_bytes, time_period_ms=limit.time_period_ms) for limit in value
            if isinstance(limit, Limit)]


def convert_override(synapse, value, arguments):
    if not isinstance(value, Override):
        return None
    return synapse.override(per_second=value.per_second, burst_count=value.burst_count)


def unavailable(synapse):
    raise synapse.error(503, "This server cannot check your request now. Try again later.", "M_UNKNOWN")


def forbidden(synapse):
    raise synapse.error(403, "This server cannot check your request now. Try again later.", "M_FORBIDDEN")


def always(value):
    return lambda synapse, *rest: value


EVENT_SPAM = checker(False, CODES_SINCE_EVENT, texts=True)
MAY = checker(True, CODES_SINCE)
MEDIA = checker(False, CODES_SINCE)
STATE_EVENT = sort(lambda synapse: synapse.not_spam, lambda synapse: synapse.code("M_FORBIDDEN"), convert_state_event)
LOGIN = sort(lambda synapse: synapse.not_spam, lambda synapse: synapse.code("M_FORBIDDEN"), convert_login)
CHECKS = (EVENT_SPAM, MAY, MEDIA, STATE_EVENT, LOGIN)  # NOT_SPAM passes
TRUTH = sort(always(False), always(True), lambda synapse, value, arguments: bool(value))
REGISTRATION = sort(lambda synapse: synapse.behaviour.ALLOW, lambda synapse: synapse.behaviour.DENY, convert_registration)
ALLOWED = sort(always((True, None)), always((False, None)), convert_allowed)
ALL_BUT_FALSE = sort(always(True), always(False), lambda synapse, value, arguments: value is not False)
UPLOAD = sort(always(True), always(False), lambda synapse, value, arguments: bool(value))
CREATION = sort(always(None), forbidden, always(None))
AFTERWARDS = sort(always(None), always(None), always(None))  # its failure matters, so that it is waited for
NOTICE = sort(always(None), always(None), always(None), notifies=True)
EXPIRED = sort(always(None), unavailable, convert_expired)
AUTHENTICATED = sort(always(None), always(None), convert_authenticated)
TEXT = sort(always(None), unavailable, convert_text)
ROUTES = sort(lambda synapse: {}, lambda synapse: {}, convert_routes)
INTERESTED = sort(lambda synapse: set(), lambda synapse: set(), convert_interested)
CONFIG = sort(always(None), always(None), lambda synapse, value, arguments: value if isinstance(value, dict) else None)
LIMITS = sort(always(None), always(None), convert_limits)
OVERRIDE = sort(always(None), always(None), convert_override)


# ---- the table of callbacks -------------------------------------------------------------------------------------------

REGISTER = {  # family: the method of the module API that registers it
    "spam_checker": "register_spam_checker_callbacks",
    "third_party_rules": "register_third_party_rules_callbacks",
    "presence_router": "register_presence_router_callbacks",
    "account_validity": "register_account_validity_callbacks",
    "password_auth": "register_password_auth_provider_callbacks",
    "media_repository": "register_media_repository_callbacks",
    "ratelimit": "register_ratelimit_callbacks",
    "account_data": "register_account_data_callbacks",
}
Callback = collections.namedtuple("Callback", "name family arguments sort")
CALLBACKS = {name: Callback(name, family, tuple(arguments.split()), kind) for name, family, arguments, kind in (
    ("check_event_for_spam", "spam_checker", "event", EVENT_SPAM),
    ("should_drop_federated_event", "spam_checker", "event", TRUTH),
    ("user_may_join_room", "spam_checker", "user_id room_id is_invited", MAY),
    ("user_may_invite", "spam_checker", "inviter invitee room_id", MAY),
    ("federated_user_may_invite", "spam_checker", "event", MAY),
    ("user_may_send_3pid_invite", "spam_checker", "inviter medium address room_id", MAY),
    ("user_may_create_room", "spam_checker", "user_id room_config", MAY),
    ("user_may_create_room_with_invites", "spam_checker", "user_id invites threepid_invites", MAY),
    ("user_may_create_room_alias", "spam_checker", "user_id room_alias", MAY),
    ("user_may_publish_room", "spam_checker", "user_id room_id", MAY),
    ("user_may_send_state_event", "spam_checker", "user_id room_id event_type state_key content", STATE_EVENT),
    ("check_username_for_spam", "spam_checker", "user_profile requester_id", TRUTH),
    ("check_registration_for_spam", "spam_checker", "email_threepid username request_info auth_provider_id",
     REGISTRATION),
    ("check_media_file_for_spam", "spam_checker", "file file_info", MEDIA),
    ("check_login_for_spam", "spam_checker",
     "user_id device_id initial_display_name request_info auth_provider_id", LOGIN),
    ("check_event_allowed", "third_party_rules", "event state", ALLOWED),
    ("on_create_room", "third_party_rules", "requester config is_requester_admin", CREATION),
    ("check_threepid_can_be_invited", "third_party_rules", "medium address state", ALL_BUT_FALSE),
    ("check_visibility_can_be_modified", "third_party_rules", "room_id state new_visibility", ALL_BUT_FALSE),
    ("on_new_event", "third_party_rules", "event state", NOTICE),
    ("check_can_shutdown_room", "third_party_rules", "user_id room_id", ALL_BUT_FALSE),
    ("check_can_deactivate_user", "third_party_rules", "user_id by_admin", ALL_BUT_FALSE),
    ("on_profile_update", "third_party_rules", "user_id new_profile by_admin deactivation", NOTICE),
    ("on_user_deactivation_status_changed", "third_party_rules", "user_id deactivated by_admin", NOTICE),
    ("on_threepid_bind", "third_party_rules", "user_id medium address", NOTICE),
    ("on_add_user_third_party_identifier", "third_party_rules", "user_id medium address", NOTICE),
    ("on_remove_user_third_party_identifier", "third_party_rules", "user_id medium address", NOTICE),
    ("get_users_for_states", "presence_router", "state_updates", ROUTES),
    ("get_interested_users", "presence_router", "user_id", INTERESTED),
    ("is_user_expired", "account_validity", "user_id", EXPIRED),
    ("on_user_registration", "account_validity", "user_id", AFTERWARDS),
    ("on_user_login", "account_validity", "user_id auth_provider_type auth_provider_id", AFTERWARDS),
    ("auth_checkers", "password_auth", "username login_type login_dict", AUTHENTICATED),
    ("check_3pid_auth", "password_auth", "medium address password", AUTHENTICATED),
    ("on_logged_out", "password_auth", "user_id device_id access_token", NOTICE),
    ("get_username_for_registration", "password_auth", "uia_results params", TEXT),
    ("get_displayname_for_registration", "password_auth", "uia_results params", TEXT),
    ("is_3pid_allowed", "password_auth", "medium address registration", ALL_BUT_FALSE),
    ("get_media_config_for_user", "media_repository", "user_id", CONFIG),
    ("is_user_allowed_to_upload_media_of_size", "media_repository", "user_id size", UPLOAD),
    ("get_media_upload_limits_for_user", "media_repository", "user_id", LIMITS),
    ("on_media_upload_limit_exceeded", "media_repository", "user_id limit sent_bytes attempted_bytes", AFTERWARDS),
    ("get_ratelimit_override_for_user", "ratelimit", "user_id limiter_name", OVERRIDE),
    ("on_account_data_updated", "account_data", "user_id room_id account_data_type content", NOTICE),
)}
PRESENCE = ("get_users_for_states", "get_interested_users")
# To have registered these costs Synapse something even where no module of Weir's wants to be asked: the room's state is
# read for every event, or logins change. They are registered only if the chain has something for them at the start.
REGISTERED_IF_NEEDED = {"check_event_allowed", "on_new_event"} | {
    row.name for row in CALLBACKS.values() if row.family == "password_auth"}
NOT_OFFERED = {
    "on_legacy_send_mail": "it takes a slot that only one module can have",
    "on_legacy_renew": "it takes a slot that only one module can have",
    "on_legacy_admin_request": "it takes a slot that only one module can have",
    "on_update": "it steers Synapse's own database work",
    "default_batch_size": "it steers Synapse's own database work",
    "min_batch_size": "it steers Synapse's own database work",
    "add_field_to_unsigned": "it is asked for every event at every time that one is sent to a client",
}


# ---- arguments: from Synapse's objects to JSON --------------------------------------------------------------------------

def event_json(event):
    """An event as servers send it to each other, with its id, which that form lacks since room version 3."""
    members = event.get_dict()
    members["event_id"] = event.event_id
    return members


def state_json(state):
    return [event_json(event) for event in state.values()] if state else []


def attributes(*names):
    def members(value):
        return None if value is None else {name: getattr(value, name, None) for name in names}

    return members


file_members = attributes("server_name", "file_id", "url_cache")
thumbnail_members = attributes("width", "height", "method", "type", "length")


def file_info_json(info):
    return dict(file_members(info), url_cache=bool(info.url_cache), thumbnail=thumbnail_members(info.thumbnail))


def requester_json(requester):
    service = getattr(requester, "app_service", None)
    members = attributes("access_token_id", "is_guest", "shadow_banned", "device_id", "authenticated_entity")(requester)
    members["user_id"] = requester.user.to_string()
    members["app_service_id"] = getattr(requester, "app_service_id", None) or getattr(service, "id", None)
    return members


def profile_json(profile):
    return profile if isinstance(profile, collections.abc.Mapping) else attributes("avatar_url", "display_name")(profile)


CONVERTERS = {  # by the argument's name; all others are JSON already
    "event": event_json,
    "state": state_json,
    "state_updates": lambda states: [attributes(*State._fields)(state) for state in states],
    "requester": requester_json,
    "room_alias": lambda alias: alias if isinstance(alias, str) else alias.to_string(),
    "file": lambda file: file if isinstance(file, dict) else {},
    "file_info": file_info_json,
    "new_profile": profile_json,
    "limit": attributes("max_bytes", "time_period_ms"),
}


EVENT_ALONE = ("event",)  # most questions by far
# Arguments that older versions of Synapse do not pass, and what the engine gets in their place.
LATER_ARGUMENTS = {"room_config": {}, "requester_id": ""}


def encode_other(value):
    """What json does not know: mappings that cannot be changed, an event within an event, sets."""
    if isinstance(value, collections.abc.Mapping):
        return dict(value)
    if hasattr(value, "get_dict"):
        return event_json(value)
    if isinstance(value, (set, frozenset, collections.abc.Iterator)):
        return list(value)
    raise TypeError("%s cannot be sent to Weir" % type(value).__name__)


encode_json = json.JSONEncoder(separators=(",", ":"), allow_nan=False, check_circular=False, default=encode_other).encode


def encode_arguments(callback, arguments, with_state):
    """The JSON object of a callback's arguments, by name. The state is left out unless a module of Weir's may read it."""
    if callback.arguments == EVENT_ALONE:
        return encode_json({"event": event_json(arguments[0])}).encode("ascii")
    members = {name: LATER_ARGUMENTS[name] for name in callback.arguments[len(arguments):] if name in LATER_ARGUMENTS}
    for name, argument in zip(callback.arguments, arguments):
        if name != "state" or with_state:
            convert = CONVERTERS.get(name)
            members[name] = convert(argument) if convert else argument
    return encode_json(members).encode("ascii")


def room_of(callback, arguments):
    for name, argument in zip(callback.arguments, arguments):
        if name == "event":
            return argument.room_id
        if name == "room_id":
            return argument
    return None


# ---- RESP, as much of it as Redis speaks to us ---------------------------------------------------------------------------

class ProtocolError(Exception):
    """What came is not RESP, or larger than anything that Redis would send us."""


class RedisError(Exception):
    """An error that Redis answered."""


INCOMPLETE = object()
REPLY_MAXIMUM = 64 << 20
ITEMS_MAXIMUM = 1 << 16
RESP_DEPTH_MAXIMUM = 8


class RespReader:
    """Reads replies out of bytes that come in any pieces. Texts are bytes, errors are RedisError, nil is None."""

    def __init__(self):
        self.data = b""

    def feed(self, data):
        """The replies that are complete now."""
        self.data = data = self.data + data if self.data else data
        replies, position = [], 0
        while position < len(data):
            reply, end = self.read(data, position, RESP_DEPTH_MAXIMUM)
            if reply is INCOMPLETE:
                break
            replies.append(reply)
            position = end
        self.data = data[position:]
        if len(self.data) > REPLY_MAXIMUM:
            raise ProtocolError("a reply is too large")
        return replies

    def read(self, data, position, depth):
        end = data.find(b"\r\n", position)
        if end < 0:
            return INCOMPLETE, position
        mark, line, position = data[position:position + 1], data[position + 1:end], end + 2
        if mark == b"$":
            length = self.number(line, REPLY_MAXIMUM)
            if length < 0:
                return None, position
            if len(data) < position + length + 2:
                return INCOMPLETE, position
            return data[position:position + length], position + length + 2
        if mark == b"*":
            return self.read_items(data, position, self.number(line, ITEMS_MAXIMUM), depth - 1)
        if mark == b"+":
            return line, position
        if mark == b":":
            return self.number(line, 1 << 63), position
        if mark == b"-":
            return RedisError(line.decode("utf-8", "replace")), position
        raise ProtocolError("no reply of Redis begins with %r" % mark)

    def read_items(self, data, position, count, depth):
        if depth == 0:
            raise ProtocolError("a reply is too deep")
        if count < 0:
            return None, position
        items = []
        for _ in range(count):
            item, position = self.read(data, position, depth)
            if item is INCOMPLETE:
                return INCOMPLETE, position
            items.append(item)
        return items, position

    @staticmethod
    def number(line, maximum):
        try:
            number = int(line)
        except ValueError:
            raise ProtocolError("a reply has %r where a number belongs" % line[:40])
        if number > maximum:
            raise ProtocolError("a reply is too large")
        return number


def resp_text(text):
    data = text if isinstance(text, bytes) else str(text).encode("utf-8")
    return b"$%d\r\n%b\r\n" % (len(data), data)


def resp_command(*words):
    return b"*%d\r\n" % len(words) + b"".join(map(resp_text, words))


# ---- configuration --------------------------------------------------------------------------------------------------------

class Mistake(ValueError):
    """A configuration that cannot be meant so; Synapse refuses to start and shows the text."""


def nearest(word, known):
    close = difflib.get_close_matches(str(word), list(known), 1)
    return "; did you mean `%s`?" % close[0] if close else ""


def check_keys(where, given, known):
    if not isinstance(given, dict):
        raise Mistake("`%s` must be a mapping" % where)
    for key in given:
        if key not in known:
            raise Mistake("unknown key `%s` in `%s`%s" % (key, where, nearest(key, known)))


def check_callback(where, name):
    if name in NOT_OFFERED:
        raise Mistake("`%s`: Weir's module does not offer `%s`: %s" % (where, name, NOT_OFFERED[name]))
    if name not in CALLBACKS:
        raise Mistake("`%s`: there is no callback `%s`%s" % (where, name, nearest(name, CALLBACKS)))
    return name


def read_duration(where, value):
    """Seconds of "2s", "500ms", "1m", or of an integer of milliseconds."""
    match = re.match(r"^(\d+)(ms|s|m)$", value) if isinstance(value, str) else None
    if match:
        seconds = int(match.group(1)) * {"ms": 0.001, "s": 1.0, "m": 60.0}[match.group(2)]
    elif isinstance(value, int) and not isinstance(value, bool):
        seconds = value / 1000.0
    else:
        raise Mistake("`%s` must be a duration such as \"2s\" or \"500ms\", or an integer of milliseconds" % where)
    if not 0.001 <= seconds <= 3600:
        raise Mistake("`%s` must be between 1ms and 60m" % where)
    return seconds


def read_integer(where, value, least, most):
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise Mistake("`%s` must be an integer from %d to %d" % (where, least, most))
    return value


def read_choice(where, value):
    if value not in ("pass", "deny"):
        raise Mistake("`%s` must be `pass` or `deny`" % where)
    return value


def read_boolean(where, value):
    if not isinstance(value, bool):
        raise Mistake("`%s` must be true or false" % where)
    return value


def read_texts(where, value):
    if not isinstance(value, (list, tuple)) or not all(isinstance(item, str) for item in value):
        raise Mistake("`%s` must be a list of texts" % where)
    return list(value)


def read_callbacks(where, value):
    """The names, and whether they are all there are rather than listed."""
    if value == "all":
        return list(CALLBACKS), True
    if not isinstance(value, list) or not value:
        raise Mistake("`%s` must be `all` or a list of callbacks" % where)
    return [check_callback(where, name) for name in value], False


def read_by_callback(where, value, read):
    check_keys(where, value, CALLBACKS)
    return {check_callback(where, name): read("%s.%s" % (where, name), item) for name, item in value.items()}


def read_on_timeout(where, value):
    """default, what holds for events of other servers (None: no difference), and by callback."""
    if not isinstance(value, dict):
        return read_choice(where, value), None, {}
    check_keys(where, value, list(CALLBACKS) + ["default", "federated"])
    choices = {key: read_choice("%s.%s" % (where, key), choice) for key, choice in value.items()}
    return choices.pop("default", "pass"), choices.pop("federated", None), choices


def may_be_remembered(callback):
    """Whether the same question has the same answer for a while: not for events, what is edited, passwords, notices."""
    return not (callback.sort in (NOTICE, AFTERWARDS, AUTHENTICATED, CREATION) or callback.family == "password_auth"
                or {"event", "state", "state_updates", "file", "content"} & set(callback.arguments))


def read_cache(where, value):
    check_keys(where, value, ("seconds", "entries", "callbacks"))
    seconds = value.get("seconds", 5)
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 < seconds <= 3600:
        raise Mistake("`%s.seconds` must be a number up to 3600" % where)
    names = read_callbacks(where + ".callbacks", value.get("callbacks"))[0]
    for name in names:
        if not may_be_remembered(CALLBACKS[name]):
            raise Mistake("`%s.callbacks`: answers to `%s` cannot be remembered" % (where, name))
    return seconds, read_integer(where + ".entries", value.get("entries", 10000), 1, 10**6), frozenset(names)


def read_auth_checkers(where, value):
    if not isinstance(value, dict):
        raise Mistake("`%s` must be a mapping of login types to lists of their fields" % where)
    return {(login_type, tuple(read_texts("%s.%s" % (where, login_type), fields)))
            for login_type, fields in value.items()}


REDIS_DEFAULTS = {"host": "localhost", "port": 6379, "path": None, "dbid": None, "username": None, "password": None,
                  "password_path": None, "use_tls": False, "certificate_file": None, "private_key_file": None, "ca_file": None, "ca_path": None,
                  "verify": True}
# Synapse's attribute for each, where it has another name.
REDIS_ATTRIBUTES = {"certificate_file": "redis_certificate", "private_key_file": "redis_private_key"}


def read_redis(where, value):
    check_keys(where, value, REDIS_DEFAULTS)
    if value.get("password_path"):
        with open(value["password_path"], encoding="utf-8") as file:
            value = dict(value, password=file.read().strip())
    return dict(value)


def redis_settings(config, own):
    """Where Redis is: as Synapse's configuration says, with the keys of ours over it."""
    if not getattr(config, "redis_enabled", False) and not own:
        raise Mistake("Synapse's `redis` is not enabled: say in `redis` of Weir's module where it is")
    settings = dict(REDIS_DEFAULTS)
    for key in settings:
        inherited = getattr(config, REDIS_ATTRIBUTES.get(key, "redis_" + key), None)
        settings[key] = settings[key] if inherited is None else inherited
    settings.update(own)
    return collections.namedtuple("RedisSettings", sorted(settings))(**settings)


KEYS = ("callbacks", "auth_checkers", "timeout", "timeouts", "on_timeout", "breaker", "cache", "hash_media", "waiting",
        "stream_length", "workers", "redis")


class Settings:
    """The module's part of Synapse's configuration, checked."""

    def __init__(self, given):
        check_keys("config", given, KEYS)
        self.callbacks, self.all = read_callbacks("callbacks", given.get("callbacks", "all"))
        self.auth_checkers = read_auth_checkers("auth_checkers", given.get("auth_checkers", {}))
        self.timeout = read_duration("timeout", given.get("timeout", "2s"))
        self.timeouts = read_by_callback("timeouts", given.get("timeouts", {}), read_duration)
        self.on_timeout, self.on_timeout_federated, self.on_timeouts = read_on_timeout(
            "on_timeout", given.get("on_timeout", "pass"))
        breaker = given.get("breaker", {})
        check_keys("breaker", breaker, ("timeouts", "pause"))
        self.breaker_timeouts = read_integer("breaker.timeouts", breaker.get("timeouts", 5), 0, 10**6)
        self.breaker_pause = read_duration("breaker.pause", breaker.get("pause", "5s"))
        self.cache_seconds, self.cache_entries, self.cached = (
            read_cache("cache", given["cache"]) if given.get("cache") else (0, 0, frozenset()))
        self.hash_media = read_boolean("hash_media", given.get("hash_media", False))
        self.waiting = read_integer("waiting", given.get("waiting", 10000), 1, 10**6)
        self.stream_length = read_integer("stream_length", given.get("stream_length", 100000), 100, 10**7)
        self.workers = read_by_callback("workers", given.get("workers", {}), read_texts)
        self.redis = read_redis("redis", given.get("redis", {}))

    def timeout_of(self, name):
        return self.timeouts.get(name, self.timeout)

    def choice(self, name, remote):
        """`pass` or `deny` for a question without an answer; `remote`: it is about an event of another server."""
        if remote and self.on_timeout_federated:
            return self.on_timeout_federated
        return self.on_timeouts.get(name, self.on_timeout)


# ---- the breaker, and what else needs a clock only --------------------------------------------------------------------

class Breaker:
    """After so many timeouts in a row nobody is asked for a while; then one is let through, and decides."""

    CLOSED, HALF_OPEN, OPEN = 0, 1, 2

    def __init__(self, timeouts, pause, changed, clock=time.monotonic):
        self.timeouts = timeouts
        self.pause = pause
        self.changed = changed
        self.clock = clock
        self.state = self.CLOSED
        self.in_a_row = 0
        self.until = 0.0

    def admits(self):
        """Whether a question may be asked now. If so while we are half open, it is the one that decides."""
        if self.state == self.CLOSED:
            return True
        if self.clock() < self.until:
            return False
        self.until = self.clock() + self.pause  # should that question get lost, another one decides
        if self.state == self.OPEN:
            self.become(self.HALF_OPEN)
        return True

    def answered(self):
        self.in_a_row = 0
        if self.state != self.CLOSED:
            self.become(self.CLOSED)

    def timed_out(self):
        self.in_a_row += 1
        if self.state == self.HALF_OPEN or (self.state == self.CLOSED and 0 < self.timeouts <= self.in_a_row):
            self.until = self.clock() + self.pause
            self.become(self.OPEN)

    def forgotten(self):
        """The question that was to decide is gone without an answer: the next one decides."""
        if self.state == self.HALF_OPEN:
            self.until = self.clock()
            self.become(self.OPEN)

    def become(self, state):
        before, self.state = self.state, state
        self.changed(before, state)


class Cache:
    """Answers by question, for seconds; the one that was used least lately goes first."""

    def __init__(self, seconds, entries, clock=time.monotonic):
        self.seconds = seconds
        self.entries = entries
        self.clock = clock
        self.answers = collections.OrderedDict()

    def find(self, key):
        entry = self.answers.get(key)
        if entry is None:
            return None
        if entry[0] < self.clock():
            del self.answers[key]
            return None
        self.answers.move_to_end(key)
        return entry[1]

    def store(self, key, answer):
        self.answers[key] = (self.clock() + self.seconds, answer)
        self.answers.move_to_end(key)
        if len(self.answers) > self.entries:
            self.answers.popitem(last=False)


class Gate:
    """Lets a line into the log at most every ten seconds, and counts the others."""

    def __init__(self, seconds=10, clock=time.monotonic):
        self.seconds = seconds
        self.clock = clock
        self.next = 0.0
        self.suppressed = 0

    def warning(self, text, *arguments):
        if self.clock() < self.next:
            self.suppressed += 1
            return
        self.next = self.clock() + self.seconds
        logger.warning(text + " (%d like it before)", *(arguments + (self.suppressed,)))
        self.suppressed = 0


def read_notice(text):
    """What the chain has anything for, by callback, of the engine's notice; None if it cannot be read."""
    try:
        callbacks = json.loads(text)["callbacks"]
    except (ValueError, TypeError, KeyError):
        return None
    if not isinstance(callbacks, dict):
        return None
    return {name: about if isinstance(about, dict) else {} for name, about in callbacks.items()}


# ---- metrics ------------------------------------------------------------------------------------------------------------

SECONDS_BUCKETS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class Metrics:
    """In the registry that Synapse serves: one set for all instances of the module in a process."""

    only = None

    def __init__(self):
        self.asked = self.make("Counter", "weir_module_asked", "Questions sent to Weir.", "callback")
        self.answered = self.make("Counter", "weir_module_answered", "Questions that Weir answered.", "callback")
        self.raised = self.make("Counter", "weir_module_raised", "Answers that are a module's failure.", "callback")
        self.unanswered = self.make("Counter", "weir_module_unanswered", "Questions that on_timeout decided, by reason: "
                                    "timeout, breaker, overloaded, refused, full, unsendable, unreadable, poisoned.",
                                    "callback", "reason")
        self.cached = self.make("Counter", "weir_module_cached", "Questions answered from the cache, or by the answer to "
                                "the same question.", "callback")
        self.seconds = self.make("Histogram", "weir_module_seconds", "Time until Weir's answer.", "callback",
                                 buckets=SECONDS_BUCKETS)
        self.breaker = self.make("Gauge", "weir_module_breaker", "0: Weir is asked; 1: one question is let through; "
                                 "2: Weir is not asked for a while.")
        self.waiting = self.make("Gauge", "weir_module_waiting", "Questions that wait for an answer.")
        self.connected = self.make("Gauge", "weir_module_connected", "Whether both connections to Redis are ready.")

    @staticmethod
    def make(kind, name, text, *labels, **options):
        import prometheus_client

        try:
            return getattr(prometheus_client, kind)(name, text, labels, **options)
        except ValueError:  # this file was loaded twice, under two names
            return prometheus_client.REGISTRY._names_to_collectors[name]

    @classmethod
    def get(cls):
        if cls.only is None:
            cls.only = cls()
        return cls.only


# ---- connections ----------------------------------------------------------------------------------------------------------

START_SECONDS = 1.0
RETRY_SECONDS, RETRY_SECONDS_MOST = 0.1, 5.0
PING_SECONDS = 15.0


def greeting(redis):
    """The commands that a connection begins with."""
    commands = []
    if redis.password:
        commands.append(resp_command("AUTH", *filter(None, (redis.username, redis.password))))
    if redis.dbid:
        commands.append(resp_command("SELECT", redis.dbid))
    return commands


def fetch(redis, key, seconds=START_SECONDS):
    """A key's text, None if there is none. Blocks, so it is for the start only; raises OSError or ProtocolError."""
    deadline = time.monotonic() + seconds
    if redis.path:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(seconds)
        connection.connect(redis.path)
    else:
        connection = socket.create_connection((redis.host, redis.port), seconds)
    try:
        if redis.use_tls and not redis.path:
            context = ssl.create_default_context(cafile=redis.ca_file, capath=redis.ca_path)
            if not redis.verify:
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            if redis.certificate_file:
                context.load_cert_chain(redis.certificate_file, redis.private_key_file)
            connection = context.wrap_socket(connection, server_hostname=redis.host)
        commands = greeting(redis) + [resp_command("GET", key)]
        connection.sendall(b"".join(commands))
        reader, replies = RespReader(), []
        while len(replies) < len(commands):
            connection.settimeout(max(deadline - time.monotonic(), 0.001))
            data = connection.recv(65536)
            if not data:
                raise ConnectionError("Redis has closed the connection")
            replies.extend(reader.feed(data))
    finally:
        connection.close()
    for reply in replies:
        if isinstance(reply, RedisError):
            raise ConnectionError(str(reply))
    return replies[-1]


def read_authorities(redis):
    """The certificates of `ca_file`, or of all files in `ca_path`, each as PEM."""
    names = [redis.ca_file] if redis.ca_file else [os.path.join(redis.ca_path, name) for name in os.listdir(redis.ca_path)]
    found = []
    for name in names:
        with open(name, "rb") as file:
            found += re.findall(b"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", file.read(), re.DOTALL)
    return found


def tls_options(redis):
    from twisted.internet import ssl as tls

    certificate = None
    if redis.certificate_file:
        with open(redis.certificate_file, "rb") as public:
            text = public.read()
        with open(redis.private_key_file or redis.certificate_file, "rb") as private:
            certificate = tls.PrivateCertificate.loadPEM(text + b"\n" + private.read())
    if not redis.verify:
        return certificate.options() if certificate else tls.CertificateOptions()
    trust = tls.platformTrust()
    if redis.ca_file or redis.ca_path:
        trust = tls.trustRootFromCertificates([tls.Certificate.loadPEM(text) for text in read_authorities(redis)])
    return tls.optionsForClientTLS(redis.host, trustRoot=trust, clientCertificate=certificate)


class RedisProtocol(Protocol):
    def __init__(self, connection):
        self.connection = connection
        self.reader = RespReader()

    def connectionMade(self):
        self.connection.made(self)

    def dataReceived(self, data):
        try:
            replies = self.reader.feed(data)
        except ProtocolError as error:
            self.connection.drop(str(error))
            return
        self.connection.received(replies)

    def connectionLost(self, reason=None):
        self.connection.lost(reason.getErrorMessage() if reason else "closed")


class RedisFactory(ClientFactory):
    noisy = False

    def __init__(self, connection):
        self.connection = connection

    def buildProtocol(self, address):
        return RedisProtocol(self.connection)

    def clientConnectionFailed(self, connector, reason):
        self.connection.lost(reason.getErrorMessage())


class Connection:
    """A connection to Redis that comes back by itself.

    `opening` is sent at its begin, behind AUTH and SELECT; `reply` gets all replies but those to AUTH and SELECT, `down`
    is told that it was lost. `ping` sends the PING in its place among the commands."""

    def __init__(self, reactor, redis, opening, up, reply, down, ping):
        self.reactor = reactor
        self.redis = redis
        self.opening = opening
        self.on_up, self.on_reply, self.on_down, self.send_ping = up, reply, down, ping
        self.protocol = None
        self.greetings = 0  # replies to come that are AUTH's and SELECT's
        self.retry_seconds = RETRY_SECONDS
        self.stopped = False
        self.heard = False
        self.ping = None
        self.trouble = None  # why we dropped it ourselves

    def connect(self):
        factory = RedisFactory(self)
        if self.redis.path:
            self.reactor.connectUNIX(self.redis.path, factory, timeout=10)
        elif self.redis.use_tls:
            try:
                options = tls_options(self.redis)
            except Exception as error:  # a file that cannot be read, or is no certificate: it may be repaired
                self.lost("TLS: %s" % error)
                return
            self.reactor.connectSSL(self.redis.host, self.redis.port, factory, options, timeout=10)
        else:
            self.reactor.connectTCP(self.redis.host, self.redis.port, factory, timeout=10)

    def made(self, protocol):
        if self.stopped:
            protocol.transport.loseConnection()
            return
        self.protocol = protocol
        if not self.redis.path:  # transports of unix sockets have the method as well, but cannot
            protocol.transport.setTcpNoDelay(True)
        commands = greeting(self.redis)
        self.greetings = len(commands)
        self.heard = True
        self.write(b"".join(commands) + self.opening)
        self.ping = self.reactor.callLater(PING_SECONDS, self.check)
        self.on_up()

    def check(self):
        """Drops a connection on which nothing came since the last PING."""
        self.ping = None
        if not self.heard:
            self.drop("Redis does not answer")
            return
        self.heard = False
        self.ping = self.reactor.callLater(PING_SECONDS, self.check)
        self.send_ping()

    def write(self, data):
        self.protocol.transport.write(data)

    def received(self, replies):
        self.heard = True
        for reply in replies:
            if self.greetings:
                self.greetings -= 1
                if isinstance(reply, RedisError):
                    self.drop(str(reply))
                    return
            elif self.protocol:
                if not isinstance(reply, RedisError):
                    self.retry_seconds = RETRY_SECONDS
                self.on_reply(reply)

    def drop(self, trouble):
        self.trouble = trouble
        if self.protocol:
            self.protocol.transport.abortConnection()

    def lost(self, reason):
        reason, self.trouble = self.trouble or reason, None
        self.protocol = None
        if self.ping:
            self.ping.cancel()
            self.ping = None
        if self.stopped:
            return
        self.on_down(reason.rstrip("."))
        self.reactor.callLater(self.retry_seconds * random.uniform(0.5, 1.0), self.connect)
        self.retry_seconds = min(self.retry_seconds * 2, RETRY_SECONDS_MOST)

    def stop(self):
        self.stopped = True
        if self.protocol:
            self.protocol.transport.loseConnection()


# ---- asking ---------------------------------------------------------------------------------------------------------------

class Question:
    """One entry of the stream, and who waits for its answer. `probe`: the breaker waits for it as well."""

    __slots__ = ("id", "slot", "lane", "wire", "started", "deadline", "waiters", "key", "probe")

    def replied(self, asker, reply):
        if isinstance(reply, RedisError):
            asker.refused(self, reply)


class Pong:
    """What the reply to PING is for: that something came is all that counts."""

    @staticmethod
    def replied(asker, reply):
        pass


class Lane:
    """The questions that have the same time to wait: the oldest is the first to run out, and one timer is enough."""

    def __init__(self, asker, seconds):
        self.asker = asker
        self.seconds = seconds
        self.waiting = {}  # by id, the oldest first
        self.timer = None

    def add(self, question):
        self.waiting[question.id] = question
        if self.timer is None:
            self.timer = self.asker.reactor.callLater(self.seconds, self.expire)

    def expire(self):
        self.timer = None
        now = time.monotonic()
        late = []
        for question in self.waiting.values():
            if question.deadline > now + 0.001:
                self.timer = self.asker.reactor.callLater(question.deadline - now, self.expire)
                break
            late.append(question)
        for question in late:
            self.asker.ran_out(question)


class Slot:
    """A callback of this process: what it sends, how long it waits, what it counts."""

    def __init__(self, callback, settings, asker, metrics):
        self.callback = callback
        self.name = callback.name
        self.lane = asker.lane(settings.timeout_of(callback.name))
        self.cached = callback.name in settings.cached
        self.has_event = "event" in callback.arguments
        self.may_be_not_spam = callback.sort in CHECKS
        self.asked = metrics.asked.labels(self.name)
        self.answered = metrics.answered.labels(self.name)
        self.raised = metrics.raised.labels(self.name)
        self.cache_hits = metrics.cached.labels(self.name)
        self.seconds = metrics.seconds.labels(self.name)
        self.metrics = metrics
        head = [resp_text(word) for word in ("XADD", asker.stream, "MAXLEN", "~", settings.stream_length, "*",
                                             "callback", self.name, "reply_to", asker.channel, "lines", "1")]
        fields = b"".join(head).replace(b"%", b"%%")
        self.head = b"*18\r\n" + fields + b"$4\r\nargs\r\n$%d\r\n%b\r\n$2\r\nid\r\n$%d\r\n%b\r\n$8\r\ndeadline\r\n$13\r\n%d\r\n"
        self.head_with_room = b"*20\r\n" + fields + b"$4\r\nroom\r\n$%d\r\n%b\r\n" + self.head[len(fields) + 5:]

    def wire(self, args, room, number, deadline_ms):
        if room is None:
            return self.head % (len(args), args, len(number), number, deadline_ms)
        room = room.encode("utf-8", "replace")
        return self.head_with_room % (len(room), room, len(args), args, len(number), number, deadline_ms)

    def unanswered(self, reason):
        self.metrics.unanswered.labels(self.name, reason).inc()


class Asker:
    """Sends questions, hands out answers. An answer is the JSON (bytes), or the reason why there is none (str)."""

    def __init__(self, reactor, redis, server_name, worker, settings, quiet):
        self.reactor = reactor
        self.settings = settings
        self.quiet = quiet  # a context manager in which Deferreds are fired: the logging context belongs to nobody
        self.metrics = Metrics.get()
        self.metrics.waiting.set_function(lambda: len(self.pending))
        self.stream = server_name + "/weir/requests"
        self.notices = server_name + "/weir/replies"
        self.key = server_name + "/weir/callbacks"
        own = "".join(random.SystemRandom().choice(string.ascii_lowercase + string.digits) for _ in range(12))
        worker = re.sub(r"[^!-~]", "_", worker or "")[:64]
        self.channel = "%s/%s-%s" % (self.notices, worker, own)
        self.wanted = None  # what the chain has anything for; None: not known, so it is asked about all
        self.on_wanted = lambda wanted: None
        self.lanes = {}
        self.pending = {}
        self.shared = {}  # questions that wait, by what they ask, where answers are cached
        self.cache = Cache(settings.cache_seconds, settings.cache_entries)
        self.breaker = Breaker(settings.breaker_timeouts, settings.breaker_pause, self.breaker_changed)
        self.gate = Gate()
        self.last_id = 0
        self.output = []
        self.flushing = False
        self.expected = collections.deque()  # what each reply on the connection for commands is for, in order
        self.subscribed = 0
        self.ready = False
        self.was_ready = False
        self.told_lost = False
        ping = resp_command("PING")
        self.commands = Connection(reactor, redis, resp_command("GET", self.key), self.commands_up, self.command_reply,
                                   self.lost, lambda: self.send(ping, Pong))
        self.replies = Connection(reactor, redis, resp_command("SUBSCRIBE", self.notices, self.channel), lambda: None,
                                  self.heard, self.lost, lambda: self.replies.write(ping))

    def start(self):
        self.commands.connect()
        self.replies.connect()
        self.reactor.addSystemEventTrigger("before", "shutdown", self.stop)

    def stop(self):
        self.commands.stop()
        self.replies.stop()

    def lane(self, seconds):
        if seconds not in self.lanes:
            self.lanes[seconds] = Lane(self, seconds)
        return self.lanes[seconds]

    # Questions.

    def closed(self):
        """Why nothing can be asked now; None if it can."""
        if len(self.pending) >= self.settings.waiting:
            return "full"
        if self.breaker.state == Breaker.CLOSED:
            return None
        # While Redis is away there is nothing to be learnt from a question that waits.
        return None if self.ready and self.breaker.admits() else "breaker"

    def ask(self, slot, args, room, listens=True):
        """An answer, or a Deferred of one. `listens`: somebody waits for it."""
        key = None
        if slot.cached:
            key = (slot.name, args)
            found = self.remembered(slot, key)
            if found is not None:
                self.breaker.forgotten()
                return found
        question = Question()
        self.last_id += 1
        question.id = b"%d" % self.last_id
        question.slot, question.lane, question.key = slot, slot.lane, key
        question.started = time.monotonic()
        question.deadline = question.started + slot.lane.seconds
        question.wire = slot.wire(args, room, question.id, int((time.time() + slot.lane.seconds) * 1000))
        question.probe = self.breaker.state == Breaker.HALF_OPEN
        question.waiters = []
        self.pending[question.id] = question
        slot.lane.add(question)
        if key is not None:
            self.shared[key] = question
        slot.asked.inc()
        if self.ready:
            self.send(question.wire, question)
        return self.wait_for(question) if listens else None

    def remembered(self, slot, key):
        found = self.cache.find(key)
        if found is None and key in self.shared:
            found = self.wait_for(self.shared[key])
        if found is not None:
            slot.cache_hits.inc()
        return found

    def wait_for(self, question):
        waiter = Deferred(lambda waiter: self.forget(question, waiter))
        question.waiters.append(waiter)
        return waiter

    def forget(self, question, waiter):
        """Who asked does not wait any more (Synapse cancels callbacks from v1.59 on)."""
        if waiter in question.waiters:
            question.waiters.remove(waiter)
        if not question.waiters and self.pending.get(question.id) is question:
            self.remove(question)
            if question.probe:
                self.breaker.forgotten()

    def remove(self, question):
        del self.pending[question.id]
        del question.lane.waiting[question.id]
        if question.key is not None:
            self.shared.pop(question.key, None)

    def end(self, question, answer):
        """Hands out the answer. Who waits goes on in here, and may end other questions."""
        if self.pending.get(question.id) is not question:
            return
        self.remove(question)
        if isinstance(answer, str):
            for _ in question.waiters or (None,):
                question.slot.unanswered(answer)
        waiters, question.waiters = question.waiters, []
        for waiter in waiters:
            waiter.callback(answer)

    def ran_out(self, question):
        if self.pending.get(question.id) is question:
            with self.quiet():
                self.breaker.timed_out()
                self.end(question, "timeout")

    def refused(self, question, error):
        self.gate.warning("Redis refused a question to Weir: %s", error)
        with self.quiet():
            if question.probe and question.id in self.pending:
                self.breaker.timed_out()
            self.end(question, "refused")

    def answer(self, number, answer):
        question = self.pending.get(number)
        if question is None:
            return  # it came too late, or twice: after a lost connection a question is sent again
        self.breaker.answered()
        if answer.startswith(b'{"overloaded"'):
            self.end(question, "overloaded")
            return
        slot = question.slot
        slot.answered.inc()
        slot.seconds.observe(time.monotonic() - question.started)
        if answer.startswith(b'{"raise"'):
            slot.raised.inc()
        elif question.key is not None:
            self.cache.store(question.key, answer)
        self.end(question, answer)

    # Sending.

    def send(self, wire, expecting):
        self.output.append(wire)
        self.expected.append(expecting)
        if not self.flushing:
            self.flushing = True
            self.reactor.callLater(0, self.flush)

    def flush(self):
        self.flushing = False
        output, self.output = self.output, []
        if output and self.commands.protocol:
            self.commands.write(b"".join(output))

    # Connections.

    def commands_up(self):
        self.expected.clear()
        self.output = []
        self.expected.append(self)
        self.become_ready()

    def replied(self, asker, reply):
        """The reply to GET: what the chain has anything for."""
        if isinstance(reply, RedisError) and str(reply).startswith("NOPERM"):
            self.gate.warning("Weir: what its chain is asked about cannot be read: %s", reply)
        elif isinstance(reply, RedisError):
            self.commands.drop(str(reply))
        elif reply is not None:
            self.take_notice(reply)

    def command_reply(self, reply):
        if not self.expected:
            self.commands.drop("a reply that nothing was sent for")
            return
        self.expected.popleft().replied(self, reply)

    def become_ready(self):
        """Both connections are there: what waits is asked, again where an answer may have been lost."""
        if self.ready or self.subscribed < 2 or not self.commands.protocol:
            return
        self.ready = True
        self.metrics.connected.set(1)
        if self.told_lost or not self.was_ready:
            logger.info("Weir: connected to Redis; answers come on %s", self.channel)
        self.told_lost, self.was_ready = False, True
        for question in self.pending.values():
            self.send(question.wire, question)

    def lost(self, reason):
        if not self.commands.protocol:
            self.expected.clear()
            self.output = []
        if not self.replies.protocol:
            self.subscribed = 0
        self.ready = False
        self.metrics.connected.set(0)
        if not self.told_lost:
            self.told_lost = True
            logger.warning("Weir: no connection to Redis: %s. It is tried again; until then on_timeout decides", reason)

    def heard(self, reply):
        """What comes by subscription."""
        if isinstance(reply, RedisError):
            self.replies.drop(str(reply))
        elif not isinstance(reply, list) or not reply:
            return
        elif reply[0] == b"message" and len(reply) == 3 and isinstance(reply[2], bytes):
            self.take_message(reply[2], reply[1] == self.channel.encode("utf-8"))
        elif reply[0] == b"subscribe":
            self.subscribed += 1
            if self.subscribed == 2:
                if self.commands.protocol:  # a notice may have been missed
                    self.send(resp_command("GET", self.key), self)
                self.become_ready()

    def take_message(self, text, own):
        with self.quiet():
            for line in text.split(b"\n"):
                word, _, rest = line.partition(b" ")
                if word == b"VERDICT" and own:
                    number, _, answer = rest.partition(b" ")
                    self.answer(number, answer)
                elif word == b"CALLBACKS" and not own:
                    self.take_notice(rest)

    def take_notice(self, text):
        wanted = read_notice(text)
        if wanted is None:
            self.gate.warning("a notice of Weir's callbacks cannot be read: %r", text[:80])
        elif wanted != self.wanted:
            self.wanted = wanted
            logger.info("Weir's chain is asked about: %s", ", ".join(sorted(wanted)) or "nothing")
            self.on_wanted(wanted)

    def breaker_changed(self, before, now):
        self.metrics.breaker.set(now)
        if now == Breaker.OPEN and before == Breaker.CLOSED:
            logger.warning("Weir does not answer (%d timeouts in a row): it is not asked, and on_timeout decides; tried "
                           "again every %g s", self.breaker.in_a_row, self.breaker.pause)
        elif now == Breaker.CLOSED:
            logger.info("Weir answers again")


# ---- the module -----------------------------------------------------------------------------------------------------------

class Done:
    """What a notification returns: it can be awaited, and there is nothing to wait for. Up to v1.50 Synapse does not
    await on_logged_out, so that a coroutine would never run."""

    def __await__(self):
        return iter(())


DONE = Done()


class WeirModule:
    def __init__(self, config, api):
        from synapse.logging.context import PreserveLoggingContext
        from synapse.module_api import make_deferred_yieldable

        hs = api._hs  # the module API has no public way to the server's name, Redis settings and reactor
        self.settings = config
        self.server_name = hs.hostname
        self.worker = hs.get_instance_name()
        self.synapse = Synapse.installed()
        self.yieldable = make_deferred_yieldable
        self.redis = redis_settings(hs.config.redis, config.redis)
        self.asker = Asker(hs.get_reactor(), self.redis, self.server_name, self.worker, config, PreserveLoggingContext)
        self.unreadable = Gate()
        self.asker.wanted = self.wanted_at_start()
        self.registered = self.register(api)
        self.warned = set()
        self.asker.on_wanted = self.warn_of_unregistered
        self.asker.start()

    @staticmethod
    def parse_config(config):
        return Settings(config or {})

    def wanted_at_start(self):
        """What the chain has anything for; None, which means to ask about everything, if that is not known."""
        try:
            text = fetch(self.redis, self.asker.key)
        except (OSError, ProtocolError, ValueError) as error:
            logger.warning("Weir: Redis cannot be asked for the callbacks of Weir's chain: %s. All that are configured are "
                           "registered", error)
            return None
        return None if text is None else read_notice(text)

    # Registering.

    def names(self):
        """The callbacks that are configured for this process and that the chain may have something for."""
        wanted = self.asker.wanted
        names = [name for name in self.settings.callbacks
                 if name not in self.settings.workers or self.worker in self.settings.workers[name]]
        if wanted is not None:
            names = [name for name in names if name in wanted or name not in REGISTERED_IF_NEEDED]
        if set(names) & set(PRESENCE):  # Synapse takes both or neither
            names += [name for name in PRESENCE if name not in names]
        return names

    def register(self, api):
        """Registers what this version of Synapse knows; returns the names."""
        families, registered = {}, []
        for name in self.names():
            families.setdefault(CALLBACKS[name].family, []).append(name)
        for family, names in families.items():
            method = getattr(api, REGISTER[family], None)
            known = inspect.signature(method).parameters if method else {}
            functions = {name: self.function(name) for name in names if name in known}
            unknown = [name for name in names if name not in known]
            if unknown and not self.settings.all:
                logger.warning("Weir: this version of Synapse does not have %s", ", ".join(unknown))
            if not functions.get("auth_checkers", True):
                del functions["auth_checkers"]
            if functions and self.register_family(family, method, functions):
                registered += functions
        logger.info("Weir: registered %s", ", ".join(registered) or "no callback")
        return set(registered)

    def register_family(self, family, method, functions):
        try:
            method(**functions)
        except Exception:
            # Where another service does the logins Synapse takes none of these. Who wrote `all` did not mean them, and
            # rules that Weir got meanwhile must not keep Synapse from starting.
            if family != "password_auth" or not self.settings.all:
                raise
            logger.warning("Weir: Synapse does not take these callbacks here: %s", ", ".join(functions), exc_info=True)
            return False
        return True

    def function(self, name):
        """What is registered under that name: a function, or for auth_checkers one by login type and its fields."""
        if name != "auth_checkers":
            return self.callback(name)
        checkers = set(self.settings.auth_checkers)
        if not checkers and self.asker.wanted:
            login_types = self.asker.wanted.get(name, {}).get("login_types")
            if isinstance(login_types, dict):
                checkers = {(login_type, tuple(map(str, fields))) for login_type, fields in login_types.items()
                            if isinstance(fields, list)}
        return {checker: self.callback(name) for checker in checkers}

    def callback(self, name):
        row = CALLBACKS[name]
        slot = Slot(row, self.settings, self.asker, self.asker.metrics)
        function = self.notifier(row, slot) if row.sort.notifies else self.question(row, slot)
        # Synapse looks at how many arguments a function takes, and names it in its metrics.
        function.__signature__ = inspect.Signature(
            [inspect.Parameter(argument, inspect.Parameter.POSITIONAL_OR_KEYWORD) for argument in row.arguments])
        function.__name__, function.__qualname__ = name, "WeirModule." + name
        return function

    def question(self, row, slot):
        """The coroutine function that asks Weir and answers Synapse."""
        asker, synapse = self.asker, self.synapse
        media = "file" in row.arguments

        async def ask(*arguments):
            wanted = asker.wanted
            if wanted is not None and row.name not in wanted:
                return row.sort.passing(synapse)
            answer = asker.closed()
            if answer:
                slot.unanswered(answer)
            else:
                if media:
                    arguments = (await self.describe(arguments[0]),) + arguments[1:]
                answer = self.send(row, slot, arguments)
                if isinstance(answer, Deferred):
                    answer = await self.yieldable(answer)
            if isinstance(answer, bytes):
                return self.convert(row, slot, answer, arguments)
            return self.fall_back(row, slot, arguments)

        return ask

    def notifier(self, row, slot):
        """A function that tells Weir and waits for nothing: its answer changes nothing in Synapse."""
        asker = self.asker

        def tell(*arguments):
            wanted = asker.wanted
            if wanted is None or row.name in wanted:
                closed = asker.closed()
                if closed:
                    slot.unanswered(closed)
                else:
                    self.send(row, slot, arguments, listens=False)
            return DONE

        return tell

    def send(self, row, slot, arguments, listens=True):
        wanted = self.asker.wanted
        try:
            args = encode_arguments(row, arguments, bool(wanted and wanted.get(row.name, {}).get("state")))
            room = room_of(row, arguments)
        except Exception as error:  # whatever Synapse's objects may raise: one question must not break a request
            self.unreadable.warning("Weir: arguments of %s cannot be sent: %r", row.name, error)
            slot.unanswered("unsendable")
            self.asker.breaker.forgotten()
            return "unsendable"
        return self.asker.ask(slot, args, room, listens)

    async def describe(self, file):
        """What is told of a file: its size and digest if so configured, never its content."""
        if not self.settings.hash_media:
            return {}
        digest, size = hashlib.sha256(), 0

        def take(chunk):
            nonlocal size
            digest.update(chunk)
            size += len(chunk)

        try:
            await file.write_chunks_to(take)
        except OSError as error:
            self.unreadable.warning("Weir: a file cannot be read: %s", error)
            return {}
        return {"size": size, "sha256": digest.hexdigest()}

    def convert(self, row, slot, answer, arguments):
        if answer == NOT_SPAM_JSON and slot.may_be_not_spam:  # as nearly all are
            return row.sort.passing(self.synapse)
        try:
            value, after = read_answer(answer)
            if not isinstance(value, Raised):
                converted = row.sort.convert(self.synapse, value, arguments)
                if row.name == "on_create_room" and isinstance(after, dict):
                    config = arguments[row.arguments.index("config")]
                    config.clear()
                    config.update(after)
                return converted
        except (Unreadable, TypeError, ValueError, AttributeError) as error:
            self.unreadable.warning("Weir: an answer to %s cannot be read: %s: %r", row.name, error, answer[:200])
            slot.unanswered("unreadable")
            return self.fall_back(row, slot, arguments)
        if value.type == "PoisonedRequest":  # engines ended over it; no module of the chain has said anything
            slot.unanswered("poisoned")
            return self.fall_back(row, slot, arguments)
        return raise_error(self.synapse, value)

    def fall_back(self, row, slot, arguments):
        """What on_timeout says for a question that has no answer."""
        remote = slot.has_event and arguments[0].sender.partition(":")[2] != self.server_name
        choice = self.settings.choice(row.name, remote)
        return row.sort.deny(self.synapse) if choice == "deny" else row.sort.passing(self.synapse)

    def warn_of_unregistered(self, wanted):
        """A callback that Weir has rules for now, that is configured, and that was not registered at the start."""
        names = set(self.names()) & set(wanted) - self.registered - self.warned
        if names:
            self.warned |= names
            logger.warning("Weir has modules for %s now, which this process did not register when it started: restart it "
                           "to have them asked", ", ".join(sorted(names)))
