"""A rollout on a terminal: drawn in place; what matters afterwards stays above."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from rich.text import Text

from sametag.deploy import Failure, Plan, Progress, Start, Step, Troubled
from sametag.errors import InterruptedByUserError
from sametag.output.plain import plain
from sametag.output.plan import plan_lines
from sametag.output.progress.frame import Moment, frame
from sametag.output.progress.summary import Summary, result_line
from sametag.output.progress.terminal import Screen
from sametag.output.wording import READY, left_lines, phase, place_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sametag.deploy import Event
    from sametag.output.progress import End
    from sametag.rollout import Evidence


class Live:
    """Draw the events of a deployment on a terminal.

    Args:
        stream: The terminal.
        result: Called with the last line, the result.
    """

    def __init__(self, stream: TextIO, result: Callable[[str], None]) -> None:
        self._screen = Screen(stream)
        self._result = result
        self._summary = Summary()
        self._start: Start | None = None
        self._moment: Moment | None = None

    def __call__(self, event: Event) -> None:
        """Draw what this event changes."""
        self._summary(event)
        match event:
            case Start():
                self._leave()
                self._start = event
            case Plan():
                for line in plan_lines(event):
                    self._result(line)
            case Progress():
                self._progress(event)
            case Step():
                self._print([Text(plain(str(event)))])
            case Troubled():
                self._remember(event.evidence)
            case Failure():
                self._leave()
                self._print(
                    [Text(line) for found in event.evidence for line in (*place_lines(found), *left_lines(found))]
                )

    def _progress(self, progress: Progress) -> None:
        if self._start is None or not progress.states:
            return
        self._moment = self._moment or Moment(self._start, progress)
        self._moment.progress = progress
        for state in progress.states:
            if phase(state, progress.before.get(state.name), self._start.tag) == READY:
                self._moment.finished.setdefault(state.name, progress.seconds)
            else:
                self._moment.finished.pop(state.name, None)
        self._draw()

    def _remember(self, evidence: Sequence[Evidence]) -> None:
        if self._moment is None:
            return
        for found in evidence:
            trouble = found.trouble
            self._moment.evidence[(found.service, trouble.pod, trouble.container, trouble.reason)] = found
        self._draw()

    def _draw(self) -> None:
        if self._moment is not None:
            self._screen.draw(frame(self._moment, *self._screen.size))

    def _print(self, lines: Sequence[Text]) -> None:
        """Write lines that stay, above the picture."""
        self._screen.print(lines)
        self._draw()

    def _leave(self) -> None:
        """Leave the picture where it is."""
        self._screen.keep()
        self._moment = None

    def end(self, end: End) -> None:
        """Leave the last picture, then write the result, or what failed and what runs now."""
        self._leave()
        if end.error:
            each = isinstance(end.error, InterruptedByUserError)
            self._print([Text(line) for line in self._summary.lines(each=each)])
        else:
            self._result(result_line(end))
