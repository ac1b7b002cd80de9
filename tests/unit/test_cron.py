"""A CronJob has a tag, a schedule, and a last run; what nobody has seen of it on its tag is said."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec import convert

from sametag.rollout import Member, Members, ServiceState
from sametag.rollout.jobs import cronjobs, next_run
from sametag.rollout.kube_types import CronJob, Job
from sametag.rollout.workload import Objects

MEMBERS = Members(
    "app", {("CronJob", "app-tick"): Member("CronJob", "app-tick", "tick", "tick", "r.example.com/app:2")}
)


def template(tag: str) -> dict[str, Any]:
    containers = [{"name": "tick", "image": f"r.example.com/app:{tag}"}, {"name": "mesh", "image": "mesh:9"}]
    return {"spec": {"template": {"spec": {"containers": containers}}}}


def run(number: int, tag: str, *conditions: str) -> Job:
    meta = {
        "name": f"app-tick-{number}",
        "uid": str(number),
        "creationTimestamp": f"2026-01-01T0{number}:00:00Z",
        "ownerReferences": [{"uid": "c"}],
    }
    begin, end = f"2026-01-01T0{number}:00:00Z", f"2026-01-01T0{number}:00:04Z"
    status = {"conditions": [{"type": kind, "status": "True"} for kind in conditions], "startTime": begin}
    return convert({"metadata": meta, **template(tag), "status": {**status, "completionTime": end}}, Job)


def judge(*runs: Job, tag: str = "2", **spec: Any) -> ServiceState:
    schedule = {"schedule": "0 * * * *", "jobTemplate": template(tag), **spec}
    last = {"lastScheduleTime": runs[-1].metadata.creationTimestamp} if runs else {}
    cronjob = convert({"metadata": {"name": "app-tick", "uid": "c"}, "spec": schedule, "status": last}, CronJob)
    other = run(9, "2", "Complete")
    other.metadata.ownerReferences = []
    jobs = {job.metadata.uid: job for job in (*runs, other)}
    (state,) = cronjobs(Objects(cronjobs={"c": cronjob}, jobs=jobs), MEMBERS)
    return state


@pytest.mark.parametrize(
    ("runs", "last", "unseen"),
    [
        ((), "None", "not run yet on this tag"),
        ((run(1, "1", "Complete"),), "done in 4 s", "not run yet on this tag"),
        ((run(1, "1", "Complete"), run(2, "2", "Failed")), "failed (try 1 of 7)", "failed (try 1 of 7) on this tag"),
        ((run(2, "2"), run(1, "1", "Complete")), "waiting", "waiting on this tag"),
        ((run(1, "2", "Complete"),), "done in 4 s", ""),
    ],
)
def test_what_nobody_has_seen_of_a_cronjob_on_its_tag_is_said(runs: tuple[Job, ...], last: str, unseen: str) -> None:
    cron = judge(*runs).cron

    assert cron is not None
    assert (str(cron.last), cron.unseen) == (last, unseen)


def test_its_tag_is_that_of_its_template_and_it_is_no_service_that_is_waited_for() -> None:
    state = judge(tag="1")

    assert (state.tags, state.on_tag, state.steady, state.complete, state.doubt) == (("1",), False, False, True, "")


def test_its_words_have_schedule_time_zone_and_whether_it_is_suspended() -> None:
    assert str(judge(timeZone="Europe/Oslo", suspend=True).cron) == (
        "0 * * * * Europe/Oslo, suspended, not run yet on this tag"
    )
    assert str(judge(run(1, "2", "Complete")).cron).partition(", next run ")[0].endswith(", done in 4 s")


@pytest.mark.parametrize(
    ("schedule", "zone", "expected"),
    [
        ("*/5 * * * *", "", "2026-03-28T12:05:00+00:00"),
        ("0 3 * * *", "", "2026-03-29T03:00:00+00:00"),
        # The night in which clocks are put forward.
        ("0 3 * * *", "Europe/Oslo", "2026-03-29T03:00:00+02:00"),
        ("0 12 1 * MON", "", "2026-03-30T12:00:00+00:00"),
        ("@daily", "", "2026-03-29T00:00:00+00:00"),
        ("0 0 ? * SUN", "", "2026-03-29T00:00:00+00:00"),
        ("@every 1h", "", None),
        ("0 0 30 2 *", "", None),
        ("* * * * *", "Nowhere/At_All", None),
        ("* * * * *", "Europe", None),
    ],
)
def test_the_next_run_is_told_where_it_can_be(schedule: str, zone: str, expected: str | None) -> None:
    found = next_run(schedule, zone, datetime(2026, 3, 28, 12, 0, tzinfo=UTC))

    assert (found and found.isoformat()) == expected


def test_a_suspended_cronjob_has_no_next_run() -> None:
    planned, suspended = judge().cron, judge(suspend=True).cron

    assert planned is not None
    assert suspended is not None
    assert (planned.next is None, suspended.next) == (False, None)
