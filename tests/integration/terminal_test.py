"""Administration from the terminal, on a real engine: `weir status`, `top`, `positions`, `log` and `reload`."""

import json
import os
import signal
import socket
import subprocess
import threading
import time
import unittest

from admin_socket_test import NOBODY, AdminServer
from harness import SERVER_NAME, WEIR, body_line, ev_row, rdata, run_weir, wait_until
from screen import SIGNALS, Screen

READY, NOT_READY, UNREACHABLE, USAGE, WRONG = 0, 5, 1, 2, 3
MODULES = """
modules:
  - module: keywords
    config: {patterns: ["cheap followers"]}
  - module: sender_list
    dry_run: true
    config: {users: ["@a:lab.test"]}
"""


class Terminal(AdminServer):
    def setUp(self):
        super().setUp()
        self.screens = []
        self.token = 10

    def tearDown(self):
        for screen in self.screens:
            screen.close()
        super().tearDown()

    def observing(self, modules=MODULES, extra=""):
        """A configuration whose engine judges what `say` publishes."""
        (self.folder / "bodies.jsonl").write_text("\n".join(
            body_line(f"${number}", body="cheap followers" if number % 4 == 0 else "hello") for number in range(2000)))
        return self.write("weir.yaml", f"server_name: {SERVER_NAME}\nredis: {{path: {self.socket}}}\n"
                                       f"http: false\nstate_dir: {self.folder}\nbodies: {{file: bodies.jsonl}}\n"
                                       f"publish: {{verdicts: all}}\n{extra}\n{modules}\n")

    def ready(self, configuration):
        engine = self.begin(configuration)
        wait_until(lambda: self.weir("status").returncode == READY, what="readiness")
        self.publish(f"POSITION events persister1 {self.token} {self.token}")
        return engine

    def weir(self, subcommand, *arguments, **options):
        return run_weir(subcommand, "-s", self.admin, *arguments, check=False, **options)

    def shown(self, subcommand, *arguments):
        done = self.weir(subcommand, *arguments)
        self.assertEqual((done.returncode, done.stderr), (0, b""), arguments)
        return done.stdout.decode()

    def say(self, count):
        """Events, which are judged when this returns."""
        first = self.token - 10
        self.publish(*(rdata(11 + number, ev_row(f"${number}")) for number in range(first, first + count)))
        self.token += count
        wait_until(lambda: self.status()["events"]["judged"] == first + count, what="the verdicts")

    def status(self):
        return json.loads(self.weir("status", "--json").stdout)

    def screen(self, *arguments, **options):
        screen = Screen([WEIR, "top", "-s", self.admin, "-i", "200ms", *arguments], **options)
        self.screens.append(screen)
        return screen


