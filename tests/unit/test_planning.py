"""The values of the next revision, made of those of the newest one and of what the command line gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from sametag import chart as charts
from sametag.cli.options import parser
from sametag.cli.planning import planning
from sametag.errors import ValuesError
from sametag.helm import Revision

if TYPE_CHECKING:
    from pathlib import Path

OLD, NEW = (f"sha256:{letter * 64}" for letter in "ab")
SERVICES = 'services: {web: {command: ["/web"]}}\n'


def revision(**image: str) -> Revision:
    values = {"image": {"repository": "app", **image}, "services": {"web": {"command": ["/web"]}}}
    metadata = {"name": "sametag", "version": "0.1.0"}
    return Revision({"name": "shop", "version": 3, "chart": {"metadata": metadata}, "config": values})


def planned(now: Revision, *words: str) -> dict[str, Any]:
    return planning(parser().parse_args(["upgrade", "shop", *words]), charts.load(None))(now)


def file(folder: Path, image: str) -> str:
    path = folder / "values.yaml"
    path.write_text(f"image: {{repository: app, {image}}}\n{SERVICES}")
    return str(path)


@pytest.mark.parametrize("pinned", [{"tag": "1.0", "digest": OLD}, {"tag": f"1.0@{OLD}"}])
def test_a_tag_that_is_changed_beside_an_old_digest_is_refused_at_its_line(
    pinned: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As a bot does that knows only the tag: the digest decides, so nothing would move."""
    for image in (f'tag: "2.0", digest: "{OLD}"', f'tag: "2.0@{OLD}"'):
        with pytest.raises(ValuesError):
            planned(revision(**pinned), "-f", file(tmp_path, image))
        error = capsys.readouterr().err
        assert "values.yaml:1:" in error
        assert "image.tag is 2.0, and image.digest, which decides, is still that of 1.0 in revision 3" in error


def test_a_tag_with_its_own_digest_goes_through(tmp_path: Path) -> None:
    now = revision(tag="1.0", digest=OLD)
    for image in (f'tag: "2.0", digest: "{NEW}"', f'tag: "2.0@{NEW}"', f'tag: "1.0", digest: "{OLD}"'):
        assert planned(now, "-f", file(tmp_path, image))["image"]["tag"]
    assert planned(revision(tag=f"1.0@{OLD}"), "--tag", f"2.0@{NEW}")["image"]["tag"] == f"2.0@{NEW}"


def test_a_file_that_names_no_version_keeps_the_tag_and_the_digest_that_run(tmp_path: Path) -> None:
    for now in (revision(tag="1.0", digest=OLD), revision(tag=f"1.0@{OLD}")):
        assert planned(now, "-f", file(tmp_path, "pullPolicy: Always"))["image"]["tag"] == f"1.0@{OLD}"
