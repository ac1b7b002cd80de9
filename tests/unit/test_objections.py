"""What the API server refuses is said in the words of the values, with the way out, before anything is changed."""

from __future__ import annotations

from typing import Any

import pytest

from sametag.deploy.objections import doubts, refusal_of
from sametag.drift import DryRun, Refusal
from sametag.kube.objects import Key

SERVICES = {"db": {"kind": "StatefulSet", "volumes": {"data": {"claim": {}}}}, "web": {}, "api": {}}
WEB = Key("apps", "Deployment", "apps", "shop-web")
API = Key("apps", "Deployment", "apps", "shop-api")
DB = Key("apps", "StatefulSet", "apps", "shop-db")

STATEFULSET = (
    'StatefulSet.apps "shop-db" is invalid: spec: Forbidden: updates to statefulset spec for fields other than '
    "'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit' and 'minReadySeconds' are forbidden"
)


def item(key: Key, **more: Any) -> dict[str, Any]:
    labels = {"app.kubernetes.io/component": key.name.removeprefix("shop-")}
    return {"apiVersion": "v1", "kind": key.kind, "metadata": {"name": key.name, "labels": labels}, **more}


def rehearsal(
    refused: dict[Key, Refusal],
    targets: dict[Key, Any] | None = None,
    live: dict[Key, Any] | None = None,
    pods: dict[Key, Refusal] | None = None,
) -> DryRun:
    targets = targets or {key: item(key) for key in refused}
    return DryRun(targets, {}, live or {}, {}, refused, pods or {}, services=SERVICES)


def said(found: DryRun, before: dict[Key, Any] | None = None) -> tuple[str, str | None]:
    error = refusal_of(found, before or {})
    assert error is not None
    return error.message, error.remedy


def claims(size: str, name: str = "data") -> dict[str, Any]:
    requests = {"resources": {"requests": {"storage": size}}}
    template = {"metadata": {"name": name}, "spec": requests}
    return item(DB, spec={"serviceName": "shop-db-headless", "replicas": 1, "volumeClaimTemplates": [template]})


def test_nothing_is_refused_where_the_api_server_takes_everything() -> None:
    assert refusal_of(rehearsal({}), {}) is None


def test_a_claims_size_is_named_as_the_values_have_it_with_both_sizes_and_the_way_out() -> None:
    refused = {DB: Refusal(422, STATEFULSET, (("spec", STATEFULSET),))}
    message, remedy = said(rehearsal(refused, {DB: claims("2Gi")}, {DB: claims("1Gi")}), {DB: claims("1Gi")})

    assert message == (
        "immutable settings change in StatefulSet shop-db: "
        "services.db.volumes.data.claim.resources.requests.storage (1Gi -> 2Gi); nothing was changed"
    )
    assert remedy is not None
    assert "kubectl delete statefulset shop-db -n apps --cascade=orphan" in remedy
    assert "kubectl patch pvc" in remedy


def test_a_claim_that_comes_or_goes_is_named() -> None:
    refused = {DB: Refusal(422, STATEFULSET, (("spec", STATEFULSET),))}
    before, after = claims("1Gi"), claims("1Gi", "logs")
    message, _ = said(rehearsal(refused, {DB: after}, {DB: before}), {DB: before})

    assert "services.db.volumes.data.claim (removed), services.db.volumes.logs.claim (new)" in message


def test_what_the_newest_revision_did_not_bring_into_the_cluster_is_compared_with_the_cluster() -> None:
    """The revision before failed half-way, so that both manifests agree and the object differs from them."""
    refused = {DB: Refusal(422, STATEFULSET, (("spec", STATEFULSET),))}
    live = {DB: {**claims("1Gi"), "status": {}}}
    message, _ = said(rehearsal(refused, {DB: claims("2Gi")}, live), {DB: claims("2Gi")})

    assert "storage (1Gi -> 2Gi)" in message


@pytest.mark.parametrize(
    ("kind", "field", "values", "told", "way_out"),
    [
        ("Deployment", "selector", ({"app": "old"}, {"app": "new"}), "old -> new", "its pods stop"),
        ("Service", "clusterIP", ("None", "10.0.0.1"), "None -> 10.0.0.1", "kubectl delete service shop-web"),
        ("Job", "template", ({"spec": {"x": "a"}}, {"spec": {"x": "b"}}), "a -> b", "the Job then runs again"),
        ("Secret", "data", ({"k": "b2xk"}, {"k": "bmV3"}), "", "keep the old value"),
    ],
)
def test_each_kind_has_its_way_out(kind: str, field: str, values: tuple[Any, Any], told: str, way_out: str) -> None:
    key = Key("", kind, "apps", "shop-web")
    refused = {key: Refusal(422, "field is immutable", ((f"spec.{field}", "field is immutable"),))}
    before, after = ({key: item(key, spec={field: value})} for value in values)
    message, remedy = said(rehearsal(refused, after, before), before)

    assert told in message
    assert "bmV3" not in message
    assert remedy is not None
    assert way_out in remedy


