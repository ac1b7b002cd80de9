"""The revisions of a release, read and written where Helm keeps them.

Helm stores each revision as a Secret (or a ConfigMap, with HELM_DRIVER=configmap) that holds base64 of gzip of JSON.
One list call gives every revision with its tag; `helm history` has no tags, and `helm get values` would be one process
for each revision. Source: helm.sh/helm/v4/pkg/storage/driver
"""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple

from lightkube import ApiError
from lightkube import operators as op
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import ConfigMap, Secret

from sametag.errors import ClusterError, LockedError
from sametag.helm.record import DamageError, checked, pack, unpacked, with_info
from sametag.helm.revision import Revision
from sametag.kube.access import driver
from sametag.kube.objects import check_release
from sametag.kube.retry import on_conflict

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from lightkube import AsyncClient
    from lightkube.core.client import LabelSelector


@dataclass(frozen=True, slots=True)
class Damaged:
    """A record that cannot be read as a revision. Helm skips it, and so does sametag.

    Attributes:
        name: Of the Secret or ConfigMap.
        number: The number of the revision in its name; None if there is none.
        reason: What is wrong with it.
        created: When it was made.
        blocks: Whether Helm would need its name for the revision with this number.
    """

    name: str
    number: int | None
    reason: str
    created: datetime | None
    blocks: bool

    def __str__(self) -> str:
        return f"{self.name} cannot be read as a revision: {self.reason}"


class Records(NamedTuple):
    """The records of a release: its revisions, oldest first, and the damaged ones."""

    revisions: list[Revision]
    damaged: list[Damaged]


async def records(client: AsyncClient, release: str) -> Records:
    """Return the records of a release; empty if the release does not exist.

    The client's namespace is that of the release. One API call reads any number of revisions.
    """
    return await _listed(client, release)


async def revisions(client: AsyncClient, release: str) -> list[Revision]:
    """Return every readable revision, oldest first; see `records`."""
    return (await records(client, release)).revisions


async def renewed(client: AsyncClient, release: str, history: Sequence[Revision]) -> list[Revision]:
    """Return a history with the revisions that Helm added; the known ones are not read again."""
    known = [str(revision.number) for revision in history]
    added = (await _listed(client, release, {"version": op.not_in(known)} if known else {})).revisions
    if added and added[-1].status == "deployed":
        return [*map(_superseded, history), *added]
    return [*history, *added]


def _superseded(revision: Revision) -> Revision:
    """Return a revision as it is after Helm has deployed a newer one."""
    if revision.status != "deployed":
        return revision
    return Revision({**revision.record, "info": {**revision.record["info"], "status": "superseded"}})


async def _listed(client: AsyncClient, release: str, more: LabelSelector | None = None) -> Records:
    check_release(release)
    labels: LabelSelector = {"owner": "helm", "name": release, **(more or {})}
    read: dict[int, Revision] = {}
    damaged: list[Damaged] = []
    items = [item async for item in client.list(_kind(), labels=labels)]
    # A record under its own name takes precedence over copies under other names.
    for item in sorted(items, key=lambda item: not _is_canonical(item, release)):
        try:
            revision = Revision(checked(unpacked(item)[1], release), item)
            if revision.number in read:
                raise DamageError(f"it is a copy of revision {revision.number}")  # noqa: TRY301 - as any other damage
            read[revision.number] = revision
        except DamageError as error:
            damaged.append(_damaged(item, release, str(error)))
    return Records(
        [read[number] for number in sorted(read)], sorted(damaged, key=lambda one: (one.number or 0, one.name))
    )


_CANONICAL = re.compile(r"sh\.helm\.release\.v1\.(?P<release>.+)\.v(?P<number>[1-9][0-9]{0,8})", re.ASCII)


def _name_of(item: Secret | ConfigMap) -> str:
    return str((item.metadata and item.metadata.name) or "")


def _is_canonical(item: Secret | ConfigMap, release: str) -> bool:
    parts = _CANONICAL.fullmatch(_name_of(item))
    return parts is not None and parts["release"] == release


def _damaged(item: Secret | ConfigMap, release: str, reason: str) -> Damaged:
    name = _name_of(item)
    parts = _CANONICAL.fullmatch(name)
    created = item.metadata.creationTimestamp if item.metadata else None
    return Damaged(name, int(parts["number"]) if parts else None, reason, created, _is_canonical(item, release))


async def set_aside(client: AsyncClient, damaged: Damaged) -> str:
    """Rename a damaged record if Helm needs its name for the next revision.

    Returns:
        The new name, which Helm ignores.
    """
    item = await client.get(_kind(), damaged.name)
    aside = copy.copy(item)
    aside.metadata = ObjectMeta(name=f"{damaged.name}.damaged")
    try:
        await client.create(aside)
    except ApiError as error:
        if error.status.code != HTTPStatus.CONFLICT:
            raise
    await client.delete(_kind(), damaged.name)
    return f"{damaged.name}.damaged"


async def describe(client: AsyncClient, revision: Revision, description: str, *, status: str | None = None) -> Revision:
    """Write the description of a revision, and its status if given; every other byte of the record stays.

    Returns:
        The revision as it is stored now.

    Raises:
        LockedError: Its status has changed since it was read: another client is at work.
        ClusterError: It is gone.
    """

    async def read() -> Any:
        return await client.get(_kind(), _name(revision))

    async def write(stored: Any) -> Revision:
        item = copy.copy(stored)
        text, record = _unpack_own(item)
        info = record["info"]
        if info["status"] != revision.status:
            raise LockedError(
                f"revision {revision.number} of {revision.release} was {revision.status} and is {info['status']} now",
                "another client is changing the release: wait for it to end, then try again",
            )
        info |= {"description": description, "status": status or info["status"]}
        pack(item, with_info(text, info), info["status"])
        return Revision(record, await client.replace(item))

    try:
        # The API server rejects the replacement if the record was written since it was read.
        return await on_conflict(revision.stored or await read(), write, read)
    except ApiError as error:
        if error.status.code != HTTPStatus.CONFLICT:
            raise
        raise ClusterError(
            f"revision {revision.number} of {revision.release} keeps being modified by another client"
        ) from error


async def remove(client: AsyncClient, revision: Revision) -> None:
    """Delete a revision from Helm's history, if it still exists."""
    try:
        await client.delete(_kind(), _name(revision))
    except ApiError as error:
        if error.status.code != HTTPStatus.NOT_FOUND:
            raise


def stored_as() -> str:
    """Return the resource that Helm stores revisions as: `secrets`, or `configmaps`."""
    return f"{_kind().__name__.lower()}s"


def _name(revision: Revision) -> str:
    return f"sh.helm.release.v1.{revision.release}.v{revision.number}"


def _kind() -> type[Secret | ConfigMap]:
    return ConfigMap if driver() == "configmap" else Secret


def _unpack_own(item: Secret | ConfigMap) -> tuple[str, dict[str, Any]]:
    """Return a record that could be read before, as text and parsed."""
    try:
        return unpacked(item)
    except DamageError as error:
        raise ClusterError(f"{_name_of(item)} can no longer be read: {error}") from error
