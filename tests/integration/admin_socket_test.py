"""The socket for administration of a real engine: who may open it, what becomes of what lies in its place, and that it is
there as long as the engine is."""

import http.client
import json
import os
import pathlib
import signal
import socket
import stat
import subprocess
import sys
import time
import unittest

from harness import SERVER_NAME, WEIR, Server, wait_until

NOBODY = 65534
# Run as another user, who connects, asks and says what came back.
STRANGER = """
import os, socket, sys
os.setgroups([]); os.setgid(%d); os.setuid(%d)
connection = socket.socket(socket.AF_UNIX)
connection.settimeout(10)
try:
    connection.connect(sys.argv[1])
    connection.sendall(b"GET /v1/reload HTTP/1.1\\r\\nHost: weir\\r\\n\\r\\n")
    print("answered" if connection.recv(1000) else "hung up on")
except ConnectionError:
    print("hung up on")
except PermissionError:
    print("refused")
""" % (NOBODY, NOBODY)


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout=20):
        super().__init__("weir", timeout=timeout)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class AdminServer(Server):
    def setUp(self):
        super().setUp()
        self.admin = self.folder / "weir1.sock"

    def describe(self, body=None, http="http: {listen: '127.0.0.1:0'}", modules="modules: []", name="weir.yaml"):
        body = f"state_dir: {self.folder}" if body is None else body
        return self.write(name, f"server_name: {SERVER_NAME}\nredis: {{path: {self.socket}}}\nobserve: false\n{http}\n"
                                f"{body}\n{modules}\n")

    def begin(self, configuration, wait_for="started"):
        """An engine that need not have an HTTP listener."""
        log = self.folder / f"engine-{len(self.processes)}.log"
        with open(log, "wb") as stderr:
            engine = self.start([WEIR, "run", "-c", configuration], stderr=stderr)
        engine.log = log
        wait_until(lambda: engine.poll() is not None or self.logged(engine, wait_for), what="the engine")
        return engine

    def ask(self, method="GET", path="/v1/reload", body=None, at=None):
        connection = UnixConnection(at or self.admin)
        try:
            connection.request(method, path, body)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()


