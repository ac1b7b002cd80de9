"""Schema terms and values in the user's words."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from sametag.text import either
from sametag.values import Path, path_text
from sametag.values.scalars import go_text, resolve

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sametag.values import Values

_TYPES = {
    "string": "a string",
    "integer": "an integer",
    "number": "a number",
    "boolean": "a boolean",
    "object": "a map",
    "array": "a list",
    "null": "null",
}
_FORMATS = {
    "ipv4": "an IPv4 address",
    "ipv6": "an IPv6 address",
    "date": "a date, such as 2024-12-31",
    "date-time": "a time, such as 2024-12-31T23:59:59Z",
    "email": "an email address",
    "hostname": "a host name",
    "regex": "a regular expression",
    "uri": "a URI",
}
# A string that needs no quotes in YAML, also in brackets.
_UNQUOTED = "[A-Za-z0-9/_][A-Za-z0-9/._-]*"
_SHOWN_TEXT = 60
_SHOWN_OPTIONS = 8


def named(path: Path, title: str | None) -> str:
    """Name a place: its path, and the root by its title."""
    return path_text(path) or title or "the values"


def as_text(values: Values, path: Path, written: str) -> str:
    """Say how to write a number or a boolean as a string, where it was written; a shell removes quotes."""
    location = values.locate(path)
    option = location.option if location else None
    if option == "--set-json":
        from shlex import quote

        return f"use --set-string {quote(f'{path_text(path)}={written}')}"
    return "use --set-string" if option == "--set" else f'put quotes around it: "{written}"'


def kinds(types: Sequence[str] | str) -> str:
    """Name the types of a schema; null, which omits a setting, is not listed with others."""
    wanted = [types] if isinstance(types, str) else [kind for kind in types if kind != "null"]
    return either([_TYPES[kind] for kind in _TYPES if kind in wanted] or [_TYPES["null"]])


def got(value: Any, written: str | None = None) -> str:
    """Say what a value is, read after what it must be: `got …`, or how Helm reads its source text."""
    if value is None:
        return "got null"
    if isinstance(value, str):
        return f"got the string {quoted(value)}"
    if isinstance(value, bool):
        return _with_source("the boolean " + ("true" if value else "false"), written)
    if isinstance(value, int | float):
        return _with_source(f"the number {go_text(value)}", written)
    return "got a map" if isinstance(value, dict) else "got a list"


def _with_source(what: str, written: str | None) -> str:
    is_plain = written is None or what.endswith(f" {written}")
    return f"got {what}" if is_plain else f"but Helm reads {written} as {what}"


def plain(value: Any) -> str:
    """Write a boolean or a number as in YAML."""
    return json.dumps(value)


def quoted(text: str) -> str:
    """Quote a string on one line, and shorten a long one."""
    return json.dumps(text if len(text) <= _SHOWN_TEXT else text[: _SHOWN_TEXT - 1] + "…", ensure_ascii=False)


def flow(value: Any) -> str:
    """Write a value as YAML on one line, with quotes where YAML needs them."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{flow(key)}: {flow(entry)}" for key, entry in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(flow, value)) + "]"
    if isinstance(value, str) and re.fullmatch(_UNQUOTED, value) and resolve(value) == value:
        return value
    return json.dumps(value, ensure_ascii=False)


def options(values: Sequence[Any]) -> str:
    """List the values of an enum."""
    shown = [
        str(value) if isinstance(value, str) and value else json.dumps(value) for value in values if value is not None
    ]
    if len(shown) > _SHOWN_OPTIONS:
        return f"one of {', '.join(shown[:_SHOWN_OPTIONS])}, … ({len(shown)} in all)"
    return either(shown)


def known(keys: Iterable[str]) -> str | None:
    """List the valid keys; None if there are many."""
    names = sorted(keys)
    return f"valid keys: {', '.join(names)}" if 0 < len(names) <= _SHOWN_OPTIONS else None


def format_name(name: str) -> str:
    """Name a format of JSON Schema."""
    return _FORMATS.get(name, f"in the format {name}")


def counted(number: int, what: str) -> str:
    """Write a number with its unit."""
    return f"{number} {what}" if number != 1 else f"1 {what.removesuffix('s').replace('entrie', 'entry')}"
