"""Where an unknown key was meant to be: in another map, further in, further out, or beside its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sametag.text import either
from sametag.validation.schema_tree import Shape, accepts_type, keys
from sametag.validation.spellings import (
    Place,
    Suggestion,
    alike,
    alike_inside,
    joined,
    nearly,
    same_content,
    same_letters,
)
from sametag.validation.wording import named
from sametag.values import get, path_text

if TYPE_CHECKING:
    from sametag.validation.schema_tree import Schema
    from sametag.values import Path, Values


def suggest(values: Values, shape: Shape, path: Path, valid: dict[str, list[Schema]]) -> Suggestion | None:
    """Say what the unknown key at the end of this path was meant to be; the most certain reading comes first.

    Args:
        values: The values it is in.
        shape: Their schema.
        path: Where it is.
        valid: The keys that are valid beside it.
    """
    from sametag.validation.answers import known_elsewhere

    place = Place(values, shape, path, valid)
    if found := known_elsewhere(place):
        return found
    certain = (same_letters, nearly, _inner_place, _outer_place, _open_place, _as_entry, joined, _beside)
    return next((found for search in (*certain, alike, same_content, alike_inside) if (found := search(place))), None)


def owner(shape: Shape, path: Path) -> str:
    """Name a map that has keys: by its own, or as a whole where that is a name that the user chose."""
    if path and path[-1] not in keys(shape.at(path[:-1])):
        return path_text(path)
    return named(path[-1:], shape.title(path))


def move(values: Values, path: Path, outer: Path) -> str:
    """Say how to move a key to an outer map; in the style with braces there are no columns to count."""
    # The key of the outer map that leads to here has the right column.
    here, there = values.locate_key(path), values.locate_key(path[: len(outer) + 1])
    if here and there and here.source == there.source and here.line != there.line:
        columns = (here.column or 0) - (there.column or 0)
        if columns > 0:
            return f"indent it {columns} column{'s' * (columns != 1)} less"
    return "move it there"


def _outer_place(place: Place) -> Suggestion | None:
    """Find a map further out that knows the key, or that holds things such as this one: it is indented too far."""
    for depth in range(len(place.parent) - 1, -1, -1):
        outer = place.parent[:depth]
        schemas = place.shape.at(outer)
        known = keys(schemas).get(place.key)
        if (known and place.takes_value(known)) or _is_entry(place, schemas):
            what = f"{place.key} is a key of {owner(place.shape, outer)}: {move(place.values, place.path, outer)}"
            return Suggestion(((*outer, place.key),), remedy=what if known else _belongs(place, outer))
    return None


def _inner_place(place: Place) -> Suggestion | None:
    """Find maps beside the key that know it: it is not indented enough, or its map was forgotten."""
    inner = [key for key in place.valid if _knows(place, (*place.parent, key))]
    return _under(place, inner)


def _open_place(place: Place) -> Suggestion | None:
    """Find maps of any keys, where all the others beside it are such maps: `limits` and `requests` of resources."""
    return _under(place, list(place.valid)) if all(_is_open(place, key) for key in place.valid) else None


def _beside(place: Place) -> Suggestion | None:
    """Find maps beside the one that the key is in: `fsGroup` is the pod's, not the container's securityContext."""
    outer = place.parent[:-1]
    found = [key for key in keys(place.shape.at(outer)) if place.parent and _knows(place, (*outer, key))]
    if not found:
        return None
    return Suggestion(
        tuple((*outer, key, place.key) for key in found),
        remedy=f"{place.key} is a key of {either(found)}: move it there",
    )


def _under(place: Place, inner: list[str]) -> Suggestion | None:
    """Suggest these maps, or those of them that the values have."""
    there = [key for key in inner if key in get(place.values.tree, place.parent)]
    if not (there or inner):
        return None
    paths = tuple((*place.parent, key, place.key) for key in there or inner)
    return Suggestion(paths, remedy=f"{place.key} belongs under {either(there or inner)}")


def _knows(place: Place, path: Path) -> bool:
    known = keys(place.shape.at(path)).get(place.key)
    return known is not None and place.takes_value(known)


def _is_open(place: Place, key: str) -> bool:
    schemas = place.shape.at((*place.parent, key))
    entries = [schema.get("additionalProperties") for schema in schemas]
    return not keys(schemas) and accepts_type(place.shape.flat(entries), place.value)


def _as_entry(place: Place) -> Suggestion | None:
    """Find a map beside the key that holds things such as this one: `render:` beside `services:`."""
    for key in place.valid:
        inner = (*place.parent, key)
        if _is_entry(place, place.shape.at(inner)):
            return Suggestion(((*inner, place.key),), remedy=_belongs(place, inner))
    return None


def _is_entry(place: Place, schemas: list[Schema]) -> bool:
    """Whether these are maps of things by name, and the value has more than half of its keys from such a thing."""
    value: Any = place.value
    if not isinstance(value, dict) or not value:
        return False
    entries = place.shape.flat(schema.get("additionalProperties") for schema in schemas)
    common = keys(entries).keys() & value.keys()
    # Every chart's maps have these, whatever they are.
    return 2 * len(common) > len(value) and not common <= {"enabled", "labels", "annotations", "name", "type"}


def _belongs(place: Place, inner: Path) -> str:
    what = place.shape.title((*inner, place.key))
    looks = f" looks like {what}: it" if what else ""
    how = f": {move(place.values, place.path, inner)}" if place.path[: len(inner)] == inner else ""
    return f"{place.key}{looks} belongs under {named(inner[-1:], None)}{how}"
