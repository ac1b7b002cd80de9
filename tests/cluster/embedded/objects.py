"""What a cluster has from the start: its certificates' kubeconfigs, DNS, and the pause image."""

from __future__ import annotations

import base64
import hashlib
import json
import tarfile
from io import BytesIO
from typing import TYPE_CHECKING, Any

from embedded import network
from embedded.components import DNS_SERVICE, write_json

if TYPE_CHECKING:
    from pathlib import Path

_CLIENTS = ("admin", "kube-controller-manager", "kube-scheduler", "kube-proxy", "kubelet", "coredns")


def write_kubeconfigs(folder: Path, server: str) -> None:
    """Write NAME.kubeconfig for each client, from its certificate in pki/."""
    for name in _CLIENTS:
        user = {
            "client-certificate-data": _encoded(folder / f"pki/{name}.crt"),
            "client-key-data": _encoded(folder / f"pki/{name}.key"),
        }
        cluster = {"server": server, "certificate-authority-data": _encoded(folder / "pki/ca.crt")}
        write_json(
            folder / f"{name}.kubeconfig",
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "embedded",
                "contexts": [{"name": "embedded", "context": {"cluster": "embedded", "user": name}}],
                "clusters": [{"name": "embedded", "cluster": cluster}],
                "users": [{"name": name, "user": user}],
            },
        )


def _encoded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


def dns_objects(dns_port: int) -> dict[str, Any]:
    """DNS at the address that pods are told, and the rights that CoreDNS needs to answer."""
    dns = {"name": "kube-dns", "namespace": "kube-system"}
    ports = [{"name": protocol.lower(), "protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")]
    slice_ports = [{**port, "port": dns_port} for port in ports]
    labels = {"kubernetes.io/service-name": "kube-dns"}
    rules = [
        {"apiGroups": [""], "resources": ["services", "pods", "namespaces"], "verbs": ["list", "watch"]},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
    ]
    rbac = "rbac.authorization.k8s.io"
    role = {"name": "system:coredns"}
    return {
        "apiVersion": "v1",
        "kind": "List",
        "items": [
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": dns,
                "spec": {"clusterIP": DNS_SERVICE, "ports": ports},
            },
            {
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "metadata": {**dns, "labels": labels},
                "addressType": "IPv4",
                "endpoints": [{"addresses": [network.NODE], "conditions": {"ready": True}}],
                "ports": slice_ports,
            },
            {"apiVersion": f"{rbac}/v1", "kind": "ClusterRole", "metadata": role, "rules": rules},
            {
                "apiVersion": f"{rbac}/v1",
                "kind": "ClusterRoleBinding",
                "metadata": role,
                "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", **role},
                "subjects": [{"apiGroup": rbac, "kind": "User", **role}],
            },
        ],
    }


def write_image(archive: Path, reference: str, program: Path, entrypoint: list[str]) -> None:
    """Write a one-program image as `docker save` does.

    Source: https://github.com/moby/docker-image-spec
    """
    layer = BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        tar.add(program, program.name)
    digest = hashlib.sha256(layer.getvalue()).hexdigest()
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Entrypoint": entrypoint},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
    }
    manifest = [{"Config": "config.json", "RepoTags": [reference], "Layers": ["layer.tar"]}]
    members = {
        "layer.tar": layer.getvalue(),
        "config.json": json.dumps(config).encode(),
        "manifest.json": json.dumps(manifest).encode(),
    }
    with tarfile.open(archive, "w") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, BytesIO(content))
