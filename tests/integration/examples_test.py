"""The examples of Synapse's documentation as modules of the real program: each with the configuration that its page
shows, asked as Synapse, or a browser, would ask it."""

import json
import pathlib
import re
import signal
import socket
import tempfile
import time
import unittest
import urllib.parse

import yaml

from harness import ROOT, SERVER_NAME, WEIR, Server, body_line, ev_row, rdata, run_weir, wait_until

IS_EVIL = "/_synapse/client/list_spam_checker/is_evil"
REQUESTS = f"{SERVER_NAME}/weir/requests"
REPLIES = f"{SERVER_NAME}/weir/replies/worker1"

LIST_SPAM_CHECKER = """
modules:
  - module: list_spam_checker
    config:
      evil_users: ["@evil:lab.test", "@Ünï code:lab.test"]
"""
# The older page's configuration, and the users that stand in the current page's program.
PRESENCE_ROUTER = """
modules:
  - module: presence_router
    config:
      always_send_to_users: ["@presence_gobbler:example.org"]
      blacklisted_users:
        - "@alice:example.com"
        - "@bob:example.com"
  - module: presence_router
    config:
      routes:
        - to: "@alice:example.com"
          from: ["@bob:example.com", "@charlie:somewhere.org"]
"""
AUTH_PROVIDER = """
modules:
  - module: my_auth_provider
"""


class Examples(Server):
    def engine(self, modules, body="", bodies=()):
        self.write("bodies.jsonl", "".join(line + "\n" for line in bodies))
        self.config = self.configuration(f"bodies: {{file: bodies.jsonl}}\n{body}", modules=modules)
        return self.start_engine(self.config)

    def reload(self, engine, modules):
        self.configuration("bodies: {file: bodies.jsonl}", modules=modules)
        loaded = len(self.logged(engine, "the configuration was loaded again"))
        engine.send_signal(signal.SIGHUP)
        wait_until(lambda: len(self.logged(engine, "the configuration was loaded again")) > loaded, what="the reload")

    def raw(self, engine, text):
        """(status, headers, body) of a request that is sent as it is."""
        host, port = engine.http.rsplit(":", 1)
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(text)
            answer = b""
            while piece := connection.recv(65536):
                answer += piece
        head, _, body = answer.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines[1:])
        return int(lines[0].split(" ")[1]), headers, body

    def page(self, engine, target, method="GET", body=None):
        if isinstance(target, str):
            target = target.encode()
        length = f"Content-Length: {len(body)}\r\n" if body is not None else ""
        return self.raw(engine, method.encode() + b" " + target + b" HTTP/1.1\r\nHost: weir\r\nConnection: close\r\n"
                        + length.encode() + b"\r\n" + (body or b""))

    def ask(self, subscriber, callback, **args):
        self.number = getattr(self, "number", 0) + 1
        self.redis.xadd(REQUESTS, {"callback": callback, "args": json.dumps(args), "reply_to": REPLIES,
                                   "id": f"q{self.number}", "deadline": int((time.time() + 60) * 1000)})
        message = wait_until(lambda: subscriber.get_message(timeout=1), what="the answer")
        name, request, value = message["data"].decode().split(" ", 2)
        self.assertEqual((name, request), ("VERDICT", f"q{self.number}"))
        return json.loads(value)


