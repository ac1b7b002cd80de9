"""Values that a schema accepts, at random, and texts that a pattern does.

Our own, since hypothesis-jsonschema takes from 45 ms (Probe) to 170 ms (a volume) for one value of one definition: a
service of ten settings would take a second. This takes a millisecond, and knows only the part of draft-07 that the
chart's schema uses.
"""

from __future__ import annotations

import json
from functools import lru_cache
from re import _parser  # type: ignore[attr-defined] # hypothesis walks the same tree
from typing import TYPE_CHECKING, Any

import jsonschema_rs

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterable

Schema = dict[str, Any]

# What an unlimited number of repetitions is taken for.
_MANY, _VERY_MANY = 3, 100
_LETTERS = "abcxyzABCXYZ0129._-/ :é"
# Where a schema says nothing about a text: what is plausible somewhere, and what hardly is anywhere.
_WORDS = ("app", "a-b", "example.com", "kubernetes.io/os", "/data", "10.0.0.1", "8080", "A", "a_b", "é", "a b", "-", "")
_NAMES = {"pattern": "^[a-z]{1,5}([./-][a-z]{1,3})?$"}
_IPV4 = ("10.0.0.1", "0.0.0.0", "255.255.255.255")  # noqa: S104 - nobody binds to it
_IPV6 = ("::", "::1", "2001:db8::1", "fe80:0:0:0:1:2:3:4")


class Generator:
    """Makes values of a schema.

    Args:
        schema: The whole schema: references lead into its `definitions`.
        dice: Where the choices come from; the same dice make the same values.
    """

    def __init__(self, schema: Schema, dice: random.Random) -> None:
        self.definitions = schema["definitions"]
        self._dice = dice

    def value(self, node: Schema, depth: int = 0) -> Any:
        """Return a value that the positive part of a schema describes; conditions between keys may not hold."""
        flat = self._flat(node)
        for choice in ("oneOf", "anyOf"):
            if choice in flat:
                flat = self._chosen(flat, choice)
        if "const" in flat:
            return flat["const"]
        kind = self._kind(flat, depth)
        if "enum" in flat and kind != "null":
            return self._dice.choice([value for value in flat["enum"] if value is not None])
        make: Callable[[Schema, int], Any] = getattr(self, f"_{kind}")
        return make(flat, depth)

    def _kind(self, flat: Schema, depth: int) -> str:
        kinds = flat.get("type") or ("object" if "properties" in flat else "string")
        kinds = [kinds] if isinstance(kinds, str) else kinds
        if "null" in kinds and depth and "not" not in flat and self._dice.random() < 0.02:
            return "null"
        kind: str = self._dice.choice([kind for kind in kinds if kind != "null"])
        return kind

    def _flat(self, node: Schema) -> Schema:
        """Return a schema without references, what they lead to merged in."""
        flat: Schema = {}
        for part in self._parts(node):
            _merge(flat, part)
        return flat

    def _parts(self, node: Schema) -> Iterable[Schema]:
        if "$ref" in node:
            yield from self._parts(self.definitions[node["$ref"].rpartition("/")[2]])
        yield {key: child for key, child in node.items() if key not in {"$ref", "allOf"}}
        for child in node.get("allOf", ()):
            if child.keys() <= {"if", "then", "else"}:
                yield {"conditions": [child]}
            else:
                yield from self._parts(child)

    def _chosen(self, flat: Schema, choice: str) -> Schema:
        """Take one branch; of a oneOf leave out what the others require."""
        branches = [branch for branch in flat[choice] if branch != {"type": "null"}]
        branch = self._dice.choice(branches)
        chosen = {key: child for key, child in flat.items() if key != choice}
        if choice == "oneOf":
            others = {key for other in branches if other is not branch for key in other.get("required", ())}
            chosen["properties"] = {k: v for k, v in chosen["properties"].items() if k not in others}
        _merge(chosen, self._flat(branch))
        return chosen

    def _null(self, _: Schema, __: int) -> None:
        return None

    def _boolean(self, _: Schema, __: int) -> bool:
        return self._dice.random() < 0.5

    def _integer(self, flat: Schema, _: int) -> int:
        low: int = flat.get("minimum", -5)
        high: int = flat.get("maximum", 100_000)
        near = [low, low + 1, 2, 5, 30, 100, 443, 8080, self._dice.randint(low, high), high]
        return self._dice.choice([number for number in near if low <= number <= high])

    def _number(self, flat: Schema, depth: int) -> float:
        return self._dice.choice([self._integer(flat, depth), 0.5, 1.25])

    def _string(self, flat: Schema, _: int) -> str:
        if "format" in flat:
            return self._dice.choice({"ipv4": _IPV4, "ipv6": _IPV6}[flat["format"]])
        if "pattern" in flat:
            return self.text(flat["pattern"], flat.get("maxLength", 10_000))
        if self._dice.random() < 0.8:
            return self._dice.choice([word for word in _WORDS if len(word) >= flat.get("minLength", 0)])
        length = self._dice.randint(flat.get("minLength", 0), min(flat.get("maxLength", 70), 70))
        return "".join(self._dice.choice(_LETTERS) for _ in range(length))

    def text(self, pattern: str, longest: int = 10_000) -> str:
        """Return a text that a pattern matches."""
        while len(text := _matching(_parsed(pattern), self._dice)) > longest:
            pass
        return text

    def _array(self, flat: Schema, depth: int) -> list[Any]:
        count = max(flat.get("minItems", 0), self._dice.choice((0, 1, 1, 1, 2, 3) if depth < 4 else (0, 1)))
        count = min(count, flat.get("maxItems", count))
        return [self.value(flat["items"], depth + 1) for _ in range(count)]

    def _object(self, flat: Schema, depth: int) -> dict[str, Any]:
        made = {key: self.value(flat["properties"][key], depth + 1) for key in self._keys(flat, depth)}
        entries = flat.get("additionalProperties")
        if isinstance(entries, dict):
            for _ in range(self._dice.choice((0, 1, 1, 2))):
                names = self._flat(flat.get("propertyNames", _NAMES))
                made.setdefault(self._string(names, 0), self.value(entries, depth + 1))
        return self._as_conditions_want(flat, made, depth)

    def _keys(self, flat: Schema, depth: int) -> list[str]:
        properties = flat.get("properties", {})
        optional = [key for key in properties if key not in flat.get("required", ()) and self._open(properties[key])]
        most = (8, 4, 3, 2)[min(depth, 3)]
        chosen = self._dice.sample(optional, min(len(optional), self._dice.randint(0 if depth else 1, most)))
        chosen = [*chosen, *(key for key in flat.get("required", ()) if key in properties)]
        needs = flat.get("dependencies", {})
        needed = [need for key in chosen for need in needs.get(key, ()) if isinstance(needs[key], list)]
        return list(dict.fromkeys([*needed, *chosen]))

    def _open(self, schema: Schema) -> bool:
        """Whether a schema takes anything but null."""
        flat = self._flat(schema)
        return flat.get("not") != {} and flat.get("type") not in ("null", ["null"], [])

    def _as_conditions_want(self, flat: Schema, made: dict[str, Any], depth: int) -> dict[str, Any]:
        for condition in _conditions(flat):
            wanted = condition.get("then" if _holds(condition["if"], made) else "else", {})
            wants = wanted.get("properties", {})
            for key in [*wants, *wanted.get("required", ())]:
                schema = {"allOf": [flat["properties"][key], wants.get(key, {})]}
                if not self._open(schema):
                    made.pop(key, None)
                elif key in wanted.get("required", ()) or key in made:
                    made[key] = self.value(schema, depth + 1)
        return made


