"""sametag and Helm talk to the same cluster: the kubeconfig is read as client-go reads it."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from lightkube.resources.core_v1 import Pod

from sametag.errors import ClusterError
from sametag.kube.connection import Target, connect

if TYPE_CHECKING:
    from pathlib import Path

    from fake_api import ApiServer


def config(name: str, server: str, namespace: str | None = None) -> dict[str, Any]:
    context = {"cluster": name, "user": name, **({"namespace": namespace} if namespace else {})}
    return {
        "current-context": name,
        "contexts": [{"name": name, "context": context}],
        "clusters": [{"name": name, "cluster": {"server": server}}],
        "users": [{"name": name, "user": {"token": "t"}}],
    }


def write(path: Path, document: object) -> Path:
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return path


def list_pods(target: Target) -> int:
    async def main() -> int:
        async with connect(target) as client:
            return len([pod async for pod in client.list(Pod)])

    return asyncio.run(main())


@pytest.fixture(autouse=True)
def _no_cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of the machine's own set-up may be found."""
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def test_the_namespace_is_the_flags_else_the_contexts_else_default(tmp_path: Path) -> None:
    with_one = str(write(tmp_path / "a", config("a", "http://127.0.0.1:1", "team")))
    without = str(write(tmp_path / "b", config("b", "http://127.0.0.1:1")))

    assert Target(with_one, namespace="flag").resolved_namespace == "flag"
    assert Target(with_one).resolved_namespace == "team"
    assert Target(without).resolved_namespace == "default"


def test_several_files_of_kubeconfig_are_merged_and_the_first_wins(
    api: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = write(tmp_path / "first", config("one", api.url, "apps"))
    second = write(tmp_path / "second", {**config("two", "http://127.0.0.1:1"), "current-context": "two"})
    monkeypatch.setenv("KUBECONFIG", f"{first}:{tmp_path / 'missing'}:{second}")
    api.answers["/api/v1/namespaces/apps/pods"] = (200, {"metadata": {}, "items": []})

    assert list_pods(Target()) == 0
    with pytest.raises(ClusterError, match=r"cannot reach the cluster at http://127\.0\.0\.1:1"):
        list_pods(Target(context="two"))


def test_no_kubeconfig_is_said_with_the_place_where_it_was_sought(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match=f"no kubeconfig at {tmp_path}/.kube/config"):
        list_pods(Target())


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("a: [", "cannot read the kubeconfig"),
        ("- a", "must be a map"),
    ],
)
def test_a_kubeconfig_that_cannot_be_used_is_said(tmp_path: Path, document: object, message: str) -> None:
    with pytest.raises(ClusterError, match=message):
        list_pods(Target(str(write(tmp_path / "k", document))))


def test_an_unknown_context_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="nothere") as caught:
        list_pods(Target(str(write(tmp_path / "k", config("dev", "http://127.0.0.1:1"))), context="nothere"))
    assert caught.value.remedy == "its contexts: dev"


@pytest.mark.parametrize(("code", "remedy"), [(401, "renew them"), (403, "rights.md")])
def test_a_refusal_carries_its_remedy(api: ApiServer, code: int, remedy: str) -> None:
    api.answers["/api/v1/namespaces/apps/pods"] = (code, {"kind": "Status", "code": code, "message": "no"})

    with pytest.raises(ClusterError, match="the cluster rejected the request: no") as caught:
        list_pods(Target(str(api.kubeconfig)))
    assert caught.value.remedy is not None
    assert remedy in caught.value.remedy
