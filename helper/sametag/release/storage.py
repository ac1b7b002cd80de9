"""The revisions of a release, read where Helm keeps them.

Helm stores each revision as a Secret (or a ConfigMap, with HELM_DRIVER=configmap) that holds base64 of gzip of JSON.
One list call gives every revision with its tag; `helm history` has no tags, and `helm get values` would be one process
for each revision. Source: helm.sh/helm/v4/pkg/storage/driver
"""

from __future__ import annotations

import base64
import binascii
import gzip
import json
import os
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from lightkube.resources.core_v1 import ConfigMap, Secret

from sametag.errors import ClusterError, HelmError, LockedError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lightkube import AsyncClient

# Helm is at work, or died while it was: it refuses every change until the state is cleared.
_PENDING = ("pending-install", "pending-upgrade", "pending-rollback", "uninstalling")

# Helm calls a revision superseded only after it was deployed; a failed one stays failed.
_WAS_DEPLOYED = ("deployed", "superseded")


@dataclass(frozen=True)
class Revision:
    """One revision of a release, as Helm stored it."""

    record: dict[str, Any]

    @property
    def number(self) -> int:
        """The revision's number, from 1."""
        return int(self.record["version"])

    @property
    def status(self) -> str:
        """Helm's status, such as deployed, superseded, failed or pending-upgrade."""
        return str(self.record["info"]["status"])

    @property
    def pending(self) -> bool:
        """Whether Helm is changing the release, or died while it was."""
        return self.status in _PENDING

    @property
    def was_deployed(self) -> bool:
        """Whether Helm saw this revision's rollout through."""
        return self.status in _WAS_DEPLOYED

    @property
    def updated(self) -> datetime:
        """When it was last deployed, with a time zone."""
        return datetime.fromisoformat(self.record["info"]["last_deployed"])

    @property
    def description(self) -> str:
        """Helm's log entry, such as `Upgrade complete`."""
        return str(self.record["info"].get("description") or "")

    @property
    def chart(self) -> str:
        """The chart's name and version, such as `sametag-0.1.0`."""
        metadata = self.record["chart"]["metadata"]
        return f"{metadata['name']}-{metadata['version']}"

    @property
    def values(self) -> dict[str, Any]:
        """The user's values, without the chart's defaults; may be empty."""
        return self.record.get("config") or {}

    @cached_property
    def image(self) -> dict[str, Any]:
        """The user's `image` over the chart's default one."""
        defaults = (self.record["chart"].get("values") or {}).get("image") or {}
        return {**defaults, **(self.values.get("image") or {})}

    @property
    def repository(self) -> str:
        """The image's repository as pods name it: on `global.imageRegistry`, where that is set (chart: _image.tpl)."""
        defaults = (self.record["chart"].get("values") or {}).get("global") or {}
        registry = {**defaults, **(self.values.get("global") or {})}.get("imageRegistry")
        repository = str(self.image.get("repository") or "")
        if not registry:
            return repository
        host, slash, path = repository.partition("/")
        names_a_registry = slash and ("." in host or ":" in host or host == "localhost")
        return f"{registry}/{path if names_a_registry else repository}"

    @property
    def tag(self) -> str:
        """The one `image.tag`; empty where the release has none (it may be pinned by digest)."""
        return str(self.image.get("tag") or "")

    @property
    def digest(self) -> str:
        """The `image.digest`; empty where the release has none."""
        return str(self.image.get("digest") or "")

    @property
    def manifest(self) -> str:
        """The rendered manifests, one YAML stream."""
        return str(self.record["manifest"])

    @property
    def server_side(self) -> bool:
        """Whether Helm 4 made it with server-side apply; Helm 3 never does."""
        return self.record.get("apply_method") == "ssa"


async def revisions(client: AsyncClient, release: str) -> list[Revision]:
    """Return every revision that Helm still has, oldest first; empty where there is no such release.

    The client's namespace is the release's. One API call, whatever the number of revisions.

    Raises:
        ClusterError: A stored revision cannot be decoded.
        HelmError: HELM_DRIVER names a storage that is not in the cluster.
    """
    stored = client.list(_kind(), labels={"owner": "helm", "name": release})
    found = [Revision(_decode(item)) async for item in stored]
    return sorted(found, key=lambda revision: revision.number)


