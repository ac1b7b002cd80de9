"""Read, change and dry-run objects of any kind, as plain maps.

lightkube supports only its own kinds, and no strict field validation. Source:
https://kubernetes.io/docs/reference/using-api/api-concepts/
"""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple, cast
from urllib.parse import quote

from lightkube import ApiError
from lightkube.codecs import resource_registry
from lightkube.core.exceptions import LoadResourceError
from lightkube.core.resource import NamespacedResource, api_info
from lightkube.models.meta_v1 import Status

from sametag.errors import ClusterError
from sametag.kube.connection import refusal
from sametag.kube.objects import key_of, metadata_of
from sametag.kube.retry import is_transient

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable, Mapping
    from typing import TypeVar

    import httpx2

    from sametag.kube.connection import Client
    from sametag.kube.objects import Key, Object

    T = TypeVar("T")

#: The field manager under which Helm changes fields.
HELM = "helm"

# Concurrent requests: enough to hide the latency, too few to load the API server.
_CONCURRENT = 8

# The API server cannot answer now, or does not accept the user.
_NO_ANSWER = (
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.PROXY_AUTHENTICATION_REQUIRED,
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
)

# A missing permission; every other 403 comes from admission: quota, Pod Security, webhooks.
_NO_PERMISSION = re.compile(r'User "[^"]*" cannot \w+ resource')

# The objection is not to the object, but to its difference from the existing one.
_OF_THE_CHANGE = re.compile("immutable|updates to|may not be changed")


class Patch(StrEnum):
    """How the API server applies a patch: the content types."""

    APPLY = "application/apply-patch+yaml"
    MERGE = "application/merge-patch+json"
    STRATEGIC = "application/strategic-merge-patch+json"


