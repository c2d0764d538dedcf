"""A policy list in the real Synapse 1.67: a moderator writes rules into a room by the client API, and what Synapse then
refuses to the users whom they ban. synapse_server.py says what it needs."""

import signal
import unittest
import urllib.error
import urllib.parse

import synapse_server
from harness import SERVER_NAME, wait_until
from synapse_module_test import REASON, SynapseModule


@unittest.skipIf(REASON, REASON)
class PolicyList(SynapseModule):
    module_configuration = "callbacks: all, timeout: 20s"

    def weir_configuration(self, room):
        return self.configuration(
            f"bodies: {{postgres: {{host: {self.database}, user: synapse, dbname: postgres}}}}\nrequests: {{redis: true}}\n",
            modules=f"modules: [{{module: policy_list, config: {{rooms: [{{room: '{room}', name: mine}}]}}}}]")

    def put_rule(self, room, key, content, kind="m.policy.rule.user"):
        return self.call("PUT", f"/rooms/{room}/state/{kind}/{key}", content, "alice")["event_id"]

    def may_speak(self, room, user):
        try:
            self.say(room, "hello", user)
            return True
        except urllib.error.HTTPError as error:
            with error:
                self.assertEqual(error.code, 403)
                return False

    def wait_for(self, room, user, may):
        wait_until(lambda: self.may_speak(room, user) == may, 30, f"{user}: {may}")

    def test_a_rule_is_in_force_when_it_is_written(self):
        engine = self.start_engine(self.weir_configuration("!not-yet:lab.test"), ready=False)
        self.start_synapse()
        self.make_users("alice", "mallory", "mallet", "bob")
        room = self.make_room(preset="public_chat")
        for user in ("mallory", "mallet", "bob"):
            self.call("POST", f"/join/{room}", {}, user)
        list_room = self.make_room()
        self.put_rule(list_room, "before", {"entity": f"@mallet:{SERVER_NAME}", "recommendation": "m.ban", "reason": "spam"})
        self.assertTrue(self.may_speak(room, "mallet"))

        self.weir_configuration(urllib.parse.unquote(list_room))
        engine.send_signal(signal.SIGHUP)
        self.wait_for(room, "mallet", False)  # what was there before, from the database
        self.assertTrue(self.may_speak(room, "mallory"))

        rule = self.put_rule(list_room, "live", {"entity": f"@MALLORY:{SERVER_NAME}", "recommendation": "m.ban",
                                                 "reason": "spam"})
        self.wait_for(room, "mallory", False)
        status, body = self.refused("POST", "/createRoom", {}, "mallory")
        self.assertEqual((status, body["errcode"]), (403, "M_FORBIDDEN"))
        self.assertTrue(self.may_speak(room, "bob"))
        self.call("PUT", f"/rooms/{list_room}/redact/{urllib.parse.quote(rule)}/1", {}, "alice")
        self.wait_for(room, "mallory", True)
        self.put_rule(list_room, "before", {})
        self.wait_for(room, "mallet", True)
        self.put_rule(list_room, "all", {"entity": "@m*", "recommendation": "m.takedown"})
        self.wait_for(room, "mallory", False)
        self.assertTrue(self.may_speak(room, "bob"))
        self.put_rule(list_room, "all", {"entity": "@*", "recommendation": "m.takedown"})  # would hit everybody here
        self.wait_for(room, "mallory", True)
        self.call("POST", f"/rooms/{room}/leave", {}, "mallet")
        self.stop_engine(engine)


if __name__ == "__main__":
    unittest.main()
