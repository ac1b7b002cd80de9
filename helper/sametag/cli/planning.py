"""The values of the next revision: those of the newest one, and what the command line gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sametag import values
from sametag.chart import pinned
from sametag.cli.given import defaults_of, sources, user_values
from sametag.cli.validate import refuse_problems
from sametag.values.losing import lost

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from sametag.chart import Chart
    from sametag.helm import Revision
    from sametag.values import Problem, Values


def planning(arguments: argparse.Namespace, chart: Chart) -> Callable[[Revision | None], dict[str, Any]]:
    """Return what makes the values of the next revision from the newest one, and refuses those that are wrong."""

    def plan(now: Revision | None) -> dict[str, Any]:
        user = _next_values(arguments, chart, now) if now else user_values(arguments)
        refuse_problems(chart, user, arguments.release)
        return user.tree

    return plan


def _next_values(arguments: argparse.Namespace, chart: Chart, now: Revision) -> Values:
    """Return the values of the next revision.

    Files replace the values of the release, as with Helm, and what is lost by that is among the problems. Without files
    those are kept, and what is set goes over them, as with Helm's --reset-then-reuse-values: that is what a new tag
    means. A file that names no version of the image says nothing about it, so the tag that runs stays.
    """
    given, source = user_values(arguments), f"values of revision {now.number}"
    if not arguments.values:
        kept = values.from_tree(now.values, source)
        merged = values.coalesce(kept, given)
        return merged._replace(layers=(*kept.layers, *given.layers), defaults=())
    image = given.tree.get("image")
    if isinstance(image, dict) and not (image.get("tag") or image.get("digest")) and now.tag:
        given = values.load(sources(arguments)._replace(tag=f"{now.tag}@{now.digest}" if now.digest else now.tag))
    defaults = defaults_of(chart).tree
    found = (*lost(now.values, given.tree, defaults, source), *_still_pinned(given, now))
    return given._replace(problems=(*given.problems, *found))


def _still_pinned(given: Values, now: Revision) -> Iterator[Problem]:
    """Yield the tag that was changed beside a digest that was not: the digest decides, so nothing would move."""
    image = given.tree.get("image")
    image = pinned(image) if isinstance(image, dict) else {}
    tag, digest = image.get("tag"), image.get("digest")
    if isinstance(tag, str) and tag and now.tag and tag != now.tag and digest and digest == now.digest:
        message = (
            f"image.tag is {tag}, and image.digest, which decides, is still that of {now.tag} in revision {now.number}"
        )
        remedy = "give the digest of that tag as well, or set image.digest to null"
        yield values.Problem(
            "contradicting-digest", "error", "image.tag", given.locate(("image", "tag")), message, remedy
        )
