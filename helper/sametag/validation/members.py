"""Say which keys are unknown, missing or badly named."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sametag.validation import wording
from sametag.validation.finding import Finding
from sametag.validation.schema_tree import keys
from sametag.validation.single import rejection
from sametag.validation.suggest import suggest
from sametag.values import path_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sametag.validation.engine import Failure, Schema
    from sametag.validation.finding import Context
    from sametag.values import Path


def bad_name(failure: Failure) -> Finding:
    """Return what is wrong with the name of an entry."""
    name = str(failure.path[-1])
    text = failure.schema.get("x-error")
    if text is None:
        text = rejection(failure, name)
    message = f"the name {wording.quoted(name)} in {path_text(failure.path[:-1]) or 'the values'} {text}"
    remedy = failure.schema.get("x-remedy") or _similar_name(name, failure.schema.get("pattern"))
    return Finding("bad-name", failure.path, message, remedy, failure.path)


def _similar_name(name: str, pattern: str | None) -> str | None:
    """Suggest the name as most names of Kubernetes are written, where that is what is wanted."""
    usual = re.sub("[^a-z0-9]+", "-", name.lower()).strip("-")
    return f"did you mean {usual}?" if pattern and usual != name and re.search(pattern, usual) else None


def unknown_keys(context: Context, failure: Failure) -> Iterator[Finding]:
    """Yield every key that a closed map does not know."""
    named, patterns = failure.schema.get("properties", {}), failure.schema.get("patternProperties", {})
    for key in context.value(failure.path):
        if key not in named and not any(re.search(pattern, key) for pattern in patterns):
            yield unknown_key(context, (*failure.path, key), keys([failure.schema]))


def unknown_key(context: Context, path: Path, valid: dict[str, list[Schema]]) -> Finding:
    """Return what an unknown key was meant to be, among those that are valid there or elsewhere."""
    if changed := _changed(context, path):
        return changed
    title = context.shape.title(path[:-1])
    owner = f"a setting of {title}" if title else f"a key of {path[-2]}" if len(path) > 1 else "a key of the values"
    message = f"{path[-1]} is not {owner}"
    meant = suggest(context.values, context.shape, path, valid)
    if meant is None:
        return Finding("unknown-key", path, message, wording.known(valid), path)
    if meant.spelling:
        message += f"; did you mean {meant.spelling}?"
    return Finding("unknown-key", path, message, meant.remedy, path, meant=meant.paths)


def _changed(context: Context, path: Path) -> Finding | None:
    """Return what reading said of this key, where Helm makes another one of it: `on` becomes `true`."""
    at = context.values.locate_key(path)
    said = (one for one in context.values.problems if one.rule == "changed-key" and one.location == at)
    return next((Finding(one.rule, path, one.message, one.remedy, path, meant=(path,)) for one in said), None)


def missing_keys(context: Context, failure: Failure) -> Iterator[Finding]:
    """Yield every key that a map lacks."""
    value = context.value(failure.path)
    for key in failure.schema["required"]:
        if key not in value:
            yield _missing_key(failure, (*failure.path, key))


def _missing_key(failure: Failure, path: Path, why: str = "") -> Finding:
    remedy = failure.schema.get("x-remedy")
    return Finding("missing-key", path, f"{path_text(path)} is missing{why}", remedy, path[:-1], needs=(path,))


def missing_dependencies(context: Context, failure: Failure) -> Iterator[Finding]:
    """Yield every key that is needed because of another one."""
    value = context.value(failure.path)
    for key, needed in failure.schema["dependencies"].items():
        if key in value and isinstance(needed, list):
            for missing in needed:
                if missing not in value:
                    yield _missing_key(failure, (*failure.path, missing), f", {key} needs it")
