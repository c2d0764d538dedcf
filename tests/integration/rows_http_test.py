"""Missed rows from writers' replication listeners: real HTTP servers over TCP, unix sockets and TLS, which answer as
Synapse does, slowly, wrongly, hugely or not at all. The client is that of the engine, in tests/programs/missed_rows.c."""

import collections
import http.server
import json
import os
import pathlib
import re
import shutil
import socket
import socketserver
import ssl
import subprocess
import tempfile
import threading
import unittest
import urllib.parse

from harness import ROOT, WEIR, free_port

PROGRAM = str(pathlib.Path(WEIR).parent / "tests" / "missed_rows")
PATH = re.compile(r"/_synapse/replication/get_repl_stream_updates/(\w+)/(\w+)")
SECRET = "a-secret-of-this-test"


def answer(*updates, upto, limited=False):
    return json.dumps({"updates": updates, "upto_token": upto, "limited": limited}, separators=(",", ":"))


def error(code, text):
    return json.dumps({"errcode": code, "error": text}, separators=(",", ":"))


Request = collections.namedtuple("Request", "stream id query headers")


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # headers and body leave together, so that no acknowledgement is waited for

    def setup(self):
        super().setup()
        with self.server.lock:
            self.server.connections += 1

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        found = PATH.fullmatch(url.path)
        self.stream, self.id = found.groups() if found else (None, None)
        self.query = {name: int(value) for name, value in urllib.parse.parse_qsl(url.query)}
        with self.server.lock:
            self.server.requests.append(Request(self.stream, self.id, self.query, self.headers))
        reply = self.server.reply(self)
        if reply is not None:
            self.send(*reply if isinstance(reply, tuple) else (200, reply))

    def send(self, status, text, **headers):
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

    def address_string(self):
        return "client"


