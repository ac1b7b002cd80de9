"""What the watch has seen of a rollout, and the decisions that follow from it."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from sametag.deploy.events import Progress, Troubled
from sametag.errors import ClusterError
from sametag.rollout import DONE, HOPELESS, Patience, Trouble, evidence, watch

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from sametag.deploy.request import Request
    from sametag.kube.connection import Client
    from sametag.rollout import Members, Run, ServiceState

    _Key = tuple[str, str, str, str]


# By then Helm has applied everything, unless a hook is running. A service that is unchanged and still in trouble was
# not cured, for example because the same tag was deployed again.
_APPLIED_SECONDS = 30

# If the upgrade failed because the API server was away, the rollback starts when it is back.
_BEGIN_SECONDS = 120


class Watch:
    """A watch of a release's workloads that runs until it is ended.

    Attributes:
        members: The workloads to look at.
        latest: The states that were last seen.
        on_states: Called with each new list of states.
    """

    def __init__(self, client: Client, members: Members) -> None:
        self.members = members
        self.latest: Sequence[ServiceState] = ()
        self.on_states: Callable[[Sequence[ServiceState]], None] = lambda _: None
        self._begun = asyncio.Event()
        self._task = asyncio.create_task(watch(client, lambda: self.members, self._receive))

    def _receive(self, states: Sequence[ServiceState]) -> None:
        self.latest = states
        self._begun.set()
        self.on_states(states)

    async def begin(self) -> None:
        """Wait for the first states, so that a missing permission, for example, is found before Helm changes anything.

        Raises:
            ApiError: The API server refuses the watch.
            ClusterError: It does not answer for `_BEGIN_SECONDS`.
        """
        try:
            async with asyncio.timeout(_BEGIN_SECONDS):
                await self.first(self._begun.wait())
        except TimeoutError:
            message = f"the API server has not answered for {_BEGIN_SECONDS} s"
            raise ClusterError(message, "sametag status shows what runs, once it answers") from None

    async def first(self, *others: Awaitable[Any]) -> None:
        """Wait for the first of the others, or raise the API server's refusal of the watch; tasks keep running."""
        waits = [asyncio.ensure_future(other) for other in others]
        try:
            await asyncio.wait({self._task, *waits}, return_when=asyncio.FIRST_COMPLETED)
            if self._task.done():
                await self._task
        finally:
            for wait, other in zip(waits, others, strict=True):
                if wait is not other:
                    wait.cancel()

    async def end(self) -> None:
        """End the watch; ending it twice is fine."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


class Monitor:
    """Receives each state of the services, reports it, and decides when the rollout is done or has failed.

    Args:
        client: For the logs of pods in trouble.
        request: Receives the events; its options decide whether a trouble that cannot heal ends the rollout.
        clock: Returns seconds, monotonic.
        rescue: Whether this is the rollback of a failed rollout: it ends early only for a trouble that never heals,
            and only when every other service is back.
    """

    def __init__(
        self,
        client: Client,
        request: Request,
        clock: Callable[[], float] = time.monotonic,
        *,
        rescue: bool = False,
    ) -> None:
        self._rescue = rescue
        self._client = client
        self._request = request
        self._clock = clock
        self._patience = Patience(clock, request.options.grace)
        self._expected: Members | None = None
        self._began = self._hooks_ended = clock()
        self._first = True
        # The Jobs that were done before: they take no part.
        self._past: set[str] = set()
        self._explained: set[_Key] = set()
        # The workloads that existed at some time during this rollout: Helm does not remove them.
        self._seen: set[str] = set()
        self._failed: dict[_Key, tuple[str, Trouble]] = {}
        # The last trouble of each container: one that crashes has none while it runs again.
        self._newest: dict[tuple[str, str, str], tuple[str, Trouble]] = {}
        self.latest: tuple[ServiceState, ...] = ()
        # The newest run of each service's Job, by the Job's name, with the service.
        self._runs: dict[str, tuple[str, Run]] = {}
        #: The names of the Jobs that Helm does not wait for.
        self.awaited_jobs: frozenset[str] = frozenset()
        #: The digests that the pods of the services' Jobs were seen to run.
        self.job_digests: set[str] = set()
        #: The services and Jobs at the first look, by name: at first, their troubles are not held against this rollout.
        self.before: dict[str, ServiceState] = {}
        #: A service has a trouble that ends the rollout.
        self.stuck = asyncio.Event()
        #: In addition, every other service is either well or in trouble too.
        self.decided = asyncio.Event()
        #: Every service was seen ready on the image that the manifest has.
        self.settled = asyncio.Event()
        #: Every service is as its controller wants it.
        self.done = asyncio.Event()
        #: A service whose controller is not done has a trouble that ends the rollout.
        self.failed = asyncio.Event()
        #: Tasks to cancel when the watch ends.
        self.explaining: list[asyncio.Task[None]] = []

    def receive(self, states: Sequence[ServiceState]) -> None:
        """Take in a new state of the services."""
        if self._first:
            self._first = False
            self._past = {state.uid for state in states if state.run and state.run.state == DONE}
            self.before = {state.name: state for state in states if state.uid not in self._past}
        self._runs |= {state.workload: (state.name, state.run) for state in states if state.run and not state.extra}
        self.latest = states = tuple(state for state in states if state.uid not in self._past)
        self.job_digests.update(*(state.run.digests for state in states if state.run and not state.extra))
        if any(state.run and not state.run.ended for state in states):
            self._hooks_ended = self._clock()
        self._seen |= {state.name for state in states if state.uid}
        self._request.report(Progress(self.latest, self.before, self._clock() - self._began))
        found = self.troubles()
        self._newest |= {(name, trouble.pod, trouble.container): (name, trouble) for name, trouble in found}
        extras = {state.name for state in states if state.extra}
        exhausted = self._patience.exhausted((name, trouble) for name, trouble in found if name not in extras)
        if self._request.options.fail_fast:
            self._fail(exhausted)
        if not self.stuck.is_set():  # the end of the rollout explains all of it
            self._explain(found)
        self._check()

    def troubles(self) -> list[tuple[str, Trouble]]:
        """Return the troubles of the services that this deployment has changed, or should have cured."""
        applied = self._clock() - self._hooks_ended >= _APPLIED_SECONDS
        mine = [state for state in self.latest if applied or self._changed(state)]
        found = [(state.name, trouble) for state in mine for trouble in state.troubles]
        deleted = [state for state in self.latest if not state.uid and state.name in self._seen and state.steady]
        return found + [
            (state.name, Trouble("Deleted", f"somebody deleted {state.workload} during the rollout"))
            for state in deleted
        ]

    def failures(self) -> list[tuple[str, Trouble]]:
        """Return what ended it, what is or was in trouble and is not ready, and what has crashed.

        Without any of these, return all that is not ready.
        """
        found = self._failed | _keyed(self.troubles())
        unready = {(state.name, pod.name) for state in self.latest for pod in state.pods if not pod.ready}
        earlier = [pair for key, pair in self._newest.items() if key[:2] in unready]
        for more in (earlier, self.crashes()):
            told = {key[:3] for key in found}
            found |= {key: pair for key, pair in _keyed(more).items() if key[:3] not in told}
        if not found:
            waiting = [state for state in self.latest if not state.complete or (state.run and not state.run.ended)]
            found = _keyed([(state.name, unready) for state in waiting for unready in state.unready])
        return list(found.values())

    def crashes(self) -> list[tuple[str, Trouble]]:
        """Return the containers that have crashed in this rollout and are not known to be well since."""
        return [(state.name, crash) for state in self.latest if self._changed(state) for crash in state.crashes]

    def doubts(self, services: Sequence[ServiceState]) -> list[str]:
        """Return why each of these services is not verified, if it is not."""
        crashed = {name: f"pod {crash.pod} crashed: {crash.message}" for name, crash in self.crashes()}
        found = [(state.name, state.doubt or crashed.get(state.name)) for state in services]
        return [f"{name}: {why}" for name, why in found if why]

    def unfinished_jobs(self) -> list[str]:
        """Return the services whose Jobs Helm does not wait for, and that were seen and have not succeeded."""
        seen = [self._runs[job] for job in sorted(self.awaited_jobs) if job in self._runs]
        return [name for name, run in seen if run.state != DONE]

    def _changed(self, state: ServiceState) -> bool:
        before = self.before.get(state.name)
        return before is None or before.spec != state.spec

    def _fail(self, exhausted: Sequence[tuple[str, Trouble]]) -> None:
        self._failed |= _keyed(pair for pair in exhausted if not self._rescue or pair[1].reason in HOPELESS)
        if not self._failed:
            return
        services = {service for service, _ in self._failed.values()}
        if all(self._is_well(state) or state.extra or state.name in services for state in self.latest):
            self.decided.set()
        if not self._rescue or self.decided.is_set():
            self.stuck.set()

    def _is_well(self, state: ServiceState) -> bool:
        """Whether nothing is left to do for a service; on a way back, it must also be on its tag."""
        return not state.doubt if self._rescue and state.steady else state.complete

    def _explain(self, found: Sequence[tuple[str, Trouble]]) -> None:
        """Fetch the events and logs of each trouble once, without stopping the watch."""
        keyed = _keyed(found)
        new = [pair for key, pair in keyed.items() if key not in self._explained]
        self._explained.update(keyed)
        if new:
            self.explaining.append(asyncio.create_task(self._tell(new)))

    async def _tell(self, found: Sequence[tuple[str, Trouble]]) -> None:
        self._request.report(Troubled(tuple(await evidence(self._client, found))))

    def expect(self, made: Members) -> None:
        """Take note that Helm is done and made these workloads; from now on, `settled`, `done` and `failed` are set."""
        self._expected = made
        self._check()

    def _check(self) -> None:
        if self._expected is None:
            return
        services = {state.name: state for state in self.latest if state.steady}
        if not self._expected.running <= services.keys():
            return  # the last states are those of the previous revision
        unfinished = self.unfinished_jobs()
        # A Job that was never seen may be gone already: it is waited for no longer than Helm's last event takes.
        seen = not unfinished and self.awaited_jobs <= self._runs.keys()
        if seen and all(state.held or not state.doubt for state in services.values()):
            self.settled.set()
        if not unfinished and all(state.done for state in services.values()):
            self.done.set()
        failed = {name for name, _ in self._failed.values()}
        if failed.intersection(unfinished) or any(name in services and not services[name].done for name in failed):
            self.failed.set()


def _keyed(found: Iterable[tuple[str, Trouble]]) -> dict[_Key, tuple[str, Trouble]]:
    return {(name, trouble.pod, trouble.container, trouble.reason): (name, trouble) for name, trouble in found}
