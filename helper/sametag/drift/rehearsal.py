"""A server-side dry run of every object of a revision: what Helm would find half-way is found before."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sametag.chart.manifest import parse
from sametag.drift.changes import services_of
from sametag.drift.hooks import objects_of_hooks
from sametag.drift.pods import pod_of, template_of
from sametag.drift.scaling import has_replicas, scaled_after
from sametag.kube.api import Refusal

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping

    from sametag.drift.changes import Situation
    from sametag.helm import Revision
    from sametag.kube.objects import Key, Object


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What the API server says to every object of a revision.

    Attributes:
        targets: The objects of the revision's manifest.
        hooks: The objects that Helm would create as hooks.
        live: Those of both that are there.
        after: What the server would make of each that it takes.
        refused: Why it does not take the others.
        pods: Why it would not take the pods of a workload that it takes, by workload.
        scaled: Kind and name of each workload that an autoscaler will scale.
        services: The settings of each service in the revision.
    """

    targets: Mapping[Key, Object]
    hooks: Mapping[Key, Object]
    live: Mapping[Key, Object]
    after: Mapping[Key, Object]
    refused: Mapping[Key, Refusal]
    pods: Mapping[Key, Refusal]
    scaled: Container[tuple[str, str]] = ()
    services: Mapping[str, Object] = field(default_factory=dict)


async def rehearse(situation: Situation, then: Revision, events: Iterable[str]) -> Rehearsal:
    """Try on the API server what bringing a release to a revision would do; nothing is changed.

    Args:
        situation: What is there.
        then: The revision, stored or only rendered.
        events: At which Helm would run hooks.

    Raises:
        ApiError: The API server does not answer now.
    """
    api = situation.api
    targets = parse(then.manifest, situation.namespace)
    hooks = objects_of_hooks(then, events, situation.namespace)
    missing = await api.missing_kinds({**targets, **hooks})
    known = {key: item for key, item in targets.items() if key not in missing}
    live = {key: item for key, item in situation.live.items() if key in known}
    live |= await api.live({key: item for key, item in known.items() if key not in situation.manifest})
    answers = await api.dry_run(known, live, situation.manifest)
    answers |= await api.dry_run_new({key: item for key, item in hooks.items() if key not in missing})
    after = {key: answer for key, answer in answers.items() if not isinstance(answer, Refusal)}
    refused = {key: answer for key, answer in answers.items() if isinstance(answer, Refusal)}
    scaled = await scaled_after(api, live, targets, situation.manifest)
    if api.server_side:
        after = {key: _with_replicas_kept(key, item, live, targets, scaled) for key, item in after.items()}
    pods = await api.dry_run_new(_new_pods(after, live, hooks))
    return Rehearsal(
        targets,
        hooks,
        live,
        {key: item for key, item in after.items() if key in targets},
        {**missing, **refused},
        {key: answer for key, answer in pods.items() if isinstance(answer, Refusal)},
        scaled,
        services_of(then),
    )


def _with_replicas_kept(
    key: Key,
    after: Object,
    live: Mapping[Key, Object],
    targets: Mapping[Key, Object],
    scaled: Container[tuple[str, str]],
) -> Object:
    """Return what an object will be, since `keep_replicas` comes before Helm."""
    if key not in live or key not in targets or (key.kind, key.name) not in scaled or has_replicas(targets[key]):
        return after
    return {**after, "spec": {**after["spec"], "replicas": live[key]["spec"].get("replicas")}}


def _new_pods(
    after: Mapping[Key, Object], live: Mapping[Key, Object], hooks: Mapping[Key, Object]
) -> dict[Key, Object]:
    """Return a pod of each workload whose template comes or changes."""
    coming = {key.name for key in after if key.kind == "ServiceAccount"}
    changed = (
        key
        for key, item in after.items()
        if key in hooks or key not in live or template_of(live[key]) != template_of(item)
    )
    return {key: pod for key in changed if (pod := pod_of(after[key], coming))}
