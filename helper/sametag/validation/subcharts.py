"""Check the values of the charts that a chart depends on, each with its own schema, as Helm does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from sametag import validation, values
from sametag.chart import defaults_of
from sametag.chart.service import Naming, read
from sametag.validation import wording
from sametag.validation.check import is_ours
from sametag.validation.rules.made import repeated
from sametag.validation.rules.objects import created, remedy_of, twice
from sametag.values import Problem
from sametag.values.merge import coalesce

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sametag.chart import Chart, Dependency
    from sametag.validation.rules.made import Made
    from sametag.values import Location, Path, Values
    from sametag.values.layers import Layer

    Checker = Callable[[Values], list[Problem]]


class _Below(NamedTuple):
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
    checkers: dict[str, Checker] = {}

    def check(user: Values) -> list[Problem]:
        parts = list(_parts(chart, user, ""))
        found: list[Problem] = []
        for part in parts:
            if part.within not in checkers:
                checkers[part.within] = validation.checker(part.defaults, part.chart.schema, release, part.within)
            found += _named(part.within, checkers[part.within](part.user))
            found += _no_maps(part)
        return found if values.has_errors(user.problems) else [*found, *_repeated(parts, release)]

    return check


class _Part(NamedTuple):
    """The values of one chart.

    Attributes:
        within: Its path in the values and a dot, such as `shop.`; empty for the parent.
        chart: The chart.
        defaults: Its values.yaml.
        user: What the user, and the charts above it, say of it.
        whole: The user's values over the chart's.
    """

    within: str
    chart: Chart
    defaults: Values
    user: Values
    whole: Values


def _parts(chart: Chart, user: Values, within: str) -> Iterator[_Part]:
    """Yield a chart, and those that it depends on as far as they are enabled."""
    defaults = _with_imports(chart, user)
    whole = values.on_defaults(defaults, user)
    yield _Part(within, chart, defaults, user, whole)
    if values.has_errors(user.problems):
        return
    for dependency in chart.dependencies:
        if isinstance(whole.tree.get(dependency.name, {}), dict) and _is_enabled(dependency, whole.tree):
            yield from _parts(dependency.chart, _below(whole, dependency.name), f"{within}{dependency.name}.")


def _with_imports(chart: Chart, user: Values) -> Values:
    """Return the values.yaml of a chart over what it imports from its dependencies: of their own values, and its own.

    What the user says of a dependency is not imported.
    """
    own = defaults_of(chart)
    if not any(dependency.imports for dependency in chart.dependencies):
        return own
    whole = values.on_defaults(own, user)
    enabled = [dependency for dependency in chart.dependencies if _is_enabled(dependency, whole.tree)]
    if not any(dependency.imports for dependency in enabled):
        return own
    tree = own.tree
    for dependency in enabled:
        inner = _with_imports(dependency.chart, _below(whole, dependency.name))
        tree = coalesce({dependency.name: inner.tree}, tree)
    imported: dict[str, Any] = {}
    for dependency in enabled:
        for child, parent in dependency.imports:
            copied: Any = values.get(tree, (dependency.name, *child))
            if isinstance(copied, dict):
                for key in reversed(parent):
                    copied = {key: copied}
                imported = coalesce(copied, imported)
    return own._replace(tree=coalesce(imported, tree))


def _below(whole: Values, name: str) -> Values:
    """Return what a chart's values say of a subchart; what the chart itself says of it is the user's too."""
    tree = dict(_mapping(whole.tree.get(name)))
    shared = {**_mapping(tree.get("global")), **_mapping(whole.tree.get("global"))}
    layers = tuple(_Below(layer, name) for layer in (*whole.defaults, *whole.layers))
    return whole._replace(tree={**tree, "global": shared}, problems=(), layers=layers, defaults=())


def _named(within: str, problems: list[Problem]) -> Iterator[Problem]:
    chart = within.removesuffix(".")
    for problem in problems if chart else ():
        path = f"{within}{problem.path}" if problem.path else chart
        yield problem._replace(path=path, message=f"{chart}: {problem.message}")
    yield from () if chart else problems


def _no_maps(part: _Part) -> Iterator[Problem]:
    """Yield what Helm cannot give to a dependency, not even to one that is disabled."""
    if values.has_errors(part.user.problems):
        return
    whole = part.whole
    for dependency in part.chart.dependencies:
        own = whole.tree.get(dependency.name, {})
        if not isinstance(own, dict):
            path: Path = (dependency.name,)
            message = f"{part.within}{dependency.name} must be a map of the chart's values, {wording.got(own)}"
            where = whole.locate(path) or whole.locate_nearest(path)
            yield Problem(
                "wrong-type", "error", f"{part.within}{dependency.name}", where, message, "write {}, or remove it"
            )


def _repeated(parts: list[_Part], release: str | None) -> Iterator[Problem]:
    """Yield the objects that two of the charts create: Helm refuses them, or silently keeps the last."""
    if len(parts) == 1:
        return  # the rules compare the objects of one chart
    owners: dict[str, _Part] = {}
    objects: list[Made] = []
    for part in parts:
        if is_ours(part.chart.schema):
            for made in created(read(part.whole, Naming(release, part.within))):
                owner = f"{part.within}{made.owner}"
                owners[owner] = part
                objects.append(made._replace(owner=owner))
    for first, second in repeated(objects):
        part = owners[second.owner]
        if part is not owners[first.owner]:
            where = part.whole.locate_key(second.path) or part.user.locate_nearest(second.path)
            path = f"{part.within}{values.path_text(second.path)}"
            yield Problem("same-object", "error", path, where, twice(first, second), remedy_of(second, apart=True))


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
