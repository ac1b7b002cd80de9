"""Who is told of a rollout: each output is a listener, and hears the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from sametag.deploy import Event, Outcome
    from sametag.errors import SametagError


@dataclass(frozen=True, slots=True)
class End:
    """How a command ended: with an outcome, with an error, or with neither, which is a dry run.

    Attributes:
        command: `install`, `upgrade` or `rollback`.
        release: The release's name.
        seconds: How long the command took.
        outcome: What is true now.
        error: Why it failed.
    """

    command: str
    release: str
    seconds: float
    outcome: Outcome | None = None
    error: SametagError | None = None


class Listener(Protocol):
    """Hears each event as it happens, and once the end, whatever the end is."""

    def __call__(self, event: Event) -> None:
        """Take in an event."""

    def end(self, end: End) -> None:
        """Take in how it ended; nothing comes after it."""
