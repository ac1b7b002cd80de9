"""One deployer at a time: a Lease for each release, which its holder renews.

Helm's own guard, a pending revision, does not tell who holds it, or whether that client is still alive. The algorithm
is client-go's leader election: every write carries the resource version that was read, and a lease has expired when it
was watched for its whole duration without a change, so no two clocks are compared. Source:
k8s.io/client-go/tools/leaderelection
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING

import httpx2
from lightkube import ApiError
from lightkube.models.coordination_v1 import LeaseSpec
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.coordination_v1 import Lease

from sametag.deploy.leash import BEAT, elapsed
from sametag.errors import ClusterError, LockedError, SametagError
from sametag.helm.revision import written

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from lightkube import AsyncClient
    from lightkube.resources.core_v1 import Namespace

    from sametag.deploy.leash import Leash
    from sametag.helm.revision import Revision

_DURATION = 15  # seconds, as long as client-go's
_RENEW = 5.0
_POLL = 1.0
_ANSWER = 5.0  # the client itself waits for longer than the lease lasts

# A starting API server refuses what it allows a moment later, and a plugin may be renewing the credentials.
_REFUSED = 6.0

# How long Helm's start is delayed while the API server is away.
_AWAY = 120.0

_PREFIX = "sametag-"

_TAG, _REVISION = "sametag/tag", "sametag/revision"


@dataclass(frozen=True, slots=True)
class Holder:
    """The current or the last holder of a lease.

    Attributes:
        who: Their name, from `note.author`.
        tag: The tag that they deploy; empty until it is known.
        since: When they acquired it, by their clock.
        renewed: When they last renewed it, by their clock; no two renewals have the same time.
        revision: The number of the revision that their Helm makes or removes; 0 before Helm starts.
        heard: When they last renewed it, by the API server's clock.
    """

    who: str
    tag: str
    since: datetime
    renewed: datetime
    revision: int = 0
    heard: datetime | None = field(default=None, compare=False)

    def made(self, pending: Revision) -> bool:
        """Whether their Helm made a pending revision.

        They announced its number before Helm started, and the API server stored it before their lease expired, both by
        the API server's clock.
        """
        if self.revision != pending.number or pending.written is None or self.heard is None:
            return False
        return pending.written <= self.heard + timedelta(seconds=_DURATION)

    def __str__(self) -> str:
        deploying = f" for tag {self.tag}" if self.tag else ""
        return f"{self.who}{deploying}, since {self.since.astimezone():%Y-%m-%d %H:%M:%S}"


class Lock:
    """The lease of one release; see `hold`.

    Args:
        client: The client of the cluster; its namespace is the release's.
        release: The name of the release.
        who: Our name, from `note.author`.
        now: Returns the time that other clients read; nothing depends on it.

    Attributes:
        dead: The holder whose expired lease this lock took over; None if the lease was free.
        lost: Why the lease is no longer ours; None while it is.
        renewed: When the last successful renewal began, by `leash.elapsed`.
        obsolete: Whether the release no longer exists, so that the lease is deleted when it is released.
        namespace: The namespace that was created for it; None if it existed.
        used: Whether Helm was about to start under it.
    """

    def __init__(
        self, client: AsyncClient, release: str, who: str, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._client = client
        self._name = f"{_PREFIX}{release}"
        self._release = release
        self._identity = f"{who}/{uuid.uuid4()}"
        self._now = now
        self._lease: Lease | None = None
        self._transitions = 0
        self._said = datetime.fromtimestamp(0, UTC)
        self._tag = ""
        self._revision = 0
        self._asked = False
        self._alone = asyncio.Lock()
        self._refused_since: float | None = None
        self.dead: Holder | None = None
        self.lost: SametagError | None = None
        self.renewed = 0.0
        self.obsolete = False
        self.namespace: Namespace | None = None
        self.used = False

    async def acquire(self, seconds: float, report: Callable[[str], None], *, from_the_dead: bool = False) -> None:
        """Acquire the lease; wait up to `seconds` for another holder to release it, or to be found dead.

        Args:
            seconds: How long to wait; 0 acquires it only if it is free.
            report: Called with a line for each holder that is waited for.
            from_the_dead: Whether to give up as soon as the holder is seen to be alive.

        Raises:
            LockedError: It is still held.
            ApiError: The API server refuses, for example because a permission is missing.
        """
        until, watched = time.monotonic() + seconds, _Watched()
        while True:
            found = await self._read()
            holder = _holder(found) if found else None
            if found is None or holder is None or watched.ran_out(holder):
                if await self._take(found):
                    self.dead = holder
                    return
                continue
            if time.monotonic() >= until or (from_the_dead and watched.lives):
                raise LockedError(
                    f"release {self._release} is locked by {holder}", _remedy(from_the_dead=from_the_dead)
                )
            if str(holder) != watched.told:
                watched.told = str(holder)
                report(f"waiting for {holder}")
            await asyncio.sleep(_POLL)

    async def _read(self) -> Lease | None:
        try:
            return await self._client.get(Lease, self._name)
        except ApiError as error:
            if error.status.code != HTTPStatus.NOT_FOUND:
                raise
        return None

    async def _take(self, found: Lease | None) -> bool:
        """Become the holder of the lease that was read, or of a new one; False if another client was faster."""
        self._asked = True
        lease = found or Lease()
        changes = (lease.spec and lease.spec.leaseTransitions) or 0
        lease.spec = LeaseSpec(
            acquireTime=self._time(),
            holderIdentity=self._identity,
            leaseDurationSeconds=_DURATION,
            leaseTransitions=changes + 1,
        )
        if not await self._write(lease):
            return False
        self._transitions = changes + 1
        return True

    async def _write(self, lease: Lease) -> bool:
        began = elapsed()
        meta = lease.metadata or ObjectMeta(name=self._name)
        told = {_TAG: self._tag, _REVISION: str(self._revision or "")}
        meta.annotations, lease.metadata = {key: value for key, value in told.items() if value}, meta
        if lease.spec:
            lease.spec.renewTime = self._time()
        exists = meta.resourceVersion is not None
        try:
            self._lease = await (self._client.replace if exists else self._client.create)(lease)
        except ApiError as error:
            if error.status.code == HTTPStatus.CONFLICT or (exists and error.status.code == HTTPStatus.NOT_FOUND):
                return False
            raise
        self.renewed = began
        return True

    def _time(self) -> datetime:
        """Return the time, always later than the last one: others see each renewal even if our clock stands still.

        The API server refuses a MicroTime without a fraction, and a round time is written without one.
        """
        later = max(self._now(), self._said + timedelta(microseconds=1))
        self._said = later.replace(microsecond=later.microsecond or 1)
        return self._said

    async def tell(self, tag: str, revision: int) -> None:
        """Announce in the lease what Helm does next, and make sure that the lease is ours; called before Helm starts.

        Args:
            tag: The tag that is deployed; empty if the release is removed.
            revision: The number of the revision that Helm will make or remove.

        Raises:
            SametagError: It is lost.
        """
        self._tag, self._revision, self.used = tag, revision, True
        until = time.monotonic() + _AWAY
        await self._try_to_renew()
        while self.lost is None and elapsed() - self.renewed > _DURATION and time.monotonic() < until:
            await asyncio.sleep(_POLL)
            await self._try_to_renew()
        if self.lost:
            raise self.lost

    async def keep(self, lost: Callable[[], object]) -> None:
        """Renew the lease until cancelled; call `lost` once if it is no longer ours.

        A failed renewal is retried for as long as the API server is away: meanwhile, nobody else can acquire the lease.
        """
        while self.lost is None:
            await asyncio.sleep(min(_POLL, _RENEW))
            if elapsed() - self.renewed >= _RENEW:
                await self._try_to_renew()
        lost()

    async def _try_to_renew(self) -> None:
        try:
            async with self._alone, asyncio.timeout(_ANSWER):
                await self._renew()
        except ApiError as error:
            self._refused(error)
        except SametagError as error:
            self._without_credentials(error)
        except (httpx2.TransportError, TimeoutError):
            return
        else:
            self._refused_since = None

    def _refused(self, error: ApiError) -> None:
        """Decide what a refusal means: the API server is there, so others can acquire the lease."""
        code, message = error.status.code, error.status.message or ""
        if code == HTTPStatus.NOT_FOUND or (code == HTTPStatus.FORBIDDEN and "being terminated" in message):
            self.lost = ClusterError(f"the lock was deleted and cannot be acquired again: {message}", self._what_now())
        elif code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            now = time.monotonic()
            self._refused_since = self._refused_since or now
            if now - self._refused_since >= _REFUSED:
                what = (
                    "the credentials are no longer accepted"
                    if code == HTTPStatus.UNAUTHORIZED
                    else "the permission was revoked"
                )
                self.lost = ClusterError(
                    f"the lock could not be renewed, so Helm was stopped: {what}: {message}", self._what_now()
                )

    def _without_credentials(self, error: SametagError) -> None:
        """Treat a credential plugin that fails for as long as the lease lasts as a refusal."""
        now = time.monotonic()
        self._refused_since = self._refused_since or now
        if now - self._refused_since >= _DURATION:
            self.lost = ClusterError(
                f"the lock could not be renewed, so Helm was stopped: {error.message}", error.remedy or self._what_now()
            )

    def _what_now(self) -> str:
        return f"sametag status {self._release} shows what runs now"

    async def _renew(self) -> None:
        if self._lease is None or self.lost or await self._write(self._lease):
            return
        found = await self._read()
        holder = _holder(found) if found else None
        if found and self._is_ours(found):
            self._lease = found
        elif holder:
            self.lost = self._taken_over(str(holder))
        elif found and found.spec and found.spec.leaseTransitions != self._transitions:
            self.lost = self._taken_over("another client, which is done by now")
        else:
            await self._take(found)

    def _taken_over(self, by: str) -> LockedError:
        return LockedError(
            f"the lock was taken over by {by}; this client and its Helm were stopped",
            f"sametag history {self._release} shows what it did",
        )

    def _is_ours(self, lease: Lease) -> bool:
        return lease.spec is not None and lease.spec.holderIdentity == self._identity

    async def end(self) -> None:
        """Release the lease; delete the object if it is obsolete.

        A write of ours that was cut off may have succeeded: then the lease has to be read again.
        """
        if not self._asked:
            return
        self._tag, self._revision = "", 0
        if (await self._free(self._lease) or await self._free(await self._read())) and self.obsolete:
            await self._client.delete(Lease, self._name)

    async def _free(self, lease: Lease | None) -> bool:
        if lease is None or lease.spec is None or not self._is_ours(lease):
            return False
        lease.spec.holderIdentity = ""
        return await self._write(lease)


def _remedy(*, from_the_dead: bool) -> str:
    if from_the_dead:
        return "that client is running: wait until it is done, or stop it"
    return f"wait longer with --lock-timeout; the lock of a client that died expires after {_DURATION} s"


class _Watched:
    """What a waiting client has seen of another client's lease, by its own clock."""

    def __init__(self) -> None:
        self.told = ""
        #: Whether the holder was seen to renew it.
        self.lives = False
        self._seen: Holder | None = None
        self._since = 0.0

    def ran_out(self, holder: Holder) -> bool:
        """Whether the holder has not renewed the lease for as long as it lasts."""
        now = time.monotonic()
        if holder != self._seen:
            self.lives = self._seen is not None
            self._seen, self._since = holder, now
        return now - self._since >= _DURATION