class Status(Terminal):
    def test_ready(self):
        configuration = self.observing()
        engine = self.ready(configuration)
        self.say(40)
        text = self.shown("status")
        self.assertEqual(text.splitlines()[0], "READY")
        self.assertRegex(text, rf"weir       weir1 of {SERVER_NAME}, version \S+, up \d+ s, role alone\n")
        self.assertIn("40 judged: 30 passed, 10 denied", text)
        self.assertRegex(text, r"\n  1  keywords +decides  +\d+ +10 ")
        self.assertRegex(text, r"\n  events  persister1  +50 +50 +0 ")
        status = json.loads(self.shown("status", "--json"))
        self.assertEqual(self.shown("status", "--json").count("\n"), 1)
        self.assertTrue(status["ready"])
        # By the configuration instead of the socket.
        self.assertEqual(run_weir("status", "-c", configuration).stdout.decode().splitlines()[0], "READY")
        self.stop_engine(engine)

    def test_not_ready_says_what_to_do(self):
        self.redis_process.kill()
        self.redis_process.wait()
        engine = self.begin(self.observing())
        done = self.weir("status")
        self.assertEqual(done.returncode, NOT_READY)
        lines = done.stdout.decode().splitlines()
        self.assertEqual(lines[0], "NOT READY: not connected to Redis")
        self.assertIn("See whether Redis runs", lines[1])
        self.assertEqual(self.weir("status", "--json").returncode, NOT_READY)
        engine.kill()
        engine.wait()
        self.start_redis()

    def test_not_reachable(self):
        done = self.weir("status")
        self.assertEqual(done.returncode, UNREACHABLE)
        self.assertIn(b"the engine does not run", done.stderr)
        engine = self.begin(self.describe())
        engine.kill()
        engine.wait()
        done = self.weir("status")
        self.assertEqual(done.returncode, UNREACHABLE)
        self.assertIn(b"nobody listens", done.stderr)
        self.admin.unlink()
        self.admin.write_text("no socket")
        self.assertEqual(self.weir("status").returncode, UNREACHABLE)

    def test_an_engine_that_hangs(self):
        engine = self.begin(self.describe())
        engine.send_signal(signal.SIGSTOP)
        done = self.weir("status")
        self.assertEqual(done.returncode, UNREACHABLE)
        self.assertIn(b"did not answer within 5 s", done.stderr)
        engine.send_signal(signal.SIGCONT)
        self.stop_engine(engine)

    @unittest.skipUnless(os.geteuid() == 0, "only root can become another user")
    def test_another_user(self):
        os.chmod(self.folder, 0o755)
        engine = self.begin(self.describe())
        for mode in (0o600, 0o666):
            os.chmod(self.admin, mode)
            done = subprocess.run(["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", WEIR, "status",
                                   "-s", self.admin], capture_output=True, timeout=60)
            self.assertEqual(done.returncode, UNREACHABLE)
            self.assertIn(b"permission denied", done.stderr)
            self.assertIn(b"root may use it", done.stderr)
        self.stop_engine(engine)

    def test_where_the_engine_is(self):
        without = self.write("without.yaml", f"server_name: {SERVER_NAME}\nredis: {{path: {self.socket}}}\nmodules: []\n")
        done = run_weir("status", "-c", without, check=False)
        self.assertEqual(done.returncode, WRONG)
        self.assertIn(b"set `admin_socket`", done.stderr)
        done = run_weir("status", "-c", self.folder / "nowhere.yaml", check=False)
        self.assertEqual(done.returncode, WRONG)
        self.assertIn(b"--socket", done.stderr)
        self.assertEqual(run_weir("status", "-c", without, "-s", self.admin, check=False).returncode, USAGE)
        if not os.path.exists("/etc/weir/weir.yaml"):
            for subcommand in ("status", "run", "check", "tail"):
                done = run_weir(subcommand, check=False)
                self.assertEqual(done.returncode, WRONG, subcommand)
                self.assertIn(b"/etc/weir/weir.yaml", done.stderr)


class OddEngines(Terminal):
    """Whoever answers at the socket need not be an engine, or not of this version."""

    def answered(self, answer, *arguments, subcommand="status", drip=False):
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(self.admin))
            listener.listen()

            def serve():
                while True:
                    try:
                        connection, _ = listener.accept()
                    except OSError:
                        return
                    with connection:
                        if connection.recv(65536):
                            try:
                                connection.sendall(answer)
                                for _ in range(100 if drip else 0):
                                    time.sleep(0.1)
                                    connection.sendall(b"x")
                            except OSError:
                                pass

            threading.Thread(target=serve, daemon=True).start()
            done = self.weir(subcommand, *arguments)
            listener.shutdown(socket.SHUT_RDWR)
        self.admin.unlink()
        self.assertEqual(done.stdout, b"")
        return done.returncode, done.stderr.decode()

    @staticmethod
    def http(body, status=200, length=None):
        head = f"HTTP/1.1 {status} X\r\nContent-Length: {len(body) if length is None else length}\r\n\r\n"
        return head.encode() + body

    def test_answers(self):
        error = json.dumps({"errcode": "M_UNKNOWN", "error": "no \x1b[2J today"}).encode()
        for answer, sentence in ((self.http(b" " * (17 << 20)), "larger than 16 MiB"),
                                 (self.http(b"{", length=7), "gave no answer"),
                                 (b"", "gave no answer"),
                                 (b"nonsense", "gave no answer"),
                                 (self.http(b"{}}"), "is no JSON"),
                                 (self.http(b"[]"), "is no status"),
                                 (self.http(error, 404), "does not know /v1/status: it is older"),
                                 (self.http(error, 503), "the engine says: no \\x1b[2J today"),
                                 (self.http(b"<html>", 500), "answered with the status 500")):
            code, said = self.answered(answer)
            self.assertEqual(code, UNREACHABLE, sentence)
            self.assertIn(sentence, said)
            self.assertNotIn("\x1b", said)

    def test_one_that_drips(self):
        code, said = self.answered(self.http(b"", length=1000), drip=True)
        self.assertEqual(code, UNREACHABLE)
        self.assertIn("did not answer within 5 s", said)

    def test_the_others(self):
        odd = self.http(b"[]")
        self.assertIn("is no status", self.answered(odd, "--once", subcommand="top")[1])
        self.assertEqual(self.answered(self.http(b'{"rows":[7,{"row":1}],"next":null}'), subcommand="log"),
                         (0, "weir log: 2 rows cannot be shown: they are not what weir writes\n"))
        self.assertEqual(self.answered(self.http(b'{"errcode":"M_INVALID_PARAM","error":"no such callback"}', 400),
                                       subcommand="log"), (USAGE, "weir log: the engine says: no such callback\n"))