class Refusal(NamedTuple):
    """Why the API server does not accept an object.

    Attributes:
        code: The HTTP status; 0 if the cluster does not have the kind.
        message: In the server's words.
        causes: The field and the message of each cause.
    """

    code: int
    message: str
    causes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Objection:
    """An error or a warning of the API server about an object.

    Attributes:
        field: As the server writes it (`spec.template.spec.containers[0].image`); empty if it names none.
        message: In the server's words.
        warning: Whether the server still accepts the object.
    """

    field: str
    message: str
    warning: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API server objects to in an object, and whether an object of this kind and name exists."""

    objections: tuple[Objection, ...]
    exists: bool = False

    @property
    def taken(self) -> bool:
        """Whether the server accepts the object."""
        return all(objection.warning for objection in self.objections)


class MissingKindError(ClusterError):
    """The cluster does not have a kind."""


class _Resource(NamedTuple):
    """Where the objects of a kind are.

    Attributes:
        group: The path of the API group and version, such as `/apis/apps/v1`.
        plural: The name in paths, such as `deployments`.
        namespaced: Whether its objects are in a namespace.
    """

    group: str
    plural: str
    namespaced: bool


class Api:
    """The API server, with the client's namespace as the default for objects that name none."""

    def __init__(self, client: Client) -> None:
        self._http = client.http
        self.namespace = str(client.namespace)
        self._versions: dict[str, dict[str, _Resource]] = {}
        self._turns = asyncio.Semaphore(_CONCURRENT)

    async def together(self, calls: Iterable[Awaitable[T]]) -> list[T]:
        """Await calls concurrently, a few at a time, and return their results in order."""

        async def limited(call: Awaitable[T]) -> T:
            async with self._turns:
                return await call

        return await asyncio.gather(*map(limited, calls))

    async def read(self, wanted: Mapping[Key, Object], labels: Mapping[str, str]) -> dict[Key, Object]:
        """Return those of these objects that exist: one list call for each kind, and one for each without the labels.

        Args:
            wanted: The objects of a manifest, by key.
            labels: What most of them have.

        Raises:
            ApiError: The API server rejects a request.
            MissingKindError: The cluster does not have one of the kinds.
        """
        kinds = {(item["apiVersion"], item["kind"]) for item in wanted.values()}
        lists = await self.together(self._labelled(*kind, labels) for kind in kinds)
        live = {key_of(item, self.namespace): item for items in lists for item in items}
        missing = [key for key in wanted if key not in live]
        single = await self.together(self.get(wanted[key]) for key in missing)
        live |= {key: item for key, item in zip(missing, single, strict=True) if item is not None}
        return {key: live[key] for key in wanted if key in live}

    async def _labelled(self, api_version: str, kind: str, labels: Mapping[str, str]) -> list[Object]:
        try:
            return await self.every(api_version, kind, labels)
        except ApiError as error:
            if error.status.code == HTTPStatus.FORBIDDEN:
                return []  # then each is read by its name
            raise

    async def every(self, api_version: str, kind: str, labels: Mapping[str, str] | None = None) -> list[Object]:
        """Return every object of a kind in the namespace, or those with these labels.

        Raises:
            ApiError, MissingKindError: As `read`.
        """
        path = self._folder(await self._resource(api_version, kind), self.namespace)
        selector = ",".join(f"{name}={value}" for name, value in (labels or {}).items())
        listing = await self._ask("GET", path, {"labelSelector": selector} if selector else {})
        # The items of a list do not name their kind.
        return [{"apiVersion": api_version, "kind": kind, **item} for item in listing.get("items") or ()]

    async def every_readable(self, api_version: str, kind: str) -> list[Object]:
        """Return every object of a kind; none if the user may not list them, or the cluster does not have the kind."""
        try:
            return await self.every(api_version, kind)
        except ApiError as error:
            if error.status.code in (HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND):
                return []
            raise

    async def get(self, item: Object) -> Object | None:
        """Return an object as it is now; None if it does not exist."""
        try:
            return await self._ask("GET", await self._path(item))
        except ApiError as error:
            if error.status.code == HTTPStatus.NOT_FOUND:
                return None
            raise

    async def delete(self, item: Object, *, owned_first: bool = False) -> None:
        """Delete an object, after what it owns if asked to; nothing happens if it is gone, or was replaced."""
        params = {"propagationPolicy": "Foreground"} if owned_first else {}
        # The API server reads the precondition from the query too.
        params["uid"] = item["metadata"]["uid"]
        try:
            await self._ask("DELETE", await self._path(item), params)
        except ApiError as error:
            if error.status.code not in (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT):
                raise

    async def suspend(self, item: Object) -> None:
        """Suspend a Job: its pods end, and the Job stays."""
        await self.patch(item, {"metadata": {"uid": item["metadata"]["uid"]}, "spec": {"suspend": True}}, Patch.MERGE)

    async def patch(self, item: Object, body: Object, kind: Patch, *, dry_run: bool = False) -> Object:
        """Patch an object as Helm, and return it as it is, or would be, then; an apply takes over what others own."""
        force = {"force": "true"} if kind is Patch.APPLY else {}
        params = {**_as_helm(dry_run=dry_run), **force}
        return _checked(await self._send("PATCH", await self._path(item), body, params, kind))

    async def replace(self, item: Object, *, dry_run: bool) -> Object:
        """Replace an object, unless it was changed meanwhile; return it as it is, or would be, then."""
        return _checked(await self._send("PUT", await self._path(item), item, _as_helm(dry_run=dry_run)))

    async def dry_run_create(self, item: Object) -> Object:
        """Return an object as it would be if it were created now."""
        resource = await self._resource(item["apiVersion"], item["kind"])
        folder = self._folder(resource, self._namespace_of(item))
        return _checked(await self._send("POST", folder, item, _as_helm(dry_run=True)))

    async def log(self, pod: str, params: Mapping[str, str | int | bool]) -> str:
        """Return the log of a container of a pod.

        Args:
            pod: The name of the pod.
            params: The container and how much of its log, as the API's query has them.

        Raises:
            ApiError: The API server rejects a request.
        """
        path = f"/api/v1/namespaces/{quote(self.namespace, safe='')}/pods/{quote(pod, safe='')}/log"
        response = await self._http.get(path, params=params)
        _refuse_failure(response)
        return response.text

    async def missing_kinds(self, items: Mapping[Key, Object]) -> dict[Key, Refusal]:
        """Return those of these objects whose kind the cluster does not have."""
        missing: dict[tuple[str, str], Refusal] = {}
        for kind in dict.fromkeys((item["apiVersion"], item["kind"]) for item in items.values()):
            try:
                await self._resource(*kind)
            except MissingKindError as error:
                missing[kind] = Refusal(0, error.message)
        kinds = {key: (item["apiVersion"], item["kind"]) for key, item in items.items()}
        return {key: missing[kind] for key, kind in kinds.items() if kind in missing}

    async def objections(self, item: Object) -> Answer:
        """Dry-run an object as Helm 4 would apply it, with unknown fields as errors.

        Raises:
            ClusterError: The API server cannot be asked: missing permissions, or no such namespace.
        """
        metadata = metadata_of(item)
        if not (metadata.get("name") or metadata.get("generateName")):
            return Answer((Objection("metadata.name", "an object needs a name"),))
        unknown = Answer((Objection("", f"the cluster has no kind {item['kind']} in {item.get('apiVersion')}"),))
        try:
            folder = self._folder(
                await self._resource(str(item.get("apiVersion")), item["kind"]), self._namespace_of(item)
            )
        except MissingKindError:
            return unknown
        except ApiError as error:
            raise refusal(error.status.code or 0, error.status.message or "") from error
        if not metadata.get("name"):
            answer = await self._strictly("POST", folder, item)
            return unknown if _is_unknown_path(answer) else Answer(tuple(_objections(answer, self.namespace)))
        answer = await self._strictly("PATCH", f"{folder}/{quote(str(metadata['name']), safe='')}", item)
        if _is_unknown_path(answer):
            return unknown
        objections = _objections(answer, self.namespace)
        if answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY:
            # The name is checked last: a conflict means that the object is valid, and that its name is taken.
            created = await self._strictly("POST", folder, item)
            if created.status_code == HTTPStatus.CONFLICT:
                return Answer(tuple(_of_the_change(item, objections)), exists=True)
        return Answer(tuple(objections), exists=answer.status_code == HTTPStatus.OK)

    async def _strictly(self, method: str, path: str, item: Object) -> httpx2.Response:
        params = {**_as_helm(dry_run=True), "fieldValidation": "Strict"}
        if method == "POST":
            return await self._send(method, path, item, params)
        return await self._send(method, path, item, {**params, "force": "true"}, Patch.APPLY)

    async def _ask(self, method: str, path: str, params: Mapping[str, str] | None = None) -> Object:
        return _checked(await self._http.request(method, path, params=params or {}))

    async def _send(
        self, method: str, path: str, body: Object, params: Mapping[str, str], content: str = "application/json"
    ) -> httpx2.Response:
        text = json.dumps(body, ensure_ascii=False).encode()
        return await self._http.request(method, path, params=params, content=text, headers={"Content-Type": content})

    async def _path(self, item: Object) -> str:
        resource = await self._resource(item["apiVersion"], item["kind"])
        name = quote(key_of(item, self.namespace).name, safe="")
        return f"{self._folder(resource, self._namespace_of(item))}/{name}"

    def _namespace_of(self, item: Object) -> str:
        return str(metadata_of(item).get("namespace") or self.namespace)

    def _folder(self, resource: _Resource, namespace: str) -> str:
        if not resource.namespaced:
            return f"{resource.group}/{resource.plural}"
        return f"{resource.group}/namespaces/{quote(namespace, safe='')}/{resource.plural}"

    async def _resource(self, api_version: str, kind: str) -> _Resource:
        """Return where a kind is; the API server is asked only about kinds that are not built in."""
        group = quote(f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}")
        if (builtin := _builtin(api_version, kind)) is not None:
            info = api_info(builtin)
            return _Resource(group, info.plural, issubclass(builtin, NamespacedResource))
        if api_version not in self._versions:
            self._versions[api_version] = await self._discover(group)
        if kind not in self._versions[api_version]:
            raise MissingKindError(
                f"the cluster has no {kind} of {api_version}", "install its CustomResourceDefinition first"
            )
        return self._versions[api_version][kind]

    async def _discover(self, group: str) -> dict[str, _Resource]:
        try:
            resources = (await self._ask("GET", group))["resources"]
        except ApiError as error:
            if error.status.code != HTTPStatus.NOT_FOUND:
                raise
            resources = []
        return {
            resource["kind"]: _Resource(group, resource["name"], resource["namespaced"])
            for resource in resources
            if "/" not in resource["name"]
        }


