"""The values that the command line gives, and those that the next revision gets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sametag import values

if TYPE_CHECKING:
    import argparse

    from sametag.chart import Chart
    from sametag.release import Revision
    from sametag.values import Values


def sources(arguments: argparse.Namespace) -> values.Sources:
    """Return where the values come from."""
    return values.Sources(
        files=tuple(arguments.values),
        set=tuple(arguments.set),
        set_string=tuple(arguments.set_string),
        set_json=tuple(arguments.set_json),
        set_file=tuple(arguments.set_file),
        set_literal=tuple(arguments.set_literal),
        tag=arguments.tag,
    )


def user_values(arguments: argparse.Namespace) -> Values:
    """Read and merge the values."""
    return values.load(sources(arguments))


def next_values(arguments: argparse.Namespace, chart: Chart, now: Revision) -> Values:
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
        given = values.load(sources(arguments)._replace(tag=now.tag))
    from sametag.values.losing import lost

    defaults = values.from_text(chart.defaults, "values.yaml").tree
    return given._replace(problems=(*given.problems, *lost(now.values, given.tree, defaults, source)))
