"""What works but not as most expect is said before a change, with the numbers and the setting or flag."""

from __future__ import annotations

from typing import Any

import pytest

from sametag.deploy.foresight import foreseen, has_host_ports
from sametag.drift import DryRun
from sametag.kube.objects import Key

WEB = {"app.kubernetes.io/component": "web"}


def workload(
    kind: str = "Deployment", *, tag: str = "1", ports: Any = (), pod: Any = None, **spec: Any
) -> dict[str, Any]:
    container = {"name": "web", "image": f"app:{tag}", "ports": list(ports)}
    template = {"metadata": {"labels": WEB}, "spec": {"containers": [container], **(pod or {})}}
    metadata = {"name": "shop-web", "labels": WEB}
    return {"kind": kind, "metadata": metadata, "spec": {"replicas": 2, **spec, "template": template}}


def service(target: Any, selector: dict[str, str] = WEB, **spec: Any) -> dict[str, Any]:
    ports = [{"port": 80, "protocol": "TCP", "targetPort": target}]
    return {"kind": "Service", "metadata": {"name": "shop-web"}, "spec": {"selector": selector, "ports": ports, **spec}}


def said(*pairs: tuple[Any, Any], timeout: float = 300, nodes: Any = ()) -> list[str]:
    """Return what is said of objects that are changed from the first of a pair to the second."""
    keys = [Key("", new["kind"], "apps", new["metadata"]["name"]) for _, new in pairs]
    live = dict(zip(keys, (old for old, _ in pairs), strict=True))
    after = dict(zip(keys, (new for _, new in pairs), strict=True))
    return list(foreseen(DryRun({}, {}, live, after, {}, {}), timeout, nodes))


def named(name: str, number: int = 8080) -> list[dict[str, Any]]:
    return [{"name": name, "containerPort": number}]


def test_a_renamed_port_is_said_with_what_fails() -> None:
    deployments = (workload(ports=named("http")), workload(ports=named("web")))

    (line,) = said((service("http"), service("web")), deployments)
    assert line == (
        "Service shop-web will send port 80 to web (now http), which the running pods do not have: requests to it may "
        "fail until every pod of web is replaced; keep the old port to avoid it"
    )


@pytest.mark.parametrize(
    ("services", "deployments"),
    [
        # Another number behind the same name: each pod is asked at its own.
        ((service("http"), service("http")), (workload(ports=named("http")), workload(ports=named("http", 9090)))),
        # From a name to its number.
        ((service("http"), service(8080)), (workload(ports=named("http")), workload(tag="2", ports=named("http")))),
        # No proxy, no ports.
        (
            (service("http", clusterIP="None"), service("web", clusterIP="None")),
            (workload(ports=named("http")), workload(ports=named("web"))),
        ),
        # Nothing of the pods is replaced.
        ((service("http"), service("web")), (workload(ports=named("http")), workload(ports=named("http")))),
    ],
)
def test_what_old_pods_answer_is_not_warned_of(services: Any, deployments: Any) -> None:
    assert said(services, deployments) == []


def test_another_number_that_old_pods_do_not_listen_at_is_said() -> None:
    (line,) = said((service(8080), service(9090)), (workload(ports=named("a")), workload(ports=named("a", 9090))))

    assert line.startswith("Service shop-web will send port 80 to 9090 (now 8080), which")


def test_a_service_that_no_longer_selects_the_pods_that_run_is_said() -> None:
    after = service("http", {**WEB, "version": "2"})
    (line,) = said((service("http"), after), (workload(ports=named("http")), workload(tag="2", ports=named("http"))))

    assert line.startswith("Service shop-web will no longer select the running pods (Deployment shop-web)")


NODE: dict[str, Any] = {"metadata": {"labels": {"disk": "ssd"}}, "spec": {}}
FULL: dict[str, Any] = {"metadata": {}, "spec": {"unschedulable": True}}
OTHERS: dict[str, Any] = {"metadata": {}, "spec": {"taints": [{"effect": "NoSchedule", "key": "control-plane"}]}}
SURGE = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 0}}


@pytest.mark.parametrize(
    ("nodes", "strategy", "pod", "expected"),
    [
        ([NODE, NODE], SURGE, {}, True),
        ([NODE, NODE, FULL, OTHERS], SURGE, {}, True),
        ([NODE, NODE, NODE], SURGE, {}, False),
        ([NODE, NODE, OTHERS], SURGE, {"tolerations": [{"operator": "Exists"}]}, False),
        ([NODE, NODE, OTHERS], SURGE, {"nodeSelector": {"disk": "ssd"}}, True),
        ([NODE], {"type": "Recreate"}, {}, False),
        ([NODE], {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}}, {}, False),
        ([NODE], {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "50%"}}, {}, False),
        ([NODE], {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "49%"}}, {}, True),
        ([], SURGE, {}, False),
    ],
)
def test_a_port_of_the_node_needs_a_node_more_than_pods(nodes: Any, strategy: Any, pod: Any, *, expected: bool) -> None:
    ports = [{"name": "http", "containerPort": 80, "hostPort": 80}]
    old, new = (workload(tag=tag, ports=ports, pod=pod, strategy=strategy) for tag in "12")

    assert bool(said((old, new), nodes=nodes)) == expected
    assert has_host_ports(DryRun({}, {}, {}, {Key("", "Deployment", "apps", "x"): new}, {}, {}))


@pytest.mark.parametrize(
    ("kind", "spec", "grace", "told"),
    [
        (
            "Deployment",
            {"strategy": {"type": "Recreate"}},
            600,
            "may take 600 s to terminate, and the new ones wait for them, but --timeout is 300 s",
        ),
        ("Deployment", {"strategy": {"type": "Recreate"}}, 299, ""),
        ("Deployment", {"strategy": {"type": "Recreate"}, "replicas": 0}, 600, ""),
        ("Deployment", {"strategy": SURGE}, 600, ""),
        (
            "StatefulSet",
            {},
            150,
            "one by one may take 300 s (2 times 150 s), but --timeout is 300 s; --timeout 6m",
        ),
        ("StatefulSet", {}, 149, ""),
        ("StatefulSet", {"minReadySeconds": 1}, 149, "300 s (2 times 150 s)"),
        ("StatefulSet", {"replicas": 20}, None, "600 s (20 times 30 s)"),
        ("StatefulSet", {"updateStrategy": {"rollingUpdate": {"partition": 1}}}, 150, ""),
        ("StatefulSet", {"updateStrategy": {"type": "OnDelete"}}, 600, ""),
        ("DaemonSet", {}, 100, "400 s (4 times 100 s)"),
        ("DaemonSet", {"updateStrategy": {"rollingUpdate": {"maxUnavailable": 2}}}, 100, ""),
    ],
)
def test_old_pods_that_may_end_later_than_the_timeout_are_said_with_the_flag(
    kind: str, spec: dict[str, Any], grace: int | None, told: str
) -> None:
    pod = {"terminationGracePeriodSeconds": grace} if grace else {}
    old, new = (workload(kind, tag=tag, pod=pod, **spec) for tag in "12")
    old["status"] = {"desiredNumberScheduled": 4}
    lines = said((old, new))

    assert bool(lines) == bool(told)
    assert all(told in line for line in lines)
