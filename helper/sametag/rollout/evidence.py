"""The events and logs of failed pods, collected before the pods are gone."""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import TYPE_CHECKING

import httpx2
from lightkube import ApiError, operators

from sametag.kube.api import Api
from sametag.masking import masked
from sametag.rollout.images import registry_error
from sametag.rollout.kube_types import USUAL, Event
from sametag.rollout.starting import said_by_exec

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sametag.kube.connection import Client
    from sametag.rollout.trouble import Trouble

_LINES = 50
# In characters: of a line, which may be a whole document, and of a log.
_LINE_LENGTH, _LENGTH = 4096, 65536
# In bytes: what is fetched. Its end is missing only where lines are longer than any runtime writes them.
_FETCHED = 4 * 1024 * 1024

# Logs that are read at once: the API server shares its time among all clients.
_AT_ONCE = 10

# What the kubelet answers, with 200, when the runtime has removed the container meanwhile.
_GONE = "unable to retrieve container logs for "


# The container never ran.
_WITHOUT_LOG = frozenset(
    {
        "ImageNotFound",
        "InvalidImageName",
        "ErrImageNeverPull",
        "ErrImagePull",
        "ImageWrongPlatform",
        "ImageIncomplete",
        "ImagePullDenied",
        "RegistryError",
        "RegistryRateLimited",
        "SignatureValidationFailed",
        "CreateContainerConfigError",
        "CreateContainerError",
        "StartError",
    }
)


# Where two services fail alike, their logs say whether for the same reason.
_BY_LOG = frozenset(
    {"CrashLoopBackOff", "Crashed", "JobFailed", "NotReady", "ProgressDeadlineExceeded"}
    | {f"{kind}ProbeFailed" for kind in ("Startup", "Liveness", "Readiness")}
)

# What differs between two logs that say the same.
_DIGITS = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of one cause of a failure, with what one of its pods has left, collected before it is gone.

    Attributes:
        service: The service of this pod.
        trouble: Why it failed.
        events: What was told about the pod that is not usual, newest last.
        log: The last lines that the container wrote.
        previous: The last lines that it wrote before it was restarted.
        others: The other services that fail for this cause.
        pods: How many containers fail for it, in all.
    """

    service: str
    trouble: Trouble
    events: tuple[str, ...] = ()
    log: tuple[str, ...] = ()
    previous: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    pods: int = 1

    @property
    def services(self) -> tuple[str, ...]:
        """Every service that fails for this cause; the one whose pod this is comes first."""
        return (self.service, *self.others)


async def evidence(client: Client, failed: Iterable[tuple[str, Trouble]]) -> list[Evidence]:
    """Collect, for each cause, the events and the last 50 log lines, current and previous, of one container.

    If a log or the events cannot be read, the reason replaces them: missing evidence must not stop what follows.
    """
    alike: dict[tuple[str, ...], list[tuple[str, Trouble]]] = {}
    for service, trouble in failed:
        cause = _cause(trouble)
        key = (cause, service, trouble.container) if trouble.reason in _BY_LOG else (cause,)
        alike.setdefault(key, []).append((service, trouble))
    events = await _events(client)
    limit = asyncio.Semaphore(_AT_ONCE)

    async def collect(same: Sequence[tuple[str, Trouble]]) -> Evidence:
        service, trouble = min(same, key=lambda pair: pair[1].reason == "Crashed")
        log, previous = [await _log(client, trouble, limit, previous=previous) for previous in (False, True)]
        others = tuple(name for name in dict.fromkeys(name for name, _ in same) if name != service)
        told = tuple(events[trouble.uid]) if trouble.pod else ()
        named = await explained_by_registry(_as_the_log_says(trouble, (log, previous)))
        return Evidence(service, named, told, log, previous, others, len(same))

    return _merged(await asyncio.gather(*map(collect, alike.values())))


async def explained_by_registry(trouble: Trouble) -> Trouble:
    """Return the trouble of an image that a node could not find, with the registry's explanation."""
    image = trouble.message.removesuffix(" does not exist")
    if trouble.reason != "ImageNotFound" or image == trouble.message:
        return trouble
    words = await registry_error(image)
    return replace(trouble, reason="RegistryError", message=words) if words else trouble


