"""Helm runs only while its client runs: a stopped client can neither renew its lease nor stop its Helm."""

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

# How long the watchdog may take to end.
_END = 2.0


def elapsed() -> float:
    """Return seconds, monotonic; they include the time in which the machine slept."""
    return time.clock_gettime(watchdog.CLOCK)


class Leash:
    """Tells a watchdog that this client is alive, and which Helms it runs; see `leash`.

    Args:
        write: Called with each line for the watchdog.
        clock: Returns seconds, as `elapsed`.
    """

    def __init__(self, write: Callable[[bytes], None], clock: Callable[[], float] = elapsed) -> None:
        self._write = write
        self._clock = clock
        self._groups: set[int] = set()
        self._beaten = clock()
        self._unsure_since = 0.0

    @contextlib.contextmanager
    def on(self, group: int) -> Iterator[None]:
        """While the block runs, the watchdog stops a process group when this client is stopped."""
        self._groups.add(group)
        self._tell()
        try:
            yield
        finally:
            self._groups.discard(group)
            self._tell()

    def beat(self, renewed: float) -> None:
        """Tell the watchdog that this client is alive; after a gap, only once the lease is known to be still ours.

        Args:
            renewed: When the last successful renewal of the lease began, by the same clock.
        """
        now = self._clock()
        if now - self._beaten > watchdog.LIMIT:
            # We were stopped from about the last beat until about now: only a later renewal proves the lease ours.
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
    """Run a watchdog while the block runs."""
    # Isolated and without site, it starts in a few milliseconds; it needs none of our modules.
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
            raise AssertionError  # stdin is a pipe
        os.set_blocking(pipe.fileno(), False)

        def write(line: bytes) -> None:
            # The watchdog was killed or is stopped: Helm runs on without it.
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
