"""Which pods count, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec import convert, to_builtins

from sametag.rollout import GRACE, Image, Patience, PodState, ServiceState, Trouble, pod_runs, split
from sametag.rollout.objects import DaemonSet, Deployment, Event, Pod, ReplicaSet, StatefulSet
from sametag.rollout.state import Assessor, assess
from sametag.rollout.workload import Objects

REPOSITORY = "registry.example.com:5000/team/app"
OLD, NEW = f"{REPOSITORY}:0.0.5", f"{REPOSITORY}:0.0.6"


def owned(kind: str, uid: str) -> list[dict[str, Any]]:
    return [{"apiVersion": "apps/v1", "kind": kind, "name": uid, "uid": uid}]


def deployment(**status: Any) -> Deployment:
    return convert(
        {
            "metadata": {
                "name": "app-web",
                "uid": "d1",
                "generation": 2,
                "labels": {"app.kubernetes.io/component": "web"},
            },
            "spec": {"replicas": 1, "selector": {}, "template": {}},
            "status": {"observedGeneration": 2, "updatedReplicas": 1, "availableReplicas": 1, **status},
        },
        Deployment,
    )


def replicaset(uid: str, revision: int) -> ReplicaSet:
    return convert(
        {
            "metadata": {
                "name": uid,
                "uid": uid,
                "annotations": {"deployment.kubernetes.io/revision": str(revision)},
                "ownerReferences": owned("Deployment", "d1"),
            },
            "spec": {"selector": {}},
        },
        ReplicaSet,
    )


def pod(name: str, owner: str, image: str, state: dict[str, Any] | None = None, **status: Any) -> Pod:
    container = {"name": "web", "image": image, "imageID": "", "ready": False, "restartCount": 0, **status}
    if state is not None:
        container["state"] = state
    return convert(
        {
            "metadata": {"name": name, "uid": name, "ownerReferences": owned("ReplicaSet", owner)},
            "spec": {"containers": [{"name": "web", "image": image}]},
            "status": {
                "conditions": [{"type": "Ready", "status": "False" if state else "True"}],
                "containerStatuses": [container],
            },
        },
        Pod,
    )


def judge(*pods: Pod, of: Deployment | None = None) -> ServiceState:
    workload = of or deployment()
    sets = [replicaset("old", 9), replicaset("new", 10)]
    (state,) = assess(
        Objects(
            deployments={"d1": workload},
            replicasets={s.metadata.uid: s for s in sets},
            pods={p.metadata.uid: p for p in pods},
        )
    )
    return state


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    return {"waiting": {"reason": reason, "message": message}}


def test_the_newest_replicaset_is_the_one_with_the_highest_revision_as_a_number() -> None:
    """10 comes after 9, although "10" sorts before "9"."""
    state = judge(pod("a", "old", OLD), pod("b", "new", NEW))

    assert [p.name for p in state.pods] == ["b"]
    assert [p.name for p in state.others] == ["a"]


def test_the_replicaset_of_another_template_is_not_the_newest_whatever_the_controller_has_seen() -> None:
    """When replicas and image change at once, the controller says that it has seen it before it makes the new one."""
    of = deployment()
    of.spec.template = {"metadata": {"annotations": {"changed": "yes"}}}
    state = judge(pod("b", "new", OLD, waiting("ImagePullBackOff", "not found")), of=of)

    assert ([p.name for p in state.pods], [p.name for p in state.others], state.troubles) == ([], ["b"], ())
    assert not state.complete


def test_the_label_that_the_controller_adds_makes_no_other_template() -> None:
    made = replicaset("made", 3)
    made.spec.template = {"metadata": {"labels": {"pod-template-hash": "x"}}}
    objects = Objects({"d1": deployment()}, replicasets={"made": made}, pods={"b": pod("b", "made", NEW)})

    assert [p.name for p in assess(objects)[0].pods] == ["b"]


def test_a_service_is_complete_once_no_older_pod_is_left() -> None:
    assert judge(pod("b", "new", NEW)).complete
    assert not judge(pod("a", "old", OLD), pod("b", "new", NEW)).complete


def test_a_service_is_not_complete_before_the_controller_has_seen_its_spec() -> None:
    assert not judge(pod("b", "new", NEW), of=deployment(observedGeneration=1)).complete


def test_a_pod_that_is_being_deleted_does_not_count() -> None:
    leaving = pod("a", "old", OLD)
    leaving.metadata.deletionTimestamp = "2026-01-01T00:00:00Z"

    assert judge(leaving, pod("b", "new", NEW)).complete


def test_an_evicted_pod_does_not_count() -> None:
    evicted = pod("a", "new", NEW)
    assert evicted.status is not None
    evicted.status.phase = "Failed"

    assert judge(evicted, pod("b", "new", NEW)).complete


def test_the_trouble_of_an_older_pod_is_not_the_rollouts() -> None:
    state = judge(pod("a", "old", OLD, waiting("ImagePullBackOff", "not found")), pod("b", "new", NEW))

    assert state.troubles == ()


def test_only_what_has_changed_is_judged_anew() -> None:
    """Of a hundred services one changes at a time."""
    pods = {"a": pod("a", "r1", OLD)}
    objects = Objects(deployments={"d1": deployment()}, replicasets={"r1": replicaset("r1", 1)}, pods=pods)
    assessor = Assessor(objects)
    (first,) = assessor()

    assert assessor()[0] is first

    pods["a"] = pod("a", "r1", OLD, {"waiting": {"reason": "ErrImagePull", "message": "not found"}})
    assert [trouble.reason for trouble in assessor()[0].troubles] == ["ImageNotFound"]

    warning = {"involvedObject": {"uid": "a"}, "reason": "FailedMount", "message": "no secret", "metadata": {}}
    pods["a"] = pod("a", "r1", OLD, {"waiting": {"reason": "ContainerCreating"}})
    assert assessor()[0].troubles == ()
    objects.events["e"] = convert(warning, Event)
    assert [trouble.reason for trouble in assessor()[0].troubles] == ["FailedMount"]

    objects.deployments.clear()
    assert assessor() == []


@pytest.mark.parametrize(
    ("state", "more", "reason"),
    [
        (waiting("ErrImagePull", 'failed to resolve reference "x": not found'), {}, "ImageNotFound"),
        (
            waiting("ImagePullBackOff", "Back-off pulling image: ErrImagePull: NotFound: x: not found"),
            {},
            "ImageNotFound",
        ),
        (waiting("ErrImagePull", "dial tcp: connection refused"), {}, "ErrImagePull"),
        (waiting("InvalidImageName"), {}, "InvalidImageName"),
        (waiting("RunContainerError", 'exec: "/web": no such file'), {}, "StartError"),
        ({"terminated": {"reason": "StartError", "exitCode": 128}}, {}, "StartError"),
        (
            waiting("CrashLoopBackOff"),
            {"restartCount": 1, "lastState": {"terminated": {"reason": "StartError", "exitCode": 128}}},
            "StartError",
        ),
        (
            waiting("CrashLoopBackOff"),
            {"restartCount": 2, "lastState": {"terminated": {"reason": "OOMKilled", "exitCode": 137}}},
            "CrashLoopBackOff",
        ),
        (waiting("CrashLoopBackOff"), {"restartCount": 1}, "Crashed"),
        (waiting("CreateContainerConfigError", 'secret "x" not found'), {}, "CreateContainerConfigError"),
    ],
)
def test_a_stuck_container_is_named_by_its_reason(state: dict[str, Any], more: dict[str, Any], reason: str) -> None:
    troubles = judge(pod("b", "new", NEW, state, **more)).troubles

    assert [(trouble.reason, trouble.pod, trouble.container) for trouble in troubles] == [(reason, "b", "web")]


@pytest.mark.parametrize(
    ("state", "more"),
    [
        (waiting("ContainerCreating"), {}),
        (waiting("CreateContainerConfigError", "failed to sync secret cache"), {}),
        ({"running": {}}, {"ready": True, "lastState": {"terminated": {"reason": "StartError", "exitCode": 128}}}),
    ],
)
def test_what_may_heal_by_itself_is_no_trouble(state: dict[str, Any], more: dict[str, Any]) -> None:
    assert judge(pod("b", "new", NEW, state, **more)).troubles == ()


def test_an_exit_code_says_more_than_back_off() -> None:
    ended = {"terminated": {"reason": "OOMKilled", "exitCode": 137}}
    (trouble,) = judge(pod("b", "new", NEW, waiting("CrashLoopBackOff"), restartCount=2, lastState=ended)).troubles

    assert trouble.summary == "CrashLoopBackOff: 2 restarts; ended with exit code 137 (OOMKilled)"


def with_sets(*sets: ReplicaSet, **status: Any) -> ServiceState:
    found = {s.metadata.uid: s for s in sets}
    (state,) = assess(Objects(deployments={"d1": deployment(**status)}, replicasets=found))
    return state


def failing(replicaset_: ReplicaSet) -> ReplicaSet:
    """A quota or an admission refuses its pods: there is none to look at."""
    message = "pods is forbidden: exceeded quota: q"
    refused = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message}
    return convert({**to_builtins(replicaset_), "status": {"replicas": 0, "conditions": [refused]}}, ReplicaSet)


def test_a_deployment_that_gets_no_pods_is_named() -> None:
    (trouble,) = with_sets(replicaset("old", 9), failing(replicaset("new", 10))).troubles

    assert (trouble.reason, trouble.pod) == ("Forbidden", "")
    assert "exceeded quota: q" in trouble.message


def test_what_is_wrong_with_the_spec_before_is_not_held_against_a_rollback() -> None:
    """The Deployment's own conditions tell of it for some time after its controller has seen the new spec."""
    late = {
        "type": "Progressing",
        "status": "False",
        "reason": "ProgressDeadlineExceeded",
    }
    conditions = [[{**late, "message": f'ReplicaSet "{name}" has timed out progressing.'}] for name in ("old", "new")]
    troubles = [
        with_sets(failing(replicaset("old", 9)), replicaset("new", 10), conditions=found).troubles
        for found in conditions
    ]

    assert [[trouble.reason for trouble in found] for found in troubles] == [[], ["ProgressDeadlineExceeded"]]


