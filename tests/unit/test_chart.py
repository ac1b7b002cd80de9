"""Where the chart is found, and what is read of it."""

from __future__ import annotations

import tarfile
from typing import TYPE_CHECKING

import pytest

from sametag import chart
from sametag.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small chart."""
    made = tmp_path / "app"
    made.mkdir()
    (made / "Chart.yaml").write_text('name: app\nversion: "1.2.3"\n')
    (made / "values.yaml").write_text("a: 1\n")
    (made / "values.schema.json").write_text('{"type": "object"}')
    return made


def test_sametag_comes_with_its_chart() -> None:
    found = chart.load(None)

    assert found.name == "sametag"
    assert found.schema is not None
    assert found.schema["properties"]["services"]


def test_a_folder_and_its_archive_are_the_same_chart(folder: Path, tmp_path: Path) -> None:
    archive = tmp_path / "app-1.2.3.tgz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(folder, "app")

    packed, unpacked = chart.load(str(archive)), chart.load(str(folder))

    assert (packed.name, packed.version, packed.defaults, packed.schema) == (
        unpacked.name,
        unpacked.version,
        unpacked.defaults,
        unpacked.schema,
    )


def test_the_schema_of_a_dependency_is_not_the_charts(folder: Path, tmp_path: Path) -> None:
    (folder / "values.schema.json").unlink()
    (folder / "charts/sub").mkdir(parents=True)
    (folder / "charts/sub/values.schema.json").write_text('{"type": "array"}')
    archive = tmp_path / "app.tgz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(folder, "app")

    assert chart.load(str(archive)).schema is None


def test_what_is_no_chart_is_refused_with_what_would_be(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("not an archive")
    (folder / "Chart.yaml").unlink()

    for reference in ("nothere", str(tmp_path / "text"), str(folder)):
        with pytest.raises(UsageError, match=reference):
            chart.load(reference)


@pytest.mark.parametrize(
    ("reference", "remote"),
    [("oci://registry.example.com/charts/app", True), ("https://example.com/app.tgz", True), ("./chart", False)],
)
def test_only_a_registry_or_a_url_has_to_be_fetched(reference: str, *, remote: bool) -> None:
    assert remote == chart.is_remote(reference)
