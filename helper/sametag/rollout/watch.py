"""See the workloads of a release: once, or as they change, and what a failed pod leaves behind."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx2
from lightkube import ApiError
from lightkube.resources.apps_v1 import DaemonSet, Deployment, ReplicaSet, StatefulSet
from lightkube.resources.core_v1 import Event, Pod

from sametag.rollout.state import ServiceState, assess
from sametag.rollout.workload import Objects

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from lightkube import AsyncClient
    from lightkube.core.client import FieldSelector, LabelSelector

    from sametag.rollout.trouble import Trouble

#: The chart's label that says which release a workload is of.
INSTANCE_LABEL = "app.kubernetes.io/instance"

# A rolling update makes bursts of events; one look at the end of a burst is enough.
_DEBOUNCE = 0.05

# The API server restarts, is overloaded, or has forgotten the version that we ask from.
_TRANSIENT = (410, 429, 500, 502, 503, 504)


async def snapshot(client: AsyncClient, release: str) -> list[ServiceState]:
    """Return the state of every service of a release now; five API calls, whatever the number of services."""
    objects = Objects()
    for kind, store in _kinds(objects):
        async for item in client.list(kind, labels=_selector(release)):
            store[item.metadata.uid] = item
    return assess(objects)


def _selector(release: str) -> LabelSelector:
    return {INSTANCE_LABEL: release}


def _kinds(objects: Objects) -> list[tuple[Any, dict[str, Any]]]:
    """Return each kind that is listed, and where its objects go."""
    return [
        (Deployment, objects.deployments),
        (StatefulSet, objects.statefulsets),
        (DaemonSet, objects.daemonsets),
        (ReplicaSet, objects.replicasets),
        (Pod, objects.pods),
    ]


async def watch(client: AsyncClient, release: str, look: Callable[[list[ServiceState]], None]) -> None:
    """Call `look` with the state of every service now, after each change, and at least once a second, until cancelled.

    List and watch, not polling. A connection that breaks is made again; the caller decides how long to go on.

    Raises:
        ApiError: The API server refuses the watch (no rights, say).
    """
    objects = Objects()
    changed = asyncio.Event()
    try:
        async with asyncio.TaskGroup() as group:
            for kind, store in _kinds(objects):
                group.create_task(_follow(client, kind, store, release, changed))
            while True:
                # Graces run out by time alone.
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(changed.wait(), 1)
                await asyncio.sleep(_DEBOUNCE)
                changed.clear()
                look(assess(objects))
    except ExceptionGroup as group_error:
        raise group_error.exceptions[0] from None


async def _follow(client: AsyncClient, kind: Any, store: dict[str, Any], release: str, changed: asyncio.Event) -> None:
    """Keep `store` what the API server has: list, then watch, and both again when the watch is too old or breaks."""
    while True:
        try:
            listing = client.list(kind, labels=_selector(release))
            found = {item.metadata.uid: item async for item in listing}
            store.clear()
            store.update(found)
            changed.set()
            async for operation, item in client.watch(
                kind, labels=_selector(release), resource_version=listing.resourceVersion
            ):
                if operation == "DELETED":
                    store.pop(item.metadata.uid, None)
                else:
                    store[item.metadata.uid] = item
                changed.set()
        except httpx2.TransportError:
            await asyncio.sleep(1)  # the API server restarts; Helm waits for it too
        except ApiError as error:
            if error.status.code not in _TRANSIENT:
                raise
            await asyncio.sleep(1)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of a failed pod, collected before it is gone.

    Attributes:
        service: The service's name.
        trouble: Why it failed.
        events: The warnings about the pod, newest last.
        log: The last lines that the container wrote.
    """

    service: str
    trouble: Trouble
    events: tuple[str, ...] = ()
    log: tuple[str, ...] = ()


async def evidence(client: AsyncClient, failed: Iterable[tuple[str, Trouble]]) -> list[Evidence]:
    """Collect the events and the last 50 log lines of every failed pod."""
    return [
        Evidence(service, trouble, await _events(client, trouble), await _log(client, trouble))
        for service, trouble in failed
    ]


async def _events(client: AsyncClient, trouble: Trouble) -> tuple[str, ...]:
    pod = trouble.pod
    if not pod or trouble.reason == "ImageNotFound":  # its message says all
        return ()
    fields: FieldSelector = {"involvedObject.name": pod, "type": "Warning"}
    try:
        found = [event async for event in client.list(Event, fields=fields)]
    except ApiError as error:
        return (f"(the events cannot be read: {error})",)
    return tuple(dict.fromkeys(f"{event.reason}: {event.message}" for event in found))


async def _log(client: AsyncClient, trouble: Trouble) -> tuple[str, ...]:
    """Read the log of a container that ran; one that never started has none, and the API server answers 400."""
    if not trouble.container or trouble.reason != "CrashLoopBackOff":
        return ()
    try:
        lines = [
            line async for line in client.log(trouble.pod, container=trouble.container, tail_lines=50, newlines=False)
        ]
    except ApiError as error:
        return (f"(the log cannot be read: {error})",)
    return tuple(lines)