def test_a_service_is_not_judged_by_the_replicaset_before_its_own_is_seen() -> None:
    """Each kind has a watch of its own, and one may be late."""
    old = failing(replicaset("old", 9))
    assert old.spec is not None
    old.spec.template = {"metadata": {"annotations": {"changed": "yes"}}}
    state = with_sets(old)

    assert state.troubles == ()
    assert not state.complete


def test_every_grace_is_named_by_a_reason_that_a_person_can_look_up() -> None:
    assert all(reason.isalpha() and seconds >= 0 for reason, seconds in GRACE.items())


def labelled(name: str, owner: str, image: str, **labels: str) -> Pod:
    found = pod(name, owner, image)
    found.metadata.labels = {key.replace("_", "-"): value for key, value in labels.items()}
    return found


def test_the_newest_pods_of_a_statefulset_have_its_update_revision() -> None:
    workload = convert(
        {
            "metadata": {"name": "db", "uid": "s1", "generation": 3},
            "spec": {"replicas": 2, "selector": {}, "template": {}, "serviceName": "db"},
            "status": {
                "replicas": 2,
                "observedGeneration": 3,
                "updatedReplicas": 1,
                "availableReplicas": 2,
                "updateRevision": "db-new",
            },
        },
        StatefulSet,
    )
    pods = [
        labelled("db-0", "s1", OLD, controller_revision_hash="db-old"),
        labelled("db-1", "s1", NEW, controller_revision_hash="db-new"),
    ]
    (state,) = assess(Objects(statefulsets={"s1": workload}, pods={p.metadata.name: p for p in pods}))

    assert ([p.name for p in state.pods], [p.name for p in state.others]) == (["db-1"], ["db-0"])
    assert not state.complete


