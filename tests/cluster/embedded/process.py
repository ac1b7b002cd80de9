"""Processes that are started, watched, written down, and ended: also those of a starter that was killed."""

from __future__ import annotations

import contextlib
import os
import signal
import ssl
import subprocess
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

_POLL = 0.05
_LAST_LINES = 5

# A component's own certificate is made by itself, and what it says on loopback is not worth a chain of trust.
_TLS = ssl.create_default_context()
_TLS.check_hostname = False
_TLS.verify_mode = ssl.CERT_NONE


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
    """End processes: SIGTERM, and SIGKILL after the grace (seconds)."""
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
    """One long-running program: all that another process needs to stop it and to start it again.

    Attributes:
        name: Of the component; its log is NAME.log.
        command: The program and its arguments.
        health: A URL that answers 200 once it can do its work; unix://PATH for containerd.
        folder: Where the log goes.
        identity: Of its process; None where it was not started, or was stopped.
    """

    name: str
    command: Sequence[str]
    health: str
    folder: Path
    identity: Identity | None = None

    @property
    def log(self) -> Path:
        """The file that it writes to."""
        return self.folder / f"{self.name}.log"

    @property
    def alive(self) -> bool:
        """Whether its process runs."""
        return self.identity is not None and self.identity.alive

    def start(self) -> None:
        """Start it, without waiting."""
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                self.command,
                # Memory for time: a test machine has few cores.
                env={"GOGC": "400", **os.environ},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
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
        while not (self.answers() and self.alive):
            if not self.alive:
                raise StartError(f"{self.name} ended{self._last_words()}")
            if time.monotonic() > until:
                raise StartError(f"{self.name} did not become healthy in time{self._last_words()}")
            time.sleep(_POLL)

    def answers(self) -> bool:
        """Whether it can do its work now."""
        if self.health.startswith("unix://"):
            command = ["ctr", "--address", self.health.removeprefix("unix://"), "version"]
            return subprocess.run(command, capture_output=True, check=False).returncode == 0
        try:
            with urllib.request.urlopen(self.health, timeout=2, context=_TLS) as response:  # noqa: S310 - our own process
                return bool(response.status == 200)
        except OSError:
            return False

    def stop(self, grace: float = 10) -> None:
        """End it; with no grace (seconds), as a crash does."""
        if self.identity is not None:
            end([self.identity], grace)
            self.identity = None

    def as_json(self) -> dict[str, Any]:
        """Return what `of_json` reads."""
        process = self.identity and [self.identity.pid, self.identity.began]
        return {"name": self.name, "command": [*self.command], "health": self.health, "process": process}

    @classmethod
    def of_json(cls, document: dict[str, Any], folder: Path) -> Component:
        """Return the component that `as_json` described."""
        process = document["process"]
        identity = Identity(*process) if process else None
        return cls(document["name"], document["command"], document["health"], folder, identity)

    def _last_words(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()[-_LAST_LINES:] if self.log.exists() else []
        return "".join(f"\n  {line}" for line in [f"its log: {self.log}", *lines])
