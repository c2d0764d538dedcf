"""Clients of the request path, over Redis as a worker's module asks and over HTTP as synapse-http-antispam does: each asks
one question after the other and knows what the answer must be."""

import asyncio
import json
import time

import asked

DEADLINE = 3  # seconds that a client waits


class Tally:
    """What all clients saw. `faults` are the moments at which something was broken on purpose."""

    def __init__(self):
        self.answered = 0
        self.wrong = []
        self.late = []     # (moment, what was asked): no answer within the deadline
        self.broken = []   # (moment, why): the connection failed
        self.overloaded = 0
        self.doubled = []  # moments of second answers
        self.slowest = 0.0
        self.latencies = []

    def right(self, began):
        taken = time.monotonic() - began
        self.answered += 1
        self.slowest = max(self.slowest, taken)
        if self.answered % 7 == 0:
            self.latencies.append(taken)


def command(*words):
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        word = word if isinstance(word, bytes) else str(word).encode()
        parts.append(b"$%d\r\n%s\r\n" % (len(word), word))
    return b"".join(parts)


async def reply(reader):
    line = await reader.readline()
    if not line.endswith(b"\r\n"):
        raise ConnectionError("the connection was closed")
    kind, text = line[:1], line[1:-2]
    if kind == b"$":
        return None if text == b"-1" else (await reader.readexactly(int(text) + 2))[:-2]
    if kind == b"*":
        return [await reply(reader) for _ in range(int(text))]
    if kind == b"-":
        raise ConnectionError(f"Redis says {text.decode()}")
    return text


class RedisClient:
    def __init__(self, number, world, tally):
        self.number, self.world, self.tally = number, world, tally
        self.channel = f"lab.test/weir/replies/soak{number}"
        self.waiting = {}
        self.done = set()
        self.asked = 0

    async def listen(self, reader, subscribed):
        try:
            while True:
                kind, _, payload = await reply(reader)
                if kind == b"subscribe":
                    subscribed.set()
                    continue
                for line in payload.split(b"\n"):
                    word, number, value = line.split(b" ", 2)
                    self.take(word, number.decode(), value)
        except (ConnectionError, asyncio.IncompleteReadError, OSError) as error:
            for waits in self.waiting.values():
                if not waits.done():
                    waits.set_exception(ConnectionError(str(error)))
                    waits.exception()  # whoever asked may be gone already

    def take(self, word, number, value):
        if word != b"VERDICT":
            self.tally.wrong.append(f"an answer begins with {word}")
        waits = self.waiting.pop(number, None)
        if waits and not waits.done():
            self.done.add(number)
            waits.set_result(json.loads(value))
        elif number in self.done:
            self.tally.doubled.append(time.monotonic())

    async def connect(self):
        listening, self.listening_writer = await asyncio.open_connection("127.0.0.1", self.world.redis_port)
        self.asking, self.writer = await asyncio.open_connection("127.0.0.1", self.world.redis_port)
        subscribed = asyncio.Event()
        self.listener = asyncio.create_task(self.listen(listening, subscribed))
        self.listening_writer.write(command("SUBSCRIBE", self.channel))
        await asyncio.wait_for(subscribed.wait(), DEADLINE)

    def close(self):
        for writer in (getattr(self, "writer", None), getattr(self, "listening_writer", None)):
            if writer:
                writer.close()
        if getattr(self, "listener", None):
            self.listener.cancel()

    async def ask(self, callback, args, wanted):
        began = time.monotonic()
        if self.listener.done():
            raise ConnectionError("nobody listens any more")
        self.asked += 1
        identity = f"{self.number}.{self.asked}"
        waits = self.waiting[identity] = asyncio.get_running_loop().create_future()
        deadline = int((time.time() + DEADLINE) * 1000)
        self.writer.write(command("XADD", "lab.test/weir/requests", "MAXLEN", "~", 10000, "*", "callback", callback, "args",
                                  json.dumps(args), "reply_to", self.channel, "id", identity, "deadline", deadline,
                                  "room", args.get("room_id", ""), "lines", 1))
        await reply(self.asking)
        try:
            value = await asyncio.wait_for(waits, DEADLINE + 0.2)
        except asyncio.TimeoutError:
            self.waiting.pop(identity, None)
            self.tally.late.append((began, time.monotonic(), f"{callback} over Redis"))
            return
        if value == {"overloaded": True}:
            self.tally.overloaded += 1
        elif value != wanted and not self.world.forgives(callback, value):
            self.tally.wrong.append(f"{callback} {args}: {value} instead of {wanted}")
        else:
            self.tally.right(began)

    async def run(self, endless):
        while not self.world.over:
            try:
                await asyncio.wait_for(self.connect(), 5)
                while not self.world.over:
                    await self.ask(*next(endless))
            except (ConnectionError, asyncio.IncompleteReadError, asyncio.TimeoutError, OSError) as error:
                self.tally.broken.append((time.monotonic(), f"Redis client: {error!r}"))
                await asyncio.sleep(0.05)
            finally:
                self.close()


