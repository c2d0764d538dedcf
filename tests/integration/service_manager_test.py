"""What systemd hears of the engine (Type=notify), on a real socket in $NOTIFY_SOCKET; its own systemd is asked by
`make deb-test`."""

import os
import signal
import socket
import unittest.mock

import harness
from harness import wait_until


class ServiceManager(harness.Server):
    def setUp(self):
        super().setUp()
        path = str(self.folder / "notify")
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self.notify.close)
        self.notify.bind(path)
        self.notify.setblocking(False)
        self.heard = []
        environment = unittest.mock.patch.dict(os.environ, {"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "600000"})
        environment.start()
        self.addCleanup(environment.stop)

    def lines(self):
        """All lines so far, but the watchdog's."""
        while True:
            try:
                self.heard += self.notify.recv(4096).decode().splitlines()
            except BlockingIOError:
                return [line for line in self.heard if line != "WATCHDOG=1"]

    def hears(self, line, times=1):
        wait_until(lambda: self.lines().count(line) >= times, what=f"{line}: {self.lines()}")

    def test_a_life(self):
        engine = self.start_engine(self.configuration(modules="modules: []"))
        self.hears("STATUS=ready")
        self.assertEqual(self.lines()[0], "READY=1")
        self.assertEqual(self.http(engine, "/readyz"), (200, "ready\n"))
        wait_until(lambda: self.lines() is not None and self.heard.count("WATCHDOG=1") >= 4, what="the watchdog")

        engine.send_signal(signal.SIGHUP)
        self.hears("RELOADING=1")
        self.hears("READY=1", times=2)
        after = self.lines()[self.lines().index("RELOADING=1"):]
        self.assertRegex(after[1], r"^MONOTONIC_USEC=\d+$")

        (self.folder / "weir.yaml").write_text("nonsense")
        engine.send_signal(signal.SIGHUP)
        self.hears("RELOADING=1", times=2)
        self.hears("READY=1", times=3)

        away = self.lines().count("STATUS=not connected to Redis")
        ready = self.lines().count("STATUS=ready")
        self.redis_process.kill()
        self.hears("STATUS=not connected to Redis", times=away + 1)
        self.assertNotIn("STOPPING=1", self.lines())
        self.start_redis()
        self.hears("STATUS=ready", times=ready + 1)

        self.stop_engine(engine)
        last = self.lines()
        self.assertEqual(last[-3:], ["STOPPING=1", "EXTEND_TIMEOUT_USEC=25000000", "STATUS=stopping"])

    def test_a_loop_that_hangs_is_not_alive(self):
        engine = self.start_engine(self.configuration(modules="modules: []"))
        self.hears("STATUS=ready")
        os.kill(engine.pid, signal.SIGSTOP)
        self.lines()
        self.heard.clear()
        signal.sigtimedwait([], 1.5)
        self.lines()
        self.assertEqual(self.heard, [])
        os.kill(engine.pid, signal.SIGCONT)
        wait_until(lambda: self.lines() is not None and "WATCHDOG=1" in self.heard, what="the watchdog")
        self.stop_engine(engine)

    def test_a_broken_configuration_is_never_ready(self):
        path = self.write("weir.yaml", "nonsense: true\n")
        self.assertEqual(harness.run_weir("run", "-c", path, check=False).returncode, 3)
        self.assertEqual(self.lines(), [])


if __name__ == "__main__":
    unittest.main()
