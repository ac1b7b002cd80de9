"""A rollout on a real terminal: drawn in place through a resize, and clean after Ctrl-C."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

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
    run: Run, namespace: str, repository: str
) -> None:
    place = [single.NAME, "-n", namespace]
    with Terminal([SAMETAG, "install", *place, *single.values(repository, OLD)], 100, 24) as terminal:
        terminal.wait_for("SERVICE")
        terminal.resize(60, 12)
        assert terminal.wait() == 0
        assert sum(row.startswith("SERVICE") for row in terminal.rows) == 1, str(terminal)
        assert any(row.startswith("installed gifinator: 1 service on tag") for row in terminal.rows), str(terminal)

    with Terminal([SAMETAG, "upgrade", *place, "--tag", NEW, *single.NEVER], 100, 24) as terminal:
        terminal.wait_for(f"{OLD} -> {NEW}  starting")
        terminal.press(CTRL_C)
        assert terminal.wait() == 130
        # A hidden cursor would stay hidden.
        assert terminal.written.count("\x1b[?25l") == terminal.written.count("\x1b[?25h")
        assert any(row.startswith("sametag: interrupted") for row in terminal.rows), str(terminal)

    assert single.newest(run, namespace) == (NEW, "failed", False)
    assert run("sametag", "rollback", *place).code == 0
    assert single.newest(run, namespace) == (OLD, "deployed", True)
