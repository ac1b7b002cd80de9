"""Where an unknown key was meant to be: another spelling of a key that is valid there, or another place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from sametag.schema.findings import value_at
from sametag.schema.shape import Shape, accepts_type, keys
from sametag.schema.words import either, named

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sametag.schema.shape import Schema
    from sametag.values import Path, Values

# How alike two words must be to be taken for one, by difflib; 0.6 still takes cmd for command.
_ALIKE, _VERY_ALIKE = 0.6, 0.75


class Suggestion(NamedTuple):
    """What was probably meant.

    Attributes:
        paths: Where the key should be; what is missing there is missing because of this mistake.
        spelling: The right key, when only its spelling is wrong.
        remedy: What to do, when its place is wrong.
    """

    paths: tuple[Path, ...]
    spelling: str | None = None
    remedy: str | None = None


def suggest(values: Values, shape: Shape, path: Path, valid: dict[str, list[Schema]]) -> Suggestion | None:
    """Say what the unknown key at the end of this path was meant to be.

    Args:
        values: The values it is in.
        shape: Their schema.
        path: Where it is.
        valid: The keys that are valid beside it.
    """
    searches = (_same_letters, _inner_place, _outer_place, _open_place, _as_entry, _alike, _alike_inside)
    return next((found for search in searches if (found := search(_Place(values, shape, path, valid)))), None)


class _Place(NamedTuple):
    values: Values
    shape: Shape
    path: Path
    valid: dict[str, list[Schema]]

    @property
    def key(self) -> str:
        return str(self.path[-1])

    @property
    def parent(self) -> Path:
        return self.path[:-1]

    @property
    def value(self) -> Any:
        return value_at(self.values.tree, self.path)

    def takes_value(self, schemas: Iterable[Schema]) -> bool:
        return accepts_type(self.shape.flat(schemas), self.value)


def _same_letters(place: _Place) -> Suggestion | None:
    wanted = _letters(place.key)
    found = next((key for key in place.valid if _letters(key) == wanted), None)
    return Suggestion(((*place.parent, found),), spelling=found) if found else None


def _letters(key: str) -> str:
    return key.replace("_", "").replace("-", "").lower()


def _alike(place: _Place) -> Suggestion | None:
    from difflib import get_close_matches

    found = get_close_matches(place.key, place.valid, n=1, cutoff=_ALIKE)
    return Suggestion(((*place.parent, found[0]),), spelling=found[0]) if found else None


def _alike_inside(place: _Place) -> Suggestion | None:
    """Find a similar key in a map beside this one: `livenessProbe`, where it is `probes.liveness`."""
    from difflib import get_close_matches

    inside = {name: key for key in place.valid for name in keys(place.shape.at((*place.parent, key)))}
    found = get_close_matches(place.key, inside, n=1, cutoff=_VERY_ALIKE)
    if not found:
        return None
    return Suggestion(((*place.parent, inside[found[0]], found[0]),), spelling=f"{inside[found[0]]}.{found[0]}")


def _outer_place(place: _Place) -> Suggestion | None:
    """Find a map further out that knows the key, or that holds things such as this one: it is indented too far."""
    for depth in range(len(place.parent) - 1, -1, -1):
        outer = place.parent[:depth]
        schemas = place.shape.at(outer)
        known = keys(schemas).get(place.key)
        if (known and place.takes_value(known)) or _is_entry(place, schemas):
            name = named(outer[-1:], place.shape.title(outer))
            remedy = f"{place.key} is a key of {name}: {_move(place, outer)}" if known else _belongs(place, outer)
            return Suggestion(((*outer, place.key),), remedy=remedy)
    return None


def _inner_place(place: _Place) -> Suggestion | None:
    """Find maps beside the key that know it: it is not indented enough, or its map was forgotten."""
    inner = [key for key in place.valid if _knows(place, (*place.parent, key))]
    return _under(place, inner)


def _open_place(place: _Place) -> Suggestion | None:
    """Find maps of any keys, where all the others beside it are such maps: `limits` and `requests` of resources."""
    return _under(place, list(place.valid)) if all(_is_open(place, key) for key in place.valid) else None


def _under(place: _Place, inner: list[str]) -> Suggestion | None:
    """Suggest these maps, or those of them that the values have."""
    there = [key for key in inner if key in value_at(place.values.tree, place.parent)]
    if not (there or inner):
        return None
    paths = tuple((*place.parent, key, place.key) for key in there or inner)
    return Suggestion(paths, remedy=f"{place.key} belongs under {either(there or inner)}")


def _knows(place: _Place, path: Path) -> bool:
    known = keys(place.shape.at(path)).get(place.key)
    return known is not None and place.takes_value(known)


def _is_open(place: _Place, key: str) -> bool:
    schemas = place.shape.at((*place.parent, key))
    entries = [schema.get("additionalProperties") for schema in schemas]
    return not keys(schemas) and accepts_type(place.shape.flat(entries), place.value)


def _as_entry(place: _Place) -> Suggestion | None:
    """Find a map beside the key that holds things such as this one: `render:` beside `services:`."""
    for key in place.valid:
        inner = (*place.parent, key)
        if _is_entry(place, place.shape.at(inner)):
            return Suggestion(((*inner, place.key),), remedy=_belongs(place, inner))
    return None


def _is_entry(place: _Place, schemas: list[Schema]) -> bool:
    """Whether these are maps of things by name, and the value has more than half of its keys from such a thing."""
    value = place.value
    if not isinstance(value, dict) or not value:
        return False
    entries = place.shape.flat(schema.get("additionalProperties") for schema in schemas)
    return 2 * len(keys(entries).keys() & value.keys()) > len(value)


def _belongs(place: _Place, inner: Path) -> str:
    what = place.shape.title((*inner, place.key))
    looks = f" looks like {what}: it" if what else ""
    move = _move(place, inner) if place.path[: len(inner)] == inner else None
    return f"{place.key}{looks} belongs under {named(inner[-1:], None)}" + (f": {move}" if move else "")


def _move(place: _Place, outer: Path) -> str:
    """Say how to move the key to an outer map; in the style with braces there are no columns to count."""
    here, there = place.values.locate_key(place.path), _first_key(place, outer)
    if here and there and here.source == there.source and here.line != there.line:
        columns = (here.column or 0) - (there.column or 0)
        if columns > 0:
            return f"indent it {columns} column{'s' * (columns != 1)} less"
    return "move it there"


def _first_key(place: _Place, outer: Path) -> Any:
    """Locate the key of the outer map that leads to here."""
    return place.values.locate_key(place.path[: len(outer) + 1])
