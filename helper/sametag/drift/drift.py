"""Compare the live objects with the newest manifest, field by field.

What Helm would patch is not enough: its three-way merge does not see what it has lost itself, and a field that was
removed by hand has no manager. Everything in the manifest must exist, as the API server and its admission read it; the
fields of controllers and autoscalers are theirs.
"""

from __future__ import annotations

import base64
from functools import partial
from typing import TYPE_CHECKING, Any

from sametag.chart.labels import service_of
from sametag.drift.changes import ObjectDiff, change_of, without_additions
from sametag.drift.compare import ABSENT, Difference, differences, essence, hidden, lacking, overlaid
from sametag.drift.owners import by_hand, is_controller, owner_of
from sametag.kube.objects import as_map, find, key_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from sametag.drift.dry_run import Situation
    from sametag.drift.helm_apply import HelmApply
    from sametag.kube.objects import Key, Object, Path

_SCALED_TO_ZERO = Difference(("spec", "replicas"), 0, 1)

_SCALED = ("Deployment", "StatefulSet")


async def drift(situation: Situation) -> tuple[ObjectDiff, ...]:
    """Return how the live objects differ from the newest manifest, as the changes that would correct them.

    An object that has everything in the manifest, and was not changed by hand, costs no call.

    Raises:
        ApiError: The user may not ask the API server.
    """
    missing = [
        _missing(key, item)
        for key, item in situation.manifest.items()
        if key not in situation.live and not _is_removed_when_done(item)
    ]
    suspects = {key: item for key, item in situation.manifest.items() if _is_suspect(situation, key, item)}
    found = await _compared(situation, suspects)
    for key, item in situation.live.items():
        if _is_scaled_to_zero(key, item) and as_map(situation.manifest[key].get("spec")).get("replicas") is None:
            found[key] = [*found.get(key, []), _SCALED_TO_ZERO]
    return (*missing, *(_described(situation, key, those) for key, those in found.items() if those))


async def restore(situation: Situation) -> list[Key]:
    """Set what Helm has lost of the newest manifest, and return the objects that lacked something.

    Helm's client-side apply merges ports by number alone: when one gets a second protocol, the first is lost. What
    others have set stays.

    Raises:
        ApiError: The API server rejects a request, or an object changes faster than it can be read.
    """
    suspects = {key: item for key, item in situation.manifest.items() if _lacks(situation, key, item)}
    restored = []
    for key, item in suspects.items():
        if await situation.api.retry(situation.live[key], partial(_restored, situation.api, target=item)):
            restored.append(key)
    return restored


async def _restored(api: HelmApply, live: Object, target: Object) -> bool:
    (item,) = (await api.applied({key_of(live, ""): target})).values()
    if item is None or not any(difference.old is ABSENT for difference in _differences(live, item)):
        return False
    await api.set_content(live, item)
    return True


def _missing(key: Key, item: Object) -> ObjectDiff:
    _, shown = hidden({}, essence(item))
    return ObjectDiff(key, service_of(item), None, shown)


def _is_removed_when_done(item: Object) -> bool:
    return item.get("kind") == "Job" and as_map(item.get("spec")).get("ttlSecondsAfterFinished") is not None


def _is_suspect(situation: Situation, key: Key, item: Object) -> bool:
    live = situation.live.get(key)
    # After a revision that failed, an object may still be the previous revision's.
    return live is not None and (not situation.deployed or bool(by_hand(live)) or _lacks(situation, key, item))


def _lacks(situation: Situation, key: Key, item: Object) -> bool:
    live = situation.live.get(key)
    return live is not None and lacking(_as_stored(situation.api.as_helm_sends_it(item)), live)


def _as_stored(item: Object) -> Object:
    """Return a Secret with `stringData` as the API server stores it, any other object as it is."""
    texts = item.get("stringData")
    if item.get("kind") != "Secret" or not isinstance(texts, dict):
        return item
    data = {name: base64.b64encode(str(text).encode()).decode() for name, text in texts.items()}
    return {
        **{key: value for key, value in item.items() if key != "stringData"},
        "data": {**as_map(item.get("data")), **data},
    }


async def _compared(situation: Situation, suspects: Mapping[Key, Object]) -> dict[Key, list[Difference]]:
    api, live = situation.api, situation.live
    after = await api.applied(suspects)
    accepted = {key: item for key, item in after.items() if item is not None}
    accepted = await without_additions(api, accepted, suspects)
    found = {
        key: [difference for difference in _differences(live[key], item) if _counts(live[key], difference)]
        for key, item in accepted.items()
    }
    # What the API server rejects is compared as it is written.
    refused = (key for key in suspects if key not in accepted)
    found |= {key: list(_differences(live[key], overlaid(_as_stored(suspects[key]), live[key]))) for key in refused}
    # What nobody owns may come from admission, which changes some fields of new objects only.
    unowned = {key: suspects[key] for key, those in found.items() if not all(map(partial(_owner, live[key]), those))}
    for key, created in (await api.created(unowned)).items():
        found[key] = [
            difference
            for difference in found[key]
            if _owner(live[key], difference) or _at(created, difference.path) != _at(live[key], difference.path)
        ]
    return found


def _differences(live: Object, after: Object) -> Iterator[Difference]:
    return differences(*hidden(essence(live), essence(after)))


def _owner(live: Object, difference: Difference) -> Any:
    return owner_of(live, difference.path)


def _counts(live: Object, difference: Difference) -> bool:
    """Whether a difference is drift: what a controller sets is its own, except for the image."""
    owner = owner_of(live, difference.path)
    return owner is None or not is_controller(owner.manager) or difference.path[-1] == "image"


def _at(item: Object, path: Path) -> Any:
    try:
        return find(item, path)
    except (LookupError, ValueError):
        return ABSENT


def _is_scaled_to_zero(key: Key, live: Object) -> bool:
    """Whether somebody other than an autoscaler has left a workload without pods."""
    return key.kind in _SCALED and as_map(live.get("spec")).get("replicas") == 0 and _counts(live, _SCALED_TO_ZERO)


def _described(situation: Situation, key: Key, those: Iterable[Difference]) -> ObjectDiff:
    live, item = situation.live[key], situation.manifest[key]
    service = service_of(item)
    before, after = hidden(essence(live), essence(item))
    settings = situation.services.get(service)
    changed = (change_of(live, item, difference, settings) for difference in those)
    return ObjectDiff(key, service, before, after, tuple(changed))
