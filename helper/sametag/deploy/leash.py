"""Helm at work only while its client is: a client that is stopped cannot renew its lease, nor stop its Helm."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from sametag.deploy import watchdog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: Seconds between two lines for the watchdog.
BEAT = 1.0

# How long a watchdog takes to end, at most.
_END = 2.0


def elapsed() -> float:
    """Return seconds from anywhere, those in which the machine slept included."""
    return time.clock_gettime(watchdog.CLOCK)


class Leash:
    """Tells a watchdog which Helms are at work, and that we are; see `leash`.

    Args:
        write: Called with each line for the watchdog.
        clock: Seconds from anywhere, as `elapsed`.
    """

    def __init__(self, write: Callable[[bytes], None], clock: Callable[[], float] = elapsed) -> None:
        self._write = write
        self._clock = clock
        self._groups: set[int] = set()
        self._beaten = clock()
        self._unsure_since = 0.0

    @contextlib.contextmanager
    def on(self, group: int) -> Iterator[None]:
        """Have a process group stopped with us while the block runs."""
        self._groups.add(group)
        self._tell()
        try:
            yield
        finally:
            self._groups.discard(group)
            self._tell()

    def beat(self, renewed: float) -> None:
        """Say that we are at work. After a gap, only once the lease is known to be ours still.

        Args:
            renewed: When the newest renewal of the lease that succeeded began, by the same clock.
        """
        now = self._clock()
        if now - self._beaten > watchdog.LIMIT:
            # We were stopped from about the last beat until about now: a renewal that began in between is a new one.
            self._unsure_since = self._beaten + watchdog.LIMIT / 2
        self._beaten = now
        if renewed >= self._unsure_since:
            self._unsure_since = 0.0
            self._tell()

    def _tell(self) -> None:
        if not self._unsure_since:
            self._write(f"{' '.join(map(str, sorted(self._groups)))}\n".encode())


@contextlib.contextmanager
def leash() -> Iterator[Leash]:
    """Have a watchdog while the block runs."""
    # Isolated and without site: it starts in a few milliseconds, and needs nothing of ours.
    with subprocess.Popen(
        [sys.executable, "-I", "-S", watchdog.__file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        bufsize=0,
    ) as process:
        pipe = process.stdin
        if pipe is None:
            raise AssertionError  # it was asked for
        os.set_blocking(pipe.fileno(), False)

        def write(line: bytes) -> None:
            # One that was killed, or is stopped: Helm goes on, as it does without any.
            with contextlib.suppress(OSError):
                os.write(pipe.fileno(), line)

        try:
            yield Leash(write)
        finally:
            pipe.close()
            try:
                process.wait(_END)
            except subprocess.TimeoutExpired:
                process.kill()
