"""Whatever ends the client, at whatever moment: the next command says the truth, and the next upgrade gets it out."""

from __future__ import annotations

import random
import signal
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from gifinator import NEW, OLD
from small_app import FAILED_AND_ROLLED_BACK, check, healthy, prepared

if TYPE_CHECKING:
    from collections.abc import Callable

    from small_app import App

# Seconds that an install, an upgrade or a rollback of the small application takes; the moment is drawn from them.
_LONG = 6.0

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)


@pytest.mark.parametrize("verb", ["install", "upgrade", "rollback"])
def test_a_client_that_is_ended_at_a_random_moment_leaves_nothing_stuck(
    make_app: Callable[[str], App], verb: str
) -> None:
    """`make chaos` goes on with other moments; the seed is fixed here so that a failure can be repeated."""
    draw = random.Random(f"{verb} 1")  # noqa: S311 - a moment, no secret
    moments = {number: draw.uniform(0.3, _LONG) for number in _SIGNALS}

    def ended_by(number: signal.Signals) -> None:
        moment = moments[number]
        app = prepared(make_app(f"{verb}-{number.name.lower()}"), verb)
        code = app.interrupted(verb, number, moment)
        print(f"{verb}, {number.name} after {moment:.2f} s: exit {code}")
        assert code in (0, 130, -number), "done before the signal, ended politely, or killed"
        check(app)

    with ThreadPoolExecutor(len(_SIGNALS)) as pool:
        list(pool.map(ended_by, _SIGNALS))


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


@pytest.mark.parametrize("words", [("set", "image", "--all", "*={image}"), ("scale", "--all", "--replicas=2")])
def test_hands_in_the_middle_of_an_upgrade_do_not_outlast_the_next(
    make_app: Callable[[str], App], words: tuple[str, ...]
) -> None:
    app = make_app(f"hands-{words[0]}")
    app.services = {name: healthy(minReadySeconds=5) for name in ("web", "worker")}
    prepared(app, "upgrade")
    process = app.start("upgrade", "--values", str(app.values({})), "--tag", NEW)
    app.wait_for_revision(process, 2)
    app.by_hand(*(word.format(image=f"{app.repository}:{OLD}") for word in words))
    process.communicate(timeout=120)

    assert process.returncode in (0, FAILED_AND_ROLLED_BACK)
    assert app.everything_runs(NEW if process.returncode == 0 else OLD)
    check(app)
    replicas = app.kubectl("get", "deployments", "-n", app.namespace, "-o", "jsonpath={.items[*].spec.replicas}")
    assert replicas == "1 1"
