"""A rollout on a terminal: drawn in place, whatever its size."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from rollouts import NEW, OLD, crash, moving, progress, running, start
from sametag.output.plain import shortened
from sametag.output.progress.frame import Moment, frame
from sametag.rollout import Run, Schedule
from terminal import Terminal

PLAY = Path(__file__).parents[1] / "support/play.py"


def play(what: str, columns: int = 100, lines: int = 24, **environment: str) -> Terminal:
    return Terminal([sys.executable, str(PLAY), what], columns, lines, **environment)


def test_an_upgrade_is_drawn_in_place() -> None:
    with play("good") as terminal:
        assert terminal.wait() == 0

        assert terminal.rows == [
            "upgrade of shop to 0.0.6: 2 of 2 services ready  3.0 s",
            "SERVICE  DESIRED  UPDATED  READY  TAG             STATE   TIME",
            "api            1        1      1  0.0.5 -> 0.0.6  ready  2.5 s",
            "web            1        1      1  0.0.5 -> 0.0.6  ready  3.0 s",
            "dry run: nothing was changed",
            "",
        ]


def test_of_a_failure_the_pictures_the_evidence_and_the_summary_stay() -> None:
    with play("failed") as terminal:
        assert terminal.wait() == 0

        assert terminal.rows == [
            "upgrade of shop to 0.0.7: 1 of 2 services ready  2.5 s",
            "SERVICE  DESIRED  UPDATED  READY  TAG             STATE              TIME",
            "api            1        1      1  0.0.5 -> 0.0.7  ready             2.5 s",
            "web            1        1      0  0.0.5 -> 0.0.7  CrashLoopBackOff  2.5 s",
            "    pod web-0.0.7 web: CrashLoopBackOff: 2 restarts; ended with exit code 1 (Error)",
            "web: pod web-0.0.7 web (CrashLoopBackOff)",
            "  log: listening on :8080",
            "  log: <script>alert(1)</script> & panic: ]]> no database",
            "rolling back to 0.0.5 (revision 1)",
            "rollback of shop to 0.0.5: 2 of 2 services ready  2.0 s",
            "SERVICE  DESIRED  UPDATED  READY  TAG             STATE   TIME",
            "api            1        1      1  0.0.7 -> 0.0.5  ready  2.0 s",
            "web            1        1      1  0.0.7 -> 0.0.5  ready  2.0 s",
            "what runs now:",
            "  2 services on 0.0.5, ready: api, web",
            "",
        ]


@pytest.mark.parametrize(("columns", "lines"), [(60, 12), (30, 8), (200, 50)])
def test_a_resize_in_the_middle_leaves_one_picture(columns: int, lines: int) -> None:
    with play("20") as terminal:
        terminal.wait_for("5 of 20 services ready")
        terminal.resize(columns, lines)
        assert terminal.wait() == 0

        shown = terminal.rows[-lines - 1 :]  # the line that is written last scrolls the screen by one
        assert sum(row.startswith("upgrade ") for row in shown) == 1, str(terminal)
        assert sum(row.startswith("SERVICE") for row in shown) == 1, str(terminal)
        assert shown[-2:] == ["dry run: nothing was changed", ""]


@pytest.mark.parametrize("environment", [{"XTERM_VERSION": "XTerm(390)"}, {"TERM": "linux"}, {"STY": "1.tty"}])
def test_a_terminal_that_cuts_lines_when_made_narrower_loses_nothing_above(environment: dict[str, str]) -> None:
    said = "x" * 99
    shown = f"import sys; print({said!r}, flush=True); sys.argv[1:] = ['9']; exec(open({str(PLAY)!r}).read())"
    path = ":".join([str(PLAY.parent), *sys.path])
    with Terminal([sys.executable, "-c", shown], 100, 24, PYTHONPATH=path, **environment) as terminal:
        terminal.wraps = False
        terminal.wait_for("3 of 9 services ready")
        terminal.resize(30, 24)
        assert terminal.wait() == 0

        assert terminal.rows[0] == said[:30]
        assert sum(row.startswith("upgrade ") for row in terminal.rows) == 1, str(terminal)


def test_enter_does_not_move_the_picture_and_the_terminal_is_left_as_it_was() -> None:
    with play("20") as terminal:
        terminal.wait_for("5 of 20 services ready")
        terminal.press("\r\rls\r")
        assert terminal.wait() == 0

        assert terminal.rows[0].startswith("upgrade of shop")
        assert len(terminal.rows) == 2 + 20 + 2, str(terminal)
        assert terminal.echoes


@pytest.mark.parametrize("environment", [{"TERM": "dumb"}, {"CI": "true"}])
def test_a_terminal_that_cannot_redraw_or_that_nobody_looks_at_gets_lines(environment: dict[str, str]) -> None:
    with Terminal([sys.executable, str(PLAY), "good"], 100, 24, **environment) as terminal:
        assert terminal.wait() == 0

        assert "\x1b" not in terminal.written
        assert terminal.rows == [
            "   0.9 s  api  0.0.5 -> 0.0.6  0/1 ready",
            "   1.0 s  web  0.0.5 -> 0.0.6  0/1 ready",
            "   2.5 s  api  0.0.5 -> 0.0.6  1/1 ready",
            "   2.5 s  web  0.0.5 -> 0.0.6  1/1 ready, 1 old pod left",
            "   3.0 s  web  0.0.5 -> 0.0.6  1/1 ready",
            "dry run: nothing was changed",
            "",
        ]


def test_no_color_draws_without_colours() -> None:
    with play("good", NO_COLOR="1") as terminal:
        assert terminal.wait() == 0

        assert not any(f";3{colour}m" in terminal.written or f"[3{colour}m" in terminal.written for colour in range(8))


def test_a_hundred_services_on_a_small_terminal_show_the_unfinished_first_and_count_the_rest() -> None:
    ready = [running(f"a{number}", NEW, 2) for number in range(90)]
    waiting = [running(f"b{number}", OLD) for number in range(7)]
    starting = [moving(f"c{number}", OLD, NEW) for number in range(2)]
    broken = moving("d", OLD, NEW, troubles=(crash().trouble,))
    moment = Moment(start("upgrade", NEW), progress(3.0, OLD, *ready, *waiting, *starting, broken))

    shown = [line.plain for line in frame(moment, 99, 10)]

    assert [line.split()[0] for line in shown] == [
        "upgrade",
        "SERVICE",
        "d",
        "pod",
        "c0",
        "c1",
        "b0",
        "b1",
        "b2",
        "and",
    ]
    assert shown[-1] == "and 94 more: 4 waiting, 90 ready"


@pytest.mark.parametrize("height", range(1, 12))
def test_a_picture_is_never_higher_than_the_terminal(height: int) -> None:
    broken = [moving(f"d{number}", OLD, NEW, troubles=(crash().trouble,)) for number in range(5)]

    assert len(frame(Moment(start("upgrade", NEW), progress(3.0, OLD, *broken)), 40, height)) <= height


LONG = "gifcreator-recommendation-worker"
STATES = ("CrashLoopBackOff", "ImagePullUnauthorized", "1 old pod left", "starting", "ready", "done in 4.2 s")


def many_services(count: int) -> Moment:
    """As many services in every state, with long names and tags, a Job and a CronJob."""
    old, new = "v1.24.0-rc.1-g1a2b3c4", "v1.24.0-rc.2-g5d6e7f8"
    troubles = [replace(crash().trouble, reason=reason) for reason in STATES[:2]]
    kinds = [
        *(moving(LONG, old, new, troubles=(trouble,)) for trouble in troubles),
        moving(LONG, old, new, ready=True),
        moving(LONG, old, new),
        running(LONG, new, 2),
    ]
    states = [replace(kinds[number % len(kinds)], name=f"{LONG}-{number}") for number in range(count - 2)]
    job = replace(running("migrate", new), run=Run("done", seconds=4.2, ended=True))
    cron = replace(running("cleanup", new, 2), cron=Schedule("*/5 * * * *"), template_tags=(new,))
    return Moment(start("upgrade", new), progress(12.3, old, *states, job, cron))


@pytest.mark.parametrize("count", [4, 12, 40])
@pytest.mark.parametrize("width", [60, 80, 120])
def test_no_line_is_wider_than_the_terminal_and_no_state_is_cut(width: int, count: int) -> None:
    lines = [line.plain for line in frame(many_services(count), width - 1, 200)]

    assert max(map(len, lines)) < width, "\n".join(lines)
    head, rows = lines[1], [line for line in lines[2:] if not line.startswith("    ")]
    assert len(rows) == count
    begin, cells = head.index("STATE"), {*STATES, "scheduled, */5 * * * *"}
    shown = {re.split(r"  +", row[begin:])[0].strip() for row in rows}
    assert shown <= cells, "\n".join(lines)
    assert {"done in 4.2 s", "scheduled, */5 * * * *"} <= shown
    assert "TAG" in head
    assert re.search(rf"\d+( of |/){count - 2} services", lines[0])
    assert re.search("1( of |/)1 Jobs", lines[0])


def test_a_long_name_and_a_long_tag_are_shortened_in_the_middle() -> None:
    assert shortened("gifcreator-worker", 9) == "gifc…rker"
    assert shortened("v1.24.0-rc.1 -> v1.24.0-rc.2", 20) == "v1.2…c.1 -> v1.2…c.2"
    assert shortened("1 -> v1.24.0-rc.2", 16) == "1 -> v1.24…-rc.2"
    assert shortened("v1.24.0-rc.1 -> v1.24.0-rc.2", 10) == "v1.24…rc.2"
    assert shortened("0.0.5 -> 0.0.6", 14) == "0.0.5 -> 0.0.6"


def test_the_log_of_a_pod_in_trouble_is_below_it_without_what_would_move_the_cursor() -> None:
    found = crash()
    broken = moving("web", OLD, NEW, troubles=(found.trouble,))
    key = ("web", found.trouble.pod, found.trouble.container, found.trouble.reason)
    moment = Moment(start("upgrade", NEW), progress(3.0, OLD, broken), evidence={key: found})

    assert [line.plain for line in frame(moment, 99, 20)][-2:] == [
        "    | listening on :8080",
        "    | <script>alert(1)</script> & panic: ]]> no database",
    ]
