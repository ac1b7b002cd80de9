"""The report of a rollout: three files that say the same."""

from __future__ import annotations

import json
from argparse import Namespace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

from rollouts import MISSING, NEW, OLD, crash, failed_upgrade, good_upgrade, moving, progress, running, start
from sametag.cli.progress import telling
from sametag.deploy import Failure
from sametag.errors import HelmError, InterruptedByUserError, RolloutError, UsageError
from sametag.output.progress.listener import End
from sametag.output.report import Report
from sametag.rollout import FAILED as FAILED_RUN
from sametag.rollout import Evidence, Run, ServiceState, Trouble

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sametag.deploy import Event
    from sametag.errors import SametagError

FAILED = RolloutError("upgrade of shop failed: web: CrashLoopBackOff", f"every service is back on {OLD}")


def report(folder: Path, events: Iterable[Event], error: SametagError | None = None) -> Path:
    writer = Report(str(folder / "new/report"))
    for event in events:
        writer(event)
    writer.end(End("upgrade", "shop", 3.0, error=error))
    return folder / "new/report"


def document(folder: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((folder / "report.json").read_text())
    return loaded


class Tags(HTMLParser):
    """Collects the elements and what they ask for."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.asked: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.asked += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "data", "action")]
        assert not any(name.startswith("on") for name, _ in attrs)


def test_report_json_has_every_pod_of_every_service_with_its_states(tmp_path: Path) -> None:
    found = document(report(tmp_path, failed_upgrade(), FAILED))

    assert (found["version"], found["command"], found["release"], found["exitCode"]) == (1, "upgrade", "shop", 4)
    assert [(rollout["action"], rollout["tag"]) for rollout in found["rollouts"]] == [
        ("upgrade", MISSING),
        ("rollback", OLD),
    ]
    web = {pod["name"]: [span["state"] for span in pod["spans"]] for pod in found["services"][1]["pods"]}
    assert web == {f"web-{MISSING}": ["starting", "trouble", "older"], f"web-{OLD}": ["older", "ready"]}
    assert [failure["services"] for failure in found["failures"]] == [["web"]]
    assert [event["event"] for event in found["events"]][-1] == "end"


def test_the_states_of_a_pod_follow_each_other_and_end_with_the_rollout(tmp_path: Path) -> None:
    found = document(report(tmp_path, failed_upgrade(), FAILED))

    for service in found["services"]:
        for pod in service["pods"]:
            spans = pod["spans"]
            assert all(0 <= span["from"] <= span["to"] for span in spans)
            assert all(one["to"] <= next_one["from"] for one, next_one in pairwise(spans))


def test_junit_has_a_case_a_service_and_the_log_of_those_that_failed(tmp_path: Path) -> None:
    suites = ET.parse(report(tmp_path, failed_upgrade(), FAILED) / "junit.xml").getroot()  # noqa: S314 - ours

    cases = {case.get("name"): [child.tag for child in case] for case in suites.iter("testcase")}
    assert cases == {"api": [], "web": ["failure"]}
    assert (suites.get("tests"), suites.get("failures"), suites.get("errors")) == ("2", "1", "0")
    (failure,) = suites.iter("failure")
    assert "<script>alert(1)</script> & panic: ]]> no database" in (failure.text or "")


def test_what_a_rollout_did_not_come_to_is_untouched_and_not_skipped(tmp_path: Path) -> None:
    """A migration fails before any service is changed."""
    failed = Run(FAILED_RUN, tries=1, limit=1, ended=True)
    trouble = Trouble("JobFailed", "job/migrate failed with exit code 1, try 1 of 1", "migrate-1", "migrate")
    job = ServiceState("migrate", "migrate", "m", 1, 1, 1, 0, observed=True, troubles=(trouble,), run=failed)
    events: list[Event] = [
        start("upgrade", NEW),
        progress(1, OLD, running("web", OLD), job),
        Failure((Evidence("migrate", trouble),)),
    ]
    folder = report(tmp_path, events, RolloutError("upgrade of shop failed"))

    suites = ET.parse(folder / "junit.xml").getroot()  # noqa: S314 - we wrote it
    said = {case.get("name"): [(child.tag, child.text) for child in case] for case in suites.iter("testcase")}
    assert said["web"] == [("system-out", "untouched")]
    assert [tag for tag, _ in said["migrate"]] == ["failure", "system-out"]
    assert said["migrate"][1][1] == "failed (try 1 of 1)"
    assert suites.get("skipped") == "0"
    assert {one["name"]: one["words"] for one in document(folder)["services"]} == {
        "web": "untouched",
        "migrate": "failed (try 1 of 1)",
    }
    assert "untouched" in (folder / "report.html").read_text()


def test_a_service_that_never_was_ready_is_skipped_and_not_passed(tmp_path: Path) -> None:
    events: list[Event] = [start("upgrade", NEW), progress(1.0, OLD, moving("api", OLD, NEW)), Failure((crash(),))]
    suites = ET.parse(report(tmp_path, events, FAILED) / "junit.xml").getroot()  # noqa: S314 - ours

    assert [child.tag for case in suites.iter("testcase") for child in case] == ["skipped"]


@pytest.mark.parametrize("error", [HelmError("no helm on PATH", "install it"), InterruptedByUserError("interrupted")])
def test_what_ends_before_a_service_was_seen_has_a_report_too(tmp_path: Path, error: SametagError) -> None:
    folder = report(tmp_path, [], error)

    assert document(folder)["message"] == error.message
    assert error.message in (folder / "report.html").read_text()
    suites = ET.parse(folder / "junit.xml").getroot()  # noqa: S314 - ours
    assert [(case.get("name"), case[0].tag) for case in suites.iter("testcase")] == [("upgrade", "error")]


def test_the_page_asks_for_nothing_and_runs_nothing(tmp_path: Path) -> None:
    page = Tags((report(tmp_path, failed_upgrade(), FAILED) / "report.html").read_text())

    assert "script" not in page.names
    assert set(page.asked) == {"data:,"}


def test_every_text_in_the_page_is_escaped(tmp_path: Path) -> None:
    bad = '"><script>alert(1)</script>'
    error = RolloutError(bad, bad)
    events: list[Event] = [
        start("upgrade", bad),
        progress(1.0, bad, moving(bad, bad, bad)),
        Failure((crash(bad, bad),)),
    ]
    text = (report(tmp_path, events, error) / "report.html").read_text()

    assert "script" not in Tags(text).names
    assert "&lt;script&gt;alert(1)" in text
    assert "\x1b" not in text


def test_of_a_good_rollout_the_page_says_so(tmp_path: Path) -> None:
    text = (report(tmp_path, good_upgrade()) / "report.html").read_text()

    assert "ready on 0.0.6 after 3.0 s" in text
    assert "What failed" not in text


def test_a_folder_that_cannot_be_made_is_said_before_anything_is_changed(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(UsageError, match="--report"):
        Report(str(tmp_path / "file/report"))


def test_only_its_owner_reads_a_report_that_was_everybodys_before(tmp_path: Path) -> None:
    """Logs of pods are in it."""
    folder = report(tmp_path, good_upgrade())
    for file in folder.iterdir():
        file.chmod(0o644)
    report(tmp_path, good_upgrade())

    assert {file.name: file.stat().st_mode & 0o777 for file in folder.iterdir()} == dict.fromkeys(
        ("report.json", "junit.xml", "report.html"), 0o600
    )


def test_every_field_of_report_json_is_documented(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs/reference/report.md").read_text()

    for name in document(report(tmp_path, failed_upgrade(), FAILED)):
        assert f"`{name}`" in page, name


def test_a_report_that_cannot_be_written_does_not_hide_how_the_rollout_ended(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "report"
    options = Namespace(format="json", report=str(folder), command="upgrade", release="shop")

    def fail() -> None:
        with telling(options):
            folder.rmdir()
            raise FAILED

    with pytest.raises(RolloutError):
        fail()

    told = capsys.readouterr()
    assert json.loads(told.out)["exitCode"] == 4
    assert "warning: cannot write" in told.err
