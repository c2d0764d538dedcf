"""A writer's replication listener (replication.md 7.2), and beside it, for the test, /chaos/… to look at a writer and
to make it misbehave."""

import http.server
import json
import threading
import urllib.parse

ROWS_LIMIT = 100
ANSWERS_KEPT = 1000
PREFIX = "/_synapse/replication/get_repl_stream_updates/"
OTHER_STREAMS = {"backfill", "caches", "presence", "typing", "receipts", "account_data", "to_device", "device_lists"}


class Failure(Exception):
    def __init__(self, status, code, text):
        super().__init__(text)
        self.status, self.code = status, code


class Listener(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, address, writer, secret):
        super().__init__(address, Handler)
        self.writer = writer
        self.secret = secret
        self.answers = {}
        self.lock = threading.Lock()

    def handle_error(self, request, client_address):
        pass  # a client that hung up

    def updates(self, stream, unique, query, authorization):
        if self.secret and authorization != f"Bearer {self.secret}":
            raise Failure(500, "M_UNKNOWN", "Internal server error")
        with self.lock:
            if unique in self.answers:
                return self.answers[unique]
        answer = self.find_updates(stream, query)
        with self.lock:
            while len(self.answers) >= ANSWERS_KEPT:
                self.answers.pop(next(iter(self.answers)))
            return self.answers.setdefault(unique, answer)

    def find_updates(self, stream, query):
        try:
            after, upto = int(query["from_token"][0]), int(query["upto_token"][0])
        except (KeyError, ValueError):
            raise Failure(400, "M_MISSING_PARAM", "Missing integer query parameter") from None
        if after < 0 or upto < 0:
            raise Failure(400, "M_INVALID_PARAM", "Query parameter must be a positive integer.")
        if stream in OTHER_STREAMS:
            return '{"updates":[],"upto_token":%d,"limited":false}' % upto
        if stream != "events":
            raise Failure(400, "M_UNKNOWN", "Unknown stream")
        try:
            written = self.writer.written_now()
        except Exception:  # its database is away
            raise Failure(500, "M_UNKNOWN", "Internal server error") from None
        batches, limited = self.writer.script.between(after, min(upto, written), ROWS_LIMIT)
        updates = ",".join(f"[{token},{row}]" for token, rows in batches for row in rows)
        reached = batches[-1][0] if limited else upto
        return f'{{"updates":[{updates}],"upto_token":{reached},"limited":{str(limited).lower()}}}'


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        query = urllib.parse.parse_qs(url.query)
        try:
            if url.path.startswith(PREFIX):
                stream, slash, unique = url.path[len(PREFIX):].partition("/")
                if not slash or not unique:
                    raise Failure(400, "M_UNRECOGNIZED", "Unrecognized request")
                self.answer(200, self.server.updates(stream, unique, query, self.headers.get("Authorization")))
            elif url.path.startswith("/chaos/"):
                self.answer(200, json.dumps(self.server.writer.told(url.path[7:], query)))
            else:
                raise Failure(404, "M_UNRECOGNIZED", "Unrecognized request")
        except Failure as failure:
            self.answer(failure.status, json.dumps({"errcode": failure.code, "error": str(failure)}))

    def answer(self, status, text):
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