def is_builtin(item: Object) -> bool:
    """Whether an object is of a kind of Kubernetes' own."""
    return _builtin(item["apiVersion"], item["kind"]) is not None


def _builtin(api_version: str, kind: str) -> Any:
    try:
        return resource_registry.load(api_version, kind)
    except LoadResourceError:
        return None


async def answer_or_refusal(call: Awaitable[Object]) -> Object | Refusal:
    """Return the object as the API server would store it, or why it rejects it.

    Raises:
        ApiError: The API server does not answer now, or does not accept the user.
    """
    try:
        return await call
    except ApiError as error:
        status = error.status
        # A webhook that does not answer is not an outage of the API server: it stops Helm too.
        of_a_webhook = status.code == HTTPStatus.INTERNAL_SERVER_ERROR and "webhook" in (status.message or "")
        if status.code == HTTPStatus.UNAUTHORIZED or (is_transient(error) and not of_a_webhook):
            raise
        causes = (status.details.causes if status.details else None) or ()
        return Refusal(
            status.code or 0,
            status.message or "",
            tuple((cause.field or "", cause.message or "") for cause in causes),
        )


def _as_helm(*, dry_run: bool) -> dict[str, str]:
    return {"fieldManager": HELM, **({"dryRun": "All"} if dry_run else {})}


