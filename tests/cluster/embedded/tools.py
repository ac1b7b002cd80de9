"""Bring what the cluster, the registry and the tests need: Debian's packages, two Helms, one Kubernetes binary.

What was brought is kept in `~/.cache/sametag` (XDG_CACHE_HOME) and used again.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    Say = Callable[[str], None]

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sametag"
BIN = CACHE / "bin"

# helm/go.mod holds both.
HELM4, HELM3 = "4.3.1", "3.22.0"

# The module's go.mod holds the version of every k8s.io/* too.
KUBERNETES = "1.36.3"

KWOK = "0.7.0"

# Nobody debugs the cluster, and it has little to do: without inlining and DWARF it builds in two thirds of the time.
_QUICKLY = "-gcflags=all=-l -dwarf=false"

# Debian's package for each program; versions are Debian's, and fixed for a release of Debian.
_PACKAGES = {
    "containerd": "containerd",
    "runc": "runc",
    "/usr/lib/cni/bridge": "containernetworking-plugins",
    "buildah": "buildah",
    "docker-registry": "docker-registry",
    "/bin/busybox": "busybox-static",
    "iptables": "iptables",
    "conntrack": "conntrack",
    "ip": "iproute2",
}
_EDITOR_PACKAGES = {"node": "nodejs", "npm": "npm"}
_BROWSER_PACKAGES = {"chromium-headless-shell": "chromium-headless-shell"}


class ToolError(Exception):
    """A tool cannot be had; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Tools:
    """Where the built programs are."""

    helm4: Path
    helm3: Path
    kubernetes: Path


def ensure(say: Say) -> Tools:
    """Bring everything; what is there already takes no time.

    Raises:
        ToolError: No root, no apt, no Go, or a build failed twice.
    """
    with ThreadPoolExecutor() as pool:
        # Debian's packages come from the network while Go compiles.
        packages = pool.submit(_ensure_packages, say, _PACKAGES)
        kubernetes = ensure_kubernetes(say)
        helm4, helm3 = ensure_helm(say)
        packages.result()
    return Tools(helm4, helm3, kubernetes)


def ensure_helm(say: Say) -> tuple[Path, Path]:
    """Build both Helms, the newest of each line that users run, from one Go module: they share most packages."""
    return _helm(HELM4, say), _helm(HELM3, say)


def _helm(version: str, say: Say) -> Path:
    target = BIN / f"helm-{version}"
    module = f"helm.sh/helm/v{version[0]}"
    # Without its version Helm calls itself v4.3, which pyhelm3 cannot read; without that of Kubernetes Helm 3 renders
    # charts for 1.20. Helm's own builds set both.
    _, minor, _ = KUBERNETES.split(".")
    settings = [f"{module}/internal/version.version=v{version}"]
    if version == HELM3:
        for package in ("chartutil", "lint/rules"):
            settings += [f"{module}/pkg/{package}.k8sVersionMajor=1", f"{module}/pkg/{package}.k8sVersionMinor={minor}"]
    flags = " ".join(["-s", "-w", *(f"-X {setting}" for setting in settings)])
    if not target.exists():
        with _building(target, f"Helm {version}", say) as folder:
            if folder:
                _go_build(flags, folder / target.name, f"{module}/cmd/helm", Path(__file__).parent / "helm")
    return target


def ensure_kwok(say: Say) -> Path:
    """Build kwok, which plays nodes and pods without containers: only the benchmark of deployments needs it."""
    target = BIN / f"kwok-{KWOK}"
    if not target.exists():
        with _building(target, f"kwok {KWOK}", say) as folder:
            if folder:
                package = f"sigs.k8s.io/kwok/cmd/kwok@v{KWOK}"
                environment = {**os.environ, "GOBIN": str(folder), "CGO_ENABLED": "0"}
                _run(["go", "install", "-trimpath", package], folder / "log", environment=environment)
                (folder / "kwok").rename(folder / target.name)
    return target


def _go_build(flags: str, target: Path, package: str, module: Path, *options: str) -> None:
    command = ["go", "build", "-trimpath", *options, "-ldflags", flags, "-o", str(target), package]
    _run(command, target.parent / "log", cwd=module)


