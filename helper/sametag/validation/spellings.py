"""What an unknown key was meant to be, by its letters or by what is in it: a key that is valid beside it, or near."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from sametag.validation.schema_tree import Shape, accepts_type, keys
from sametag.values import get, path_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sametag.validation.schema_tree import Schema
    from sametag.values import Path, Values

# How alike two words must be to be taken for one, by difflib: 0.6 still takes cmd for command, 0.7 replicaCount for
# replicas, and above 0.9 but one letter is wrong.
_ALIKE, _VERY_ALIKE, _NEARLY = 0.6, 0.7, 0.9


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


class Place(NamedTuple):
    """Where an unknown key is.

    Attributes:
        values: The values it is in.
        shape: Their schema.
        path: Where it is; the key is the last of it.
        valid: The keys that are valid beside it.
    """

    values: Values
    shape: Shape
    path: Path
    valid: dict[str, list[Schema]]

    @property
    def key(self) -> str:
        """The unknown key."""
        return str(self.path[-1])

    @property
    def parent(self) -> Path:
        """Where its map is."""
        return self.path[:-1]

    @property
    def value(self) -> Any:
        """What stands under the key."""
        return get(self.values.tree, self.path)

    def takes_value(self, schemas: Iterable[Schema]) -> bool:
        """Whether one of these schemas takes a value of this type."""
        return accepts_type(self.shape.flat(schemas), self.value)


def same_letters(place: Place) -> Suggestion | None:
    """Find the key in another case, with dashes or underscores."""
    wanted = _letters(place.key)
    found = next((key for key in place.valid if _letters(key) == wanted), None)
    return _spelled(place, (*place.parent, found)) if found else None


def nearly(place: Place) -> Suggestion | None:
    """Find a key that differs in a letter and takes the value."""
    found = _closest(place.key, place.valid, _NEARLY)
    return _spelled(place, (*place.parent, found)) if found and place.takes_value(place.valid[found]) else None


def alike(place: Place) -> Suggestion | None:
    """Find a similar key."""
    found = _closest(place.key, place.valid, _ALIKE)
    return _spelled(place, (*place.parent, found)) if found else None


def alike_inside(place: Place) -> Suggestion | None:
    """Find a similar key in a map beside this one: `livenessProbe`, where it is `probes.liveness`."""
    inside = {name: key for key in place.valid for name in keys(place.shape.at((*place.parent, key)))}
    found = _closest(place.key, inside, _VERY_ALIKE)
    if not found or found[0] != place.key[0]:
        return None
    return _spelled(place, (*place.parent, inside[found], found))


def joined(place: Place) -> Suggestion | None:
    """Find a key in a map, here or further out, whose two names were written as one: `imagePullPolicy`."""
    for depth in range(len(place.parent), -1, -1):
        outer = place.parent[:depth]
        names = {
            _letters(f"{key}{inner}"): (*outer, key, inner)
            for key in keys(place.shape.at(outer))
            for inner, schemas in keys(place.shape.at((*outer, key))).items()
            if place.takes_value(schemas)
        }
        if found := _closest(_letters(place.key), names, _NEARLY):
            return _spelled(place, names[found])
    return None


def same_content(place: Place) -> Suggestion | None:
    """Find the one map beside this one that knows all that is in it: `hpa`, where it is `autoscaling`."""
    if not isinstance(place.value, dict) or not place.value:
        return None
    found = [key for key in place.valid if keys(place.shape.at((*place.parent, key))).keys() >= place.value.keys()]
    return _spelled(place, (*place.parent, found[0])) if len(found) == 1 else None


def _spelled(place: Place, path: Path) -> Suggestion:
    beside = path[: len(place.parent)] == place.parent
    return Suggestion((path,), spelling=path_text(path[len(place.parent) :] if beside else path))


def _letters(key: str) -> str:
    return key.replace("_", "").replace("-", "").lower()


def _closest(key: str, known: Iterable[str], cutoff: float) -> str | None:
    from difflib import get_close_matches

    found = get_close_matches(key, list(known), n=1, cutoff=cutoff)
    return found[0] if found else None
