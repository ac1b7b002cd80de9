"""Render the examples: what each values.yaml becomes, for people to read and for tests to compare.

Helm 3 and 4 must say the same. They put different numbers of empty lines between two objects, which is all that is
evened out.
"""

from __future__ import annotations

import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from schemas import KUBERNETES

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"


class HelmError(Exception):
    """Helm refused an example, or the two Helms disagree."""


def helms() -> tuple[str, str]:
    """Return Helm 4 and Helm 3, as the environment names them."""
    try:
        return os.environ["SAMETAG_HELM4"], os.environ["SAMETAG_HELM3"]
    except KeyError as missing:
        raise HelmError(f"{missing} is not set: make generate and make check set it") from missing


def cases() -> list[Path]:
    """Return the folders of the examples."""
    return sorted(path.parent for path in EXAMPLES.glob("*/values.yaml"))


def render_all() -> dict[Path, str]:
    """Render every example with both Helms.

    Raises:
        HelmError: One refuses an example, or they disagree.
    """
    both = helms()
    with ThreadPoolExecutor() as pool:
        rendering = {case: pool.submit(render, case, both) for case in cases()}
    refused = [str(error) for job in rendering.values() if (error := job.exception())]
    if refused:
        raise HelmError("\n".join(refused))
    return {case / "rendered.yaml": job.result() for case, job in rendering.items()}


def render(case: Path, helms: tuple[str, str]) -> str:
    """Render one example as the release of its name in a namespace of its name."""
    four, three = (_rendered(helm, case) for helm in helms)
    if four != three:
        raise HelmError(f"{case.name}: Helm 3 and Helm 4 render different objects")
    return four


def _rendered(helm: str, case: Path) -> str:
    command = [helm, "template", case.name, str(ROOT / "chart"), "--namespace", case.name]
    command += ["--values", str(case / "values.yaml"), "--kube-version", KUBERNETES]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    if ran.returncode != 0:
        raise HelmError(f"{case.name}: {ran.stderr.strip()}")
    return evened(ran.stdout)


def evened(manifests: str) -> str:
    """Leave no empty line before a separator: Helm 4 puts one there, Helm 3 none."""
    return re.sub(r"\n+---\n", "\n---\n", manifests).rstrip("\n") + "\n"
