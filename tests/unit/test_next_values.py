"""The values of the next revision: those of the newest one, and what the user gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from sametag import chart as charts
from sametag.deploy import Event, Problems, Request
from sametag.deploy.next_values import next_values, refuse_invalid
from sametag.errors import ValuesError
from sametag.helm import Revision
from sametag.kube.connection import Target
from sametag.values import Problem, Sources, has_errors

if TYPE_CHECKING:
    from pathlib import Path

OLD, NEW = (f"sha256:{letter * 64}" for letter in "ab")
SERVICES = 'services: {web: {command: ["/web"]}}\n'


def revision(**image: str) -> Revision:
    values = {"image": {"repository": "app", **image}, "services": {"web": {"command": ["/web"]}}}
    metadata = {"name": "sametag", "version": "0.1.0"}
    return Revision({"name": "shop", "version": 3, "chart": {"metadata": metadata}, "config": values})


def planned(now: Revision, **sources: Any) -> tuple[dict[str, Any], list[Problem]]:
    """Return the next values, and every problem that is reported."""
    chart, events = charts.load(None), list[Event]()
    values = next_values(chart, Sources(**sources), now)
    try:
        refuse_invalid(Request(Target(), "shop", events.append), chart, values)
    except ValuesError as error:
        assert error.message == "the values are invalid; nothing was changed"  # noqa: PT017 - the problems say why
    problems = [problem for event in events if isinstance(event, Problems) for problem in event.problems]
    return values.tree, problems


def file(folder: Path, image: str) -> str:
    path = folder / "values.yaml"
    path.write_text(f"image: {{repository: app, {image}}}\n{SERVICES}")
    return str(path)


@pytest.mark.parametrize("pinned", [{"tag": "1.0", "digest": OLD}, {"tag": f"1.0@{OLD}"}])
def test_a_new_tag_with_the_old_digest_is_refused_at_its_line(pinned: dict[str, str], tmp_path: Path) -> None:
    """A bot that knows only the tag writes this: the digest decides, so that nothing would change."""
    for image in (f'tag: "2.0", digest: "{OLD}"', f'tag: "2.0@{OLD}"'):
        _, problems = planned(revision(**pinned), files=(file(tmp_path, image),))
        (problem,) = [problem for problem in problems if problem.rule == "contradicting-digest"]
        assert problem.location
        assert problem.location.line == 1
        assert problem.severity == "error"
        assert "image.tag is 2.0, but image.digest, which takes precedence, is still that of 1.0 in revision 3" in (
            problem.message
        )


def test_a_tag_with_its_own_digest_is_accepted(tmp_path: Path) -> None:
    now = revision(tag="1.0", digest=OLD)
    for image in (f'tag: "2.0", digest: "{NEW}"', f'tag: "2.0@{NEW}"', f'tag: "1.0", digest: "{OLD}"'):
        values, problems = planned(now, files=(file(tmp_path, image),))
        assert values["image"]["tag"]
        assert not has_errors(problems)
    values, problems = planned(revision(tag=f"1.0@{OLD}"), tag=f"2.0@{NEW}")
    assert (values["image"]["tag"], problems) == (f"2.0@{NEW}", [])


def test_a_file_without_a_tag_keeps_the_tag_and_the_digest_of_the_release(tmp_path: Path) -> None:
    for now in (revision(tag="1.0", digest=OLD), revision(tag=f"1.0@{OLD}")):
        values, _ = planned(now, files=(file(tmp_path, "pullPolicy: Always"),))
        assert values["image"]["tag"] == f"1.0@{OLD}"
