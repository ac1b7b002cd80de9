"""What a schema says about a place in the values: the keys that are valid there, and what the thing is called."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sametag.values import Path

Schema = dict[str, Any]

_TYPES = {dict: "object", list: "array", str: "string", bool: "boolean", int: "integer", float: "number"}


def type_of(value: Any) -> str:
    """Return the JSON type of a value; a float that is whole is an integer."""
    if isinstance(value, float) and value.is_integer():
        return "integer"
    return _TYPES.get(type(value), "null")


class Shape:
    """Reads a schema in the direction of its values, through references and alternatives."""

    def __init__(self, root: Schema) -> None:
        self.root = root
        self._start = list(self.flat([root]))
        # By the id of a list that is in here, and a key that it knows by name; None for all that it does not.
        self._steps: dict[tuple[int, str | int | None], list[Schema]] = {}

    def at(self, path: Path) -> list[Schema]:
        """Return every schema object that has a say about the value at this path."""
        here = self._start
        for part in path:
            known = any(part in schema.get("properties", ()) or "patternProperties" in schema for schema in here)
            step = (id(here), part if known or isinstance(part, int) else None)
            if step not in self._steps:
                self._steps[step] = list(self.flat(child for schema in here for child in _children(schema, part)))
            here = self._steps[step]
        return here

    def flat(self, schemas: Iterable[Any]) -> Iterator[Schema]:
        """Yield these schemas and those that they refer to or combine."""
        for schema in schemas:
            if not isinstance(schema, dict):
                continue
            if "$ref" in schema:
                yield from self.flat([self._resolve(schema["$ref"])])
                continue
            yield schema
            for keyword in ("allOf", "anyOf", "oneOf"):
                yield from self.flat(schema.get(keyword, ()))
            yield from self.flat(schema[keyword] for keyword in ("then", "else") if keyword in schema)

    def title(self, path: Path) -> str | None:
        """Return what the thing at this path is called, such as `a service`."""
        return next((schema["title"] for schema in self.at(path) if "title" in schema), None)

    def _resolve(self, reference: str) -> Any:
        schema: Any = self.root
        for part in reference.removeprefix("#/").split("/"):
            schema = schema[part.replace("~1", "/").replace("~0", "~")]
        return schema


def keys(schemas: Iterable[Schema]) -> dict[str, list[Schema]]:
    """Return the keys that these objects know by name, those that they refuse by name left out."""
    known: dict[str, list[Schema]] = {}
    for schema in schemas:
        for key, child in schema.get("properties", {}).items():
            known.setdefault(key, []).append(child)
    return {key: found for key, found in known.items() if not any(map(is_refusal, found))}


def is_refusal(schema: Any) -> bool:
    """Whether this schema is there to refuse a key by its name."""
    return schema is False or (isinstance(schema, dict) and schema.get("not") == {})


def accepts_type(schemas: Iterable[Schema], value: Any) -> bool:
    """Whether one of these schemas takes a value of this type."""
    wanted = type_of(value)
    for schema in schemas:
        types = schema.get("type")
        if types is not None and (wanted in types or (wanted == "integer" and "number" in types)):
            return True
    return False


def _children(schema: Schema, part: str | int) -> list[Any]:
    if isinstance(part, int):
        items = schema.get("items")
        return items[part : part + 1] if isinstance(items, list) else [items]
    named = [schema["properties"][part]] if part in schema.get("properties", {}) else []
    named += [child for pattern, child in schema.get("patternProperties", {}).items() if re.search(pattern, part)]
    return named or [schema.get("additionalProperties")]
