"""From findings to problems: each at the place where it was written, and once for all that it breaks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sametag.text import listing
from sametag.values import Problem, path_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sametag.validation.finding import Finding
    from sametag.values import Location, Values

# How many places are named that one mistake breaks, such as the services that share an anchor.
_PLACES = 3


def place(values: Values, findings: Iterable[Finding]) -> list[Problem]:
    """Locate findings; those that one piece of text causes in several places become one."""
    groups: dict[object, list[Finding]] = {}
    for finding in findings:
        if finding.breaks:
            # What `defaults` breaks in one service is said in other words for another.
            cause: tuple[object, ...] = (finding.path,)
        else:
            cause = (_cause(values, finding), finding.message.replace(path_text(finding.path), ""))
        groups.setdefault((finding.rule, *cause), []).append(finding)
    return [_problem(values, group) for group in groups.values()]


def _cause(values: Values, finding: Finding) -> Location | None:
    """Locate the text that is to be changed, without the alias that leads to it."""
    if finding.key_at == finding.path:
        return values.locate_key(finding.path)
    return values.locate(finding.path if finding.key_at is None else finding.key_at)


def _problem(values: Values, group: list[Finding]) -> Problem:
    first = min(group, key=lambda finding: path_text(finding.path))
    others = sorted({path_text(finding.path) for finding in group} - {path_text(first.path)})
    message = first.message
    if others:
        message += f" (also {listing(others, _PLACES)})"
    if first.path[:1] == ("defaults",):
        from sametag.validation.inheriting import broken_by

        message += broken_by(values, first.path, [finding.breaks for finding in group if finding.breaks])
    return Problem(first.rule, first.severity, path_text(first.path), _location(values, first), message, first.remedy)


def _location(values: Values, finding: Finding) -> Location | None:
    if finding.needs:
        return values.locate_nearest(finding.key_at or ())
    where = values.locate(finding.path) if finding.key_at is None else values.locate_key(finding.key_at)
    return where or values.locate_nearest(finding.path)
