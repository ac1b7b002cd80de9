"""What a change of a release would do to the objects in the cluster, and what others have done to them already."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, cast

from sametag.chart.labels import service_of
from sametag.chart.manifest import parse
from sametag.chart.settings import DERIVED, services_in, setting_of
from sametag.drift.compare import Difference, differences, essence, hidden
from sametag.drift.helm_apply import HelmApply
from sametag.drift.managed_fields import by_hand, is_autoscalers, out_of_hands, owner_of, touched
from sametag.kube.objects import concrete, find, without
from sametag.values import path_text
from sametag.values.merge import coalesce

if TYPE_CHECKING:
    from collections.abc import Awaitable, Container, Mapping

    from sametag.drift.managed_fields import Owner
    from sametag.drift.rehearsal import Rehearsal
    from sametag.helm import Revision
    from sametag.kube.connection import Client
    from sametag.kube.objects import Key, Object, Path

_NO_SERVICES: Mapping[str, Object] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Change:
    """One setting of an object.

    Attributes:
        setting: As users write it below a service: `env.DEBUG`, `resources.limits.memory`.
        old: What is in the cluster; ABSENT where nothing is. A secret is hidden.
        new: What would be; ABSENT where it goes.
        owner: Who gave it the old value, where that was not Helm.
        derived: Whether it follows from the tag or the chart's version, as some labels do.
    """

    setting: str
    old: Any
    new: Any
    owner: Owner | None = None
    derived: bool = False


@dataclass(frozen=True, slots=True)
class ObjectDiff:
    """What would become of one object.

    Attributes:
        key: What names it.
        service: Its service; empty for an object of none.
        before: What is in the cluster, its secrets hidden; None where it is not there.
        after: What would be; None where it goes.
        changes: Empty where the object comes or goes as a whole.
    """

    key: Key
    service: str
    before: Object | None
    after: Object | None
    changes: tuple[Change, ...] = ()

    @property
    def action(self) -> Literal["create", "change", "delete"]:
        """What happens to it."""
        if self.before is None:
            return "create"
        return "delete" if self.after is None else "change"


@dataclass(frozen=True, slots=True)
class Situation:
    """A release's objects as they are: those of its newest manifest, and the API server to try things on.

    Attributes:
        deployed: Whether Helm has brought every object to that manifest.
        services: The settings of each service in that revision.
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


async def look(client: Client, release: str, now: Revision | None, *, server_side: bool) -> Situation:
    """Read the objects of the newest revision: one list call a kind."""
    api, namespace = HelmApply(client, release, server_side=server_side), str(client.namespace)
    manifest = parse(now.manifest, namespace) if now else {}
    deployed, services = bool(now and now.was_deployed), services_of(now) if now else {}
    return Situation(api, namespace, deployed, manifest, await api.live(manifest), services)


def services_of(revision: Revision) -> dict[str, Object]:
    """Return what each service of a revision has, the chart's defaults included."""
    chart = revision.record.get("chart") or {}
    return services_in(coalesce(chart.get("values") or {}, revision.values))


async def changes(situation: Situation, rehearsal: Rehearsal, *, take_over: bool) -> tuple[ObjectDiff, ...]:
    """Return what a rehearsed change would do, objects without any difference and those that are refused left out.

    Args:
        situation: What is there.
        rehearsal: Of the revision.
        take_over: Whether what was changed by hand, and the revision knows nothing of, goes too.
    """
    live = {**situation.live, **rehearsal.live}
    gone = [
        _object_diff(key, live[key], None)
        for key, item in situation.manifest.items()
        if key not in rehearsal.targets and key in live and not _kept(item)
    ]
    situation = replace(situation, live=live, services=rehearsal.services)
    return (*await _differing(situation, rehearsal.after, rehearsal.targets, take_over=take_over), *gone)


async def conflicts(situation: Situation, rehearsal: Rehearsal) -> tuple[ObjectDiff, ...]:
    """Return what others gave a value that a rehearsed change would change.

    What the revision leaves to others is no conflict, such as the replicas of a service that is scaled automatically;
    nor is what an autoscaler has set that is gone then.
    """
    touched = {key: item for key, item in rehearsal.after.items() if key in situation.touched}
    found = await _differing(situation, touched, rehearsal.targets, take_over=False)
    disputed = (
        replace(one, changes=tuple(change for change in one.changes if _disputed(one.key, change, rehearsal.scaled)))
        for one in found
    )
    return tuple(one for one in disputed if one.changes)


