#!/usr/bin/python3
"""Carries out the actions of Weir's verdicts: redacts, reports, kicks, bans, quarantines media and tells the moderators,
through the homeserver's client API, as a bot.

    weir_actions.py --server-name example.org --token-file /etc/weir/bot.token --homeserver http://127.0.0.1:8008

docs/actions.md has the whole of it. One file; it needs python3-redis and nothing else beyond Python's own library.

Verdicts come from the durable stream `<server_name>/weir/verdicts` through a consumer group, so that several of these may
share the work and none of it is lost: a row is acknowledged when all of its actions are done, or put aside. What is done
is marked in Redis for a week, by event and action, so that a row that comes again is not acted upon again. Redactions and
messages carry transaction ids made from the same, for the moment between the deed and its mark.

What may pass is tried again: for ever while the homeserver is away, refuses the token, or asks for patience; a few times
where it fails over one request. What it refuses is put aside in the stream `<server_name>/weir/actions/failed`.
"""

import argparse
import collections
import fnmatch
import hashlib
import http.client
import json
import logging
import os
import random
import signal
import socket
import ssl
import stat
import sys
import time
import urllib.parse

import redis

logger = logging.getLogger("weir_actions")

CLIENT = "/_matrix/client/v3"
DONE_SECONDS = 7 * 86400  # how long it is known what was done
FAILED_KEPT = 10000
PAUSE_FIRST, PAUSE_LAST = 1.0, 60.0
WAITING_MAXIMUM = 200  # rows in hand that wait for another try; then no others are taken
HEARTBEAT_SECONDS = 10  # a row in hand is claimed again so often, so that nobody takes it over
READ_COUNT = 20
ANSWER_MAXIMUM = 1 << 20
TEXT_MAXIMUM = 500  # of a reason, in a message


# ---- the homeserver ---------------------------------------------------------------------------------------------------

class Refused(Exception):
    """The homeserver says no, and will say so again."""


class Failed(Exception):
    """The request failed; another try may help."""


class Away(Exception):
    """Nothing can be done now, whatever the request: the homeserver is away, or does not take the token, or asks for
    patience. `seconds`: how long to wait, if it says so."""

    def __init__(self, reason, seconds=None):
        super().__init__(reason)
        self.seconds = seconds


class Homeserver:
    """Requests to the client API, one at a time, on a connection that is kept."""

    def __init__(self, url, token_file, ca_file=None, timeout=30):
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("--homeserver is a URL: http://127.0.0.1:8008")
        self.parts, self.token_file, self.timeout = parts, token_file, timeout
        self.context = ssl.create_default_context(cafile=ca_file) if parts.scheme == "https" else None
        self.connection = None

    def token(self):
        """Read each time: a token that was replaced is taken without a restart."""
        try:
            with open(self.token_file, encoding="ascii") as file:
                token = file.read().strip()
        except (OSError, ValueError) as error:
            raise Away(f"the token cannot be read: {error}")
        if not token or not token.isprintable():  # as while somebody writes it
            raise Away(f"{self.token_file} is empty, or holds more than one line")
        return token

    def connect(self):
        if self.context:
            return http.client.HTTPSConnection(self.parts.hostname, self.parts.port, timeout=self.timeout,
                                               context=self.context)
        return http.client.HTTPConnection(self.parts.hostname, self.parts.port, timeout=self.timeout)

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None

    def exchange(self, method, path, body):
        """(status, headers, text); OSError or HTTPException if it breaks. A connection that was kept may have been closed
        meanwhile: then the request is made once more on a new one."""
        if self.connection:
            try:
                return self.exchange_once(method, path, body)
            except (http.client.BadStatusLine, ConnectionError):
                self.close()
        self.connection = self.connect()
        return self.exchange_once(method, path, body)

    def exchange_once(self, method, path, body):
        self.connection.request(method, self.parts.path.rstrip("/") + path, None if body is None else json.dumps(body), {
            "Authorization": f"Bearer {self.token()}", "Content-Type": "application/json", "User-Agent": "weir_actions"})
        answer = self.connection.getresponse()
        text = answer.read(ANSWER_MAXIMUM)
        if answer.will_close or len(text) == ANSWER_MAXIMUM:
            self.close()
        return answer.status, answer.headers, text

    def ask(self, method, path, body=None):
        try:
            status, headers, text = self.exchange(method, path, body)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise Away(f"the homeserver does not answer: {error or type(error).__name__}")
        try:
            answer = json.loads(text)
        except ValueError:
            answer = {}
        answer = answer if isinstance(answer, dict) else {}
        if 200 <= status < 300:
            return answer
        reason = f"{status} {answer.get('errcode', '')} {answer.get('error', '')}".strip()
        if status == 429:
            raise Away(reason, patience(answer, headers))
        if status in (502, 503, 504):
            raise Away(reason)
        if answer.get("errcode") in ("M_UNKNOWN_TOKEN", "M_MISSING_TOKEN") or status == 401:
            raise Away(f"the homeserver does not take the token in {self.token_file}: {reason}")
        if status >= 500 or status == 408:
            raise Failed(reason)
        raise Refused(reason)