class Listener(socketserver.ThreadingMixIn, http.server.HTTPServer):
    """Answers with what `reply(handler)` returns: a text, (status, text), or None if it saw to everything itself.
    `gate` is opened when the test ends, for replies that wait for ever."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, reply, address=("127.0.0.1", 0), family=socket.AF_INET, context=None):
        self.reply, self.address_family = reply, family
        self.lock, self.gate = threading.Lock(), threading.Event()
        self.requests, self.connections = [], 0
        socketserver.TCPServer.__init__(self, address, Handler)
        if context:
            self.socket = context.wrap_socket(self.socket, server_side=True)
        self.thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()

    server_bind = socketserver.TCPServer.server_bind  # http.server's own looks the address up in DNS

    def handle_error(self, *_):
        """The client goes away in many of these tests."""

    def stop(self):
        self.gate.set()
        self.shutdown()
        self.thread.join()
        self.server_close()

    @property
    def place(self):
        return f"127.0.0.1:{self.server_address[1]}"


class RowsHttp(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="weir-test."))
        self.addCleanup(shutil.rmtree, self.folder)

    def listen(self, reply, *arguments, **options):
        listener = Listener(reply, *arguments, **options)
        self.addCleanup(listener.stop)
        return listener

    def ask(self, *arguments, **environment):
        done = subprocess.run([PROGRAM, "http", *map(str, arguments)], capture_output=True, timeout=60, cwd=ROOT,
                              env={**os.environ, **environment})
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        output = done.stdout.decode()
        self.assertNotIn(SECRET, output)
        return output.splitlines()

    def fails(self, *arguments, words, place, **environment):
        """One request that fails with a sentence that names the writer and has these words."""
        lines = self.ask(*arguments, **environment)
        self.assertEqual(len(lines), 1, lines)
        self.assertRegex(lines[0], "^failed 0 ")
        for word in (f"the writer `p1` at {place} ", *words):
            self.assertIn(word, lines[0])

    def test_asks_as_the_protocol_says_and_hands_on_the_rows_of_each_token(self):
        listener = self.listen(lambda _: answer([101, ["a", 1]], [101, ["é"]], [106, []], upto=112))
        self.assertEqual(self.ask(f"p1={listener.place}", "events,p1,100,112"),
                         ['rows 0 101 ["a",1] ["\\u00e9"]', "rows 0 106 []", "end 0 112"])
        request, = listener.requests
        self.assertEqual(request.stream, "events")
        self.assertEqual(request.query, {"from_token": 100, "upto_token": 112})
        self.assertRegex(request.id, "^[0-9a-f]{32}$")
        self.assertIsNone(request.headers["Authorization"])

    def test_the_secret_goes_along_and_a_wrong_one_is_hinted_at(self):
        def reply(request):
            good = request.headers.get_all("Authorization") == [f"Bearer {SECRET}"]
            return answer(upto=112) if good else (500, error("M_UNKNOWN", "Internal server error"))
        listener = self.listen(reply)
        ask = (f"p1={listener.place}", "events,p1,100,112")
        self.assertEqual(self.ask("--secret", SECRET, *ask), ["end 0 112"])
        for secret in ((), ("--secret", SECRET + "x")):
            self.fails(*secret, *ask, place=listener.place,
                       words=["500", 'M_UNKNOWN "Internal server error"', "worker_replication_secret"])

    def test_no_request_id_comes_twice(self):
        listener = self.listen(lambda _: answer(upto=112))
        for _ in range(3):
            self.ask("--in-turn", f"p1={listener.place}", *["events,p1,100,112"] * 20)
        self.assertEqual(len({request.id for request in listener.requests}), 60)

    def test_a_limited_answer_is_followed_with_another_id(self):
        def reply(request):
            token = request.query["from_token"] + 4
            return answer([token, [token]], upto=token, limited=token < 112)
        listener = self.listen(reply)
        self.assertEqual(self.ask(f"p1={listener.place}", "events,p1,100,112"),
                         ["rows 0 104 [104]", "more 0 104", "rows 0 108 [108]", "more 0 108", "rows 0 112 [112]",
                          "end 0 112"])
        self.assertEqual(len({request.id for request in listener.requests}), 3)

    def test_one_connection_serves_request_after_request(self):
        listener = self.listen(lambda _: answer(upto=112))
        lines = self.ask("--in-turn", f"p1={listener.place}", *["events,p1,100,112"] * 5)
        self.assertEqual(lines, [f"end {number} 112" for number in range(5)])
        self.assertEqual(listener.connections, 1)

    def test_a_connection_that_was_closed_meanwhile_is_made_again(self):
        def reply(request):
            request.close_connection = True  # without having said so
            return answer(upto=112)
        listener = self.listen(reply)
        lines = self.ask("--in-turn", f"p1={listener.place}", *["events,p1,100,112"] * 5)
        self.assertEqual(lines, [f"end {number} 112" for number in range(5)])
        self.assertEqual(listener.connections, 5)

    def test_writers_are_asked_beside_each_other_each_at_its_own_address(self):
        together = threading.Barrier(3, timeout=20)
        def reply(number):
            def of(request):
                together.wait()
                return answer([number, [request.stream]], upto=112)
            return of
        first, second = self.listen(reply(101)), self.listen(reply(102))
        lines = self.ask(f"p1={first.place}", f"master={second.place}", "events,p1,100,112", "events,master,100,112",
                         "caches,p1,100,112", "events,p2,0,1")
        self.assertEqual(sorted(lines), ["end 0 112", "end 1 112", "end 2 112", 'rows 0 101 ["events"]',
                                         'rows 1 102 ["events"]', 'rows 2 101 ["caches"]', "unserved 3"])

    def test_unix_socket(self):
        path = self.folder / "p1.sock"
        other = self.folder / "p2.sock"
        listener = self.listen(lambda _: answer([101, [1]], upto=112), str(path), family=socket.AF_UNIX)
        second = self.listen(lambda _: answer([102, [2]], upto=112), str(other), family=socket.AF_UNIX)
        lines = self.ask("--in-turn", f"p1=unix:{path}", f"p2=unix:{other}", "events,p1,100,112", "events,p2,100,112",
                         "events,p1,100,112")
        self.assertEqual(lines, ["rows 0 101 [1]", "end 0 112", "rows 1 102 [2]", "end 1 112", "rows 2 101 [1]",
                                 "end 2 112"])
        self.assertEqual((listener.connections, second.connections), (1, 1))
        nowhere = self.folder / "nowhere.sock"
        self.fails(f"p1=unix:{nowhere}", "events,p1,100,112", place=nowhere, words=["cannot be reached"])

    @unittest.skipUnless(socket.has_ipv6, "without IPv6")
    def test_an_ipv6_address(self):
        try:
            listener = self.listen(lambda _: answer(upto=112), ("::1", 0), family=socket.AF_INET6)
        except OSError as problem:
            self.skipTest(f"no loopback of IPv6: {problem}")
        self.assertEqual(self.ask(f"p1=::1:{listener.server_address[1]}", "events,p1,100,112"), ["end 0 112"])

    def certificate(self, names):
        """A certificate of an own CA; the paths of the CA's and of the pair."""
        def openssl(*arguments):
            subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, cwd=self.folder)
        if not (self.folder / "ca.pem").exists():
            openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", "/CN=A CA of a test", "-keyout", "ca.key", "-out", "ca.pem")
        openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=writer",
                "-keyout", "writer.key", "-out", "writer.csr")
        (self.folder / "names").write_text(f"subjectAltName={names}\n")
        openssl("x509", "-req", "-in", "writer.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days",
                "2", "-extfile", "names", "-out", "writer.pem")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / "writer.pem", self.folder / "writer.key")
        return context

    def test_tls(self):
        ca = ("--ca-file", self.folder / "ca.pem")
        reply = lambda _: answer([101, [1]], upto=112)
        good = ["rows 0 101 [1]", "end 0 112"]
        listener = self.listen(reply, context=self.certificate("IP:127.0.0.1"))
        ask = (f"p1=tls:{listener.place}", "events,p1,100,112")
        self.assertEqual(self.ask(*ca, *ask), good)
        self.assertEqual(len(listener.requests), 1)
        self.fails(*ask, place=listener.place, words=["not trusted"])
        self.assertEqual(len(listener.requests), 1, "a listener that is not trusted must not see the secret")
        self.assertEqual(self.ask("--trust-all", *ask), good)
        self.fails("--ca-file", "/nowhere.pem", *ask, place=listener.place, words=["trusted certificates"])
        other = self.listen(reply, context=self.certificate("DNS:other.example"))
        self.fails(*ca, f"p1=tls:{other.place}", "events,p1,100,112", place=other.place, words=["not trusted"])
        self.assertEqual(other.requests, [])
        plain = self.listen(reply)
        self.fails(*ca, f"p1=tls:{plain.place}", "events,p1,100,112", place=plain.place, words=["TLS"])

    def test_a_slow_answer_ends_at_the_timeout(self):
        def never(request):
            request.server.gate.wait(60)
        def trickle(request):
            request.send_response(200)
            request.send_header("Content-Length", "1000000")
            request.end_headers()
            while not request.server.gate.wait(0.02):
                request.wfile.write(b" ")
                request.wfile.flush()
        for reply in (never, trickle):
            with self.subTest(reply.__name__):
                listener = self.listen(reply)
                self.fails("--timeout", 300, f"p1={listener.place}", "events,p1,100,112", place=listener.place,
                           words=["did not answer in time", "300 ms"])

    def test_a_slow_writer_holds_up_no_other_and_is_dropped_without_a_word(self):
        asked = threading.Event()
        def slow(request):
            asked.set()
            request.server.gate.wait(60)
        def quick(_):
            asked.wait(20)
            return answer(upto=112)
        first, second = self.listen(slow), self.listen(quick)
        lines = self.ask("--timeout", 50000, "--stop-after", 1, f"p1={first.place}", f"p2={second.place}",
                         "events,p1,100,112", "events,p2,100,112", "caches,p1,1,2")
        self.assertEqual(lines, ["end 1 112"])

    def test_large_answers_come_whole_and_larger_ones_fail(self):
        rows = [[token, ["x" * 1000]] for token in range(1, 8001)]
        listener = self.listen(lambda _: answer(*rows, upto=8000))
        lines = self.ask("--timeout", 30000, f"p1={listener.place}", "events,p1,0,8000")
        self.assertEqual(len(lines), 8001)
        self.assertEqual(lines[-2:], [f'rows 0 8000 ["{"x" * 1000}"]', "end 0 8000"])

        def announced(request):
            request.send_response(200)
            request.send_header("Content-Length", str((64 << 20) + 1))
            request.end_headers()
            request.wfile.write(b" " * 1000)
            request.wfile.flush()
            request.server.gate.wait(60)
        def endless(request):
            request.send_response(200)
            request.send_header("Transfer-Encoding", "chunked")
            request.end_headers()
            while not request.server.gate.is_set():
                request.wfile.write(b"100000\r\n" + b" " * 0x100000 + b"\r\n")
        for reply in (announced, endless):
            with self.subTest(reply.__name__):
                listener = self.listen(reply)
                self.fails("--timeout", 50000, f"p1={listener.place}", "events,p1,0,1", place=listener.place,
                           words=["too large", "64 MiB"])

    def test_what_synapse_refuses_is_said_in_its_words(self):
        for reply, words in (
                ((400, error("M_UNKNOWN", "Unknown stream")), ["400", 'M_UNKNOWN "Unknown stream"']),
                ((400, error("M_UNRECOGNIZED", "x" * 5000)), ["400", 'M_UNRECOGNIZED "xxx']),
                ((404, "<html>"), ["404", "not as Synapse"]),
                ((502, ""), ["502"]),
                ((204, ""), ["204"]),
                ("<html>", ["cannot be used", "JSON"]),
                (answer([105, []], [104, []], upto=112), ["cannot be used", "go back"]),
                (answer(upto=100, limited=True), ["cannot be used", "no further"])):
            with self.subTest(reply):
                listener = self.listen(lambda _, reply=reply: reply)
                self.fails(f"p1={listener.place}", "events,p1,100,112", place=listener.place, words=words)

    def test_a_redirect_is_not_followed(self):
        elsewhere = self.listen(lambda _: answer(upto=112))
        def reply(request):
            request.send(302, "", Location=f"http://{elsewhere.place}/")
        listener = self.listen(reply)
        self.fails("--secret", SECRET, f"p1={listener.place}", "events,p1,100,112", place=listener.place,
                   words=["302", "elsewhere"])
        self.assertEqual(elsewhere.requests, [])

    def test_no_proxy_of_the_environment_is_used(self):
        proxy = self.listen(lambda _: answer(upto=5))
        listener = self.listen(lambda _: answer(upto=112))
        names = ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")
        self.assertEqual(self.ask(f"p1={listener.place}", "events,p1,100,112", no_proxy="", NO_PROXY="",
                                  **{name: f"http://{proxy.place}" for name in names}), ["end 0 112"])
        self.assertEqual((len(listener.requests), proxy.connections), (1, 0))

    def test_connections_that_break(self):
        def silent(request):
            request.close_connection = True
        def cut(request):
            request.send_response(200)
            request.send_header("Content-Length", "1000")
            request.end_headers()
            request.wfile.write(b'{"updates":[[101,[1]]')
            request.close_connection = True
        def other(request):
            request.wfile.write(b"+PONG\r\n-ERR unknown command\r\n")
            request.close_connection = True
        for reply, words in ((silent, ["without an answer"]), (cut, ["before its answer was complete"]),
                             (other, ["does not speak HTTP"])):
            with self.subTest(reply.__name__):
                listener = self.listen(reply)
                self.fails(f"p1={listener.place}", "events,p1,100,112", place=listener.place, words=words)

    def test_nobody_there(self):
        port = free_port()
        self.fails(f"p1=127.0.0.1:{port}", "events,p1,100,112", place=f"127.0.0.1:{port}",
                   words=["cannot be reached", "Connection refused"])
        name = "x" * 70 + ".invalid"  # longer than DNS lets a label be: no server is asked
        self.fails(f"p1={name}:80", "events,p1,100,112", place=f"{name}:80", words=["host name has no address"])
        self.fails("p1=a b:80", "events,p1,100,112", place="a b:80", words=["its address is none"])


if __name__ == "__main__":
    unittest.main()
