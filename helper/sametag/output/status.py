"""What runs, and how it differs from what the release says."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sametag.output.plain import table
from sametag.output.plan import change_document, in_short
from sametag.output.wording import DIGEST_LENGTH, names, number_of, run_document, schedule_document, tag_of
from sametag.rollout import NOT_RUN

_ON_TAG = {True: "yes", False: "no", None: "unknown"}

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from sametag.deploy import Status
    from sametag.deploy.lock import Holder
    from sametag.drift import Change, ObjectDiff
    from sametag.rollout import PodState, Schedule, ServiceState


def status_lines(status: Status) -> Iterator[str]:
    """Yield a line about the release, a line for each pod, then troubles, and changes made by others."""
    revision = status.revision
    yield f"revision {revision.number} is {revision.status} on tag {revision.tag or revision.digest}"
    if status.holder:
        yield f"a rollout is in progress, by {status.holder}"
    elif revision.pending:
        yield f"another Helm is changing the release, or has died: sametag unlock {revision.release} recovers it"
    rows = [row for state in (*status.services, *status.extras) for row in _pod_rows(state)]
    yield from table(("SERVICE", "POD", "READY", "TAG", "RESTARTS", "ON THE TAG"), rows)
    yield from _others(status)
    for state in (*status.services, *status.extras, *status.jobs):
        for trouble in state.troubles:
            yield f"{state.name}: {trouble.pod}: {trouble.summary}"
    for state in status.services:
        if state.uid and not (state.complete or state.troubles):
            yield f"{state.name}: {state.doubt}"
    if status.pushed_over:
        yield _pushed_over(status)
    if status.refusal:
        yield f"changes made by others cannot be determined: {status.refusal}"
    yield from _drift_lines(status.drift, f"revision {revision.number}")


def _others(status: Status) -> Iterator[str]:
    """Yield a line for each Job and each CronJob."""
    if status.jobs:
        yield from table(("JOB", "TAG", "STATE"), [(job.name, _tags(job), str(job.run)) for job in status.jobs])
    rows = [(state.name, _tags(state), *_schedule(state.cron)) for state in status.cronjobs if state.cron]
    if rows:
        yield from table(("CRONJOB", "TAG", "SCHEDULE", "LAST RUN", "ON THE TAG", "NEXT RUN"), rows)


def _tags(state: ServiceState) -> str:
    return ", ".join(state.tags) or "-"


def _schedule(cron: Schedule) -> tuple[str, ...]:
    zone = f" {cron.time_zone}" if cron.time_zone else ""
    when = _time(cron.last_began) or "never"
    last = f"{when} {cron.last}" if cron.last else when
    suspended = ", suspended" if cron.suspended else ""
    return f"{cron.schedule}{zone}{suspended}", last, str(cron.on_tag or NOT_RUN), _time(cron.next) or "-"


def _time(moment: datetime | None) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M}" if moment else ""


def _pushed_over(status: Status) -> str:
    revision, digests = status.revision, ", ".join(digest[:DIGEST_LENGTH] for digest in sorted(status.pushed_over))
    verified = f"; {revision.note.digest[:DIGEST_LENGTH]} was verified" if revision.verified else ""
    return f"the tag {revision.tag} was pushed again: the pods run {digests}{verified}"


def _pod_rows(state: ServiceState) -> Iterator[tuple[str, ...]]:
    if not (state.pods or state.others):
        yield state.name, "-", f"0/{state.desired}", "-", "-", "-"
    for pod in (*state.pods, *state.others):
        tags = ", ".join(tag_of(reference) for reference in pod.images)
        ready, on_tag = "yes" if pod.ready else "no", "-" if state.extra else _ON_TAG[pod.on_tag]
        yield state.name, pod.name, ready, tags, str(pod.restarts), on_tag


def _drift_lines(drift: Sequence[ObjectDiff], revision: str) -> Iterator[str]:
    """Yield each difference once, with the objects that have it; labels that follow from the tag are counted."""
    alike: dict[str, list[str]] = {}
    for difference in drift:
        for change in difference.changes:
            if not change.derived:
                alike.setdefault(_drift_words(change, revision), []).append(str(difference.key))
    for words, keys in alike.items():
        yield f"{names(keys)}: {words}"
    yield from (f"{difference.key} is missing (in {revision})" for difference in drift if difference.before is None)
    derived = sum(any(change.derived for change in difference.changes) for difference in drift)
    if derived:
        yield f"labels that follow from the tag or the chart differ: {number_of(derived, 'object')}"


def _drift_words(change: Change, revision: str) -> str:
    """Name the current value, who set it, and the value in the revision."""
    old, new = in_short(change)
    live = f"{change.setting} is {old}" if old else f"{change.setting} is missing"
    by = f", by {change.owner}" if change.owner else ""
    return f"{live}{by} ({revision}: {new or 'not set'})"


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
        "rollout": _rollout(status.holder) if status.holder else None,
        "services": {state.name: _service_document(state) for state in status.services},
        "extras": {state.name: _service_document(state) for state in status.extras},
        "jobs": [
            {"name": state.name, "tags": list(state.tags), **run_document(state.run)}
            for state in status.jobs
            if state.run
        ],
        "cronJobs": [
            {"name": state.name, "tags": list(state.tags), **schedule_document(state.cron)}
            for state in status.cronjobs
            if state.cron
        ],
        "drift": [_drift_document(difference) for difference in status.drift],
    }
    return json.dumps(document, indent=indent)


def _rollout(holder: Holder) -> dict[str, Any]:
    return {"by": holder.who, "tag": holder.tag or None, "since": holder.since.isoformat()}


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


def _drift_document(difference: ObjectDiff) -> dict[str, Any]:
    """Return what others have changed: `live` is what is there, `released` what the revision says."""
    return {
        "service": difference.service,
        "kind": difference.key.kind,
        "name": difference.key.name,
        "missing": difference.before is None,
        "changes": [_renamed({**change_document(change)}) for change in difference.changes],
    }


def _renamed(document: dict[str, Any]) -> dict[str, Any]:
    names = {"old": "live", "new": "released"}
    return {names.get(key, key): value for key, value in document.items()}
