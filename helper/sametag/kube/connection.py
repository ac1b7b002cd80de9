"""Connect to the cluster that Helm would use, and turn its errors into plain words."""

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
    """The cluster and namespace in the flags of a command; None means Helm's default."""

    kubeconfig: str | None = None
    context: str | None = None
    namespace: str | None = None

    @cached_property
    def access(self) -> Access:
        """The cluster, the namespace and the user, resolved once.

        Raises:
            ClusterError: There is no cluster, or the kubeconfig cannot be used.
            UsageError: The name of the namespace is invalid.
        """
        return resolve(self.kubeconfig, self.context, self.namespace)

    @property
    def resolved_namespace(self) -> str:
        """The namespace of `access`; raises as that does."""
        return self.access.namespace

    @cached_property
    def namespace_alone(self) -> str:
        """The namespace, for a command that needs no cluster; raises as `access` does."""
        return namespace_alone(self.kubeconfig, self.context, self.namespace)


class Client(AsyncClient):
    """A lightkube client of one namespace, with plain HTTP requests for what lightkube cannot do.

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

    Inside the block, errors of the API server and the network are raised as `ClusterError`s in plain words.

    Raises:
        ClusterError: No kubeconfig, no such context, no connection, bad credentials, missing permissions.
    """
    access = target.access
    with refusals(access.server):
        transport = Transport(access)
        # A failed login is an error before the first request.
        await access.credentials.login()
        client = Client(access, transport)
        try:
            yield client
        finally:
            await client.close()


async def now(target: Target) -> datetime:
    """Return the time by the API server's clock, to the second: the local clock may be wrong.

    Raises:
        ClusterError: As `connect`, or the API server does not send its time.
    """
    async with connect(target) as client:
        said = (await client.http.get("/version")).headers.get("Date", "")
    try:
        return parsedate_to_datetime(said)
    except ValueError:
        raise ClusterError(f"the API server did not send its time: {said!r}") from None


@contextmanager
def refusals(server: str) -> Iterator[None]:
    """Turn errors of the API server and the network into `ClusterError`s."""
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
    """Return the API server's message as an error, with a remedy if its code suggests one."""
    remedies: dict[int, str] = {
        HTTPStatus.UNAUTHORIZED: "the credentials in the kubeconfig are not accepted: renew them",
        HTTPStatus.FORBIDDEN: "ask for this permission; docs/reference/rights.md lists all that sametag needs",
    }
    return ClusterError(f"the cluster rejected the request: {message}", remedies.get(code))
