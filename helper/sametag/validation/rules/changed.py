"""Rules about values that silently become something else: through YAML, `--set`, or the merge."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sametag.chart.service import mapping, maps
from sametag.validation import wording
from sametag.validation.finding import RuleHit
from sametag.values import get, has
from sametag.values.scalars import json_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sametag.chart.service import Release, Tree
    from sametag.values import Path

# Settings that are maps of scalars, which become strings; `*` is any key, or any entry of a list.
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
# What only Helm's template language has; other programs have braces too.
_HELM = r"\{\{-?[^}]*(\.Values\b|\.Release\b|\.Chart\b|\.Capabilities\b|\.Files\b|\b(include|tpl|toYaml) )"
# Other programs read these, and may have templates: files, annotations, rules, KEDA's triggers.
_OF_OTHERS = {"config", "secrets", "annotations", "podAnnotations", "extraObjects", "keda"}
# What may be read as another number: with a 0 before it, or long.
_SUSPICIOUS = re.compile(rb"(?<![\w.])0[0-9_]|[0-9_.]{16}")
TEMPLATES = "write the value itself; only strings under extraObjects are templates"
_IN_CONTAINERS = {"env", "config", "secrets", "initContainers", "sidecars"}


def changed_value(release: Release) -> Iterator[RuleHit]:
    """YAML reads 022 as 18, 1.10 as 1.1 and on as true before they become strings."""
    tree = release.values.tree
    defaults = mapping(tree.get("defaults"))
    yield from _changed(release, ("defaults",), defaults, {})
    for name, service in release.services.items():
        yield from _changed(release, ("services", name), service.own, defaults)


def _changed(release: Release, at: Path, settings: Tree, under: Tree) -> Iterator[RuleHit]:
    for where in TEXTS:
        if where[0] not in settings:
            continue
        for path, scalars in _at(settings, where, ()):
            for key, value in scalars:
                if value.__class__ is not str and not isinstance(value, dict | list):
                    removes = value is None and has(under, (*path, key))
                    hit = None if removes else _flaw(release, (*at, *path, key), value)
                    if hit:
                        yield hit


def _at(tree: Any, where: Path, path: Path) -> Iterator[tuple[Path, Iterable[tuple[str, Any]]]]:
    """Yield the scalars of the maps at a path with `*`; of a list, such as env, the value of each entry."""
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


def _flaw(release: Release, path: Path, value: Any) -> RuleHit | None:
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
    text = f'is {written}, but {whose} gets "{becomes}"'
    return RuleHit(path, text, wording.as_text(release.values, path, written))


def _nothing(release: Release, path: Path, written: str) -> RuleHit | None:
    """Report null with nothing to remove; the word `null` itself is deliberate."""
    user = release.values
    if written not in ("", "~") or sum(1 for layer in user.layers if layer.locate_key(path)) > 1:
        return None
    how = f"is {written}, which is null" if written else "has no value, which is null"
    remedy = 'put quotes around it: "~"' if written else 'write "" for an empty string, or remove the line'
    return RuleHit(path, f"{how}: it is omitted", remedy, at_key=True)


def changed_number(release: Release) -> Iterator[RuleHit]:
    """It reads 010 as 8, too, and keeps about 16 digits of a number; in extraObjects a number can be meant as text."""
    tree = release.values.tree
    for path, number in _numbers(tree.get("extraObjects"), ("extraObjects",)):
        written, becomes = release.values.written(path), json_text(number)
        if written is None or written == becomes or _is_mode(path) or _holds_texts(tree, path):
            continue
        text = f"is {written}, but Kubernetes gets {becomes}"
        remedy = f"if it is text, {wording.as_text(release.values, path, written)}"
        yield RuleHit(path, text, f"write {_decimal(written)}; {remedy}" if _is_octal(written) else remedy)
    if not any(
        _SUSPICIOUS.search(layer.text) or layer.source.startswith("--set-json") for layer in release.values.layers
    ):
        return
    texts = {hit.path for hit in changed_value(release)}
    for key in ("image", "defaults", "services"):
        for path, number in _numbers(tree.get(key), (key,)):
            written = release.values.written(path)
            if written is None or path in texts or _is_mode(path) or not _is_another(written, number):
                continue
            remedy = f"write {_decimal(written)}" if _is_octal(written) else "write a number of at most 15 digits"
            yield RuleHit(path, f"is {written}, but Kubernetes gets {json_text(number)}", remedy)


def _numbers(tree: Any, path: Path) -> Iterator[tuple[Path, int | float]]:
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from _numbers(value, (*path, key))
    elif isinstance(tree, list):
        for index, value in enumerate(tree):
            yield from _numbers(value, (*path, index))
    elif isinstance(tree, int | float) and not isinstance(tree, bool):
        yield path, tree


def _is_mode(path: Path) -> bool:
    """Whether it is a file's mode, which is usually written in octal: 0644."""
    return str(path[-1]).lower().endswith("mode")


