"""One node of a real Kubernetes, started and stopped like a test's server.

etcd, API server, controller manager, scheduler, kubelet on containerd, kube-proxy and CoreDNS run as processes of this
machine, on free ports; pods are real containers on a bridge.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

from embedded import network, objects, tools
from embedded import state as states
from embedded.components import API_SERVICE, PAUSE, Components, free_port
from embedded.process import Identity, StartError
from embedded.state import State

if TYPE_CHECKING:
    from collections.abc import Callable

    from embedded.process import Component


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
        self._state: State | None = None

    @classmethod
    def running(cls, say: Callable[[str], None] = print) -> Self | None:
        """Return the cluster that runs on this machine, whoever of us started it; None without one."""
        state = states.read()
        if state is None or not state.alive:
            return None
        cluster = cls(state.folder, say=say, keep=True)
        cluster._state = state
        return cluster

    @property
    def state(self) -> State:
        """What is written down about it; its components can be stopped and started one by one."""
        if self._state is None:
            raise StartError("the cluster was not started")
        return self._state

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.state.folder / "admin.kubeconfig"

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
        binary = tools.ensure_kubernetes(self._say)
        began = time.monotonic()
        folder = self._given or Path(tempfile.mkdtemp(prefix="sametag-"))
        folder.mkdir(parents=True, exist_ok=True)
        self._state = State(folder, binary, None if self._keep else Identity.of(os.getpid()))
        states.begin(self._state)
        try:
            self._start(began + timeout)
        except BaseException as error:
            self._state.remove()
            self._say(f"the logs are kept in {folder}")
            if isinstance(error, subprocess.CalledProcessError):
                words = (error.stderr or "").strip().splitlines()
                raise StartError(f"{' '.join(map(str, error.cmd[:3]))} failed: {words[-1:]}") from error
            raise
        self._say(f"Kubernetes is ready in {time.monotonic() - began:.1f} s")
        return self.kubeconfig

    def stop(self) -> None:
        """Stop everything, and remove all that it left on the machine."""
        # Another process may have stopped and started components meanwhile.
        (states.read() or self.state).remove()
        if self._given is None or self._keep:
            network.remove_folder(self.state.folder)

    def stop_component(self, name: str) -> None:
        """End one component, such as `kubelet`, as a fault."""
        self.state.components[name].stop()
        self.state.write()

    def start_component(self, name: str, timeout: float = 60) -> None:
        """Start a component that was stopped, and wait until it is healthy, at most `timeout` seconds."""
        self._launch(self.state.components[name])
        self.state.components[name].wait(time.monotonic() + timeout)

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Run kubectl as administrator and return its output."""
        command = [str(self.state.binary), "kubectl", "--kubeconfig", str(self.kubeconfig), *arguments]
        return subprocess.run(command, input=stdin, capture_output=True, text=True, check=True).stdout

    def _start(self, until: float) -> None:
        folder, binary = self.state.folder, self.state.binary
        network.add_bridge()
        (folder / "pki").mkdir()
        addresses = ("127.0.0.1", network.NODE, API_SERVICE)
        subprocess.run([str(binary), "certificates", str(folder / "pki"), *addresses], check=True)
        components = Components(binary, folder)
        etcd, api, dns = free_port(), free_port(), free_port()
        objects.write_kubeconfigs(folder, f"https://127.0.0.1:{api}")
        self._run(components.etcd(etcd), until)
        self._run(components.api_server(api, etcd), until)
        others = [
            components.containerd(),
            components.controller_manager(),
            components.scheduler(),
            components.proxy(),
            components.dns(dns),
        ]
        for component in others:
            self._launch(component)
        others[0].wait(until)
        self._import_pause()
        self._run(components.kubelet(), until)
        self.kubectl("apply", "--filename", "-", stdin=json.dumps(objects.dns_objects(dns)))
        for component in others:
            component.wait(until)
        self._wait_for_node(until)

    def _run(self, component: Component, until: float) -> None:
        self._launch(component)
        component.wait(until)

    def _launch(self, component: Component) -> None:
        component.start()
        self.state.components[component.name] = component
        self.state.write()

    def _import_pause(self) -> None:
        folder = self.state.folder
        objects.write_image(folder / "pause.tar", PAUSE, Path("/bin/busybox"), ["/busybox", "sleep", "infinity"])
        command = ["ctr", "--address", str(folder / "containerd.sock"), "--namespace", "k8s.io", "images", "import"]
        subprocess.run([*command, str(folder / "pause.tar")], capture_output=True, text=True, check=True)

    def _wait_for_node(self, until: float) -> None:
        left = f"--timeout={max(1, int(until - time.monotonic()))}s"
        self.kubectl("wait", "--for=create", "node/node", "serviceaccount/default", left)
        self.kubectl("wait", "--for=condition=Ready", "node/node", left)
