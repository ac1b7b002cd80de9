"""Turn each failure of a schema into what it means, in the user's words.

The schema helps with keywords that every validator ignores or takes for documentation. `title` on an object is what it
is called (`a service`). `x-error` is a predicate that is read after the path when a keyword of the schema object beside
it fails (`must be a DNS label: …`), `x-remedy` is what to do instead. A key that is refused by its name has the schema
`{"not": {}, "x-error": …}`. The tests prove on both Helms that they ignore these keywords.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from sametag.schema import words
from sametag.schema.places import suggest, value_at
from sametag.schema.shape import Shape, accepts_type, keys
from sametag.values import Path, path_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sametag.schema.engines import Engine, Failure, Schema
    from sametag.values import Values


class Finding(NamedTuple):
    """What is wrong, before it is located and written out.

    Attributes:
        rule: As in `Problem`.
        path: What it is about.
        message: As in `Problem`.
        remedy: As in `Problem`.
        key_at: The path whose key shows the place; None where the value at `path` does.
        rank: Of several findings about one value the lowest is the cause.
        needs: The paths whose absence this is about; a mistake elsewhere can explain it.
        meant: For an unknown key: the paths where it was probably meant to be.
    """

    rule: str
    path: Path
    message: str
    remedy: str | None = None
    key_at: Path | None = None
    rank: int = 0
    needs: tuple[Path, ...] = ()
    meant: tuple[Path, ...] = ()


class Context(NamedTuple):
    """What a failure is explained with."""

    values: Values
    shape: Shape
    engine: Engine

    def value(self, path: Path) -> Any:
        """Return the value at a path."""
        return value_at(self.values.tree, path)

    def name(self, path: Path) -> str:
        """Name the place of a path."""
        return words.named(path, self.shape.title(path))


def explain(context: Context, failure: Failure) -> Iterator[Finding]:
    """Yield what one failure means: several keys can be unknown or missing at once."""
    if failure.is_name:
        yield _bad_name(failure)
    elif failure.keyword in _MANY:
        yield from _MANY[failure.keyword](context, failure)
    else:
        yield _one(context, failure)


# From the most telling to the least; a value that fails in several ways is reported for the first.
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
    "enum": lambda limit: f"must be {words.options(limit)}",
    "const": lambda limit: f"must be {words.options([limit])}",
    "minimum": lambda limit: f"must be at least {limit}",
    "maximum": lambda limit: f"must be at most {limit}",
    "exclusiveMinimum": lambda limit: f"must be more than {limit}",
    "exclusiveMaximum": lambda limit: f"must be less than {limit}",
    "multipleOf": lambda limit: f"must be a multiple of {limit}",
    "pattern": lambda limit: f"must match the pattern {limit}",
    "format": lambda limit: f"must be {words.format_name(limit)}",
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
    "uniqueItems": "must not have the same entry twice",
    "additionalItems": "has too many entries",
    "contains": "lacks an entry that must be there",
}
# We say better than x-error what is wrong with these.
_OWN_WORDS = {"const", *_SIZES, *(keyword for keyword, rule in _RULES.items() if rule == "out-of-range")}


def _one(context: Context, failure: Failure) -> Finding:
    value, keyword = context.value(failure.path), failure.keyword
    if keyword == "type":
        return _wrong_type(context, failure, value)
    text = _text(failure, value)
    key_at = failure.path if keyword == "not" else None
    if keyword not in {"not", *_SIZES} and not isinstance(value, dict | list):
        text += f", got {words.got(value, context.values.written(failure.path))}"
    message = f"{context.name(failure.path)} {text}"
    remedy = failure.schema.get("x-remedy") or _similar_option(failure, value)
    return Finding(_RULES.get(keyword, "schema"), failure.path, message, remedy, key_at, _RANKS.get(keyword, _LAST))


def _text(failure: Failure, value: Any) -> str:
    keyword, schema = failure.keyword, failure.schema
    if "x-error" in schema and keyword not in _OWN_WORDS:
        return str(schema["x-error"])
    if keyword in _SIZES:
        return _size(keyword, schema[keyword], len(value))
    if keyword in _WORDS:
        return _WORDS[keyword](schema[keyword])
    return _OTHERS.get(keyword, f"breaks the rule {keyword} of the schema")


def _size(keyword: str, limit: int, size: int) -> str:
    bound, what = _SIZES[keyword]
    if limit == 1 and bound == "at least":
        return "must not be empty"
    return f"must have {bound} {words.counted(limit, what)}, has {size}"


def _similar_option(failure: Failure, value: Any) -> str | None:
    if failure.keyword != "enum" or not isinstance(value, str):
        return None
    from difflib import get_close_matches

    by_letters = {option.lower(): option for option in failure.schema["enum"] if isinstance(option, str)}
    found = get_close_matches(value.lower(), by_letters, n=1)
    return f"did you mean {by_letters[found[0]]}?" if found else None


def _wrong_type(context: Context, failure: Failure, value: Any) -> Finding:
    wanted = failure.schema["type"]
    types = [wanted] if isinstance(wanted, str) else [kind for kind in wanted if kind != "null"]
    written = context.values.written(failure.path)
    text = f"must be {words.kinds(types)}"
    if "x-error" in failure.schema and len(types) > 1:
        text = failure.schema["x-error"]
    message = f"{context.name(failure.path)} {text}, got {words.got(value, written)}"
    location = context.values.locate(failure.path)
    remedy = _conversion(types, value, written, location.option if location else None) or _as_map(
        context, failure, value
    )
    return Finding("wrong-type", failure.path, message, remedy, None, _RANKS["type"])


def _conversion(types: list[str], value: Any, written: str | None, option: str | None) -> str | None:
    """Say how to write this value as the type that is wanted."""
    if types == ["string"] and isinstance(value, bool | int | float):
        source = written or words.plain(value)
        return "use --set-string" if option == "--set" else f'put quotes around it: "{source}"'
    if isinstance(value, str):
        if set(types) <= {"integer", "number"} and re.fullmatch("-?[0-9]+", value):
            return "use --set" if option in ("--set-string", "--set-literal") else f"remove the quotes: {value}"
        if types == ["boolean"] and value in ("true", "false"):
            return "use --set" if option in ("--set-string", "--set-literal") else f"remove the quotes: {value}"
        if types == ["array"]:
            return f"write a list: [{words.quoted(value)}]"
    if types == ["object"] and _is_named_list(value):
        return "write a map: each name as a key, without '- name:'"
    return None


def _as_map(context: Context, failure: Failure, value: Any) -> str | None:
    """Say which key of the map a lone value belongs to: the one that it needs, or the one that has it as an option."""
    if isinstance(value, dict | list | None):
        return None
    schemas = context.shape.at(failure.path)
    needed = {key for schema in schemas for key in schema.get("required", ())}
    for key, found in keys(schemas).items():
        flat = list(context.shape.flat(found))
        if ({key} == needed and accepts_type(flat, value)) or any(value in schema.get("enum", ()) for schema in flat):
            return f"write {{{key}: {value if isinstance(value, str) else words.plain(value)}}}"
    return None


def _is_named_list(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, dict) and "name" in one for one in value)


def _bad_name(failure: Failure) -> Finding:
    name = str(failure.path[-1])
    text = failure.schema.get("x-error")
    if text is None:
        text = _text(failure, name)
    message = f"the name {words.quoted(name)} in {path_text(failure.path[:-1]) or 'the values'} {text}"
    return Finding("bad-name", failure.path, message, failure.schema.get("x-remedy"), failure.path)


def _unknown_keys(context: Context, failure: Failure) -> Iterator[Finding]:
    named, patterns = failure.schema.get("properties", {}), failure.schema.get("patternProperties", {})
    for key in context.value(failure.path):
        if key not in named and not any(re.search(pattern, key) for pattern in patterns):
            yield _unknown_key(context, (*failure.path, key), keys([failure.schema]))


def _unknown_key(context: Context, path: Path, valid: dict[str, list[Schema]]) -> Finding:
    title = context.shape.title(path[:-1])
    owner = f"a setting of {title}" if title else f"a key of {path[-2]}" if len(path) > 1 else "a key of the values"
    message = f"{path[-1]} is not {owner}"
    meant = suggest(context.values, context.shape, path, valid)
    if meant is None:
        return Finding("unknown-key", path, message, words.known(valid), path)
    if meant.spelling:
        message += f"; did you mean {meant.spelling}?"
    return Finding("unknown-key", path, message, meant.remedy, path, meant=meant.paths)


def _missing_keys(context: Context, failure: Failure) -> Iterator[Finding]:
    value = context.value(failure.path)
    for key in failure.schema["required"]:
        if key not in value:
            yield _missing_key(failure, (*failure.path, key))


def _missing_key(failure: Failure, path: Path, why: str = "") -> Finding:
    remedy = failure.schema.get("x-remedy")
    return Finding("missing-key", path, f"{path_text(path)} is missing{why}", remedy, path[:-1], needs=(path,))


def _dependencies(context: Context, failure: Failure) -> Iterator[Finding]:
    value = context.value(failure.path)
    for key, needed in failure.schema["dependencies"].items():
        if key in value and isinstance(needed, list):
            for missing in needed:
                if missing not in value:
                    yield _missing_key(failure, (*failure.path, missing), f", {key} needs it")


def _alternatives(context: Context, failure: Failure) -> Iterator[Finding]:
    """Explain a failing anyOf or oneOf: in the schema's words, or by the one alternative that was meant."""
    branches, path = failure.schema[failure.keyword], failure.path
    value = context.value(path)
    if "x-error" in failure.schema:
        yield _in_the_schemas_words(context, failure)
        return
    shape = context.shape
    open_to = [branch for branch in branches if not _types(shape, branch) or accepts_type(shape.flat([branch]), value)]
    if not open_to:
        types = sorted({kind for branch in branches for kind in _types(shape, branch)})
        yield from explain(context, failure._replace(keyword="type", schema={"type": types}))
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
        text += f", got {words.got(value, context.values.written(path))}"
    required = [
        key for branch in schema[failure.keyword] if isinstance(branch, dict) for key in branch.get("required", ())
    ]
    needs = tuple((*path, key) for key in required)
    message = f"{context.name(path)} {text}"
    return Finding("no-alternative", path, message, schema.get("x-remedy"), path, _LAST, needs)


