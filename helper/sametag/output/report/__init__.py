"""A rollout as files: report.json, junit.xml, and report.html, a page that needs nothing else."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sametag.errors import UsageError
from sametag.output.progress.documents import Documents
from sametag.output.report.junit import junit
from sametag.output.report.page import page
from sametag.output.report.story import Story, tell

if TYPE_CHECKING:
    from sametag.deploy import Event
    from sametag.output import shapes
    from sametag.output.progress import End


class Report:
    """Collect the events of a deployment, and write them down when it has ended.

    Args:
        folder: Made where it is not there.

    Raises:
        UsageError: It cannot be made.
    """

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)
        self._documents = Documents()
        self._seen: list[shapes.Document] = []
        try:
            # Failures may contain confidential details.
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"--report {folder}: {error.strerror}") from error

    def __call__(self, event: Event) -> None:
        """Keep an event."""
        self._seen += self._documents.of(event)

    def end(self, end: End) -> None:
        """Write the files."""
        last = self._documents.end(end)
        story = tell([*self._seen, last], last)
        self._write("report.json", json.dumps(_document(story), indent=1, ensure_ascii=False) + "\n")
        self._write("junit.xml", junit(story))
        self._write("report.html", page(story))

    def _write(self, name: str, text: str) -> None:
        path = self._folder / name
        path.unlink(missing_ok=True)  # it may be readable by others, or a link
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode=0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace") as file:
            file.write(text)


def _document(story: Story) -> dict[str, Any]:
    """Return report.json; docs/reference/report.md describes it."""
    return {
        "version": 1,
        **{name: value for name, value in story.end.items() if name not in ("version", "event", "time", "services")},
        "began": story.began.isoformat(),
        "ended": story.ended.isoformat(),
        "rollouts": [
            {"action": rollout.action, "tag": rollout.tag, "namespace": rollout.namespace, "at": rollout.at}
            for rollout in story.rollouts
        ],
        "services": [
            {
                "name": service.name,
                "state": service.state,
                "words": service.words,
                "before": service.before,
                "tag": service.tag,
                "readyAfter": service.ready_after,
                "pods": [
                    {
                        "name": pod.name,
                        "tags": pod.tags,
                        "spans": [{"state": s.state, "from": s.began, "to": s.ended} for s in pod.spans],
                    }
                    for pod in service.pods.values()
                ],
            }
            for service in story.services.values()
        ],
        "failures": story.failures,
        "events": story.documents,
    }
