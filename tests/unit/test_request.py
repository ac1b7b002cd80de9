"""Durations are Go's, and the commands that a user is told to run reach the same release of the same cluster."""

from __future__ import annotations

import pytest

from sametag.deploy import Event, Request
from sametag.deploy.request import seconds
from sametag.errors import UsageError
from sametag.helm import Revision
from sametag.kube.connection import Target


def ignore(_: Event) -> None: ...


def revision(**image: str) -> Revision:
    chart = {"metadata": {"name": "sametag", "version": "0.1.0"}}
    return Revision({"name": "shop", "version": 3, "chart": chart, "config": {"image": image}})


def test_a_command_has_the_flags_that_were_given_and_no_others() -> None:
    assert Request(Target(), "shop", ignore).command("status") == "sametag status shop"
    target = Target(kubeconfig="/home/a b/config", context="prod", namespace="apps")
    request = Request(target, "shop", ignore)
    flags = "-n apps --kube-context prod --kubeconfig '/home/a b/config'"
    assert request.command("uninstall") == f"sametag uninstall shop {flags}"
    assert request.delete_command("apps", "Job/x") == (
        "kubectl delete job/x -n apps --context prod --kubeconfig '/home/a b/config'"
    )


def test_a_rollback_names_the_tag_or_the_revision_if_there_is_no_tag() -> None:
    request = Request(Target(), "shop", ignore)

    assert request.rollback_command(revision(tag="1.0")) == "sametag rollback shop --to-tag 1.0"
    assert request.rollback_command(revision(digest="sha256:ab")) == "sametag rollback shop --to-revision 3"


@pytest.mark.parametrize(
    ("duration", "expected"),
    [("0", 0), ("90s", 90), ("5m0s", 300), ("1h30m", 5400), ("1.5m", 90), (".5s", 0.5), ("1m1ms", 60.001)],
)
def test_a_duration_is_read_as_go_does(duration: str, expected: float) -> None:
    assert seconds(duration) == pytest.approx(expected)


@pytest.mark.parametrize("duration", ["", "90", "s", "-5s", "5 m", "1d", "٣s", "1s1"])
def test_what_is_not_a_duration_is_refused(duration: str) -> None:
    with pytest.raises(UsageError, match="is not a duration"):
        seconds(duration)
