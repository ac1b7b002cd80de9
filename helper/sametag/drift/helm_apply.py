"""What Helm sends to the API server for the objects of a release, as dry runs, and the corrections around it."""

from __future__ import annotations

import uuid
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from lightkube import ApiError

from sametag.chart.labels import INSTANCE_LABEL
from sametag.kube.api import Api, Patch, Refusal, answer_or_refusal, is_builtin
from sametag.kube.objects import keyed, merge_key
from sametag.kube.retry import is_transient, on_conflict

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from typing import TypeVar

    from sametag.kube.connection import Client
    from sametag.kube.objects import Key, Object

    T = TypeVar("T")

_NOT_ACCEPTED = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)


class HelmApply(Api):
    """The API server, asked as Helm would for one release.

    Args:
        client: Its namespace is the release's.
        release: The name of the release.
        server_side: Whether Helm changes the release by server-side apply, as Helm 4 does with those that it made.
    """

    def __init__(self, client: Client, release: str, *, server_side: bool) -> None:
        super().__init__(client)
        self._release = release
        self.server_side = server_side

    async def live(self, wanted: Mapping[Key, Object]) -> dict[Key, Object]:
        """Return those of these objects that exist; see `Api.read`."""
        return await self.read(wanted, {INSTANCE_LABEL: self._release})

    def as_helm_sends_it(self, item: Object) -> Object:
        """Add what Helm adds to every object. Source: helm.sh/helm/v4/pkg/action/validate.go, setMetadataVisitor."""
        metadata = item["metadata"]
        labels = {**(metadata.get("labels") or {}), "app.kubernetes.io/managed-by": "Helm"}
        annotations = {
            **(metadata.get("annotations") or {}),
            "meta.helm.sh/release-name": self._release,
            "meta.helm.sh/release-namespace": self.namespace,
        }
        return {**item, "metadata": {**metadata, "labels": labels, "annotations": annotations}}

    async def dry_run(
        self, targets: Mapping[Key, Object], live: Mapping[Key, Object], before: Mapping[Key, Object]
    ) -> dict[Key, Object | Refusal]:
        """Return what each object would be after Helm had brought it from the manifest `before` to its target.

        Conflicts are forced. The dry run has the API server's defaults and admission, and changes nothing.

        Raises:
            ApiError: The API server does not answer now.
        """
        after = await self.together(
            answer_or_refusal(self._dry_run(item, live.get(key), before.get(key))) for key, item in targets.items()
        )
        return dict(zip(targets, after, strict=True))

    async def _dry_run(self, target: Object, live: Object | None, before: Object | None) -> Object:
        target = self.as_helm_sends_it(target)
        if "name" not in target["metadata"] or (live is None and not self.server_side):
            return await self.dry_run_create(target)
        if live is None or self.server_side:
            return await self.patch(target, target, Patch.APPLY, dry_run=True)
        builtin = is_builtin(target)
        body = _three_way(before or {}, target, lists_merge=builtin)
        return await self.patch(target, body, Patch.STRATEGIC if builtin else Patch.MERGE, dry_run=True)

    async def dry_run_new(self, items: Mapping[Key, Object]) -> dict[Key, Object | Refusal]:
        """Return what each object would be if it were created; one whose name is taken is returned as it is.

        The API server checks the name last: admission has accepted the object by then.

        Raises:
            ApiError: The API server does not answer now.
        """
        after = await self.together(answer_or_refusal(self.dry_run_create(item)) for item in items.values())
        return {
            key: item if isinstance(answer, Refusal) and answer.code == HTTPStatus.CONFLICT else answer
            for (key, item), answer in zip(items.items(), after, strict=True)
        }

    async def applied(self, targets: Mapping[Key, Object]) -> dict[Key, Object | None]:
        """Return what each object would be with all of its target; None if the API server rejects it.

        It is a dry run of server-side apply, with the API server's defaults and admission.

        Raises:
            ApiError: The user may not ask.
        """
        after = await self.together(
            _unless_refused(
                self.patch(item, self.as_helm_sends_it(item), Patch.APPLY, dry_run=True), final=_NOT_ACCEPTED
            )
            for item in targets.values()
        )
        return dict(zip(targets, after, strict=True))

    async def created(self, targets: Mapping[Key, Object]) -> dict[Key, Object]:
        """Return what each object would be if it were created now: some admission changes new objects only.

        It is a dry run under another name; what the API server rejects (a port that is taken, say) is left out.
        """
        after = await self.together(_unless_refused(self._create_renamed(item)) for item in targets.values())
        return {key: item for key, item in zip(targets, after, strict=True) if item is not None}

    async def _create_renamed(self, target: Object) -> Object:
        item = self.as_helm_sends_it(target)
        name = f"sametag-{uuid.uuid4().hex[:8]}"
        return await self.dry_run_create({**item, "metadata": {**item["metadata"], "name": name}})

    async def set_content(self, live: Object, after: Object) -> None:
        """Give an object the content of another state of it, lists as a whole, unless it was changed meanwhile."""
        content = {
            name: value for name, value in after.items() if name not in ("apiVersion", "kind", "metadata", "status")
        }
        version = {"resourceVersion": live["metadata"]["resourceVersion"]}
        await self.patch(live, {**content, "metadata": version}, Patch.MERGE)

    async def set_owners(self, item: Object, managed_fields: list[dict[str, Any]]) -> None:
        """Set who owns the fields of an object, and change nothing else, unless it was changed meanwhile."""
        body = {"metadata": {"managedFields": managed_fields, "resourceVersion": item["metadata"]["resourceVersion"]}}
        await self.patch(item, body, Patch.MERGE)

    async def retry(self, item: Object, attempt: Callable[[Object], Awaitable[T]]) -> T:
        """Change an object, again from its newest state if a controller, say, has written its status meanwhile."""

        async def reread() -> Object:
            return await self.get(item) or item

        return await on_conflict(item, attempt, reread)


async def _unless_refused(call: Awaitable[Object], final: tuple[HTTPStatus, ...] = ()) -> Object | None:
    try:
        return await call
    except ApiError as error:
        if error.status.code in final or is_transient(error):
            raise
        return None


def _three_way(before: Any, target: Any, *, lists_merge: bool) -> Any:
    """Return the patch with which Helm's client-side apply brings an object from one manifest to another.

    It holds the whole target, so that what others changed goes back; what only the old manifest has is deleted, and
    what neither has stays. Source: helm.sh/helm/v4/pkg/kube/client.go, createPatch

    Args:
        before: The object in the old manifest.
        target: The object in the new manifest.
        lists_merge: Whether the lists of Kubernetes' own kinds merge (a strategic merge patch), or are replaced.
    """
    patch = dict(target)
    for key, old in before.items():
        new = target.get(key)
        if key not in target:
            patch[key] = None
        elif isinstance(old, dict) and isinstance(new, dict):
            patch[key] = _three_way(old, new, lists_merge=lists_merge)
        elif lists_merge and isinstance(old, list) and isinstance(new, list):
            patch[key] = _three_way_lists(key, old, new)
    return patch


def _three_way_lists(field: str, old: list[Any], new: list[Any]) -> list[Any]:
    key = merge_key(field, [*old, *new])
    if key is None:
        return new
    olds, news = keyed(field, old, key), keyed(field, new, key)
    gone = [{"$patch": "delete", key: item[key]} for part, item in olds.items() if part not in news]
    return [_three_way(olds.get(part, {}), item, lists_merge=True) for part, item in news.items()] + gone
