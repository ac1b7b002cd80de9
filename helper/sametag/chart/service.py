"""A service over `defaults`, merged as the chart does.

The values may break the schema: a value of an unexpected type counts as missing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from sametag.chart.settings import merge
from sametag.values.paths import get, has

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sametag.values import Path, Values

Tree = dict[str, Any]

# What the name of the test pod has of the release's (chart: test.yaml).
_TEST_PREFIX = 53


class Naming(NamedTuple):
    """What the names of objects start with, unless namePrefix says so.

    Attributes:
        release: The name of the release; None if unknown.
        within: Where the chart is in a parent, such as `shop.` (chart: sametag.path); empty for a chart of its own.
    """

    release: str | None = None
    within: str = ""

    @property
    def shown(self) -> str:
        """The release's name; `<release>` stands for an unknown one."""
        return self.release or "<release>"

    @property
    def part(self) -> str:
        """The place in the parent as a part of names (chart: sametag.pathname)."""
        return re.sub("[._]", "-", self.within.lower())

    @property
    def test_pod(self) -> str:
        """The name of the pod of `helm test`."""
        return f"{self.shown[:_TEST_PREFIX]}-{self.part}helm-test"


class Release(NamedTuple):
    """Every service of the values.

    Attributes:
        values: What they come from.
        prefix: The prefix of object names, in which `<release>` stands for an unknown release's name.
        names: Of all services, disabled ones included.
        services: The enabled ones, by name.
        naming: What object names start with.
    """

    values: Values
    prefix: str
    names: frozenset[str]
    services: dict[str, Service]
    naming: Naming


class Service(NamedTuple):
    """One service.

    Attributes:
        name: Its name.
        own: What is written under it.
        merged: The same over `defaults`; null means not set.
        defaults: The values' `defaults`, which its init containers and sidecars inherit in part.
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
    prefix: str
    names: frozenset[str]
    user: Values

    @property
    def serves(self) -> bool:
        """Whether it runs until it is stopped."""
        return self.kind not in ("Job", "CronJob")

    @property
    def fullname(self) -> str:
        """The name of its objects; `<release>` stands for an unknown release's name."""
        return f"{self.prefix}{self.name}"

    def get(self, *path: str) -> Any:
        """Return the merged value at a path; None if it is not set."""
        return get(self.merged, path)

    def map(self, *path: str) -> Tree:
        """Return the merged map at a path; an empty one if it is not set."""
        value = self.merged.get(path[0]) if len(path) == 1 else self.get(*path)
        return value if isinstance(value, dict) else {}

    def newer(self, path: Path, than: Path) -> bool:
        """Whether one setting takes precedence: the service's own, then the user's `defaults`, then the chart's."""
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
        return [
            ((setting, index), container) for setting in settings for index, container in maps(self.merged.get(setting))
        ]


def read(values: Values, naming: Naming) -> Release:
    """Return the services that are enabled."""
    tree = values.tree
    written, defaults = mapping(tree.get("services")), mapping(tree.get("defaults"))
    prefix = tree.get("namePrefix")
    prefix = prefix if isinstance(prefix, str) else f"{naming.shown}-{naming.part}"
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
    return Release(values, prefix, names, services, naming)


def kind_of(service: Tree) -> str:
    """Return the kind of the workload of a merged service."""
    kind = service.get("kind")
    return kind if isinstance(kind, str) else "Deployment" if service.get("hook") is None else "Job"


def mapping(value: Any) -> Tree:
    """Return a map; an empty one instead of anything else."""
    return value if isinstance(value, dict) else {}


def maps(value: Any) -> Iterator[tuple[int, Tree]]:
    """Yield the maps of a list with their indexes."""
    if isinstance(value, list):
        yield from ((index, entry) for index, entry in enumerate(value) if isinstance(entry, dict))


def strings(value: Any) -> Iterator[tuple[int, str]]:
    """Yield the strings of a list with their indexes."""
    if isinstance(value, list):
        yield from ((index, entry) for index, entry in enumerate(value) if isinstance(entry, str))


def integer(value: Any, otherwise: int | None = None) -> int | None:
    """Return an integer; `otherwise` instead of anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) else otherwise


def string(value: Any, otherwise: str = "") -> str:
    """Return a string that is not empty; `otherwise` instead of anything else."""
    return value if isinstance(value, str) and value else otherwise


def listed(kind: str, names: Iterable[str]) -> str:
    """List names of a kind, such as `(ports: grpc, http)`."""
    return f"({kind}: {', '.join(sorted(names)) or 'none'})"