def _as_the_log_says(trouble: Trouble, logs: Iterable[Sequence[str]]) -> Trouble:
    """Return a crash that was none: the command could not be executed, which the runtime writes into the log."""
    if trouble.reason not in ("CrashLoopBackOff", "Crashed"):
        return trouble
    words = next(filter(None, map(said_by_exec, logs)), "")
    return replace(trouble, reason="StartError", message=words) if words else trouble


def _cause(trouble: Trouble) -> str:
    """Return the cause of a trouble; a crash is the same cause before and after it becomes a crash loop."""
    return trouble.cause.replace("Crashed", "CrashLoopBackOff", 1) if trouble.reason == "Crashed" else trouble.cause


def _merged(found: Iterable[Evidence]) -> list[Evidence]:
    """Make one of those whose services fail for the same reason and whose logs end in the same way."""
    causes: dict[tuple[str, str], Evidence] = {}
    for new in found:
        last = next((line for log in (new.log, new.previous) for line in reversed(log) if line.strip()), "")
        key = (_cause(new.trouble), _DIGITS.sub("0", last))
        known = causes.get(key)
        if known is None:
            causes[key] = new
            continue
        shown = new if known.trouble.reason == "Crashed" else known
        others = tuple(name for name in dict.fromkeys((*known.services, *new.services)) if name != shown.service)
        causes[key] = replace(shown, others=others, pods=known.pods + new.pods)
    return list(causes.values())


async def _events(client: Client) -> defaultdict[str, list[str]]:
    """Return what was told about each pod that is not usual, in one call, each said once."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    try:
        async for event in client.list(Event, fields={"reason": operators.not_in(USUAL), "involvedObject.kind": "Pod"}):
            line = _shown(f"{event.reason}: {event.message}")
            if line not in found[event.involvedObject.uid]:
                found[event.involvedObject.uid].append(line)
    except (ApiError, httpx2.TransportError) as error:
        line = f"(the events cannot be read: {error})"
        return defaultdict(lambda: [line])
    return found


async def _log(client: Client, trouble: Trouble, limit: asyncio.Semaphore, *, previous: bool) -> tuple[str, ...]:
    if not trouble.container or trouble.reason in _WITHOUT_LOG:
        return ()
    params: dict[str, str | int | bool] = {
        "container": trouble.container,
        "tailLines": _LINES,
        "limitBytes": _FETCHED,
        "previous": previous,
    }
    try:
        async with limit:
            log = await Api(client).log(trouble.pod, params)
    except ApiError as error:
        # It did not run yet, or was never restarted, or the pod is gone.
        if error.status.code in (HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND):
            return ()
        return (f"(the log cannot be read: {error})",)
    except httpx2.TransportError as error:
        return (f"(the log cannot be read: {error})",)
    lines = log.splitlines()
    return () if lines and lines[0].startswith(_GONE) else _bounded(lines)


def _bounded(lines: Sequence[str]) -> tuple[str, ...]:
    """Return the last lines, as they are shown, as many as fit."""
    kept: list[str] = []
    size = 0
    for line in reversed(lines[-_LINES:]):
        shown = _shown(line)
        size += len(shown)
        if size > _LENGTH:
            break
        kept.append(shown)
    return tuple(reversed(kept))


def _shown(line: str) -> str:
    """Return a line without the secrets in it; of a long one the beginning, and how long it is."""
    if len(line) <= _LINE_LENGTH:
        return masked(line)
    # A secret must not lose the end that tells what it is.
    return (
        f"{masked(line[: 2 * _LINE_LENGTH])[:_LINE_LENGTH]}… (cut, {len(line.encode(errors='replace'))} bytes in all)"
    )
