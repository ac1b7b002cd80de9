"""What a failed pod leaves behind, collected before it is gone."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx2
from lightkube import ApiError
from lightkube.resources.core_v1 import PodLog

from sametag.rollout.objects import Event

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lightkube import AsyncClient

    from sametag.rollout.trouble import Trouble

_LINES = 50

# Logs that are read at once: the API server shares its time among all clients.
_AT_ONCE = 10

# What the kubelet answers, with 200, when the runtime has removed the container meanwhile.
_GONE = "unable to retrieve container logs for "

_BAD_REQUEST, _NOT_FOUND = 400, 404

# The container never ran.
_WITHOUT_LOG = frozenset(
    {
        "ImageNotFound",
        "InvalidImageName",
        "ErrImageNeverPull",
        "ErrImagePull",
        "CreateContainerConfigError",
        "CreateContainerError",
        "StartError",
    }
)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of a failed container, collected before it is gone.

    Attributes:
        service: The service's name.
        trouble: Why it failed.
        events: The warnings about the pod, newest last.
        log: The last lines that the container wrote.
        previous: The last lines that it wrote before it was restarted.
    """

    service: str
    trouble: Trouble
    events: tuple[str, ...] = ()
    log: tuple[str, ...] = ()
    previous: tuple[str, ...] = ()


async def evidence(client: AsyncClient, failed: Iterable[tuple[str, Trouble]]) -> list[Evidence]:
    """Collect the warnings and the last 50 log lines, current and previous, of every failed container.

    What cannot be read is said in its place: evidence that is missing must not stop what follows.
    """
    events = await _events(client)
    limit = asyncio.Semaphore(_AT_ONCE)

    async def one(service: str, trouble: Trouble) -> Evidence:
        log, previous = [await _log(client, trouble, limit, previous=previous) for previous in (False, True)]
        return Evidence(service, trouble, tuple(events[trouble.pod]) if trouble.pod else (), log, previous)

    return await asyncio.gather(*(one(*pair) for pair in failed))


async def _events(client: AsyncClient) -> defaultdict[str, list[str]]:
    """Return the warnings about each pod, in one call, each said once."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    try:
        async for event in client.list(Event, fields={"type": "Warning", "involvedObject.kind": "Pod"}):
            line = f"{event.reason}: {event.message}"
            if line not in found[event.involvedObject.name]:
                found[event.involvedObject.name].append(line)
    except (ApiError, httpx2.TransportError) as error:
        line = f"(the events cannot be read: {error})"
        return defaultdict(lambda: [line])
    return found


async def _log(client: AsyncClient, trouble: Trouble, limit: asyncio.Semaphore, *, previous: bool) -> tuple[str, ...]:
    if not trouble.container or trouble.reason in _WITHOUT_LOG:
        return ()
    # lightkube's log() cannot ask for the one before.
    words = {"container": trouble.container, "tailLines": _LINES, "previous": previous}
    raw: Any = client._client  # noqa: SLF001
    request = raw.prepare_request("get", PodLog, name=trouble.pod, params=words)
    try:
        async with limit:
            answer = await raw.send(raw.build_adapter_request(request))
            raw.raise_for_status(answer)
    except ApiError as error:
        # It has not run yet, or was never restarted, or the pod is gone.
        if error.status.code in (_BAD_REQUEST, _NOT_FOUND):
            return ()
        return (f"(the log cannot be read: {error})",)
    except httpx2.TransportError as error:
        return (f"(the log cannot be read: {error})",)
    lines = tuple(answer.text.splitlines())
    return () if lines and lines[0].startswith(_GONE) else lines
