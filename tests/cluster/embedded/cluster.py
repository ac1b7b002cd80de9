"""One node of a real Kubernetes, started and stopped like a test's server.

etcd, API server, controller manager, scheduler, kubelet on containerd, kube-proxy and CoreDNS run as processes of this
machine, on free ports; pods are real containers on a bridge. The settings that were needed on a machine without
systemd, AppArmor and cgroup v2 stand beside each component.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import socket
import ssl
import subprocess
import tarfile
import tempfile
import time
import urllib.error
import urllib.request
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from embedded import network, tools
from embedded.process import Component, Identity, StartError, end

if TYPE_CHECKING:
    from collections.abc import Callable

_STATE = tools.CACHE / "cluster.json"
_SERVICE_RANGE, _API_SERVICE, _DNS_SERVICE = "10.96.0.0/16", "10.96.0.1", "10.96.0.10"
_PAUSE = "localhost/pause:1"
_DOMAIN = "cluster.local"

# A component's own certificate is made by itself, and what it says on loopback is not worth a chain of trust.
_TLS = ssl.create_default_context()
_TLS.check_hostname = False
_TLS.verify_mode = ssl.CERT_NONE


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2, context=_TLS) as response:  # noqa: S310 - our own process
            return bool(response.status == 200)
    except (OSError, urllib.error.HTTPError):
        return False


class Cluster:
    """A single-node Kubernetes.

    Args:
        directory: Where its files go; a new temporary folder by default. Kept on failure, with every log.
        say: Called with a line for each thing that happens.
        keep: Whether it outlives this process (`make cluster`); else the next start removes what this one left.
    """

    def __init__(
        self, directory: Path | None = None, *, say: Callable[[str], None] = print, keep: bool = False
    ) -> None:
        self._given = directory
        self._say = say
        self._keep = keep
        self._binary = Path()
        self._dns_port = 0
        self.folder = Path()
        self.components: dict[str, Component] = {}

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.folder / "admin.kubeconfig"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self, timeout: float = 120) -> Path:
        """Start everything, and return the kubeconfig once the node is ready and DNS answers.

        Args:
            timeout: Seconds.

        Raises:
            StartError: One runs already, or a component ended or did not become healthy; its logs are kept.
        """
        _clear_leftovers()
        until = time.monotonic() + timeout
        began = time.monotonic()
        self._binary = tools.ensure_kubernetes(self._say)
        self.folder = self._given or Path(tempfile.mkdtemp(prefix="sametag-"))
        self.folder.mkdir(parents=True, exist_ok=True)
        self._write_state()
        try:
            self._start(until)
        except BaseException:
            self._stop_processes()
            self._say(f"the logs are kept in {self.folder}")
            raise
        self._say(f"Kubernetes is ready in {time.monotonic() - began:.1f} s")
        return self.kubeconfig

    def stop(self) -> None:
        """Stop everything, and remove all that it left on the machine."""
        self._stop_processes()
        if self._given is None:
            network.remove_folder(self.folder)

    def _stop_processes(self) -> None:
        state = _read_state()
        _remove(self.folder, _identities(state) if state else [])

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Run kubectl as administrator and return its output."""
        command = [str(self._binary), "kubectl", "--kubeconfig", str(self.kubeconfig), *arguments]
        return subprocess.run(command, input=stdin, capture_output=True, text=True, check=True).stdout

    def _start(self, until: float) -> None:
        network.add_bridge()
        pki = self.folder / "pki"
        pki.mkdir()
        addresses = ("127.0.0.1", network.NODE, _API_SERVICE)
        subprocess.run([str(self._binary), "certificates", str(pki), *addresses], check=True)
        etcd, api = _free_port(), _free_port()
        self._write_kubeconfigs(f"https://127.0.0.1:{api}")
        self._run(self._etcd(etcd), until)
        self._run(self._api_server(api, etcd), until)
        others = [self._controller_manager(), self._scheduler(), self._containerd(), self._proxy(), self._dns()]
        for component in others:
            self._launch(component)
        self.components["containerd"].wait(until)
        self._import_pause()
        self._run(self._kubelet(), until)
        self.kubectl("apply", "--filename", "-", stdin=json.dumps(_objects(self._dns_port)))
        for component in others:
            component.wait(until)
        self._wait_for_node(until)

    def _run(self, component: Component, until: float) -> None:
        self._launch(component)
        component.wait(until)

    def _launch(self, component: Component) -> None:
        self.components[component.name] = component
        component.start()
        self._write_state()

    def _wait_for_node(self, until: float) -> None:
        self.kubectl("wait", "--for=create", "node/node", "serviceaccount/default", f"--timeout={_left(until)}s")
        self.kubectl("wait", "--for=condition=Ready", "node/node", f"--timeout={_left(until)}s")

    def _write_state(self) -> None:
        processes = [c.identity for c in self.components.values() if c.identity]
        owner = None if self._keep else Identity.of(os.getpid())
        state = {
            "folder": str(self.folder),
            "binary": str(self._binary),
            "owner": owner and [owner.pid, owner.began],
            "processes": [[process.pid, process.began] for process in processes],
        }
        _STATE.parent.mkdir(parents=True, exist_ok=True)
        _STATE.write_text(json.dumps(state))

    def _component(self, name: str, url: str, *flags: str, program: str | None = None) -> Component:
        command = [program] if program else [str(self._binary), name]
        return Component(name, [*command, *flags], lambda: _answers(url), self.folder)

    def _pki(self, name: str) -> str:
        return str(self.folder / "pki" / name)

    def _etcd(self, port: int) -> Component:
        url, peer = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{_free_port()}"
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

    def _api_server(self, port: int, etcd: int) -> Component:
        return self._component(
            "kube-apiserver",
            f"https://127.0.0.1:{port}/readyz",
            f"--etcd-servers=http://127.0.0.1:{etcd}",
            f"--secure-port={port}",
            # Pods reach it on the bridge, everybody else on loopback.
            "--bind-address=0.0.0.0",
            f"--advertise-address={network.NODE}",
            f"--service-cluster-ip-range={_SERVICE_RANGE}",
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

    def _controller_manager(self) -> Component:
        port = _free_port()
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

    def _scheduler(self) -> Component:
        port = _free_port()
        return self._component(
            "kube-scheduler",
            f"https://127.0.0.1:{port}/healthz",
            f"--kubeconfig={self.folder / 'kube-scheduler.kubeconfig'}",
            "--bind-address=127.0.0.1",
            f"--secure-port={port}",
            "--leader-elect=false",
        )

    def _containerd(self) -> Component:
        config = self.folder / "containerd.toml"
        config.write_text(_CONTAINERD.format(folder=self.folder, pause=_PAUSE))
        _write_json(self.folder / "cni/10-bridge.conflist", _pod_network(self.folder))
        return Component("containerd", ["containerd", "--config", str(config)], self._containerd_answers, self.folder)

    def _containerd_answers(self) -> bool:
        return self._ctr("version").returncode == 0

    def _ctr(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        address = str(self.folder / "containerd.sock")
        return subprocess.run(
            ["ctr", "--address", address, "-n", "k8s.io", *arguments], capture_output=True, check=False
        )

    def _import_pause(self) -> None:
        archive = self.folder / "pause.tar"
        _write_image(archive, _PAUSE, Path("/bin/busybox"), ["/busybox", "sleep", "infinity"])
        ran = self._ctr("images", "import", str(archive))
        if ran.returncode != 0:
            raise StartError(f"the pause image cannot be imported: {ran.stderr.decode().strip()}")

    def _kubelet(self) -> Component:
        port, health = _free_port(), _free_port()
        config = self.folder / "kubelet.json"
        _write_json(config, _kubelet_configuration(self.folder, port, health))
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

    def _proxy(self) -> Component:
        health, metrics = _free_port(), _free_port()
        config = self.folder / "kube-proxy.json"
        _write_json(
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
                # The limit is the kernel's own affair, and may not be ours to set.
                "conntrack": {"maxPerCore": 0},
            },
        )
        return self._component("kube-proxy", f"http://127.0.0.1:{health}/livez", f"--config={config}")

    def _dns(self) -> Component:
        self._dns_port, health, ready = _free_port(), _free_port(), _free_port()
        config = self.folder / "Corefile"
        kubeconfig = self.folder / "coredns.kubeconfig"
        config.write_text(
            f".:{self._dns_port} {{\n"
            f"  bind {network.NODE}\n  errors\n  health 127.0.0.1:{health} {{\n    lameduck 0s\n  }}\n"
            f"  ready 127.0.0.1:{ready}\n  cache 5\n"
            f"  kubernetes {_DOMAIN} in-addr.arpa {{\n    kubeconfig {kubeconfig}\n    pods insecure\n  }}\n}}\n"
        )
        return self._component("coredns", f"http://127.0.0.1:{ready}/ready", "-conf", str(config))

    def _write_kubeconfigs(self, server: str) -> None:
        clients = ("admin", "kube-controller-manager", "kube-scheduler", "kube-proxy", "kubelet", "coredns")
        for name in clients:
            user = {
                "client-certificate-data": self._encoded(f"{name}.crt"),
                "client-key-data": self._encoded(f"{name}.key"),
            }
            cluster = {"server": server, "certificate-authority-data": self._encoded("ca.crt")}
            _write_json(
                self.folder / f"{name}.kubeconfig",
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "current-context": "embedded",
                    "contexts": [{"name": "embedded", "context": {"cluster": "embedded", "user": name}}],
                    "clusters": [{"name": "embedded", "cluster": cluster}],
                    "users": [{"name": name, "user": user}],
                },
            )

    def _encoded(self, name: str) -> str:
        return base64.b64encode((self.folder / "pki" / name).read_bytes()).decode()


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
        "clusterDNS": [_DNS_SERVICE],
        "clusterDomain": _DOMAIN,
        "containerRuntimeEndpoint": f"unix://{folder}/containerd.sock",
        "healthzPort": health,
        "podLogsDir": str(folder / "pod-logs"),
        "port": port,
        "resolvConf": "",
        "serializeImagePulls": False,
        "volumePluginDir": str(folder / "volume-plugins"),
    }


