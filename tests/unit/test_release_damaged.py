"""A record that cannot be read as a revision: it is said, and stops nothing."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from sametag.deploy import Options, Request, Step
from sametag.deploy.session import begin
from sametag.errors import ClusterError
from sametag.helm import Records, last_good, records, rollback_target, to_prune
from sametag.kube.connection import Target, connect

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fake_api import ApiServer
    from sametag.deploy import Event

    Json = dict[str, Any]

SECRETS = "/api/v1/namespaces/apps/secrets"


def record(number: int, **changes: Any) -> Json:
    """What Helm stores of a revision, but for the changes; None leaves a key out."""
    full = {
        "name": "app",
        "version": number,
        "info": {"status": "superseded", "last_deployed": "2026-01-02T03:04:05Z", "description": "Upgrade complete"},
        "chart": {"metadata": {"name": "sametag", "version": "0.1.0"}, "values": {}},
        "config": {"image": {"tag": f"1.{number}"}},
        "manifest": "---\n",
    }
    return {key: value for key, value in {**full, **changes}.items() if value is not None}


def packed(document: object) -> str:
    text = document if isinstance(document, str) else json.dumps(document)
    return base64.b64encode(base64.b64encode(gzip.compress(text.encode(), mtime=0))).decode()


def secret(number: int, release: str | None, name: str | None = None) -> Json:
    name = name or f"sh.helm.release.v1.app.v{number}"
    created = {"name": name, "creationTimestamp": "2026-01-02T03:04:05Z"}
    return {"metadata": created, "data": {} if release is None else {"release": release}}


def without(number: int, *keys: str) -> Json:
    return record(number, **dict.fromkeys(keys))


def info(**changes: Any) -> Json:
    return record(3, info={**record(3)["info"], **changes})


DAMAGED: list[tuple[str | None, str]] = [
    (None, "it has no release"),
    ("", "it has no release"),
    ("?!", "it is not base64"),
    (base64.b64encode(b"?!").decode(), "it is not base64"),
    (base64.b64encode(b"plain").decode(), "it is not base64"),
    (base64.b64encode(base64.b64encode(b"plain")).decode(), "it is not gzip"),
    (base64.b64encode(gzip.compress(b"x" * 99)[:-9]).decode(), "it is not gzip"),
    (base64.b64encode(gzip.compress(b"x" * 99)[:10] + b"\xff" * 20).decode(), "it is not gzip"),
    (base64.b64encode(gzip.compress(b"\0" * (65 << 20))).decode(), "it is larger than 64 MiB"),
    (packed("{"), "it is not JSON"),
    (packed("[" * 100_000), "it is not JSON"),
    (packed("[]"), "it is not a map"),
    (packed("null"), "it is not a map"),
    (packed({}), "its version is not a positive integer"),
    (packed(record(3, version="3")), "its version is not a positive integer"),
    (packed(record(3, version=True)), "its version is not a positive integer"),
    (packed(record(3, version=-1)), "its version is not a positive integer"),
    (packed(record(3, name="other")), "it is of release 'other'"),
    (packed(without(3, "info")), "it has no info"),
    (packed(record(3, info=[])), "it has no info"),
    (packed(info(status=5)), "its status is not a string"),
    (packed(info(last_deployed="soon")), "its last_deployed is not a time"),
    (packed(info(description={})), "its description is not a string"),
    (packed(info(status="uninstalled")), "its deleted is not a time"),
    (packed(without(3, "chart")), "it has no chart with a name and a version"),
    (packed(record(3, chart={"metadata": {"name": "x"}})), "it has no chart with a name and a version"),
    (packed(record(3, chart={**record(3)["chart"], "values": []})), "its chart's values are not a map"),
    (packed(record(3, config=[])), "its config is not a map"),
    (packed(record(3, manifest={})), "its manifest is not a string"),
    (packed(record(3, hooks={"a": 1})), "its hooks are not a list"),
    (packed(record(3, hooks=[5])), "one of its hooks is not a map of strings"),
    (packed(record(3, hooks=[{"last_run": {"started_at": 5}}])), "one of its hooks ran at what is not a time"),
]

READABLE: list[Json] = [
    without(3, "config"),
    without(3, "manifest"),
    without(3, "name"),
    record(3, config={"image": "x"}),
]


def read(api: ApiServer, *secrets: Json) -> Records:
    api.answers[SECRETS] = (200, {"metadata": {"resourceVersion": "1"}, "items": list(secrets)})

    async def main() -> Records:
        async with connect(Target(kubeconfig=str(api.kubeconfig))) as client:
            return await records(client, "app")

    return asyncio.run(main())


@pytest.mark.parametrize(("content", "reason"), DAMAGED, ids=[str(number) for number in range(len(DAMAGED))])
def test_a_damaged_record_is_none_of_the_revisions_and_its_reason_is_known(
    content: str | None, reason: str, api: ApiServer
) -> None:
    found = read(api, secret(2, packed(record(2))), secret(3, content), secret(4, packed(record(4))))

    assert [revision.number for revision in found.revisions] == [2, 4]
    assert [(one.number, one.reason) for one in found.damaged] == [(3, reason)]


@pytest.mark.parametrize("document", READABLE)
def test_what_helm_leaves_out_is_empty(document: Json, api: ApiServer) -> None:
    (revision,) = read(api, secret(3, packed(document))).revisions

    assert (revision.release, revision.manifest.strip("-\n")) == ("app", "")
    assert (revision.image.get("repository"), revision.hooks, revision.hook_manifests) == (None, [], [])


def test_a_copy_of_a_record_is_none_of_the_revisions(api: ApiServer) -> None:
    found = read(api, secret(3, packed(record(3)), "my-backup"), secret(3, packed(record(3))))

    assert [revision.number for revision in found.revisions] == [3]
    assert [(one.name, one.number, one.reason) for one in found.damaged] == [
        ("my-backup", None, "it is a copy of revision 3")
    ]


def test_a_damaged_record_is_never_gone_back_to_nor_pruned(api: ApiServer) -> None:
    found = read(api, secret(2, packed(record(2))), secret(3, "?!"), secret(4, packed(record(4))))

    assert rollback_target(found.revisions).number == 2
    good = last_good(found.revisions)
    assert good is not None
    assert good.number == 4
    assert [revision.number for revision in to_prune(found.revisions, 1)] == [2]


def sametag(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sametag", *words]
    return subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, check=False, timeout=60
    )


def test_history_has_a_row_for_it(api: ApiServer) -> None:
    read(api, secret(2, packed(record(2))), secret(3, "?!"), secret(4, packed(record(4))))
    text = sametag("history", "app", KUBECONFIG=str(api.kubeconfig))
    document = sametag("history", "app", "-o", "json", KUBECONFIG=str(api.kubeconfig))

    assert text.returncode == 0, text.stderr
    assert [line.split()[0] for line in text.stdout.splitlines()] == ["REVISION", "2", "3", "4"]
    told = "sh.helm.release.v1.app.v3 cannot be read as a revision: it is not base64"
    assert " ".join(text.stdout.splitlines()[2].split()[1:]).startswith("- - - damaged no 2026-01-02")
    assert text.stdout.splitlines()[2].endswith(told)
    row = json.loads(document.stdout)["revisions"][1]
    assert (row["revision"], row["status"], row["verified"], row["description"]) == (3, "damaged", False, told)


def test_history_of_damaged_records_alone_shows_them(api: ApiServer) -> None:
    read(api, secret(1, None))
    assert "damaged" in sametag("history", "app", KUBECONFIG=str(api.kubeconfig)).stdout


@pytest.fixture
def helm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Put a helm on PATH whose `history` is the given Python."""

    def write(body: str) -> None:
        program = tmp_path / "bin/helm"
        program.parent.mkdir(exist_ok=True)
        program.write_text(
            f"#!{sys.executable}\nimport sys\nprint('v4.3.1') if sys.argv[1] == 'version' else [{body}]\n"
        )
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(program.parent))

    return write


