"""Who reaches whom: Services, ways in from outside, network policies, monitors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from rendering import Chart

WEB = {"command": ["web"], "ports": {"http": {"containerPort": 8080, "port": 80}, "admin": {"containerPort": 9090}}}


def test_a_service_has_a_kubernetes_service_when_it_has_ports(render: Chart) -> None:
    rendered = render({"web": WEB, "worker": {"command": ["worker"]}})
    assert rendered.one("Service")["spec"]["ports"] == [
        {"name": "admin", "protocol": "TCP", "port": 9090, "targetPort": "admin"},
        {"name": "http", "protocol": "TCP", "port": 80, "targetPort": "http"},
    ]


def test_a_kubernetes_service_is_as_its_spec_says(render: Chart) -> None:
    service = {"type": "NodePort", "annotations": {"a": "b"}, "sessionAffinity": "ClientIP"}
    ports = {"http": {"containerPort": 80, "nodePort": 30080, "appProtocol": "http"}}
    found = render({"web": {"command": ["web"], "ports": ports, "service": service}}).one("Service")
    assert (found["spec"]["type"], found["spec"]["sessionAffinity"]) == ("NodePort", "ClientIP")
    assert (found["spec"]["ports"][0]["nodePort"], found["spec"]["ports"][0]["appProtocol"]) == (30080, "http")
    assert found["metadata"]["annotations"] == {"a": "b"}


def test_headless_and_none(render: Chart) -> None:
    assert render({"web": {**WEB, "service": {"headless": True}}}).one("Service")["spec"]["clusterIP"] == "None"
    assert render({"web": {**WEB, "service": {"enabled": False}}}).all("Service") == {}


def test_two_ports_with_one_number_of_the_service_are_refused(render: Chart) -> None:
    ports = {"a": {"containerPort": 1, "port": 80}, "b": {"containerPort": 80}}
    message = render.refusal({"web": {"command": ["web"], "ports": ports}})
    assert "services.web.ports: a and b both use port 80/TCP of its Service" in message


def test_an_ingress_leads_to_the_services_port(render: Chart) -> None:
    ingress = {"hosts": ["a.example.com", "b.example.com"], "paths": ["/x"], "port": "http", "ingressClassName": "c"}
    spec = render({"web": {**WEB, "ingress": ingress}}).one("Ingress")["spec"]
    backend = {"service": {"name": "app-web", "port": {"number": 80}}}
    path = {"path": "/x", "pathType": "Prefix", "backend": backend}
    assert [{"host": host, "http": {"paths": [path]}} for host in ingress["hosts"]] == spec["rules"]
    assert spec["ingressClassName"] == "c"


def test_a_route_leads_to_the_services_port(render: Chart) -> None:
    route = {"parentRefs": [{"name": "g"}], "hostnames": ["a.example.com"], "port": "http"}
    found = render({"web": {**WEB, "route": route}}).one("HTTPRoute")
    assert found["spec"]["rules"] == [{"backendRefs": [{"name": "app-web", "port": 80}]}]
    grpc = render({"web": {**WEB, "route": {**route, "kind": "GRPCRoute", "methods": [{"service": "s"}]}}})
    assert grpc.one("GRPCRoute")["spec"]["rules"][0]["matches"] == [{"method": {"service": "s"}}]


@pytest.mark.parametrize(
    ("key", "setting"),
    [("ingress", {"hosts": ["a"]}), ("route", {"parentRefs": [{"name": "g"}]}), ("monitor", {})],
)
def test_a_way_in_needs_a_port_that_is_there(render: Chart, key: str, setting: dict[str, Any]) -> None:
    no_ports = {"command": ["web"], key: {**setting, "labels": {"a": "b"}} if key == "monitor" else setting}
    assert f"services.web has {key} but no ports" in render.refusal({"web": no_ports})
    wrong = {**WEB, key: {**setting, "port": "htp"}}
    assert f"services.web.{key}.port refers to unknown port htp (ports: admin, http)" in render.refusal({"web": wrong})


@pytest.mark.parametrize(
    ("key", "setting"), [("ingress", {"hosts": ["a"]}), ("route", {"parentRefs": [{"name": "g"}]})]
)
def test_a_way_in_needs_a_service_to_lead_to(render: Chart, key: str, setting: dict[str, Any]) -> None:
    message = render.refusal({"web": {**WEB, "service": {"enabled": False}, key: setting}})
    assert f"services.web has {key} but no Service to route to" in message


def test_pods_of_a_statefulset_are_scraped_once(render: Chart) -> None:
    """It has two Services, and a ServiceMonitor would find both."""
    rendered = render({"web": {**WEB, "kind": "StatefulSet", "monitor": {}}})
    assert len(rendered.all("Service")) == 2
    assert rendered.one("PodMonitor")["spec"]["podMetricsEndpoints"] == [{"port": "admin", "path": "/metrics"}]


def policy_of(render: Chart, services: dict[str, Any], name: str) -> dict[str, Any]:
    spec: dict[str, Any] = render(services).all("NetworkPolicy")[name]["spec"]
    return spec


def peer(name: str) -> dict[str, Any]:
    labels = {"app.kubernetes.io/instance": "app", "app.kubernetes.io/component": name}
    return {"podSelector": {"matchLabels": labels}}


PORTS = [{"port": 9090, "protocol": "TCP"}, {"port": 8080, "protocol": "TCP"}]


def test_nothing_but_the_ports_is_open(render: Chart) -> None:
    services = {"web": WEB, "worker": {"command": ["worker"]}}
    web, worker = policy_of(render, services, "app-web"), policy_of(render, services, "app-worker")
    assert ["Ingress", "Egress"] == web["policyTypes"] == worker["policyTypes"]
    assert web["ingress"] == [{"ports": PORTS}]
    assert worker["ingress"] == []
    assert web["egress"] == [{}]


def test_allow_from_names_services_and_lets_the_test_in(render: Chart) -> None:
    api = {**WEB, "networkPolicy": {"allowFrom": ["web"]}}
    assert [{"ports": PORTS, "from": [peer("web"), peer("helm.test")]}] == policy_of(
        render, {"web": WEB, "api": api}, "app-api"
    )["ingress"]


def test_allow_from_nobody_is_nobody(render: Chart) -> None:
    """An empty `from` would mean everybody."""
    (rule,) = policy_of(render, {"web": {**WEB, "networkPolicy": {"allowFrom": []}}}, "app-web")["ingress"]
    assert [peer("helm.test")] == rule["from"]


def test_allow_to_names_services_and_leaves_dns_open(render: Chart) -> None:
    own = {"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}], "ports": [{"port": 5432}]}
    api = {"command": ["api"], "networkPolicy": {"allowTo": ["web", own]}}
    dns, web, database = policy_of(render, {"web": WEB, "api": api}, "app-api")["egress"]
    assert {("UDP", 53), ("TCP", 53)} == {(port["protocol"], port["port"]) for port in dns["ports"]}
    assert {"to": [peer("web")], "ports": PORTS} == web
    assert own == database


def test_a_name_that_is_no_service_is_refused(render: Chart) -> None:
    for key in ("allowFrom", "allowTo"):
        services = {"web": {**WEB, "networkPolicy": {key: ["wbe"]}}}
        assert "refers to unknown service wbe (services: web)" in render.refusal(services)


def test_a_policy_can_be_done_without(render: Chart) -> None:
    assert render({"web": {**WEB, "networkPolicy": {"enabled": False}}}).all("NetworkPolicy") == {}


def test_prometheus_finds_services_and_pods(render: Chart) -> None:
    monitor = {"port": "admin", "interval": "30s", "labels": {"release": "p"}}
    found = render({"web": {**WEB, "monitor": monitor}}).one("ServiceMonitor")
    assert found["spec"]["endpoints"] == [{"port": "admin", "path": "/metrics", "interval": "30s"}]
    assert found["metadata"]["labels"]["release"] == "p"
    pods = render({"web": {**WEB, "monitor": monitor, "service": {"enabled": False}}}).one("PodMonitor")
    assert pods["spec"]["podMetricsEndpoints"] == [{"port": "admin", "path": "/metrics", "interval": "30s"}]
