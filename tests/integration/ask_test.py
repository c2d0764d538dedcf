"""Any callback asked over HTTP of the real program."""

import json
import unittest
import urllib.error
import urllib.request

from harness import Server

MODULES = """
modules:
  - module: list_spam_checker
    config: {evil_users: ["@evil:lab.test"]}
  - module: presence_router
    config: {routes: [{to: "@boss:lab.test", from: ["@worker:lab.test"]}]}
"""


class AskOverHttp(Server):
    def engine(self, requests):
        self.write("bodies.jsonl", "")
        return self.start_engine(self.configuration(f"bodies: {{file: bodies.jsonl}}\n{requests}", modules=MODULES))

    def ask(self, engine, callback, args, method="POST"):
        """(status, answer) for the arguments, an object or bytes."""
        body = args if isinstance(args, bytes) else json.dumps(args).encode()
        request = urllib.request.Request(f"http://{engine.http}/_weir/v1/ask/{callback}",
                                         data=body if method == "POST" else None, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    def test_callbacks_are_answered_with_the_chains_value(self):
        engine = self.engine("requests: {http: true}")
        event = {"type": "m.room.message", "room_id": "!r:lab.test", "sender": "@evil:lab.test", "content": {}}
        self.assertEqual(self.ask(engine, "check_event_for_spam", {"event": event}),
                         (200, {"code": "M_FORBIDDEN", "fields": {}}))
        event["sender"] = "@good:lab.test"
        self.assertEqual(self.ask(engine, "check_event_for_spam", {"event": event}), (200, "NOT_SPAM"))
        self.assertEqual(self.ask(engine, "get_interested_users", {"user_id": "@boss:lab.test"}),
                         (200, {"set": ["@worker:lab.test"]}))
        edited = {"requester": {"user_id": "@a:lab.test"}, "config": {"name": "x"}, "is_requester_admin": False}
        self.assertEqual(self.ask(engine, "on_create_room", edited), (200, {"none": True, "after": {"name": "x"}}))

    def test_what_cannot_be_asked_is_refused(self):
        engine = self.engine("requests: {http: true}")
        for args in (b"", b"[]", b"{", {"user_id": 5}, {}):
            status, answer = self.ask(engine, "get_interested_users", args)
            self.assertEqual((status, answer["errcode"]), (400, "M_BAD_JSON"), args)
        self.assertEqual(self.ask(engine, "no_such_callback", {})[0], 404)
        self.assertEqual(self.ask(engine, "get_interested_users", {}, method="GET")[0], 405)

    def test_it_is_off_unless_asked_for(self):
        engine = self.engine("")
        self.assertEqual(self.ask(engine, "get_interested_users", {"user_id": "@boss:lab.test"})[0], 404)


if __name__ == "__main__":
    unittest.main()
