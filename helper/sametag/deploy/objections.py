"""The API server's objections to a change, in terms of the values, with a remedy.

A setting that cannot be changed in place is named with its old and its new value.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple

from sametag.chart.labels import service_of
from sametag.chart.settings import field_path, setting_of
from sametag.errors import ClusterError
from sametag.values import path_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sametag.drift import DryRun, Refusal
    from sametag.kube.objects import Key, Object

# Source: k8s.io/apiserver/pkg/admission/plugin, webhook/errors and policy/validating
_NO_DRY_RUN = re.compile(r'admission webhook "([^"]+)" does not support dry run')
_NO_ANSWER = re.compile(r'failed calling webhook "([^"]+)": (.+)', re.DOTALL)
_DENIED = (
    re.compile(r"(ValidatingAdmissionPolicy) '([^']+)' with binding '[^']+' denied request: (.+)", re.DOTALL),
    re.compile(r'admission (webhook) "([^"]+)" denied the request:? ?(.+)', re.DOTALL),
    re.compile(r"exceeded (quota): ([^,]+), (.+)", re.DOTALL),
)
_NO_RIGHT = re.compile(r'User "[^"]*" cannot (\w+) resource')
_ABSENT = re.compile(r'"([^"]+)" not found')


_ASK = "ask for this permission; docs/reference/rights.md lists all that sametag needs"
_WAIT = "wait until it is deleted, or choose another namespace with -n"

# How many objects, settings and causes a refusal names.
_NAMED = 3


_OTHER_FIELDS = re.compile(r"for fields other than (.+?) are forbidden")

# Their contents are never shown.
_HIDDEN = ("ConfigMap", "Secret")


class _Objection(NamedTuple):
    """Who objects to objects, why, and the remedy."""

    who: str
    detail: str
    remedy: str | None = None


def refusal_of(rehearsal: DryRun, before: Mapping[Key, Object]) -> ClusterError | None:
    """Return all objections to a change as one error; None without objections.

    Args:
        rehearsal: The dry run of the change.
        before: The objects of the newest manifest.
    """
    found: dict[_Objection, list[str]] = {}
    coming = {key.name for key in rehearsal.targets if key not in rehearsal.live}
    for key, refusal in rehearsal.refused.items():
        if not _NO_DRY_RUN.search(refusal.message) and not coming.intersection(_ABSENT.findall(refusal.message)):
            objection = _objection(rehearsal, key, refusal, before)
            found.setdefault(objection, []).append(str(key))
    for key, refusal in rehearsal.pods.items():
        if _is_certain(refusal) and not coming.intersection(_ABSENT.findall(refusal.message)):
            found.setdefault(_of_pods(refusal.message), []).append(f"the pods of {key}")
    if not found:
        return None
    causes = [f"{objection.who} {_names(objects)}: {objection.detail}" for objection, objects in found.items()]
    remedy = next((objection.remedy for objection in found if objection.remedy), None)
    return ClusterError(f"{_names(causes, '; ')}; nothing was changed", remedy)


def doubts(rehearsal: DryRun) -> Iterator[str]:
    """Yield what a dry run cannot decide, one line for each cause."""
    unanswered: dict[str, list[str]] = {}
    for key, refusal in rehearsal.refused.items():
        if webhook := _NO_DRY_RUN.search(refusal.message):
            unanswered.setdefault(webhook[1], []).append(str(key))
    for webhook_name, objects in unanswered.items():
        yield f"{_names(objects)} cannot be tried before the change: webhook {webhook_name} does not support dry runs"
    denied: dict[tuple[str, str], list[str]] = {}
    for key, refusal in rehearsal.pods.items():
        if policy := _denied(refusal.message):
            denied.setdefault(policy, []).append(str(key))
    for (who, detail), objects in denied.items():
        if not who.startswith("quota"):
            yield f"{who} would deny a pod of {_names(objects)}: {detail}"


def _is_certain(refusal: Refusal) -> bool:
    """Whether a pod is refused whoever creates it: policies may look at the creator, and old pods free a quota."""
    asked_in_vain = any(pattern.search(refusal.message) for pattern in (_NO_RIGHT, _NO_DRY_RUN, _NO_ANSWER))
    return refusal.code == HTTPStatus.FORBIDDEN and not asked_in_vain and not _denied(refusal.message)


def _of_pods(message: str) -> _Objection:
    detail = re.sub(r'^pods "[^"]*" is forbidden: ', "", message)
    who = "Pod Security refuses" if "violates PodSecurity" in detail else "the API server refuses"
    remedy = None
    if "violates PodSecurity" in detail:
        remedy = "change the setting, or the namespace's pod-security.kubernetes.io/enforce label"
    return _Objection(who, _one_line(detail), remedy)


def _denied(message: str) -> tuple[str, str] | None:
    """Return which policy denies an object, and why."""
    for pattern in _DENIED:
        if match := pattern.search(message):
            return f"{match[1]} {match[2]}", _one_line(match[3])
    return None


def _objection(rehearsal: DryRun, key: Key, refusal: Refusal, before: Mapping[Key, Object]) -> _Objection:
    if policy := _denied(refusal.message):
        who, detail = policy
        return _Objection(f"{who} {'refuses' if who.startswith('quota') else 'denies'}", detail)
    if refusal.code == HTTPStatus.UNPROCESSABLE_ENTITY and key in rehearsal.live and key in rehearsal.targets:
        changed = _changed_in(refusal, before.get(key), rehearsal.targets[key], rehearsal.live[key])
        if changed:
            settings = list(dict.fromkeys(_change_text(key, field, rehearsal.services) for field in changed))
            return _Objection("immutable settings change in", _names(settings), _remedy_for(key, changed))
    return _of_the_object(rehearsal.targets.get(key) or rehearsal.hooks[key], key, refusal, rehearsal.services)


def _of_the_object(target: Object, key: Key, refusal: Refusal, services: Mapping[str, Object]) -> _Objection:
    if match := _NO_ANSWER.search(refusal.message):
        remedy = "fix the server of the webhook, or try again when it answers"
        return _Objection(f"webhook {match[1]} does not answer for", _one_line(match[2]), remedy)
    if match := _NO_RIGHT.search(refusal.message):
        return _Objection(f"you do not have permission to {match[1]}", _one_line(refusal.message), _ASK)
    if refusal.code == 0:
        return _Objection("cannot create", refusal.message, "install its CustomResourceDefinition first")
    if "because it is being terminated" in refusal.message:
        return _Objection("the API server refuses", f"namespace {key.namespace} is being deleted", _WAIT)
    field = refusal.causes[0][0] if refusal.causes else ""
    setting = _setting_text(target, field, services)
    detail = _one_line(refusal.message)
    return _Objection("the API server refuses", f"{setting}: {detail}" if setting else detail)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _names(names: list[str], between: str = ", ") -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{between.join(names[:_NAMED])}{more}"


class _Changed(NamedTuple):
    """A field that differs, in the object that has it."""

    item: Object
    field: str
    old: Any
    new: Any


def _changed_in(refusal: Refusal, before: Object | None, target: Object, live: Object) -> list[_Changed]:
    """Return the differences in the fields that the API server does not let change.

    Args:
        refusal: The API server's answer.
        before: The object in the newest manifest, if it has one.
        target: The object after the change.
        live: The object as it is.
    """
    return [
        found
        for field in _fields(refusal, target)
        for found in [*_differing(before or {}, target, field)] or [*_differing(_alike(live, target), target, field)]
    ]


def _setting_text(target: Object, field: str, services: Mapping[str, Any]) -> str:
    """Return the setting that a field of an object comes from; empty if it is not of a service.

    Args:
        target: The object.
        field: The field, as the API server writes it.
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


