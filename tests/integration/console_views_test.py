"""What the engine tells the console, and what it does for it: verdicts as they come, dry runs, the backtest, explanations."""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import time
import unittest

import postgres_test
from console_test import Console, SECRET
from harness import SERVER_NAME, body_line, ev_row, rdata, wait_until


class Listener:
    """Somebody who listens to /v1/verdicts."""

    def __init__(self, test, engine, query="", **headers):
        self.connection = http.client.HTTPConnection(*engine.http.rsplit(":", 1), timeout=20)
        test.addCleanup(self.connection.close)
        self.connection.request("GET", "/v1/verdicts" + query, None, headers)
        self.answer = self.connection.getresponse()
        test.addCleanup(self.answer.close)
        self.status, self.headers = self.answer.status, self.answer.headers

    def event(self):
        """The next event `verdicts`; None at the end of the stream."""
        name = data = None
        while line := self.answer.readline():
            line = line.rstrip(b"\n")
            if line.startswith(b"event: "):
                name = line[7:]
            elif line.startswith(b"data: "):
                data = json.loads(line[6:])
            elif not line and data is not None:
                assert name == b"verdicts", name
                return data
        return None

    def close(self):
        self.answer.close()
        self.connection.close()

    def until(self, judged):
        """Everything until so many were judged: (rows, left out, denied)."""
        rows, left_out, denied = [], 0, 0
        while judged > 0:
            event = self.event()
            assert len(event["rows"]) <= 50
            rows += event["rows"]
            left_out, denied, judged = left_out + event["left_out"], denied + event["denied"], judged - event["judged"]
        assert judged == 0, judged
        return rows, left_out, denied


class Observing(Console):
    """Of ten events one passes, one would be refused by a module in dry run, and eight are refused."""

    modules = """
modules:
  - {module: keywords, dry_run: true, config: {patterns: [trial]}}
  - {module: keywords, config: {patterns: [spam]}}
"""

    def observe(self, http="", events=3000, rest=""):
        bodies = self.folder / "bodies.jsonl"
        bodies.write_text("".join(body_line(self.event_id(token), body=("fine", "trial", *["spam"] * 8)[token % 10]) + "\n"
                                  for token in range(1, events + 1)))
        engine = self.begin(http, self.modules, f"bodies: {{file: {bodies}}}\n{rest}")
        wait_until(lambda: self.http(engine, "/readyz")[0] == 200, what="readiness")
        self.publish("POSITION events persister1 0 0")
        self.next_token = 1
        return engine

    @staticmethod
    def event_id(token):
        return f"$event-{token}-{'x' * 200}"

    def happen(self, count):
        pipeline = self.redis.pipeline(transaction=False)
        for token in range(self.next_token, self.next_token + count):
            pipeline.publish(SERVER_NAME, rdata(token, ev_row(self.event_id(token))))
        pipeline.execute()
        self.next_token += count

    def listening(self, engine):
        return self.metric(engine, "weir_verdict_listeners")


