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
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import httpx2
from lightkube import ApiError
from lightkube.models.coordination_v1 import LeaseSpec
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.coordination_v1 import Lease

from sametag.errors import LockedError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from lightkube import AsyncClient

_DURATION = 15  # seconds, as long as client-go's
_RENEW = 5.0
_POLL = 1.0

# No clock of a machine that can log in to a cluster is wrong by that much: its holder died long ago.
_LONG_AGO = timedelta(minutes=5)

_TAG = "sametag/tag"

_NOT_FOUND, _CONFLICT = 404, 409


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lease, or held it.

    Attributes:
        who: As `note.author` names them.
        tag: What they deploy; empty where they have not said yet.
        since: When they took it, by their clock.
        renewed: When they last said that they are alive, by their clock.
    """

    who: str
    tag: str
    since: datetime
    renewed: datetime

    def was_at_work(self, moment: datetime) -> bool:
        """Whether they held the lease at this moment of their clock."""
        return self.since - timedelta(seconds=1) <= moment <= self.renewed + timedelta(seconds=_DURATION)

    def __str__(self) -> str:
        deploying = f" for tag {self.tag}" if self.tag else ""
        return f"{self.who}{deploying}, since {self.since.astimezone():%Y-%m-%d %H:%M:%S}"


class Lock:
    """The lease of one release; see `hold`.

    Attributes:
        dead: Whose lease had run out when this lock took it over; None where it was free.
        lost: Who took this lock over while it was held; None while that has not happened.
        obsolete: Whether there is no release any more, so that the lease goes too when it is given back.
    """

    def __init__(self, client: AsyncClient, release: str, who: str) -> None:
        self._client = client
        self._name = f"sametag-{release}"
        self._release = release
        self._identity = f"{who}/{uuid.uuid4()}"
        self._lease: Lease | None = None
        self._tag = ""
        self._asked = False
        self.dead: Holder | None = None
        self.lost: Holder | None = None
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
            if error.status.code != _NOT_FOUND:
                raise
        return None

    async def _take(self, found: Lease | None) -> bool:
        """Write ourselves into the lease that was read, or a new one; False where another was faster."""
        self._asked = True
        now = _now()
        lease = found or Lease()
        changes = (lease.spec and lease.spec.leaseTransitions) or 0
        lease.spec = LeaseSpec(
            acquireTime=now,
            holderIdentity=self._identity,
            leaseDurationSeconds=_DURATION,
            leaseTransitions=changes + 1,
            renewTime=now,
        )
        return await self._write(lease)

    async def _write(self, lease: Lease) -> bool:
        meta = lease.metadata or ObjectMeta(name=self._name)
        meta.annotations, lease.metadata = {_TAG: self._tag}, meta
        exists = meta.resourceVersion is not None
        try:
            self._lease = await (self._client.replace if exists else self._client.create)(lease)
        except ApiError as error:
            if error.status.code == _CONFLICT or (exists and error.status.code == _NOT_FOUND):
                return False
            raise
        return True

    async def tell(self, tag: str) -> None:
        """Say in the lease which tag is deployed, at the next renewal if not now."""
        self._tag = tag
        await self._try_to_renew()

    async def keep(self, lost: Callable[[], object]) -> None:
        """Renew the lease until cancelled; call `lost`, once, when another has taken it over.

        A renewal that fails is tried again, for however long the API server is away: nobody else can take the lease in
        that time either.
        """
        while self.lost is None:
            await asyncio.sleep(_RENEW)
            await self._try_to_renew()
        lost()

    async def _try_to_renew(self) -> None:
        with contextlib.suppress(ApiError, httpx2.TransportError, TimeoutError):
            async with asyncio.timeout(_RENEW):  # the client itself waits for longer than the lease lasts
                await self._renew()

    async def _renew(self) -> None:
        if self._lease is None or self._lease.spec is None or self.lost:
            return
        self._lease.spec.renewTime = _now()
        if not await self._write(self._lease):
            found = await self._read()
            if found is None or not self._is_ours(found):
                self.lost = (found and _holder(found)) or Holder("somebody", "", _now(), _now())
            else:
                self._lease = found

    def _is_ours(self, lease: Lease) -> bool:
        return lease.spec is not None and lease.spec.holderIdentity == self._identity

    async def end(self) -> None:
        """Give the lease back; remove the object too where it is obsolete.

        A write of ours that was cut off has been done all the same, at times: then the lease has to be read again.
        """
        if not self._asked or self.lost:
            return
        self._tag = ""
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
        return now - self._since >= _DURATION or datetime.now(UTC) - holder.renewed > _LONG_AGO


def _now() -> datetime:
    """Return the time; the API server refuses a MicroTime without a fraction, which is how a round one is written."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond or 1)


def _holder(lease: Lease) -> Holder | None:
    """Return who holds the lease; None when nobody does."""
    spec, annotations = lease.spec, (lease.metadata and lease.metadata.annotations) or {}
    if spec is None or not spec.holderIdentity:
        return None
    renewed = spec.renewTime or datetime.fromtimestamp(0, UTC)
    who = spec.holderIdentity.rpartition("/")[0] or spec.holderIdentity
    return Holder(who, annotations.get(_TAG, ""), spec.acquireTime or renewed, renewed)


@contextlib.asynccontextmanager
async def hold(lock: Lock) -> AsyncIterator[None]:
    """Renew an acquired lease while the block runs.

    Raises:
        LockedError: Another took it over; the block was cancelled.
    """
    task = asyncio.current_task()
    if task is None:
        raise AssertionError  # a coroutine runs in a task
    keeping = asyncio.create_task(lock.keep(task.cancel))
    try:
        yield
    except asyncio.CancelledError:
        if lock.lost is None:
            raise
        task.uncancel()
        raise LockedError(
            f"the lock was taken over by {lock.lost}: this client was not heard of for too long, and stopped",
            "sametag history says what became of its work",
        ) from None
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
