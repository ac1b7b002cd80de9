"""A reason is judged by what it is: the messages are those of kubelets, runtimes, registries and controllers."""

from __future__ import annotations

import argparse
import math
from typing import Any

import pytest
from msgspec import convert

from sametag.cli.context import request_of
from sametag.errors import UsageError
from sametag.rollout import DEADLINE, GRACE, HOPELESS, Patience, Trouble
from sametag.rollout.images import why_not_pulled
from sametag.rollout.kube_types import Event, Pod, Variable
from sametag.rollout.starting import said_by_exec, why_not_started
from sametag.rollout.trouble import pod_crashes, pod_troubles, refused

IMAGE = "localhost:5000/app:1"
PULL = f'failed to pull and unpack image "{IMAGE}": '
RESOLVE = f'{PULL}failed to resolve reference "{IMAGE}": '
ENTRY = "unexpected status from HEAD request to http://localhost:5000/v2/app/manifests/1: "
BLOB = (
    f"{PULL}failed to copy: httpReadSeeker: failed open: could not fetch content descriptor sha256:ab12 "
    "(application/x) from remote: not found"
)
TOKEN = (
    f"{RESOLVE}failed to authorize: failed to fetch anonymous token: "
    "unexpected status from GET request to https://auth/token: 404 Not Found"
)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (f"{RESOLVE}{IMAGE}: not found", "ImageNotFound"),
        (f"failed to resolve image: {IMAGE}: not found", "ImageNotFound"),
        ("reading manifest 1 in localhost:5000/app: manifest unknown", "ImageNotFound"),
        ("reading manifest 1 in localhost:5000/app: name unknown: repository name not known", "ImageNotFound"),
        ("manifest for localhost:5000/app:1 not found: manifest unknown: manifest unknown", "ImageNotFound"),
        (f"{PULL}no match for platform in manifest: not found", "ImageWrongPlatform"),
        ("choosing image instance: no image found in image index for architecture amd64", "ImageWrongPlatform"),
        ("no matching manifest for linux/amd64 in the manifest list entries", "ImageWrongPlatform"),
        (BLOB, "ImageIncomplete"),
        ("writing blob: blob unknown to registry", "ImageIncomplete"),
        (TOKEN, "RegistryError"),
        (f"{PULL}unexpected media type text/html for sha256:ab: not found", "RegistryError"),
        (f"{RESOLVE}{ENTRY}500 Internal Server Error", "RegistryError"),
        (f"{RESOLVE}{ENTRY}503 Service Unavailable", "RegistryError"),
        ("received unexpected HTTP status: 502 Bad Gateway", "RegistryError"),
        (f"{RESOLVE}{ENTRY}429 Too Many Requests", "RegistryRateLimited"),
        ("toomanyrequests: You have reached your pull rate limit", "RegistryRateLimited"),
        (f"{RESOLVE}{ENTRY}401 Unauthorized", "ImagePullDenied"),
        (f"{RESOLVE}{ENTRY}403 Forbidden", "ImagePullDenied"),
        ("pull access denied, repository does not exist or may require authorization", "ImagePullDenied"),
        ("failed to authorize: failed to fetch oauth token: unexpected status: 401 Unauthorized", "ImagePullDenied"),
        (f'{RESOLVE}failed to do request: Head "http://r/v2": dial tcp 127.0.0.1:1: connect: refused', "ErrImagePull"),
        (f'{RESOLVE}failed to do request: Head "https://r/v2": net/http: TLS handshake timeout', "ErrImagePull"),
        (f"{RESOLVE}dial tcp: lookup registry.invalid: no such host", "ErrImagePull"),
        ("secret pull-secret not found", "ErrImagePull"),
        ("", "ErrImagePull"),
    ],
)
@pytest.mark.parametrize(
    "before", ["", f'Back-off pulling image "{IMAGE}": ErrImagePull: rpc error: code = NotFound desc = ']
)
def test_a_failed_pull_is_named_for_what_the_registry_said(before: str, message: str, reason: str) -> None:
    found, words = why_not_pulled(before + message, IMAGE, "node-1")

    assert (found, found in GRACE) == (reason, True)
    assert "Back-off" not in words
    assert words


