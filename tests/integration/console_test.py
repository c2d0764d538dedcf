"""The console's side of the engine: its page, and who may look at it."""

import http.client
import json
import signal
import ssl
import time
import unittest

import certificates
from harness import ROOT, SERVER_NAME, Server, wait_until

PAGE_POLICY = ("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
               "frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
FILES = {"/": ("index.html", "text/html; charset=utf-8"),
         "/console/console.css": ("console.css", "text/css; charset=utf-8"),
         "/console/icon.svg": ("icon.svg", "image/svg+xml"),
         **{f"/console/{path.name}": (path.name, "text/javascript; charset=utf-8") for path in (ROOT / "console").glob("*.js")}}

SECRET = "s3cret of the console"


class Console(Server):
    def begin(self, http="", modules="modules: []", rest=""):
        listen = "http: {listen: '127.0.0.1:0'" + (f", {http}" if http else "") + "}"
        return self.start_engine(self.write("weir.yaml", f"server_name: {SERVER_NAME}\n"
                                            f"redis: {{path: {self.socket}}}\n{listen}\n{rest}\n{modules}\n"), ready=False)

    def ask(self, engine, method, path, body=None, **headers):
        """(status, headers, body); a header's name is written with underscores."""
        connection = http.client.HTTPConnection(*engine.http.rsplit(":", 1), timeout=20)
        self.addCleanup(connection.close)
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, answer.headers, content


    def refusal(self, engine, method, path, body=None, **headers):
        status, _, content = self.ask(engine, method, path, body, **headers)
        return status, json.loads(content)["errcode"]

    def log_in(self, engine, secret=SECRET):
        """(status, headers, what the answer says)."""
        status, headers, content = self.ask(engine, "POST", "/console/session", json.dumps({"secret": secret}),
                                            X_Weir_Console="1")
        return status, headers, json.loads(content)

    def cookie(self, engine):
        status, headers, _ = self.log_in(engine)
        self.assertEqual(status, 200)
        return headers["Set-Cookie"].split(";")[0]

    def session(self, engine, **headers):
        return json.loads(self.ask(engine, "GET", "/console/session", **headers)[2])


class Page(Console):
    def test_the_files_and_their_headers(self):
        engine = self.begin()
        for path, (name, kind) in FILES.items():
            status, headers, content = self.ask(engine, "GET", path)
            self.assertEqual((status, content), (200, (ROOT / "console" / name).read_bytes()), path)
            self.assertEqual(headers["Content-Type"], kind)
            self.assertEqual(headers["Content-Security-Policy"], PAGE_POLICY)
            self.assertEqual(headers["X-Content-Type-Options"], "nosniff")
            self.assertEqual(headers["Referrer-Policy"], "no-referrer")
            self.assertEqual(headers.get_all("Cache-Control"), ["no-cache"])
            known = self.ask(engine, "GET", path, If_None_Match=headers["ETag"])
            self.assertEqual((known[0], known[2], known[1]["ETag"]), (304, b"", headers["ETag"]))
            self.assertEqual(self.ask(engine, "GET", path, If_None_Match='"another"')[0], 200)
        self.assertEqual(self.ask(engine, "GET", "/console/other.js")[0], 404)
        self.assertEqual(self.ask(engine, "POST", "/", b"{}")[0], 405)
        self.assertEqual(self.ask(engine, "HEAD", "/")[2], b"")
        self.stop_engine(engine)

    def test_without_the_console_there_is_no_page(self):
        engine = self.begin(rest="console: false")
        for path in FILES:
            self.assertEqual(self.ask(engine, "GET", path)[0], 404)
        self.stop_engine(engine)


class LogIn(Console):
    def test_a_session(self):
        engine = self.begin(f"secret: {SECRET}")
        self.assertEqual(self.session(engine), {"needed": True, "open": False})
        self.assertEqual(self.refusal(engine, "GET", "/v1/reload"), (401, "M_MISSING_TOKEN"))
        status, headers, said = self.log_in(engine)
        self.assertEqual((status, said), (200, {"needed": True, "open": True}))
        name, *attributes = headers["Set-Cookie"].split("; ")
        self.assertRegex(name, "^weir_session=[0-9a-f]{64}$")
        self.assertEqual(attributes, ["Path=/", "HttpOnly", "SameSite=Strict", "Max-Age=43200"])
        cookie = {"Cookie": name}
        self.assertEqual(self.session(engine, **cookie), {"needed": True, "open": True})
        self.assertEqual(self.ask(engine, "GET", "/v1/reload", **cookie)[0], 200)
        # What changes something needs the header, which another site cannot send.
        self.assertEqual(self.refusal(engine, "POST", "/v1/reload", **cookie), (403, "M_FORBIDDEN"))
        self.assertEqual(self.refusal(engine, "POST", "/v1/reload", **cookie, X_Weir_Console="0"), (403, "M_FORBIDDEN"))
        self.assertEqual(self.ask(engine, "POST", "/v1/reload", **cookie, X_Weir_Console="1")[0], 200)
        self.assertEqual(self.ask(engine, "POST", "/v1/reload", Authorization=f"Bearer {SECRET}")[0], 200)
        # A wrong secret beside the cookie is a wrong secret.
        self.assertEqual(self.refusal(engine, "GET", "/v1/reload", **cookie, Authorization="Bearer x"),
                         (401, "M_UNKNOWN_TOKEN"))
        # What a proxy in front asks for is not for Weir.
        self.assertEqual(self.ask(engine, "GET", "/v1/reload", **cookie, Authorization="Basic eDp5")[0], 200)
        self.assertEqual(self.refusal(engine, "GET", "/v1/reload", Authorization="Basic eDp5"), (401, "M_MISSING_TOKEN"))
        for foreign in ("weir_session=" + "0" * 64, "weir_session=", "weir_session=" + "x" * 5000, "other=1"):
            self.assertEqual(self.refusal(engine, "GET", "/v1/reload", Cookie=foreign), (401, "M_MISSING_TOKEN"))
        self.assertEqual(self.metric(engine, "weir_console_sessions"), 1)
        self.assertEqual(self.refusal(engine, "DELETE", "/console/session", **cookie), (403, "M_FORBIDDEN"))
        status, headers, _ = self.ask(engine, "DELETE", "/console/session", **cookie, X_Weir_Console="1")
        self.assertEqual(status, 200)
        self.assertIn("Max-Age=0", headers["Set-Cookie"])
        self.assertEqual(self.refusal(engine, "GET", "/v1/reload", **cookie), (401, "M_MISSING_TOKEN"))
        self.assertEqual(self.metric(engine, "weir_console_sessions"), 0)
        self.stop_engine(engine)

    def test_a_browser_has_one_session(self):
        engine = self.begin(f"secret: {SECRET}")
        before = self.cookie(engine)
        status, headers, _ = self.ask(engine, "POST", "/console/session", json.dumps({"secret": SECRET}),
                                      Cookie=before, X_Weir_Console="1")
        self.assertEqual(status, 200)
        self.assertNotEqual(headers["Set-Cookie"].split(";")[0], before)
        self.assertEqual(self.session(engine, Cookie=before), {"needed": True, "open": False})
        self.assertEqual(self.metric(engine, "weir_console_sessions"), 1)
        self.stop_engine(engine)

    def test_the_cookie_opens_the_administration_only(self):
        engine = self.begin(f"secret: {SECRET}", rest="requests: {http: true}")
        cookie = self.cookie(engine)
        for path in ("/v1/callbacks", "/v1/callbacks/check_event_for_spam", "/antispam/ping"):
            self.assertEqual(self.ask(engine, "POST", path, b"{}", Cookie=cookie, X_Weir_Console="1")[0], 401, path)
        self.assertEqual(self.ask(engine, "GET", "/v1/reload", Cookie=cookie)[0], 200)
        self.stop_engine(engine)

    def test_wrong_secrets(self):
        engine = self.begin(f"secret: {SECRET}")
        for body in (b"", b"[]", b"{}", b'{"secret": 1}', b'{"secret": "' + b"x" * 3000):
            self.assertEqual(self.ask(engine, "POST", "/console/session", body, X_Weir_Console="1")[0], 400, body[:20])
        self.assertEqual(self.ask(engine, "POST", "/console/session", b"x" * 5000, X_Weir_Console="1")[0], 413)
        self.assertEqual(self.refusal(engine, "POST", "/console/session", json.dumps({"secret": SECRET})),
                         (403, "M_FORBIDDEN"))
        for wrong in ("", "x", SECRET + "x", SECRET[:-1]):
            status, headers, said = self.log_in(engine, wrong)
            self.assertEqual((status, said["errcode"], headers["Set-Cookie"]), (403, "M_FORBIDDEN", None))
        # The fourth one in a row costs a second, in which not even the right one is looked at.
        status, headers, said = self.log_in(engine)
        self.assertEqual((status, said["errcode"], headers["Retry-After"]), (429, "M_LIMIT_EXCEEDED", "1"))
        time.sleep(1.1)
        self.assertEqual(self.log_in(engine)[0], 200)
        self.assertEqual(self.metric(engine, "weir_console_logins_total", 'result="wrong_secret"'), 4)
        self.assertEqual(self.metric(engine, "weir_console_logins_total", 'result="slowed_down"'), 1)
        self.assertEqual(self.metric(engine, "weir_console_logins_total", 'result="opened"'), 1)
        warned = self.logged(engine, "somebody tried to log in to the console with another secret than http.secret")
        self.assertEqual(warned[0]["client"], "127.0.0.1")
        self.assertNotIn(SECRET, engine.log.read_text())
        self.stop_engine(engine)

    def test_another_secret_ends_the_sessions(self):
        engine = self.begin(f"secret: {SECRET}")
        cookie = self.cookie(engine)
        path = self.folder / "weir.yaml"
        self.assertEqual(self.ask(engine, "POST", "/v1/reload", Cookie=cookie, X_Weir_Console="1")[0], 200)
        self.assertEqual(self.ask(engine, "GET", "/v1/reload", Cookie=cookie)[0], 200, "the secret is the same")
        path.write_text(path.read_text().replace(SECRET, "another"))
        engine.send_signal(signal.SIGHUP)
        wait_until(lambda: self.ask(engine, "GET", "/v1/reload", Cookie=cookie)[0] == 401, what="the end")
        self.assertEqual(self.log_in(engine, "another")[0], 200)
        self.stop_engine(engine)

    def test_a_session_ends_by_itself(self):
        engine = self.begin(f"secret: {SECRET}", rest="console: {session: 1m}")
        began = time.monotonic()
        status, headers, _ = self.log_in(engine)
        self.assertEqual(status, 200)
        self.assertIn("Max-Age=60", headers["Set-Cookie"])
        cookie = headers["Set-Cookie"].split(";")[0]
        self.assertTrue(self.session(engine, Cookie=cookie)["open"])
        wait_until(lambda: time.sleep(0.5) or not self.session(engine, Cookie=cookie)["open"], 90, "the session's end")
        self.assertGreater(time.monotonic() - began, 59)
        self.assertEqual(self.ask(engine, "GET", "/v1/status", Cookie=cookie)[0], 401)
        self.stop_engine(engine)

    def test_the_cookie_over_tls(self):
        authority = certificates.Authority(self.folder)
        certificate, key = authority.issue("server")
        engine = self.begin(f"secret: {SECRET}, tls: {{certificate_file: {certificate}, private_key_file: {key}}}")
        context = ssl.create_default_context(cafile=str(authority.certificate))
        connection = http.client.HTTPSConnection(*engine.http.rsplit(":", 1), timeout=20, context=context)
        self.addCleanup(connection.close)
        connection.request("POST", "/console/session", json.dumps({"secret": SECRET}), {"X-Weir-Console": "1"})
        answer = connection.getresponse()
        answer.read()
        self.assertEqual(answer.status, 200)
        self.assertTrue(answer.headers["Set-Cookie"].endswith("; Secure"))
        connection.request("GET", "/v1/verdicts", headers={"Cookie": answer.headers["Set-Cookie"].split(";")[0]})
        answer = connection.getresponse()
        self.addCleanup(answer.close)
        self.assertEqual((answer.status, answer.readline()), (200, b"retry: 2000\n"))
        self.stop_engine(engine)


class WithoutSecret(Console):
    def test_other_names_and_other_sites(self):
        engine = self.begin()
        port = engine.http.rsplit(":", 1)[1]
        self.assertEqual(self.session(engine), {"needed": False, "open": True})
        for path in ("/", "/console/session", "/v1/reload"):
            for host in (engine.http, "localhost", f"LOCALHOST:{port}", f"[::1]:{port}", "127.9.9.9"):
                self.assertEqual(self.ask(engine, "GET", path, Host=host)[0], 200, (path, host))
            for host in ("evil.example", f"evil.example:{port}", "127.0.0.1.evil.example", "localhost.evil.example",
                         f"0.0.0.0:{port}", "", "127.0.0.1:x"):
                self.assertEqual(self.refusal(engine, "GET", path, Host=host), (403, "M_FORBIDDEN"), (path, host))
        own = {"Origin": f"http://{engine.http}", "Sec_Fetch_Site": "same-origin"}
        self.assertEqual(self.ask(engine, "POST", "/v1/reload", **own)[0], 200)
        self.assertEqual(self.ask(engine, "POST", "/v1/reload")[0], 200, "no browser")
        for foreign in ({"Origin": "http://evil.example"}, {"Origin": "null"}, {"Origin": "http://localhost:1"},
                        {"Sec_Fetch_Site": "cross-site"}, {"Sec_Fetch_Site": "same-site"},
                        {**own, "Sec_Fetch_Site": "cross-site"}):
            self.assertEqual(self.refusal(engine, "POST", "/v1/reload", **foreign), (403, "M_FORBIDDEN"), foreign)
            # What it cannot read the answer of would still cost work, and take the places of listeners.
            for path in ("/v1/verdicts", "/v1/log", "/v1/backtest"):
                self.assertEqual(self.refusal(engine, "GET", path, **foreign), (403, "M_FORBIDDEN"), foreign)
        # A link leads to the page from anywhere.
        self.assertEqual(self.ask(engine, "GET", "/", Sec_Fetch_Site="cross-site")[0], 200)
        self.assertEqual(self.ask(engine, "GET", "/v1/status", Sec_Fetch_Site="none")[0], 200)
        self.assertEqual(self.ask(engine, "GET", "/metrics", Host="weir.internal")[0], 200)
        self.assertGreaterEqual(self.metric(engine, "weir_http_foreign_total"), 27)
        self.assertTrue(self.logged(engine, "an HTTP request that another site may have made a browser send was refused"))
        self.stop_engine(engine)

    def test_without_the_console_too(self):
        engine = self.begin(rest="console: false\nrequests: {http: true}")
        foreign = {"Host": "evil.example"}
        self.assertEqual(self.refusal(engine, "GET", "/v1/reload", **foreign), (403, "M_FORBIDDEN"))
        self.assertEqual(self.ask(engine, "POST", "/antispam/ping", b'{"id": "a"}', **foreign)[0], 200, "no browser asks")
        self.assertEqual(self.ask(engine, "GET", "/openapi.json", **foreign)[0], 200)
        self.stop_engine(engine)

    def test_with_a_secret_the_name_does_not_matter(self):
        engine = self.begin(f"secret: {SECRET}")
        self.assertEqual(self.ask(engine, "GET", "/", Host="weir.example.org")[0], 200)
        self.assertEqual(self.ask(engine, "GET", "/v1/reload", Host="weir.example.org", Cookie=self.cookie(engine))[0], 200)
        self.stop_engine(engine)


if __name__ == "__main__":
    unittest.main()
