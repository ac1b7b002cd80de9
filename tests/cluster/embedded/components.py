"""The programs that make a Kubernetes, with what a machine without systemd, AppArmor and cgroup v2 needs."""

from __future__ import annotations

import json
import random
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from embedded import network
from embedded.process import Component

if TYPE_CHECKING:
    from pathlib import Path

SERVICE_RANGE, API_SERVICE, DNS_SERVICE = "10.96.0.0/16", "10.96.0.1", "10.96.0.10"
PAUSE = "localhost/pause:1"
_DOMAIN = "cluster.local"

# Below the ports that the kernel lends to clients: a component that is started again finds its port free.
_PORTS = range(20000, 30000)


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on."""
    for port in random.sample(_PORTS, 50):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port
    raise OSError("no free port")


@dataclass(frozen=True, slots=True)
class Components:
    """How each component is called.

    Attributes:
        binary: The multi-call binary.
        folder: Where files, sockets and logs go.
    """

    binary: Path
    folder: Path

    def _component(self, name: str, health: str, *flags: str) -> Component:
        return Component(name, [str(self.binary), name, *flags], health, self.folder)

    def _pki(self, name: str) -> str:
        return str(self.folder / "pki" / name)

    def etcd(self, port: int) -> Component:
        """The store."""
        url, peer = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{free_port()}"
        return self._component(
            "etcd",
            f"{url}/health",
            f"--data-dir={self.folder / 'etcd'}",
            f"--listen-client-urls={url}",
            f"--advertise-client-urls={url}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            # A cluster for tests may lose its last second when the machine loses power.
            "--unsafe-no-fsync",
        )

    def api_server(self, port: int, etcd: int) -> Component:
        """The API server, for pods and for this machine."""
        return self._component(
            "kube-apiserver",
            f"https://127.0.0.1:{port}/readyz",
            f"--etcd-servers=http://127.0.0.1:{etcd}",
            f"--secure-port={port}",
            # Pods reach it on the bridge, everybody else on loopback.
            "--bind-address=0.0.0.0",
            f"--advertise-address={network.NODE}",
            f"--service-cluster-ip-range={SERVICE_RANGE}",
            "--authorization-mode=Node,RBAC",
            "--allow-privileged",
            f"--client-ca-file={self._pki('ca.crt')}",
            f"--tls-cert-file={self._pki('server.crt')}",
            f"--tls-private-key-file={self._pki('server.key')}",
            # The node's name is known to nobody's DNS.
            "--kubelet-preferred-address-types=InternalIP",
            f"--kubelet-client-certificate={self._pki('apiserver-kubelet.crt')}",
            f"--kubelet-client-key={self._pki('apiserver-kubelet.key')}",
            f"--service-account-issuer=https://kubernetes.default.svc.{_DOMAIN}",
            f"--service-account-key-file={self._pki('service-account.key')}",
            f"--service-account-signing-key-file={self._pki('service-account.key')}",
        )

    def controller_manager(self) -> Component:
        """The controllers."""
        port = free_port()
        return self._component(
            "kube-controller-manager",
            f"https://127.0.0.1:{port}/healthz",
            f"--kubeconfig={self.folder / 'kube-controller-manager.kubeconfig'}",
            "--bind-address=127.0.0.1",
            f"--secure-port={port}",
            "--leader-elect=false",
            "--use-service-account-credentials",
            f"--root-ca-file={self._pki('ca.crt')}",
            f"--service-account-private-key-file={self._pki('service-account.key')}",
        )

    def scheduler(self) -> Component:
        """The scheduler."""
        port = free_port()
        return self._component(
            "kube-scheduler",
            f"https://127.0.0.1:{port}/healthz",
            f"--kubeconfig={self.folder / 'kube-scheduler.kubeconfig'}",
            "--bind-address=127.0.0.1",
            f"--secure-port={port}",
            "--leader-elect=false",
        )

    def containerd(self) -> Component:
        """The container runtime, with the bridge that pods hang on."""
        config = self.folder / "containerd.toml"
        config.write_text(_CONTAINERD.format(folder=self.folder, pause=PAUSE))
        write_json(self.folder / "cni/10-bridge.conflist", _pod_network(self.folder))
        health = f"unix://{self.folder}/containerd.sock"
        return Component("containerd", ["containerd", "--config", str(config)], health, self.folder)

    def kubelet(self) -> Component:
        """The node."""
        port, health = free_port(), free_port()
        config = self.folder / "kubelet.json"
        write_json(config, _kubelet_configuration(self.folder, port, health))
        return self._component(
            "kubelet",
            f"http://127.0.0.1:{health}/healthz",
            f"--config={config}",
            f"--kubeconfig={self.folder / 'kubelet.kubeconfig'}",
            f"--root-dir={self.folder / 'kubelet'}",
            f"--cert-dir={self.folder / 'kubelet/pki'}",
            "--hostname-override=node",
            f"--node-ip={network.NODE}",
        )

    def proxy(self) -> Component:
        """What makes Services reach pods."""
        health, metrics = free_port(), free_port()
        config = self.folder / "kube-proxy.json"
        write_json(
            config,
            {
                "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
                "kind": "KubeProxyConfiguration",
                "clientConnection": {"kubeconfig": str(self.folder / "kube-proxy.kubeconfig")},
                "clusterCIDR": network.POD_RANGE,
                "healthzBindAddress": f"127.0.0.1:{health}",
                "hostnameOverride": "node",
                "metricsBindAddress": f"127.0.0.1:{metrics}",
                "mode": "iptables",
                # Where the kernel does not show bridged packets to iptables (no br_netfilter), the answer of a pod to a
                # pod would not come back as the Service's; through the node it does.
                "iptables": {"masqueradeAll": True},
                # The limit is the kernel's own affair, and may not be ours to set.
                "conntrack": {"maxPerCore": 0},
            },
        )
        return self._component("kube-proxy", f"http://127.0.0.1:{health}/livez", f"--config={config}")

    def dns(self, port: int) -> Component:
        """The names of Services."""
        health, ready = free_port(), free_port()
        config = self.folder / "Corefile"
        kubeconfig = self.folder / "coredns.kubeconfig"
        config.write_text(
            f".:{port} {{\n"
            f"  bind {network.NODE}\n  errors\n  health 127.0.0.1:{health} {{\n    lameduck 0s\n  }}\n"
            f"  ready 127.0.0.1:{ready}\n  cache 5\n"
            f"  kubernetes {_DOMAIN} in-addr.arpa {{\n    kubeconfig {kubeconfig}\n    pods insecure\n  }}\n}}\n"
        )
        return self._component("coredns", f"http://127.0.0.1:{ready}/ready", "-conf", str(config))


_CONTAINERD = """version = 2
root = "{folder}/containerd"
state = "{folder}/containerd-state"
[grpc]
  address = "{folder}/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  # Without AppArmor, and where the score of a parent may not be lowered.
  disable_apparmor = true
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{folder}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
"""


def _pod_network(folder: Path) -> dict[str, Any]:
    addresses = {
        "type": "host-local",
        "ranges": [[{"subnet": network.POD_RANGE}]],
        "routes": [{"dst": "0.0.0.0/0"}],
        "dataDir": str(folder / "addresses"),
    }
    bridge = {"type": "bridge", "bridge": network.BRIDGE, "isGateway": True, "hairpinMode": True, "ipam": addresses}
    return {"cniVersion": "0.4.0", "name": "pods", "plugins": [bridge]}


def _kubelet_configuration(folder: Path, port: int, health: int) -> dict[str, Any]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": network.NODE,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(folder / "pki/ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        # The machine is the user's: no pod is evicted, and no image removed, because its disk is full.
        "evictionHard": {"memory.available": "100Mi"},
        "imageGCHighThresholdPercent": 100,
        # Machines for tests often have cgroup v1, swap, and no systemd.
        "failCgroupV1": False,
        "cgroupDriver": "cgroupfs",
        "failSwapOn": False,
        "clusterDNS": [DNS_SERVICE],
        "clusterDomain": _DOMAIN,
        "containerRuntimeEndpoint": f"unix://{folder}/containerd.sock",
        "healthzPort": health,
        "podLogsDir": str(folder / "pod-logs"),
        # Tests side by side have more than the 110 of a usual node; the range has 253 addresses.
        "maxPods": 200,
        "port": port,
        "resolvConf": "",
        "serializeImagePulls": False,
        "volumePluginDir": str(folder / "volume-plugins"),
    }


def write_json(path: Path, document: dict[str, Any]) -> None:
    """Write a file that only root may read: many hold keys."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1))
    path.chmod(0o600)
