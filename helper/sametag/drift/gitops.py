"""Who else deploys these objects: Argo CD and Flux mark what they apply, and revert what others change.

`app.kubernetes.io/instance` alone proves nothing: Argo CD may use it, and every Helm chart does.
Source: https://argo-cd.readthedocs.io/en/stable/user-guide/resource_tracking/,
https://fluxcd.io/flux/components/kustomize/kustomizations/, https://fluxcd.io/flux/components/helm/helmreleases/
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sametag.kube.objects import Object

# Flux's labels: the object's kind, by the controller's group.
_FLUX = {"helm.toolkit.fluxcd.io": "HelmRelease", "kustomize.toolkit.fluxcd.io": "Kustomization"}

_ARGO = "argocd.argoproj.io"


class GitOps(NamedTuple):
    """Where a change has to be made to last: the tool, and the kind and name of its object."""

    tool: str
    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.tool} ({self.kind} {self.name})"


def gitops(live: Iterable[Object]) -> list[GitOps]:
    """Return every GitOps owner that these objects name."""
    found = (owner for item in live for owner in _owners(item.get("metadata", {})))
    return list(dict.fromkeys(found))


def _owners(metadata: Object) -> Iterable[GitOps]:
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    tracking = annotations.get(f"{_ARGO}/tracking-id", "").partition(":")[0]
    application = tracking or labels.get(f"{_ARGO}/instance")
    if application:
        # Applications outside Argo CD's own namespace are tracked as namespace_name.
        yield GitOps("Argo CD", "Application", application.replace("_", "/", 1))
    for group, kind in _FLUX.items():
        if name := labels.get(f"{group}/name"):
            yield GitOps("Flux", kind, f"{labels.get(f'{group}/namespace', '')}/{name}".lstrip("/"))
