"""Whether a terminal shows what is typed: in the middle of a picture, Enter would move it by a line."""

from __future__ import annotations

import os
import termios
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing import TextIO

_LOCAL_MODES = 3  # of what tcgetattr returns


class Echo:
    """The echo of a terminal; without a terminal nothing happens.

    Ctrl-C works as before. A shell restores the terminal of a program that was killed.
    """

    def __init__(self, stream: TextIO) -> None:
        self._terminal = stream.fileno() if stream.isatty() else -1
        self._before: list[Any] | None = None

    def off(self) -> None:
        """Show nothing of what is typed from now on; the next program that reads gets it all the same."""
        if self._before is not None or not self._is_ours():
            return
        with suppress(termios.error):  # it has gone
            modes = termios.tcgetattr(self._terminal)
            self._before = list(modes)
            modes[_LOCAL_MODES] &= ~termios.ECHO
            termios.tcsetattr(self._terminal, termios.TCSANOW, modes)

    def restore(self) -> None:
        """Make the terminal what it was."""
        if self._before is None or not self._is_ours():
            return
        with suppress(termios.error):
            termios.tcsetattr(self._terminal, termios.TCSANOW, self._before)
            self._before = None

    def _is_ours(self) -> bool:
        """Whether we are in its foreground: a terminal stops who changes it from the background."""
        try:
            return self._terminal >= 0 and os.tcgetpgrp(self._terminal) == os.getpgrp()
        except OSError:  # closed, or not the one that controls us
            return False
