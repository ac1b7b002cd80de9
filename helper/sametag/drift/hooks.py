"""Which hooks a change of a release would run, and which a rollback does not undo: a migration of a database, say."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sametag.chart.manifest import parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sametag.helm import Hook, Revision
    from sametag.kube.objects import Key, Object

_UPGRADE = ("pre-install", "post-install", "pre-upgrade", "post-upgrade")

#: The events of Helm's hooks by action.
EVENTS = {
    "install": ("pre-install", "post-install"),
    "upgrade": ("pre-upgrade", "post-upgrade"),
    "rollback": ("pre-rollback", "post-rollback"),
}


def hooks(revision: Revision, events: Iterable[str]) -> list[Hook]:
    """Return what Helm runs for a revision at these events, in no order."""
    events = tuple(events)
    return [replace(hook, events=at) for hook in revision.hooks if hook.runs and (at := hook.at(events))]


def objects_of_hooks(revision: Revision, events: Iterable[str], namespace: str) -> dict[Key, Object]:
    """Return every object that Helm creates for a revision at these events, whether it runs or comes with what runs."""
    events = tuple(events)
    manifests = [parse(hook.manifest, namespace) for hook in revision.hooks if hook.at(events)]
    return {key: item for objects in manifests for key, item in objects.items()}


def crossed(history: Sequence[Revision], number: int) -> dict[str, list[Revision]]:
    """Return the hooks that did their work in revisions after this number, which going back to it does not undo.

    A revision that failed later counts: its migration ran. One that Helm did not run, or that failed, does not.
    """
    found: dict[str, list[Revision]] = {}
    for revision in history:
        if revision.number <= number or revision.made_by_rollback:
            continue
        for hook in revision.hooks:
            if hook.runs and hook.succeeded and hook.at(_UPGRADE) and revision.ran(hook):
                found.setdefault(str(hook), []).append(revision)
    return found