class Verdicts(Observing):
    def test_rows_as_they_come(self):
        engine = self.observe()
        listener = Listener(self, engine)
        self.assertEqual((listener.status, listener.headers["Content-Type"], listener.headers["Cache-Control"]),
                         (200, "text/event-stream", "no-store"))
        before = time.time()
        self.happen(30)
        rows, left_out, denied = listener.until(judged=30)
        self.assertEqual((len(rows), left_out, denied), (27, 0, 24))
        self.assertEqual([(row["token"], row["row"]) for row in rows],
                         [(token, json.loads(text)) for token, text in self.durable()])
        self.assertEqual(sum(row["row"]["dry_run"] for row in rows), 3)
        for row in rows:
            self.assertLess(abs(row["at"] / 1000 - before), 20)
        listener.close()
        wait_until(lambda: self.listening(engine) == 0, what="the end of the listener")
        self.stop_engine(engine)

    def test_more_than_one_can_read(self):
        engine = self.observe()
        listeners = [Listener(self, engine) for _ in range(2)]
        self.happen(3000)
        for listener in listeners:
            rows, left_out, denied = listener.until(judged=3000)
            self.assertEqual((len(rows) + left_out, denied), (2700, 2400))
            self.assertGreater(left_out, 0)
        self.stop_engine(engine)

    def test_filters(self):
        engine = self.observe()
        wanted = [1503, 1999, 2777]
        exact = [Listener(self, engine, f"?event_id={self.event_id(token)}&code=M_FORBIDDEN") for token in wanted]
        dry = Listener(self, engine, "?dry_run=true&module=keywords&room=*:lab.test")
        none = Listener(self, engine, "?sender=@nobody:*")
        self.happen(3000)
        for token, listener in zip(wanted, exact):
            rows, left_out, _ = listener.until(judged=3000)
            self.assertEqual([row["token"] for row in rows], [token])
            self.assertEqual(left_out, 0)
        rows, left_out, _ = dry.until(judged=3000)
        self.assertEqual([row["row"]["dry_run"] for row in rows], [True] * len(rows))
        self.assertGreaterEqual(len(rows), 50)
        self.assertLess(abs(len(rows) + left_out - 300), 150, "worked out from samples")
        self.assertEqual(none.until(judged=3000), ([], 0, 2400))
        for query in ("?colour=red", "?dry_run=perhaps", "?room=%FF", "?module=" + "x" * 2000, "?module=a&module=b",
                      "?limit=5", "?since=1h"):
            self.assertEqual(self.refusal(engine, "GET", "/v1/verdicts" + query), (400, "M_INVALID_PARAM"), query)
        self.assertEqual(self.ask(engine, "HEAD", "/v1/verdicts")[::2], (200, b""))
        self.assertEqual(self.listening(engine), 5)
        self.stop_engine(engine)

    def test_who_asked_is_told_of_too(self):
        engine = self.observe(rest="requests: {http: true}")
        listener = Listener(self, engine)
        for body, expected in (("spam", "M_FORBIDDEN"), ("fine", None)):
            event = {"type": "m.room.message", "room_id": "!r:lab.test", "sender": "@a:lab.test", "event_id": "$1",
                     "content": {"body": body}}
            self.assertEqual(self.ask(engine, "POST", "/v1/callbacks/check_event_for_spam",
                                      json.dumps({"args": {"event": event}}))[0], 200)
        rows, left_out, denied = listener.until(judged=2)
        self.assertEqual(([row["row"]["origin"] for row in rows], left_out, denied), (["request"], 0, 1))
        self.stop_engine(engine)

    def test_as_many_as_may_listen(self):
        engine = self.observe()
        listeners = [Listener(self, engine) for _ in range(20)]
        self.assertEqual(self.refusal(engine, "GET", "/v1/verdicts"), (503, "M_LIMIT_EXCEEDED"))
        listeners[3].close()
        wait_until(lambda: self.listening(engine) == 19, what="a place")
        self.assertEqual(Listener(self, engine).status, 200)
        self.stop_engine(engine)

    def test_who_does_not_read_is_cut_off(self):
        engine = self.observe(events=20000)
        slow = socket.socket()
        self.addCleanup(slow.close)
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        host, port = engine.http.rsplit(":", 1)
        slow.connect((host, int(port)))
        slow.sendall(b"GET /v1/verdicts HTTP/1.1\r\nHost: localhost\r\n\r\n")
        wait_until(lambda: self.listening(engine) == 1)
        reader = Listener(self, engine)
        deadline = time.monotonic() + 60
        judged = 0
        while not self.metric(engine, "weir_verdict_listeners_cut_total") and time.monotonic() < deadline:
            self.happen(60)
            reader.until(judged=60)
            judged += 60
            time.sleep(0.05)
        self.assertEqual((self.metric(engine, "weir_verdict_listeners_cut_total"), self.listening(engine)), (1, 1))
        self.happen(10)
        self.assertEqual(len(reader.until(judged=10)[0]), 9)
        self.stop_engine(engine)

    def test_a_stop_does_not_wait_for_listeners(self):
        engine = self.observe()
        listener = Listener(self, engine)
        self.happen(10)
        listener.until(judged=10)
        begun = time.monotonic()
        engine.send_signal(signal.SIGTERM)
        self.assertIsNone(listener.event(), "the end of the answer")
        self.assertTrue(listener.answer.isclosed())
        self.assertEqual(engine.wait(timeout=20), 0, engine.log.read_text()[-2000:])
        self.assertLess(time.monotonic() - begun, 4)

    def test_the_end_of_a_session_ends_what_it_listens_to(self):
        engine = self.observe(f"secret: {SECRET}")
        self.assertEqual(self.refusal(engine, "GET", "/v1/verdicts"), (401, "M_MISSING_TOKEN"))
        cookie = self.cookie(engine)
        listener, other = Listener(self, engine, Cookie=cookie), Listener(self, engine, Cookie=self.cookie(engine))
        bearer = Listener(self, engine, Authorization=f"Bearer {SECRET}")
        self.ask(engine, "DELETE", "/console/session", Cookie=cookie, X_Weir_Console="1")
        self.assertIsNone(listener.event())
        wait_until(lambda: self.listening(engine) == 2)
        path = self.folder / "weir.yaml"
        path.write_text(path.read_text().replace(SECRET, "another"))
        engine.send_signal(signal.SIGHUP)
        self.assertIsNone(other.event())
        self.assertIsNone(bearer.event())
        self.stop_engine(engine)

    def test_over_the_admin_socket(self):
        engine = self.observe(f"secret: {SECRET}", rest=f"state_dir: {self.folder}")
        connection = socket.socket(socket.AF_UNIX)
        self.addCleanup(connection.close)
        connection.connect(str(self.folder / "weir1.sock"))
        connection.sendall(b"GET /v1/verdicts HTTP/1.0\r\n\r\n")
        answer = connection.makefile("rb")
        self.addCleanup(answer.close)
        wait_until(lambda: self.listening(engine) == 1)
        self.happen(5)
        self.assertIn(b" 200 OK", answer.readline())
        rows = 0
        while rows < 5 and (line := answer.readline()):
            self.assertNotIn(b"chunked", line)
            rows += len(json.loads(line[6:])["rows"]) if line.startswith(b"data: ") else 0
        self.assertEqual(rows, 5)
        self.stop_engine(engine)
        self.assertEqual(answer.read().strip(), b"")


