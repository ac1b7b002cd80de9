"""One cluster, one namespace, one user: what Helm is given is what our own client uses, whatever was written where."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from lightkube.resources.core_v1 import Pod

from sametag.errors import ClusterError, HelmError, SametagError, UsageError
from sametag.helm.command import HelmCommand
from sametag.kube.access import VARIABLES, resolve
from sametag.kube.connection import Target, connect
from sametag.kube.credentials import PluginError
from sametag.kube.transport import Transport, proxy_of_environment

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fake_api import ApiServer

    Json = dict[str, Any]

_RECORD = """
import json, os, sys
if sys.argv[1] == "version":
    print("v4.3.1", end="")
    sys.exit()
words = dict(zip(sys.argv, sys.argv[1:]))
config = json.load(open(words["--kubeconfig"]))
chosen = {name for name in os.environ if name.startswith("HELM_KUBE") or name in ("HELM_NAMESPACE", "KUBECONFIG")}
print(json.dumps({
    "context": words["--kube-context"], "namespace": words["--namespace"], "config": config, "words": sys.argv[1:],
    "environment": sorted(chosen), "driver": os.environ["HELM_DRIVER"],
}))
"""


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of the machine's own set-up may be found, and a helm that records how it was called is on PATH."""
    for name in (*VARIABLES, "KUBERNETES_SERVICE_HOST", "HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    program = tmp_path / "bin/helm"
    program.parent.mkdir()
    program.write_text(f"#!{sys.executable}{_RECORD}")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))


def two_clusters(one: str, other: str) -> Json:
    """A kubeconfig with two contexts, of which `one` is the current one."""
    names = {"one": one, "two": other}
    return {
        "current-context": "one",
        "contexts": [
            {"name": name, "context": {"cluster": name, "user": name, "namespace": f"{name}-apps"}} for name in names
        ],
        "clusters": [{"name": name, "cluster": {"server": server}} for name, server in names.items()],
        "users": [{"name": name, "user": {"token": f"of-{name}"}} for name in names],
    }


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Json:
    document = two_clusters("https://one:6443", "https://two:6443")
    (tmp_path / "config").write_text(json.dumps(document))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    return document


def asked_of_helm(target: Target, *command: str) -> Json:
    """Return how Helm is called."""
    helm = HelmCommand(target, warn=lambda _: None)
    called: Json = json.loads(asyncio.run(helm.run(list(command or ("uninstall", "shop")))))
    return called


def read_by_helm(target: Target) -> tuple[str, Json, Json]:
    """Return the namespace, the cluster and the user that Helm is given."""
    called = asked_of_helm(target)
    assert called["environment"] == []
    (cluster,), (user,), (context,) = (called["config"][kind] for kind in ("clusters", "users", "contexts"))
    assert called["config"]["current-context"] == called["context"] == context["name"]
    assert context["context"] == {"cluster": cluster["name"], "user": user["name"], "namespace": called["namespace"]}
    return called["namespace"], cluster["cluster"], user["user"]


# Variables, flags, and what is another then than in context one of the kubeconfig.
_CHOICES: list[tuple[dict[str, str], dict[str, str], Json]] = [
    ({}, {}, {}),
    (
        {"HELM_KUBECONTEXT": "two"},
        {},
        {"namespace": "two-apps", "cluster": {"server": "https://two:6443"}, "user": {"token": "of-two"}},
    ),
    ({"HELM_KUBECONTEXT": "two"}, {"context": "one"}, {}),
    ({"HELM_NAMESPACE": "ns"}, {}, {"namespace": "ns"}),
    ({"HELM_NAMESPACE": "ns"}, {"namespace": "flag"}, {"namespace": "flag"}),
    ({"HELM_KUBEAPISERVER": "https://x:1"}, {}, {"cluster": {"server": "https://x:1"}}),
    ({"HELM_KUBETOKEN": "mine"}, {}, {"user": {"token": "mine"}}),
    (
        {"HELM_KUBEASUSER": "jane", "HELM_KUBEASGROUPS": "devs,ops"},
        {},
        {"user": {"as": "jane", "as-groups": ["devs", "ops"]}},
    ),
    ({"HELM_KUBECAFILE": "/etc/ca.pem"}, {}, {"cluster": {"certificate-authority": "/etc/ca.pem"}}),
    ({"HELM_KUBEINSECURE_SKIP_TLS_VERIFY": "true"}, {}, {"cluster": {"insecure-skip-tls-verify": True}}),
    ({"HELM_KUBEINSECURE_SKIP_TLS_VERIFY": "perhaps"}, {}, {}),
    ({"HELM_KUBETLS_SERVER_NAME": "api"}, {}, {"cluster": {"tls-server-name": "api"}}),
]