def begun(api: ApiServer, **options: Any) -> list[str]:
    """Begin a change, and return what is said."""
    said: list[Event] = []
    request = Request(Target(kubeconfig=str(api.kubeconfig)), "app", said.append, Options(**options))

    async def main() -> None:
        async with begin(request):
            pass

    asyncio.run(main())
    return [str(event) for event in said if isinstance(event, Step)]


def empty(api: ApiServer) -> None:
    nothing = {"metadata": {"resourceVersion": "1"}, "items": list[Any]()}
    for kind in ("deployments", "statefulsets", "daemonsets", "replicasets"):
        api.answers[f"/apis/apps/v1/namespaces/apps/{kind}"] = (200, nothing)
    for path in (
        "/api/v1/namespaces/apps/pods",
        "/api/v1/namespaces/apps/events",
        "/apis/batch/v1/namespaces/apps/jobs",
    ):
        api.answers[path] = (200, nothing)


@pytest.mark.parametrize(
    "history",
    ["print('[{\"revision\": 4}]')", "sys.exit('panic: nil pointer')", "sys.exit('Error: release: not found')"],
)
def test_a_damaged_record_in_the_way_of_the_next_revision_is_kept_under_another_name(
    history: str, api: ApiServer, helm: Callable[[str], None]
) -> None:
    helm(history)
    empty(api)
    api.put(f"{SECRETS}/sh.helm.release.v1.app.v5", secret(5, "?!"))
    read(api, secret(3, "?!"), secret(4, packed(record(4))), secret(5, "?!"), secret(9, "?!", "my-backup.v9"))

    said = begun(api)

    assert "renamed sh.helm.release.v1.app.v5 to sh.helm.release.v1.app.v5.damaged" in "\n".join(said)
    assert [line for line in said if "sh.helm.release.v1.app.v3" in line] == [
        "warning: sh.helm.release.v1.app.v3 cannot be read as a revision: it is not base64"
    ]
    aside = api.objects[f"{SECRETS}/sh.helm.release.v1.app.v5.damaged"]
    assert aside["data"] == {"release": "?!"}
    assert not aside["metadata"].get("labels")
    assert f"{SECRETS}/sh.helm.release.v1.app.v5" not in api.objects


def test_a_record_that_helm_can_read_is_left_where_it_is(api: ApiServer, helm: Callable[[str], None]) -> None:
    helm("print('[{\"revision\": 5}]')")
    read(api, secret(4, packed(record(4))), secret(5, "?!"))

    with pytest.raises(ClusterError, match="but Helm can read it"):
        begun(api)
    assert [request for request in api.requests if "/secrets/" in request] == []


def test_a_dry_run_moves_no_record(api: ApiServer, helm: Callable[[str], None]) -> None:
    helm("print('[{\"revision\": 4}]')")
    empty(api)
    read(api, secret(4, packed(record(4))), secret(5, "?!"))

    begun(api, dry_run=True)
    assert [request for request in api.requests if " " in request] == []
