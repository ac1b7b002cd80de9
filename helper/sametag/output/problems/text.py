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
        yield f"{counted(report.problems)} in {len(report.files)} files"
    elif report.problems:
        yield counted(report.problems)


def problem_lines(problem: Problem, *, colour: bool = False) -> Iterator[str]:
    """Yield `file:line:column: message`, and the remedy where there is one.

    The rule of a warning is named: with its name it can be silenced.
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
