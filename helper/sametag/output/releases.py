"""What the release commands say: history, status, progress, failures."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sametag.deploy import Failure, Progress, Step
from sametag.output.table import table
from sametag.rollout import pod_runs, split

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sametag.deploy import Event, Outcome
    from sametag.release import Revision
    from sametag.rollout import Evidence, Image, PodState, ServiceState

# The registry of a digest is long, and its first 12 digits are what people compare.
_DIGEST_LENGTH = len("sha256:") + 12


def history_table(history: Sequence[Revision]) -> Iterator[str]:
    """Yield one line a revision, oldest first; what runs now is the last one that is deployed."""
    head = ("REVISION", "TAG", "DIGEST", "CHART", "STATUS", "UPDATED", "DESCRIPTION")
    rows = [
        (
            str(revision.number),
            revision.tag or "-",
            revision.digest[:_DIGEST_LENGTH] or "-",
            revision.chart,
            revision.status,
            f"{revision.updated.astimezone():%Y-%m-%d %H:%M:%S}",
            revision.description,
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
            "digest": revision.digest,
            "chart": revision.chart,
            "status": revision.status,
            "updated": revision.updated.isoformat(),
            "description": revision.description,
        }
        for revision in history
    ]
    return json.dumps({"version": 1, "revisions": revisions}, indent=2)


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


class ProgressLines:
    """Turn the events of a deployment into lines: one for each change of a service, never the same line twice.

    Args:
        write: Called with each line.
    """

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._last: dict[str, str] = {}

    def __call__(self, event: Event) -> None:
        """Write what is new in this event."""
        if isinstance(event, Step):
            # A new rollout begins: what was said of the services no longer holds.
            self._last.clear()
            self._write(event.text)
        elif isinstance(event, Progress):
            self._progress(event)
        else:
            self._failure(event)

    def _progress(self, event: Progress) -> None:
        width = max((len(state.name) for state in event.states), default=0)
        for state in event.states:
            before = event.before.get(state.name)
            if state.name not in self._last and (state == before or not _has_begun(state)):
                continue
            line = f"{state.name:<{width}}  {_in_words(state, before)}"
            if self._last.get(state.name) != line:
                self._last[state.name] = line
                self._write(f"{event.seconds:6.1f} s  {line}")

    def _failure(self, event: Failure) -> None:
        for found in event.evidence:
            for line in evidence_lines(found):
                self._write(line)


def _has_begun(state: ServiceState) -> bool:
    """Whether there is something to say: a new pod, or a reason why there is none."""
    return state.observed and bool(state.pods or state.troubles or not state.desired)


def _in_words(state: ServiceState, before: ServiceState | None) -> str:
    new = ", ".join(sorted({tag_of(image) for pod in state.pods for image in pod.images})) or "-"
    old = ", ".join(before.tags) if before else ""
    tags = f"{old} -> {new}" if old and old != new else new
    ready = sum(pod.ready for pod in state.pods)
    leaving = f", {len(state.others)} old left" if state.others and ready == state.desired else ""
    trouble = f"  {state.troubles[0].reason}" if state.troubles else ""
    return f"{tags}  {ready}/{state.desired} ready{leaving}{trouble}"


def evidence_lines(found: Evidence) -> Iterator[str]:
    """Yield what a failed pod left behind: the reason, its events, its last log lines."""
    trouble = found.trouble
    place = " ".join(part for part in (f"pod {trouble.pod}" if trouble.pod else "", trouble.container) if part)
    yield f"{found.service}: {place}{': ' if place else ''}{trouble.summary}"
    for event in found.events:
        yield f"  event: {event}"
    for line in found.log:
        yield f"  log: {line}"


def outcome_line(verb: str, release: str, outcome: Outcome) -> str:
    """Say in one line what is true after a deployment."""
    revision, count = outcome.revision, len(outcome.services)
    services = "1 service" if count == 1 else f"{count} services"
    return (
        f"{verb} {release}: {services} on tag {revision.tag or revision.digest} (revision {revision.number}) "
        f"in {outcome.seconds:.1f} s"
    )


def tag_of(reference: str) -> str:
    """Return an image reference without its repository."""
    _, tag, digest = split(reference)
    return tag or digest[:_DIGEST_LENGTH] or "latest"
