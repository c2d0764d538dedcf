"""What the clients of the soak ask, each question with the answer that the rules below give it."""

import itertools
import json

MODULES = """
modules:
  - module: keywords
    config: {{patterns: ["forbidden fruit"]}}
  - module: lua
    config: {{script: soak.lua}}
  - module: http_service
    config: {{url: 'http://127.0.0.1:{service}/ask', callbacks: [user_may_join_room], timeout_ms: 2600, on_error: pass, in_flight: 4096}}
"""
SCRIPT = """
function user_may_invite(inviter, invitee, room_id)
  if invitee:find("@bad", 1, true) == 1 then return refuse("M_FORBIDDEN") end
  return pass
end
function check_registration_for_spam(email, username)
  if username and username:find("spam", 1, true) then return DENY end
  return pass
end
function check_username_for_spam(profile)
  return profile.user_id:find("@bad", 1, true) == 1
end
"""
PASS, REFUSED = "NOT_SPAM", {"code": "M_FORBIDDEN", "fields": {}}


def service_answer(question):
    """What the web service says of a join."""
    return REFUSED if question["args"]["user_id"].startswith("@bad") else PASS


def event(number, bad):
    body = f"number {number}, " + ("a forbidden fruit" if bad else "an ordinary apple") + ", and so on" * (number % 40)
    return {"type": "m.room.message", "event_id": f"$event{number}", "room_id": f"!room{number % 50}:lab.test",
            "sender": f"@user{number % 200}:lab.test", "origin_server_ts": 1700000000000 + number,
            "content": {"msgtype": "m.text", "body": body}, "unsigned": {}}


def message(number, bad):
    return "check_event_for_spam", {"event": event(number, bad)}, REFUSED if bad else PASS


def invite(number, bad):
    args = {"inviter": f"@user{number}:lab.test", "invitee": f"@{'bad' if bad else 'good'}{number}:lab.test",
            "room_id": f"!room{number % 50}:lab.test"}
    return "user_may_invite", args, REFUSED if bad else PASS


def registration(number, bad):
    args = {"email_threepid": None, "username": f"{'spam' if bad else 'anna'}{number}", "request_info": [],
            "auth_provider_id": None}
    return "check_registration_for_spam", args, {"behaviour": "DENY" if bad else "ALLOW"}


def profile(number, bad):
    args = {"user_profile": {"user_id": f"@{'bad' if bad else 'good'}{number}:lab.test", "display_name": None,
                             "avatar_url": None}, "requester_id": "@a:lab.test"}
    return "check_username_for_spam", args, {"bool": bad}


def join(number, bad):
    args = {"user_id": f"@{'bad' if bad else 'good'}{number}:lab.test", "room_id": f"!room{number % 50}:lab.test",
            "is_invited": False}
    return "user_may_join_room", args, REFUSED if bad else PASS


KINDS = (message, message, message, invite, registration, profile, join)


def endless(seed):
    """(callback, args as an object, the value that Weir must answer)"""
    for number in itertools.count(seed * 1000003):
        yield KINDS[number % len(KINDS)](number, number // len(KINDS) % 3 == 0)


ANTISPAM_NAMES = {"check_event_for_spam": {}, "user_may_invite": {}, "check_username_for_spam": {},
                  "user_may_join_room": {"user_id": "user", "room_id": "room"}}


def antispam(callback, args):
    """The path and the body of synapse-http-antispam for a question, or None where it has no such callback."""
    if callback not in ANTISPAM_NAMES:
        return None
    names = ANTISPAM_NAMES[callback]
    body = {names.get(name, name): value for name, value in args.items()}
    return f"/_meowlnir/antispam/%21room%3Alab.test/{callback}", json.dumps(body).encode()
