"""Values -> SchemaError: two engines with one interface.

jsonschema-rs is fast. jsonschema is the reference in the tests, and the fallback on platforms without a wheel of the
other. Neither fetches anything: a schema that refers to another document is unusable.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sametag.values import Path

    #: Finds every failure of an instance; what happens inside of an `anyOf` or `oneOf` is one failure of that keyword.
    Validator = Callable[[Any], Iterator["SchemaError"]]
    #: Compiles a schema. It raises `UnusableSchemaError`, or the validator does, at its first failure.
    Engine = Callable[[dict[str, Any]], Validator]
    #: The validators of one schema and of alternatives in it, by the ids of their schema objects.
    Compiled = dict[int, Validator]

Schema = dict[str, Any]


class UnusableSchemaError(Exception):
    """The schema is invalid, or refers to another document."""


class SchemaError(NamedTuple):
    """One keyword of a schema that rejects one value.

    Attributes:
        path: Where the value is. For a bad name of a map's entry it ends with the name.
        keyword: Such as `pattern`.
        schema: The schema object that holds the keyword.
        is_name: Whether the name of an entry was rejected, not its value (`propertyNames`).
        said: The engine's message, for keywords without one of ours.
    """

    path: Path
    keyword: str
    schema: Schema
    is_name: bool
    said: str


def best() -> Engine:
    """Return the fastest engine that is installed."""
    try:
        import jsonschema_rs  # noqa: F401 - whether it is there is the question
    except ImportError:
        return reference
    return fast


def fast(schema: Schema) -> Validator:
    """Validate with jsonschema-rs."""
    import jsonschema_rs

    choose = jsonschema_rs.validator_for if "$schema" in schema else jsonschema_rs.Draft7Validator
    try:
        validator = choose(schema, validate_formats=True, offline=True)
    except ValueError as error:
        raise UnusableSchemaError(str(error).partition("\n")[0]) from error
    return lambda instance: (_fast_failure(schema, instance, error) for error in validator.iter_errors(instance))


def _fast_failure(schema: Schema, instance: Any, error: Any) -> SchemaError:
    """Take over an error of jsonschema-rs; its schema path has references resolved."""
    import jsonschema_rs

    path = _path(instance, error.instance_path)
    if is_name := isinstance(error.kind, jsonschema_rs.ValidationErrorKind.PropertyNames):
        path = (*path, str(error.kind.error.instance))
    *parents, keyword = error.schema_path or [""]
    return SchemaError(path, str(keyword), _holder(schema, parents), is_name, error.message)


def _path(instance: Any, parts: list[str | int]) -> Path:
    """Return the path in the instance: jsonschema-rs reports every key that looks like a number as an index."""
    path: Path = ()
    for part in parts:
        if isinstance(part, int) and isinstance(instance, dict):
            numbers = (key for key in instance if key.isascii() and key.isdigit() and int(key) == part)
            part = next(numbers, f"+{part}")  # noqa: PLW2901 - the key that was meant
        instance = instance[part]
        path = (*path, part)
    return path


def _holder(schema: Any, path: list[Any]) -> Schema:
    """Return the object that holds the keyword; an empty one if it is a plain `false`, or not in this document."""
    for part in path:
        if isinstance(schema, list):
            schema = schema[part]
        else:
            # jsonschema-rs takes a definition called 0 for an index.
            schema = schema.get(part, schema.get(str(part), {})) if isinstance(schema, dict) else {}
    return schema if isinstance(schema, dict) else {}


def reference(schema: Schema) -> Validator:
    """Validate with jsonschema."""
    from jsonschema import Draft7Validator
    from jsonschema.validators import validator_for
    from referencing import Registry

    kind = _strict(validator_for(schema, default=Draft7Validator))
    validator = kind(schema, format_checker=kind.FORMAT_CHECKER, registry=Registry())
    return lambda instance: _reference_failures(validator, instance)


def _reference_failures(validator: Any, instance: Any) -> Iterator[SchemaError]:
    import re

    from jsonschema.exceptions import UnknownType
    from referencing.exceptions import Unresolvable

    try:
        for error in validator.iter_errors(instance):
            path, schema_path = tuple(error.absolute_path), tuple(error.absolute_schema_path)
            if is_name := "propertyNames" in schema_path[-2:-1]:
                path = (*path, error.instance)
            holder = error.schema if isinstance(error.schema, dict) else {}
            yield SchemaError(path, str(error.validator), holder, is_name, error.message)
    except (UnknownType, Unresolvable, re.error) as error:
        raise UnusableSchemaError(str(error).partition("\n")[0]) from error


@cache
def _strict(kind: Any) -> Any:
    """Return a validator whose patterns end where Go's and Rust's do; Python's `$` also matches before a line break."""
    import re

    from jsonschema import ValidationError, validators

    def pattern(_: Any, expression: str, instance: Any, __: Any) -> Iterator[ValidationError]:
        strict = re.sub(r"(\\.|\[\^?\]?[^\]]*\])|\$", lambda found: found[1] or r"\Z", expression)
        if isinstance(instance, str) and not re.search(strict, instance):
            yield ValidationError(f"{instance!r} does not match {expression!r}")

    return validators.extend(kind, {"pattern": pattern})  # type: ignore[no-untyped-call] # not in its stubs
