"""Problems as text for people, and as our own JSON document.

The text begins with `file:line:column`, which editors and terminals turn into a link. The source line is not shown: the
values may hold what does not belong in the log of a CI job, and the line is one click away.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sametag.output.problems.report import counted, place, printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sametag.output.problems.report import Report
    from sametag.values import Problem

_BOLD, _DIM, _YELLOW, _RESET = "\x1b[1m", "\x1b[2m", "\x1b[33m", "\x1b[0m"


def text(report: Report, *, colour: bool = False) -> Iterator[str]:
    """Yield the lines of each problem, then their number; nothing if the only file is valid."""
    for problem in report.problems:
        yield from problem_lines(problem, colour=colour)
    if len(report.files) > 1:
        yield f"{counted(report.problems)} in {len(report.files)} files"
    elif report.problems:
        yield counted(report.problems)


def problem_lines(problem: Problem, *, colour: bool = False) -> Iterator[str]:
    """Yield `file:line:column: message`, then the remedy, if any.

    A warning names its rule, which is what silences it.
    """
    where = f"{place(problem.location)}: " if problem.location else ""
    label, rule = ("warning: ", f" [{problem.rule}]") if problem.severity == "warning" else ("", "")
    remedy = f"  {printable(problem.remedy)}" if problem.remedy else ""
    if colour:
        where, label = f"{_BOLD}{where}{_RESET}", f"{_YELLOW}{label}{_RESET}"
        rule, remedy = f"{_DIM}{rule}{_RESET}", remedy and f"{_DIM}{remedy}{_RESET}"
    yield f"{where}{label}{printable(problem.message)}{rule}"
    if remedy:
        yield remedy


#: The version of the document; it changes when a field changes its meaning or goes.
VERSION = 1


def document(report: Report) -> str:
    """Return one document: `version`, `files`, and `problems` with all that `Problem` has."""
    rows = [
        problem._asdict() | {"location": problem.location._asdict() if problem.location else None}
        for problem in report.problems
    ]
    return json.dumps({"version": VERSION, "files": report.files, "problems": rows}, indent=2)
