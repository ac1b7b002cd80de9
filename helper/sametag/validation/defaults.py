"""Judge what a service has in part from `defaults`, after their merge.

Helm validates both halves apart, so the schema that it reads must not ask one of them for what the other has. There
`x-whole-required` and others like it stand for the keywords without `x-whole-`, which are true of the whole only. Here
they are put back: a service is judged with them after its merge, and `defaults` only for services that take a setting
from there as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sametag.chart.service import kind_of, mapping
from sametag.chart.settings import merge
from sametag.validation.rules.workloads import KINDS
from sametag.values import has

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sametag.validation.engine import Schema, SchemaError, Validator
    from sametag.values import Path, Values

# services, the service, the setting: what is missing in a service as a whole is known from it alone.
_OF_SERVICE = 3
PREFIX = "x-whole-"
# defaults, the setting.
_OF_DEFAULTS = 2

# A schema and what was made of it, by its id, as long as the process lives.
_known: dict[int, tuple[Schema, Schema]] = {}


def whole(schema: Schema) -> Schema:
    """Return a schema with the keywords that are true of the whole only; made once for each."""
    if id(schema) not in _known:
        _known[id(schema)] = (schema, _restored(schema))
    return _known[id(schema)][1]


def _restored(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {key.removeprefix(PREFIX): _restored(child) for key, child in tree.items()}
    return [_restored(child) for child in tree] if isinstance(tree, list) else tree


def without_halves(values: Values, failures: list[SchemaError], apart: Validator) -> list[SchemaError]:
    """Leave out what fails in `defaults` only for a want of the other half, and in no service.

    Args:
        values: What was validated.
        failures: What the schema with the keywords of the whole rejects.
        apart: Validates with the schema as Helm reads it.
    """
    rejected = {(failure.path, failure.keyword) for failure in apart(values.tree)}
    return [
        failure
        for failure in failures
        if failure.path[:1] != ("defaults",)
        or (failure.path, failure.keyword) in rejected
        or any(_heirs(values.tree, failure.path))
    ]


def _heirs(tree: Any, path: Path) -> Iterator[str]:
    """Yield the services that take the setting of this path from `defaults` as it is."""
    defaults, setting = mapping(tree.get("defaults")), path[1]
    for name, own in mapping(tree.get("services")).items():
        if isinstance(own, dict) and setting not in own and {**defaults, **own}.get("enabled") is not False:
            kinds = KINDS.get(str(setting))
            # Without their own half, only those that know the setting have any use of it.
            if kinds is None or kind_of({**defaults, **own}) in kinds:
                yield name


def is_default(path: Path) -> bool:
    """Whether a path is inside of a setting of `defaults`."""
    return path[:1] == ("defaults",) and len(path) >= _OF_DEFAULTS


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


def not_cured(known: Iterable[SchemaError], together: Values, after: Iterable[SchemaError]) -> list[SchemaError]:
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
        if len(failure.path) < _OF_SERVICE
        or failure.path[0] != "services"
        or failure.path[2] not in services.get(failure.path[1], ())
        or ((failure.path, failure.keyword) in still and not _has_two_parts(together, failure))
    ]


def _has_two_parts(values: Values, failure: SchemaError) -> bool:
    return failure.keyword in ("anyOf", "oneOf") and has(values.tree.get("defaults"), failure.path[2:])


def failures(after: Iterable[SchemaError], known: Iterable[SchemaError]) -> list[SchemaError]:
    """Return what fails in merged values, and has not failed before, in the service or in `defaults`."""
    before = {failure.path for failure in known}
    return [
        failure
        for failure in after
        if failure.path[:1] == ("services",)
        and len(failure.path) >= _OF_SERVICE
        and not _is_known(failure.path, before)
    ]


def _is_known(path: Path, before: set[Path]) -> bool:
    return path in before or ("defaults", *path[2:]) in before
