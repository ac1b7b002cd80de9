"""One watched run of Helm against one release."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import httpx2
from lightkube import ApiError

from sametag import helm as helm_release
from sametag.chart import pinned
from sametag.deploy import preflight
from sametag.deploy.attempt import Attempt
from sametag.deploy.events import Outcome, Request, Start, Step
from sametag.deploy.helms_words import told
from sametag.deploy.leftovers import Leftovers
from sametag.deploy.rights import refuse_missing
from sametag.deploy.tags import defaults_of, refuse_empty, refuse_untagged
from sametag.deploy.watched import StuckError, Watch, Watched, Way, watched
from sametag.errors import ClusterError, HelmError, RolloutError, SametagError, ValuesError
from sametag.helm import Note, Revision, note
from sametag.helm.duration import seconds
from sametag.helm.errors import MissingKindError
from sametag.kube.connection import to_its_end
from sametag.kube.retry import patiently
from sametag.rollout import Members, ServiceState, digests_of, members, snapshot, split

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from sametag.chart import Chart
    from sametag.helm.command import HelmCommand
    from sametag.helm.lock import Lock
    from sametag.kube.connection import Client


# As Helm begins the description of a revision that failed, by the status that it died in.
_ACTIONS = {"pending-upgrade": "Upgrade", "pending-rollback": "Rollback"}


@dataclass(slots=True)
class Deployment:
    """One run against one release: the client, Helm, and what was there before."""

    request: Request
    namespace: str
    client: Client
    helm: HelmCommand
    history: list[Revision]
    began: float
    #: None in a dry run, and where the user may not use Leases.
    lock: Lock | None
    #: Whether this Helm uses server-side apply for a new release.
    server_side: bool
    #: Begun while all else is checked; the first action takes it.
    watch: Watch | None
    #: The workloads of the revision that is about to be made.
    expected: Members | None = None
    #: What ran when the newest action began: what was in trouble then is not this action's doing.
    before: dict[str, ServiceState] = field(default_factory=dict)
    #: What its Jobs were seen to run: a migration that did its work is noted with it, whatever came after.
    job_digest: str = ""
    #: The Jobs that took part in the newest action, and the CronJobs.
    others: tuple[ServiceState, ...] = ()
    #: Whether it deploys an older tag as an upgrade, since Helm has forgotten the tag's revisions.
    goes_back: bool = False

    @property
    def name(self) -> str:
        """The release's."""
        return self.request.release

    @property
    def gone(self) -> bool:
        """Whether there is no release: none was installed, or it was uninstalled and its history kept."""
        return not self.history or self.history[-1].status == "uninstalled"

    @property
    def leftovers(self) -> Leftovers:
        """What the revisions until now have left."""
        return Leftovers(self.client, self.request, self.history)

    async def look_anew(self) -> None:
        """Let the next action begin a watch of its own: this one may not have seen yet what we have just changed."""
        if self.watch:
            await self.watch.end()
            self.watch = None

    async def _sight(self, members: Members) -> Watch:
        """Return a watch of these workloads: the one that has begun, where it sees them all."""
        if self.watch and self.watch.members.labelled and not members.labelled:
            await self.look_anew()
        sight, self.watch = self.watch or Watch(self.client, members), None
        sight.members = members
        return sight

    async def see_through(
        self,
        action: Callable[[], Coroutine[Any, Any, int | None]],
        makes: Callable[[Revision], bool],
        expected: Members,
        way: Way = Way.FORTH,
    ) -> tuple[ServiceState, ...]:
        """Run Helm's action and watch the pods until every one is ready on the new revision.

        Args:
            action: Returns the number of the revision that Helm has made, where Helm tells it.
            makes: Whether the action may have made a revision.
            expected: The workloads of the new revision, as far as they are known before.
            way: Where it goes.

        Raises:
            StuckError: Something cannot heal, or Helm gave up after it had begun.
            RolloutError: Another Helm changed the release meanwhile; nothing of what it did is undone.
            SametagError: Helm refused before it changed anything.
        """
        attempt = Attempt(tuple(self.history), makes)
        digest = reason = ""
        sight, deadline = await self._sight(expected), time.monotonic() + seconds(self.request.options.timeout)
        try:
            async with watched(self.client, self.request, sight, way) as rollout:
                self.before = rollout.before
                # Helm 4 calls what is paused, and a DaemonSet with OnDelete, never done; Helm 3 does not wait for them.
                kept = any(member.on_delete for member in expected.found.values())
                self.helm.waits_as_helm_3 = self.server_side and (kept or any(state.held for state in sight.latest))
                try:
                    revision = await self._helms_part(rollout, action, attempt)
                finally:
                    self.job_digest = rollout.job_digest
                if not self.applies_server_side:
                    await self._mend(revision)
                made = members_of(revision, self.name, self.namespace)
                services = await rollout.settle(made, deadline - time.monotonic())
                self.others = rollout.others
            await self._read_on(attempt)
            attempt.refuse_others(self.history)
            digest = self._digest(services)
        except StuckError as stuck:
            await self._read_on(attempt)
            attempt.refuse_others(self.history)
            reason = stuck.reason
            raise
        except RolloutError as overtaken:
            reason = overtaken.message
            raise
        finally:
            await to_its_end(self._write_down(attempt, digest, reason))
        return services

    async def _helms_part(
        self, rollout: Watched, action: Callable[[], Coroutine[Any, Any, int | None]], attempt: Attempt
    ) -> Revision:
        """Run Helm, and return the revision that it has made."""

        async def run() -> None:
            attempt.number = await action()

        try:
            await rollout.run(run)
        except HelmError as error:
            await self._read_on(attempt)
            if attempt.revision(self.history) is None:
                raise  # Helm recorded no revision: nothing was changed
            stuck = await rollout.stuck()
            raise told(error, stuck, self.request.options.timeout, rollout.members) from error
        await self._read_on(attempt)
        return attempt.refuse_others(self.history)

    async def _mend(self, made: Revision) -> None:
        try:
            await preflight.mend(self, made)
        except (ApiError, httpx2.TransportError, ClusterError) as error:
            self._warn(f"whether every object is as {made} says could not be told: {error}")

    async def _read_on(self, attempt: Attempt) -> None:
        self.history = await patiently(lambda: helm_release.renewed(self.client, self.name, attempt.before))
        self._is_gone(gone=not self.history)

    def _is_gone(self, *, gone: bool) -> None:
        if self.lock:
            self.lock.obsolete = gone

    async def remove(self, *, keep_history: bool) -> None:
        """Run `helm uninstall`, and wait until the objects are gone."""
        if self.lock and self.history:
            await self.lock.tell("", self.history[-1].number)
        where = {"namespace": self.namespace, "timeout": self.request.options.timeout}
        await self.helm.uninstall(self.name, **where, keep_history=keep_history, wait=True)
        self._is_gone(gone=not keep_history)

    def _digest(self, services: Sequence[ServiceState]) -> str:
        """Return the one digest that every pod was seen to run; empty, with a warning that says why, where none was."""
        doubts = [f"{state.name}: {state.doubt}" for state in services if state.doubt]
        if doubts:
            self._warn(f"not verified: {'; '.join(doubts)}")
            return ""
        images = digests_of(services)
        digests = sorted(set[str]().union(*images.values()))
        if len(digests) == 1:
            return digests[0]
        if digests and len(images) == len(digests):
            self._warn(f"not verified: the services run several images: {', '.join(sorted(images))}")
        elif digests:
            told = ", ".join(digest or "none reported" for digest in digests)
            self._warn(f"not verified: the pods run several images under the tag {self.history[-1].tag}: {told}")
        return ""

    async def _write_down(self, attempt: Attempt, digest: str, reason: str) -> None:
        """Note in Helm's history who made the new revision and why, and that it is verified where it is.

        Failed revisions are noted too; one that a killed Helm has left pending is failed. Then the history is cut to
        its length: by us, since Helm would remove the oldest, verified or not.
        """
        if self.lock and self.lock.lost:
            return
        try:
            revision = attempt.revision(self.history)
            if revision is None:
                await self._read_on(attempt)
                revision = attempt.revision(self.history)
            if revision is None:
                return  # Helm recorded nothing
            made, place = revision, self.history.index(revision)
            self.history[place] = await patiently(lambda: self._noted(made, digest, reason))
            for expendable in helm_release.expendable(self.history, self.request.options.history_max):
                await helm_release.remove(self.client, expendable)
                self.history.remove(expendable)
        except (ApiError, httpx2.TransportError, SametagError) as error:
            self._warn(f"what was done could not be noted in Helm's history: {error}")

    async def _noted(self, newest: Revision, digest: str, reason: str) -> Revision:
        words = newest.note.words
        if newest.pending and reason:
            words = f'{_ACTIONS.get(newest.status, "Release")} "{self.name}" failed: {reason}'
        elif newest.pending:
            words = f"{note.LEFT}{newest.status} by a Helm that was killed"
        elif reason:
            # All that Helm knows of a rollout that we have stopped.
            words = words.replace("context canceled", reason)
        elif self.goes_back and newest.was_deployed and newest.rolled_back_to is None:
            words = f"{note.BACK}{words}"
        told = Note(
            words,
            when=datetime.now(UTC),
            verified=bool(digest),
            tag=newest.tag,
            digest=digest or self.job_digest,
            who=helm_release.author(),
            why=self.request.options.description,
        )
        status = "failed" if newest.pending else None
        return await helm_release.describe(self.client, newest, note.text(told), status=status)

    def _warn(self, text: str) -> None:
        self.request.report(Step(f"warning: {text}"))

    async def roll_back(self, to: Revision, way: Way = Way.RESCUE) -> tuple[ServiceState, ...]:
        """Run `helm rollback` to a revision, watched."""
        await self._start("rollback", to.tag or to.digest)
        await preflight.clear_the_way(self, to)
        expected = members_of(to, self.name, self.namespace)
        return await self.see_through(
            lambda: self.helm.rollback(
                self.name,
                to.number,
                namespace=self.namespace,
                timeout=self.request.options.timeout,
                force_conflicts=self.applies_server_side,
            ),
            lambda revision: revision.manifest == to.manifest,
            expected,
            way,
        )

    async def astray(self, to: Revision) -> list[str]:
        """Return the services that are not as a revision says, each with what is missing."""
        try:
            states = await snapshot(self.client, members_of(to, self.name, self.namespace))
        except (ApiError, httpx2.TransportError):
            return []
        return [f"{state.name} ({state.doubt})" for state in states if state.doubt and not state.extra]

    async def _start(self, action: str, tag: str) -> None:
        if self.lock:
            await self.lock.tell(tag, self.history[-1].number + 1 if self.history else 1)
        self.request.report(Start(action, self.name, self.namespace, tag))

    @property
    def applies_server_side(self) -> bool:
        """Whether Helm changes this release by server-side apply, under which others may own some of its fields.

        Helm 4 does, but for a release that was made with client-side apply; it refuses to force conflicts there, and
        Helm 3 does not know them.
        """
        return self.server_side and (not self.history or self.history[-1].server_side)

    async def apply(self, chart: Chart, values: dict[str, Any]) -> tuple[ServiceState, ...]:
        """Run `helm upgrade --install` with exactly these values, watched."""
        image = pinned(values.get("image") or {})
        expected = self.expected or Members(self.name, {})
        tags = {tag or digest for _, tag, digest in map(split, expected.images)}
        await self._start("install" if self.gone else "upgrade", ", ".join(sorted(tags)))

        async def upgrade() -> int | None:
            return await self.helm.install_or_upgrade(
                self.name,
                chart.path,
                values,
                namespace=self.namespace,
                create_namespace=self.request.options.create_namespace,
                reset_values=True,
                force_conflicts=self.request.options.take_over and self.applies_server_side,
                timeout=self.request.options.timeout,
                wait=True,
            )

        asked = {key: str(image[key]) for key in ("tag", "digest") if image.get(key)}
        return await self.see_through(upgrade, lambda revision: asked.items() <= revision.image.items(), expected)

    async def refuse_missing(self, manifest: str) -> None:
        """Refuse what the user has no right to, and warn of what could not be undone."""
        if warning := await refuse_missing(self.client, self.namespace, manifest):
            self._warn(warning)

    async def rehearse(self, chart: Chart, values: dict[str, Any]) -> Revision:
        """Return the revision that Helm would make of these values, without making it.

        Raises:
            ClusterError: The user lacks a right in the namespace; the message names all that are missing.
            UsageError: It would not run the tag that is asked for.
            ValuesError: It would not have any service.
            SametagError: Helm refuses.
        """
        try:
            then = await self.helm.dry_run(self.name, chart.path, values, namespace=self.namespace)
        except HelmError as error:
            if "forbidden" in error.message:
                manifest = await self.helm.render(self.name, chart.path, values, namespace=self.namespace)
                await self.refuse_missing(manifest)
            if not (self.gone and isinstance(error, MissingKindError)):
                raise
            # The chart may bring the kind along: Helm creates those before the first install, not in a dry run.
            text = await self.helm.render(self.name, chart.path, values, namespace=self.namespace)
            then = rendered(self.name, chart, values, text)
        except ValuesError as error:
            if "there is no service" in error.message:  # the chart's own words
                refuse_empty(Members(self.name, {}), self.name, helm_release.last_good(self.history))
            raise
        manifests = [then.manifest, *then.hook_manifests]
        self.expected = members(self.name, self.namespace, manifests, (values, defaults_of(chart)))
        refuse_untagged(self.expected, chart, values)
        refuse_empty(self.expected, self.name, helm_release.last_good(self.history))
        await self.refuse_missing(then.manifest)
        return then

    def outcome(self, services: tuple[ServiceState, ...]) -> Outcome:
        """Put together what is true now."""
        return Outcome(self.history[-1], services, time.monotonic() - self.began, self.others)


def rendered(release: str, chart: Chart, values: dict[str, Any], manifest: str) -> Revision:
    """Return what Helm only rendered as the first revision that it would be."""
    return Revision(
        {
            "name": release,
            "version": 1,
            "info": {"status": "rendered"},
            "chart": {"metadata": {"name": chart.name, "version": chart.version}, "values": defaults_of(chart)},
            "config": values,
            "manifest": manifest,
        }
    )


def members_of(revision: Revision | None, release: str, namespace: str) -> Members:
    """Return the workloads of a revision; none of no revision."""
    if revision is None:
        return Members(release, {})
    return members(release, namespace, (revision.manifest, *revision.hook_manifests), revision.layers)