@pytest.mark.parametrize(("variables", "flags", "differs"), _CHOICES)
@pytest.mark.usefixtures("config")
def test_each_variable_of_helm_means_the_same_to_helm_and_to_our_client(
    variables: dict[str, str], flags: dict[str, str], differs: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    target = Target(**flags)
    expected = (
        differs.get("namespace", "one-apps"),
        {"server": "https://one:6443", **differs.get("cluster", {})},
        {"token": "of-one", **differs.get("user", {})},
    )

    assert read_by_helm(target) == expected
    assert (target.access.namespace, target.access.cluster, target.access.user) == expected


def test_the_table_above_has_every_variable_that_chooses_a_cluster() -> None:
    """HELM_DRIVER and KUBECONFIG have tests of their own."""
    assert {name for variables, *_ in _CHOICES for name in variables} == {*VARIABLES} - {"HELM_DRIVER", "KUBECONFIG"}


@pytest.mark.parametrize(("given", "passed"), [("", "secret"), ("ConfigMaps", "configmap"), ("secrets", "secret")])
@pytest.mark.usefixtures("config")
def test_the_storage_driver_is_passed_on_as_we_read_it(
    given: str, passed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HELM_DRIVER", given)
    assert asked_of_helm(Target())["driver"] == passed


@pytest.mark.parametrize("driver", ["sql", "memory", "x"])
@pytest.mark.usefixtures("config")
def test_a_storage_that_we_cannot_read_is_refused_by_name(driver: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HELM_DRIVER", driver)
    with pytest.raises(HelmError, match=f"HELM_DRIVER is {driver}"):
        resolve(None, None, None)


@pytest.mark.usefixtures("config")
def test_our_client_and_helm_ask_the_cluster_of_the_variable(
    api: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second context is the fake API server; the first, the current one, is nowhere."""
    (tmp_path / "config").write_text(json.dumps(two_clusters("http://127.0.0.1:1", api.url)))
    monkeypatch.setenv("HELM_KUBECONTEXT", "two")
    api.answers["/api/v1/namespaces/two-apps/pods"] = (200, {"metadata": {}, "items": []})
    target = Target()

    assert list_pods(target) == []
    assert read_by_helm(target)[1] == {"server": api.url}


def list_pods(target: Target) -> list[str]:
    async def main() -> list[str]:
        async with connect(target) as client:
            return [pod.metadata.name or "" async for pod in client.list(Pod) if pod.metadata]

    return asyncio.run(main())


@pytest.mark.usefixtures("config")
def test_the_cluster_stays_the_same_when_the_kubeconfig_changes_meanwhile(tmp_path: Path) -> None:
    target = Target()
    before = target.access
    (tmp_path / "config").write_text(
        json.dumps({**two_clusters("https://x:1", "https://x:1"), "current-context": "two"})
    )

    assert read_by_helm(target) == (before.namespace, before.cluster, before.user)


@pytest.mark.usefixtures("config")
def test_a_namespace_that_the_caller_names_is_given_once() -> None:
    words = asked_of_helm(Target(), "upgrade", "shop", "--namespace", "other")["words"]
    assert words.count("--namespace") == 1


def test_what_needs_no_cluster_is_given_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "bin/helm"
    program.write_text(program.read_text().replace('words["--kube', 'os.environ.get("KUBECONFIG") or words["--kube'))
    program.write_text(
        program.read_text().replace(_RECORD.splitlines()[-1], "").partition("words =")[0]
        + "print(json.dumps([sys.argv[1:], os.environ['KUBECONFIG']]))"
    )
    monkeypatch.setenv("HELM_KUBECONTEXT", "nowhere")
    helm = HelmCommand(Target(), warn=lambda _: None)
    called = json.loads(asyncio.run(helm.render("shop", "chart", {}, namespace="apps")))

    words = ["template", "shop", "chart", "--namespace", "apps", "--values", "-"]
    assert called == [words, os.devnull]


def test_a_server_and_a_token_of_helms_variables_need_no_kubeconfig(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HELM_KUBEAPISERVER", "https://x:1")
    monkeypatch.setenv("HELM_KUBETOKEN", "mine")

    assert read_by_helm(Target()) == ("default", {"server": "https://x:1"}, {"token": "mine"})


def test_a_pod_logs_in_with_its_service_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    account = tmp_path / "account"
    account.mkdir()
    for name, content in (("token", "t"), ("ca.crt", "c"), ("namespace", "of-the-pod\n")):
        (account / name).write_text(content)
    monkeypatch.setattr("sametag.kube.access._SERVICE_ACCOUNT", account)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")

    cluster = {"server": "https://[fd00::1]:443", "certificate-authority": str(account / "ca.crt")}
    assert read_by_helm(Target()) == ("of-the-pod", cluster, {"tokenFile": str(account / "token")})


def test_several_kubeconfigs_are_one_and_paths_are_relative_to_the_file_that_has_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": "./login", "interactiveMode": "Never"}
    first = {"contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}], "clusters": []}
    second = {
        "current-context": "x",
        "contexts": [{"name": "x", "context": {"cluster": "not-this", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://c", "certificate-authority": "ca.pem"}}],
        "users": [{"name": "u", "user": {"exec": plugin}}],
    }
    (tmp_path / "a/config").write_text(yaml.safe_dump(first))
    (tmp_path / "b/config").write_text(yaml.safe_dump(second))
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path}/a/config:{tmp_path}/missing::{tmp_path}/b/config")

    access = resolve(None, None, None)

    assert access.cluster == {"server": "https://c", "certificate-authority": str(tmp_path / "b/ca.pem")}
    assert access.user["exec"]["command"] == str(tmp_path / "b/login")


@pytest.mark.parametrize("name", ["../other", "a/b", "", "A", "-a", "a-", "a" * 64, "a.b", "a\n", "ä", "a%2fb", "a b"])
@pytest.mark.usefixtures("config")
def test_what_is_not_the_name_of_a_namespace_is_refused_before_it_is_in_a_path(
    name: str, config: Json, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match="is not a valid name of a namespace"):
        resolve(None, None, name)
    if name:
        monkeypatch.setenv("HELM_NAMESPACE", name)
        with pytest.raises(UsageError, match="HELM_NAMESPACE"):
            resolve(None, None, None)
        monkeypatch.delenv("HELM_NAMESPACE")
        config["contexts"][0]["context"]["namespace"] = name
        (tmp_path / "config").write_text(json.dumps(config))
        with pytest.raises(UsageError, match="context"):
            resolve(None, None, None)


def changed(change: Callable[[Json], object]) -> Json:
    document = two_clusters("https://one:6443", "https://two:6443")
    change(document)
    return document


def user(**settings: Any) -> Json:
    return changed(lambda document: document["users"][0]["user"].update(settings))


def cluster(**settings: Any) -> Json:
    return changed(lambda document: document["clusters"][0]["cluster"].update(settings))


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("a: [", "line 1: "),
        ("a: &a [*b]", "undefined alias"),
        ("- a", "it must be a map, got a list"),
        ("text", "it must be a map, got a string"),
        ("current-context: [a]", "current-context must be a string"),
        ("clusters: 5", "clusters must be a list, got a number"),
        ("clusters: [5]", r"clusters\[0\] must be a map"),
        ("clusters: [{name: 5}]", r"clusters\[0\].name must be a string"),
        ("clusters: [{name: a, cluster: b}]", r"clusters\[0\].cluster must be a map"),
        ("a: !!int x", "cannot read the kubeconfig"),
        ("a: !!python/object:os.system x", "could not determine a constructor"),
        ("a: !!timestamp x", "cannot read the kubeconfig"),
        ("? [a]\n: b", "cannot read the kubeconfig"),
        ("[" * 5000, "cannot read the kubeconfig"),
        ("{}", "no current context"),
        ("", "no current context"),
        (b"\xff\xfe", "cannot read the kubeconfig"),
        (b"a\0b", "cannot read the kubeconfig"),
        (changed(lambda document: document.update({"current-context": "x"})), "no context 'x'"),
        (changed(lambda document: document["clusters"].append(document["clusters"][0])), "clusters has 'one' twice"),
        (changed(lambda document: document["clusters"].pop(0)), "refers to the cluster 'one', which"),
        (changed(lambda document: document["users"].pop(0)), "refers to the user 'one', which"),
        (cluster(server=None), "has no server"),
        (cluster(server=5), "server must be a string"),
        (cluster(server="ftp://x"), "is not a URL"),
        (cluster(server="https://"), "is not a URL"),
        (cluster(server="https://x:y"), "is not a URL"),
        (cluster(server="https://[x"), "is not a URL"),
        (cluster(server="https://x\ny"), "is not a URL"),
        (cluster(**{"proxy-url": "gopher://x"}), "proxy-url"),
        (cluster(**{"certificate-authority-data": "?"}), "certificate-authority-data is not base64"),
        (cluster(**{"certificate-authority-data": "eA==", "insecure-skip-tls-verify": True}), "remove one of them"),
        (cluster(**{"certificate-authority-data": "eA==", "certificate-authority": "x"}), "remove one of them"),
        (cluster(**{"insecure-skip-tls-verify": "yes"}), "must be a boolean"),
        (cluster(extensions={}), "extensions must be a list"),
        (user(token=5), "token must be a string"),
        (user(username="a"), "a token, and a username"),
        (user(exec={"command": 5}), "command must be a string"),
        (user(exec={"apiVersion": "v1"}), "has no command"),
        (user(exec={"command": "a", "args": "b"}), "args must be a list"),
        (user(exec={"command": "a", "env": [{"value": "b"}]}), "is not the name of a variable"),
        (user(exec={"command": "a", "interactiveMode": "x"}), "must be Never, IfAvailable or Always"),
        (user(**{"auth-provider": {"name": "gcp"}}), "auth-provider 'gcp'"),
        (user(**{"as-groups": ["a"]}), "set the user to act as"),
        (user(**{"as": "a", "as-user-extra": {"a": "b"}}), "must be a list"),
        (user(**{"client-certificate-data": "eA=="}), "no client-key"),
    ],
)
def test_a_kubeconfig_that_cannot_be_used_is_one_line(document: object, message: str, tmp_path: Path) -> None:
    content = document if isinstance(document, str | bytes) else json.dumps(document)
    (tmp_path / "bad").write_bytes(content if isinstance(content, bytes) else content.encode())

    with pytest.raises(ClusterError, match=message) as caught:
        resolve(str(tmp_path / "bad"), None, None)
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    ("cluster_settings", "user_settings", "message"),
    [
        ({"certificate-authority": "/nowhere"}, {}, "certificate authority cannot be used: /nowhere: No such file"),
        ({"certificate-authority": "/"}, {}, "certificate authority cannot be used: /: Is a directory"),
        ({"certificate-authority-data": "eA=="}, {}, "it holds no certificate in PEM"),
        ({}, {"client-certificate": "/nowhere", "client-key-data": "eA=="}, "client certificate or key cannot be used"),
        ({}, {"client-certificate-data": "eA==", "client-key-data": "eA=="}, "client certificate or key cannot be"),
        ({}, {"tokenFile": "/nowhere"}, "cannot read the token in /nowhere"),
        ({}, {"token": "a\nb"}, "token of the kubeconfig's user cannot be sent"),
        ({}, {"token": "t", "as": "a\r\nb"}, "Impersonate-User has control characters"),
        ({"proxy-url": "http://proxy:x"}, {}, "proxy-url"),
    ],
)
def test_what_a_kubeconfig_names_and_cannot_be_used_is_said_before_anything_is_asked(
    cluster_settings: Json, user_settings: Json, message: str, tmp_path: Path
) -> None:
    document = two_clusters("https://127.0.0.1:1", "https://127.0.0.1:1")
    document["clusters"][0]["cluster"] |= cluster_settings
    document["users"][0]["user"] = user_settings
    (tmp_path / "bad").write_text(json.dumps(document))

    with pytest.raises(ClusterError, match=message):
        list_pods(Target(str(tmp_path / "bad")))


def test_a_folder_and_a_missing_file_are_said(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="Is a directory"):
        resolve(str(tmp_path), None, None)
    with pytest.raises(ClusterError, match="no such file"):
        resolve(str(tmp_path / "missing"), None, None)


_SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9)
_ANYTHING = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)
_PLACES = (
    *(f"clusters {key}" for key in ("server", "certificate-authority-data", "certificate-authority", "proxy-url")),
    *(f"clusters {key}" for key in ("extensions", "tls-server-name", "insecure-skip-tls-verify")),
    *(f"users {key}" for key in ("token", "tokenFile", "exec", "as", "as-groups", "as-user-extra", "username")),
    *(f"users {key}" for key in ("client-certificate-data", "client-key-data", "client-key", "auth-provider")),
    *(f"contexts {key}" for key in ("namespace", "cluster", "user")),
)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(_PLACES), _ANYTHING, min_size=1, max_size=3))
def test_no_kubeconfig_makes_a_traceback(tmp_path_factory: pytest.TempPathFactory, changes: Json) -> None:
    file = tmp_path_factory.getbasetemp() / "random"
    document = two_clusters("https://127.0.0.1:1", "https://127.0.0.1:1")
    for place, value in changes.items():
        kind, _, key = place.partition(" ")
        document[kind][0][kind.removesuffix("s")][key] = value
    file.write_text(yaml.safe_dump(document))
    with contextlib.suppress(SametagError, PluginError):
        access = resolve(str(file), None, None)
        Transport(access)
        asyncio.run(access.credentials.login())


@settings(deadline=None)
@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_no_bytes_make_a_traceback(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    file = tmp_path_factory.getbasetemp() / "random-bytes"
    file.write_bytes(content)
    with pytest.raises(ClusterError):
        resolve(str(file), None, None)


@pytest.mark.parametrize(
    ("server", "variables", "proxy"),
    [
        ("https://api.example.com:6443", {"HTTPS_PROXY": "http://p:1"}, "http://p:1"),
        ("https://api.example.com", {"https_proxy": "p:1"}, "http://p:1"),
        ("https://api.example.com", {"HTTP_PROXY": "http://p:1", "ALL_PROXY": "http://p:1"}, None),
        ("https://127.0.0.1:6443", {"HTTPS_PROXY": "http://p:1"}, None),
        ("https://localhost:6443", {"HTTPS_PROXY": "http://p:1"}, None),
        ("https://10.1.2.3:6443", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "x, 10.0.0.0/8"}, None),
        ("https://10.1.2.3:6443", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "10.1.2.3:443"}, "http://p:1"),
        ("https://10.1.2.3:443", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "10.1.2.3:443"}, None),
        ("https://api.example.com", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "example.com"}, None),
        ("https://example.com", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": ".example.com"}, "http://p:1"),
        ("https://notexample.com", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "example.com"}, "http://p:1"),
        ("https://example.com", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "*"}, None),
    ],
)
def test_the_proxy_is_the_one_that_go_takes(
    server: str, variables: dict[str, str], proxy: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert proxy_of_environment(server) == proxy
