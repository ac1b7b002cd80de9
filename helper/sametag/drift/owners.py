"""Who changed which field of an object, by `metadata.managedFields`, and which GitOps tool deploys it, by its labels.

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
    from collections.abc import Iterable, Iterator

    from sametag.kube.objects import Object, Path

# kubectl, kubectl-set, kubectl-edit, …: a person, not a controller that would do it again.
_BY_HAND = "kubectl"

# Controllers own what they set, and would set it again. Argo CD and Flux are not among them: they deploy from a
# repository, over what Helm has deployed.
_CONTROLLER = re.compile(r"controller|operator|autoscaler|injector|webhook|^keda|^vpa")
_GITOPS = re.compile(r"^(argocd|kustomize|helm|flux)")

# If the manifest has no number of replicas, an autoscaler or a person sets it; the default is 1. If the
# manifest has it, Helm sets it.
_REPLICAS = ("spec", "replicas")


class Owner(NamedTuple):
    """Who changed a field.

    Attributes:
        manager: The field manager, such as `kubectl-set`.
        time: When; None if the API server does not record it, as for a scale.
    """

    manager: str
    time: datetime | None

    def __str__(self) -> str:
        return f"{self.manager} at {self.time.astimezone():%Y-%m-%d %H:%M:%S}" if self.time else self.manager


def _entries(item: Object) -> list[dict[str, Any]]:
    """Return the managedFields without those of the status."""
    entries = item.get("metadata", {}).get("managedFields") or ()
    return [entry for entry in entries if entry.get("subresource") != "status"]


def touched(item: Object) -> bool:
    """Whether somebody other than Helm changed the object."""
    return any(entry["manager"] != HELM for entry in _entries(item))


def owner_of(item: Object, path: Path) -> Owner | None:
    """Return who, other than Helm, changed what is at this path or below it; None if no one did."""
    for entry in _entries(item):
        if entry["manager"] != HELM and any(
            _overlap(path, changed) for changed in _paths(entry.get("fieldsV1") or {}, item)
        ):
            time = entry.get("time")
            return Owner(entry["manager"], datetime.fromisoformat(time) if time else None)
    return None


def is_controller(manager: str) -> bool:
    """Whether a manager is a controller, which owns the fields that it sets."""
    return bool(_CONTROLLER.search(manager)) and not _GITOPS.search(manager)


def _overlap(path: Path, other: Path) -> bool:
    return all(part == its for part, its in zip(path, other, strict=False))


def by_hand(item: Object) -> list[Path]:
    """Return the paths that kubectl changed, without its own bookkeeping and the number of replicas."""
    paths = dict.fromkeys(path for entry in _hands(item) for path in _own(entry, item))
    return [path for path in paths if path != _REPLICAS]


def _hands(item: Object) -> list[dict[str, Any]]:
    """Return kubectl's entries; a restart alone does not count."""
    return [entry for entry in _entries(item) if entry["manager"].startswith(_BY_HAND) and _own(entry, item)]


def _own(entry: dict[str, Any], item: Object) -> list[Path]:
    return [path for path in _paths(entry.get("fieldsV1") or {}, item) if path[-1] not in BOOKKEEPING]


def _paths(fields: dict[str, Any], item: Any, path: Path = ()) -> Iterator[Path]:
    """Yield the path of every field of a FieldsV1 that is still in the object; `.` is the map or list itself."""
    deeper = {name: below for name, below in fields.items() if name != "."}
    if "." in fields and isinstance(item, dict) and path and path[-1].startswith("["):
        yield path  # the manager has added the whole item of a list
        return
    if not deeper and path:
        yield path
    for name, below in deeper.items():
        step = _step(name, item, path)
        if step is not None:
            yield from _paths(below, step[1], (*path, step[0]))


def _step(name: str, item: Any, path: Path) -> tuple[str, Any] | None:
    """Return the next part of the path, and what is there; None if it is gone, or is an item of a set."""
    kind, _, rest = name.partition(":")
    if kind == "f" and isinstance(item, dict) and rest in item:
        return rest, item[rest]
    if kind == "k" and isinstance(item, list) and (key := merge_key(path[-1], item)):
        wanted: dict[str, Any] = json.loads(rest)
        for part, entry in keyed(path[-1], item, key).items():
            if all(entry.get(field, value) == value for field, value in wanted.items()):
                return part, entry
    return None


def out_of_hands(item: Object, *, to_helm: bool) -> list[dict[str, Any]] | None:
    """Return the managedFields without kubectl's; None if it has none, or Helm has not applied the object.

    Args:
        item: The object.
        to_helm: Whether Helm becomes the owner of what kubectl changed: its next server-side apply then removes what it
            does not mention, together with its other changes, as client-go moves fields to a new owner
            (k8s.io/client-go/util/csaupgrade). Otherwise nobody owns it.
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
    """Whether a manager that has scaled a workload is an autoscaler, not a person with kubectl."""
    return manager != HELM and not manager.startswith(_BY_HAND)


def without_replicas(fields: dict[str, Any]) -> dict[str, Any]:
    """Return a FieldsV1 without the number of replicas."""
    spec = {name: below for name, below in (fields.get("f:spec") or {}).items() if name != "f:replicas"}
    return {**fields, "f:spec": spec} if spec else {name: below for name, below in fields.items() if name != "f:spec"}


def _union(fields: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    return {**fields, **{name: _union(fields.get(name, {}), below) for name, below in more.items()}}


# Flux's labels: the kind of its object, by API group. Source:
# https://fluxcd.io/flux/components/kustomize/kustomizations/, https://fluxcd.io/flux/components/helm/helmreleases/
_FLUX = {"helm.toolkit.fluxcd.io": "HelmRelease", "kustomize.toolkit.fluxcd.io": "Kustomization"}

# `app.kubernetes.io/instance` alone proves nothing: Argo CD may use it, and every Helm chart does. Source:
# https://argo-cd.readthedocs.io/en/stable/user-guide/resource_tracking/
_ARGO = "argocd.argoproj.io"


class GitOps(NamedTuple):
    """A GitOps tool that reverts changes made outside its repository.

    Attributes:
        tool: Argo CD or Flux.
        kind, name: Of its object that deploys this one.
    """

    tool: str
    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.tool} ({self.kind} {self.name})"


def gitops(live: Iterable[Object]) -> list[GitOps]:
    """Return the GitOps tools that these objects name as theirs."""
    owners = (owner for item in live for owner in _gitops_owners(item.get("metadata", {})))
    return list(dict.fromkeys(owners))


def _gitops_owners(metadata: Object) -> Iterable[GitOps]:
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    tracking = annotations.get(f"{_ARGO}/tracking-id", "").partition(":")[0]
    application = tracking or labels.get(f"{_ARGO}/instance")
    if application:
        # Applications outside Argo CD's own namespace are tracked as namespace_name.
        yield GitOps("Argo CD", "Application", application.replace("_", "/", 1))
    for group, kind in _FLUX.items():
        if name := labels.get(f"{group}/name"):
            yield GitOps("Flux", kind, f"{labels.get(f'{group}/namespace', '')}/{name}".lstrip("/"))