def patience(answer, headers):
    """Seconds that a 429 asks for: in its body, or in the header that took its place."""
    milliseconds = answer.get("retry_after_ms")
    if isinstance(milliseconds, (int, float)) and not isinstance(milliseconds, bool) and milliseconds >= 0:
        return min(milliseconds / 1000, 3600)
    try:
        return min(max(float(headers.get("Retry-After", "")), 0), 3600)
    except ValueError:
        return None


# ---- the actions ------------------------------------------------------------------------------------------------------

def quote(text):
    return urllib.parse.quote(text, safe="")


def one_line(text, limit=TEXT_MAXIMUM):
    """What strangers wrote, for a message or a log: no control characters, and an end."""
    text = "".join(letter if letter.isprintable() else " " for letter in str(text))
    return text if len(text) <= limit else text[:limit - 1] + "…"


def texts_of(row, *names):
    """The named texts of a row; Refused if one is missing."""
    values = [row.get(name) for name in names]
    for name, value in zip(names, values):
        if not isinstance(value, str) or not value:
            raise Refused(f"the row has no {name}")
    return values


def with_reason(body, row):
    reason = row.get("reason")
    return {**body, "reason": one_line(reason)} if isinstance(reason, str) and reason else body


def redact(bot, row, action, transaction):
    room, event = texts_of(row, "room_id", "event_id")
    bot.homeserver.ask("PUT", f"{CLIENT}/rooms/{quote(room)}/redact/{quote(event)}/{transaction}", with_reason({}, row))


def report(bot, row, action, transaction):
    room, event = texts_of(row, "room_id", "event_id")
    text = f"Weir, {row.get('module') or 'a module'}: {row.get('reason') or 'refused'}"
    bot.homeserver.ask("POST", f"{CLIENT}/rooms/{quote(room)}/report/{quote(event)}",
                       {"reason": one_line(text), "score": -100})


def membership(verb):
    def act(bot, row, action, transaction):
        room, sender = texts_of(row, "room_id", "sender")
        bot.homeserver.ask("POST", f"{CLIENT}/rooms/{quote(room)}/{verb}", with_reason({"user_id": sender}, row))
    return act


def quarantine_media(bot, row, action, transaction):
    for uri in action.get("media") or ():
        server, _, media = str(uri).partition("mxc://")[2].partition("/")
        if server and media and not {".", ".."} & {server, *media.split("/")}:  # what a proxy would take for a path
            bot.homeserver.ask("POST", f"/_synapse/admin/v1/media/quarantine/{quote(server)}/{quote(media)}", {})


def notify(bot, row, action, transaction):
    if not bot.settings.moderation_room:
        logger.warning("a row asks for a message to the moderators, and there is no --moderation-room")
        return
    bot.homeserver.ask(
        "PUT", f"{CLIENT}/rooms/{quote(bot.settings.moderation_room)}/send/m.room.message/{transaction}",
        {"msgtype": "m.notice", "body": describe(row), "m.mentions": {},
         "org.weir.verdict": {name: row.get(name) for name in ("event_id", "room_id", "sender", "module", "rule",
                                                               "reason", "token")}})


def describe(row):
    """A verdict for people, in one line."""
    result = row.get("result")
    code = result.get("code") if isinstance(result, dict) else result
    where = f"https://matrix.to/#/{quote(str(row.get('room_id')))}"
    if row.get("event_id"):
        where += f"/{quote(row['event_id'])}"
    others = [action["type"] for action in actions_of(row) if action["type"] != "notify"]
    parts = [f"{code or 'refused'} by {row.get('module')}", f"{row.get('type') or row.get('callback')} of {row.get('sender')}",
             where, *(f"{name}: {row[name]}" for name in ("reason", "rule") if row.get(name)),
             *([f"actions: {', '.join(others)}"] if others else [])]
    return "; ".join(one_line(part) for part in parts)