def test_while_it_waits_the_kubelet_means_the_same_as_when_it_tries() -> None:
    """The grace must not begin again with every other look."""
    message = f"{RESOLVE}dial tcp 127.0.0.1:1: connect: connection refused"

    assert why_not_pulled(message, IMAGE) == why_not_pulled(
        f'Back-off pulling image "{IMAGE}": ErrImagePull: {message}', IMAGE
    )


def test_the_words_are_about_the_image() -> None:
    assert why_not_pulled(f"{PULL}no match for platform in manifest: not found", IMAGE, "n1")[1] == (
        f"{IMAGE} is not built for the platform of node n1"
    )
    assert why_not_pulled(TOKEN, IMAGE)[1] == f"the registry's token server answered 404 Not Found for {IMAGE}"
    assert why_not_pulled(BLOB, IMAGE)[1] == f"the registry has {IMAGE}, but not all of it: sha256:ab12"


def pod(status: dict[str, Any], *, condition: dict[str, Any] | None = None, **container: Any) -> Pod:
    entry = {"name": "web", "image": IMAGE, **container}
    state = {"name": "web", "image": IMAGE, "ready": False, "restartCount": 0, **status}
    return convert(
        {
            "metadata": {"name": "web-1", "uid": "p"},
            "spec": {"containers": [entry], "nodeName": "n1"},
            "status": {"conditions": [condition] if condition else [], "containerStatuses": [state]},
        },
        Pod,
    )


def event(reason: str, message: str, count: int = 1, container: str = "web") -> Event:
    about = {"uid": "p", "fieldPath": f"spec.containers{{{container}}}"}
    return convert(
        {"metadata": {}, "involvedObject": about, "reason": reason, "message": message, "count": count}, Event
    )


def reasons(found: Pod, *events: Event) -> list[str]:
    return [trouble.reason for trouble in pod_troubles(found, events)]


def test_an_older_kubelet_tells_the_error_of_a_pull_in_an_event() -> None:
    backing_off = pod(
        {"state": {"waiting": {"reason": "ImagePullBackOff", "message": f'Back-off pulling image "{IMAGE}"'}}}
    )
    told = event("Failed", f'Failed to pull image "{IMAGE}": {RESOLVE}{ENTRY}429 Too Many Requests')

    assert reasons(backing_off, told) == ["RegistryRateLimited"]
    assert reasons(backing_off) == ["ErrImagePull"]


REFUSED = "Startup probe failed: dial tcp 10.0.0.3:8081: connect: connection refused"
STARTUP = {"startupProbe": {"periodSeconds": 2, "failureThreshold": 3}}
READINESS = {"readinessProbe": {"periodSeconds": 2, "failureThreshold": 3}}
LIVENESS = {"livenessProbe": {"periodSeconds": 2, "failureThreshold": 3}}


def ran(seconds: int, code: int = 137, reason: str = "Error") -> dict[str, Any]:
    times = {"startedAt": "2026-01-02T03:04:00Z", "finishedAt": f"2026-01-02T03:04:{seconds:02}Z"}
    return {"lastState": {"terminated": {"exitCode": code, "reason": reason, **times}}, "restartCount": 1}


RUNS = {"state": {"running": {}}, "ready": True}
ENDED = {"terminated": {"exitCode": 3, "reason": "Error"}}
DONE = {"terminated": {"exitCode": 0, "reason": "Completed"}}


@pytest.mark.parametrize(
    ("status", "crash"),
    [
        ({"state": ENDED}, "Crashed: ended with exit code 3 (Error)"),
        ({**RUNS, "restartCount": 1, "lastState": ENDED}, "Crashed: 1 restart; ended with exit code 3 (Error)"),
        (
            {**RUNS, "restartCount": 2, "lastState": ENDED},
            "CrashLoopBackOff: 2 restarts; ended with exit code 3 (Error)",
        ),
        ({**RUNS, "restartCount": 1, "lastState": DONE}, ""),
        (RUNS, ""),
    ],
)
def test_a_container_that_ended_with_an_error_has_crashed_even_while_it_runs(
    status: dict[str, Any], crash: str
) -> None:
    assert [trouble.summary for trouble in pod_crashes(pod(status), [])] == ([crash] if crash else [])


