"""Ask the registry whether it is really the tag that is missing, where the node says no more than "not found".

containerd says so of any 404: of a registry that has no such tag, of one whose token server is away, of a web page in
the place of a registry. Only an error of the distribution specification means the tag. Source:
https://github.com/opencontainers/distribution-spec/blob/main/spec.md#error-codes
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING

import httpx2

from sametag.rollout.state import split

if TYPE_CHECKING:
    from sametag.rollout.trouble import Trouble

_SECONDS = 3.0


_UNKNOWN = ("MANIFEST_UNKNOWN", "NAME_UNKNOWN", "NOT_FOUND", "NAME_INVALID", "TAG_INVALID", "MANIFEST_INVALID")

_ACCEPT = ", ".join(
    f"application/vnd.{kind}+json"
    for kind in (
        *("oci.image.index.v1", "oci.image.manifest.v1"),
        *("docker.distribution.manifest.list.v2", "docker.distribution.manifest.v2"),
    )
)

_PREFIX = "there is no "


async def judged(trouble: Trouble) -> Trouble:
    """Return the trouble of an image that was not found, as the registry explains it to us; as it is where it does not.

    Nobody waits long: what cannot be asked from here (another network, credentials) stays what the node says.
    """
    image = trouble.message.removeprefix(_PREFIX)
    if trouble.reason != "ImageNotFound" or image == trouble.message:
        return trouble
    try:
        async with httpx2.AsyncClient(timeout=_SECONDS, follow_redirects=True) as client:
            words = await _ask(client, image)
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError):
        return trouble
    return replace(trouble, reason="RegistryError", message=words) if words else trouble


async def _ask(client: httpx2.AsyncClient, image: str) -> str:
    """Return what is wrong with the registry; empty where it is the tag, or cannot be told."""
    name, tag, digest = split(image)
    host, slash, path = name.partition("/")
    if not slash or not ("." in host or ":" in host or host == "localhost"):
        return ""  # Docker Hub, whose token server is another host
    local = re.match(r"(localhost|127\.0\.0\.1)(:|$)", host)
    url = f"{'http' if local else 'https'}://{host}/v2/{path}/manifests/{digest or tag or 'latest'}"
    headers = {"Accept": _ACCEPT}
    answer = await client.get(url, headers=headers)
    if answer.status_code == HTTPStatus.UNAUTHORIZED:
        realm = re.search(r'realm="([^"]+)"', answer.headers.get("WWW-Authenticate", ""))
        if realm is None:
            return ""
        service = re.search(r'service="([^"]+)"', answer.headers.get("WWW-Authenticate", ""))
        asked = {"scope": f"repository:{path}:pull", **({"service": service[1]} if service else {})}
        token = await client.get(realm[1], params=asked)
        if token.status_code == HTTPStatus.NOT_FOUND:
            return f"the registry's token server answered 404 Not Found for {image}"
        if token.status_code != HTTPStatus.OK:
            return ""
        given = token.json()
        bearer = given.get("token") or given.get("access_token")
        answer = await client.get(url, headers={**headers, "Authorization": f"Bearer {bearer}"})
    if answer.status_code == HTTPStatus.NOT_FOUND and not _says_unknown(answer.text):
        kind = answer.headers.get("Content-Type", "no type").partition(";")[0]
        return f"what answered for {image} is not a registry: 404 Not Found with {kind}"
    return ""


def _says_unknown(body: str) -> bool:
    try:
        document = json.loads(body)
    except ValueError:
        return False
    errors = document.get("errors") if isinstance(document, dict) else None
    return any(isinstance(error, dict) and error.get("code") in _UNKNOWN for error in errors or ())
