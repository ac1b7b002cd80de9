"""What a change of a release would do to the objects in the cluster: fields, conflicts with others, and hooks."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, cast

from sametag.chart.labels import service_of
from sametag.chart.manifest import parse
from sametag.chart.settings import DERIVED, setting_of
from sametag.drift.compare import Difference, differences, essence, hidden
from sametag.drift.owners import by_hand, is_autoscalers, out_of_hands, owner_of
from sametag.drift.traits import is_to_be_kept
from sametag.kube.objects import concrete, has, without
from sametag.values import path_text

if TYPE_CHECKING:
    from collections.abc import Awaitable, Container, Iterable, Mapping, Sequence

    from sametag.drift.dry_run import DryRun, Situation
    from sametag.drift.helm_apply import HelmApply
    from sametag.drift.owners import Owner
    from sametag.helm import Hook, Revision
    from sametag.kube.objects import Key, Object, Path

#: The events of Helm's hooks, by action.
EVENTS = {
    "install": ("pre-install", "post-install"),
    "upgrade": ("pre-upgrade", "post-upgrade"),
    "rollback": ("pre-rollback", "post-rollback"),
}

_NO_SERVICES: Mapping[str, Object] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Change:
    """One setting of an object.

    Attributes:
        setting: As users write it in a service: `env.DEBUG`, `resources.limits.memory`.
        old: The value in the cluster; ABSENT if there is none. A secret is hidden.
        new: The value after the change; ABSENT if it is removed.
        owner: Who set the old value; None if Helm did.
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
        service: Its service; empty if it belongs to none.
        before: The object in the cluster, its secrets hidden; None if it does not exist.
        after: The object after the change; None if it is deleted.
        changes: Empty if the object is created or deleted as a whole.
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


async def changes(situation: Situation, run: DryRun, *, take_over: bool) -> tuple[ObjectDiff, ...]:
    """Return what a change would do, without objects that stay as they are or are rejected.

    Args:
        situation: The release as it is.
        run: The dry run of the change.
        take_over: Whether what was added by hand, and is not in the revision, is removed too.
    """
    live = {**situation.live, **run.live}
    deleted = [
        _object_diff(key, live[key], None)
        for key, item in situation.manifest.items()
        if key not in run.targets and key in live and not is_to_be_kept(item)
    ]
    situation = replace(situation, live=live, services=run.services)
    return (*await _differing(situation, run.after, run.targets, take_over=take_over), *deleted)


async def conflicts(situation: Situation, run: DryRun) -> tuple[ObjectDiff, ...]:
    """Return the values of others that a change would replace.

    What the revision leaves to others is not a conflict, such as the replicas of a service that is scaled
    automatically; nor is what an autoscaler has set that the change removes.
    """
    touched = {key: item for key, item in run.after.items() if key in situation.touched}
    disputed = (
        replace(diff, changes=tuple(change for change in diff.changes if _disputed(diff.key, change, run.scaled)))
        for diff in await _differing(situation, touched, run.targets, take_over=False)
    )
    return tuple(diff for diff in disputed if diff.changes)


def _disputed(key: Key, change: Change, scaled: Container[tuple[str, str]]) -> bool:
    if change.setting == "replicas" and change.owner and is_autoscalers(change.owner.manager):
        return (key.kind, key.name) in scaled
    return change.owner is not None


async def _differing(
    situation: Situation, after: Mapping[Key, Object], targets: Mapping[Key, Object], *, take_over: bool
) -> tuple[ObjectDiff, ...]:
    if take_over:
        after = await without_additions(situation.api, after, targets)
    diffs = (_object_diff(key, situation.live.get(key), item, situation.services) for key, item in after.items())
    return tuple(diff for diff in diffs if diff.action != "change" or diff.changes)


def _object_diff(
    key: Key, live: Object | None, after: Object | None, services: Mapping[str, Object] = _NO_SERVICES
) -> ObjectDiff:
    old, new = essence(live or {}), essence(after or {})
    service = service_of(after or live or {})
    shown_old, shown_new = hidden(old, new)
    if live is None or after is None:
        return ObjectDiff(key, service, shown_old if live else None, shown_new if after else None)
    settings = services.get(service)
    changed = (change_of(live, new, difference, settings) for difference in differences(shown_old, shown_new))
    return ObjectDiff(key, service, shown_old, shown_new, tuple(changed))


