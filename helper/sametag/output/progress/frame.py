"""What a terminal shows of a rollout at one moment: a line for each service, and why those in trouble are."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.text import Text

from sametag.output.plain import fit, plain, shortened
from sametag.output.wording import (
    FINISHING,
    READY,
    SCHEDULED,
    STARTING,
    TROUBLE,
    WAITING,
    in_words,
    kind,
    number_of,
    phase,
    where,
)
from sametag.rollout import DONE, FAILED, RUNNING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sametag.deploy import Progress, Start
    from sametag.rollout import Evidence, ServiceState

# The most urgent first: where there is no room for all services, the others are counted.
_STYLES = {
    TROUBLE: "red",
    FAILED: "red",
    RUNNING: "yellow",
    STARTING: "yellow",
    FINISHING: "cyan",
    WAITING: "dim",
    SCHEDULED: "dim",
    DONE: "green",
    READY: "green",
}

_HEAD = ("SERVICE", "DESIRED", "UPDATED", "READY", "TAG", "STATE", "TIME")
_SERVICE, _DESIRED, _UPDATED, _READY, _TAG, _STATE, _TIME = range(len(_HEAD))
_NUMBERS = (_DESIRED, _UPDATED, _READY, _TIME)
# On a narrow terminal these are left out, in this order. Names and tags are shortened, the state never is.
_DROPPED = (_UPDATED, _TIME, _DESIRED, _READY, _TAG)
_LEAST = {_SERVICE: 12, _TAG: 12}
_MESSAGE_LINES, _LOG_LINES = 3, 5

# Service, pod, container, reason.
Key = tuple[str, str, str, str]


@dataclass(slots=True)
class Moment:
    """What is known of a rollout at one moment.

    Attributes:
        start: The action, the release and the tag.
        progress: The states of the services.
        finished: Seconds until each service was ready, by name.
        evidence: Events and logs of pods in trouble.
    """

    start: Start
    progress: Progress
    finished: dict[str, float] = field(default_factory=dict)
    evidence: dict[Key, Evidence] = field(default_factory=dict)


@dataclass(slots=True)
class _Block:
    """The lines of one service, and its phase."""

    phase: str
    lines: list[Text]


def frame(moment: Moment, width: int, height: int) -> list[Text]:
    """Return at most `height` lines of at most `width` columns; what has no room is counted in the last."""
    states = moment.progress.states
    phases = [phase(state, moment.progress.before.get(state.name), moment.start.tag) for state in states]
    rows = [_row(moment, state, word) for state, word in zip(states, phases, strict=True)]
    head, *lines = _aligned([_HEAD, *rows], width)
    head.stylize("dim")
    for word, line in zip(phases, lines, strict=True):
        line.stylize(_STYLES[word])
    told: set[str] = set()
    blocks = [
        _Block(word, [line, *(_why(moment, state, width, told) if word == TROUBLE else ())])
        for state, word, line in zip(states, phases, lines, strict=True)
    ]
    above = [_title(moment, phases, width), head]
    room = height - len(above)
    if sum(len(block.lines) for block in blocks) <= room:
        return [*above, *(line for block in blocks for line in block.lines)]
    return [*above, *_most_urgent(blocks, room)][:height]


def _title(moment: Moment, phases: Sequence[str], width: int) -> Text:
    start, time = moment.start, f"  {moment.progress.seconds:.1f} s"
    verb, counts = f"{start.action} of {start.release} to", _counts(moment, phases)
    if len(f"{verb} {start.tag}: {counts}{time}") > width:
        verb, counts = f"{start.action} of {shortened(start.release, 16)} to", _counts(moment, phases, short=True)
    if len(f"{verb} {counts}{time}") + min(len(start.tag), _LEAST[_TAG]) + 3 > width:
        verb = f"{start.action} to"
    tag = shortened(start.tag, max(width - len(f"{verb} : {counts}{time}"), _LEAST[_TAG]))
    return Text.assemble((f"{verb} {tag}: {counts}", "bold"), time)


def _counts(moment: Moment, phases: Sequence[str], *, short: bool = False) -> str:
    """Count the services that are ready, and apart from them the Jobs that are done."""
    counts = []
    for name, what, end, good in (("service", "services", "ready", READY), ("job", "Jobs", "done", DONE)):
        words = [word for state, word in zip(moment.progress.states, phases, strict=True) if kind(state) == name]
        if words or name == "service":
            done = words.count(good)
            counts.append(f"{done}/{len(words)} {what}" if short else f"{done} of {len(words)} {what} {end}")
    return ", ".join(counts)


def _row(moment: Moment, state: ServiceState, word: str) -> tuple[str, ...]:
    """Return the cells of a service under the heads."""
    before, new = moment.progress.before.get(state.name), ", ".join(state.tags) if state.extra else moment.start.tag
    old = ", ".join(before.tags) if before else ""
    if state.cron or state.run:
        moves = state.run is not None and not state.run.ended and word != WAITING
        time = f"{moment.progress.seconds:.1f} s" if moves else ""
        words = f"{word}, {state.cron.schedule}" if state.cron else in_words(state, word)
        return state.name, "", "", "", ", ".join(state.tags), words, time
    said = state.troubles[0].reason if word == TROUBLE else word
    if word == FINISHING:
        said = f"{number_of(len(state.others), 'old pod')} left"
    seconds = moment.finished.get(state.name, moment.progress.seconds)
    return (
        state.name,
        str(state.desired),
        str(state.updated),
        str(sum(pod.ready for pod in state.pods)),
        f"{old} -> {new}" if old and old != new else new,
        said,
        "" if word == WAITING else f"{seconds:.1f} s",
    )


def _aligned(rows: Sequence[Sequence[str]], width: int) -> list[Text]:
    wanted = {column: max(len(row[column]) for row in rows) for column in range(len(_HEAD))}
    columns = fit(wanted, width, _DROPPED, _LEAST)
    return [Text("  ".join(_cell(row[column], column, size) for column, size in columns.items())) for row in rows]


def _cell(text: str, column: int, size: int) -> str:
    if column in _LEAST:
        text = shortened(text, size)
    return text.rjust(size) if column in _NUMBERS else text.ljust(size)


def _why(moment: Moment, state: ServiceState, width: int, told: set[str]) -> Iterator[Text]:
    """Yield each cause that is not `told` yet: the first pod that has it, and the end of its log."""
    for trouble in state.troubles:
        if trouble.cause in told:
            continue
        told.add(trouble.cause)
        place = where(trouble)
        yield from _wrapped(f"{place}: {trouble.summary}" if place else trouble.summary, width)
        found = moment.evidence.get((state.name, trouble.pod, trouble.container, trouble.reason))
        for line in found.log[-_LOG_LINES:] if found else ():
            yield Text(f"    | {plain(line).expandtabs()}"[:width], "dim")


def _wrapped(text: str, width: int) -> Iterator[Text]:
    room = max(width - 4, 8)
    text = plain(text)
    for start in range(0, min(len(text), room * _MESSAGE_LINES), room):
        yield Text(f"    {text[start : start + room]}", "red")


def _most_urgent(blocks: Sequence[_Block], room: int) -> Iterator[Text]:
    """Yield the lines of the most urgent services, and count the rest."""
    order = list(_STYLES)
    rest = sorted(blocks, key=lambda block: order.index(block.phase))
    room -= 1
    while rest and room > 0:
        lines = rest.pop(0).lines[:room]
        room -= len(lines)
        yield from lines
    counts = Counter(block.phase for block in rest)
    yield Text(f"and {len(rest)} more: " + ", ".join(f"{count} {word}" for word, count in counts.items()), "dim")
