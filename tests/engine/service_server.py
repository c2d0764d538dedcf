"""A web service with every bad habit, for the tests of the engine's HTTP client: python3 service_server.py FOLDER [PORT].

The last part of a request's path says how it is answered (the functions below). It listens with HTTP, with TLS for
`localhost`, and with TLS for another name; keys are made in FOLDER. Its first line on stdout is a JSON object with the
ports. Everything goes when stdin ends.
"""

import json
import socket
import ssl
import subprocess
import sys
import threading
import time

seen = {"connections": 0, "open": 0, "most_open": 0, "sni": None, "questions": {}, "headers": {}}
lock = threading.Lock()


def reply(connection, body, status="200 OK", headers=()):
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Content-Type: application/json", *headers, "", ""]
    connection.sendall("\r\n".join(lines).encode() + body)


def echo(connection, body):
    reply(connection, body)
    return True


def stats(connection, _):
    with lock:
        text = json.dumps(seen)
    reply(connection, text.encode())
    return True


def slow(connection, body):
    time.sleep(float(body) / 1000)
    return echo(connection, body)


def silent(_connection, _body):
    """Takes the question and answers nothing, without closing."""
    time.sleep(60)


def drop(_connection, _body):
    """Takes the whole question and closes."""


def half(connection, _body):
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"ha")


def bye(connection, body):
    """Says nothing of closing, and closes."""
    echo(connection, body)


def says_close(connection, body):
    reply(connection, body, headers=["Connection: close"])


def old(connection, body):
    """HTTP/1.0: the answer ends with the connection."""
    connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + body)


def chunked(connection, body):
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    for at in range(0, len(body), 7):
        piece = body[at:at + 7]
        connection.sendall(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
    connection.sendall(b"0\r\n\r\n")
    return True


def short_lived(connection, body):
    """Keeps connections for less than a second more."""
    reply(connection, body, headers=["Keep-Alive: timeout=1, max=5"])
    return True


def talkative(connection, body):
    """Sends an answer that nobody asked for behind the one that was, in one piece with it."""
    text = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s"
    connection.sendall(text % (len(body), body) + text % (9, b'"unasked"'))
    return True


def afterthought(connection, body):
    """The same, a moment later."""
    reply(connection, body)
    time.sleep(0.02)
    reply(connection, b'"unasked"')
    return True


def error(connection, _body):
    reply(connection, b'{"error": "broken"}', "500 Internal Server Error")
    return True


def garbage(connection, _body):
    connection.sendall(b"+PONG\r\n*3\r\n$7\r\nmessage\r\n\r\n")


def huge(connection, _body):
    reply(connection, b"x" * (2 << 20))


def huge_chunked(connection, _body):
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(64):
        connection.sendall(b"8000\r\n" + b"x" * 0x8000 + b"\r\n")
    connection.sendall(b"0\r\n\r\n")


def huge_old(connection, _body):
    connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + b"x" * (2 << 20))


def many_headers(connection, _body):
    connection.sendall(b"HTTP/1.1 200 OK\r\n" + b"X-Filler: " + b"x" * 60000 + b"\r\n\r\n")


def drip(connection, _body):
    """A byte now and then, for ever."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while True:
        connection.sendall(b"x")
        time.sleep(0.05)


def answer(connection, stream):
    """One question; true if the connection takes another."""
    line = stream.readline().decode()
    if not line:
        return False
    headers = {}
    while (header := stream.readline().decode().rstrip("\r\n")):
        name, _, value = header.partition(":")
        headers[name.lower()] = value.strip()
    body = stream.read(int(headers.get("content-length", 0)))
    target = line.split(" ")[1]
    name = target.partition("?")[0].rpartition("/")[2]
    with lock:
        seen["questions"][name] = seen["questions"].get(name, 0) + 1
        seen["headers"] = headers | {"target": target}
    handler = globals().get(name)
    if not handler:
        reply(connection, b'"no such habit"', "404 Not Found")
        return True
    return handler(connection, body)


def serve(connection, context):
    with lock:
        seen["connections"] += 1
        seen["open"] += 1
        seen["most_open"] = max(seen["most_open"], seen["open"])
    try:
        if context:
            connection = context.wrap_socket(connection, server_side=True)
        with connection, connection.makefile("rb") as stream:
            while answer(connection, stream):
                pass
    except (OSError, ValueError):
        pass
    finally:
        with lock:
            seen["open"] -= 1


def listen(context, port=0):
    listener = socket.create_server(("127.0.0.1", port), backlog=128)

    def accept():
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=serve, args=(connection, context), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return listener.getsockname()[1]


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def make_context(folder, name, alternative):
    key, request, certificate = (f"{folder}/{name}.{ending}" for ending in ("key", "csr", "pem"))
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key, "-out", request,
            "-subj", f"/CN={name}")
    with open(f"{folder}/{name}.ext", "w") as extensions:
        extensions.write(f"subjectAltName={alternative}\n")
    openssl("x509", "-req", "-in", request, "-CA", f"{folder}/ca.pem", "-CAkey", f"{folder}/ca.key", "-CAcreateserial",
            "-days", "2", "-extfile", f"{folder}/{name}.ext", "-out", certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    def note(_connection, server_name, _context):
        seen["sni"] = server_name

    context.sni_callback = note
    return context


def main():
    folder = sys.argv[1]
    ports = {"http": listen(None, int(sys.argv[2]) if len(sys.argv) > 2 else 0)}
    if len(sys.argv) == 2:
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout",
                f"{folder}/ca.key", "-out", f"{folder}/ca.pem", "-days", "2", "-subj", "/CN=test authority")
        ports["tls"] = listen(make_context(folder, "localhost", "DNS:localhost,IP:127.0.0.1"))
        ports["other_tls"] = listen(make_context(folder, "other", "DNS:other.test"))
    print(json.dumps(ports), flush=True)
    sys.stdin.read()


main()
