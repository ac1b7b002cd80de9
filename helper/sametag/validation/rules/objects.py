"""Rules about the user's own objects, under extraObjects."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sametag.chart.service import mapping
from sametag.validation import wording
from sametag.validation.finding import RuleHit
from sametag.validation.rules import made
from sametag.validation.rules.changed import TEMPLATES
from sametag.values import get, path_text
from sametag.values.scalars import json_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sametag.chart.service import Release, Tree
    from sametag.validation.rules.made import Made
    from sametag.values import Path

_BASE64 = r"\s*(?:[A-Za-z0-9+/]{4}\s*)*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?\s*"
# Kinds that users write; a kind that is not here can be right.
_KINDS = {
    "v1": "ConfigMap Endpoints LimitRange Namespace PersistentVolume PersistentVolumeClaim Pod ResourceQuota Secret "
    "Service ServiceAccount",
    "apps/v1": "DaemonSet Deployment ReplicaSet StatefulSet",
    "batch/v1": "CronJob Job",
    "autoscaling/v2": "HorizontalPodAutoscaler",
    "networking.k8s.io/v1": "Ingress IngressClass NetworkPolicy",
    "policy/v1": "PodDisruptionBudget",
    "rbac.authorization.k8s.io/v1": "ClusterRole ClusterRoleBinding Role RoleBinding",
    "scheduling.k8s.io/v1": "PriorityClass",
    "storage.k8s.io/v1": "StorageClass",
}
_KNOWN = {kind.lower(): (version, kind) for version, kinds in _KINDS.items() for kind in kinds.split()}
# The maps whose values must be strings.
_STRINGS = {"ConfigMap": ("data", "binaryData"), "Secret": ("data", "stringData")}


def incomplete_object(release: Release) -> Iterator[RuleHit]:
    """Helm rejects an object without apiVersion, kind and a name, and a string that is not YAML."""
    for path, obj, written in _objects(release):
        if isinstance(obj, str):
            yield RuleHit(path, f"is not valid YAML: {obj}")
            continue
        for key in (("apiVersion",), ("kind",), ("metadata", "name")):
            value = get(obj, key)
            if not isinstance(value, str) or not value:
                text = path_text((*path, *key) if written else key)
                where = "" if written else f" in {path_text(path)}"
                yield RuleHit(
                    path, message=f"{text} is missing{where}" if value is None else f"{text} must be a string"
                )
                break


def wrong_object(release: Release) -> Iterator[RuleHit]:
    """An object given as a map is not a template. A ConfigMap and a Secret hold strings; data of a Secret is base64."""
    for path, obj, written in _objects(release):
        if isinstance(obj, str) or not written:
            continue
        name = get(obj, ("metadata", "name"))
        if isinstance(name, str) and "{{" in name:
            yield RuleHit((*path, "metadata", "name"), "is not a valid name: Helm does not expand it here", TEMPLATES)
        kind = str(obj.get("kind"))
        for field in _STRINGS.get(kind, ()) if obj.get("apiVersion") == "v1" else ():
            for key, value in mapping(obj.get(field)).items():
                at = (*path, field, key)
                if isinstance(value, bool | int | float):
                    source = release.values.written(at) or json_text(value)
                    yield RuleHit(at, "must be a string", wording.as_text(release.values, at, source))
                elif (kind, field) == ("Secret", "data") and isinstance(value, str) and not _is_base64(value):
                    yield RuleHit(at, "must be base64", "write it unencoded under stringData")


def wrong_kind(release: Release) -> Iterator[RuleHit]:
    """Kubernetes does not have the kind in that apiVersion, or writes it with other capital letters."""
    for path, obj, written in _objects(release):
        version, kind = (None, None) if isinstance(obj, str) else (obj.get("apiVersion"), obj.get("kind"))
        if version not in _KINDS or not isinstance(kind, str) or kind.lower() not in _KNOWN:
            continue
        group, right = _KNOWN[kind.lower()]
        if (group, right) != (version, kind):
            message = f"{path_text(path)}: there is no kind {kind} in {version}"
            remedy = f"write apiVersion: {group} and kind: {right}"
            yield RuleHit((*path, "kind") if written else path, remedy=remedy, message=message)


def same_object(release: Release) -> Iterator[RuleHit]:
    """Of two objects with the same kind and name, Helm 4 silently keeps the last; Helm 3 cannot install the second."""
    for first, second in made.repeated(created(release)):
        yield RuleHit(second.path, remedy=remedy_of(second), at_key=True, message=twice(first, second))


def created(release: Release) -> Iterator[Made]:
    """Yield every object that the values create, as far as its name is known."""
    yield from made.of_services(release)
    yield from made.of_extra_objects(_objects(release))


def twice(first: Made, second: Made) -> str:
    """Say who creates one object twice."""
    if first.owner == second.owner:
        return f"{first.owner} creates the {first.kind} {first.name} twice"
    return f"{first.owner} and {second.owner} both create the {first.kind} {first.name}"


def remedy_of(repeated: Made, *, apart: bool = False) -> str:
    """Return what to do about an object that another one is called like.

    Args:
        repeated: The second of them.
        apart: Whether another chart of the same parent creates the first.
    """
    if repeated.path[-2:] == ("serviceAccount", "name"):
        return "give each its own serviceAccount.name, or set serviceAccount.create to false in one of them"
    if apart and repeated.path[:1] == ("services",):
        return "rename one of them, or set another namePrefix"
    return "rename or remove one of them"


def _is_base64(text: str) -> bool:
    return re.fullmatch(_BASE64, text) is not None


def _objects(release: Release) -> Iterator[tuple[Path, Tree | str, bool]]:
    """Yield every object, or why a string is not YAML; with the path, and whether it is written as a map."""
    entries = release.values.tree.get("extraObjects")
    for index, entry in enumerate(entries if isinstance(entries, list) else ()):
        path: Path = ("extraObjects", index)
        if isinstance(entry, dict):
            yield from ((at, obj, True) for at, obj in _of_list(path, entry))
        elif isinstance(entry, str) and "{{" not in entry:
            yield from _of_text(path, entry)


def _of_text(path: Path, text: str) -> Iterator[tuple[Path, Tree | str, bool]]:
    import yaml

    try:
        documents = list(yaml.load_all(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
    except yaml.YAMLError as error:
        yield path, str(getattr(error, "problem", None) or error).partition("\n")[0], False
        return
    for document in documents:
        if isinstance(document, dict):
            yield from ((path, obj, False) for _, obj in _of_list(path, document))
        elif document is not None:
            yield path, "it is not a map", False


def _of_list(path: Path, obj: Tree) -> Iterator[tuple[Path, Tree]]:
    """Yield an object, or the objects of a List."""
    items = obj.get("items")
    if str(obj.get("kind")).endswith("List") and isinstance(items, list):
        for index, item in enumerate(items):
            if isinstance(item, dict):
                yield from _of_list((*path, "items", index), item)
    else:
        yield path, obj
