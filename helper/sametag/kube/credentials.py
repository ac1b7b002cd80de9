"""The credentials of a user in a kubeconfig: a token, a token file, a name and password, or a credential plugin.

Source: https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins and
k8s.io/client-go/plugin/pkg/client/auth/exec
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import shutil
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import httpx2

from sametag.errors import ClusterError

if TYPE_CHECKING:
    from sametag.kube.kubeconfig import Settings

_EXEC_API = "client.authentication.k8s.io"
_EXEC_VERSIONS = (f"{_EXEC_API}/v1", f"{_EXEC_API}/v1beta1")
_EXEC_EXTENSION = f"{_EXEC_API}/exec"

# A plugin without a terminal may ask a server for a token; one with a terminal waits for a person.
_PLUGIN_SECONDS = 60.0

# The pause after a plugin failed, or returned the rejected credentials again.
_REST_SECONDS = 10.0

# As client-go: a token file is read again so often.
_TOKEN_FILE_SECONDS = 10.0

_HINT_LIMIT = 300


class PluginError(httpx2.TransportError):
    """A credential plugin failed. During a rollout this may pass, like an outage of the API server.

    Args:
        message: One line.
        remedy: The plugin's own hint, one line; None if there is none.
    """

    def __init__(self, message: str, remedy: str | None = None) -> None:
        super().__init__(message)
        self.remedy = remedy


class Login(NamedTuple):
    """The credentials of one request.

    Attributes:
        authorization: The header; empty without.
        certificate: A client certificate and its key, PEM; empty without, or where the kubeconfig itself has it.
    """

    authorization: str = ""
    certificate: bytes = b""


class _Source(Protocol):
    async def login(self) -> Login:
        """Return what is valid now."""

    async def renew(self, refused: Login) -> Login | None:
        """Return another login than the one that the API server rejected; None if there is none."""


class Credentials:
    """Log a user in, and again when the login expires or is rejected."""

    def __init__(self, cluster: Settings, user: Settings) -> None:
        self._source = _source(cluster, user)

    async def login(self) -> Login:
        """Return what is valid now.

        Raises:
            PluginError: The credential plugin failed.
            ClusterError: A token cannot be read or sent.
        """
        return await self._source.login()

    async def renew(self, refused: Login) -> Login | None:
        """Return another login than the one that the API server rejected; None if there is none.

        Raises:
            PluginError, ClusterError: As `login`.
        """
        return await self._source.renew(refused)


def _source(cluster: Settings, user: Settings) -> _Source:
    """Choose as client-go does: a plugin is not run if the kubeconfig itself has a token or a certificate."""
    if not cluster["server"].startswith("https:"):
        return _Fixed(Login())
    if user.get("tokenFile"):
        return _TokenFile(Path(user["tokenFile"]), user.get("token", ""))
    if user.get("token"):
        return _Fixed(_bearer(user["token"]))
    if user.get("username") or user.get("password"):
        pair = f"{user.get('username', '')}:{user.get('password', '')}".encode()
        return _Fixed(Login(f"Basic {base64.b64encode(pair).decode()}"))
    if user.get("client-certificate") or user.get("client-certificate-data") or not user.get("exec"):
        return _Fixed(Login())
    return _Plugin(cluster, user["exec"])


def _bearer(token: str) -> Login:
    if not token.isascii() or not token.isprintable():
        raise ClusterError("the token of the kubeconfig's user cannot be sent: it has control or non-ASCII characters")
    return Login(f"Bearer {token}")


class _Fixed:
    """A login that never changes."""

    def __init__(self, login: Login) -> None:
        self._login = login

    async def login(self) -> Login:
        return self._login

    async def renew(self, _: Login) -> Login | None:
        return None


class _TokenFile:
    """A token file that others renew, such as that of a service account.

    Args:
        path: The file.
        instead: The token if the file cannot be read.
    """

    def __init__(self, path: Path, instead: str) -> None:
        self._path = path
        self._login = _bearer(instead) if instead else None
        self._read_at: float | None = None

    async def login(self) -> Login:
        if self._read_at is None or time.monotonic() - self._read_at > _TOKEN_FILE_SECONDS:
            self._login = self._read()
            self._read_at = time.monotonic()
        return self._login or Login()

    async def renew(self, refused: Login) -> Login | None:
        self._login = self._read()
        return self._login if self._login != refused else None

    def _read(self) -> Login:
        try:
            token = self._path.read_text(encoding="utf-8").strip()
        except (OSError, ValueError) as error:
            # It may be being replaced.
            if self._login:
                return self._login
            reason = getattr(error, "strerror", None) or "it is not UTF-8"
            raise ClusterError(f"cannot read the token in {self._path}: {reason}") from error
        if not token and self._login:
            return self._login
        if not token:
            raise ClusterError(f"the token file {self._path} is empty")
        return _bearer(token)


class _Plugin:
    """A program that prints a token or a certificate, run again when that expires or is rejected."""

    def __init__(self, cluster: Settings, settings: Settings) -> None:
        self._cluster = cluster
        self._settings = settings
        self._login: Login | None = None
        self._expires: datetime | None = None
        self._running: asyncio.Task[Login] | None = None
        self._failed: PluginError | None = None
        self._rests_until = 0.0

    async def login(self) -> Login:
        if self._login and not (self._expires and datetime.now(UTC) > self._expires):
            return self._login
        return await self._ask()

    async def renew(self, refused: Login) -> Login | None:
        if self._login not in (None, refused):
            return self._login  # another request has renewed it meanwhile
        if self._login and time.monotonic() < self._rests_until:
            return None
        renewed = await self._ask()
        if renewed == refused:
            self._rests_until = time.monotonic() + _REST_SECONDS
            return None
        return renewed

    async def _ask(self) -> Login:
        """Run the plugin once for all concurrent requests; a cancelled request does not end it for the others."""
        if self._failed and time.monotonic() < self._rests_until:
            raise self._failed
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._run())
            self._running.add_done_callback(_retrieve)
        return await asyncio.shield(self._running)

    async def _run(self) -> Login:
        try:
            self._login, self._expires = _read(self._settings, await _output(self._settings, self._cluster))
        except PluginError as error:
            self._failed, self._rests_until = error, time.monotonic() + _REST_SECONDS
            raise
        self._failed = None
        return self._login


def _retrieve(task: asyncio.Task[Login]) -> None:
    """Retrieve the error of a task that nobody awaits any more."""
    if not task.cancelled():
        task.exception()


async def _output(settings: Settings, cluster: Settings) -> bytes:
    """Run a plugin, and return what it prints."""
    program = _program(settings)
    interactive = _is_interactive(settings)
    try:
        process = await asyncio.create_subprocess_exec(
            program,
            *settings.get("args", ()),
            stdin=None if interactive else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            # A person at the terminal has to read what to do.
            stderr=None if interactive else asyncio.subprocess.PIPE,
            env=_environment(settings, cluster, interactive=interactive),
        )
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise PluginError(f"the credential plugin {program} cannot be run: {reason}", _hint(settings)) from error
    try:
        async with asyncio.timeout(None if interactive else _PLUGIN_SECONDS):
            stdout, stderr = await process.communicate()
    except TimeoutError:
        raise PluginError(f"the credential plugin {program} did not end within {_PLUGIN_SECONDS:.0f} s") from None
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.returncode:
        said = _one_line((stderr or b"").decode(errors="replace"))
        ended = f"failed with exit code {process.returncode}" if process.returncode > 0 else "was killed"
        raise PluginError(f"the credential plugin {program} {ended}{': ' if said else ''}{said}", _hint(settings))
    return stdout


def _program(settings: Settings) -> str:
    command = str(settings["command"])
    if settings.get("apiVersion") not in _EXEC_VERSIONS:
        raise PluginError(
            f"the credential plugin {command} has the apiVersion {settings.get('apiVersion', '')!r}",
            f"Kubernetes supports {' and '.join(_EXEC_VERSIONS)}: write the kubeconfig again with a newer plugin",
        )
    if settings["apiVersion"] == _EXEC_VERSIONS[0] and "interactiveMode" not in settings:
        raise PluginError(
            f"the credential plugin {command} of {_EXEC_VERSIONS[0]} has no interactiveMode",
            "set it to Never, IfAvailable or Always",
        )
    program = command if os.sep in command else shutil.which(command)
    if program is None or not Path(program).exists():
        raise PluginError(f"the credential plugin {command} was not found", _hint(settings))
    return program


def _hint(settings: Settings) -> str | None:
    return _one_line(settings.get("installHint", "")) or None


def _one_line(text: str) -> str:
    """Return a program's output in one line without terminal control sequences."""
    words = " ".join(text.split())
    return "".join(character if character.isprintable() else "?" for character in words)[:_HINT_LIMIT]


