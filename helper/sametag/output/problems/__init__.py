"""What is wrong with values: as text for people, and as the documents that CI systems read.

docs/reference/formats.md describes each format. Its module is imported when it is used: only one of them is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sametag.output.problems.report import Report, collect

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["FORMATS", "Report", "collect", "lines"]

#: The names of the formats.
FORMATS = ("text", "json", "github", "gitlab", "junit", "sarif")


def lines(report: Report, style: str, *, colour: bool = False) -> Iterator[str]:
    """Yield the lines of a report in one of `FORMATS`; colour is for text on a terminal."""
    match style:
        case "json":
            from sametag.output.problems.text import document

            yield document(report)
        case "github":
            from sametag.output.problems.ci import workflow_commands

            yield from workflow_commands(report)
        case "gitlab":
            from sametag.output.problems.ci import code_quality

            yield code_quality(report)
        case "junit":
            from sametag.output.problems.junit import testsuites

            yield testsuites(report)
        case "sarif":
            from sametag.output.problems.sarif import log

            yield log(report)
        case _:
            from sametag.output.problems.text import text

            yield from text(report, colour=colour)
