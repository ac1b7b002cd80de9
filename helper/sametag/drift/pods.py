"""A pod as a workload would make it: some things refuse pods only, and take the workload that never gets any."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sametag.kube.objects import metadata_of

if TYPE_CHECKING:
    from collections.abc import Container

    from sametag.kube.objects import Object

# A controller's pods name their owner, and some policies refuse pods without one.
_OWNER = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "uid": "00000000-0000-0000-0000-000000000000"}


def template_of(item: Object) -> Any:
    """Return the template of a workload's pods; None where an object does not have one."""
    spec = item.get("spec")
    if not isinstance(spec, dict):
        return None
    template = ((spec.get("jobTemplate") or {}).get("spec") or spec).get("template")
    return template if isinstance(template, dict) and isinstance(template.get("spec"), dict) else None


def pod_of(item: Object, coming: Container[str]) -> Object | None:
    """Return a pod as this workload would make it; None where it does not make any.

    Args:
        item: The workload.
        coming: Names of ServiceAccounts that come with the release, and may not be there yet.
    """
    template = template_of(item)
    if template is None:
        return None
    whole = metadata_of(item)
    # The longest name of a controller's pod, which is cut, is shorter than that of any workload with a suffix.
    name = str(whole.get("name") or whole.get("generateName"))[:58]
    pod = _with_claims(template["spec"], item["spec"].get("volumeClaimTemplates"))
    if pod.get("serviceAccountName") in coming:
        pod = {key: value for key, value in pod.items() if key not in ("serviceAccountName", "serviceAccount")}
    owner = {**_OWNER, "name": name, "controller": True}
    metadata = {**(template.get("metadata") or {}), "name": f"{name}-0", "ownerReferences": [owner]}
    if whole.get("namespace"):
        metadata["namespace"] = str(whole["namespace"])
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod}


def _with_claims(pod: Object, templates: Any) -> Object:
    """Return a pod with the volumes that a StatefulSet's controller adds for its claims, in the place of others."""
    names = [str((claim.get("metadata") or {}).get("name")) for claim in templates or () if isinstance(claim, dict)]
    claims = [{"name": name, "persistentVolumeClaim": {"claimName": name}} for name in names]
    others = [volume for volume in pod.get("volumes") or () if volume.get("name") not in names]
    return {**pod, "volumes": [*others, *claims]} if claims else pod
