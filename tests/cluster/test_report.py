"""What a rollout leaves for others to read: the report in a real browser, the events as their schema says."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest
from jsonschema import Draft202012Validator
from playwright.sync_api import sync_playwright

import single
from embedded import tools
from gifinator import MISSING, NEW, OLD, ROOT
from rollouts import moving, progress, start
from sametag.deploy import Failure
from sametag.errors import RolloutError
from sametag.output.progress import End
from sametag.output.report import Report
from sametag.rollout import Evidence, Trouble

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

    from conftest import Ran

    Run = Callable[..., Ran]

PHONE, DESK = 360, 1280


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = tools.ensure_browser(print)
    with sync_playwright() as playwright:
        # Chromium's own sandbox needs what root in a container does not have.
        started = playwright.chromium.launch(executable_path=str(program), args=["--no-sandbox"])
        yield started
        started.close()


def look(browser: Browser, file: Path, width: int, picture: Path) -> Page:
    """Open a page as a file; nothing may be asked for beside it, and nothing may be complained of."""
    page = browser.new_page(viewport={"width": width, "height": 800})
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(file.as_uri())
    page.screenshot(path=picture, full_page=True)
    assert [url for url in asked if not url.startswith("data:")] == [file.as_uri()]
    assert said == []
    return page


def fits(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"))


@pytest.mark.parametrize("helm", ["HELM4"], indirect=True)
def test_an_install_and_a_failed_upgrade_are_told_as_events_and_written_down(
    run: Run, namespace: str, repository: str, browser: Browser, tmp_path: Path
) -> None:
    place = (single.NAME, "-n", namespace)
    installed = run("sametag", "install", *place, *single.values(repository, OLD), "-o", "json")
    _are_as_the_schema_says([json.loads(line) for line in installed.stdout.splitlines()])
    assert json.loads(installed.stdout.splitlines()[-1])["result"] == "succeeded"
    folder = tmp_path / "report"

    ran = run("sametag", "upgrade", *place, "--tag", MISSING, "-o", "json", "--report", str(folder))

    assert ran.code == 4
    events = [json.loads(line) for line in ran.stdout.splitlines()]
    _are_as_the_schema_says(events)
    assert [event["action"] for event in events if event["event"] == "start"] == ["upgrade", "rollback"]
    assert (events[-1]["event"], events[-1]["result"], events[-1]["exitCode"]) == ("end", "failed", 4)

    found = json.loads((folder / "report.json").read_text())
    assert [(rollout["action"], rollout["tag"]) for rollout in found["rollouts"]] == [
        ("upgrade", MISSING),
        ("rollback", OLD),
    ]
    assert {failure["reason"] for failure in found["failures"]} == {"ImageNotFound"}
    cases = ET.parse(folder / "junit.xml").getroot().iter("testcase")  # noqa: S314 - ours
    assert [(case.get("name"), [child.tag for child in case]) for case in cases] == [("render", ["failure"])]

    for width in (PHONE, DESK):
        _is_readable(look(browser, folder / "report.html", width, tmp_path / f"{width}.png"), len(pods(found)))


def test_what_pods_write_neither_runs_nor_breaks_the_page(browser: Browser, tmp_path: Path) -> None:
    """Logs, events and messages come from anybody."""
    script = "<script>document.title = 'run'</script>"
    bad = f"""</pre></script>{script}<img src=x onerror="document.title='run'">'&lt;\x1b[31m"""
    trouble = Trouble("CrashLoopBackOff", bad, "web-1", "web")
    report = Report(str(tmp_path))
    report(start("upgrade", NEW))
    report(progress(1.0, OLD, moving("web", OLD, NEW, troubles=(trouble,))))
    report(Failure((Evidence("web", trouble, events=(f"BackOff: {bad}",), log=(bad, "x" * 5000), previous=(bad,)),)))
    report.end(End("upgrade", "shop", 3.0, error=RolloutError(bad, bad)))

    for width in (PHONE, DESK):
        page = look(browser, tmp_path / "report.html", width, tmp_path / f"{width}.png")
        assert page.title() != "run"
        assert page.locator("script, img[src]").count() == 0
        assert page.get_by_text(script).first.is_visible()
        assert "\x1b" not in page.content()
        assert fits(page)
        page.close()


def _are_as_the_schema_says(events: list[dict[str, Any]]) -> None:
    validator = Draft202012Validator(json.loads((ROOT / "docs/reference/events.schema.json").read_text()))
    for event in events:
        validator.validate(event)


def pods(report: dict[str, Any]) -> list[dict[str, Any]]:
    return [pod for service in report["services"] for pod in service["pods"]]


def _is_readable(page: Page, pods: int) -> None:
    assert fits(page)
    assert page.get_by_text("ImageNotFound").first.is_visible()
    assert page.get_by_text(f"every service is back on {OLD}").first.is_visible()
    assert page.get_by_role("img").count() == pods >= 2
    bars = page.locator(".bar").all()
    assert len(bars) >= pods
    for bar in bars:
        box = bar.bounding_box()
        assert box
        assert box["width"] >= 3
        assert box["height"] >= 8
    page.close()
