"""The manual pages: free of what roff's readers complain about, complete, and true to what they tell to type."""

import json
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

from harness import ROOT, run_weir

PAGES = ("weir.1", "weir.yaml.5", "weir-modules.7")


class Manual(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="weir-test."))
        self.addCleanup(shutil.rmtree, self.folder)

    def page(self, name):
        path = self.folder / name
        path.write_bytes(run_weir("manual", name).stdout)
        return path

    def rendered(self, name):
        """As a terminal shows it, without bold and wide enough for every line."""
        if not shutil.which("groff"):
            self.skipTest("groff is not installed")
        done = subprocess.run(["groff", "-man", "-Tutf8", "-P-cbou", "-rLL=200n", self.page(name)], capture_output=True,
                              check=True, timeout=60)
        return done.stdout.decode()

    def section(self, name, heading):
        return re.search(rf"^{heading}\n(.*?)(?=^\S)", self.rendered(name), re.MULTILINE | re.DOTALL).group(1)

    def test_lint(self):
        linters = [(["groff", "-ww", "-man", "-z", "-Tutf8"], ""), (["mandoc", "-T", "lint", "-W", "warning"], "missing date")]
        there = [(command, allowed) for command, allowed in linters if shutil.which(command[0])]
        if not there:
            self.skipTest("neither groff nor mandoc is installed")
        for name in PAGES:
            text = self.page(name).read_text(encoding="ascii")
            self.assertFalse([line for line in text.splitlines() if line != line.rstrip()], name)
            for command, allowed in there:
                done = subprocess.run([*command, self.folder / name], capture_output=True, text=True, timeout=60)
                said = [line for line in (done.stdout + done.stderr).splitlines() if not allowed or allowed not in line]
                self.assertEqual(said, [], (name, command))

    def test_headings(self):
        for name, headings in (("weir.1", "NAME SYNOPSIS DESCRIPTION OPTIONS SUBCOMMANDS EXIT_STATUS FILES EXAMPLES SEE_ALSO"),
                               ("weir.yaml.5", "NAME DESCRIPTION KEYS FILES EXAMPLES SEE_ALSO"),
                               ("weir-modules.7", "NAME DESCRIPTION MODULES CALLBACKS EXAMPLES SEE_ALSO")):
            found = re.findall(r'^\.SH "(.*)"$', self.page(name).read_text(), re.MULTILINE)
            self.assertEqual(found, [heading.replace("_", " ") for heading in headings.split()], name)

    def test_all_options_keys_and_modules_are_there(self):
        text = self.rendered("weir.1")
        overview = run_weir("help").stdout.decode().split("SUBCOMMANDS")[1].split("EXIT STATUS")[0]
        for subcommand in re.findall(r"^ {7}([a-z-]+) {2,}", overview, re.MULTILINE):
            part = re.search(rf"^   weir {subcommand}\n(.*?)(?=^   \S|^\S)", text, re.MULTILINE | re.DOTALL).group(1)
            for option in re.findall(r"^ {7}(?:-\w.*?, )?(--[a-z-]+)", run_weir(subcommand, "--help").stdout.decode(), re.MULTILINE):
                if option != "--help":
                    self.assertRegex(part, rf"(?m)^ +(-\w, )?{option}\b", subcommand)
        modules = self.rendered("weir-modules.7")
        for module in json.loads(run_weir("modules", "--json").stdout):
            self.assertRegex(modules, rf"(?m)^   {module['name']}$")
        keys = self.rendered("weir.yaml.5")
        for key in ("server_name", "redis.sentinel.master_name", "bodies.postgres.dbname", "http.tls.certificate_file", "observe.ask",
                    "requests.waiting_per_room", "lease"):
            self.assertRegex(keys, rf"(?m)^ {{7}}{re.escape(key)}  \S")

    def test_backslashes_and_hyphens_arrive_as_they_were(self):
        self.assertIn("weir replay -c weir.yaml recording.jsonl.zst --events recording.events.jsonl.zst | jq .rule",
                      self.rendered("weir.1"))
        self.assertIn("cases.yaml", self.rendered("weir.1"))

    def test_the_examples_of_configurations_are_good(self):
        configuration = self.folder / "weir.yaml"
        configuration.write_text(self.section("weir.yaml.5", "EXAMPLES"))
        self.assertEqual(run_weir("check", "-c", configuration).stderr, b"")
        configuration.write_text("       server_name: example.org\n" + self.section("weir-modules.7", "EXAMPLES"))
        self.assertEqual(run_weir("check", "-c", configuration, "--for", "replay").stderr, b"")

    def test_an_unknown_page(self):
        done = run_weir("manual", "weir.2", check=False)
        self.assertEqual((done.returncode, done.stdout), (2, b""))
        self.assertIn(b"weir-modules.7", done.stderr)

    def test_the_changes_know_this_version_and_every_page_they_name(self):
        text = (ROOT / "CHANGELOG.md").read_text()
        version = (ROOT / "VERSION").read_text().strip()
        self.assertRegex(text, rf"(?m)^## Unreleased$|^## {re.escape(version)}\b")
        self.assertIn(version, text)
        links = re.findall(r"\]\((?!https:)([^)]+)\)", text)
        self.assertGreater(len(links), 10)
        self.assertEqual([link for link in links if not (ROOT / link).exists()], [])
        subcommands = {name for name in re.findall(r"`weir ([a-z-]+)`", text)}
        self.assertEqual([name for name in sorted(subcommands) if run_weir(name, "--help", check=False).returncode], [])


if __name__ == "__main__":
    unittest.main()
