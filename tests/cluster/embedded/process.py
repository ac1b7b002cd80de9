"""Processes that are started, watched, written down, and ended: also those of a starter that was killed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_POLL = 0.05


class StartError(Exception):
    """Something did not start; the message names its log and its last words."""


@dataclass(frozen=True, slots=True)
class Identity:
    """One process for ever: a number alone may be somebody else's later.

    Attributes:
        pid: The number.
        began: Field 22 of /proc/PID/stat, clock ticks since boot. Source: proc(5)
    """

    pid: int
    began: str

    @classmethod
    def of(cls, pid: int) -> Identity | None:
        """Return the identity of a process that runs; None where it does not."""
        try:
            text = Path(f"/proc/{pid}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return None
        # The second field is the name in brackets, and may hold blanks.
        fields = text.rpartition(")")[2].split()
        return None if fields[0] in "ZX" else cls(pid, fields[19])

    @property
    def alive(self) -> bool:
        """Whether this very process still runs."""
        return Identity.of(self.pid) == self


def end(identities: Sequence[Identity], grace: float = 10) -> None:
    """End processes: SIGTERM, and SIGKILL after the grace."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        for identity in identities:
            if identity.alive:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(identity.pid, number)
        until = time.monotonic() + grace
        while any(identity.alive for identity in identities):
            _reap()
            if time.monotonic() > until:
                break
            time.sleep(_POLL)
        else:
            return


def _reap() -> None:
    """Collect ended children, or they stay in the table of processes."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass


@dataclass(slots=True)
class Component:
    """One long-running program.

    Attributes:
        name: Of the component; its log is NAME.log.
        command: The program and its arguments.
        healthy: Whether it can do its work; asked until it is.
        folder: Where the log goes.
        environment: Added to ours.
    """

    name: str
    command: Sequence[str]
    healthy: Callable[[], bool]
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    identity: Identity | None = None

    @property
    def log(self) -> Path:
        """The file that it writes to."""
        return self.folder / f"{self.name}.log"

    def start(self) -> None:
        """Start it, without waiting."""
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **self.environment},
                start_new_session=True,
            )
        # The identity is what we keep; Popen must not warn that it still runs.
        process.returncode = 0
        self.identity = Identity.of(process.pid)

    def wait(self, until: float) -> None:
        """Wait for health, exit or the time `until` (monotonic seconds), whichever comes first.

        Raises:
            StartError: It ended, or the time passed.
        """
        while not self.healthy():
            if self.identity is None or not self.identity.alive:
                raise StartError(f"{self.name} ended{self._last_words()}")
            if time.monotonic() > until:
                raise StartError(f"{self.name} did not become healthy in time{self._last_words()}")
            time.sleep(_POLL)

    def stop(self, grace: float = 10) -> None:
        """End it."""
        if self.identity is not None:
            end([self.identity], grace)
            self.identity = None

    def _last_words(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()[-5:] if self.log.exists() else []
        return "".join(f"\n  {line}" for line in [f"its log: {self.log}", *lines])
