"""Rules about environment variables that use others as $(NAME)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sametag.chart.service import Flaw, mapping

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sametag.chart.service import Service, Tree
    from sametag.values import Path


def environments(service: Service) -> list[tuple[Path, Any, bool]]:
    """Return the `env` of each container: its path, the map or list, and whether it has variables from elsewhere."""
    elsewhere = any(service.merged.get(setting) for setting in ("envFrom", "config", "secrets"))
    found: list[tuple[Path, Any, bool]] = [(("env",), service.get("env"), elsewhere)]
    for path, container in service.helpers():
        found.append(((*path, "env"), container.get("env"), bool(container.get("envFrom"))))
    return found


def used(value: Any) -> list[str]:
    """Return the names that a value uses as $(NAME); $$ is one $, so that $$(NAME) is not a reference."""
    if not isinstance(value, str) or "$(" not in value:
        return []
    parts = value.replace("$$", " ").split("$(")[1:]
    return [part.partition(")")[0] for part in parts if ")" in part]


def circular_variable(service: Service) -> Iterator[Flaw]:
    """Kubernetes fills in only variables that stand before, so that variables that use each other have no order."""
    for path, env, elsewhere in environments(service):
        for circle in _circles(mapping(env), elsewhere=elsewhere):
            says = f"uses itself through $({circle[0]}): {' -> '.join(circle)}"
            yield Flaw((*path, circle[0]), says, "$$(NAME) is the text $(NAME)", at_key=True)


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