def _is_interactive(settings: Settings) -> bool:
    mode = settings.get("interactiveMode", "IfAvailable")
    try:
        terminal = sys.stdin is not None and os.isatty(sys.stdin.fileno())
    except (OSError, ValueError):
        terminal = False
    if mode == "Always" and not terminal:
        raise PluginError(
            f"the credential plugin {settings['command']} has interactiveMode Always, but there is no terminal",
            "log in first, or set interactiveMode to IfAvailable",
        )
    return terminal and mode != "Never"


def _environment(settings: Settings, cluster: Settings, *, interactive: bool) -> dict[str, str]:
    spec: dict[str, Any] = {"interactive": interactive}
    if settings.get("provideClusterInfo"):
        spec["cluster"] = _cluster_info(cluster)
    info = {"kind": "ExecCredential", "apiVersion": settings["apiVersion"], "spec": spec}
    own = {variable["name"]: variable["value"] for variable in settings.get("env", ())}
    return {**os.environ, **own, "KUBERNETES_EXEC_INFO": json.dumps(info)}


def _cluster_info(cluster: Settings) -> dict[str, Any]:
    """Return what a plugin gets to know about the cluster. Source: k8s.io/client-go/rest, ConfigToExecCluster."""
    keys = ("server", "tls-server-name", "insecure-skip-tls-verify", "proxy-url", "disable-compression")
    info = {key: cluster[key] for key in (*keys, "certificate-authority-data") if key in cluster}
    if file := cluster.get("certificate-authority"):
        try:
            info["certificate-authority-data"] = base64.b64encode(Path(file).read_bytes()).decode()
        except OSError as error:
            raise ClusterError(f"cannot read the certificate authority {file}: {error.strerror}") from error
    configs = (entry["extension"] for entry in cluster.get("extensions", ()) if entry.get("name") == _EXEC_EXTENSION)
    return {**info, "config": next(configs, None)}


