"""What the schema rejects only once `defaults` is merged under a service: two halves that do not go together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sametag.chart.service import mapping
from sametag.chart.settings import merge
from sametag.values import has

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sametag.validation.engine import Failure
    from sametag.values import Path, Values

# services, the service, the setting: what is missing in a service as a whole is known from it alone.
_SETTING_DEPTH = 3


def merged(values: Values) -> Values | None:
    """Return the values with, of each service, the maps that it has in part from `defaults`; None where none does."""
    defaults = {key: value for key, value in mapping(values.tree.get("defaults")).items() if isinstance(value, dict)}
    if values.defaults:
        user = values._replace(defaults=())
        defaults = {key: value for key, value in defaults.items() if user.locate_key(("defaults", key))}
    services: dict[str, Any] = {}
    for name, own in mapping(values.tree.get("services")).items() if defaults else ():
        shared = defaults.keys() & own.keys() if isinstance(own, dict) else ()
        maps = {key: merge(defaults[key], own[key]) for key in shared if isinstance(own[key], dict)}
        if maps and own.get("enabled") is not False:
            services[name] = maps
    return values._replace(tree={**values.tree, "services": services}) if services else None


def not_cured(known: Iterable[Failure], together: Values, after: Iterable[Failure]) -> list[Failure]:
    """Return the failures of a service and of `defaults` that the merge does not cure.

    Where none of several forms fits, and `defaults` have a part of them, it is the whole that is to be explained.

    Args:
        known: What fails in the halves.
        together: As `merged` returns it.
        after: What fails in it.
    """
    services, still = together.tree["services"], {(failure.path, failure.keyword) for failure in after}
    return [
        failure
        for failure in known
        if len(failure.path) < _SETTING_DEPTH
        or failure.path[0] != "services"
        or failure.path[2] not in services.get(failure.path[1], ())
        or ((failure.path, failure.keyword) in still and not _has_two_parts(together, failure))
    ]


def _has_two_parts(values: Values, failure: Failure) -> bool:
    return failure.keyword in ("anyOf", "oneOf") and has(values.tree.get("defaults"), failure.path[2:])


def failures(after: Iterable[Failure], known: Iterable[Failure]) -> list[Failure]:
    """Return what fails in merged values, and has not failed before, in the service or in `defaults`."""
    before = {failure.path for failure in known}
    return [
        failure
        for failure in after
        if failure.path[:1] == ("services",)
        and len(failure.path) >= _SETTING_DEPTH
        and not _known(failure.path, before)
    ]


def _known(path: Path, before: set[Path]) -> bool:
    return path in before or ("defaults", *path[2:]) in before
