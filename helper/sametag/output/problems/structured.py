"""Problems as our own JSON document."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sametag.output.problems.report import Report

#: The version of the document; it changes when a field changes its meaning or goes.
VERSION = 1


def document(report: Report) -> str:
    """Return one document: `version`, `files`, and `problems` with all that `Problem` has."""
    rows = [
        problem._asdict() | {"location": problem.location._asdict() if problem.location else None}
        for problem in report.problems
    ]
    return json.dumps({"version": VERSION, "files": report.files, "problems": rows}, indent=2)
