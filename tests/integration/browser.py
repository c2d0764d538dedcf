"""A real Chromium without a window, driven through its DevTools protocol: the steps that a person takes (pressing,
writing, keys), and what the page logs. The protocol goes through two pipes, so no port is open and no library is
needed. Debian's package `chromium`, or the program that CHROMIUM names."""

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time

from harness import wait_until

KEYS = {
    "Tab": (9, None), "Enter": (13, "\r"), "Escape": (27, None), " ": (32, " "), "ArrowLeft": (37, None),
    "ArrowUp": (38, None), "ArrowRight": (39, None), "ArrowDown": (40, None), "Home": (36, None), "End": (35, None),
}
SHIFT = 8


class BrowserError(AssertionError):
    """The page or the protocol said no."""


def chromium():
    path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if not path:
        raise AssertionError("the tests of the console need a browser: apt install chromium, or set CHROMIUM")
    return path


class Browser:
    """One Chromium with one page. `close()` ends it."""

    def __init__(self, width=1280, height=800, arguments=()):
        self.folder = tempfile.mkdtemp(prefix="weir-browser.")
        commands_read, self.commands = os.pipe()
        self.answers, answers_write = os.pipe()
        self.width, self.height = width, height
        self.process = subprocess.Popen(
            ["/bin/sh", "-c", f"exec 3<&{commands_read} 4>&{answers_write}; exec \"$@\"", "chromium", chromium(), "--headless",
             "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--no-default-browser-check",
             "--disable-extensions", "--disable-background-networking", "--disable-component-update", "--disable-sync",
             "--remote-debugging-pipe", f"--user-data-dir={self.folder}", f"--window-size={width},{height}",
             "--hide-scrollbars", *arguments, "about:blank"],
            pass_fds=(commands_read, answers_write), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(commands_read)
        os.close(answers_write)
        self.buffer = b""
        self.number = 0
        self.session = None
        self.events = []
        try:
            self.take_page()
        except BaseException:
            self.close()  # nobody else would end it
            raise

    def take_page(self):
        target = wait_until(self.first_page, seconds=60, what="a page of Chromium")
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.call("Audits.enable")
        self.call("Emulation.setFocusEmulationEnabled", enabled=True)
        self.size(self.width, self.height)

    def first_page(self):
        pages = [target for target in self.call("Target.getTargets")["targetInfos"] if target["type"] == "page"]
        return pages[0]["targetId"] if pages else None

    def close(self):
        try:
            self.session = None
            self.call("Browser.close", patience=5)
        except (BrowserError, OSError):
            self.process.kill()
        os.close(self.commands)
        os.close(self.answers)
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    # ---- the protocol

    def call(self, method, patience=60, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        self.send(json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + patience
        while True:
            answer = self.receive(deadline - time.monotonic())
            if answer is None:
                raise BrowserError(f"Chromium has not answered {method} within {patience} s")
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise BrowserError(f"{method}: {answer['error']['message']}")
                return answer["result"]

    def send(self, data):
        while data:
            data = data[os.write(self.commands, data):]

    def receive(self, patience):
        """The next message, of which events are kept as well; None if there is none in time."""
        deadline = time.monotonic() + patience
        while b"\0" not in self.buffer:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.answers], [], [], left)[0]:
                return None
            data = os.read(self.answers, 1 << 20)
            if not data:
                raise BrowserError("Chromium has ended")
            self.buffer += data
        text, _, self.buffer = self.buffer.partition(b"\0")
        message = json.loads(text)
        if "method" in message:
            self.events.append(message)
        return message

    # ---- what the page is and does

    def open(self, address):
        self.call("Page.navigate", url=address)
        self.until("document.readyState === 'complete'")

    def evaluate(self, expression):
        """The value of an expression in the page; promises are waited for."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            raise BrowserError(f"{expression}: {details.get('exception', {}).get('description', details['text'])}")
        return answer["result"].get("value")

    def until(self, expression, seconds=30):
        return wait_until(lambda: self.evaluate(f"Boolean({expression})"), seconds, expression)

    def text(self, selector):
        return self.evaluate(f"document.querySelector({json.dumps(selector)})?.innerText ?? null")

    def texts(self, selector):
        return self.evaluate(f"[...document.querySelectorAll({json.dumps(selector)})].map(e => e.innerText)")

    def count(self, selector):
        return self.evaluate(f"document.querySelectorAll({json.dumps(selector)}).length")

    def visible(self, selector):
        return self.evaluate(f"document.querySelector({json.dumps(selector)})?.checkVisibility() ?? false")

    # ---- what a person does

    def place_of(self, selector):
        return self.evaluate(f"""(() => {{
            const found = document.querySelector({json.dumps(selector)});
            if (!found) return null;
            found.scrollIntoView({{block: "nearest"}});
            const box = found.getBoundingClientRect();
            const x = box.x + box.width / 2, y = box.y + box.height / 2;
            const hit = document.elementFromPoint(x, y);
            return {{x, y, hit: found.contains(hit), by: hit?.outerHTML.slice(0, 200)}};
        }})()""")

    def press(self, selector):
        """A click of the mouse where the element is, after scrolling there, and once a line that moves stands still."""
        deadline = time.monotonic() + 5
        while (place := self.place_of(selector)) and not place["hit"] and time.monotonic() < deadline:
            time.sleep(0.05)
        if not place:
            raise BrowserError(f"there is no {selector} to press")
        if not place["hit"]:
            raise BrowserError(f"{selector} is covered by {place['by']}")
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=place["x"], y=place["y"], button="left", clickCount=1)

    def key(self, name, modifiers=0):
        code, text = KEYS[name]
        parameters = {"key": name, "code": "Space" if name == " " else name, "windowsVirtualKeyCode": code,
                      "modifiers": modifiers}
        if text:
            parameters["text"] = text
        self.call("Input.dispatchKeyEvent", type="keyDown", **parameters)
        self.call("Input.dispatchKeyEvent", type="keyUp", **{**parameters, "text": ""})

    def write(self, text):
        """Types into what has the focus."""
        self.call("Input.insertText", text=text)

    def fill(self, selector, text):
        self.press(selector)
        self.evaluate(f"document.querySelector({json.dumps(selector)}).select()")
        self.write(text)

    def choose(self, selector, value):
        self.evaluate(f"""(() => {{
            const found = document.querySelector({json.dumps(selector)});
            found.value = {json.dumps(value)};
            found.dispatchEvent(new Event("input", {{bubbles: true}}));
        }})()""")

    def focused(self):
        """What has the focus, as `button#pause` or its text."""
        return self.evaluate("""(() => {
            const at = document.activeElement;
            return at.localName + (at.id ? "#" + at.id : at.name ? "[name=" + at.name + "]" : ":" + at.innerText.slice(0, 40));
        })()""")

    def size(self, width, height, phone=False, scale=1):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=phone)

    def colours(self, scheme, reduced_motion=False):
        self.call("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": scheme},
            {"name": "prefers-reduced-motion", "value": "reduce" if reduced_motion else "no-preference"}])

    def screenshot(self):
        return base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])

    # ---- what went wrong

    def complaints(self, allowed=()):
        """Errors and warnings of the console, exceptions, what the policy forbade, in words; without those that hold one
        of the texts `allowed`."""
        self.call("Runtime.evaluate", expression="0")  # what was on its way is here after this
        said = []
        for event in self.events:
            method, parameters = event["method"], event.get("params", {})
            if method == "Log.entryAdded" and parameters["entry"]["level"] in ("error", "warning"):
                said.append(f"{parameters['entry']['text']} ({parameters['entry'].get('url', '')})")
            elif method == "Runtime.exceptionThrown":
                details = parameters["exceptionDetails"]
                said.append(details.get("exception", {}).get("description") or details["text"])
            elif method == "Runtime.consoleAPICalled" and parameters["type"] in ("error", "warning", "assert"):
                said.append(" ".join(str(argument.get("value")) for argument in parameters["args"]))
            elif method == "Audits.issueAdded":
                issue = parameters["issue"]
                if issue["code"] == "ContentSecurityPolicyIssue":
                    said.append(f"policy: {json.dumps(issue['details']['contentSecurityPolicyIssueDetails'])}")
        return [text for text in said if not any(part in text for part in allowed)]
