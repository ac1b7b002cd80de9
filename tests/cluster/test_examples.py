"""The examples on a real API server, and the ones that can run, run."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from gifinator import NEW, OLD, ROOT, Kubectl

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Ran

    Run = Callable[..., Ran]

CASES = sorted(path.parent for path in (ROOT / "examples").glob("*/rendered.yaml"))


@pytest.mark.usefixtures("custom_kinds")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_api_server_takes_every_example_and_has_nothing_to_warn_of(kubectl: Kubectl, case: Path) -> None:
    """Unknown fields are errors, and so are warnings: of Pod Security "restricted", of what is deprecated."""
    restricted = {"pod-security.kubernetes.io/enforce": "restricted", "pod-security.kubernetes.io/warn": "restricted"}
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": case.name, "labels": restricted}}
    kubectl("apply", "--filename", "-", stdin=json.dumps(namespace))
    try:
        kubectl(
            *("apply", "--server-side", "--dry-run=server", "--validate=strict", "--warnings-as-errors"),
            *("--filename", str(case / "rendered.yaml")),
        )
    finally:
        kubectl("delete", "namespace", case.name, "--wait=false")


HTTPD = 'echo "$GREETING from $(cat /etc/app/name) on $POD" > /www/index.html; exec httpd -f -p 8080 -h /www'


def values(repository: str) -> dict[str, Any]:
    """A chart's whole repertoire of what runs on one node, with the sample application's image: it has busybox."""
    shell = ["/bin/sh", "-c"]
    return {
        "image": {"repository": repository, "tag": OLD},
        "services": {
            "migrate": {
                "hook": {},
                "command": [*shell, 'echo "migrated with $(cat /etc/app/level)"'],
                "config": {"app": {"mountPath": "/etc/app", "data": {"level": "3"}}},
            },
            "web": {
                "command": [*shell, HTTPD],
                "replicas": 2,
                "env": {"GREETING": "hello", "POD": {"field": "metadata.name"}},
                "config": {"app": {"mountPath": "/etc/app", "data": {"name": "first"}}},
                "writablePaths": {"/www": {"sizeLimit": "1Mi"}},
                "ports": {"http": {"containerPort": 8080, "port": 80}},
                "probes": {"port": "http", "path": "/"},
                "preStopDelaySeconds": 1,
                "initContainers": [{"name": "before", "command": [*shell, "exit 0"]}],
                "sidecars": [{"name": "beside", "command": [*shell, "sleep 3600"]}],
                "terminationGracePeriodSeconds": 2,
            },
            "peer": {"kind": "StatefulSet", "command": [*shell, "sleep 3600"], "terminationGracePeriodSeconds": 1},
            "agent": {"kind": "DaemonSet", "command": [*shell, "sleep 3600"], "terminationGracePeriodSeconds": 1},
            "import": {"kind": "Job", "command": [*shell, "exit 0"]},
            "report": {"kind": "CronJob", "command": [*shell, "exit 0"], "cronJob": {"schedule": "@yearly"}},
        },
    }


def names(kubectl: Kubectl, namespace: str, kind: str) -> set[str]:
    found = json.loads(kubectl("get", kind, "--namespace", namespace, "--output", "json"))["items"]
    return {item["metadata"]["name"] for item in found if "deletionTimestamp" not in item["metadata"]}


@pytest.mark.parametrize("helm", ["HELM4"], indirect=True)
def test_everything_that_runs_on_a_node_runs_restricted_moves_with_the_tag_and_is_tested(
    run: Run, namespace: str, kubectl: Kubectl, repository: str, tmp_path: Path
) -> None:
    file = tmp_path / "values.yaml"
    given = values(repository)
    file.write_text(json.dumps(given))
    words = ("app", "chart", "--namespace", namespace, "--values", str(file), "--wait", "--timeout", "120s")

    assert run("helm", "install", *words).code == 0
    assert kubectl.tags(namespace)["web"] == {OLD}
    tested = run("helm", "test", "app", "--namespace", namespace, "--timeout", "60s")
    assert tested.code == 0
    assert "migrate" not in {name.split("-")[1] for name in names(kubectl, namespace, "jobs")}
    jobs, webs = names(kubectl, namespace, "jobs"), names(kubectl, namespace, "pods")

    # Another content, the same tag: only the service that reads it restarts.
    given["services"]["web"]["config"]["app"]["data"]["name"] = "second"
    file.write_text(json.dumps(given))
    assert run("helm", "upgrade", *words).code == 0
    pods = settled(kubectl, namespace)
    assert not {name for name in webs if name.startswith("app-web")} & pods
    assert {name for name in webs if "web" not in name} <= pods
    assert jobs == names(kubectl, namespace, "jobs")

    # Another tag: everything moves, the Job runs again.
    assert run("helm", "upgrade", *words, "--set-string", f"image.tag={NEW}").code == 0
    settled(kubectl, namespace)
    assert {service: tags for service, tags in kubectl.tags(namespace).items() if service != "import"} == {
        service: {NEW} for service in ("web", "peer", "agent")
    }
    assert not jobs & names(kubectl, namespace, "jobs")


def settled(kubectl: Kubectl, namespace: str) -> set[str]:
    """Wait until no pod is on its way out, and return those that are there."""
    for _ in range(60):
        items = json.loads(kubectl("get", "pods", "--namespace", namespace, "--output", "json"))["items"]
        if not any("deletionTimestamp" in item["metadata"] for item in items):
            return {item["metadata"]["name"] for item in items}
        time.sleep(0.5)
    raise AssertionError("pods are still on their way out after 30 s")
