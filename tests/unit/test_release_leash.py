"""Helm runs only while its client does: what the watchdog does to a Helm whose client is stopped, or gone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sametag.deploy.leash import Leash

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# A client with a Helm, which says the Helm's number and then is at work.
CLIENT = """
import subprocess, time
from sametag.deploy import watchdog
watchdog.LIMIT = 0.5
from sametag.deploy.leash import leash
helm = subprocess.Popen(["sleep", "60"], process_group=0)
with leash() as held, held.on(helm.pid):
    print(helm.pid, flush=True)
    while True:
        held.beat(time.clock_gettime(watchdog.CLOCK))
        time.sleep(0.1)
"""


def state(process: int) -> str:
    """Return the letter of its state; empty where it is gone."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2][0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def wait_for(true: Callable[[], bool], seconds: float = 30) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.fixture
def client() -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen([sys.executable, "-c", CLIENT], stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


def helm_of(client: subprocess.Popen[str]) -> int:
    assert client.stdout
    return int(client.stdout.readline())


def test_helm_is_stopped_with_its_client_and_goes_on_with_it(client: subprocess.Popen[str]) -> None:
    helm = helm_of(client)
    assert state(helm) == "S"

    client.send_signal(signal.SIGSTOP)
    wait_for(lambda: state(helm) == "T")
    client.send_signal(signal.SIGCONT)
    wait_for(lambda: state(helm) == "S")


@pytest.mark.parametrize("stopped", [False, True])
def test_helm_does_not_outlive_its_client(client: subprocess.Popen[str], *, stopped: bool) -> None:
    helm = helm_of(client)
    if stopped:
        client.send_signal(signal.SIGSTOP)
        wait_for(lambda: state(helm) == "T")

    client.kill()
    wait_for(lambda: state(helm) in ("", "Z"))


def test_after_a_gap_helm_goes_on_only_once_the_lease_was_renewed() -> None:
    now, said = [100.0], list[bytes]()
    leash = Leash(said.append, lambda: now[0])
    with leash.on(7):
        leash.beat(renewed=99)
        assert said == [b"7\n"] * 2
        now[0] = 160
        leash.beat(renewed=99)
        leash.beat(renewed=100)  # it began before the gap, and was answered after it
        assert len(said) == 2
        leash.beat(renewed=160)
        assert len(said) == 3
    assert said[-1] == b"\n"


def test_the_watchdog_ends_with_the_block(capfd: pytest.CaptureFixture[str]) -> None:
    from sametag.deploy.leash import leash

    with leash():
        children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
        assert children
    assert Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split() != children
    assert capfd.readouterr() == ("", "")
