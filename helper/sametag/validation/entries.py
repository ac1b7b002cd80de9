"""A setting that stands where a name was expected: `probes` among the ports, `command` among the services."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sametag.validation.alternatives import failures_of
from sametag.validation.finding import Finding
from sametag.validation.schema_tree import keys
from sametag.validation.suggest import move, owner

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sametag.validation.finding import Context
    from sametag.validation.schema_tree import Schema
    from sametag.values import Path


def misplaced(context: Context, findings: list[Finding]) -> list[Finding]:
    """Return the findings, with one in the place of all that are about an entry which is a setting by its name."""
    entries = {finding.path[:depth] for finding in findings for depth in range(2, len(finding.path) + 1)}
    instead = {path: found for path in entries if (found := _misplaced(context, path))}
    kept = [one for one in findings if not any(one.path[: len(path)] == path for path in instead)]
    return [*kept, *instead.values()]


def _misplaced(context: Context, path: Path) -> Finding | None:
    parent, name, shape = path[:-1], str(path[-1]), context.shape
    around = shape.at(parent)
    entries = list(shape.flat(schema.get("additionalProperties") for schema in around))
    if not entries or name in keys(around):
        return None
    title = shape.title(path) or "an entry"
    if _fits(context, path, keys(entries).get(name, ())):
        message = f"{name} is a setting of {title}, not the name of one"
        return Finding("misplaced-key", path, message, f"write the name of {title} above it", path, meant=(path,))
    for depth in range(len(parent) - 1, -1, -1):
        outer = parent[:depth]
        if _fits(context, path, keys(shape.at(outer)).get(name, ())):
            message = f"{name} is a setting of {shape.title(outer) or owner(shape, outer)}, not the name of {title}"
            remedy = move(context.values, path, outer)
            return Finding("misplaced-key", path, message, remedy, path, meant=(path, (*outer, name)))
    return None


def _fits(context: Context, path: Path, schemas: Iterable[Schema]) -> bool:
    return any(not failures_of(context, schema, path) for schema in schemas)