class ListSpamChecker(Examples):
    def test_page(self):
        engine = self.engine(LIST_SPAM_CHECKER)
        for query, expected in (
                ("user=" + urllib.parse.quote("@evil:lab.test"), b'{"evil": true}'),
                ("user=@evil:lab.test", b'{"evil": true}'),
                ("user=%40good:lab.test", b'{"evil": false}'),
                (urllib.parse.urlencode({"user": "@Ünï code:lab.test"}), b'{"evil": true}'),
                ("user=@Ünï%20code:lab.test", b'{"evil": true}'),
                ("x=1&user=@evil:lab.test&user=@good:lab.test", b'{"evil": true}'),
                ("user=@good:lab.test;user=@evil:lab.test", b'{"evil": false}'),
                ("user=", b'{"evil": false}')):
            status, headers, body = self.page(engine, f"{IS_EVIL}?{query}")
            self.assertEqual((status, body), (200, expected), query)
            self.assertEqual(headers["Content-Type"], "application/json", query)
        self.assertEqual(self.http(engine, f"{IS_EVIL}?user=%40evil%3Alab.test"), (200, '{"evil": true}'))
        status, headers, body = self.page(engine, f"{IS_EVIL}?user=@evil:lab.test", method="HEAD")
        self.assertEqual((status, headers["Content-Length"], body), (200, "14", b""))
        for query, code in (("", "M_MISSING_PARAM"), ("?user", "M_MISSING_PARAM"), ("?user=%ff", "M_INVALID_PARAM")):
            status, headers, body = self.page(engine, IS_EVIL + query)
            self.assertEqual((status, json.loads(body)["errcode"]), (400, code), query)
            self.assertEqual(headers["Content-Type"], "application/json", query)
        self.assertEqual(self.page(engine, IS_EVIL.encode() + b"?user=\xff\xfe")[0], 400)
        self.stop_engine(engine)

    def test_what_is_no_request_for_the_page(self):
        engine = self.engine(LIST_SPAM_CHECKER)
        for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH"):
            status, headers, body = self.page(engine, f"{IS_EVIL}?user=@evil:lab.test", method=method, body=b"x")
            self.assertEqual((status, headers["Allow"]), (405, "GET, HEAD"), method)
            self.assertEqual(json.loads(body)["errcode"], "M_UNRECOGNIZED", method)
        for path in (IS_EVIL + "/", IS_EVIL + "/x", IS_EVIL[:-1], "/_synapse/client/list_spam_checker", "/other"):
            self.assertEqual(self.page(engine, f"{path}?user=@evil:lab.test")[0], 404, path)
        self.assertEqual(self.page(engine, IS_EVIL, method="POST", body=b"x" * (1 << 20))[0], 405)
        # The answer waits for the end of the body, so that a client which writes all of it first gets to read it.
        self.assertEqual(self.raw(engine, f"POST {IS_EVIL} HTTP/1.1\r\nHost: weir\r\nContent-Length: {(1 << 20) + 1}\r\n"
                                          "\r\n".encode() + b" " * ((1 << 20) + 1))[0], 413)
        self.assertEqual(self.http(engine, f"{IS_EVIL}?user=%40evil%3Alab.test"), (200, '{"evil": true}'))
        self.stop_engine(engine)

    def test_reload(self):
        engine = self.engine(LIST_SPAM_CHECKER)
        self.assertEqual(self.http(engine, f"{IS_EVIL}?user=@evil:lab.test"), (200, '{"evil": true}'))
        self.reload(engine, LIST_SPAM_CHECKER.replace("@evil", "@late"))
        self.assertEqual(self.http(engine, f"{IS_EVIL}?user=@evil:lab.test"), (200, '{"evil": false}'))
        self.assertEqual(self.http(engine, f"{IS_EVIL}?user=@late:lab.test"), (200, '{"evil": true}'))
        self.reload(engine, "modules: [{module: event_types}]")
        self.assertEqual(self.http(engine, f"{IS_EVIL}?user=@late:lab.test")[0], 404)
        self.reload(engine, LIST_SPAM_CHECKER)
        self.assertEqual(self.http(engine, f"{IS_EVIL}?user=@evil:lab.test"), (200, '{"evil": true}'))
        self.stop_engine(engine)

    def test_the_first_of_two_serves_the_page(self):
        second = LIST_SPAM_CHECKER.replace("modules:", "").replace("@evil", "@second")
        engine = self.engine(LIST_SPAM_CHECKER + second)
        self.assertEqual(self.http(engine, f"{IS_EVIL}?user=@evil:lab.test"), (200, '{"evil": true}'))
        self.assertEqual(self.http(engine, f"{IS_EVIL}?user=@second:lab.test"), (200, '{"evil": false}'))
        self.assertIn(f"serves the path {IS_EVIL}, which an earlier module serves already", engine.log.read_text())
        self.stop_engine(engine)

    def test_without_a_listener_it_is_said_that_nobody_sees_the_page(self):
        self.engine(LIST_SPAM_CHECKER)
        text = re.sub("http: .*", "http: false", self.config.read_text())
        log = self.folder / "silent.log"
        with log.open("wb") as stderr:
            engine = self.start([WEIR, "run", "-c", self.write("silent.yaml", text)], stderr=stderr)
        engine.log = log
        line = wait_until(lambda: self.logged(engine, "a module has a page, and nothing listens for HTTP"))[0]
        self.assertEqual((line["level"], line["path"], line["module"]), ("warning", IS_EVIL, "list_spam_checker"))
        self.stop_engine(engine)

    def test_observed_events(self):
        senders = {"$1": "@evil:lab.test", "$2": "@good:lab.test", "$3": "@evil:lab.test.example", "$4": "@Ünï code:lab.test"}
        bodies = [body_line(event_id, body="hello").replace("@a:lab.test", sender) for event_id, sender in senders.items()]
        for semantics, result in (("latest", {"code": "M_FORBIDDEN", "fields": {}}), ("'1.47'", {"bool": True})):
            self.redis.flushall()
            engine = self.engine(LIST_SPAM_CHECKER, body=f"semantics: {semantics}", bodies=bodies)
            self.publish("POSITION events persister1 0 0")
            for token, event_id in enumerate(senders, 1):
                self.publish(rdata(token, ev_row(event_id)))
            self.settle(engine)
            rows = [json.loads(row) for _, row in self.durable()]
            self.assertEqual([(row["event_id"], row["module"], row["rule"], row["result"]) for row in rows],
                             [("$1", "list_spam_checker", "@evil:lab.test", result),
                              ("$4", "list_spam_checker", "@Ünï code:lab.test", result)], semantics)
            self.stop_engine(engine)


