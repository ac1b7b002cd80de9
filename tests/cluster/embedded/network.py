"""What a node leaves in the kernel (interfaces, namespaces, firewall rules, mounts, cgroups), and its removal."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from pathlib import Path

BRIDGE = "sametag0"
#: The bridge's address is the node's too: kube-proxy wants one that is not loopback.
NODE = "10.244.0.1"
POD_PREFIX = "10.244.0."
POD_RANGE = "10.244.0.0/24"

_NAMESPACES = Path("/var/run/netns")


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def _bridge_exists() -> bool:
    return Path("/sys/class/net", BRIDGE).exists()


def add_bridge() -> None:
    """Add the bridge that pods hang on."""
    if not _bridge_exists():
        subprocess.run(["ip", "link", "add", BRIDGE, "type", "bridge"], check=True)
    subprocess.run(["ip", "address", "replace", f"{NODE}/24", "dev", BRIDGE], check=True)
    subprocess.run(["ip", "link", "set", BRIDGE, "up"], check=True)
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1\n")
    # Docker's and ufw's policies drop what is forwarded and what comes in.
    for rule in (("FORWARD", "-i"), ("FORWARD", "-o"), ("INPUT", "-i")):
        subprocess.run(["iptables", "--wait", "--insert", *rule, BRIDGE, "--jump", "ACCEPT"], check=True)


def remove(folder: Path) -> None:
    """Remove all that a node whose files are below `folder` left in the kernel. Its processes must have ended."""
    _unmount(folder)
    _remove_namespaces()
    _remove_rules()
    if _bridge_exists():
        subprocess.run(["ip", "link", "delete", BRIDGE], check=False)
    _remove_cgroups()


def _unmount(folder: Path) -> None:
    mounted = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for mount in sorted((m for m in mounted if m.startswith(f"{folder}/")), reverse=True):
        subprocess.run(["umount", "--lazy", mount], check=False)


def _remove_namespaces() -> None:
    if not _NAMESPACES.is_dir():
        return
    for namespace in _NAMESPACES.glob("cni-*"):
        # Another runtime's pods have other addresses.
        if f" {POD_PREFIX}" in _output("ip", "-netns", namespace.name, "-4", "-oneline", "address"):
            subprocess.run(["ip", "netns", "delete", namespace.name], check=False)


def _remove_rules() -> None:
    """Take out the chains of kube-proxy and the kubelet, and every rule that jumps to them."""
    for family in ("iptables", "ip6tables"):
        saved = _output(f"{family}-save")
        kept = [line for line in saved.splitlines() if "KUBE-" not in line and BRIDGE not in line]
        if len(kept) != len(saved.splitlines()):
            subprocess.run([f"{family}-restore"], input="\n".join([*kept, ""]), text=True, check=True)


def _remove_cgroups() -> None:
    for parent in Path("/sys/fs/cgroup").glob("**/kubepods"):
        for folder, _, _ in os.walk(parent, topdown=False):
            with contextlib.suppress(OSError):
                Path(folder).rmdir()


def remove_folder(folder: Path) -> None:
    """Delete the node's files."""
    shutil.rmtree(folder, ignore_errors=True)
