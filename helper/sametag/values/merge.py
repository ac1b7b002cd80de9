"""Merge values as Helm does. Nothing is changed in place: what is returned shares what it did not have to change."""

from __future__ import annotations

from typing import Any

Tree = dict[str, Any]

#: Deeper values than this have no use, and every program after us would recurse into them.
DEPTH_LIMIT = 100


def merge(base: Tree, over: Tree) -> Tree:
    """Return one source of the user over another: maps merge, all else is replaced, null is a value."""
    merged = dict(base)
    for key, value in over.items():
        there = merged.get(key)
        merged[key] = merge(there, value) if isinstance(value, dict) and isinstance(there, dict) else value
    return merged


def coalesce(defaults: Tree, over: Tree) -> Tree:
    """Return values over a chart's defaults: as `merge`, but null removes a key that the defaults have.

    The source of the rule is Helm's pkg/chart/common/util/coalesce.go, CoalesceTables.
    """
    merged = {key: value for key, value in over.items() if value is not None or key not in defaults}
    for key, value in defaults.items():
        if key not in over:
            if value is not None:
                merged[key] = value
        elif isinstance(value, dict) and isinstance(over[key], dict):
            merged[key] = coalesce(value, over[key])
    return merged


def height(value: Any, known: dict[int, int]) -> int:
    """Count the levels of maps and lists in a value; what was counted is kept in `known`, by id."""
    if not isinstance(value, dict | list):
        return 0
    if id(value) not in known:
        children = value.values() if isinstance(value, dict) else value
        known[id(value)] = 1 + max((height(child, known) for child in children), default=0)
    return known[id(value)]
