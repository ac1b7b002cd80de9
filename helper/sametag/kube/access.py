"""Resolve the cluster, the namespace and the user once, for sametag's client and for every Helm that it runs.

Helm takes each of them from a flag, else from a HELM_ variable, else from the kubeconfig. The result is passed to Helm
as a kubeconfig with nothing else, in an environment without those variables, so that Helm and sametag cannot differ.
Source: helm.sh/helm/v4/pkg/cli, EnvSettings; k8s.io/client-go/tools/clientcmd
"""

from __future__ import annotations

import json
import os
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sametag.errors import ClusterError, HelmError
from sametag.kube import kubeconfig
from sametag.kube.credentials import Credentials
from sametag.kube.objects import check_namespace
from sametag.kube.secretfile import secret_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sametag.kube.kubeconfig import Kubeconfig, Settings

_SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")

#: Every variable with which Helm chooses a cluster, a namespace, a user or where it stores releases.
VARIABLES = (
    "HELM_DRIVER",
    "HELM_KUBEAPISERVER",
    "HELM_KUBEASGROUPS",
    "HELM_KUBEASUSER",
    "HELM_KUBECAFILE",
    "HELM_KUBECONTEXT",
    "HELM_KUBEINSECURE_SKIP_TLS_VERIFY",
    "HELM_KUBETLS_SERVER_NAME",
    "HELM_KUBETOKEN",
    "HELM_NAMESPACE",
    "KUBECONFIG",
)

# Helm's drivers -> as they are passed on. Helm 3 accepts only lower case.
_DRIVERS = {"": "secret", "secret": "secret", "secrets": "secret", "configmap": "configmap", "configmaps": "configmap"}

# Source: Go's strconv.ParseBool
_TRUE = ("1", "t", "T", "TRUE", "true", "True")

# The name of a context that is not from a kubeconfig.
_NAMELESS = "sametag"


@dataclass(frozen=True)
class Access:
    """A cluster, a namespace in it, and a user.

    Attributes:
        context: The name of the kubeconfig's context.
        namespace: The namespace.
        cluster: Its settings, as a kubeconfig has them; `server` is there.
        user: The user's settings.
    """

    context: str
    namespace: str
    cluster: Settings
    user: Settings

    @property
    def server(self) -> str:
        """The URL of the API server."""
        return str(self.cluster["server"])

    @cached_property
    def credentials(self) -> Credentials:
        """The credentials of the user."""
        return Credentials(self.cluster, self.user)

    @contextmanager
    def kubeconfig(self) -> Iterator[str]:
        """Yield the path of a kubeconfig with only this cluster, namespace and user."""
        context = {"cluster": self.context, "user": self.context, "namespace": self.namespace}
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": self.context,
            "contexts": [{"name": self.context, "context": context}],
            "clusters": [{"name": self.context, "cluster": self.cluster}],
            "users": [{"name": self.context, "user": self.user}],
        }
        with secret_file(json.dumps(document).encode()) as path:
            yield path


def resolve(explicit: str | None, context: str | None, namespace: str | None) -> Access:
    """Resolve the cluster, the namespace and the user, as Helm does.

    Args:
        explicit: The kubeconfig of `--kubeconfig`.
        context: The context of `--kube-context`.
        namespace: The namespace of `--namespace`.

    Raises:
        ClusterError: There is no cluster, or the kubeconfig cannot be used.
        UsageError: The name of the namespace is invalid.
    """
    driver()
    config = kubeconfig.read(explicit)
    name = _context_name(config, context)
    chosen = kubeconfig.context_settings(name, config.contexts[name]) if name else {}
    if config.found:
        cluster, user = _chosen(config, name, chosen)
    else:
        cluster, user = _of_service_account() if _in_a_pod() and not explicit else ({}, {})
    _override(cluster, user)
    if not cluster.get("server"):
        raise _no_server(config, name)
    _check(cluster, user)
    return Access(name or _NAMELESS, _namespace(namespace, chosen), cluster, user)


def namespace_alone(explicit: str | None, context: str | None, namespace: str | None) -> str:
    """Return the namespace for a command that needs no cluster.

    Raises:
        ClusterError, UsageError: As `resolve`.
    """
    given = namespace or os.environ.get("HELM_NAMESPACE")
    config = None if given else kubeconfig.read(explicit)
    name = _context_name(config, context) if config and config.found else ""
    chosen = kubeconfig.context_settings(name, config.contexts[name]) if config and name else {}
    return _namespace(namespace, chosen)


