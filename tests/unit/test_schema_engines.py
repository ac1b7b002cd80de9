"""Random mistakes in the chart's values: both engines find the same, and whatever they find is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mutants import BASE, BASES, mutants
from sametag import validation, values
from sametag.validation import engine as engines
from sametag.validation.catalogue import entries

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((ROOT / "chart" / "values.schema.json").read_text())
DEFAULTS = values.from_text((ROOT / "chart" / "values.yaml").read_text(), "chart/values.yaml")

SAID_BY_THE_SCHEMA = {entry.name for entry in entries() if entry.group == "schema"}


@pytest.mark.parametrize("base", BASES)
def test_the_values_that_mistakes_are_made_in_are_valid(base: dict[str, Any]) -> None:
    assert validation.validate(DEFAULTS, values.from_tree(base, "base"), SCHEMA) == []


@pytest.mark.parametrize("seed", range(2))
def test_both_engines_lead_to_the_same_problems(seed: int) -> None:
    """200 values with mistakes, in our settings and in Kubernetes' types."""
    found, apart = 0, engines.reference(SCHEMA)
    both: list[tuple[engines.Engine, dict[int, engines.Validator]]] = [(engines.fast, {}), (engines.reference, {})]
    for tree in mutants(seed, 100):
        merged = values.on_defaults(DEFAULTS, values.from_text(json.dumps(tree), "values.yaml"))
        fast, reference = (validation.check(merged, SCHEMA, engine, compiled) for engine, compiled in both)
        assert fast == reference
        of_the_schema = [problem for problem in fast if problem.rule in SAID_BY_THE_SCHEMA]
        # What Helm's schema rejects is rejected; beyond that, what is missing in the whole.
        assert of_the_schema or not list(apart(merged.tree))
        assert all(problem.location and problem.location.line for problem in fast)
        assert not [problem.message for problem in fast if "the schema's rule" in problem.message]
        found += len(fast)
    assert found > 100


def test_a_key_that_looks_like_a_number_is_a_key() -> None:
    """jsonschema-rs takes it for an index, and loses its zeros."""
    config = {"007": {"subPath": 1}, "7": {"data": {}}}
    tree = BASE | {"services": {"a": {"command": ["a"], "config": config}}}
    merged = values.on_defaults(DEFAULTS, values.from_text(json.dumps(tree), "values.yaml"))
    fast, reference = (validation.check(merged, SCHEMA, engine) for engine in (engines.fast, engines.reference))
    assert [problem.path for problem in fast] == ["services.a.config.007.subPath"]
    assert fast == reference
