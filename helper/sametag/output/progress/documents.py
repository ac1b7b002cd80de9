"""The events of a rollout as JSON documents: docs/reference/events.md describes each."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sametag.deploy import Failure, Plan, Progress, Start, Step, Troubled
from sametag.output.plan import plan_document
from sametag.output.wording import GONE, in_words, kind, phase, run_document, schedule_document, tag_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sametag.deploy import Event, Outcome
    from sametag.output.progress import End
    from sametag.rollout import Evidence, PodState, ServiceState

    Document = dict[str, Any]

#: Grows when a document changes so that a program that reads it has to change too.
VERSION = 1


def _now() -> datetime:
    return datetime.now(UTC)


class Documents:
    """Turn events into documents: of the services only those that have changed.

    Args:
        now: What time it is.
    """

    def __init__(self, now: Callable[[], datetime] = _now) -> None:
        self._now = now
        self._tag = ""
        self._services: dict[str, Document] = {}

    def of(self, event: Event) -> Iterator[Document]:
        """Yield the documents of one event."""
        match event:
            case Step():
                yield self._document("step", {"level": event.level, "text": event.text})
            case Start():
                self._tag = event.tag
                self._services.clear()
                names = ("action", "release", "namespace", "tag")
                yield self._document("start", {name: getattr(event, name) for name in names})
            case Plan():
                yield self._document("plan", plan_document(event))
            case Progress():
                yield from self._progress(event)
            case Troubled():
                yield from (self._document("trouble", _evidence(found)) for found in event.evidence)
            case Failure():
                yield from (self._document("failure", _evidence(found)) for found in event.evidence)

    def _document(self, event: str, more: Document) -> Document:
        time = self._now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return {"version": VERSION, "event": event, "time": time, **more}

    def _progress(self, event: Progress) -> Iterator[Document]:
        seen = {state.name: self._service(state, event.before.get(state.name)) for state in event.states}
        for name in self._services.keys() - seen.keys():
            nothing = {"state": GONE, "words": GONE, "ready": 0, "updated": 0, "pods": [], "troubles": []}
            seen[name] = {**self._services[name], **nothing}
        for name, document in seen.items():
            if self._services.get(name) != document:
                yield self._document("service", {"seconds": round(event.seconds, 3), **document})
        self._services = seen

    def _service(self, state: ServiceState, before: ServiceState | None) -> Document:
        return {
            "name": state.name,
            "kind": kind(state),
            "workload": state.workload,
            "state": (word := phase(state, before, self._tag)),
            "words": in_words(state, word),
            "tag": ", ".join(state.tags) if state.extra else self._tag,
            "before": ", ".join(before.tags) if before else None,
            "desired": state.desired,
            "updated": state.updated,
            "ready": 0 if state.run else state.ready,
            "pods": [_pod(pod, newest=True) for pod in state.pods] + [_pod(pod, newest=False) for pod in state.others],
            "job": run_document(state.run) if state.run else None,
            "cronJob": schedule_document(state.cron) if state.cron else None,
            "troubles": [
                {name: getattr(trouble, name) for name in ("pod", "container", "reason", "message")}
                for trouble in state.troubles
            ],
        }

    def end(self, end: End) -> Document:
        """Return the last document, whatever the end is."""
        more: Document = {"command": end.command, "release": end.release, "seconds": round(end.seconds, 3)}
        if end.error:
            more |= {"result": "failed", "exitCode": end.error.exit_code}
            more |= {"message": end.error.message, "remedy": end.error.remedy}
        elif end.outcome:
            more |= {"result": "succeeded", "exitCode": 0, **_outcome(end.outcome)}
        else:
            more |= {"result": "dry run", "exitCode": 0}
        return self._document("end", more)


class JsonStream:
    """Write each event as one line of JSON.

    Args:
        write: Called with each line.
    """

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._documents = Documents()

    def __call__(self, event: Event) -> None:
        """Write what is new in this event."""
        for document in self._documents.of(event):
            self._write(json.dumps(document))

    def end(self, end: End) -> None:
        """Write the last line: the outcome, or the error with its exit code. A stream that lacks it is not complete."""
        self._write(json.dumps(self._documents.end(end)))


def _pod(pod: PodState, *, newest: bool) -> Document:
    return {
        "name": pod.name,
        "tags": [tag_of(image) for image in pod.images],
        "images": list(pod.images),
        "newest": newest,
        "ready": pod.ready,
        "restarts": pod.restarts,
    }


def _evidence(found: Evidence) -> Document:
    trouble = found.trouble
    return {
        "services": list(found.services),
        "pods": found.pods,
        "pod": trouble.pod,
        "container": trouble.container,
        "reason": trouble.reason,
        "message": trouble.message,
        "events": list(found.events),
        "log": list(found.log),
        "previousLog": list(found.previous),
    }


def _outcome(outcome: Outcome) -> Document:
    revision = outcome.revision
    return {
        "revision": revision.number,
        "tag": revision.tag,
        "digest": revision.digest or revision.note.digest,
        "verified": revision.verified,
        "services": [state.name for state in outcome.services],
        "unseen": [{"name": name, "words": words} for name, words in outcome.unseen.items()],
    }