def driver() -> str:
    """Return the kind of Helm's records: `secret` or `configmap`.

    Raises:
        HelmError: HELM_DRIVER names a storage that is not in the cluster.
    """
    named = os.environ.get("HELM_DRIVER", "")
    if named.lower() not in _DRIVERS:
        raise HelmError(f"HELM_DRIVER is {named}, which sametag does not support", "use secret or configmap")
    return _DRIVERS[named.lower()]


def helm_environment(*, connected: bool) -> dict[str, str]:
    """Return the environment for Helm, in which no variable chooses a cluster, a namespace or a user.

    Args:
        connected: Whether Helm gets a kubeconfig; if not, it must not find one.
    """
    environment = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    environment["HELM_DRIVER"] = driver()
    if not connected:
        environment["KUBECONFIG"] = os.devnull
    return environment


def _context_name(config: Kubeconfig, flag: str | None) -> str:
    """Return the name of the requested context, else of the current one; empty if there is none."""
    variable = os.environ.get("HELM_KUBECONTEXT")
    name = flag or variable or config.current_context
    if name and name not in config.contexts:
        source = "" if flag else " (HELM_KUBECONTEXT)" if variable else " (current-context)"
        if not config.found:
            raise _no_server(config, "")
        raise ClusterError(
            f"the kubeconfig has no context {name!r}{source}", f"its contexts: {kubeconfig.names(config.contexts)}"
        )
    return name


def _chosen(config: Kubeconfig, name: str, chosen: Settings) -> tuple[Settings, Settings]:
    """Return the cluster and the user of a context."""
    if not name:
        return {}, {}
    cluster, user = chosen.get("cluster", ""), chosen.get("user", "")
    if cluster not in config.clusters:
        raise ClusterError(
            f"context {name!r} refers to the cluster {cluster!r}, which is not in the kubeconfig",
            f"its clusters: {kubeconfig.names(config.clusters)}",
        )
    if user and user not in config.users:
        raise ClusterError(
            f"context {name!r} refers to the user {user!r}, which is not in the kubeconfig",
            f"its users: {kubeconfig.names(config.users)}",
        )
    return (
        kubeconfig.cluster_settings(cluster, config.clusters[cluster]),
        kubeconfig.user_settings(user, config.users[user]) if user else {},
    )


def _in_a_pod() -> bool:
    variables = ("KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT")
    return all(os.environ.get(variable) for variable in variables) and (_SERVICE_ACCOUNT / "token").is_file()


def _of_service_account() -> tuple[Settings, Settings]:
    """Return the cluster and the user of this pod. Source: k8s.io/client-go/rest, InClusterConfig."""
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
    cluster: Settings = {"server": f"https://{f'[{host}]' if ':' in host else host}:{port}"}
    if (_SERVICE_ACCOUNT / "ca.crt").is_file():
        cluster["certificate-authority"] = str(_SERVICE_ACCOUNT / "ca.crt")
    return cluster, {"tokenFile": str(_SERVICE_ACCOUNT / "token")}


def _override(cluster: Settings, user: Settings) -> None:
    """Override the kubeconfig's settings with Helm's variables, as Helm's flags of the same names do."""
    given = os.environ.get
    server, server_name = given("HELM_KUBEAPISERVER"), given("HELM_KUBETLS_SERVER_NAME")
    if server or server_name:
        # The name belongs to the server that is replaced.
        cluster.pop("tls-server-name", None)
    insecure = given("HELM_KUBEINSECURE_SKIP_TLS_VERIFY") in _TRUE
    if insecure or given("HELM_KUBECAFILE"):
        for key in ("certificate-authority", "certificate-authority-data", "insecure-skip-tls-verify"):
            cluster.pop(key, None)
    groups = (given("HELM_KUBEASGROUPS") or "").strip(", ")
    _set(cluster, {"server": server, "tls-server-name": server_name, "insecure-skip-tls-verify": insecure})
    _set(cluster, {"certificate-authority": (ca := given("HELM_KUBECAFILE")) and str(Path(ca).absolute())})
    _set(user, {"token": given("HELM_KUBETOKEN"), "as": given("HELM_KUBEASUSER")})
    _set(user, {"as-groups": groups.split(",") if groups else None})


