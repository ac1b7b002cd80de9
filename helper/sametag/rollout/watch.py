"""Read the workloads of a release, once or as they change."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx2
from lightkube import ApiError, operators

from sametag.chart.labels import INSTANCE_LABEL
from sametag.kube.retry import RETRY_SECONDS, is_transient
from sametag.rollout.assess import Assessor, assess
from sametag.rollout.jobs import Jobs, cronjobs, jobs
from sametag.rollout.kube_types import USUAL, CronJob, DaemonSet, Deployment, Event, Job, Pod, ReplicaSet, StatefulSet
from sametag.rollout.workload import Objects

if TYPE_CHECKING:
    from collections.abc import Callable

    from lightkube import AsyncClient
    from lightkube.core.client import FieldSelector, LabelSelector

    from sametag.rollout.members import Members
    from sametag.rollout.state import ServiceState

# A rolling update makes bursts of events: the states are judged once, at the end of a burst. Judging takes longer the
# more services there are, and must not use up the CPU.
_DEBOUNCE, _SHARE = 0.05, 0.1


@dataclass(slots=True)
class _Source:
    """One kind of objects: which are listed, and where they are stored."""

    kind: Any
    store: dict[str, Any]
    labels: LabelSelector | None = None
    fields: FieldSelector | None = None
    #: Whether objects from before the watch count.
    past: bool = True
    #: The store of deleted objects.
    gone: dict[str, Any] | None = None
    #: Set once the store is complete.
    listed: asyncio.Event = field(default_factory=asyncio.Event)


def _labels(members: Members) -> LabelSelector | None:
    """Return the label of the release; None if a member lacks it, and everything must be listed."""
    return {INSTANCE_LABEL: members.release} if members.labelled else None


def _workloads(objects: Objects, members: Members) -> list[_Source]:
    stores: list[tuple[Any, dict[str, Any]]] = [
        (Deployment, objects.deployments),
        (StatefulSet, objects.statefulsets),
        (DaemonSet, objects.daemonsets),
        (ReplicaSet, objects.replicasets),
        (Pod, objects.pods),
    ]
    return [_Source(kind, store, _labels(members)) for kind, store in stores]


def _has(members: Members, *kinds: str) -> bool:
    return any(kind in kinds for kind, _ in members.found)


async def snapshot(client: AsyncClient, members: Members) -> list[ServiceState]:
    """Return the state of every workload of a manifest now, and of its Jobs and CronJobs.

    Five API calls, whatever the number of services, and two more where there are CronJobs.
    """
    objects = Objects()
    sources = _workloads(objects, members)
    if _has(members, "Job", "CronJob"):
        sources.append(_Source(Job, objects.jobs, _labels(members)))
    if _has(members, "CronJob"):
        sources.append(_Source(CronJob, objects.cronjobs, _labels(members)))
    for source in sources:
        async for item in client.list(source.kind, labels=source.labels):
            source.store[item.metadata.uid] = item
    return [*assess(objects, members), *jobs(objects, members), *cronjobs(objects, members)]


async def watch(
    client: AsyncClient, members: Callable[[], Members], look: Callable[[list[ServiceState]], None]
) -> None:
    """Call `look` with the state of every workload and Job now, after each change, and at least once a second.

    It goes on until it is cancelled. List and watch, not polling: 14 requests, whatever happens, while the connection
    holds, and 2 more once there are CronJobs. One that breaks is made again; the caller decides how long to go on. What
    is first looked at is whole.

    Args:
        client: Its namespace is the release's.
        members: Returns what is looked at. It may change; where all of it has the label of the release at first, what
            comes later must have it too.
        look: Called with the states.

    Raises:
        ApiError: The API server refuses the watch (no rights, say).
    """
    objects = Objects()
    changed = asyncio.Event()
    # Events have no labels; those from before are of other rollouts, and what still holds is said again.
    events = _Source(Event, objects.events, fields={"reason": operators.not_in(USUAL)}, past=False)
    now = members()
    steps = _Source(Job, objects.jobs, _labels(now), gone=objects.gone_jobs)
    sources = [*_workloads(objects, now), steps, events]
    schedules = _Source(CronJob, objects.cronjobs, _labels(now))
    try:
        async with asyncio.TaskGroup() as group:
            for source in sources:
                group.create_task(_follow(client, source, changed))
            for source in sources:
                await source.listed.wait()
            assessed, judged = Assessor(objects), Jobs(objects)
            while True:
                began = time.monotonic()
                now = members()
                if schedules not in sources and _has(now, "CronJob"):
                    sources.append(schedules)
                    group.create_task(_follow(client, schedules, changed))
                    await schedules.listed.wait()
                look([*assessed(now), *judged(now), *cronjobs(objects, now)])
                took = time.monotonic() - began
                changed.clear()
                # Graces run out by time alone.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(1):
                        await changed.wait()
                await asyncio.sleep(max(_DEBOUNCE, took / _SHARE))
    except ExceptionGroup as group_error:
        raise group_error.exceptions[0] from None


async def _follow(client: AsyncClient, source: _Source, changed: asyncio.Event) -> None:
    """Keep a store up to date: list, then watch, and start over when the watch expires or breaks."""
    while True:
        try:
            listing = client.list(source.kind, labels=source.labels, fields=source.fields)
            found = {item.metadata.uid: item async for item in listing}
            source.store.clear()
            source.store.update(found if source.past else {})
            source.listed.set()
            changed.set()
            async for operation, item in client.watch(
                source.kind, labels=source.labels, fields=source.fields, resource_version=listing.resourceVersion
            ):
                if operation == "DELETED":
                    source.store.pop(item.metadata.uid, None)
                    if source.gone is not None:
                        source.gone[item.metadata.uid] = item
                else:
                    source.store[item.metadata.uid] = item
                changed.set()
        except (ApiError, httpx2.TransportError) as error:
            if not is_transient(error):
                raise
            await asyncio.sleep(RETRY_SECONDS)
