"""Delete the pods of a broken revision that a StatefulSet waits for, as Kubernetes documents: nobody else does."""

from __future__ import annotations

import asyncio
import time
from http import HTTPStatus
from typing import TYPE_CHECKING

import httpx2
from lightkube import ApiError

from sametag.kube.api import Api
from sametag.kube.retry import patiently

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sametag.deploy.request import Request
    from sametag.kube.connection import Client
    from sametag.rollout import ServiceState

# A pod that is only just starting gets this time in an upgrade; its controller would replace it next all the same.
_STARTING_SECONDS = 30


class Unblocker:
    """Sees to it that every StatefulSet can go on.

    Args:
        client: Of the cluster.
        request: Who is told.
        back: Whether this is the way back from a revision that failed: then its pods need no time.
        clock: Seconds from anywhere.
    """

    def __init__(
        self, client: Client, request: Request, *, back: bool, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._api = Api(client)
        self._request = request
        self._back = back
        self._clock = clock
        self._specs: dict[str, tuple[str, int]] = {}
        self._since: dict[str, float] = {}
        self._tried: set[str] = set()
        #: Whoever ends the watch ends these too.
        self.tasks: list[asyncio.Task[None]] = []

    def receive(self, states: Sequence[ServiceState]) -> None:
        """Take in a new state of the services."""
        now = self._clock()
        for state in states:
            before = self._specs.setdefault(state.name, state.spec)
            for pod in state.blocking:
                since = self._since.setdefault(pod.uid, now)
                gone_back = self._back and state.spec != before
                if (gone_back or pod.in_trouble or now - since >= _STARTING_SECONDS) and pod.uid not in self._tried:
                    self._tried.add(pod.uid)
                    self.tasks.append(asyncio.create_task(self._delete(state.name, pod.name, pod.uid)))

    async def _delete(self, service: str, name: str, uid: str) -> None:
        self._request.say(f"{service}: deleting pod {name}, which is not ready and of an older revision")
        try:
            await patiently(lambda: self._delete_this(name, uid))
        except (ApiError, httpx2.TransportError) as error:
            status = error.status if isinstance(error, ApiError) else None
            if status and status.code in (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT):
                return  # it is gone, or another has its name by now
            self._request.warn(f"{service} cannot go on before its pod is deleted: kubectl delete pod {name} ({error})")

    async def _delete_this(self, name: str, uid: str) -> None:
        await self._api.delete({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "uid": uid}})
