"""What the built-in modules must say, written a second time, from their documentation and in another language: an
independent judge of whole recordings."""

import json
import re
import subprocess


def read_jsonl(path):
    opener = ["zstd", "-dcq", str(path)] if str(path).endswith(".zst") else ["cat", str(path)]
    text = subprocess.run(opener, capture_output=True, check=True).stdout.decode()
    return [json.loads(line) for line in text.split("\n") if line]


def glob_pattern(glob, flags=0):
    parts = [{"*": ".*", "?": "."}.get(letter, re.escape(letter)) for letter in glob]
    return re.compile("".join(parts) + r"\Z", flags | re.DOTALL)


def sender_list(config):
    entries = config.get("users", [])
    ids = {entry for entry in entries if not set(entry) & set("*?")}
    globs = [glob_pattern(entry) for entry in entries if set(entry) & set("*?")]
    servers = [glob_pattern(entry, re.IGNORECASE) for entry in config.get("servers", [])]

    def judge(event):
        sender = event.get("sender")
        if not isinstance(sender, str):
            return False
        if sender in ids or any(glob.match(sender) for glob in globs):
            return True
        _, colon, server = sender.partition(":")
        return bool(colon) and any(glob.match(server) for glob in servers)

    return judge


def texts(event, fields):
    content = event.get("content", {})
    return [content[field] for field in fields if isinstance(content.get(field), str)]


def keywords(config):
    flags = 0 if config.get("case_sensitive") else re.IGNORECASE
    syntax = config.get("syntax", "literal")
    compiled = [{"literal": lambda text: re.compile(re.escape(text), flags),
                 "regex": lambda text: re.compile(text, flags),
                 "glob": lambda text: glob_pattern(text, flags)}[syntax](text) for text in config["patterns"]]
    find = (lambda pattern, text: pattern.match(text)) if syntax == "glob" else (
        lambda pattern, text: pattern.search(text))

    def judge(event):
        return any(find(pattern, text) for text in texts(event, config.get("fields", ["body"])) for pattern in compiled)

    return judge


# A look ahead, so that a link within what another one takes for its host is seen as well.
LINK = re.compile(r"(?=https?://(?:[^/?#\s\"'<>()\[\],]*@)?([^/?#:\s\"'<>()\[\],]*))", re.IGNORECASE)


def link_domains(config):
    domains = [domain.lower() for domain in config["domains"]]

    def hit(text):
        for match in LINK.finditer(text):
            host = match.group(1).lower()
            host = host[:-1] if host.endswith(".") else host
            if any(host == domain or host.endswith("." + domain) for domain in domains):
                return True
        return False

    def judge(event):
        return any(hit(text) for text in texts(event, config.get("fields", ["body", "formatted_body"])))

    return judge


MODULES = {"sender_list": sender_list, "keywords": keywords, "link_domains": link_domains}


def judge_recording(modules, recording, bodies, server_name):
    """[(event_id, name of the denying module or None)] in the order of the `ev` rows."""
    chain = [(module["module"], MODULES[module["module"]](module["config"])) for module in modules]
    events = {line["event_id"]: line["json"] for line in read_jsonl(bodies)}
    verdicts = []
    for message in read_jsonl(recording):
        if message["ch"] != server_name or not message["data"].startswith("RDATA events "):
            continue
        kind, row = json.loads(message["data"].split(" ", 4)[4])
        if kind != "ev" or row[7] or (len(row) > 8 and row[8]):
            continue
        event = events.get(row[0])
        denied = next((name for name, judge in chain if event is not None and judge(event)), None)
        verdicts.append((row[0], denied))
    return verdicts
