"""Say what is wrong with one value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sametag.validation import wording
from sametag.validation.convert import conversion
from sametag.validation.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Callable

    from sametag.validation.engine import Failure
    from sametag.validation.finding import Context

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
LAST = len(_RULES)
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
    "uniqueItems": "must not have the same entry twice",
    "additionalItems": "has too many entries",
    "contains": "lacks an entry that must be there",
}
# We say better than x-error what is wrong with these.
_OWN_WORDS = {"const", *_SIZES, *(keyword for keyword, rule in _RULES.items() if rule == "out-of-range")}


def explain_value(context: Context, failure: Failure) -> Finding:
    """Return what the failure of one keyword about one value means."""
    value, keyword = context.value(failure.path), failure.keyword
    if keyword == "type":
        return _wrong_type(context, failure, value)
    text = rejection(failure, value)
    key_at = failure.path if keyword == "not" else None
    if keyword not in {"not", *_SIZES} and not isinstance(value, dict | list):
        text += f", got {wording.got(value, context.values.written(failure.path))}"
    message = f"{context.name(failure.path)} {text}"
    remedy = failure.schema.get("x-remedy") or _similar_option(failure, value)
    return Finding(_RULES.get(keyword, "schema"), failure.path, message, remedy, key_at, _RANKS.get(keyword, LAST))


def rejection(failure: Failure, value: Any) -> str:
    """Say what one keyword rejects, to be read after the path."""
    keyword, schema = failure.keyword, failure.schema
    if keyword not in schema:
        return "is not allowed here"
    if "x-error" in schema and keyword not in _OWN_WORDS:
        return str(schema["x-error"])
    if keyword in _SIZES:
        return _size(keyword, schema[keyword], len(value))
    if keyword in _WORDS:
        return _WORDS[keyword](schema[keyword])
    return _OTHERS.get(keyword) or f"breaks the schema's rule {keyword} ({failure.said})"


def _size(keyword: str, limit: int, size: int) -> str:
    bound, what = _SIZES[keyword]
    if limit == 1 and bound == "at least":
        return "must not be empty"
    return f"must have {bound} {wording.counted(limit, what)}, has {size}"


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
    text = f"must be {wording.kinds(types)}"
    if "x-error" in failure.schema and len(types) > 1:
        text = failure.schema["x-error"]
    message = f"{context.name(failure.path)} {text}, got {wording.got(value, context.values.written(failure.path))}"
    remedy = failure.schema.get("x-remedy") or conversion(context, failure.path, types, value)
    return Finding("wrong-type", failure.path, message, remedy, None, _RANKS["type"])
