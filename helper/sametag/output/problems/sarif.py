"""Problems as a log of SARIF 2.1.0, which GitHub's code scanning and many editors read.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sametag.output.problems.report import file_of, fingerprints, in_repository, place

if TYPE_CHECKING:
    from sametag.output.problems.report import Report
    from sametag.values import Location, Problem

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def log(report: Report) -> str:
    """Return the log, with one run."""
    from sametag import chart
    from sametag.validation.catalogue import entries

    reasons = {entry.name: entry.reason for entry in entries()}
    rules = sorted({problem.rule for problem in report.problems})
    results = [
        _result(problem, rules.index(problem.rule), fingerprint)
        for problem, fingerprint in zip(report.problems, fingerprints(report.problems), strict=True)
    ]
    described = [_rule(rule, reasons.get(rule, rule)) for rule in rules]
    driver = {"name": "sametag", "version": chart.load(None).version, "rules": described}
    run = {
        "tool": {"driver": driver},
        # Columns count characters, not UTF-16 code units.
        "columnKind": "unicodeCodePoints",
        "artifacts": [{"location": {"uri": _uri(file)}} for file in report.files if not file.startswith("<")],
        "results": results,
    }
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2)


def _rule(name: str, reason: str) -> dict[str, Any]:
    # GitHub wants all of the three texts.
    text = {"text": reason}
    return {"id": name, "shortDescription": text, "fullDescription": text, "help": text}


def _result(problem: Problem, rule: int, fingerprint: str) -> dict[str, Any]:
    text = f"{problem.message}\n{problem.remedy}" if problem.remedy else problem.message
    location: dict[str, Any] = {}
    if problem.location and (file := file_of(problem.location)):
        location["physicalLocation"] = {"artifactLocation": {"uri": _uri(file)}, **_region(problem.location)}
    elif problem.location:
        text = f"{place(problem.location)}: {text}"
    if problem.path:
        location["logicalLocations"] = [{"fullyQualifiedName": problem.path}]
    return {
        "ruleId": problem.rule,
        "ruleIndex": rule,
        "level": problem.severity,
        "message": {"text": text},
        "locations": [location] if location else [],
        "partialFingerprints": {"sametag/v1": fingerprint},
    }


def _region(location: Location) -> dict[str, Any]:
    return {"region": {"startLine": location.line, "startColumn": location.column}} if location.line else {}


def _uri(file: str) -> str:
    from urllib.parse import quote

    return quote(in_repository(file), errors="surrogateescape")
