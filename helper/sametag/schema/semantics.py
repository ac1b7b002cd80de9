"""What a schema cannot say. Each rule is a function from merged values to problems."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sametag.values import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sametag.values import Values


def check(values: Values) -> Iterator[Problem]:
    """Yield what every rule finds."""
    for rule in (_latest_tag,):
        yield from rule(values)


def _latest_tag(values: Values) -> Iterator[Problem]:
    image = values.tree.get("image")
    if isinstance(image, dict) and image.get("tag") == "latest" and not image.get("digest"):
        message = (
            "image.tag latest names another image whenever one is pushed, so that nothing can be rolled back to it"
        )
        where = values.locate(("image", "tag"))
        yield Problem("latest-tag", "warning", "image.tag", where, message, "use a tag that never moves")
