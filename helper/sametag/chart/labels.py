"""The labels that the chart puts on its objects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sametag.kube.objects import metadata_of

if TYPE_CHECKING:
    from sametag.kube.objects import Object

#: Which release an object belongs to.
INSTANCE_LABEL = "app.kubernetes.io/instance"

#: Which service an object belongs to.
SERVICE_LABEL = "app.kubernetes.io/component"


def service_of(item: Object) -> str:
    """Return the service that an object belongs to; empty if none, as for an extra object."""
    labels = metadata_of(item).get("labels")
    return str(labels.get(SERVICE_LABEL) or "") if isinstance(labels, dict) else ""
