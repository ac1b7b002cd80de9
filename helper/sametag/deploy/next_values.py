"""The values of the next revision of a release, and whether they are valid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sametag import values
from sametag.chart import defaults_of, pinned
from sametag.deploy.events import Problems
from sametag.errors import ValuesError
from sametag.validation.subcharts import checker
from sametag.values import Location, Problem, path_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sametag.chart import Chart
    from sametag.deploy.request import Request
    from sametag.helm import Revision
    from sametag.values import Path, Sources, Values
    from sametag.values.merge import Tree

# How many lost values are named.
_NAMED = 10

# If a tag is given, it is what changes.
_VERSION = {("image", "tag"), ("image", "digest")}


def next_values(chart: Chart, sources: Sources, newest: Revision | None) -> Values:
    """Return the user's values of the next revision; what is wrong with them is in their problems.

    Values files replace the values of the release, as with Helm; what is lost by that is among the problems. Without
    files, the values of the release are kept and the other sources are merged over them, as with Helm's
    --reset-then-reuse-values: that is what a new tag means. Files that set no tag and no digest keep those of the
    release.

    Args:
        chart: The chart of the next revision.
        sources: What the user gives.
        newest: The newest revision; None before the first install.
    """
    given = values.load(sources)
    if newest is None:
        return given
    source = f"values of revision {newest.number}"
    if not sources.files:
        kept = values.from_tree(newest.values, source)
        merged = values.coalesce(kept, given)
        return merged._replace(layers=(*kept.layers, *given.layers), defaults=())
    image = given.tree.get("image")
    if isinstance(image, dict) and not (image.get("tag") or image.get("digest")) and newest.tag:
        tag = f"{newest.tag}@{newest.digest}" if newest.digest else newest.tag
        given = values.load(sources._replace(tag=tag))
    lost = lost_values(newest.values, given.tree, defaults_of(chart).tree, source)
    return given._replace(problems=(*given.problems, *lost, *_contradicting_digest(given, newest)))


def refuse_invalid(request: Request, chart: Chart, user: Values) -> dict[str, Any]:
    """Report what is wrong with the user's values, and return them if nothing is an error.

    Raises:
        ValuesError: They are invalid.
    """
    problems = checker(chart, request.release)(user)
    if problems:
        request.report(Problems(tuple(problems)))
    if values.has_errors(problems):
        raise ValuesError("the values are invalid; nothing was changed")
    return user.tree


def lost_values(kept: Tree, given: Tree, defaults: Tree, source: str) -> list[Problem]:
    """Warn of values of the release that the new values do not set, so that they are reset to the chart's defaults.

    Values are not shown, because they may be secrets. A value that equals the chart's default is not lost.

    Args:
        kept: The values of the release.
        given: The next values.
        defaults: The chart's values.
        source: What problems call the values of the release.
    """
    paths = list(_lost_paths(kept, given, defaults, ()))
    messages = [(path_text(path), f"{path_text(path)} is not in your values: {_consequence(path)}") for path in paths]
    if len(paths) > _NAMED:
        messages[_NAMED:] = [("", f"and {len(paths) - _NAMED} more values are not in your values")]
    return [Problem("lost-value", "warning", path, Location(source), message) for path, message in messages]


def _lost_paths(kept: Tree, given: Tree, defaults: Tree, path: Path) -> Iterator[Path]:
    for key, value in kept.items():
        here = (*path, key)
        if here in _VERSION:
            continue
        if key not in given:
            if value is not None and value != defaults.get(key):
                yield here
        elif isinstance(value, dict) and isinstance(given[key], dict):
            below = defaults.get(key)
            yield from _lost_paths(value, given[key], below if isinstance(below, dict) else {}, here)


def _consequence(path: Path) -> str:
    return "the service is removed" if path[:-1] == ("services",) else "it is reset to the chart's default"


def _contradicting_digest(given: Values, newest: Revision) -> Iterator[Problem]:
    """Yield a new tag with the digest of the old one: the digest decides, so that nothing would change."""
    image = given.tree.get("image")
    image = pinned(image) if isinstance(image, dict) else {}
    tag, digest = image.get("tag"), image.get("digest")
    if isinstance(tag, str) and tag and newest.tag and tag != newest.tag and digest and digest == newest.digest:
        message = (
            f"image.tag is {tag}, but image.digest, which takes precedence, is still that of {newest.tag} in revision "
            f"{newest.number}"
        )
        remedy = "set the digest of that tag as well, or set image.digest to null"
        yield Problem("contradicting-digest", "error", "image.tag", given.locate(("image", "tag")), message, remedy)
