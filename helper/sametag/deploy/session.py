"""What every verb begins with: the connection, the release's lock, its history, and Helm."""

from __future__ import annotations

import contextlib
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING

import httpx2
from lightkube import ApiError
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Namespace

from sametag import helm as helm_release
from sametag.deploy.leash import leash
from sametag.deploy.lock import Lock, hold
from sametag.deploy.monitor import Watch
from sametag.deploy.repair import fail_abandoned, move_damaged, verify_newest
from sametag.deploy.request import seconds
from sametag.errors import ClusterError, UsageError
from sametag.helm import author, note
from sametag.helm.command import HelmCommand
from sametag.kube.api import Api
from sametag.kube.connection import connect
from sametag.kube.retry import finish_despite_cancel
from sametag.rollout import Members, members
from sametag.text import listing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sametag.deploy.request import Request
    from sametag.helm import Revision
    from sametag.kube.connection import Client
    from sametag.rollout import ServiceState

# What shows that somebody else uses a namespace that is only just made: another deployer, another release.
_USES = (("coordination.k8s.io/v1", "Lease"), ("v1", "Secret"), ("v1", "ConfigMap"), ("v1", "Pod"))
_IN_EVERY_NAMESPACE = {"ConfigMap kube-root-ca.crt"}


@dataclass(slots=True)
class Session:
    """What the verbs share while they change one release.

    Attributes:
        request: What is asked for.
        client: The client of the cluster.
        helm: Runs Helm.
        namespace: The namespace of the release.
        history: The revisions, oldest first; refreshed after each action of Helm.
        server_side: Whether this Helm uses server-side apply for a new release.
        lock: The lock of the release; None in a dry run, and if the user may not use Leases.
        watch: A watch that runs during the preflight checks; the first action takes it over.
        began: When the session began, by the monotonic clock.
        before: The services when the newest action began: trouble that they had then is not this action's doing.
    """

    request: Request
    client: Client
    helm: HelmCommand
    namespace: str
    history: list[Revision]
    server_side: bool
    lock: Lock | None
    watch: Watch | None
    began: float
    before: dict[str, ServiceState] = field(default_factory=dict)

    @property
    def release(self) -> str:
        """The name of the release."""
        return self.request.release

    @property
    def newest(self) -> Revision | None:
        """The newest revision; None before the first install."""
        return self.history[-1] if self.history else None

    @property
    def gone(self) -> bool:
        """Whether the release does not exist, or was uninstalled with its history kept."""
        return not self.history or self.history[-1].status == "uninstalled"

    @property
    def applies_server_side(self) -> bool:
        """Whether Helm changes this release by server-side apply, so that others may own some of its fields.

        Helm 4 does, except for a release that was made with client-side apply; it refuses to force conflicts there, and
        Helm 3 does not know them.
        """
        return self.server_side and (not self.history or self.history[-1].server_side)

    @property
    def seconds(self) -> float:
        """Seconds since the session began."""
        return time.monotonic() - self.began

    def members_of(self, revision: Revision) -> Members:
        """Return the workloads of a revision."""
        return members_of(revision, self.release, self.namespace)

    def mark_lock(self) -> None:
        """Have the lock removed with the release, once there is no release."""
        if self.lock:
            self.lock.obsolete = not self.history

    async def restart_watch(self) -> None:
        """Have the next action start a watch: the current one may not have seen the latest changes yet."""
        if self.watch:
            await self.watch.end()
            self.watch = None


def members_of(revision: Revision | None, release: str, namespace: str) -> Members:
    """Return the workloads of a revision; none of None."""
    if revision is None:
        return Members(release, {})
    return members(release, namespace, (revision.manifest, *revision.hook_manifests), revision.layers)


@asynccontextmanager
async def begin(request: Request, *, rollout: bool = True) -> AsyncIterator[Session]:
    """Connect, take the lock of the release, and read everything that can be known before anything changes.

    Args:
        request: What is asked for.
        rollout: Whether the services are watched.

    Raises:
        LockedError: Another client is changing the release, or may have died while doing so.
        SametagError: Helm or the cluster is missing, or permissions are.
    """
    began = time.monotonic()
    if len(request.options.description) > note.REASON_LIMIT:
        raise UsageError(f"the description is longer than {note.REASON_LIMIT} characters")
    helm = HelmCommand(request.target, warn=request.warn)
    async with helm.telling_its_version(), connect(request.target) as client, locked(client, request, helm) as lock:
        namespace = request.target.resolved_namespace
        if rollout:
            await _refuse_terminating(client, namespace)
        stored = await helm_release.records(client, request.release)
        await move_damaged(client, request, helm, stored, makes=rollout)
        history = stored.revisions
        # Started while everything else is checked, because it takes as long.
        current = members_of(history[-1] if history else None, request.release, namespace)
        watch = Watch(client, current) if rollout and not request.options.dry_run else None
        try:
            if lock:
                lock.obsolete = not history
            history = await fail_abandoned(client, request, lock, history)
            if watch:
                history = await verify_newest(client, history, watch)
            server_side = await helm.applies_server_side()
            yield Session(request, client, helm, namespace, history, server_side, lock, watch, began)
        finally:
            if watch:
                await watch.end()


