"""What is said of a rollout, in lines and as JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator

from rollouts import MISSING, NEW, OLD, crash, failed_upgrade, good_upgrade, moving, progress, running, start
from sametag.deploy import Failure, Outcome, Progress, Step, Troubled
from sametag.errors import RolloutError
from sametag.helm import Revision
from sametag.output.progress import End
from sametag.output.progress.documents import Documents, JsonStream
from sametag.output.progress.lines import ProgressLines
from sametag.output.wording import phase
from sametag.rollout import DONE, RUNNING, Evidence, Run, ServiceState, Trouble

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sametag.deploy import Event
    from sametag.output.progress import Listener

FAILED = End("upgrade", "shop", 5.5, error=RolloutError("upgrade of shop failed", f"every service is back on {OLD}"))


def done(tag: str = NEW) -> End:
    record = {
        "version": 2,
        "info": {"status": "deployed"},
        "chart": {"metadata": {}},
        "config": {"image": {"tag": tag}},
    }
    outcome = Outcome(Revision(record), (running("api", tag), running("web", tag)), 3.2)
    return End("upgrade", "shop", 3.4, outcome)


def tell(listener: Listener, events: Iterable[Event], end: End) -> None:
    for event in events:
        listener(event)
    listener.end(end)


def lines(events: Iterable[Event], end: End) -> tuple[list[str], list[str]]:
    said: list[str] = []
    results: list[str] = []
    tell(ProgressLines(said.append, results.append), events, end)
    return said, results


def documents(events: Iterable[Event], end: End) -> list[dict[str, Any]]:
    written: list[str] = []
    tell(JsonStream(written.append), events, end)
    return [json.loads(line) for line in written]


def test_each_change_of_a_service_is_a_line_and_no_line_comes_twice() -> None:
    said, results = lines([event for event in good_upgrade() for _ in range(3)], done())

    assert said == [
        "   0.9 s  api  0.0.5 -> 0.0.6  0/1 ready",
        "   1.0 s  web  0.0.5 -> 0.0.6  0/1 ready",
        "   2.5 s  api  0.0.5 -> 0.0.6  1/1 ready",
        "   2.5 s  web  0.0.5 -> 0.0.6  1/1 ready, 1 old pod left",
        "   3.0 s  web  0.0.5 -> 0.0.6  1/1 ready",
    ]
    assert results == ["upgraded shop: 2 services on tag 0.0.6 (revision 2) in 3.2 s"]


def test_a_warning_in_the_middle_makes_no_line_come_twice() -> None:
    events = good_upgrade()
    said, _ = lines([*events[:3], Step("deprecated", "warning"), *events[2:]], done())

    assert len(said) == len(set(said))


def test_a_failure_ends_with_what_failed_where_and_what_runs_now() -> None:
    said, results = lines(failed_upgrade(), FAILED)

    assert said[-2:] == [
        "what runs now:",
        "  2 services on 0.0.5, ready: api, web",
    ]
    assert results == []


def test_before_anything_was_changed_there_is_nothing_to_sum_up() -> None:
    assert lines([], FAILED) == ([], [])


def test_a_dry_run_says_that_nothing_was_changed() -> None:
    assert lines([], End("upgrade", "shop", 1.0)) == ([], ["dry run: nothing was changed"])


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (running("web", OLD), "waiting"),
        (moving("web", OLD, NEW), "starting"),
        (moving("web", OLD, NEW, ready=True), "finishing"),
        (running("web", NEW, 2), "ready"),
        (moving("web", OLD, NEW, troubles=(Trouble("StartError", ""),)), "trouble"),
    ],
)
def test_a_service_is_on_its_way_to_the_tag(state: Any, said: str) -> None:
    assert said == phase(state, running("web", OLD), NEW)


def test_a_service_that_the_upgrade_leaves_alone_is_ready() -> None:
    assert phase(running("web", NEW), running("web", NEW), NEW) == "ready"


def test_a_trouble_of_before_is_not_this_rollouts() -> None:
    broken = moving("web", OLD, MISSING, troubles=(Trouble("StartError", ""),))

    assert phase(broken, broken, NEW) == "waiting"


def test_the_stream_has_one_document_for_each_change() -> None:
    begin, *seen = good_upgrade()
    found = documents([begin, *(event for event in seen for _ in range(3))], done())

    assert [(d["event"], d.get("name"), d.get("state")) for d in found] == [
        ("start", None, None),
        ("service", "api", "waiting"),
        ("service", "web", "waiting"),
        ("service", "api", "starting"),
        ("service", "web", "starting"),
        ("service", "api", "ready"),
        ("service", "web", "finishing"),
        ("service", "web", "ready"),
        ("end", None, None),
    ]
    assert {d["version"] for d in found} == {1}
    end = found[-1]
    assert (end["result"], end["exitCode"], end["revision"], end["tag"]) == ("succeeded", 0, 2, NEW)


def test_the_stream_of_a_failure_ends_with_the_error_and_its_exit_code() -> None:
    found = documents(failed_upgrade(), FAILED)
    end = found[-1]

    assert [d["action"] for d in found if d["event"] == "start"] == ["upgrade", "rollback"]
    (failure,) = [d for d in found if d["event"] == "failure"]
    assert (failure["services"], failure["pod"], failure["reason"]) == (["web"], "web-0.0.7", "CrashLoopBackOff")
    assert (end["result"], end["exitCode"], end["message"]) == ("failed", 4, "upgrade of shop failed")


def test_a_service_that_was_removed_is_gone() -> None:
    found = documents([start("install", NEW), progress(1, OLD, running("web", NEW)), progress(2, OLD)], FAILED)

    assert [(d["name"], d["state"], d["pods"]) for d in found if d["event"] == "service"][-1] == ("web", "gone", [])


def test_the_last_line_counts_no_service_that_is_not_on_the_tag_and_says_why() -> None:
    whole = done()
    assert whole.outcome is not None
    api, web = (replace(service, on_tag=True) for service in whole.outcome.services)
    stopped = replace(web, desired=0, updated=0, ready=0, pods=(), stopped=True)
    end = replace(whole, outcome=replace(whole.outcome, services=(api, stopped)))

    assert lines([], end)[1] == [
        f"upgraded shop: 1 of 2 services on tag {NEW} (revision 2) in 3.2 s; web: it is scaled to 0"
    ]


def test_times_are_rfc_3339_in_utc() -> None:
    at = datetime(2026, 1, 2, 3, 4, 5, 600_000, tzinfo=UTC)
    (document,) = Documents(lambda: at).of(Step("x"))

    assert document == {"version": 1, "event": "step", "time": "2026-01-02T03:04:05.600Z", "level": "info", "text": "x"}


REFERENCE = Path(__file__).parents[2] / "docs/reference"
SCHEMA = json.loads((REFERENCE / "events.schema.json").read_text())


@pytest.mark.parametrize(
    ("events", "end"),
    [
        (good_upgrade(), done()),
        ([*failed_upgrade(), Troubled((crash(),))], FAILED),
        ([start("install", NEW), progress(1, OLD, running("web", NEW)), progress(2, OLD)], FAILED),
        ([], End("rollback", "shop", 1.0)),
    ],
)
def test_every_document_is_as_the_schema_says(events: list[Event], end: End) -> None:
    validator = Draft202012Validator(SCHEMA)

    for document in documents(events, end):
        validator.validate(document)


def test_every_event_and_every_field_is_documented() -> None:
    page = (REFERENCE / "events.md").read_text()

    for document in SCHEMA["oneOf"]:
        shape = SCHEMA["$defs"][document["$ref"].removeprefix("#/$defs/")]
        assert f"| `{shape['properties']['event']['enum'][0]}` |" in page
        for name in shape["properties"]:
            assert f"`{name}`" in page, name


def missing(*services: str) -> Evidence:
    first, *others = services
    trouble = Trouble("ImageNotFound", "app:0.0.7 does not exist", f"{first}-1", first)
    noise = (
        "Failed: Error: ErrImagePull",
        "BackOff: Back-off pulling image",
        "Failed: Failed to pull image: not found",
    )
    return Evidence(first, trouble, noise, others=tuple(others), pods=len(services))


def test_one_cause_is_said_once_with_what_one_pod_says_and_the_other_causes_at_the_end() -> None:
    failure = Failure((missing("api", "web", "worker", "render"), crash("mail")))
    said, _ = lines([start("upgrade", MISSING), Troubled(failure.evidence[1:]), failure], FAILED)

    assert said == [
        "mail: CrashLoopBackOff: 2 restarts; ended with exit code 1 (Error)",
        "  log: listening on :8080",
        "  log: <script>alert(1)</script> & panic: ]]> no database",
        "api, web, worker, render: pod api-1 api (ImageNotFound, and 3 more)",
        "  event: Failed: Failed to pull image: not found",
        "what failed for other reasons:",
        "  mail: CrashLoopBackOff: 2 restarts; ended with exit code 1 (Error)",
    ]


def test_what_may_heal_is_told_with_what_it_waits_for() -> None:
    trouble = Trouble("Unschedulable", "0/1 nodes are available", "web-1")
    said, _ = lines([start("upgrade", NEW), Troubled((Evidence("web", trouble, others=("api",), pods=2),))], FAILED)

    assert said == [
        "web, api (2): Unschedulable: 0/1 nodes are available",
        "  waiting for a node with room for it",
    ]


def test_one_cause_is_at_most_a_screen_however_much_a_pod_has_written() -> None:
    found = crash()
    long = replace(found, log=("x",) * 50, previous=("y",) * 50, events=tuple(f"E: {n}" for n in range(30)))
    said, _ = lines([start("upgrade", MISSING), Failure((long,))], FAILED)

    assert len(said) <= 20


def test_a_job_that_is_done_is_said_once_though_its_time_is_told_in_two_ways() -> None:
    def job(run: Run) -> ServiceState:
        return replace(running("migrate", NEW), pods=(), template_tags=(NEW,), run=run)

    ended = [Run(DONE, ended=True, seconds=seconds) for seconds in (4.2, 4.2, 4)]
    looks = [Progress((job(run),), {}, 1) for run in (Run(RUNNING), *ended)]
    said, _ = lines([start("upgrade", NEW), *looks], done())

    assert said == ["   1.0 s  migrate  0.0.6  running", "   1.0 s  migrate  0.0.6  done in 4.2 s"]


def test_a_longer_name_that_comes_later_does_not_repeat_the_lines_before() -> None:
    api, web = moving("api", OLD, NEW), moving("frontend", OLD, NEW)
    said, _ = lines([start("upgrade", NEW), progress(1, OLD, api), progress(2, OLD, api, web)], done())

    assert [line.split()[2] for line in said] == ["api", "frontend"]
