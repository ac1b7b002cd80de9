"""What is wrong is named for what it is, what can heal gets time, and a way back ends where it should."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from conftest import needed
from embedded import images
from gifinator import MISSING, NEW, OLD, ROOT
from small_app import FAILED_AND_ROLLED_BACK, HEALTHY, App, healthy, shell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gifinator import Kubectl

_PORT: dict[str, Any] = {"ports": {"http": {"containerPort": 8081}}, "preStopDelaySeconds": 0}


def stateful(service: dict[str, Any], replicas: int = 1, policy: str = "OrderedReady") -> dict[str, Any]:
    """Make a service a StatefulSet."""
    return {**service, "kind": "StatefulSet", "replicas": replicas, "statefulSet": {"podManagementPolicy": policy}}


def probed(**probes: Any) -> dict[str, Any]:
    """Return a service that listens to nobody, and is asked."""
    quick = {"tcpSocket": {"port": "http"}, "periodSeconds": 1, "failureThreshold": 3}
    return shell(HEALTHY, minReadySeconds=0, probes={name: {**quick, **more} for name, more in probes.items()}, **_PORT)


def helm(app: App, *words: str) -> None:
    """Run plain Helm, which does not wait."""
    subprocess.run(["helm", *words, "--namespace", app.namespace], env=app.environment, check=True, capture_output=True)


def by_helm(app: App, tag: str, **changes: Any) -> None:
    """Upgrade with plain Helm."""
    values = ["--values", str(app.values(changes)), "--set-string", f"image.tag={tag}"]
    helm(app, "upgrade", app.name, str(ROOT / "chart"), *values)


def causes(events: list[dict[str, Any]]) -> dict[str, str]:
    """Return why each service failed."""
    return {name: event["reason"] for event in events if event["event"] == "failure" for name in event["services"]}


FAILING = {
    "crash": (shell("echo bad build; exit 1"), NEW, {"db": "CrashLoopBackOff"}),
    "image": (healthy(), MISSING, {"db": "ImageNotFound", "web": "ImageNotFound"}),
    "readiness": (probed(readiness={}), NEW, {"db": "ReadinessProbeFailed"}),
}


@pytest.mark.parametrize(
    ("fault", "replicas", "policy", "version"),
    [
        ("crash", 1, "OrderedReady", "HELM4"),
        ("image", 2, "OrderedReady", "HELM4"),
        ("readiness", 2, "OrderedReady", "HELM3"),
        ("image", 2, "Parallel", "HELM4"),
    ],
)
def test_a_statefulset_comes_back_and_goes_on_to_a_good_tag(
    make_app: Callable[..., App], fault: str, replicas: int, policy: str, version: str
) -> None:
    app = make_app(f"sts-{fault}-{policy[:3].lower()}", version)
    app.services = {"web": healthy(), "db": stateful(healthy(), replicas, policy)}
    assert app.install().code == 0

    service, tag, reasons = FAILING[fault]
    values = app.values({"services": {"db": stateful(service, replicas, policy)}})
    ended = app.run("upgrade", "--values", str(values), "--tag", tag, "--grace", "ReadinessProbeFailed=3s")
    print(ended.stderr)

    assert ended.code == FAILED_AND_ROLLED_BACK
    # What fails later than the first may still be on its way.
    assert causes(ended.events)
    assert causes(ended.events).items() <= reasons.items()
    assert app.everything_runs(OLD)
    assert ended.end["remedy"] == f"every service is back on {OLD}"

    assert app.upgrade(NEW).code == 0
    assert app.everything_runs(NEW)


@pytest.mark.parametrize("way_out", ["upgrade", "upgrade after helm rollback", "rollback"])
def test_a_statefulset_that_plain_helm_left_broken_comes_back(make_app: Callable[..., App], way_out: str) -> None:
    """After a helm rollback the template is good, and the pod is not."""
    verb = way_out.partition(" ")[0]
    app = make_app(f"sts-plain-{len(way_out)}")
    app.services = {"db": stateful(healthy(), 2)}
    assert app.install().code == 0
    by_helm(app, MISSING)
    until = time.monotonic() + 60
    while app.kubectl.tags(app.namespace) != {"db": {OLD, MISSING}}:
        assert time.monotonic() < until
        time.sleep(0.5)
    if verb != way_out:
        helm(app, "rollback", app.name, "1")

    ended = app.run("rollback") if verb == "rollback" else app.upgrade(NEW)
    assert ended.code == 0, ended.stderr
    assert app.everything_runs(OLD if verb == "rollback" else NEW)


def test_a_rollback_that_fails_goes_back_to_where_it_was(make_app: Callable[..., App]) -> None:
    app = make_app("rollback-fails")
    app.services["db"] = stateful(healthy())
    assert app.install().code == 0
    by_helm(app, MISSING)
    assert app.upgrade(NEW).code == 0

    ended = app.run("rollback", "--to-revision", "2")
    print(ended.stderr)
    assert ended.code == FAILED_AND_ROLLED_BACK
    assert ended.end["remedy"] == f"every service is back on {NEW}"
    assert app.everything_runs(NEW)

    _, history = app.ask("history")
    failed, back = history["revisions"][-2:]
    assert (failed["status"], back["status"], back["tag"]) == ("failed", "deployed", NEW)
    assert f"{MISSING} does not exist" in json.dumps(failed)
    assert "killed" not in json.dumps(failed)


def test_a_quota_that_only_the_surge_exceeds_ends_nothing(make_app: Callable[..., App], kubectl: Kubectl) -> None:
    app = make_app("quota-heals")
    app.services["db"] = stateful(healthy())
    assert app.install().code == 0
    kubectl("create", "quota", "q", "--hard=pods=4", "--namespace", app.namespace)

    ended = app.upgrade(NEW)
    assert ended.code == 0, ended.stderr
    assert app.everything_runs(NEW)


def test_a_node_that_comes_late_is_waited_for(make_app: Callable[..., App], kubectl: Kubectl) -> None:
    """Longer than any grace in seconds: an autoscaler needs some minutes."""
    app = make_app("node-late")
    assert app.install().code == 0
    label = f"sametag.test/{app.namespace}"
    change = {"services": {"web": healthy(nodeSelector={label: "big"})}}
    timer = threading.Timer(75, lambda: kubectl("label", "nodes", "--all", f"{label}=big"))
    timer.start()
    try:
        ended = app.upgrade(NEW, **change)
    finally:
        timer.join()
        kubectl("label", "nodes", "--all", f"{label}-")

    assert ended.code == 0, ended.stderr
    assert [event["reason"] for event in ended.events if event["event"] == "trouble"] == ["Unschedulable"]


def test_an_image_for_another_platform_is_named_as_that(make_app: Callable[..., App]) -> None:
    app = make_app("platform")
    app.repository = f"{needed('SAMETAG_REGISTRY')}/wrong-arm-only"
    images.push_index(app.repository, OLD, "arm64")
    ended = app.install()

    assert ended.code == FAILED_AND_ROLLED_BACK
    assert set(causes(ended.events).values()) == {"ImageWrongPlatform"}
    assert f"{app.repository}:{OLD} is not built for the platform of node " in ended.end["message"]


class _Registry(BaseHTTPRequestHandler):
    """Answers about the tag NNN with this status; about `html` as a portal does, about `token` with a token server."""

    def do_GET(self) -> None:
        tag = self.path.rpartition("/")[2]
        if "/token" in self.path:
            self._answer(404, "text/plain")
        elif tag == "token":
            realm = f'Bearer realm="http://{self.headers["Host"]}/token",service="x"'
            self._answer(401, "text/plain", ("WWW-Authenticate", realm))
        else:
            self._answer(int(tag) if tag.isdigit() else 200, "text/html")

    do_HEAD = do_GET  # noqa: N815 - http.server's name

    def _answer(self, status: int, kind: str, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in (("Content-Type", kind), ("Content-Length", "6"), *headers):
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(b"<html>")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def registry() -> Iterator[str]:
    """Run a registry that never gives an image, and give its name."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Registry)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"localhost:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


