"""The number of pods stays what it is when an autoscaler takes over: Helm's ownership of it is taken away before."""

from __future__ import annotations

from typing import Any

import pytest

from sametag.drift.scaling import given_up, scaled_by
from sametag.kube.objects import Key

WEB = Key("apps", "Deployment", "apps", "shop-web")
OTHER = {"manager": "helm", "operation": "Apply", "fieldsV1": {"f:spec": {"f:selector": {}, "f:replicas": {}}}}
SCALE = {"operation": "Update", "subresource": "scale", "fieldsV1": {"f:spec": {"f:replicas": {}}}}


def live(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": {"name": "shop-web", "managedFields": list(entries)}, "spec": {"replicas": 4}}


def scaler(kind: str, version: str, reference: dict[str, str]) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "spec": {"scaleTargetRef": {"name": "shop-web", **reference}}}


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (scaler("HorizontalPodAutoscaler", "autoscaling/v2", {"kind": "StatefulSet"}), {("StatefulSet", "shop-web")}),
        (scaler("ScaledObject", "keda.sh/v1alpha1", {}), {("Deployment", "shop-web")}),
        (scaler("ScaledObject", "example.com/v1", {}), set()),
        ({"apiVersion": "v1", "kind": "ConfigMap"}, set()),
    ],
)
def test_what_is_scaled_is_what_an_autoscaler_names(item: dict[str, Any], expected: set[tuple[str, str]]) -> None:
    assert scaled_by([item]) == expected


def test_helm_gives_up_the_number_alone_where_an_autoscaler_takes_over() -> None:
    assert given_up(live(OTHER), automatic=True, rendered=False) == [
        {**OTHER, "fieldsV1": {"f:spec": {"f:selector": {}}}}
    ]


@pytest.mark.parametrize("rendered", [True, False])
def test_an_autoscaler_keeps_what_it_owns_while_it_is_there(*, rendered: bool) -> None:
    assert given_up(live({**SCALE, "manager": "kube-controller-manager"}), automatic=True, rendered=rendered) is None


@pytest.mark.parametrize("manager", ["kube-controller-manager", "keda-operator"])
def test_an_autoscaler_that_is_gone_does_not_stand_in_the_way_of_a_number(manager: str) -> None:
    rest = {**OTHER, "fieldsV1": {"f:spec": {"f:selector": {}}}}
    item = live(rest, {**SCALE, "manager": manager})

    assert given_up(item, automatic=False, rendered=True) == [rest]
    assert given_up(item, automatic=False, rendered=False) is None


def test_what_a_person_has_scaled_stays_theirs() -> None:
    assert given_up(live({**SCALE, "manager": "kubectl"}), automatic=False, rendered=True) is None


def test_a_number_that_is_left_out_without_an_autoscaler_is_helms_to_reset() -> None:
    assert given_up(live(OTHER), automatic=False, rendered=False) is None