def _checked(response: httpx2.Response) -> Object:
    _refuse_failure(response)
    body: Object = response.json()
    return body


def _refuse_failure(response: httpx2.Response) -> None:
    if not response.is_success:
        status = Status.from_dict({"code": response.status_code, **_status(response)})
        raise ApiError(status=cast("Status", status))


def _is_unknown_path(response: httpx2.Response) -> bool:
    """Whether the API server does not have such a kind: it says so without a Status."""
    return response.status_code == HTTPStatus.NOT_FOUND and "kind" not in _status(response)


def _status(response: httpx2.Response) -> Object:
    """Return the Status of a failure; a proxy in front of the API server answers without."""
    try:
        document = response.json()
    except ValueError:
        document = None
    status = document if isinstance(document, dict) else {}
    return {**status, "message": str(status.get("message") or f"HTTP {response.status_code} {response.reason_phrase}")}


def _objections(answer: httpx2.Response, namespace: str) -> list[Objection]:
    warnings = [Objection("", text, warning=True) for text in _warnings(answer)]
    if answer.is_success:
        return warnings
    status = _status(answer)
    message = status["message"]
    if answer.status_code in _NO_ANSWER or _NO_PERMISSION.search(message):
        raise refusal(answer.status_code, message)
    if answer.status_code == HTTPStatus.NOT_FOUND and f'namespaces "{namespace}" not found' in message:
        raise ClusterError(f"namespace {namespace} does not exist", "create it, or choose another with -n")
    causes = (status.get("details") or {}).get("causes") or []
    if causes:
        return [*warnings, *(Objection(cause.get("field", ""), cause["message"]) for cause in causes)]
    # What server-side apply says of an object that does not fit its type.
    typed = re.match(r"failed to create typed patch object \(.*?\): \.(\S+): (.+)", message, re.DOTALL)
    return [*warnings, Objection(typed[1], typed[2]) if typed else Objection("", message)]


def _of_the_change(item: Object, objections: Iterable[Objection]) -> Iterable[Objection]:
    """Return what is wrong with changing the existing object into this one.

    Another client may have created the existing object: its fields would stay, and are not reported. Helm
    replaces the object of a hook, and does not change it.
    """
    if "helm.sh/hook" in (metadata_of(item).get("annotations") or {}):
        return ()
    return (objection for objection in objections if objection.warning or _OF_THE_CHANGE.search(objection.message))


def _warnings(answer: httpx2.Response) -> list[str]:
    """Return the texts of the Warning headers: `299 - "text"`. Source: RFC 7234, 5.5."""
    matches = (re.match(r'299 \S+ "(.*)"', header) for header in answer.headers.get_list("warning"))
    return [re.sub(r"\\(.)", r"\1", match[1]) for match in matches if match]
