"""The schema at a path of the values: valid keys, types and titles."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sametag.values import Path

Schema = dict[str, Any]

_TYPES = {dict: "object", list: "array", str: "string", bool: "boolean", int: "integer", float: "number"}


def type_of(value: Any) -> str:
    """Return the JSON type of a value; a float without a fraction is an integer."""
    if isinstance(value, float) and value.is_integer():
        return "integer"
    return _TYPES.get(type(value), "null")


class Shape:
    """Reads a schema in the direction of its values, through references and alternatives."""

    def __init__(self, root: Schema) -> None:
        self.root = root
        self._start = list(self.flat([root]))
        # By the id of a list of schemas, and a key that they define; None stands for all other keys.
        self._steps: dict[tuple[int, str | int | None], list[Schema]] = {}

    def at(self, path: Path) -> list[Schema]:
        """Return every schema object that applies to the value at this path."""
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
        """Return the title at this path, such as `a service`; None if there is none."""
        return next((schema["title"] for schema in self.at(path) if "title" in schema), None)

    def _resolve(self, reference: str) -> Any:
        schema: Any = self.root
        for part in reference.removeprefix("#/").split("/"):
            schema = schema[part.replace("~1", "/").replace("~0", "~")]
        return schema


def keys(schemas: Iterable[Schema]) -> dict[str, list[Schema]]:
    """Return the keys that these schemas define, without those that they refuse by name."""
    known: dict[str, list[Schema]] = {}
    for schema in schemas:
        for key, child in schema.get("properties", {}).items():
            known.setdefault(key, []).append(child)
    return {key: found for key, found in known.items() if not any(map(is_refusal, found))}


def is_refusal(schema: Any) -> bool:
    """Whether this schema refuses a key by its name."""
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
