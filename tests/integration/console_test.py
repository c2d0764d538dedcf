"""The console's side of the engine: its page, who may look at it, and what it is told."""

import http.client
import unittest

from harness import ROOT, SERVER_NAME, Server

PAGE_POLICY = ("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
               "frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
FILES = {"/": ("index.html", "text/html; charset=utf-8"),
         "/console/console.css": ("console.css", "text/css; charset=utf-8"),
         "/console/console.js": ("console.js", "text/javascript; charset=utf-8"),
         "/console/icon.svg": ("icon.svg", "image/svg+xml")}


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


if __name__ == "__main__":
    unittest.main()
