"""Rules about $(NAME) and $$ in environment variables, commands and arguments."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sametag.chart.service import mapping, maps
from sametag.validation.finding import RuleHit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sametag.chart.service import Service, Tree
    from sametag.values import Path


_REFERENCE = r"\$\$|\$\(([^()\s]+)\)"
# One $ of two is lost; four are two on purpose.
_DOUBLED = r"(?<!\$)\$\$\$?(?![$(])"
# enableServiceLinks is false: of the cluster's Services only the API server's is among the variables.
_KUBERNETES = "KUBERNETES_(SERVICE_|PORT)"


def environments(service: Service) -> list[tuple[Path, Any, bool]]:
    """Return the `env` of each container: path, map or list, and whether it has variables from other sources."""
    elsewhere = any(service.merged.get(setting) for setting in ("envFrom", "config", "secrets"))
    found: list[tuple[Path, Any, bool]] = [(("env",), service.get("env"), elsewhere)]
    for path, container in service.helpers():
        found.append(((*path, "env"), container.get("env"), bool(container.get("envFrom"))))
    return found


def used(value: Any) -> list[str]:
    """Return the names that a value uses as $(NAME); $$ is one $, so that $$(NAME) is not a reference."""
    if not isinstance(value, str) or "$(" not in value:
        return []
    return [match[1] for match in re.finditer(_REFERENCE, value) if match[1]]


def circular_variable(service: Service) -> Iterator[RuleHit]:
    """Kubernetes expands only variables that are defined before: a circular reference has no order."""
    for path, env, elsewhere in environments(service):
        for circle in _circles(mapping(env), elsewhere=elsewhere):
            text = f"refers to itself: {' -> '.join(circle)}"
            yield RuleHit((*path, circle[0]), text, "write $$(NAME) for the literal text $(NAME)", at_key=True)


def _circles(env: Tree, *, elsewhere: bool) -> Iterator[list[str]]:
    """Yield the names of each circle, in the order of the chart (`sametag.ordered` in _container.tpl)."""
    done: set[str] = set()

    def visit(name: str, chain: list[str]) -> Iterator[list[str]]:
        if name in done:
            return
        chain = [*chain, name]
        for other in used(env[name]):
            if other in chain and not (elsewhere and other == name):
                yield [*chain[chain.index(other) :], other]
            elif other in env and other not in chain:
                yield from visit(other, chain)
        done.add(name)

    for name in sorted(env):
        yield from visit(name, [])


def unknown_variable(service: Service) -> Iterator[RuleHit]:
    """Kubernetes does not expand $(NAME) if no variable of that name is defined before it."""
    elsewhere = _of_files(service)
    places: list[tuple[Path, Any, set[str] | None]] = [(("env",), service.get("env"), elsewhere)]
    for path, container in service.helpers():
        places.append(((*path, "env"), container.get("env"), None if container.get("envFrom") else set()))
    for path, env, others in places:
        if others is None:
            continue
        known = set(others) | set(env if isinstance(env, dict) else ())
        for at, name, value in _variables(path, env):
            for other in used(value):
                if other != name and other not in known and not re.match(_KUBERNETES, other):
                    text = f"refers to $({other}), which is not defined before it: the container gets the text as it is"
                    # Only a list has an order of its own, in which a variable can stand too late.
                    later = any(own == other for _, own, _ in _variables(path, env))
                    add = f"move {other} above {name}" if later else f"add {other} to env"
                    remedy = f"{add}, or write $$({other}) to keep the text"
                    yield RuleHit(at, text, remedy)
            known.add(name)


def _of_files(service: Service) -> set[str] | None:
    """Return the variables from config and secrets; None if others come from objects outside of the values."""
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
    """Yield the variables of a map or a list: path of the value, name, and value."""
    if isinstance(env, dict):
        yield from (((*path, name), name, value) for name, value in env.items())
    for index, entry in maps(env):
        yield (*path, index, "value"), str(entry.get("name")), entry.get("value")


def doubled_dollar(service: Service) -> Iterator[RuleHit]:
    """Kubernetes turns $$ into $ in variables, commands and arguments."""
    for path, value in _expanded(service):
        if "$$" in value and re.search(_DOUBLED, value):
            becomes = value.replace("$$", "$")
            text = f"has $$: the container gets {becomes}" if len(value) <= 60 else "has $$: the container gets one $"  # noqa: PLR2004
            yield RuleHit(path, text, "write $$$$ for two, or $ for one")


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
