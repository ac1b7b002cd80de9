"""Uninstall a release."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from sametag import helm as helm_release
from sametag.deploy.leftovers import leftovers_of
from sametag.deploy.permissions import refuse_to_uninstall
from sametag.deploy.repair import mark_failed
from sametag.deploy.session import begin
from sametag.errors import HelmError
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
    """
    async with begin(request, rollout=False) as session:
        current = helm_release.current(session.history, request.release, session.namespace)
        await refuse_to_uninstall(session.client, session.namespace, current.manifest)
        try:
            await remove(session, keep_history=keep_history)
        except (HelmError, asyncio.CancelledError):
            await finish_despite_cancel(_end_stopped(session))
            raise
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


async def _end_stopped(session: Session) -> None:
    """End an uninstall that stopped at a hook: nothing of it keeps running, and the next command can start."""
    history = await patiently(lambda: helm_release.revisions(session.client, session.release))
    if not history:
        return
    if history[-1].pending:
        history[-1] = await mark_failed(session.client, history[-1], helm_release.author())
    session.history = history
    await leftovers_of(session).end_failed()