def change_of(live: Object, after: Object, difference: Difference, service: Object | None) -> Change:
    """Return a difference by the name of its setting, with who made it.

    Args:
        live: The object in the cluster.
        after: The object after the change, or in the manifest; the path of the difference is in one of the two.
        difference: The difference.
        service: The settings of its service; None if they are not known.
    """
    setting, derived = _setting((after, live), difference.path, service), difference.path[-1] in DERIVED
    return Change(setting, difference.old, difference.new, owner_of(live, difference.path), derived)


def _setting(items: tuple[Object, Object], path: Path, service: Object | None) -> str:
    """Return a field as users write it in its service; for an object of no service it begins with the kind."""
    item, steps = items[0], cast("tuple[str | int, ...]", path)
    for item in items:
        with suppress(LookupError, TypeError, ValueError):
            steps = concrete(item, path)
            break
    return path_text((setting_of(item, steps, service) if service_of(item) else ()) or (item["kind"], *steps))


async def without_additions(
    api: HelmApply, items: Mapping[Key, Object], targets: Mapping[Key, Object]
) -> dict[Key, Object]:
    """Return the objects without what was added to them by hand, and with the API server's defaults instead.

    Args:
        api: The API server.
        items: The objects, by key.
        targets: The objects of a manifest: what is in them stays.
    """
    additions = {key: paths for key, item in items.items() if (paths := _additions(item, targets[key]))}
    return {**items, **{key: await _defaulted(api, without(items[key], paths)) for key, paths in additions.items()}}


async def _defaulted(api: HelmApply, item: Object) -> Object:
    def replaced(newest: Object) -> Awaitable[Object]:
        version = newest["metadata"]["resourceVersion"]
        return api.replace({**item, "metadata": {**item["metadata"], "resourceVersion": version}}, dry_run=True)

    return await api.retry(item, replaced)


def _additions(item: Object, target: Object) -> list[Path]:
    """Return what was set in an object by hand and is not in its manifest."""
    return [path for path in by_hand(item) if not has(target, path)]


async def take_over(situation: Situation, revision: Revision) -> None:
    """Make sure that Helm removes what was changed by hand when it brings the release to this revision.

    With server-side apply Helm becomes the owner of those fields, and its apply removes what it does not mention. With
    client-side apply Helm leaves what it never knew, so that is removed here, before it begins. Either way kubectl
    owns nothing afterwards: that would be a conflict of the next upgrade.

    Raises:
        ApiError: The API server rejects a request, or an object changes faster than it can be read.
    """
    targets = parse(revision.manifest, situation.namespace)
    for key, item in situation.touched.items():
        if key in targets:
            await situation.api.retry(item, partial(_take_over, situation.api, target=targets[key]))


async def _take_over(api: HelmApply, item: Object, target: Object) -> None:
    if api.server_side and (fields := out_of_hands(item, to_helm=True)) is not None:
        await api.set_owners(item, fields)
    elif (fields := out_of_hands(item, to_helm=False)) is not None:
        cleared = without(item, _additions(item, target))
        await api.replace({**cleared, "metadata": {**cleared["metadata"], "managedFields": fields}}, dry_run=False)


def hooks(revision: Revision, events: Iterable[str]) -> list[Hook]:
    """Return the hooks of a revision that Helm runs at these events, in no order."""
    events = tuple(events)
    return [replace(hook, events=at) for hook in revision.hooks if hook.runs and (at := hook.at(events))]


def crossed(history: Sequence[Revision], number: int) -> dict[str, list[Revision]]:
    """Return the hooks that succeeded in revisions after this number: going back to it does not undo what they did.

    A hook of a revision that failed later counts, since its migration ran. One that failed, or did not run, does not.
    """
    upgrade = (*EVENTS["install"], *EVENTS["upgrade"])
    revisions_of: dict[str, list[Revision]] = {}
    for revision in history:
        if revision.number <= number or revision.made_by_rollback:
            continue
        for hook in revision.hooks:
            if hook.runs and hook.succeeded and hook.at(upgrade) and revision.ran(hook):
                revisions_of.setdefault(str(hook), []).append(revision)
    return revisions_of
