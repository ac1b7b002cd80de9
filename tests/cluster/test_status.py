"""What is not as released, and what a change would run into: found and said, with who and where."""

from __future__ import annotations

import json
import signal
import subprocess
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any

import pytest

from gifinator import NEW, OLD, Kubectl
from single import history

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Ran

    Run = Callable[..., Ran]

NAME = "gifinator"


def test_what_was_deleted_and_what_was_changed_is_found_and_followed(
    run: Run, render_alone: str, kubectl: Kubectl
) -> None:
    kubectl("delete", "service", "render", "-n", render_alone)
    status = run("sametag", "status", NAME, "-n", render_alone)
    assert (status.code, status.stdout.splitlines()[-1]) == (6, "Service render is missing (in revision 1)")

    watch = ["sametag", "status", NAME, "-n", render_alone, "--watch", "-o", "json"]
    process = subprocess.Popen(watch, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert [one["missing"] for one in json.loads(process.stdout.readline())["drift"]] == [True]
    kubectl("set", "env", "deployment/render", "DEBUG=1", "-n", render_alone)
    changes = next(found for line in process.stdout if (found := changes_of(json.loads(line))))
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)

    assert [(change["setting"], change["live"]["value"], change["by"]["manager"]) for change in changes] == [
        ("env.DEBUG", "1", "kubectl-set")
    ]
    assert process.returncode == 6


def changes_of(status: dict[str, Any]) -> list[dict[str, Any]]:
    return [change for one in status["drift"] for change in one["changes"]]


@pytest.mark.parametrize("helm", ["HELM4"], indirect=True)
def test_a_tag_that_was_pushed_over_is_found(
    run: Run, namespace: str, kubectl: Kubectl, render_values: Callable[..., str], repository: str
) -> None:
    tag = f"moved-{namespace}"
    push_over(repository, OLD, tag)
    assert run("sametag", "install", NAME, "-n", namespace, "-f", render_values(), "--tag", tag).code == 0
    assert run("sametag", "status", NAME, "-n", namespace).code == 0

    push_over(repository, NEW, tag)
    kubectl("delete", "pod", "-n", namespace, "-l", "app.kubernetes.io/component=render")
    kubectl("rollout", "status", "deployment/render", "-n", namespace)

    status = run("sametag", "status", NAME, "-n", namespace)
    assert status.code == 6
    assert f"the tag {tag} was pushed again: the pods run sha256:" in status.stdout
    assert status.stdout.rstrip().endswith("was verified")

    assert run("sametag", "upgrade", NAME, "-n", namespace, "--tag", tag).code == 0
    first, second = history(run, namespace)
    assert (first["tag"], second["tag"], second["verified"]) == (tag, tag, True)
    assert f"the pods run {second['digest'][:19]};" in status.stdout
    assert second["digest"] != first["digest"]
    assert run("sametag", "status", NAME, "-n", namespace).code == 0


def push_over(repository: str, tag: str, other: str) -> None:
    """Make the other tag the same image as this one, as a push does."""
    registry, _, name = repository.partition("/")
    connection, place = HTTPConnection(registry), f"/v2/{name}/manifests"
    connection.request("GET", f"{place}/{tag}", headers={"Accept": "application/vnd.oci.image.manifest.v1+json"})
    found = connection.getresponse()
    manifest, kind = found.read(), found.headers["Content-Type"]
    connection.request("PUT", f"{place}/{other}", manifest, {"Content-Type": kind})
    assert connection.getresponse().status == 201
    connection.close()


@pytest.mark.parametrize("helm", ["HELM4"], indirect=True)
def test_a_rollback_says_what_it_does_not_undo_and_an_upgrade_who_will_revert_it(
    run: Run, render_alone: str, kubectl: Kubectl, render_values: Callable[..., str]
) -> None:
    migrate = {"hook": {"on": ["pre-upgrade"]}, "command": ["/bin/sh", "-c", "exit 0"]}
    file = render_values(others={"migrate": migrate})
    words = ("-n", render_alone, "-f", file, "--tag", NEW)
    assert "Helm runs Job migrate (pre-upgrade)" in run("sametag", "diff", NAME, *words).stdout
    assert run("sametag", "upgrade", NAME, *words).code == 0

    mark = "argocd.argoproj.io/tracking-id=shop:apps/Deployment:apps/render"
    kubectl("annotate", "deployment/render", mark, "-n", render_alone)
    back = run("sametag", "rollback", NAME, "-n", render_alone, "--dry-run")
    assert f"warning: Job migrate (pre-upgrade) ran with revision 2 (tag {NEW}, sha256:" in back.stderr
    assert "rolling back does not undo it" in back.stderr
    assert "warning: Argo CD (Application shop) deploys these objects too and will revert this" in back.stderr

    forward = run("sametag", "upgrade", NAME, "-n", render_alone, "-f", render_values(), "--dry-run")
    assert "warning: Argo CD (Application shop)" in forward.stderr
    assert "services.migrate is not in your values: the service is removed" in forward.stderr
