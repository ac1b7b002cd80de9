"""Whether the services of a chart can follow a tag: known from what Helm renders, before anything is changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sametag import values
from sametag.chart import pinned
from sametag.errors import UsageError, ValuesError
from sametag.rollout import split

if TYPE_CHECKING:
    from sametag.chart import Chart
    from sametag.helm import Revision
    from sametag.rollout import Members

_OURS = ("services", "image")


def defaults_of(chart: Chart) -> dict[str, Any]:
    """Return a chart's own values."""
    return values.from_text(chart.defaults, "values.yaml").tree


def refuse_untagged(expected: Members, chart: Chart, user: dict[str, Any]) -> None:
    """Refuse a chart that makes no service of the values, and a tag that no service would run.

    Args:
        expected: What Helm renders.
        chart: What it is rendered from.
        user: The user's values.

    Raises:
        UsageError: The tag cannot be followed.
    """
    whole = {**defaults_of(chart), **user}
    if not expected.images and not all(isinstance(whole.get(key), dict) for key in _OURS):
        raise UsageError(
            f"the chart {chart.name} makes no workload of `services` and `image`: no tag can be followed",
            "--chart takes the chart of sametag, or one that has it as a dependency; helm deploys all others",
        )
    image = pinned(user.get("image") or {})
    digest = f"@{image['digest']}" if image.get("digest") else ""
    _, asked, by_digest = split(f"x:{image['tag']}{digest}" if image.get("tag") else f"x{digest}")
    rendered = {(tag, digest) for _, tag, digest in map(split, expected.images)}
    if rendered and (asked or by_digest) and (asked, by_digest) not in rendered:
        tags = ", ".join(sorted({tag or digest for tag, digest in rendered}))
        raise UsageError(
            f"no service would run {asked or by_digest}: the chart {chart.name} gives them {tags}",
            "set image.tag below the name of each dependency that has services",
        )


def refuse_empty(expected: Members, release: str, good: Revision | None) -> None:
    """Refuse values that make no service: Helm would delete every workload, and call it a success.

    Args:
        expected: What Helm renders.
        release: The release's name.
        good: What ran before; None before the first install.

    Raises:
        ValuesError: There is no service.
    """
    if any(member.service for member in expected.found.values()):
        return
    if good is None:
        raise ValuesError("the values do not have any service; nothing was changed", "services: names each")
    raise ValuesError(
        "these values do not have any service: all that runs would be deleted; nothing was changed",
        "without -f an upgrade keeps the values of the release; "
        f"sametag rollback {release} --to-revision {good.number} brings back those of {good}",
    )
