"""What runs, and in what it is not what the release says."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sametag.output.plans import change_document, in_short
from sametag.output.table import table
from sametag.output.words import DIGEST_LENGTH, tag_of

_ON_TAG = {True: "yes", False: "no", None: "unknown"}

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sametag.deploy import Status
    from sametag.diff import Change, ObjectDiff
    from sametag.rollout import PodState, ServiceState


def status_lines(status: Status) -> Iterator[str]:
    """Yield the release in one line, then one line a pod, then what is wrong and what others have changed."""
    revision = status.revision
    yield f"revision {revision.number} is {revision.status} on tag {revision.tag or revision.digest}"
    rows = [row for state in (*status.services, *status.extras) for row in _pod_rows(state)]
    yield from table(("SERVICE", "READY", "POD", "TAG", "RESTARTS", "ON THE TAG"), rows)
    for state in (*status.services, *status.extras):
        for trouble in state.troubles:
            yield f"{state.name}: {trouble.pod}: {trouble.summary}"
    for state in status.services:
        if state.uid and not (state.complete or state.troubles):
            yield f"{state.name}: {state.doubt}"
    if status.pushed_over:
        yield _pushed_over(status)
    if status.refusal:
        yield f"what others have changed cannot be told: {status.refusal}"
    for one in status.drift:
        yield from _drift_lines(one, f"revision {revision.number}")


def _pushed_over(status: Status) -> str:
    revision, digests = status.revision, ", ".join(digest[:DIGEST_LENGTH] for digest in sorted(status.pushed_over))
    verified = f"; {revision.note.digest[:DIGEST_LENGTH]} was verified" if revision.verified else ""
    return f"the tag {revision.tag} was pushed over: the pods run {digests}{verified}"


def _pod_rows(state: ServiceState) -> Iterator[tuple[str, ...]]:
    ready = f"{state.ready}/{state.desired}"
    if not (state.pods or state.others):
        yield state.name, ready, "-", "-", "-", "-"
    for pod in (*state.pods, *state.others):
        tags = ", ".join(tag_of(reference) for reference in pod.images)
        yield state.name, ready, pod.name, tags, str(pod.restarts), "-" if state.extra else _ON_TAG[pod.on_tag]


def _drift_lines(one: ObjectDiff, revision: str) -> Iterator[str]:
    if one.before is None:
        yield f"{one.key} is not there: {revision} has it"
    for change in one.changes:
        yield f"{one.key}: {_drift_words(change, revision)}"


def _drift_words(change: Change, revision: str) -> str:
    """Say what is there, who put it there, and what should be."""
    old, new = in_short(change)
    there = f"{change.setting} is {old}" if old else f"{change.setting} is not there"
    by = f", by {change.owner}" if change.owner else ""
    return f"{there}{by}; {revision} {f'says {new}' if new else 'has none'}"


def status_json(status: Status, *, indent: int | None = 2) -> str:
    """Return what runs as JSON: {"version": 1, "revision": …, "services": {name: {"pods": […]}}, "drift": […]}."""
    revision = status.revision
    document = {
        "version": 1,
        "revision": revision.number,
        "status": revision.status,
        "tag": revision.tag,
        "digest": revision.digest,
        "asReleased": status.as_released,
        "pushedOver": sorted(status.pushed_over),
        "refusal": status.refusal or None,
        "services": {state.name: _service_document(state) for state in status.services},
        "extras": {state.name: _service_document(state) for state in status.extras},
        "drift": [_drift_document(one) for one in status.drift],
    }
    return json.dumps(document, indent=indent)


def _service_document(state: ServiceState) -> dict[str, Any]:
    return {
        "desired": state.desired,
        "ready": state.ready,
        "complete": state.complete,
        "pods": [_pod_document(pod) for pod in (*state.pods, *state.others)],
        "troubles": [
            {"pod": trouble.pod, "reason": trouble.reason, "message": trouble.message} for trouble in state.troubles
        ],
    }


def _pod_document(pod: PodState) -> dict[str, Any]:
    return {
        "name": pod.name,
        "images": list(pod.images),
        "digests": list(pod.digests),
        "ready": pod.ready,
        "restarts": pod.restarts,
        "onTag": pod.on_tag,
    }


def _drift_document(one: ObjectDiff) -> dict[str, Any]:
    """Return what others have changed: `live` is what is there, `released` what the revision says."""
    return {
        "service": one.service,
        "kind": one.key.kind,
        "name": one.key.name,
        "missing": one.before is None,
        "changes": [_renamed(change_document(change)) for change in one.changes],
    }


def _renamed(document: dict[str, Any]) -> dict[str, Any]:
    names = {"old": "live", "new": "released"}
    return {names.get(key, key): value for key, value in document.items()}
