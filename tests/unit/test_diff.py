"""What differs between two states of an object, who changed it, and who else deploys it."""

from __future__ import annotations

from typing import Any

import pytest

from sametag.chart.manifest import parse
from sametag.drift import ABSENT, crossed, gitops, hooks
from sametag.drift.compare import differences, essence, hidden
from sametag.drift.owners import by_hand, out_of_hands, owner_of, touched
from sametag.helm import Revision
from sametag.kube.objects import Key, find, key_of, without


def test_a_manifest_is_cut_and_read_as_helm_does() -> None:
    manifest = (
        "---\n# Source: a\nkind: A\napiVersion: v1\nmetadata: {name: 0x10}\n---\n\n---\nkind: B\napiVersion: x.io/v1\n"
    )

    assert list(parse(manifest, "apps")) == [Key("", "A", "apps", "16"), Key("x.io", "B", "apps", "None")]


def test_a_new_version_of_an_api_is_no_new_object() -> None:
    old, new = ({"apiVersion": f"batch/{version}", "kind": "CronJob", "metadata": {"name": "x"}} for version in "12")

    assert key_of(old, "apps") == key_of(new, "apps")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({"a": 1, "b": 2}, {"a": 1, "b": 3}, [(("b",), 2, 3)]),
        ({"a": 1}, {}, [(("a",), 1, ABSENT)]),
        # By name, wherever they stand.
        (
            {"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]},
            {"env": [{"name": "B", "value": "3"}, {"name": "A", "value": "1"}]},
            [(("env", "[B]", "value"), "2", "3")],
        ),
        ({}, {"env": [{"name": "A", "value": "1"}]}, [(("env", "[A]"), ABSENT, {"name": "A", "value": "1"})]),
        # A DNS server answers on one port with two protocols.
        (
            {"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]},
            {"ports": [{"port": 53, "protocol": "TCP"}]},
            [(("ports", "[53/UDP]"), {"port": 53, "protocol": "UDP"}, ABSENT)],
        ),
        # What has no name is one value.
        ({"command": ["a", "b"]}, {"command": ["a"]}, [(("command",), ["a", "b"], ["a"])]),
        # A flat map that comes is its entries; one with more in it is one thing.
        ({}, {"labels": {"a": "1", "b": "2"}}, [(("labels", "a"), ABSENT, "1"), (("labels", "b"), ABSENT, "2")]),
        ({}, {"probe": {"httpGet": {"port": 1}}}, [(("probe",), ABSENT, {"httpGet": {"port": 1}})]),
    ],
)
def test_what_differs_is_found_by_name(old: Any, new: Any, expected: Any) -> None:
    assert [tuple(one) for one in differences(old, new)] == expected


def test_what_the_server_and_the_controllers_keep_does_not_count() -> None:
    bookkeeping = {"deployment.kubernetes.io/revision": "3", "mine": "x"}
    item = {"metadata": {"name": "x", "uid": "1", "annotations": bookkeeping}, "status": {}, "kind": "A", "spec": {}}

    assert essence(item) == {"kind": "A", "spec": {}, "metadata": {"name": "x", "annotations": {"mine": "x"}}}


def test_the_content_of_a_secret_is_never_shown_and_that_it_changes_is() -> None:
    old = {"kind": "Secret", "data": {"a": "b2xk", "b": "c2FtZQ=="}, "metadata": {"name": "x"}}
    new = {"kind": "Secret", "data": {"a": "bmV3", "b": "c2FtZQ==", "c": "bmV3"}, "metadata": {"name": "x"}}

    assert [tuple(one) for one in differences(*hidden(old, new))] == [
        (("data", "a"), "(hidden)", "(hidden, changed)"),
        (("data", "c"), ABSENT, "(hidden)"),
    ]


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("DB_PASSWORD", "x", False),
        ("apiKey", "x", False),
        ("GITHUB_TOKEN", "x", False),
        ("DATABASE_URL", "postgres://app:x@db/app", False),
        ("DATABASE_URL", "postgres://db/app", True),
        ("KEYBOARD", "x", True),
        ("MODE", "x", True),
    ],
)
def test_a_variable_that_looks_like_a_secret_is_not_shown(name: str, value: str, *, shown: bool) -> None:
    item = {"env": [{"name": name, "value": value}]}

    assert (hidden({}, item)[1] == item) == shown


