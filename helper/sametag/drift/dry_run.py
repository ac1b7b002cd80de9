"""A release's objects as they are, and as a change would leave them: Helm would find an obstacle only half-way."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sametag.chart.manifest import parse
from sametag.chart.settings import services_in
from sametag.drift.helm_apply import HelmApply
from sametag.drift.owners import touched
from sametag.drift.scaling import has_replicas, scaled_after
from sametag.kube.api import Refusal
from sametag.kube.objects import pod_of, template_of
from sametag.values.merge import coalesce

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping

    from sametag.helm import Revision
    from sametag.kube.connection import Client
    from sametag.kube.objects import Key, Object


@dataclass(frozen=True, slots=True)
class Situation:
    """A release's objects as they are, and the API server to ask about them.

    Attributes:
        api: The API server.
        namespace: The release's.
        deployed: Whether Helm has brought every object to the newest manifest.
        manifest: The objects of the newest manifest.
        live: Those of them that exist.
        services: The settings of each service in the newest revision.
    """

    api: HelmApply
    namespace: str
    deployed: bool
    manifest: Mapping[Key, Object]
    live: Mapping[Key, Object]
    services: Mapping[str, Object] = field(default_factory=dict)

    @property
    def touched(self) -> dict[Key, Object]:
        """The live objects that somebody other than Helm changed."""
        return {key: item for key, item in self.live.items() if touched(item)}


async def read_situation(client: Client, release: str, newest: Revision | None, *, server_side: bool) -> Situation:
    """Read the objects of the newest revision, with one list call for each kind.

    Args:
        client: Its namespace is the release's.
        release: The name of the release.
        newest: Its newest revision; None if there is none.
        server_side: As in `HelmApply`.

    Raises:
        ApiError: The API server rejects a request.
    """
    api = HelmApply(client, release, server_side=server_side)
    manifest = parse(newest.manifest, api.namespace) if newest else {}
    services = _services_of(newest) if newest else {}
    deployed = bool(newest and newest.was_deployed)
    return Situation(api, api.namespace, deployed, manifest, await api.live(manifest), services)


def _services_of(revision: Revision) -> dict[str, Object]:
    """Return the settings of each service of a revision, including the chart's defaults."""
    chart = revision.record.get("chart") or {}
    return services_in(coalesce(chart.get("values") or {}, revision.values))


@dataclass(frozen=True, slots=True)
class DryRun:
    """What the API server answers to every object of a revision.

    Attributes:
        targets: The objects of the revision's manifest.
        hooks: The objects that Helm would create as hooks.
        live: Those of both that exist.
        after: The state of each object that the server accepts, after the change.
        refused: Why it does not accept the others.
        pods: Why it would not accept the pods of a workload that it accepts, by workload.
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


async def dry_run(situation: Situation, revision: Revision, events: Iterable[str]) -> DryRun:
    """Ask the API server what bringing a release to a revision would do; nothing is changed.

    Args:
        situation: The release as it is.
        revision: The revision, stored or only rendered.
        events: The hook events of the change, such as `pre-upgrade`.

    Raises:
        ApiError: The API server does not answer now.
    """
    api = situation.api
    targets = parse(revision.manifest, situation.namespace)
    hooks = _objects_of_hooks(revision, events, situation.namespace)
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
        kept = {key: live[key] for key in targets if key in live and (key.kind, key.name) in scaled}
        after = {key: _with_replicas_of(kept.get(key), targets.get(key), item) for key, item in after.items()}
    pods = await api.dry_run_new(_new_pods(after, live, hooks))
    return DryRun(
        targets,
        hooks,
        live,
        {key: item for key, item in after.items() if key in targets},
        {**missing, **refused},
        {key: answer for key, answer in pods.items() if isinstance(answer, Refusal)},
        scaled,
        _services_of(revision),
    )


def _objects_of_hooks(revision: Revision, events: Iterable[str], namespace: str) -> dict[Key, Object]:
    """Return every object that Helm creates for these events: what runs, and what comes with it."""
    events = tuple(events)
    manifests = [parse(hook.manifest, namespace) for hook in revision.hooks if hook.at(events)]
    return {key: item for objects in manifests for key, item in objects.items()}


def _with_replicas_of(live: Object | None, target: Object | None, after: Object) -> Object:
    """Return an object with the live number of replicas, which `keep_replicas` keeps before Helm applies."""
    if live is None or target is None or has_replicas(target):
        return after
    return {**after, "spec": {**after["spec"], "replicas": live["spec"].get("replicas")}}


def _new_pods(
    after: Mapping[Key, Object], live: Mapping[Key, Object], hooks: Mapping[Key, Object]
) -> dict[Key, Object]:
    """Return a pod of each workload whose template is new or changes."""
    accounts = {key.name for key in after if key.kind == "ServiceAccount"}
    changed = (
        key
        for key, item in after.items()
        if key in hooks or key not in live or template_of(live[key]) != template_of(item)
    )
    return {key: pod for key in changed if (pod := pod_of(after[key], accounts))}
