"""Reach the cluster that Helm would reach.

The kubeconfig is found and merged as client-go does it (`--kubeconfig`, then every file of `KUBECONFIG`, then
`~/.kube/config`, then the service account of the pod we run in), so that sametag and Helm never talk to two clusters.
Source: https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/
"""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import httpx2
import yaml
from lightkube import ApiError, AsyncClient, ConfigError, KubeConfig, SingleConfig
from lightkube.config import client_adapter
from lightkube.config.models import User
from msgspec import ValidationError

from sametag.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
    from datetime import datetime

# client-go resolves these relative to the file that holds them.
_PATH_KEYS = ("certificate-authority", "client-certificate", "client-key", "tokenFile")

_UNAUTHORIZED, _FORBIDDEN = 401, 403

_TRANSIENT = (408, 410, 429, 500, 502, 503, 504)

#: Between two tries while the API server is away.
RETRY_SECONDS = 1.0

_Answer = TypeVar("_Answer")

# Seconds for the answer, and for the connection.
_PATIENCE = {"timeout": 30, "connect": 10}


@dataclass(frozen=True)
class Target:
    """The cluster and namespace that a command works on; None means what the kubeconfig says."""

    kubeconfig: str | None = None
    context: str | None = None
    namespace: str | None = None

    @cached_property
    def resolved_namespace(self) -> str:
        """The namespace asked for, else the context's, else `default`, as Helm chooses it.

        Raises:
            ClusterError: No kubeconfig, or no such context.
        """
        return self.namespace or _load(self)[0].namespace


def _files(target: Target) -> list[Path]:
    if target.kubeconfig:
        return [Path(target.kubeconfig).expanduser()]
    listed = [Path(name) for name in os.environ.get("KUBECONFIG", "").split(os.pathsep) if name]
    return listed or [Path("~/.kube/config").expanduser()]


def _read(path: Path) -> dict[str, Any]:
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ClusterError(f"cannot read the kubeconfig {path}: {str(error).splitlines()[0]}") from error
    if document is not None and not isinstance(document, dict):
        raise ClusterError(f"the kubeconfig {path} is not a map")
    return _with_absolute_paths(document or {}, path.parent)


def _with_absolute_paths(document: dict[str, Any], folder: Path) -> dict[str, Any]:
    for kind in ("cluster", "user"):
        for entry in document.get(f"{kind}s") or ():
            settings = entry.get(kind) or {}
            for key in _PATH_KEYS:
                if settings.get(key):
                    settings[key] = str(folder / settings[key])
    return document


def _merge(documents: list[dict[str, Any]]) -> dict[str, Any]:
    """Merge as client-go does: the first file that names a thing wins."""
    merged: dict[str, Any] = {"current-context": None}
    for document in documents:
        merged["current-context"] = merged["current-context"] or document.get("current-context")
    for kind in ("clusters", "contexts", "users"):
        entries: dict[str, Any] = {}
        for document in documents:
            for entry in document.get(kind) or ():
                entries.setdefault(entry["name"], entry)
        merged[kind] = list(entries.values())
    return merged


def _load(target: Target) -> tuple[SingleConfig, dict[str, Any]]:
    """Return the chosen context and its cluster as written, since lightkube drops the keys it does not know."""
    files = [path for path in _files(target) if path.exists()]
    if not files:
        return _in_cluster(target), {}
    merged = _merge([_read(path) for path in files])
    chosen = _choose(target, merged)
    for entry in merged["clusters"]:
        if entry["name"] == chosen.context.cluster:
            return chosen, entry["cluster"]
    raise AssertionError  # _choose found the cluster


def _choose(target: Target, merged: dict[str, Any]) -> SingleConfig:
    try:
        config: KubeConfig = KubeConfig.from_dict(merged)
        chosen: SingleConfig | None = config.get(target.context)
    except (ConfigError, ValidationError, KeyError) as error:
        names = ", ".join(sorted(entry["name"] for entry in merged["contexts"])) or "none"
        raise ClusterError(f"the kubeconfig gives no cluster: {error}", f"its contexts: {names}") from error
    if chosen is None:
        raise AssertionError  # get() returns None only for a default of None
    return chosen if chosen.user else chosen._replace(user=User())


