"""Problems as annotations of GitHub Actions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sametag.output.problems.paths import in_repository
from sametag.output.problems.report import file_of, place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sametag.output.problems.report import Report


def workflow_commands(report: Report) -> Iterator[str]:
    """Yield a workflow command for each problem, escaped as GitHub's toolkit (core/src/command.ts) does.

    The place is in the message too: the log of the job shows nothing else, and a step has no more than ten annotations.
    """
    for problem in report.problems:
        location = problem.location
        properties: dict[str, object] = {"title": problem.rule}
        if location and (file := file_of(location)):
            properties = {
                "file": in_repository(file),
                "line": location.line or 1,
                "col": location.column or 1,
                **properties,
            }
        fields = ",".join(f"{key}={_escaped_property(value)}" for key, value in properties.items())
        where = f"{place(location)}: " if location else ""
        remedy = f"\n{problem.remedy}" if problem.remedy else ""
        yield f"::{problem.severity} {fields}::{_escaped(where + problem.message + remedy)}"


def _escaped(text: str) -> str:
    # The name of a file may hold bytes that are no text.
    text = text.encode(errors="backslashreplace").decode()
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escaped_property(value: object) -> str:
    return _escaped(str(value)).replace(":", "%3A").replace(",", "%2C")
