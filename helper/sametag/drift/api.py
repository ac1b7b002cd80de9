"""Read the objects of a manifest from the cluster, and try on the API server what Helm would do to them."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING, Any, NamedTuple

from lightkube import ApiError
from lightkube.codecs import resource_registry
from lightkube.core.exceptions import LoadResourceError
from lightkube.core.generic_client import BasicRequest
from lightkube.core.resource import NamespacedResource, api_info
from lightkube.generic_resource import GenericGlobalResource, GenericNamespacedResource, create_api_info
from lightkube.types import PatchType

from sametag.chart.labels import INSTANCE_LABEL
from sametag.drift.managed_fields import HELM
from sametag.errors import ClusterError
from sametag.kube.connection import is_transient
from sametag.kube.objects import Key, key_of, keyed, merge_key

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping
    from typing import TypeVar

    from lightkube import AsyncClient

    from sametag.kube.objects import Object

    T = TypeVar("T")

_UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND, _CONFLICT, _INTERNAL = 401, 403, 404, 409, 500

_ATTEMPTS = 5

_MAY_NOT = (401, 403)

# Requests at once: enough to hide the way to the API server, too few to trouble it.
_AT_ONCE = 8


class Refusal(NamedTuple):
    """Why the API server does not take an object.

    Attributes:
        code: The HTTP status; 0 where the cluster does not have the kind.
        message: The server's words.
        causes: Field and words of each part of it.
    """

    code: int
    message: str
    causes: tuple[tuple[str, str], ...] = ()


class MissingKindError(ClusterError):
    """The cluster does not have a kind."""


class Api:
    """The API server, for one release.

    Args:
        client: Its namespace is the release's.
        release: The release's name.
        server_side: Whether Helm changes the release by server-side apply, as Helm 4 does with those that it made.
    """

    def __init__(self, client: AsyncClient, release: str, *, server_side: bool) -> None:
        self._client = client
        self._release = release
        self.server_side = server_side
        self._resources: dict[tuple[str, str], Any] = {}
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def read(self, wanted: Mapping[Key, Object]) -> dict[Key, Object]:
        """Return those of these objects that are there: a list call a kind, and a call for each without our label."""
        kinds = {(item["apiVersion"], item["kind"]) for item in wanted.values()}
        lists = await self._together(self._list(*kind) for kind in kinds)
        found = {key_of(item, self._namespace): item for items in lists for item in items}
        missing = [key for key in wanted if key not in found]
        single = await self._together(self.get(wanted[key]) for key in missing)
        found |= {key: item for key, item in zip(missing, single, strict=True) if item is not None}
        return {key: found[key] for key in wanted if key in found}

    @property
    def _namespace(self) -> str:
        return str(self._client.namespace)

    async def _together(self, calls: Iterable[Awaitable[T]]) -> list[T]:
        async def one(call: Awaitable[T]) -> T:
            async with self._turns:
                return await call

        return await asyncio.gather(*map(one, calls))

    async def _list(self, api_version: str, kind: str) -> list[Object]:
        resource = await self._resource(api_version, kind)
        # A list's items do not say what they are.
        named = {"apiVersion": api_version, "kind": kind}
        items = self._client.list(resource, labels={INSTANCE_LABEL: self._release})
        try:
            return [{**named, **item} async for item in items]
        except ApiError as error:
            if error.status.code == _FORBIDDEN:
                return []  # then each is read by its name
            raise

    async def get(self, item: Object) -> Object | None:
        """Return an object as it is now; None where it is not there."""
        resource, key, options = await self._place(item)
        try:
            return dict(await self._client.get(resource, key.name, **options))
        except ApiError as error:
            if error.status.code == _NOT_FOUND:
                return None
            raise

    async def every(self, api_version: str, kind: str) -> list[Object]:
        """Return every object of a kind in the release's namespace, whoever made it."""
        resource = await self._resource(api_version, kind)
        named = {"apiVersion": api_version, "kind": kind}
        return [{**named, **item} async for item in self._client.list(resource)]

    async def every_readable(self, api_version: str, kind: str) -> list[Object]:
        """Return every object of a kind; nothing where the user may not list them, or the cluster does not have it."""
        try:
            return await self.every(api_version, kind)
        except ApiError as error:
            if error.status.code in (_FORBIDDEN, _NOT_FOUND):
                return []
            raise

    async def delete(self, item: Object) -> None:
        """Delete an object, and then what it owns before it is gone; nothing happens where it is another by now."""
        resource, key, options = await self._place(item)
        # lightkube cannot say which one of the name is meant; the API server reads this from the query too.
        params = {"propagationPolicy": "Foreground", "uid": item["metadata"]["uid"]}
        try:
            await self._client._client.request("delete", res=resource, name=key.name, params=params, **options)  # noqa: SLF001
        except ApiError as error:
            if error.status.code not in (_NOT_FOUND, _CONFLICT):
                raise

    async def suspend(self, item: Object) -> None:
        """Suspend a Job: its pods end, and the Job stays."""
        resource, key, options = await self._place(item)
        body = {"metadata": {"uid": item["metadata"]["uid"]}, "spec": {"suspend": True}}
        await self._client.patch(resource, key.name, body, patch_type=PatchType.MERGE, field_manager=HELM, **options)

    async def _resource(self, api_version: str, kind: str) -> Any:
        if (api_version, kind) not in self._resources:
            plural, namespaced = _known(api_version, kind) or await self._discover(api_version, kind)
            group, _, version = api_version.rpartition("/")
            base = GenericNamespacedResource if namespaced else GenericGlobalResource
            info = create_api_info(group, version, kind, plural)
            self._resources[api_version, kind] = type(kind, (base,), {"_api_info": info})
        return self._resources[api_version, kind]

    async def _discover(self, api_version: str, kind: str) -> tuple[str, bool]:
        """Ask the API server what it calls a kind that is not Kubernetes' own."""
        generic = self._client._client  # noqa: SLF001 - lightkube has no way to ask
        request = BasicRequest("GET", f"apis/{api_version}")
        missing = MissingKindError(
            f"the cluster has no {kind} of {api_version}", "install its CustomResourceDefinition first"
        )
        response = await generic._client.send(generic.build_adapter_request(request))  # noqa: SLF001
        if response.is_error:
            raise missing
        for resource in response.json()["resources"]:
            if resource["kind"] == kind and "/" not in resource["name"]:
                return resource["name"], resource["namespaced"]
        raise missing

    async def missing_kinds(self, items: Mapping[Key, Object]) -> dict[Key, Refusal]:
        """Return those of these objects that the cluster does not have the kind of."""
        found: dict[tuple[str, str], Refusal | None] = {}
        for item in items.values():
            kind = (item["apiVersion"], item["kind"])
            if kind not in found:
                try:
                    found[kind] = await self._resource(*kind) and None
                except MissingKindError as error:
                    found[kind] = Refusal(0, error.message)
        refusals = {key: found[item["apiVersion"], item["kind"]] for key, item in items.items()}
        return {key: refusal for key, refusal in refusals.items() if refusal}

    async def rehearse_all(
        self, targets: Mapping[Key, Object], live: Mapping[Key, Object], before: Mapping[Key, Object]
    ) -> dict[Key, Object | Refusal]:
        """Return what each object would be after Helm had brought it from the manifest `before` to its target.

        Conflicts are forced. Nothing is changed: it is a dry run on the API server, with its defaults and admission.

        Raises:
            ApiError: The API server does not answer now.
        """
        after = await self._together(
            _answer(self._rehearse(item, live.get(key), before.get(key))) for key, item in targets.items()
        )
        return dict(zip(targets, after, strict=True))

    async def applied(self, targets: Mapping[Key, Object]) -> dict[Key, Object | None]:
        """Return what each object would be with all that its target says; None where the API server refuses that.

        It is a dry run of server-side apply, with the server's defaults and its admission.

        Raises:
            ApiError: It may not be asked.
        """
        after = await self._together(self._unless_refused(self._apply(item)) for item in targets.values())
        return dict(zip(targets, after, strict=True))

    async def _apply(self, target: Object) -> Object:
        resource, key, options = await self._place(target)
        body = self.as_helm_sends_it(target)
        words = {"field_manager": HELM, "force": True, "dry_run": True, **options}
        return dict(await self._client.patch(resource, key.name, body, patch_type=PatchType.APPLY, **words))

    async def made(self, targets: Mapping[Key, Object]) -> dict[Key, Object]:
        """Return what each object would be if it were made now: admission may change only what is made.

        It is a dry run under another name; what the API server refuses (a port that is taken, say) is left out.

        """
        after = await self._together(self._unless_refused(self._make(item), final=()) for item in targets.values())
        return {key: item for key, item in zip(targets, after, strict=True) if item is not None}

    async def _make(self, target: Object) -> Object:
        resource, _, options = await self._place(target)
        item = self.as_helm_sends_it(target)
        named = {**item, "metadata": {**item["metadata"], "name": f"sametag-{uuid.uuid4().hex[:8]}"}}
        return dict(await self._client.create(resource(named), field_manager=HELM, dry_run=True, **options))

    async def _unless_refused(self, asked: Awaitable[Object], final: tuple[int, ...] = _MAY_NOT) -> Object | None:
        try:
            return await asked
        except ApiError as error:
            if error.status.code in final or is_transient(error):
                raise
            return None

    async def set_right(self, live: Object, after: Object) -> None:
        """Give an object what another state of it has, its lists whole, unless somebody changed it meanwhile."""
        resource, key, options = await self._place(live)
        content = {
            name: value for name, value in after.items() if name not in ("apiVersion", "kind", "metadata", "status")
        }
        body = {**content, "metadata": {"resourceVersion": live["metadata"]["resourceVersion"]}}
        await self._client.patch(resource, key.name, body, patch_type=PatchType.MERGE, field_manager=HELM, **options)

    async def _rehearse(self, target: Object, live: Object | None, before: Object | None) -> Object:
        target = self.as_helm_sends_it(target)
        patch, body = PatchType.APPLY, target
        if "name" not in target["metadata"] or (live is None and not self.server_side):
            return await self._create(target)
        if live is not None and not self.server_side:
            known = _known(target["apiVersion"], target["kind"]) is not None
            patch = PatchType.STRATEGIC if known else PatchType.MERGE
            body = _three_way(before or {}, target, lists_merge=known)
        resource, key, options = await self._place(target)
        return dict(
            await self._client.patch(
                resource, key.name, body, patch_type=patch, field_manager=HELM, force=True, dry_run=True, **options
            )
        )

    async def rehearse_new(self, items: Mapping[Key, Object]) -> dict[Key, Object | Refusal]:
        """Return what each object would be if it was created; one whose name is taken is returned as it is.

        The API server looks at the name last: admission has taken the object by then.

        Raises:
            ApiError: The API server does not answer now.
        """
        after = await self._together(_answer(self._create(item)) for item in items.values())
        found = dict(zip(items, after, strict=True))
        return {
            key: items[key] if isinstance(answer, Refusal) and answer.code == _CONFLICT else answer
            for key, answer in found.items()
        }

    async def _create(self, item: Object) -> Object:
        resource, _, options = await self._place(item)
        return dict(await self._client.create(resource(item), field_manager=HELM, dry_run=True, **options))

    def as_helm_sends_it(self, item: Object) -> Object:
        """Add what Helm adds to every object. Source: helm.sh/helm/v4/pkg/action/validate.go, setMetadataVisitor."""
        metadata = item["metadata"]
        labels = {**(metadata.get("labels") or {}), "app.kubernetes.io/managed-by": "Helm"}
        annotations = {
            **(metadata.get("annotations") or {}),
            "meta.helm.sh/release-name": self._release,
            "meta.helm.sh/release-namespace": self._namespace,
        }
        return {**item, "metadata": {**metadata, "labels": labels, "annotations": annotations}}

    async def hand_over(self, item: Object, managed_fields: list[dict[str, Any]]) -> None:
        """Say who owns the fields of an object, and change nothing else, unless somebody changed it meanwhile."""
        body = {"metadata": {"managedFields": managed_fields, "resourceVersion": item["metadata"]["resourceVersion"]}}
        resource, key, options = await self._place(item)
        await self._client.patch(resource, key.name, body, patch_type=PatchType.MERGE, field_manager=HELM, **options)

    async def replace(self, item: Object, *, dry_run: bool) -> Object:
        """Make an object this, unless somebody changed it meanwhile; return it as it is, or would be, then."""
        resource, key, options = await self._place(item)
        return dict(
            await self._client.replace(resource(item), key.name, field_manager=HELM, dry_run=dry_run, **options)
        )

    async def _place(self, item: Object) -> tuple[Any, Key, dict[str, Any]]:
        """Return what lightkube needs to name an object: its class, its key, its namespace where its kind has one."""
        resource, key = await self._resource(item["apiVersion"], item["kind"]), key_of(item, self._namespace)
        return resource, key, {"namespace": key.namespace} if issubclass(resource, NamespacedResource) else {}


