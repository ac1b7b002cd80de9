"""The embedded cluster itself. It needs the one that `make test` started: there is one such node on a machine."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from embedded import Cluster, StartError
from embedded.process import Component, Identity

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gifinator import Kubectl


@pytest.fixture
def shell(kubectl: Kubectl, repository: str) -> Iterator[str]:
    """A pod with a shell, in a namespace of its own."""
    namespace = "embedded"
    kubectl("create", "namespace", namespace)
    image = f"{repository}:0.0.5"
    kubectl("run", "shell", "-n", namespace, f"--image={image}", "--restart=Never", "--", "sleep", "300")
    kubectl("wait", "pod/shell", "-n", namespace, "--for=condition=Ready", "--timeout=60s")
    yield namespace
    kubectl("delete", "namespace", namespace, "--wait=false")


def test_a_pod_resolves_names_and_reaches_the_api_server(cluster: Cluster, kubectl: Kubectl, shell: str) -> None:
    assert cluster.kubeconfig == kubectl.kubeconfig
    answer = kubectl("exec", "shell", "-n", shell, "--", "nslookup", "kubernetes.default.svc.cluster.local")
    assert "10.96.0.1" in answer
    connect = "nc -w 5 kubernetes.default.svc.cluster.local 443 </dev/null"
    kubectl("exec", "shell", "-n", shell, "--", "sh", "-c", connect)


def test_a_second_cluster_is_refused_with_a_remedy(cluster: Cluster) -> None:
    assert cluster.kubeconfig.exists()
    with pytest.raises(StartError, match="make cluster-stop"):
        Cluster(say=print).start()
    assert Cluster.running() is not None


@pytest.mark.alone
def test_a_component_can_be_stopped_and_started_again(cluster: Cluster, kubectl: Kubectl) -> None:
    cluster.stop_component("kube-scheduler")
    kubectl("create", "namespace", "unscheduled")
    kubectl("run", "waiting", "-n", "unscheduled", "--image=localhost/pause:1", "--image-pull-policy=Never")
    phase = ("get", "pod", "waiting", "-n", "unscheduled", "-o", "jsonpath={.spec.nodeName}")
    time.sleep(1)
    assert kubectl(*phase) == ""

    cluster.start_component("kube-scheduler")
    kubectl("wait", "pod/waiting", "-n", "unscheduled", "--for=condition=Ready", "--timeout=60s")
    assert kubectl(*phase) == "node"
    kubectl("delete", "namespace", "unscheduled", "--wait=false")
    restarted = Cluster.running()
    assert restarted is not None
    assert restarted.state.components["kube-scheduler"].alive


def test_a_component_that_ends_is_named_with_its_last_words(tmp_path: Path) -> None:
    words = [sys.executable, "-c", "print('the port is taken')"]
    component = Component("server", words, "http://127.0.0.1:1/", tmp_path)
    component.start()

    with pytest.raises(StartError, match=r"server ended\n.*server\.log\n  the port is taken"):
        component.wait(time.monotonic() + 30)


def test_a_component_that_never_answers_is_named_after_the_time(tmp_path: Path) -> None:
    component = Component("server", ["sleep", "60"], "http://127.0.0.1:1/", tmp_path)
    component.start()
    try:
        with pytest.raises(StartError, match="server did not become healthy in time"):
            component.wait(time.monotonic() + 0.2)
    finally:
        component.stop()
    assert not component.alive


def test_a_process_number_that_was_given_out_again_is_not_ours() -> None:
    process = subprocess.Popen(["sleep", "60"])
    try:
        identity = Identity.of(process.pid)
        assert identity is not None
        assert identity.alive
        assert not Identity(process.pid, "1").alive
    finally:
        process.kill()
        process.wait()
    assert not identity.alive


def test_what_is_written_down_is_enough_to_stop_and_start_a_component(tmp_path: Path) -> None:
    component = Component("server", ["sleep", "60"], "http://127.0.0.1:1/", tmp_path)
    component.start()
    read = Component.of_json(json.loads(json.dumps(component.as_json())), tmp_path)

    read.stop()

    assert not component.alive
    assert (read.command, read.health) == (["sleep", "60"], "http://127.0.0.1:1/")
