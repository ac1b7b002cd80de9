"""One revision of a release and its hooks, as Helm stored them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sametag.chart import pinned
from sametag.helm.note import LEFT, Note, parse

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lightkube.models.meta_v1 import ObjectMeta

# Helm is at work, or died: it rejects every change until the state is cleared.
_PENDING = ("pending-install", "pending-upgrade", "pending-rollback", "uninstalling")

# A failed revision stays failed, with one exception: a successful upgrade supersedes a failed first install.
_WAS_DEPLOYED = ("deployed", "superseded")
_HAD_FAILED = re.compile(r'(Release|Upgrade|Rollback) "[^"]*" failed: |' + re.escape(LEFT))

# Helm's words for a rollback. Source: helm.sh/helm/v4/pkg/action/rollback.go
_ROLLBACK = re.compile(r"Rollback to (\d+)\b")

_WORKLOAD = re.compile(r"^kind: *\"?(Deployment|StatefulSet|DaemonSet|Job|CronJob|Pod|Rollout)\b", re.MULTILINE)

#: Kinds that run to completion, unlike a ServiceAccount or ConfigMap that comes with them.
RUNS = ("Job", "Pod")

# Helm's default. Source: https://helm.sh/docs/topics/charts_hooks/#hook-deletion-policies
_DEFAULT_POLICY = ("before-hook-creation",)


@dataclass(frozen=True, slots=True)
class Hook:
    """A hook of one revision.

    Attributes:
        kind: Its object's kind.
        name: Its object's name.
        events: When Helm runs it, such as `pre-upgrade`.
        manifest: Its object, as Helm rendered it.
        policies: When Helm deletes its object.
        began: When it was last created, by the clock of that Helm; None if it never was.
        ended: When it ended, by the same clock; None if it did not.
        phase: Succeeded or Failed; Running or Unknown if Helm did not see its end.
    """

    kind: str
    name: str
    events: tuple[str, ...]
    manifest: str = field(default="", repr=False)
    policies: tuple[str, ...] = _DEFAULT_POLICY
    began: datetime | None = None
    ended: datetime | None = None
    phase: str = ""

    @property
    def runs(self) -> bool:
        """Whether it runs to completion, and is not only an object that such a hook needs."""
        return self.kind in RUNS

    @property
    def succeeded(self) -> bool:
        """Whether it succeeded."""
        return self.phase == "Succeeded"

    def at(self, events: Iterable[str]) -> tuple[str, ...]:
        """Return which of these events it runs at."""
        wanted = set(events)
        return tuple(event for event in self.events if event in wanted)

    def __str__(self) -> str:
        return f"{self.kind} {self.name} ({', '.join(self.events)})"


def hooks_of(record: dict[str, Any]) -> list[Hook]:
    """Return the hooks in a record. Source: helm.sh/helm/v4/pkg/release/v1, Hook."""
    return [_hook(entry) for entry in record.get("hooks") or ()]


def _hook(entry: dict[str, Any]) -> Hook:
    last = entry.get("last_run") or {}
    return Hook(
        kind=str(entry.get("kind", "")),
        name=str(entry.get("name", "")),
        events=tuple(entry.get("events") or ()),
        manifest=str(entry.get("manifest") or ""),
        policies=tuple(entry.get("delete_policies") or _DEFAULT_POLICY),
        began=_time(last.get("started_at")),
        ended=_time(last.get("completed_at")),
        phase=str(last.get("phase") or ""),
    )


def _time(text: str | None) -> datetime | None:
    """Parse a time as Go writes it; Go's zero time means never."""
    if not text or text.startswith("0001-"):
        return None
    return datetime.fromisoformat(text)


def written(meta: ObjectMeta | None) -> datetime | None:
    """Return when an object was last written, by the API server's clock; None if unknown."""
    if meta is None:
        return None
    times = [meta.creationTimestamp, *(entry.time for entry in meta.managedFields or ())]
    return max((time for time in times if time), default=None)


