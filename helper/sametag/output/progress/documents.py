"""The events of a rollout as JSON documents: docs/reference/events.md describes each, `shapes` has their types."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sametag.deploy import Failure, Plan, Progress, Start, Step, Troubled
from sametag.output.plan import plan_document
from sametag.output.wording import GONE, in_words, kind, phase, run_document, schedule_document, tag_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sametag.deploy import Event, Outcome
    from sametag.output import shapes
    from sametag.output.progress import End
    from sametag.rollout import Evidence, PodState, ServiceState, Trouble


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
        self._services: dict[str, shapes.ServiceFields] = {}

    def of(self, event: Event) -> Iterator[shapes.Document]:
        """Yield the documents of one event."""
        match event:
            case Step():
                yield {**self._head(), "event": "step", "level": event.level, "text": event.text}
            case Start():
                self._tag = event.tag
                self._services.clear()
                yield {
                    **self._head(),
                    "event": "start",
                    "action": event.action,
                    "release": event.release,
                    "namespace": event.namespace,
                    "tag": event.tag,
                }
            case Plan():
                yield {**self._head(), "event": "plan", **plan_document(event)}
            case Progress():
                yield from self._progress(event)
            case Troubled():
                for evidence in event.evidence:
                    yield {**self._head(), "event": "trouble", **_evidence(evidence)}
            case Failure():
                for evidence in event.evidence:
                    yield {**self._head(), "event": "failure", **_evidence(evidence)}

    def _head(self) -> shapes.Head:
        time = self._now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return {"version": 1, "time": time}

    def _progress(self, event: Progress) -> Iterator[shapes.Service]:
        seen = {state.name: self._service(state, event.before.get(state.name)) for state in event.states}
        for name in self._services.keys() - seen.keys():
            last = self._services[name]
            seen[name] = {**last, "state": GONE, "words": GONE, "ready": 0, "updated": 0, "pods": [], "troubles": []}
        for name, fields in seen.items():
            if self._services.get(name) != fields:
                yield {**self._head(), "event": "service", "seconds": round(event.seconds, 3), **fields}
        self._services = seen

    def _service(self, state: ServiceState, before: ServiceState | None) -> shapes.ServiceFields:
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
            "troubles": [_trouble(trouble) for trouble in state.troubles],
        }

    def end(self, end: End) -> shapes.End:
        """Return the last document, whatever the end is."""
        head: shapes.EndFields = {
            **self._head(),
            "event": "end",
            "command": end.command,
            "release": end.release,
            "seconds": round(end.seconds, 3),
            "exitCode": end.error.exit_code if end.error else 0,
        }
        if end.error:
            return {**head, "result": "failed", "message": end.error.message, "remedy": end.error.remedy}
        if end.outcome:
            return {**head, "result": "succeeded", **_outcome(end.outcome)}
        return {**head, "result": "dry run"}


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


def _pod(pod: PodState, *, newest: bool) -> shapes.Pod:
    return {
        "name": pod.name,
        "tags": [tag_of(image) for image in pod.images],
        "images": list(pod.images),
        "newest": newest,
        "ready": pod.ready,
        "restarts": pod.restarts,
    }


def _trouble(trouble: Trouble) -> shapes.Trouble:
    return {
        "pod": trouble.pod,
        "container": trouble.container,
        "reason": trouble.reason,
        "message": trouble.message,
    }


def _evidence(evidence: Evidence) -> shapes.Evidence:
    return {
        **_trouble(evidence.trouble),
        "services": list(evidence.services),
        "pods": evidence.pods,
        "events": list(evidence.events),
        "log": list(evidence.log),
        "previousLog": list(evidence.previous),
    }


def _outcome(outcome: Outcome) -> shapes.Succeeded:
    revision = outcome.revision
    return {
        "revision": revision.number,
        "tag": revision.tag,
        "digest": revision.digest or revision.note.digest,
        "verified": revision.verified,
        "services": [state.name for state in outcome.services],
        "unseen": [{"name": name, "words": words} for name, words in outcome.unseen.items()],
    }