def _conditions(flat: Schema) -> list[Schema]:
    own = [flat] if "if" in flat else []
    needs = flat.get("dependencies", {}).items()
    depending = [{"if": {"required": [key]}, "then": then} for key, then in needs if isinstance(then, dict)]
    return [*own, *depending, *flat.get("conditions", ())]


def _merge(into: Schema, part: Schema) -> None:
    for key, child in part.items():
        if key == "properties":
            there = into.get(key, {})
            into[key] = there | {k: {"allOf": [there[k], c]} if k in there else c for k, c in child.items()}
        elif key in {"required", "conditions"}:
            into[key] = [*into.get(key, ()), *child]
        elif key == "type" and key in into:
            into[key] = sorted(set(_listed(into[key])) & set(_listed(child)))
        elif key == "enum" and key in into:
            into[key] = [value for value in into[key] if value in child]
        elif key == "items" and key in into:
            into[key] = {"allOf": [into[key], child]}
        else:
            into[key] = child


def _listed(kinds: str | list[str]) -> list[str]:
    return [kinds] if isinstance(kinds, str) else kinds


def _holds(condition: Schema, value: Any) -> bool:
    return bool(_compiled(json.dumps(condition)).is_valid(value))


@lru_cache
def _compiled(condition: str) -> Any:
    return jsonschema_rs.Draft7Validator(json.loads(condition))


@lru_cache
def _parsed(pattern: str) -> Any:
    return _parser.parse(pattern)


def _matching(tree: Any, dice: random.Random) -> str:
    return "".join(_matching_one(str(code), argument, dice) for code, argument in tree)


def _matching_one(code: str, argument: Any, dice: random.Random) -> str:
    match code:
        case "LITERAL":
            text = chr(argument)
        case "NOT_LITERAL":
            text = dice.choice([character for character in _LETTERS if character != chr(argument)])
        case "IN":
            text = _of_class(argument, dice)
        case "BRANCH":
            text = _matching(dice.choice(argument[1]), dice)
        case "SUBPATTERN":
            text = _matching(argument[3], dice)
        case "MAX_REPEAT":
            low, high, inner = argument
            most = min(int(high), low + (_MANY if dice.random() < 0.97 else _VERY_MANY))
            text = "".join(_matching(inner, dice) for _ in range(dice.randint(low, most)))
        case _:
            assert code == "AT", code
            text = ""
    return text


def _of_class(members: Any, dice: random.Random) -> str:
    kept = [(str(code), argument) for code, argument in members]
    if kept[0][0] == "NEGATE":
        excluded = {chr(argument) for code, argument in kept if code == "LITERAL"}
        return dice.choice([c for c in _LETTERS if c not in excluded])
    code, argument = dice.choice(kept)
    return chr(argument if code == "LITERAL" else dice.randint(*argument))
