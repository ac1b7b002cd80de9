"""Finding -> Problem: locate each finding in the sources, and report one mistake once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sametag.text import listing
from sametag.values import Problem, path_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sametag.validation.finding import Finding
    from sametag.values import Location, Path, Values

# The most places that are listed for one mistake.
_NAMED = 3


def place(values: Values, findings: Iterable[Finding]) -> list[Problem]:
    """Locate findings; those with the same cause become one problem."""
    groups: dict[object, list[Finding]] = {}
    for finding in findings:
        if finding.breaks:
            # The message of a mistake in `defaults` can differ between services.
            cause: tuple[object, ...] = (finding.path,)
        else:
            cause = (_cause(values, finding), finding.message.replace(path_text(finding.path), ""))
        groups.setdefault((finding.rule, *cause), []).append(finding)
    return [_problem(values, group) for group in groups.values()]


def _cause(values: Values, finding: Finding) -> Location | None:
    """Locate the text to change: the anchor, not the alias."""
    if finding.key_at == finding.path:
        return values.locate_key(finding.path)
    return values.locate(finding.path if finding.key_at is None else finding.key_at)


def _problem(values: Values, group: list[Finding]) -> Problem:
    first = min(group, key=lambda finding: path_text(finding.path))
    others = sorted({path_text(finding.path) for finding in group} - {path_text(first.path)})
    message = first.message
    if others:
        message += f" (also {listing(others, _NAMED)})"
    if first.path[:1] == ("defaults",):
        message += _broken_by(values, first.path, [finding.breaks for finding in group if finding.breaks])
    return Problem(first.rule, first.severity, path_text(first.path), _location(values, first), message, first.remedy)


def _location(values: Values, finding: Finding) -> Location | None:
    if finding.needs:
        return values.locate_nearest(finding.key_at or ())
    where = values.locate(finding.path) if finding.key_at is None else values.locate_key(finding.key_at)
    return where or values.locate_nearest(finding.path)


def _broken_by(values: Values, path: Path, known: list[str]) -> str:
    """Say which services take over what is at this path of the defaults; nothing where nobody does.

    Args:
        values: The merged values.
        path: Where the mistake is, `defaults` included.
        known: The services that are known to be broken; where none is, all that take it over are.
    """
    services = values.tree.get("services")
    heirs = known or [name for name, one in _entries(services) if _is_on(one) and not _has(one, path[1:])]
    return f" (breaks the service{'s' * (len(heirs) > 1)} {listing(sorted(heirs), _NAMED)})" if heirs else ""


def _entries(services: Any) -> list[tuple[str, Any]]:
    return list(services.items()) if isinstance(services, dict) else []


def _is_on(service: Any) -> bool:
    return not isinstance(service, dict) or service.get("enabled") is not False


def _has(service: Any, path: Path) -> bool:
    """Whether a service says for itself what is at this path; what is not a map takes the place of all of it."""
    for part in path:
        if not isinstance(service, dict):
            return True
        if part not in service:
            return False
        service = service[part]
    return True