ANSWERS = {
    "401": "ImagePullDenied",
    "403": "ImagePullDenied",
    "429": "RegistryRateLimited",
    "500": "RegistryError",
    "404": "RegistryError",
    "token": "RegistryError",
    "html": "RegistryError",
}


def test_what_a_registry_answers_is_named_for_what_it_is(make_app: Callable[..., App]) -> None:
    app = make_app("registry")
    graces = [word for reason in sorted(set(ANSWERS.values())) for word in ("--grace", f"{reason}=0s")]
    found = {}
    with registry() as name:
        app.repository = f"{name}/app"
        for tag in ANSWERS:
            ended = app.run("install", "--values", str(app.values({})), "--tag", tag, "--timeout", "30s", *graces)
            found[tag] = ", ".join(sorted(set(causes(ended.events).values())))
            print(ended.end["message"])

    assert found == ANSWERS


def test_a_deployment_that_somebody_deletes_is_named_within_seconds(make_app: Callable[..., App]) -> None:
    app = make_app("deleted")
    assert app.install().code == 0
    values = app.values({"services": {"web": healthy(minReadySeconds=100)}})
    process = app.start("upgrade", "--values", str(values), "--tag", NEW)
    app.wait_for_revision(process, 2)
    time.sleep(3)
    app.kubectl("delete", "deployment", f"{app.name}-web", "--namespace", app.namespace)
    began = time.monotonic()
    stdout, stderr = process.communicate(timeout=200)
    events = [json.loads(line) for line in stdout.splitlines()]
    print(stderr)

    assert time.monotonic() - began < 60
    assert process.returncode == FAILED_AND_ROLLED_BACK
    assert causes(events) == {"web": "Deleted"}
    assert app.everything_runs(OLD)


