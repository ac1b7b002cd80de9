"""Show what runs for a release: once, or again and again."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import TYPE_CHECKING

from sametag.cli.telling import redraws, writer
from sametag.output.status import status_json, status_lines

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from sametag.deploy import Status


class Shower:
    """Shows one status after the other; `as_released` is the last one's.

    Args:
        draw: Called with each.
    """

    def __init__(self, draw: Callable[[Status], None]) -> None:
        self._draw = draw
        self.as_released = True

    def __call__(self, status: Status) -> None:
        """Show a status."""
        self.as_released = status.as_released
        self._draw(status)


def shower(arguments: argparse.Namespace) -> Shower:
    """Return what shows statuses: as JSON, in place on a terminal, or one below the other."""
    write, watch = writer(sys.stdout), arguments.watch
    if arguments.output == "json":
        return Shower(lambda status: write(status_json(status, indent=None if watch else 2)))
    if watch and redraws(sys.stdout):
        return Shower(_redrawing())

    def below(status: Status) -> None:
        if watch:
            write(f"{datetime.now().astimezone():%H:%M:%S}")
        write("\n".join(status_lines(status)))

    return Shower(below)


def _redrawing() -> Callable[[Status], None]:
    from rich.text import Text

    from sametag.output.screen import Screen

    screen = Screen(sys.stdout)

    def draw(status: Status) -> None:
        lines, (_, height) = list(status_lines(status)), screen.size
        if len(lines) > height:
            lines = [*lines[: height - 1], f"(and {len(lines) - height + 1} lines more)"]
        screen.draw([Text(line) for line in lines])

    return draw
