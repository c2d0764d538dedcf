"""The reference consumer of actions as the tests start it, and an HTTP server that answers as the client API does in the
cases which a Synapse does not produce when one wants it to."""

import http.server
import json
import re
import socket
import threading
import urllib.parse

from harness import ROOT, SERVER_NAME

CONSUMER = ROOT / "deploy" / "consumers" / "weir_actions.py"
PYTHON = "/usr/bin/python3"


def start_bot(test, homeserver, *arguments, name="bot", token="secret-token"):
    """The consumer as a process of the test; its log is `.log`."""
    token_file = test.folder / "bot.token"
    if not token_file.exists():
        token_file.write_text(f"{token}\n")
        token_file.chmod(0o600)
    log = test.folder / f"{name}-{len(test.processes)}.log"
    with open(log, "wb") as output:
        bot = test.start([PYTHON, "-B", CONSUMER, "--server-name", SERVER_NAME, "--redis", f"unix://{test.socket}",
                          "--homeserver", homeserver, "--token-file", token_file, "--consumer", name, *arguments],
                         stdout=output, stderr=output)
    bot.log = log
    return bot


class ClientApi:
    """Answers 200 {} to everything, unless the test says otherwise: `script(pattern, answer, …)` gives the next requests
    whose path fits these answers in turn: (status, body), (status, body, headers), "cut" or "half"."""

    def __init__(self):
        self.requests = []  # (method, path, body)
        self.tokens = set()
        self.scripts = []
        self.lock = threading.Lock()
        api = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length) or b"null")
                with api.lock:
                    api.tokens.add(self.headers.get("Authorization"))
                    api.requests.append((self.command, urllib.parse.unquote(self.path), body))
                    answer = api.next_answer(urllib.parse.unquote(self.path))
                if answer in ("cut", "half"):
                    if answer == "half":
                        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
                        self.wfile.flush()
                    self.connection.shutdown(socket.SHUT_RDWR)
                    self.close_connection = True
                    return
                status, content, headers = (*answer, {})[:3]
                text = content if isinstance(content, bytes) else json.dumps(content).encode()
                self.send_response(status)
                for key, value in headers.items():
                    self.send_header(key, value)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_PUT = do_POST = answer

            def log_message(self, *arguments):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request, address):
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def script(self, pattern, *answers):
        with self.lock:
            self.scripts.append((re.compile(pattern), list(answers)))

    def next_answer(self, path):
        for pattern, answers in self.scripts:
            if answers and pattern.search(path):
                return answers.pop(0)
        return 200, {"user_id": "@bot:lab.test"} if path.endswith("/whoami") else {}

    def made(self, word):
        """The requests whose path holds the word."""
        with self.lock:
            return [request for request in self.requests if word in request[1]]
