"""What one object says: whether it has ended, and whether Helm leaves it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sametag.rollout import split

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sametag.kube.objects import Object

# Never deleted by us: nothing creates their content again.
_DATA = ("PersistentVolumeClaim", "PersistentVolume", "Namespace", "CustomResourceDefinition")

_DONE = {"Complete", "SuccessCriteriaMet"}


def made_of(manifest: Object, live: Object) -> bool:
    """Whether a live object has all labels and annotations of a manifest: another's object of that name does not."""
    return all(
        (live["metadata"].get(part) or {}).get(name) == value
        for part in ("labels", "annotations")
        for name, value in ((manifest.get("metadata") or {}).get(part) or {}).items()
    )


def made_for(release: str, live: Object) -> bool:
    """Whether Helm created an object for a release. Source: helm.sh/helm/v4/pkg/action/validate.go."""
    annotations = live["metadata"].get("annotations") or {}
    return bool(annotations.get("meta.helm.sh/release-name") == release)


def has_succeeded(live: Object) -> bool:
    """Whether a Job or a pod has succeeded."""
    status = live.get("status") or {}
    return status.get("phase") == "Succeeded" or bool(_DONE & _conditions(status))


def has_ended(live: Object) -> bool:
    """Whether a Job or a pod has succeeded or failed for good."""
    status = live.get("status") or {}
    return status.get("phase") in ("Succeeded", "Failed") or bool({*_DONE, "Failed"} & _conditions(status))


def _conditions(status: Object) -> set[str]:
    return {condition["type"] for condition in status.get("conditions") or () if condition.get("status") == "True"}


def is_to_be_kept(item: Object) -> bool:
    """Whether Helm is told to keep an object. Source: https://helm.sh/docs/howto/charts_tips_and_tricks/."""
    return bool(((item["metadata"].get("annotations") or {}).get("helm.sh/resource-policy")) == "keep")


def holds_data(item: Object) -> bool:
    """Whether deleting an object would lose data."""
    return item["kind"] in _DATA


def owners(live: Object) -> set[str]:
    """Return the UIDs of an object's owners."""
    return {owner["uid"] for owner in live["metadata"].get("ownerReferences") or ()}


def containers(job: Object) -> dict[str, Any]:
    """Return what the containers of a Job run; of the image only the tag, since admission may change the rest."""
    spec = job["spec"]["template"]["spec"]
    return {
        container["name"]: (
            _tag(container.get("image", "")),
            container.get("command"),
            container.get("args"),
            container.get("env"),
        )
        for container in (*(spec.get("initContainers") or ()), *(spec.get("containers") or ()))
    }


def _tag(image: str) -> str:
    _, tag, digest = split(image)
    return tag or digest


def claims(statefulset: Object) -> Iterator[re.Pattern[str]]:
    """Yield a pattern for the names of the claims that a StatefulSet creates from each template."""
    name = re.escape(statefulset["metadata"]["name"])
    for template in statefulset["spec"].get("volumeClaimTemplates") or ():
        yield re.compile(rf"{re.escape(template['metadata']['name'])}-{name}-[0-9]+")