async def holder_of(client: AsyncClient, release: str) -> Holder | None:
    """Return who holds the lease of a release; None if nobody does, or if it may not be read."""
    try:
        return _holder(await client.get(Lease, f"{_PREFIX}{release}"))
    except ApiError as error:
        if error.status.code in (HTTPStatus.NOT_FOUND, HTTPStatus.FORBIDDEN):
            return None
        raise


def _holder(lease: Lease) -> Holder | None:
    """Return who holds the lease; None if nobody does."""
    spec, annotations = lease.spec, (lease.metadata and lease.metadata.annotations) or {}
    if spec is None or not spec.holderIdentity:
        return None
    renewed = spec.renewTime or datetime.fromtimestamp(0, UTC)
    who = spec.holderIdentity.rpartition("/")[0] or spec.holderIdentity
    number = annotations.get(_REVISION, "")
    return Holder(
        who,
        annotations.get(_TAG, ""),
        spec.acquireTime or renewed,
        renewed,
        int(number) if number.isascii() and number.isdigit() else 0,
        written(lease.metadata),
    )


@contextlib.asynccontextmanager
async def hold(lock: Lock, leash: Leash) -> AsyncIterator[None]:
    """Renew an acquired lease while the block runs.

    Args:
        lock: The lock of the release.
        leash: Hears from this client while the block runs.

    Raises:
        SametagError: The lease was lost; the block was cancelled.
    """
    task = asyncio.current_task()
    if task is None:
        raise AssertionError  # a coroutine runs in a task
    keeping = asyncio.create_task(lock.keep(task.cancel))
    # After a bug there, the block must not go on without a lease.
    keeping.add_done_callback(lambda ended: task.cancel() if not ended.cancelled() and ended.exception() else None)
    beside = [keeping, asyncio.create_task(_beat(lock, leash))]
    try:
        yield
    except asyncio.CancelledError:
        bug = keeping.exception() if keeping.done() and not keeping.cancelled() else None
        if lock.lost is None and bug is None:
            raise
        task.uncancel()
        raise (lock.lost or bug or AssertionError) from None
    finally:
        for task_beside in beside:
            task_beside.cancel()
        await asyncio.gather(*beside, return_exceptions=True)


async def _beat(lock: Lock, leash: Leash) -> None:
    while lock.lost is None:
        leash.beat(lock.renewed)
        await asyncio.sleep(BEAT)
