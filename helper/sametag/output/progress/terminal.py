"""Lines at the end of a terminal that are drawn again and again in the same place.

The cursor is never hidden, so that whatever ends the program leaves a terminal that works; what is typed is not shown
until the picture is kept.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from rich.console import Console

from sametag.output.outlet import Outlet
from sametag.output.progress.echo import Echo

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TextIO

    from rich.text import Text

_UP_AND_ERASE = "\x1b[{}A\r\x1b[J"


class Screen:
    """A terminal, and the lines that were last drawn on it.

    Args:
        stream: The terminal. NO_COLOR is obeyed.
    """

    def __init__(self, stream: TextIO) -> None:
        self._console = Console(file=stream, highlight=False, markup=False, emoji=False)
        self._echo = Echo(stream)
        self._drawn: list[int] = []
        self._late: Sequence[Text] | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Columns and lines that may be drawn: one less of each than there are, so that nothing wraps or scrolls."""
        width, height = self._console.size
        return max(width - 1, 1), max(height - 1, 1)

    def draw(self, lines: Sequence[Text]) -> None:
        """Draw these lines in the place of those that were drawn last; later, where nobody has read those yet."""
        self._echo.off()
        stream = self._console.file
        if isinstance(stream, Outlet) and not stream.idle:
            self._late = lines
        else:
            self._write(lines, keep=False)

    def print(self, lines: Sequence[Text]) -> None:
        """Write lines that stay, in the place of those that were drawn last."""
        self._write(lines, keep=True)

    def keep(self) -> None:
        """Leave what was drawn last where it is, and the terminal as it was."""
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
        # At once: a terminal that shows half of it would flicker.
        self._console.file.write(self._erase(width) + captured.get())
        self._console.file.flush()
        self._drawn = [] if keep else [min(line.cell_len, width) for line in lines]

    def _erase(self, width: int) -> str:
        """Return what erases the lines drawn last; a terminal made narrower since then has wrapped them, as most do."""
        rows = sum(-(-cells // (width + 1)) or 1 for cells in self._drawn) if _wraps() else len(self._drawn)
        return _UP_AND_ERASE.format(rows) if rows else ""


def _wraps() -> bool:
    """Whether the terminal wraps anew what is on it when it is made narrower: all do but xterm, screen and Linux's."""
    cuts = os.environ.get("XTERM_VERSION") or os.environ.get("STY") or os.environ.get("TERM") == "linux"
    return bool(os.environ.get("TMUX")) or not cuts
