"""Kubernetes objects as plain maps: their names, and the paths of their fields."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from sametag.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

#: An object as JSON.
Object = dict[str, Any]

#: Where something is in an object: a key of a map, or an item of a list as `[name]`, for each level.
Path = tuple[str, ...]

# What identifies the items of a list, by the list's key. Source: x-kubernetes-patch-merge-key in Kubernetes' OpenAPI
_MERGE_KEYS = {
    "containers": ("name",),
    "env": ("name",),
    "ephemeralContainers": ("name",),
    "hostAliases": ("ip",),
    "imagePullSecrets": ("name",),
    "initContainers": ("name",),
    "ports": ("containerPort", "port"),
    "secrets": ("name",),
    "topologySpreadConstraints": ("topologyKey",),
    "volumeDevices": ("devicePath",),
    "volumeMounts": ("mountPath",),
    "volumes": ("name",),
}

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", re.ASCII)
_NAMESPACE_LIMIT = 63

# Source: helm.sh/helm/v4/pkg/chart/common/util, ValidName; 53 leaves 10 characters for what a chart appends.
_RELEASE = re.compile(rf"{_LABEL.pattern}(\.{_LABEL.pattern})*", re.ASCII)
_RELEASE_LIMIT = 53

_QUOTED = 80


class Key(NamedTuple):
    """The identity of an object in a cluster, independent of its API version."""

    group: str
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


def key_of(item: Object, namespace: str) -> Key:
    """Return an object's key.

    Args:
        item: The object.
        namespace: For objects without one, including cluster-scoped objects.
    """
    metadata = metadata_of(item)
    group = str(item.get("apiVersion", "")).rpartition("/")[0]
    return Key(group, str(item["kind"]), str(metadata.get("namespace") or namespace), str(metadata.get("name")))


def as_map(value: Any) -> Object:
    """Return a value if it is a map, else an empty map: users write anything anywhere."""
    return value if isinstance(value, dict) else {}


def metadata_of(item: Object) -> Object:
    """Return an object's metadata; see `as_map`."""
    return as_map(item.get("metadata"))


def is_hook(item: Object) -> bool:
    """Whether Helm creates the object as a step of its own."""
    return "helm.sh/hook" in as_map(metadata_of(item).get("annotations"))


def merge_key(field: str, items: Iterable[Any]) -> str | None:
    """Return the key by which the items of a list are identified; None if only by their order."""
    items = list(items)
    for key in _MERGE_KEYS.get(field, ()):
        if all(isinstance(item, dict) and key in item for item in items):
            return key
    return None


def keyed(field: str, items: list[Any], key: str) -> dict[str, Any]:
    """Return the items of a list by the part of a path that names each; a port of UDP and one of TCP differ."""
    return {_segment(field, item, key): item for item in items}


def _segment(field: str, item: dict[str, Any], key: str) -> str:
    protocol = item.get("protocol", "TCP") if field == "ports" else "TCP"
    return f"[{item[key]}]" if protocol == "TCP" else f"[{item[key]}/{protocol}]"


def find(item: Any, path: Path) -> Any:
    """Return what is at a path.

    Raises:
        LookupError: Nothing is there.
    """
    field = ""
    for part in path:
        if isinstance(item, list):
            key = merge_key(field, item)
            item = keyed(field, item, key)[part] if key else item[int(part.strip("[]"))]
        else:
            item = as_map(item)[part]
        field = part
    return item


def has(item: Any, path: Path) -> bool:
    """Whether anything is at a path."""
    try:
        find(item, path)
    except (LookupError, ValueError):
        return False
    return True


def concrete(item: Any, path: Path) -> tuple[str | int, ...]:
    """Return a path of this object with the index of each item of a list instead of its name.

    Raises:
        LookupError, TypeError, ValueError: Nothing is there.
    """
    steps: list[str | int] = []
    field = ""
    for part in path:
        if isinstance(item, list):
            key = merge_key(field, item)
            parts = list(keyed(field, item, key)) if key else []
            steps.append(parts.index(part) if part in parts else int(part.strip("[]")))
        else:
            steps.append(part)
        item, field = item[steps[-1]], part
    return tuple(steps)


# Controllers own their pods, and some policies reject pods without an owner.
_OWNER = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "uid": "00000000-0000-0000-0000-000000000000"}


def template_of(item: Object) -> Any:
    """Return the pod template of a workload; None if an object does not have one."""
    spec = as_map(item.get("spec"))
    template = ((spec.get("jobTemplate") or {}).get("spec") or spec).get("template")
    return template if isinstance(template, dict) and isinstance(template.get("spec"), dict) else None


def pod_of(item: Object, accounts: Container[str]) -> Object | None:
    """Return a pod as its workload would create it: some admission rejects only pods, and accepts their workload.

    Args:
        item: The workload, or any other object, which creates no pods: None is returned.
        accounts: Names of ServiceAccounts that are part of the release, and may not exist yet.
    """
    template = template_of(item)
    if template is None:
        return None
    its = metadata_of(item)
    # Controllers shorten the names of their pods.
    name = str(its.get("name") or its.get("generateName"))[:58]
    pod = _with_claims(template["spec"], item["spec"].get("volumeClaimTemplates"))
    if pod.get("serviceAccountName") in accounts:
        pod = {key: value for key, value in pod.items() if key not in ("serviceAccountName", "serviceAccount")}
    owner = {**_OWNER, "name": name, "controller": True}
    metadata = {**(template.get("metadata") or {}), "name": f"{name}-0", "ownerReferences": [owner]}
    if its.get("namespace"):
        metadata["namespace"] = str(its["namespace"])
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod}


def _with_claims(pod: Object, templates: Any) -> Object:
    """Return a pod with the volumes that a StatefulSet's controller adds for its claims, replacing their namesakes."""
    names = [str((claim.get("metadata") or {}).get("name")) for claim in templates or () if isinstance(claim, dict)]
    claims = [{"name": name, "persistentVolumeClaim": {"claimName": name}} for name in names]
    others = [volume for volume in pod.get("volumes") or () if volume.get("name") not in names]
    return {**pod, "volumes": [*others, *claims]} if claims else pod


def without(item: Object, paths: Iterable[Path]) -> Object:
    """Return a copy of an object without what is at these paths."""
    copy: Object = json.loads(json.dumps(item))
    for path in paths:
        try:
            parent, removed = find(copy, path[:-1]), find(copy, path)
        except LookupError:
            continue
        if isinstance(parent, list):
            parent[:] = [item for item in parent if item is not removed]
        else:
            del parent[path[-1]]
    return copy


def check_namespace(name: str, source: str) -> None:
    """Reject an invalid name of a namespace, such as `../other`.

    Args:
        name: A DNS label, as RFC 1123 has it.
        source: Where it was given, such as `--namespace`.

    Raises:
        UsageError: It is not a valid name.
    """
    if len(name) > _NAMESPACE_LIMIT or not _LABEL.fullmatch(name):
        raise UsageError(
            f"{source} {name[:_QUOTED]!r} is not a valid name of a namespace",
            f"use lower case letters, digits and -, at most {_NAMESPACE_LIMIT}, with a letter or digit at both ends",
        )


def check_release(name: str) -> None:
    """Reject a name that Helm does not accept for a release.

    Raises:
        UsageError: It is not a valid name.
    """
    if len(name) > _RELEASE_LIMIT or not _RELEASE.fullmatch(name):
        raise UsageError(
            f"{name[:_QUOTED]!r} is not a valid name of a release",
            f"use lower case letters, digits, - and ., at most {_RELEASE_LIMIT}, with a letter or digit at both ends",
        )
