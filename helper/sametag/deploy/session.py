"""Begin to change a release: alone, and past what a dead client left."""

from __future__ import annotations

import contextlib
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING

import httpx2
from lightkube import ApiError
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Namespace

from sametag import helm as helm_release
from sametag.deploy.events import Step
from sametag.deploy.helm_run import Deployment, members_of
from sametag.deploy.watched import Watch
from sametag.errors import ClusterError, LockedError, UsageError
from sametag.helm import Note, Revision, author, note
from sametag.helm.command import HelmCommand
from sametag.helm.duration import seconds
from sametag.helm.leash import leash
from sametag.helm.lock import Holder, Lock, hold
from sametag.kube.connection import connect, to_its_end
from sametag.rollout import digests_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from sametag.deploy.events import Request
    from sametag.helm import Records
    from sametag.kube.connection import Client


@asynccontextmanager
async def begin(request: Request, *, rollout: bool = True) -> AsyncIterator[Deployment]:
    """Connect, take the release's lock, and read all that can be known before anything is changed.

    Args:
        request: What is to be done.
        rollout: Whether the services are to be watched.

    Raises:
        LockedError: Another client changes the release, or died while it did and it is not certain that it did.
        SametagError: No helm, no cluster, or no rights.
    """
    began = time.monotonic()
    if len(request.options.description) > note.REASON_LIMIT:
        raise UsageError(f"the description is longer than {note.REASON_LIMIT} characters")
    helm = HelmCommand(request.target, warn=lambda text: request.report(Step(f"warning: {text}")))
    async with helm.telling_its_version(), connect(request.target) as client, locked(client, request, helm) as lock:
        if rollout:
            await _refuse_ending(client, request.target.resolved_namespace)
        found = await helm_release.records(client, request.release)
        await _past_the_damaged(client, request, helm, found, makes=rollout)
        history = found.revisions
        # Begun while all else is asked: it takes as long as that.
        now = members_of(history[-1] if history else None, request.release, request.target.resolved_namespace)
        watch = Watch(client, now) if rollout and not request.options.dry_run else None
        try:
            if lock:
                lock.obsolete = not history
            history = await _past_the_dead(client, request, lock, history)
            if watch:
                history = await _verified_now(client, history, watch)
            server_side = await helm.applies_server_side()
            namespace = request.target.resolved_namespace
            yield Deployment(request, namespace, client, helm, history, began, lock, server_side, watch)
        finally:
            if watch:
                await watch.end()


@asynccontextmanager
async def locked(
    client: Client, request: Request, helm: HelmCommand | None = None, *, from_the_dead: bool = False
) -> AsyncIterator[Lock | None]:
    """Hold the release's lock while the block runs; a dry run, and a user who may not use Leases, do without.

    Args:
        client: Of the cluster.
        request: What is to be done, and how long a lock is waited for.
        helm: Is at work only while the lock is held, and while we are.
        from_the_dead: Whether not to wait for a holder that is seen to live.

    Raises:
        LockedError: Another holds it for longer than `lock_timeout`, or took it over.
        ClusterError: It is gone, and cannot be taken again.
    """
    if request.options.dry_run:
        yield None
        return
    lock = Lock(client, request.release, author())
    try:
        if await _acquired(lock, client, request, from_the_dead=from_the_dead):
            with leash() as watchdog:
                if helm:
                    helm.lock, helm.leash = lock, watchdog
                async with hold(lock, watchdog):
                    yield lock
        else:
            yield None
    finally:
        await to_its_end(_give_back(lock))


async def _give_back(lock: Lock) -> None:
    # What cannot be given back runs out.
    with contextlib.suppress(ApiError, httpx2.TransportError, ClusterError):
        await lock.end()


async def _acquired(lock: Lock, client: Client, request: Request, *, from_the_dead: bool) -> bool:
    wait = seconds(request.options.lock_timeout)
    try:
        await lock.acquire(wait, lambda text: request.report(Step(text)), from_the_dead=from_the_dead)
    except ApiError as error:
        if error.status.code == HTTPStatus.NOT_FOUND and request.options.create_namespace:
            await _create_namespace(client, request.target.resolved_namespace)
            return await _acquired(lock, client, request, from_the_dead=from_the_dead)
        if error.status.code == HTTPStatus.NOT_FOUND:
            raise ClusterError(
                f"the cluster refused: {error.status.message}",
                "create the namespace, or install with --create-namespace",
            ) from error
        if error.status.code != HTTPStatus.FORBIDDEN:
            raise
        if "because it is being terminated" in (error.status.message or ""):
            return False  # nothing can come into the namespace any more, and what goes is not in the way
        request.report(Step(f"warning: no lock against other deployers, only Helm's own guard: {error.status.message}"))
        return False
    return True


