"""Other homeservers, as the policy server meets them: they make events, sign requests, and have a notary that knows
their keys. Ed25519 is the openssl program's, everything else is written down here from the specification alone."""

import base64
import copy
import hashlib
import http.client
import http.server
import json
import pathlib
import subprocess
import tempfile
import threading
import time

KEPT = ("event_id type room_id sender state_key content hashes signatures depth prev_events auth_events "
        "origin_server_ts").split()


def canonical(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def unpadded(data, safe=False):
    encode = base64.urlsafe_b64encode if safe else base64.b64encode
    return encode(data).decode().rstrip("=")


def padded(text):
    return base64.b64decode(text + "=" * (-len(text) % 4))


def openssl(*arguments):
    return subprocess.run(["openssl", *map(str, arguments)], capture_output=True, check=True).stdout


class Key:
    """A signing key, made from its 32 bytes, or the public half of one."""

    def __init__(self, folder, seed=None, public=None):
        self.file = pathlib.Path(tempfile.mktemp(dir=folder, suffix=".der"))
        self.public_key = self.file.with_suffix(".pub")
        if seed:
            self.file.write_bytes(bytes.fromhex("302e020100300506032b657004220420") + seed)
            self.public_key.write_bytes(openssl("pkey", "-inform", "DER", "-in", self.file, "-pubout", "-outform", "DER"))
        else:
            self.public_key.write_bytes(bytes.fromhex("302a300506032b6570032100") + padded(public))
        self.public = unpadded(self.public_key.read_bytes()[-32:])

    def sign(self, data):
        with tempfile.NamedTemporaryFile() as text:
            text.write(data)
            text.flush()
            return unpadded(openssl("pkeyutl", "-sign", "-rawin", "-inkey", self.file, "-keyform", "DER", "-in", text.name))

    def verifies(self, data, signature):
        with tempfile.NamedTemporaryFile() as text, tempfile.NamedTemporaryFile() as signed:
            text.write(data)
            text.flush()
            signed.write(padded(signature))
            signed.flush()
            done = subprocess.run(["openssl", "pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", self.public_key, "-keyform",
                                   "DER", "-in", text.name, "-sigfile", signed.name], capture_output=True, check=False)
            return done.returncode == 0


class Homeserver:
    """A server that asks the policy server `via`."""

    def __init__(self, name, folder, via, key_id="ed25519:a_key"):
        self.name, self.via, self.key_id = name, via, key_id
        self.key = Key(folder, seed=hashlib.sha256(name.encode()).digest())
        self.valid_until = int(time.time() * 1000) + 3600000

    def keys(self):
        """What it says of itself at /_matrix/key/v2/server."""
        answer = {"server_name": self.name, "valid_until_ts": self.valid_until, "old_verify_keys": {},
                  "verify_keys": {self.key_id: {"key": self.key.public}}}
        return {**answer, "signatures": {self.name: {self.key_id: self.key.sign(canonical(answer))}}}

    def authorization(self, uri, content, **changes):
        request = {"method": "POST", "uri": uri, "origin": self.name, "destination": self.via}
        if content is not None:
            request["content"] = content
        fields = {"origin": self.name, "destination": self.via, "key": self.key_id,
                  "sig": self.key.sign(canonical(request)), **changes}
        return "X-Matrix " + ",".join(f'{name}="{value}"' for name, value in fields.items() if value is not None)

    def event(self, body="hello", room="!room:lab.test", **changes):
        return hashed({"type": "m.room.message", "sender": f"@a:{self.name}", "room_id": room, "depth": 5,
                       "origin_server_ts": 1700000000000, "prev_events": ["$prev"], "auth_events": ["$auth"],
                       "content": {"msgtype": "m.text", "body": body}, "signatures": {self.name: {self.key_id: "AA"}},
                       "unsigned": {"age": 4}, **changes})


def hashed(event):
    left_out = ("unsigned", "signatures", "hashes")
    digest = hashlib.sha256(canonical({key: value for key, value in event.items() if key not in left_out})).digest()
    return {**event, "hashes": {"sha256": unpadded(digest)}}


def signed_part(event, version="10"):
    """What is signed of a message, or of an event that creates a room."""
    kept = {key: copy.deepcopy(value) for key, value in event.items() if key in KEPT and key != "signatures"}
    creates = event["type"] == "m.room.create"
    kept["content"] = event["content"] if creates and version in ("11", "12") else {}
    return canonical(kept)


def event_id(event, version="10"):
    return "$" + unpadded(hashlib.sha256(signed_part(event, version)).digest(), safe=True)


def post(address, uri, body, authorization=None, method="POST"):
    """The status, and the answer as JSON."""
    connection = http.client.HTTPConnection(address, timeout=60)
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Content-Type": "application/json", **({"Authorization": authorization} if authorization else {})}
    connection.request(method, uri, data, headers)
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    return answer.status, json.loads(text) if text else None


class Notary(http.server.ThreadingHTTPServer):
    """Knows the keys of `servers`, by name; `status` other than 200 makes it fail. Answers when `gate` is open."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self):
        self.servers, self.asked, self.status = {}, [], 200
        self.gate = threading.Event()
        self.gate.set()
        super().__init__(("127.0.0.1", 0), NotaryHandler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, *_):
        pass

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class NotaryHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        """Knows a server by the ids of its keys, as Synapse does."""
        question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        (name, keys), = question["server_keys"].items()
        (key_id, demand), = keys.items()
        self.server.asked.append(name)
        self.server.gate.wait(60)
        server = self.server.servers.get(name)
        good = self.path == "/_matrix/key/v2/query" and abs(demand["minimum_valid_until_ts"] / 1000 - time.time()) < 60
        text = json.dumps({"server_keys": [server.keys()] if good and server and key_id == server.key_id else []}).encode()
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass
