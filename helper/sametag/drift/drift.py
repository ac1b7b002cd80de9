"""In what the live objects are not what the newest manifest says, field by field.

Not by what Helm would patch: its three-way merge does not see what it has lost itself, and a field that was removed by
hand has no manager. What the manifest says has to be there, as the API server and its admission read it; the fields of
controllers and autoscalers are theirs.
"""

from __future__ import annotations

import base64
from functools import partial
from typing import TYPE_CHECKING, Any

from sametag.chart.labels import service_of
from sametag.drift.changes import ObjectDiff, Situation, change_of, cleared
from sametag.drift.compare import ABSENT, Difference, differences, essence, hidden, lacking, overlaid
from sametag.drift.managed_fields import by_hand, is_controller, owner_of
from sametag.kube.objects import find, key_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from sametag.drift.helm_apply import HelmApply
    from sametag.kube.objects import Key, Object, Path

_REPLICAS = ("spec", "replicas")

_SCALED = ("Deployment", "StatefulSet")


async def drift(situation: Situation) -> tuple[ObjectDiff, ...]:
    """Return in what the live objects differ from the newest manifest: each is what setting it right would do.

    An object that has all that the manifest says, and that no hand has changed, costs no call.

    Raises:
        ApiError: The API server may not be asked.
    """
    gone = {key: item for key, item in situation.manifest.items() if key not in situation.live}
    missing = [_whole(key, item) for key, item in gone.items() if not _goes_by_itself(item)]
    suspects = {key: item for key, item in situation.manifest.items() if _is_suspect(situation, key, item)}
    found = await _compared(situation, suspects)
    scaled = {key: difference for key, item in situation.live.items() for difference in _scaled_to_nothing(key, item)}
    for key, difference in scaled.items():
        if not _says_replicas(situation.manifest[key]):
            found[key] = [*found.get(key, []), difference]
    return (*missing, *(_described(situation, key, those) for key, those in found.items() if those))


async def restore(situation: Situation) -> list[Key]:
    """Set what Helm has lost of the newest manifest, and return the objects that lacked something.

    Helm's client-side apply merges ports by their number alone: where one gets a second protocol, the first is lost.
    What others have set stays theirs.

    Raises:
        ApiError: The API server refuses, or the object changes faster than it can be read.
    """
    suspects = {key: item for key, item in situation.manifest.items() if _lacks(situation, key, item)}
    found = []
    for key, item in suspects.items():
        if await situation.api.retry(situation.live[key], partial(_restored, situation.api, target=item)):
            found.append(key)
    return found


async def _restored(api: HelmApply, live: Object, target: Object) -> bool:
    (item,) = (await api.applied({key_of(live, ""): target})).values()
    if item is None or not any(one.old is ABSENT for one in _differences(live, item)):
        return False
    await api.set_content(live, item)
    return True


def _whole(key: Key, item: Object) -> ObjectDiff:
    _, shown = hidden({}, essence(item))
    return ObjectDiff(key, service_of(item), None, shown)


def _goes_by_itself(item: Object) -> bool:
    """Whether Kubernetes removes the object when it has done its work."""
    spec = item.get("spec")
    return item.get("kind") == "Job" and isinstance(spec, dict) and spec.get("ttlSecondsAfterFinished") is not None


def _is_suspect(situation: Situation, key: Key, item: Object) -> bool:
    live = situation.live.get(key)
    # What is there of a revision that has failed may be of the one before.
    return live is not None and (not situation.deployed or bool(by_hand(live)) or _lacks(situation, key, item))


def _lacks(situation: Situation, key: Key, item: Object) -> bool:
    live = situation.live.get(key)
    return live is not None and lacking(_as_stored(situation.api.as_helm_sends_it(item)), live)


def _as_stored(item: Object) -> Object:
    """Return an object as the API server keeps it, where that is another form."""
    texts = item.get("stringData")
    if item.get("kind") != "Secret" or not isinstance(texts, dict):
        return item
    data = {name: base64.b64encode(str(text).encode()).decode() for name, text in texts.items()}
    return {
        **{key: value for key, value in item.items() if key != "stringData"},
        "data": {**_map(item, "data"), **data},
    }


async def _compared(situation: Situation, suspects: Mapping[Key, Object]) -> dict[Key, list[Difference]]:
    api, live = situation.api, situation.live
    after = await api.applied(suspects)
    taken = {key: item for key, item in after.items() if item is not None}
    taken = await cleared(api, taken, suspects)
    found = {
        key: [one for one in _differences(live[key], item) if _counts(live[key], one)] for key, item in taken.items()
    }
    # What the API server refuses to set right is compared as it is written.
    refused = (key for key in suspects if key not in taken)
    found |= {key: list(_differences(live[key], overlaid(_as_stored(suspects[key]), live[key]))) for key in refused}
    unowned = {key: suspects[key] for key, those in found.items() if any(not _owner(live[key], one) for one in those)}
    made = await api.created(unowned)
    for key, item in made.items():
        found[key] = [
            one for one in found[key] if _owner(live[key], one) or _at(item, one.path) != _at(live[key], one.path)
        ]
    return found


def _differences(live: Object, after: Object) -> Iterator[Difference]:
    return differences(*hidden(essence(live), essence(after)))


def _owner(live: Object, difference: Difference) -> Any:
    return owner_of(live, difference.path)


def _counts(live: Object, difference: Difference) -> bool:
    """Whether a difference is one: what a controller sets is its own, but for what a service runs."""
    owner = owner_of(live, difference.path)
    return owner is None or not is_controller(owner.manager) or difference.path[-1] == "image"


def _at(item: Object, path: Path) -> Any:
    try:
        return find(item, path)
    except (LookupError, ValueError):
        return ABSENT


def _scaled_to_nothing(key: Key, live: Object) -> Iterable[Difference]:
    """Yield that a workload has no pods, which an autoscaler may want, and nobody else."""
    if key.kind in _SCALED and _map(live, "spec").get("replicas") == 0:
        difference = Difference(_REPLICAS, 0, 1)
        if _counts(live, difference):
            yield difference


def _says_replicas(item: Object) -> bool:
    return _map(item, "spec").get("replicas") is not None


def _described(situation: Situation, key: Key, those: Iterable[Difference]) -> ObjectDiff:
    live, item = situation.live[key], situation.manifest[key]
    service = service_of(item)
    before, after = hidden(essence(live), essence(item))
    settings = situation.services.get(service)
    return ObjectDiff(key, service, before, after, tuple(change_of(live, item, each, settings) for each in those))


def _map(item: Object, key: str) -> dict[str, Any]:
    value = item.get(key)
    return value if isinstance(value, dict) else {}
