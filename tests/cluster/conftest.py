"""What the cluster tests share: the cluster, the application's images in a registry, both Helms, the command.

`make test` provides all of it through the environment (`python -m embedded run`). What is missing fails the tests: a
skipped cluster test would prove nothing.
"""

from __future__ import annotations

import fcntl
import json
import os
import shlex
import signal
import subprocess
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pykube import HTTPClient, KubeConfig

import definitions
from asking import Oracle
from embedded import Cluster as Embedded
from embedded import images
from gifinator import NEW, OLD, ROOT, SOURCE, Kubectl
from small_app import App

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_helm_charts.clusters import Cluster

    Once = Callable[[Callable[[], None]], None]


# A shell that runs the tests in the background has them ignore SIGINT, and so their children.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Two cores: helm and kubectl end before they have used the memory that looking for garbage would save.
os.environ.setdefault("GOGC", "400")


def needed(variable: str) -> str:
    """Return an environment variable that `python -m embedded run` sets."""
    value = os.environ.get(variable)
    assert value, f"{variable} is not set: run the cluster tests with make test"
    return value


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest, a module that is one piece, and end with what deploys nothing.

    So that side by side none of the workers is left with a long one at the end.
    """
    items.sort(key=lambda item: (item.get_closest_marker("xdist_group") is None, "repository" not in fixtures(item)))


def fixtures(item: pytest.Item) -> list[str]:
    """Return the names of the fixtures that a test uses, directly or not."""
    return item.fixturenames if isinstance(item, pytest.Function) else []


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Once:
    """Do something once for all the processes that the tests run in; whoever comes later waits until it is done."""
    # https://pytest-xdist.readthedocs.io/en/stable/how-to.html#making-session-scoped-fixtures-execute-only-once
    base = tmp_path_factory.getbasetemp()
    shared = base if worker_id == "master" else base.parent

    def do(action: Callable[[], None]) -> None:
        with (shared / action.__name__).open("a+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            if not file.read():
                action()
                file.write("done")

    return do


@pytest.fixture(scope="session")
def kubectl() -> Kubectl:
    kubeconfig = Path(needed("KUBECONFIG"))
    api = HTTPClient(KubeConfig.from_file(str(kubeconfig)), timeout=30)
    return Kubectl(tuple(shlex.split(needed("SAMETAG_KUBECTL"))), kubeconfig, api)


@pytest.fixture(scope="session")
def repository(once: Once) -> str:
    """The repository that holds the application's two versions."""
    name = f"{needed('SAMETAG_REGISTRY')}/gifinator"

    def push_both_versions() -> None:
        for version in (OLD, NEW):
            images.build_and_push(SOURCE, name, version, print)

    once(push_both_versions)
    return name


@pytest.fixture
def cluster(kubectl: Kubectl) -> Embedded:
    """The embedded cluster that the tests run on."""
    running = Embedded.running()
    if running is None or kubectl.kubeconfig != running.kubeconfig:
        pytest.skip("KUBECONFIG names another cluster: there is no embedded one to test")
    return running


@pytest.fixture(params=["HELM4", "HELM3"])
def helm(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The helm that is first on PATH: each test runs on both."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "helm").symlink_to(needed(f"SAMETAG_{request.param}"))
    monkeypatch.setenv("PATH", f"{folder}:{Path(sys.executable).parent}:{os.environ['PATH']}")
    return folder / "helm"


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command ended: its exit code, and what it wrote."""

    code: int
    stdout: str
    stderr: str


@pytest.fixture
def run(helm: Path) -> Callable[..., Ran]:  # noqa: ARG001 - puts the helm on PATH
    """Run a command as a user does, at the top of the project."""

    def command(*words: str) -> Ran:
        ran = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
        print(f"$ {shlex.join(words)}\n{ran.stdout}{ran.stderr}(exit {ran.returncode})")
        return Ran(ran.returncode, ran.stdout, ran.stderr)

    return command


@pytest.fixture(scope="session")
def custom_kinds(kubectl: Kubectl, once: Once) -> None:
    """The kinds of the Gateway API, KEDA and the Prometheus operator."""

    def apply_custom_kinds() -> None:
        files = [word for file in definitions.files() for word in ("--filename", str(file))]
        kubectl("apply", "--server-side", *files)
        kubectl("wait", "--for=condition=Established", "--timeout=60s", *files)

    once(apply_custom_kinds)


@pytest.fixture
def namespace(kube_cluster: Cluster, kubectl: Kubectl, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace of the test's own that enforces Pod Security "restricted"; gone afterwards, with its releases."""
    assert kube_cluster.kube_client is not None
    name = f"t{abs(hash(request.node.nodeid)) % 10**8}"
    kubectl.create_restricted_namespace(name)
    yield name
    kubectl.delete_namespaces(name)


# So that many pods of many tests find room on one node.
SMALL = {"cpu": "1m", "memory": "16Mi"}

_RENDER: dict[str, Any] = {
    "command": ["/render"],
    "ports": {"http": {"containerPort": 8082}},
    "probes": {"port": "http", "path": "/healthz", "readinessPath": "/readyz"},
    "preStopDelaySeconds": 0,
    "terminationGracePeriodSeconds": 1,
    "resources": {"requests": SMALL},
}


@pytest.fixture
def render_values(repository: str, tmp_path: Path) -> Callable[..., str]:
    """Write a values file with one service of the application, which asks no other, and settings over it."""

    def write(*, others: dict[str, Any] | None = None, **settings: Any) -> str:
        services = {"render": {**_RENDER, **settings}, **(others or {})}
        file = tmp_path / "values.yaml"
        file.write_text(json.dumps({"image": {"repository": repository}, "namePrefix": "", "services": services}))
        return str(file)

    return write


@pytest.fixture
def render_alone(run: Callable[..., Ran], namespace: str, render_values: Callable[..., str]) -> str:
    """A namespace with that one service on the old tag, as release `gifinator`."""
    assert run("sametag", "install", "gifinator", "-n", namespace, "-f", render_values(), "--tag", OLD).code == 0
    return namespace


@pytest.fixture(scope="module")
def make_app(
    kubectl: Kubectl, repository: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., App]]:
    """Make a small application with a namespace of its own; several may be made and used at once, by threads too."""
    suffix, namespaces = uuid.uuid4().hex[:6], []
    # The first who asks makes it, and two threads at once are one too many.
    tmp_path_factory.getbasetemp()

    def make(name: str, helm: str = "HELM4") -> App:
        folder = tmp_path_factory.mktemp(name)
        (folder / "helm").symlink_to(needed(f"SAMETAG_{helm}"))
        path = f"{folder}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        namespace = f"{name}-{suffix}"
        kubectl.create_restricted_namespace(namespace)
        namespaces.append(namespace)
        return App(kubectl, name, namespace, repository, folder, {**kubectl.environment, "PATH": path})

    yield make
    kubectl.delete_namespaces(*namespaces)


@pytest.fixture(scope="module")
def oracle(kubectl: Kubectl, custom_kinds: None) -> Iterator[Oracle]:  # noqa: ARG001 - the kinds must be there
    """Helm 4 and the API server, asked in a namespace without any policy."""
    namespace = f"property-{uuid.uuid4().hex[:6]}"
    kubectl("create", "namespace", namespace)
    yield Oracle(needed("SAMETAG_HELM4"), namespace)
    kubectl.delete_namespaces(namespace)
