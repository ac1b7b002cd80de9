"""A release with one service, for tests of what surrounds a rollout: it deploys in a second or two."""

from __future__ import annotations

import json
import subprocess
import time
from typing import TYPE_CHECKING, Any

from gifinator import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Ran

    Run = Callable[..., Ran]

NAME = "gifinator"
CHART = str(ROOT / "chart")

#: The pods never become ready, so that a client stays at work for as long as a test needs.
NEVER = ("--set-json", 'services.render.probes={"port": "http", "path": "/healthz", "readinessPath": "/never"}')

#: The seconds that a Lease lasts, and some for a busy machine.
LEASE_SECONDS = 15


def values(repository: str, tag: str) -> tuple[str, ...]:
    """Return the words that give sametag and Helm the same values."""
    services = {"render": {"command": ["/usr/local/bin/render"], "ports": {"http": {"containerPort": 8082}}}}
    tagged = ("--set", f"image.repository={repository}", "--set-string", f"image.tag={tag}")
    return (*tagged, "--set-json", f"services={json.dumps(services)}")


def history(run: Run, namespace: str) -> list[dict[str, Any]]:
    """Return what `sametag history -o json` says."""
    found: list[dict[str, Any]] = json.loads(run("sametag", "history", NAME, "-n", namespace, "-o", "json").stdout)[
        "revisions"
    ]
    return found


def newest(run: Run, namespace: str) -> tuple[str, str, bool]:
    """Return tag, status and whether it is verified, of the newest revision."""
    entry = history(run, namespace)[-1]
    return entry["tag"], entry["status"], entry["verified"]


def start(*words: str) -> subprocess.Popen[str]:
    """Start a command as a user does in a second terminal."""
    return subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_until(true: Callable[[], bool], seconds: float = 180) -> None:
    """Wait until something holds; the seconds are for a machine that is ten times slower than a quiet one."""
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, f"not within {seconds} s"
        time.sleep(0.1)
