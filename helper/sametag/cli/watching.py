"""Show what runs for a release: once, or again and again."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

from sametag.cli.progress import redraws, writer
from sametag.output.outlet import Outlet
from sametag.output.status import status_json, status_lines

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from sametag.deploy import Status


class Shower:
    """Shows one status after the other, but for one that reads as the last; `as_released` is the last one's.

    Args:
        read: Makes a status a text.
        draw: Called with each text.
    """

    def __init__(self, read: Callable[[Status], str], draw: Callable[[str], None]) -> None:
        self._read = read
        self._draw = draw
        self._last = ""
        self.as_released = True

    def __call__(self, status: Status) -> None:
        """Show a status.

        Raises:
            BrokenPipeError: Nobody reads any more.
        """
        if isinstance(sys.stdout, Outlet) and isinstance(sys.stdout.failed, BrokenPipeError):
            raise sys.stdout.failed
        self.as_released = status.as_released
        text = self._read(status)
        if text != self._last:
            self._draw(text)
        self._last = text


@contextmanager
def shower(arguments: argparse.Namespace) -> Iterator[Shower]:
    """Give what shows statuses: as JSON, in place on a terminal, or one below the other."""
    write, watch = writer(sys.stdout), arguments.watch
    if arguments.output == "json":
        yield Shower(lambda status: status_json(status, indent=None if watch else 2), write)
    elif watch and redraws(sys.stdout):
        with _redrawing() as draw:
            yield Shower(_text, draw)
    elif watch:
        yield Shower(_text, lambda text: write(f"{datetime.now().astimezone():%H:%M:%S}\n{text}"))
    else:
        yield Shower(_text, write)


def _text(status: Status) -> str:
    return "\n".join(status_lines(status))


@contextmanager
def _redrawing() -> Iterator[Callable[[str], None]]:
    from rich.text import Text

    from sametag.output.progress.terminal import Screen

    screen = Screen(sys.stdout)

    def draw(text: str) -> None:
        lines, (_, height) = text.splitlines(), screen.size
        if len(lines) > height:
            lines = [*lines[: height - 1], f"(and {len(lines) - height + 1} lines more)"]
        screen.draw([Text(line) for line in lines])

    try:
        yield draw
    finally:
        screen.keep()
