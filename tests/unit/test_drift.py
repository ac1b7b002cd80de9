"""In what the objects are not what the manifest says: what the manifest says has to be there, the rest is others'."""

from __future__ import annotations

import asyncio
import base64
import json
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest

from sametag import drift as diff
from sametag.drift.compare import lacking
from sametag.helm import Revision
from sametag.kube.connection import Target, connect

if TYPE_CHECKING:
    from collections.abc import Callable

    from fake_api import ApiServer

APPS = "/apis/apps/v1/namespaces/apps"
WEB = f"{APPS}/deployments/web"
LABELS = {"app.kubernetes.io/instance": "app", "app.kubernetes.io/component": "web", "team": "a"}
PROBE = {"httpGet": {"port": 80}}
CONTAINER = {"name": "web", "image": "app:1", "env": [{"name": "A", "value": "1"}], "readinessProbe": PROBE}


def deployment(**spec: Any) -> dict[str, Any]:
    pod = {"metadata": {"labels": dict(LABELS)}, "spec": {"containers": [deepcopy(CONTAINER)]}}
    meta = {"name": "web", "namespace": "apps", "labels": dict(LABELS)}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": meta,
        "spec": {"replicas": 1, "template": pod, **spec},
    }


def as_helm_left_it(item: dict[str, Any]) -> dict[str, Any]:
    """An object with what Helm and the API server add."""
    live = deepcopy(item)
    meta = live["metadata"]
    meta["labels"] = {**meta.get("labels", {}), "app.kubernetes.io/managed-by": "Helm"}
    meta["annotations"] = {"meta.helm.sh/release-name": "app", "meta.helm.sh/release-namespace": "apps"}
    meta |= {"uid": "u", "resourceVersion": "1", "managedFields": [{"manager": "helm", "operation": "Apply"}]}
    return live


