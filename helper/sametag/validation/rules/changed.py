"""Rules about scalars that become text: what YAML, or `--set`, makes of them on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sametag.chart.service import Flaw, mapping, maps
from sametag.values import has
from sametag.values.scalars import json_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sametag.chart.service import Release, Tree
    from sametag.values import Path

# Where a setting is a map of scalars that Kubernetes wants as strings; `*` is any key, or any entry of a list.
TEXTS: tuple[Path, ...] = (
    ("env",),
    ("config", "*", "data"),
    ("secrets", "*", "data"),
    ("initContainers", "*", "env"),
    ("sidecars", "*", "env"),
    ("labels",),
    ("annotations",),
    ("podLabels",),
    ("podAnnotations",),
    ("nodeSelector",),
    ("service", "annotations"),
    ("serviceAccount", "annotations"),
    ("ingress", "annotations"),
    ("route", "annotations"),
    ("monitor", "labels"),
)
_IN_CONTAINERS = {"env", "config", "secrets", "initContainers", "sidecars"}


def changed_value(release: Release) -> Iterator[Flaw]:
    """YAML reads 022 as 18, 1.10 as 1.1 and on as true, before they become text."""
    tree = release.values.tree
    defaults = mapping(tree.get("defaults"))
    yield from _changed(release, ("defaults",), defaults, {})
    for name, service in release.services.items():
        yield from _changed(release, ("services", name), service.own, defaults)


def _changed(release: Release, at: Path, settings: Tree, under: Tree) -> Iterator[Flaw]:
    for where in TEXTS:
        if where[0] not in settings:
            continue
        for path, scalars in _at(settings, where, ()):
            for key, value in scalars:
                if value.__class__ is not str and not isinstance(value, dict | list):
                    removes = value is None and has(under, (*path, key))
                    flaw = None if removes else _flaw(release, (*at, *path, key), value)
                    if flaw:
                        yield flaw


def _at(tree: Any, where: Path, path: Path) -> Iterator[tuple[Path, Iterable[tuple[str, Any]]]]:
    """Yield the scalars of the maps at a path with `*` in it; of a list, as env may be one, the value of each entry."""
    if not where:
        if isinstance(tree, dict):
            yield path, tree.items()
        for index, entry in maps(tree):
            if entry.get("value") is not None:
                yield (*path, index), [("value", entry["value"])]
        return
    key = where[0]
    if key != "*":
        if isinstance(tree, dict) and key in tree:
            yield from _at(tree[key], where[1:], (*path, key))
    elif isinstance(tree, dict):
        for name, inner in tree.items():
            yield from _at(inner, where[1:], (*path, name))
    else:
        for index, inner in maps(tree):
            yield from _at(inner, where[1:], (*path, index))


def _flaw(release: Release, path: Path, value: Any) -> Flaw | None:
    written = release.values.written(path)
    if written is None:
        return None
    if value is None:
        return _nothing(release, path, written)
    becomes = json_text(value)
    if becomes == written:
        return None
    setting = path[1] if path[0] == "defaults" else path[2]
    whose = "the container" if setting in _IN_CONTAINERS else "Kubernetes"
    says = f'is written {written}, and {whose} gets "{becomes}"'
    return Flaw(path, says, _quotes(release, path, written))


def _nothing(release: Release, path: Path, written: str) -> Flaw | None:
    """What is null where there is nothing to remove; the word null itself cannot be meant as text."""
    user = release.values
    if written not in ("", "~") or sum(1 for layer in user.layers if layer.locate_key(path)) > 1:
        return None
    how = f"is written {written}, which is null" if written else "has no value, which is null"
    remedy = 'put quotes around it: "~"' if written else 'write "" for an empty string, or remove the line'
    return Flaw(path, f"{how}: it is left out", remedy, at_key=True)


def _quotes(release: Release, path: Path, written: str) -> str:
    location = release.values.locate(path)
    option = location.option if location else None
    if option == "--set":
        return "use --set-string"
    return f'put quotes around it: "{written}"'