class Reload(Terminal):
    def test_reload(self):
        engine = self.begin(self.describe())
        self.describe(modules="modules: [{module: event_types, config: {deny: [a.b]}}]")
        self.assertRegex(self.shown("reload"), r"^loaded in [\d.]+ s: 1 module; events waited [\d.]+ ms\n$")
        self.describe(modules="modules: [{module: keywords, config: {pattern: [x]}}, {module: nothing}]")
        done = self.weir("reload")
        self.assertEqual((done.returncode, done.stdout), (WRONG, b""))
        lines = done.stderr.decode().splitlines()
        self.assertEqual(lines[-1], "weir reload: the configuration was not loaded; the old one goes on")
        self.assertGreaterEqual(len(lines), 3)
        for line in lines[:-1]:
            self.assertRegex(line, r"weir\.yaml:\d+:\d+: modules\[\d\]")
        done = self.weir("reload", "--json")
        self.assertEqual(done.returncode, WRONG)
        self.assertEqual(len(json.loads(done.stdout)["errors"]), len(lines) - 1)
        self.describe(modules="modules: [{module: event_types, config: {deny: [a.b]}}]")
        self.assertEqual(json.loads(self.shown("reload", "--json"))["modules"], 1)
        self.assertEqual(self.status()["configuration"]["reloads"], 2)
        self.stop_engine(engine)


class Log(Terminal):
    def test_positions_and_log(self):
        engine = self.ready(self.observing())
        self.say(1200)
        lines = self.shown("positions").splitlines()
        self.assertRegex(lines[0], r"^stream +writer +position +newest +behind +lag +held +state$")
        self.assertRegex(lines[1], r"^events +persister1 +1,210 +1,210 +0 .* live$")
        self.assertIn('"persister1"', self.shown("positions", "--json"))

        rows = [json.loads(line) for line in self.shown("log", "--json", "--limit", "5000").splitlines()]
        verdicts = [row["token"] for row in rows if not row["row"]["dry_run"]]
        self.assertEqual(verdicts, sorted(verdicts, reverse=True))
        self.assertEqual(len(verdicts), 1200)
        # Over the end of a page, which has a thousand.
        self.assertEqual(len(self.shown("log", "--limit", "1001").splitlines()), 1001)
        self.assertEqual(len(self.shown("log").splitlines()), 100)
        for line in self.shown("log", "--module", "keywords", "--limit", "3").splitlines():
            self.assertRegex(line, r"^20\d\d-\d\d-\d\d \d\d:\d\d:\d\d  \d+ +M_FORBIDDEN +keywords +cheap followers +@a:lab.test +!r:lab.test")
        self.assertEqual(len(self.shown("log", "--code", "M_FORBIDDEN", "--dry-run", "no", "--limit", "5000").splitlines()), 300)
        tried = self.shown("log", "--dry-run", "yes", "--limit", "4").splitlines()
        self.assertEqual([line.rsplit("  ", 1)[-1] for line in tried], ["(dry run)"] * 4)
        self.assertEqual(len(self.shown("log", "--event", "$8", "--dry-run", "no").splitlines()), 1)
        self.assertEqual(len(self.shown("log", "--text", "cheap", "--since", "1h", "--limit", "2").splitlines()), 2)
        self.assertEqual(self.shown("log", "--until", "1h"), "")
        self.assertEqual(self.shown("log", "--room", "!other*"), "")
        self.assertEqual(len(self.shown("log", "--room", "!r:*", "--sender", "@a:lab.test", "--limit", "1").splitlines()), 1)
        for wrong in (("--since", "yesterday"), ("--limit", "0"), ("--limit", "x"), ("--dry-run", "maybe")):
            done = self.weir("log", *wrong)
            self.assertEqual((done.returncode, done.stdout), (USAGE, b""), wrong)
        # Whoever reads may go.
        head = subprocess.run(f"{WEIR} log -s {self.admin} --limit 100000 --json | head -n 1", shell=True, capture_output=True,
                              timeout=60)
        self.assertEqual((head.stdout.count(b"\n"), head.stderr), (1, b""))
        self.redis_process.kill()
        self.redis_process.wait()
        wait_until(lambda: self.weir("log").returncode == UNREACHABLE, what="a log without Redis")
        self.assertIn(b"the engine says: ", self.weir("log").stderr)
        engine.kill()
        engine.wait()
        self.start_redis()