def _set(settings: Settings, given: Settings) -> None:
    settings.update({key: value for key, value in given.items() if value})


def _namespace(flag: str | None, chosen: Settings) -> str:
    if flag is not None:
        check_namespace(flag, "--namespace")
        return flag
    if variable := os.environ.get("HELM_NAMESPACE"):
        check_namespace(variable, "HELM_NAMESPACE")
        return variable
    if of_context := chosen.get("namespace"):
        check_namespace(of_context, "the namespace of the kubeconfig's context")
        return str(of_context)
    return _namespace_of_pod() if _in_a_pod() else "default"


def _namespace_of_pod() -> str:
    """Return the namespace of this pod. Source: client-go, inClusterClientConfig.Namespace."""
    name = os.environ.get("POD_NAMESPACE", "")
    if not name:
        with suppress(OSError, UnicodeDecodeError):
            name = (_SERVICE_ACCOUNT / "namespace").read_text(encoding="utf-8").strip()
    if name:
        check_namespace(name, "the namespace of this pod")
    return name or "default"


def _no_server(config: Kubeconfig, name: str) -> ClusterError:
    if not config.found:
        wanted = ", ".join(config.sources)
        return ClusterError(
            f"no cluster: there is no kubeconfig at {wanted}", "set KUBECONFIG, or name one with --kubeconfig"
        )
    if not name:
        contexts = kubeconfig.names(config.contexts)
        return ClusterError(
            "no cluster: the kubeconfig has no current context",
            f"--kube-context chooses one of its contexts: {contexts}",
        )
    return ClusterError(f"no cluster: the cluster of context {name!r} has no server")


def _check(cluster: Settings, user: Settings) -> None:
    """Reject what client-go rejects. Source: k8s.io/client-go/tools/clientcmd, validateClusterInfo, validateAuthInfo.

    Raises:
        ClusterError: Settings contradict each other.
    """
    server = cluster["server"] = _url(cluster["server"], "server", ("https", "http"), default="http")
    if proxy := cluster.get("proxy-url"):
        _url(proxy, "proxy-url", ("http", "https", "socks5"))
    _refuse_both(cluster, "certificate-authority", "certificate-authority-data")
    if cluster.get("insecure-skip-tls-verify") and any(key.startswith("certificate-authority") for key in cluster):
        raise ClusterError(
            "the kubeconfig has a certificate authority and insecure-skip-tls-verify: remove one of them"
        )
    if "as" not in user and any(key.startswith("as-") for key in user):
        raise ClusterError("the kubeconfig has as-groups, as-uid or as-user-extra, but no `as`: set the user to act as")
    if not server.startswith("https:"):
        # client-go sends no credentials in the clear, and ignores them.
        return
    if provider := user.get("auth-provider"):
        raise ClusterError(
            f"the kubeconfig's user has the auth-provider {provider.get('name', '')!r}, which sametag does not support",
            "Kubernetes replaced auth-provider by exec: write the kubeconfig again with a credential plugin",
        )
    _refuse_both(user, "client-certificate", "client-certificate-data")
    _refuse_both(user, "client-key", "client-key-data")
    certificate, key = ({part, f"{part}-data"} & user.keys() for part in ("client-certificate", "client-key"))
    if certificate and not key:
        raise ClusterError("the kubeconfig's user has a client certificate but no client-key")
    if user.get("token") and (user.get("username") or user.get("password")):
        raise ClusterError("the kubeconfig's user has a token, and a username or password: remove one of them")


def _refuse_both(settings: Settings, one: str, other: str) -> None:
    if settings.get(one) and settings.get(other):
        raise ClusterError(f"the kubeconfig has {one} and {other}: remove one of them")


def _url(text: str, setting: str, schemes: tuple[str, ...], *, default: str | None = None) -> str:
    """Return a usable URL."""
    full = text if "://" in text or default is None else f"{default}://{text}"
    try:
        parts = urlsplit(full)
        usable = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not full.isascii() or not full.isprintable() or " " in full:
        raise ClusterError(f"the kubeconfig's {setting} {text[:200]!r} is not a URL of {' or '.join(schemes)}")
    return full