def _disputed(key: Key, change: Change, scaled: Container[tuple[str, str]]) -> bool:
    if change.setting == "replicas" and change.owner and is_autoscalers(change.owner.manager):
        return (key.kind, key.name) in scaled
    return change.owner is not None


async def _differing(
    situation: Situation, after: Mapping[Key, Object], targets: Mapping[Key, Object], *, take_over: bool
) -> tuple[ObjectDiff, ...]:
    if take_over:
        after = await cleared(situation.api, after, targets)
    found = (_object_diff(key, situation.live.get(key), item, situation.services) for key, item in after.items())
    return tuple(one for one in found if one.action != "change" or one.changes)


def _kept(item: Object) -> bool:
    """Whether Helm leaves the object when the release no longer has it."""
    return ((item["metadata"].get("annotations") or {}).get("helm.sh/resource-policy")) == "keep"


def _object_diff(
    key: Key, live: Object | None, after: Object | None, services: Mapping[str, Object] = _NO_SERVICES
) -> ObjectDiff:
    old, new = essence(live or {}), essence(after or {})
    service = service_of(after or live or {})
    shown_old, shown_new = hidden(old, new)
    if live is None or after is None:
        return ObjectDiff(key, service, shown_old if live else None, shown_new if after else None)
    settings = services.get(service)
    found = tuple(change_of(live, new, each, settings) for each in differences(shown_old, shown_new))
    return ObjectDiff(key, service, shown_old, shown_new, found)


def change_of(live: Object, after: Object, difference: Difference, service: Object | None) -> Change:
    """Return a difference in the words of the values, with who has made it.

    Args:
        live: The object in the cluster.
        after: What it would be, or what the manifest says; what differs is in one of the two.
        difference: What differs.
        service: The settings of its service; None where they are not known.
    """
    setting, derived = _setting((after, live), difference.path, service), difference.path[-1] in DERIVED
    return Change(setting, difference.old, difference.new, owner_of(live, difference.path), derived)


def _setting(items: tuple[Object, Object], path: Path, service: Object | None) -> str:
    """Return a field as users write it below its service; that of any other object begins with its kind."""
    item, steps = items[0], cast("tuple[str | int, ...]", path)
    for item in items:
        with suppress(LookupError, TypeError, ValueError):
            steps = concrete(item, path)
            break
    return path_text((setting_of(item, steps, service) if service_of(item) else ()) or (item["kind"], *steps))


async def cleared(api: HelmApply, items: Mapping[Key, Object], targets: Mapping[Key, Object]) -> dict[Key, Object]:
    """Return the objects without what was put into them by hand, with the server's defaults in its place."""
    left = {key: found for key, item in items.items() if (found := _leftovers(item, targets[key]))}
    return {**items, **{key: await _defaulted(api, without(items[key], paths)) for key, paths in left.items()}}


async def _defaulted(api: HelmApply, item: Object) -> Object:
    """Return what the API server would make of an object."""

    def rehearse(now: Object) -> Awaitable[Object]:
        version = now["metadata"]["resourceVersion"]
        return api.replace({**item, "metadata": {**item["metadata"], "resourceVersion": version}}, dry_run=True)

    return await api.retry(item, rehearse)


def _leftovers(item: Object, target: Object) -> list[Path]:
    """Return what was put into an object by hand, and its manifest knows nothing of."""
    return [path for path in by_hand(item) if not _has(target, path)]


def _has(item: Object, path: Path) -> bool:
    try:
        find(item, path)
    except LookupError:
        return False
    return True


async def take_over(situation: Situation, then: Revision) -> None:
    """Make sure that what was changed by hand goes when Helm brings the release to this revision.

    With server-side apply Helm becomes the owner of those fields, and its apply removes what it does not mention. With
    client-side apply Helm leaves what it never knew, so that is taken out here, before it begins. Either way kubectl
    owns nothing afterwards: it would be the next upgrade's conflict.

    Raises:
        ApiError: The API server refuses, or the object changes faster than it can be read.
    """
    targets = parse(then.manifest, situation.namespace)
    for key, item in situation.touched.items():
        if key in targets:
            take_over_one = partial(_take_over, situation.api, target=targets[key])
            await situation.api.retry(item, take_over_one)


async def _take_over(api: HelmApply, item: Object, target: Object) -> None:
    if api.server_side and (fields := out_of_hands(item, to_helm=True)) is not None:
        await api.set_owners(item, fields)
    elif (fields := out_of_hands(item, to_helm=False)) is not None:
        cleared = without(item, _leftovers(item, target))
        await api.replace({**cleared, "metadata": {**cleared["metadata"], "managedFields": fields}}, dry_run=False)
