"""The rules beyond the schema and the API server: what they refuse it refuses, what they let pass it takes."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from conftest import needed
from rendering import Chart

if TYPE_CHECKING:
    from collections.abc import Callable

    from gifinator import Kubectl

FILES = Path(__file__).parents[1] / "chart/schema"
# The cluster knows no such kinds.
CUSTOM = r"(?m)^apiVersion: (keda\.sh|monitoring\.coreos\.com|gateway\.networking\.k8s\.io)/"


def files(folder: str, said: str = "") -> list[Path]:
    """Return the files of a folder that say this of who refuses them."""
    found = [file for file in sorted((FILES / folder).glob("*.yaml")) if f"{said}\n" in file.read_text()]
    assert found
    return found


@pytest.fixture
def refusals(kubectl: Kubectl, tmp_path: Path) -> Callable[[list[Path]], str]:
    """What the API server says against the objects of files, each of them a release with the file's name."""

    def send(values: list[Path]) -> str:
        chart = Chart(needed("SAMETAG_HELM4"), tmp_path)
        rendered = [chart.template(file.stem, file, "--namespace", "default") for file in values]
        assert [ran.stderr for ran in rendered if ran.returncode != 0] == []
        objects = [text for ran in rendered for text in ran.stdout.split("---\n") if not re.search(CUSTOM, text)]
        command = [*kubectl.words, "apply", "--server-side", "--dry-run=server", "--filename", "-"]
        ran = subprocess.run(
            command, env=kubectl.environment, input="---\n".join(objects), capture_output=True, text=True, check=False
        )
        return ran.stderr

    return send


def test_the_api_server_refuses_what_the_rules_refuse(refusals: Callable[[list[Path]], str]) -> None:
    refused = files("reject", "; the API server too")
    said = refusals(refused)
    assert [file.stem for file in refused if f"{file.stem}-" not in said] == []


def test_the_api_server_takes_what_the_rules_let_pass_or_only_warn_of(refusals: Callable[[list[Path]], str]) -> None:
    """And what they refuse because it never works, which it lets through."""
    said = refusals([*files("accept"), *files("warn"), *files("reject", "; nobody else")]).splitlines()
    # It asks for an address family that the cluster of the tests does not have.
    known = re.compile(r'Warning: |.*Service "ip-families-')
    assert [line for line in said if not known.match(line)] == []