def _in_cluster(target: Target) -> SingleConfig:
    wanted = ", ".join(map(str, _files(target)))
    error = ClusterError(
        f"no cluster: there is no kubeconfig at {wanted}", "set KUBECONFIG, or name one with --kubeconfig"
    )
    if target.kubeconfig or "KUBERNETES_SERVICE_HOST" not in os.environ:
        raise error
    try:
        config: SingleConfig | None = KubeConfig.from_service_account().get()
    except ConfigError:
        raise error from None
    if config is None:
        raise error
    return config


@asynccontextmanager
async def connect(target: Target) -> AsyncIterator[AsyncClient]:
    """Open a client of the target's cluster, with the target's namespace as its default.

    Inside the block, what the API server or the network refuses comes out as a `ClusterError` in plain words.

    Raises:
        ClusterError: No kubeconfig, no such context, no connection, bad credentials, no rights.
    """
    config, proxy = _reachable(target)
    client = AsyncClient(
        config=config, namespace=target.namespace or config.namespace, proxy=proxy, timeout=httpx2.Timeout(**_PATIENCE)
    )
    try:
        with refusals(config.cluster.server):
            yield client
    finally:
        await client.close()


async def patiently(ask: Callable[[], Awaitable[_Answer]], seconds: float = 120) -> _Answer:
    """Ask the API server again and again while it is away: in the middle of a rollout there is no giving up.

    Args:
        ask: Makes one try.
        seconds: After which its error is the answer.
    """
    until = time.monotonic() + seconds
    while True:
        try:
            return await ask()
        except (ApiError, httpx2.TransportError) as error:
            if not is_transient(error) or time.monotonic() > until:
                raise
        await asyncio.sleep(RETRY_SECONDS)


async def to_its_end(work: Coroutine[Any, Any, None]) -> None:
    """Await what must not be left half done, also when we are told to end meanwhile; that is obeyed afterwards."""
    task = asyncio.create_task(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise


def is_transient(error: ApiError | httpx2.TransportError) -> bool:
    """Whether the API server only restarts, is overloaded, or has forgotten the version that we ask from."""
    return not isinstance(error, ApiError) or error.status.code in _TRANSIENT


@asynccontextmanager
async def connect_plainly(target: Target) -> AsyncIterator[httpx2.AsyncClient]:
    """Open an HTTP client of the target's API server, for what lightkube cannot ask: whether fields are known.

    Raises:
        ClusterError: As `connect`.
    """
    config, proxy = _reachable(target)
    settings = client_adapter.ConnectionParams(timeout=httpx2.Timeout(**_PATIENCE), proxy=proxy)
    with refusals(config.cluster.server):
        async with client_adapter.AsyncClient(config, settings) as client:
            yield client


async def now(target: Target) -> datetime:
    """Return what time it is by the API server's clock, to the second: ours may be wrong.

    Raises:
        ClusterError: As `connect`; or it does not say.
    """
    async with connect_plainly(target) as client:
        said = (await client.get("/version")).headers.get("Date", "")
    try:
        return parsedate_to_datetime(said)
    except ValueError:
        raise ClusterError(f"the API server does not say what time it is: {said!r}") from None


def _reachable(target: Target) -> tuple[SingleConfig, str | None]:
    """Return the chosen context, and the proxy that leads to its cluster."""
    config, cluster = _load(target)
    if cluster.get("tls-server-name"):
        raise ClusterError(f"context {config.context_name} uses tls-server-name, which sametag cannot")
    return config, cluster.get("proxy-url")


@contextmanager
def refusals(server: str) -> Iterator[None]:
    """Turn what the API server or the network refuses into a `ClusterError`."""
    try:
        yield
    except ApiError as error:
        raise refusal(error.status.code or 0, error.status.message or "") from error
    except httpx2.TransportError as error:
        reason = str(error) or type(error).__name__
        raise ClusterError(
            f"cannot reach the cluster at {server}: {reason}",
            "is it running? --kubeconfig and --kube-context choose another",
        ) from error


def refusal(code: int, message: str) -> ClusterError:
    """Return what the API server said as an error, with a remedy where its code tells one."""
    remedies = {
        _UNAUTHORIZED: "the credentials in the kubeconfig are not accepted: renew them",
        _FORBIDDEN: "ask for this right; docs/reference/rights.md lists all that sametag needs",
    }
    return ClusterError(f"the cluster refused: {message}", remedies.get(code))
