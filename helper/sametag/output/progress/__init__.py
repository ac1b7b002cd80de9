"""How a rollout is shown while it happens.

Every output is a `Listener` and gets the same: each `Event` of deploy, then one `End`. `ProgressLines` writes a line
for each change, `Live` redraws a terminal with `frame`, `JsonStream` writes `Documents`, one per line.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from sametag.deploy import Event, Outcome
    from sametag.deploy.events import Verb
    from sametag.errors import SametagError


@dataclass(frozen=True, slots=True)
class End:
    """How a command ended: with an outcome, with an error, or with neither, which is a dry run.

    Attributes:
        command: `install`, `upgrade` or `rollback`.
        release: The release's name.
        seconds: How long the command took.
        outcome: What is true after the command.
        error: Why it failed.
    """

    command: Verb
    release: str
    seconds: float
    outcome: Outcome | None = None
    error: SametagError | None = None


class Listener(Protocol):
    """Gets each event as it happens, then the end."""

    def __call__(self, event: Event) -> None:
        """Handle an event."""

    def end(self, end: End) -> None:
        """Handle the end; nothing comes after it."""
