"""The first run beside a real Synapse with a worker that writes events: from its homeserver.yaml to the first verdict."""

import json
import time
import unittest
import urllib.parse

import synapse_server
from harness import SERVER_NAME, free_port, run_weir, wait_until

REASON = synapse_server.why_not()


@unittest.skipIf(REASON, REASON)
class FirstRunBesideSynapse(synapse_server.SynapseServer):
    persisters = ("persister1",)
    client_workers = ("client1",)

    def module_paths(self):
        return (synapse_server.postgres_test.harness.ROOT / "deploy" / "synapse",)

    def synapse_configuration(self):
        return "modules: [{module: weir_module.WeirModule, config: {callbacks: all, timeout: 2s, on_timeout: pass}}]\n"

    def say(self, text):
        call = lambda method, path, body, token=None: synapse_server.call(self.ports["client"], method, path, body, token)
        token = call("POST", "/register", {"username": "alice", "password": "password", "auth": {"type": "m.login.dummy"}})
        token = token["access_token"]
        room = call("POST", "/createRoom", {"preset": "public_chat"}, token)["room_id"]
        path = f"/rooms/{urllib.parse.quote(room)}/send/m.room.message/{time.monotonic_ns()}"
        return call("PUT", path, {"msgtype": "m.text", "body": text}, token)["event_id"]

    def doctor(self):
        done = run_weir("doctor", "-c", self.output, "--json", check=False)
        return done.returncode, {check["name"]: check for check in json.loads(done.stdout)["checks"]}

    def test_from_homeserver_yaml_to_the_first_verdict(self):
        self.start_synapse()
        self.output = self.folder / "etc" / "weir.yaml"
        self.output.parent.mkdir()
        done = run_weir("init", "--synapse-config", self.folder / "homeserver.yaml", "--yes", "--output", self.output)
        text = done.stdout.decode()
        self.assertIn("persister1 (events up to", text)
        self.assertNotIn("!", text.split("What next")[0])
        self.output.write_text(self.output.read_text().replace("127.0.0.1:9180", f"127.0.0.1:{free_port()}"))
        engine = self.start_engine(self.output)
        event_id = self.say("double your bitcoin")
        wait_until(lambda: [row for _, row in self.durable() if json.loads(row)["event_id"] == event_id],
                   what="the first verdict")
        self.assertTrue(all(json.loads(row)["dry_run"] for _, row in self.durable()))
        code, checks = self.doctor()
        self.assertEqual(code, 0, checks)
        self.assertEqual({check["state"] for name, check in checks.items() if name.startswith(("replication", "engine"))},
                         {"ok"}, checks)
        self.assertIn("the last time", checks["requests.module"]["findings"][0]["text"])
        self.stop_engine(engine)
