"""The Jobs that Helm runs as steps of a release of their own, such as a migration of a database."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sametag.release import Revision

# What runs to completion; the ServiceAccount or the ConfigMap that comes with it does not.
_RUN = ("Job", "Pod")

_UPGRADE = ("pre-install", "post-install", "pre-upgrade", "post-upgrade")

#: The events of Helm's hooks by action.
EVENTS = {
    "install": ("pre-install", "post-install"),
    "upgrade": ("pre-upgrade", "post-upgrade"),
    "rollback": ("pre-rollback", "post-rollback"),
}


class Hook(NamedTuple):
    """What Helm runs: its kind and name, and at which events."""

    kind: str
    name: str
    events: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.kind} {self.name} ({', '.join(self.events)})"


def hooks(revision: Revision, events: Iterable[str]) -> list[Hook]:
    """Return what Helm runs for a revision at these events, in no order."""
    wanted = set(events)
    return [
        Hook(hook["kind"], hook["name"], at)
        for hook in revision.record.get("hooks") or ()
        if hook["kind"] in _RUN and (at := tuple(event for event in hook["events"] if event in wanted))
    ]


def crossed(history: Sequence[Revision], to: Revision) -> dict[Hook, list[int]]:
    """Return what ran with the revisions after `to`, which going back to it does not undo, with their numbers.

    A revision that a rollback made has a copy of the hooks that ran before it, and none of them ran again.
    """
    found: dict[Hook, list[int]] = {}
    for revision in history:
        if revision.number > to.number and not _made_by_rollback(revision):
            for hook in hooks(revision, _UPGRADE):
                found.setdefault(hook, []).append(revision.number)
    return found


def _made_by_rollback(revision: Revision) -> bool:
    return revision.description.startswith("Rollback ")