class HttpClient:
    """`antispam`: as the module of that name; else as a client of /v1/callbacks."""

    def __init__(self, number, world, tally, antispam):
        self.number, self.world, self.tally, self.antispam = number, world, tally, antispam

    async def post(self, path, body):
        self.writer.write(b"POST %s HTTP/1.1\r\nHost: weir\r\nContent-Type: application/json\r\nAuthorization: Bearer %s\r\n"
                          b"Content-Length: %d\r\n\r\n" % (path.encode(), self.world.secret.encode(), len(body)) + body)
        line = await self.reader.readline()
        if not line:
            raise ConnectionError("the connection was closed")
        length, close = 0, False
        while (header := (await self.reader.readline()).strip().lower()):
            name, _, value = header.partition(b":")
            length = int(value) if name == b"content-length" else length
            close = close or name == b"connection" and value.strip() == b"close"
        answer = await self.reader.readexactly(length)
        if close:
            self.writer.close()
        return int(line.split()[1]), answer

    async def ask(self, callback, args, wanted):
        began = time.monotonic()
        if self.antispam:
            question = asked.antispam(callback, args)
            if question is None:
                return
            path, body = question
        else:
            path, body = f"/v1/callbacks/{callback}", json.dumps({"args": args}).encode()
        try:
            status, answer = await asyncio.wait_for(self.post(path, body), DEADLINE)
        except asyncio.TimeoutError:
            self.tally.late.append((began, time.monotonic(), f"{path}"))
            raise ConnectionError("no answer") from None
        if status in (429, 503, 504):
            self.tally.overloaded += status == 429
            self.tally.broken.append((time.monotonic(), f"{path}: {status}"))
        elif self.check(callback, status, answer, wanted):
            self.tally.right(began)
        else:
            self.tally.wrong.append(f"{path} {args}: {status} {answer[:300]} instead of {wanted}")

    def check(self, callback, status, answer, wanted):
        value = json.loads(answer)
        if not self.antispam:
            return status == 200 and (value == wanted or self.world.forgives(callback, value))
        refuses = wanted in (asked.REFUSED, {"bool": True})
        if status == 200:
            return value == {} and (not refuses or self.world.forgives(callback, "NOT_SPAM"))
        return refuses and status == 403 and value["errcode"] == "M_FORBIDDEN" and bool(value["error"])

    async def run(self, endless):
        while not self.world.over:
            try:
                port = self.world.http_port(self.number)
                self.reader, self.writer = await asyncio.wait_for(asyncio.open_connection("127.0.0.1", port), 5)
                while not self.world.over and not self.writer.is_closing():
                    await self.ask(*next(endless))
            except (ConnectionError, asyncio.IncompleteReadError, asyncio.TimeoutError, OSError) as error:
                self.tally.broken.append((time.monotonic(), f"HTTP client: {error!r}"))
                await asyncio.sleep(0.05)
            finally:
                if hasattr(self, "writer"):
                    self.writer.close()
