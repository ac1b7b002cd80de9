"""What `sametag upgrade` costs beside `helm upgrade --wait`: time, in turns, and requests to the API server.

Both ask the API server as often as sametag lets Helm: with client-go's own 5 requests a second Helm takes minutes for a
hundred services (HELM_QPS=5 HELM_BURST_LIMIT=100 make bench BENCH=scale shows it).
"""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import tempfile
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedded import images
from gifinator import NEW, OLD, SOURCE, Kubectl
from played_node import PLACEMENT, played_node
from sametag.helm.command import RATE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

ROOT = Path(__file__).parents[1]
_NAME = "bench"
_NAMESPACE = f"{_NAME}-{os.getpid()}"
_PATIENCE = ["--timeout", "30m"]

_PORT = re.compile(r"127\.0\.0\.1:(\d+)")
# What kubectl proxy -v=6 logs of each answer.
_ANSWER = re.compile(r'"Response" verb="(\w+)" url="([^"]+)"')


@dataclass(frozen=True, slots=True)
class Bench:
    """One release of so many services, and the two ways to upgrade it."""

    kubectl: Kubectl
    environment: dict[str, str]
    values: Path

    def run(self, words: Sequence[str], kubeconfig: str | None = None) -> float:
        """Run a command, which must succeed, and return its seconds."""
        environment = {**self.environment, **({"KUBECONFIG": kubeconfig} if kubeconfig else {})}
        began = time.perf_counter()
        ran = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        if ran.returncode != 0:
            raise SystemExit(f"{' '.join(words)}: {ran.stderr}")
        return time.perf_counter() - began

    def helm(self, tag: str) -> list[str]:
        """Return the command of Helm that moves every service to a tag."""
        settings = ["--reset-then-reuse-values", "--set-string", f"image.tag={tag}"]
        return ["helm", "upgrade", _NAME, "chart", "--namespace", _NAMESPACE, "--wait", *_PATIENCE, *settings]

    def sametag(self, tag: str) -> list[str]:
        """Return our command that does it."""
        return ["sametag", "upgrade", _NAME, "--namespace", _NAMESPACE, "--tag", tag, *_PATIENCE]

    def install(self) -> None:
        """Install the release on the old tag."""
        place = ["--namespace", _NAMESPACE, "--values", str(self.values)]
        self.run(["sametag", "install", _NAME, *place, "--tag", OLD, *_PATIENCE])

    def times(self, rounds: int) -> tuple[float, float]:
        """Return the median seconds of Helm's upgrades and of ours, which take turns."""
        theirs, ours = [], []
        for _ in range(rounds):
            theirs.append(self.run(self.helm(NEW)))
            ours.append(self.run(self.sametag(OLD)))
        return statistics.median(theirs), statistics.median(ours)

    def requests(self, words: Sequence[str]) -> tuple[int, int]:
        """Return how many requests a command makes in all, and how many of them are watches."""
        with _counting(self.kubectl) as (kubeconfig, log):
            self.run(words, kubeconfig)
            urls = [found[2] for found in _ANSWER.finditer(log.read_text())]
        return len(urls), sum("watch=" in url for url in urls)


@contextmanager
def _counting(kubectl: Kubectl) -> Iterator[tuple[str, Path]]:
    """Put a proxy before the API server that writes each request down; give its kubeconfig and its log."""
    with tempfile.TemporaryDirectory() as folder:
        log, kubeconfig = Path(folder) / "log", Path(folder) / "kubeconfig"
        with log.open("w") as output:
            command = [*kubectl.words, "proxy", "--port=0", "-v=6"]
            proxy = subprocess.Popen(command, env=kubectl.environment, stdout=output, stderr=output)
        try:
            while not (port := _PORT.search(log.read_text())):
                time.sleep(0.05)
            server = {"server": f"http://127.0.0.1:{port[1]}"}
            context = {"name": "proxy", "context": {"cluster": "proxy", "user": "proxy"}}
            document = {
                "current-context": "proxy",
                "contexts": [context],
                "clusters": [{"name": "proxy", "cluster": server}],
                "users": [{"name": "proxy", "user": {}}],
            }
            kubeconfig.write_text(json.dumps(document))
            yield str(kubeconfig), log
        finally:
            proxy.terminate()
            proxy.wait()


def _values(count: int, repository: str, placement: Mapping[str, Any]) -> dict[str, Any]:
    service: dict[str, Any] = {"command": ["/bin/sleep", "infinity"]}
    defaults: dict[str, Any] = {
        "resources": {"requests": {"cpu": "1m", "memory": "1Mi"}},
        "terminationGracePeriodSeconds": 1,
        "minReadySeconds": 0,
        **placement,
    }
    return {
        "image": {"repository": repository, "pullPolicy": "IfNotPresent"},
        "defaults": defaults,
        "services": {f"service-{number}": service for number in range(count)},
    }


def few() -> None:
    """Print a line for four services, whose pods are containers."""
    repository = f"{os.environ['SAMETAG_REGISTRY']}/gifinator"
    for version in (OLD, NEW):
        images.build_and_push(SOURCE, repository, version, lambda _: None)
    _measure(_kubectl(), _values(4, repository, {}), rounds=5)


def many() -> None:
    """Print a line for a hundred services, whose pods are played."""
    kubectl = _kubectl()
    with played_node(kubectl):
        _measure(kubectl, _values(100, "registry.example.com/app", PLACEMENT), rounds=3)


def _kubectl() -> Kubectl:
    return Kubectl(tuple(os.environ["SAMETAG_KUBECTL"].split()), Path(os.environ["KUBECONFIG"]))


def _measure(kubectl: Kubectl, values: dict[str, Any], rounds: int) -> None:
    print("services  helm upgrade --wait  sametag upgrade  more   ratio  requests: helm  sametag with helm  watches")
    with ExitStack() as cleanup:
        folder = Path(cleanup.enter_context(tempfile.TemporaryDirectory()))
        (folder / "helm").symlink_to(os.environ["SAMETAG_HELM4"])
        (folder / "values.json").write_text(json.dumps(values))
        kubectl.create_restricted_namespace(_NAMESPACE)
        cleanup.callback(kubectl, "delete", "namespace", _NAMESPACE)
        environment = {**RATE, **kubectl.environment, "PATH": f"{folder}:{os.environ['PATH']}"}
        _print_line(Bench(kubectl, environment, folder / "values.json"), len(values["services"]), rounds)


def _print_line(bench: Bench, count: int, rounds: int) -> None:
    bench.install()
    theirs, ours = bench.times(rounds)
    their_requests, _ = bench.requests(bench.helm(NEW))
    our_requests, watches = bench.requests(bench.sametag(OLD))
    print(
        f"{count:8}  {theirs:17.2f} s  {ours:13.2f} s  {ours - theirs:+.2f} s  {ours / theirs:5.2f}  "
        f"{their_requests:14}  {our_requests:17}  {watches:7}",
        flush=True,
    )