def _no_known_key(context: Context, failure: Failure, branches: list[Schema]) -> Iterator[Finding]:
    valid = keys(context.shape.flat(branches))
    value = context.value(failure.path)
    for key in value:
        yield _unknown_key(context, (*failure.path, key), valid)
    if not value:
        message = f"{context.name(failure.path)} must not be empty"
        yield Finding("wrong-length", failure.path, message, words.known(valid), failure.path)


def _meant_branch(context: Context, failure: Failure, branches: list[Schema]) -> Iterator[Finding]:
    """Explain by the alternative that has most keys in common with the value, and of those fails least."""
    path, value = failure.path, context.value(failure.path)
    tried = [(-_common(context.shape, b, value), _failures(context, b, path)) for b in branches]
    _, failures = min(tried, key=lambda one: (one[0], len(one[1])))
    if not failures:
        message = f"{context.name(path)} fits more than one alternative"
        yield Finding("no-alternative", path, message, failure.schema.get("x-remedy"), path, _LAST)
    for one in failures:
        yield from explain(context, one)


def _failures(context: Context, branch: Schema, path: Path) -> list[Failure]:
    schema = {"allOf": [branch], "definitions": context.shape.root.get("definitions", {})}
    return [one._replace(path=(*path, *one.path)) for one in context.engine(schema, context.value(path))]


_MANY: dict[str, Callable[[Context, Failure], Iterator[Finding]]] = {
    "additionalProperties": _unknown_keys,
    "required": _missing_keys,
    "dependencies": _dependencies,
    "anyOf": _alternatives,
    "oneOf": _alternatives,
}
