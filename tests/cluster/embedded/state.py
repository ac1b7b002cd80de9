"""What is written down about the cluster that runs, so that another process can find, use and end it."""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from embedded import network, tools
from embedded.process import Component, Identity, StartError, end

if TYPE_CHECKING:
    from collections.abc import Iterator

_FILE = tools.CACHE / "cluster.json"

# Programs that make a machine a Kubernetes node; their firewall rules have the names that ours have.
_NODE_PROGRAMS = {b"kubelet", b"kube-proxy", b"k3s", b"k3s-server", b"k0s"}


@dataclass(slots=True)
class State:
    """A cluster that was started.

    Attributes:
        folder: Its files.
        binary: The multi-call binary that it runs.
        owner: The process that will stop it; None where it was left running.
        components: By name, in the order of their starts.
    """

    folder: Path
    binary: Path
    owner: Identity | None
    components: dict[str, Component] = field(default_factory=dict)

    @property
    def alive(self) -> bool:
        """Whether anything of it runs."""
        return any(component.alive for component in self.components.values())

    def write(self) -> None:
        """Write it down; a reader sees the old or the new one, never a half."""
        document = {
            "folder": str(self.folder),
            "binary": str(self.binary),
            "owner": self.owner and [self.owner.pid, self.owner.began],
            "components": [component.as_json() for component in self.components.values()],
        }
        _FILE.parent.mkdir(parents=True, exist_ok=True)
        fresh = _FILE.with_suffix(".new")
        fresh.write_text(json.dumps(document, indent=1))
        fresh.replace(_FILE)

    def remove(self) -> None:
        """End its processes and containers, remove what is left in the kernel, and forget it; its files stay."""
        # An API server without etcd takes all of its grace.
        first = [c.identity for c in self.components.values() if c.identity and c.name != "etcd"]
        end(first)
        end([c.identity for c in self.components.values() if c.identity and c.name == "etcd"])
        end(_containers(self.folder), grace=2)
        network.remove(self.folder)
        _FILE.unlink(missing_ok=True)


def read() -> State | None:
    """Return the cluster that was written down, whether it still runs or not."""
    try:
        document = json.loads(_FILE.read_text())
    except FileNotFoundError:
        return None
    folder = Path(document["folder"])
    owner = Identity(*document["owner"]) if document["owner"] else None
    components = [Component.of_json(component, folder) for component in document["components"]]
    return State(folder, Path(document["binary"]), owner, {component.name: component for component in components})


def begin(state: State) -> None:
    """Write down a cluster that is about to be started, after the removal of what a killed starter left.

    Raises:
        StartError: Another one runs, or the machine is a node of somebody else's.
    """
    with _alone():
        _clear_leftovers()
        _refuse_another_node()
        state.write()


@contextmanager
def _alone() -> Iterator[None]:
    """Two that start at once: the second finds what the first wrote down."""
    _FILE.parent.mkdir(parents=True, exist_ok=True)
    with _FILE.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _clear_leftovers() -> None:
    left = read()
    if left is None:
        return
    # One that is only just starting has an owner, and no process yet.
    if left.owner.alive if left.owner else left.alive:
        raise StartError("a cluster runs already: use it (python -m embedded status), or end it (make cluster-stop)")
    left.remove()
    network.remove_folder(left.folder)


def _refuse_another_node() -> None:
    here = Path("/proc/self/ns/net").readlink()
    for pid, words in _commands().items():
        names = {word.rpartition(b"/")[2] for word in words[:2]}
        if names & _NODE_PROGRAMS and _network(pid) == here:
            name = b" ".join(words[:2]).decode(errors="replace").strip()
            raise StartError(f"this machine is a Kubernetes node already (process {pid}: {name}): set KUBECONFIG")


def _network(pid: int) -> Path | None:
    try:
        return Path(f"/proc/{pid}/ns/net").readlink()
    except OSError:
        return None


def _commands() -> dict[int, list[bytes]]:
    """Return the command of every process of the machine."""
    commands = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            commands[int(entry.name)] = (entry / "cmdline").read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
    return commands


def _containers(folder: Path) -> list[Identity]:
    """Return the shims of a containerd and the processes below them: containers outlive it, by design."""
    socket = os.fsencode(folder / "containerd.sock")
    found = {pid for pid, words in _commands().items() if b"containerd-shim" in words[0] and socket in words}
    parents = _parents()
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return [identity for pid in found if (identity := Identity.of(pid))]


def _parents() -> dict[int, int]:
    parents = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
    return parents