def _holds_texts(tree: Any, path: Path) -> bool:
    """Whether it is in the data of a ConfigMap or Secret, which must be strings: `wrong-object`."""
    return get(tree, (*path[:2], "kind")) in ("ConfigMap", "Secret")


def _is_octal(written: str) -> bool:
    return re.fullmatch("[-+]?0[0-7_]+", written) is not None


def _decimal(written: str) -> str:
    return str(int(written.replace("_", ""), 10))


def _is_another(written: str, number: float) -> bool:
    """Whether a reader of decimal numbers reads another one; hexadecimal and 0o17 are written on purpose."""
    plain = written.replace("_", "")
    if re.fullmatch(r"[-+]?[0-9.]+([eE][-+]?[0-9]+)?", plain) is None:
        return False
    return Decimal(plain) != Decimal(json_text(number))


def no_template(release: Release) -> Iterator[RuleHit]:
    """Helm expands templates only in the strings of extraObjects."""
    if not any(b"{{" in layer.text or "{{" in layer.source for layer in release.values.layers):
        return
    tree = release.values.tree
    for key in ("image", "defaults", "services", "extraObjects", "namePrefix"):
        for path, value in _strings(tree.get(key), (key,)):
            if key == "extraObjects" and len(path) == 2:  # noqa: PLR2004 - a string among the objects is a template
                continue
            if key == "extraObjects" and path[-2:] == ("metadata", "name"):
                continue  # an error: wrong-object
            of_others = not _OF_OTHERS.isdisjoint(path)
            if re.search(_HELM, value) if of_others else "{{" in value:
                yield RuleHit(path, "has {{, but is not a template: Helm does not expand it here", TEMPLATES)


def _strings(tree: Any, path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(tree, str):
        if "{{" in tree:
            yield path, tree
    elif isinstance(tree, dict):
        for key, value in tree.items():
            yield from _strings(value, (*path, key))
    elif isinstance(tree, list):
        for index, value in enumerate(tree):
            yield from _strings(value, (*path, index))


def emptied_map(release: Release) -> Iterator[RuleHit]:
    """Maps are merged: an empty one changes nothing. null removes a map."""
    defaults = mapping(release.values.tree.get("defaults"))
    for name, service in release.services.items():
        for path in _empty(service.own, defaults, ()):
            yield _emptied(("services", name, *path), "it is merged with the map in defaults, which stays")
    for layer in release.values.layers:
        written = mapping(mapping(getattr(layer, "tree", None)).get("defaults"))
        for setting, value in written.items():
            alone = sum(1 for other in release.values.layers if other.locate_key(("defaults", setting))) == 1
            if value == {} and mapping(defaults.get(setting)) and alone:
                yield _emptied(("defaults", setting), "it is merged with the chart's map, which stays")


def _empty(own: Tree, under: Tree, path: Path) -> Iterator[Path]:
    for key, value in own.items():
        if isinstance(value, dict) and isinstance(there := under.get(key), dict) and there:
            if value:
                yield from _empty(value, there, (*path, key))
            else:
                yield (*path, key)


def _emptied(path: Path, why: str) -> RuleHit:
    return RuleHit(path, f"is {{}}: {why}", f"to remove it, write {path[-1]}: null", at_key=True)