def ensure_kubernetes(say: Say) -> Path:
    """Build the one binary that is every component of Kubernetes, etcd and CoreDNS; anew when its source changed."""
    source = Path(__file__).parent
    files = sorted([*source.glob("*.go"), source / "go.mod", source / "go.sum"])
    # Helm refuses charts for a cluster that does not say its version.
    package, minor = "k8s.io/component-base/version", KUBERNETES.split(".")[1]
    flags = f"-s -w -X {package}.gitVersion=v{KUBERNETES} -X {package}.gitMajor=1 -X {package}.gitMinor={minor}"
    digest = hashlib.sha256(
        b"".join([flags.encode(), _QUICKLY.encode(), *(file.read_bytes() for file in files)])
    ).hexdigest()[:12]
    target = BIN / f"kubernetes-{digest}"
    if not target.exists():
        with _building(target, f"Kubernetes {KUBERNETES}, etcd and CoreDNS (one binary)", say) as folder:
            if folder:
                _go_build(flags, folder / target.name, ".", source, _QUICKLY)
    return target


@contextmanager
def _building(target: Path, what: str, say: Say) -> Iterator[Path | None]:
    """Give a folder to build in, or None where another process has built it meanwhile.

    What was built is put in its place at once and whole.
    """
    if shutil.which("go") is None:
        raise ToolError(f"{what} is built with Go, and there is no go on PATH: install Go 1.26 or newer")
    BIN.mkdir(parents=True, exist_ok=True)
    with (BIN / f"{target.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if target.exists():
            yield None
            return
        folder = CACHE / "build" / target.name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        say(f"building {what} …")
        began = time.monotonic()
        yield folder
        (folder / target.name).rename(target)
        shutil.rmtree(folder)
        say(f"built {what} in {time.monotonic() - began:.0f} s")


def _run(command: list[str], log: Path, *, environment: dict[str, str] | None = None, cwd: Path | None = None) -> None:
    """Run a command that may fail for a passing reason (the network), so twice."""
    for _attempt in range(2):
        with log.open("w") as output:
            ran = subprocess.run(
                command, cwd=cwd, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=False
            )
        if ran.returncode == 0:
            return
    lines = log.read_text(errors="replace").strip().splitlines()
    raise ToolError(f"{' '.join(command[:3])} failed: {lines[-1] if lines else 'no output'} (all of it: {log})")


def ensure_image_builder(say: Say) -> None:
    """Bring what builds and pushes images, and no more."""
    _ensure_packages(say, {program: _PACKAGES[program] for program in ("buildah", "/bin/busybox")})


def ensure_node(say: Say) -> None:
    """Bring Node.js and npm, which the language server of the editors needs."""
    _ensure_packages(say, _EDITOR_PACKAGES)


def ensure_browser(say: Say) -> Path:
    """Bring a Chromium without a screen, in which the report of a rollout is looked at."""
    _ensure_packages(say, _BROWSER_PACKAGES)
    (program,) = _BROWSER_PACKAGES
    return Path(shutil.which(program) or program)


def _ensure_packages(say: Say, wanted: Mapping[str, str]) -> None:
    missing = [package for program, package in wanted.items() if shutil.which(program) is None]
    if not missing:
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise ToolError(f"these Debian packages are missing: {' '.join(missing)}; install them, or set KUBECONFIG")
    say(f"installing {' '.join(missing)} …")
    began = time.monotonic()
    CACHE.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with _no_daemons():
        log = CACHE / "apt.log"
        _run(["apt-get", "update", "-qq"], log, environment=environment)
        command = ["apt-get", "install", "-qq", "-y", "--no-install-recommends", *missing]
        _run(command, log, environment=environment)
    say(f"installed them in {time.monotonic() - began:.0f} s")


@contextmanager
def _no_daemons() -> Iterator[None]:
    """Keep Debian from starting containerd and the registry as services: ours are our own."""
    policy = Path("/usr/sbin/policy-rc.d")
    if policy.exists():
        yield
        return
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    try:
        yield
    finally:
        policy.unlink()