class DryRun(Observing):
    def module(self, engine, index=1):
        return json.loads(self.ask(engine, "GET", "/v1/status")[2])["chain"]["modules"][index]

    def switch(self, engine, dry_run, module=1, label="keywords.2", **headers):
        body = json.dumps({"module": module, "label": label, "dry_run": dry_run})
        status, _, content = self.ask(engine, "POST", "/v1/dry-run", body, **headers)
        return status, json.loads(content)

    def test_a_module_is_switched(self):
        engine = self.observe()
        label = self.module(engine)["label"]
        listener = Listener(self, engine)
        status, module = self.switch(engine, True, label=label)
        self.assertEqual((status, module["dry_run"], module["dry_run_configured"]), (200, True, False))
        self.assertEqual(module, self.module(engine))
        self.happen(10)
        rows, _, denied = listener.until(judged=10)
        self.assertEqual(denied, 0)
        self.assertEqual({row["row"]["dry_run"] for row in rows}, {True})
        self.assertEqual({row["row"]["event_id"] for row in rows}, {self.event_id(token) for token in range(1, 10)})
        self.assertEqual(self.switch(engine, True, label=label)[0], 200, "it is so already")
        self.assertEqual(self.switch(engine, False, label=label)[1]["dry_run"], False)
        self.happen(10)
        rows, _, denied = listener.until(judged=10)
        self.assertEqual((denied, sum(not row["row"]["dry_run"] for row in rows)), (8, 8))
        warned = [line for line in self.log_lines(engine) if "was switched" in line["message"]]
        self.assertEqual([(line["level"], line["module"], line["by"]) for line in warned],
                         [("warning", label, "127.0.0.1")] * 2)
        self.stop_engine(engine)

    def test_what_a_reload_forgets_is_said(self):
        engine = self.observe()
        label = self.module(engine)["label"]
        self.assertEqual(self.switch(engine, True, label=label)[0], 200)
        self.assertEqual(self.switch(engine, False, 0, self.module(engine, 0)["label"])[0], 200)
        status, _, content = self.ask(engine, "POST", "/v1/reload")
        self.assertEqual(status, 200)
        self.assertEqual(sum("had been switched by hand" in line for line in json.loads(content)["warnings"]), 2)
        self.assertEqual([self.module(engine, index)["dry_run"] for index in (0, 1)], [True, False])
        self.assertFalse(any("by hand" in line for line in json.loads(self.ask(engine, "POST", "/v1/reload")[2])["warnings"]))
        self.stop_engine(engine)

    def test_what_is_refused(self):
        engine = self.observe(f"secret: {SECRET}")
        bearer = {"Authorization": f"Bearer {SECRET}"}
        self.assertEqual(self.switch(engine, True)[0], 401)
        self.assertEqual(self.switch(engine, True, Cookie=self.cookie(engine))[0], 403)
        for module, label in ((1, "links"), (2, "keywords"), (-1, "keywords"), (1 << 40, "keywords"), (0, "")):
            status, said = self.switch(engine, True, module, label, **bearer)
            self.assertEqual((status, said["errcode"]), (409, "M_CONFLICT"))
        for body in (b"", b"[]", b"{}", b'{"module": 1}', b'{"module": "1", "label": "keywords", "dry_run": true}',
                     b'{"module": 1, "label": "keywords", "dry_run": 1}', b'{"module": 1e99, "label": "", "dry_run": true}'):
            self.assertEqual(self.ask(engine, "POST", "/v1/dry-run", body, **bearer)[0], 400, body)
        self.assertEqual(self.ask(engine, "GET", "/v1/dry-run", **bearer)[0], 405)
        self.stop_engine(engine)


