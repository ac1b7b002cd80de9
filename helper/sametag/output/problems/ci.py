"""Problems as annotations of GitHub Actions, and as a Code Quality report of GitLab.

https://docs.gitlab.com/ci/testing/code_quality/
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sametag.output.problems.report import file_of, fingerprints, in_repository, place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sametag.output.problems.report import Report
    from sametag.values import Problem


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
    # The name of a file may hold bytes that are not UTF-8.
    text = text.encode(errors="backslashreplace").decode()
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escaped_property(value: object) -> str:
    return _escaped(str(value)).replace(":", "%3A").replace(",", "%2C")


_SEVERITIES = {"error": "major", "warning": "minor"}


def code_quality(report: Report) -> str:
    """Return the report: a list with one entry for each problem."""
    entries = [
        _entry(problem, fingerprint)
        for problem, fingerprint in zip(report.problems, fingerprints(report.problems), strict=True)
    ]
    return json.dumps(entries, indent=2)


def _entry(problem: Problem, fingerprint: str) -> dict[str, object]:
    location, file = problem.location, file_of(problem.location)
    # GitLab refuses an entry that has no path.
    path = in_repository(file) if file else place(location) or "values"
    return {
        "description": f"{problem.message}; {problem.remedy}" if problem.remedy else problem.message,
        "check_name": problem.rule,
        "fingerprint": fingerprint,
        "severity": _SEVERITIES[problem.severity],
        "location": {"path": path, "lines": {"begin": (location.line if location else None) or 1}},
    }
