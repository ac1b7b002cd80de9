"""Which settings cannot be changed in place, and how they are changed all the same."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from sametag.chart.labels import service_of
from sametag.chart.settings import field_path, setting_of
from sametag.values import path_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sametag.drift import Refusal
    from sametag.kube.objects import Key, Object

_OTHER_FIELDS = re.compile(r"for fields other than (.+?) are forbidden")

# Their content is nobody's business.
_HIDDEN = ("ConfigMap", "Secret")


class Changed(NamedTuple):
    """A field that differs, in the object that has it."""

    item: Object
    field: str
    old: Any
    new: Any


def changed_in(refusal: Refusal, before: Object | None, target: Object, live: Object) -> list[Changed]:
    """Return what differs of what an API server does not let change.

    Args:
        refusal: What it says.
        before: The object in the newest manifest, if it is there.
        target: The object as it shall be.
        live: The object as it is.
    """
    return [
        found
        for field in _fields(refusal, target)
        for found in [*_differing(before or {}, target, field)] or [*_differing(_alike(live, target), target, field)]
    ]


def setting_text(target: Object, field: str, services: Mapping[str, Any]) -> str:
    """Return the setting that a field of an object comes from; empty where it is not of a service.

    Args:
        target: The object.
        field: As the API server writes it.
        services: The settings of each service.
    """
    service = service_of(target)
    if service not in services or not field:
        return ""
    setting = setting_of(target, field_path(target, field), services[service])
    return path_text(("services", service, *setting)) if setting else ""


def _fields(refusal: Refusal, target: Object) -> list[str]:
    """Return the fields that a refusal is about; of a StatefulSet's it names those that may change."""
    if other := _OTHER_FIELDS.search(refusal.message):
        free = re.findall(r"'(\w+)'", other[1])
        return [f"spec.{name}" for name in target.get("spec") or {} if name not in free]
    return list(dict.fromkeys(field for field, _ in refusal.causes if field)) or ["spec"]


def told(key: Key, changed: Changed, services: Mapping[str, Any]) -> str:
    """Return the setting that changes, with its old and its new value where they are short."""
    name = setting_text(changed.item, changed.field, services) or changed.field
    if changed.field == "spec.serviceName":
        name = f"{changed.field} (the service's ports and service.headless decide it)"
    if key.kind in _HIDDEN:
        return name
    old, new = ("" if isinstance(value, dict | list) else str(value) for value in (changed.old, changed.new))
    if changed.old is None or changed.new is None:
        return f"{name} (new)" if changed.old is None else f"{name} (removed)"
    return f"{name} ({old} -> {new})" if old and new else name


def way_out(key: Key, changed: Sequence[Changed]) -> str:
    """Return how to change it all the same."""
    fields = [one.field for one in changed]
    where = f"{key.kind.lower()} {key.name} -n {key.namespace}"
    if any("selector" in field for field in fields):
        return f"kubectl delete {where} first: its pods end, and come back with this change"
    if key.kind == "StatefulSet":
        grow = "; claims keep their size until kubectl patch pvc grows each" if "storage" in "".join(fields) else ""
        return (
            f"keep the old value; or kubectl delete {where} --cascade=orphan, which leaves pods and claims, "
            f"and the same command again{grow}"
        )
    if key.kind == "PersistentVolumeClaim":
        return "keep the old value; a claim can only grow, and where its class allows it: other data needs a new volume"
    if key.kind == "Job":
        return f"kubectl delete {where} first: then it runs again"
    return f"keep the old value, or kubectl delete {where} first"


def _differing(old: Object, new: Object, field: str) -> Iterator[Changed]:
    steps = [step for step in re.split(r"\.|(\[\d+\])", field) if step]
    plain = steps[: next((number for number, step in enumerate(steps) if step.startswith("[")), len(steps))]
    yield from _below(old, new, _at(old, plain), _at(new, plain), ".".join(plain))


def _at(item: Any, path: Iterable[str]) -> Any:
    for step in path:
        item = item.get(step) if isinstance(item, dict) else None
    return item


def _below(old: Object, new: Object, was: Any, becomes: Any, field: str) -> Iterator[Changed]:
    """Yield what differs below a field, as deep as both have it."""
    if isinstance(was, dict) and isinstance(becomes, dict):
        for name in {**was, **becomes}:
            yield from _below(old, new, was.get(name), becomes.get(name), f"{field}.{name}")
    elif isinstance(was, list) and isinstance(becomes, list) and _by_name(was) and _by_name(becomes):
        olds, news = _by_name(was), _by_name(becomes)
        for name in {**olds, **news}:
            place = f"{field}[{(news if name in news else olds)[name][0]}]"
            pair = [found[name][1] if name in found else None for found in (olds, news)]
            yield from _below(old, new, pair[0], pair[1], place)
    elif was != becomes:
        # What is gone has its name in the old object only.
        yield Changed(old if becomes is None else new, field, was, becomes)


def _by_name(items: list[Any]) -> dict[str, tuple[int, Any]]:
    """Return the items of a list, such as claim templates, with their places, by name; nothing where one has none."""
    names = [
        item.get("name") or (item.get("metadata") or {}).get("name") if isinstance(item, dict) else None
        for item in items
    ]
    return {str(name): (at, items[at]) for at, name in enumerate(names)} if all(names) else {}


def _alike(live: Any, target: Any) -> Any:
    """Return a live object without what its manifest does not say: the server's defaults."""
    if isinstance(live, dict) and isinstance(target, dict):
        return {name: _alike(live[name], below) for name, below in target.items() if name in live}
    if isinstance(live, list) and isinstance(target, list) and len(live) == len(target):
        return [_alike(one, other) for one, other in zip(live, target, strict=True)]
    return live
