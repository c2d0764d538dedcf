"""The manual: whatever its pages tell to type is typed here, in a folder of the page's own with a real Redis, and, where the page
says so, a running engine and a PostgreSQL with Synapse's tables. Every configuration loads, every link leads somewhere, and the
page of log messages knows every message.

Addresses and folders of the pages (127.0.0.1:9180, /etc/weir, …) are put in place of those that the test has. What a page needs
beside that lies in its folder: recordings, lists, certificates, secrets."""

import collections
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import textwrap
import time
import unittest

import harness
import log_messages
import manual_pages
import oracle
import yaml
from certificates import Authority
from harness import ROOT, WEIR, wait_until
from postgres_test import PostgresServer

SAMPLE = ROOT / "deploy/sample"
# Why a block, or a line that begins with such a word, is not run. There are no other reasons.
REASONS = {
    "needs systemd": ["systemctl", "journalctl", "systemd-analyze"],
    "needs root": ["sudo", "apt", "apt-get", "adduser", "chown"],
    "builds the program": ["make"],
    "needs a homeserver": [],
    "needs a container runtime": ["podman", "docker"],
}
LASTING = re.compile(r"weir (run|tail|record|top)\b(?!.*--(stored|count|help))|weir_actions\.py ")
KINDS = {"", "text", "sh", "yaml", "json", "lua", "sql", "redis", "nginx", "ini", "c", "http", "yaml synapse", "yaml prometheus",
         "yaml cases", "yaml compose"}
SECRET = "s3cret-of-the-page"
WORDS = "words.txt domains.txt spam-words.txt spam-domains.txt spam-users.txt banned.txt files.txt regex.txt links.txt".split()
RECORDINGS = "recording week mon tue monday".split()


skips, ran, seconds = collections.Counter(), collections.Counter(), {}  # MANUAL_SUMMARY=1 shows them at the end