class Backtest(Console):
    def test_the_report(self):
        engine = self.begin(rest=f"state_dir: {self.folder}")
        path = self.folder / "backtest.html"
        status, _, content = self.ask(engine, "GET", "/v1/backtest")
        self.assertEqual((status, json.loads(content)["errcode"]), (404, "M_NOT_FOUND"))
        for size in (0, 1, 5000, 256 << 10, (3 << 20) + 17, 16 << 20):
            page = (b"<!DOCTYPE html><p>report</p>" + os.urandom(1000).hex().encode() * (size // 2000 + 1))[:size]
            path.write_bytes(page)
            status, headers, content = self.ask(engine, "GET", "/v1/backtest")
            self.assertEqual((status, content == page or (size == 0 and content == b"\n")), (200, True), size)
        self.assertEqual(headers["Content-Security-Policy"],
                         "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox")
        self.assertEqual(headers["Content-Type"], "text/html; charset=utf-8")
        self.assertEqual(self.ask(engine, "HEAD", "/v1/backtest")[::2], (200, b""))
        self.assertIsNotNone(json.loads(self.ask(engine, "GET", "/v1/status")[2])["backtest"])
        with path.open("ab") as file:
            file.write(b"x")
        status, _, content = self.ask(engine, "GET", "/v1/backtest")
        self.assertEqual((status, "larger than 16 MiB" in json.loads(content)["error"]), (404, True))
        path.unlink()
        path.mkdir()
        self.assertEqual(self.ask(engine, "GET", "/v1/backtest")[0], 404)
        path.rmdir()
        os.mkfifo(path)
        self.assertEqual(self.ask(engine, "GET", "/v1/backtest")[0], 404)
        self.stop_engine(engine)

    def test_a_client_that_reads_slowly_holds_up_nobody(self):
        engine = self.begin(rest=f"state_dir: {self.folder}")
        (self.folder / "backtest.html").write_bytes(b"x" * (10 << 20))
        slow = []
        for _ in range(8):
            client = socket.create_connection(engine.http.rsplit(":", 1), timeout=20)
            self.addCleanup(client.close)
            client.sendall(b"GET /v1/backtest HTTP/1.1\r\nHost: localhost\r\n\r\n")
            self.assertIn(b" 200 OK", client.recv(1000))
            slow.append(client)
        self.assertEqual(self.refusal(engine, "GET", "/v1/backtest"), (503, "M_LIMIT_EXCEEDED"))
        slow.pop().close()
        wait_until(lambda: self.ask(engine, "GET", "/v1/backtest")[0] == 200, what="a place")
        # Those that take nothing at all do not keep theirs.
        wait_until(lambda: self.metric(engine, "weir_http_connections") < 3, 60, what="all places")
        self.stop_engine(engine)

    def test_a_client_that_reads_slowly_gets_all_of_it(self):
        engine = self.begin(rest=f"state_dir: {self.folder}")
        (self.folder / "backtest.html").write_bytes(b"x" * (1 << 20))
        host, port = engine.http.rsplit(":", 1)
        client = socket.socket()
        self.addCleanup(client.close)
        client.settimeout(20)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 << 10)
        client.connect((host, int(port)))
        client.sendall(b"GET /v1/backtest HTTP/1.0\r\n\r\n")
        got = b""
        while part := client.recv(16 << 10):
            got += part
            # Weir has read all of the file long before this client has it.
            time.sleep(0.4 if len(got) > 400 << 10 else 0)
        self.assertEqual(len(got.split(b"\r\n\r\n", 1)[1]), 1 << 20)
        self.stop_engine(engine)


class Explain(Observing):
    def test_an_event_by_its_id(self):
        engine = self.observe()
        status, _, content = self.ask(engine, "POST", "/v1/explain", json.dumps({"event_id": self.event_id(5)}))
        self.assertEqual(status, 200)
        explained = json.loads(content)
        event = json.loads(body_line("", body="spam"))["json"]
        by_body = json.loads(self.ask(engine, "POST", "/v1/explain", json.dumps({"event": event}))[2])
        self.assertEqual(set(explained), set(by_body))
        self.assertIn(self.event_id(5), content.decode())
        status, headers, content = self.ask(engine, "POST", "/v1/explain?format=text",
                                            json.dumps({"event_id": self.event_id(5)}))
        self.assertEqual((status, headers["Content-Type"]), (200, "text/plain; charset=utf-8"))
        self.assertEqual(self.refusal(engine, "POST", "/v1/explain", b'{"event_id": "$nobody"}'), (404, "M_NOT_FOUND"))
        for wrong in ("", "$", "5", "x" * 256, "$" + "x" * 255, "$a\0b"):
            self.assertEqual(self.refusal(engine, "POST", "/v1/explain", json.dumps({"event_id": wrong})),
                             (400, "M_INVALID_PARAM"), wrong)
        for wrong in (b'{"event_id": 5}', b'{"event_id": null}', b'{"event_id": "$a"', b'{"event_ids": "$a"}'):
            self.assertEqual(self.ask(engine, "POST", "/v1/explain", wrong)[0], 400, wrong)
        self.stop_engine(engine)

    def test_without_a_source(self):
        engine = self.begin()
        status, _, content = self.ask(engine, "POST", "/v1/explain", b'{"event_id": "$a"}')
        self.assertEqual((status, "no source of bodies" in json.loads(content)["error"]), (404, True))
        self.stop_engine(engine)


class ExplainFromPostgres(postgres_test.PostgresServer):
    begin, ask, refusal = Console.begin, Console.ask, Console.refusal

    def test_an_event_by_its_id(self):
        event = json.loads(body_line("", body="spam"))["json"]
        self.insert([("$there", event)])
        engine = self.begin("", postgres_test.KEYWORD, self.bodies)
        wait_until(lambda: self.http(engine, "/readyz")[0] == 200, what="readiness")
        status, _, content = self.ask(engine, "POST", "/v1/explain", b'{"event_id": "$there"}')
        self.assertEqual((status, b"M_FORBIDDEN" in content, b"$there" in content), (200, True, True))
        self.assertEqual(self.refusal(engine, "POST", "/v1/explain", b'{"event_id": "$nobody"}'), (404, "M_NOT_FOUND"))
        # One that is asked for meanwhile is judged all the same, and who hangs up takes only his answer with him.
        for _ in range(3):
            client = socket.create_connection(engine.http.rsplit(":", 1), timeout=20)
            client.sendall(b"POST /v1/explain HTTP/1.1\r\nHost: localhost\r\nContent-Length: 20\r\n\r\n"
                           b'{"event_id":"$gone"}')
            time.sleep(0.1)
            client.close()
        self.publish("POSITION events persister1 0 0", rdata(1, ev_row("$there")))
        wait_until(lambda: len(self.durable()) == 1, what="the verdict")
        self.assertEqual(self.ask(engine, "POST", "/v1/explain", b'{"event_id": "$there"}')[0], 200)
        # Asked for when the engine stops: it waits for the answer, as for all that was asked over HTTP.
        client = socket.create_connection(engine.http.rsplit(":", 1), timeout=20)
        self.addCleanup(client.close)
        client.sendall(b"POST /v1/explain HTTP/1.1\r\nHost: localhost\r\nContent-Length: 20\r\n\r\n"
                       b'{"event_id":"$gone"}')
        time.sleep(0.1)
        self.stop_engine(engine)
        self.assertRegex(client.recv(1000), b"^HTTP/1.1 (404|503) ")

    def test_a_database_that_does_not_answer(self):
        engine = self.begin("", postgres_test.KEYWORD, self.bodies)
        wait_until(lambda: self.http(engine, "/readyz")[0] == 200, what="readiness")
        with self.locked():
            begun = time.monotonic()
            self.assertEqual(self.refusal(engine, "POST", "/v1/explain", b'{"event_id": "$late"}'), (503, "M_UNKNOWN"))
            self.assertLess(time.monotonic() - begun, 20)
        self.postgres.kill()
        self.postgres.wait()
        wait_until(lambda: self.http(engine, "/readyz")[0] != 200, what="the loss")
        self.assertEqual(self.refusal(engine, "POST", "/v1/explain", b'{"event_id": "$a"}'), (503, "M_UNKNOWN"))
        self.stop_engine(engine)

    @contextlib.contextmanager
    def locked(self):
        """Nobody reads event_json meanwhile."""
        session = subprocess.Popen(["psql", "-qAt", "-h", self.database, "-U", "synapse", "-d", "postgres"],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        session.stdin.write(b"BEGIN; LOCK TABLE event_json IN ACCESS EXCLUSIVE MODE; SELECT 'locked';\n")
        session.stdin.flush()
        self.assertEqual(session.stdout.readline().strip(), b"locked")
        try:
            yield
        finally:
            session.communicate(b"ROLLBACK;\n")


if __name__ == "__main__":
    unittest.main()
