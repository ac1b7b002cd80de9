"""The values of the charts that a chart depends on are checked with their own schemas."""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path

import pytest

from sametag import chart, values
from sametag.validation import subcharts

OURS = Path(__file__).parents[2] / "chart"
METADATA = """apiVersion: v2
name: umbrella
version: 0.1.0
dependencies:
  - {name: sametag, version: ">=0.1.0", alias: shop, condition: shop.enabled}
  - {name: sametag, version: ">=0.1.0", alias: admin, condition: admin.enabled, tags: [back]}
"""
WEB = "image: {repository: r.example.com/a, tag: '1'}, services: {web: {command: [web]}}"
BAD = f"shop: {{{WEB.replace('command', 'comand')}}}\nadmin: {{{WEB}}}\n"


@pytest.fixture(params=["folder", "archive"])
def umbrella(request: pytest.FixtureRequest, tmp_path: Path) -> chart.Chart:
    folder = tmp_path / "umbrella"
    shutil.copytree(OURS, folder / "charts" / "sametag")
    (folder / "Chart.yaml").write_text(METADATA)
    (folder / "values.yaml").write_text("admin: {enabled: true}\n")
    if request.param == "folder":
        return chart.load(str(folder))
    with tarfile.open(tmp_path / "umbrella.tgz", "w:gz") as archive:
        archive.add(folder, "umbrella")
    return chart.load(str(tmp_path / "umbrella.tgz"))


def said(umbrella: chart.Chart, text: str) -> list[tuple[int | None, str, str]]:
    found = subcharts.checker(umbrella, None)(values.from_text(text, "values.yaml"))
    return [(one.location.line if one.location else None, one.path, one.message) for one in found]


def test_a_mistake_is_told_at_its_line_with_the_name_of_the_subchart(umbrella: chart.Chart) -> None:
    assert said(umbrella, BAD) == [
        (1, "shop.services.web.comand", "shop: comand is not a setting of a service; did you mean command?")
    ]
    assert said(umbrella, BAD.replace("comand", "command")) == []


def test_what_is_turned_off_is_not_checked(umbrella: chart.Chart) -> None:
    assert said(umbrella, BAD.replace("shop: {", "shop: {enabled: false, ")) == []
    off = f"shop: {{{WEB}}}\nadmin: {{enabled: null, services: 3}}\ntags: {{back: false}}\n"
    assert said(umbrella, off) == []


def test_what_is_shared_is_the_subcharts_too(umbrella: chart.Chart) -> None:
    text = f"global: {{imageRegistry: 3}}\nshop: {{{WEB}}}\nadmin: {{enabled: false}}\n"
    ((_, path, _),) = said(umbrella, text)
    assert path == "shop.global.imageRegistry"
