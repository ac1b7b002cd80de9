"""Tell the reader, and whoever else listens, of a rollout: what happens, and how it ends."""

from __future__ import annotations

import os
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from sametag.errors import InterruptedByUserError, SametagError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator, Sequence

    from sametag.deploy import Event, Outcome
    from sametag.output.listener import End, Listener


class Told:
    """Passes each event on to every listener; `outcome` is None until, and after a dry run when, all went well."""

    def __init__(self, listeners: Sequence[Listener]) -> None:
        self._listeners = listeners
        self.outcome: Outcome | None = None

    def __call__(self, event: Event) -> None:
        """Pass on an event."""
        for listener in self._listeners:
            listener(event)


@contextmanager
def telling(arguments: argparse.Namespace) -> Iterator[Told]:
    """Give what a deployment reports to, and tell every listener how it ended, whatever the end is.

    Args:
        arguments: The command's; `format` and `report` choose the outputs.
    """
    from sametag.output.listener import End

    began = time.monotonic()
    listeners = _listeners(arguments)
    told = Told(listeners)
    error: SametagError | None = None
    try:
        yield told
    except SametagError as refused:
        error = refused
        raise
    except KeyboardInterrupt:
        error = interrupted(arguments)
        raise error from None
    except Exception as bug:
        error = SametagError(f"a bug: {type(bug).__name__}: {bug}")
        raise
    finally:
        end = End(arguments.command, arguments.release, time.monotonic() - began, told.outcome, error)
        for listener in listeners:
            _end(listener, end)


def _end(listener: Listener, end: End) -> None:
    try:
        listener.end(end)
    except OSError as failed:
        # A report that cannot be written (a full disk, say) must not hide how the rollout ended.
        print(f"sametag: warning: cannot write {failed.filename or 'the report'}: {failed.strerror}", file=sys.stderr)


def interrupted(arguments: argparse.Namespace) -> InterruptedByUserError:
    """Return the error of a command that the user stopped."""
    release = getattr(arguments, "release", None)
    return InterruptedByUserError(
        "interrupted", f"sametag history {release} says what state it is in" if release else None
    )


def _listeners(arguments: argparse.Namespace) -> list[Listener]:
    if arguments.report is None:
        return [listener(arguments.format)]
    from sametag.output.report import Report

    return [listener(arguments.format), Report(arguments.report)]


def listener(style: str) -> Listener:
    """Return who tells the reader, in the `--format` chosen and as the terminal can."""
    if style == "json":
        from sametag.output.stream import JsonStream

        return JsonStream(writer(sys.stdout))
    if redraws(sys.stderr):
        from sametag.output.live import Live

        return Live(sys.stderr, writer(sys.stdout))
    from sametag.output.lines import ProgressLines

    return ProgressLines(writer(sys.stderr), writer(sys.stdout))


def redraws(stream: TextIO) -> bool:
    """Whether lines can be drawn again in their place, and somebody is there to see it."""
    return stream.isatty() and os.environ.get("TERM", "dumb") != "dumb" and not os.environ.get("CI")


def writer(stream: TextIO) -> Callable[[str], None]:
    """Return what writes a line; a reader that goes away (head, say) must not end a rollout half-way."""

    def write(line: str) -> None:
        try:
            print(line, file=stream, flush=True)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())

    return write
