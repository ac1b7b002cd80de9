"""Install, upgrade and roll back a release, watched from the first change to the last ready pod.

Helm changes the objects and waits; beside it we watch the pods, so that what cannot heal is named within seconds, and
not when Helm's timeout has passed. A rollout that fails ends with every service back where it was.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sametag import chart as charts
from sametag import helm as helm_release
from sametag.deploy import preflight
from sametag.deploy.events import Event, Failure, Options, Outcome, Plan, Progress, Request, Start, Step, Troubled
from sametag.deploy.interruption import interruption
from sametag.deploy.session import begin, mark_failed
from sametag.deploy.status import Status, follow, status
from sametag.deploy.unlock import UNLOCK_WAIT, Unlocked, unlock
from sametag.deploy.watched import StuckError, Way
from sametag.errors import HelmError, RolloutError, SametagError, UsageError
from sametag.kube.connection import to_its_end
from sametag.kube.retry import patiently

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from sametag.chart import Chart
    from sametag.deploy.helm_run import Deployment
    from sametag.helm import Revision

__all__ = [
    "UNLOCK_WAIT",
    "Event",
    "Failure",
    "Options",
    "Outcome",
    "Plan",
    "Progress",
    "Request",
    "Start",
    "Status",
    "Step",
    "Troubled",
    "Unlocked",
    "follow",
    "install",
    "rollback",
    "status",
    "uninstall",
    "unlock",
    "upgrade",
]


async def install(request: Request, chart: Chart, values: dict[str, Any]) -> Outcome | None:
    """Install a release for the first time.

    Afterwards every pod of every service is ready on the release's image. When that cannot be, the release is removed
    again (unless `options.keep_failed`), so that the next install starts clean.

    Returns:
        What is true now; None after a dry run.

    Raises:
        UsageError: The release exists.
        RolloutError: A service did not become ready.
        SametagError: The cluster or Helm refused; nothing was changed.
    """
    async with begin(request) as deployment, interruption(deployment):
        if any(revision.was_deployed for revision in deployment.history) and not deployment.gone:
            raise UsageError(f"release {request.release} exists", "sametag upgrade changes it")
        return await _apply(deployment, chart, values, _remove_failed)


async def _apply(
    deployment: Deployment,
    chart: Chart,
    values: dict[str, Any],
    recover: Callable[[Deployment, StuckError, Revision | None], Awaitable[RolloutError]],
) -> Outcome | None:
    """Apply, and recover when that fails; `recover` is given what is good to go back to, if anything."""
    foreseen = await preflight.of_upgrade(deployment, chart, values)
    if deployment.request.options.dry_run:
        deployment.request.report(await preflight.plan(deployment, foreseen))
    await preflight.preflight(deployment, foreseen)
    if deployment.request.options.dry_run:
        return None
    await deployment.leftovers.end_failed()
    await _clear_failed(deployment)
    good = helm_release.last_good(deployment.history)
    await preflight.keep_replicas(foreseen)
    try:
        services = await deployment.apply(chart, values)
    except StuckError as stuck:
        deployment.request.report(Failure(stuck.evidence))
        raise await recover(deployment, stuck, good) from stuck
    return deployment.outcome(services)


async def _clear_failed(deployment: Deployment) -> None:
    """Go back first where the newest revision failed and was left in place, and Helm would not clear it away.

    Its client-side apply compares with the newest deployed revision: what a failed one has added since, a probe say,
    would stay in the objects for ever. A rollback compares with the failed one.
    """
    good = helm_release.last_good(deployment.history)
    if good is None or deployment.history[-1].status != "failed" or deployment.applies_server_side:
        return
    deployment.request.report(Step(f"an upgrade would keep what the failed one has added: going back to {good} first"))
    try:
        await deployment.roll_back(good)
    except StuckError as stuck:
        deployment.request.report(Failure(stuck.evidence))
        message = f"going back to {good} before the upgrade failed: {stuck.reason}"
        raise RolloutError(message, f"sametag status {deployment.name}") from stuck


async def _remove_failed(deployment: Deployment, stuck: StuckError, _: Revision | None) -> RolloutError:
    message = f"install of {deployment.name} failed: {stuck.reason}"
    if deployment.request.options.keep_failed:
        await deployment.leftovers.say_failed()
        return RolloutError(message, f"it was left for you to look at; sametag uninstall {deployment.name} removes it")
    deployment.request.report(Step(f"removing {deployment.name} again"))
    await deployment.leftovers.end_failed(stuck.evidence)
    kept = any(revision.status == "uninstalled" for revision in deployment.history)
    await deployment.remove(keep_history=kept)
    await deployment.leftovers.remove_hooks()
    deployment.request.report(Progress((), deployment.before, time.monotonic() - deployment.began))
    kept = await deployment.leftovers.say_kept()
    left = "what it kept is named above" if kept else "nothing of it is left in the cluster"
    return RolloutError(message, f"{left}; --keep-failed leaves it for you to look at")


async def upgrade(
    request: Request, chart: Chart, plan: Callable[[Revision | None], dict[str, Any]], *, install: bool = False
) -> Outcome | None:
    """Upgrade a release.

    Afterwards every pod of every service is ready on the release's image. When that cannot be, every service is back on
    the revision that was deployed before (unless `options.keep_failed`), and the error says why.

    Args:
        request: What to change, where and how.
        chart: The chart; its defaults are taken fresh.
        plan: Given the newest revision (None for a first install), returns the user's values of the next, all of them.
        install: Whether to install the release where there is none.

    Returns:
        What is true now; None after a dry run.

    Raises:
        RolloutError: A service did not become ready.
        SametagError: There is no such release, or the cluster or Helm refused; nothing was changed.
    """
    async with begin(request) as deployment, interruption(deployment):
        if install and deployment.gone:
            return await _apply(deployment, chart, plan(None), _remove_failed)
        otherwise = f"sametag upgrade {request.release} --install (-i) installs it; "
        now = helm_release.current(deployment.history, request.release, deployment.namespace, otherwise)
        if deployment.gone:
            raise HelmError(
                f"release {request.release} was uninstalled, and only its history is left",
                f"--install installs it again; sametag rollback {request.release} --to-revision N brings it back",
            )
        return await _apply(deployment, chart, plan(now), _go_back)


async def _go_back(deployment: Deployment, stuck: StuckError, to: Revision | None) -> RolloutError:
    name = deployment.name
    message = f"upgrade of {name} failed: {stuck.reason}"
    if to is None:
        await deployment.leftovers.end_failed(stuck.evidence)
        return RolloutError(message, "no revision of it was ever deployed, so there is nothing to go back to")
    if deployment.request.options.keep_failed:
        await deployment.leftovers.say_failed()
        return RolloutError(message, f"it was left for you to look at; sametag rollback {name} goes back to {to.tag}")
    await deployment.leftovers.end_failed(stuck.evidence)
    deployment.request.report(Step(f"rolling back to {to.tag} (revision {to.number})"))
    preflight.say_crossed(deployment, to.number)
    return await _back_on(deployment, message, to)


async def _back_on(deployment: Deployment, message: str, to: Revision) -> RolloutError:
    """Go back to a revision, and return the error that says why, and what became of it."""
    try:
        await deployment.roll_back(to)
    except StuckError as again:
        deployment.request.report(Failure(again.evidence))
        why = again.reason
    except RolloutError:
        raise
    except SametagError as refused:
        why = refused.message
    else:
        return RolloutError(message, f"every service is back on {to.tag or to.digest}")
    astray = await deployment.astray(to)
    left = f"; not back yet: {', '.join(astray)}" if astray else ""
    return RolloutError(
        f"{message}; going back to {to.tag or to.digest} failed too: {why}{left}",
        f"when that is mended: sametag rollback {deployment.name} -n {deployment.namespace} --to-revision {to.number}",
    )


async def _return(deployment: Deployment, stuck: StuckError, was: Revision | None, to: Revision) -> RolloutError:
    """Go back to where a rollback began; what was not good then is nothing to go back to."""
    name = deployment.name
    message = f"rollback of {name} to {to.tag or to.digest} failed: {stuck.reason}"
    if was is None:
        await deployment.leftovers.end_failed(stuck.evidence)
        return RolloutError(message, f"where it began had failed too; sametag history {name} shows what to go to")
    await deployment.leftovers.end_failed(stuck.evidence)
    deployment.request.report(Step(f"going back to where it was: {was.tag or was.digest} (revision {was.number})"))
    return await _back_on(deployment, message, was)


def _where_it_was(history: Sequence[Revision], to: Revision) -> Revision | None:
    """Return the good revision that a release is on, or was before what failed since; None where that is not newer."""
    good = helm_release.last_good(history)
    return good if good and good.number > to.number else None


async def rollback(request: Request, *, to_tag: str | None = None, to_revision: int | None = None) -> Outcome | None:
    """Bring every service of a release back; see `release.rollback_target` for which revision it goes to.

    Returns:
        What is true now; None after a dry run.

    Raises:
        UsageError: There is no such revision or tag.
        RolloutError: A service did not become ready.
        SametagError: There is no such release, or the cluster or Helm refused; nothing was changed.
    """
    # Going back has to work, whoever changed what.
    request = replace(request, options=replace(request.options, take_over=True))
    async with begin(request) as deployment, interruption(deployment) as stopped:
        helm_release.current(deployment.history, request.release, deployment.namespace)
        if to_tag is not None and helm_release.forgotten(deployment.history, to_tag):
            return await _redeploy(deployment, to_tag)
        to = helm_release.rollback_target(deployment.history, to_tag=to_tag, to_revision=to_revision)
        proof = "" if to.verified else f"; it is {to.status}, and was not verified"
        request.report(Step(f"rolling back to {to.tag} (revision {to.number}{proof})"))
        stopped.back = to
        preflight.before_rollback(deployment, to)
        foreseen = await preflight.of_rollback(deployment, to)
        if request.options.dry_run:
            request.report(await preflight.plan(deployment, foreseen))
        await preflight.preflight(deployment, foreseen)
        if request.options.dry_run:
            return None
        await deployment.leftovers.end_failed()
        was = _where_it_was(deployment.history, to)
        try:
            services = await deployment.roll_back(to, Way.BACK)
        except StuckError as stuck:
            request.report(Failure(stuck.evidence))
            raise await _return(deployment, stuck, was, to) from stuck
        outcome = deployment.outcome(services)
        await preflight.prove(deployment, outcome.revision)
        return outcome


async def _redeploy(deployment: Deployment, tag: str) -> Outcome | None:
    """Deploy a tag whose revisions Helm no longer has, with the chart and the values of what runs now."""
    now = helm_release.last_good(deployment.history) or deployment.history[-1]
    deployment.request.report(
        Step(f"Helm's history has no revision with tag {tag} any more: deploying {tag} with the values of {now}")
    )
    preflight.say_crossed(deployment, 0)  # whatever Helm still has is newer
    image = {key: value for key, value in (now.values.get("image") or {}).items() if key != "digest"}
    values = {**now.values, "image": {**image, "tag": tag}}
    deployment.goes_back = True
    with tempfile.TemporaryDirectory(prefix="sametag-") as folder:
        helm_release.write_chart(now, Path(folder))
        return await _apply(deployment, charts.load(folder), values, _go_back)


async def uninstall(request: Request, *, keep_history: bool = False) -> None:
    """Remove a release, the objects of its hooks too, and wait until they are gone; what is kept is said.

    Raises:
        LockedError: Another client is changing it.
        HelmError: There is no such release, or Helm refused.
    """
    async with begin(request, rollout=False) as deployment:
        helm_release.current(deployment.history, request.release, deployment.namespace)
        try:
            await deployment.remove(keep_history=keep_history)
        except (HelmError, asyncio.CancelledError):
            await to_its_end(_end_removal(deployment))
            raise
        await deployment.leftovers.remove_hooks()
        await deployment.leftovers.say_kept()


async def _end_removal(deployment: Deployment) -> None:
    """Let an uninstall that stopped at a hook end there: nothing of it goes on, and the next command may begin."""
    history = await patiently(lambda: helm_release.revisions(deployment.client, deployment.name))
    if not history:
        return
    if history[-1].pending:
        history[-1] = await mark_failed(deployment.client, history[-1], helm_release.author())
    deployment.history = history
    await deployment.leftovers.end_failed()
