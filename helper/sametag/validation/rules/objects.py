"""Rules about the user's own objects, under extraObjects."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sametag.chart.service import mapping
from sametag.validation.finding import RuleHit
from sametag.validation.rules.changed import TEMPLATES
from sametag.values import get, path_text
from sametag.values.scalars import json_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sametag.chart.service import Release, Service, Tree
    from sametag.values import Path

_BASE64 = r"\s*(?:[A-Za-z0-9+/]{4}\s*)*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?\s*"
# The maps whose values must be strings.
_STRINGS = {"ConfigMap": ("data", "binaryData"), "Secret": ("data", "stringData")}


def incomplete_object(release: Release) -> Iterator[RuleHit]:
    """Helm rejects an object without apiVersion, kind and a name, and a string that is not YAML."""
    for path, obj, written in _objects(release):
        if isinstance(obj, str):
            yield RuleHit(path, f"is not valid YAML: {obj}")
            continue
        for key in (("apiVersion",), ("kind",), ("metadata", "name")):
            value = get(obj, key)
            if not isinstance(value, str) or not value:
                text = path_text((*path, *key) if written else key)
                where = "" if written else f" in {path_text(path)}"
                yield RuleHit(
                    path, message=f"{text} is missing{where}" if value is None else f"{text} must be a string"
                )
                break


def wrong_object(release: Release) -> Iterator[RuleHit]:
    """An object given as a map is not a template. A ConfigMap and a Secret hold strings; data of a Secret is base64."""
    for path, obj, written in _objects(release):
        if isinstance(obj, str) or not written:
            continue
        name = get(obj, ("metadata", "name"))
        if isinstance(name, str) and "{{" in name:
            yield RuleHit((*path, "metadata", "name"), "is not a valid name: Helm does not expand it here", TEMPLATES)
        kind = str(obj.get("kind"))
        for field in _STRINGS.get(kind, ()) if obj.get("apiVersion") == "v1" else ():
            for key, value in mapping(obj.get(field)).items():
                at = (*path, field, key)
                if isinstance(value, bool | int | float):
                    source = release.values.written(at) or json_text(value)
                    yield RuleHit(at, "must be a string", f'put quotes around it: "{source}"')
                elif (kind, field) == ("Secret", "data") and isinstance(value, str) and not _is_base64(value):
                    yield RuleHit(at, "must be base64", "write it unencoded under stringData")


def same_object(release: Release) -> Iterator[RuleHit]:
    """Of two objects with the same kind and name, Helm 4 silently keeps the last; Helm 3 cannot install the second."""
    owners = {made: f"services.{service.name}" for service in release.services.values() for made in _made(service)}
    for path, obj, _ in _objects(release):
        if isinstance(obj, str):
            continue
        group, kind, name = (
            str(obj.get("apiVersion")).rpartition("/")[0],
            obj.get("kind"),
            get(obj, ("metadata", "name")),
        )
        namespace = get(obj, ("metadata", "namespace"))
        if not isinstance(kind, str) or not isinstance(name, str):
            continue
        where = path_text(path)
        first = owners.setdefault((group, kind, *((str(namespace),) if namespace else ()), name), where)
        if first != where:
            message = f"{first} and {where} both create the {kind} {name}"
            yield RuleHit(path, remedy="rename or remove one of them", message=message)


def _made(service: Service) -> Iterator[tuple[str, ...]]:
    """Yield group, kind and name of the objects that every service creates, if their names are known."""
    name = service.fullname
    if "<" in name:
        return
    yield ("batch" if service.kind in ("Job", "CronJob") else "apps"), service.kind, name
    if service.serves and service.map("ports") and service.get("service", "enabled") is not False:
        yield "", "Service", name
    if service.get("networkPolicy", "enabled") is not False:
        yield "networking.k8s.io", "NetworkPolicy", name
    for kind, setting in (("ConfigMap", "config"), ("Secret", "secrets")):
        for entry, content in service.map(setting).items():
            if not mapping(content).get("existing"):
                yield "", kind, f"{name}-{entry}"


def _is_base64(text: str) -> bool:
    return re.fullmatch(_BASE64, text) is not None


def _objects(release: Release) -> Iterator[tuple[Path, Tree | str, bool]]:
    """Yield every object, or why a string is not YAML; with the path, and whether it is written as a map."""
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