CONTAINER: dict[str, Any] = {"name": "web", "image": "app:2", "env": [{"name": "A", "value": "1"}]}
LIVE: dict[str, Any] = {
    "metadata": {
        "name": "web",
        "annotations": {"kubectl.kubernetes.io/restartedAt": "now"},
        "managedFields": [
            {
                "manager": "helm",
                "operation": "Apply",
                "fieldsV1": {"f:spec": {"f:containers": {'k:{"name":"web"}': {".": {}, "f:name": {}}}}},
            },
            {"manager": "kube-controller-manager", "operation": "Update", "subresource": "status", "fieldsV1": {}},
            {
                "manager": "kubectl",
                "operation": "Update",
                "subresource": "scale",
                "fieldsV1": {"f:spec": {"f:replicas": {}}},
            },
            {
                "manager": "kubectl-set",
                "operation": "Update",
                "time": "2026-11-24T12:00:00Z",
                "fieldsV1": {
                    "f:metadata": {"f:annotations": {".": {}, "f:kubectl.kubernetes.io/restartedAt": {}}},
                    "f:spec": {
                        "f:containers": {
                            'k:{"name":"web"}': {
                                "f:image": {},
                                "f:env": {".": {}, 'k:{"name":"A"}': {".": {}, "f:name": {}, "f:value": {}}},
                            },
                            'k:{"name":"gone"}': {"f:image": {}},
                        },
                    },
                },
            },
            {"manager": "vpa", "operation": "Update", "fieldsV1": {"f:spec": {"f:resources": {}}}},
        ],
    },
    "spec": {"replicas": 2, "containers": [CONTAINER], "resources": {}},
}


@pytest.mark.parametrize(
    ("path", "manager"),
    [
        (("spec", "replicas"), "kubectl"),
        (("spec", "containers", "[web]", "image"), "kubectl-set at "),
        (("spec", "containers", "[web]", "env", "[A]", "value"), "kubectl-set at "),
        (("spec", "containers", "[web]", "env"), "kubectl-set at "),
        (("spec", "resources"), "vpa"),
    ],
)
def test_who_changed_a_field_is_told_from_managed_fields(path: tuple[str, ...], manager: str) -> None:
    assert str(owner_of(LIVE, path)).startswith(manager)


def test_what_only_helm_changed_has_no_other_owner() -> None:
    assert owner_of(LIVE, ("spec", "containers", "[web]", "name")) is None
    alone = {"metadata": {"managedFields": LIVE["metadata"]["managedFields"][:2]}}
    assert (touched(LIVE), touched(alone)) == (True, False)


def test_what_a_controller_changed_or_a_restart_wrote_is_not_by_hand() -> None:
    assert by_hand(LIVE) == [
        ("spec", "containers", "[web]", "image"),
        ("spec", "containers", "[web]", "env", "[A]"),
    ]


def test_helm_becomes_the_owner_of_what_kubectl_changed_and_of_nothing_else() -> None:
    fields = out_of_hands(LIVE, to_helm=True)

    assert fields is not None
    assert [entry["manager"] for entry in fields] == ["helm", "kube-controller-manager", "vpa"]
    container = fields[0]["fieldsV1"]["f:spec"]["f:containers"]['k:{"name":"web"}']
    assert container.keys() == {".", "f:name", "f:image", "f:env"}
    # Helm would take them out where its manifest has none, and leave one.
    assert "f:replicas" not in fields[0]["fieldsV1"]["f:spec"]


def test_under_client_side_apply_nobody_owns_what_kubectl_changed() -> None:
    managed = [{**entry, "operation": "Update"} for entry in LIVE["metadata"]["managedFields"]]
    live = {**LIVE, "metadata": {**LIVE["metadata"], "managedFields": managed}}

    assert out_of_hands(live, to_helm=True) is None
    assert out_of_hands(live, to_helm=False) == [managed[0], managed[1], managed[4]]


