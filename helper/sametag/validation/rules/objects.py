"""Rules about the objects of the user's own, under extraObjects."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sametag.chart.service import Flaw, mapping
from sametag.values import path_text
from sametag.values.scalars import json_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sametag.chart.service import Release, Tree
    from sametag.values import Path

_BASE64 = r"\s*(?:[A-Za-z0-9+/]{4}\s*)*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?\s*"
# The maps of these kinds whose values the API server takes as strings only.
_STRINGS = {"ConfigMap": ("data", "binaryData"), "Secret": ("data", "stringData")}


def incomplete_object(release: Release) -> Iterator[Flaw]:
    """Helm refuses an object without apiVersion, kind and a name, and text that is not YAML."""
    for path, obj, written in _objects(release):
        if isinstance(obj, str):
            yield Flaw(path, f"is not YAML: {obj}")
            continue
        for key in (("apiVersion",), ("kind",), ("metadata", "name")):
            value: Any = obj
            for part in key:
                value = mapping(value).get(part)
            if not isinstance(value, str) or not value:
                text = path_text((*path, *key) if written else key)
                where = "" if written else f" in {path_text(path)}"
                yield Flaw(path, "", whole=f"{text} is missing{where}" if value is None else f"{text} must be a string")
                break


def wrong_object(release: Release) -> Iterator[Flaw]:
    """The API server takes only strings in a ConfigMap and a Secret, and base64 under data of a Secret."""
    for path, obj, written in _objects(release):
        if isinstance(obj, str) or not written:
            continue
        kind = str(obj.get("kind"))
        for field in _STRINGS.get(kind, ()) if obj.get("apiVersion") == "v1" else ():
            for key, value in mapping(obj.get(field)).items():
                at = (*path, field, key)
                if isinstance(value, bool | int | float):
                    source = release.values.written(at) or json_text(value)
                    yield Flaw(at, "must be a string", f'put quotes around it: "{source}"')
                elif (kind, field) == ("Secret", "data") and isinstance(value, str) and not _is_base64(value):
                    yield Flaw(at, "must be base64", "write it under stringData as it is")


def _is_base64(text: str) -> bool:
    return re.fullmatch(_BASE64, text) is not None


def _objects(release: Release) -> Iterator[tuple[Path, Tree | str, bool]]:
    """Yield every object with its path and whether it is written as a map; of a text that is not YAML, why."""
    entries = release.values.tree.get("extraObjects")
    for index, entry in enumerate(entries if isinstance(entries, list) else ()):
        path: Path = ("extraObjects", index)
        if isinstance(entry, dict):
            yield from ((at, obj, True) for at, obj in _of_list(path, entry))
        elif isinstance(entry, str) and "{{" not in entry:
            yield from _of_text(path, entry)


def _of_text(path: Path, text: str) -> Iterator[tuple[Path, Tree | str, bool]]:
    import yaml

    try:
        documents = list(yaml.load_all(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
    except yaml.YAMLError as error:
        yield path, str(getattr(error, "problem", None) or error).partition("\n")[0], False
        return
    for document in documents:
        if isinstance(document, dict):
            yield from ((path, obj, False) for _, obj in _of_list(path, document))
        elif document is not None:
            yield path, "it is not a map", False


def _of_list(path: Path, obj: Tree) -> Iterator[tuple[Path, Tree]]:
    """Yield an object, or the objects of a List."""
    items = obj.get("items")
    if str(obj.get("kind")).endswith("List") and isinstance(items, list):
        for index, item in enumerate(items):
            if isinstance(item, dict):
                yield from _of_list((*path, "items", index), item)
    else:
        yield path, obj
