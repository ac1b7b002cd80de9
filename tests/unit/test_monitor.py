"""What the watch has seen of a rollout decides when it has failed, and what is named."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from sametag.deploy import Options, Request
from sametag.deploy.monitor import Monitor
from sametag.kube.connection import Target
from sametag.rollout import DONE, FAILED, RUNNING, Member, Members, PodState, Run, ServiceState, Trouble

if TYPE_CHECKING:
    from collections.abc import Callable

    from sametag.deploy import Event

IMAGE = "registry.example.com/app:2"
MADE = Members(
    "app", {("Deployment", name): Member("Deployment", name, name, name, IMAGE) for name in ("web", "worker")}
)
MISSING = Trouble("ImageNotFound", "app:2 does not exist", "web-1", "web")
REFUSED = Trouble("Forbidden", "exceeded quota", "")
WAITS = Trouble("NotReady", "", "worker-1", "worker")


def state(name: str, *, generation: int = 2, ready: bool = True, **more: object) -> ServiceState:
    pod = PodState(f"{name}-1", ("registry.example.com/app:2",), ready=ready, restarts=0, digests=("sha256:ab",))
    found = {"uid": name, "observed": True, "pods": (pod,), "on_tag": True, **more}
    return ServiceState(name, name, generation=generation, desired=1, updated=1, ready=int(ready), **found)  # type: ignore[arg-type]


def seen(
    *looks: list[ServiceState],
    then: Callable[[Monitor], object],
    fail_fast: bool = True,
    apart: float = 0,
    rescue: bool = False,
) -> object:
    """Return what a monitor says after these looks, so many seconds apart; the first one is what was there before."""

    async def main() -> object:
        events: list[Event] = []
        now = 0.0
        request = Request(Target(), "app", events.append, Options(fail_fast=fail_fast))
        monitor = Monitor(None, request, lambda: now, rescue=rescue)  # type: ignore[arg-type]
        for number, look in enumerate(looks):
            now = number * apart
            monitor.receive(look)
        for task in monitor.explaining:
            task.cancel()
        assert len(events) == len(looks)
        return then(monitor)

    return asyncio.run(main())


BEFORE = [state("web", generation=1), state("worker", generation=1)]


def test_every_service_that_fails_is_named_not_only_the_first() -> None:
    first = [state("web", ready=False, troubles=(MISSING,)), state("worker", ready=False)]
    second = [state("web", ready=False), state("worker", ready=False, troubles=(REFUSED,))]

    assert seen(BEFORE, first, second, then=Monitor.failures) == [
        ("web", MISSING),
        ("worker", REFUSED),
    ]


def test_a_container_that_has_crashed_and_runs_again_is_named_until_its_pod_is_ready() -> None:
    crashed = Trouble("Crashed", "1 restart", "worker-1", "worker")
    first = [state("web", ready=False), state("worker", ready=False, troubles=(crashed,))]
    second = [state("web", ready=False, troubles=(MISSING,)), state("worker", ready=False)]
    healed = [state("web", ready=False, troubles=(MISSING,)), state("worker")]

    assert seen(BEFORE, first, second, then=Monitor.failures) == [
        ("web", MISSING),
        ("worker", crashed),
    ]
    assert seen(BEFORE, first, healed, then=Monitor.failures) == [("web", MISSING)]


def test_a_container_that_crashed_is_named_though_it_runs_and_is_ready_at_the_moment() -> None:
    """Without a readiness probe it is ready whenever it runs."""
    ends = Trouble("CrashLoopBackOff", "2 restarts; ended with exit code 137 (OOMKilled)", "worker-1", "worker")
    crash = Trouble("Crashed", "1 restart; ended with exit code 3 (Error)", "web-1", "web")
    look = [state("web", crashes=(crash,)), state("worker", ready=False, troubles=(ends,), crashes=(ends,))]

    assert seen(BEFORE, look, then=Monitor.failures) == [("worker", ends), ("web", crash)]
    assert seen(look, look, then=Monitor.failures) == [], "it crashed before the rollout"


def test_a_service_that_crashed_in_this_rollout_is_not_verified_though_it_is_ready() -> None:
    crash = Trouble("Crashed", "1 restart; ended with exit code 3 (Error)", "web-1", "web")
    look = [state("web", crashes=(crash,)), state("worker"), state("deployment/redis", extra=True, crashes=(crash,))]

    def doubts(monitor: Monitor) -> list[str]:
        return monitor.doubts([service for service in monitor.latest if service.steady])

    assert seen(BEFORE, look, then=doubts) == ["web: pod web-1 crashed: 1 restart; ended with exit code 3 (Error)"]
    assert seen(look, look, then=doubts) == []
    assert seen(BEFORE, [state("web", held="it is paused", crashes=(crash,))], then=doubts) == ["web: it is paused"]


def test_it_is_decided_once_every_other_service_is_well_or_in_trouble_too() -> None:
    starting = [state("web", ready=False, troubles=(MISSING,)), state("worker", ready=False)]
    well = [state("web", ready=False, troubles=(MISSING,)), state("worker")]

    decided: list[object] = [
        seen(*looks, then=lambda monitor: (monitor.stuck.is_set(), monitor.decided.is_set()))
        for looks in ((BEFORE,), (BEFORE, starting), (BEFORE, starting, well))
    ]
    assert decided == [(False, False), (True, False), (True, True)]


def test_what_was_wrong_before_is_not_held_against_the_rollout() -> None:
    broken = [state("web", generation=1, ready=False, troubles=(MISSING,))]

    assert seen(broken, broken, then=lambda monitor: (monitor.stuck.is_set(), monitor.troubles())) == (False, [])


def test_what_is_as_wrong_as_before_once_helm_has_applied_everything_was_not_cured() -> None:
    """The same tag again: the workloads do not change, and Helm waits for them all the same."""
    broken = [state("web", generation=1, ready=False, troubles=(MISSING,)), state("worker", generation=1)]
    hook = state("migrate", ready=False, run=Run(RUNNING))

    def stuck(monitor: Monitor) -> bool:
        return monitor.stuck.is_set()

    assert not seen(broken, broken, broken, then=stuck, apart=10)
    assert seen(*[broken] * 5, then=stuck, apart=10)
    assert not seen(*[[*broken, hook]] * 5, broken, then=stuck, apart=10)


def test_where_nothing_is_wrong_the_containers_that_helm_waits_for_are_named() -> None:
    waiting = [state("web"), state("worker", ready=False, unready=(WAITS,))]

    assert seen(BEFORE, waiting, then=Monitor.failures) == [("worker", WAITS)]


def test_without_fail_fast_trouble_is_told_and_ends_nothing() -> None:
    troubled = [state("web", ready=False, troubles=(MISSING,)), state("worker")]
    told = seen(BEFORE, troubled, then=lambda monitor: (monitor.stuck.is_set(), monitor.failures()), fail_fast=False)

    assert told == (False, [("web", MISSING)])


def ended(monitor: Monitor) -> tuple[bool, bool, bool]:
    """Whether every service is seen on its tag, every controller is done, and something has failed."""
    monitor.expect(MADE)
    return monitor.settled.is_set(), monitor.done.is_set(), monitor.failed.is_set()


def test_it_is_settled_when_every_pod_runs_the_image_and_jobs_are_helms_to_wait_for() -> None:
    job = state("migrate", ready=False, run=Run(RUNNING))

    assert seen(BEFORE, [state("web"), state("worker"), job], then=ended) == (True, True, False)
    assert seen(BEFORE, [state("web"), state("worker", ready=False)], then=ended) == (False, False, False)


def test_a_job_that_helm_does_not_wait_for_is_waited_for_and_may_be_gone_when_the_pods_are_ready() -> None:
    def awaiting(monitor: Monitor) -> tuple[tuple[bool, bool, bool], list[str]]:
        monitor.awaited_jobs = frozenset({"seed"})
        return ended(monitor), monitor.unfinished_jobs()

    pods, failure = [state("web"), state("worker")], Trouble("JobFailed", "exit code 1", "seed-1", "seed")
    runs = [[*pods, state("seed", ready=False, run=run)] for run in (Run(RUNNING), Run(DONE, ended=True))]
    failed = [*pods, state("seed", ready=False, run=Run(FAILED, ended=True), troubles=(failure,))]

    assert seen(BEFORE, runs[0], then=awaiting) == ((False, False, False), ["seed"])
    assert seen(BEFORE, *runs, pods, then=awaiting) == ((True, True, False), [])
    assert seen(BEFORE, runs[0], pods, then=awaiting) == ((False, False, False), ["seed"])
    assert seen(BEFORE, failed, pods, then=awaiting) == ((False, False, True), ["seed"])
    # It may have come and gone unseen: nobody can tell, and Helm has made it.
    assert seen(BEFORE, pods, then=awaiting) == ((False, True, False), [])


def test_it_is_not_settled_by_what_was_seen_of_the_revision_before() -> None:
    assert seen([state("web")], then=ended) == (False, False, False)


def test_another_image_than_the_manifests_is_not_settled_and_not_waited_for() -> None:
    assert seen(BEFORE, [state("web"), state("worker", on_tag=False)], then=ended) == (False, True, False)
    assert seen(BEFORE, [state("web"), state("worker", on_tag=None)], then=ended) == (False, True, False)


def test_what_its_controller_calls_done_cannot_fail_any_more() -> None:
    """An autoscaler adds a pod that finds no node, a pod crashes: the rollout was over by then."""

    def late(*, rolled_out: bool) -> ServiceState:
        return state("web", ready=False, troubles=(MISSING,), rolled_out=rolled_out)

    assert seen(BEFORE, [late(rolled_out=False), state("worker")], then=ended) == (False, False, True)
    assert seen(BEFORE, [late(rolled_out=True), state("worker")], then=ended) == (False, True, False)


def test_a_workload_of_no_service_decides_nothing_and_is_named() -> None:
    redis = state("deployment/redis", ready=False, extra=True, troubles=(MISSING,))
    found = seen(
        BEFORE, [state("web"), state("worker"), redis], then=lambda seen_by: (*ended(seen_by), seen_by.failures())
    )

    assert found == (True, True, False, [("deployment/redis", MISSING)])


def test_where_pods_stay_old_on_purpose_nobody_waits() -> None:
    assert seen(BEFORE, [state("web"), state("worker", ready=False, held="it is paused")], then=ended)


def test_only_what_cannot_heal_ends_a_rescue_and_only_when_every_other_service_is_back() -> None:
    crash = Trouble("CrashLoopBackOff", "3 restarts", "web-1", "web", overdue=True)
    crashing = [state("web", ready=False, troubles=(crash,)), state("worker")]
    on_its_way = [state("web", ready=False, troubles=(MISSING,)), state("worker", on_tag=False)]
    hopeless = [state("web", ready=False, troubles=(MISSING,)), state("worker")]

    ends = [
        seen(BEFORE, look, then=lambda monitor: monitor.stuck.is_set(), rescue=True)
        for look in (crashing, on_its_way, hopeless)
    ]
    assert ends == [False, False, True]
    assert seen(BEFORE, crashing, then=lambda monitor: monitor.stuck.is_set())


def test_a_workload_that_is_deleted_in_the_middle_is_named_and_one_that_was_never_there_is_not() -> None:
    gone = [state("web"), state("worker", uid="", observed=False, pods=())]

    assert seen(BEFORE, gone, gone, then=lambda monitor: monitor.stuck.is_set(), apart=3) is False
    assert seen(BEFORE, gone, gone, gone, then=Monitor.failures, apart=3) == [
        ("worker", Trouble("Deleted", "somebody deleted worker during the rollout"))
    ]
    assert seen([BEFORE[0], gone[1]], gone, gone, then=lambda monitor: monitor.stuck.is_set(), apart=9) is False