@dataclass(frozen=True, repr=False)
class Revision:
    """One revision of a release.

    Attributes:
        record: What Helm stored. Source: helm.sh/helm/v4/pkg/release/v1, Release
        stored: The Secret or ConfigMap that holds it; None of a revision that was not read from the cluster.
    """

    record: dict[str, Any]
    stored: Any = field(default=None, compare=False, repr=False)

    @property
    def release(self) -> str:
        """The name of the release."""
        return str(self.record["name"])

    @property
    def number(self) -> int:
        """The number of the revision, from 1."""
        return int(self.record["version"])

    @property
    def status(self) -> str:
        """Helm's status, such as deployed, superseded, failed or pending-upgrade."""
        return str(self.record["info"]["status"])

    @property
    def pending(self) -> bool:
        """Whether Helm is changing the release, or died while doing so."""
        return self.status in _PENDING

    @property
    def was_deployed(self) -> bool:
        """Whether Helm completed the rollout of this revision. Source: failRelease in helm.sh/helm/v4/pkg/action."""
        return self.status in _WAS_DEPLOYED and not _HAD_FAILED.match(self.description)

    @property
    def updated(self) -> datetime:
        """When it was last deployed, with a time zone."""
        return datetime.fromisoformat(self.record["info"]["last_deployed"])

    @property
    def since(self) -> datetime:
        """When it got its status, with a time zone: an uninstall begins later than the deployment."""
        info = self.record["info"]
        return datetime.fromisoformat(info["deleted"]) if self.status.startswith("uninstall") else self.updated

    @property
    def written(self) -> datetime | None:
        """When it was last written, by the API server's clock; None if unknown."""
        return written(self.stored.metadata) if self.stored else None

    def __repr__(self) -> str:
        # Without the record: the values and the manifest may hold secrets.
        return f"<Revision {self.number} of {self.release}: tag {self.tag or self.digest or 'unknown'}, {self.status}>"

    def __str__(self) -> str:
        return f"revision {self.number} (tag {self.tag or self.digest or 'unknown'})"

    @property
    def description(self) -> str:
        """Helm's log entry, such as `Upgrade complete`."""
        return str(self.record["info"].get("description") or "")

    @cached_property
    def note(self) -> Note:
        """The parts of the description: Helm's words, and sametag's note."""
        return parse(self.description)

    @property
    def verified(self) -> bool:
        """Whether every pod of every service was seen ready on this revision's tag; always false if it failed."""
        return self.was_deployed and self.note.verified and self.note.tag == self.tag

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
        """The user's `image` over the chart's default one.

        In a parent chart, the image that all its dependencies share; empty if they have several.
        """
        user, defaults = self.layers
        below = [(_map(user.get(name)), _map(defaults.get(name))) for name in self._dependencies]
        serving = [layers for layers in below if any(_map(layer.get("services")) for layer in layers)]
        if not serving or any(_map(layer.get("services")) for layer in self.layers):
            serving.append(self.layers)
        found = [pinned({**_map(over.get("image")), **_map(own.get("image"))}) for own, over in serving]
        first, *others = [image for image in found if image.get("tag") or image.get("digest")] or [{}]
        pins = {(str(image.get("tag")), str(image.get("digest"))) for image in (first, *others)}
        return first if len(pins) == 1 else {}

    @property
    def _dependencies(self) -> list[str]:
        """The keys of the chart's dependencies in the values."""
        found = self.record["chart"]["metadata"].get("dependencies") or ()
        return [str(dependency.get("alias") or dependency["name"]) for dependency in found]

    @property
    def tag(self) -> str:
        """The one `image.tag`, without a digest; empty if there is none, as when only a digest is set."""
        return str(self.image.get("tag") or "")

    @property
    def digest(self) -> str:
        """The `image.digest`, or the digest in the tag; empty if there is none."""
        return str(self.image.get("digest") or "")

    @property
    def manifest(self) -> str:
        """The rendered manifests, one YAML stream."""
        return str(self.record.get("manifest") or "")

    @property
    def hook_manifests(self) -> list[str]:
        """The rendered hooks, each with the path of its template in the first line, as in Helm's manifest."""
        return [
            f"# Source: {hook.get('path', '')}\n{hook.get('manifest', '')}" for hook in self.record.get("hooks") or ()
        ]

    @property
    def layers(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The user's values, and the chart's defaults."""
        return self.values, self.record["chart"].get("values") or {}

    @cached_property
    def hooks(self) -> list[Hook]:
        """The hooks, including those that Helm did not run."""
        return hooks_of(self.record)

    def ran(self, hook: Hook) -> bool:
        """Whether a hook ran in this revision: a rollback copies the records of its target's hooks."""
        return hook.began is not None and hook.began >= self.updated

    @property
    def made_by_rollback(self) -> bool:
        """Whether a rollback created it."""
        return self.description.startswith(("Rollback ", f"{LEFT}pending-rollback"))

    @property
    def has_workloads(self) -> bool:
        """Whether anything in the manifest runs pods."""
        return bool(_WORKLOAD.search(self.manifest))

    @property
    def rolled_back_to(self) -> int | None:
        """The number of the revision that a rollback repeated here; None if it is not a rollback."""
        origin = _ROLLBACK.match(self.note.words)
        return int(origin[1]) if origin else None

    @property
    def server_side(self) -> bool:
        """Whether Helm 4 created it with server-side apply; Helm 3 never does."""
        return self.record.get("apply_method") == "ssa"


def _map(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
