"""A rollout as lines: for a log, a pipe, or a terminal that cannot redraw."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sametag.deploy import Failure, Plan, Progress, Start, Step, Troubled
from sametag.errors import InterruptedByUserError
from sametag.output.plain import plain
from sametag.output.plan import plan_lines
from sametag.output.progress.summary import Summary, result_line
from sametag.output.wording import TROUBLE, cause_lines, in_words, left_lines, number_of, place_lines, tag_of
from sametag.rollout import DONE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sametag.deploy import Event
    from sametag.output.progress import End
    from sametag.rollout import Evidence, ServiceState


class ProgressLines:
    """Turn the events of a deployment into lines: one for each change of a service, none twice.

    Args:
        write: Called with each line of progress.
        result: Called with the last line, the result.
    """

    def __init__(self, write: Callable[[str], None], result: Callable[[str], None]) -> None:
        self._write = write
        self._result = result
        self._summary = Summary()
        self._last: dict[str, str] = {}
        self._told: set[str] = set()
        self._left: list[list[str]] = []

    def __call__(self, event: Event) -> None:
        """Write what is new in this event."""
        self._summary(event)
        match event:
            case Start():
                # What was written about the services no longer holds.
                self._last.clear()
                self._told.clear()
            case Step():
                self._write(plain(str(event)))
            case Plan():
                for line in plan_lines(event):
                    self._result(line)
            case Progress():
                self._progress(event)
            case Troubled():
                self._causes(event.evidence, cause_lines)
            case Failure():
                self._causes(event.evidence, place_lines)

    def _causes(self, causes: Sequence[Evidence], head: Callable[[Evidence], Iterator[str]]) -> None:
        """Write each cause once: most failures were written before, as a trouble that might heal."""
        for found in causes:
            if found.trouble.cause in self._told:
                continue
            left = left_lines(found)
            for line in [*head(found), *(left if left not in self._left else ())]:
                self._write(line)
            self._told.add(found.trouble.cause)
            self._left.append(left)

    def _progress(self, event: Progress) -> None:
        width = max((len(state.name) for state in event.states), default=0)
        for state in event.states:
            before = event.before.get(state.name)
            if state.name not in self._last and not _has_begun(state, before):
                continue
            words = _in_words(state, before)
            # How long a Job took is told to a tenth by the watch, and in whole seconds by Kubernetes.
            known = f"{DONE} {state.uid}" if state.run and state.run.state == DONE else words
            if self._last.get(state.name) != known:
                self._last[state.name] = known
                self._write(f"{event.seconds:6.1f} s  {state.name:<{width}}  {words}")

    def end(self, end: End) -> None:
        """Write the result, or what failed and what runs now."""
        if end.error:
            for line in self._summary.lines(each=isinstance(end.error, InterruptedByUserError)):
                self._write(line)
        else:
            self._result(result_line(end))


def _has_begun(state: ServiceState, before: ServiceState | None) -> bool:
    """Whether there is something to write: a new pod, or a reason why there is none."""
    if not state.steady:
        return state != before and state.observed and bool(state.pods or state.run or state.cron)
    changed = before is None or state.spec != before.spec or _ready(state) != _ready(before)
    return changed and state.observed and bool(state.pods or not state.desired)


def _ready(state: ServiceState) -> int:
    return sum(pod.ready for pod in state.pods)


def _in_words(state: ServiceState, before: ServiceState | None) -> str:
    if state.run or state.cron:
        tags = f"{', '.join(state.tags)}  " if state.tags else ""
        return f"{tags}{in_words(state, TROUBLE if state.troubles else '')}"
    new = ", ".join(sorted({tag_of(image) for pod in state.pods for image in pod.images})) or "-"
    old = ", ".join(before.tags) if before else ""
    tags = f"{old} -> {new}" if old and old != new else new
    ready = _ready(state)
    leaving = f", {number_of(len(state.others), 'old pod')} left" if state.others and ready == state.desired else ""
    return f"{tags}  {ready}/{state.desired} ready{leaving}"