@pytest.mark.parametrize(
    ("message", "told"),
    [
        (
            "deployments.apps is forbidden: ValidatingAdmissionPolicy 'no-latest' with binding 'b' denied request: pin",
            "ValidatingAdmissionPolicy no-latest denies Deployment shop-web, Deployment shop-api: pin",
        ),
        (
            'admission webhook "validate.kyverno.svc" denied the request: no owner\n  label',
            "webhook validate.kyverno.svc denies Deployment shop-web, Deployment shop-api: no owner label",
        ),
        (
            'deployments.apps "shop-web" is forbidden: exceeded quota: objects, requested: count/deployments.apps=1',
            "quota objects refuses Deployment shop-web, Deployment shop-api: requested: count/deployments.apps=1",
        ),
        (
            'Internal error occurred: failed calling webhook "hook.example.com": connection refused',
            "webhook hook.example.com does not answer for Deployment shop-web, Deployment shop-api: connection refused",
        ),
        (
            'User "eve" cannot patch resource "x"',
            (
                "you do not have permission to patch Deployment shop-web, Deployment shop-api: "
                'User "eve" cannot patch resource "x"'
            ),
        ),
        (
            "unable to create new content in namespace apps because it is being terminated",
            "the API server refuses Deployment shop-web, Deployment shop-api: namespace apps is being deleted",
        ),
    ],
)
def test_one_cause_is_said_once_with_its_objects(message: str, told: str) -> None:
    refused = {WEB: Refusal(403, message), API: Refusal(403, message)}

    assert said(rehearsal(refused))[0] == f"{told}; nothing was changed"


def test_a_missing_kind_is_said_with_what_defines_it() -> None:
    key = Key("example.com", "Widget", "apps", "w")
    message, remedy = said(rehearsal({key: Refusal(0, "the cluster has no Widget of example.com/v1")}))

    assert message == "cannot create Widget w: the cluster has no Widget of example.com/v1; nothing was changed"
    assert remedy == "install its CustomResourceDefinition first"


@pytest.mark.parametrize(
    "message",
    [
        'namespaces "other" not found',
        'roles.rbac.authorization.k8s.io "other" not found',
        'serviceaccount "other" not found',
    ],
)
def test_what_comes_with_the_release_is_not_missed(message: str) -> None:
    other = Key("", "Namespace", "apps", "other")
    refused = {WEB: Refusal(404, message)}

    assert refusal_of(rehearsal(refused, {WEB: item(WEB), other: item(other)}), {}) is None
    assert refusal_of(rehearsal(refused), {}) is not None


def test_a_webhook_that_does_not_answer_dry_runs_is_a_doubt_and_not_a_refusal() -> None:
    found = rehearsal({WEB: Refusal(400, 'admission webhook "w.example.com" does not support dry run')})

    assert refusal_of(found, {}) is None
    assert list(doubts(found)) == [
        "Deployment shop-web cannot be tried before the change: webhook w.example.com does not support dry runs"
    ]


def test_pods_that_pod_security_refuses_are_found_before() -> None:
    message = 'pods "shop-web-0" is forbidden: violates PodSecurity "restricted:latest": privileged (container "web")'
    text, remedy = said(rehearsal({}, {WEB: item(WEB)}, pods={WEB: Refusal(403, message)}))

    assert text.startswith('Pod Security refuses the pods of Deployment shop-web: violates PodSecurity "restricted')
    assert remedy is not None
    assert "pod-security.kubernetes.io/enforce" in remedy


@pytest.mark.parametrize(
    ("message", "doubtful"),
    [
        ("pods \"x\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no", True),
        ('pods "x" is forbidden: exceeded quota: q, requested: pods=1, used: pods=4, limited: pods=4', False),
        ('pods is forbidden: User "eve" cannot create resource "pods" in API group ""', False),
        ('admission webhook "w.example.com" does not support dry run', False),
    ],
)
def test_what_may_look_at_who_makes_a_pod_or_heals_is_no_refusal(message: str, *, doubtful: bool) -> None:
    found = rehearsal({}, {WEB: item(WEB)}, pods={WEB: Refusal(403, message)})

    assert refusal_of(found, {}) is None
    assert bool(list(doubts(found))) == doubtful
