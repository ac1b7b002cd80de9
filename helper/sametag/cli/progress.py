"""Show a rollout while it happens, and what runs, once or with --watch."""

from __future__ import annotations

import os
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from sametag.errors import InterruptedByUserError, SametagError
from sametag.output.outlet import Outlet

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator, Sequence

    from sametag.deploy import Event, Outcome, Status
    from sametag.output.progress import End, Listener


class Broadcast:
    """Passes each event on to every listener; `outcome` is the result, None before the end and for a dry run.

    A listener that fails gets no more events: a bug in the output does not end a rollout.
    """

    def __init__(self, listeners: Sequence[Listener]) -> None:
        self._listeners = list(listeners)
        self.outcome: Outcome | None = None

    def __call__(self, event: Event) -> None:
        """Pass on an event; problems of the values go to standard error with every `--output`."""
        from sametag.cli.validate import print_problems
        from sametag.deploy import Problems

        if isinstance(event, Problems):
            print_problems(event.problems)
        self._each(lambda listener: listener(event))

    def end(self, end: End) -> None:
        """Pass on the end."""
        self._each(lambda listener: listener.end(end))

    def _each(self, call: Callable[[Listener], None]) -> None:
        for listener in list(self._listeners):
            try:
                call(listener)
            except OSError as failed:
                # A report that cannot be written (a full disk, say) must not hide how the rollout ended.
                name, why = failed.filename or "the report", failed.strerror or failed
                print(f"sametag: warning: cannot write {name}: {why}", file=sys.stderr)
                self._listeners.remove(listener)
            except Exception:  # noqa: BLE001 - whatever it is, the rollout goes on
                import traceback

                traceback.print_exc()
                print("sametag: warning: a bug in the output (see above); the rollout continues", file=sys.stderr)
                self._listeners.remove(listener)


@contextmanager
def reporting(arguments: argparse.Namespace) -> Iterator[Broadcast]:
    """Yield what a deployment reports to; every listener gets the end, on success and on failure.

    Args:
        arguments: The command line; `output` and `report` choose the listeners.
    """
    from sametag.output.progress import End

    began = time.monotonic()
    broadcast = Broadcast(_listeners(arguments))
    error: SametagError | None = None
    try:
        yield broadcast
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
        broadcast.end(End(arguments.command, arguments.release, time.monotonic() - began, broadcast.outcome, error))


def interrupted(arguments: argparse.Namespace) -> InterruptedByUserError:
    """Return the error of a command that the user interrupted."""
    release = getattr(arguments, "release", None)
    return InterruptedByUserError("interrupted", f"sametag history {release} shows its state" if release else None)


def say_step(event: Event) -> None:
    """Print a step, and problems of the values; other events are not for this command."""
    from sametag.cli.validate import print_problems
    from sametag.deploy import Problems, Step

    if isinstance(event, Step):
        print(event, file=sys.stderr, flush=True)
    elif isinstance(event, Problems):
        print_problems(event.problems)


def _listeners(arguments: argparse.Namespace) -> list[Listener]:
    if arguments.report is None:
        return [listener(arguments.output)]
    from sametag.output.report import Report

    return [listener(arguments.output), Report(arguments.report)]


def listener(style: str) -> Listener:
    """Return the listener for an `--output`, and for what the terminal can do."""
    if style == "json":
        from sametag.output.progress.documents import JsonStream

        return JsonStream(writer(sys.stdout))
    if redraws(sys.stderr):
        from sametag.output.progress.live import Live

        return Live(sys.stderr, writer(sys.stdout))
    from sametag.output.progress.lines import ProgressLines

    return ProgressLines(writer(sys.stderr), writer(sys.stdout))


def redraws(stream: TextIO) -> bool:
    """Whether a stream is a terminal that can redraw lines, with somebody watching."""
    return stream.isatty() and os.environ.get("TERM", "dumb") != "dumb" and not os.environ.get("CI")


def writer(stream: TextIO) -> Callable[[str], None]:
    """Return a function that writes a line."""
    return lambda line: print(line, file=stream, flush=True)


class StatusPrinter:
    """Prints each status whose text differs from the last; `as_released` is that of the newest.

    Args:
        read: Turns a status into text.
        draw: Called with each text.
    """

    def __init__(self, read: Callable[[Status], str], draw: Callable[[str], None]) -> None:
        self._read = read
        self._draw = draw
        self._last = ""
        self.as_released = True

    def __call__(self, status: Status) -> None:
        """Print a status.

        Raises:
            BrokenPipeError: The reader has closed the pipe.
        """
        if isinstance(sys.stdout, Outlet) and isinstance(sys.stdout.failed, BrokenPipeError):
            raise sys.stdout.failed
        self.as_released = status.as_released
        text = self._read(status)
        if text != self._last:
            self._draw(text)
        self._last = text


@contextmanager
def status_printer(arguments: argparse.Namespace) -> Iterator[StatusPrinter]:
    """Yield the printer for `--output` and `--watch`: JSON, redrawn in place, or one below the other."""
    from sametag.output.status import status_json

    write, watch = writer(sys.stdout), arguments.watch
    if arguments.output == "json":
        yield StatusPrinter(lambda status: status_json(status, indent=None if watch else 2), write)
    elif watch and redraws(sys.stdout):
        with _redrawing() as draw:
            yield StatusPrinter(_status_text, draw)
    elif watch:
        yield StatusPrinter(_status_text, lambda text: write(f"{time.strftime('%H:%M:%S')}\n{text}"))
    else:
        yield StatusPrinter(_status_text, write)


def _status_text(status: Status) -> str:
    from sametag.output.status import status_lines

    return "\n".join(status_lines(status))


@contextmanager
def _redrawing() -> Iterator[Callable[[str], None]]:
    from rich.text import Text

    from sametag.output.progress.terminal import Screen

    screen = Screen(sys.stdout)

    def draw(text: str) -> None:
        lines, (_, height) = text.splitlines(), screen.size
        if len(lines) > height:
            lines = [*lines[: height - 1], f"(and {len(lines) - height + 1} more lines)"]
        screen.draw([Text(line) for line in lines])

    try:
        yield draw
    finally:
        screen.keep()
