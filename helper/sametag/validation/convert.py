"""How to write a value of the wrong type."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sametag.validation import wording
from sametag.validation.schema_tree import accepts_type, keys

if TYPE_CHECKING:
    from sametag.validation.finding import Context
    from sametag.values import Path

# The longest value that a remedy repeats.
_SHOWN = 120
# A command line that a shell would only split into words.
_WORDS = r"[\w ./:=@%+-]+"
# Booleans of other tools, and of older YAML.
_YES, _NO = {"true", "yes", "on", "y"}, {"false", "no", "off", "n"}


def conversion(context: Context, path: Path, types: list[str], value: Any) -> str | None:
    """Say how to write the value at this path as one of these types; None if unknown."""
    location = context.values.locate(path)
    option = location.option if location else None
    if types == ["string"] and isinstance(value, bool | int | float):
        source = context.values.written(path) or wording.plain(value)
        return wording.as_text(context.values, path, source)
    if types == ["string"] and isinstance(value, dict):
        texts = [text for text in value.values() if isinstance(text, str)]
        return f"write only {wording.quoted(texts[0])}" if len(texts) == 1 else None
    if isinstance(value, str) and (plain := _unquoted(types, value)):
        return "use --set" if option in ("--set-string", "--set-literal") else plain
    if types == ["array"]:
        return _as_list(context, path, value)
    return _as_map(context, path, value) if "object" in types else None


def _unquoted(types: list[str], value: str) -> str | None:
    if types == ["boolean"] and value.lower() in _YES | _NO:
        plain = "true" if value.lower() in _YES else "false"
        return f"remove the quotes: {value}" if value == plain else f"write {plain}"
    if not set(types) <= {"integer", "number"}:
        return None
    if re.fullmatch("-?[0-9]+", value):
        return f"remove the quotes: {value}"
    # Kubernetes' integers have the unit in the name: terminationGracePeriodSeconds.
    return f"write {value[:-1]} (seconds)" if re.fullmatch("[0-9]+s", value) else None


def _as_list(context: Context, path: Path, value: Any) -> str | None:
    if value == {}:
        return "write an empty list: []"
    if accepts_type(context.shape.at((*path, 0)), {}):
        return _as_list_of_maps(context, path, value)
    if not isinstance(value, str):
        return None
    # A command line is split into words, unless a shell would read it differently.
    entries = value.split() if re.fullmatch(_WORDS, value) else [value]
    return f"write a list: [{', '.join(map(wording.quoted, entries))}]"


def _as_list_of_maps(context: Context, path: Path, value: Any) -> str | None:
    """Say how to write one entry as a list, or entries by name as a list with names."""
    known = keys(context.shape.at((*path, 0))).keys()
    if not isinstance(value, dict):
        return f"write [{{name: {wording.flow(value)}}}]" if isinstance(value, str) and "name" in known else None
    if known & value.keys():
        text = wording.flow([value])
    elif "name" in known and all(isinstance(entry, dict) for entry in value.values()):
        text = wording.flow([{"name": key, **entry} for key, entry in value.items()])
    else:
        return "write a list: '- ' before its first key"
    return f"write {text}" if len(text) <= _SHOWN else "write a list: '- ' before its first key"


def _as_map(context: Context, path: Path, value: Any) -> str | None:
    if isinstance(value, list):
        return _list_as_map(path, value)
    return None if value is None or isinstance(value, dict) else _lone_as_map(context, path, value)


def _list_as_map(path: Path, value: list[Any]) -> str | None:
    if value and all(isinstance(entry, dict) and "name" in entry for entry in value):
        named = {entry["name"]: _entry(entry) for entry in value}
        text = wording.flow(named)
        short = f"write {path[-1]}: {text}" if len(text) <= _SHOWN else None
        return short or "write a map: each name as a key, without '- name:'"
    if value and path[-1:] == ("ports",):
        numbers = [entry if isinstance(entry, int) else _port_number(entry) for entry in value]
        if all(numbers):
            names = ["http", *(f"port-{number}" for number in numbers[1:])]
            ports = {name: {"containerPort": number} for name, number in zip(names, numbers, strict=True)}
            return f"write ports: {wording.flow(ports)}"
    if value and all(isinstance(entry, str) and entry.startswith("/") for entry in value):
        return f"write {path[-1]}: {wording.flow({entry: {} for entry in value})}"
    if value and all(isinstance(entry, str) and "=" in entry for entry in value):
        entries = dict(entry.split("=", 1) for entry in value)
        text = wording.flow(entries)
        return f"write {path[-1]}: {text}" if len(text) <= _SHOWN else f"write a map: {text[1:].partition(',')[0]}"
    if value and all(isinstance(entry, dict) and len(entry) == 1 for entry in value):
        return "write a map: without '- ' before its keys"
    return None


def _entry(entry: dict[str, Any]) -> Any:
    """Return an entry of a list without its name; a variable is its value alone."""
    rest = {key: inner for key, inner in entry.items() if key != "name"}
    return rest["value"] if rest.keys() == {"value"} else rest


def _port_number(port: Any) -> int | None:
    """Return the containerPort of an entry of Kubernetes' list, or the last number of Compose's `80:8080`."""
    if isinstance(port, dict):
        number = port.get("containerPort")
        return number if isinstance(number, int) else None
    match = re.fullmatch("(?:[0-9.]+:)*([0-9]{1,5})(?:/tcp)?", port) if isinstance(port, str) else None
    return int(match[1]) if match else None


def _lone_as_map(context: Context, path: Path, value: Any) -> str | None:
    """Say which key of the map a lone value belongs to: the one it needs, one that has it as an option, or `name`."""
    schemas = context.shape.at(path)
    needed = {key for schema in schemas for key in schema.get("required", ())}
    text = value if isinstance(value, str) else wording.plain(value)
    if whole := _whole(path, value):
        return f"write {wording.flow(whole)}"
    name, is_assignment, rest = text.partition("=")
    if is_assignment and {"name", "value"} <= keys(schemas).keys():
        return f"write {wording.flow({'name': name, 'value': rest})}"
    for key, found in keys(schemas).items():
        flat = list(context.shape.flat(found))
        if ({key} == needed or key == "name") and accepts_type(flat, value):
            return f"write {{{key}: {text}}}"
        if any(value in schema.get("enum", ()) for schema in flat):
            return f"write {{{key}: {text}}}"
        if any(value in schema.get("enum", ()) for schema in context.shape.at((*path, key, 0))):
            return f"write {{{_key(key)}: [{text}]}}"
    return None


def _whole(path: Path, value: Any) -> dict[str, Any] | None:
    """Return the map that a lone value stands for in some places: the line of a Procfile, a port, a schedule."""
    number = _port_number(str(value)) if isinstance(value, str | int) else None
    if path[-1:] == ("ports",) and number:
        return {"http": {"containerPort": number}}
    if path[-2:-1] == ("ports",) and number:
        return {"containerPort": number}
    if path[-1:] == ("cronJob",) and isinstance(value, str):
        return {"schedule": value}
    if path[:-1] == ("services",) and isinstance(value, str) and re.fullmatch(_WORDS, value):
        return {"command": value.split()}
    return None


def _key(name: str) -> str:
    return f'"{name}"' if name in _YES | _NO else name
