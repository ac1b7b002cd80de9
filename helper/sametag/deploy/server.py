"""Ask the API server what it would say to an object: a dry run, which changes nothing.

The object is applied as Helm 4 does it, and a field that the server does not know is an error. Source:
https://kubernetes.io/docs/reference/using-api/api-concepts/#dry-run and #field-validation
"""

from __future__ import annotations

import json
import re
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from sametag.errors import ClusterError
from sametag.kube.connection import connect_plainly, refusal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx2

    from sametag.kube.connection import Target

Object = dict[str, Any]

_TO_CREATE = {"dryRun": "All", "fieldValidation": "Strict", "fieldManager": "helm"}
_QUESTION = {**_TO_CREATE, "force": "true"}
_APPLY = {"Content-Type": "application/apply-patch+yaml"}

_OK, _CREATED, _REFUSED = 200, 201, 300
_NOT_FOUND, _CONFLICT, _INVALID = 404, 409, 422
# The server cannot answer now, or does not accept who asks.
_NO_ANSWER = {401, 407, 408, 429, 502, 503, 504}

# A missing right; all other refusals with 403 are admission's: quota, Pod Security, webhooks.
_NO_RIGHT = re.compile(r'User "[^"]*" cannot \w+ resource')
# What is not about the object itself, but about its difference to the one that is there.
_OF_THE_CHANGE = re.compile("immutable|updates to|may not be changed")


@dataclass(frozen=True, slots=True)
class Objection:
    """What the API server has against an object.

    Attributes:
        field: Where, as the server writes it (`spec.template.spec.containers[0].image`); empty where it does not say.
        message: In the server's words.
        warning: Whether it takes the object all the same.
    """

    field: str
    message: str
    warning: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API server says to an object, and whether one of this kind and name is there already."""

    objections: tuple[Objection, ...]
    exists: bool = False

    @property
    def taken(self) -> bool:
        """Whether the server takes the object."""
        return all(objection.warning for objection in self.objections)


class Server:
    """An API server that is asked about objects of one namespace."""

    def __init__(self, client: httpx2.AsyncClient, namespace: str) -> None:
        self._client = client
        self._namespace = namespace
        self._kinds: dict[str, dict[str, Object]] = {}

    async def ask(self, obj: Object) -> Answer:
        """Return everything that the server has against an object.

        Raises:
            ClusterError: It cannot be asked: no rights, or no such namespace.
        """
        metadata = obj.get("metadata")
        if not isinstance(metadata, dict) or not (metadata.get("name") or metadata.get("generateName")):
            return Answer((Objection("metadata.name", "an object needs a name"),))
        path = await self._path(obj)
        if path is None:
            return Answer((Objection("", f"the cluster has no kind {obj['kind']} in {obj.get('apiVersion')}"),))
        if not metadata.get("name"):
            answer = await self._client.post(path, params=_TO_CREATE, json=obj)
            return Answer(tuple(_objections(answer, self._namespace)))
        answer = await self._client.patch(
            f"{path}/{quote(str(metadata['name']), safe='')}",
            params=_QUESTION,
            headers=_APPLY,
            content=json.dumps(obj, ensure_ascii=False).encode(),
        )
        found = _objections(answer, self._namespace)
        if answer.status_code == _INVALID and await self._would_be_taken_anew(path, obj):
            # The one that is there was made by another client, whose fields would stay beside ours.
            changes = (one for one in found if one.warning or _OF_THE_CHANGE.search(one.message))
            # Helm replaces a hook's object, and does not change it.
            return Answer(() if _is_hook(obj) else tuple(changes), exists=True)
        return Answer(tuple(found), exists=answer.status_code == _OK)

    async def _would_be_taken_anew(self, path: str, obj: Object) -> bool:
        """Whether an object of this name is there, and ours is valid: that is checked before the name."""
        answer = await self._client.post(path, params=_TO_CREATE, json=obj)
        return bool(answer.status_code == _CONFLICT)

    async def _path(self, obj: Object) -> str | None:
        """Return the path of an object's kind; None where the server has no such kind."""
        version = str(obj.get("apiVersion"))
        base = f"/apis/{version}" if "/" in version else f"/api/{version}"
        if version not in self._kinds:
            answer = await self._client.get(base)
            resources = [] if answer.status_code == _NOT_FOUND else _read(answer)["resources"]
            self._kinds[version] = {resource["kind"]: resource for resource in resources if "/" not in resource["name"]}
        kind = self._kinds[version].get(obj["kind"])
        if kind is None:
            return None
        namespace = quote(str(obj["metadata"].get("namespace") or self._namespace), safe="")
        return f"{base}/namespaces/{namespace}/{kind['name']}" if kind["namespaced"] else f"{base}/{kind['name']}"


@asynccontextmanager
async def server_of(target: Target) -> AsyncIterator[Server]:
    """Connect to the target's API server.

    Raises:
        ClusterError: As `cluster.connect`.
    """
    async with connect_plainly(target) as client:
        yield Server(client, target.resolved_namespace)


def _is_hook(obj: Object) -> bool:
    return "helm.sh/hook" in (obj["metadata"].get("annotations") or {})


def _read(answer: httpx2.Response) -> Object:
    """Return a JSON answer that is a success."""
    if answer.status_code >= _REFUSED:
        raise refusal(answer.status_code, _status(answer)["message"])
    body: Object = answer.json()
    return body


def _status(answer: httpx2.Response) -> Object:
    """Return what the server says of a failure; a proxy in front of it answers without a Status."""
    try:
        status = answer.json()
    except ValueError:
        status = None
    said = status if isinstance(status, dict) else {}
    return {**said, "message": str(said.get("message") or f"HTTP {answer.status_code} {answer.reason_phrase}")}


def _objections(answer: httpx2.Response, namespace: str) -> list[Objection]:
    warnings = [Objection("", text, warning=True) for text in _warnings(answer)]
    if answer.status_code < _REFUSED:
        return warnings
    status = _status(answer)
    message = status["message"]
    if answer.status_code in _NO_ANSWER or _NO_RIGHT.search(message):
        raise refusal(answer.status_code, message)
    if answer.status_code == _NOT_FOUND and f'namespaces "{namespace}" not found' in message:
        raise ClusterError(f"there is no namespace {namespace}", "create it, or name another with -n")
    causes = (status.get("details") or {}).get("causes") or []
    if causes:
        return [*warnings, *(Objection(cause.get("field", ""), cause["message"]) for cause in causes)]
    return [*warnings, _typed(message)]


def _typed(message: str) -> Objection:
    """Take apart what server-side apply says of an object that does not fit its type."""
    found = re.match(r"failed to create typed patch object \(.*?\): \.(\S+): (.+)", message, re.DOTALL)
    return Objection(found[1], found[2]) if found else Objection("", message)


def _warnings(answer: httpx2.Response) -> list[str]:
    """Return the texts of the Warning headers: `299 - "text"`. Source: RFC 7234, 5.5."""
    texts = (re.match(r'299 \S+ "(.*)"', header) for header in answer.headers.get_list("warning"))
    return [re.sub(r"\\(.)", r"\1", text[1]) for text in texts if text]
