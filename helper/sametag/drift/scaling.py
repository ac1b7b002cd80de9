"""Keep the number of pods when an autoscaler takes it over, and let Helm set it again when none does any more.

Server-side apply resets a field that its only owner no longer mentions: replicas to 1, until the autoscaler acts. So
Helm gives up the number before it applies a manifest without it. An autoscaler that owns the number is a conflict once
the manifest has one again. Source:
https://kubernetes.io/docs/reference/using-api/server-side-apply/#transferring-ownership
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from sametag.drift.owners import is_autoscalers, without_replicas
from sametag.kube.api import HELM

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping

    from sametag.drift.helm_apply import HelmApply
    from sametag.kube.objects import Key, Object

# The kinds that set the replicas of a workload -> their API group.
_SCALERS = {"HorizontalPodAutoscaler": "autoscaling", "ScaledObject": "keda.sh"}

_SCALED = ("Deployment", "StatefulSet")


async def scaled_after(
    api: HelmApply, live: Mapping[Key, Object], targets: Mapping[Key, Object], before: Mapping[Key, Object]
) -> set[tuple[str, str]]:
    """Return kind and name of each workload that an autoscaler will scale.

    Args:
        api: The API server; it is asked for autoscalers outside the release only if one could matter.
        live: The objects that exist.
        targets: The manifest that Helm is about to apply.
        before: The manifest that it applied last: an autoscaler that is only in this one will be gone.

    Raises:
        ApiError: The API server rejects a request.
    """
    scaled = scaled_by(targets.values())
    unclear = (
        key
        for key, item in live.items()
        if key.kind in _SCALED
        and key in targets
        and (key.kind, key.name) not in scaled
        and (not has_replicas(targets[key]) or any(is_autoscalers(entry["manager"]) for entry in _owners(item)))
    )
    if any(unclear):
        leaving = {key.name for key in before if key.kind in _SCALERS and key not in targets}
        autoscalers = await api.every_readable("autoscaling/v2", "HorizontalPodAutoscaler")
        scaled |= scaled_by(item for item in autoscalers if item["metadata"]["name"] not in leaving)
    return scaled


async def keep_replicas(
    api: HelmApply, live: Mapping[Key, Object], targets: Mapping[Key, Object], scaled: Container[tuple[str, str]]
) -> None:
    """Make sure that Helm keeps the replicas of every workload that is scaled automatically.

    Args:
        api: The API server.
        live: The objects that exist.
        targets: The manifest that Helm is about to apply.
        scaled: Kind and name of each workload that an autoscaler will scale.

    Raises:
        ApiError: The API server rejects a request, or an object changes faster than it can be read.
    """
    if not api.server_side:
        return
    for key, item in live.items():
        if key.kind in _SCALED and key in targets:
            automatic, rendered = (key.kind, key.name) in scaled, has_replicas(targets[key])
            await api.retry(item, partial(_give_up, api, automatic=automatic, rendered=rendered))


async def _give_up(api: HelmApply, item: Object, *, automatic: bool, rendered: bool) -> None:
    fields = given_up(item, automatic=automatic, rendered=rendered)
    if fields is not None:
        await api.set_owners(item, fields)


def has_replicas(item: Object) -> bool:
    """Whether an object of a manifest sets its number of replicas."""
    return "replicas" in (item.get("spec") or {})


def scaled_by(items: Iterable[Object]) -> set[tuple[str, str]]:
    """Return kind and name of each workload that an autoscaler among these objects names."""
    scaled = set()
    for item in items:
        if _SCALERS.get(str(item.get("kind"))) == str(item.get("apiVersion", "")).partition("/")[0]:
            reference = (item.get("spec") or {}).get("scaleTargetRef") or {}
            scaled.add((str(reference.get("kind") or "Deployment"), str(reference.get("name"))))
    return scaled


def _owners(item: Object) -> list[dict[str, Any]]:
    """Return the managedFields entries that own the number of replicas."""
    entries = item.get("metadata", {}).get("managedFields") or ()
    return [entry for entry in entries if "f:replicas" in ((entry.get("fieldsV1") or {}).get("f:spec") or {})]


def given_up(item: Object, *, automatic: bool, rendered: bool) -> list[dict[str, Any]] | None:
    """Return the managedFields without the owner of replicas that is in the way; None if none is.

    That is Helm if an autoscaler sets the number, and an autoscaler if the manifest does: what a person has scaled is a
    conflict, which is reported.
    """
    if not automatic and not rendered:
        return None

    def stands_in_the_way(entry: dict[str, Any]) -> bool:
        if automatic:
            return bool(entry["manager"] == HELM and entry["operation"] == "Apply")
        return is_autoscalers(entry["manager"]) and entry.get("subresource") == "scale"

    owners = [entry for entry in _owners(item) if stands_in_the_way(entry)]
    if not owners:
        return None
    entries = item["metadata"]["managedFields"]
    kept = [
        {**entry, "fieldsV1": without_replicas(entry["fieldsV1"])} if entry in owners else entry for entry in entries
    ]
    return [entry for entry in kept if entry["fieldsV1"]]
