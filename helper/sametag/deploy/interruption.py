"""A command that is told to end in the middle, by Ctrl-C say: nothing goes on, and the way back is said."""

from __future__ import annotations

import asyncio
import contextlib
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx2
from lightkube import ApiError

from sametag import helm as helm_release
from sametag.deploy.events import Progress
from sametag.deploy.helm_run import members_of
from sametag.deploy.hints import command, rollback_to
from sametag.errors import InterruptedByUserError
from sametag.kube.connection import to_its_end
from sametag.kube.retry import patiently
from sametag.rollout import snapshot

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sametag.deploy.helm_run import Deployment
    from sametag.helm import Revision


@dataclass(slots=True)
class Stopped:
    """Where an interrupted command leads: `back` is the revision to go to; None where that is the last good one."""

    back: Revision | None = None


@asynccontextmanager
async def interruption(deployment: Deployment) -> AsyncIterator[Stopped]:
    """End what an interrupted block has begun, and say what runs now.

    Raises:
        InterruptedByUserError: The block was cancelled; the remedy is the command that goes back.
    """
    stopped, before = Stopped(), {revision.number for revision in deployment.history}
    try:
        yield stopped
    except asyncio.CancelledError:
        if deployment.lock and deployment.lock.lost:
            raise
        told: list[InterruptedByUserError] = []

        async def end() -> None:
            told.append(await _end(deployment, stopped, before))

        await to_its_end(end())
        raise told[0] from None


async def _end(deployment: Deployment, stopped: Stopped, before: set[int]) -> InterruptedByUserError:
    history, request = deployment.history, deployment.request
    if not history or history[-1].number in before:
        return InterruptedByUserError("interrupted: nothing was changed")
    await deployment.leftovers.end_failed()
    members = members_of(history[-1], request.release, deployment.namespace)
    with contextlib.suppress(ApiError, httpx2.TransportError):  # then what was seen last is said
        found = await patiently(lambda: snapshot(deployment.client, members))
        states = tuple(state for state in found if not state.extra)
        request.report(Progress(states, deployment.before, time.monotonic() - deployment.began))
    good = stopped.back or helm_release.last_good(history)
    if good:
        remedy = f"{rollback_to(request, good)} brings every service to {good.tag or good}"
    else:
        remedy = f"{command(request, 'uninstall')} removes it"
    return InterruptedByUserError(f"interrupted: {history[-1]} is {history[-1].status}", remedy)
