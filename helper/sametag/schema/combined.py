"""What the schema rejects only once `defaults` is merged under a service: two halves that do not go together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sametag.schema.semantics.services import mapping
from sametag.settings import merge

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sametag.schema.engines import Failure, Validator
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


def failures(values: Values, validator: Validator, known: Iterable[Failure]) -> list[Failure]:
    """Return what fails in merged values, and has not failed before, in the service or in `defaults`."""
    before = {failure.path for failure in known}
    return [
        failure
        for failure in validator(values.tree)
        if failure.path[:1] == ("services",)
        and len(failure.path) >= _SETTING_DEPTH
        and not _known(failure.path, before)
    ]


def _known(path: Path, before: set[Path]) -> bool:
    return path in before or ("defaults", *path[2:]) in before
