"""What a revision leaves behind that is not part of the release: the objects of its hooks, its Jobs, its claims.

Helm does not track hooks, and ends none that runs: the migration of a tag that failed would still run when its image
appears later, say. Source: https://helm.sh/docs/topics/charts_hooks/
"""

from __future__ import annotations

import asyncio
import re
import time
from typing import TYPE_CHECKING, NamedTuple

import httpx2
from lightkube import ApiError
from msgspec import ValidationError, convert

from sametag import helm as helm_release
from sametag.chart.labels import service_of
from sametag.chart.manifest import parse
from sametag.deploy.events import Troubled
from sametag.drift import traits
from sametag.errors import ClusterError
from sametag.helm.revision import RUNS
from sametag.kube.api import Api
from sametag.kube.objects import Key
from sametag.kube.retry import patiently
from sametag.rollout import Members, Trouble, evidence
from sametag.rollout.jobs import jobs
from sametag.rollout.kube_types import Job, Pod
from sametag.rollout.members import Member
from sametag.rollout.workload import Objects

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator, Sequence

    from sametag.deploy.request import Request
    from sametag.deploy.session import Session
    from sametag.helm import Hook, Revision
    from sametag.kube.connection import Client
    from sametag.kube.objects import Object
    from sametag.rollout import Evidence

# A pod gets 30 seconds to end, unless it says otherwise.
_END_SECONDS = 60
_POLL = 0.5

# What is in the text of objects that run to completion, and of those that stay after an uninstall.
_RUN = re.compile(r"\b(Job|Pod|CronJob)\b|List\b")
_STAYS = re.compile(r"helm\.sh/resource-policy|\bStatefulSet\b|List\b")


class _Left(NamedTuple):
    """A live object, the revision that left it behind, and its hook; None if it is not of a hook."""

    item: Object
    revision: Revision
    hook: Hook | None = None

    @property
    def name(self) -> str:
        return f"{self.item['kind']} {self.item['metadata']['name']}"

    @property
    def title(self) -> str:
        return str(self.hook) if self.hook else self.name


def leftovers_of(session: Session) -> Leftovers:
    """Return what the revisions of the session have left behind so far."""
    return Leftovers(session.client, session.request, session.history)