class Top(Terminal):
    def test_rates(self):
        self.ready(self.observing())
        stop = threading.Event()

        def speak():
            while not stop.is_set():
                self.say(5)
                time.sleep(0.02)

        speaker = threading.Thread(target=speak)
        speaker.start()
        try:
            figures = json.loads(self.shown("top", "--once", "--json", "-i", "1500ms"))
            text = self.shown("top", "--once", "-i", "1s")
        finally:
            stop.set()
            speaker.join()
        self.assertGreater(figures["events"]["judged"], 0)
        self.assertAlmostEqual(figures["events"]["denied"] / figures["events"]["judged"], 0.25, delta=0.2)
        self.assertEqual([module["label"] for module in figures["modules"]], ["keywords", "sender_list"])
        self.assertGreater(figures["writers"][0]["tokens"], 0)
        self.assertRegex(text, r"\nevents/s [\d.,]+  denied/s [\d.,]+  dry run/s")
        self.assertNotRegex(text, r"\nevents/s 0 ")
        self.assertRegex(text, r"\n  1  keywords +decides ")
        lines = self.start([WEIR, "top", "-s", self.admin, "--json", "-i", "100ms"], stdout=subprocess.PIPE)
        self.assertTrue(json.loads(lines.stdout.readline())["ready"])
        self.assertTrue(json.loads(lines.stdout.readline())["ready"])
        self.assertEqual(self.weir("top").returncode, USAGE)
        self.assertIn(b"this is no terminal", self.weir("top").stderr)
        self.assertEqual(self.weir("top", "--once", "-i", "1").returncode, USAGE)

    def test_keys(self):
        self.ready(self.observing())
        screen = self.screen()
        text = screen.wait(r"by place$")  # the last line that is drawn
        self.assertRegex(text.splitlines()[0], rf"^weir1 of {SERVER_NAME}  READY  up \d+ s")
        self.assertRegex(text, r"\n> 1  keywords +decides ")
        self.assertRegex(text, r"\n  2  sender_list +dry run ")
        self.assertRegex(text.splitlines()[-1], r"^q quit .* by place$")
        screen.press("h")
        screen.wait("put the chosen module into dry run")
        screen.press("?")
        screen.wait(r"events/s \d")
        for word in ("denied", "dry run", "asked", "time", "place"):
            screen.press("s")
            screen.wait(rf"by {word}$")
        screen.press("p")
        screen.wait("PAUSED")
        screen.press(" ")
        screen.wait("every 200ms")
        screen.press("\x1bOB")
        screen.wait(r"\n> 2  sender_list")
        screen.press("k")
        screen.wait(r"\n> 1  keywords")
        self.assertFalse(screen.is_restored())
        screen.press("q")
        self.assertEqual(screen.end(), 0)
        self.assertTrue(screen.is_restored())

    def test_the_dry_run_of_a_module(self):
        self.ready(self.observing())
        screen = self.screen()
        screen.wait(r"events/s \d")
        # The question is answered with no, then with yes, and back.
        screen.press("d")
        screen.wait(r"put keywords into dry run, so that it refuses nothing\? y/n")
        screen.press("n")
        screen.wait("nothing was changed")
        self.assertFalse(self.status()["chain"]["modules"][0]["dry_run"])
        screen.press("dy")
        screen.wait("keywords is in dry run until the next reload or restart")
        screen.wait(r"> 1  keywords +dry run\*")
        self.assertTrue(self.status()["chain"]["modules"][0]["dry_run"])
        screen.press("d")
        screen.wait(r"have keywords decide again\? y/n")
        screen.press("y")
        screen.wait("keywords decides again")
        self.assertFalse(self.status()["chain"]["modules"][0]["dry_run"])
        screen.press("q")
        self.assertEqual(screen.end(), 0)

    def test_sizes(self):
        modules = "modules:\n" + "".join(f"  - {{module: keywords, config: {{patterns: [x{number}]}}}}\n"
                                         for number in range(40))
        self.ready(self.observing(modules))
        self.say(1)
        screen = self.screen(height=20)
        self.assertIn("> 1   keywords ", screen.wait(r"by place$"))
        self.assertNotIn("keywords.31", screen.text())
        self.assertIn("persister1", screen.text())
        screen.press("j" * 30)
        screen.wait(r"(?s)> 31  keywords\.31 .*persister1")
        screen.resize(120, 60)
        screen.wait(r"(?s)keywords\.2 .*keywords\.40 .*by place$")
        screen.resize(30, 8)
        screen.wait(r"(?s)^weir1 of.*q quit")
        self.assertTrue(all(len(line) <= 30 for line in screen.text().splitlines()))
        screen.resize(5, 1)
        screen.read(1)
        screen.resize(100, 30)
        screen.wait(r"q quit")
        screen.press("q")
        self.assertEqual(screen.end(), 0)

    def test_signals_give_the_terminal_back(self):
        self.ready(self.observing())
        for number in SIGNALS:
            screen = self.screen(environment={"TERM": "xterm-256color"})
            while "events/s" not in screen.raw:
                self.assertTrue(select_read(screen))
            self.assertFalse(screen.is_restored())
            screen.send(number)
            self.assertEqual(screen.process.wait(timeout=30), 0, number)
            while screen_read(screen):
                pass
            self.assertTrue(screen.is_restored(), number)
            self.assertIn("\x1b[?1049l", screen.raw)  # the other screen is left
            self.assertIn("\x1b[?25h", screen.raw.split("\x1b[?25l")[-1] + "\x1b[?25h" * ("\x1b[?12l\x1b[?25h" in screen.raw))

    def test_an_engine_that_goes_and_comes(self):
        configuration = self.observing()
        engine = self.ready(configuration)
        screen = self.screen()
        screen.wait(r"events/s \d")
        self.stop_engine(engine)
        screen.wait(r"there is no socket.*\nevents/s ")
        self.begin(configuration)
        wait_until(lambda: not screen.read(0.1) or "there is no socket" not in screen.text(), what="figures again")
        screen.wait(r"READY")
        screen.press("q")
        self.assertEqual(screen.end(), 0)

    def test_a_terminal_that_is_not_known(self):
        self.ready(self.observing())
        screen = self.screen(environment={"TERM": "no-such-terminal"})
        self.assertEqual(screen.end(), 1)
        self.assertIn("TERM=no-such-terminal", screen.raw)
        self.assertTrue(screen.is_restored())

    def test_a_terminal_that_goes_away(self):
        self.ready(self.observing())
        screen = self.screen()
        screen.wait(r"events/s \d")
        os.close(screen.slave)
        os.close(screen.master)
        self.assertEqual(screen.process.wait(timeout=30), 0)
        self.screens.remove(screen)

    def test_colours(self):
        self.redis_process.kill()
        self.redis_process.wait()
        engine = self.begin(self.observing())
        for environment, coloured in (({}, True), ({"NO_COLOR": "1"}, False)):
            screen = self.screen(environment={"TERM": "xterm-256color", **environment})
            while "NOT READY" not in screen.raw:
                self.assertTrue(select_read(screen))
            self.assertEqual("\x1b[31m" in screen.raw, coloured)
            screen.press("q")
            self.assertEqual(screen.process.wait(timeout=30), 0)
        engine.kill()
        engine.wait()
        self.start_redis()


def screen_read(screen, seconds=0.3):
    """What comes from a terminal that is no VT100 is kept, not drawn."""
    import select
    if not select.select([screen.master], [], [], seconds)[0]:
        return False
    screen.raw += os.read(screen.master, 65536).decode(errors="replace")
    return True


def select_read(screen):
    return screen_read(screen, 30)


if __name__ == "__main__":
    unittest.main()