def _change_text(key: Key, changed: _Changed, services: Mapping[str, Any]) -> str:
    """Return the setting that changes, with its old and new values if they are short."""
    name = _setting_text(changed.item, changed.field, services) or changed.field
    if changed.field == "spec.serviceName":
        name = f"{changed.field} (the service's ports and service.headless decide it)"
    if key.kind in _HIDDEN:
        return name
    old, new = ("" if isinstance(value, dict | list) else str(value) for value in (changed.old, changed.new))
    if changed.old is None or changed.new is None:
        return f"{name} (new)" if changed.old is None else f"{name} (removed)"
    return f"{name} ({old} -> {new})" if old and new else name


def _remedy_for(key: Key, changed: Sequence[_Changed]) -> str:
    """Return how to make the change anyway."""
    fields = [difference.field for difference in changed]
    where = f"{key.kind.lower()} {key.name} -n {key.namespace}"
    if any("selector" in field for field in fields):
        return f"kubectl delete {where} first: its pods stop, and this change creates them again"
    if key.kind == "StatefulSet":
        grow = "; claims keep their size until kubectl patch pvc grows each" if "storage" in "".join(fields) else ""
        return (
            f"keep the old value; or kubectl delete {where} --cascade=orphan, which leaves pods and claims, "
            f"and the same command again{grow}"
        )
    if key.kind == "PersistentVolumeClaim":
        return "keep the old value; a claim can only grow, and where its class allows it: other data needs a new volume"
    if key.kind == "Job":
        return f"kubectl delete {where} first: the Job then runs again"
    return f"keep the old value, or kubectl delete {where} first"


def _differing(old: Object, new: Object, field: str) -> Iterator[_Changed]:
    steps = [step for step in re.split(r"\.|(\[\d+\])", field) if step]
    plain = steps[: next((number for number, step in enumerate(steps) if step.startswith("[")), len(steps))]
    yield from _below(old, new, _at(old, plain), _at(new, plain), ".".join(plain))


def _at(item: Any, path: Iterable[str]) -> Any:
    for step in path:
        item = item.get(step) if isinstance(item, dict) else None
    return item


def _below(old: Object, new: Object, was: Any, becomes: Any, field: str) -> Iterator[_Changed]:
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
        # Only the old object has the name of an item that is removed.
        yield _Changed(old if becomes is None else new, field, was, becomes)


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
        return [_alike(*pair) for pair in zip(live, target, strict=True)]
    return live
