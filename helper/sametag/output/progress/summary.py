"""The last lines of a rollout: what failed, where, what runs now, or what was done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sametag.deploy import Failure, Progress
from sametag.output.plain import plain
from sametag.output.wording import TROUBLE, counted, counted_kinds, in_words, kind, names, number_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sametag.deploy import Event, Outcome
    from sametag.output.progress import End
    from sametag.rollout import Evidence, ServiceState


class Summary:
    """Keeps what the end of a failed rollout has to say."""

    def __init__(self) -> None:
        # The first cause is in the error.
        self._others: list[Evidence] = []
        self._now: tuple[ServiceState, ...] | None = None

    def __call__(self, event: Event) -> None:
        """Take in an event."""
        if isinstance(event, Failure):
            self._others += event.evidence[1:]
        elif isinstance(event, Progress):
            self._now = event.states

    def lines(self, *, each: bool = False) -> Iterator[str]:
        """Yield nothing where no rollout had begun.

        Args:
            each: Whether every service gets a line of its own, and not only those that are alike.
        """
        if self._others:
            yield "what failed for other reasons:"
            for found in self._others:
                yield f"  {names(found.services)}{counted(found)}: {plain(found.trouble.summary)}"
        if self._now is not None:
            yield "what runs now:"
            yield from running(self._now, each=each)


def running(states: tuple[ServiceState, ...], *, each: bool = False) -> Iterator[str]:
    """Yield one line for the services that are alike, or for each."""
    if not states:
        yield "  nothing"
    others = [state for state in states if state.run or state.cron]
    alike: dict[str, list[ServiceState]] = {}
    for state in states:
        if state in others:
            continue
        tags = ", ".join(state.tags) or "no pod"
        word = "ready" if state.complete else f"{state.ready} of {state.desired} ready"
        alike.setdefault(f"{tags}, {word}", []).append(state)
    if each:
        yield from (f"  {state.name}: {words}" for words, of in alike.items() for state in of)
    else:
        yield from _together(alike)
    yield from (f"  {state.name}: {in_words(state, TROUBLE if state.troubles else '')}" for state in others)


def _together(alike: dict[str, list[ServiceState]]) -> Iterator[str]:
    for words, of in alike.items():
        if served := [state.name for state in of if not state.extra]:
            yield f"  {number_of(len(served), 'service')} on {words}: {names(served)}"
        yield from (f"  {state.name} on {words}" for state in of if state.extra)


def result_line(end: End) -> str:
    """Return one line on what a command that did not fail has done."""
    if end.outcome is None:
        return "dry run: nothing was changed"
    return _outcome_line(end.command, end.release, end.outcome)


_DONE = {"install": "installed", "upgrade": "upgraded", "rollback": "rolled back"}


def _outcome_line(command: str, release: str, outcome: Outcome) -> str:
    """Return one line on what a deployment has done."""
    revision, counts = outcome.revision, counted_kinds(map(kind, outcome.services))
    doubts = {state.name: state.doubt for state in outcome.services if state.doubt}
    if doubts:
        counts = f"{len(outcome.services) - len(doubts)} of {counts}"
    unseen = "".join(f"; {name}: {words}" for name, words in (doubts | outcome.unseen).items())
    return (
        f"{_DONE[command]} {release}: {counts} on tag {revision.tag or revision.digest} "
        f"(revision {revision.number}) in {outcome.seconds:.1f} s{unseen}"
    )
