"""An engine with the console, a recording that it judges, and a browser that looks at it: for the tests of the console
and for the pictures of the manual."""

import http.client
import json
import pathlib
import shutil
import subprocess

from browser import Browser
from harness import DATA, ROOT, SERVER_NAME, Server, body_line, ev_row, rdata, wait_until

SECRET = "the secret of the console"
RECORDING = DATA / "synapse-1.140-small.jsonl.zst"
BODIES = DATA / "synapse-1.140-small.events.jsonl.zst"
MARKUP = "<img src=x onerror=\"document.title='broken out'\"><b id=bold>bold</b>"
MODULES = f"""
modules:
  - module: sender_list
    config:
      users: ["@u003:lab.test", "@u01*:lab.test"]
      servers: ["*.spam.example"]
  - module: keywords
    dry_run: true
    config: {{patterns: ["the"], syntax: literal}}
  - module: keywords
    config: {{patterns: ["cheap followers", "as", {json.dumps(MARKUP)}], syntax: literal}}
  - module: link_domains
    config: {{domains: [evil-casino.example, crypto-gains.example, Example.ORG]}}
"""


def axe_source():
    """axe-core as the lock file pins it, fetched once into the folder of what was built."""
    folder = ROOT / "build" / "browser"
    script = folder / "node_modules" / "axe-core" / "axe.min.js"
    wanted = pathlib.Path(__file__).with_name("browser")
    lock = folder / "package-lock.json"
    if not script.exists() or lock.read_bytes() != (wanted / "package-lock.json").read_bytes():
        if not shutil.which("npm"):
            raise AssertionError("the tests of the console fetch axe-core from npm: apt install npm")
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(wanted / name, folder)
        done = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=folder, timeout=300,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode != 0:
            raise AssertionError(f"npm ci in {folder} failed: {done.stdout.decode()[-2000:]}")
    return script.read_text()


class ConsoleServer(Server):
    """One browser for all tests of a class; a Redis and an engine for each."""

    @classmethod
    def setUpClass(cls):
        cls.browser = Browser()
        cls.addClassCleanup(cls.browser.close)

    def setUp(self):
        super().setUp()
        self.browser.call("Page.navigate", url="about:blank")
        self.browser.call("Network.clearBrowserCookies")
        self.browser.size(1280, 800)
        self.browser.colours("light")
        self.browser.events.clear()

    def begin(self, secret=None, modules=MODULES, rest="", bodies=BODIES, arguments=()):
        listener = "listen: '127.0.0.1:0'" + (f", secret: {secret}" if secret else "")
        state = self.folder / "state"
        state.mkdir(mode=0o700, exist_ok=True)
        text = (f"server_name: {SERVER_NAME}\nredis: {{path: {self.socket}}}\nhttp: {{{listener}}}\n"
                f"state_dir: {state}\n{rest}\n")
        if bodies:
            text += f"bodies: {{file: {bodies}}}\n"
        self.head = text
        self.engine = self.start_engine(self.write("weir.yaml", f"{text}{modules}"), *arguments)
        self.address = f"http://{self.engine.http}/"
        return self.engine

    def play_recording(self):
        self.play(RECORDING)
        self.settle(self.engine)

    def publish_message(self, token, event_id):
        self.publish(*([f"POSITION events persister1 {token - 1} {token - 1}"] if token == 1 else []),
                     rdata(token, ev_row(event_id)))

    def publish_messages(self, count):
        """The events $1 to $COUNT, and their verdicts."""
        for number in range(1, count + 1):
            self.publish_message(number, f"${number}")
        self.settle(self.engine)

    def bodies_of(self, *contents):
        """A file of bodies of the events $1, $2 …, messages with these contents."""
        return self.write("bodies.jsonl", "".join(body_line(f"${number}", **content) + "\n"
                                                  for number, content in enumerate(contents, 1)))

    def ask(self, method, path, body=None, secret=None):
        connection = http.client.HTTPConnection(*self.engine.http.rsplit(":", 1), timeout=20)
        headers = {"Authorization": f"Bearer {secret}"} if secret else {}
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, json.loads(content)

    def status(self):
        return self.ask("GET", "/v1/status")[1]

    # ---- steps in the page

    def open(self):
        self.browser.open(self.address)
        self.browser.until("!document.querySelector('#inside').hidden")

    def works(self):
        self.browser.until("document.querySelector('#state').innerText === 'Works'")

    def go(self, tab):
        self.browser.press(f"#tab-{tab}")
        self.browser.until(f"document.querySelector('#panel-{tab}').checkVisibility()")

    def lines(self):
        return self.browser.evaluate("[...document.querySelectorAll('#verdicts li.verdict')].map("
                                     "line => [...line.querySelectorAll('span')].map(part => part.textContent).join('\\n'))")

    def until_lines(self, minimum=1):
        return wait_until(lambda: len(lines := self.lines()) >= minimum and lines, what=f"{minimum} verdicts on the page")
