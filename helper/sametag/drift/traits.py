"""What can be told of one live object: whether it has ended, is to be kept, was made of a manifest."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sametag.rollout.state import split

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sametag.kube.objects import Object

# Never deleted beside Helm: what is in them is not made again.
_DATA = ("PersistentVolumeClaim", "PersistentVolume", "Namespace", "CustomResourceDefinition")

_DONE = {"Complete", "SuccessCriteriaMet"}


def made_of(manifest: Object, live: Object) -> bool:
    """Whether an object has the labels and annotations of a manifest, its hook's too: another's of its name has not."""
    return all(
        (live["metadata"].get(part) or {}).get(name) == value
        for part in ("labels", "annotations")
        for name, value in ((manifest.get("metadata") or {}).get(part) or {}).items()
    )


def made_for(release: str, live: Object) -> bool:
    """Whether Helm made an object for a release. Source: helm.sh/helm/v4/pkg/action/validate.go."""
    annotations = live["metadata"].get("annotations") or {}
    return bool(annotations.get("meta.helm.sh/release-name") == release)


def has_succeeded(live: Object) -> bool:
    """Whether a Job or a pod has done its work."""
    status = live.get("status") or {}
    return status.get("phase") == "Succeeded" or bool(_DONE & _conditions(status))


def has_ended(live: Object) -> bool:
    """Whether a Job or a pod runs no more, and will not run again."""
    status = live.get("status") or {}
    return status.get("phase") in ("Succeeded", "Failed") or bool({*_DONE, "Failed"} & _conditions(status))


def _conditions(status: Object) -> set[str]:
    return {condition["type"] for condition in status.get("conditions") or () if condition.get("status") == "True"}


def is_to_be_kept(item: Object) -> bool:
    """Whether its author wants Helm to leave it. Source: https://helm.sh/docs/howto/charts_tips_and_tricks/."""
    return bool(((item["metadata"].get("annotations") or {}).get("helm.sh/resource-policy")) == "keep")


def holds_data(item: Object) -> bool:
    """Whether deleting it would lose what nobody makes again."""
    return item["kind"] in _DATA


def owners(live: Object) -> set[str]:
    """Return the UIDs of its owners."""
    return {owner["uid"] for owner in live["metadata"].get("ownerReferences") or ()}


def containers(job: Object) -> dict[str, Any]:
    """Return what the containers of a Job run. Of the image only the tag: admission may change all around it."""
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
    """Yield a pattern for the names of the claims that a StatefulSet makes of each template."""
    name = re.escape(statefulset["metadata"]["name"])
    for template in statefulset["spec"].get("volumeClaimTemplates") or ():
        yield re.compile(rf"{re.escape(template['metadata']['name'])}-{name}-[0-9]+")
