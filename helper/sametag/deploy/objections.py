"""What the API server has against a change, in the words of the values, with the way out."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

from sametag.deploy.immutable import changed_in, setting_text, told, way_out
from sametag.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sametag.drift import Refusal, Rehearsal
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


_ASK = "ask for this right; docs/reference/rights.md lists all that sametag needs"
_WAIT = "wait until it is gone, or name another with -n"

# How many objects, settings and causes a refusal names.
_NAMED = 3


class _Objection(NamedTuple):
    """Who does what to objects, why, and the way out."""

    who: str
    detail: str
    remedy: str | None = None


def refusal_of(rehearsal: Rehearsal, before: Mapping[Key, Object]) -> ClusterError | None:
    """Return what stands in the way of a change as one error; None where nothing does.

    Args:
        rehearsal: Of the change.
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


def doubts(rehearsal: Rehearsal) -> Iterator[str]:
    """Yield what cannot be told before a change, a line a cause."""
    unanswered: dict[str, list[str]] = {}
    for key, refusal in rehearsal.refused.items():
        if webhook := _NO_DRY_RUN.search(refusal.message):
            unanswered.setdefault(webhook[1], []).append(str(key))
    for webhook_name, objects in unanswered.items():
        yield f"whether {_names(objects)} will be taken cannot be told: webhook {webhook_name} does not answer dry runs"
    denied: dict[tuple[str, str], list[str]] = {}
    for key, refusal in rehearsal.pods.items():
        if policy := _denied(refusal.message):
            denied.setdefault(policy, []).append(str(key))
    for (who, detail), objects in denied.items():
        if not who.startswith("quota"):
            yield f"{who} would deny a pod of {_names(objects)}: {detail}"


def _is_certain(refusal: Refusal) -> bool:
    """Whether a pod would be refused whoever makes it: policies may look at that, and a quota is freed by old pods."""
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


def _objection(rehearsal: Rehearsal, key: Key, refusal: Refusal, before: Mapping[Key, Object]) -> _Objection:
    if policy := _denied(refusal.message):
        who, detail = policy
        return _Objection(f"{who} {'refuses' if who.startswith('quota') else 'denies'}", detail)
    if refusal.code == HTTPStatus.UNPROCESSABLE_ENTITY and key in rehearsal.live and key in rehearsal.targets:
        changed = changed_in(refusal, before.get(key), rehearsal.targets[key], rehearsal.live[key])
        if changed:
            settings = list(dict.fromkeys(told(key, field, rehearsal.services) for field in changed))
            return _Objection("what is new cannot be changed in place in", _names(settings), way_out(key, changed))
    return _of_the_object(rehearsal.targets.get(key) or rehearsal.hooks[key], key, refusal, rehearsal.services)


def _of_the_object(target: Object, key: Key, refusal: Refusal, services: Mapping[str, Object]) -> _Objection:
    if match := _NO_ANSWER.search(refusal.message):
        remedy = "mend what serves the webhook, or try again when it answers"
        return _Objection(f"webhook {match[1]} does not answer for", _one_line(match[2]), remedy)
    if match := _NO_RIGHT.search(refusal.message):
        return _Objection(f"you may not {match[1]}", _one_line(refusal.message), _ASK)
    if refusal.code == 0:
        return _Objection("cannot create", refusal.message, "install its CustomResourceDefinition first")
    if "because it is being terminated" in refusal.message:
        return _Objection("the API server refuses", f"namespace {key.namespace} is being deleted", _WAIT)
    field = refusal.causes[0][0] if refusal.causes else ""
    setting = setting_text(target, field, services)
    detail = _one_line(refusal.message)
    return _Objection("the API server refuses", f"{setting}: {detail}" if setting else detail)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _names(names: list[str], between: str = ", ") -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{between.join(names[:_NAMED])}{more}"
