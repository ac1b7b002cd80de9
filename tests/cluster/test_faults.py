"""Whatever is wrong with the new pods: it is named in time, with evidence, and every service is back on one tag.

Each fault has a release of its own, and some are tried at once: nearly all of the time is waiting for the kubelet.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from faults import FAULTS, HELMS_OWN
from gifinator import NEW, OLD
from small_app import FAILED_AND_ROLLED_BACK, App, Ended

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future

    from gifinator import Kubectl

    Tried = dict[str, Future[tuple[App, Ended]]]

# Every fault is tried once, by whoever runs these tests.
pytestmark = pytest.mark.xdist_group("faults")

_AT_ONCE = 3

# What a service that crashes a little later than another is when the other ends the rollout.
_LATER = {"Crashed": "CrashLoopBackOff"}


# The name of a release: its fault, and its Helm.
_CASES = {name: (name, "HELM4") for name in FAULTS} | {f"{name}-helm3": (name, "HELM3") for name in HELMS_OWN}


@pytest.fixture(scope="module")
def tried(make_app: Callable[..., App], kubectl: Kubectl) -> Iterator[Tried]:
    """Every fault, tried: the application as it is afterwards, and how the upgrade ended."""

    def try_fault(case: str) -> tuple[App, Ended]:
        name, helm = _CASES[case]
        app = make_app(case, helm)
        installed = app.install()
        assert installed.code == 0, installed.stderr
        if name == "quota":
            kubectl("create", "quota", "full", "--hard=pods=2", "--namespace", app.namespace)
        fault = FAULTS[name]
        return app, app.upgrade(fault.tag, **fault.changes)

    # The slowest first.
    cases = sorted(_CASES, key=lambda case: case not in ("registry-down-and-no-node", "late-crash"))
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        yield {case: pool.submit(try_fault, case) for case in cases}


@pytest.mark.parametrize("case", _CASES)
def test_a_fault_is_named_with_evidence_and_every_service_is_back(tried: Tried, case: str) -> None:
    (app, ended), fault = tried[case].result(), FAULTS[_CASES[case][0]]
    print(ended.stderr, *ended.events, sep="\n")

    assert ended.code == FAILED_AND_ROLLED_BACK
    named = {
        service: event["reason"]
        for event in ended.events
        if event["event"] == "failure"
        for service in event["services"]
    }
    assert {service: _LATER.get(reason, reason) for service, reason in named.items()} == fault.reasons
    if fault.log:
        (evidence,) = ended.failures(next(iter(fault.reasons)))
        # The one that runs again may have said nothing yet.
        assert fault.log in [*evidence["log"], *evidence["previousLog"]]
    assert app.everything_runs(OLD)
    assert ended.end["remedy"] == f"every service is back on {OLD}"


@pytest.mark.parametrize("case", _CASES)
def test_the_next_command_says_the_truth(tried: Tried, case: str) -> None:
    app, _ = tried[case].result()
    code, status = app.ask("status")
    assert (code, status["tag"], status["status"]) == (0, OLD, "deployed")

    _, history = app.ask("history")
    assert [revision["status"] for revision in history["revisions"]] == ["superseded", "failed", "deployed"]


def test_a_missing_tag_is_named_within_10_s_of_the_kubelets_first_error(tried: Tried) -> None:
    app, ended = tried["no-such-tag"].result()

    assert (ended.named_at - app.first_warning("Failed")).total_seconds() < 10


def test_a_crash_loop_is_named_at_its_second_restart_with_its_log(tried: Tried) -> None:
    _, ended = tried["crash-and-oom"].result()
    (web,), (worker,) = ended.failures("web"), ended.failures("worker")

    assert web["message"].endswith("; ended with exit code 3 (Error)")
    # The first of them ended the upgrade, and the other may be a moment behind.
    assert "2 restarts" in {failure["message"].partition(";")[0] for failure in (web, worker)}
    # The kubelet keeps the log of one container that has ended, and the next may end at any moment.
    assert {*web["log"], *web["previousLog"]} == {"the port is taken"}
    assert any(event.startswith("BackOff: ") for event in web["events"])
    assert "ended with exit code 137 (OOMKilled)" in worker["message"]


def test_what_may_heal_by_itself_gets_its_grace_and_no_more(tried: Tried) -> None:
    _, ended = tried["registry-down-and-no-node"].result()

    assert 60 <= ended.seconds < 90


def test_a_failed_hook_is_named_with_its_job_and_pod(tried: Tried) -> None:
    _, ended = tried["hook-fails"].result()
    (failure,) = ended.failures("migrate")

    assert failure["message"].startswith("pre-upgrade hook job/hook-fails-migrate failed with exit code 7, try 1 of 1")
    assert failure["pod"].startswith("hook-fails-migrate-")
    assert failure["container"] == "migrate"


@pytest.mark.parametrize("case", ["hook-fails", "hook-fails-helm3"])
def test_nothing_that_was_wrong_in_one_upgrade_is_held_against_the_next(tried: Tried, case: str) -> None:
    """The failed hook's Job and its pod are still there."""
    app, _ = tried[case].result()
    ended = app.upgrade(NEW)

    assert ended.code == 0, ended.stderr
    assert app.everything_runs(NEW)
