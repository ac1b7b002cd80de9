"""The differences between two states of an object, without the API server's bookkeeping, and without secrets."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sametag import masking
from sametag.kube.objects import Path, as_map, keyed, merge_key
from sametag.masking import HIDDEN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sametag.kube.objects import Object

# Metadata that the API server maintains.
_KEPT_BY_THE_SERVER = ("creationTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid")

#: Annotations of controllers and tools, for their own use.
BOOKKEEPING = (
    "deployment.kubernetes.io/revision",
    "deprecated.daemonset.template.generation",
    "kubectl.kubernetes.io/last-applied-configuration",
    "kubectl.kubernetes.io/restartedAt",
)

#: Shown instead of a secret that changes.
HIDDEN_CHANGED: Final = "(hidden, changed)"


class Absent(Enum):
    """The type of `ABSENT`, which stands for a value that does not exist."""

    ABSENT = "absent"


ABSENT: Final = Absent.ABSENT


# Keys whose value is the name of a Secret, or of a key in one: not secret.
_REFERENCES = ("secret", "secretName", "existingSecret", "imagePullSecret")


class Difference(NamedTuple):
    """A value that differs; `old` or `new` is ABSENT if it does not exist."""

    path: Path
    old: Any
    new: Any


def essence(item: Object) -> Object:
    """Return an object without its status and the bookkeeping of the API server and the controllers."""
    metadata = {key: value for key, value in item.get("metadata", {}).items() if key not in _KEPT_BY_THE_SERVER}
    annotations = {key: value for key, value in (metadata.get("annotations") or {}).items() if key not in BOOKKEEPING}
    metadata["annotations"] = annotations
    if not annotations:
        del metadata["annotations"]
    first: Object = {key: item[key] for key in ("apiVersion", "kind") if key in item}
    return {**first, **{key: value for key, value in item.items() if key != "status"}, "metadata": metadata}


def hidden(old: Object, new: Object) -> tuple[Object, Object]:
    """Return both states with every secret hidden; the new one marks those that differ."""
    return _hide(old, new, secret=False), _hide(new, old, secret=False, changed=HIDDEN_CHANGED)


def _hide(item: Any, other: Any, *, secret: bool, changed: str = HIDDEN) -> Any:
    """Hide the data of a Secret, and what looks like a secret anywhere else."""
    if isinstance(item, dict):
        of_a_secret = ("data", "stringData") if item.get("kind") == "Secret" else ()
        other = other if isinstance(other, dict) else {}
        return {
            key: _hide(
                value,
                other.get(key),
                secret=secret or key in of_a_secret or masking.is_secret(_named(item, key), value),
                changed=changed,
            )
            for key, value in item.items()
        }
    if isinstance(item, list):
        shown = masking.masked_words(item)
        return [
            _hide(entry, _partner(entry, number, other), secret=secret or entry != shown[number], changed=changed)
            for number, entry in enumerate(item)
        ]
    if not secret:
        return item
    if isinstance(item, str) and "\n" in item and (text := masking.masked(item)) != item:
        # A file of a ConfigMap: most of it is not secret.
        return text if other is None or item == other or masking.masked(str(other)) != text else f"{text}{changed}\n"
    return HIDDEN if other is None or item == other else changed


def _named(item: dict[str, Any], key: str) -> str:
    """Return the name by which a value may be secret: that of a variable, else the key."""
    return str(item.get("name", "")) if key == "value" else "" if key in _REFERENCES else key


def _partner(item: Any, number: int, others: Any) -> Any:
    """Return the item of the other list that corresponds to this one: by name, else by index."""
    if not isinstance(others, list):
        return None
    if isinstance(item, dict) and "name" in item:
        return next((other for other in others if as_map(other).get("name") == item["name"]), None)
    return others[number] if number < len(others) else None


def lacking(wanted: Any, there: Any, field: str = "") -> bool:
    """Whether an object lacks something of a manifest, as it is written: `1` and `1000m` differ.

    Args:
        wanted: A value of the manifest; what it does not mention may be anything.
        there: The value of the object; None if there is none.
        field: The name of the field.
    """
    if isinstance(wanted, dict):
        return not isinstance(there, dict) or any(lacking(value, there.get(key), key) for key, value in wanted.items())
    if isinstance(wanted, list):
        return not isinstance(there, list) or _list_lacks(wanted, there, field)
    if wanted is None or wanted is there:
        return False
    return there is None or isinstance(wanted, bool) or str(wanted) != str(there)


def _list_lacks(wanted: list[Any], there: list[Any], field: str) -> bool:
    key = merge_key(field, [*wanted, *there])
    if key is None:
        pairs = zip(wanted, there, strict=False)
        return len(wanted) != len(there) or any(lacking(*pair) for pair in pairs)
    items = keyed(field, there, key)
    return any(lacking(item, items.get(part)) for part, item in keyed(field, wanted, key).items())


def overlaid(wanted: Any, there: Any, field: str = "") -> Any:
    """Return an object with a manifest merged over it, without the API server's help."""
    if isinstance(wanted, dict) and isinstance(there, dict):
        return {**there, **{key: overlaid(value, there.get(key), key) for key, value in wanted.items()}}
    if isinstance(wanted, list) and isinstance(there, list) and (key := merge_key(field, [*wanted, *there])):
        items = keyed(field, there, key)
        over = {part: overlaid(item, items.get(part)) for part, item in keyed(field, wanted, key).items()}
        return list({**items, **over}.values())
    return there if wanted is None else wanted


def differences(old: Any, new: Any, path: Path = ()) -> Iterator[Difference]:
    """Yield the differences, in the order of the new state; what is added or removed as a whole is one difference."""
    if (maps := _maps(old, new, path)) is not None:
        yield from _of_maps(*maps, path)
    elif (lists := _lists(old, new)) and (key := merge_key(path[-1], [*lists[0], *lists[1]])):
        yield from _of_maps(keyed(path[-1], lists[0], key), keyed(path[-1], lists[1], key), path)
    elif old != new:
        yield Difference(path, old, new)


def _maps(old: Any, new: Any, path: Path) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Return two maps to compare by key; an absent one is empty if the other one is flat, such as labels."""
    if isinstance(old, dict) and isinstance(new, dict):
        return old, new
    present = new if old is ABSENT else old if new is ABSENT else None
    # An item of a list, such as a variable, is added or removed as a whole.
    if not isinstance(present, dict) or not present or path[-1].startswith("["):
        return None
    if any(isinstance(value, dict | list) for value in present.values()):
        return None
    return ({}, present) if old is ABSENT else (present, {})


def _lists(old: Any, new: Any) -> tuple[list[Any], list[Any]] | None:
    """Return two lists, an absent one as empty; None if either is something else."""
    old, new = ([] if value is ABSENT else value for value in (old, new))
    return (old, new) if isinstance(old, list) and isinstance(new, list) else None


def _of_maps(old: dict[str, Any], new: dict[str, Any], path: Path) -> Iterator[Difference]:
    for key in [*new, *(key for key in old if key not in new)]:
        yield from differences(old.get(key, ABSENT), new.get(key, ABSENT), (*path, key))
