"""Uninstall a release."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from sametag import helm as helm_release
from sametag.deploy.leftovers import leftovers_of
from sametag.deploy.permissions import refuse_to_uninstall
from sametag.deploy.repair import mark_failed
from sametag.deploy.session import begin
from sametag.errors import HelmError, InterruptedByUserError
from sametag.kube.retry import finish_despite_cancel, patiently

if TYPE_CHECKING:
    from sametag.deploy.request import Request
    from sametag.deploy.session import Session


async def uninstall(request: Request, *, keep_history: bool = False) -> None:
    """Remove a release and the objects of its hooks, wait until they are gone, and report what is kept.

    Raises:
        LockedError: Another client is changing it.
        ClusterError: A permission is missing; nothing was changed.
        HelmError: The release does not exist, or Helm refused.
        InterruptedByUserError: It was cancelled; the remedy says how to go on.
    """
    async with begin(request, rollout=False) as session:
        current = helm_release.current(session.history, request.release, session.namespace)
        await refuse_to_uninstall(session.client, session.namespace, current.manifest)
        try:
            await remove(session, keep_history=keep_history)
        except HelmError as error:
            await finish_despite_cancel(_end_stopped(session, f"failed: {error.message}"))
            raise
        except asyncio.CancelledError:
            if session.lock and session.lock.lost:
                raise
            await finish_despite_cancel(_end_stopped(session, "was interrupted"))
            raise _interrupted(session) from None
        leftovers = leftovers_of(session)
        await leftovers.remove_hooks()
        await leftovers.say_kept()


async def remove(session: Session, *, keep_history: bool) -> None:
    """Run `helm uninstall`, and wait until the objects are gone."""
    if session.lock and session.newest:
        await session.lock.tell("", session.newest.number)
    await session.helm.uninstall(
        session.release,
        namespace=session.namespace,
        timeout=session.request.options.timeout,
        keep_history=keep_history,
        wait=True,
    )
    if session.lock:
        session.lock.obsolete = not keep_history


async def _end_stopped(session: Session, how: str) -> None:
    """End an uninstall that stopped at a hook: nothing of it keeps running, and the next command can start."""
    session.history = await patiently(lambda: helm_release.revisions(session.client, session.release))
    if session.newest and session.newest.pending:
        session.history[-1] = await mark_failed(session.client, session.newest, helm_release.author(), how)
    await leftovers_of(session).end_failed()


def _interrupted(session: Session) -> InterruptedByUserError:
    newest, request = session.newest, session.request
    if newest is None:
        return InterruptedByUserError(f"interrupted: release {session.release} is removed")
    remedy = f"{request.command('uninstall')} removes what is left; {request.command('upgrade')} deploys it again"
    return InterruptedByUserError(f"interrupted: {newest} is {newest.status}", remedy)
