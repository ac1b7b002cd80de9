"""Whatever the standard streams are: a failing upgrade goes back, gives its lock back, and exits with 4."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from gifinator import MISSING, OLD
from small_app import prepared

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from small_app import App

# Bytes that are not UTF-8, as a shell with another encoding passes them on.
NOT_UTF_8 = b"caf\xe9 \xff"

_SECONDS = 240


def fill(descriptor: int) -> None:
    """Write until nothing more fits: whoever writes now waits for a reader."""
    os.set_blocking(descriptor, False)
    try:
        while True:
            os.write(descriptor, b"." * 64)
    except BlockingIOError:
        os.set_blocking(descriptor, True)


@contextmanager
def nobody_reads(*, terminal: bool) -> Iterator[int]:
    """Give a descriptor that is full, and that nobody reads."""
    reads, writes = pty.openpty() if terminal else os.pipe()
    fill(writes)
    yield writes
    os.close(writes)
    os.close(reads)


def failing(app: App, *words: str | bytes) -> list[str | bytes]:
    """Return the words of an upgrade that fails: of a tag that is not there."""
    return [*app.command("upgrade", "--values", str(app.values({})), "--tag", MISSING), *words]


def went_back(app: App, code: int) -> None:
    assert code == 4
    assert app.everything_runs(OLD)
    lease = json.loads(app.kubectl("get", "lease", f"sametag-{app.name}", "-n", app.namespace, "-o", "json"))
    assert lease["spec"]["holderIdentity"] == ""
    _, history = app.ask("history")
    assert [(entry["tag"], entry["status"]) for entry in history["revisions"][-2:]] == [
        (MISSING, "failed"),
        (OLD, "deployed"),
    ]
    app.status_is_true()


@pytest.fixture(scope="module")
def app(make_app: Callable[[str], App]) -> App:
    return prepared(make_app("output"), "upgrade")


@pytest.mark.parametrize(
    "redirected", [">/dev/full 2>/dev/full", "<&- >&- 2>&-", "-o json >/dev/full", "> >(exit) 2> >(exit)"]
)
def test_streams_that_cannot_be_written_change_nothing(app: App, redirected: str) -> None:
    script = f'exec "$@" {redirected}'
    words = ["bash", "-c", script, "bash", *failing(app)]
    went_back(app, subprocess.run(words, env=app.environment, check=False, timeout=_SECONDS).returncode)


@pytest.mark.parametrize("format_", ["text", "json"])
def test_pipes_that_are_full_and_nobody_reads_hold_up_nothing(app: App, format_: str) -> None:
    with nobody_reads(terminal=False) as out, nobody_reads(terminal=False) as err:
        words = failing(app, "-o", format_)
        ran = subprocess.run(words, env=app.environment, stdout=out, stderr=err, check=False, timeout=_SECONDS)
    went_back(app, ran.returncode)


def test_a_terminal_that_nobody_reads_holds_up_nothing(app: App) -> None:
    environment = {name: value for name, value in app.environment.items() if name != "CI"} | {"TERM": "xterm"}
    with nobody_reads(terminal=True) as tty:
        ran = subprocess.run(failing(app), env=environment, stdout=tty, stderr=tty, check=False, timeout=_SECONDS)
    went_back(app, ran.returncode)


def test_what_is_not_utf_8_and_ascii_locales_change_nothing(app: App) -> None:
    environment: dict[bytes, bytes] = {os.fsencode(name): os.fsencode(value) for name, value in app.environment.items()}
    environment |= {b"LC_ALL": b"C", b"PYTHONIOENCODING": b"ascii", b"SAMETAG_USER": b"andr\xe9"}
    words = failing(app, "--description", NOT_UTF_8)
    ran = subprocess.run(words, env=environment, capture_output=True, check=False, timeout=_SECONDS)
    went_back(app, ran.returncode)
    assert b"Traceback" not in ran.stderr
    _, history = app.ask("history")
    assert (history["revisions"][-1]["who"], history["revisions"][-1]["why"]) == ("andr\\udce9", "caf\\udce9 \\udcff")


def test_a_reader_that_comes_back_gets_every_event(app: App) -> None:
    reads, writes = os.pipe()
    fill(writes)
    process = subprocess.Popen(
        failing(app, "-o", "json"), env=app.environment, stdout=writes, stderr=subprocess.DEVNULL
    )
    os.close(writes)
    time.sleep(5)
    with os.fdopen(reads, "rb") as pipe:
        said = pipe.read().lstrip(b".")
    went_back(app, process.wait(_SECONDS))
    events = [json.loads(line)["event"] for line in said.splitlines()]
    assert (events.count("start"), events[-1], "failure" in events) == (2, "end", True)