class Manual(PostgresServer):
    """A page's folder. The database is begun by the first block that wants it."""

    def setUp(self):
        self.port = harness.free_port()
        harness.Server.setUp(self)
        self.folder.chmod(0o755)
        self.http_port = harness.free_port()
        self.engine, self.database, self.output = None, None, ""
        self.lasting = []
        self.fill_folder()

    def fill_folder(self):
        for name in ("bin", "etc/weir", "etc/matrix-synapse", "var/lib/weir", "var/cache/weir", "run/weir"):
            (self.folder / name).mkdir(parents=True)
        (self.folder / "var/lib/weir").chmod(0o700)
        # What is found at /etc/weir/weir.yaml by itself is there in the page's own /etc.
        self.executable("bin/weir", f'''#!/bin/sh
case "$1 $*" in
*" -c "* | *" --config "* | *" -s "* | *" --socket "*) ;;
status* | top* | positions* | log* | reload* | doctor*) set -- "$@" -c {self.folder}/etc/weir/weir.yaml ;;
esac
exec {WEIR} "$@"
''')
        for name, arguments in (("redis-cli", f"-p {self.port}"),):
            self.executable(f"bin/{name}", f'#!/bin/sh\nexec {shutil.which(name)} {arguments} "$@"\n')
        self.executable("bin/weir_actions.py",
                        f'#!/bin/sh\nexec /usr/bin/python3 {ROOT}/deploy/consumers/weir_actions.py --redis '
                        f'redis://127.0.0.1:{self.port} "$@"\n')
        for name in WORDS:
            self.write(name, "# a list\nspam.example\n")
        self.write("spam.lua", (SAMPLE / "spam.lua").read_text())
        for name in RECORDINGS:
            for kind in ("", ".events"):
                shutil.copy(SAMPLE / f"recording{kind}.jsonl.zst", self.folder / f"{name}{kind}.jsonl.zst")
        self.write("event.json", json.dumps({
            "event_id": "$1", "type": "m.room.message", "room_id": "!lobby:example.org", "sender": "@spam1:bad.example",
            "origin_server_ts": 1795424359000, "content": {"msgtype": "m.text", "body": "free money at https://spam.example"}}))
        for name in ("weir.yaml", "new.yaml", "new-rules.yaml", "etc/weir/weir.yaml"):
            self.write(name, self.page_of(
                "server_name: example.org\nredis: {host: 127.0.0.1, port: 6379}\nbodies: {file: recording.events.jsonl.zst}\n"
                "http: {listen: 127.0.0.1:9180, secret_path: http-secret}\nrequests: {http: true}\n"
                "state_dir: /var/lib/weir\n"
                "modules:\n  - module: hold\n  - module: sender_list\n    config: {users: ['@spam*:bad.example', '@u049:lab.test']}\n"))
        self.write("community.json", "[]")
        for name in ("cases.yaml", "more-cases.yaml"):
            self.write(name, 'cases: [{name: ordinary talk, text: "see you at eight", expect: pass}]\n')
        shutil.copy(SAMPLE / "recording.events.jsonl.zst", self.folder / "etc/weir")
        for name in ("http-secret", "redis-password", "replication-secret", "bot.token"):
            for folder in (self.folder, self.folder / "etc/weir"):
                (folder / name).write_text(SECRET + "\n")
                (folder / name).chmod(0o600)
        for name in ("moderation.token", "meowlnir.token", "draupnir.token"):
            self.write(name, "Bearer " + SECRET + "\n")
        self.environment = self.folder / "environment"
        self.environment.write_text(f"export SECRET={SECRET} TOKEN={SECRET}\n")

    def executable(self, name, text):
        self.write(name, text).chmod(0o755)

    def make_certificates(self):
        folder = self.folder / "etc/weir"
        if (folder / "redis-ca.pem").exists():
            return
        authority = Authority(folder, "redis-ca")
        for name in ("redis", "weir.example", "http"):
            certificate, key = authority.issue(name)
            key.chmod(0o600)

    def page_of(self, text):
        """What a page says, with the test's addresses and folders."""
        for written, here in (("127.0.0.1:9180", f"127.0.0.1:{self.http_port}"), ("127.0.0.1:6379", f"127.0.0.1:{self.port}"),
                              ("port: 6379", f"port: {self.port}"), ("/run/postgresql", f"{self.folder}/postgres"),
                              ("/usr/share/weir/", f"{ROOT}/deploy/"), ("/usr/local/share/weir/", f"{ROOT}/deploy/")):
            text = text.replace(written, here)
        return re.sub(r"(?<![\w.])/(etc/weir|etc/matrix-synapse|var/lib/weir|var/cache/weir|run/weir)\b",
                      lambda match: f"{self.folder}/{match[1]}", text)

    # ---- what a block needs

    def need_database(self):
        if not self.database:
            self.set_up_database()
            self.insert((line["event_id"], line["json"]) for line in oracle.read_jsonl(SAMPLE / "recording.events.jsonl.zst"))
            if not self.makes_role:
                self.sql("CREATE ROLE weir LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO weir")
            subprocess.run(["psql", "-qAt", "-h", self.database, "-U", "synapse", "-d", "template1", "-c",
                            "CREATE DATABASE synapse TEMPLATE postgres"], check=True, capture_output=True)
            for name in ("weir.yaml", "new.yaml"):
                text = (self.folder / name).read_text()
                self.write(name, text.replace("{file: recording.events.jsonl.zst}",
                                              f"{{postgres: {{host: {self.database}, dbname: synapse, user: weir}}}}"))

    def need_engine(self, name="weir.yaml"):
        if self.engine and self.engine.poll() is None:
            return
        self.engine = self.start_engine(self.folder / (name or "weir.yaml"), ready=False)
        wait_until(lambda: self.http(self.engine, "/readyz")[0] == 200, what=self.http(self.engine, "/readyz")[1])

    def prepare(self, block):
        unknown = set(block.directives) - {"engine", "postgres", "file", "exit", "output", "plugin", "traffic"}
        self.assertFalse(unknown, f"{block}: an unknown directive")
        if re.search(r"certificate_file|ca_file", block.text):
            self.make_certificates()
        if "plugin" in block.directives:
            shutil.copy(pathlib.Path(WEIR).parent / "tests/plugins/shouting.so", self.folder)
        if "postgres" in block.directives:
            self.need_database()
        if "engine" in block.directives:
            self.need_engine(block.directives["engine"])

    # ---- each kind

    def run_sh(self, block):
        commands = list(block.commands())
        for place, command in enumerate(commands):
            word = command.split()[0]
            reason = next((reason for reason, words in REASONS.items() if word in words), None)
            if reason:
                skips[reason] += 1
                continue
            wanted = int(block.directives.get("exit", 0)) if place == len(commands) - 1 else 0
            ran["commands"] += 1
            self.type(block, self.page_of(command), (wanted,))
        if "traffic" in block.directives:
            harness.run_weir("play", SAMPLE / "recording.jsonl.zst", "--redis", self.socket, "--speed", "max", "--server-name",
                             "example.org")

    def type(self, block, command, wanted):
        script = (f". {self.environment}\ncd {self.folder}\n{command}\nstatus=$?\n"
                  f"export -p >{self.environment}\nexit $status\n")
        environment = {**os.environ, "PATH": f"{self.folder}/bin:{os.environ['PATH']}", "HOME": str(self.folder)}
        if LASTING.match(command):
            return self.leave(block, command, environment)
        done = subprocess.run(["bash", "-c", script], capture_output=True, timeout=300, env=environment)
        self.output = done.stdout.decode() + done.stderr.decode()
        self.assertIn(done.returncode, wanted, f"{block}: {command}{self.output}")
        return None

    def leave(self, block, command, environment):
        """What goes on until the page ends; an engine is waited for."""
        log = self.folder / f"lasting-{len(self.lasting)}.log"
        with log.open("wb") as output:
            process = self.start(["bash", "-c", f"cd {self.folder}; exec {command}"], stdout=output, stderr=output, env=environment)
        process.log = log
        self.lasting.append((block, process))
        if "weir run" in command:
            wait_until(lambda: "subscribed; asks every writer" in log.read_text() or process.poll() is not None,
                       what=f"{block}: {command}")
            self.engine = process
        else:
            time.sleep(0.5)
        self.assertIsNone(process.poll(), f"{block}: {command}{log.read_text()}")

    def expect_output(self, block):
        """Of a program that goes on it may come a little later."""
        lines = [line.split() for line in self.page_of(block.text).splitlines() if line.strip()]
        self.assertTrue(lines, f"{block}: nothing to compare")
        wanted = [re.compile(r" ".join(r"\d+" if word.isdigit() else re.escape(word).replace("…", ".*?") for word in line))
                  for line in lines]

        def missing():
            texts = [self.output] + [process.log.read_text() for _, process in self.lasting]
            shown = "\n".join(" ".join(line.split()) for text in texts for line in text.splitlines())
            return [pattern.pattern for pattern in wanted if not pattern.search(shown)]
        try:
            wait_until(lambda: not missing(), seconds=10)
        except AssertionError:
            self.fail(f"{block}: not shown: {missing()}\n{self.output}")

    def check_yaml(self, block):
        """A whole configuration, or a part of one: what is missing is added behind it, so that lines stay what they are."""
        text = textwrap.dedent(block.text)
        parsed = yaml.safe_load(text)
        if isinstance(parsed, list):
            text, parsed = "modules:\n" + textwrap.indent(text, "  "), {"modules": parsed}
        text += "\n"
        for key, value in (("server_name", "example.org"), ("redis", "{port: 6379}"), ("modules", "[{module: event_types}]"),
                           ("bodies", "{file: recording.events.jsonl.zst}")):
            if key not in parsed and "synapse_config" not in parsed:
                text += f"{key}: {value}\n"
        folder = pathlib.Path(self.page_of(block.directives.get("file", ""))).parent  # paths in it are beside it
        path = self.write(folder / "block.yaml", self.page_of(text))
        done = harness.run_weir("check", "-c", path, check=False)
        self.assertEqual(done.returncode, 0, f"{block}: {done.stderr.decode()}{text}")

    def check_synapse(self, block):
        """Synapse's own file; what it gives to Weir's module, that module reads."""
        parsed = yaml.safe_load(textwrap.dedent(block.text))
        configurations = [entry["config"] for entry in parsed.get("modules", ()) if "WeirModule" in entry["module"]]
        if "on_timeout" in parsed:
            configurations.append(parsed)
        for configuration in configurations:
            code = ("import json, sys; sys.path.insert(0, 'deploy/synapse'); import weir_module; "
                    "weir_module.WeirModule.parse_config(json.load(sys.stdin))")
            done = subprocess.run(["/usr/bin/python3", "-B", "-c", code], input=json.dumps(configuration).encode(), cwd=ROOT,
                                  capture_output=True, timeout=60)
            self.assertEqual(done.returncode, 0, f"{block}: {done.stderr.decode()}")
            ran["configurations of the module for Synapse"] += 1

    def check_nginx(self, block):
        if not shutil.which("nginx"):
            self.skipTest("nginx is not installed")
        folders = " ".join(f"{kind}_temp_path {self.folder}/nginx;" for kind in "client_body proxy fastcgi uwsgi scgi".split())
        path = self.write("nginx.conf", f"pid {self.folder}/nginx.pid; error_log {self.folder}/nginx.log; events {{}}\n"
                                        f"http {{ access_log off; {folders}\n"
                                        f"server {{ listen 127.0.0.1:{harness.free_port()};\n{block.text}}}\n}}\n")
        done = subprocess.run(["nginx", "-t", "-c", path, "-p", self.folder], capture_output=True, timeout=60)
        self.assertEqual(done.returncode, 0, f"{block}: {done.stderr.decode()}")

    def check_cases(self, block):
        text = textwrap.dedent(block.text)
        if isinstance(yaml.safe_load(text), list):
            text = "cases:\n" + textwrap.indent(text, "  ")
        done = harness.run_weir("test", "-c", self.folder / "weir.yaml", self.write("block-cases.yaml", text), check=False)
        self.assertIn(done.returncode, (0, 1), f"{block}: {done.stderr.decode()}")

    def check_lua(self, block):
        self.write("block.lua", block.text)
        path = self.configuration(modules="modules: [{module: lua, config: {script: block.lua}}]", name="block.yaml")
        done = harness.run_weir("check", "-c", path, "--for", "replay", check=False)
        self.assertEqual(done.returncode, 0, f"{block}: {done.stderr.decode()}")

    def run_sql(self, block):
        self.need_database()
        done = subprocess.run(["psql", "-qAt", "-h", self.database, "-U", "synapse", "-d", "synapse", "-v", "ON_ERROR_STOP=1"],
                              input=block.text.encode(), capture_output=True, timeout=60)
        self.assertEqual(done.returncode, 0, f"{block}: {done.stderr.decode()}")

    def run_redis(self, block):
        """Commands of Redis; a line that begins with a space goes on with the one before, one with → is an answer."""
        lines = [line for line in block.text.splitlines() if line.strip() and not line.startswith("→")]
        commands = re.sub(r"\n +", " ", "\n".join(lines)).replace("PASSWORD", "s3cret")
        done = subprocess.run(["redis-cli", "-p", str(self.port), "-e"], input=commands.encode(), capture_output=True, timeout=30)
        said = done.stdout.decode() + done.stderr.decode()
        self.assertNotRegex(said, r"(?m)^\(?(ERR|error|WRONG|NOPERM)", f"{block}: {said}")
        self.assertTrue(said.strip(), f"{block}: {said}")

    def run_block(self, block):
        self.assertIn(block.kind, KINDS, f"{block}: an unknown kind of block")
        if block.skip:
            self.assertIn(block.skip, REASONS, f"{block}: not a reason")
            skips[block.skip] += 1
            return
        self.prepare(block)
        ran[block.kind] += 1
        if "file" in block.directives:
            path = self.folder / self.page_of(block.directives["file"])
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(self.page_of(block.text))
        if "output" in block.directives:
            self.expect_output(block)
        elif block.kind == "sh":
            self.run_sh(block)
        elif block.kind == "yaml":
            self.check_yaml(block)
        elif block.kind == "yaml cases":
            self.check_cases(block)
        elif block.kind == "yaml synapse":
            self.check_synapse(block)
        elif block.kind.startswith("yaml"):
            yaml.safe_load(block.text)
        elif block.kind == "nginx":
            self.check_nginx(block)
        elif block.kind == "json":
            for line in ([block.text] if len(block.text.splitlines()) > 1 and not self.is_lines(block.text)
                         else block.text.splitlines()):
                json.loads(line)
        elif block.kind == "lua":
            self.check_lua(block)
        elif block.kind == "sql":
            self.run_sql(block)
        elif block.kind == "redis":
            self.run_redis(block)
        elif block.kind in ("", "text"):
            self.run_transcript(block)

    def run_transcript(self, block):
        """What is typed behind a `$ ` is run; what it shows, and whether it succeeds, is of its own hour."""
        self.assertNotRegex(block.text, r"(?m)^(weir [a-z-]+ -|curl -)", f"{block}: a command belongs into a block sh")
        for command in re.findall(r"^\$ (.*)$", block.text, re.MULTILINE):
            ran["commands"] += 1
            self.type(block, self.page_of(command), (0, 1, 3, 5))

    @staticmethod
    def is_lines(text):
        return all(line.startswith("{") and line.endswith("}") for line in text.splitlines())

    def run_page(self, page):
        begun = time.monotonic()
        self.makes_role = "CREATE ROLE weir " in page.text
        for block in page.blocks:
            with self.subTest(str(block)):
                try:
                    self.run_block(block)
                except yaml.YAMLError as error:
                    self.fail(f"{block}: {error}")
                except json.JSONDecodeError as error:
                    self.fail(f"{block}: {error}")
        for block, process in reversed(self.lasting):
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                self.assertEqual(process.wait(timeout=30), 0, f"{block}: {process.log.read_text()}")
        seconds[page.name] = round(time.monotonic() - begun, 1)


