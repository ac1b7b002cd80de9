"""Reach the cluster that Helm would reach: a client of it, and what it refuses in plain words."""

from __future__ import annotations

from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import cached_property
from http import HTTPStatus
from typing import TYPE_CHECKING

import httpx2
from lightkube import ApiError, AsyncClient, SingleConfig
from lightkube.config.models import Cluster, Context, User

from sametag.errors import ClusterError
from sametag.kube.access import Access, namespace_alone, resolve
from sametag.kube.credentials import PluginError
from sametag.kube.transport import Transport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from datetime import datetime


_TIMEOUT = httpx2.Timeout(timeout=30, connect=10)


@dataclass(frozen=True)
class Target:
    """The cluster and namespace that a command works on, as its flags say; None leaves it to what Helm would take."""

    kubeconfig: str | None = None
    context: str | None = None
    namespace: str | None = None

    @cached_property
    def access(self) -> Access:
        """The cluster, the namespace and the user, resolved once: for our client, and for Helm.

        Raises:
            ClusterError: There is no cluster, or the kubeconfig cannot be used.
            UsageError: The namespace has a name that none can have.
        """
        return resolve(self.kubeconfig, self.context, self.namespace)

    @property
    def resolved_namespace(self) -> str:
        """The namespace of `access`; raises as that does."""
        return self.access.namespace

    @cached_property
    def namespace_alone(self) -> str:
        """The namespace, where there need be no cluster; raises as `access` does."""
        return namespace_alone(self.kubeconfig, self.context, self.namespace)


class Client(AsyncClient):
    """A lightkube client of one namespace, with plain HTTP requests for what lightkube cannot ask.

    Attributes:
        http: The same connection; paths are relative to the API server's URL.
    """

    def __init__(self, access: Access, transport: Transport) -> None:
        # None of lightkube's own ways to connect is used: the transport has the login, TLS and the proxy.
        cluster = Cluster(server=access.server, insecure=True)
        config = SingleConfig(access.context, Context(access.context, namespace=access.namespace), cluster, User())
        super().__init__(
            config=config, namespace=access.namespace, transport=transport, trust_env=False, timeout=_TIMEOUT
        )
        self.http = httpx2.AsyncClient(base_url=access.server, transport=transport, trust_env=False, timeout=_TIMEOUT)


@asynccontextmanager
async def connect(target: Target) -> AsyncIterator[Client]:
    """Open a client of the target's cluster, with the target's namespace as its default.

    Inside the block, what the API server or the network refuses is raised as a `ClusterError` in plain words.

    Raises:
        ClusterError: No kubeconfig, no such context, no connection, bad credentials, missing permissions.
    """
    access = target.access
    with refusals(access.server):
        transport = Transport(access)
        # A login that fails is an error before anything is asked.
        await access.credentials.login()
        client = Client(access, transport)
        try:
            yield client
        finally:
            await client.close()


async def now(target: Target) -> datetime:
    """Return what time it is by the API server's clock, to the second: ours may be wrong.

    Raises:
        ClusterError: As `connect`; or it does not say.
    """
    async with connect(target) as client:
        said = (await client.http.get("/version")).headers.get("Date", "")
    try:
        return parsedate_to_datetime(said)
    except ValueError:
        raise ClusterError(f"the API server did not send its time: {said!r}") from None


@contextmanager
def refusals(server: str) -> Iterator[None]:
    """Turn what the API server or the network refuses into a `ClusterError`."""
    try:
        yield
    except ApiError as error:
        raise refusal(error.status.code or 0, error.status.message or "") from error
    except PluginError as error:
        raise ClusterError(str(error), error.remedy) from error
    except httpx2.TransportError as error:
        reason = str(error) or type(error).__name__
        raise ClusterError(
            f"cannot reach the cluster at {server}: {reason}",
            "is it running? --kubeconfig and --kube-context choose another",
        ) from error


def refusal(code: int, message: str) -> ClusterError:
    """Return what the API server said as an error, with a remedy where its code tells one."""
    remedies: dict[int, str] = {
        HTTPStatus.UNAUTHORIZED: "the credentials in the kubeconfig are not accepted: renew them",
        HTTPStatus.FORBIDDEN: "ask for this permission; docs/reference/rights.md lists all that sametag needs",
    }
    return ClusterError(f"the cluster rejected the request: {message}", remedies.get(code))
