"""Check the values of the charts that a chart depends on, each with its own schema, as Helm does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from sametag import validation, values
from sametag.chart import defaults_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sametag.chart import Chart, Dependency
    from sametag.values import Location, Path, Problem, Values
    from sametag.values.layers import Layer

    Checker = Callable[[Values], list[Problem]]


class _Part(NamedTuple):
    """The part of a source that is a subchart's: what stands under its name."""

    layer: Layer
    name: str

    @property
    def source(self) -> str:
        """As in `Layer`."""
        return self.layer.source

    @property
    def text(self) -> bytes:
        """As in `Layer`."""
        return self.layer.text

    @property
    def tree(self) -> Any:
        """What the part has; nothing where the source has no tree."""
        return _mapping(getattr(self.layer, "tree", None)).get(self.name)

    def locate(self, path: Path) -> Location | None:
        """As in `Layer`."""
        return self.layer.locate((self.name, *path))

    def locate_key(self, path: Path) -> Location | None:
        """As in `Layer`."""
        return self.layer.locate_key((self.name, *path))

    def written(self, path: Path) -> str | None:
        """As in `Layer`."""
        return self.layer.written((self.name, *path))


def checker(chart: Chart, release: str | None) -> Checker:
    """Return what finds everything that is wrong with values of a chart, and of those that it depends on."""
    defaults = defaults_of(chart)
    own = validation.checker(defaults, chart.schema, release)
    inner = [(dependency, checker(dependency.chart, release)) for dependency in chart.dependencies]

    def check(user: Values) -> list[Problem]:
        found = own(user)
        if values.has_errors(user.problems):
            return found
        whole = values.on_defaults(defaults, user)
        for dependency, check_one in inner:
            if _is_enabled(dependency, whole.tree):
                found += _named(dependency.name, check_one(_part(whole, dependency.name)))
        return found

    return check


def _part(whole: Values, name: str) -> Values:
    """Return what a chart's values say of a subchart; what the chart itself says of it is the user's too."""
    tree = dict(_mapping(whole.tree.get(name)))
    shared = {**_mapping(tree.get("global")), **_mapping(whole.tree.get("global"))}
    layers = tuple(_Part(layer, name) for layer in (*whole.defaults, *whole.layers))
    return whole._replace(tree={**tree, "global": shared}, problems=(), layers=layers, defaults=())


def _named(name: str, problems: list[Problem]) -> Iterator[Problem]:
    for problem in problems:
        path = f"{name}.{problem.path}" if problem.path else name
        yield problem._replace(path=path, message=f"{name}: {problem.message}")


def _is_enabled(dependency: Dependency, tree: dict[str, Any]) -> bool:
    """Whether Helm takes it: the first condition that is a boolean decides, then its tags."""
    for condition in dependency.conditions:
        value: Any = tree
        for part in condition.split("."):
            value = _mapping(value).get(part)
        if isinstance(value, bool):
            return value
    tags = [tag for name in dependency.tags if isinstance(tag := _mapping(tree.get("tags")).get(name), bool)]
    return any(tags) or not tags


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
