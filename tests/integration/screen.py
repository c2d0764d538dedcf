"""A terminal for tests: a program runs on a pseudo-terminal, and its output is drawn as a VT100 would, so that a test sees
the screen that a person would see."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

SEQUENCE = re.compile(r"\x1b(?:\[([?0-9;]*)([A-Za-z])|[()][A-Z0-9]|([=>78MDEc]))")


class Screen:
    def __init__(self, command, width=100, height=30, environment=None):
        self.width, self.height = width, height
        self.cells = [[" "] * width for _ in range(height)]
        self.row = self.column = self.top = 0
        self.bottom = height - 1
        self.raw = ""
        self.pending = ""
        self.master, self.slave = pty.openpty()
        self.set_size(width, height)
        self.modes = termios.tcgetattr(self.slave)
        self.process = subprocess.Popen(
            [str(word) for word in command], stdin=self.slave, stdout=self.slave, stderr=self.slave, close_fds=True,
            env={"PATH": os.environ["PATH"], "TERM": "vt100", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", **(environment or {})},
            preexec_fn=self.take_terminal)

    def take_terminal(self):
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    def set_size(self, width, height):
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    def resize(self, width, height):
        """What is drawn from then on is drawn on an empty screen of that size: ncurses draws everything anew."""
        self.read(0.1)
        self.width, self.height = width, height
        self.cells = [[" "] * width for _ in range(height)]
        self.row = self.column = self.top = 0
        self.bottom = height - 1
        self.set_size(width, height)  # the system sends SIGWINCH to who has the terminal

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.master)
        os.close(self.slave)

    def press(self, keys):
        os.write(self.master, keys.encode())

    def send(self, number):
        os.kill(self.process.pid, number)

    def is_restored(self):
        return termios.tcgetattr(self.slave) == self.modes

    def read(self, seconds):
        """Draws what comes in that time; False if nothing did."""
        if not select.select([self.master], [], [], seconds)[0]:
            return False
        text = os.read(self.master, 65536).decode(errors="replace")
        self.raw += text
        self.draw(self.pending + text)
        return True

    def wait(self, pattern, seconds=30):
        """The screen as text, once `pattern` is on it."""
        deadline = time.monotonic() + seconds
        while not re.search(pattern, self.text()):
            if time.monotonic() > deadline:
                raise AssertionError(f"{pattern!r} is not on the screen:\n{self.text()}")
            self.read(0.1)
        return self.text()

    def end(self, seconds=30):
        """The exit code, once the program has ended."""
        deadline = time.monotonic() + seconds
        while self.process.poll() is None:
            if time.monotonic() > deadline:
                raise AssertionError(f"it does not end:\n{self.text()}")
            self.read(0.1)
        while self.read(0.1):
            pass
        return self.process.returncode

    def text(self):
        return "\n".join("".join(row).rstrip() for row in self.cells)

    # ---- what a VT100 does

    def draw(self, text):
        self.pending = ""
        place = 0
        while place < len(text):
            character = text[place]
            if character == "\x1b":
                sequence = SEQUENCE.match(text, place)
                if not sequence:
                    self.pending = text[place:]
                    if len(self.pending) > 40:
                        raise AssertionError(f"not of a VT100: {self.pending[:40]!r}")
                    return
                self.obey(sequence)
                place = sequence.end()
                continue
            place += 1
            if character == "\r":
                self.column = 0
            elif character == "\n":
                self.down()
            elif character == "\b":
                self.column = max(0, self.column - 1)
            elif character == "\t":
                self.column = min(self.width - 1, self.column // 8 * 8 + 8)
            elif character >= " ":
                if self.column >= self.width:
                    self.column = 0
                    self.down()
                self.cells[self.row][self.column] = character
                self.column += 1

    def down(self):
        if self.row != self.bottom:
            self.row = min(self.row + 1, self.height - 1)
        else:
            del self.cells[self.top]
            self.cells.insert(self.bottom, [" "] * self.width)

    def up(self):
        if self.row != self.top:
            self.row = max(self.row - 1, 0)
        else:
            del self.cells[self.bottom]
            self.cells.insert(self.top, [" "] * self.width)

    def obey(self, sequence):
        numbers, command, letter = sequence.groups()
        if letter == "M":
            self.up()
        if command is None or numbers.startswith("?"):
            return
        values = [int(number) if number else 0 for number in numbers.split(";")]
        count = max(1, values[0])
        self.column = min(self.column, self.width - 1)
        if command in "Hf":
            self.row = min(self.height, count) - 1
            self.column = min(self.width, max(1, values[1] if len(values) > 1 else 1)) - 1
        elif command == "A":
            self.row = max(0, self.row - count)
        elif command == "B":
            self.row = min(self.height - 1, self.row + count)
        elif command == "C":
            self.column = min(self.width - 1, self.column + count)
        elif command == "D":
            self.column = max(0, self.column - count)
        elif command == "r":  # the lines that scroll
            self.top = count - 1
            self.bottom = min(self.height, values[1] if len(values) > 1 and values[1] else self.height) - 1
            self.row = self.column = 0
        elif command in "JK":
            self.erase(command, values[0])

    def erase(self, command, how):
        row = self.cells[self.row]
        begin, end = {0: (self.column, self.width), 1: (0, self.column + 1), 2: (0, self.width)}[how]
        row[begin:end] = [" "] * (end - begin)
        if command == "J":
            for index in range(self.height):
                if how == 2 or (how == 0 and index > self.row) or (how == 1 and index < self.row):
                    self.cells[index] = [" "] * self.width


SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
