"""What a known setting of other charts, or of Kubernetes, is called here, with the user's own value where that fits."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from sametag.validation import wording
from sametag.validation.foreign import FOREIGN
from sametag.validation.spellings import Suggestion, same_content
from sametag.values import path_text

if TYPE_CHECKING:
    from sametag.validation.spellings import Place

_SHOWN = 80
_PLACEHOLDER = "<([^<>]+)>"


class _Answer(NamedTuple):
    """An answer of the table, taken apart.

    Attributes:
        how: Its sign: `=`, `^`, `/`, `!`; empty for YAML in the place of the key.
        what: The YAML, the key or the words.
        beside: The YAML that goes beside it.
        why: The words after it.
    """

    how: str
    what: str
    beside: str
    why: str


def known_elsewhere(place: Place) -> Suggestion | None:
    """Find a setting that is known from elsewhere by its name and by the map that it is in."""
    title = place.shape.title(place.parent) or ""
    found = FOREIGN.get(title, {}).get(place.key)
    if found is not None:
        # A map with a command is a service, whatever it is called.
        looks_like_a_service = not place.parent and isinstance(place.value, dict) and "command" in place.value
        if looks_like_a_service:
            return None
        # Where all that is in it has the same names here, only its own name is another.
        answer, alike = _parsed(found), same_content(place)
        is_renamed = alike and answer.what.startswith(f"{alike.spelling}:")
        return alike if is_renamed else _suggestion(place, answer)
    if not place.parent and place.key in FOREIGN["a service"]:
        return _of_a_service(place, _parsed(FOREIGN["a service"][place.key]))
    return None


def _of_a_service(place: Place, answer: _Answer) -> Suggestion:
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


def _parsed(text: str) -> _Answer:
    sign = text[0] if text[0] in "=^/!" and text[1] == " " else ""
    if sign == "!":
        return _Answer(sign, text[2:], "", "")
    what, _, why = text.removeprefix(f"{sign} " if sign else "").partition(" # ")
    what, _, beside = what.partition(" & ")
    return _Answer(sign, what, beside, why)


def _suggestion(place: Place, answer: _Answer) -> Suggestion:
    parent = place.parent
    if answer.how == "!":
        return Suggestion((place.path,), remedy=answer.what)
    if answer.how == "=":
        path = (*parent, *answer.what.split("."))
        return Suggestion((path,), spelling=path_text(path[len(parent) :]))
    outer = () if answer.how == "/" else parent[:-1] if answer.how == "^" else parent
    parts = [part for part in (answer.what, answer.beside) if part]
    written = " and ".join(re.sub(_PLACEHOLDER, lambda found: _filled(place, found[1]), part) for part in parts)
    where = {"/": " at the top", "^": f" beside {parent[-1] if parent else ''}"}.get(answer.how, "")
    remedy = f"write {written}{where}" + (f" ({answer.why})" if answer.why else "")
    return Suggestion(tuple((*outer, part.partition(":")[0].strip('"')) for part in parts), remedy=remedy)


def _filled(place: Place, default: str) -> str:
    """Write the user's value in the place of the default, where it is of its kind and short enough."""
    import yaml

    value, like = place.value, yaml.safe_load(default)
    if default.startswith('"'):
        text = place.values.written(place.path) or value
        return wording.quoted(text) if isinstance(text, str) and len(text) <= _SHOWN else default
    if isinstance(like, int) and not isinstance(like, bool) and isinstance(value, str) and value.isdecimal():
        value = int(value)
    if not _alike(value, like):
        return default
    text = wording.flow(value)
    return text if len(text) <= _SHOWN else default


def _alike(value: Any, like: Any) -> bool:
    if type(value) is not type(like):
        return False
    if isinstance(value, list):
        return bool(value) and all(_alike(entry, like[0]) for entry in value)
    if isinstance(value, dict):
        return bool(value) and all(isinstance(entry, str | int) for entry in value.values())
    return bool(value != "")
