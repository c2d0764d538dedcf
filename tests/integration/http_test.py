"""The HTTP listener of the real program, over real sockets: how long connections are kept, who may come in, and what
happens to those who do not behave."""

import http.client
import json
import select
import signal
import socket
import ssl
import subprocess
import time
import unittest
import urllib.error
import urllib.request

import certificates
import service_test
from harness import SERVER_NAME, run_weir, wait_until
from service_test import QUICK, SLOW

PING = b"POST /antispam/ping HTTP/1.1\r\nHost: weir\r\nContent-Length: 10\r\n\r\n{\"id\":\"a\"}"
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: weir\r\n\r\n"
ASK = "/v1/callbacks/check_event_for_spam"
BODY_MAXIMUM = 1 << 20


def question(room=QUICK):
    event = {"type": "m.room.message", "room_id": room, "sender": "@a:lab.test", "content": {"body": "x"},
             "event_id": "$1"}
    return json.dumps({"args": {"event": event}}).encode()


class HttpServer(service_test.ServiceServer):
    context = None  # of TLS

    def begin(self, http="", requests="http: true", modules="modules: []"):
        self.configured = (requests, modules)
        return self.start_engine(self.describe(http))

    def describe(self, http, listen="127.0.0.1:0"):
        requests, modules = self.configured
        return self.write("weir.yaml", f"server_name: {SERVER_NAME}\nredis: {{path: {self.socket}}}\nobserve: false\n"
                                       f"http: {{listen: '{listen}', {http}}}\nrequests: {{{requests}}}\n{modules}\n")

    def http(self, engine, path):
        scheme = "https" if self.context else "http"
        try:
            with urllib.request.urlopen(f"{scheme}://{engine.http}{path}", timeout=5, context=self.context) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except (urllib.error.URLError, ConnectionError):
            return 0, ""

    def connect(self, engine, timeout=20):
        host, port = engine.http.rsplit(":", 1)
        connection = socket.create_connection((host, int(port)), timeout=timeout)
        self.addCleanup(connection.close)
        return connection

    def client(self, engine, timeout=20):
        host, port = engine.http.rsplit(":", 1)
        connection = http.client.HTTPConnection(host, int(port), timeout=timeout)
        self.addCleanup(connection.close)
        return connection

    def ask(self, engine, method, path, body=None, **headers):
        """(status, headers, body) on a connection of its own."""
        connection = self.client(engine)
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, answer.headers, text

    def refusal(self, engine, method, path, body=None, **headers):
        status, _, text = self.ask(engine, method, path, body, **headers)
        return status, json.loads(text)["errcode"]

    @staticmethod
    def exchange(connection, request):
        """The answer to a raw request, as bytes; empty if the connection ends."""
        connection.sendall(request)
        text = b""
        while b"\r\n\r\n" not in text or len(text.split(b"\r\n\r\n", 1)[1]) < HttpServer.announced(text):
            more = connection.recv(65536)
            if not more:
                return text
            text += more
        return text

    @staticmethod
    def announced(text):
        lengths = [line.split(b":")[1] for line in text.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        return int(lengths[0]) if lengths else 0

    def waiting(self, service):
        settings = {"url": service.url, "timeout_ms": 60000, "callbacks": ["check_event_for_spam"]}
        return f"modules: [{{module: http_service, config: {json.dumps(settings)}}}]"


class Connections(HttpServer):
    def test_how_long_connections_are_kept(self):
        """Side by side: an idle one is there after 15 s, what stops in the middle is closed after 10 s."""
        engine = self.begin()
        idle = self.connect(engine)
        self.assertIn(b" 200 ", self.exchange(idle, PING))
        silent = self.connect(engine)
        dripping = self.connect(engine)
        dripping.sendall(b"GET /healthz HTTP/1.1\r\n")
        second = self.connect(engine)
        self.assertIn(b" 200 ", self.exchange(second, PING))
        second.sendall(PING[:20])
        body = self.connect(engine)
        body.sendall(PING[:-3])
        begun, closed = time.monotonic(), {}
        stuck = {silent: "silent", dripping: "dripping", second: "second request", body: "body"}
        while (passed := time.monotonic() - begun) < 15:
            for connection in select.select([one for one in stuck if one not in closed], [], [], 1)[0]:
                try:
                    text = connection.recv(1000)
                except ConnectionError:
                    text = b""
                self.assertEqual(text, b"", stuck[connection])
                closed[connection] = passed
            if dripping not in closed:
                try:
                    dripping.sendall(b"X: y\r\n")
                except ConnectionError:
                    closed[dripping] = passed
        for connection, name in stuck.items():
            self.assertIn(connection, closed, name)
            self.assertGreater(closed[connection], 8, name)
        self.assertIn(b" 200 ", self.exchange(idle, PING))
        self.assertEqual(self.metric(engine, "weir_http_slow_total"), 4)
        self.stop_engine(engine)

    def test_more_connections_than_there_may_be(self):
        engine = self.begin("connections: 4")
        idle = []
        for _ in range(3):
            idle.append(self.connect(engine))
            self.assertIn(b" 200 ", self.exchange(idle[-1], HEALTH))
            time.sleep(0.1)
        # The one that has been idle for longest made room.
        late = self.connect(engine)
        self.assertIn(b" 200 ", self.exchange(late, HEALTH))
        self.assertEqual(idle[0].recv(10), b"")
        self.assertGreaterEqual(self.metric(engine, "weir_http_full_total"), 1)
        self.assertEqual(len(self.logged(engine, "as many HTTP connections are open as http.connections allows; idle "
                                                 "ones are closed for new ones, and without idle ones nobody can "
                                                 "connect")), 1)
        # Nobody is idle: who comes then has to wait, and gets in when one leaves.
        busy = [self.connect(engine) for _ in range(4)]
        for connection in busy:
            connection.sendall(HEALTH[:10])
            time.sleep(0.1)
        waiting = self.connect(engine, timeout=1)
        waiting.sendall(HEALTH)
        self.assertRaises(socket.timeout, waiting.recv, 1000)
        answer = self.exchange(busy[0], HEALTH[10:])
        self.assertIn(b" 200 ", answer)
        self.assertIn(b"Connection: close\r\n", answer)
        waiting.settimeout(20)
        self.assertIn(b" 200 ", waiting.recv(1000))
        self.stop_engine(engine)

    def test_a_stop_drains(self):
        service = self.serve(lambda question: "NOT_SPAM")
        engine = self.begin(modules=self.waiting(service))
        waiting, idle = self.client(engine), self.connect(engine)
        self.assertIn(b" 200 ", self.exchange(idle, HEALTH))
        waiting.request("POST", ASK, question(SLOW))
        wait_until(lambda: service.questions, what="the question")
        engine.send_signal(signal.SIGTERM)
        wait_until(lambda: self.logged(engine, "stops: finishes what is in hand"))
        answer = self.exchange(idle, b"GET /readyz HTTP/1.1\r\nHost: weir\r\n\r\n")
        self.assertIn(b" 503 ", answer)
        self.assertIn(b"Connection: close\r\n", answer)
        self.assertTrue(answer.endswith(b"\r\n\r\nstopping\n"))
        self.assertRaises(ConnectionRefusedError, self.connect, engine)
        service.gate.set()
        answer = waiting.getresponse()
        self.assertEqual((answer.status, answer.headers["Connection"]), (200, "close"))
        self.assertEqual(answer.read().strip(), b'"NOT_SPAM"')
        self.assertEqual(engine.wait(timeout=20), 0, engine.log.read_text()[-2000:])

    def test_clients_that_hang_up(self):
        service = self.serve(lambda question: "NOT_SPAM")
        engine = self.begin(modules=self.waiting(service))
        for number in range(20):
            connection = self.connect(engine)
            body = question(SLOW)
            connection.sendall(f"POST {ASK} HTTP/1.1\r\nHost: weir\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
            if number % 2:
                wait_until(lambda: self.metric(engine, "weir_requests_waiting"), what="the question")
            connection.close()
        wait_until(lambda: self.metric(engine, "weir_requests_waiting") == 0, what="their end")
        service.gate.set()
        self.assertEqual(self.ask(engine, "POST", ASK, question())[0], 200)
        wait_until(lambda: self.metric(engine, "weir_http_connections") == 1, what="only ours")
        self.stop_engine(engine)


class Requests(HttpServer):
    def test_slashes_methods_and_paths(self):
        engine = self.begin()
        self.assertEqual(self.ask(engine, "GET", "//healthz")[0], 200)
        self.assertEqual(self.ask(engine, "GET", "///healthz?a=b//c")[0], 200)
        self.assertEqual(self.ask(engine, "POST", ASK.replace("/", "//"), question())[0], 200)
        self.assertEqual(self.ask(engine, "GET", "http://weir.example/healthz")[0], 200)
        status, headers, text = self.ask(engine, "HEAD", "/healthz")
        self.assertEqual((status, headers["Content-Length"], text), (200, "3", ""))
        status, headers, text = self.ask(engine, "PUT", "/healthz")
        self.assertEqual((status, headers["Allow"], json.loads(text)["errcode"]), (405, "GET, HEAD", "M_UNRECOGNIZED"))
        status, headers, text = self.ask(engine, "GET", ASK)
        self.assertEqual((status, headers["Allow"], json.loads(text)["errcode"]), (405, "POST", "M_UNRECOGNIZED"))
        self.assertEqual(self.refusal(engine, "GET", "/nowhere"), (404, "M_UNRECOGNIZED"))
        self.stop_engine(engine)

    def test_bodies(self):
        engine = self.begin()
        # In chunks, as a stream without a length; the answer has one.
        host, port = engine.http.rsplit(":", 1)
        connection = http.client.HTTPConnection(host, int(port), timeout=20)
        self.addCleanup(connection.close)
        for _ in range(2):
            connection.request("POST", ASK, iter([question()[:10], question()[10:]]), encode_chunked=True)
            answer = connection.getresponse()
            self.assertEqual((answer.status, answer.read().strip()), (200, b'"NOT_SPAM"'))
        # evhttp reads the rest before it answers, so that a client that writes first gets to read.
        for size in (BODY_MAXIMUM + 1, 8 * BODY_MAXIMUM):
            self.assertEqual(self.refusal(engine, "POST", ASK, b" " * size), (413, "M_TOO_LARGE"))
        curl = subprocess.run(["curl", "-s", "-m", "20", "-w", "%{http_code}", "-o", self.folder / "answer", "-H",
                               "Expect: 100-continue", "--data-binary", "@-", f"http://{engine.http}{ASK}"],
                              input=question(), capture_output=True, check=True)
        self.assertEqual(curl.stdout, b"200")
        curl = subprocess.run(["curl", "-s", "-0", "-m", "20", "-i", f"http://{engine.http}/healthz"],
                              capture_output=True, check=True)
        self.assertIn(b"Connection: close\r\n", curl.stdout)
        connection = self.connect(engine)
        for _ in range(2):
            answer = self.exchange(connection, b"GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            self.assertIn(b"Connection: keep-alive\r\n", answer)
        self.stop_engine(engine)

    def test_what_is_no_http(self):
        engine = self.begin()
        for garbage in (b"\0" * 100, b"\r\n" * 100, b"GET\r\n\r\n", b"GET /x HTTP/9.9\r\n\r\n", b"A" * 100000,
                        b"GET /x HTTP/1.1\r\n" + b"X: " + b"a" * 100000 + b"\r\n\r\n", b"GET /x HTTP/1.1\r\n: :\r\n:\r\n\r\n",
                        b"GET //:x HTTP/1.1\r\n\r\n", b"GET * HTTP/1.1\r\n\r\n", b"TRACE / HTTP/1.1\r\n\r\n",
                        b"POST /v1 HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"\x16\x03\x01\x02\0\x01\0\x01\xfc",
                        b"POST /v1 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
                        b"CONNECT weir:1 HTTP/1.1\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"):
            with self.subTest(garbage=garbage[:40]):
                connection = self.connect(engine)
                try:
                    connection.sendall(garbage)
                    connection.shutdown(socket.SHUT_WR)
                    answer = connection.recv(65536)
                    self.assertTrue(answer == b"" or answer.split(b" ")[1][:1] in b"45", answer)
                    self.assertNotIn(b"<", answer)
                except OSError:
                    pass
                connection.close()
        self.assertEqual(self.ask(engine, "GET", "/healthz")[0], 200)
        self.stop_engine(engine)


class Secret(HttpServer):
    def ask_with(self, engine, authorization):
        headers = {"Authorization": authorization} if authorization else {}
        status, answered, text = self.ask(engine, "POST", ASK, question(), **headers)
        return status, json.loads(text)["errcode"] if status != 200 else None, answered["WWW-Authenticate"]

    def test_who_may_ask(self):
        self.write("secret", "between-us\n").chmod(0o600)
        engine = self.begin("secret_path: secret")
        missing, unknown = (401, "M_MISSING_TOKEN", "Bearer"), (401, "M_UNKNOWN_TOKEN", "Bearer")
        for authorization, expected in ((None, missing), ("Basic between-us", missing), ("Bearer", missing),
                                        ("Bearer x", unknown), ("Bearer between-u", unknown),
                                        ("Bearer between-us", (200, None, None)), ("bearer between-us", (200, None, None))):
            self.assertEqual(self.ask_with(engine, authorization), expected, authorization)
        self.assertEqual(self.metric(engine, "weir_http_unauthorized_total"), 5)
        # A method tells nothing to whoever may not ask; the program's own pages are open.
        self.assertEqual(self.refusal(engine, "GET", ASK), (401, "M_MISSING_TOKEN"))
        self.assertNotIn("between-us", engine.log.read_text())
        self.write("secret", "another\n")
        engine.send_signal(signal.SIGHUP)
        wait_until(lambda: self.logged(engine, "the configuration was loaded again"))
        self.assertEqual(self.ask_with(engine, "Bearer between-us"), unknown)
        self.assertEqual(self.ask_with(engine, "Bearer another"), (200, None, None))
        self.stop_engine(engine)

    def test_nobody_listens_to_the_world_without_one(self):
        self.configured = ("http: true", "modules: []")
        path = self.describe("", listen="0.0.0.0:0")
        for command in ("check", "run"):
            done = run_weir(command, "-c", path, check=False)
            self.assertEqual(done.returncode, 3, done.stderr)
            self.assertIn(b"weir.yaml:4:16: http.listen: with `requests.http` everyone", done.stdout + done.stderr)
        self.assertEqual(run_weir("check", "-c", self.describe("secret: x", listen="0.0.0.0:0")).returncode, 0)


class Tls(HttpServer):
    def setUp(self):
        super().setUp()
        self.authority = certificates.Authority(self.folder)
        self.certificate, self.key = self.authority.issue("weir")
        self.context = ssl.create_default_context(cafile=self.authority.certificate)

    def tls(self, certificate=None, key=None):
        return f"tls: {{certificate_file: '{certificate or self.certificate}', private_key_file: '{key or self.key}'}}"

    def serial(self, engine):
        host, port = engine.http.rsplit(":", 1)
        with socket.create_connection((host, int(port)), timeout=20) as plain:
            with self.context.wrap_socket(plain, server_hostname="localhost") as secure:
                return secure.version(), secure.getpeercert()["serialNumber"]

    def test_requests_over_tls(self):
        engine = self.begin(self.tls())
        host, port = engine.http.rsplit(":", 1)
        connection = http.client.HTTPSConnection(host, int(port), timeout=20, context=self.context)
        self.addCleanup(connection.close)
        for number in range(50):
            connection.request("POST", ASK, question())
            answer = connection.getresponse()
            self.assertEqual((answer.status, answer.read().strip()), (200, b'"NOT_SPAM"'), number)
        connection.request("POST", ASK, b" " * (BODY_MAXIMUM - 1000) + question())
        answer = connection.getresponse()
        self.assertEqual((answer.status, answer.read().strip()), (200, b'"NOT_SPAM"'))
        self.assertEqual(self.metric(engine, "weir_http_connections"), 2)
        connection.request("POST", ASK, b" " * (BODY_MAXIMUM + 1))
        answer = connection.getresponse()
        self.assertEqual((answer.status, json.loads(answer.read())["errcode"]), (413, "M_TOO_LARGE"))
        plain = self.connect(engine)
        try:
            self.assertEqual(self.exchange(plain, HEALTH)[:4] == b"HTTP", False)
        except ConnectionError:
            pass
        old = ssl.create_default_context(cafile=self.authority.certificate)
        old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            old.wrap_socket(self.connect(engine), server_hostname="localhost")
        self.stop_engine(engine)

    def test_clients_that_wait_and_hang_up(self):
        service = self.serve(lambda question: "NOT_SPAM")
        engine = self.begin(self.tls(), modules=self.waiting(service))
        host, port = engine.http.rsplit(":", 1)
        clients = [http.client.HTTPSConnection(host, int(port), timeout=20, context=self.context) for _ in range(3)]
        for client in clients:
            self.addCleanup(client.close)
            client.request("POST", ASK, question(SLOW))
        wait_until(lambda: self.metric(engine, "weir_requests_waiting") == 3, what="the questions")
        clients[0].close()
        wait_until(lambda: self.metric(engine, "weir_requests_waiting") == 2, what="one to end")
        service.gate.set()
        self.assertEqual([client.getresponse().status for client in clients[1:]], [200, 200])
        self.stop_engine(engine)

    def test_a_reload_takes_a_new_certificate(self):
        engine = self.begin(self.tls())
        version, before = self.serial(engine)
        self.assertIn(version, ("TLSv1.2", "TLSv1.3"))
        self.authority.issue("weir")  # into the same files
        engine.send_signal(signal.SIGHUP)
        wait_until(lambda: len(self.logged(engine, "the configuration was loaded again")) == 1)
        after = self.serial(engine)[1]
        self.assertNotEqual(before, after)
        # One that does not fit its key is refused, and changes nothing.
        other, _ = self.authority.issue("other")
        self.describe(self.tls(certificate=other))
        engine.send_signal(signal.SIGHUP)
        wait_until(lambda: self.logged(engine, "the configuration was not loaded; the old one goes on"))
        self.assertEqual(self.serial(engine)[1], after)
        done = run_weir("check", "-c", self.folder / "weir.yaml", check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(b"http.tls.private_key_file: ", done.stdout + done.stderr)
        self.assertIn(b"does not fit the certificate", done.stdout + done.stderr)
        self.stop_engine(engine)


if __name__ == "__main__":
    unittest.main()
