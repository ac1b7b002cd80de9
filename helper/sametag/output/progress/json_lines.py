"""A rollout as a stream of JSON, one document a line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sametag.output.progress.documents import Documents

if TYPE_CHECKING:
    from collections.abc import Callable

    from sametag.deploy import Event
    from sametag.output.progress.listener import End


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
