"""A node whose pods are played by kwok, without containers: one machine carries hundreds of them."""

from __future__ import annotations

import json
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedded import tools

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gifinator import Kubectl

_NAME = "played"
_STAGES = Path(__file__).with_name("kwok.yaml")
_TAINT = {"key": "kwok.x-k8s.io/node", "value": "fake", "effect": "NoSchedule"}

#: What sends a service's pods to the node: nothing else goes there.
PLACEMENT: dict[str, Any] = {
    "nodeSelector": {"type": _NAME},
    "tolerations": [{"key": _TAINT["key"], "operator": "Exists"}],
}

_NODE = {
    "apiVersion": "v1",
    "kind": "Node",
    "metadata": {"name": _NAME, "labels": {"type": _NAME, "kubernetes.io/hostname": _NAME}},
    "spec": {"taints": [_TAINT]},
    "status": {"allocatable": {"cpu": "100", "memory": "100Gi", "pods": "5000", "ephemeral-storage": "1Ti"}},
}


@contextmanager
def played_node(kubectl: Kubectl) -> Iterator[None]:
    """Add the node, and play its pods while the block runs."""
    program = tools.ensure_kwok(print)
    kubectl("apply", "-f", "-", stdin=json.dumps(_NODE))
    words = [str(program), "--config", str(_STAGES), "--kubeconfig", str(kubectl.kubeconfig)]
    # Without a lease the node is lost after 40 s, and its pods are not ready.
    words += ["--node-lease-duration-seconds=40", "--manage-single-node", _NAME]
    kwok = subprocess.Popen(
        words, env=kubectl.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        yield
    finally:
        kubectl("delete", "node", _NAME, "--ignore-not-found")
        kwok.terminate()
        kwok.wait()
