"""Which workloads a manifest has, and which of them are services."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sametag.rollout import Member, Members, members

IMAGE = "registry.example.com/app:1"
VALUES = {"image": {"repository": "registry.example.com/app"}, "services": {"web": {}, "migrate": {}}}
OURS = "sametag/templates/deployment.yaml"


def workload(name: str, container: str = "web", kind: str = "Deployment", image: str = IMAGE) -> dict[str, Any]:
    labels = {"app.kubernetes.io/instance": "shop", "app.kubernetes.io/component": container}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": container, "image": image}]}}
    group = "batch/v1" if kind in ("Job", "CronJob") else "apps/v1"
    spec = {"jobTemplate": {"spec": {"template": template}}} if kind == "CronJob" else {"template": template}
    return {"apiVersion": group, "kind": kind, "metadata": {"name": name, "labels": labels}, "spec": spec}


def document(source: str, item: dict[str, Any]) -> str:
    return f"---\n# Source: {source}\n{json.dumps(item)}\n" if source else f"---\n{json.dumps(item)}\n"


def read(*documents: tuple[str, dict[str, Any]], values: dict[str, Any] = VALUES) -> Members:
    return members("shop", "apps", ["".join(document(*pair) for pair in documents)], (values, {}))


def services(*documents: tuple[str, dict[str, Any]], values: dict[str, Any] = VALUES) -> dict[str, str]:
    return {member.name: member.service for member in read(*documents, values=values).found.values()}


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob"])
def test_what_the_charts_template_made_of_an_entry_is_that_service(kind: str) -> None:
    found = read((f"sametag/templates/{kind.lower()}.yaml", workload("shop-web", kind=kind)))

    assert found.found == {(kind, "shop-web"): Member(kind, "shop-web", "web", "web", IMAGE)}
    assert found.images == (IMAGE,)


@pytest.mark.parametrize(
    "source",
    [
        "sametag/templates/extraobjects.yaml",  # a copy of a service's Deployment, labels and all
        "sametag/charts/redis/templates/deployment.yaml",  # another subchart, with a container of that name
        "umbrella/templates/web.yaml",
        "umbrella/templates/deployment.yaml.tpl",
    ],
)
def test_what_another_template_made_is_extra_whatever_it_is_labelled(source: str) -> None:
    assert services((source, workload("shop-web"))) == {"shop-web": ""}


def test_a_name_that_is_no_entry_of_the_values_is_extra() -> None:
    assert services((OURS, workload("shop-web"))) == {"shop-web": "web"}
    assert services((OURS, workload("shop-web")), values={"image": {"tag": "1"}}) == {"shop-web": ""}
    assert services((OURS, workload("shop-web")), values={"services": {"web": {}}}) == {"shop-web": ""}


def test_services_of_two_aliases_are_services_named_apart() -> None:
    documents = [
        (f"umbrella/charts/{alias}/templates/deployment.yaml", workload(f"r-{alias}-web"))
        for alias in ("shop", "admin")
    ]
    found = services(*documents, values={"shop": VALUES, "admin": VALUES})

    assert found == {"r-shop-web": "shop.web", "r-admin-web": "admin.web"}


def test_a_subchart_of_a_subchart_is_found_below_both_names() -> None:
    source = "umbrella/charts/team/charts/shop/templates/deployment.yaml"

    assert services((source, workload("web")), values={"team": {"shop": VALUES}}) == {"web": "team.shop.web"}


def test_the_values_may_be_the_charts_own() -> None:
    manifest = document(OURS, workload("shop-web"))

    assert members("shop", "apps", [manifest], ({"image": {"tag": "2"}}, VALUES)).images == (IMAGE,)


def test_without_the_name_of_its_template_an_entry_of_the_values_is_a_service() -> None:
    """A post-renderer removes comments."""
    assert services(("", workload("shop-web")), ("", workload("redis", "redis"))) == {"shop-web": "web", "redis": ""}


def test_a_container_that_a_post_renderer_puts_in_front_is_not_the_service() -> None:
    meshed = workload("shop-web")
    meshed["spec"]["template"]["spec"]["containers"].insert(0, {"name": "mesh", "image": "mesh:1"})
    (found,) = read((OURS, meshed)).found.values()

    assert (found.service, found.container, found.image) == ("web", "web", IMAGE)


def test_a_hook_is_known_by_its_annotation() -> None:
    hook = workload("shop-migrate", "migrate", "Job")
    hook["metadata"]["annotations"] = {"helm.sh/hook": "pre-upgrade"}
    (found,) = read(("sametag/templates/job.yaml", hook)).found.values()

    assert (found.hook, found.service) == (True, "migrate")


def test_other_kinds_and_other_groups_are_no_workloads() -> None:
    """Volcano has Jobs too."""
    volcano = {**workload("train", kind="Job"), "apiVersion": "batch.volcano.sh/v1alpha1"}

    assert (
        read(("x/templates/a.yaml", volcano), ("x/templates/b.yaml", {"apiVersion": "v1", "kind": "Pod"})).found == {}
    )


def test_the_items_of_a_list_are_members_and_what_is_in_another_namespace_is_not() -> None:
    far = workload("far")
    far["metadata"]["namespace"] = "elsewhere"
    both = {"apiVersion": "v1", "kind": "List", "items": [workload("near"), far]}

    assert services(("sametag/templates/extraobjects.yaml", both)) == {"near": ""}


def test_one_workload_without_the_releases_label_is_enough_to_look_at_the_whole_namespace() -> None:
    redis = workload("redis", "redis")
    redis["spec"]["template"]["metadata"]["labels"] = {"app": "redis"}
    extra = ("sametag/templates/extraobjects.yaml", redis)

    assert read((OURS, workload("shop-web"))).labelled
    assert not read((OURS, workload("shop-web")), extra).labelled


def test_yaml_of_a_users_own_is_read_too() -> None:
    text = """---
# Source: sametag/templates/extraobjects.yaml
apiVersion: apps/v1
kind: "StatefulSet"
metadata: &meta
  name: "1e3"
  labels: {app.kubernetes.io/instance: shop}
spec:
  replicas: 3
  template:
    metadata:
      <<: *meta
    spec: {containers: [{name: db, image: db, args: [=, on, 2020-01-01]}]}
"""
    found = members("shop", "apps", [text, "---\n# Source: x\nkind: Job\n{{{"], (VALUES, {}))

    assert list(found.found.values()) == [Member("StatefulSet", "1e3", desired=3)]
    assert found.labelled
