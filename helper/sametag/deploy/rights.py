"""Name the rights that are missing before anything is changed, and not when half of the objects are.

Asked once, in one request. Source: https://kubernetes.io/docs/reference/access-authn-authz/authorization/
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lightkube import ApiError
from lightkube.models.authorization_v1 import SelfSubjectRulesReviewSpec
from lightkube.resources.authorization_v1 import SelfSubjectRulesReview

from sametag.errors import ClusterError
from sametag.helm import stored_as

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from lightkube import AsyncClient
    from lightkube.models.authorization_v1 import ResourceRule

#: (API group, resource) -> the verbs without which no rollout can be watched.
WATCHED: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("apps", "deployments"): ("list", "watch"),
    ("apps", "statefulsets"): ("list", "watch"),
    ("apps", "daemonsets"): ("list", "watch"),
    ("apps", "replicasets"): ("list", "watch"),
    ("batch", "jobs"): ("list", "watch"),
    ("", "pods"): ("list", "watch"),
}

#: Kind -> (API group, resource) of what the chart renders in every cluster; Helm writes each of them.
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

_WRITING = ("get", "list", "create", "patch")
_KEEPING = ("get", "list", "create", "update", "delete")

_SHOWN = 5

_STATEFUL = re.compile(r"^kind: *\"?StatefulSet", re.MULTILINE)


async def refuse_missing(client: AsyncClient, namespace: str, manifest: str) -> str:
    """Refuse a rollout whose user lacks a right in the namespace that Helm or the watch needs.

    Returns:
        A warning about a right that only a rollout that fails needs; empty where none is missing.

    Args:
        client: Of the cluster.
        namespace: The release's.
        manifest: What is to be applied, one YAML stream.

    Raises:
        ClusterError: A right is missing; the message names it.
    """
    review = SelfSubjectRulesReview(spec=SelfSubjectRulesReviewSpec(namespace=namespace))
    try:
        answer = (await client.create(review)).status
    except ApiError:
        return ""  # a cluster that does not answer the question answers Helm
    if answer is None or answer.incomplete:
        return ""  # a webhook decides, and does not tell its rules
    missing = [
        f"{verb} {resource}{'.' if group else ''}{group}"
        for (group, resource), verbs in _needed(manifest)
        for verb in verbs
        if not _allowed(answer.resourceRules, group, resource, verb)
    ]
    if missing:
        more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
        raise ClusterError(
            f"you lack rights in namespace {namespace}: {', '.join(missing[:_SHOWN])}{more}; nothing was changed",
            "ask for them; docs/reference/rights.md lists all that sametag needs",
        )
    ordered = _STATEFUL.search(manifest) and not _allowed(answer.resourceRules, "", "pods", "delete")
    return "you may not delete pods: a StatefulSet whose new pods fail cannot go back by itself" if ordered else ""


def _needed(manifest: str) -> Iterator[tuple[tuple[str, str], Sequence[str]]]:
    yield ("", stored_as()), _KEEPING
    for kind in dict.fromkeys(re.findall(r"^kind: *\"?(\w+)", manifest, re.MULTILINE)):
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
