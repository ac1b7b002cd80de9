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
    from sametag.output.progress.listener import End, Listener


class Told:
    """Passes each event on to every listener; `outcome` is None until, and after a dry run when, all went well.

    A listener that fails is told of nothing more: a bug in what is shown ends no rollout.
    """

    def __init__(self, listeners: Sequence[Listener]) -> None:
        self._listeners = list(listeners)
        self.outcome: Outcome | None = None

    def __call__(self, event: Event) -> None:
        """Pass on an event; problems of the values go to standard error, whatever the output is."""
        from sametag.cli.validate import print_problems
        from sametag.deploy import Problems

        if isinstance(event, Problems):
            print_problems(event.problems)
        self._tell(lambda listener: listener(event))

    def end(self, end: End) -> None:
        """Pass on how it ended."""
        self._tell(lambda listener: listener.end(end))

    def _tell(self, tell: Callable[[Listener], None]) -> None:
        for listener in list(self._listeners):
            try:
                tell(listener)
            except OSError as failed:
                # A report that cannot be written (a full disk, say) must not hide how the rollout ended.
                name, why = failed.filename or "the report", failed.strerror or failed
                print(f"sametag: warning: cannot write {name}: {why}", file=sys.stderr)
                self._listeners.remove(listener)
            except Exception:  # noqa: BLE001 - whatever it is, the rollout goes on
                import traceback

                traceback.print_exc()
                print("sametag: warning: this is a bug in what is shown; the rollout goes on", file=sys.stderr)
                self._listeners.remove(listener)


@contextmanager
def telling(arguments: argparse.Namespace) -> Iterator[Told]:
    """Give what a deployment reports to, and tell every listener how it ended, whatever the end is.

    Args:
        arguments: The command's; `output` and `report` choose the outputs.
    """
    from sametag.output.progress.listener import End

    began = time.monotonic()
    told = Told(_listeners(arguments))
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
        told.end(End(arguments.command, arguments.release, time.monotonic() - began, told.outcome, error))


def interrupted(arguments: argparse.Namespace) -> InterruptedByUserError:
    """Return the error of a command that the user stopped."""
    release = getattr(arguments, "release", None)
    return InterruptedByUserError(
        "interrupted", f"sametag history {release} says what state it is in" if release else None
    )


def _listeners(arguments: argparse.Namespace) -> list[Listener]:
    if arguments.report is None:
        return [listener(arguments.output)]
    from sametag.output.report import Report

    return [listener(arguments.output), Report(arguments.report)]


def listener(style: str) -> Listener:
    """Return who tells the reader, in the `--output` chosen and as the terminal can."""
    if style == "json":
        from sametag.output.progress.json_lines import JsonStream

        return JsonStream(writer(sys.stdout))
    if redraws(sys.stderr):
        from sametag.output.progress.live import Live

        return Live(sys.stderr, writer(sys.stdout))
    from sametag.output.progress.lines import ProgressLines

    return ProgressLines(writer(sys.stderr), writer(sys.stdout))


def redraws(stream: TextIO) -> bool:
    """Whether lines can be drawn again in their place, and somebody is there to see it."""
    return stream.isatty() and os.environ.get("TERM", "dumb") != "dumb" and not os.environ.get("CI")


def writer(stream: TextIO) -> Callable[[str], None]:
    """Return what writes a line."""
    return lambda line: print(line, file=stream, flush=True)
