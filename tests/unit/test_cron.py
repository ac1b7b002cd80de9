"""A CronJob has a tag, a schedule, and a last run; what nobody has seen of it on its tag is said."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import convert

from sametag.rollout import Member, Members, ServiceState
from sametag.rollout.cron import cronjobs
from sametag.rollout.objects import CronJob, Job
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
    assert str(judge(run(1, "2", "Complete")).cron).endswith(", done in 4 s")