def _objects(dns_port: int) -> dict[str, Any]:
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
                "spec": {"clusterIP": _DNS_SERVICE, "ports": ports},
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


def _write_json(path: Path, document: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1))
    path.chmod(0o600)


def _write_image(archive: Path, reference: str, program: Path, entrypoint: list[str]) -> None:
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


def _left(until: float) -> int:
    return max(1, int(until - time.monotonic()))


def running() -> Cluster | None:
    """Return the cluster that `make cluster` left running; None where there is none."""
    state = _read_state()
    if state is None or state["owner"] is not None or not any(identity.alive for identity in _identities(state)):
        return None
    cluster = Cluster(Path(state["folder"]), keep=True)
    cluster.folder, cluster._binary = Path(state["folder"]), Path(state["binary"])  # noqa: SLF001 - our own class
    return cluster


def stop_running(say: Callable[[str], None]) -> bool:
    """Stop the cluster that runs, and remove what a killed one left; say whether there was one."""
    state = _read_state()
    if state is None:
        return False
    _remove(Path(state["folder"]), _identities(state))
    network.remove_folder(Path(state["folder"]))
    say("stopped Kubernetes")
    return True


def _clear_leftovers() -> None:
    state = _read_state()
    if state is None:
        return
    owner = state["owner"] and Identity(*state["owner"])
    alive = any(identity.alive for identity in _identities(state))
    if alive and (owner is None or owner.alive):
        raise StartError("a cluster runs already; make cluster-stop ends it")
    _remove(Path(state["folder"]), _identities(state))
    network.remove_folder(Path(state["folder"]))


def _read_state() -> dict[str, Any] | None:
    try:
        state: dict[str, Any] = json.loads(_STATE.read_text())
    except FileNotFoundError:
        return None
    return state


def _identities(state: dict[str, Any]) -> list[Identity]:
    return [Identity(*process) for process in state["processes"]]


def _remove(folder: Path, processes: list[Identity]) -> None:
    """End the processes and the containers, and remove what is left in the kernel."""
    socket_path = f"{folder}/containerd.sock"
    # etcd was started first, and goes last: an API server without it takes all of its grace.
    end(processes[1:])
    end(processes[:1])
    end(_containers(socket_path), grace=2)
    network.remove(folder)
    _STATE.unlink(missing_ok=True)


def _containers(socket_path: str) -> list[Identity]:
    """Return the shims of a containerd and the processes below them: containers outlive it, by design."""
    parents: dict[int, int] = {}
    shims = set()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            pid, words = int(entry.name), (entry / "cmdline").read_bytes().split(b"\0")
            parents[pid] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
        if b"containerd-shim" in words[0] and socket_path.encode() in words:
            shims.add(pid)
    found = set(shims)
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return [identity for pid in found if (identity := Identity.of(pid))]