class AdminSocket(AdminServer):
    def test_it_is_private_and_goes_with_the_engine(self):
        umask = os.umask(0)
        try:
            engine = self.begin(self.describe())
        finally:
            os.umask(umask)
        status = self.admin.lstat()
        self.assertTrue(stat.S_ISSOCK(status.st_mode))
        self.assertEqual(stat.S_IMODE(status.st_mode), 0o600)
        self.assertEqual(self.ask()[1]["reloads"], 0)
        self.assertEqual(self.ask("POST")[0], 200)
        self.assertEqual(self.ask()[1]["reloads"], 1)
        self.assertEqual(self.ask(path="/metrics")[0], 404)
        self.stop_engine(engine)
        self.assertFalse(self.admin.exists())

    def test_no_listener_and_no_redis_are_needed(self):
        self.redis_process.kill()
        self.redis_process.wait()
        engine = self.begin(self.describe(http="http: false"))
        self.assertEqual(self.ask()[0], 200)
        engine.kill()
        engine.wait()
        self.start_redis()

    def test_the_secret_is_not_asked_for(self):
        engine = self.begin(self.describe(http="http: {listen: '127.0.0.1:0', secret: long-and-secret}"))
        self.assertEqual(self.ask()[0], 200)
        self.stop_engine(engine)

    def test_none_is_wanted(self):
        engine = self.begin(self.describe(f"state_dir: {self.folder}\nadmin_socket: false"))
        self.assertEqual(self.logged(engine, "listens for administration"), [])
        self.assertFalse(self.admin.exists())
        self.stop_engine(engine)

    @unittest.skipUnless(os.geteuid() == 0, "only root can become another user")
    def test_another_user(self):
        os.chmod(self.folder, 0o755)
        engine = self.begin(self.describe())
        ask = [sys.executable, "-c", STRANGER, self.admin]
        self.assertEqual(subprocess.run(ask, capture_output=True, text=True, timeout=60).stdout, "refused\n")
        # Even where the mode was opened by hand, the kernel says who asks.
        os.chmod(self.admin, 0o666)
        self.assertEqual(subprocess.run(ask, capture_output=True, text=True, timeout=60).stdout, "hung up on\n")
        self.assertEqual(self.ask()[0], 200)
        line = self.logged(engine, "a user who is neither Weir's nor root connected to the admin socket and was hung up on")[0]
        self.assertEqual(line["uid"], NOBODY)
        engine.http = self.logged(engine, "listens for HTTP")[0]["address"]
        self.assertEqual(self.metric(engine, "weir_admin_refused_total"), 1)
        self.stop_engine(engine)

    def test_what_a_dead_engine_left(self):
        engine = self.begin(self.describe())
        engine.kill()
        engine.wait()
        self.assertTrue(self.admin.is_socket())
        engine = self.begin(self.describe())
        self.assertEqual(self.ask()[0], 200)
        self.stop_engine(engine)

    def test_two_engines(self):
        first = self.begin(self.describe())
        second = self.begin(self.describe())
        self.assertEqual(second.wait(timeout=20), 1)
        reason = self.logged(second, "cannot open the admin socket")[0]["reason"]
        self.assertIn("another engine answers", reason)
        self.assertIn(str(self.admin), reason)
        self.assertEqual(self.ask()[0], 200)
        # One that is stopped in the middle still counts.
        first.send_signal(signal.SIGSTOP)
        self.assertEqual(self.begin(self.describe()).wait(timeout=20), 1)
        first.send_signal(signal.SIGCONT)
        self.stop_engine(first)

    def test_many_that_start_at_once_over_a_dead_one(self):
        """One of them has it, whose socket then works."""
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(self.admin))
        configuration = self.describe()
        engines = []
        for number in range(4):
            log = self.folder / f"race-{number}.log"
            with open(log, "wb") as stderr:
                engine = self.start([WEIR, "run", "-c", configuration], stderr=stderr)
            engine.log = log
            engines.append(engine)
        wait_until(lambda: sum(engine.poll() is None for engine in engines) == 1, seconds=60, what="one engine")
        self.assertEqual(self.ask()[0], 200)
        self.stop_engine(next(engine for engine in engines if engine.poll() is None))

    def test_a_file_in_the_way_is_left_alone(self):
        self.admin.write_text("precious")
        engine = self.begin(self.describe())
        self.assertIn("is there and no socket", self.logged(
            engine, "there is no admin socket, so that `weir status` and its like cannot ask this engine")[0]["reason"])
        self.stop_engine(engine)
        self.assertEqual(self.admin.read_text(), "precious")
        engine = self.begin(self.describe(f"admin_socket: {self.admin}"))
        self.assertEqual(engine.wait(timeout=20), 1)
        self.assertIn("is there and no socket", self.logged(engine, "cannot open the admin socket")[0]["reason"])
        self.assertEqual(self.admin.read_text(), "precious")

    def test_a_folder_that_is_not_there(self):
        engine = self.begin(self.describe("admin_socket: nowhere/weir.sock"))
        self.assertEqual(engine.wait(timeout=20), 1)
        self.assertIn("make the folder", self.logged(engine, "cannot open the admin socket")[0]["reason"])

    def test_a_socket_that_took_its_place_is_not_removed(self):
        engine = self.begin(self.describe())
        self.admin.unlink()
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(str(self.admin))
            self.stop_engine(engine)
            self.assertTrue(self.admin.is_socket())

    def test_more_than_may_connect(self):
        engine = self.begin(self.describe())
        idle = []
        for _ in range(80):
            connection = socket.socket(socket.AF_UNIX)
            self.addCleanup(connection.close)
            connection.settimeout(20)
            connection.connect(str(self.admin))
            connection.sendall(b"GET /v1/reload HTTP/1.1\r\nHost: weir\r\n\r\n")
            self.assertIn(b" 200 ", connection.recv(4000))
            idle.append(connection)
        self.assertEqual(self.ask()[0], 200)
        self.assertEqual(idle[0].recv(10), b"")
        self.stop_engine(engine)

    def test_an_engine_that_starts_over_has_it_again(self):
        engine = self.begin(self.describe(f"state_dir: {self.folder}\nrole: active\nlease: 600ms"))
        wait_until(lambda: self.redis.exists(f"{SERVER_NAME}/weir/lease/weir1"), what="the lease")
        engine.send_signal(signal.SIGSTOP)
        time.sleep(1)
        self.redis.incr(f"{SERVER_NAME}/weir/fence/weir1")
        self.redis.set(f"{SERVER_NAME}/weir/lease/weir1", "another:1:x", px=3000)
        engine.send_signal(signal.SIGCONT)
        wait_until(lambda: len(self.logged(engine, "started")) == 2, seconds=40, what="a new beginning")
        self.assertEqual(self.ask()[0], 200)
        self.assertEqual(len(self.logged(engine, "listens for administration")), 2)
        self.assertEqual(stat.S_IMODE(self.admin.stat().st_mode), 0o600)
        self.stop_engine(engine)
        self.assertFalse(pathlib.Path(self.admin).exists())


if __name__ == "__main__":
    unittest.main()
