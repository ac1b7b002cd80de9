"""Drop the warnings that a comment silences: `# sametag: ignore RULE[, RULE]`.

The comment is on the line of the warning, or alone on the line above. PyYAML drops comments, so they are searched for
in the text. An error cannot be silenced.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from sametag.values import Problem, has_errors
from sametag.values.problem import Location

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sametag.values import Values

_MARK = b"sametag: ignore"
_COMMENT = r"(?:^|\s)#\s*sametag: ignore ([a-z-]+(?:\s*,\s*[a-z-]+)*)"


class _Ignore(NamedTuple):
    """One rule that one comment names: the line that it is about, and where the name stands."""

    rule: str
    line: int
    place: Location


def silence(values: Values, problems: Sequence[Problem], *, report_unused: bool = True) -> list[Problem]:
    """Return the problems without the silenced warnings, and with one for each comment that silences nothing.

    Unused comments are reported only without errors, which hide warnings, and with a single source, since another one
    can replace the line.

    Args:
        values: The values, with the comments.
        problems: What was found in them.
        report_unused: Whether to report comments that silence nothing. Those about what Helm and the API server find,
            which are not always asked, are never reported.
    """
    ignores = [
        ignore for layer in values.layers if _MARK in layer.text for ignore in _ignores(layer.source, layer.text)
    ]
    if not ignores:
        return list(problems)
    wanted = {(ignore.rule, ignore.place.source, ignore.line) for ignore in ignores}
    silenced = {_key(problem) for problem in problems if problem.severity == "warning"} & wanted
    kept = [problem for problem in problems if problem.severity == "error" or _key(problem) not in wanted]
    if not report_unused or has_errors(problems) or len(values.layers) > 1:
        return kept
    unused = (ignore for ignore in ignores if (ignore.rule, ignore.place.source, ignore.line) not in silenced)
    return kept + [_unused(ignore) for ignore in unused if ignore.rule not in _of_others()]


def _key(problem: Problem) -> tuple[str, str, int | None]:
    location = problem.location
    return (problem.rule, location.source if location else "", location.line if location else None)


def _ignores(source: str, text: bytes) -> Iterator[_Ignore]:
    lines = text.decode(errors="replace").splitlines()
    for number, line in enumerate(lines, 1):
        match = re.search(_COMMENT, line)
        if match is None:
            continue
        about = number
        while about <= len(lines) and lines[about - 1].lstrip().startswith("#"):
            about += 1
        for name in re.finditer("[a-z-]+", match[1]):
            place = Location(source, number, match.start(1) + name.start() + 1)
            yield _Ignore(name[0], about, place)


def _of_others() -> set[str]:
    from sametag.validation.catalogue import entries

    return {entry.name for entry in entries() if entry.group in ("helm", "server") and entry.severity == "warning"}


def _unused(ignore: _Ignore) -> Problem:
    from sametag.validation.catalogue import entries

    known = {entry.name: entry.severity for entry in entries()}
    if ignore.rule not in known:
        from difflib import get_close_matches

        near = get_close_matches(ignore.rule, known, n=1)
        message = f"unknown rule {ignore.rule}" + (f"; did you mean {near[0]}?" if near else "")
    elif known[ignore.rule] == "error":
        message = f"{ignore.rule} is an error and cannot be ignored"
    else:
        message = f"nothing to ignore: no {ignore.rule} warning here"
    return Problem("unused-ignore", "warning", "", ignore.place, message, "remove the comment")
