"""How requests reach the API server: TLS, proxy, the user's login, and impersonation.

It accepts what Go's clients accept, because Helm is one, and therefore connects to the same server in the same way.
"""

from __future__ import annotations

import base64
import ipaddress
import os
import re
import ssl
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

import httpx2

from sametag.errors import ClusterError
from sametag.kube.secretfile import secret_file

if TYPE_CHECKING:
    from sametag.kube.access import Access
    from sametag.kube.credentials import Login
    from sametag.kube.kubeconfig import Settings


_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)

_PORTS = {"https": 443, "http": 80}


class Transport(httpx2.AsyncBaseTransport):
    """Sends requests to the one API server of an access, as its user.

    Raises:
        ClusterError: A certificate or a key cannot be used.
    """

    def __init__(self, access: Access) -> None:
        self._cluster = access.cluster
        self._user = access.user
        self._credentials = access.credentials
        self._headers = _impersonation(access.user)
        self._proxy = access.cluster.get("proxy-url") or proxy_of_environment(access.server)
        # One for each client certificate of a plugin: an open connection keeps its certificate.
        self._pools: dict[bytes, httpx2.AsyncHTTPTransport] = {}
        self._pools[b""] = self._pool(b"")

    def _pool(self, certificate: bytes) -> httpx2.AsyncHTTPTransport:
        secure = self._cluster["server"].startswith("https:")
        context = _tls(self._cluster, self._user, certificate) if secure else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        try:
            return httpx2.AsyncHTTPTransport(verify=context, trust_env=False, proxy=self._proxy)
        except (ValueError, ImportError, httpx2.InvalidURL) as error:
            raise ClusterError(f"the proxy {self._proxy} cannot be used: {error}") from error

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request, again with a new login if the login is rejected and there is another."""
        login = await self._credentials.login()
        response = await self._send(request, login)
        if response.status_code == HTTPStatus.UNAUTHORIZED and (renewed := await self._credentials.renew(login)):
            await response.aclose()
            return await self._send(request, renewed)
        return response

    async def _send(self, request: httpx2.Request, login: Login) -> httpx2.Response:
        if login.authorization:
            request.headers["Authorization"] = login.authorization
        if self._headers and "Impersonate-User" not in request.headers:
            request.headers = httpx2.Headers([*request.headers.raw, *self._headers])
        if name := self._cluster.get("tls-server-name"):
            request.extensions = {**request.extensions, "sni_hostname": name}
        if login.certificate not in self._pools:
            self._pools[login.certificate] = self._pool(login.certificate)
        return await self._pools[login.certificate].handle_async_request(request)

    async def aclose(self) -> None:
        """Close every connection."""
        for pool in self._pools.values():
            await pool.aclose()


def _impersonation(user: Settings) -> list[tuple[bytes, bytes]]:
    """Return the headers for impersonation (`as`). Source: k8s.io/client-go/transport, ImpersonationConfig."""
    if "as" not in user:
        return []
    headers = [("Impersonate-User", user["as"])]
    headers += [("Impersonate-Uid", user["as-uid"])] if "as-uid" in user else []
    headers += [("Impersonate-Group", group) for group in user.get("as-groups", ())]
    for key, values in user.get("as-user-extra", {}).items():
        headers += [(f"Impersonate-Extra-{quote(key, safe='')}", value) for value in values]
    for name, value in headers:
        if not all(character.isprintable() for character in value):
            raise ClusterError(f"the kubeconfig's user cannot act as another: {name} has control characters")
    return [(name.encode(), value.encode()) for name, value in headers]


def _tls(cluster: Settings, user: Settings, certificate: bytes) -> ssl.SSLContext:
    """Return how the server is verified, and the client certificate; see `_context`."""
    try:
        context = _context(cluster)
    except (OSError, ValueError) as error:
        raise ClusterError(f"the cluster's certificate authority cannot be used: {_reason(error)}") from error
    try:
        if certificate:
            _present(context, certificate)
        elif pair := _certificate_of(user):
            _present(context, pair)
    except (OSError, ValueError) as error:
        raise ClusterError(f"the user's client certificate or key cannot be used: {_reason(error)}") from error
    return context


def _reason(error: OSError | ValueError) -> str:
    where = getattr(error, "filename", None)
    reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error) or type(error).__name__
    return f"{where}: {reason}" if where else str(reason)


def _context(cluster: Settings) -> ssl.SSLContext:
    """Verify the server as Go does.

    Not `ssl.create_default_context`: since Python 3.13 it sets VERIFY_X509_STRICT, which rejects authorities without
    key identifiers, as in many clusters.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.hostname_checks_common_name = False
    if cluster.get("insecure-skip-tls-verify"):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    authority = _content(cluster, "certificate-authority")
    if not authority:
        context.load_default_certs()
        return context
    found = _CERTIFICATE.findall(authority)
    if not found:
        raise ValueError("it holds no certificate in PEM")
    context.load_verify_locations(cadata=b"\n".join(found).decode("ascii", errors="replace"))
    return context


def _content(settings: Settings, key: str) -> bytes:
    """Return the content of a setting, from its data or its file; empty if not set."""
    if data := settings.get(f"{key}-data"):
        return base64.b64decode(data)
    return Path(settings[key]).read_bytes() if settings.get(key) else b""


def _certificate_of(user: Settings) -> bytes:
    certificate = _content(user, "client-certificate")
    return b"\n".join((certificate, _content(user, "client-key"))) if certificate else b""


def _present(context: ssl.SSLContext, pair: bytes) -> None:
    """Log in with a certificate and its key. A key with a password is rejected, without a prompt."""
    with secret_file(pair) as path:
        context.load_cert_chain(path, password="")


def proxy_of_environment(server: str) -> str | None:
    """Return the proxy that Go takes from HTTPS_PROXY, HTTP_PROXY and NO_PROXY.

    Not httpx2's choice: it reads ALL_PROXY, does not support networks in NO_PROXY, and uses the proxy for localhost.
    Source: golang.org/x/net/http/httpproxy
    """
    parts = urlsplit(server)
    scheme = parts.scheme.upper()
    proxy = os.environ.get(f"{scheme}_PROXY") or os.environ.get(f"{scheme.lower()}_proxy")
    if not proxy or _goes_directly(parts.hostname or "", parts.port or _PORTS[parts.scheme]):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _goes_directly(host: str, port: int) -> bool:
    address = _address(host)
    if host == "localhost" or (address and address.is_loopback):
        return True
    listed = os.environ.get("NO_PROXY") or os.environ.get("no_proxy") or ""
    return any(_covers(entry.strip().lower(), host.lower(), port, address) for entry in listed.split(","))


_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def _address(text: str) -> _Address | None:
    try:
        return ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return None


def _covers(entry: str, host: str, port: int, address: _Address | None) -> bool:
    """Whether an entry of NO_PROXY is about this host."""
    if not entry or entry == "*":
        return entry == "*"
    if "/" in entry:
        try:
            return address is not None and address in ipaddress.ip_network(entry, strict=False)
        except ValueError:
            return False
    name, colon, number = entry.rpartition(":") if not _address(entry) else (entry, "", "")
    if colon and number.isdigit():
        if int(number) != port:
            return False
        entry = name
    if address or _address(entry):
        return address == _address(entry)
    domain = entry.removeprefix("*").removeprefix(".")
    # `.example.com` is about its subdomains alone, `example.com` about both.
    return host.endswith(f".{domain}") or (host == domain and not entry.startswith((".", "*.")))
