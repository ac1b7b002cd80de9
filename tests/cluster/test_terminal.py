"""A rollout on a real terminal: drawn in place through a resize, clean after Ctrl-C, and written down."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

import single
from gifinator import NEW, OLD
from terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Ran

    Run = Callable[..., Ran]

SAMETAG = str(Path(sys.executable).parent / "sametag")
CTRL_C = "\x03"


@pytest.mark.parametrize("helm", ["HELM4"], indirect=True)
def test_install_and_upgrade_are_drawn_in_place_and_ctrl_c_leaves_the_truth(
    run: Run, namespace: str, repository: str, tmp_path: Path
) -> None:
    place = [single.NAME, "-n", namespace]
    with Terminal([SAMETAG, "install", *place, *single.values(repository, OLD)], 100, 24) as terminal:
        terminal.wait_for("SERVICE")
        terminal.resize(60, 12)
        assert terminal.wait() == 0
        assert sum(row.startswith("SERVICE") for row in terminal.rows) == 1, str(terminal)
        assert any(row.startswith("installed gifinator: 1 service on tag") for row in terminal.rows), str(terminal)

    with Terminal(
        [SAMETAG, "upgrade", *place, "--tag", NEW, *single.NEVER, "--report", str(tmp_path)], 100, 24
    ) as terminal:
        terminal.wait_for(f"{OLD} -> {NEW}  starting")
        terminal.press(CTRL_C)
        assert terminal.wait() == 130
        # A hidden cursor would stay hidden.
        assert terminal.written.count("\x1b[?25l") == terminal.written.count("\x1b[?25h")
        assert any(row.startswith("sametag: interrupted") for row in terminal.rows), str(terminal)
        assert terminal.echoes

    found = json.loads((tmp_path / "report.json").read_text())
    assert (found["exitCode"], found["events"][-1]["event"]) == (130, "end")
    assert found["message"] == f"interrupted: revision 2 (tag {NEW}) is failed"
    assert [rollout["tag"] for rollout in found["rollouts"]] == [NEW]
    suites = ET.parse(tmp_path / "junit.xml").getroot()  # noqa: S314 - ours
    assert [child.tag for case in suites.iter("testcase") for child in case] == ["skipped", "error"]
    assert (tmp_path / "report.html").read_text().rstrip().endswith("</html>")

    assert single.newest(run, namespace) == (NEW, "failed", False)
    assert run("sametag", "rollback", *place).code == 0
    assert single.newest(run, namespace) == (OLD, "deployed", True)

    with Terminal([SAMETAG, "status", *place, "--watch"], 100, 24) as terminal:
        terminal.wait_for(OLD)
        assert not terminal.echoes
        terminal.press(CTRL_C)
        assert terminal.wait() == 0
        assert terminal.echoes
