"""Build images from a Dockerfile without a Docker engine, and push them: Debian's buildah.

The two base images are made of what the machine has, its Go toolchain and busybox-static, so that nothing is pulled.
With a public registry at hand the same Dockerfile builds on its own defaults.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

from embedded import tools

if TYPE_CHECKING:
    from collections.abc import Callable

RUN_BASE = "localhost/sametag-busybox:1"

_STORE = tools.CACHE / "images"


def build_and_push(context: Path, repository: str, version: str, say: Callable[[str], None]) -> None:
    """Build the Dockerfile in `context` for a version, and push it as `repository:version` (to localhost over http).

    Raises:
        ToolError: The build or the push failed; the message ends with buildah's last lines.
    """
    go_base = _ensure_bases(say)
    began = time.monotonic()
    image = f"{repository}:{version}"
    cache = _STORE / "go-cache"
    cache.mkdir(parents=True, exist_ok=True)
    _buildah(
        "build",
        "--isolation=chroot",
        "--layers",
        f"--build-arg=GO_IMAGE={go_base}",
        f"--build-arg=RUN_IMAGE={RUN_BASE}",
        f"--build-arg=VERSION={version}",
        f"--volume={cache}:/go-cache",
        f"--tag={image}",
        str(context),
    )
    _buildah("push", "--quiet", f"--tls-verify={not _is_local(repository)}".lower(), image)
    say(f"built and pushed {image} in {time.monotonic() - began:.1f} s")


def _is_local(repository: str) -> bool:
    return repository.startswith(("localhost:", "127.0.0.1:"))


def _ensure_bases(say: Callable[[str], None]) -> str:
    """Make the bases that are not there yet, and return the name of the one with Go, which carries Go's version."""
    version, root = subprocess.run(
        ["go", "env", "GOVERSION", "GOROOT"], capture_output=True, text=True, check=True
    ).stdout.split()
    go_base = f"localhost/sametag-golang:{version}"
    found = _buildah("images", "--format", "{{.Name}}:{{.Tag}}").split()
    if RUN_BASE not in found:
        say("making the base image with busybox …")
        _make_base(RUN_BASE, [], {})
    if go_base not in found:
        say("making the base image with Go …")
        path = "/usr/local/go/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        _make_base(
            go_base,
            [f"--env=PATH={path}", "--env=GOTOOLCHAIN=local", "--env=GOCACHE=/go-cache"],
            {root: "/usr/local/go"},
        )
    return go_base


def _make_base(name: str, settings: list[str], folders: dict[str, str]) -> None:
    """Make an image of busybox and these folders, with the settings of `buildah config`."""
    container = _buildah("from", "scratch").strip()
    root = Path(_buildah("mount", container).strip())
    for folder in ("bin", "tmp", "root", "etc"):
        (root / folder).mkdir(exist_ok=True)
    (root / "tmp").chmod(0o1777)
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    shutil.copy("/bin/busybox", root / "bin/busybox")
    for applet in subprocess.run(["/bin/busybox", "--list"], capture_output=True, text=True, check=True).stdout.split():
        (root / "bin" / applet).symlink_to("busybox") if applet != "busybox" else None
    for source, target in folders.items():
        # Go's own tests are half of its files, and no build reads them.
        ignore = shutil.ignore_patterns("testdata", "test", "*_test.go")
        shutil.copytree(source, root / target.lstrip("/"), symlinks=True, ignore=ignore)
    _buildah("umount", container)
    if settings:
        _buildah("config", *settings, container)
    _buildah("commit", "--quiet", "--rm", container, name)


def _buildah(command: str, *arguments: str) -> str:
    store = [f"--root={_STORE / 'root'}", f"--runroot={_STORE / 'run'}", "--storage-driver=overlay"]
    environment = {**os.environ, "BUILDAH_ISOLATION": "chroot"}
    ran = subprocess.run(
        ["buildah", *store, command, *arguments], capture_output=True, text=True, env=environment, check=False
    )
    if ran.returncode != 0:
        lines = (ran.stderr.strip() or ran.stdout.strip()).splitlines()[-15:]
        raise tools.ToolError("\n  ".join([f"buildah {command} failed:", *lines]))
    return ran.stdout


def push_index(repository: str, version: str, architecture: str) -> None:
    """Push an index that has an image for this architecture alone, with content of its own."""
    _ensure_bases(print)
    container, index = _buildah("from", RUN_BASE).strip(), f"localhost/index-{architecture}:{version}"
    root = Path(_buildah("mount", container).strip())
    (root / "etc/architecture").write_text(f"{architecture} {repository}\n")
    _buildah("umount", container)
    _buildah("config", f"--arch={architecture}", container)
    image = _buildah("commit", "--quiet", "--rm", container).strip()
    if index in _buildah("images", "--format", "{{.Name}}:{{.Tag}}").split():
        _buildah("manifest", "rm", index)
    _buildah("manifest", "create", index)
    _buildah("manifest", "add", f"--arch={architecture}", "--os=linux", index, image)
    verify = f"--tls-verify={not _is_local(repository)}".lower()
    _buildah("manifest", "push", "--all", verify, index, f"docker://{repository}:{version}")
