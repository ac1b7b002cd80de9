"""Problems as a report of GitLab's Code Quality: https://docs.gitlab.com/ci/testing/code_quality/."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sametag.output.problems.paths import fingerprints, in_repository
from sametag.output.problems.report import file_of, place

if TYPE_CHECKING:
    from sametag.output.problems.report import Report
    from sametag.values import Problem

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
