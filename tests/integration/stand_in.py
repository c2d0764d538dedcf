"""A stand-in for a Synapse process that writes `events`: what it publishes on Redis, and its replication listener."""

import http.server
import json
import threading
import urllib.parse

from harness import SERVER_NAME, ev_row, rdata

PAGE = 50  # rows in an answer


class Writer:
    """Writes events `$<name>-<token>`, in one room each; those that were written and not published are to be fetched."""

    def __init__(self, name="master"):
        self.name = name
        self.rows = {}
        writer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                writer.answer(self)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    @property
    def address(self):
        return f"{{host: 127.0.0.1, port: {self.server.server_address[1]}}}"

    def event(self, token):
        return f"${self.name}-{token}"

    def write(self, *tokens):
        self.rows.update((token, json.loads(ev_row(self.event(token)))) for token in tokens)

    def publish(self, redis, *tokens):
        self.write(*tokens)
        for token in tokens:
            redis.publish(SERVER_NAME, rdata(token, json.dumps(self.rows[token]), self.name))

    def announce(self, redis):
        """What a writer answers to REPLICATE."""
        last = max(self.rows, default=1)
        redis.publish(SERVER_NAME, f"POSITION events {self.name} {last} {last}")

    def answer(self, request):
        address = urllib.parse.urlsplit(request.path)
        query = urllib.parse.parse_qs(address.query)
        start, end = int(query["from_token"][0]), int(query["upto_token"][0])
        tokens = sorted(token for token in self.rows if start < token <= end)
        stream = address.path.split("/")[-2]
        limited = stream == "events" and len(tokens) > PAGE
        tokens = tokens[:PAGE] if stream == "events" else []
        body = json.dumps({"updates": [[token, self.rows[token]] for token in tokens],
                           "upto_token": tokens[-1] if limited else end, "limited": limited}).encode()
        request.send_response(200)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)