async def persistently(api: Api, item: Object, attempt: Callable[[Object], Awaitable[T]]) -> T:
    """Make an attempt on an object as it is now, again where a controller, say, wrote its status meanwhile."""
    for _ in range(_ATTEMPTS - 1):
        try:
            return await attempt(item)
        except ApiError as error:
            if error.status.code != _CONFLICT:
                raise
        item = await api.get(item) or item
    return await attempt(item)


async def _answer(question: Awaitable[Object]) -> Object | Refusal:
    """Return what the API server makes of an object, or why it does not take it.

    Raises:
        ApiError: It does not answer now, or does not accept who asks.
    """
    try:
        return await question
    except ApiError as error:
        status = error.status
        # A webhook that does not answer is no fault of the API server's: it stops Helm too.
        of_a_webhook = status.code == _INTERNAL and "webhook" in (status.message or "")
        if status.code == _UNAUTHORIZED or (is_transient(error) and not of_a_webhook):
            raise
        causes = (status.details.causes if status.details else None) or ()
        words = tuple((cause.field or "", cause.message or "") for cause in causes)
        return Refusal(status.code or 0, status.message or "", words)


def _known(api_version: str, kind: str) -> tuple[str, bool] | None:
    """Return the plural and whether it is in a namespace of a kind of Kubernetes' own; None for any other."""
    try:
        resource = resource_registry.load(api_version, kind)
    except LoadResourceError:
        return None
    return api_info(resource).plural, issubclass(resource, NamespacedResource)


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
