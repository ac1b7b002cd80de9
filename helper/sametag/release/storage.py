"""The revisions of a release, read and written where Helm keeps them.

Helm stores each revision as a Secret (or a ConfigMap, with HELM_DRIVER=configmap) that holds base64 of gzip of JSON.
One list call gives every revision with its tag; `helm history` has no tags, and `helm get values` would be one process
for each revision. Source: helm.sh/helm/v4/pkg/storage/driver
"""

from __future__ import annotations

import base64
import binascii
import copy
import gzip
import json
import time
from typing import TYPE_CHECKING, Any

from lightkube import ApiError
from lightkube import operators as op
from lightkube.resources.core_v1 import ConfigMap, Secret

from sametag.errors import ClusterError, LockedError
from sametag.kube.access import driver
from sametag.release.revision import Revision

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lightkube import AsyncClient
    from lightkube.core.client import LabelSelector

_GZIP = b"\x1f\x8b"

_NOT_FOUND, _CONFLICT = 404, 409

# Helm, or another sametag, writes the same record at the same moment.
_ATTEMPTS = 3


async def revisions(client: AsyncClient, release: str) -> list[Revision]:
    """Return every revision that Helm still has, oldest first; empty where there is no such release.

    The client's namespace is the release's. One API call, whatever the number of revisions.

    Raises:
        ClusterError: A stored revision cannot be decoded.
        HelmError: HELM_DRIVER names a storage that is not in the cluster.
    """
    return await _listed(client, release)


async def renewed(client: AsyncClient, release: str, history: Sequence[Revision]) -> list[Revision]:
    """Return a history with what Helm has added to it; a long one is not fetched again for one revision.

    Raises:
        ClusterError: As `revisions`.
    """
    known = [str(revision.number) for revision in history]
    added = await _listed(client, release, {"version": op.not_in(known)} if known else {})
    if added and added[-1].status == "deployed":
        return [*map(_superseded, history), *added]
    return [*history, *added]


def _superseded(revision: Revision) -> Revision:
    """Return a revision as Helm leaves it when it has deployed a newer one."""
    if revision.status != "deployed":
        return revision
    return Revision({**revision.record, "info": {**revision.record["info"], "status": "superseded"}})


async def _listed(client: AsyncClient, release: str, more: LabelSelector | None = None) -> list[Revision]:
    labels: LabelSelector = {"owner": "helm", "name": release, **(more or {})}
    found = [Revision(_unpack(item)[1], item) async for item in client.list(_kind(), labels=labels)]
    return sorted(found, key=lambda revision: revision.number)


async def describe(client: AsyncClient, revision: Revision, description: str, *, status: str | None = None) -> Revision:
    """Write a revision's description, and its status where one is given; every other byte of the record stays.

    Returns:
        The revision as it is stored now.

    Raises:
        LockedError: Its status is not the one that was read before: somebody else is at work.
        ClusterError: It is gone.
    """
    # As it was read, in most cases: the API server refuses to replace it where it was written since.
    stored = revision.stored
    for _ in range(_ATTEMPTS):
        item = copy.copy(stored or await client.get(_kind(), _name(revision)))
        text, record = _unpack(item)
        info = record["info"]
        if info["status"] != revision.status:
            raise LockedError(
                f"revision {revision.number} of {revision.release} was {revision.status} and is {info['status']} now",
                "another client is at work: wait for it to end, then try again",
            )
        info |= {"description": description, "status": status or info["status"]}
        _pack(item, _with_info(text, info), info["status"])
        try:
            return Revision(record, await client.replace(item))
        except ApiError as error:
            if error.status.code != _CONFLICT:
                raise
            stored = None
    raise ClusterError(f"revision {revision.number} of {revision.release} is being written by others all the time")


async def remove(client: AsyncClient, revision: Revision) -> None:
    """Remove a revision from Helm's history; it may be gone already."""
    try:
        await client.delete(_kind(), _name(revision))
    except ApiError as error:
        if error.status.code != _NOT_FOUND:
            raise


def stored_as() -> str:
    """Return the resource that Helm stores revisions as: `secrets`, or `configmaps`."""
    return f"{_kind().__name__.lower()}s"


def _name(revision: Revision) -> str:
    return f"sh.helm.release.v1.{revision.release}.v{revision.number}"


def _kind() -> type[Secret | ConfigMap]:
    return ConfigMap if driver() == "configmap" else Secret


def _unpack(item: Secret | ConfigMap) -> tuple[str, dict[str, Any]]:
    """Return a stored revision, as text and as it reads."""
    name = item.metadata.name if item.metadata else "?"
    try:
        # The API server wraps a Secret's data in base64 once more; a ConfigMap's it leaves alone.
        packed = base64.b64decode((item.data or {})["release"])
        if not packed.startswith(_GZIP):
            packed = base64.b64decode(packed)
        text = gzip.decompress(packed).decode()
        return text, json.loads(text)
    except (KeyError, ValueError, binascii.Error, OSError, EOFError) as error:
        raise ClusterError(f"the stored revision {name} cannot be decoded: {error}") from error


def _pack(item: Secret | ConfigMap, text: str, status: str) -> None:
    """Store a record as Helm does, its status in the label that Helm finds it by too."""
    packed = base64.b64encode(gzip.compress(text.encode()))
    item.data = {"release": (base64.b64encode(packed) if isinstance(item, Secret) else packed).decode()}
    if item.metadata:
        item.metadata = copy.copy(item.metadata)
        item.metadata.labels = {
            **(item.metadata.labels or {}),
            "status": status,
            "modifiedAt": str(int(time.time())),
        }


def _with_info(text: str, info: dict[str, Any]) -> str:
    """Put another `info` into a record's JSON; all around it stays, since Go's numbers are not always Python's.

    Args:
        text: A JSON object with an `info`.
        info: What takes its place.
    """
    decode = json.JSONDecoder().raw_decode
    position = 1
    while True:
        key, position = decode(text, _next(text, position))
        begin = _next(text, position)
        _, position = decode(text, begin)
        if key == "info":
            return text[:begin] + json.dumps(info, ensure_ascii=False, separators=(",", ":")) + text[position:]


def _next(text: str, position: int) -> int:
    """Return where the next key or value of a JSON object begins."""
    while text[position] in " \t\r\n:,":
        position += 1
    return position