# In the order in which they are carried out: the moderators hear last.
ACTIONS = {"redact": redact, "report": report, "kick": membership("kick"), "ban": membership("ban"),
           "quarantine_media": quarantine_media, "notify": notify}
AGAINST_SENDER = ("redact", "kick", "ban", "quarantine_media")


def actions_of(row):
    """What a row asks for, in order; what this program does not know is left to others. A row of a module in dry_run has
    `would_actions`, at which nobody here looks."""
    found = row.get("actions")
    if row.get("dry_run") is True or not isinstance(found, list):
        return []
    known = [action for action in found if isinstance(action, dict) and action.get("type") in ACTIONS]
    return sorted(known, key=lambda action: list(ACTIONS).index(action["type"]))


# ---- the rows ---------------------------------------------------------------------------------------------------------

class Row:
    """An entry of the stream that is in hand."""

    def __init__(self, entry, fields):
        self.entry = entry
        self.text = fields.get(b"row", b"")
        self.tries = 0
        self.due = 0.0
        self.begun = False  # counted as being worked on

    def read(self):
        row = json.loads(self.text)
        if not isinstance(row, dict):
            raise ValueError("no object")
        return row

    def age(self):
        return time.time() - int(self.entry.partition(b"-")[0]) / 1000


class Bot:
    def __init__(self, settings, connection, homeserver):
        self.settings, self.redis, self.homeserver = settings, connection, homeserver
        self.key = f"{settings.server_name}/weir/verdicts"
        self.failed_key = f"{settings.server_name}/weir/actions/failed"
        self.waiting = collections.deque()  # rows that wait for another try
        self.away_pause = 0.0
        self.away_until = 0.0
        self.stopping = False
        self.user_id = None
        self.next_claim = self.next_heartbeat = 0.0

    # -- what was done

    def mark_key(self, row, entry, action):
        """By the event, so that two rows about one event are one case; by the entry where there is no event."""
        about = row.get("event_id") if isinstance(row.get("event_id"), str) and row["event_id"] else entry.decode()
        digest = hashlib.sha256(f"{row.get('room_id')} {about} {action['type']}".encode()).hexdigest()[:32]
        return f"{self.settings.server_name}/weir/actions/done/{digest}", f"weir{digest}"

    def is_ours(self, row):
        """What we say quotes the rule that hit, and would hit it again: for ever, if anything were done about it."""
        room = self.settings.moderation_room
        return (self.user_id and row.get("sender") == self.user_id) or (room and row.get("room_id") == room)

    def is_protected(self, row):
        sender = row.get("sender")
        return isinstance(sender, str) and any(fnmatch.fnmatchcase(sender, pattern) for pattern in self.settings.protect)

    def act(self, held, row):
        """All actions of a row that are not done yet; an action that is refused does not hold up those behind it."""
        refusals = []
        for action in actions_of(row):
            name = action["type"]
            mark, transaction = self.mark_key(row, held.entry, action)
            if name not in self.settings.actions or self.redis.exists(mark):
                continue
            if name in AGAINST_SENDER and self.is_protected(row):
                logger.warning("%s of %s is left out: the user is protected", name, one_line(row.get("sender")))
                continue
            try:
                ACTIONS[name](self, row, action, transaction)
            except Refused as error:
                logger.error("%s is refused: %s; event %s in %s", name, one_line(error), one_line(row.get("event_id")),
                             one_line(row.get("room_id")))
                refusals.append(f"{name}: {error}")
                continue
            self.redis.set(mark, "done", ex=DONE_SECONDS)
            logger.info("%s: event %s of %s in %s (%s)", name, one_line(row.get("event_id")), one_line(row.get("sender")),
                        one_line(row.get("room_id")), row.get("module"))
        if refusals:
            self.put_aside(held, "; ".join(refusals))
        else:
            self.acknowledge(held)

    # -- rows that are done with

    def acknowledge(self, held):
        self.redis.xack(self.key, self.settings.group, held.entry)

    def put_aside(self, held, reason):
        with self.redis.pipeline(transaction=True) as pipe:
            pipe.xadd(self.failed_key, {"entry": held.entry, "row": held.text, "reason": one_line(reason, 2000)},
                      maxlen=FAILED_KEPT, approximate=True)
            pipe.xack(self.key, self.settings.group, held.entry)
            pipe.execute()
        logger.error("entry %s was put aside in %s: %s", held.entry.decode(), self.failed_key, one_line(reason))

    def handle(self, held):
        try:
            row = held.read()
        except (ValueError, RecursionError) as error:
            self.put_aside(held, f"the row cannot be read: {error}")
            return
        if not actions_of(row) or self.is_ours(row):
            self.acknowledge(held)
            return
        if self.settings.max_age and held.age() > self.settings.max_age:
            logger.warning("entry %s is too old to be acted upon", held.entry.decode())
            self.acknowledge(held)
            return
        if not self.begin(held):
            return
        try:
            self.act(held, row)
        except Away as error:
            self.end(held)
            self.wait_for_homeserver(error)
            self.waiting.appendleft(held)
            return
        except Failed as error:
            held.tries += 1
            if held.tries >= self.settings.tries:
                self.put_aside(held, f"failed {held.tries} times: {error}")
            else:
                held.due = time.monotonic() + pause(held.tries)
                self.waiting.append(held)
                logger.warning("an action failed, and is tried again: %s; entry %s", one_line(error), held.entry.decode())
        except redis.RedisError:
            self.waiting.appendleft(held)
            raise
        except Exception as error:  # a row that breaks this program must not break it for ever
            logger.exception("a row could not be handled")
            self.put_aside(held, f"{type(error).__name__}: {error}")
        self.end(held)
        self.away_pause = 0.0

    # -- rows that this program dies of: what is begun and not ended, again and again, is put aside

    def begun_key(self, held):
        return f"{self.settings.server_name}/weir/actions/begun/{held.entry.decode()}"

    def begin(self, held):
        if held.begun:
            return True
        with self.redis.pipeline(transaction=True) as pipe:
            times = pipe.incr(self.begun_key(held)).expire(self.begun_key(held), DONE_SECONDS).execute()[0]
        held.begun = True
        if times <= self.settings.deaths:
            return True
        self.put_aside(held, f"was begun {times - 1} times and never ended")
        self.end(held)
        return False

    def end(self, held):
        self.redis.delete(self.begun_key(held))
        held.begun = False

    def wait_for_homeserver(self, error):
        first = self.away_pause == 0
        self.away_pause = PAUSE_FIRST if first else min(self.away_pause * 2, PAUSE_LAST)
        seconds = error.seconds if error.seconds is not None else self.away_pause * random.uniform(0.75, 1)
        self.away_until = time.monotonic() + seconds
        logger.log(logging.WARNING if error.seconds is None or first else logging.INFO,
                   "waiting %.1f s: %s", seconds, one_line(error))

    # -- taking rows

    def make_group(self, start):
        try:
            self.redis.xgroup_create(self.key, self.settings.group, id=start, mkstream=True)
            logger.info("made the consumer group %s, which begins at %s", self.settings.group, start)
        except redis.ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise

    def take(self, entries):
        for entry, fields in entries or ():
            if fields is None:  # trimmed meanwhile: there is nothing left to act upon
                logger.error("entry %s was trimmed from the stream before it was acted upon; raise publish.keep",
                             entry.decode())
                self.redis.xack(self.key, self.settings.group, entry)
                continue
            yield Row(entry, fields)

    def read(self, after, block_ms=None):
        answer = self.redis.xreadgroup(self.settings.group, self.settings.consumer, {self.key: after}, count=READ_COUNT,
                                       block=block_ms)
        return self.take(answer[0][1]) if answer else ()

    def own_rows(self):
        """What an earlier run of this consumer had in hand, or this one before it lost Redis."""
        after = "0"
        in_hand = {held.entry for held in self.waiting}
        while True:
            rows = list(self.read(after))
            if not rows:
                return
            after = rows[-1].entry
            for held in rows:
                if held.entry not in in_hand:
                    self.waiting.append(held)

    def take_over(self):
        """Rows of consumers that are gone."""
        if time.monotonic() < self.next_claim or len(self.waiting) >= WAITING_MAXIMUM:
            return
        self.next_claim = time.monotonic() + self.settings.take_over / 2
        answer = self.redis.xautoclaim(self.key, self.settings.group, self.settings.consumer,
                                       int(self.settings.take_over * 1000), count=READ_COUNT)
        if answer and isinstance(answer[0], bytes):  # redis-py from version 5 on tells where it ended, too
            answer = answer[1]
        entries = [entry for entry in answer if entry[0] is not None]
        in_hand = {held.entry for held in self.waiting}
        for held in self.take(entries):
            if held.entry not in in_hand:
                logger.info("took over entry %s", held.entry.decode())
                self.waiting.append(held)

    def keep_claims(self):
        """Rows that wait here are not to be taken over by another."""
        if time.monotonic() < self.next_heartbeat or not self.waiting:
            return
        self.next_heartbeat = time.monotonic() + min(HEARTBEAT_SECONDS, self.settings.take_over / 3)
        self.redis.xclaim(self.key, self.settings.group, self.settings.consumer, 0,
                          [held.entry for held in self.waiting], justid=True)

    def next_waiting(self):
        now = time.monotonic()
        for index, held in enumerate(self.waiting):
            if held.due <= now:
                del self.waiting[index]
                return held
        return None

    def turn(self):
        self.keep_claims()
        self.take_over()
        seconds = self.away_until - time.monotonic()
        if seconds > 0:
            time.sleep(min(seconds, 0.5))
            return
        held = self.next_waiting()
        if held:
            self.handle(held)
            return
        if len(self.waiting) >= WAITING_MAXIMUM:
            time.sleep(0.2)
            return
        rows = collections.deque(self.read(">", 500 if self.waiting else 1000))
        while rows:
            if self.stopping or self.away_until > time.monotonic():
                self.waiting.extend(rows)
                return
            self.handle(rows.popleft())

    def find_out_who(self):
        while not self.stopping and self.user_id is None:
            try:
                self.user_id = self.homeserver.ask("GET", f"{CLIENT}/account/whoami").get("user_id")
                logger.info("acting as %s", self.user_id)
                self.away_pause = self.away_until = 0.0
                return
            except (Refused, Failed) as error:
                self.wait_for_homeserver(Away(str(error)))
            except Away as error:
                self.wait_for_homeserver(error)
            while not self.stopping and self.away_until > time.monotonic():
                time.sleep(0.1)

    def run(self):
        start, began, pause_seconds = self.settings.begin, False, PAUSE_FIRST
        while not self.stopping:
            try:
                if not began:
                    self.make_group(start)
                    self.find_out_who()
                    self.own_rows()
                    began, pause_seconds = True, PAUSE_FIRST
                self.turn()
            except redis.RedisError as error:
                if "NOGROUP" in str(error):
                    logger.error("the consumer group is gone, with what Redis knew; it is made again from the beginning")
                    start, began = "0", False
                    self.waiting.clear()
                    continue
                logger.warning("Redis: %s; waiting %.0f s", one_line(error), pause_seconds)
                time.sleep(pause_seconds)
                pause_seconds = min(pause_seconds * 2, 10)
                began = False  # rows that were read, and not kept, are found among our own
        logger.info("stopped; %d rows are left for later", len(self.waiting))

    # -- --dry-run: no group, nothing acknowledged

    def show(self):
        after = self.settings.begin
        while not self.stopping:
            answer = self.redis.xread({self.key: after}, count=READ_COUNT, block=1000)
            for entry, fields in answer[0][1] if answer else ():
                after = entry
                try:
                    row = Row(entry, fields).read()
                except (ValueError, RecursionError) as error:
                    print(f"{entry.decode()} the row cannot be read: {error}", flush=True)
                    continue
                names = [action["type"] for action in actions_of(row) if action["type"] in self.settings.actions]
                if names:
                    print(f"{entry.decode()} would {', '.join(names)}: {describe(row)}", flush=True)


