"""Problems as text for people, as JSON for programs, and as annotations for GitHub Actions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sametag.values import Location, Problem

#: The version of the JSON report; it changes when a field changes its meaning or goes.
VERSION = 1

#: The names of the formats.
FORMATS = ("text", "json", "github")

_BOLD, _DIM, _YELLOW, _RESET = "\x1b[1m", "\x1b[2m", "\x1b[33m", "\x1b[0m"


def lines(problems: Sequence[Problem], style: str, *, colour: bool = False) -> Iterator[str]:
    """Yield the lines of a report in one of `FORMATS`; colour is for text on a terminal."""
    if style == "json":
        yield as_json(problems)
    elif style == "github":
        yield from github(problems)
    else:
        yield from text(problems, colour=colour)


def text(problems: Sequence[Problem], *, colour: bool = False) -> Iterator[str]:
    """Yield `file:line:column: message` and the remedy below it for each problem, then how many there are."""
    for problem in problems:
        where = _place(problem.location)
        label = "warning: " if problem.severity == "warning" else ""
        place, label = (f"{_BOLD}{where}{_RESET}", f"{_YELLOW}{label}{_RESET}") if colour else (where, label)
        yield f"{place}{label}{_printable(problem.message)}"
        if problem.remedy:
            remedy = f"  {_printable(problem.remedy)}"
            yield f"{_DIM}{remedy}{_RESET}" if colour else remedy
    if problems:
        yield _summary(problems)


def as_json(problems: Iterable[Problem]) -> str:
    """Return one JSON document: `version`, and `problems` with rule, severity, path, location, message and remedy.

    `location` has source, line and column; line and column are null in an expression such as `--set a=b` and where
    nothing is known but the source. It is null as a whole where not even that is known.
    """
    rows = [problem._asdict() | {"location": _location(problem.location)} for problem in problems]
    return json.dumps({"version": VERSION, "problems": rows}, indent=2)


def github(problems: Iterable[Problem]) -> Iterator[str]:
    """Yield a workflow command for each problem, escaped as GitHub's toolkit (core/src/command.ts) does."""
    for problem in problems:
        location = problem.location
        properties: dict[str, object] = {"title": problem.rule}
        message = problem.message
        if location and location.line is not None and not location.source.startswith("<"):
            properties = {"file": location.source, "line": location.line, "col": location.column, **properties}
        else:
            message = _place(location) + message
        fields = ",".join(f"{key}={_escaped_property(value)}" for key, value in properties.items())
        remedy = f"\n{problem.remedy}" if problem.remedy else ""
        yield f"::{problem.severity} {fields}::{_escaped(message + remedy)}"


def _location(location: Location | None) -> dict[str, object] | None:
    return location._asdict() if location else None


def _place(location: Location | None) -> str:
    if location is None:
        return ""
    if location.line is None:
        return f"{_printable(location.source)}: "
    return f"{_printable(location.source)}:{location.line}:{location.column}: "


def _printable(text: str) -> str:
    """Escape what would move the cursor, or cannot be encoded: keys and file names may hold anything."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escaped_property(value: object) -> str:
    return _escaped(str(value)).replace(":", "%3A").replace(",", "%2C")


def _summary(problems: Sequence[Problem]) -> str:
    errors = sum(problem.severity == "error" for problem in problems)
    counts = ((errors, "error"), (len(problems) - errors, "warning"))
    return ", ".join(f"{count} {what}{'s' * (count != 1)}" for count, what in counts if count)
