"""A StatefulSet's pods that nobody else replaces are deleted, and no others."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from msgspec import convert

from sametag.deploy import Options, Request
from sametag.deploy.helm_run import helm_4_misjudges
from sametag.deploy.unblock import Unblocker
from sametag.kube.connection import Target, connect
from sametag.rollout import Member, Members, ServiceState
from sametag.rollout.assess import blocking
from sametag.rollout.kube_types import Event, Pod, StatefulSet
from sametag.rollout.state import Blocking
from sametag.rollout.workload import Objects, Owned

if TYPE_CHECKING:
    from fake_api import ApiServer


def pod(number: int, *, ready: bool = False, **state: Any) -> Pod:
    status = {"name": "db", "image": "app:1", "ready": ready, "restartCount": 0, "state": state or {"running": {}}}
    conditions = [{"type": "Ready", "status": str(ready)}]
    return convert(
        {
            "metadata": {"name": f"shop-db-{number}", "uid": f"u{number}"},
            "spec": {"containers": [{"name": "db"}]},
            "status": {"conditions": conditions, "containerStatuses": [status]},
        },
        Pod,
    )


def found(*pods: Pod, revision: str = "db-2", **spec: Any) -> list[tuple[str, bool]]:
    workload = convert({"metadata": {}, "spec": spec, "status": {"updateRevision": revision}}, StatefulSet)
    return [(one.name, one.in_trouble) for one in blocking(workload, pods, Owned(Objects()))]


WAITS: dict[str, Any] = {"waiting": {"reason": "ErrImagePull", "message": "manifest unknown"}}


def test_an_older_pod_that_is_not_ready_blocks_its_statefulset() -> None:
    assert found(pod(0, ready=True), pod(1), pod(2, **WAITS)) == [("shop-db-1", False), ("shop-db-2", True)]


def test_where_the_controller_replaces_it_or_is_not_to_nothing_blocks() -> None:
    assert found(pod(1), podManagementPolicy="Parallel") == []
    assert found(pod(1), updateStrategy={"type": "OnDelete"}) == []
    assert found(pod(1), revision="") == []
    partition = {"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}
    assert found(pod(1), pod(2), updateStrategy=partition) == [("shop-db-2", False)]


STATE = ServiceState("db", "shop-db", "s", generation=1, desired=1, updated=0, ready=0, observed=True)
PODS = "/api/v1/namespaces/apps/pods"
DELETED = f"DELETE {PODS}/shop-db-0?uid=u0"


def deleted(api: ApiServer, *looks: ServiceState, back: bool, apart: float = 1) -> tuple[list[str], list[str]]:
    """Return the requests, and what is told, when these states are seen so many seconds apart."""
    told: list[Any] = []
    request = Request(Target(kubeconfig=str(api.kubeconfig)), "shop", told.append, Options())

    async def main() -> None:
        async with connect(request.target) as client:
            now = 0.0
            unblocker = Unblocker(client, request, back=back, clock=lambda: now)
            for number, look in enumerate(looks):
                now = number * apart
                unblocker.receive([look])
                await asyncio.gather(*unblocker.tasks)

    asyncio.run(main())
    return [request for request in api.requests if " " in request], [str(step) for step in told]


def blocked(*, in_trouble: bool = False, generation: int = 1) -> ServiceState:
    return replace(STATE, generation=generation, blocking=(Blocking("shop-db-0", "u0", in_trouble),))


def test_on_the_way_back_it_is_deleted_once_the_template_is_another(api: ApiServer) -> None:
    api.put(f"{PODS}/shop-db-0", {})

    assert deleted(api, blocked(), back=True)[0] == []
    requests, told = deleted(api, STATE, blocked(generation=2), blocked(generation=2), back=True)
    assert requests == [DELETED]
    assert told == ["db: deleting pod shop-db-0, which is not ready and of an older revision"]


@pytest.mark.parametrize(("in_trouble", "apart", "count"), [(True, 1, 1), (False, 1, 0), (False, 31, 1)])
def test_in_an_upgrade_a_pod_that_may_be_starting_gets_time(
    api: ApiServer, *, in_trouble: bool, apart: float, count: int
) -> None:
    api.put(f"{PODS}/shop-db-0", {})
    look = blocked(in_trouble=in_trouble, generation=2)

    assert len(deleted(api, STATE, look, look, back=False, apart=apart)[0]) == count


def test_whoever_may_not_delete_it_is_told_what_to_do(api: ApiServer) -> None:
    api.answers[f"DELETE {PODS}/shop-db-0"] = (403, {"kind": "Status", "code": 403, "message": "no"})
    _, told = deleted(api, blocked(in_trouble=True), back=False)

    assert told[-1].startswith("warning: db cannot go on before its pod is deleted: kubectl delete pod shop-db-0")


def test_one_that_another_has_replaced_meanwhile_is_left_alone(api: ApiServer) -> None:
    api.answers[f"DELETE {PODS}/shop-db-0"] = (409, {"kind": "Status", "code": 409, "message": "uid"})
    _, told = deleted(api, blocked(in_trouble=True), back=False)

    assert len(told) == 1


def test_an_event_about_a_pod_makes_it_one_in_trouble() -> None:
    creating = pod(0, waiting={"reason": "ContainerCreating"})
    event = {"metadata": {}, "involvedObject": {"uid": "u0"}, "reason": "FailedMount", "message": "no volume"}
    workload = convert({"metadata": {}, "status": {"updateRevision": "db-2"}}, StatefulSet)
    owned = Owned(Objects(events={"e": convert(event, Event)}))

    assert [one.in_trouble for one in blocking(workload, [creating], owned)] == [True]


@pytest.mark.parametrize(
    ("kind", "held", "expected"),
    [("StatefulSet", "", True), ("Deployment", "", False), ("Deployment", "it is paused", True)],
)
def test_helm_4_is_not_trusted_to_wait_for_a_statefulset(kind: str, held: str, *, expected: bool) -> None:
    members = Members("shop", {(kind, "shop-db"): Member(kind, "shop-db", "db")})

    assert helm_4_misjudges(members, [replace(STATE, held=held)]) is expected
