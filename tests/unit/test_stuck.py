"""What it means that Helm gave up, said by what it wrote and what was seen."""

from __future__ import annotations

import pytest

from sametag.deploy.stuck import StuckError, summary_of, why_helm_gave_up
from sametag.errors import HelmError
from sametag.helm.command import KilledError
from sametag.rollout import Evidence, Member, Members, Trouble

MEMBERS = Members("shop", {("Deployment", "shop-web"): Member("Deployment", "shop-web", "web")})
WAITS = Evidence("api", Trouble("NotReady", "runs; its readiness probe has not succeeded", "api-1", "api"))
DENIED = (
    'server-side apply failed for object apps/shop-web apps/v1, Kind=Deployment: deployments.apps "shop-web" is '
    "forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: not this one"
)


def said(message: str, *found: Evidence, error: type[HelmError] = HelmError) -> StuckError:
    return why_helm_gave_up(error(message), StuckError(summary_of(found), found), "5m0s", MEMBERS)


@pytest.mark.parametrize(
    "message",
    [
        "UPGRADE FAILED: resource Deployment/apps/shop-web not ready. status: InProgress\ncontext deadline exceeded",
        "UPGRADE FAILED: context deadline exceeded",
        "timed out waiting for the condition",
    ],
)
def test_a_timeout_is_called_one_with_what_was_waited_for(message: str) -> None:
    stuck = said(message, WAITS)

    assert stuck.reason == (
        "timed out after 5m0s, which --timeout can make longer: "
        "api: NotReady: runs; its readiness probe has not succeeded"
    )
    assert stuck.evidence == (WAITS,)


def test_what_helm_was_refused_is_said_in_its_words_and_not_what_therefore_was_not_ready() -> None:
    stuck = said(DENIED, WAITS)

    assert stuck.reason == f"web: ApplyFailed: {DENIED}"
    assert stuck.evidence == (Evidence("web", Trouble("ApplyFailed", DENIED)),)
    assert said("conflict with X").reason == "shop: ApplyFailed: conflict with X"


def test_where_helm_only_says_that_it_waited_in_vain_what_was_seen_says_more() -> None:
    failed = "pre-upgrade hooks failed: 1 error occurred: job shop-migrate failed: BackoffLimitExceeded"
    seen = Evidence("migrate", Trouble("JobFailed", "exit code 7", "m-1", "migrate"))

    assert said(failed, seen).reason == "migrate: JobFailed: exit code 7"
    assert said(failed).reason == failed


def test_a_helm_that_was_killed_is_called_that() -> None:
    assert said("helm was killed by SIGKILL", WAITS, error=KilledError).reason == "helm was killed by SIGKILL"


def test_of_many_services_the_first_are_named_and_all_counted() -> None:
    many = Evidence("a", Trouble("ImageNotFound", "app:2 does not exist"), others=tuple("bcdefg"), pods=7)

    assert summary_of([many, WAITS, WAITS]) == (
        "a, b, c, d, e, … (7): ImageNotFound: app:2 does not exist (and 2 more causes)"
    )