def test_a_container_that_its_readiness_probe_finds_ready_is_well() -> None:
    status = {**RUNS, "restartCount": 1, "lastState": ENDED}
    probe = {"httpGet": {"port": 80}}

    assert not [*pod_crashes(pod({**status, "ready": True}, readinessProbe=probe), [])]
    assert [*pod_crashes(pod({**status, "ready": False}, readinessProbe=probe), [])]


def test_a_container_that_its_startup_probe_killed_is_named_with_the_kubelets_words() -> None:
    states: list[dict[str, Any]] = [{"running": {}}, {"waiting": {"reason": "CrashLoopBackOff"}}]
    for state in states:
        killed = pod({"state": state, "started": False, **ran(5)}, **STARTUP)
        (trouble,) = pod_troubles(killed, [event("Unhealthy", REFUSED, 3)])

        assert (trouble.reason, trouble.message) == ("StartupProbeFailed", f"{REFUSED}; restarted once")


def test_a_crash_while_the_startup_probe_fails_is_a_crash() -> None:
    crashed = {"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "started": False}
    told = event("Unhealthy", REFUSED)

    assert reasons(pod({**crashed, **ran(1, 3)}, **STARTUP), told) == ["Crashed"]
    assert reasons(pod({**crashed, **ran(5, 137, "OOMKilled")}, **STARTUP), told) == ["Crashed"]
    assert reasons(pod({"state": {"running": {}}, "started": False, **ran(1, 3)}, **STARTUP), told) == []


def test_a_container_that_its_liveness_probe_killed_twice_has_no_grace_left() -> None:
    failed = event("Unhealthy", "Liveness probe failed: HTTP probe failed with statuscode: 500", 6)
    killed = pod({"state": {"running": {}}, "started": True, **ran(9), "restartCount": 2}, **LIVENESS)
    (trouble,) = pod_troubles(killed, [failed])

    assert (trouble.reason, trouble.overdue) == ("LivenessProbeFailed", True)
    assert Patience().exhausted([("web", trouble)]) == [("web", trouble)]
    assert Patience(given={"LivenessProbeFailed": 9}).exhausted([("web", trouble)]) == []


@pytest.mark.parametrize(("count", "found"), [(2, []), (3, ["ReadinessProbeFailed"])])
def test_a_readiness_probe_is_named_once_it_has_failed_as_often_as_it_may(count: int, found: list[str]) -> None:
    running = pod({"state": {"running": {}}, "started": True}, **READINESS)
    failed = event("Unhealthy", "Readiness probe failed: dial tcp 10.0.0.3:8081: connect: connection refused", count)
    others = event("Unhealthy", "Readiness probe failed: x", 9, "sidecar")

    assert reasons(running, failed, others) == found
    ready = pod({"state": {"running": {}}, "started": True, "ready": True}, **READINESS)
    assert reasons(ready, failed) == []


def test_who_brings_a_node_is_said() -> None:
    unschedulable = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes"}
    found = pod({"state": {}}, condition=unschedulable)
    scaling = event("TriggeredScaleUp", "pod triggered scale-up: [{pool 1->2 (max: 3)}]")

    assert [one.message for one in pod_troubles(found, [scaling])] == [f"0/1 nodes ({scaling.message})"]
    found.status.nominatedNodeName = "n7"
    assert [one.message for one in pod_troubles(found, [])] == ["0/1 nodes (node n7 is being cleared for it)"]


QUOTA = 'pods "web-7-x" is forbidden: exceeded quota: q, requested: {}, used: pods=3, limited: {}'


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (QUOTA.format("pods=1", "pods=3"), "QuotaExceeded"),
        (QUOTA.format("requests.memory=16Mi", "requests.memory=1Gi"), "QuotaExceeded"),
        (QUOTA.format("limits.cpu=500m,limits.memory=1Gi", "limits.cpu=1,limits.memory=1G"), "Forbidden"),
        (QUOTA.format("pods=1", "pods=0"), "Forbidden"),
        ('pods "x" is forbidden: failed quota: q: must specify limits.cpu', "Forbidden"),
        ('pods "x" is forbidden: maximum cpu usage per Container is 1, but limit is 2', "Forbidden"),
        ('pods "x" is forbidden: violates PodSecurity "restricted:latest": …', "Forbidden"),
        ("pods \"x\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no", "Forbidden"),
        ('admission webhook "w" denied the request: no', "Forbidden"),
        ('pods "x" is forbidden: error looking up service account a/b: serviceaccount "b" not found', "FailedCreate"),
        ('Internal error occurred: failed calling webhook "w": context deadline exceeded', "FailedCreate"),
    ],
)
def test_a_quota_that_a_pod_frees_is_no_refusal_for_good(message: str, reason: str) -> None:
    assert refused(message).reason == reason


