"""Check values and print what is wrong with them: `validate`, and the first step of every deployment."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from types import ModuleType
from typing import TYPE_CHECKING, TextIO

from sametag import validation, values
from sametag.chart import defaults_of
from sametag.cli.context import sources
from sametag.errors import UsageError, ValuesError
from sametag.output.problems import Report, collect, lines
from sametag.validation.ignore import silence

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Iterator

    from sametag.chart import Chart
    from sametag.values import Problem, Values


def check(
    chart: Chart, arguments: argparse.Namespace, further: Iterable[Callable[[Values], list[Problem]]] = ()
) -> Report:
    """Check one set of values, or each file separately, merged over the files of -f.

    Args:
        chart: The chart that the values are for.
        arguments: The command line.
        further: More checks, each for values that pass those before it.

    Raises:
        UsageError: The command line has no values.
    """
    common, files = sources(arguments), _expand(arguments.files, arguments.values)
    if not files and not any(common):
        raise UsageError("no values given", "name a values file, or - for standard input")
    sets = values.load_each(common, files) if files else [values.load(common)]
    check_one = _checker(chart, arguments.release)

    def found(user: Values) -> list[Problem]:
        problems = check_one(user)
        for check_more in further:
            if values.has_errors(problems):
                break
            problems = [*problems, *silence(user, check_more(user), report_unused=False)]
        return problems

    report = collect((user.files(), found(user)) for user in sets)
    return report.strict() if arguments.strict else report


def refuse_problems(chart: Chart, user: Values, release: str) -> None:
    """Print what is wrong with the values.

    Raises:
        ValuesError: There is an error among the problems.
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
    """Import jsonschema-rs, if it is installed, in half the time.

    It parses the date of its build with `email.utils`, which imports sockets, URLs and random numbers: an eighth of a
    whole `sametag validate`. A stand-in is in its place meanwhile; nothing else can see it, as there is one thread.
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


def _expand(words: Iterable[str], common: Iterable[str]) -> list[str]:
    """Return each file once, in the order of the words, with patterns expanded.

    Args:
        words: Paths and patterns; a word that exists as a path is not a pattern.
        common: The files of -f, which are not checked separately.

    Raises:
        UsageError: A pattern matches no file.
    """
    under = {os.path.normpath(file) for file in common}
    files = (file for word in words for file in _matches(word))
    return list(dict.fromkeys(file for file in files if os.path.normpath(file) not in under))


def _matches(word: str) -> Iterator[str]:
    if not any(character in word for character in "*?[") or os.path.lexists(word):
        yield word
        return
    import glob

    # pathlib costs 8 ms to import.
    found = [
        file
        for file in sorted(glob.glob(word, recursive=True))  # noqa: PTH207
        if not os.path.isdir(file)  # noqa: PTH112
    ]
    if not found:
        raise UsageError(f"no file matches {word}", "** matches any number of folders, * a part of one name")
    yield from found
