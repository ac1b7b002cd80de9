"""What would change, as it is said."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from rollouts import pod, running
from sametag.deploy import Plan, Status
from sametag.deploy.lock import Holder
from sametag.drift import ABSENT, Change, ObjectDiff, Owner
from sametag.helm import Hook, Revision
from sametag.kube.objects import Key
from sametag.output.history import history_table
from sametag.output.plan import in_short, plan_in_full, plan_json, plan_lines
from sametag.output.progress import End
from sametag.output.progress.documents import Documents
from sametag.output.progress.lines import ProgressLines
from sametag.output.report import Report
from sametag.output.status import status_json, status_lines
from sametag.rollout import DONE, NOT_RUN, Run, ServiceState

IMAGE = Change("image", "registry.example.com:5000/app:1.0", "registry.example.com:5000/app:2.0")
VERSION = Change("labels.app.kubernetes.io/version", "1.0", "2.0", derived=True)


def revision(number: int, tag: str) -> Revision:
    chart = {"metadata": {"name": "sametag", "version": "0.1.0"}, "values": {}}
    info = {"status": "deployed", "description": "Upgrade complete"}
    return Revision({"version": number, "chart": chart, "config": {"image": {"tag": tag}}, "info": info})


def changed(service: str, *changes: Change, kind: str = "Deployment") -> ObjectDiff:
    before: dict[str, Any] = {"kind": kind, "metadata": {"name": service}, "spec": {"replicas": 1}}
    after = {**before, "spec": {"replicas": 2}}
    return ObjectDiff(Key("apps", kind, "apps", service), service, before, after, changes)


def whole(service: str, kind: str, *, comes: bool, name: str = "x") -> ObjectDiff:
    item = {"kind": kind}
    return ObjectDiff(Key("", kind, "apps", name), service, None if comes else item, item if comes else None)


def plan(*objects: ObjectDiff, now: Revision | None = None, hooks: tuple[Hook, ...] = ()) -> Plan:
    return Plan("shop", now or revision(7, "1.0"), revision(1, "2.0"), objects, hooks)


def test_services_that_change_alike_are_one_and_labels_that_follow_are_counted() -> None:
    manager = Owner("kubectl-scale", None)
    found = plan(
        changed("web", IMAGE, VERSION),
        changed("worker", VERSION, IMAGE),
        changed(
            "render", Change("replicas", 3, 1, manager), IMAGE, Change("env.A", ABSENT, {"name": "A", "value": "x"})
        ),
        whole("render", "Service", comes=True),
        whole("old", "Deployment", comes=False),
        whole("", "Widget", comes=True, name="extra"),
        hooks=(Hook("Job", "migrate", ("pre-upgrade",)),),
    )

    assert list(plan_lines(found)) == [
        "shop: tag 1.0, chart sametag-0.1.0 (revision 7) -> tag 2.0, chart sametag-0.1.0",
        "(no service)",
        "  new: Widget extra",
        "old",
        "  gone: Deployment",
        "render",
        "  replicas  3 (by kubectl-scale) -> 1",
        "  image     1.0 -> 2.0",
        "  env.A     added: x",
        "  new: Service",
        "web, worker",
        "  image  1.0 -> 2.0",
        "labels that follow from the tag or the chart: 2 objects",
        "Helm runs Job migrate (pre-upgrade)",
    ]


def test_where_nothing_would_change_that_is_said() -> None:
    assert list(plan_lines(plan()))[1:] == ["nothing would change"]


def test_a_first_install_comes_from_nothing() -> None:
    first = Plan("shop", None, revision(1, "2.0"), (), ())

    assert next(plan_lines(first)) == "shop: not installed -> tag 2.0, chart sametag-0.1.0"
    assert json.loads(plan_json(first))["revision"] is None


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (IMAGE, ("1.0", "2.0")),
        (Change("image", "a/app:1.0", "b/app:1.0"), ("a/app:1.0", "b/app:1.0")),
        (Change("args", ["a"], ABSENT), ('["a"]', None)),
        (Change("env.A", "", "two\nlines"), ('""', '"two\\nlines"')),
        (Change("env.A", {"name": "A", "valueFrom": {}}, "x"), ('{"name": "A", "valueFrom": {}}', "x")),
        (Change("replicas", None, 0), ("null", "0")),
        (Change("ConfigMap.data.x", "short", "long" * 40), ("short", "long" * 14 + "lon…")),
    ],
)
def test_a_value_is_said_in_a_few_words(change: Change, expected: tuple[str | None, str | None]) -> None:
    assert in_short(change) == expected


def test_in_full_it_is_a_unified_diff_of_the_manifests() -> None:
    assert list(plan_in_full(plan(changed("web", Change("replicas", 1, 2))))) == [
        "--- live Deployment web",
        "+++ next Deployment web",
        "@@ -2,4 +2,4 @@",
        " metadata:",
        "   name: web",
        " spec:",
        "-  replicas: 1",
        "+  replicas: 2",
    ]


def test_as_json_a_value_that_is_not_there_is_left_out_and_null_is_a_value() -> None:
    time = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    found = plan(changed("web", Change("a", ABSENT, None), Change("b", 1, ABSENT, Owner("vpa", time))))
    (item,) = json.loads(plan_json(found))["objects"]

    assert item["changes"] == [
        {"setting": "a", "new": None, "derived": False},
        {"setting": "b", "old": 1, "by": {"manager": "vpa", "time": "2026-01-02T03:04:05+00:00"}, "derived": False},
    ]
    assert (item["service"], item["kind"], item["action"]) == ("web", "Deployment", "change")


def test_a_dry_run_writes_its_plan_where_results_go() -> None:
    progress, results = list[str](), list[str]()
    ProgressLines(progress.append, results.append)(plan(changed("web", IMAGE)))

    assert (progress, results) == ([], list(plan_lines(plan(changed("web", IMAGE)))))
    (event,) = Documents().of(plan())
    assert event["event"] == "plan"
    assert event["newTag"] == "2.0"


def test_status_says_what_is_there_and_what_should_be() -> None:
    changes = (
        Change("replicas", 3, 1, Owner("kubectl", None)),
        Change("env.A", {"name": "A", "value": "x"}, ABSENT),
        Change("env.B", ABSENT, {"name": "B", "value": "y"}),
    )
    found = Status(revision(7, "1.0"), (), (changed("web", *changes), whole("web", "Service", comes=True)))

    assert list(status_lines(found))[2:] == [
        "Deployment web: replicas is 3, by kubectl (revision 7: 1)",
        "Deployment web: env.A is x (revision 7: not set)",
        "Deployment web: env.B is missing (revision 7: y)",
        "Service x is missing (in revision 7)",
    ]
    document = json.loads(status_json(found))
    assert (document["asReleased"], [one["missing"] for one in document["drift"]]) == (False, [False, True])
    assert document["drift"][0]["changes"][0] == {
        "setting": "replicas",
        "live": 3,
        "released": 1,
        "by": {"manager": "kubectl", "time": None},
        "derived": False,
    }


def test_each_pod_has_its_own_row_with_what_is_true_of_it() -> None:
    ready = replace(running("web", "1.0"), on_tag=True)
    pods = (replace(ready.pods[0], name="web-1", restarts=2, on_tag=True), pod("web-2", "1.0", ready=False))
    web = replace(ready, desired=2, ready=1, pods=pods, others=(replace(pod("web-0", "0.9"), on_tag=False),))
    none = replace(ready, name="worker", desired=2, ready=0, pods=())
    redis = replace(running("deployment/redis", "8"), extra=True)
    found = Status(revision(7, "1.0"), (web, none), (), extras=(redis,))

    assert [line.split() for line in status_lines(found)][2:] == [
        ["web", "web-1", "yes", "1.0", "2", "yes"],
        ["web", "web-2", "no", "1.0", "0", "unknown"],
        ["web", "web-0", "yes", "0.9", "0", "no"],
        ["worker", "-", "0/2", "-", "-", "-"],
        ["deployment/redis", "deployment/redis-8", "yes", "8", "0", "-"],
        ["web:", "1", "of", "2", "pods", "are", "ready"],
        ["worker:", "0", "of", "2", "pods", "are", "ready"],
    ]


def test_status_says_who_changes_the_release_and_what_follows_from_the_tag_once() -> None:
    since = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    image = Change("image", IMAGE.new, IMAGE.old, None)
    version = Change(VERSION.setting, "2.0", "1.0", derived=True)
    drift = tuple(
        changed(name, image, version, kind=kind) for name, kind in (("web", "Deployment"), ("tick", "CronJob"))
    )
    services = tuple(changed(name, version, kind="Service") for name in ("web", "api", "db"))
    found = Status(
        revision(8, "1.0"),
        (),
        (*drift, *services),
        jobs=(
            ServiceState("migrate", "migrate", "", 0, 0, 0, 0, observed=True, run=Run(DONE, ended=True, seconds=4.2)),
            ServiceState("notify", "notify", "", 0, 0, 0, 0, observed=True, run=Run(NOT_RUN)),
        ),
        holder=Holder("alice@laptop", "2.0", since, since),
    )

    local = f"{since.astimezone():%Y-%m-%d %H:%M:%S}"
    said = list(status_lines(found))
    assert said[1] == f"a rollout is in progress, by alice@laptop for tag 2.0, since {local}"
    assert said[3:] == [
        "JOB      TAG  STATE",
        "migrate  -    done in 4.2 s",
        "notify   -    not run yet",
        "Deployment web, CronJob tick: image is 2.0 (revision 8: 1.0)",
        "labels that follow from the tag or the chart differ: 5 objects",
    ]
    document = json.loads(status_json(found))
    assert document["rollout"] == {"by": "alice@laptop", "tag": "2.0", "since": "2026-01-02T03:04:05+00:00"}
    assert [(job["name"], job["state"]) for job in document["jobs"]] == [("migrate", "done"), ("notify", "not run yet")]


def test_the_event_of_a_plan_is_as_the_schema_says() -> None:
    schema = json.loads((Path(__file__).parents[2] / "docs/reference/events.schema.json").read_text())
    found = plan(
        changed("web", IMAGE, VERSION, Change("replicas", 3, ABSENT, Owner("kubectl-scale", None))),
        whole("old", "Deployment", comes=False),
        hooks=(Hook("Job", "migrate", ("pre-upgrade",)),),
    )

    for said in (found, Plan("shop", None, revision(1, "2.0"), (), ())):
        (document,) = Documents().of(said)
        Draft202012Validator(schema).validate(document)


def test_a_dry_run_has_a_report_of_what_would_change(tmp_path: Path) -> None:
    report = Report(str(tmp_path))
    report(plan(whole("web", "Deployment", comes=True)))
    report.end(End("upgrade", "shop", 1.0))

    assert "a dry run: 1 object would change" in (tmp_path / "report.html").read_text()


def test_history_fits_80_columns_and_keeps_the_status_whole() -> None:
    revisions = [revision(1, "1.0"), revision(12, "2026.11.28-feature-login-7f3a9c1d2e4b")]
    for entry in revisions:
        entry.record["info"]["last_deployed"] = "2026-11-28T07:00:00Z"

    whole, narrow = list(history_table(revisions)), list(history_table(revisions, width=80))
    assert max(map(len, whole)) > 80
    assert max(map(len, narrow)) <= 80
    assert len(narrow) == 3
    assert all(entry.status in line for entry, line in zip(revisions, narrow[1:], strict=True))