INIT = (
    "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: "
    "unable to start container process: "
)


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (
            f'{INIT}exec: "scheduler": executable file not found in $PATH: unknown',
            '"scheduler" is not in the image (PATH: /app:/bin)',
        ),
        (f'{INIT}exec: "/app/x": stat /app/x: no such file or directory: unknown', '"/app/x" is not in the image, or'),
        (f'{INIT}exec: "/etc/passwd": permission denied: unknown', '"/etc/passwd" may not be executed: permission'),
        (f'{INIT}exec: "/app": is a directory: unknown', '"/app" is a directory'),
        (
            "crun: executable file `scheduler` not found in $PATH: No such file or directory",
            '"scheduler" is not in the',
        ),
        ("exec /app/x: exec format error", '"/app/x" is not a program for this node: exec format error'),
        (f"{INIT}chdir to cwd (/nope) failed", "chdir to cwd (/nope) failed"),
    ],
)
def test_a_command_that_does_not_start_is_said_in_words_about_the_image(message: str, words: str) -> None:
    found = pod({"state": {"terminated": {"reason": "StartError", "exitCode": 128, "message": message}}})
    found.spec.containers[0].env = [Variable("PATH", "/app:/bin")]
    (trouble,) = pod_troubles(found, [])

    assert trouble.reason == "StartError"
    assert trouble.message.startswith(words)
    assert why_not_started(message, None)


def test_the_runtimes_own_line_in_a_log_is_told_from_a_programs() -> None:
    assert said_by_exec(["exec /app/run.sh: no such file or directory"]).startswith('"/app/run.sh" is not in the image')
    assert said_by_exec(["starting", "exec /app/x: no such file or directory"]) == ""
    assert said_by_exec(["open /data/x: no such file or directory"]) == ""
    assert said_by_exec([]) == ""


def test_only_what_no_waiting_mends_ends_a_rescue_and_it_has_no_grace() -> None:
    assert all(GRACE[reason] == 0 for reason in HOPELESS)
    assert GRACE["Unschedulable"] == GRACE["QuotaExceeded"] == DEADLINE == math.inf


def graces(*words: str) -> dict[str, float]:
    arguments = argparse.Namespace(
        kubeconfig=None, kube_context=None, namespace=None, release="app", fail_fast=True, grace=list(words)
    )
    return dict(request_of(arguments, print).options.grace)


def test_a_grace_is_a_reason_and_a_duration() -> None:
    assert graces("Unschedulable=2m", "ImageNotFound=30s") == {"Unschedulable": 120, "ImageNotFound": 30}


@pytest.mark.parametrize("word", ["Unschedulabel=2m", "Unschedulable", "Unschedulable=2", "Unschedulable=-1s", "=1s"])
def test_a_grace_that_cannot_be_read_is_refused(word: str) -> None:
    with pytest.raises(UsageError) as caught:
        graces(word)
    if not word.startswith("Unschedulable"):
        assert "ImageNotFound, " in str(caught.value.remedy)


def test_the_cause_is_what_all_pods_share() -> None:
    first = Trouble("CrashLoopBackOff", "2 restarts; ended with exit code 3 (Error)", "web-1")
    second = Trouble("CrashLoopBackOff", "3 restarts; ended with exit code 3 (Error)", "web-2")
    other = Trouble("CrashLoopBackOff", "3 restarts; ended with exit code 4 (Error)", "web-2")

    assert first.cause == second.cause != other.cause