async def _refuse_ending(client: Client, name: str) -> None:
    """Refuse a namespace that is being deleted: its revisions may be gone already, and nothing can come into it."""
    try:
        namespace = await client.get(Namespace, name)
    except ApiError as error:
        if error.status.code in (HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND):
            return  # what is refused for it is said of the objects
        raise
    if namespace.status and namespace.status.phase == "Terminating":
        raise ClusterError(
            f"namespace {name} is being deleted; nothing was changed", "wait until it is gone, or name another with -n"
        )


async def _create_namespace(client: Client, name: str) -> None:
    """Create a namespace as `helm install --create-namespace` does: the lock has to be somewhere."""
    try:
        await client.create(Namespace(metadata=ObjectMeta(name=name, labels={"name": name})))
    except ApiError as error:
        if error.status.code != HTTPStatus.CONFLICT:
            raise


async def _past_the_damaged(
    client: Client, request: Request, helm: HelmCommand, found: Records, *, makes: bool
) -> None:
    """Say which records cannot be read; one whose name Helm needs for what it makes next is kept under another.

    Raises:
        ClusterError: Helm can read it.
    """
    newest = found.revisions[-1].number if found.revisions else 0
    for record in found.damaged:
        request.report(Step(f"warning: {record}"))
        if not (makes and record.blocks and (record.number or 0) > newest):
            continue
        if await helm.newest(request.release, request.target.resolved_namespace) > newest:
            raise ClusterError(f"{record}, and Helm can read it", "use a sametag that is as new as this Helm")
        if not request.options.dry_run:
            aside = await helm_release.set_aside(client, record)
            request.report(Step(f"{record.name} is kept as {aside}: Helm needs its name for the next revision"))


async def _past_the_dead(
    client: Client, request: Request, lock: Lock | None, history: list[Revision]
) -> list[Revision]:
    """Mark a pending revision as failed when its client is certainly dead.

    Raises:
        LockedError: The newest revision is pending, and its client may be at work.
    """
    if not (history and history[-1].pending):
        return history
    newest = history[-1]
    dead = died(lock, newest)
    if dead is None:
        raise LockedError(
            f"release {request.release} is in progress: {newest} is {newest.status} since "
            f"{newest.since.astimezone():%Y-%m-%d %H:%M:%S}",
            f"wait for that client to end; if it died: sametag unlock {request.release}",
        )
    request.report(Step(f"{newest} was left {newest.status} by {dead.who}, whose client died: it is marked as failed"))
    return [*history[:-1], await mark_failed(client, newest, dead.who)]


def died(lock: Lock | None, pending: Revision) -> Holder | None:
    """Return who made a pending revision and is certainly dead; None where that is not certain.

    Certain: they held this lock when they made it, and it had run out when we took it. Their Helm ended with them.
    """
    dead = lock and lock.dead
    return dead if dead and dead.made(pending) else None


async def mark_failed(client: Client, revision: Revision, who: str) -> Revision:
    """Mark a pending revision as failed, as Helm does when it is interrupted; no workload is touched.

    Raises:
        LockedError: Its client lives: it wrote the revision in the meantime.
    """
    words = f"{note.LEFT}{revision.status} by a client that died; {author()} marked it as failed"
    told = Note(words, datetime.now(UTC), tag=revision.tag, who=who)
    return await helm_release.describe(client, revision, note.text(told), status="failed")


async def _verified_now(client: Client, history: Sequence[Revision], watch: Watch) -> list[Revision]:
    """Verify the newest revision with our own eyes where nobody has: plain Helm made it, or its client died too early.

    It is what a failed upgrade goes back to.
    """
    if not history or history[-1].status != "deployed" or history[-1].verified:
        return list(history)
    newest = history[-1]
    try:
        await watch.begin()
    except ApiError:
        return list(history)  # the rights are checked next, and in better words
    states = [state for state in watch.latest if state.steady]
    digests = set[str]().union(*digests_of(states).values())
    if len(digests) != 1 or "" in digests or not all(state.complete and state.on_tag for state in states):
        return list(history)
    told = newest.note._replace(
        verified=True, when=newest.note.when or datetime.now(UTC), tag=newest.tag, digest=digests.pop()
    )
    return [*history[:-1], await helm_release.describe(client, newest, note.text(told))]