def _kind() -> type[Secret | ConfigMap]:
    driver = os.environ.get("HELM_DRIVER", "").lower()
    kinds: dict[str, type[Secret | ConfigMap]] = {
        "": Secret,
        "secret": Secret,
        "secrets": Secret,
        "configmap": ConfigMap,
        "configmaps": ConfigMap,
    }
    if driver not in kinds:
        raise HelmError(f"HELM_DRIVER is {driver}, which sametag cannot read", "use secret or configmap")
    return kinds[driver]


def _decode(item: Secret | ConfigMap) -> dict[str, Any]:
    name = item.metadata.name if item.metadata else "?"
    try:
        text = (item.data or {})["release"]
        # The API server wraps a Secret's data in base64 once more; a ConfigMap's it leaves alone.
        packed = base64.b64decode(text)
        if not packed.startswith(b"\x1f\x8b"):
            packed = base64.b64decode(packed)
        record: dict[str, Any] = json.loads(gzip.decompress(packed))
    except (KeyError, ValueError, binascii.Error, OSError, EOFError) as error:
        raise ClusterError(f"the stored revision {name} cannot be decoded: {error}") from error
    return record


def current(history: Sequence[Revision], release: str, namespace: str) -> Revision:
    """Return the newest revision.

    Raises:
        HelmError: There is no such release.
    """
    if not history:
        raise HelmError(
            f"there is no release {release} in namespace {namespace}",
            "helm list -A shows all releases; -n chooses the namespace",
        )
    return history[-1]


def last_deployed(history: Sequence[Revision]) -> Revision | None:
    """Return the newest revision whose rollout Helm saw through; None where there is none."""
    return next((revision for revision in reversed(history) if revision.was_deployed), None)


def refuse_pending(history: Sequence[Revision], release: str) -> None:
    """Refuse to touch a release that another client is changing, or died changing.

    Raises:
        LockedError: The newest revision is pending.
    """
    if history and history[-1].pending:
        newest = history[-1]
        raise LockedError(
            f"release {release} is in progress: revision {newest.number} (tag {newest.tag}) is {newest.status} "
            f"since {newest.updated:%Y-%m-%d %H:%M:%S %Z}",
            f"wait for that client to end; if it died: {_way_out(history, release)}",
        )


def _way_out(history: Sequence[Revision], release: str) -> str:
    deployed = last_deployed(history)
    if deployed is None or history[-1].status == "uninstalling":
        return f"helm uninstall {release}"
    return f"helm rollback {release} {deployed.number}"


def rollback_target(
    history: Sequence[Revision], *, to_tag: str | None = None, to_revision: int | None = None
) -> Revision:
    """Choose the revision to go back to.

    With neither argument: the newest revision that was deployed with another tag than the newest revision has. That is
    not Helm's rule (the revision before, whatever its status), which redeploys the failure after an automatic rollback.

    Args:
        history: Every revision, oldest first, at least one.
        to_tag: The newest deployed revision with this tag.
        to_revision: This revision, whatever its status.

    Raises:
        UsageError: There is no such revision.
    """
    if to_revision is not None:
        return _by_number(history, to_revision)
    deployed = [revision for revision in history if revision.was_deployed]
    if to_tag is not None:
        return _newest(deployed, to_tag)
    now = history[-1].tag
    for revision in reversed(deployed):
        if revision.tag != now:
            return revision
    raise UsageError(
        "there is nothing to go back to: no revision was deployed with another tag",
        "sametag history shows the revisions; --to-revision N goes to any of them",
    )


def _by_number(history: Sequence[Revision], number: int) -> Revision:
    for revision in history:
        if revision.number == number:
            return revision
    numbers = ", ".join(str(revision.number) for revision in history)
    raise UsageError(f"there is no revision {number}", f"Helm still has: {numbers}")


def _newest(deployed: Sequence[Revision], tag: str) -> Revision:
    for revision in reversed(deployed):
        if revision.tag == tag:
            return revision
    tags = ", ".join(dict.fromkeys(revision.tag for revision in deployed)) or "none"
    raise UsageError(f"no deployed revision has the tag {tag}", f"tags in the history: {tags}")
