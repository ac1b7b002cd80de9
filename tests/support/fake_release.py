"""A release of two revisions, with one service and one pod, in a fake API server."""

from __future__ import annotations

import base64
import gzip
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fake_api import ApiServer

DIGEST = f"sha256:{'ab' * 32}"
NAMESPACE = "/api/v1/namespaces/apps"
APPS = "/apis/apps/v1/namespaces/apps"
INSTANCE = {"app.kubernetes.io/instance": "app"}


def template(tag: str) -> dict[str, Any]:
    containers = [{"name": "web", "image": f"registry.example.com/app:{tag}"}]
    return {"metadata": {"labels": INSTANCE}, "spec": {"containers": containers}}


def manifest_of(tag: str) -> str:
    """A service, and its Deployment."""
    meta, spec = {"name": "web", "labels": INSTANCE}, {"template": template(tag)}
    workload = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec}
    source = "# Source: sametag/templates/deployment.yaml"
    service = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\n"
    return f"---\n{service}---\n{source}\n{json.dumps(workload)}\n"


def revision(
    number: int, tag: str, status: str, description: str = "Upgrade complete", *, more: str = ""
) -> dict[str, Any]:
    """One of Helm's Secrets."""
    image = {"repository": "registry.example.com/app", "tag": tag}
    record = {
        "version": number,
        "info": {"status": status, "last_deployed": "2026-01-02T03:04:05Z", "description": description},
        "chart": {"metadata": {"name": "sametag", "version": "0.1.0"}, "values": {}},
        "config": {
            "image": image,
            "services": {"web": {"command": ["web"]}},
        },
        "manifest": manifest_of(tag) + more,
    }
    packed = base64.b64encode(gzip.compress(json.dumps(record).encode()))
    return {"metadata": {"name": f"v{number}"}, "data": {"release": base64.b64encode(packed).decode()}}


def deployed(api: ApiServer, running: str) -> None:
    """Two revisions, and one service with one pod that runs this tag."""
    owner = {"apiVersion": "apps/v1", "kind": "x", "name": "x", "uid": "d"}
    labels = {"app.kubernetes.io/component": "web", **INSTANCE, "app.kubernetes.io/managed-by": "Helm"}
    annotations = {"meta.helm.sh/release-name": "app", "meta.helm.sh/release-namespace": "apps"}
    helms = {"labels": labels, "annotations": annotations}
    spec = {"replicas": 1, "selector": {}, "template": template(running)}
    numbers = {"observedGeneration": 1, "updatedReplicas": 1, "availableReplicas": 1}
    meta = {"name": "web", "uid": "d", "generation": 1, **helms}
    image = f"registry.example.com/app:{running}"
    noted = f"Upgrade complete (verified tag 1.10 {DIGEST} by alice@laptop at 2026-01-02T03:05:05Z): why not"
    answers: dict[str, list[dict[str, Any]]] = {
        f"{NAMESPACE}/secrets": [revision(2, "1.10", "deployed", noted), revision(1, "1.9", "superseded")],
        f"{APPS}/deployments": [{"metadata": meta, "spec": spec, "status": numbers}],
        f"{APPS}/replicasets": [
            {
                "metadata": {"name": "r", "uid": "r", "ownerReferences": [owner]},
                "spec": {"selector": {}, "template": template(running)},
            }
        ],
        f"{APPS}/statefulsets": [],
        f"{APPS}/daemonsets": [],
        f"{NAMESPACE}/services": [{"metadata": {"name": "web", **helms}}],
        f"{NAMESPACE}/pods": [
            {
                "metadata": {"name": "web-1", "uid": "p", "ownerReferences": [{**owner, "uid": "r"}]},
                "spec": {"containers": [{"name": "web", "image": image}]},
                "status": {"conditions": [{"type": "Ready", "status": "True"}]},
            }
        ],
    }
    for path, items in answers.items():
        api.answers[path] = (200, {"metadata": {"resourceVersion": "1"}, "items": items})
