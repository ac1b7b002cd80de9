"""What must hold whatever values are read: no traceback, places that exist, reports that can be printed and parsed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from sametag import validation, values
from sametag.helm.command import to_helm
from sametag.output import problems

ROOT = Path(__file__).parents[2]
FILES = sorted(
    [*ROOT.glob("examples/*/values.yaml"), *ROOT.glob("tests/chart/schema/*/*.yaml"), ROOT / "values.example.yaml"]
)
OPTIONS = ("set", "set_string", "set_json", "set_literal")

_DEFAULTS = values.from_text((ROOT / "chart/values.yaml").read_text(), "chart/values.yaml")
_SCHEMA: dict[str, Any] = json.loads((ROOT / "chart/values.schema.json").read_text())
_FILE = "values.yaml"
_validate = validation.checker(_DEFAULTS, _SCHEMA)


def check_file(data: bytes) -> None:
    """Read, validate and report on a file of these bytes."""
    # What YAML takes for the end of a line.
    ends = sum(data.count(end.encode()) for end in "\n\r\x85\u2028\u2029")
    _check(values.from_text(data, _FILE), ends + 1)


def check_expressions(expressions: list[tuple[str, str]]) -> None:
    """Read, validate and report on expressions, each after the name of its option."""
    options: dict[str, Any] = {
        option: tuple(text for name, text in expressions if name == option) for option in OPTIONS
    }
    _check(values.load(values.Sources(**options)), 0)


def _check(read: values.Values, lines: int) -> None:
    found = _validate(read)
    for problem in found:
        if problem.location and problem.location.source == _FILE:
            assert 1 <= (problem.location.line or 0) <= lines, problem
    report = problems.Report((_FILE,), tuple(found))
    for line in problems.lines(report, "text"):
        assert line.isprintable(), line
    for style in ("json", "gitlab", "sarif"):
        json.loads("\n".join(problems.lines(report, style)))
    ET.fromstring("\n".join(problems.lines(report, "junit")))  # noqa: S314 - it is ours
    assert all("\n" not in line for line in problems.lines(report, "github"))
    if not values.has_errors(read.problems):
        json.loads(to_helm(read.tree))
