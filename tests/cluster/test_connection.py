"""One cluster, one namespace, one user, on a real API server: our client and Helm are the same, however they log in."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from gifinator import NEW, OLD, ROOT, Kubectl
from single import NAME, newest, values

if TYPE_CHECKING:
    from pathlib import Path

    from single import Run

    Json = dict[str, Any]

# Prints a token that is good for three seconds, and counts how often it was asked.
_PLUGIN = """#!/bin/sh
echo asked >> "$(dirname "$0")/asked"
cat <<END
{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
 "status": {"token": "$TOKEN", "expirationTimestamp": "$(date -u -d '+3 seconds' +%Y-%m-%dT%H:%M:%SZ)"}}
END
"""


@pytest.fixture
def deployer(kubectl: Kubectl, namespace: str) -> str:
    """A service account with the rights of role.yaml, in the test's namespace."""
    kubectl("apply", "-n", namespace, "-f", str(ROOT / "docs/reference/role.yaml"))
    kubectl("create", "serviceaccount", "deployer", "-n", namespace)
    account = f"--serviceaccount={namespace}:deployer"
    kubectl("create", "rolebinding", "sametag", "-n", namespace, "--role=sametag", account)
    return "deployer"


class Kubeconfig:
    """A kubeconfig with two contexts: the current one, `gone`, has no server, and `live` is the cluster."""

    def __init__(self, kubectl: Kubectl, folder: Path, namespace: str) -> None:
        self.folder = folder
        self.namespace = namespace
        self._path = folder / "kubeconfig"
        config = json.loads(kubectl("config", "view", "--raw", "-o", "json"))
        (live,), (user,) = config["clusters"], config["users"]
        self.user: Json = user["user"]
        gone = {"name": "gone", "cluster": {"server": "https://127.0.0.1:1"}}
        contexts = {"gone": "gone", "live": live["name"]}
        self._document = {
            "current-context": "gone",
            "contexts": [
                {"name": name, "context": {"cluster": cluster, "user": "me", "namespace": namespace}}
                for name, cluster in contexts.items()
            ],
            "clusters": [live, gone],
            "users": [{"name": "me", "user": self.user}],
        }

    def write(self) -> str:
        """Write it, and return its path."""
        self._path.write_text(json.dumps(self._document))
        return str(self._path)

    def log_in_with_plugin(self, token: str) -> None:
        """Log in with a plugin that prints this token, and counts in the file `asked`."""
        (self.folder / "login").write_text(_PLUGIN)
        (self.folder / "login").chmod(0o755)
        self.user.clear()
        self.user["exec"] = {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": "./login",
            "interactiveMode": "IfAvailable",
            "env": [{"name": "TOKEN", "value": token}],
        }


@pytest.fixture
def config(kubectl: Kubectl, tmp_path: Path, namespace: str) -> Kubeconfig:
    return Kubeconfig(kubectl, tmp_path, namespace)


@pytest.mark.usefixtures("deployer")
def test_a_plugin_logs_both_in_on_the_context_of_the_variable_and_is_asked_again_in_the_middle(
    run: Run, config: Kubeconfig, kubectl: Kubectl, repository: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.log_in_with_plugin(kubectl("create", "token", "deployer", "-n", config.namespace).strip())
    monkeypatch.setenv("KUBECONFIG", config.write())
    monkeypatch.setenv("HELM_KUBECONTEXT", "live")

    assert run("sametag", "install", NAME, *values(repository, OLD)).code == 0
    assert len((config.folder / "asked").read_text().split()) >= 4
    assert run("sametag", "upgrade", NAME, "--tag", NEW).code == 0
    assert kubectl.tags(config.namespace) == {"render": {NEW}}

    # The flag goes before the variable.
    ran = run("sametag", "upgrade", NAME, "--tag", OLD, "--kube-context", "gone")
    assert (ran.code, "cannot reach the cluster at https://127.0.0.1:1" in ran.stderr) == (3, True)
    assert newest(run, config.namespace) == (NEW, "deployed", True)


@pytest.mark.parametrize("helm", ["HELM4"], indirect=True)
def test_both_act_as_the_user_of_the_kubeconfig(run: Run, config: Kubeconfig, deployer: str, repository: str) -> None:
    config.user["as"] = f"system:serviceaccount:{config.namespace}:{deployer}"
    where = ("--kubeconfig", config.write(), "--kube-context", "live")
    assert run("sametag", "install", NAME, *where, *values(repository, OLD)).code == 0

    config.user["as"] = "nobody"
    config.write()
    ran = run("sametag", "history", NAME, *where)
    assert ran.code == 3
    assert 'User "nobody" cannot list resource "secrets"' in ran.stderr


@pytest.mark.parametrize("helm", ["HELM4"], indirect=True)
def test_a_login_that_fails_is_one_line_before_anything_happens(
    run: Run, config: Kubeconfig, repository: str, kubectl: Kubectl
) -> None:
    config.user.clear()
    config.user["exec"] = {
        "apiVersion": "client.authentication.k8s.io/v1beta1",
        "command": "sh",
        "args": ["-c", "echo the session has expired >&2; exit 1"],
    }
    where = ("--kubeconfig", config.write(), "--kube-context", "live")
    ran = run("sametag", "install", NAME, *where, *values(repository, OLD))

    assert (ran.code, ran.stdout) == (3, "")
    assert ran.stderr.splitlines()[-1].endswith("sh failed with exit code 1: the session has expired")
    assert "Traceback" not in ran.stderr
    assert kubectl("get", "leases,secrets", "-n", config.namespace, "-o", "name") == ""
