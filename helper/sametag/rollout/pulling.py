"""Why an image could not be pulled, from what the kubelet reports.

"not found" alone proves nothing: containerd uses the same words for a missing tag, a missing layer, an index without
the node's platform, and an answer that is not a registry's.
Source: github.com/containerd/containerd (remotes/docker, image), github.com/containers/image, and the errors of
https://github.com/opencontainers/distribution-spec/blob/main/spec.md#error-codes
"""

from __future__ import annotations

import re

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
# The one answer that says that there is no such tag: the registry's about this very reference.
_UNKNOWN = re.compile(
    r"failed to resolve reference \"(?P<reference>[^\"]+)\": (?P=reference): not found$"
    r"|failed to resolve image: \S+: not found$"
    r"|manifest[_ ]unknown|name[_ ]unknown|repository name not known to registry|manifest for \S+ not found",
    re.IGNORECASE,
)

_TOO_MANY = "429"
_CREDENTIALS = ("401", "403")


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
    return ("ImageNotFound", f"there is no {image}") if _UNKNOWN.search(cause) else None


def _cause(message: str) -> str:
    """Return the message without what the kubelet and the runtime put before the cause."""
    message = " ".join(message.split())
    while found := _PREFIX.match(message):
        message = message[found.end() :]
    return message
