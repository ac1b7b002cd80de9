"""Rules about text that does not mean what it looks like: $(NAME), $$, templates, and empty maps over full ones."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sametag.chart.service import Flaw, mapping, maps

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sametag.chart.service import Release, Service, Tree
    from sametag.values import Path

_REFERENCE = r"\$\$|\$\(([^()\s]+)\)"
# One $ of two is lost; four are what somebody writes who wants two.
_DOUBLED = r"(?<!\$)\$\$\$?(?![$(])"
# enableServiceLinks is false: of the cluster's Services only the API server's is among the variables.
_KUBERNETES = "KUBERNETES_(SERVICE_|PORT)"
# What only Helm's template language has; other programs have braces too.
_HELM = r"\{\{-?[^}]*(\.Values\b|\.Release\b|\.Chart\b|\.Capabilities\b|\.Files\b|\b(include|tpl|toYaml) )"
# What other programs read: files, annotations, rules, the metadata of KEDA's triggers.
_TEMPLATES = "write the value itself; only strings under extraObjects are templates"
_OF_OTHERS = {"config", "secrets", "annotations", "podAnnotations", "extraObjects", "keda"}


def unknown_variable(service: Service) -> Iterator[Flaw]:
    """Kubernetes leaves $(NAME) as it is where no variable has that name before it."""
    elsewhere = _of_files(service)
    places: list[tuple[Path, Any, set[str] | None]] = [(("env",), service.get("env"), elsewhere)]
    for path, container in service.helpers():
        places.append(((*path, "env"), container.get("env"), None if container.get("envFrom") else set()))
    for path, env, others in places:
        if others is None:
            continue
        known = set(others) | set(env if isinstance(env, dict) else ())
        for at, name, value in _variables(path, env):
            for used in _used(value):
                if used != name and used not in known and not re.match(_KUBERNETES, used):
                    says = f"has $({used}), which is not a variable before it: the container gets it as it is"
                    remedy = f"add {used} to env, or write $$({used}) if that is meant"
                    yield Flaw(at, says, remedy)
            known.add(name)


def _of_files(service: Service) -> set[str] | None:
    """Return the variables from config and secrets; None where others come from elsewhere, so that nobody knows."""
    if service.get("envFrom"):
        return None
    names: set[str] = set()
    for setting in ("config", "secrets"):
        for files in service.map(setting).values():
            if mapping(files).get("env") is True:
                if mapping(files).get("existing"):
                    return None
                names |= mapping(mapping(files).get("data")).keys()
    return names


def _variables(path: Path, env: Any) -> Iterator[tuple[Path, str, Any]]:
    """Yield the variables of a map or a list: where their value is, their name, and the value."""
    if isinstance(env, dict):
        yield from (((*path, name), name, value) for name, value in env.items())
    for index, entry in maps(env):
        yield (*path, index, "value"), str(entry.get("name")), entry.get("value")


def _used(value: Any) -> list[str]:
    if not isinstance(value, str) or "$(" not in value:
        return []
    return [found[1] for found in re.finditer(_REFERENCE, value) if found[1]]


def doubled_dollar(service: Service) -> Iterator[Flaw]:
    """Kubernetes makes one $ of $$ in variables, commands and arguments."""
    for path, value in _expanded(service):
        if "$$" in value and re.search(_DOUBLED, value):
            becomes = value.replace("$$", "$")
            says = f"has $$, and the container gets {becomes}" if len(value) <= 60 else "has $$, of which one $ is left"  # noqa: PLR2004
            yield Flaw(path, says, "write $$$$ for two, or $ for one")


def _expanded(service: Service) -> Iterator[tuple[Path, str]]:
    places: list[tuple[Path, Tree]] = [((), service.merged), *service.helpers()]
    for path, container in places:
        for at, _, value in _variables((*path, "env"), container.get("env")):
            if isinstance(value, str):
                yield at, value
        for key in ("command", "args"):
            words = container.get(key)
            for index, word in enumerate(words if isinstance(words, list) else ()):
                if isinstance(word, str):
                    yield (*path, key, index), word


def no_template(release: Release) -> Iterator[Flaw]:
    """Helm runs templates in the strings of extraObjects, and nowhere else in values."""
    if not any(b"{{" in layer.text or "{{" in layer.source for layer in release.values.layers):
        return
    tree = release.values.tree
    for key in ("image", "defaults", "services", "extraObjects", "namePrefix"):
        for path, value in _strings(tree.get(key), (key,)):
            if key == "extraObjects" and len(path) == 2:  # noqa: PLR2004 - a string among the objects is a template
                continue
            of_others = not _OF_OTHERS.isdisjoint(path)
            if re.search(_HELM, value) if of_others else "{{" in value:
                yield Flaw(path, "has {{, and is not a template here: it stays as it is", _TEMPLATES)


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


def emptied_map(release: Release) -> Iterator[Flaw]:
    """Maps merge: an empty one over another changes nothing, and null removes it."""
    defaults = mapping(release.values.tree.get("defaults"))
    for name, service in release.services.items():
        for path in _empty(service.own, defaults, ()):
            yield _emptied(("services", name, *path), "defaults have something there, and it stays")
    for layer in release.values.layers:
        written = mapping(mapping(getattr(layer, "tree", None)).get("defaults"))
        for setting, value in written.items():
            alone = sum(1 for one in release.values.layers if one.locate_key(("defaults", setting))) == 1
            if value == {} and mapping(defaults.get(setting)) and alone:
                yield _emptied(("defaults", setting), "the chart has something there, and it stays")


def _empty(own: Tree, under: Tree, path: Path) -> Iterator[Path]:
    for key, value in own.items():
        if isinstance(value, dict) and isinstance(there := under.get(key), dict) and there:
            if value:
                yield from _empty(value, there, (*path, key))
            else:
                yield (*path, key)


def _emptied(path: Path, why: str) -> Flaw:
    return Flaw(path, f"is {{}}: {why}", f"write null to remove it: {path[-1]}: null", at_key=True)