class Leftovers:
    """What the revisions of a release have left behind.

    Args:
        client: The client of the cluster.
        request: The release, and the receiver of the events.
        history: The revisions, oldest first, none of them pending.
    """

    def __init__(self, client: Client, request: Request, history: Sequence[Revision]) -> None:
        self._client = client
        self._request = request
        self._history = history
        self._api = Api(client)
        self._namespace = str(client.namespace)

    async def end_failed(self, known: Iterable[Evidence] = ()) -> None:
        """End the unfinished Jobs and pods of failed revisions, and delete what came with them; first report the logs.

        A leftover that cannot be ended is a warning, not an error.

        Args:
            known: The causes that were reported before.
        """
        try:
            left = [leftover async for leftover in self._left_by_failed()]
            await self._tell_logs(left, known)
            kept = [leftover for leftover in left if traits.is_to_be_kept(leftover.item)]
            await self._delete([leftover for leftover in left if leftover not in kept])
            for leftover in kept:
                await self._suspend(leftover)
        except (ApiError, ClusterError, httpx2.TransportError) as error:
            self._warn(f"leftovers of a failed revision may still be running, and cannot be listed: {error}")

    async def warn_of_failed(self) -> None:
        """Warn of the unfinished Jobs and pods of failed revisions that are kept for debugging."""
        for leftover in [left async for left in self._left_by_failed()]:
            if leftover.item["kind"] in RUNS and not traits.has_ended(leftover.item):
                command = self._removal(leftover)
                self._warn(
                    f"{leftover.title} of {leftover.revision} keeps running until the release is next changed; "
                    f"{command} stops it"
                )

    async def _left_by_failed(self) -> AsyncIterator[_Left]:
        async for left in self._of_hooks(_failed_hooks(self._history)):
            if _goes_with_failure(left):
                yield left
        newest = self._history[-1] if self._history else None
        if newest and _failed(newest):
            async for left in self._jobs_of(newest):
                yield left
        async for left in self._runs_of_cronjobs():
            yield left

    async def _of_hooks(self, hooks: Iterable[tuple[Hook, Revision]]) -> AsyncIterator[_Left]:
        for hook, revision in hooks:
            for item in self._parsed(hook.manifest).values():
                live = await self._read(item)
                if live and traits.made_of(item, live):
                    yield _Left(live, revision, hook)

    async def _jobs_of(self, failed: Revision) -> AsyncIterator[_Left]:
        """Yield the unfinished Jobs and pods that the last good revision does not have."""
        good = self._parsed(self._good, _RUN)
        for key, item in self._parsed(failed.manifest, _RUN).items():
            if key.kind in ("Job", "Pod") and key not in good:
                live = await self._read(item)
                if live and traits.made_for(self._request.release, live) and not traits.has_ended(live):
                    yield _Left(live, failed)

    async def _runs_of_cronjobs(self) -> AsyncIterator[_Left]:
        """Yield the unfinished Jobs that CronJobs made with the template of a failed revision.

        A Job that waits for a missing image would keep its CronJob from ever running again.
        """
        good = _cronjobs(self._parsed(self._good, _RUN))
        bad: dict[Key, list[tuple[Object, Revision]]] = {}
        for revision in filter(_failed, self._history):
            for key, item in _cronjobs(self._parsed(revision.manifest, _RUN)).items():
                if key not in good or _runs(item) != _runs(good[key]):
                    bad.setdefault(key, []).append((item, revision))
        keys: dict[str, Key] = {}
        for key, versions in bad.items():
            live = await self._read(versions[0][0])
            if live and traits.made_for(self._request.release, live):
                keys[live["metadata"]["uid"]] = key
        for job in await self._every("batch/v1", "Job") if keys else ():
            for uid in keys.keys() & traits.owners(job):
                made = [revision for item, revision in bad[keys[uid]] if _is_run_of(job, item)]
                if made and not traits.has_ended(job):
                    yield _Left(job, made[-1])

    async def remove_hooks(self) -> None:
        """Delete the objects of the hooks of every revision, except those to be kept."""
        hooks = [(hook, revision) for revision in self._history for hook in revision.hooks]
        left = {
            found.item["metadata"]["uid"]: found
            async for found in self._of_hooks(hooks)
            if not (traits.is_to_be_kept(found.item) or traits.holds_data(found.item))
        }
        await self._tell_logs((found for found in left.values() if not traits.has_ended(found.item)), ())
        await self._delete(list(left.values()))

    async def say_kept(self) -> bool:
        """Report what is still there after an uninstall, and how to delete it; return whether anything is."""
        kept = [key async for key in self._kept()]
        if kept:
            them = "it" if len(kept) == 1 else "them"
            command = self._request.delete_command(self._namespace, *(f"{key.kind}/{key.name}" for key in kept))
            self._request.say(f"kept: {', '.join(map(str, kept))}; {command} removes {them}")
        return bool(kept)

    async def _kept(self) -> AsyncIterator[Key]:
        items = {
            key: item for revision in self._history for key, item in self._parsed(revision.manifest, _STAYS).items()
        }
        hooks = {
            key: item
            for revision in self._history
            for hook in revision.hooks
            for key, item in self._parsed(hook.manifest).items()
        }
        stay = {key: item for key, item in {**items, **hooks}.items() if traits.is_to_be_kept(item)}
        stay |= {key: item for key, item in hooks.items() if traits.holds_data(item)}
        for key, item in stay.items():
            live = await self._read(item)
            if live and "deletionTimestamp" not in live["metadata"]:
                yield key
        sets = [item for key, item in items.items() if key.kind == "StatefulSet"]
        patterns = [pattern for item in sets for pattern in traits.claims(item)]
        for claim in await self._every("v1", "PersistentVolumeClaim") if patterns else ():
            metadata = claim["metadata"]
            # One with an owner goes with its StatefulSet: persistentVolumeClaimRetentionPolicy.
            stays = "deletionTimestamp" not in metadata and not metadata.get("ownerReferences")
            if stays and any(pattern.fullmatch(metadata["name"]) for pattern in patterns):
                yield Key("", "PersistentVolumeClaim", self._namespace, metadata["name"])

    @property
    def _good(self) -> str:
        good = helm_release.last_good(self._history)
        return good.manifest if good else ""

    def _parsed(self, manifest: str, having: re.Pattern[str] | None = None) -> dict[Key, Object]:
        return parse(manifest, self._namespace, having)

    async def _read(self, item: Object) -> Object | None:
        return await patiently(lambda: self._api.get(item))

    async def _every(self, api_version: str, kind: str) -> list[Object]:
        return await patiently(lambda: self._api.every(api_version, kind))

    async def _tell_logs(self, left: Iterable[_Left], known: Iterable[Evidence]) -> None:
        """Report why Jobs have not ended, with the log of their newest pod, which is about to be deleted."""
        told = {(cause.trouble.pod, cause.trouble.container) for cause in known}
        troubles = [
            (name, trouble)
            for leftover in left
            for name, trouble in await self._troubles(leftover)
            if trouble.pod and (trouble.pod, trouble.container) not in told
        ]
        if troubles:
            self._request.report(Troubled(tuple(await evidence(self._client, troubles))))

    async def _troubles(self, left: _Left) -> list[tuple[str, Trouble]]:
        if left.item["kind"] == "Pod":
            pod, containers = left.item["metadata"]["name"], left.item["spec"].get("containers") or ()
            title = f"{left.title} has not ended"
            return [(pod, Trouble("NotReady", title, pod, container["name"])) for container in containers]
        if left.item["kind"] != "Job":
            return []
        try:
            job: Job = convert(left.item, Job)
            listing = self._client.list(Pod, labels={"job-name": job.metadata.name})
            pods = {pod.metadata.uid: pod async for pod in listing}
        except (ApiError, httpx2.TransportError, ValidationError):
            return []
        member = Member("Job", job.metadata.name, service_of(left.item))
        alone = Members(self._request.release, {(member.kind, member.name): member})
        states = jobs(Objects(jobs={job.metadata.uid: job}, pods=pods), alone)
        return [(state.name, trouble) for state in states for trouble in state.troubles or state.unready]

    async def _delete(self, left: Sequence[_Left]) -> None:
        """Delete objects, and wait until they are gone, the pods of the Jobs too."""
        deleted = [leftover for leftover in left if await self._is_deleted(leftover)]
        if not deleted:
            return
        revisions = dict.fromkeys(str(leftover.revision) for leftover in deleted)
        titles = dict.fromkeys(leftover.title for leftover in deleted)
        self._request.say(f"deleted what {' and '.join(revisions)} left: {', '.join(titles)}")
        until = time.monotonic() + _END_SECONDS
        for leftover in deleted:
            while await self._is_there(leftover.item):
                if time.monotonic() > until:
                    self._warn(
                        f"{leftover.name} is deleted but still there after {_END_SECONDS} s: its pods may be running"
                    )
                    break
                await asyncio.sleep(_POLL)

    async def _is_deleted(self, left: _Left) -> bool:
        try:
            await patiently(lambda: self._api.delete(left.item, owned_first=True))
        except (ApiError, httpx2.TransportError) as error:
            self._warn_of(left, error)
            return False
        return True

    async def _is_there(self, item: Object) -> bool:
        live = await self._read(item)
        return live is not None and bool(live["metadata"]["uid"] == item["metadata"]["uid"])

    async def _suspend(self, left: _Left) -> None:
        """Suspend a Job that is to be kept."""
        if left.item["kind"] != "Job" or traits.has_ended(left.item):
            return
        try:
            await patiently(lambda: self._api.suspend(left.item))
        except (ApiError, httpx2.TransportError) as error:
            self._warn_of(left, error)
        else:
            self._request.say(f"suspended {left.title} of {left.revision}, which is to be kept")

    def _warn_of(self, left: _Left, error: Exception) -> None:
        self._warn(f"{left.name} of {left.revision} stays: {error}; {self._removal(left)} removes it")

    def _removal(self, left: _Left) -> str:
        namespace = left.item["metadata"].get("namespace") or self._namespace
        return self._request.delete_command(namespace, f"{left.item['kind']}/{left.item['metadata']['name']}")

    def _warn(self, text: str) -> None:
        self._request.warn(text)


