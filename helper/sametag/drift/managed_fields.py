"""Who changed which field of an object, from the API server's own bookkeeping: metadata.managedFields.

Source: https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management; FieldsV1 is described in
sigs.k8s.io/structured-merge-diff
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from sametag.drift.compare import BOOKKEEPING
from sametag.kube.api import HELM
from sametag.kube.objects import keyed, merge_key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sametag.kube.objects import Object, Path

# kubectl, kubectl-set, kubectl-edit, …: changed by a person's hand, not by a controller that will do it again.
_BY_HAND = "kubectl"

# They change what is theirs, and will do it again. Argo CD and Flux are none of them: they deploy what they find in a
# repository, over what Helm has deployed.
_CONTROLLER = re.compile(r"controller|operator|autoscaler|injector|webhook|^keda|^vpa")
_GITOPS = re.compile(r"^(argocd|kustomize|helm|flux)")

# Where the manifest has no number of replicas, it is an autoscaler's or a person's to set; taken out, it would be one.
# Where the manifest has it, Helm sets it.
_REPLICAS = ("spec", "replicas")


class Owner(NamedTuple):
    """Who changed a field: the manager, such as `kubectl-set`, and when; a scale does not say when."""

    manager: str
    time: datetime | None

    def __str__(self) -> str:
        return f"{self.manager} at {self.time.astimezone():%Y-%m-%d %H:%M:%S}" if self.time else self.manager


def entries(item: Object) -> list[dict[str, Any]]:
    """Return who changed an object, without those who only report its status."""
    found = item.get("metadata", {}).get("managedFields") or ()
    return [entry for entry in found if entry.get("subresource") != "status"]


def touched(item: Object) -> bool:
    """Whether somebody other than Helm changed the object."""
    return any(entry["manager"] != HELM for entry in entries(item))


def owner_of(item: Object, path: Path) -> Owner | None:
    """Return who, other than Helm, changed what is at this path or in it; None where nobody did."""
    for entry in entries(item):
        if entry["manager"] != HELM and any(
            _overlap(path, changed) for changed in _paths(entry.get("fieldsV1") or {}, item)
        ):
            time = entry.get("time")
            return Owner(entry["manager"], datetime.fromisoformat(time) if time else None)
    return None


def is_controller(manager: str) -> bool:
    """Whether a manager is a controller, to which the fields belong that it sets."""
    return bool(_CONTROLLER.search(manager)) and not _GITOPS.search(manager)


def _overlap(one: Path, other: Path) -> bool:
    return all(a == b for a, b in zip(one, other, strict=False))


def by_hand(item: Object) -> list[Path]:
    """Return the paths that kubectl changed, without what it keeps there for itself."""
    found = dict.fromkeys(path for entry in _hands(item) for path in _own(entry, item))
    return [path for path in found if path != _REPLICAS]


def _hands(item: Object) -> list[dict[str, Any]]:
    """Return what kubectl changed; a restart alone is no change."""
    return [entry for entry in entries(item) if entry["manager"].startswith(_BY_HAND) and _own(entry, item)]


def _own(entry: dict[str, Any], item: Object) -> list[Path]:
    return [path for path in _paths(entry.get("fieldsV1") or {}, item) if path[-1] not in BOOKKEEPING]


def _paths(fields: dict[str, Any], item: Any, path: Path = ()) -> Iterator[Path]:
    """Yield the path of every field in a FieldsV1 that is still in the object; `.` is the map or list itself."""
    deeper = {name: below for name, below in fields.items() if name != "."}
    if "." in fields and isinstance(item, dict) and path and path[-1].startswith("["):
        yield path  # the whole item of a list came from here
        return
    if not deeper and path:
        yield path
    for name, below in deeper.items():
        step = _step(name, item, path)
        if step is not None:
            yield from _paths(below, step[1], (*path, step[0]))


def _step(name: str, item: Any, path: Path) -> tuple[str, Any] | None:
    """Return the next part of the path, and what is there; None where it is gone, or is an item of a set."""
    kind, _, rest = name.partition(":")
    if kind == "f" and isinstance(item, dict) and rest in item:
        return rest, item[rest]
    if kind == "k" and isinstance(item, list) and (key := merge_key(path[-1], item)):
        wanted: dict[str, Any] = json.loads(rest)
        for part, one in keyed(path[-1], item, key).items():
            if all(one.get(field, value) == value for field, value in wanted.items()):
                return part, one
    return None


def out_of_hands(item: Object, *, to_helm: bool) -> list[dict[str, Any]] | None:
    """Return the managedFields without kubectl's; None where it has none, or Helm has not applied the object.

    Args:
        item: The object.
        to_helm: Whether Helm becomes the owner of what kubectl changed: its next server-side apply then removes what it
            does not mention, in the same step in which it changes the rest. This is how client-go moves fields to a new
            owner (k8s.io/client-go/util/csaupgrade). Else nobody owns it.
    """
    hands = _hands(item)
    rest = [entry for entry in item.get("metadata", {}).get("managedFields") or [] if entry not in hands]
    if not hands or not to_helm:
        return rest if hands else None
    ours = next((entry for entry in rest if entry["manager"] == HELM and entry["operation"] == "Apply"), None)
    if ours is None:
        return None
    fields = ours["fieldsV1"]
    for entry in hands:
        fields = _union(fields, without_replicas(entry.get("fieldsV1") or {}))
    return [{**ours, "fieldsV1": fields}, *(entry for entry in rest if entry is not ours)]


def is_autoscalers(manager: str) -> bool:
    """Whether a manager that has scaled a workload is a controller, and not a person with kubectl."""
    return manager != HELM and not manager.startswith(_BY_HAND)


def without_replicas(fields: dict[str, Any]) -> dict[str, Any]:
    """Return a FieldsV1 without the number of replicas."""
    spec = {name: below for name, below in (fields.get("f:spec") or {}).items() if name != "f:replicas"}
    return {**fields, "f:spec": spec} if spec else {name: below for name, below in fields.items() if name != "f:spec"}


def _union(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    return {**one, **{name: _union(one.get(name, {}), below) for name, below in other.items()}}
