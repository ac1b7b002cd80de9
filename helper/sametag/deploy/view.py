"""What the watch has seen of a rollout, and what follows from it."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from sametag.deploy.events import Progress, Troubled
from sametag.rollout import Patience, evidence

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lightkube import AsyncClient

    from sametag.deploy.events import Request
    from sametag.rollout import Image, ServiceState, Trouble


class View:
    """Takes in each state of the services, tells the reader, and decides when it is enough.

    Args:
        client: For the logs of pods in trouble.
        request: Whom to tell, and whether what cannot heal is to end the rollout.
        before: The services as they were, by name.
    """

    def __init__(self, client: AsyncClient, request: Request, before: Mapping[str, ServiceState]) -> None:
        self._client = client
        self._request = request
        self._before = dict(before)
        self._patience = Patience()
        self._expected: Image | None = None
        self._began = time.monotonic()
        self._explained: set[tuple[str, str, str, str]] = set()
        self.latest: tuple[ServiceState, ...] = ()
        self.stuck: asyncio.Future[list[tuple[str, Trouble]]] = asyncio.get_running_loop().create_future()
        self.settled = asyncio.Event()
        #: Whoever ends the watch ends these too.
        self.explaining: list[asyncio.Task[None]] = []

    def look(self, states: Sequence[ServiceState]) -> None:
        """Take in a new state of the services."""
        self.latest = tuple(states)
        self._request.report(Progress(self.latest, self._before, time.monotonic() - self._began))
        found = self.troubles()
        exhausted = self._patience.exhausted(found)
        if exhausted and self._request.options.fail_fast and not self.stuck.done():
            self.stuck.set_result(exhausted)  # and all of it is explained then
        elif not self.stuck.done():
            self._explain(found)
        self._check()

    def troubles(self) -> list[tuple[str, Trouble]]:
        """Return the troubles of the services that this deployment changed; what was broken before is not its doing."""
        return [(state.name, trouble) for state in self.latest if self._changed(state) for trouble in state.troubles]

    def _changed(self, state: ServiceState) -> bool:
        before = self._before.get(state.name)
        return before is None or (before.uid, before.generation) != (state.uid, state.generation)

    def _explain(self, found: Sequence[tuple[str, Trouble]]) -> None:
        """Fetch events and logs of each trouble once, beside the watch."""
        keyed = {(name, trouble.pod, trouble.container, trouble.reason): (name, trouble) for name, trouble in found}
        new = [pair for key, pair in keyed.items() if key not in self._explained]
        self._explained.update(keyed)
        if new:
            self.explaining.append(asyncio.create_task(self._tell(new)))

    async def _tell(self, found: Sequence[tuple[str, Trouble]]) -> None:
        self._request.report(Troubled(tuple(await evidence(self._client, found))))

    def expect(self, image: Image) -> None:
        """Say which image every pod has to run; `settled` is set once they all do."""
        self._expected = image
        self._check()

    def _check(self) -> None:
        image = self._expected
        if image and all(state.complete and state.runs(image) for state in self.latest):
            self.settled.set()