def _failed(revision: Revision) -> bool:
    return revision.status == "failed"


def _failed_hooks(history: Iterable[Revision]) -> Iterator[tuple[Hook, Revision]]:
    """Yield the hooks of failed revisions, except those that a later revision has run again: their objects are gone."""
    last = {
        (hook.kind, hook.name): (hook, revision)
        for revision in history
        for hook in revision.hooks
        if revision.ran(hook) and not hook.at(("test",))
    }
    for hook, revision in last.values():
        # An uninstall that failed in a hook has not changed the release.
        stopped_removal = hook.at(("pre-delete", "post-delete")) and not hook.succeeded
        if _failed(revision) or stopped_removal:
            yield hook, revision


def _goes_with_failure(left: _Left) -> bool:
    """Whether an object is deleted after its revision failed: an unfinished hook or Job, or what came with it."""
    if left.hook is None or left.hook.runs:
        return not traits.has_succeeded(left.item)
    ends = {"hook-succeeded", "hook-failed"} & set(left.hook.policies)
    return bool(ends) and not (traits.is_to_be_kept(left.item) or traits.holds_data(left.item))


def _cronjobs(items: dict[Key, Object]) -> dict[Key, Object]:
    return {key: item for key, item in items.items() if key.kind == "CronJob"}


def _runs(cronjob: Object) -> object:
    return traits.containers(cronjob["spec"]["jobTemplate"])


def _is_run_of(job: Object, cronjob: Object) -> bool:
    """Whether a Job has the containers of a CronJob; admission may have added more."""
    wanted, found = traits.containers(cronjob["spec"]["jobTemplate"]), traits.containers(job)
    return {name: found.get(name) for name in wanted} == wanted
