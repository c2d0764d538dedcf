"""weir explain as an administrator runs it: events from a file, from standard input, from a recording's bodies and from
PostgreSQL; any callback; and an installed plug-in, built by its own Makefile against the installed header."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

import harness
import oracle
import postgres_test
from harness import DATA, MODULES, ROOT, SERVER_NAME, run_weir

KEYWORD = "modules: [{module: keywords, config: {patterns: [spam], fields: [body, name]}}]"


def event(text, **members):
    return {"type": "m.room.message", "room_id": "!r:lab.test", "sender": "@a:lab.test", "content": {"body": text},
            **members}


class Folder(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="weir-test."))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def write(self, name, text):
        path = self.folder / name
        path.write_text(text)
        return path

    def configuration(self, body=KEYWORD):
        return self.write("weir.yaml", f"server_name: {SERVER_NAME}\n{body}\n")

    def explain(self, *arguments, body=KEYWORD, **options):
        return run_weir("explain", "-c", self.configuration(body), *arguments, **options)

    def said(self, *arguments, **options):
        return self.explain(*arguments, **options).stdout.decode()

    def refused(self, code, *arguments, **options):
        done = self.explain(*arguments, check=False, **options)
        self.assertEqual(done.returncode, code, done.stderr.decode())
        self.assertEqual(done.stdout, b"")
        return done.stderr.decode()


class Explain(Folder):
    def test_an_event_from_a_file_and_from_standard_input(self):
        text = json.dumps(event('all "späm" and SPAM'))
        path = self.write("event.json", text)
        said = self.said(path)
        self.assertRegex(said, r"1\. keywords +modules\[0\]  refuses with M_FORBIDDEN  \d+ ns, median \d+ ns of 200\n")
        start = text.index("SPAM")
        self.assertIn(f"where     content.body, bytes {start} to {start + 4}: ", said)
        self.assertIn(">>SPAM<<", said)
        self.assertIn("outcome   denied by keywords (modules[0]) in check_event_for_spam\n", said)
        again = self.said("-", input=text.encode())
        without_times = [re.sub(r"\d+ ns", "N ns", output) for output in (said, again)]
        self.assertEqual(*without_times)

    def test_the_row_is_that_of_a_replay(self):
        configuration = self.configuration(MODULES)
        for name in ("synapse-1.140-small", "synapse-1.140-big"):
            recording, bodies = DATA / f"{name}.jsonl.zst", DATA / f"{name}.events.jsonl.zst"
            rows = [json.loads(line) for line in run_weir("replay", "-c", configuration, recording, "--events",
                                                          bodies).stdout.splitlines()]
            self.assertTrue(rows)
            seen = {}
            for row in rows:
                seen.setdefault((row["module"], row["rule"]), row)
            for row in list(seen.values())[:8]:
                with_bodies = self.configuration(f"bodies: {{file: {bodies}}}\n{MODULES}")
                output = run_weir("explain", "-c", with_bodies, "--event-id", row["event_id"], "--repeat", "0")
                verdict = next(line for line in output.stdout.decode().splitlines() if line.startswith("verdict"))
                explained = json.loads(verdict.split(None, 1)[1])
                for member in ("stream", "instance", "token"):
                    del explained[member], row[member]
                self.assertEqual(explained, row)
                self.assertNotIn("median", output.stdout.decode())

    def test_a_line_of_recorded_bodies_is_an_event_too(self):
        line = oracle.read_jsonl(DATA / "synapse-1.140-small.events.jsonl.zst")[0]
        said = self.said(self.write("line.json", json.dumps(line)))
        self.assertIn(f"event     {line['event_id']}\n", said)
        self.assertIn(f"sender    {line['json']['sender']}\n", said)

    def test_what_synapse_would_ask(self):
        member = event("x", type="m.room.member", state_key="@a:lab.test", content={"membership": "join"})
        self.assertIn("synapse   would ask check_event_allowed: ", self.said("-", input=json.dumps(member).encode()))
        remote = event("x", sender="@a:elsewhere.example")
        self.assertIn("synapse   would ask check_event_for_spam: ", self.said("-", input=json.dumps(remote).encode()))

    def test_any_callback(self):
        arguments = json.dumps({"event": event("spam")})
        said = self.said("--callback", "check_event_for_spam", "--args", arguments)
        self.assertIn("outcome   denied by keywords (modules[0]) in check_event_for_spam\n", said)
        said = self.said("--callback", "user_may_join_room", "--args",
                         '{"user_id": "@a:lab.test", "room_id": "!r:lab.test", "is_invited": false}')
        self.assertIn("user_may_join_room (spam checker)\n  no module\n", said)
        self.assertIn("outcome   passed\n", said)

    def test_what_is_wrong_is_said(self):
        self.assertIn("which event?", self.refused(2))
        self.assertIn("not both", self.refused(2, "event.json", "--event-id", "$x"))
        self.assertIn("--args belongs to --callback", self.refused(2, "-", "--args", "{}"))
        self.assertIn("did you mean `user_may_invite`?", self.refused(2, "--callback", "user_may_invit"))
        self.assertIn("--args is not valid JSON", self.refused(2, "--callback", "is_user_expired", "--args", "{"))
        self.assertIn("--repeat must be a whole number", self.refused(2, "-", "--repeat", "many"))
        self.assertIn("the argument `user_id` must be a text", self.refused(1, "--callback", "is_user_expired"))
        self.assertIn("cannot be read: No such file", self.refused(1, self.folder / "nowhere.json"))
        self.assertIn("the body is not valid JSON", self.refused(1, "-", input=b"{]"))
        self.assertIn("names no source of event bodies", self.refused(1, "--event-id", "$x"))
        self.assertIn("patterns", self.refused(3, "-", body="modules: [{module: keywords, config: {patterns: 5}}]"))
        bodies = DATA / "synapse-1.140-small.events.jsonl.zst"
        self.assertIn("has no event $nowhere",
                      self.refused(1, "--event-id", "$nowhere", body=f"bodies: {{file: {bodies}}}\n{KEYWORD}"))


class FromPostgres(postgres_test.PostgresServer):
    def test_an_event_by_its_id(self):
        self.insert([("$known", event("some spam"))])
        configuration = self.configuration(self.bodies, KEYWORD)
        said = run_weir("explain", "-c", configuration, "--event-id", "$known").stdout.decode()
        self.assertIn("event     $known\n", said)
        self.assertIn("outcome   denied by keywords", said)
        missing = run_weir("explain", "-c", configuration, "--event-id", "$unknown", check=False)
        self.assertEqual(missing.returncode, 1)
        self.assertIn("the database has no body of an event $unknown", missing.stderr.decode())

    def test_a_database_that_is_not_there(self):
        self.postgres.kill()
        self.postgres.wait()
        configuration = self.configuration(self.bodies, KEYWORD)
        done = run_weir("explain", "-c", configuration, "--event-id", "$x", "--timeout", "300", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("has not answered within 300 ms", done.stderr.decode())


class InstalledPlugin(Folder):
    """`make install`, then the example's own Makefile, then the program that was installed."""

    def setUp(self):
        super().setUp()
        build = pathlib.Path(harness.WEIR).parent
        subprocess.run(["make", "-C", ROOT, "--no-print-directory", "install", f"PREFIX={self.folder}",
                        f"BUILD={build.relative_to(ROOT)}", "DESTDIR=",
                        f"MODE={'debug' if build.name == 'debug' else 'release'}"],
                       check=True, capture_output=True, env=self.clean_environment())
        self.example = self.folder / "share" / "weir" / "examples" / "plugin"
        subprocess.run(["make", "-C", self.example, f"PREFIX={self.folder}"], check=True, capture_output=True,
                       env=self.clean_environment())

    @staticmethod
    def clean_environment():
        """Without what an outer make would hand down."""
        return {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}

    def run_installed(self, *arguments, **options):
        return subprocess.run([self.folder / "bin" / "weir", *arguments], capture_output=True, timeout=120, **options)

    def plugin(self, settings):
        return (f"modules:\n  - module: plugin\n    config:\n      path: share/weir/examples/plugin/shouting.so\n"
                f"      settings: {settings}\n")

    def test_the_example(self):
        configuration = self.configuration(self.plugin("{letters: 5}"))
        self.assertEqual(self.run_installed("check", "-c", configuration, "--for", "replay").returncode, 0)
        done = self.run_installed("explain", "-c", configuration, "-", input=json.dumps(event("LISTEN")).encode())
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        said = done.stdout.decode()
        self.assertIn("plugin             modules[0]  refuses with M_FORBIDDEN", said)
        self.assertIn("reason    100 % of the body's letters are capitals\n", said)
        self.assertIn(">>LISTEN<<", said)
        done = self.run_installed("explain", "-c", configuration, "-", input=json.dumps(event("listen")).encode())
        self.assertIn("outcome   passed\n", done.stdout.decode())

    def test_errors_have_their_place(self):
        configuration = self.configuration(self.plugin("{share: 7, lettres: 5}"))
        done = self.run_installed("check", "-c", configuration, "--for", "replay")
        self.assertEqual(done.returncode, 3)
        lines = done.stderr.decode().splitlines()
        self.assertIn(f"{configuration}:6:25: modules[0].config.settings.share: must be a number from 0 to 1", lines)
        self.assertTrue(any(":6:37: modules[0].config.settings.lettres: unknown setting" in line for line in lines), lines)
        configuration = self.configuration("modules: [{module: plugin, config: {path: nowhere.so}}]")
        done = self.run_installed("check", "-c", configuration, "--for", "replay")
        self.assertEqual(done.returncode, 3)
        self.assertRegex(done.stderr.decode(), r":2:\d+: modules\[0\]\.config\.path: the plug-in cannot be loaded: "
                                               rf"{self.folder}/nowhere\.so: .*No such file")


if __name__ == "__main__":
    unittest.main()
