"""What counts as ours, and as done: among neighbours, sidecars, admission, and what Helm does not wait for."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from gifinator import MISSING, NEW, OLD, ROOT, Kubectl
from single import wait_until
from small_app import DRIFT, FAILED_AND_ROLLED_BACK, HEALTHY, App, Ended, healthy, shell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Make = Callable[..., App]

# The module makes a few releases and many tests look at them: on one worker.
pytestmark = pytest.mark.xdist_group("ours")

SECURE: dict[str, Any] = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
SECURE_POD: dict[str, Any] = {
    "runAsNonRoot": True,
    "runAsUser": 65532,
    "seccompProfile": {"type": "RuntimeDefault"},
}


def workload(name: str, image: str, labels: dict[str, str], kind: str = "Deployment") -> dict[str, Any]:
    """A workload that is no service, as others write it."""
    container = {"name": name, "image": image, "command": ["/bin/sh", "-c", HEALTHY], "securityContext": SECURE}
    pod = {"containers": [container], "securityContext": SECURE_POD, "terminationGracePeriodSeconds": 1}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name, "labels": labels},
        "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod}},
    }


def as_if_ours(app: App, component: str) -> dict[str, str]:
    return {
        "app.kubernetes.io/instance": app.name,
        "app.kubernetes.io/component": component,
        "app.kubernetes.io/managed-by": "Helm",
    }


def applied(kubectl: Kubectl, app: App, item: dict[str, Any]) -> None:
    kubectl("apply", "--namespace", app.namespace, "-f", "-", stdin=json.dumps(item))


def warnings(ended: Ended) -> list[str]:
    return [event["text"] for event in ended.events if event["event"] == "step" and event["level"] == "warning"]


def status(app: App) -> tuple[int, Any]:
    return app.ask("status")


def settings(document: Any) -> list[str]:
    return [change["setting"] for one in document["drift"] for change in one["changes"]]


def good(ended: Ended, *, verified: bool = True) -> Ended:
    assert ended.code == 0, ended.stderr
    assert ended.end["verified"] is verified, ended.events
    return ended


@pytest.mark.parametrize("helm", ["HELM4"])
def test_neighbours_and_sidecars_of_the_same_repository_never_decide(
    make_app: Make, kubectl: Kubectl, helm: str
) -> None:
    """A Deployment with our labels that nobody deployed with us, one of extraObjects without any, a sidecar."""
    app = make_app(f"neighbour-{helm.lower()}", helm)
    other = f"{app.repository}:{OLD}"
    applied(kubectl, app, workload("stranger", f"{app.repository}:{MISSING}", as_if_ours(app, "web")))
    sidecar = {"name": "proxy", "image": other, "command": ["/bin/sh", "-c", HEALTHY]}
    extras = [workload("redis", other, {"app": "redis"}), workload("cache", other, as_if_ours(app, "worker"))]
    changes = {"services": {"web": healthy(sidecars=[sidecar])}, "extraObjects": extras}

    good(app.install(NEW, **changes))
    code, found = status(app)
    assert (code, sorted(found["services"]), sorted(found["extras"])) == (
        0,
        ["web", "worker"],
        ["deployment/cache", "deployment/redis"],
    )
    assert found["extras"]["deployment/redis"]["ready"] == 1

    ended = good(app.upgrade(NEW, **{**changes, "services": {"web": healthy(sidecars=[sidecar], env={"A": "b"})}}))
    assert ended.end["services"] == ["web", "worker"]
    assert not [event for event in ended.events if event.get("name") == "stranger"]


def test_the_trouble_of_an_extra_workload_is_named_and_helm_decides(make_app: Make) -> None:
    app = make_app("extra-trouble")
    good(app.install())
    extra = workload("redis", f"{app.repository}:{MISSING}", {"app": "redis"})
    ended = app.run("upgrade", "-f", str(app.values({"extraObjects": [extra]})), "--tag", NEW, "--timeout", "20s")

    assert ended.code == FAILED_AND_ROLLED_BACK
    (failure,) = ended.failures("deployment/redis")
    assert failure["reason"] == "ImageNotFound"
    assert ended.seconds > 15, "an extra workload has ended the rollout"
    assert app.everything_runs(OLD)


@pytest.fixture
def admission(kubectl: Kubectl, request: pytest.FixtureRequest) -> Iterator[Callable[..., None]]:
    """Make a policy that changes what a namespace gets; it is gone afterwards."""
    made: list[str] = []

    def make(app: App, group: str, resource: str, operations: list[str], expression: str) -> None:
        name = f"{app.namespace}-{resource}-{request.node.nodeid.__hash__() % 10**6}"
        rule = {"apiGroups": [group], "apiVersions": ["v1"], "resources": [resource], "operations": operations}
        selector = {"matchLabels": {"kubernetes.io/metadata.name": app.namespace}}
        spec = {
            "matchConstraints": {"namespaceSelector": selector, "resourceRules": [rule]},
            "failurePolicy": "Fail",
            "reinvocationPolicy": "Never",
            "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": expression}}],
        }
        api, metadata = "admissionregistration.k8s.io/v1", {"name": name}
        items = [
            {"apiVersion": api, "kind": "MutatingAdmissionPolicy", "metadata": metadata, "spec": spec},
            {
                "apiVersion": api,
                "kind": "MutatingAdmissionPolicyBinding",
                "metadata": metadata,
                "spec": {"policyName": name},
            },
        ]
        made.append(name)
        kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
        probe = workload("probe", f"{app.repository}:{OLD}", {"app": "probe"})
        if resource == "pods":
            template = probe["spec"]["template"]
            named = {"name": "probe", "labels": {"app": "probe"}}
            probe = {**template, "apiVersion": "v1", "kind": "Pod", "metadata": named}
        for _ in range(60):
            dry = kubectl(
                "create", "-n", app.namespace, "--dry-run=server", "-o", "json", "-f", "-", stdin=json.dumps(probe)
            )
            if "mutated" in dry:
                return
        raise AssertionError("the policy has no effect")

    yield make
    for name in made:
        for kind in ("mutatingadmissionpolicybinding", "mutatingadmissionpolicy"):
            kubectl("delete", kind, name, "--ignore-not-found")


def patch(path: str, value: str) -> str:
    return f"[JSONPatch{{op: 'add', path: '{path}', value: {value}}}]"


def digest_of(app: App, kubectl: Kubectl) -> str:
    pods = json.loads(kubectl("get", "pods", "-n", app.namespace, "-o", "json"))["items"]
    found: str = pods[0]["status"]["containerStatuses"][0]["imageID"]
    return found.rpartition("@")[2]


def test_a_digest_that_admission_pins_is_no_difference(
    make_app: Make, kubectl: Kubectl, admission: Callable[..., None]
) -> None:
    """Pods get another image than their workload asks for, and another container."""
    app = make_app("mutated-pods")
    good(app.install(OLD))
    digest, image = digest_of(app, kubectl), "/spec/containers/0/image"
    pinned = f"object.spec.containers[0].image.split('@')[0] + '@{digest}'"
    mark = "JSONPatch{op: 'add', path: '/metadata/labels/mutated', value: 'yes'}"
    admission(app, "", "pods", ["CREATE"], f"{patch(image, pinned)[:-1]}, {mark}]")
    app.remove()

    good(app.install(OLD))
    images = kubectl("get", "pods", "-n", app.namespace, "-o", "jsonpath={..spec.containers[*].image}")
    assert digest in images, "admission has changed nothing"
    assert status(app)[0] == 0


@pytest.mark.parametrize(("helm", "operations"), [("HELM4", ["CREATE", "UPDATE"]), ("HELM3", ["CREATE"])])
def test_an_image_that_admission_changes_in_the_workload_is_no_drift(
    make_app: Make, kubectl: Kubectl, admission: Callable[..., None], operations: list[str], helm: str
) -> None:
    app = make_app(f"mutated-{len(operations)}-{helm.lower()}", helm)
    good(app.install(OLD))
    digest = digest_of(app, kubectl)
    app.remove()
    image = "/spec/template/spec/containers/0/image"
    pinned = f"object.spec.template.spec.containers[0].image.split('@')[0] + '@{digest}'"
    mark = "JSONPatch{op: 'add', path: '/metadata/labels/mutated', value: 'yes'}"
    admission(app, "apps", "deployments", operations, f"{patch(image, pinned)[:-1]}, {mark}]")

    good(app.install(OLD))
    there = kubectl("get", "deployment", "-n", app.namespace, "-o", "jsonpath={..spec.containers[*].image}")
    assert digest in there, "admission has changed nothing"
    code, found = status(app)
    assert (code, found["drift"]) == (0, [])


@pytest.mark.parametrize("helm", ["HELM4", "HELM3"])
def test_a_job_that_its_ttl_has_removed_is_no_drift(make_app: Make, kubectl: Kubectl, helm: str) -> None:
    app = make_app(f"ttl-{helm.lower()}", helm)
    # Long enough for Helm 3, which asks for the Job until it has seen it done.
    job = shell("echo seeded", kind="Job", job={"ttlSecondsAfterFinished": 15})
    good(app.install(OLD, services={"seed": job}))
    kubectl("wait", "--for=delete", "job", "--all", "-n", app.namespace, "--timeout=90s")

    code, found = status(app)
    assert (code, found["drift"]) == (0, [])
    ended = good(app.upgrade(NEW, services={"seed": job}))
    assert not [text for text in warnings(ended) if "seed" in text]


@pytest.mark.parametrize("helm", ["HELM4", "HELM3"])
def test_a_job_that_is_gone_before_the_last_pod_is_ready_undoes_nothing(make_app: Make, helm: str) -> None:
    app = make_app(f"ttl-short-{helm.lower()}", helm)
    seed = shell("echo seeded", kind="Job", job={"ttlSecondsAfterFinished": 2})
    slow = healthy(minReadySeconds=8)

    good(app.install(services={"seed": seed, "web": slow}))
    broken = shell("exit 3", kind="Job", job={"ttlSecondsAfterFinished": 2, "backoffLimit": 0})
    ended = app.upgrade(OLD, services={"seed": broken, "web": slow})
    assert ended.code == FAILED_AND_ROLLED_BACK
    assert "seed: JobFailed: " in ended.stderr


def test_what_hands_change_in_the_middle_is_not_called_on_the_tag(make_app: Make, kubectl: Kubectl) -> None:
    app = make_app("hands")
    good(app.install())
    where = ("-n", app.namespace)
    file = str(app.values({"services": {"web": healthy(minReadySeconds=12), "worker": healthy()}}))
    command = app.command("upgrade", "-f", file, "--tag", NEW)
    client = subprocess.Popen(command, env=app.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_until(lambda: NEW in kubectl.tags(app.namespace).get("web", set()))
    kubectl("scale", f"deployment/{app.name}-worker", "--replicas=0", *where)
    stdout, stderr = client.communicate(timeout=120)

    assert client.returncode == 0, stderr
    assert "1 of 2 services on tag" in stdout + stderr
    assert "worker: it is scaled to 0" in stdout + stderr
    _, history = app.ask("history")
    assert not history["revisions"][-1]["verified"]


def test_a_service_object_that_is_deleted_in_the_middle_is_named_at_the_timeout(
    make_app: Make, kubectl: Kubectl
) -> None:
    app = make_app("deleted-service")
    ports = {"http": {"containerPort": 8080}}
    web = healthy(minReadySeconds=8, ports=ports, preStopDelaySeconds=0)
    good(app.install(services={"web": web}))
    client = app.start("upgrade", "--tag", NEW, "--timeout", "30s")
    wait_until(lambda: NEW in kubectl.tags(app.namespace).get("web", set()))
    kubectl("delete", "service", f"{app.name}-web", "-n", app.namespace)
    _, stderr = client.communicate(timeout=120)

    assert client.returncode == FAILED_AND_ROLLED_BACK
    assert "timed out after 30s, which --timeout can make longer: not in the cluster, perhaps deleted" in stderr
    assert f"Service {app.name}-web" in stderr
    assert app.everything_runs(OLD)


def umbrella(folder: Path) -> Path:
    """A chart around this one, twice, each with a name of its own, as tests/cluster cannot fetch one."""
    chart = folder / "umbrella"
    shutil.copytree(ROOT / "chart", chart / "charts/sametag")
    dependencies = [{"name": "sametag", "version": ">=0.1.0", "alias": alias} for alias in ("shop", "admin")]
    meta = {"apiVersion": "v2", "name": "umbrella", "version": "0.1.0", "dependencies": dependencies}
    (chart / "Chart.yaml").write_text(json.dumps(meta))
    return chart


@pytest.mark.parametrize("helm", ["HELM3"])
def test_the_services_of_both_aliases_of_a_chart_around_ours_are_services(
    make_app: Make, tmp_path: Path, helm: str
) -> None:
    app, chart = make_app(f"umbrella-{helm.lower()}", helm), umbrella(tmp_path)
    values = tmp_path / "values.json"

    def write(tag: str) -> None:
        image = {"repository": app.repository, "tag": tag, "pullPolicy": "IfNotPresent"}
        small = {"requests": {"cpu": "1m", "memory": "16Mi"}}
        one = {"image": image, "defaults": {"resources": small}, "services": {"web": healthy()}}
        both = {"shop": {**one, "namePrefix": "shop-"}, "admin": {**one, "namePrefix": "admin-"}}
        values.write_text(json.dumps(both))

    words = ("--chart", str(chart), "-f", str(values))
    write(OLD)
    ended = good(app.run("install", *words))
    assert (sorted(ended.end["services"]), ended.end["tag"]) == (["admin.web", "shop.web"], OLD)
    code, found = status(app)
    assert (code, sorted(found["services"]), found["extras"]) == (0, ["admin.web", "shop.web"], {})

    refused = app.run("upgrade", *words, "--tag", NEW)
    assert refused.code == 2
    assert f"no service would run {NEW}: the chart umbrella sets {OLD}" in refused.stderr
    write(NEW)
    assert good(app.run("upgrade", *words)).end["tag"] == NEW


def test_a_chart_that_knows_no_services_is_refused_before_anything_is_there(
    make_app: Make, kubectl: Kubectl, tmp_path: Path
) -> None:
    app = make_app("foreign-chart")
    chart = tmp_path / "plain"
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text("{apiVersion: v2, name: plain, version: 1.0.0}")
    item = workload("web", f"{app.repository}:{OLD}", {"app": "web"})
    (chart / "templates/web.yaml").write_text(json.dumps(item))
    ended = app.run("install", "--chart", str(chart), "--set", "a=b", "--tag", OLD)

    assert (ended.code, "renders no workload from `services` and `image`" in ended.stderr) == (2, True), ended.stderr
    assert kubectl("get", "deployments,secrets", "-n", app.namespace, "-o", "name") == ""


@pytest.mark.parametrize("helm", ["HELM4", "HELM3"])
def test_a_port_that_gets_a_second_protocol_keeps_its_first(make_app: Make, kubectl: Kubectl, helm: str) -> None:
    app = make_app(f"tcp-udp-{helm.lower()}", helm)
    tcp = {"dns-tcp": {"containerPort": 5353, "port": 53}}
    udp = {"dns": {"containerPort": 5353, "port": 53, "protocol": "UDP"}}
    quick = {"preStopDelaySeconds": 0}
    good(app.install(OLD, services={"web": healthy(ports=tcp, **quick)}))
    ended = good(app.upgrade(OLD, services={"web": healthy(ports={**udp, **tcp}, **quick)}))

    protocols = "jsonpath={.spec.ports[*].protocol} {.spec.template.spec.containers[0].ports[*].protocol}"
    for item in (f"service/{app.name}-web", f"deployment/{app.name}-web"):
        assert sorted(kubectl("get", item, "-n", app.namespace, "-o", protocols).split()) == ["TCP", "UDP"], item
    assert bool([text for text in warnings(ended) if "Helm lost a part of Service" in text]) == (helm == "HELM3")
    assert status(app)[0] == 0


@pytest.mark.parametrize("helm", ["HELM4", "HELM3"])
def test_pods_that_have_to_be_ready_for_longer_are_waited_for(make_app: Make, helm: str) -> None:
    """Helm 3 does not wait for minReadySeconds."""
    app = make_app(f"min-ready-{helm.lower()}", helm)
    good(app.install(OLD))
    good(app.upgrade(NEW, services={"web": healthy(minReadySeconds=20)}))

    assert app.everything_runs(NEW)


def test_a_crash_before_a_pod_counts_fails_also_where_helm_is_done(make_app: Make) -> None:
    """Helm 3 calls a pod ready that crashes before it has been ready for long enough."""
    app = make_app("early-crash", "HELM3")
    good(app.install(OLD))
    ended = app.upgrade(NEW, services={"web": shell("sleep 4; exit 3", minReadySeconds=30)})

    assert ended.code == FAILED_AND_ROLLED_BACK
    assert ended.failures("web")[0]["reason"] in ("Crashed", "CrashLoopBackOff")
    assert app.everything_runs(OLD)


@pytest.mark.parametrize("helm", ["HELM4", "HELM3"])
def test_a_workload_that_keeps_its_pods_on_purpose_is_not_verified_and_not_undone(
    make_app: Make, kubectl: Kubectl, helm: str
) -> None:
    """Helm 4 would wait for the paused Deployment and the DaemonSet until its timeout."""
    app = make_app(f"on-delete-{helm.lower()}", helm)
    on_delete: dict[str, Any] = {"type": "OnDelete"}
    partitioned = {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}
    services = {
        "agent": healthy(kind="DaemonSet", strategy=on_delete),
        "db": healthy(kind="StatefulSet", strategy=on_delete, replicas=2),
        "shard": healthy(kind="StatefulSet", strategy=partitioned, replicas=2),
    }
    app.services = {"web": healthy(), **services}
    assert app.install(OLD).code == 0
    kubectl("rollout", "pause", f"deployment/{app.name}-web", "-n", app.namespace)
    ended = good(app.upgrade(NEW), verified=False)

    (warning,) = [text for text in warnings(ended) if "not verified" in text]
    assert "agent: its update strategy is OnDelete" in warning
    assert "web: it is paused" in warning
    assert "db: its update strategy is OnDelete" in warning
    assert "shard: its partition is 1" in warning
    code, found = status(app)
    assert code == DRIFT
    assert {pod["onTag"] for pod in found["services"]["db"]["pods"]} == {False}


@pytest.mark.parametrize("helm", ["HELM4", "HELM3"])
def test_what_was_removed_by_hand_is_drift(make_app: Make, kubectl: Kubectl, helm: str) -> None:
    app = make_app(f"by-hand-{helm.lower()}", helm)
    probe = {"exec": {"command": ["true"]}}
    app.services = {
        "web": healthy(probes={"readiness": probe}, env={"MODE": "fast", "LEVEL": "1"}, labels={"team": "a"}),
        "worker": healthy(),
    }
    good(app.install(OLD))
    assert status(app)[0] == 0

    web = f"deployment/{app.name}-web"
    container = "/spec/template/spec/containers/0"
    removed = [{"op": "remove", "path": f"{container}/{field}"} for field in ("readinessProbe", "env/0")]
    kubectl("patch", web, "-n", app.namespace, "--type=json", "-p", json.dumps(removed))
    kubectl("label", web, "team-", "-n", app.namespace)
    kubectl("scale", f"deployment/{app.name}-worker", "--replicas=0", "-n", app.namespace)
    kubectl("rollout", "status", web, "-n", app.namespace)

    code, found = status(app)
    assert code == DRIFT
    assert sorted(settings(found)) == ["env.LEVEL", "labels.team", "probes.readiness", "replicas"]

    assert app.run("upgrade", "-f", str(app.values({})), "--tag", NEW, "--take-over").code == 0
    assert status(app)[0] == 0


def test_a_service_whose_pods_are_not_there_is_not_as_released(make_app: Make, kubectl: Kubectl) -> None:
    app = make_app("missing-pods")
    good(app.install(OLD))
    kubectl("create", "quota", "none", "--hard=pods=0", "-n", app.namespace)
    kubectl("delete", "pods", "--all", "-n", app.namespace)

    code, found = status(app)
    assert (code, found["services"]["web"]["complete"], found["drift"]) == (DRIFT, False, [])
