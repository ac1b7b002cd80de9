"""Jobs and hooks, what only events tell, and what a failed container leaves behind."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from msgspec import convert

from sametag.kube.connection import Target, connect
from sametag.rollout import Evidence, Member, Members, ServiceState, Trouble, evidence
from sametag.rollout.assess import assess
from sametag.rollout.jobs import Jobs, jobs
from sametag.rollout.kube_types import Event, Job, Pod, StatefulSet
from sametag.rollout.workload import Objects

if TYPE_CHECKING:
    from fake_api import ApiServer

QUOTA = 'pods "x" is forbidden: exceeded quota: q, requested: pods=1'


FAILED = {"terminated": {"exitCode": 3, "reason": "Error"}}


def job(
    *conditions: tuple[str, str], name: str = "app-migrate", failed: int = 0, seconds: int = 0, suspend: bool = False
) -> Job:
    """A Job that may be tried three times; a done one took so many seconds."""
    meta: dict[str, Any] = {
        "name": name,
        "uid": "j1",
        "labels": {"app.kubernetes.io/component": "migrate"},
        "annotations": {"helm.sh/hook": "pre-install,pre-upgrade"},
    }
    told = [{"type": kind, "status": "True", "reason": reason, "message": "m"} for kind, reason in conditions]
    status: dict[str, Any] = {"conditions": told, "failed": failed, "startTime": "2026-01-01T00:00:00Z"}
    if seconds:
        status["completionTime"] = f"2026-01-01T00:00:{seconds:02}Z"
    spec = {"template": {}, "backoffLimit": 2, "suspend": suspend}
    return convert({"metadata": meta, "spec": spec, "status": status}, Job)


def attempt(name: str, created: str, **state: Any) -> Pod:
    phase = {"terminated": "Failed", "running": "Running", "waiting": "Pending"}[next(iter(state))]
    container = {"name": "migrate", "image": "app:1", "imageID": "", "ready": False, "restartCount": 0, "state": state}
    return convert(
        {
            "metadata": {
                "name": name,
                "uid": name,
                "creationTimestamp": f"2026-01-01T00:00:0{created}Z",
                "ownerReferences": [{"apiVersion": "batch/v1", "kind": "Job", "name": "app-migrate", "uid": "j1"}],
            },
            "spec": {"containers": [{"name": "migrate", "image": "app:1"}]},
            "status": {"phase": phase, "containerStatuses": [container]},
        },
        Pod,
    )


def warning(uid: str, reason: str, message: str) -> Event:
    about = {"uid": uid}
    return convert({"metadata": {"uid": uid}, "involvedObject": about, "reason": reason, "message": message}, Event)


def alone(kind: str, name: str, service: str) -> Members:
    return Members("app", {(kind, name): Member(kind, name, service, service, "app:1")})


def judge(the_job: Job, *pods: Pod, events: tuple[Event, ...] = ()) -> list[ServiceState]:
    return jobs(
        Objects(
            jobs={"j1": the_job},
            pods={pod.metadata.uid: pod for pod in pods},
            events=dict(enumerate(events)),  # type: ignore[arg-type] # any key does
        ),
        alone("Job", "app-migrate", "migrate"),
    )


def test_a_failed_hook_is_named_with_its_job_and_the_container_of_its_newest_pod() -> None:
    failed = job(("Failed", "BackoffLimitExceeded"))
    (state,) = judge(failed, attempt("second", "2", **FAILED), attempt("first", "1", **FAILED))

    message = "pre-install and pre-upgrade hook job/app-migrate failed with exit code 3, try 2 of 3"
    assert state.troubles == (Trouble("JobFailed", message, "second", "migrate"),)
    assert state.complete, "Helm waits for a Job, not the last look at the services"


def test_a_hook_past_its_deadline_is_named_while_its_pod_still_runs() -> None:
    """FailureTarget comes before Failed; then the pod, and its log, are gone."""
    (state,) = judge(job(("FailureTarget", "DeadlineExceeded")), attempt("only", "1", running={}))

    assert [(trouble.reason, trouble.pod, trouble.container) for trouble in state.troubles] == [
        ("JobFailed", "only", "migrate")
    ]


def test_a_job_that_may_try_again_is_no_trouble() -> None:
    (state,) = judge(job(), attempt("first", "1", **FAILED), attempt("second", "2", running={}))

    assert state.troubles == ()
    assert [(waits.reason, waits.pod) for waits in state.unready] == [("NotReady", "second")]


def test_a_hook_whose_command_is_not_in_the_image_does_not_try_again() -> None:
    error = {"terminated": {"exitCode": 128, "reason": "StartError", "message": "no such file"}}
    (state,) = judge(job(), attempt("first", "1", **error))

    assert [trouble.reason for trouble in state.troubles] == ["StartError"]


def test_a_hook_that_gets_no_pod_is_named_by_its_event() -> None:
    (state,) = judge(job(), events=(warning("j1", "FailedCreate", QUOTA),))

    assert state.troubles == (Trouble("Forbidden", QUOTA),)


def test_a_job_of_a_cronjob_is_not_told_of() -> None:
    assert judge(job(name="nightly-29012345")) == []


@pytest.mark.parametrize(
    ("the_job", "pods", "words"),
    [
        (job(), (), "waiting"),
        (job(suspend=True), (), "suspended"),
        (job(), (attempt("first", "1", waiting={"reason": "ContainerCreating"}),), "waiting"),
        (job(), (attempt("first", "1", running={}),), "running"),
        (job(failed=1), (attempt("first", "1", **FAILED),), "failed (try 1 of 3)"),
        (job(failed=1), (attempt("first", "1", **FAILED), attempt("second", "2", running={})), "running (try 2 of 3)"),
        (job(("Failed", "BackoffLimitExceeded"), failed=3), (), "failed (try 3 of 3)"),
        (job(("Complete", "CompletionsReached"), seconds=4), (), "done in 4 s"),
    ],
)
def test_a_job_is_waiting_running_done_or_failed(the_job: Job, pods: tuple[Pod, ...], words: str) -> None:
    (state,) = judge(the_job, *pods)

    assert str(state.run) == words
    assert not state.steady


def test_a_suspended_job_that_helm_waits_for_is_said_to_be_suspended() -> None:
    (state,) = judge(job(suspend=True))

    (trouble,) = state.unready
    words = "job/app-migrate is suspended (job.suspend); Helm waits until somebody resumes it and it has ended"
    assert trouble.message.endswith(words)


def test_a_job_does_not_go_back_to_waiting_when_its_pod_ends_or_is_removed() -> None:
    pod = attempt("only", "1", running={})
    objects = Objects(jobs={"j1": job()}, pods={"only": pod})
    judged = Jobs(objects)
    hook = Members("shop", {("Job", "app-migrate"): Member("Job", "app-migrate", "migrate")})
    said = [str(judged(hook)[0].run)]
    pod.status.phase = "Succeeded"
    said.append(str(judged(hook)[0].run))
    objects.pods.clear()
    said.append(str(judged(hook)[0].run))
    objects.jobs["j1"] = job(suspend=True)
    said.append(str(judged(hook)[0].run))

    assert said == ["running", "running", "running", "suspended"]


def test_a_job_whose_pod_ended_before_the_first_look_is_running_until_it_is_done() -> None:
    pod = attempt("only", "1", terminated={"exitCode": 0})
    pod.status.phase = "Succeeded"
    (state,) = judge(job(), pod)

    assert str(state.run) == "running"


def test_the_tag_of_a_job_is_that_of_its_template_whatever_is_left_of_its_pods() -> None:
    template = {"spec": {"containers": [{"name": "migrate", "image": "app:1"}, {"name": "proxy", "image": "proxy:9"}]}}
    running, done = job(), job(("Complete", "CompletionsReached"))
    running.spec.template = done.spec.template = template
    pod = attempt("only", "1", running={})

    states = [judge(running)[0], judge(running, pod)[0], judge(done, pod)[0], judge(done)[0]]
    assert [state.tags for state in states] == [("1",)] * 4
    assert states[2] == replace(states[3], run=states[2].run)


def test_a_hook_that_helm_removes_when_it_is_done_is_told_of_with_the_time_that_we_saw() -> None:
    now = 0.0
    objects = Objects(jobs={"j1": job()})
    judged = Jobs(objects, lambda: now)
    hook = Members("shop", {("Job", "app-migrate"): Member("Job", "app-migrate", "migrate")})

    assert [str(state.run) for state in judged(hook)] == ["waiting"]
    now = 4.23
    objects.jobs.clear()
    objects.gone_jobs["j1"] = job(("Complete", "CompletionsReached"), seconds=4)
    assert [str(state.run) for state in judged(hook)] == ["done in 4.2 s"]
    # One that is deleted before it is done is gone.
    objects.gone_jobs["j1"] = job()
    assert judged(hook) == []


def statefulset(pods: tuple[Pod, ...], *events: Event) -> ServiceState:
    workload = convert(
        {
            "metadata": {"name": "db", "uid": "s1", "generation": 1},
            "spec": {"replicas": 1, "selector": {}, "template": {}, "serviceName": "db"},
            "status": {"replicas": 0, "observedGeneration": 1, "updateRevision": "db-1"},
        },
        StatefulSet,
    )
    found = Objects(statefulsets={"s1": workload}, pods=dict(enumerate(pods)))  # type: ignore[arg-type] # any key does
    found.events.update(enumerate(events))  # type: ignore[arg-type] # any key does
    (state,) = assess(found, alone("StatefulSet", "db", "db"))
    return state


def db(**state: Any) -> Pod:
    pod = attempt("db-0", "1", **state)
    assert pod.metadata.ownerReferences is not None
    pod.metadata.ownerReferences[0].uid = "s1"
    pod.metadata.labels = {"controller-revision-hash": "db-1"}
    return pod


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (QUOTA, "Forbidden"),
        ('admission webhook "policy" denied the request: no', "Forbidden"),
        ('pods "x" is forbidden: error looking up service account n/default: not found', "FailedCreate"),
        ('failed calling webhook "policy": connection refused', "FailedCreate"),
    ],
)
def test_pods_that_a_statefulset_does_not_get_are_named_by_its_event(message: str, reason: str) -> None:
    """What is refused for good, and what another try may get, have different graces."""
    state = statefulset((), warning("s1", "FailedCreate", message))

    assert state.troubles == (Trouble(reason, message),)


def test_a_refusal_that_was_followed_by_a_pod_is_over() -> None:
    assert statefulset((db(running={}),), warning("s1", "FailedCreate", QUOTA)).troubles == ()


def test_a_volume_that_is_not_there_is_named_by_the_pods_event_until_the_container_is_made() -> None:
    event = warning("db-0", "FailedMount", 'secret "x" not found')
    waits = db(waiting={"reason": "ContainerCreating"})

    assert statefulset((waits,), event).troubles == (Trouble("FailedMount", 'secret "x" not found', "db-0"),)
    assert statefulset((db(running={}),), event).troubles == ()


def test_the_evidence_holds_warnings_and_the_logs_before_and_after_the_restart(api: ApiServer) -> None:
    event = {"involvedObject": {"uid": "u1"}, "metadata": {}, "reason": "BackOff", "message": "restarting"}
    api.answers["/api/v1/namespaces/apps/events"] = (200, {"items": [event, event], "metadata": {}})
    api.answers["/api/v1/namespaces/apps/pods/web-1/log"] = (200, {"line": 1})
    trouble = Trouble("CrashLoopBackOff", "", "web-1", "web", uid="u1")

    (found,) = collect(api, ("web", trouble))

    assert found == Evidence("web", trouble, ("BackOff: restarting",), ('{"line": 1}',), ('{"line": 1}',))
    logs = [path for path in api.requests if "/log?" in path]
    assert ["previous=true" in path.lower() for path in logs] == [False, True]
    assert all("tailLines=50" in path and "container=web" in path for path in logs)


def test_a_log_that_is_not_there_is_no_line_and_one_that_may_not_be_read_says_so(api: ApiServer) -> None:
    refused = {"kind": "Status", "code": 403, "message": "pods/log is forbidden", "reason": "Forbidden"}
    api.answers["/api/v1/namespaces/apps/pods/web-2/log"] = (403, refused)
    gone, closed = [Trouble("CrashLoopBackOff", "", pod, "web") for pod in ("web-1", "web-2")]

    first, second = collect(api, ("web", gone), ("worker", closed))

    assert first.log == ()
    assert "forbidden" in second.log[0]
    assert "the events cannot be read" in first.events[0]


def test_a_long_line_is_cut_with_its_length_and_a_secret_in_a_log_or_an_event_is_hidden(api: ApiServer) -> None:
    message = "cannot reach postgres://app:hunter2@db/shop"
    event = {"involvedObject": {"uid": "u1"}, "metadata": {}, "reason": "Unhealthy", "message": message}
    api.answers["/api/v1/namespaces/apps/events"] = (200, {"items": [event], "metadata": {}})
    long = f"DB_PASSWORD=hunter2 {'x' * 4050} TOKEN=hunter2 {'y' * 10_000}"
    api.answers["/api/v1/namespaces/apps/pods/web-1/log"] = (200, {"line": long})

    (found,) = collect(api, ("web", Trouble("CrashLoopBackOff", "", "web-1", "web", uid="u1")))

    assert found.events == ("Unhealthy: cannot reach postgres://app:(hidden)@db/shop",)
    (line,) = found.log
    assert line.endswith(f"… (cut, {len(long) + 12} bytes in all)")
    assert len(line) < 4150
    assert "hunter2" not in line


def collect(api: ApiServer, *failed: tuple[str, Trouble]) -> list[Evidence]:
    async def main() -> list[Evidence]:
        async with connect(Target(kubeconfig=str(api.kubeconfig))) as client:
            return await evidence(client, failed)

    return asyncio.run(main())


def test_services_that_fail_for_one_cause_are_one_evidence(api: ApiServer) -> None:
    found = [Trouble("ImageNotFound", "app:2 does not exist", f"{name}-1", name) for name in ("web", "worker")]
    other = Trouble("ImageNotFound", "proxy:2 does not exist", "web-2", "proxy")

    first, second = collect(api, ("web", found[0]), ("worker", found[1]), ("web", found[0]), ("web", other))

    assert (first.services, first.pods) == (("web", "worker"), 3)
    assert (second.services, second.pods) == (("web",), 1)


def test_crashes_are_one_cause_when_their_logs_end_alike(api: ApiServer) -> None:
    logs = {"web-1": "12:01 no database", "worker-1": "12:02 no database", "mail-1": "12:03 no route"}
    for pod, text in logs.items():
        api.answers[f"/api/v1/namespaces/apps/pods/{pod}/log"] = (200, {"line": text})
    crashes = [
        (pod[:-2], Trouble("CrashLoopBackOff", f"{number} restarts; ended with exit code 1 (Error)", pod, "c"))
        for number, pod in enumerate(logs, 2)
    ]

    assert [one.services for one in collect(api, *crashes)] == [("web", "worker"), ("mail",)]


def test_a_pod_that_crashed_once_and_a_crash_loop_are_one_cause(api: ApiServer) -> None:
    for pod in ("db-0", "db-1", "web-1"):
        api.answers[f"/api/v1/namespaces/apps/pods/{pod}/log"] = (200, {"line": "bad build"})
    crashed = [Trouble("Crashed", "1 restart; ended with exit code 1 (Error)", pod, "c") for pod in ("web-1", "db-0")]
    loop = Trouble("CrashLoopBackOff", "2 restarts; ended with exit code 1 (Error)", "db-1", "c")

    (cause,) = collect(api, ("web", crashed[0]), ("db", crashed[1]), ("db", loop))

    assert (cause.trouble.reason, cause.services, cause.pods) == ("CrashLoopBackOff", ("db", "web"), 3)
