"""What a terminal shows of a rollout at one moment: a line a service, and below those in trouble, why."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.text import Text

from sametag.output.plain import plain
from sametag.output.wording import FINISHING, READY, SCHEDULED, STARTING, TROUBLE, WAITING, in_words, phase, where
from sametag.rollout import DONE, FAILED, RUNNING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sametag.deploy import Progress, Start
    from sametag.rollout import Evidence, ServiceState

# In the order in which they need a reader, where there is no room for all.
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
_NUMBERS = (1, 2, 3, 6)
_WIDE, _NARROW = 80, (0, 1, 3, 4, 5)  # columns of the terminal for all of them, and which are shown on a narrower one
_MESSAGE_LINES, _LOG_LINES = 3, 5

# Service, pod, container, reason.
Key = tuple[str, str, str, str]


@dataclass(slots=True)
class Moment:
    """What is known of a rollout at one moment.

    Attributes:
        start: What it is about.
        progress: The services.
        finished: Seconds from the beginning until a service was ready, by its name.
        evidence: Of pods in trouble.
    """

    start: Start
    progress: Progress
    finished: dict[str, float] = field(default_factory=dict)
    evidence: dict[Key, Evidence] = field(default_factory=dict)


@dataclass(slots=True)
class _Block:
    """The lines of one service."""

    phase: str
    lines: list[Text]


def frame(moment: Moment, width: int, height: int) -> list[Text]:
    """Return at most `height` lines for a terminal `width` columns wide; what has no room is counted in the last."""
    states = moment.progress.states
    phases = [phase(state, moment.progress.before.get(state.name), moment.start.tag) for state in states]
    rows = [_row(moment, state, word) for state, word in zip(states, phases, strict=True)]
    columns = range(len(_HEAD)) if width >= _WIDE else _NARROW
    head, *lines = _aligned([_HEAD, *rows], columns)
    head.stylize("dim")
    for word, line in zip(phases, lines, strict=True):
        line.stylize(_STYLES[word])
    told: set[str] = set()
    blocks = [
        _Block(word, [line, *(_why(moment, state, width, told) if word == TROUBLE else ())])
        for state, word, line in zip(states, phases, lines, strict=True)
    ]
    services = [word for state, word in zip(states, phases, strict=True) if state.steady]
    above = [_title(moment, services), head]
    room = height - len(above)
    if sum(len(block.lines) for block in blocks) <= room:
        return [*above, *(line for block in blocks for line in block.lines)]
    return [*above, *_most_urgent(blocks, room)][:height]


def _title(moment: Moment, phases: Sequence[str]) -> Text:
    start = moment.start
    said = f"{start.action} of {start.release} to {start.tag}: {phases.count(READY)} of {len(phases)} services ready"
    return Text.assemble((said, "bold"), f"  {moment.progress.seconds:.1f} s")


def _row(moment: Moment, state: ServiceState, word: str) -> tuple[str, ...]:
    """Return the cells of a service under the heads."""
    before, new = moment.progress.before.get(state.name), ", ".join(state.tags) if state.extra else moment.start.tag
    old = ", ".join(before.tags) if before else ""
    if state.cron or state.run:
        moves = state.run is not None and not state.run.ended and word != WAITING
        time = f"{moment.progress.seconds:.1f} s" if moves else ""
        return state.name, "", "", "", ", ".join(state.tags), in_words(state, word), time
    said = state.troubles[0].reason if word == TROUBLE else word
    if word == FINISHING:
        said = f"{len(state.others)} old left"
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


def _aligned(rows: Sequence[Sequence[str]], columns: Sequence[int]) -> list[Text]:
    widths = {column: max(len(row[column]) for row in rows) for column in columns}
    return [
        Text(
            "  ".join(f"{row[column]:{'>' if column in _NUMBERS else '<'}{width}}" for column, width in widths.items())
        )
        for row in rows
    ]


def _why(moment: Moment, state: ServiceState, width: int, told: set[str]) -> Iterator[Text]:
    """Yield each cause that is not `told` yet, with the first pod that met with it, and the end of its log."""
    for trouble in state.troubles:
        if trouble.cause in told:
            continue
        told.add(trouble.cause)
        place = where(trouble)
        yield from _wrapped(f"{place}: {trouble.summary}" if place else trouble.summary, width)
        found = moment.evidence.get((state.name, trouble.pod, trouble.container, trouble.reason))
        for line in found.log[-_LOG_LINES:] if found else ():
            yield Text(f"    | {plain(line).expandtabs()}", "dim")


def _wrapped(text: str, width: int) -> Iterator[Text]:
    room = max(width - 4, 20)
    text = plain(text)
    for start in range(0, min(len(text), room * _MESSAGE_LINES), room):
        yield Text(f"    {text[start : start + room]}", "red")


def _most_urgent(blocks: Sequence[_Block], room: int) -> Iterator[Text]:
    """Yield the lines of those who need a reader most, and count the rest."""
    order = list(_STYLES)
    rest = sorted(blocks, key=lambda block: order.index(block.phase))
    room -= 1
    while rest and room > 0:
        lines = rest.pop(0).lines[:room]
        room -= len(lines)
        yield from lines
    counts = Counter(block.phase for block in rest)
    yield Text(f"and {len(rest)} more: " + ", ".join(f"{count} {word}" for word, count in counts.items()), "dim")
