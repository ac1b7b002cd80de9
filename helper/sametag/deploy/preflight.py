"""What is checked before anything changes: a change is rendered, and tried on the API server."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sametag import drift
from sametag import helm as helm_release
from sametag.chart import defaults_of, pinned
from sametag.deploy import fields, objections
from sametag.deploy.events import Plan
from sametag.deploy.foresight import foreseen, has_host_ports
from sametag.deploy.permissions import refuse_missing
from sametag.deploy.request import seconds
from sametag.errors import ClusterError, HelmError, UsageError, ValuesError
from sametag.helm import Revision
from sametag.helm.errors import MissingKindError
from sametag.rollout import Members, members, split
from sametag.text import listing

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sametag.chart import Chart
    from sametag.deploy.session import Session

# How many fields a refusal names.
_NAMED = 3

_OURS = ("services", "image")


@dataclass(frozen=True, slots=True)
class Preview:
    """A change that was tried on the API server.

    Attributes:
        action: `install`, `upgrade` or `rollback`.
        then: The revision that the change would make.
        expected: The workloads of that revision.
        situation: The objects that exist.
        rehearsal: The answers of the API server.
    """

    action: str
    then: Revision
    expected: Members
    situation: drift.Situation
    rehearsal: drift.DryRun


async def of_upgrade(session: Session, chart: Chart, user: dict[str, Any]) -> Preview:
    """Try what an install or an upgrade with these values would do.

    Raises:
        SametagError: Helm refuses, a permission is missing, or the API server does not answer.
    """
    reading = asyncio.create_task(fields.read_objects(session, session.newest))
    try:
        then, expected = await dry_run(session, chart, user)
        return await _tried("install" if session.gone else "upgrade", then, expected, await reading)
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


async def of_rollback(session: Session, to: Revision) -> Preview:
    """Try what going back to a revision would do.

    Raises:
        SametagError: A permission is missing, or the API server does not answer.
    """
    await _refuse_missing(session, to.manifest)
    situation = await fields.read_objects(session, session.newest)
    return await _tried("rollback", to, session.members_of(to), situation)


async def _tried(action: str, then: Revision, expected: Members, situation: drift.Situation) -> Preview:
    rehearsal = await drift.dry_run(situation, then, drift.EVENTS[action])
    return Preview(action, then, expected, situation, rehearsal)


async def dry_run(session: Session, chart: Chart, user: dict[str, Any]) -> tuple[Revision, Members]:
    """Return the revision that Helm would make of these values, and its workloads.

    Raises:
        ClusterError: A permission is missing; the message names all that are.
        UsageError: No service would run the requested tag.
        ValuesError: The values have no service.
        SametagError: Helm refuses.
    """
    release, namespace = session.release, session.namespace
    good = helm_release.last_good(session.history)
    try:
        then = await session.helm.dry_run(release, chart.path, user, namespace=namespace)
    except HelmError as error:
        if "forbidden" in error.message:
            await _refuse_missing(session, await session.helm.render(release, chart.path, user, namespace=namespace))
        if not (session.gone and isinstance(error, MissingKindError)):
            raise
        # The chart may bring the kind along: Helm creates CustomResourceDefinitions before the first install, but not
        # in a dry run.
        manifest = await session.helm.render(release, chart.path, user, namespace=namespace)
        then = _rendered(release, chart, user, manifest)
    except ValuesError as error:
        if "there is no service" in error.message:  # the chart's message
            refuse_empty(Members(release, {}), release, good)
        raise
    manifests = [then.manifest, *then.hook_manifests]
    expected = members(release, namespace, manifests, (user, defaults_of(chart).tree))
    refuse_untagged(expected, chart, user)
    refuse_empty(expected, release, good)
    await _refuse_missing(session, then.manifest)
    return then, expected


def _rendered(release: str, chart: Chart, user: dict[str, Any], manifest: str) -> Revision:
    """Return what Helm only rendered as the first revision that it would be."""
    return Revision(
        {
            "name": release,
            "version": 1,
            "info": {"status": "rendered"},
            "chart": {"metadata": {"name": chart.name, "version": chart.version}, "values": defaults_of(chart).tree},
            "config": user,
            "manifest": manifest,
        }
    )


async def _refuse_missing(session: Session, manifest: str) -> None:
    if warning := await refuse_missing(session.client, session.namespace, manifest):
        session.request.warn(warning)


def refuse_untagged(expected: Members, chart: Chart, user: dict[str, Any]) -> None:
    """Refuse a chart that makes no service of the values, and a tag that no service would run.

    Args:
        expected: The rendered workloads.
        chart: The chart.
        user: The user's values.

    Raises:
        UsageError: No service can follow the tag.
    """
    if _is_foreign(expected, user, defaults_of(chart).tree):
        raise UsageError(
            f"the chart {chart.name} renders no workload from `services` and `image`, so that nothing follows a tag",
            "--chart takes sametag's chart, or a chart that depends on it; use helm for all others",
        )
    image = pinned(user.get("image") or {})
    digest = f"@{image['digest']}" if image.get("digest") else ""
    _, asked, by_digest = split(f"x:{image['tag']}{digest}" if image.get("tag") else f"x{digest}")
    rendered = {(tag, digest) for _, tag, digest in map(split, expected.images)}
    if rendered and (asked or by_digest) and (asked, by_digest) not in rendered:
        tags = ", ".join(sorted({tag or digest for tag, digest in rendered}))
        raise UsageError(
            f"no service would run {asked or by_digest}: the chart {chart.name} sets {tags}",
            "set image.tag under the name of each dependency that has services",
        )


def refuse_foreign(session: Session, *revisions: Revision) -> None:
    """Refuse revisions that have no services because another chart made them all: Helm alone can deal with them.

    Args:
        session: The session.
        revisions: At least one; the message names the last.

    Raises:
        UsageError: None of them is of our chart.
    """
    revision = revisions[-1]
    if all(_is_foreign(session.members_of(other), *other.layers) for other in reversed(revisions)):
        raise UsageError(
            f"{revision} of {session.release} was not made by the sametag chart, but by {revision.chart}; "
            "nothing was changed",
            f"use helm for it, such as helm history {session.release} -n {session.namespace}",
        )


def _is_foreign(expected: Members, user: dict[str, Any], defaults: dict[str, Any]) -> bool:
    merged = {**defaults, **user}
    return not expected.images and not all(isinstance(merged.get(key), dict) for key in _OURS)


def refuse_empty(expected: Members, release: str, good: Revision | None) -> None:
    """Refuse values that have no service: Helm would delete every workload and report success.

    Args:
        expected: The rendered workloads.
        release: The name of the release.
        good: The last good revision; None before the first install.

    Raises:
        ValuesError: There is no service.
    """
    if any(member.service for member in expected.found.values()):
        return
    if good is None:
        raise ValuesError("the values do not have any service; nothing was changed", "add them under services:")
    raise ValuesError(
        "the values do not have any service: every running workload would be deleted; nothing was changed",
        "an upgrade without -f keeps the values of the release; "
        f"sametag rollback {release} --to-revision {good.number} brings back those of {good}",
    )


async def plan(session: Session, preview: Preview) -> Plan:
    """Return what a change would do, as an event."""
    objects = await drift.changes(preview.situation, preview.rehearsal, take_over=session.request.options.take_over)
    hooks = tuple(drift.hooks(preview.then, drift.EVENTS[preview.action]))
    return Plan(session.release, session.newest, preview.then, objects, hooks)


async def check(session: Session, preview: Preview) -> None:
    """Warn of doubts, and refuse what the API server refuses and what would overwrite the changes of others.

    Helm would stop at either half-way, with two tags; Helm 3 would silently overwrite the changes of others. A rollback
    overwrites them; one out of a failed revision goes as far as it can.

    Raises:
        ClusterError: The API server would refuse an object; or others have changed fields that the change sets, and
            `take_over` is not set.
    """
    request, situation = session.request, preview.situation
    for owner in drift.gitops(situation.live.values()):
        request.warn(f"{owner} deploys these objects too and will revert this: make the change there")
    for doubt in objections.doubts(preview.rehearsal):
        request.warn(doubt)
    await _warn_of_foreseen(session, preview)
    rehearsal = preview.rehearsal
    if preview.then.status == "rendered":  # the chart brings kinds along
        rehearsal = replace(rehearsal, refused={key: why for key, why in rehearsal.refused.items() if why.code})
    refused = objections.refusal_of(rehearsal, situation.manifest)
    if refused and preview.action == "rollback" and not situation.deployed:
        request.warn(refused.message.removesuffix("; nothing was changed"))
    elif refused:
        raise refused
    if not situation.touched or preview.action == "rollback":
        return
    if request.options.take_over and not request.options.dry_run:
        await fields.take_over(session, situation, preview.then)
    elif not request.options.take_over and (conflicts := await drift.conflicts(situation, preview.rehearsal)):
        raise _conflict(conflicts)


async def _warn_of_foreseen(session: Session, preview: Preview) -> None:
    situation, rehearsal = preview.situation, preview.rehearsal
    nodes = await situation.api.every_readable("v1", "Node") if has_host_ports(rehearsal) else []
    for warning in foreseen(rehearsal, seconds(session.request.options.timeout), nodes):
        session.request.warn(warning)
    for key in rehearsal.targets:
        if key.kind == "Job" and key not in rehearsal.live and situation.manifest:
            session.request.say(f"{key} will run: it is new, has changed, or no longer exists")


def _conflict(conflicts: Iterable[drift.ObjectDiff]) -> ClusterError:
    changes = [(diff.key, change) for diff in conflicts for change in diff.changes]
    names = [f"{key} {change.setting} ({change.owner})" for key, change in changes]
    scaled = any(change.setting == "replicas" for _, change in changes)
    return ClusterError(
        f"conflicts with changes made outside Helm: {listing(names, _NAMED)}; nothing was changed",
        "--take-over overwrites them"
        + ("; replicas: null under a service leaves its number of pods to an autoscaler" if scaled else ""),
    )


def warn_before_rollback(session: Session, to: Revision) -> None:
    """Warn of what going back to a revision does not undo, and of what it removes."""
    if not to.has_workloads:
        session.request.warn(f"revision {to.number} does not run anything: every service will be deleted")
    warn_of_crossed(session, to.number)


def warn_of_crossed(session: Session, number: int) -> None:
    """Warn of the migrations that going back to a revision does not undo."""
    for hook, ran in drift.crossed(session.history, number).items():
        session.request.warn(f"{hook} ran with {listing([*map(_with_digest, ran)])}; rolling back does not undo it")


def _with_digest(revision: Revision) -> str:
    """Name a revision with the digest that its pods were seen to run."""
    parts = (f"tag {revision.tag}" if revision.tag else "", revision.digest or revision.note.digest)
    return f"revision {revision.number} ({', '.join(part for part in parts if part)})"


async def keep_replicas(preview: Preview) -> None:
    """Keep the replicas of what an autoscaler scales from now on, or scaled until now: the last step before Helm.

    Raises:
        ApiError: The API server refuses.
    """
    rehearsal = preview.rehearsal
    await drift.keep_replicas(preview.situation.api, rehearsal.live, rehearsal.targets, rehearsal.scaled)
