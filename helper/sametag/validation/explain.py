"""SchemaError -> Finding: what each failure of the schema means, in the user's words.

The schema helps with keywords that every validator ignores. `title` on an object names it (`a service`). `x-error` is
read after the path when a keyword of the same schema object fails (`must be a DNS label: …`); `x-remedy` is what
to do instead. A key that is refused by its name has the schema `{"not": {}, "x-error": …}`. The tests prove that both
Helms ignore these keywords.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sametag.validation import wording
from sametag.validation.convert import conversion
from sametag.validation.finding import Finding
from sametag.validation.schema_tree import accepts_type, keys
from sametag.validation.suggest import move, owner, suggest
from sametag.values import path_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from sametag.validation.engine import Schema, SchemaError
    from sametag.validation.finding import Context
    from sametag.validation.schema_tree import Shape
    from sametag.values import Path

# From the most to the least informative: a value that fails several keywords is reported for the first.
_RULES = {
    "not": "not-allowed",
    "type": "wrong-type",
    "enum": "not-an-option",
    "const": "not-an-option",
    "minLength": "wrong-length",
    "format": "wrong-format",
    "pattern": "wrong-format",
    "maxLength": "wrong-length",
    "minimum": "out-of-range",
    "maximum": "out-of-range",
    "exclusiveMinimum": "out-of-range",
    "exclusiveMaximum": "out-of-range",
    "multipleOf": "out-of-range",
    "minItems": "wrong-length",
    "maxItems": "wrong-length",
    "minProperties": "wrong-length",
    "maxProperties": "wrong-length",
    "uniqueItems": "repeated-entry",
    "additionalItems": "wrong-length",
    "contains": "missing-entry",
}
_LAST = len(_RULES)
_RANKS = {keyword: rank for rank, keyword in enumerate(_RULES)}

_WORDS: dict[str, Callable[[Any], str]] = {
    "enum": lambda limit: f"must be {wording.options(limit)}",
    "const": lambda limit: f"must be {wording.options([limit])}",
    "minimum": lambda limit: f"must be at least {limit}",
    "maximum": lambda limit: f"must be at most {limit}",
    "exclusiveMinimum": lambda limit: f"must be more than {limit}",
    "exclusiveMaximum": lambda limit: f"must be less than {limit}",
    "multipleOf": lambda limit: f"must be a multiple of {limit}",
    "pattern": lambda limit: f"must match the pattern {limit}",
    "format": lambda limit: f"must be {wording.format_name(limit)}",
}
_SIZES = {
    "minLength": ("at least", "characters"),
    "maxLength": ("at most", "characters"),
    "minItems": ("at least", "entries"),
    "maxItems": ("at most", "entries"),
    "minProperties": ("at least", "keys"),
    "maxProperties": ("at most", "keys"),
}
_OTHERS = {
    "not": "is not allowed",
    "uniqueItems": "must not have duplicate entries",
    "additionalItems": "has too many entries",
    "contains": "is missing a required entry",
}
# Our own words are more precise than x-error for these.
_OWN_WORDS = {"const", *_SIZES, *(keyword for keyword, rule in _RULES.items() if rule == "out-of-range")}


def explain(context: Context, failure: SchemaError) -> Iterator[Finding]:
    """Yield the findings of one schema error: several keys can be unknown or missing at once."""
    if failure.is_name:
        yield _bad_name(failure)
    elif failure.keyword not in _SEVERAL:
        yield _explain_value(context, failure)
    else:
        for found in _SEVERAL[failure.keyword](context, failure):
            if isinstance(found, Finding):
                yield found
            else:
                yield from explain(context, found)


def misplaced(context: Context, findings: list[Finding]) -> list[Finding]:
    """Replace the findings about an entry that is a misplaced setting, such as `probes` among the ports."""
    entries = {finding.path[:depth] for finding in findings for depth in range(2, len(finding.path) + 1)}
    instead = {path: found for path in entries if (found := _misplaced_entry(context, path))}
    kept = [finding for finding in findings if not any(finding.path[: len(path)] == path for path in instead)]
    return [*kept, *instead.values()]


def _misplaced_entry(context: Context, path: Path) -> Finding | None:
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
    return any(not _failures_of(context, schema, path) for schema in schemas)


def _explain_value(context: Context, failure: SchemaError) -> Finding:
    """Return the finding of one keyword about one value."""
    value, keyword = context.value(failure.path), failure.keyword
    if keyword == "type":
        return _wrong_type(context, failure, value)
    text = _rejection(failure, value)
    key_at = failure.path if keyword == "not" else None
    if keyword not in {"not", *_SIZES} and not isinstance(value, dict | list):
        text += f", {wording.got(value, context.values.written(failure.path))}"
    message = f"{context.name(failure.path)} {text}"
    remedy = failure.schema.get("x-remedy") or _similar_option(failure, value)
    return Finding(_RULES.get(keyword, "schema"), failure.path, message, remedy, key_at, _RANKS.get(keyword, _LAST))


def _rejection(failure: SchemaError, value: Any) -> str:
    """Say what one keyword rejects, read after the path."""
    keyword, schema = failure.keyword, failure.schema
    if keyword not in schema:
        return "is not allowed here"
    if "x-error" in schema and keyword not in _OWN_WORDS:
        return str(schema["x-error"])
    if keyword in _SIZES:
        return _size(keyword, schema[keyword], len(value))
    if keyword in _WORDS:
        return _WORDS[keyword](schema[keyword])
    return _OTHERS.get(keyword) or f"violates {keyword} in the schema ({failure.said})"


def _size(keyword: str, limit: int, size: int) -> str:
    bound, what = _SIZES[keyword]
    if limit == 1 and bound == "at least":
        return "must not be empty"
    return f"must have {bound} {wording.counted(limit, what)}, has {size}"


def _similar_option(failure: SchemaError, value: Any) -> str | None:
    if failure.keyword != "enum" or not isinstance(value, str):
        return None
    from difflib import get_close_matches

    by_letters = {option.lower(): option for option in failure.schema["enum"] if isinstance(option, str)}
    found = get_close_matches(value.lower(), by_letters, n=1)
    return f"did you mean {by_letters[found[0]]}?" if found else None


def _wrong_type(context: Context, failure: SchemaError, value: Any) -> Finding:
    wanted = failure.schema["type"]
    types = [wanted] if isinstance(wanted, str) else [kind for kind in wanted if kind != "null"]
    text = f"must be {wording.kinds(types)}"
    if "x-error" in failure.schema and len(types) > 1:
        text = failure.schema["x-error"]
    message = f"{context.name(failure.path)} {text}, {wording.got(value, context.values.written(failure.path))}"
    remedy = failure.schema.get("x-remedy") or conversion(context, failure.path, types, value)
    return Finding("wrong-type", failure.path, message, remedy, None, _RANKS["type"])


def _bad_name(failure: SchemaError) -> Finding:
    name = str(failure.path[-1])
    text = failure.schema.get("x-error")
    if text is None:
        text = _rejection(failure, name)
    message = f"the name {wording.quoted(name)} in {path_text(failure.path[:-1]) or 'the values'} {text}"
    remedy = failure.schema.get("x-remedy") or _similar_name(failure.path, failure.schema.get("pattern"))
    return Finding("bad-name", failure.path, message, remedy, failure.path)


def _similar_name(path: Path, pattern: str | None) -> str | None:
    """Suggest the nearest name that the pattern accepts."""
    name = str(path[-1])
    similar = [re.sub("[^A-Za-z0-9._-]+", "-", name).strip("-"), re.sub("[^a-z0-9]+", "-", name.lower()).strip("-")]
    if path[-2:-1] == ("env",):
        # The text of a .env file: NAME=value.
        similar = [re.sub("[^A-Za-z0-9_]+", "_", name.partition("=")[0]).strip("_")]
    nearest = next((other for other in similar if pattern and other != name and re.search(pattern, other)), None)
    return f"did you mean {nearest}?" if nearest else None


def _unknown_keys(context: Context, failure: SchemaError) -> Iterator[Finding]:
    """Yield every key that a closed map does not know."""
    named, patterns = failure.schema.get("properties", {}), failure.schema.get("patternProperties", {})
    for key in context.value(failure.path):
        if key not in named and not any(re.search(pattern, key) for pattern in patterns):
            yield _unknown_key(context, (*failure.path, key), keys([failure.schema]))


def _unknown_key(context: Context, path: Path, valid: dict[str, list[Schema]]) -> Finding:
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
    """Return the problem found while reading, if Helm reads this key as another one: `on` as `true`."""
    at = context.values.locate_key(path)
    said = (problem for problem in context.values.problems if problem.rule == "changed-key" and problem.location == at)
    return next(
        (Finding(problem.rule, path, problem.message, problem.remedy, path, meant=(path,)) for problem in said), None
    )


def _missing_keys(context: Context, failure: SchemaError) -> Iterator[Finding]:
    """Yield every key that a map lacks."""
    value = context.value(failure.path)
    for key in failure.schema["required"]:
        if key not in value:
            yield _missing_key(failure, (*failure.path, key))


def _missing_key(failure: SchemaError, path: Path, why: str = "") -> Finding:
    remedy = failure.schema.get("x-remedy")
    return Finding("missing-key", path, f"{path_text(path)} is missing{why}", remedy, path[:-1], needs=(path,))


def _missing_dependencies(context: Context, failure: SchemaError) -> Iterator[Finding]:
    """Yield every key that is needed because of another one."""
    value = context.value(failure.path)
    for key, needed in failure.schema["dependencies"].items():
        if key in value and isinstance(needed, list):
            for missing in needed:
                if missing not in value:
                    yield _missing_key(failure, (*failure.path, missing), f": {key} requires it")


def _narrow(context: Context, failure: SchemaError) -> Iterator[Finding | SchemaError]:
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


def _in_the_schemas_words(context: Context, failure: SchemaError) -> Finding:
    schema, path = failure.schema, failure.path
    text, value = schema["x-error"], context.value(path)
    if not isinstance(value, dict | list):
        text += f", {wording.got(value, context.values.written(path))}"
    required = [
        key for branch in schema[failure.keyword] if isinstance(branch, dict) for key in branch.get("required", ())
    ]
    needs = tuple((*path, key) for key in required)
    message = f"{context.name(path)} {text}"
    return Finding("no-alternative", path, message, schema.get("x-remedy"), path, _LAST, needs)


def _no_known_key(context: Context, failure: SchemaError, branches: list[Schema]) -> Iterator[Finding]:
    valid = keys(context.shape.flat(branches))
    value = context.value(failure.path)
    for key in value:
        yield _unknown_key(context, (*failure.path, key), valid)
    if not value:
        message = f"{context.name(failure.path)} must not be empty"
        yield Finding("wrong-length", failure.path, message, wording.known(valid), failure.path)


def _meant_branch(context: Context, failure: SchemaError, branches: list[Schema]) -> Iterator[Finding | SchemaError]:
    """Explain by the alternative that has most keys in common with the value, and of those fails least."""
    path, value = failure.path, context.value(failure.path)
    tried = [(-_common(context.shape, b, value), _failures_of(context, b, path)) for b in branches]
    _, failures = min(tried, key=lambda attempt: (attempt[0], len(attempt[1])))
    if not failures:
        message = f"{context.name(path)} fits more than one alternative"
        yield Finding("no-alternative", path, message, failure.schema.get("x-remedy"), path, _LAST)
    yield from failures


def _failures_of(context: Context, branch: Schema, path: Path) -> list[SchemaError]:
    """Return what one schema of several rejects in the value at a path."""
    if id(branch) not in context.compiled:
        root = context.shape.root
        schema: Schema = {key: root[key] for key in ("$schema", "definitions", "$defs") if key in root}
        context.compiled[id(branch)] = context.engine(schema | {"allOf": [branch]})
    return [error._replace(path=(*path, *error.path)) for error in context.compiled[id(branch)](context.value(path))]


_SEVERAL: dict[str, Callable[[Context, SchemaError], Iterator[Finding | SchemaError]]] = {
    "additionalProperties": _unknown_keys,
    "required": _missing_keys,
    "dependencies": _missing_dependencies,
    "anyOf": _narrow,
    "oneOf": _narrow,
}