@asynccontextmanager
async def locked(
    client: Client, request: Request, helm: HelmCommand | None = None, *, from_the_dead: bool = False
) -> AsyncIterator[Lock | None]:
    """Hold the lock of the release while the block runs; None in a dry run, and if the user may not use Leases.

    Args:
        client: The client of the cluster.
        request: What is asked for, and how long to wait for the lock.
        helm: Runs only while the lock is held and this process runs.
        from_the_dead: Whether to give up as soon as the holder is seen to be alive.

    Raises:
        LockedError: Another client holds it for longer than `lock_timeout`, or took it over.
        ClusterError: It was deleted, and cannot be taken again.
    """
    if request.options.dry_run:
        yield None
        return
    lock = Lock(client, request.release, author())
    try:
        if await _acquired(lock, client, request, from_the_dead=from_the_dead):
            with leash() as watchdog:
                if helm:
                    helm.guard, helm.is_overtaken = watchdog.on, lambda: lock.lost is not None
                async with hold(lock, watchdog):
                    yield lock
        else:
            yield None
    finally:
        await finish_despite_cancel(_release_lock(lock, client, request))


async def _release_lock(lock: Lock, client: Client, request: Request) -> None:
    # A lock that cannot be released expires.
    with contextlib.suppress(ApiError, httpx2.TransportError, ClusterError):
        await lock.end()
    if lock.namespace and not lock.used:
        await _remove_namespace(lock.namespace, client, request)


async def _acquired(lock: Lock, client: Client, request: Request, *, from_the_dead: bool) -> bool:
    wait = seconds(request.options.lock_timeout)
    try:
        await lock.acquire(wait, request.say, from_the_dead=from_the_dead)
    except ApiError as error:
        if error.status.code == HTTPStatus.NOT_FOUND and request.options.create_namespace:
            lock.namespace = await _create_namespace(client, request.target.resolved_namespace)
            return await _acquired(lock, client, request, from_the_dead=from_the_dead)
        if error.status.code == HTTPStatus.NOT_FOUND:
            raise ClusterError(
                f"the cluster rejected the request: {error.status.message}",
                "create the namespace, or install with --create-namespace",
            ) from error
        if error.status.code != HTTPStatus.FORBIDDEN:
            raise
        if "because it is being terminated" in (error.status.message or ""):
            return False  # nothing can be created in the namespace any more
        request.warn(f"no lock against concurrent deployments, only Helm's own guard: {error.status.message}")
        return False
    return True


async def _refuse_terminating(client: Client, name: str) -> None:
    """Refuse a namespace that is being deleted: revisions may be gone already, and nothing can be created in it."""
    try:
        namespace = await client.get(Namespace, name)
    except ApiError as error:
        if error.status.code in (HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND):
            return  # if it matters, the error about the objects says so
        raise
    if namespace.status and namespace.status.phase == "Terminating":
        raise ClusterError(
            f"namespace {name} is being deleted; nothing was changed",
            "wait until it is gone, or choose another namespace with -n",
        )


async def _create_namespace(client: Client, name: str) -> Namespace | None:
    """Create a namespace as `helm install --create-namespace` does: the lock needs it; None if it exists by now."""
    try:
        return await client.create(Namespace(metadata=ObjectMeta(name=name, labels={"name": name})))
    except ApiError as error:
        if error.status.code != HTTPStatus.CONFLICT:
            raise
        return None


async def _remove_namespace(namespace: Namespace, client: Client, request: Request) -> None:
    """Remove the namespace of an install that was refused, or say that it stays: others may have begun to use it."""
    api, meta = Api(client), namespace.metadata or ObjectMeta()
    try:
        items = [item for kind in _USES for item in await api.every(*kind)]
        names = {f"{item['kind']} {item['metadata']['name']}" for item in items} - _IN_EVERY_NAMESPACE
        if not names:
            metadata = {"name": meta.name, "uid": meta.uid}
            await api.delete({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
            return
        reason = f"it has {listing(sorted(names))}"
    except (ApiError, httpx2.TransportError, ClusterError) as error:
        reason = str(error)
    request.warn(f"namespace {meta.name}, which was created for this install, stays: {reason}")
