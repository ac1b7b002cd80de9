"""What history and status say."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sametag.output.summary import running
from sametag.output.table import table
from sametag.output.words import DIGEST_LENGTH, tag_of
from sametag.rollout import pod_runs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sametag.deploy import Unlocked
    from sametag.release import Revision
    from sametag.rollout import Image, PodState, ServiceState


def history_table(history: Sequence[Revision]) -> Iterator[str]:
    """Yield one line a revision, oldest first; what runs now is the last one that is deployed."""
    head = ("REVISION", "TAG", "DIGEST", "CHART", "STATUS", "VERIFIED", "WHEN", "WHO", "DESCRIPTION")
    rows = [
        (
            str(revision.number),
            revision.tag or "-",
            (revision.digest or revision.note.digest)[:DIGEST_LENGTH] or "-",
            revision.chart,
            revision.status,
            "yes" if revision.verified else "no",
            f"{revision.updated.astimezone():%Y-%m-%d %H:%M:%S}",
            revision.note.who or "-",
            " ".join(f"{revision.note.words}{': ' if revision.note.why else ''}{revision.note.why}".split()),
        )
        for revision in history
    ]
    return table(head, rows)


def history_json(history: Sequence[Revision]) -> str:
    """Return the revisions as JSON: {"version": 1, "revisions": […]}, times in RFC 3339."""
    revisions = [
        {
            "revision": revision.number,
            "tag": revision.tag,
            "digest": revision.digest or revision.note.digest,
            "chart": revision.chart,
            "status": revision.status,
            "verified": revision.verified,
            "updated": revision.updated.isoformat(),
            "who": revision.note.who,
            "why": revision.note.why,
            "description": revision.note.words,
        }
        for revision in history
    ]
    return json.dumps({"version": 1, "revisions": revisions}, indent=2)


def unlocked_lines(found: Unlocked) -> Iterator[str]:
    """Yield what an unlock did, what runs now, and what to do next."""
    revision, name = found.revision, found.revision.release
    if found.was == revision.status:
        yield f"{name} is not stuck: {revision} is {revision.status}"
    else:
        yield f"unlocked {name}: {revision} was {found.was}, and is marked as {revision.status}"
    yield "what runs now:"
    yield from running(found.services)
    if revision.status != "failed":
        return
    if found.good:
        back = f"sametag rollback {name} --to-revision {found.good.number}"
        yield f"next: {back} brings every service to {found.good.tag}"
    else:
        yield f"next: sametag upgrade {name} deploys it again, sametag uninstall {name} removes it"


def status_table(revision: Revision, states: Sequence[ServiceState], image: Image) -> Iterator[str]:
    """Yield what runs: the release in one line, then one line a pod."""
    yield f"revision {revision.number} is {revision.status} on tag {revision.tag or revision.digest}"
    rows = [row for state in states for row in _pod_rows(state, image)]
    yield from table(("SERVICE", "READY", "POD", "TAG", "RESTARTS", "ON THE TAG"), rows)
    for state in states:
        for trouble in state.troubles:
            yield f"{state.name}: {trouble.pod}: {trouble.summary}"


def _pod_rows(state: ServiceState, image: Image) -> Iterator[tuple[str, ...]]:
    ready = f"{state.ready}/{state.desired}"
    if not (state.pods or state.others):
        yield state.name, ready, "-", "-", "-", "-"
    for pod in (*state.pods, *state.others):
        tags = ", ".join(tag_of(reference) for reference in pod.images)
        yield state.name, ready, pod.name, tags, str(pod.restarts), "yes" if pod_runs(pod, image) else "no"


def status_json(revision: Revision, states: Sequence[ServiceState], image: Image) -> str:
    """Return what runs as JSON: {"version": 1, "revision": …, "services": {name: {"pods": […]}}}."""
    document = {
        "version": 1,
        "revision": revision.number,
        "status": revision.status,
        "tag": revision.tag,
        "digest": revision.digest,
        "services": {state.name: _service_document(state, image) for state in states},
    }
    return json.dumps(document, indent=2)


def _service_document(state: ServiceState, image: Image) -> dict[str, Any]:
    return {
        "desired": state.desired,
        "ready": state.ready,
        "complete": state.complete,
        "pods": [_pod_document(pod, image) for pod in (*state.pods, *state.others)],
        "troubles": [
            {"pod": trouble.pod, "reason": trouble.reason, "message": trouble.message} for trouble in state.troubles
        ],
    }


def _pod_document(pod: PodState, image: Image) -> dict[str, Any]:
    return {
        "name": pod.name,
        "images": list(pod.images),
        "ready": pod.ready,
        "restarts": pod.restarts,
        "onTag": pod_runs(pod, image),
    }