_POLICY = {
    "apiVersion": "admissionregistration.k8s.io/v1",
    "kind": "ValidatingAdmissionPolicy",
    "spec": {
        "failurePolicy": "Fail",
        "matchConstraints": {
            "resourceRules": [
                {"apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["replicasets"], "operations": ["CREATE"]}
            ]
        },
        "validations": [
            {
                "expression": f"!object.spec.template.spec.containers.exists(c, c.image.endsWith(':{NEW}'))",
                "message": "not this build",
            }
        ],
    },
}


def test_a_replicaset_that_a_policy_denies_is_named_with_the_policy(
    make_app: Callable[..., App], kubectl: Kubectl
) -> None:
    app = make_app("denied")
    assert app.install().code == 0
    name = f"sametag-{app.namespace}"
    selector = {"matchLabels": {"kubernetes.io/metadata.name": app.namespace}}
    binding = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": name},
        "spec": {
            "policyName": name,
            "validationActions": ["Deny"],
            "matchResources": {"namespaceSelector": selector},
        },
    }
    kubectl("apply", "-f", "-", stdin=json.dumps({**_POLICY, "metadata": {"name": name}}))
    kubectl("apply", "-f", "-", stdin=json.dumps(binding))
    try:
        time.sleep(5)  # until the API server has read it
        ended = app.upgrade(NEW)
    finally:
        kubectl("delete", "validatingadmissionpolicybinding,validatingadmissionpolicy", name)
    print(ended.stderr)

    assert ended.code == FAILED_AND_ROLLED_BACK
    assert causes(ended.events) == {"web": "Forbidden", "worker": "Forbidden"}
    assert name in ended.end["message"]
    assert "not this build" in ended.end["message"]
    assert app.everything_runs(OLD)


def test_a_timeout_is_called_one_with_what_was_waited_for_and_the_flag(make_app: Callable[..., App]) -> None:
    app = make_app("timeout")
    assert app.install().code == 0
    values = app.values({"services": {"web": probed(readiness={"periodSeconds": 20})}})
    ended = app.run("upgrade", "--values", str(values), "--tag", NEW, "--timeout", "15s")

    assert ended.code == FAILED_AND_ROLLED_BACK
    assert "timed out after 15s, which --timeout can make longer: web: " in ended.end["message"]
    assert "readiness probe (TCP :http) has not succeeded" in ended.end["message"]
    assert app.everything_runs(OLD)


def test_a_startup_probe_is_named_with_the_kubelets_words(make_app: Callable[..., App]) -> None:
    app = make_app("startup")
    app.services["db"] = stateful(healthy())
    assert app.install().code == 0
    ended = app.upgrade(NEW, services={"web": probed(startup={}), "db": stateful(probed(startup={}))})

    assert ended.code == FAILED_AND_ROLLED_BACK
    assert causes(ended.events) == {"web": "StartupProbeFailed", "db": "StartupProbeFailed"}
    assert "Startup probe failed: dial tcp " in ended.end["message"]
    assert ":8081: connect: connection refused" in ended.end["message"]
    assert app.everything_runs(OLD)


def test_one_cause_of_four_services_is_said_once_and_fits_on_a_screen(make_app: Callable[..., App]) -> None:
    app = make_app("one-screen")
    app.services = {name: healthy() for name in ("api", "render", "web")} | {"db": stateful(healthy())}
    assert app.install().code == 0
    command = app.command("upgrade", "--tag", MISSING)
    ran = subprocess.run(command, env=app.environment, capture_output=True, text=True, check=False, timeout=200)
    print(ran.stderr)
    lines = ran.stderr.splitlines()

    assert ran.returncode == FAILED_AND_ROLLED_BACK
    (cause,) = [line for line in lines if "does not exist" in line]
    assert f"): ImageNotFound: {app.repository}:{MISSING} does not exist" in cause
    assert len(set(lines)) == len(lines) <= 24
