"""What a deployment would do, and what stands in its way: all that is known before anything is changed."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lightkube import ApiError

from sametag import drift
from sametag.chart.manifest import parse
from sametag.deploy import objections
from sametag.deploy.events import Plan, Step
from sametag.deploy.foresight import foreseen, has_host_ports
from sametag.errors import ClusterError
from sametag.helm.duration import seconds
from sametag.kube.retry import patiently

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sametag.chart import Chart
    from sametag.deploy.helm_run import Deployment
    from sametag.helm import Revision

# How many fields a refusal names in its one line.
_NAMED = 3


@dataclass(frozen=True, slots=True)
class Preview:
    """A change that was tried on the API server.

    Attributes:
        action: `install`, `upgrade` or `rollback`.
        then: The revision that would be.
        situation: What is there.
        rehearsal: What the API server says.
    """

    action: str
    then: Revision
    situation: drift.Situation
    rehearsal: drift.Rehearsal


async def of_upgrade(deployment: Deployment, chart: Chart, values: dict[str, Any]) -> Preview:
    """Try what an install or an upgrade with these values would do.

    Raises:
        SametagError: Helm refuses, the user lacks a right, or the API server does not answer.
    """
    looking = asyncio.create_task(look(deployment))
    try:
        then = await deployment.rehearse(chart, values)
        return await _tried("install" if deployment.gone else "upgrade", then, await looking)
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)


async def of_rollback(deployment: Deployment, to: Revision) -> Preview:
    """Try what going back to a revision would do.

    Raises:
        SametagError: The user lacks a right, or the API server does not answer.
    """
    await deployment.refuse_missing(to.manifest)
    return await _tried("rollback", to, await look(deployment))


async def _tried(action: str, then: Revision, situation: drift.Situation) -> Preview:
    return Preview(action, then, situation, await drift.rehearse(situation, then, drift.EVENTS[action]))


async def plan(deployment: Deployment, preview: Preview) -> Plan:
    """Return what a change would do, for the reader."""
    take_over = deployment.request.options.take_over
    objects = await drift.changes(preview.situation, preview.rehearsal, take_over=take_over)
    hooks = tuple(drift.hooks(preview.then, drift.EVENTS[preview.action]))
    return Plan(deployment.name, _now(deployment), preview.then, objects, hooks)


def _now(deployment: Deployment) -> Revision | None:
    return deployment.history[-1] if deployment.history else None


async def look(deployment: Deployment) -> drift.Situation:
    """Read the objects of the newest revision."""
    return await drift.look(
        deployment.client, deployment.name, _now(deployment), server_side=deployment.applies_server_side
    )


async def preflight(deployment: Deployment, preview: Preview) -> None:
    """Say what is in doubt, and refuse what the API server refuses, and what would overwrite what others have changed.

    Helm would stop at either half-way, with two tags; Helm 3 would overwrite what others have changed, and say nothing.
    A rollback overwrites it; one out of a failed revision goes as far as it can.

    Raises:
        ClusterError: An object would be refused; or others changed fields that the change would change, and `take_over`
            is not set.
    """
    _warn_of_gitops(deployment, preview.situation)
    for doubt in objections.doubts(preview.rehearsal):
        _warn(deployment, doubt)
    await _warn_of_the_foreseen(deployment, preview)
    rehearsal = preview.rehearsal
    if preview.then.status == "rendered":  # the chart brings kinds along
        rehearsal = replace(rehearsal, refused={key: why for key, why in rehearsal.refused.items() if why.code})
    refused = objections.refusal_of(rehearsal, preview.situation.manifest)
    if refused and preview.action == "rollback" and not preview.situation.deployed:
        _warn(deployment, refused.message.removesuffix("; nothing was changed"))
    elif refused:
        raise refused
    options = deployment.request.options
    if not preview.situation.touched or preview.action == "rollback":
        return
    if options.take_over and not options.dry_run:
        await _take_over(deployment, preview.situation, preview.then)
    elif not options.take_over and (disputed := await drift.conflicts(preview.situation, preview.rehearsal)):
        raise _refusal(deployment.name, disputed)


async def _warn_of_the_foreseen(deployment: Deployment, preview: Preview) -> None:
    nodes = await preview.situation.api.every_readable("v1", "Node") if has_host_ports(preview.rehearsal) else []
    for line in foreseen(preview.rehearsal, seconds(deployment.request.options.timeout), nodes):
        _warn(deployment, line)
    for key in preview.rehearsal.targets:
        if key.kind == "Job" and key not in preview.rehearsal.live and preview.situation.manifest:
            deployment.request.report(Step(f"{key} will run: it is new, has changed, or is no longer there"))


def _refusal(release: str, disputed: Iterable[drift.ObjectDiff]) -> ClusterError:
    fields = [f"{one.key} {change.setting} ({change.owner})" for one in disputed for change in one.changes]
    more = f" and {len(fields) - _NAMED} more" if len(fields) > _NAMED else ""
    return ClusterError(
        f"others have changed what this upgrade would change: {', '.join(fields[:_NAMED])}{more}; nothing was changed",
        f"--take-over sets it to what the release says; sametag status {release} shows every difference",
    )


def before_rollback(deployment: Deployment, to: Revision) -> None:
    """Say what going back to a revision does not undo, and what it removes."""
    if not to.has_workloads:
        _warn(deployment, f"revision {to.number} does not run anything: every service will be deleted")
    say_crossed(deployment, to.number)


def say_crossed(deployment: Deployment, number: int) -> None:
    """Say which migrations going back to a revision does not undo."""
    for hook, ran in drift.crossed(deployment.history, number).items():
        told = " and ".join(map(_with_digest, ran))
        _warn(deployment, f"{hook} ran with {told}; going back does not undo what it did")


def _with_digest(revision: Revision) -> str:
    """Name a revision, with the digest that its pods were seen to run."""
    parts = (f"tag {revision.tag}" if revision.tag else "", revision.digest or revision.note.digest)
    return f"revision {revision.number} ({', '.join(part for part in parts if part)})"


async def clear_the_way(deployment: Deployment, to: Revision) -> None:
    """See to it that what was changed by hand goes with a rollback; one that cannot is still better than none."""
    try:
        situation = await patiently(lambda: look(deployment))
        await _take_over(deployment, situation, to)
        targets = parse(to.manifest, deployment.namespace)
        scaled = await drift.scaled_after(situation.api, situation.live, targets, situation.manifest)
        await drift.keep_replicas(situation.api, situation.live, targets, scaled)
    except (ApiError, ClusterError) as error:
        _warn(deployment, f"what was changed by hand may stay: {error}")


async def keep_replicas(preview: Preview) -> None:
    """Keep the pods of what an autoscaler scales from now on, or scaled until now: the last step before Helm's.

    Raises:
        ApiError: The API server refuses.
    """
    found = preview.rehearsal
    await drift.keep_replicas(preview.situation.api, found.live, found.targets, found.scaled)


async def _take_over(deployment: Deployment, situation: drift.Situation, then: Revision) -> None:
    await drift.take_over(situation, then)
    if situation.touched:
        await deployment.look_anew()


async def mend(deployment: Deployment, newest: Revision) -> None:
    """Set right what Helm's client-side apply has lost of a manifest that it calls applied."""
    situation = await patiently(
        lambda: drift.look(deployment.client, deployment.name, newest, server_side=deployment.applies_server_side)
    )
    for key in await drift.restore(situation):
        _warn(deployment, f"Helm has lost a part of {key}, which is set now")


async def prove(deployment: Deployment, newest: Revision) -> None:
    """Say in what the objects are not what the newest revision says, although Helm is done."""
    situation = await drift.look(deployment.client, deployment.name, newest, server_side=deployment.applies_server_side)
    for one in await drift.drift(situation):
        settings = ", ".join(change.setting for change in one.changes) or "it is missing"
        _warn(deployment, f"{one.key} is not what revision {newest.number} says: {settings}")


def _warn_of_gitops(deployment: Deployment, situation: drift.Situation) -> None:
    for owner in drift.gitops(situation.live.values()):
        _warn(deployment, f"{owner} deploys these objects too and will revert this: make the change there")


def _warn(deployment: Deployment, text: str) -> None:
    deployment.request.report(Step(f"warning: {text}"))
