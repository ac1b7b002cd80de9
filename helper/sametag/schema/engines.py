"""The two engines that find what a schema rejects, in one form.

jsonschema-rs is the fast one. jsonschema is the reference in the tests, and does the work where the other has no wheel.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sametag.values import Path

Schema = dict[str, Any]


class Failure(NamedTuple):
    """One keyword of a schema that rejects one value.

    Attributes:
        path: Where the value is. For a bad name of a map's entry it ends with the name.
        keyword: Such as `pattern`.
        schema: The schema object that holds the keyword.
        is_name: Whether the name of an entry was rejected, not its value (`propertyNames`).
    """

    path: Path
    keyword: str
    schema: Schema
    is_name: bool


#: Finds every failure of an instance; all that a nested `anyOf` or `oneOf` hides is one failure of that keyword.
if TYPE_CHECKING:
    Engine = Callable[[Schema, Any], Iterator[Failure]]


def best() -> Engine:
    """Return the fastest engine that is installed."""
    try:
        import jsonschema_rs  # noqa: F401 - whether it is there is the question
    except ImportError:
        return reference
    return fast


def fast(schema: Schema, instance: Any) -> Iterator[Failure]:
    """Find failures with jsonschema-rs; its schema paths have references resolved."""
    import jsonschema_rs

    validator = jsonschema_rs.Draft7Validator(schema, validate_formats=True)
    for error in validator.iter_errors(instance):
        path = tuple(error.instance_path)
        if is_name := isinstance(error.kind, jsonschema_rs.ValidationErrorKind.PropertyNames):
            path = (*path, str(error.kind.error.instance))
        *parents, keyword = error.schema_path
        holder: Any = schema
        for part in parents:
            holder = holder[part]
        yield Failure(path, str(keyword), holder, is_name)


def reference(schema: Schema, instance: Any) -> Iterator[Failure]:
    """Find failures with jsonschema."""
    for error in _reference_class()(schema, format_checker=_format_checker()).iter_errors(instance):
        path = tuple(error.absolute_path)
        schema_path = tuple(error.absolute_schema_path)
        if is_name := "propertyNames" in schema_path[-2:-1]:
            path = (*path, error.instance)
        yield Failure(path, error.validator, error.schema, is_name)


@cache
def _reference_class() -> Any:
    """Return jsonschema's validator for draft-07, whose patterns end where Go's and Rust's do."""
    import re

    from jsonschema import Draft7Validator, ValidationError, validators

    def pattern(_: Any, expression: str, instance: Any, __: Any) -> Iterator[ValidationError]:
        # In Python `$` also matches before a last line break.
        strict = re.sub(r"(\\.|\[\^?\]?[^\]]*\])|\$", lambda found: found[1] or r"\Z", expression)
        if isinstance(instance, str) and not re.search(strict, instance):
            yield ValidationError(f"{instance!r} does not match {expression!r}")

    return validators.extend(Draft7Validator, {"pattern": pattern})  # type: ignore[no-untyped-call] # not in its stubs


def _format_checker() -> Any:
    from jsonschema import Draft7Validator

    return Draft7Validator.FORMAT_CHECKER