def test_a_restart_by_hand_is_left_alone() -> None:
    annotations = {"kubectl.kubernetes.io/restartedAt": "now"}
    fields: dict[str, Any] = {"f:metadata": {"f:annotations": {".": {}, "f:kubectl.kubernetes.io/restartedAt": {}}}}
    managed = [
        LIVE["metadata"]["managedFields"][0],
        {"manager": "kubectl-rollout", "operation": "Update", "fieldsV1": fields},
    ]

    assert out_of_hands({"metadata": {"annotations": annotations, "managedFields": managed}}, to_helm=True) is None


def test_what_is_taken_out_of_an_object_is_gone_and_the_rest_is_not() -> None:
    left = without(LIVE, [("spec", "containers", "[web]", "env", "[A]"), ("spec", "replicas"), ("not", "there")])

    assert left["spec"] == {"containers": [{**CONTAINER, "env": []}], "resources": {}}
    assert find(LIVE, ("spec", "containers", "[web]", "env", "[A]", "value")) == "1"


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({"labels": {"app.kubernetes.io/instance": "shop"}}, []),
        ({"labels": {"argocd.argoproj.io/instance": "shop"}}, ["Argo CD (Application shop)"]),
        (
            {"annotations": {"argocd.argoproj.io/tracking-id": "team_shop:apps/Deployment:apps/web"}},
            ["Argo CD (Application team/shop)"],
        ),
        (
            {"labels": {"helm.toolkit.fluxcd.io/name": "shop", "helm.toolkit.fluxcd.io/namespace": "apps"}},
            ["Flux (HelmRelease apps/shop)"],
        ),
        (
            {"labels": {"kustomize.toolkit.fluxcd.io/name": "all", "kustomize.toolkit.fluxcd.io/namespace": "flux"}},
            ["Flux (Kustomization flux/all)"],
        ),
    ],
)
def test_argo_cd_and_flux_are_known_by_their_marks(metadata: dict[str, Any], expected: list[str]) -> None:
    assert [str(owner) for owner in gitops([{"metadata": metadata}] * 2)] == expected


def revision(number: int, *events: str, kind: str = "Job", **more: str) -> Revision:
    """A revision of that second, whose hook ran in the next, unless said otherwise."""
    last = {"started_at": f"2026-01-01T00:00:{number:02}.5Z", "phase": "Succeeded"}
    last |= {key: more[key] for key in last.keys() & more.keys()}
    hook = {"kind": kind, "name": "migrate", "events": list(events), "last_run": last}
    info = {
        "description": more.get("description", "Upgrade complete"),
        "last_deployed": f"2026-01-01T00:00:{number:02}Z",
        "status": more.get("status", "superseded"),
    }
    return Revision({"version": number, "info": info, "hooks": [hook]})


def test_a_hook_is_named_with_the_events_at_which_it_runs() -> None:
    job = revision(1, "pre-install", "pre-upgrade", "test")

    assert [str(hook) for hook in hooks(job, ("pre-upgrade", "post-upgrade"))] == ["Job migrate (pre-upgrade)"]
    assert hooks(revision(1, "pre-upgrade", kind="ServiceAccount"), ("pre-upgrade",)) == []


def test_going_back_crosses_what_did_its_work_since_also_in_a_revision_that_failed_later() -> None:
    history = [
        revision(1, "pre-upgrade"),
        revision(2, "pre-upgrade"),
        # A copy of the first revision's, which did not run again.
        revision(3, "pre-upgrade", description="Rollback to 1", started_at="2026-01-01T00:00:01.5Z"),
        revision(4, "pre-upgrade", status="failed"),
        revision(5, "pre-upgrade", status="failed", phase="Failed"),
        revision(6, "pre-upgrade", status="failed", phase="Running"),
        revision(7, "pre-upgrade", started_at="0001-01-01T00:00:00Z"),
        revision(8, "pre-upgrade", started_at=""),
        revision(9, "test"),
    ]

    (found,) = crossed(history, 1).items()
    assert (found[0], [ran.number for ran in found[1]]) == ("Job migrate (pre-upgrade)", [2, 4])