def container(item: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = item["spec"]["template"]["spec"]["containers"][0]
    return found


def changed_by(item: dict[str, Any], manager: str, fields: dict[str, Any], **more: Any) -> None:
    entry = {"manager": manager, "operation": "Update", "fieldsType": "FieldsV1", "fieldsV1": fields, **more}
    item["metadata"]["managedFields"].append(entry)


REPLICAS: dict[str, Any] = {"f:spec": {"f:replicas": {}}}


def drift(api: ApiServer, manifest: dict[str, Any], live: dict[str, Any] | None) -> list[str]:
    """Return each setting that differs, of one object of a revision that Helm has seen through."""
    group = f"/apis/{manifest['apiVersion']}" if "/" in manifest["apiVersion"] else "/api/v1"
    path = f"{group}/namespaces/apps/{manifest['kind'].lower()}s"
    api.answers[path] = (200, {"metadata": {}, "items": [live] if live else []})
    info = {"status": "deployed", "last_deployed": "2026-01-02T03:04:05Z", "description": "Install complete"}
    revision = Revision({"name": "app", "version": 1, "info": info, "manifest": f"---\n{json.dumps(manifest)}\n"})

    async def look() -> list[str]:
        async with connect(Target(kubeconfig=str(api.kubeconfig))) as client:
            found = await diff.drift(await diff.read_situation(client, "app", revision, server_side=True))
            return [change.setting for one in found for change in one.changes] + [
                "missing" for one in found if one.action == "create"
            ]

    return asyncio.run(look())


def dry_runs(api: ApiServer) -> list[str]:
    return [request.partition(" ")[0] for request in api.requests if "dryRun" in request]


def test_an_object_that_has_all_that_the_manifest_says_costs_no_call(api: ApiServer) -> None:
    live = as_helm_left_it(deployment())
    live["spec"]["template"]["spec"]["containers"].insert(0, {"name": "mesh", "image": "mesh:1"})

    assert (drift(api, deployment(), live), dry_runs(api)) == ([], [])


@pytest.mark.parametrize(
    ("change", "setting"),
    [
        (lambda live: container(live).pop("readinessProbe"), "probes.readiness"),
        (lambda live: container(live).pop("env"), "env.A"),
        (lambda live: container(live)["readinessProbe"]["httpGet"].update(port=81), "probes.readiness.httpGet.port"),
        (lambda live: live["metadata"]["labels"].pop("team"), "labels.team"),
        (lambda live: live["metadata"]["annotations"].pop("meta.helm.sh/release-name"), "annotations"),
        (lambda live: live["spec"].update(replicas=0), "replicas"),
    ],
)
def test_what_was_removed_by_hand_has_no_manager_and_is_found(
    api: ApiServer, change: Callable[[Any], object], setting: str
) -> None:
    right, live = as_helm_left_it(deployment()), as_helm_left_it(deployment())
    change(live)
    api.answers[f"PATCH {WEB}"] = (200, right)

    assert [found.partition(".meta")[0] for found in drift(api, deployment(), live)] == [setting]
    assert dry_runs(api) == ["PATCH", "POST"]


def test_what_the_server_writes_otherwise_is_no_difference(api: ApiServer) -> None:
    live = as_helm_left_it(deployment())
    container(live)["resources"] = {"limits": {"cpu": "1"}}
    manifest = deployment()
    container(manifest)["resources"] = {"limits": {"cpu": "1000m"}}
    api.answers[f"PATCH {WEB}"] = (200, live)

    assert drift(api, manifest, live) == []


def test_what_admission_changes_is_no_difference_also_where_it_changes_only_what_is_made(api: ApiServer) -> None:
    live = as_helm_left_it(deployment())
    container(live)["image"] = "mirror/app:1@sha256:ab"
    api.answers[f"PATCH {WEB}"] = (200, as_helm_left_it(deployment()))
    assert drift(api, deployment(), live) == ["image"]

    api.answers[f"POST {APPS}/deployments"] = (201, live)
    assert drift(api, deployment(), live) == []


@pytest.mark.parametrize(
    ("manager", "found"),
    [("kubectl", ["replicas"]), ("kube-controller-manager", []), ("keda-operator", []), ("k9s", ["replicas"])],
)
def test_replicas_are_an_autoscalers_to_set_and_no_persons(api: ApiServer, manager: str, found: list[str]) -> None:
    live = as_helm_left_it(deployment())
    live["spec"]["replicas"] = 3
    changed_by(live, manager, REPLICAS, subresource="scale")
    api.answers[f"PATCH {WEB}"] = (200, as_helm_left_it(deployment()))

    assert drift(api, deployment(), live) == found


@pytest.mark.parametrize(("manager", "found"), [("kubectl", ["replicas"]), ("keda-operator", [])])
def test_a_service_without_pods_is_found_also_where_the_manifest_has_no_number(
    api: ApiServer, manager: str, found: list[str]
) -> None:
    manifest = deployment()
    del manifest["spec"]["replicas"]
    live = as_helm_left_it(deployment(replicas=0))
    changed_by(live, manager, REPLICAS, subresource="scale")

    assert drift(api, manifest, live) == found


def test_another_image_is_a_difference_whoever_set_it(api: ApiServer) -> None:
    live = as_helm_left_it(deployment())
    container(live)["image"] = "app:2"
    image: dict[str, Any] = {"f:containers": {'k:{"name":"web"}': {"f:image": {}}}}
    changed_by(live, "image-controller", {"f:spec": {"f:template": {"f:spec": image}}})
    api.answers[f"PATCH {WEB}"] = (200, as_helm_left_it(deployment()))

    assert drift(api, deployment(), live) == ["image"]


@pytest.mark.parametrize(("spec", "found"), [({"ttlSecondsAfterFinished": 5}, []), ({}, ["missing"])])
def test_a_job_that_kubernetes_removes_by_itself_is_not_missing(
    api: ApiServer, spec: dict[str, Any], found: list[str]
) -> None:
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "seed"}, "spec": spec}

    assert drift(api, job, None) == found


def test_a_secret_is_compared_as_it_is_stored(api: ApiServer) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"a": "b"}}
    live = as_helm_left_it({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}})
    live["data"] = {"a": base64.b64encode(b"b").decode()}

    assert (drift(api, secret, live), dry_runs(api)) == ([], [])


def test_what_the_server_refuses_to_set_right_is_compared_as_it_is_written(api: ApiServer) -> None:
    """A Job cannot change."""
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "seed"}, "spec": {"backoffLimit": 2}}
    live = as_helm_left_it(job)
    live["spec"]["backoffLimit"] = 3
    refused = {"kind": "Status", "code": 422, "message": "field is immutable"}
    api.answers["PATCH /apis/batch/v1/namespaces/apps/jobs/seed"] = (422, refused)

    assert drift(api, job, live) == ["Job.spec.backoffLimit"]


@pytest.mark.parametrize(
    ("wanted", "there", "lacks"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ({"a": 1}, {}, True),
        ({"a": None}, {}, False),
        ({"a": "None"}, {}, True),
        ({"a": "1"}, {"a": 1}, False),
        ({"a": False}, {}, True),
        ({"a": True}, {"a": "True"}, True),
        ({"env": [{"name": "A"}]}, {"env": [{"name": "B"}, {"name": "A", "value": "x"}]}, False),
        ({"args": ["a"]}, {"args": ["a", "b"]}, True),
        (
            {"ports": [{"port": 53}, {"port": 53, "protocol": "UDP"}]},
            {"ports": [{"port": 53, "protocol": "UDP"}]},
            True,
        ),
    ],
)
def test_what_is_written_has_to_be_there(wanted: Any, there: Any, *, lacks: bool) -> None:
    assert lacking(wanted, there) is lacks
