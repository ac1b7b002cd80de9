"""The permissions that a rollout needs, checked before anything changes.

One request asks for all of them. Source: https://kubernetes.io/docs/reference/access-authn-authz/authorization/
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lightkube import ApiError
from lightkube.models.authorization_v1 import SelfSubjectRulesReviewSpec
from lightkube.resources.authorization_v1 import SelfSubjectRulesReview

from sametag.errors import ClusterError
from sametag.helm import stored_as
from sametag.text import listing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from lightkube import AsyncClient
    from lightkube.models.authorization_v1 import ResourceRule

#: (API group, resource) -> the verbs that watching a rollout needs.
WATCHED: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("apps", "deployments"): ("list", "watch"),
    ("apps", "statefulsets"): ("list", "watch"),
    ("apps", "daemonsets"): ("list", "watch"),
    ("apps", "replicasets"): ("list", "watch"),
    ("batch", "jobs"): ("list", "watch"),
    ("", "pods"): ("list", "watch"),
}

#: Kind -> (API group, resource) of the objects that the chart renders in any cluster; Helm writes each of them.
RENDERED: Mapping[str, tuple[str, str]] = {
    "ConfigMap": ("", "configmaps"),
    "CronJob": ("batch", "cronjobs"),
    "DaemonSet": ("apps", "daemonsets"),
    "Deployment": ("apps", "deployments"),
    "HorizontalPodAutoscaler": ("autoscaling", "horizontalpodautoscalers"),
    "Ingress": ("networking.k8s.io", "ingresses"),
    "Job": ("batch", "jobs"),
    "NetworkPolicy": ("networking.k8s.io", "networkpolicies"),
    "PersistentVolumeClaim": ("", "persistentvolumeclaims"),
    "PodDisruptionBudget": ("policy", "poddisruptionbudgets"),
    "Secret": ("", "secrets"),
    "Service": ("", "services"),
    "ServiceAccount": ("", "serviceaccounts"),
    "StatefulSet": ("apps", "statefulsets"),
}

_DELETING = ("get", "delete")
_WRITING = ("get", "list", "create", "patch")
_KEEPING = ("get", "list", "create", "update", "delete")

_SHOWN = 5

_STATEFUL = re.compile(r"^kind: *\"?StatefulSet", re.MULTILINE)


async def refuse_missing(client: AsyncClient, namespace: str, manifest: str) -> str:
    """Refuse a rollout whose user lacks a permission in the namespace that Helm or the watch needs.

    Returns:
        A warning about a permission that only a failed rollout needs; empty if none is missing.

    Args:
        client: The client of the cluster.
        namespace: The namespace of the release.
        manifest: What is to be applied, one YAML stream.

    Raises:
        ClusterError: A permission is missing; the message names it.
    """
    rules = await _refuse(client, namespace, _needed(manifest))
    ordered = _STATEFUL.search(manifest) and rules and not _allowed(rules, "", "pods", "delete")
    return (
        "you may not delete pods: a StatefulSet whose new pods fail cannot be rolled back automatically"
        if ordered
        else ""
    )


async def refuse_to_uninstall(client: AsyncClient, namespace: str, manifest: str) -> None:
    """Refuse to uninstall if the user lacks a permission in the namespace that Helm needs to delete the objects.

    Raises:
        ClusterError: A permission is missing; the message names it.
    """
    kinds = [RENDERED[kind] for kind in _kinds(manifest) if kind in RENDERED]
    await _refuse(
        client, namespace, [(("", stored_as()), ("get", "list", "delete")), *((kind, _DELETING) for kind in kinds)]
    )


async def _refuse(
    client: AsyncClient, namespace: str, needed: Iterable[tuple[tuple[str, str], Sequence[str]]]
) -> Sequence[ResourceRule]:
    """Raise if a permission is missing; return the user's rules, none if they cannot be listed."""
    review = SelfSubjectRulesReview(spec=SelfSubjectRulesReviewSpec(namespace=namespace))
    try:
        answer = (await client.create(review)).status
    except ApiError:
        return ()  # the API server answers Helm itself
    if answer is None or answer.incomplete:
        return ()  # a webhook decides, and its rules cannot be listed
    missing = [
        f"{verb} {resource}{'.' if group else ''}{group}"
        for (group, resource), verbs in needed
        for verb in verbs
        if not _allowed(answer.resourceRules, group, resource, verb)
    ]
    if missing:
        raise ClusterError(
            f"missing permissions in namespace {namespace}: {listing(missing, _SHOWN)}; nothing was changed",
            "ask your administrator for them; docs/reference/rights.md lists all that sametag needs",
        )
    return answer.resourceRules


def _kinds(manifest: str) -> Iterable[str]:
    return dict.fromkeys(re.findall(r"^kind: *\"?(\w+)", manifest, re.MULTILINE))


def _needed(manifest: str) -> Iterator[tuple[tuple[str, str], Sequence[str]]]:
    yield ("", stored_as()), _KEEPING
    for kind in _kinds(manifest):
        if kind in RENDERED:
            yield RENDERED[kind], _WRITING
        if kind == "CronJob":
            yield RENDERED[kind], ("watch",)
    yield from WATCHED.items()


def _allowed(rules: Sequence[ResourceRule], group: str, resource: str, verb: str) -> bool:
    return any(
        _has(rule.apiGroups, group) and _has(rule.resources, resource) and _has(rule.verbs, verb) for rule in rules
    )


def _has(allowed: Sequence[str] | None, wanted: str) -> bool:
    return allowed is not None and ("*" in allowed or wanted in allowed)
