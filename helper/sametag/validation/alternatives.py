"""Say why none of several alternatives fits: in the schema's words, or by the one that was meant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sametag.validation import wording
from sametag.validation.finding import Finding
from sametag.validation.members import unknown_key
from sametag.validation.schema_tree import accepts_type, keys
from sametag.validation.single import LAST

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sametag.validation.engine import Failure, Schema
    from sametag.validation.finding import Context
    from sametag.validation.schema_tree import Shape
    from sametag.values import Path


def narrow(context: Context, failure: Failure) -> Iterator[Finding | Failure]:
    """Yield what a failing anyOf or oneOf means: findings, or the failures of the one alternative that was meant."""
    branches, path = failure.schema[failure.keyword], failure.path
    value = context.value(path)
    if "x-error" in failure.schema:
        yield _in_the_schemas_words(context, failure)
        return
    shape = context.shape
    open_to = [branch for branch in branches if not _types(shape, branch) or accepts_type(shape.flat([branch]), value)]
    if not open_to:
        types = sorted({kind for branch in branches for kind in _types(shape, branch)})
        yield failure._replace(keyword="type", schema={"type": types})
    elif isinstance(value, dict) and len(open_to) > 1 and not any(_common(shape, branch, value) for branch in open_to):
        yield from _no_known_key(context, failure, open_to)
    else:
        yield from _meant_branch(context, failure, open_to)


def _types(shape: Shape, branch: Schema) -> set[str]:
    found: set[str] = set()
    for schema in shape.flat([branch]):
        types = schema.get("type", ())
        found.update([types] if isinstance(types, str) else types)
    return found


def _common(shape: Shape, branch: Schema, value: Any) -> int:
    known = {
        key for schema in shape.flat([branch]) for key in (*schema.get("properties", ()), *schema.get("required", ()))
    }
    return len(known & value.keys()) if isinstance(value, dict) else 0


def _in_the_schemas_words(context: Context, failure: Failure) -> Finding:
    schema, path = failure.schema, failure.path
    text, value = schema["x-error"], context.value(path)
    if not isinstance(value, dict | list):
        text += f", got {wording.got(value, context.values.written(path))}"
    required = [
        key for branch in schema[failure.keyword] if isinstance(branch, dict) for key in branch.get("required", ())
    ]
    needs = tuple((*path, key) for key in required)
    message = f"{context.name(path)} {text}"
    return Finding("no-alternative", path, message, schema.get("x-remedy"), path, LAST, needs)


def _no_known_key(context: Context, failure: Failure, branches: list[Schema]) -> Iterator[Finding]:
    valid = keys(context.shape.flat(branches))
    value = context.value(failure.path)
    for key in value:
        yield unknown_key(context, (*failure.path, key), valid)
    if not value:
        message = f"{context.name(failure.path)} must not be empty"
        yield Finding("wrong-length", failure.path, message, wording.known(valid), failure.path)


def _meant_branch(context: Context, failure: Failure, branches: list[Schema]) -> Iterator[Finding | Failure]:
    """Explain by the alternative that has most keys in common with the value, and of those fails least."""
    path, value = failure.path, context.value(failure.path)
    tried = [(-_common(context.shape, b, value), failures_of(context, b, path)) for b in branches]
    _, failures = min(tried, key=lambda one: (one[0], len(one[1])))
    if not failures:
        message = f"{context.name(path)} fits more than one alternative"
        yield Finding("no-alternative", path, message, failure.schema.get("x-remedy"), path, LAST)
    yield from failures


def failures_of(context: Context, branch: Schema, path: Path) -> list[Failure]:
    """Return what one schema of several rejects in the value at a path."""
    if id(branch) not in context.compiled:
        root = context.shape.root
        schema: Schema = {key: root[key] for key in ("$schema", "definitions", "$defs") if key in root}
        context.compiled[id(branch)] = context.engine(schema | {"allOf": [branch]})
    return [one._replace(path=(*path, *one.path)) for one in context.compiled[id(branch)](context.value(path))]
