"""Which pods count, and what is wrong with them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from msgspec import convert, to_builtins

from sametag.rollout import GRACE, Member, Members, Patience, ServiceState, Trouble, same_image, split
from sametag.rollout.assess import Assessor, assess
from sametag.rollout.kube_types import DaemonSet, Deployment, Event, Pod, ReplicaSet, StatefulSet
from sametag.rollout.workload import Objects

REPOSITORY = "registry.example.com:5000/team/app"
OLD, NEW = f"{REPOSITORY}:0.0.5", f"{REPOSITORY}:0.0.6"
WEB = Members("app", {("Deployment", "app-web"): Member("Deployment", "app-web", "web", "web", NEW)})


def alone(kind: str, name: str) -> Members:
    return Members("app", {(kind, name): Member(kind, name, name, "web", NEW)})


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
        ),
        WEB,
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

    assert [p.name for p in assess(objects, WEB)[0].pods] == ["b"]


@pytest.mark.parametrize("written", ["abc", "", "-1", "1.5", "²", "9" * 5000])
def test_a_revision_that_somebody_has_written_over_comes_before_all_others(written: str) -> None:
    odd = replicaset("odd", 1)
    odd.metadata.annotations["deployment.kubernetes.io/revision"] = written
    sets = {"odd": odd, "new": replicaset("new", 2)}
    objects = Objects({"d1": deployment()}, replicasets=sets, pods={"b": pod("b", "new", NEW)})

    assert [p.name for p in assess(objects, WEB)[0].pods] == ["b"]


def test_a_service_is_complete_once_no_older_pod_is_left() -> None:
    assert judge(pod("b", "new", NEW)).complete
    assert not judge(pod("a", "old", OLD), pod("b", "new", NEW)).complete


def test_a_service_is_not_complete_before_the_controller_has_seen_its_spec() -> None:
    assert not judge(pod("b", "new", NEW), of=deployment(observedGeneration=1)).complete


@pytest.mark.parametrize(("asked", "doubt"), [(2, "it is scaled to 0"), (0, ""), (None, "")])
def test_a_service_that_somebody_has_scaled_to_0_is_not_verified(asked: int | None, doubt: str) -> None:
    workload = deployment(updatedReplicas=0, availableReplicas=0)
    workload.spec.replicas = 0
    member = Member("Deployment", "app-web", "web", "web", NEW, asked)
    objects = Objects(deployments={"d1": workload}, replicasets={"new": replicaset("new", 10)})
    (state,) = assess(objects, Members("app", {("Deployment", "app-web"): member}))

    assert (replace(state, on_tag=True).doubt, state.done) == (doubt, True)


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
    (first,) = assessor(WEB)

    assert assessor(WEB)[0] is first

    pods["a"] = pod("a", "r1", OLD, {"waiting": {"reason": "ErrImagePull", "message": "manifest unknown"}})
    assert [trouble.reason for trouble in assessor(WEB)[0].troubles] == ["ImageNotFound"]

    warning = {"involvedObject": {"uid": "a"}, "reason": "FailedMount", "message": "no secret", "metadata": {}}
    pods["a"] = pod("a", "r1", OLD, {"waiting": {"reason": "ContainerCreating"}})
    assert assessor(WEB)[0].troubles == ()
    objects.events["e"] = convert(warning, Event)
    assert [trouble.reason for trouble in assessor(WEB)[0].troubles] == ["FailedMount"]

    objects.deployments.clear()
    (gone,) = assessor(WEB)
    assert (gone.uid, gone.complete, gone.doubt) == ("", False, "there is no app-web")
    assert assessor(Members("app", {})) == []


@pytest.mark.parametrize(
    ("state", "more", "reason"),
    [
        (waiting("ErrImagePull", 'failed to resolve reference "x": x: not found'), {}, "ImageNotFound"),
        (
            waiting(
                "ImagePullBackOff",
                'Back-off pulling image "x": ErrImagePull: failed to resolve reference "x": x: not found',
            ),
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
    (state,) = assess(Objects(deployments={"d1": deployment(**status)}, replicasets=found), WEB)
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
    found = Objects(statefulsets={"s1": workload}, pods={p.metadata.name: p for p in pods})
    (state,) = assess(found, alone("StatefulSet", "db"))

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
    (state,) = assess(Objects(daemonsets={"a1": workload}, pods={"agent-x": found}), alone("DaemonSet", "agent"))

    assert state.complete
    assert state.tags == ("0.0.6",)


def test_patience_ends_when_a_trouble_outlasts_its_grace() -> None:
    now = 0.0
    patience = Patience(lambda: now)
    slow, hopeless = Trouble("FailedMount", "", "a"), Trouble("ImageNotFound", "", "b")

    assert patience.exhausted([("web", slow)]) == []
    assert patience.exhausted([("web", slow), ("api", hopeless)]) == [("api", hopeless)]
    now = GRACE["FailedMount"]
    assert patience.exhausted([("web", slow)]) == [("web", slow)]


def test_patience_starts_anew_when_a_trouble_went_away() -> None:
    now = 0.0
    patience = Patience(lambda: now)
    slow = Trouble("FailedMount", "", "a")
    patience.exhausted([("web", slow)])
    patience.exhausted([])
    now = GRACE["FailedMount"]

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
    ("there", "same"),
    [
        (NEW, True),
        (OLD, False),
        ("mirror.example.com/team/app:0.0.6", True),  # a registry that admission put in the place of another
        (f"{NEW}@sha256:ab", True),  # a digest that admission pinned
        (f"{OLD}@sha256:ab", False),
        (f"{REPOSITORY}@sha256:ab", None),  # nobody can tell which tag this was
        (REPOSITORY, False),  # latest
    ],
)
def test_what_admission_makes_of_an_image_is_the_same_image(there: str, *, same: bool | None) -> None:
    assert same_image(there, NEW) is same


@pytest.mark.parametrize(("there", "same"), [(f"{NEW}@sha256:ab", True), (f"{NEW}@sha256:cd", False), (NEW, False)])
def test_an_image_with_a_digest_is_the_same_when_the_digest_is(there: str, *, same: bool) -> None:
    assert same_image(there, f"{NEW}@sha256:ab") is same


def on_template(*containers: tuple[str, str]) -> ServiceState:
    workload = deployment()
    workload.spec.template = {"spec": {"containers": [{"name": name, "image": image} for name, image in containers]}}
    return judge(of=workload)


def test_a_service_is_on_the_tag_when_its_template_has_its_image_whatever_its_sidecars_run() -> None:
    """Admission puts containers in front, and a sidecar may be of the same repository."""
    assert on_template(("web", NEW)).on_tag
    assert on_template(("mesh", "mesh:1"), ("web", NEW), ("nginx", OLD)).on_tag
    assert on_template(("web", OLD)).on_tag is False
    assert on_template(("other", NEW)).on_tag is None


def test_a_pod_is_judged_by_the_template_that_it_was_made_of() -> None:
    """The image of the pod itself is whatever admission made of it."""
    workload = deployment()
    workload.spec.template = {"spec": {"containers": [{"name": "web", "image": NEW}]}}
    sets = [replicaset("old", 9), replicaset("new", 10)]
    for replicaset_, image in zip(sets, (OLD, NEW), strict=True):
        replicaset_.spec.template = {"spec": {"containers": [{"name": "web", "image": image}]}}
    pods = [pod("a", "old", "elsewhere@sha256:ab"), pod("b", "new", "elsewhere@sha256:cd")]
    found = Objects({"d1": workload}, replicasets=by_uid(sets), pods=by_uid(pods))
    (state,) = assess(found, WEB)

    assert ([p.on_tag for p in state.pods], [p.on_tag for p in state.others]) == ([True], [False])


def by_uid(items: list[Any]) -> dict[str, Any]:
    return {item.metadata.uid: item for item in items}


def test_what_the_manifest_does_not_have_is_not_looked_at_whatever_it_is_labelled() -> None:
    stranger = deployment()
    stranger.metadata.name, stranger.metadata.uid = "neighbour", "d2"
    (state,) = assess(Objects({"d1": deployment(), "d2": stranger}), WEB)

    assert state.workload == "app-web"


def test_a_workload_of_no_service_is_called_what_it_is_and_comes_last() -> None:
    extra = Member("Deployment", "a-redis")
    redis = deployment()
    redis.metadata.name, redis.metadata.uid = "a-redis", "d2"
    both = Members("app", {**WEB.found, ("Deployment", "a-redis"): extra})
    found = assess(Objects({"d1": deployment(), "d2": redis}), both)

    assert [(state.name, state.extra) for state in found] == [("web", False), ("deployment/a-redis", True)]


@pytest.mark.parametrize(
    ("kind", "spec", "words"),
    [
        ("Deployment", {"paused": True}, "paused"),
        ("StatefulSet", {"updateStrategy": {"type": "OnDelete"}}, "OnDelete"),
        ("DaemonSet", {"updateStrategy": {"type": "OnDelete"}}, "OnDelete"),
        ("StatefulSet", {"updateStrategy": {"rollingUpdate": {"partition": 2}}}, "partition is 2"),
    ],
)
def test_a_workload_that_keeps_old_pods_on_purpose_is_done_and_not_verified(
    kind: str, spec: dict[str, Any], words: str
) -> None:
    types: dict[str, Any] = {"Deployment": Deployment, "StatefulSet": StatefulSet, "DaemonSet": DaemonSet}
    metadata = {"name": "w", "uid": "w", "generation": 1}
    workload = convert({"metadata": metadata, "spec": spec, "status": {"observedGeneration": 1}}, types[kind])
    sets = {"r": replicaset("r", 1)} if kind == "Deployment" else {}
    for replicaset_ in sets.values():
        replicaset_.metadata.ownerReferences[0].uid = "w"
    (state,) = assess(Objects(**{f"{kind.lower()}s": {"w": workload}}, replicasets=sets), alone(kind, "w"))

    assert state.done
    assert words in state.doubt


def test_every_reason_is_documented_with_its_grace() -> None:
    lines = (Path(__file__).parents[2] / "docs/reference/rollout.md").read_text().splitlines()
    rows = [[cell.strip() for cell in line.split("|")] for line in lines if line.startswith("| `")]

    graces = {row[1].strip("`"): float("inf") if row[2] == "deadline" else float(row[2]) for row in rows}
    assert graces == dict(GRACE)
