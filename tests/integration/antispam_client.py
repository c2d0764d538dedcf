"""A client that asks as synapse-http-antispam does inside of Synapse: the same bodies, headers and reading of answers,
over connections that are kept."""

import http.client
import json
import urllib.parse

PASS = "NOT_SPAM"
FAIL_OPEN = {"check_event_for_spam": True}

# Synapse's format for clients leaves these out.
SERVER_MEMBERS = ("auth_events", "prev_events", "hashes", "signatures", "depth", "origin", "prev_state")


def canonical(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def client_format(event, event_id):
    return {key: value for key, value in event.items() if key not in SERVER_MEMBERS} | {"event_id": event_id}


class AntispamClient:
    """`base_url` with any prefix, as in `homeserver.yaml`."""

    def __init__(self, base_url, authorization=None, fail_open=None):
        self.base_url = base_url
        self.authorization = authorization
        self.fail_open = {**FAIL_OPEN, **(fail_open or {})}
        address = urllib.parse.urlsplit(base_url)
        self.connection = http.client.HTTPConnection(address.hostname, address.port, timeout=60)
        self.connections = 0

    def close(self):
        self.connection.close()

    def post(self, name, body):
        """(status, content type, body) for any bytes."""
        headers = {"Content-Type": "application/json", "User-Agent": "Synapse/1.67.0", "Accept": "application/json"}
        if self.authorization:
            headers["Authorization"] = f"Bearer {self.authorization}"
        if self.connection.sock is None:
            self.connections += 1
        self.connection.request("POST", urllib.parse.urlsplit(f"{self.base_url}/{name}").path, body, headers)
        answer = self.connection.getresponse()
        return answer.status, answer.headers["Content-Type"], answer.read()

    def ask(self, name, **body):
        """PASS, or (errcode, further members) as Synapse would get them."""
        status, _, text = self.post(name, canonical(body))
        try:
            answer = json.loads(text)
        except ValueError:
            if self.fail_open.get(name):
                return PASS
            return "M_UNKNOWN", {"error": "Unexpected response from antispam server"}
        if 200 <= status < 300:
            return PASS
        for member in ("msg", "code"):
            if member in answer:
                raise AssertionError(f"Synapse's request would end with 500: {answer}")
        return answer.pop("errcode", "M_FORBIDDEN"), answer

    def ping(self, ping_id):
        status, _, text = self.post("ping", canonical({"id": ping_id}))
        answer = json.loads(text)
        return 200 <= status < 300 and answer.get("id") == ping_id and answer.get("status") == "ok"
