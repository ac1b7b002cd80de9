"""Lines at the end of a terminal that are redrawn in place.

The cursor is never hidden, so that the terminal works however the program ends. What is typed is not echoed while a
picture is shown: Enter would move it by a line.
"""

from __future__ import annotations

import os
import termios
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from rich.console import Console

from sametag.output.outlet import Outlet

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TextIO

    from rich.text import Text

_UP = "\x1b[{}A\r"
# Line by line: tmux saves the whole screen in its scrollback when it is cleared from the top at once.
_ERASE_LINE = "\x1b[K\n"


class Screen:
    """A terminal, and the lines that were last drawn on it.

    Args:
        stream: The terminal. NO_COLOR is obeyed.
    """

    def __init__(self, stream: TextIO) -> None:
        self._console = Console(file=stream, highlight=False, markup=False, emoji=False)
        self._echo = _Echo(stream)
        self._drawn: list[int] = []
        self._late: Sequence[Text] | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Columns and lines to draw on: one less of each than there are, so that nothing wraps or scrolls."""
        width, height = self._console.size
        return max(width - 1, 1), max(height - 1, 1)

    def draw(self, lines: Sequence[Text]) -> None:
        """Replace the lines that were drawn last; later, if those were not read yet."""
        self._echo.off()
        stream = self._console.file
        if isinstance(stream, Outlet) and not stream.idle:
            self._late = lines
        else:
            self._write(lines, keep=False)

    def print(self, lines: Sequence[Text]) -> None:
        """Replace the lines that were drawn last by lines that stay."""
        self._write(lines, keep=True)

    def keep(self) -> None:
        """Leave the last picture on the terminal, and restore the echo."""
        if self._late:
            self._write(self._late, keep=False)
        self._drawn = []
        self._echo.restore()

    def _write(self, lines: Sequence[Text], *, keep: bool) -> None:
        self._late = None
        width, _ = self.size
        with self._console.capture() as captured:
            for line in lines:
                if keep:
                    self._console.print(line, soft_wrap=True)
                else:
                    self._console.print(line, width=width, no_wrap=True, overflow="ellipsis")
        # In one write: a terminal that shows half of it would flicker.
        self._console.file.write(self._erase() + captured.get())
        self._console.file.flush()
        self._drawn = [] if keep else [min(line.cell_len, width) for line in lines]

    def _erase(self) -> str:
        """Return what erases the lines drawn last; most terminals have wrapped them if they were made narrower."""
        width, height = self.size
        rows = sum(-(-cells // (width + 1)) or 1 for cells in self._drawn) if _wraps() else len(self._drawn)
        rows = min(rows, height)
        return f"{_UP.format(rows)}{_ERASE_LINE * rows}{_UP.format(rows)}" if rows else ""


def _wraps() -> bool:
    """Whether the terminal rewraps its lines when it is made narrower: all do but xterm, screen and Linux's console."""
    cuts = os.environ.get("XTERM_VERSION") or os.environ.get("STY") or os.environ.get("TERM") == "linux"
    return bool(os.environ.get("TMUX")) or not cuts


_LOCAL_MODES = 3  # the index in what tcgetattr returns


class _Echo:
    """The echo of a terminal; of anything else, nothing.

    Ctrl-C works as before. A shell restores the terminal of a program that was killed.
    """

    def __init__(self, stream: TextIO) -> None:
        self._terminal = stream.fileno() if stream.isatty() else -1
        self._before: list[Any] | None = None

    def off(self) -> None:
        """Stop showing what is typed; the next program that reads still gets it."""
        if self._before is not None or not self._in_foreground():
            return
        with suppress(termios.error):  # it has gone
            modes = termios.tcgetattr(self._terminal)
            self._before = list(modes)
            modes[_LOCAL_MODES] &= ~termios.ECHO
            termios.tcsetattr(self._terminal, termios.TCSANOW, modes)

    def restore(self) -> None:
        """Undo `off`."""
        if self._before is None or not self._in_foreground():
            return
        with suppress(termios.error):
            termios.tcsetattr(self._terminal, termios.TCSANOW, self._before)
            self._before = None

    def _in_foreground(self) -> bool:
        """Whether we may change the terminal: it stops a program that does so from the background."""
        try:
            return self._terminal >= 0 and os.tcgetpgrp(self._terminal) == os.getpgrp()
        except OSError:  # closed, or not our controlling terminal
            return False
