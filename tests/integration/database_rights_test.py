"""The PostgreSQL role of docs/synapse.md: it has what the engine needs, and no table more."""

import json
import re
import unittest

import harness
from harness import ROOT, ev_row, rdata, run_weir, wait_until
from postgres_test import PostgresServer

POLICIES = "!policies:lab.test"
MODULES = f"""modules:
  - module: keywords
    config: {{words: [spam]}}
  - module: policy_list
    config: {{rooms: [{{room: "{POLICIES}", name: ours}}]}}
"""


def page_statements():
    blocks = re.findall(r"```sql\n(.*?)```", (ROOT / "docs/synapse.md").read_text(), re.DOTALL)
    return "".join(blocks).replace(" CONNECTION LIMIT 20", "")


def tables_of_the_sources():
    """What stands behind FROM and JOIN in the statements of the sources."""
    found = set()
    for path in [*ROOT.glob("engine/*.c"), *ROOT.glob("replication/*.c")]:
        literals = " ".join(re.findall(r'"((?:[^"\\]|\\.)*)"', path.read_text()))
        if "SELECT" in literals:
            found |= set(re.findall(r"\b(?:FROM|JOIN) ([a-z_]+)\b", literals))
            if 'COLUMNS "current_state_events"' in path.read_text():
                found.add("current_state_events")
    return found - {"pg_settings"}


class DatabaseRights(PostgresServer):
    def setUp(self):
        super().setUp()
        self.sql(page_statements())
        self.bodies = (f"bodies: {{postgres: {{host: {self.database}, user: weir, dbname: postgres}}, retry_for: 1s}}\n"
                       "audit: 1s\n")

    def add(self, token, text="spam", room="!r:lab.test", **members):
        event = {"type": "m.room.message", "room_id": room, "sender": "@a:lab.test", "content": {"body": text}, **members}
        self.store([(token, "persister1", f"${token}", event)])

    def test_it_may_read_what_the_sources_ask_for_and_nothing_else(self):
        granted = set(self.sql("SELECT DISTINCT table_name FROM information_schema.role_table_grants WHERE grantee = 'weir'")
                      .stdout.decode().split())
        self.assertEqual(granted, tables_of_the_sources())
        kinds = self.sql("SELECT DISTINCT privilege_type FROM information_schema.role_table_grants WHERE grantee = 'weir'")
        self.assertEqual(kinds.stdout.decode().split(), ["SELECT"])
        self.sql("CREATE TABLE access_tokens (token text)")
        for statement in ("SELECT * FROM access_tokens", "DELETE FROM events", "CREATE TABLE mine (x int)"):
            done = self.sql(f"SET ROLE weir; {statement}", check=False)
            self.assertIn(b"permission denied", done.stderr, statement)

    def test_an_engine_lacks_nothing(self):
        rule = {"entity": "@banned:bad.example", "recommendation": "m.ban", "reason": "spam"}
        self.add(1, room=POLICIES, type="m.policy.rule.user", state_key="x", content=rule)
        self.sql(f"INSERT INTO current_state_events VALUES ('$1', '{POLICIES}', 'm.policy.rule.user', 'x', NULL)")
        self.sql("UPDATE events SET sender = '@mod:lab.test', received_ts = extract(epoch FROM now()) * 1000")
        engine = self.start_engine(self.configuration(self.bodies, MODULES))
        wait_until(lambda: self.logged(engine, "the state of a followed room was read"), what="the policy list")
        self.publish("POSITION events persister1 1 1")
        wait_until(lambda: self.redis.hget(f"{harness.SERVER_NAME}/weir/positions", "weir1 events persister1") == b"1",
                   what="the position")
        self.add(2)
        self.publish(rdata(2, ev_row("$2")))
        wait_until(lambda: len(self.durable()) == 1, what="the verdict of an event that was published")
        self.add(3)
        self.sql("INSERT INTO stream_positions VALUES ('events', 'persister1', 3)")
        self.publish("POSITION events persister1 3 3")
        wait_until(lambda: len(self.durable()) == 2, what="the verdict of an event that was missed")
        self.add(4)
        self.sql("UPDATE stream_positions SET stream_id = 5")
        self.publish(rdata(5, ev_row("$none")))
        wait_until(lambda: "$4" in [json.loads(row)["event_id"] for _, row in self.durable()], what="the audit")
        self.assertNotIn("denied", [line.get("reason", "") for line in self.log_lines(engine)])
        self.assertNotIn("permission denied", engine.log.read_text())
        self.stop_engine(engine)

    def test_a_backtest_lacks_nothing(self):
        self.add(1)
        self.sql("UPDATE events SET received_ts = extract(epoch FROM now()) * 1000 - 1000")
        done = run_weir("backtest", "-c", self.configuration(self.bodies, MODULES), "--from-database", "--since", "1d")
        self.assertIn(b"1 denied", done.stdout)

    def test_the_policy_server_lacks_nothing(self):
        room = self.sql("SET ROLE weir; SELECT r.room_version FROM rooms r JOIN current_state_events c USING (room_id) "
                        "JOIN event_json j ON j.event_id = c.event_id", check=False)
        self.assertEqual(room.returncode, 0, room.stderr)


if __name__ == "__main__":
    unittest.main()
