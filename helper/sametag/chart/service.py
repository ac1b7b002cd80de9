"""What a service really gets: `defaults` merged under it as the chart does, read without trust in its shape.

The schema may have found problems elsewhere: what is not of the type that a rule expects counts as not there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from sametag.chart.settings import merge
from sametag.values.paths import get, has

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sametag.values import Path, Values

Tree = dict[str, Any]


class Release(NamedTuple):
    """Every service of the values.

    Attributes:
        values: What they come from.
        prefix: What stands before a service's name in the names of its objects; None where only the release's name
            will tell.
        names: Of all services, those that are disabled as well.
        services: Those that are there, by name.
        name: The release's; None where it is not known.
    """

    values: Values
    prefix: str | None
    names: frozenset[str]
    services: dict[str, Service]
    name: str | None = None


class Service(NamedTuple):
    """One service.

    Attributes:
        name: Its name.
        own: What is written under it.
        merged: The same over `defaults`; nulls may remain, which mean that nothing is set.
        defaults: The values' `defaults`, which its init containers and sidecars take over in part.
        kind: The kind of its workload.
        prefix: As in `Release`.
        names: As in `Release`.
        user: What the user gave, without the chart's own values.
    """

    name: str
    own: Tree
    merged: Tree
    defaults: Tree
    kind: str
    prefix: str | None
    names: frozenset[str]
    user: Values

    @property
    def serves(self) -> bool:
        """Whether it runs until it is stopped."""
        return self.kind not in ("Job", "CronJob")

    @property
    def fullname(self) -> str:
        """The name of its objects; with the release's name left open where that is part of it."""
        return f"{'<release>-' if self.prefix is None else self.prefix}{self.name}"

    def get(self, *path: str) -> Any:
        """Return the merged value at a path; None where there is none."""
        return get(self.merged, path)

    def map(self, *path: str) -> Tree:
        """Return the merged map at a path; an empty one where there is none."""
        value = self.merged.get(path[0]) if len(path) == 1 else self.get(*path)
        return value if isinstance(value, dict) else {}

    def newer(self, path: Path, than: Path) -> bool:
        """Whether one setting is nearer to the service than another: its own, the user's `defaults`, the chart's."""
        return self._rank(path) > self._rank(than)

    def _rank(self, path: Path) -> int:
        if has(self.own, path):
            return 2
        return 1 if self.user.locate(("defaults", *path)) else 0

    def helpers(self) -> list[tuple[Path, Tree]]:
        """Return its init containers and sidecars with their paths."""
        if "sidecars" not in self.merged and "initContainers" not in self.merged:
            return []
        settings = ("initContainers", "sidecars")
        return [((setting, index), one) for setting in settings for index, one in maps(self.merged.get(setting))]


def read(values: Values, name: str | None = None) -> Release:
    """Return the services that are enabled, of a release of this name."""
    tree = values.tree
    written, defaults = mapping(tree.get("services")), mapping(tree.get("defaults"))
    prefix = tree.get("namePrefix")
    prefix = prefix if isinstance(prefix, str) else None if name is None else f"{name}-"
    names = frozenset(written)
    user = values._replace(defaults=()) if values.defaults else values
    services = {}
    for service, own in written.items():
        if not isinstance(own, dict):
            continue
        merged = merge(defaults, own)
        if merged.get("enabled") is False:
            continue
        services[service] = Service(service, own, merged, defaults, kind_of(merged), prefix, names, user)
    return Release(values, prefix, names, services, name)


def kind_of(service: Tree) -> str:
    """Return the kind of the workload of a merged service."""
    kind = service.get("kind")
    return kind if isinstance(kind, str) else "Deployment" if service.get("hook") is None else "Job"


def mapping(value: Any) -> Tree:
    """Return a map, an empty one in the place of anything else."""
    return value if isinstance(value, dict) else {}


def maps(value: Any) -> Iterator[tuple[int, Tree]]:
    """Yield the maps of a list with their indexes."""
    if isinstance(value, list):
        yield from ((index, one) for index, one in enumerate(value) if isinstance(one, dict))


def texts(value: Any) -> Iterator[tuple[int, str]]:
    """Yield the texts of a list with their indexes."""
    if isinstance(value, list):
        yield from ((index, one) for index, one in enumerate(value) if isinstance(one, str))


def whole(value: Any, otherwise: int | None = None) -> int | None:
    """Return a whole number, or another in its place."""
    return value if isinstance(value, int) and not isinstance(value, bool) else otherwise


def text(value: Any, otherwise: str = "") -> str:
    """Return a text, or another in its place."""
    return value if isinstance(value, str) and value else otherwise


def listed(names: Iterator[str] | list[str] | Tree | frozenset[str]) -> str:
    """List names in their order, in brackets."""
    return f"({', '.join(sorted(names)) or 'it has none'})"
