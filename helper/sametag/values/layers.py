"""Merged values, which know where each of them was written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from sametag.values import merge
from sametag.values.paths import Path, has
from sametag.values.problem import Location, Problem

if TYPE_CHECKING:
    from collections.abc import Iterable


class Layer(Protocol):
    """One source of values: a file, an expression, or a stored revision."""

    @property
    def source(self) -> str:
        """Its name, as in `Location`."""

    @property
    def text(self) -> bytes:
        """The content of a file; empty for other sources."""

    def locate(self, path: Path) -> Location | None:
        """Return where the value at this path was written; None if this source does not have it."""

    def locate_key(self, path: Path) -> Location | None:
        """Return where the last key of this path was written; None if this source does not have it."""

    def written(self, path: Path) -> str | None:
        """Return the source text of a value that is not a string; None if there is none."""


class Values(NamedTuple):
    """Merged values, and the problems of their sources.

    Attributes:
        tree: Plain maps, lists and scalars, as Helm sees them; integers are ints. Never changed in place.
        problems: Found while reading. If one is an error, the tree is incomplete.
        layers: The user's sources, in merge order.
        defaults: The chart's, if merged in.
    """

    tree: dict[str, Any]
    problems: tuple[Problem, ...] = ()
    layers: tuple[Layer, ...] = ()
    defaults: tuple[Layer, ...] = ()

    def locate(self, path: Path) -> Location | None:
        """Return where the value at this path was written, in the source that was merged last."""
        return _first(layer.locate(path) for layer in self._newest_first())

    def locate_key(self, path: Path) -> Location | None:
        """Return where the last key of this path was written: in the first source of the user that has it.

        Later sources only change its content. For the root it is the start of that source.
        """
        return _first(
            layer.locate_key(path) if path else layer.locate(path) for layer in (*self.layers, *self.defaults)
        )

    def locate_nearest(self, path: Path) -> Location | None:
        """Return where to report a missing key: at its map, or else at the nearest map in the user's sources."""
        user = self._replace(defaults=()) if self.layers else self
        return _first(user.locate_key(path[:depth]) for depth in range(len(path), -1, -1))

    def written(self, path: Path) -> str | None:
        """Return the source text, such as `1.10`, of a value that is not a string; None if unknown."""
        return next((layer.written(path) for layer in self._newest_first() if layer.locate(path)), None)

    def sources(self) -> list[str]:
        """Name the sources as `Location` does, those of the user first."""
        return [layer.source for layer in (*self.layers, *self.defaults)]

    def files(self) -> list[str]:
        """Name the user's files as `Location` does."""
        return [layer.source for layer in self.layers if not Location(layer.source).option]

    def _newest_first(self) -> Iterable[Layer]:
        return (*reversed(self.layers), *reversed(self.defaults))


class Stored(NamedTuple):
    """Values without source text, such as those of a revision."""

    source: str
    tree: dict[str, Any]
    text: bytes = b""

    def locate(self, path: Path) -> Location | None:
        """Return the source, if it has this path."""
        return Location(self.source) if has(self.tree, path) else None

    def locate_key(self, path: Path) -> Location | None:
        """Return the source, if it has this path."""
        return self.locate(path)

    def written(self, path: Path) -> str | None:  # noqa: ARG002 - the protocol's
        """Return None: there is no source text."""
        return None


def coalesce(under: Values, over: Values) -> Values:
    """Return values over others, as Helm does: maps merge, and null removes a key of `under`.

    Helm puts the user's values over the chart's defaults, and new values over those of a release.
    """
    tree = merge.coalesce(under.tree, over.tree)
    return Values(tree, (*under.problems, *over.problems), (*under.layers, *over.layers))


def on_defaults(defaults: Values, user: Values) -> Values:
    """Return the user's values over the chart's defaults: what Helm validates and renders.

    A missing key is then reported where the user can write it.
    """
    return coalesce(defaults, user)._replace(layers=user.layers, defaults=defaults.layers)


def _first(locations: Iterable[Location | None]) -> Location | None:
    return next((location for location in locations if location), None)