def pause(tries):
    return min(PAUSE_FIRST * 2 ** (tries - 1), PAUSE_LAST) * random.uniform(0.75, 1)


# ---- the command line -------------------------------------------------------------------------------------------------

def seconds(text):
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    number, unit = (text[:-1], units[text[-1]]) if text and text[-1] in units else (text, 1)
    value = float(number) * unit
    if not 0 <= value < 1e10:
        raise ValueError
    return value


def names_of_actions(text):
    names = [name for name in text.split(",") if name]
    for name in names:
        if name not in ACTIONS:
            raise argparse.ArgumentTypeError(f"{name} is no action; there are {', '.join(ACTIONS)}")
    return names


def arguments(given):
    parser = argparse.ArgumentParser(description="Carries out the actions of Weir's verdicts through the client API.",
                                     epilog="docs/actions.md tells the whole of it.")
    add = parser.add_argument
    add("--server-name", required=True, help="the homeserver's name, as in Synapse's server_name")
    add("--redis", default="redis://127.0.0.1:6379", metavar="URL",
        help="redis://, rediss:// or unix:///path/to.sock (default: %(default)s)")
    add("--redis-password-file", metavar="FILE", help="the password, so that it does not stand on the command line")
    add("--homeserver", default="http://127.0.0.1:8008", metavar="URL", help="default: %(default)s")
    add("--ca-file", metavar="FILE", help="who is trusted to sign the homeserver's certificate")
    add("--token-file", metavar="FILE", help="the bot's access token; needed without --dry-run")
    add("--moderation-room", metavar="ROOM_ID", help="where `notify` writes; the bot must be in it")
    add("--actions", type=names_of_actions, default=list(ACTIONS), metavar="NAMES",
        help="carry out these only, separated by commas (default: all)")
    add("--protect", action="append", default=[], metavar="GLOB",
        help="users against whom nothing is done; may be given again")
    add("--group", default="actions", help="consumer group (default: %(default)s)")
    add("--consumer", default=socket.gethostname(), help="this one's name in the group (default: the host's)")
    add("--from-start", dest="begin", action="store_const", const="0", default="$",
        help="a new group begins with the oldest row instead of the next one")
    add("--max-age", type=seconds, default=86400.0, metavar="TIME",
        help="rows older than this are not acted upon; 0: all are (default: 1d)")
    add("--tries", type=int, default=6, help="of an action that fails (default: %(default)s)")
    add("--deaths", type=int, default=3, help="of this program, after which the row that it dies of is put aside "
        "(default: %(default)s)")
    add("--take-over", type=seconds, default=60.0, metavar="TIME",
        help="rows that another has had in hand so long without a sign are taken over (default: 60s)")
    add("--timeout", type=seconds, default=30.0, metavar="TIME", help="of one request (default: 30s)")
    add("--dry-run", action="store_true", help="print what would be done, and do nothing")
    add("--verbose", action="store_true", help="log more")
    settings = parser.parse_args(given)
    if not settings.dry_run and not settings.token_file:
        parser.error("--token-file is needed, or --dry-run")
    if settings.take_over <= 0 or settings.timeout <= 0 or settings.tries < 1 or settings.deaths < 1:
        parser.error("--take-over, --timeout, --tries and --deaths must be above 0")
    return settings


