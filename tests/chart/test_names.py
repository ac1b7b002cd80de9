"""Names and labels: stable, valid, and nobody else's."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from rendering import BOTH_HELMS

if TYPE_CHECKING:
    from rendering import Chart

pytestmark = BOTH_HELMS

CLAIM = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
WEB = {"command": ["web"], "ports": {"http": {"containerPort": 8080}}}
FULL = {
    **WEB,
    "replicas": 2,
    "config": {"a": {"data": {"b": "c"}}},
    "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}],
    "ingress": {"hosts": ["a.example.com"]},
}


def test_names_begin_with_the_release_or_with_name_prefix(render: Chart) -> None:
    assert list(render({"web": WEB}).all("Deployment")) == ["app-web"]
    assert list(render({"web": WEB}, namePrefix="").all("Deployment")) == ["web"]
    assert list(render({"web": WEB}, namePrefix="shop-").all("Service")) == ["shop-web"]


def test_two_renders_are_the_same_bytes(render: Chart) -> None:
    assert render({"web": FULL, "api": FULL}).text == render({"web": FULL, "api": FULL}).text


def test_another_service_changes_nothing_of_the_first(render: Chart) -> None:
    def of_web(services: dict[str, object]) -> list[object]:
        objects = render(services).objects
        return [o for o in objects if o["metadata"]["labels"].get("app.kubernetes.io/component") == "web"]

    assert of_web({"web": FULL}) == of_web({"a": FULL, "web": FULL, "web-2": WEB})


def test_selectors_hold_instance_and_component_and_only_them(render: Chart) -> None:
    """Selectors can never change: a tag, a chart version or a label of the user's in them would stop every upgrade."""
    rendered = render({"web": {**FULL, "labels": {"team": "a"}}})
    expected = {"app.kubernetes.io/instance": "app", "app.kubernetes.io/component": "web"}
    assert expected == rendered.one("Deployment")["spec"]["selector"]["matchLabels"]
    assert expected == rendered.one("Service")["spec"]["selector"]
    assert expected == rendered.one("NetworkPolicy")["spec"]["podSelector"]["matchLabels"]
    assert expected == rendered.one("PodDisruptionBudget")["spec"]["selector"]["matchLabels"]


def test_a_service_selects_its_own_pods_and_no_others(render: Chart) -> None:
    rendered = render(dict.fromkeys(("web", "web-2", "we"), WEB), namePrefix="")
    pods = {name: rendered.pod(name)["metadata"]["labels"] for name in rendered.all("Deployment")}
    for name, service in rendered.all("Service").items():
        selected = [pod for pod, labels in pods.items() if service["spec"]["selector"].items() <= labels.items()]
        assert [name] == selected


def test_the_standard_labels_are_on_every_object(render: Chart) -> None:
    wanted = {
        "app.kubernetes.io/name": "app",
        "app.kubernetes.io/instance": "app",
        "app.kubernetes.io/component": "web",
        "app.kubernetes.io/version": "1.10",
        "app.kubernetes.io/managed-by": "Helm",
    }
    for found in render({"web": FULL}, test={"enabled": False}).objects:
        labels = found["metadata"]["labels"]
        assert wanted.items() <= labels.items()
        assert labels["helm.sh/chart"].startswith("sametag-")


def test_pods_carry_no_label_that_changes_when_only_the_chart_does(render: Chart) -> None:
    assert "helm.sh/chart" not in render({"web": WEB}).pod("app-web")["metadata"]["labels"]


@pytest.mark.parametrize("tag", ["v" * 100, "1.0-", "_1"])
def test_a_tag_that_is_no_label_becomes_one(render: Chart, tag: str) -> None:
    version = render({"web": WEB}, "--set-string", f"image.tag={tag}").one("Deployment")["metadata"]["labels"]
    label = version["app.kubernetes.io/version"]
    assert len(label) <= 63
    assert label.strip("-_.") == label


def test_labels_and_annotations_reach_every_object_of_the_service(render: Chart) -> None:
    service = {**FULL, "labels": {"team": "a", "build": 7}, "annotations": {"on-call": True}}
    for found in render({"web": service}, test={"enabled": False}).objects:
        assert found["metadata"]["labels"]["team"] == "a"
        assert found["metadata"]["labels"]["build"] == "7"
        assert found["metadata"]["annotations"]["on-call"] == "true"


def test_labels_and_annotations_of_pods_stay_on_pods(render: Chart) -> None:
    rendered = render({"web": {**WEB, "podLabels": {"a": "b"}, "podAnnotations": {"c": 1}}})
    metadata = rendered.pod("app-web")["metadata"]
    assert (metadata["labels"]["a"], metadata["annotations"]["c"]) == ("b", "1")
    assert "a" not in rendered.one("Deployment")["metadata"]["labels"]


