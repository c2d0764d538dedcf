"""Takes the manual's pictures of the console: console_screenshots.py FOLDER. An engine with the sample's rules judges the
sample's recording, and the browser of the tests looks at it in light, in dark and as a phone."""

import json
import pathlib
import random
import re
import sys
import threading
import time
import unittest

import redis

import harness
from console_fixture import ConsoleServer
from harness import ROOT, wait_until
from small_png import make_small

SAMPLE = ROOT / "deploy" / "sample"
ALTOGETHER = 300 * 1024
WATCHED_SECONDS = 75


class Screenshots(ConsoleServer):
    folder_of_pictures = None
    stop_asking = threading.Event()

    def test_take_them(self):
        self.start_sample()
        browser = self.browser
        self.open()
        self.works()
        self.until_lines(100)
        time.sleep(WATCHED_SECONDS)
        sizes = [self.take("light")]
        self.go("chain")
        time.sleep(3)
        sizes.append(self.take("chain"))
        browser.colours("dark")
        self.go("verdicts")
        # The newest that a text made a module speak, so that there is something to mark.
        marked = wait_until(lambda: browser.evaluate("""(() => {
            const lines = [...document.querySelectorAll("#verdicts li.verdict.denied")];
            const at = lines.findIndex(line => line.innerText.includes("keywords"));
            lines[at]?.firstElementChild.scrollIntoView({block: "center"});
            lines[at]?.firstElementChild.click();
            return at >= 0;
        })()"""), what="a verdict of keywords")
        self.assertTrue(marked)
        browser.until("document.querySelector('#verdict mark')")
        browser.evaluate("document.querySelector('#verdict mark').scrollIntoView({block: 'center'})")
        time.sleep(0.5)
        sizes.append(self.take("dark"))
        browser.key("Escape")
        browser.size(360, 740, phone=True, scale=2)
        browser.evaluate("document.querySelector('#verdicts').scrollTop = 0; scrollTo(0, 0); document.activeElement.blur()")
        time.sleep(3)
        sizes.append(self.take("phone"))
        self.assertLess(sum(sizes), ALTOGETHER, sizes)

    def start_sample(self):
        for path in SAMPLE.iterdir():
            (self.folder / path.name).write_bytes(path.read_bytes())
        configuration = self.folder / "weir.yaml"
        text = configuration.read_text().replace("  host: 127.0.0.1\n", f"  path: {self.socket}\n", 1)
        configuration.write_text(re.sub(r"(?m)^  listen: .*$", "  listen: 127.0.0.1:0", text))
        self.engine = self.start_engine(configuration)
        self.address = f"http://{self.engine.http}/"
        self.start([harness.WEIR, "play", self.folder / "recording.jsonl.zst", "--redis", self.socket, "--speed", "40",
                    "--loop"], stderr=open("/dev/null", "w"))
        asking = threading.Thread(target=self.ask_over_redis)
        asking.start()
        self.addCleanup(asking.join)
        self.addCleanup(self.stop_asking.set)

    def ask_over_redis(self):
        """What workers with Weir's module ask, some ten times a second."""
        asker = redis.Redis(unix_socket_path=str(self.socket))
        number = 0
        while not self.stop_asking.wait(random.uniform(0.02, 0.2)):
            number += 1
            asker.xadd("lab.test/weir/requests", {
                "callback": "user_may_invite", "reply_to": "lab.test/weir/replies/worker1", "id": f"q{number}",
                "deadline": int(time.time() * 1000) + 5000,
                "args": json.dumps({"inviter": f"@u{number:03}:lab.test", "invitee": "@b:lab.test", "room_id": "!r:lab.test"})})
        asker.close()

    def take(self, name):
        picture = make_small(self.browser.screenshot())
        path = self.folder_of_pictures / f"console-{name}.png"
        path.write_bytes(picture)
        print(f"{path}: {len(picture) // 1024} KiB")
        return len(picture)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: console_screenshots.py FOLDER")
    Screenshots.folder_of_pictures = pathlib.Path(sys.argv.pop()).resolve()
    Screenshots.folder_of_pictures.mkdir(parents=True, exist_ok=True)
    unittest.main()