def test_the_newest_pods_of_a_daemonset_have_its_template_generation() -> None:
    workload = convert(
        {
            "metadata": {
                "name": "agent",
                "uid": "a1",
                "generation": 2,
                "annotations": {"deprecated.daemonset.template.generation": "2"},
            },
            "spec": {"selector": {}, "template": {}},
            "status": {
                "currentNumberScheduled": 1,
                "desiredNumberScheduled": 1,
                "numberMisscheduled": 0,
                "numberReady": 1,
                "numberAvailable": 1,
                "updatedNumberScheduled": 1,
                "observedGeneration": 2,
            },
        },
        DaemonSet,
    )
    found = labelled("agent-x", "a1", NEW, pod_template_generation="2")
    (state,) = assess(Objects(daemonsets={"a1": workload}, pods={"agent-x": found}))

    assert state.complete
    assert state.tags == ("0.0.6",)


def test_patience_ends_when_a_trouble_outlasts_its_grace() -> None:
    now = 0.0
    patience = Patience(lambda: now)
    slow, hopeless = Trouble("Unschedulable", "", "a"), Trouble("ImageNotFound", "", "b")

    assert patience.exhausted([("web", slow)]) == []
    assert patience.exhausted([("web", slow), ("api", hopeless)]) == [("api", hopeless)]
    now = GRACE["Unschedulable"]
    assert patience.exhausted([("web", slow)]) == [("web", slow)]


