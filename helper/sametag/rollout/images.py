"""Images: their references, and why one could not be pulled.

"not found" alone proves nothing: containerd uses the same words for a missing tag, a missing layer, an index without
the node's platform, a token server that is away, and a web page in place of a registry. Only an error of the
distribution specification means that the tag is missing.
Source: github.com/containerd/containerd (remotes/docker, image), github.com/containers/image, and the errors of
https://github.com/opencontainers/distribution-spec/blob/main/spec.md#error-codes
"""

from __future__ import annotations

import json
import re
from http import HTTPStatus

import httpx2

# What stands before the cause, in the order in which kubelet and runtime put it there.
_PREFIX = re.compile(
    r"Back-off pulling image \"[^\"]*\"(?:: |$)"
    r"|(?:ErrImagePull|RegistryUnavailable|ImagePullBackOff): "
    r"|Failed to pull image \"[^\"]*\": "
    r"|rpc error: code = \w+ desc = "
    r"|Error response from daemon: "
    r"|failed to pull and unpack image \"[^\"]*\": "
    r"|(?:unable to pull image or OCI artifact: )?pull image err: "
    r"|initializing source \S+: "
)
_STATUS = re.compile(r"\b([1-5]\d\d) ([A-Z][A-Za-z]+(?: [A-Z][A-Za-z]+)*)")
_PLATFORM = re.compile(
    r"no match for platform|no image found in (?:image index|manifest list)|no matching manifest for"
)
_TOKEN = re.compile(
    r"fetch (?:anonymous|oauth)? ?token|token (?:server|endpoint)|requesting bearer token", re.IGNORECASE
)
_BLOB = re.compile(r"could not fetch content descriptor (sha\d+:\w+)|blob unknown|content digest (sha\d+:\w+)")
_LIMITED = re.compile(r"toomanyrequests|too many requests|rate limit", re.IGNORECASE)
_DENIED = re.compile(
    r"unauthorized|authentication required|no basic auth credentials|access denied|access to the resource is denied"
    r"|insufficient_scope|authorization failed|invalid username/password|403 forbidden",
    re.IGNORECASE,
)
# The one answer that means that the tag does not exist: the registry's about this very reference.
_MISSING = re.compile(
    r"failed to resolve reference \"(?P<reference>[^\"]+)\": (?P=reference): not found$"
    r"|failed to resolve image: \S+: not found$"
    r"|manifest[_ ]unknown|name[_ ]unknown|repository name not known to registry|manifest for \S+ not found",
    re.IGNORECASE,
)

_TOO_MANY = "429"
_CREDENTIALS = ("401", "403")

# The longest that the registry is asked.
_SECONDS = 3.0

# Codes of a registry that does not have the image.
_UNKNOWN = ("MANIFEST_UNKNOWN", "NAME_UNKNOWN", "NOT_FOUND", "NAME_INVALID", "TAG_INVALID", "MANIFEST_INVALID")

_ACCEPT = ", ".join(
    f"application/vnd.{kind}+json"
    for kind in (
        *("oci.image.index.v1", "oci.image.manifest.v1"),
        *("docker.distribution.manifest.list.v2", "docker.distribution.manifest.v2"),
    )
)


def split(reference: str) -> tuple[str, str, str]:
    """Split an image reference into repository, tag and digest; what is not there is empty.

    Source: https://pkg.go.dev/github.com/distribution/reference
    """
    name, _, digest = reference.partition("@")
    head, colon, tag = name.rpartition(":")
    return (head, tag, digest) if colon and "/" not in tag else (name, "", digest)


def same_image(there: str, wanted: str) -> bool | None:
    """Whether an image reference is the one that a manifest has, or what admission makes of it.

    Admission rewrites the registry, and pins the digest. If it replaces the tag with a digest, this cannot be
    told: None.
    """
    (_, tag, digest), (_, wanted_tag, wanted_digest) = split(there), split(wanted)
    if wanted_digest:
        return digest == wanted_digest if digest else False
    if digest and not tag:
        return None
    return (tag or "latest") == (wanted_tag or "latest")


def why_not_pulled(message: str, image: str, node: str = "") -> tuple[str, str]:
    """Return the reason (a key of `trouble.GRACE`) and what to say of a failed pull.

    Args:
        message: The kubelet's, of ErrImagePull, ImagePullBackOff or its event.
        image: What was to be pulled.
        node: Where.
    """
    cause = _cause(message)
    return (
        _of_the_platform(cause, image, node)
        or _of_the_answer(cause, image)
        or _of_what_is_missing(cause, image)
        or ("ErrImagePull", cause or f"{image} cannot be pulled yet")
    )


def _of_the_platform(cause: str, image: str, node: str) -> tuple[str, str] | None:
    where = f"the platform of node {node}" if node else "the node's platform"
    return ("ImageWrongPlatform", f"{image} is not built for {where}") if _PLATFORM.search(cause) else None


def _of_the_answer(cause: str, image: str) -> tuple[str, str] | None:
    """Return what a registry's refusal means, whatever it was asked for."""
    status = _STATUS.search(cause)
    answer = f"{status[1]} {status[2]}" if status else ""
    if answer.startswith(_TOO_MANY) or _LIMITED.search(cause):
        return "RegistryRateLimited", f"the registry answered 429 Too Many Requests for {image}"
    if answer.startswith(_CREDENTIALS) or _DENIED.search(cause):
        return "ImagePullDenied", f"the registry refused to give {image}: {answer or cause}"
    if answer:
        server = "the registry's token server" if _TOKEN.search(cause) else "the registry"
        return "RegistryError", f"{server} answered {answer} for {image}"
    if "unexpected media type" in cause:
        return "RegistryError", f"what answered for {image} is not a registry: {cause}"
    return None


def _of_what_is_missing(cause: str, image: str) -> tuple[str, str] | None:
    blob = _BLOB.search(cause)
    if blob and ("not found" in cause or "unknown" in cause):
        layer = next((digest for digest in blob.groups() if digest), "")
        return "ImageIncomplete", f"the registry has {image}, but not all of it: {layer or cause}"
    return ("ImageNotFound", f"{image} does not exist") if _MISSING.search(cause) else None


def _cause(message: str) -> str:
    """Return the message without what the kubelet and the runtime put before the cause."""
    message = " ".join(message.split())
    while found := _PREFIX.match(message):
        message = message[found.end() :]
    return message


async def registry_error(image: str) -> str:
    """Ask the registry for an image that a node could not find, and return what is wrong with the registry.

    Returns:
        Empty if the image is missing, or if the registry cannot be asked from here (another network, credentials).
    """
    try:
        async with httpx2.AsyncClient(timeout=_SECONDS, follow_redirects=True) as client:
            return await _ask(client, image)
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError):
        return ""


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
