"""Bring the history of a release in order: damaged records, abandoned revisions, and a newest one not yet verified."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from lightkube import ApiError

from sametag import helm as helm_release
from sametag.errors import ClusterError, LockedError
from sametag.helm import Note, author, note
from sametag.rollout import digests_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sametag.deploy.lock import Holder, Lock
    from sametag.deploy.monitor import Watch
    from sametag.deploy.request import Request
    from sametag.helm import Records, Revision
    from sametag.helm.command import HelmCommand
    from sametag.kube.connection import Client


async def move_damaged(client: Client, request: Request, helm: HelmCommand, records: Records, *, makes: bool) -> None:
    """Warn of records that cannot be read, and rename one whose name Helm needs for the next revision.

    Raises:
        ClusterError: Helm can read it.
    """
    newest = records.revisions[-1].number if records.revisions else 0
    for record in records.damaged:
        request.warn(str(record))
        if not (makes and record.blocks and (record.number or 0) > newest):
            continue
        if await helm.newest(request.release, request.target.resolved_namespace) > newest:
            raise ClusterError(f"{record}, but Helm can read it", "use a sametag that is as new as this Helm")
        if not request.options.dry_run:
            aside = await helm_release.set_aside(client, record)
            request.say(f"renamed {record.name} to {aside}: Helm needs the name for the next revision")


async def fail_abandoned(
    client: Client, request: Request, lock: Lock | None, history: list[Revision]
) -> list[Revision]:
    """Mark a pending revision as failed if its client is certainly dead.

    Raises:
        LockedError: The newest revision is pending, and its client may still be at work.
    """
    if not (history and history[-1].pending):
        return history
    newest = history[-1]
    dead = dead_maker(lock, newest)
    if dead is None:
        raise LockedError(
            f"release {request.release} is in progress: {newest} has been {newest.status} since "
            f"{newest.since.astimezone():%Y-%m-%d %H:%M:%S}",
            f"wait for that client to finish; if it died: sametag unlock {request.release}",
        )
    request.say(f"marked {newest} as failed: the client of {dead.who} died while it was {newest.status}")
    return [*history[:-1], await mark_failed(client, newest, dead.who)]


def dead_maker(lock: Lock | None, pending: Revision) -> Holder | None:
    """Return who made a pending revision, if they are certainly dead.

    They held this lock when they made it, and it had expired when it was taken over; their Helm ended with them.
    """
    dead = lock and lock.dead
    return dead if dead and dead.made(pending) else None


async def mark_failed(client: Client, revision: Revision, who: str, how: str = "") -> Revision:
    """Mark a pending revision as failed, as Helm does when it is interrupted; no workload is changed.

    Args:
        client: The client of the cluster.
        revision: The pending revision.
        who: Who made it, or was removing it.
        how: How that ended, such as `was interrupted`; by default its client died.

    Raises:
        LockedError: Its client is alive: it wrote the revision in the meantime.
    """
    words = f"{note.LEFT}{revision.status} {how or f'by a client that died; {author()} marked it as failed'}"
    described = Note(words, datetime.now(UTC), tag=revision.tag, who=who)
    return await helm_release.describe(client, revision, note.text(described), status="failed")


async def verify_newest(client: Client, history: Sequence[Revision], watch: Watch) -> list[Revision]:
    """Verify the newest revision if nobody has: plain Helm made it, or its client died too early.

    It is what a failed upgrade goes back to.
    """
    if not history or history[-1].status != "deployed" or history[-1].verified:
        return list(history)
    newest = history[-1]
    try:
        await watch.begin()
    except ApiError:
        return list(history)  # the permissions are checked next, with a better message
    states = [state for state in watch.latest if state.steady]
    digests = set[str]().union(*digests_of(states).values())
    if len(digests) != 1 or "" in digests or not all(state.complete and state.on_tag for state in states):
        return list(history)
    verified = newest.note._replace(
        verified=True, when=newest.note.when or datetime.now(UTC), tag=newest.tag, digest=digests.pop()
    )
    return [*history[:-1], await helm_release.describe(client, newest, note.text(verified))]
