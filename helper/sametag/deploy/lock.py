"""One deployer at a time: a Lease for each release, renewed while its holder works.

Helm's own guard, a pending revision, knows neither who holds it nor whether that client still lives. The algorithm is
client-go's leader election: every write carries the resource version that was read, and a lease has run out when it was
watched unchanged for as long as it lasts, so that no two clocks are compared. Source:
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

    from sametag.deploy.leash import Leash
    from sametag.helm.revision import Revision

_DURATION = 15  # seconds, as long as client-go's
_RENEW = 5.0
_POLL = 1.0
_ANSWER = 5.0  # the client itself waits for longer than the lease lasts

# An API server that starts refuses what it allows a moment later; credentials from a plugin are renewed meanwhile.
_REFUSED = 6.0

# How long a Helm that is to begin waits for an API server that is away.
_AWAY = 120.0

_PREFIX = "sametag-"

_TAG, _REVISION = "sametag/tag", "sametag/revision"


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lease, or held it.

    Attributes:
        who: As `note.author` names them.
        tag: What they deploy; empty until they know.
        since: When they took it, by their clock.
        renewed: When they last said that they are alive, by their clock; each renewal has another time.
        revision: The number of the revision that their Helm makes, or removes; 0 before it begins.
        heard: When they last said that they are alive, by the API server's clock.
    """

    who: str
    tag: str
    since: datetime
    renewed: datetime
    revision: int = 0
    heard: datetime | None = field(default=None, compare=False)

    def made(self, pending: Revision) -> bool:
        """Whether their Helm has brought a revision into its status.

        They said so before it began, and the API server took it before their lease had run out, both by its own clock.
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
        client: Of the cluster; its namespace is the release's.
        release: The release's name.
        who: As `note.author` names us.
        now: What time it is, for others to read: nothing is decided by it.

    Attributes:
        dead: Whose lease had run out when this lock took it over; None where it was free.
        lost: Why the lease is not ours any more; None while it is.
        renewed: When the newest renewal that succeeded began, by `leash.elapsed`.
        obsolete: Whether there is no release any more, so that the lease goes too when it is given back.
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

    async def acquire(self, seconds: float, report: Callable[[str], None], *, from_the_dead: bool = False) -> None:
        """Take the lease; wait up to `seconds` for another holder to end, or to be found dead.

        Args:
            seconds: 0 takes it only where it is free.
            report: Called with a line for each holder that is waited for.
            from_the_dead: Whether not to wait for one that is seen to live.

        Raises:
            LockedError: It is still held.
            ApiError: The API server refuses, such as for want of rights.
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
        """Write ourselves into the lease that was read, or a new one; False where another was faster."""
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
        """Return the time, later than the one before: who watches sees a renewal also when our clock stands still.

        The API server refuses a MicroTime without a fraction, which is how a round one is written.
        """
        later = max(self._now(), self._said + timedelta(microseconds=1))
        self._said = later.replace(microsecond=later.microsecond or 1)
        return self._said

    async def tell(self, tag: str, revision: int) -> None:
        """Say in the lease what is done next, and make sure that it is ours: called before Helm begins.

        Args:
            tag: What is deployed; empty where the release is removed.
            revision: The number of the revision that Helm will make, or remove.

        Raises:
            SametagError: It is lost.
        """
        self._tag, self._revision = tag, revision
        until = time.monotonic() + _AWAY
        await self._try_to_renew()
        while self.lost is None and elapsed() - self.renewed > _DURATION and time.monotonic() < until:
            await asyncio.sleep(_POLL)
            await self._try_to_renew()
        if self.lost:
            raise self.lost

    async def keep(self, lost: Callable[[], object]) -> None:
        """Renew the lease until cancelled; call `lost`, once, when it is not ours any more.

        A renewal that fails is tried again, for however long the API server is away: nobody else can take the lease in
        that time either.
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
        """Decide what a refusal means: the API server answers, so that others can take the lease."""
        code, message = error.status.code, error.status.message or ""
        if code == HTTPStatus.NOT_FOUND or (code == HTTPStatus.FORBIDDEN and "being terminated" in message):
            self.lost = ClusterError(f"the lock is gone, and cannot be taken again: {message}", self._what_now())
        elif code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            now = time.monotonic()
            self._refused_since = self._refused_since or now
            if now - self._refused_since >= _REFUSED:
                what = (
                    "the credentials are not accepted any more"
                    if code == HTTPStatus.UNAUTHORIZED
                    else "the right is gone"
                )
                self.lost = ClusterError(
                    f"the lock could not be renewed, and Helm was ended: {what}: {message}", self._what_now()
                )

    def _without_credentials(self, error: SametagError) -> None:
        """Take a plugin that fails for as long as the lease lasts, and gives no credentials, for a refusal."""
        now = time.monotonic()
        self._refused_since = self._refused_since or now
        if now - self._refused_since >= _DURATION:
            self.lost = ClusterError(
                f"the lock could not be renewed, and Helm was ended: {error.message}", error.remedy or self._what_now()
            )

    def _what_now(self) -> str:
        return f"sametag status {self._release} says what runs now"

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
            self.lost = self._taken_over("another client, which has ended since")
        else:
            await self._take(found)

    def _taken_over(self, by: str) -> LockedError:
        return LockedError(
            f"the lock was taken over by {by}; this client has stopped, and its Helm with it",
            f"sametag history {self._release} says what became of its work",
        )

    def _is_ours(self, lease: Lease) -> bool:
        return lease.spec is not None and lease.spec.holderIdentity == self._identity

    async def end(self) -> None:
        """Give the lease back; remove the object too where it is obsolete.

        A write of ours that was cut off has been done all the same, at times: then the lease has to be read again.
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
        return "that client is at work: wait for it to end, or end it"
    return f"wait for longer with --lock-timeout; a lock whose client died ends by itself in {_DURATION} s"


class _Watched:
    """What a waiting deployer has seen of another's lease, by its own clock."""

    def __init__(self) -> None:
        self.told = ""
        #: Whether the holder has renewed it meanwhile.
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
    """Return who holds the lease of a release; None where nobody does, or where it may not be read."""
    try:
        return _holder(await client.get(Lease, f"{_PREFIX}{release}"))
    except ApiError as error:
        if error.status.code in (HTTPStatus.NOT_FOUND, HTTPStatus.FORBIDDEN):
            return None
        raise


def _holder(lease: Lease) -> Holder | None:
    """Return who holds the lease; None when nobody does."""
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
        lock: That of the release.
        leash: Is told that we are at work.

    Raises:
        SametagError: The lease was lost; the block was cancelled.
    """
    task = asyncio.current_task()
    if task is None:
        raise AssertionError  # a coroutine runs in a task
    keeping = asyncio.create_task(lock.keep(task.cancel))
    # A bug there must not leave the block at work without a lease.
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
        for one in beside:
            one.cancel()
        await asyncio.gather(*beside, return_exceptions=True)


async def _beat(lock: Lock, leash: Leash) -> None:
    while lock.lost is None:
        leash.beat(lock.renewed)
        await asyncio.sleep(BEAT)
