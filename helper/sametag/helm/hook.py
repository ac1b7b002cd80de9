"""What Helm runs as a step of its own beside a release's objects, as its record of a revision tells."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

#: What runs to completion; the ServiceAccount or the ConfigMap that comes with it does not.
RUNS = ("Job", "Pod")

# Helm's default. Source: https://helm.sh/docs/topics/charts_hooks/#hook-deletion-policies
_DEFAULT_POLICY = ("before-hook-creation",)


@dataclass(frozen=True, slots=True)
class Hook:
    """A hook of one revision.

    Attributes:
        kind: Its object's kind.
        name: Its object's name.
        events: When Helm creates it, such as `pre-upgrade`.
        manifest: Its object, as Helm rendered it.
        policies: When Helm deletes its object again.
        began: When it was last created, by the clock of the Helm that did it; None where it never was.
        ended: When it had ended, by the same clock; None where it has not, or never was.
        phase: How that ended: Succeeded, Failed, or Running or Unknown where nobody has seen its end.
    """

    kind: str
    name: str
    events: tuple[str, ...]
    manifest: str = ""
    policies: tuple[str, ...] = _DEFAULT_POLICY
    began: datetime | None = None
    ended: datetime | None = None
    phase: str = ""

    @property
    def runs(self) -> bool:
        """Whether it is a step that does something, and not what such a step needs."""
        return self.kind in RUNS

    @property
    def succeeded(self) -> bool:
        """Whether it did its work."""
        return self.phase == "Succeeded"

    def at(self, events: Iterable[str]) -> tuple[str, ...]:
        """Return those of these events at which Helm runs it."""
        wanted = set(events)
        return tuple(event for event in self.events if event in wanted)

    def __str__(self) -> str:
        return f"{self.kind} {self.name} ({', '.join(self.events)})"


def hooks_of(record: dict[str, Any]) -> list[Hook]:
    """Return the hooks of what Helm has stored. Source: helm.sh/helm/v4/pkg/release/v1, Hook."""
    return [_hook(entry) for entry in record.get("hooks") or ()]


def _hook(entry: dict[str, Any]) -> Hook:
    last = entry.get("last_run") or {}
    return Hook(
        kind=str(entry.get("kind", "")),
        name=str(entry.get("name", "")),
        events=tuple(entry.get("events") or ()),
        manifest=str(entry.get("manifest") or ""),
        policies=tuple(entry.get("delete_policies") or _DEFAULT_POLICY),
        began=_time(last.get("started_at")),
        ended=_time(last.get("completed_at")),
        phase=str(last.get("phase") or ""),
    )


def _time(text: str | None) -> datetime | None:
    """Read a time of Go's, whose zero means never."""
    if not text or text.startswith("0001-"):
        return None
    return datetime.fromisoformat(text)
