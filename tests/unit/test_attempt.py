"""What Helm's history says of a revision afterwards: its status and its description."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from sametag import helm
from sametag.deploy import Options, Request
from sametag.deploy.attempt import Attempt
from sametag.deploy.session import Session
from sametag.helm.command import HelmCommand
from sametag.kube.connection import Target, connect

if TYPE_CHECKING:
    from pathlib import Path

    from fake_api import ApiServer
    from sametag.helm import Revision

SECRETS = "/api/v1/namespaces/apps/secrets"
CRASH = "web: CrashLoopBackOff: 2 restarts; ended with exit code 3 (Error)"
TIMEOUT = "timed out after 10s, which --timeout can make longer: web: NotReady: is not ready"


@pytest.fixture(autouse=True)
def helm_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A helm that is never run."""
    program = tmp_path / "helm"
    program.touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))


def stored(api: ApiServer, number: int, status: str, description: str) -> dict[str, Any]:
    record = {
        "name": "app",
        "version": number,
        "info": {"status": status, "last_deployed": "2026-01-02T03:04:05Z", "description": description},
        "chart": {"metadata": {"name": "sametag", "version": "0.1.0"}},
        "config": {"image": {"tag": f"1.{number}"}},
    }
    packed = base64.b64encode(base64.b64encode(gzip.compress(json.dumps(record).encode()))).decode()
    path = f"{SECRETS}/sh.helm.release.v1.app.v{number}"
    api.put(path, {"metadata": {"labels": {"status": status}}, "data": {"release": packed}})
    return api.objects[path]


def recorded(api: ApiServer, status: str, description: str, failure: str = "", digest: str = "") -> list[Revision]:
    """Return the history after Helm has made revision 2, and it was recorded."""
    before = "superseded" if status == "deployed" else "deployed"
    items = [stored(api, 1, before, "Install complete"), stored(api, 2, status, description)]
    api.answers[SECRETS] = (200, {"metadata": {}, "items": items})
    request = Request(Target(kubeconfig=str(api.kubeconfig)), "app", lambda _: None, Options())

    async def main() -> list[Revision]:
        async with connect(request.target) as client:
            history = await helm.revisions(client, "app")
            command = HelmCommand(request.target, warn=request.warn)
            session = Session(request, client, command, "apps", history, False, None, None, time.monotonic())  # noqa: FBT003
            await Attempt(session, history[:1], lambda _: True, number=2).record(digest, "", failure)
            return session.history

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("status", "description", "failure", "words"),
    [
        ("failed", 'Upgrade "app" failed: context deadline exceeded', TIMEOUT, f'Upgrade "app" failed: {TIMEOUT}'),
        ("failed", 'Upgrade "app" failed: context canceled', CRASH, f'Upgrade "app" failed: {CRASH}'),
        ("failed", 'Release "app" failed: timed out waiting', CRASH, f'Release "app" failed: {CRASH}'),
        ("failed", 'Rollback "app" failed: client rate limiter', TIMEOUT, f'Rollback "app" failed: {TIMEOUT}'),
        ("pending-rollback", "Rollback to 1", CRASH, f'Rollback "app" failed: {CRASH}'),
        ("pending-install", "Initial install underway", CRASH, f'Release "app" failed: {CRASH}'),
        ("pending-upgrade", "Preparing upgrade", "one\n  two", 'Upgrade "app" failed: one two'),
        # Helm saw every pod ready for a moment.
        ("deployed", "Upgrade complete", CRASH, f'Upgrade "app" failed: {CRASH}'),
        ("deployed", "Install complete", CRASH, f'Release "app" failed: {CRASH}'),
        ("deployed", "Rollback to 1", CRASH, f'Rollback "app" failed: {CRASH}'),
    ],
)
def test_a_rollout_that_failed_is_a_failed_revision_with_its_reason(
    api: ApiServer, status: str, description: str, failure: str, words: str
) -> None:
    made = recorded(api, status, description, failure)[-1]

    assert (made.status, made.note.words, made.was_deployed) == ("failed", words, False)
    assert api.objects[f"{SECRETS}/sh.helm.release.v1.app.v2"]["metadata"]["labels"]["status"] == "failed"


def test_after_a_failure_that_helm_took_for_a_success_the_one_before_is_the_last_good_one(api: ApiServer) -> None:
    good = helm.last_good(recorded(api, "deployed", "Upgrade complete", CRASH))

    assert good is not None
    assert good.number == 1


def test_a_success_keeps_helms_status_and_words(api: ApiServer) -> None:
    made = recorded(api, "deployed", "Upgrade complete", digest=f"sha256:{'a' * 64}")[-1]

    assert (made.status, made.note.words, made.verified) == ("deployed", "Upgrade complete", True)


def test_a_failure_that_is_not_ours_keeps_helms_words(api: ApiServer) -> None:
    made = recorded(api, "failed", 'Upgrade "app" failed: context canceled')[-1]

    assert (made.status, made.note.words) == ("failed", 'Upgrade "app" failed: context canceled')
