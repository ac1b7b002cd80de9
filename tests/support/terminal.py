"""A terminal with a program in it: what is on its screen, and keys to press."""

from __future__ import annotations

import codecs
import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
from typing import Self

# A sequence that moves the cursor or colours, a control character, or text.
_PIECE = re.compile(r"\x1b\[([0-9;]*)([A-Za-z])|([\r\n])|([^\x1b\r\n]+)")
_UNFINISHED = re.compile(r"\x1b(\[[0-9;]*)?\Z")


class Terminal:
    """Starts a program in a pseudo-terminal, and shows its screen with everything that has scrolled away.

    It knows the few sequences that sametag draws with, and fails on any other. Made narrower, it wraps its lines, or
    cuts them, as xterm does, where `wraps` is made false.
    """

    def __init__(self, command: list[str], columns: int, lines: int, **environment: str) -> None:
        self.rows = [""]
        self.wraps = True
        self.written = ""
        self._row = self._column = 0
        self._columns, self._lines = columns, lines
        self._pending = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        others = ("CI", "NO_COLOR", "COLUMNS", "LINES", "GITHUB_ACTIONS", "XTERM_VERSION", "STY", "TMUX")
        clean = {name: value for name, value in os.environ.items() if name not in others}
        self._pid, self._master = pty.fork()
        if self._pid == 0:  # the program's side of the fork
            self._master = 0
            self._set_size(columns, lines)
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.execvpe(command[0], command, {**clean, "TERM": "xterm-256color", **environment})  # noqa: S606 - no shell

    def _set_size(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
        os.close(self._master)

    def __str__(self) -> str:
        return "\n".join(self.rows)

    def resize(self, columns: int, lines: int) -> None:
        """Change the size; a line that is too long for it now is wrapped or cut."""
        self._columns, self._lines = columns, lines
        if self.wraps:
            self.rows = [row[at : at + columns] for row in self.rows for at in range(0, max(len(row), 1), columns)]
            self._row = len(self.rows) - 1
        else:
            self.rows = [row[:columns] for row in self.rows]
        self._set_size(columns, lines)

    @property
    def echoes(self) -> bool:
        """Whether it shows what is typed."""
        return bool(termios.tcgetattr(self._master)[3] & termios.ECHO)

    def press(self, keys: str) -> None:
        """Press keys, such as the character 3 for Ctrl-C."""
        os.write(self._master, keys.encode())

    def wait_for(self, text: str, seconds: float = 60) -> None:
        """Read until the text is on the screen."""
        until = time.monotonic() + seconds
        while not any(text in row for row in self.rows):
            assert time.monotonic() < until, f"no {text!r} within {seconds} s on\n{self}"
            assert self._read(), f"ended without {text!r} on\n{self}"

    def wait(self, seconds: float = 120) -> int:
        """Read until the program has ended, and return its exit code."""
        until = time.monotonic() + seconds
        while self._read():
            assert time.monotonic() < until, f"not at its end within {seconds} s:\n{self}"
        _, status = os.waitpid(self._pid, 0)
        self._pid = 0
        return os.waitstatus_to_exitcode(status)

    def _read(self) -> bool:
        """Take in what the program wrote within a moment; whether it may write more."""
        if not select.select([self._master], [], [], 0.1)[0]:
            return True
        try:
            data = os.read(self._master, 65536)
        except OSError:  # Linux says EIO where the last writer has closed
            return False
        text = self._decoder.decode(data)
        self.written += text
        self._show(self._pending + text)
        return bool(data)

    def _show(self, text: str) -> None:
        unfinished = _UNFINISHED.search(text)
        self._pending = unfinished[0] if unfinished else ""
        text = text.removesuffix(self._pending)
        at = 0
        while at < len(text):
            piece = _PIECE.match(text, at)
            assert piece, f"an unknown sequence: {text[at : at + 20]!r}"
            at = piece.end()
            argument, command, control, words = piece.groups()
            if words:
                self._type(words)
            elif control == "\r":
                self._column = 0
            elif control == "\n":
                self._down()
            else:
                self._obey(command, argument)

    def _type(self, words: str) -> None:
        for letter in words:
            if self._column == self._columns:
                self._down()
                self._column = 0
            row = self.rows[self._row].ljust(self._column)
            self.rows[self._row] = row[: self._column] + letter + row[self._column + 1 :]
            self._column += 1

    def _down(self) -> None:
        self._row += 1
        if self._row == len(self.rows):
            self.rows.append("")

    def _obey(self, command: str, argument: str) -> None:
        if command == "A":
            # What has scrolled away cannot be reached.
            top = max(len(self.rows) - self._lines, 0)
            self._row = max(self._row - int(argument or 1), top)
        elif command == "K":
            self.rows[self._row] = self.rows[self._row][: self._column]
        else:
            assert command == "m", f"an unknown sequence: ESC [ {argument} {command}"