def _read(settings: Settings, output: bytes) -> tuple[Login, datetime | None]:
    """Read an ExecCredential: the login, and when it expires. Its content never reaches a message."""

    def refuse(reason: str) -> PluginError:
        return PluginError(f"the credential plugin {settings['command']} {reason}", _hint(settings))

    try:
        document = json.loads(output)
    except (ValueError, RecursionError):
        raise refuse("did not print JSON") from None
    status = document.get("status") if isinstance(document, dict) else None
    if not isinstance(status, dict) or document.get("kind") != "ExecCredential":
        raise refuse("did not print an ExecCredential with a status")
    if document.get("apiVersion") != settings["apiVersion"]:
        raise refuse(f"is configured as {settings['apiVersion']}, and printed another version")
    token, certificate, key = (status.get(name) or "" for name in ("token", "clientCertificateData", "clientKeyData"))
    if not all(isinstance(text, str) and text.isascii() for text in (token, certificate, key)):
        raise refuse("printed a token or a certificate that is not ASCII text")
    if not token and not (certificate and key):
        raise refuse("printed neither a token nor a certificate with its key")
    if not token.isprintable():
        raise refuse("printed a token with control characters")
    pair = f"{certificate}\n{key}".encode() if certificate and key else b""
    return Login(f"Bearer {token}" if token else "", pair), _expiry(status.get("expirationTimestamp"), refuse)


def _expiry(text: Any, refuse: Any) -> datetime | None:
    if text is None:
        return None
    try:
        expires = datetime.fromisoformat(text)
        return expires.astimezone(UTC) if expires.tzinfo else expires.replace(tzinfo=UTC)
    except (TypeError, ValueError, OverflowError):
        raise refuse("printed an expirationTimestamp that is not RFC 3339") from None
