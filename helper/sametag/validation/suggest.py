"""What an unknown key was meant to be: by spelling, content, place, or its name in another chart."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from sametag.text import either
from sametag.validation import wording
from sametag.validation.schema_tree import Shape, accepts_type, keys
from sametag.values import get, path_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sametag.validation.foreign import Answer
    from sametag.validation.schema_tree import Schema
    from sametag.values import Path, Values

# Similarity by difflib: 0.6 still matches cmd and command, 0.7 replicaCount and replicas; above 0.9 one letter differs.
_ALIKE, _VERY_ALIKE, _NEARLY = 0.6, 0.7, 0.9
# The longest value that a remedy repeats.
_SHOWN = 80
_PLACEHOLDER = "<([^<>]+)>"


class Suggestion(NamedTuple):
    """What was probably meant.

    Attributes:
        paths: Where the key should be; a missing key there is explained by this mistake.
        spelling: The right key, if only the spelling is wrong.
        remedy: What to do, if the place is wrong.
    """

    paths: tuple[Path, ...]
    spelling: str | None = None
    remedy: str | None = None


class _Place(NamedTuple):
    """Where an unknown key is.

    Attributes:
        values: The values it is in.
        shape: Their schema.
        path: Where it is; the key is the last of it.
        valid: The keys that are valid in its place.
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


def suggest(values: Values, shape: Shape, path: Path, valid: dict[str, list[Schema]]) -> Suggestion | None:
    """Return what the unknown key at the end of this path was meant to be; the most certain reading first.

    Args:
        values: The values it is in.
        shape: Their schema.
        path: Where it is.
        valid: The keys that are valid in its place.
    """
    place = _Place(values, shape, path, valid)
    if found := _known_elsewhere(place):
        return found
    certain = (_same_letters, _nearly, _inner_place, _outer_place, _open_place, _as_entry, _joined, _beside)
    return next(
        (found for search in (*certain, _alike_here, _same_content, _alike_inside) if (found := search(place))), None
    )


def owner(shape: Shape, path: Path) -> str:
    """Name a map: by its key, or by its whole path if the user chose the key."""
    if path and path[-1] not in keys(shape.at(path[:-1])):
        return path_text(path)
    return wording.named(path[-1:], shape.title(path))


def move(values: Values, path: Path, outer: Path) -> str:
    """Say how to move a key to an outer map; in flow style, columns do not matter."""
    # The key of the outer map that leads to here has the right column.
    here, there = values.locate_key(path), values.locate_key(path[: len(outer) + 1])
    if here and there and here.source == there.source and here.line != there.line:
        columns = (here.column or 0) - (there.column or 0)
        if columns > 0:
            return f"indent it {columns} column{'s' * (columns != 1)} less"
    return "move it there"


def _outer_place(place: _Place) -> Suggestion | None:
    """Find a map further out that knows the key, or that holds things such as this one: it is indented too far."""
    for depth in range(len(place.parent) - 1, -1, -1):
        outer = place.parent[:depth]
        schemas = place.shape.at(outer)
        known = keys(schemas).get(place.key)
        if (known and place.takes_value(known)) or _is_entry(place, schemas):
            what = f"{place.key} is a key of {owner(place.shape, outer)}: {move(place.values, place.path, outer)}"
            return Suggestion(((*outer, place.key),), remedy=what if known else _belongs(place, outer))
    return None


def _inner_place(place: _Place) -> Suggestion | None:
    """Find maps next to the key that know it: it is not indented enough, or its map is missing."""
    inner = [key for key in place.valid if _knows(place, (*place.parent, key))]
    return _under(place, inner)


def _open_place(place: _Place) -> Suggestion | None:
    """Find maps of any keys, where all its neighbors are such maps: `limits` and `requests` of resources."""
    return _under(place, list(place.valid)) if all(_is_open(place, key) for key in place.valid) else None


def _beside(place: _Place) -> Suggestion | None:
    """Find maps next to the one that the key is in: `fsGroup` is the pod's, not the container's securityContext."""
    outer = place.parent[:-1]
    found = [key for key in keys(place.shape.at(outer)) if place.parent and _knows(place, (*outer, key))]
    if not found:
        return None
    return Suggestion(
        tuple((*outer, key, place.key) for key in found),
        remedy=f"{place.key} is a key of {either(found)}: move it there",
    )


def _under(place: _Place, inner: list[str]) -> Suggestion | None:
    """Suggest these maps, or those of them that the values have."""
    there = [key for key in inner if key in get(place.values.tree, place.parent)]
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
    """Find a map next to the key that holds such entries: `render:` next to `services:`."""
    for key in place.valid:
        inner = (*place.parent, key)
        if _is_entry(place, place.shape.at(inner)):
            return Suggestion(((*inner, place.key),), remedy=_belongs(place, inner))
    return None


def _is_entry(place: _Place, schemas: list[Schema]) -> bool:
    """Whether these are maps of things by name, and the value has more than half of its keys from such a thing."""
    value: Any = place.value
    if not isinstance(value, dict) or not value:
        return False
    entries = place.shape.flat(schema.get("additionalProperties") for schema in schemas)
    common = keys(entries).keys() & value.keys()
    # Every chart's maps have these, whatever they are.
    return 2 * len(common) > len(value) and not common <= {"enabled", "labels", "annotations", "name", "type"}


def _belongs(place: _Place, inner: Path) -> str:
    what = place.shape.title((*inner, place.key))
    looks = f" looks like {what}: it" if what else ""
    how = f": {move(place.values, place.path, inner)}" if place.path[: len(inner)] == inner else ""
    return f"{place.key}{looks} belongs under {wording.named(inner[-1:], None)}{how}"


