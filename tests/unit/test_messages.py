"""What is said about mistakes that people make in the values of the chart: one line a cause, and a remedy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from sametag import validation, values

ROOT = Path(__file__).parents[2]
CASES = yaml.safe_load((Path(__file__).parent / "data" / "chart-problems.yaml").read_text())
SCHEMA = json.loads((ROOT / "chart/values.schema.json").read_text())
DEFAULTS = values.from_text((ROOT / "chart/values.yaml").read_text(), "chart/values.yaml")
HEAD = 'image: {repository: registry.example.com/app, tag: "1"}\nservices:\n  web:\n    command: [/web]\n'


def text(case: dict[str, Any]) -> str:
    if "values" in case:
        return f"{case['values']}\n"
    return HEAD + "".join(f"    {line}\n" for line in case["service"].splitlines())


def test_there_are_many_cases() -> None:
    assert len(CASES) > 60


@pytest.mark.parametrize("case", CASES, ids=lambda case: next(iter(case.values())).splitlines()[0])
def test_a_mistake_is_said_once_at_its_place_with_what_is_right(case: dict[str, Any]) -> None:
    said = [
        f"{found.location.line}:{found.location.column}: {found.message}"
        + (f" [{found.remedy}]" if found.remedy else "")
        for found in validation.validate(DEFAULTS, values.from_text(text(case), "values.yaml"), SCHEMA)
        if found.location
    ]
    assert case["says"] == said
