"""Problems as text for people: one line each that editors and terminals make a link of, and the remedy below it.

The source line is not shown: values hold what should not be in the log of a CI job, and the line is one click away.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sametag.output.problems.report import counted, place, printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sametag.output.problems.report import Report
    from sametag.values import Problem

_BOLD, _DIM, _YELLOW, _RESET = "\x1b[1m", "\x1b[2m", "\x1b[33m", "\x1b[0m"


def text(report: Report, *, colour: bool = False) -> Iterator[str]:
    """Yield the lines of each problem, then how many there are; nothing when one file is as it should be."""
    for problem in report.problems:
        yield from problem_lines(problem, colour=colour)
    if len(report.files) > 1:
        yield f"{counted(report.problems)} ({len(report.files)} files checked)"
    elif report.problems:
        yield counted(report.problems)


def problem_lines(problem: Problem, *, colour: bool = False) -> Iterator[str]:
    """Yield `file:line:column: message`, and the remedy where there is one."""
    where = f"{place(problem.location)}: " if problem.location else ""
    label = "warning: " if problem.severity == "warning" else ""
    if colour:
        where = f"{_BOLD}{where}{_RESET}"
        label = f"{_YELLOW}{label}{_RESET}" if label else ""
    yield f"{where}{label}{printable(problem.message)}"
    if problem.remedy:
        remedy = f"  {printable(problem.remedy)}"
        yield f"{_DIM}{remedy}{_RESET}" if colour else remedy
