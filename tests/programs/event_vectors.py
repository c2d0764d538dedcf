"""Makes tests/data/event-vectors.jsonl.zst: events of each room version with their hashes, ids and signatures.

SYNAPSE_PATH=/path/to/synapse-1.67 /usr/bin/python3 -B tests/programs/event_vectors.py | zstd -19 >tests/data/event-vectors.jsonl.zst

(Synapse asks for its own package metadata: a folder with matrix_synapse-1.67.0.dist-info/METADATA in PYTHONPATH.)

Room versions 1 to 10 are Synapse's own doing (synapse.crypto.event_signing). Synapse 1.67 does not know 11 and 12: what
they keep is written down here from the specification, and the rest is signedjson's."""

import copy
import hashlib
import json
import os
import random
import sys

sys.path.insert(0, os.environ["SYNAPSE_PATH"])
from canonicaljson import encode_canonical_json  # noqa: E402
from signedjson.key import decode_signing_key_base64  # noqa: E402
from signedjson.sign import sign_json  # noqa: E402
from synapse.api.room_versions import KNOWN_ROOM_VERSIONS  # noqa: E402
from synapse.crypto.event_signing import compute_content_hash, compute_event_signature  # noqa: E402
from synapse.events import make_event_from_dict  # noqa: E402
from unpaddedbase64 import encode_base64  # noqa: E402

KEY = decode_signing_key_base64("ed25519", "1", "YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1")
KEPT = ("event_id type room_id sender state_key content hashes signatures depth prev_events auth_events "
        "origin_server_ts").split()
KEPT_CONTENT = {
    "m.room.member": ["membership", "join_authorised_via_users_server"],
    "m.room.join_rules": ["join_rule", "allow"],
    "m.room.power_levels": ("ban events events_default invite kick redact state_default users users_default").split(),
    "m.room.history_visibility": ["history_visibility"],
    "m.room.redaction": ["redacts"],
}
CONTENTS = {
    "m.room.message": {"msgtype": "m.text", "body": "héllo \U0001f600 \"quoted\" \\ \u0007 \u2028", "m.mentions": {}},
    "m.room.create": {"creator": "@a:h.example", "room_version": None, "m.federate": True, "predecessor": {"a": 1}},
    "m.room.member": {"membership": "invite", "displayname": "A", "join_authorised_via_users_server": "@b:h.example",
                      "third_party_invite": {"display_name": "x", "signed": {"token": "t", "mxid": "@c:h.example"}}},
    "m.room.join_rules": {"join_rule": "restricted", "allow": [{"type": "m.room_membership", "room_id": "!x:h"}], "z": 0},
    "m.room.power_levels": {"users": {"@a:h.example": 100}, "users_default": 0, "events": {"m.room.name": 50},
                            "events_default": 0, "state_default": 50, "ban": 50, "kick": 50, "redact": 50, "invite": 0,
                            "notifications": {"room": 50}},
    "m.room.aliases": {"aliases": ["#a:h.example"], "other": 1},
    "m.room.history_visibility": {"history_visibility": "shared", "other": []},
    "m.room.redaction": {"reason": "spam", "redacts": "$x"},
    "m.room.name": {"name": "A room", "nested": [[], {}, None, -1, 0, 9007199254740991, True, False]},
    "org.example.odd": {},
}
STATE = {"m.room.create", "m.room.member", "m.room.join_rules", "m.room.power_levels", "m.room.aliases",
         "m.room.history_visibility", "m.room.name"}


def redact_newest(event, version):
    kept = {key: value for key, value in event.items() if key in KEPT}
    content = event["content"]
    if event["type"] == "m.room.create":
        kept["content"] = content
        if version == "12":
            kept.pop("room_id", None)
        return kept
    kept["content"] = {key: content[key] for key in KEPT_CONTENT.get(event["type"], []) if key in content}
    if event["type"] == "m.room.member" and isinstance(content.get("third_party_invite"), dict):
        invite = content["third_party_invite"]
        kept["content"]["third_party_invite"] = {"signed": invite["signed"]} if "signed" in invite else {}
    return kept


def newest(event, version):
    """The reference hash in Base64 for addresses, and the signature."""
    redacted = redact_newest(event, version)
    redacted.pop("signatures")
    digest = hashlib.sha256(encode_canonical_json(redacted)).digest()
    return "$" + encode_base64(digest, urlsafe=True), sign_json(redacted, "h.example", KEY)["signatures"]["h.example"]


def make(version, event_type, number, chance):
    old = version in ("1", "2")
    event = {"type": event_type, "sender": "@a:h.example", "room_id": "!room:h.example", "depth": number + 1,
             "origin_server_ts": 1700000000000 + number, "origin": "h.example", "prev_state": [], "membership": "join",
             "signatures": {"h.example": {"ed25519:other": "AAAA"}}, "unsigned": {"age_ts": 1, "age": 5},
             "prev_events": [["$p:h.example", {"sha256": "AA"}]] if old else ["$p"],
             "auth_events": [["$q:h.example", {"sha256": "AA"}]] if old else ["$q"],
             "content": copy.deepcopy(CONTENTS[event_type]), "hashes": {}}
    if event_type in STATE:
        event["state_key"] = "@c:h.example" if event_type == "m.room.member" else ""
    if event_type == "m.room.create":
        event["content"]["room_version"] = version
        if version == "12":
            del event["room_id"]
    if event_type == "m.room.redaction":
        event["redacts"] = "$x"
    if old:
        event["event_id"] = f"${number}:h.example"
    if chance.random() < 0.3 and version in ("1", "2", "3", "4", "5"):
        event["content"]["fraction"] = chance.choice([1.5, -0.0, 1e22, 1e-7, 123456.75])
    for key in list(event["content"]):
        if chance.random() < 0.2:
            del event["content"][key]
    if chance.random() < 0.3:
        event["outlier"] = True
        event["destinations"] = ["x"]
        event["age_ts"] = 12
        event["org.example.extra"] = {"b": 1, "a": [1, 2]}
    return event


def main():
    chance = random.Random(4284)
    number = 0
    for version in [str(number) for number in range(1, 13)]:
        for event_type in list(CONTENTS) * 3:
            event = make(version, event_type, number, chance)
            number += 1
            name, digest = compute_content_hash(event, hashlib.sha256)
            event["hashes"][name] = encode_base64(digest)
            if version in KNOWN_ROOM_VERSIONS:
                known = KNOWN_ROOM_VERSIONS[version]
                signatures = compute_event_signature(known, copy.deepcopy(event), "h.example", KEY)["h.example"]
                event_id = make_event_from_dict(copy.deepcopy(event), known).event_id
            else:
                event_id, signatures = newest(copy.deepcopy(event), version)
            print(json.dumps({"version": version, "event": event, "event_id": event_id,
                              "signature": signatures["ed25519:1"]}))


main()