def test_of(page):
    def test(self):
        self.run_page(page)
    test.__doc__ = page.name
    return test


PAGES = manual_pages.pages()
for _page in PAGES:
    if _page.blocks:
        setattr(Manual, "test_" + re.sub(r"\W", "_", _page.name.removesuffix(".md")), test_of(_page))


def tearDownModule():
    if os.environ.get("MANUAL_SUMMARY"):
        print("ran", dict(ran), "not run", dict(skips), "seconds", seconds)


class Text(unittest.TestCase):
    """What can be seen without running anything."""

    def test_links_and_anchors(self):
        by_path = {page.path: page for page in PAGES}
        for page in PAGES:
            for line, target in page.links():
                name, _, anchor = target.partition("#")
                path = pathlib.Path(os.path.normpath(page.path.parent / name)) if name else page.path
                with self.subTest(f"{page.name}:{line}"):
                    self.assertTrue(path.exists(), f"{page.name}:{line}: no such file: {target}")
                    if anchor and path in by_path:
                        self.assertIn(anchor, by_path[path].anchors(), f"{page.name}:{line}: no such heading: {target}")

    def test_every_page_is_in_the_table_of_contents(self):
        docs = ROOT / "docs"
        listed = [target for _, target in next(page for page in PAGES if page.name == "docs/SUMMARY.md").links()]
        self.assertEqual(sorted(listed), sorted(set(listed)), "a page is listed twice")
        there = {str(path.relative_to(docs)) for path in docs.rglob("*.md")} - {"SUMMARY.md"}
        self.assertEqual({target for target in listed if not target.startswith("..")}, there)

    def test_every_message_of_the_log_has_an_entry_and_every_entry_a_message(self):
        known = {text: level for text, (level, _) in log_messages.messages().items()}
        for text in (text for texts in log_messages.MODULES.values() for text in texts):
            self.assertTrue(any(text in (ROOT / path).read_text() for path in log_messages.MODULES), text)
            known[text] = None
        self.assertEqual(log_messages.modules_that_log(), set(log_messages.MODULES), "who says what the page does not know?")
        page = (ROOT / "docs/troubleshooting.md").read_text()
        entries = dict(re.findall(r"^### (.*)\n\n\*(\w+)\.\*", page, re.MULTILINE))
        self.assertEqual(sorted(set(known) - set(entries)), [], "messages without an entry in docs/troubleshooting.md")
        self.assertEqual(sorted(set(entries) - set(known)), [], "entries without such a message in the sources")
        self.assertEqual({text: level for text, level in entries.items() if known[text] not in (None, level.lower())}, {})
        self.assertEqual(len(re.findall(r"^### ", page, re.MULTILINE)), len(entries), "an entry without its level, or twice")

    def test_pictures_have_a_text_and_fit_both_themes(self):
        pictures = set()
        for page in PAGES:
            for alternative, target in re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", page.prose):
                if target.startswith("images/"):
                    self.assertGreater(len(alternative), 20, f"{page.name}: {target}")
                    pictures.add(ROOT / "docs" / target)
        # Photographs of the console (make screenshots) are of one theme each; one is shown small, by an <img>.
        shown = "".join(page.prose for page in PAGES)
        for path in (ROOT / "docs/images").glob("*.png"):
            self.assertIn(f"images/{path.name}", shown)
        pictures = {path for path in pictures if path.suffix != ".png"}
        self.assertEqual(pictures, set((ROOT / "docs/images").glob("*.svg")))
        for path in pictures:
            text = path.read_text()
            self.assertIn("prefers-color-scheme: dark", text, path)
            self.assertRegex(text, r"<title[ >]", path)
            self.assertRegex(text, r"<desc[ >]", path)
            self.assertNotRegex(text, r"https?://(?!www\.w3\.org)", path)


if __name__ == "__main__":
    unittest.main()
