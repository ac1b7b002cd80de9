"""All that the demo and the tests need, whatever the machine: the user's own where there is one, else ours."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from embedded import tools
from embedded.cluster import Cluster
from embedded.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import ExitStack


@dataclass(frozen=True, slots=True)
class Provided:
    """A cluster, a registry that it pulls from, and the programs to use them with.

    Attributes:
        kubeconfig: An administrator's.
        kubectl: How kubectl is called.
        registry: What image names begin with.
        helm4, helm3: Paths.
        given: Whether the cluster is the user's own.
    """

    kubeconfig: Path
    kubectl: tuple[str, ...]
    registry: str
    helm4: Path
    helm3: Path
    given: bool

    @property
    def environment(self) -> dict[str, str]:
        """What the tests read."""
        return {
            "KUBECONFIG": str(self.kubeconfig),
            "SAMETAG_KUBECTL": " ".join(self.kubectl),
            "SAMETAG_REGISTRY": self.registry,
            "SAMETAG_HELM4": str(self.helm4),
            "SAMETAG_HELM3": str(self.helm3),
        }


def provide(cleanup: ExitStack, say: Callable[[str], None]) -> Provided:
    """Use KUBECONFIG's cluster and REGISTRY, or start a cluster and a registry; `cleanup` stops what was started.

    A cluster that `make cluster` left running is used, and left running.

    Raises:
        ToolError: A tool cannot be had, or KUBECONFIG is set and REGISTRY is not.
        StartError: The cluster or the registry did not start.
    """
    kubeconfig, running = os.environ.get("KUBECONFIG"), Cluster.running(say)
    if kubeconfig and not (running and Path(kubeconfig) == running.kubeconfig):
        return _given(Path(kubeconfig), say)
    return _started(cleanup, say)


def _given(kubeconfig: Path, say: Callable[[str], None]) -> Provided:
    registry = os.environ.get("REGISTRY")
    if not registry:
        raise tools.ToolError("KUBECONFIG is set: set REGISTRY too, to a registry that its nodes can pull from")
    tools.ensure_image_builder(say)
    helm4, helm3 = tools.ensure_helm(say)
    own = shutil.which("kubectl")
    kubectl = (own,) if own else (str(tools.ensure_kubernetes(say)), "kubectl")
    return Provided(kubeconfig, kubectl, registry, helm4, helm3, given=True)


def _started(cleanup: ExitStack, say: Callable[[str], None]) -> Provided:
    ready = tools.ensure(say)
    registry = Registry()
    if not registry.running():
        registry.start()
        cleanup.callback(registry.stop)
    cluster = Cluster.running(say)
    # One that another process will stop is not ours to use: the start says so.
    if cluster is None or cluster.state.owner is not None:
        cluster = Cluster(say=say, keep=os.environ.get("KEEP") == "1")
        cleanup.callback(cluster.stop)
        cluster.start()
    kubectl = (str(ready.kubernetes), "kubectl")
    return Provided(cluster.kubeconfig, kubectl, registry.address, ready.helm4, ready.helm3, given=False)
