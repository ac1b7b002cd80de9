"""Settings of other charts and of Kubernetes: each has an answer, and what it tells to write is valid."""

from __future__ import annotations

import re
from itertools import zip_longest
from typing import Any, cast

import pytest
import yaml

from sametag import chart, validation, values
from sametag.validation.foreign import FOREIGN

CHART = chart.load(None)
CHECK = validation.checker(values.from_text(CHART.defaults, "chart/values.yaml"), CHART.schema)

# How to get from the top of the values to a map of each title, with what must be around it.
SERVICE: dict[str, Any] = {"command": ["web"]}
PLACES: dict[str, tuple[str | int, ...]] = {
    "the values": (),
    "the image": ("image",),
    "a service": ("services", "web"),
    "autoscaling": ("services", "web", "autoscaling"),
    "an Ingress": ("services", "web", "ingress"),
    "a route": ("services", "web", "route"),
    "a Kubernetes Service": ("services", "web", "service"),
    "the service account": ("services", "web", "serviceAccount"),
    "the probes": ("services", "web", "probes"),
    "a port": ("services", "web", "ports", "http"),
    "a volume": ("services", "web", "volumes", "data"),
    "a claim": ("services", "web", "volumes", "data", "claim"),
    "an environment variable": ("services", "web", "env", "NAME"),
    "the network policy": ("services", "web", "networkPolicy"),
    "a peer": ("services", "web", "networkPolicy", "allowFrom", 0),
    "a config": ("services", "web", "config", "app"),
    "a secret": ("services", "web", "secrets", "app"),
    "a monitor": ("services", "web", "monitor"),
    "the strategy": ("services", "web", "strategy"),
    "a StatefulSet": ("services", "web", "statefulSet"),
    "a CronJob": ("services", "web", "cronJob"),
    "a hook": ("services", "web", "hook"),
    "the disruption budget": ("services", "web", "podDisruptionBudget"),
}
# What a map must have beside the answer, unless the answer has it.
NEEDED: dict[str, dict[str, Any]] = {
    "autoscaling": {"maxReplicas": 5},
    "an Ingress": {"hosts": ["a.example.com"]},
    "a route": {"parentRefs": [{"name": "gateway"}]},
    "a port": {"containerPort": 8080},
    "a CronJob": {"schedule": "0 3 * * *"},
    "a claim": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    "a StatefulSet": {},
}
KINDS = {"a StatefulSet": "StatefulSet", "a CronJob": "CronJob"}
# A value for what only goes under another key.
SAMPLES: dict[str, Any] = {
    "args": ["-v"],
    "command": ["web"],
    "workingDir": "/srv",
    "env": {"A": "b"},
    "envFrom": [{"secretRef": {"name": "app"}}],
    "sidecars": [{"name": "proxy", "image": "proxy:1"}],
    "initContainers": [{"name": "prepare", "command": ["prepare"]}],
    "config": {"app": {"data": {"a": "b"}}},
    "cronJob": {"schedule": "0 3 * * *"},
    "probes.liveness": {"tcpSocket": {"port": 8080}},
    "probes.readiness": {"tcpSocket": {"port": 8080}},
    "probes.startup": {"tcpSocket": {"port": 8080}},
    "liveness": {"tcpSocket": {"port": 8080}},
    "readiness": {"tcpSocket": {"port": 8080}},
    "startup": {"tcpSocket": {"port": 8080}},
    "replicas": 2,
    "strategy": {"type": "RollingUpdate"},
    "strategy.rollingUpdate": {"maxSurge": 1},
    "strategy.rollingUpdate.maxSurge": 1,
    "rollingUpdate.maxSurge": 1,
    "rollingUpdate.maxUnavailable": 1,
    "rollingUpdate.partition": 1,
    "podDisruptionBudget.minAvailable": 1,
    "minAvailable": 1,
    "maxUnavailable": 1,
    "allowFrom": ["web"],
    "autoscaling": {"maxReplicas": 5},
    "terminationGracePeriodSeconds": 30,
    "lifecycle": {"preStop": {"sleep": {"seconds": 5}}},
    "lifecycle.preStop": {"sleep": {"seconds": 5}},
    "lifecycle.postStart": {"exec": {"command": ["true"]}},
    "podLabels": {"a": "b"},
    "labels": {"a": "b"},
    "podAnnotations": {"a": "b"},
    "annotations": {"a": "b"},
    "securityContext": {"readOnlyRootFilesystem": True},
    "securityContext.readOnlyRootFilesystem": True,
    "securityContext.capabilities": {"drop": ["ALL"]},
    "podSecurityContext.runAsUser": 1000,
    "podSecurityContext.runAsGroup": 1000,
    "podSecurityContext.runAsNonRoot": True,
    "podSecurityContext.fsGroup": 1000,
    "affinity.nodeAffinity": {},
    "affinity.podAffinity": {},
    "affinity.podAntiAffinity": {},
    "topologySpreadConstraints": [],
    "priorityClassName": "high",
    "runtimeClassName": "gvisor",
    "resources.limits": {"memory": "1Gi"},
    "resources.requests": {"memory": "256Mi"},
    "service.headless": True,
    "extraObjects": [],
    "tag": "1.0",
    "digest": "sha256:" + 64 * "0",
    "pullPolicy": "Always",
    "pullSecrets": [{"name": "registry"}],
    "metrics": [
        {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}}
    ],
    "minReplicas": 1,
    "maxReplicas": 5,
    "ingressClassName": "nginx",
    "hosts": ["b.example.com"],
    "hostnames": ["b.example.com"],
    "tls": [{"secretName": "app-tls"}],
    "port": 8080,
    "automountToken": True,
    "name": "app",
    "create": True,
    "containerPort": 8080,
    "mountPath": "/data",
    "valueFrom.secretKeyRef": {"name": "app", "key": "password"},
    "valueFrom.configMapKeyRef": {"name": "app", "key": "password"},
    "valueFrom.fieldRef": {"fieldPath": "status.podIP"},
    "valueFrom.resourceFieldRef": {"resource": "limits.cpu"},
    "existing": "app",
    "data": {"a": "b"},
    "scrapeTimeout": "10s",
    "path": "/metrics",
    "schedule": "0 3 * * *",
    "timeZone": "Europe/Berlin",
    "successfulJobsHistoryLimit": 3,
    "failedJobsHistoryLimit": 1,
    "weight": 1,
    "enabled": True,
}
CASES = [(title, key) for title, answers in FOREIGN.items() for key in answers]