class PresenceRouter(Examples):
    def test_requests(self):
        subscriber = self.subscribe(REPLIES)
        engine = self.engine(PRESENCE_ROUTER)
        states = [{"user_id": user, "state": "online", "last_active_ts": 1, "last_federation_update_ts": 2,
                   "last_user_sync_ts": 3, "status_msg": None, "currently_active": True}
                  for user in ("@alice:example.com", "@bob:example.com", "@charlie:somewhere.org", "@dora:lab.test")]
        routed = self.ask(subscriber, "get_users_for_states", state_updates=states)["dict"]
        self.assertEqual({user: sorted(state["user_id"] for state in states["set"])
                          for user, states in routed.items()},
                         {"@presence_gobbler:example.org": ["@charlie:somewhere.org", "@dora:lab.test"],
                          "@alice:example.com": ["@bob:example.com", "@charlie:somewhere.org"]})
        routed = self.ask(subscriber, "get_users_for_states", state_updates=states[:1])["dict"]
        self.assertEqual(routed, {"@presence_gobbler:example.org": {"set": []}})
        interested = {user: self.ask(subscriber, "get_interested_users", user_id=user)
                      for user in ("@presence_gobbler:example.org", "@alice:example.com", "@bob:example.com")}
        self.assertEqual(interested["@presence_gobbler:example.org"], {"str": "ALL"})
        self.assertEqual(sorted(interested["@alice:example.com"]["set"]), ["@bob:example.com", "@charlie:somewhere.org"])
        self.assertEqual(interested["@bob:example.com"], {"set": []})
        self.stop_engine(engine)


class MyAuthProvider(Examples):
    def login(self, subscriber, username, login_type, **fields):
        return self.ask(subscriber, "auth_checkers", username=username, login_type=login_type, login_dict=fields)

    def test_requests(self):
        subscriber = self.subscribe(REPLIES)
        engine = self.engine(AUTH_PROVIDER)
        self.assertIn("my_auth_provider is a demonstration", engine.log.read_text())
        bob = {"tuple": [{"str": "@bob:lab.test"}, {"none": True}]}
        scoop = {"tuple": [{"str": "@scoop:matrix.org"}, {"none": True}]}
        nobody = {"none": True}
        for username, login_type, fields, expected in (
                ("bob", "my.login_type", {"my_field": "building"}, bob),
                ("bob", "m.login.password", {"password": "building"}, bob),
                ("@scoop:matrix.org", "my.login_type", {"my_field": "digging"}, scoop),
                ("@scoop:matrix.org", "m.login.password", {"password": "digging"}, scoop),
                ("bob", "m.login.password", {"password": "digging"}, nobody),
                ("@bob:lab.test", "m.login.password", {"password": "building"}, nobody),
                ("scoop", "my.login_type", {"my_field": "digging"}, nobody),
                ("admin", "my.login_type", {"my_field": None}, nobody),
                ("bob", "my.login_type", {"my_field": None}, nobody)):
            self.assertEqual(self.login(subscriber, username, login_type, **fields), expected, (username, fields))
        self.assertIn("raise", self.login(subscriber, "bob", "no.such.type", my_field="building"))
        self.stop_engine(engine)


class Sample(unittest.TestCase):
    def test_the_sample_configuration_shows_every_example(self):
        """Those that it leaves out, since nobody should copy them unseen, are right too once their `#` are taken off."""
        text = (ROOT / "deploy/sample/weir.yaml").read_text()
        examples = text[text.index("# The examples of Synapse's documentation"):]
        whole = text[:-len(examples)] + re.sub(r"(?m)^  # (  |- )", r"  \1", examples)
        modules = [item["module"] for item in yaml.safe_load(whole)["modules"]]
        for name in ("list_spam_checker", "presence_router", "my_auth_provider"):
            self.assertIn(name, modules)
        with tempfile.TemporaryDirectory(prefix="weir-test.") as name:
            folder = pathlib.Path(name)
            for path in (ROOT / "deploy/sample").iterdir():
                (folder / path.name).symlink_to(path)
            configuration = folder / "whole.yaml"
            configuration.write_text(whole)
            done = run_weir("check", "-c", configuration)
        self.assertIn("my_auth_provider", done.stdout.decode())


if __name__ == "__main__":
    unittest.main()
