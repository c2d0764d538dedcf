"""The pages of the manual as data: their fenced blocks with what an HTML comment before each asks of the test, their
headings and links.

A block is preceded by such a comment where its kind alone does not say what to do with it:

    <!-- test: engine -->                    an engine runs meanwhile, with the page's weir.yaml
    <!-- test: file new.yaml -->             the block is that file in the page's folder from here on
    <!-- test: postgres -->                  a PostgreSQL with Synapse's tables runs
    <!-- test: traffic -->                   then a recording is played, as example.org
    <!-- test: plugin -->                    shouting.so lies in the page's folder
    <!-- test: exit 1 -->                    the last command of the block ends with this
    <!-- test: output -->                    what was printed has these lines; an … is anything, a number any number
    <!-- test: skip, needs systemd -->       it cannot run in a test; the reason is one of manual_pages_test.REASONS
"""

import pathlib
import re

from harness import ROOT

FENCE = re.compile(r"^(?P<indent> *)```(?P<kind>[^\n`]*)\n(?P<text>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)
DIRECTIVE = re.compile(r"<!-- test: ([^\n]*) -->\s*\Z")
HERE_DOCUMENT = re.compile(r"<<-?\s*['\"]?(\w+)")


class Block:
    def __init__(self, page, match, before):
        indent = len(match["indent"])
        self.page, self.kind = page, match["kind"].strip()
        self.text = "".join(line[indent:] or "\n" for line in match["text"].splitlines(keepends=True))
        self.line = before.count("\n") + 1
        self.directives, self.skip = {}, None
        if comment := DIRECTIVE.search(before):
            if comment[1].startswith("skip,"):
                self.skip = comment[1][5:].strip()
            else:
                for word in comment[1].split(","):
                    name, _, value = word.strip().partition(" ")
                    self.directives[name] = value

    def __str__(self):
        return f"{self.page.name}:{self.line}"

    def commands(self):
        """Logical lines of a shell: with what they continue on, and with their here-documents."""
        command, end = "", None
        for line in self.text.splitlines():
            command += line + "\n"
            if end:
                end = None if line.strip() == end else end
            elif found := HERE_DOCUMENT.search(line):
                end = found[1]
            if end or line.endswith("\\"):
                continue
            if command.strip() and not command.lstrip().startswith("#"):
                yield command
            command = ""
        if command.strip():
            raise AssertionError(f"{self}: does not end: {command}")


class Page:
    def __init__(self, path):
        self.path = path
        self.name = str(path.relative_to(ROOT))
        self.text = path.read_text()
        self.blocks = [Block(self, match, self.text[:match.start()]) for match in FENCE.finditer(self.text)]
        self.prose = FENCE.sub(lambda match: "\n" * match[0].count("\n"), self.text)

    def anchors(self):
        """Of its headings, as GitHub and mdBook make them; of equal ones the second has a number."""
        found = {}
        for heading in re.findall(r"^#{1,6} +(.*?) *$", self.prose, re.MULTILINE):
            plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
            anchor = re.sub(r"[^\w\- ]", "", plain.replace("`", "").lower()).replace(" ", "-")
            count = found.get(anchor, 0)
            found[anchor] = count + 1
            if count:
                found[f"{anchor}-{count}"] = 1
        return set(found)

    def links(self):
        """[(line, target)] of links and pictures within the repository."""
        plain = re.sub(r"`[^`\n]*`", lambda code: " " * len(code[0]), self.prose)
        for match in re.finditer(r"\]\(([^)\s]+)\)", plain):
            if not re.match(r"[a-z]+:", match[1]):
                yield self.prose[:match.start()].count("\n") + 1, match[1]


def pages():
    """All that an administrator reads: the front door, the manual, and the pages beside what is deployed."""
    found = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "bench/README.md"]
    found += sorted((ROOT / "docs").rglob("*.md")) + sorted((ROOT / "deploy").rglob("*.md"))
    return [Page(pathlib.Path(path)) for path in found]
