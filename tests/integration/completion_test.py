"""Completion as the shells do it: bash's function called, and a real line with TAB typed at a terminal; zsh where it is
installed."""

import os
import pathlib
import pty
import re
import select
import shutil
import subprocess
import tempfile
import time
import unittest

from harness import WEIR, run_weir

# Prints what `_weir` offers for the line of its arguments, the cursor being at the end of the last.
ASK = """
source "$1"; shift
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_weir
printf '%s\\n' "${COMPREPLY[@]}"
"""


def type_at(command, environment, keys, wanted, seconds=60):
    """Types `keys` one after the other at a shell on a terminal, each once the output has `wanted` of it."""
    child, terminal = pty.fork()
    if child == 0:
        os.execvpe(command[0], command, environment)
    shown = ""
    try:
        for text, pattern in zip(keys, wanted):
            os.write(terminal, text.encode())
            deadline = time.monotonic() + seconds
            while not re.search(pattern, shown):
                left = deadline - time.monotonic()
                if left <= 0 or not select.select([terminal], [], [], left)[0]:
                    raise AssertionError(f"{pattern} is not in {shown!r}")
                shown += os.read(terminal, 65536).decode(errors="replace").replace("\a", "")
            shown = "" if text.endswith("\n") else shown
    finally:
        os.close(terminal)
        os.waitpid(child, 0)


class Completion(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="weir-test."))
        self.addCleanup(shutil.rmtree, self.folder)
        for name in ("weir.yaml", "week one.jsonl", "week two.jsonl"):
            (self.folder / name).touch()

    def script(self, shell):
        path = self.folder / f"_{shell}"
        path.write_bytes(run_weir("completion", shell).stdout)
        return path

    def offers(self, *words):
        done = subprocess.run(["bash", "--norc", "-c", ASK, "bash", self.script("bash"), "weir", *words], cwd=self.folder,
                              capture_output=True, text=True, timeout=60)
        self.assertEqual(done.stderr, "", words)
        return [line for line in done.stdout.splitlines() if line]

    def test_subcommands(self):
        self.assertEqual(self.offers("re"), ["replay", "record", "reload"])
        listed = re.findall(r"^ {7}([a-z-]+) {2,}", run_weir("help").stdout.decode().split("SUBCOMMANDS")[1]
                            .split("EXIT STATUS")[0], re.MULTILINE)
        self.assertIn("run", listed)
        self.assertEqual(self.offers(""), [*listed, "help", "--help", "--version"])
        self.assertEqual(self.offers("help", "ch"), ["check"])

    def test_every_option_of_every_page(self):
        for subcommand in self.offers("help", ""):
            page = run_weir(subcommand, "--help").stdout.decode().split("\nOPTIONS\n")[1].split("\nEXIT STATUS\n")[0]
            named = re.findall(r"^ {7}(?:-\w.*?, )?(--[a-z-]+)", page, re.MULTILINE)
            self.assertIn("--help", named)
            self.assertEqual(self.offers(subcommand, "--"), named, subcommand)

    def test_files(self):
        self.assertEqual(self.offers("run", "-c", "weir"), ["weir.yaml"])
        self.assertEqual(self.offers("run", "--config", "=", "weir"), ["weir.yaml"])
        self.assertEqual(self.offers("run", "--config", "="), self.offers("run", "--config", ""))
        self.assertEqual(sorted(self.offers("replay", "-c", "weir.yaml", "week")), ["week one.jsonl", "week two.jsonl"])
        self.assertEqual(self.offers("tail", "weir"), [])
        for subcommand in ("status", "top", "positions", "log", "reload"):
            self.assertEqual(self.offers(subcommand, "-c", "weir"), ["weir.yaml"], subcommand)
            self.assertEqual(self.offers(subcommand, "--socket", "weir"), ["weir.yaml"], subcommand)

    def test_choices_and_names(self):
        self.assertEqual(self.offers("check", "--for", "r"), ["run", "replay"])
        self.assertEqual(self.offers("run", "--from", ""), ["now", "stored"])
        self.assertEqual(self.offers("completion", ""), ["bash", "zsh"])
        self.assertEqual(self.offers("modules", "media"), ["media", "media_hash"])
        self.assertEqual(self.offers("explain", "--callback", "user_may_inv"), ["user_may_invite"])
        self.assertEqual(self.offers("callbacks", "get_int"), ["get_interested_users"])
        self.assertEqual(self.offers("replay", "--jobs", ""), [])
        self.assertEqual(self.offers("log", "--dry-run", ""), ["yes", "no"])
        self.assertEqual(self.offers("log", "--module", "media"), ["media", "media_hash"])
        self.assertEqual(self.offers("log", "--callback", "user_may_inv"), ["user_may_invite"])
        self.assertEqual(self.offers("log", "--since", ""), [])

    def test_an_unknown_shell(self):
        done = run_weir("completion", "fish", check=False)
        self.assertEqual((done.returncode, done.stdout), (2, b""))
        self.assertIn(b"bash, zsh", done.stderr)

    def test_bash_at_a_terminal(self):
        folder = pathlib.Path(WEIR).resolve().parent
        environment = {"PATH": f"{folder}:/usr/bin:/bin", "PS1": "ready> ", "TERM": "dumb", "HOME": str(self.folder),
                       "INPUTRC": "/dev/null"}
        type_at(["bash", "--norc", "--noprofile", "-i"], environment,
                [f"cd {self.folder}; source <(weir completion bash); echo so''urced\n", "weir repl\t", "-c wei\t",
                 "week\\ o\t", "--jo\t", "\x15exit\n"],
                [r"(?s)sourced\r.*ready> ", r"weir replay ", r"-c weir\.yaml ", r"week\\ one\.jsonl ", r"--jobs ", r"exit"])

    def test_zsh(self):
        zsh = shutil.which("zsh")
        if not zsh:
            self.skipTest("zsh is not installed")
        script = self.script("zsh")
        subprocess.run([zsh, "-f", "-n", script], check=True, timeout=60)
        script.rename(self.folder / "_weir")
        environment = {**os.environ, "PS1": "ready> ", "TERM": "dumb", "HOME": str(self.folder)}
        type_at([zsh, "-f", "-i"], environment,
                [f"cd {self.folder}; fpath=($PWD $fpath); autoload -Uz compinit; compinit -u -d dump; echo ma''de\n",
                 "weir repl\t", "-c wei\t", "week\\ o\t", "--jo\t", "\x15weir modules media_\t", "\x15weir check --for cl\t",
                 "\x15exit\n"],
                [r"(?s)made\r.*ready> ", r"weir replay ", r"-c weir\.yaml ", r"week\\ one\.jsonl ", r"--jobs[ =]",
                 r"modules media_hash ", r"--for[ =]client ", r"exit"])


if __name__ == "__main__":
    unittest.main()