def warn_of_open_file(path):
    try:
        if os.stat(path).st_mode & (stat.S_IRWXG | stat.S_IRWXO) & ~stat.S_IRGRP:
            logger.warning("%s can be read or written by others: chmod 600", path)
    except OSError:
        pass


def main(given=None):
    settings = arguments(given)
    logging.basicConfig(stream=sys.stderr, level=logging.DEBUG if settings.verbose else logging.INFO,
                        format="%(levelname)s %(message)s" if "JOURNAL_STREAM" in os.environ
                        else "%(asctime)s %(levelname)s %(message)s")
    password = None
    if settings.redis_password_file:
        with open(settings.redis_password_file, encoding="utf8") as file:
            password = file.read().strip()
    try:
        options = {"password": password} if password else {}
        if not settings.redis.startswith("unix:"):  # such a connection knows no time limit of its own
            options["socket_connect_timeout"] = 10
        connection = redis.Redis.from_url(settings.redis, socket_timeout=30, **options)
        homeserver = Homeserver(settings.homeserver, settings.token_file, settings.ca_file, settings.timeout)
    except (ValueError, OSError) as error:
        print(f"weir_actions.py: {error}", file=sys.stderr)
        return 2
    if settings.token_file:
        warn_of_open_file(settings.token_file)
    bot = Bot(settings, connection, homeserver)

    def stop(number, frame):
        bot.stopping = True
        signal.signal(number, signal.SIG_DFL)  # a second one ends it at once: what is in hand is done again later
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    bot.show() if settings.dry_run else bot.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