def tree_with(title: str, entries: dict[str, Any], needed: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return values whose map of this title has these entries."""
    service = dict(SERVICE)
    tree: dict[str, Any] = {"image": {"repository": "example.com/app", "tag": "1"}, "services": {"web": service}}
    if title in KINDS:
        service["kind"] = KINDS[title]
    merge(at(tree, PLACES[title]), {**NEEDED.get(title, {}), **(needed or {}), **entries})
    return tree


def at(tree: dict[str, Any], path: tuple[str | int, ...]) -> dict[str, Any]:
    place: Any = tree
    for part, after in zip_longest(path, path[1:]):
        new: Any = [{}] if isinstance(after, int) else {}
        place = place[part] if isinstance(part, int) else place.setdefault(part, new)
    return cast("dict[str, Any]", place)


def merge(into: dict[str, Any], over: dict[str, Any]) -> None:
    for key, value in over.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            merge(into[key], value)
        else:
            into[key] = value


def told(title: str, key: str, value: Any) -> tuple[str, str]:
    """Return message and remedy for a key with a value in a map of this title."""
    text = yaml.safe_dump(tree_with(title, {key: value}), sort_keys=False)
    found = [one for one in CHECK(values.from_text(text, "values.yaml")) if f" {key} is not " in f" {one.message}"]
    assert len(found) == 1, (text, CHECK(values.from_text(text, "values.yaml")))
    return found[0].message, found[0].remedy or ""


def pasted(title: str, remedy: str) -> dict[str, Any]:
    """Return values with what the remedy tells to write, where it tells to write it."""
    found = re.match(r"write (.+?)( at the top| next to [\w]+)?( \([^{}]*(?:\([^)]*\))?[^{}]*\))?$", remedy)
    assert found, remedy
    where = found[2] or ""
    place = PLACES[title]
    outer = () if where == " at the top" else place[:-1] if where else place
    tree = tree_with(title, {}) if not where or title in KINDS else tree_with("a service", {})
    if not where and title in ("a volume", "an environment variable", "a config", "a secret"):
        at(tree, place[:-1])[str(place[-1])] = {}
    for part in found[1].split(" and "):
        merge(at(tree, outer), yaml.safe_load(part))
    if title == "a volume" and not where and not at(tree, place).keys() - {"mountPath"}:
        at(tree, place)["emptyDir"] = {}
    return tree


def completed(tree: dict[str, Any]) -> dict[str, Any]:
    """Add the ports that an answer's settings need and does not name itself."""
    service = tree["services"]["web"]
    if any(setting in service for setting in ("ingress", "route", "monitor", "probes", "service")):
        ports = service.setdefault("ports", {})
        ports.setdefault("http", {"containerPort": 8080})
        if str(service.get("monitor", {}).get("port")) == "metrics":
            ports.setdefault("metrics", {"containerPort": 9090})
    if "nodePort" in str(service.get("ports", {})):
        service.setdefault("service", {})["type"] = "NodePort"
    if service.get("strategy", {}).get("rollingUpdate", {}).get("partition"):
        service["kind"] = "StatefulSet"
    if service.get("secrets", {}).get("app") == {} or service.get("config", {}).get("app") == {}:
        service["config"] = {"app": {"data": {"a": "b"}}}
    return tree


def errors(tree: dict[str, Any]) -> list[str]:
    text = yaml.safe_dump(tree, sort_keys=False)
    return [one.message for one in CHECK(values.from_text(text, "values.yaml")) if one.severity == "error"]


@pytest.mark.parametrize(("title", "key"), CASES)
def test_each_setting_from_elsewhere_has_an_answer_that_can_be_pasted(title: str, key: str) -> None:
    answer = FOREIGN[title][key]
    sample = re.search("<([^<>]+)>", answer)
    value = yaml.safe_load(sample[1]) if sample else SAMPLES.get(answer.removeprefix("= "), "something")
    message, remedy = told(title, key, value)
    if answer.startswith("! "):
        assert remedy == answer.removeprefix("! ")
    elif answer.startswith("= "):
        target = answer.removeprefix("= ")
        assert message.endswith(f"; did you mean {target}?")
        assert errors(completed(moved(title, target))) == []
    else:
        assert errors(completed(pasted(title, remedy))) == []


def moved(title: str, target: str) -> dict[str, Any]:
    entry: Any = SAMPLES[target]
    for part in reversed(target.split(".")):
        entry = {part: entry}
    needed: dict[str, Any] = {"emptyDir": {}} if title == "a volume" else {}
    tree = tree_with(title, entry, needed)
    if title == "a service" and target == "cronJob":
        at(tree, PLACES[title])["kind"] = "CronJob"
    if target == "minAvailable" or target.endswith(".minAvailable"):
        at(tree, PLACES["a service"])["replicas"] = 3
    return tree


def test_the_table_is_as_large_as_it_was() -> None:
    assert len(CASES) >= 400


@pytest.mark.parametrize(
    ("title", "key", "value", "remedy"),
    [
        ("a service", "port", 3000, "write ports: {http: {containerPort: 3000}}"),
        ("a service", "port", "3000", "write ports: {http: {containerPort: 3000}}"),
        ("a service", "port", "http", "write ports: {http: {containerPort: 8080}}"),
        ("a service", "schedule", "@daily", 'write cronJob: {schedule: "@daily"} and kind: CronJob'),
        ("the image", "name", "registry.example.com/shop", "write repository: registry.example.com/shop"),
        ("the values", "tag", "1.10", 'write image: {tag: "1.10"}'),
        ("the values", "nameOverride", "shop", "write namePrefix: shop-"),
        ("the values", "commonLabels", {"a": "yes"}, 'write defaults: {labels: {a: "yes"}}'),
        ("the values", "replicaCount", 2, "write defaults: {replicas: 2}, or in one service"),
        (
            "the values",
            "serviceMonitor",
            {"enabled": True},
            "in a service, write monitor: {port: metrics} and ports: {metrics: {containerPort: 9090}}",
        ),
        ("an Ingress", "host", "a.example.com", "write hosts: [a.example.com]"),
    ],
)
def test_an_answer_has_the_value_that_was_given(title: str, key: str, value: Any, remedy: str) -> None:
    assert told(title, key, value)[1] == remedy


def test_a_map_with_a_command_is_a_service_whatever_it_is_called() -> None:
    tree = {"image": {"repository": "example.com/app", "tag": "1"}, "redis": {"command": ["redis-server"]}}
    (problem,) = CHECK(values.from_text(yaml.safe_dump(tree), "values.yaml"))
    assert problem.remedy == "redis looks like a service: it belongs under services"


def test_a_list_of_names_is_shown_as_the_map_that_it_must_be() -> None:
    text = (
        'image: {repository: example.com/app, tag: "1"}\nservices:\n  web:\n    command: [web]\n'
        "    ports: [{name: http, containerPort: 80}]\n    volumes: [{name: d, emptyDir: {}}]\n"
        "    writablePaths: [/tmp]\n"
    )
    assert [one.remedy for one in CHECK(values.from_text(text, "values.yaml"))] == [
        "write ports: {http: {containerPort: 80}}",
        "write volumes: {d: {emptyDir: {}}}",
        "write writablePaths: {/tmp: {}}",
    ]


def test_keys_for_anchors_are_allowed_at_the_top() -> None:
    text = (
        'image: {repository: example.com/app, tag: "1"}\nx-probes: &probes {port: 8080}\nservices:\n  web:\n'
        "    command: [web]\n    ports: {http: {containerPort: 8080}}\n    probes: *probes\n"
    )
    assert CHECK(values.from_text(text, "values.yaml")) == []