def _same_letters(place: _Place) -> Suggestion | None:
    """Find the key in another case, with dashes or underscores."""
    wanted = _letters(place.key)
    found = next((key for key in place.valid if _letters(key) == wanted), None)
    return _spelled(place, (*place.parent, found)) if found else None


def _nearly(place: _Place) -> Suggestion | None:
    """Find a key that differs in a letter and takes the value."""
    found = _closest(place.key, place.valid, _NEARLY)
    return _spelled(place, (*place.parent, found)) if found and place.takes_value(place.valid[found]) else None


def _alike_here(place: _Place) -> Suggestion | None:
    """Find a similar key."""
    found = _closest(place.key, place.valid, _ALIKE)
    return _spelled(place, (*place.parent, found)) if found else None


def _alike_inside(place: _Place) -> Suggestion | None:
    """Find a similar key in a map next to this one: `livenessProbe` for `probes.liveness`."""
    inside = {name: key for key in place.valid for name in keys(place.shape.at((*place.parent, key)))}
    found = _closest(place.key, inside, _VERY_ALIKE)
    if not found or found[0] != place.key[0]:
        return None
    return _spelled(place, (*place.parent, inside[found], found))


def _joined(place: _Place) -> Suggestion | None:
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


def _same_content(place: _Place) -> Suggestion | None:
    """Find the one map next to this one that has all keys in it: `hpa` for `autoscaling`."""
    if not isinstance(place.value, dict) or not place.value:
        return None
    found = [key for key in place.valid if keys(place.shape.at((*place.parent, key))).keys() >= place.value.keys()]
    return _spelled(place, (*place.parent, found[0])) if len(found) == 1 else None


def _spelled(place: _Place, path: Path) -> Suggestion:
    beside = path[: len(place.parent)] == place.parent
    return Suggestion((path,), spelling=path_text(path[len(place.parent) :] if beside else path))


def _letters(key: str) -> str:
    return key.replace("_", "").replace("-", "").lower()


def _closest(key: str, known: Iterable[str], cutoff: float) -> str | None:
    from difflib import get_close_matches

    found = get_close_matches(key, list(known), n=1, cutoff=cutoff)
    return found[0] if found else None


def _known_elsewhere(place: _Place) -> Suggestion | None:
    """Find a setting that is known from elsewhere by its name and by the map that it is in."""
    # Valid values, and most wrong ones, do without the tables.
    from sametag.validation.foreign import answer_to

    title = place.shape.title(place.parent) or ""
    answer = answer_to(title, place.key)
    if answer is not None:
        # A map with a command is a service, whatever it is called.
        looks_like_a_service = not place.parent and isinstance(place.value, dict) and "command" in place.value
        if looks_like_a_service:
            return None
        # Where all that is in it has the same names here, only its own name is another.
        alike = _same_content(place)
        is_renamed = alike and answer.what.startswith(f"{alike.spelling}:")
        return alike if is_renamed else _suggestion(place, answer)
    of_services = None if place.parent else answer_to("a service", place.key)
    return _of_a_service(place, of_services) if of_services else None


def _of_a_service(place: _Place, answer: Answer) -> Suggestion:
    """Answer for a setting of services that stands at the top."""
    if answer.how in ("!", "/"):
        return _suggestion(place, answer)
    if answer.how == "=":
        first, *inner = answer.what.split(".")
        value: Any = place.value
        for part in reversed(inner):
            value = {part: value}
        text = wording.flow({first: value})
        remedy = f"write defaults: {text}" if len(text) <= _SHOWN else f"write {answer.what} under defaults"
        return Suggestion((("defaults", first),), remedy=f"{remedy}, or in one service")
    return Suggestion((("services",),), remedy=f"in a service, {_suggestion(place, answer).remedy}")


def _suggestion(place: _Place, answer: Answer) -> Suggestion:
    parent = place.parent
    if answer.how == "!":
        return Suggestion((place.path,), remedy=answer.what)
    if answer.how == "=":
        path = (*parent, *answer.what.split("."))
        return Suggestion((path,), spelling=path_text(path[len(parent) :]))
    outer = () if answer.how == "/" else parent[:-1] if answer.how == "^" else parent
    parts = [part for part in (answer.what, answer.beside) if part]
    written = " and ".join(re.sub(_PLACEHOLDER, lambda found: _filled(place, found[1]), part) for part in parts)
    where = {"/": " at the top", "^": f" next to {parent[-1] if parent else ''}"}.get(answer.how, "")
    remedy = f"write {written}{where}" + (f" ({answer.why})" if answer.why else "")
    return Suggestion(tuple((*outer, part.partition(":")[0].strip('"')) for part in parts), remedy=remedy)


def _filled(place: _Place, default: str) -> str:
    """Return the user's value instead of the default, if it has the same type and is short."""
    import yaml

    value, like = place.value, yaml.safe_load(default)
    if default.startswith('"'):
        text = place.values.written(place.path) or value
        return wording.quoted(text) if isinstance(text, str) and len(text) <= _SHOWN else default
    if isinstance(like, int) and not isinstance(like, bool) and isinstance(value, str) and value.isdecimal():
        value = int(value)
    if not _same_kind(value, like):
        return default
    text = wording.flow(value)
    return text if len(text) <= _SHOWN else default


def _same_kind(value: Any, like: Any) -> bool:
    if type(value) is not type(like):
        return False
    if isinstance(value, list):
        return bool(value) and all(_same_kind(entry, like[0]) for entry in value)
    if isinstance(value, dict):
        return bool(value) and all(isinstance(entry, str | int) for entry in value.values())
    return bool(value != "")