def test_the_users_labels_and_annotations_replace_the_charts(render: Chart) -> None:
    """Every map is read by a loader that refuses a key that is there twice."""
    service = {
        **FULL,
        "labels": {"app.kubernetes.io/name": "foo", "helm.sh/chart": "x", "team": "a"},
        "podLabels": {"team": "b", "app.kubernetes.io/version": "v"},
        "annotations": {"a": "service", "helm.sh/resource-policy": "no"},
        "ingress": {"hosts": ["a.example.com"], "annotations": {"a": "ingress"}},
        "monitor": {"labels": {"team": "c", "app.kubernetes.io/name": "bar"}},
        "volumes": {"data": {"mountPath": "/d", "claim": CLAIM}},
    }
    rendered = render({"web": service}, test={"enabled": False})
    for item in rendered.objects:
        labels = item["metadata"]["labels"]
        monitor = item["kind"] == "ServiceMonitor"
        assert labels["app.kubernetes.io/name"] == ("bar" if monitor else "foo")
        assert labels["team"] == ("c" if monitor else "a")
        assert labels["helm.sh/chart"] == "x"
        assert item["metadata"]["annotations"]["a"] == ("ingress" if item["kind"] == "Ingress" else "service")
    labels = rendered.pod("app-web")["metadata"]["labels"]
    assert (labels["team"], labels["app.kubernetes.io/version"], labels["app.kubernetes.io/name"]) == ("b", "v", "foo")
    assert rendered.one("PersistentVolumeClaim")["metadata"]["annotations"]["helm.sh/resource-policy"] == "no"


KEYS = [
    "app.kubernetes.io/name",
    "app.kubernetes.io/version",
    "app.kubernetes.io/part-of",
    "helm.sh/chart",
    "helm.sh/resource-policy",
    "team",
    "1",
    "on",
]


@pytest.mark.parametrize("seed", range(4))
def test_whatever_labels_and_annotations_are_set_each_key_is_there_once(render: Chart, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - no secret

    def some() -> dict[str, str]:
        return {key: chance.choice(["", "x", "2"]) for key in chance.sample(KEYS, chance.randint(0, len(KEYS)))}

    def service() -> dict[str, object]:
        settings = {**FULL, "ingress": {"hosts": ["a.example.com"], "annotations": some()}}
        settings |= {"monitor": {"labels": some()}, "serviceAccount": {"annotations": some()}, "annotations": some()}
        settings |= {
            "labels": some(),
            "podLabels": some(),
            "podAnnotations": some(),
            "service": {"annotations": some()},
        }
        return {**settings, "volumes": {"data": {"mountPath": "/d", "claim": CLAIM}}}

    services = {name: service() for name in ("web", "api")} | {"job": {"command": ["j"], "hook": {}, "labels": some()}}
    for item in render(services, defaults={"labels": some(), "annotations": some(), "podLabels": some()}).objects:
        assert item["metadata"]["labels"]["app.kubernetes.io/instance"] == "app"


def test_two_services_that_make_one_object_are_an_error_that_names_both(render: Chart) -> None:
    services = {
        "web": {"command": ["a"], "config": {"a-b": {"data": {"c": "d"}}}},
        "web-a": {"command": ["b"], "config": {"b": {"data": {"c": "d"}}}},
    }
    assert "services.web and services.web-a both create the ConfigMap app-web-a-b" in render.refusal(services)


@pytest.mark.parametrize(("kind", "longest"), [("Deployment", 63), ("StatefulSet", 52), ("CronJob", 52)])
def test_a_name_that_is_too_long_is_an_error_that_says_what_to_do(render: Chart, kind: str, longest: int) -> None:
    extra = {"cronJob": {"schedule": "@daily"}} if kind == "CronJob" else {}
    service = {"command": ["a"], "kind": kind, **extra}
    render({"a" * longest: service}, namePrefix="")
    message = render.refusal({"a" * (longest - 3): service})
    assert f"longer than {longest} characters" in message
    assert "namePrefix" in message


@pytest.mark.parametrize("name", ["Web", "my_web", "-web", "1web", "web."])
def test_a_bad_name_is_refused_by_schema_and_templates(render: Chart, name: str) -> None:
    render.refusal({name: WEB})
    assert f"services.{name}: the name must be lower-case" in render.without_schema({name: WEB})


def test_names_that_yaml_takes_for_something_else_stay_names(render: Chart) -> None:
    services = {"no": {"command": ["a"], "ports": {"on": {"containerPort": 1}, "y": {"containerPort": 2}}}}
    rendered = render(services)
    assert [port["name"] for port in rendered.container("app-no")["ports"]] == ["on", "y"]
    assert rendered.container("app-no")["name"] == "no"
    assert rendered.one("Deployment")["spec"]["selector"]["matchLabels"]["app.kubernetes.io/component"] == "no"
    assert "YAML does not read the name no" in render.refusal(services, namePrefix="")
