"""What a release has and its next values do not: files replace the release's values, as with Helm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sametag.values.paths import Path, path_text
from sametag.values.problem import Location, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sametag.values.merge import Tree

# More would hide what else there is to say.
_NAMED = 10

# Where a tag is given, it is what changes.
_VERSION = {("image", "tag"), ("image", "digest")}


def lost(kept: Tree, given: Tree, defaults: Tree, source: str) -> list[Problem]:
    """Warn of what goes back to the chart's default, or away, because the new values do not say it.

    Values are not shown: they may be secrets. A value that is the chart's default anyway is not lost.

    Args:
        kept: The release's values.
        given: The next ones.
        defaults: The chart's.
        source: What problems call the release's values.
    """
    paths = list(_lost(kept, given, defaults, ()))
    more = [f"and {len(paths) - _NAMED} more values"] if len(paths) > _NAMED else []
    texts = [(path_text(path), _consequence(path)) for path in paths[:_NAMED]]
    messages = [(text, f"{text} is not in your values: {consequence}") for text, consequence in texts]
    messages += [("", f"{text} are not in your values") for text in more]
    return [Problem("lost-value", "warning", text, Location(source), message) for text, message in messages]


def _lost(kept: Tree, given: Tree, defaults: Tree, path: Path) -> Iterator[Path]:
    for key, value in kept.items():
        here = (*path, key)
        if here in _VERSION:
            continue
        if key not in given:
            if value is not None and value != defaults.get(key):
                yield here
        elif isinstance(value, dict) and isinstance(given[key], dict):
            yield from _lost(value, given[key], _map(defaults.get(key)), here)


def _map(value: Any) -> Tree:
    return value if isinstance(value, dict) else {}


def _consequence(path: Path) -> str:
    return "the service is removed" if path[:-1] == ("services",) else "it goes back to the chart's default"
