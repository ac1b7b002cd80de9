"""What must be there once `defaults` is merged under a service, and may come from either half.

Helm validates both halves apart, so the schema that it reads must not ask one of them for what the other has. There
`x-whole-required` and others like it stand for the keywords without `x-whole-`, which are true of the whole only. Here
they are put back: a service is judged with them after its merge, and `defaults` only for services that take a setting
from there as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sametag.chart.service import kind_of, mapping
from sametag.validation.rules.workloads import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sametag.validation.engine import Failure, Schema, Validator
    from sametag.values import Path, Values

PREFIX = "x-whole-"
# defaults, the setting.
_SETTING_DEPTH = 2

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


def without_halves(values: Values, failures: list[Failure], apart: Validator) -> list[Failure]:
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
    return path[:1] == ("defaults",) and len(path) >= _SETTING_DEPTH
