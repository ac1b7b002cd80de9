"""Check values and print what is wrong with them: the whole of `validate`, and what others do before all else."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from types import ModuleType
from typing import TYPE_CHECKING, TextIO

from sametag import validation, values
from sametag.chart import defaults_of
from sametag.cli.files import expand
from sametag.cli.given import sources
from sametag.errors import UsageError, ValuesError
from sametag.output.problems import Report, collect, lines

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable

    from sametag.chart import Chart
    from sametag.values import Problem, Values


def check(
    chart: Chart, arguments: argparse.Namespace, further: Callable[[Values], list[Problem]] | None = None
) -> Report:
    """Check what `validate` names: one set of values, or each file on its own over the files of -f.

    Args:
        chart: Whose values they are.
        arguments: The command line.
        further: Is asked about values that nothing is wrong with so far.

    Raises:
        UsageError: No values are named.
    """
    common, files = sources(arguments), expand(arguments.files, arguments.values)
    if not files and not any(common):
        raise UsageError("no values are given", "name a file, or - for standard input")
    sets = values.load_each(common, files) if files else [values.load(common)]
    check_one = _checker(chart, arguments.release)

    def found(user: Values) -> list[Problem]:
        problems = check_one(user)
        return problems if further is None or values.has_errors(problems) else [*problems, *further(user)]

    report = collect((user.files(), found(user)) for user in sets)
    return report.strict() if arguments.strict else report


def refuse_problems(chart: Chart, user: Values, release: str) -> None:
    """Print what is wrong with the values, and go no further when it is an error.

    Raises:
        ValuesError: It is.
    """
    found = _checker(chart, release)(user)
    print_problems(found)
    if values.has_errors(found):
        raise ValuesError("the values are invalid; nothing was changed")


def print_problems(problems: Iterable[Problem]) -> None:
    """Print what is wrong with the values of a command that needs them."""
    print_report(Report((), tuple(problems)), "text", sys.stderr)


def print_report(report: Report, style: str, stream: TextIO) -> None:
    """Print a report in one of the formats of `output.problems`."""
    colour = stream.isatty() and os.environ.get("TERM") != "dumb" and not os.environ.get("NO_COLOR")
    for line in lines(report, style, colour=colour):
        print(line, file=stream)


def _checker(chart: Chart, release: str | None) -> Callable[[Values], list[Problem]]:
    _import_engine()
    if not chart.dependencies:
        return validation.checker(defaults_of(chart), chart.schema, release)
    from sametag.validation import subcharts

    return subcharts.checker(chart, release)


def _import_engine() -> None:
    """Import jsonschema-rs, where it is installed, in half the time.

    It asks `email.utils` for the date of its own build, and that imports sockets, URLs and random numbers: an eighth of
    a whole `sametag validate`. Here it gets a stand-in, which is gone before anything else could ask for it: this is
    the command line, and has one thread.
    """
    if "email.utils" in sys.modules:
        return
    stand_in = ModuleType("email.utils")
    stand_in.__dict__["parsedate_to_datetime"] = str
    sys.modules["email.utils"] = stand_in
    try:
        with suppress(ImportError):
            import jsonschema_rs  # noqa: F401 - it is used later
    finally:
        del sys.modules["email.utils"]
