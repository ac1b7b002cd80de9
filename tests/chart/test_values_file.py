"""The comments of chart/values.yaml: the examples work, and Helm does not store them in the revisions of a release."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import yaml

from rendering import CHART
from sametag import validation, values
from schemas import source

if TYPE_CHECKING:
    from pathlib import Path

TEXT = (CHART / "values.yaml").read_text(encoding="utf-8")
# The commented values, without the words above them.
_COMMENTED = re.compile(r"^( *)# (?=(?:  )+[-a-z]|[a-zA-Z]+:(?: |$))|^#(?=  )", re.MULTILINE)
EXAMPLE = _COMMENTED.sub(r"\1", TEXT.replace("services: {}", "services:"))


def test_the_commented_examples_are_valid_and_render(helm: str, tmp_path: Path) -> None:
    file = tmp_path / "values.yaml"
    file.write_text(EXAMPLE, encoding="utf-8")
    schema = json.loads((CHART / "values.schema.json").read_text())
    defaults = values.from_text(TEXT, "values.yaml")
    problems = validation.validate(defaults, values.from_text(EXAMPLE, "example.yaml"), schema)
    assert [str(problem) for problem in problems] == []
    command = [helm, "template", "app", str(CHART), "--values", str(file), "--kube-version", "1.36.3"]
    rendered = subprocess.run(command, capture_output=True, text=True, check=False)
    assert rendered.returncode == 0, rendered.stderr
    assert len(yaml.safe_load(EXAMPLE)["services"]) == 6


def test_every_value_of_the_top_has_a_comment_or_an_example() -> None:
    assert source()["properties"].keys() - {"enabled"} == yaml.safe_load(EXAMPLE).keys()


def test_a_release_is_not_larger_for_the_comments(tmp_path: Path) -> None:
    bare = shutil.copytree(CHART, tmp_path / "chart")
    (bare / "values.yaml").write_text(yaml.safe_dump(yaml.safe_load(TEXT)), encoding="utf-8")
    assert stored(bare) == stored(CHART)


def stored(chart: Path) -> dict[str, object]:
    """Return what Helm 4 stores of a chart in each revision; Helm 3 shows it only with a cluster."""
    command = [os.environ["SAMETAG_HELM4"], "install", "app", str(chart), "--dry-run=client", "--output", "json"]
    release = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    chart_record: dict[str, object] = release["chart"]
    assert chart_record["schema"]
    return chart_record
