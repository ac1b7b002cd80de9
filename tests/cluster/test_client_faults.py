"""Whatever ends the client, at whatever moment: the next command says the truth, and the next upgrade gets it out."""

from __future__ import annotations

import random
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from gifinator import NEW, OLD
from small_app import DRIFT, FAILED_AND_ROLLED_BACK, check, healthy, prepared, recover

if TYPE_CHECKING:
    from collections.abc import Callable

    from small_app import App

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)

# Of an install, an upgrade and a rollback, for each signal; `make chaos` draws any number of others.
_MOMENTS = 3

# Releases that are at work side by side; after a SIGKILL most of the time is waiting for the lock to run out.
_AT_ONCE = 3

# A command that was done before its signal came proves nothing.
_MOST_DONE = 1 / 3

_Moment = tuple[signal.Signals, float]


def _moments(verb: str) -> list[_Moment]:
    """Draw a moment from each third of a command, for each signal: a signal, and the part of the command before it.

    The seed is fixed here so that a failure can be repeated.
    """
    draw = random.Random(f"{verb} 1")  # noqa: S311 - moments, no secrets
    drawn = [(number, draw.uniform(third, third + 1) / _MOMENTS) for number in _SIGNALS for third in range(_MOMENTS)]
    draw.shuffle(drawn)
    return drawn


# Four releases are at work at once in each of these: one after the other.
@pytest.mark.xdist_group("kills")
@pytest.mark.parametrize("verb", ["install", "upgrade", "rollback"])
def test_a_client_that_is_ended_at_any_moment_leaves_nothing_stuck(make_app: Callable[..., App], verb: str) -> None:
    """From the start of Python over the lock and Helm's work to our last write; some on Helm 3 too."""
    moments = _moments(verb)
    rows = [("HELM4", moments[first::_AT_ONCE]) for first in range(_AT_ONCE)]
    rows.append(("HELM3", [(signal.SIGINT, 0.5), (signal.SIGKILL, 0.7)]))
    apps = [make_app(f"{verb}-{number}", helm) for number, (helm, _) in enumerate(rows)]
    with ThreadPoolExecutor(len(rows)) as pool:
        done = [*pool.map(_ended_again_and_again, apps, [verb] * len(rows), [row for _, row in rows])]
    assert sum(done) <= _MOST_DONE * len(moments)


def _ended_again_and_again(app: App, verb: str, moments: list[_Moment]) -> int:
    """End a command at each of these moments, and recover each time; return how many were done before."""
    done = 0
    long = _seconds_of_one(app)
    for number, part in moments:
        if verb == "install":
            app.remove()
        code, took = app.interrupted(verb, number, part * long)
        print(f"{verb} {app.name}, {number.name} after {took:.2f} s ({part:.0%}): exit {code}", flush=True)
        if code == 0:
            done, long = done + 1, min(long, took)
        assert code in (0, 130, -number), "done before the signal, ended politely, or killed"
        # Whoever is told to end gives the lock back, and leaves nothing pending. One that is told while Python still
        # starts, or after its last word, ends as any program does.
        app.status_is_true()
        recover(app, *(() if number == signal.SIGKILL else ("--lock-timeout", "0")))
    return done


def _seconds_of_one(app: App) -> float:
    """Have a release that was on the old tag and is on the new one; return what the second took."""
    assert app.install().code == 0
    began = time.monotonic()
    ended = app.upgrade()
    assert ended.code == 0, ended.stderr
    return time.monotonic() - began


def test_a_helm_that_is_killed_is_recovered_from(make_app: Callable[[str], App]) -> None:
    """Nobody but its parent knows; the revision stays pending, which Helm itself would refuse to go on from."""
    app = prepared(make_app("helm-killed"), "upgrade")
    process = app.start("upgrade", "--values", str(app.values({})), "--tag", NEW)
    app.kill_helm_of(process)
    process.communicate(timeout=120)

    assert process.returncode == 4
    assert app.everything_runs(OLD)
    check(app)


@pytest.mark.parametrize("count", [2, 5])
def test_deployers_at_once_take_turns(make_app: Callable[[str], App], count: int) -> None:
    app = prepared(make_app(f"deployers-{count}"), "upgrade")
    tags = [(NEW, OLD)[number % 2] for number in range(count)]
    values = ("--values", str(app.values({})))
    processes: list[Any] = [app.start("upgrade", *values, "--tag", tag) for tag in tags]
    outputs = [process.communicate(timeout=280) for process in processes]

    assert [process.returncode for process in processes] == [0] * count, outputs
    app.says_the_truth()
    code, history = app.ask("history")
    assert code == 0
    statuses = [revision["status"] for revision in history["revisions"]]
    assert statuses == ["superseded"] * count + ["deployed"]
    assert app.everything_runs(history["revisions"][-1]["tag"])


_HANDS = {"set": ("set", "image", "--all", "*={image}"), "scale": ("scale", "--all", "--replicas=2")}


def test_hands_in_the_middle_of_an_upgrade_and_before_a_rollback_do_not_outlast_the_next(
    make_app: Callable[..., App],
) -> None:
    """On both Helms, which have two ways to apply: what runs afterwards is what the manifest says, and nothing else."""
    cases = [(what, helm) for what in _HANDS for helm in ("HELM4", "HELM3")]
    apps = [make_app(f"hands-{what}-{helm.lower()}", helm) for what, helm in cases]
    with ThreadPoolExecutor(len(cases)) as pool:
        list(pool.map(_changed_by_hand, apps, [_HANDS[what] for what, _ in cases]))


def _changed_by_hand(app: App, words: tuple[str, ...]) -> None:
    hands = [word.format(image=f"{app.repository}:{OLD}") for word in words]
    app.services = {name: healthy(minReadySeconds=5) for name in ("web", "worker")}
    prepared(app, "upgrade")
    process = app.start("upgrade", "--values", str(app.values({})), "--tag", NEW)
    app.wait_for_revision(process, 2)
    app.by_hand(*hands)
    stdout, _ = process.communicate(timeout=120)
    assert process.returncode in (0, FAILED_AND_ROLLED_BACK)
    # Helm's word that it is done stands; where the pods run what the hands have set, it is said.
    as_told = app.everything_runs(NEW if process.returncode == 0 else OLD)
    assert as_told or (process.returncode == 0 and "not verified" in stdout)
    check(app)
    app.equals_its_manifest()

    app.by_hand(*hands)
    assert app.ask("status")[0] == DRIFT
    with pytest.raises(RuntimeError, match="kubectl diff"):
        app.equals_its_manifest()
    ended = app.run("rollback")
    assert ended.code == 0, ended.stderr
    assert app.everything_runs(OLD)
    assert app.ask("status")[0] == 0
    app.equals_its_manifest()
