"""What happened to every service and pod, put together from the documents of a rollout.

Times are seconds from the first document.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from sametag.output.wording import READY, SCHEDULED, STARTING, TROUBLE, UNTOUCHED, WAITING
from sametag.rollout import DONE, RUNNING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sametag.output import shapes

#: A pod of an older spec, which goes when the new ones are ready.
OLDER = "older"


@dataclass(slots=True)
class Span:
    """A time in which a pod was in one state: OLDER, STARTING, READY, a Job's RUNNING, or TROUBLE, for a `reason`."""

    state: str
    began: float
    ended: float
    reason: str = ""


@dataclass(slots=True)
class Pod:
    """A pod, the tags of its containers, and its states one after the other."""

    name: str
    tags: list[str]
    spans: list[Span] = field(default_factory=list)


@dataclass(slots=True)
class Service:
    """A service, Job or CronJob: its last state, the tag before the first rollout and in the last, its pods by name.

    `ready_after` is when it was ready, or a Job done, in the first rollout, counted from that; None where it never was.
    `touched` is whether the first rollout came to it.
    """

    name: str
    kind: str
    before: str | None
    state: str = ""
    words: str = ""
    tag: str = ""
    job: shapes.Run | None = None
    touched: bool = False
    ready_after: float | None = None
    pods: dict[str, Pod] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rollout:
    """One of the rollouts: a failed upgrade has a rollback after it."""

    action: str
    tag: str
    namespace: str
    at: float


@dataclass(slots=True)
class Story:
    """All of it: `documents` are those of docs/reference/events.md; `troubles`, `failures` and `end` are among them."""

    documents: Sequence[shapes.Document]
    began: datetime
    ended: datetime
    end: shapes.End
    rollouts: list[Rollout] = field(default_factory=list)
    services: dict[str, Service] = field(default_factory=dict)
    troubles: list[shapes.Troubled] = field(default_factory=list)
    failures: list[shapes.Failure] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """How long it took."""
        return (self.ended - self.began).total_seconds()

    def at(self, document: shapes.Document) -> float:
        """Return when a document was written, in seconds from the beginning."""
        return round((datetime.fromisoformat(document["time"]) - self.began).total_seconds(), 3)


def tell(documents: Sequence[shapes.Document], end: shapes.End) -> Story:
    """Put the story together; the end is its last document."""
    began = datetime.fromisoformat(documents[0]["time"])
    story = Story(documents, began, datetime.fromisoformat(end["time"]), end)
    for document in documents:
        at = story.at(document)
        if document["event"] == "start":
            story.rollouts.append(Rollout(document["action"], document["tag"], document["namespace"], at))
        elif document["event"] == "service":
            _service(story, document, at)
        elif document["event"] == "trouble":
            story.troubles.append(document)
        elif document["event"] == "failure":
            story.failures.append(document)
    for service in story.services.values():
        if not service.touched and service.state == WAITING:
            service.state = service.words = UNTOUCHED
        for pod in service.pods.values():
            _close(pod, story.seconds)
    return story


def _service(story: Story, document: shapes.Service, at: float) -> None:
    name = document["name"]
    service = story.services.setdefault(name, Service(name, document["kind"], document["before"]))
    service.state, service.tag = document["state"], document["tag"]
    service.words, service.job = document["words"], document["job"]
    if len(story.rollouts) == 1 and service.state != WAITING:
        service.touched = True
    if service.state in (READY, DONE, SCHEDULED) and service.ready_after is None and len(story.rollouts) == 1:
        service.ready_after = document["seconds"]
    running = RUNNING if document["job"] else READY
    troubles = {trouble["pod"]: trouble["reason"] for trouble in document["troubles"]}
    for pod in document["pods"]:
        known = service.pods.setdefault(pod["name"], Pod(pod["name"], pod["tags"]))
        reason = troubles.get(pod["name"]) or _crash_loop(known, pod)
        state = OLDER if not pod["newest"] else TROUBLE if reason else running if pod["ready"] else STARTING
        _enter(known, state, reason, at)
    there = {pod["name"] for pod in document["pods"]}
    for gone in service.pods.keys() - there:
        _close(service.pods[gone], at)


def _crash_loop(known: Pod, pod: shapes.Pod) -> str:
    """Return the last reason of a pod that is between two crashes; empty for any other."""
    last = known.spans[-1] if known.spans else None
    return last.reason if last and pod["newest"] and pod["restarts"] and not pod["ready"] else ""


_OPEN = -1.0


def _enter(pod: Pod, state: str, reason: str, at: float) -> None:
    last = pod.spans[-1] if pod.spans else None
    if last and last.ended == _OPEN and (last.state, last.reason) == (state, reason):
        return
    _close(pod, at)
    pod.spans.append(Span(state, at, _OPEN, reason))


def _close(pod: Pod, at: float) -> None:
    if pod.spans and pod.spans[-1].ended == _OPEN:
        pod.spans[-1].ended = at
