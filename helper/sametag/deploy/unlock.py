"""Recover a release that a crashed client left pending."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from sametag import helm as helm_release
from sametag.deploy.leftovers import Leftovers
from sametag.deploy.repair import dead_maker, mark_failed
from sametag.deploy.request import seconds
from sametag.deploy.session import locked, members_of
from sametag.errors import LockedError
from sametag.kube.connection import connect
from sametag.kube.connection import now as servers_time
from sametag.rollout import snapshot

if TYPE_CHECKING:
    from sametag.deploy.request import Request
    from sametag.helm import Revision
    from sametag.rollout import ServiceState


#: `Options.lock_timeout` of an unlock: longer than a lock lives without being renewed.
UNLOCK_WAIT = "20s"


@dataclass(frozen=True, slots=True)
class Unlocked:
    """The result of an unlock.

    Attributes:
        was: The status of the newest revision before the unlock.
        revision: The newest revision; `failed` if it was pending.
        services: The services as they run now.
        good: The revision that a rollback would go to; None if none was ever deployed.
    """

    was: str
    revision: Revision
    services: tuple[ServiceState, ...]
    good: Revision | None


async def unlock(request: Request) -> Unlocked:
    """Mark a revision that a crashed client left pending as failed; services are not changed.

    Unfinished Jobs of a failed revision, such as those of hooks, are deleted.

    Raises:
        LockedError: Another client holds the lock and renews it; or nobody held the lock, and the revision is younger
            than `options.timeout`, so the Helm that made it may still be running.
        HelmError: There is no such release.
    """
    async with connect(request.target) as client, locked(client, request, from_the_dead=True) as lock:
        history = await helm_release.revisions(client, request.release)
        newest = helm_release.current(history, request.release, request.target.resolved_namespace)
        was = newest.status
        if newest.pending:
            dead = dead_maker(lock, newest)
            if dead is None:
                await _refuse_young(request, newest)
            newest = await mark_failed(client, newest, dead.who if dead else "")
            history = [*history[:-1], newest]
        await Leftovers(client, request, history).end_failed()
        now = members_of(newest, request.release, request.target.resolved_namespace)
        workloads = await snapshot(client, now)
        services = [state for state in workloads if not state.extra] or workloads
        return Unlocked(was, newest, tuple(services), helm_release.last_good(history))


async def _refuse_young(request: Request, newest: Revision) -> None:
    """Refuse to mark a revision whose Helm may still be running, judged by the API server's clock alone."""
    age = await servers_time(request.target) - (newest.written or newest.since)
    left = timedelta(seconds=seconds(request.options.timeout)) - age
    if left > timedelta(0):
        raise LockedError(
            f"{newest} has been {newest.status} for only {age.total_seconds():.0f} s: "
            "the Helm that made it may still be running",
            f"try again in {left.total_seconds():.0f} s, or set --timeout to the time that Helm may take",
        )
