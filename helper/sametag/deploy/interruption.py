"""A command that is interrupted, for example by Ctrl-C: nothing keeps running, and the way back is reported."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx2
from lightkube import ApiError

from sametag import helm as helm_release
from sametag.deploy.events import Progress
from sametag.deploy.leftovers import leftovers_of
from sametag.errors import InterruptedByUserError
from sametag.kube.retry import finish_despite_cancel, patiently
from sametag.rollout import snapshot

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sametag.deploy.session import Session
    from sametag.helm import Revision


@dataclass(slots=True)
class Stopped:
    """The way back from an interrupted command: `back` is the revision to go to; None for the last good one."""

    back: Revision | None = None


@asynccontextmanager
async def interruption(session: Session) -> AsyncIterator[Stopped]:
    """If the block is interrupted, end what it has started, and report what runs now.

    Raises:
        InterruptedByUserError: The block was cancelled; the remedy is the command that goes back.
    """
    stopped, before = Stopped(), {revision.number for revision in session.history}
    try:
        yield stopped
    except asyncio.CancelledError:
        if session.lock and session.lock.lost:
            raise
        told: list[InterruptedByUserError] = []

        async def end() -> None:
            told.append(await _end(session, stopped, before))

        await finish_despite_cancel(end())
        raise told[0] from None


async def _end(session: Session, stopped: Stopped, before: set[int]) -> InterruptedByUserError:
    history, request = session.history, session.request
    if not history or history[-1].number in before:
        return InterruptedByUserError("interrupted: nothing was changed")
    await leftovers_of(session).end_failed()
    members = session.members_of(history[-1])
    with contextlib.suppress(ApiError, httpx2.TransportError):  # then the last states that were seen are reported
        current = await patiently(lambda: snapshot(session.client, members))
        states = tuple(state for state in current if not state.extra)
        request.report(Progress(states, session.before, session.seconds))
    good = stopped.back or helm_release.last_good(history)
    if good:
        remedy = f"{request.rollback_command(good)} brings every service to {good.tag or good}"
    else:
        remedy = f"{request.command('uninstall')} removes it"
    return InterruptedByUserError(f"interrupted: {history[-1]} is {history[-1].status}", remedy)
