"""What a deployment would do, and what stands in its way: all that is known before anything is changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lightkube import ApiError

from sametag import diff
from sametag.cluster import patiently
from sametag.deploy.events import Plan, Step
from sametag.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sametag.chart import Chart
    from sametag.deploy.run import Deployment
    from sametag.release import Revision

# How many fields a refusal names in its one line.
_NAMED = 3


async def plan_upgrade(deployment: Deployment, chart: Chart, values: dict[str, Any]) -> Plan:
    """Return what an install or an upgrade with these values would do, tried on the API server.

    Raises:
        SametagError: Helm or the API server refuses.
    """
    then = await deployment.rehearse(chart, values)
    action = "upgrade" if deployment.history else "install"
    return await _plan(deployment, then, action)


async def plan_rollback(deployment: Deployment, to: Revision) -> Plan:
    """Return what going back to a revision would do, tried on the API server.

    Raises:
        SametagError: The API server refuses.
    """
    return await _plan(deployment, to, "rollback")


async def _plan(deployment: Deployment, then: Revision, action: str) -> Plan:
    situation = await look(deployment)
    objects = await diff.changes(situation, then, take_over=deployment.request.options.take_over)
    return Plan(deployment.name, _now(deployment), then, objects, tuple(diff.hooks(then, diff.EVENTS[action])))


def _now(deployment: Deployment) -> Revision | None:
    return deployment.history[-1] if deployment.history else None


async def look(deployment: Deployment) -> diff.Situation:
    """Read the objects of the newest revision."""
    return await diff.look(
        deployment.client, deployment.name, _now(deployment), server_side=deployment.applies_server_side
    )


async def preflight(deployment: Deployment, chart: Chart, values: dict[str, Any]) -> None:
    """Say who will revert an upgrade, and refuse it where it would overwrite what others have changed.

    Helm 4 would stop at such a field half-way, with two tags; Helm 3 would overwrite it and say nothing.

    Raises:
        ClusterError: Others changed fields that the upgrade would change, and `take_over` is not set.
    """
    if not deployment.history:
        return
    situation = await look(deployment)
    _warn_of_gitops(deployment, situation)
    options = deployment.request.options
    if not situation.touched:
        return
    then = await deployment.rehearse(chart, values)
    if options.take_over and not options.dry_run:
        await _take_over(deployment, situation, then)
    elif not options.take_over and (disputed := await diff.conflicts(situation, then)):
        raise _refusal(deployment.name, disputed)


def _refusal(release: str, disputed: Iterable[diff.ObjectDiff]) -> ClusterError:
    fields = [f"{one.key} {change.setting} ({change.owner})" for one in disputed for change in one.changes]
    more = f" and {len(fields) - _NAMED} more" if len(fields) > _NAMED else ""
    return ClusterError(
        f"others have changed what this upgrade would change: {', '.join(fields[:_NAMED])}{more}; nothing was changed",
        f"--take-over sets it to what the release says; sametag status {release} shows every difference",
    )


async def before_rollback(deployment: Deployment, to: Revision) -> None:
    """Say what going back to a revision does not undo, and who will revert it."""
    say_crossed(deployment, to)
    _warn_of_gitops(deployment, await look(deployment))


def say_crossed(deployment: Deployment, to: Revision) -> None:
    """Say which migrations going back does not undo."""
    for hook, ran in diff.crossed(deployment.history, to).items():
        told = " and ".join(map(_with_digest, ran))
        _warn(deployment, f"{hook} ran with {told}; going back does not undo what it did")


def _with_digest(revision: Revision) -> str:
    """Name a revision, with the digest that its pods were seen to run."""
    parts = (f"tag {revision.tag}" if revision.tag else "", revision.digest or revision.note.digest)
    return f"revision {revision.number} ({', '.join(part for part in parts if part)})"


async def clear_the_way(deployment: Deployment, to: Revision) -> None:
    """See to it that what was changed by hand goes with a rollback; one that cannot is still better than none."""
    try:
        await _take_over(deployment, await patiently(lambda: look(deployment)), to)
    except (ApiError, ClusterError) as error:
        _warn(deployment, f"what was changed by hand may stay: {error}")


async def _take_over(deployment: Deployment, situation: diff.Situation, then: Revision) -> None:
    await diff.take_over(situation, then)
    if situation.touched:
        await deployment.look_anew()


async def mend(deployment: Deployment, newest: Revision) -> None:
    """Set right what Helm's client-side apply has lost of a manifest that it calls applied."""
    situation = await patiently(
        lambda: diff.look(deployment.client, deployment.name, newest, server_side=deployment.applies_server_side)
    )
    for key in await diff.restore(situation):
        _warn(deployment, f"Helm has lost a part of {key}, which is set now")


async def prove(deployment: Deployment, newest: Revision) -> None:
    """Say in what the objects are not what the newest revision says, although Helm is done."""
    situation = await diff.look(deployment.client, deployment.name, newest, server_side=deployment.applies_server_side)
    for one in await diff.drift(situation):
        settings = ", ".join(change.setting for change in one.changes) or "it is missing"
        _warn(deployment, f"{one.key} is not what revision {newest.number} says: {settings}")


def _warn_of_gitops(deployment: Deployment, situation: diff.Situation) -> None:
    for owner in diff.gitops(situation.live.values()):
        _warn(deployment, f"{owner} deploys these objects too and will revert this: make the change there")


def _warn(deployment: Deployment, text: str) -> None:
    deployment.request.report(Step(f"warning: {text}"))