def test_patience_starts_anew_when_a_trouble_went_away() -> None:
    now = 0.0
    patience = Patience(lambda: now)
    slow = Trouble("Unschedulable", "", "a")
    patience.exhausted([("web", slow)])
    patience.exhausted([])
    now = GRACE["Unschedulable"]

    assert patience.exhausted([("web", slow)]) == []


@pytest.mark.parametrize(
    ("reference", "parts"),
    [
        ("app", ("app", "", "")),
        ("app:1", ("app", "1", "")),
        ("localhost:5000/app", ("localhost:5000/app", "", "")),
        ("localhost:5000/app:1.10", ("localhost:5000/app", "1.10", "")),
        ("app@sha256:ab", ("app", "", "sha256:ab")),
        ("localhost:5000/app:1@sha256:ab", ("localhost:5000/app", "1", "sha256:ab")),
    ],
)
def test_an_image_reference_splits_into_repository_tag_and_digest(reference: str, parts: tuple[str, str, str]) -> None:
    assert parts == split(reference)


@pytest.mark.parametrize(
    ("images", "runs"),
    [
        ((NEW,), True),
        ((OLD,), False),
        ((NEW, "docker.io/envoy:1"), True),  # a sidecar has an image of its own
        ((NEW, OLD), False),
        (("docker.io/envoy:1",), False),
        ((f"{NEW}@sha256:ab",), False),
    ],
)
def test_a_pod_is_on_the_tag_when_all_its_containers_of_the_repository_are(
    images: tuple[str, ...], *, runs: bool
) -> None:
    assert runs == pod_runs(PodState("a", images, ready=True, restarts=0, digests=()), Image(REPOSITORY, "0.0.6"))


def test_every_reason_is_documented_with_its_grace() -> None:
    lines = (Path(__file__).parents[2] / "docs/reference/rollout.md").read_text().splitlines()
    rows = [[cell.strip() for cell in line.split("|")] for line in lines if line.startswith("| `")]

    assert {row[1].strip("`"): float(row[2]) for row in rows} == dict(GRACE)
