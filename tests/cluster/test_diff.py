"""What others have changed: it is shown before a change, never overwritten unasked, and gone after a rollback."""

from __future__ import annotations

import asyncio
import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from conftest import SMALL
from gifinator import NEW, OLD, Kubectl
from sametag import drift as diff
from sametag import helm
from sametag.kube.connection import Target, connect

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Ran

    Run = Callable[..., Ran]

NAME = "gifinator"
IMAGE = '.spec.template.spec.containers[name="render"].image'


def deployment(kubectl: Kubectl, namespace: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        kubectl("get", "deployment", "render", "-n", namespace, "-o", "json", "--show-managed-fields")
    )
    return found


def change_by_hand(kubectl: Kubectl, namespace: str, *, image: str = "") -> None:
    """Do to `render` what people do in a hurry."""
    if image:
        kubectl("set", "image", "deployment/render", f"render={image}", "-n", namespace)
    kubectl("set", "env", "deployment/render", "DEBUG=1", "-n", namespace)
    kubectl("scale", "deployment/render", "--replicas=2", "-n", namespace)
    kubectl("annotate", "service/render", "note=by-hand", "-n", namespace)


def release_of(namespace: str, kubectl: Kubectl) -> helm.Revision:
    """Return the newest revision."""

    async def read() -> helm.Revision:
        async with connect(Target(str(kubectl.kubeconfig), namespace=namespace)) as client:
            return (await helm.revisions(client, NAME))[-1]

    return asyncio.run(read())


def conflicts(namespace: str, kubectl: Kubectl) -> set[tuple[str, str]]:
    """Return what the API server refuses to the one who applies the newest manifest as Helm: manager and field."""
    apply = ("apply", "--server-side", "--field-manager=helm", "--dry-run=server", "-n", namespace, "-f", "-")
    with pytest.raises(RuntimeError) as refused:
        kubectl(*apply, stdin=release_of(namespace, kubectl).manifest)
    return set(re.findall(r'conflicts? with "([\w-]+)"[^:]*:\s+(?:- )?(\S+)', str(refused.value)))


def drift(namespace: str, kubectl: Kubectl) -> list[str]:
    """Return what differs from the newest revision's manifest, as the API server sees it."""

    async def look() -> list[str]:
        async with connect(Target(str(kubectl.kubeconfig), namespace=namespace)) as client:
            newest = (await helm.revisions(client, NAME))[-1]
            situation = await diff.read_situation(client, NAME, newest, server_side=newest.server_side)
            rehearsal = await diff.dry_run(situation, newest, ())
            every = await diff.changes(situation, rehearsal, take_over=True)
            found = await diff.drift(situation)
            changed = [[(one.key, one.changes) for one in those] for those in (found, every)]
            assert changed[0] == changed[1], "drift asks less than it has to"
            return [f"{one.key} {change.setting}" for one in every for change in one.changes]

    return asyncio.run(look())


def test_diff_says_service_by_service_what_an_upgrade_would_change_and_changes_nothing(
    run: Run, render_alone: str, kubectl: Kubectl, render_values: Callable[..., str], repository: str
) -> None:
    before = deployment(kubectl, render_alone)["metadata"]
    same = run("sametag", "diff", NAME, "-n", render_alone, "--exit-code")
    assert (same.code, same.stdout.splitlines()[1]) == (0, "nothing would change")

    file = render_values(
        env={"MODE": "fast", "DB_PASSWORD": "s3cret"},
        replicas=2,
        secrets={"keys": {"data": {"key": "s3cret"}}},
        resources={"requests": SMALL, "limits": {"memory": "1Gi"}},
    )
    words = ("sametag", "diff", NAME, "-n", render_alone, "-f", file, "--tag", NEW)
    ran = run(*words, "--exit-code")
    assert ran.code == 6
    lines = [line.split(maxsplit=1) for line in ran.stdout.splitlines()[2:]]
    assert [line for line in lines if line[0] != "affinity" and "topologySpread" not in line[0]] == [
        ["replicas", "1 -> 2"],
        ["image", f"{OLD} -> {NEW}"],
        ["env.DB_PASSWORD", "added: (hidden)"],
        ["env.MODE", "added: fast"],
        ["resources.limits.memory", "512Mi -> 1Gi"],
        ["new:", "PodDisruptionBudget, Secret"],
        ["labels", "that follow from the tag or the chart: 4 objects"],
    ]

    document = json.loads(run(*words, "-o", "json").stdout)
    secret = next(one for one in document["objects"] if one["kind"] == "Secret")
    assert (document["tag"], document["newTag"], secret["action"]) == (OLD, NEW, "create")
    full = run(*words, "--full").stdout
    assert f"-        image: {repository}:{OLD}" in full
    assert not any("s3cret" in text or "czNjcmV0" in text for text in (ran.stdout, full, json.dumps(document)))
    assert run(*words[:1], "upgrade", *words[2:], "--dry-run").stdout.startswith(ran.stdout)
    assert deployment(kubectl, render_alone)["metadata"]["resourceVersion"] == before["resourceVersion"]


def test_an_upgrade_stops_at_what_others_changed_before_it_changes_anything(
    run: Run, render_alone: str, kubectl: Kubectl, repository: str
) -> None:
    """With --take-over it goes on, and nothing of what was changed by hand is left."""
    change_by_hand(kubectl, render_alone, image=f"{repository}:0.0.5-hand")

    status = run("sametag", "status", NAME, "-n", render_alone)
    assert status.code == 6
    assert "Deployment render: replicas is 2, by kubectl (revision 1: 1)" in status.stdout
    assert "Deployment render: image is 0.0.5-hand, by kubectl-set at " in status.stdout
    assert "Deployment render: env.DEBUG is 1, by kubectl-set at " in status.stdout
    assert "Service render: annotations.note is by-hand, by kubectl-annotate at " in status.stdout

    refused = run("sametag", "upgrade", NAME, "-n", render_alone, "--tag", NEW)
    assert refused.code == 3
    assert "Deployment render replicas (kubectl) and Deployment render image (kubectl-set at " in refused.stderr
    assert "--take-over" in refused.stderr
    if release_of(render_alone, kubectl).server_side:
        assert conflicts(render_alone, kubectl) == {("kubectl", ".spec.replicas"), ("kubectl-set", IMAGE)}
    assert release_of(render_alone, kubectl).number == 1

    assert run("sametag", "upgrade", NAME, "-n", render_alone, "--tag", NEW, "--take-over").code == 0
    assert drift(render_alone, kubectl) == []
    assert kubectl.tags(render_alone) == {"render": {NEW}}
    assert run("sametag", "status", NAME, "-n", render_alone).code == 0


def test_after_a_rollback_the_objects_are_what_the_revision_says(
    run: Run, render_alone: str, kubectl: Kubectl, repository: str
) -> None:
    assert run("sametag", "upgrade", NAME, "-n", render_alone, "--tag", NEW).code == 0
    change_by_hand(kubectl, render_alone, image=f"{repository}:{OLD}")
    assert drift(render_alone, kubectl) == [
        "Service render annotations.note",
        "Deployment render replicas",
        "Deployment render image",
        "Deployment render env.DEBUG",
    ]

    dry = run("sametag", "rollback", NAME, "-n", render_alone, "--dry-run")
    lines = [" ".join(line.split()) for line in dry.stdout.splitlines()]
    assert "replicas 2 (by kubectl) -> 1" in lines
    assert any(line.startswith("env.DEBUG removed, was 1 (by kubectl-set at ") for line in lines)

    ran = run("sametag", "rollback", NAME, "-n", render_alone)
    assert (ran.code, "differs from revision" in ran.stderr) == (0, False)
    assert drift(render_alone, kubectl) == []
    assert "env" not in deployment(kubectl, render_alone)["spec"]["template"]["spec"]["containers"][0]
    managers = {entry["manager"] for entry in deployment(kubectl, render_alone)["metadata"]["managedFields"]}
    assert managers == {"helm", "kube-controller-manager"}
    assert run("sametag", "status", NAME, "-n", render_alone).code == 0


def test_what_an_autoscaler_sets_is_no_conflict_and_no_drift(
    run: Run, namespace: str, kubectl: Kubectl, render_values: Callable[..., str]
) -> None:
    file = render_values(autoscaling={"maxReplicas": 3})
    assert run("sametag", "install", NAME, "-n", namespace, "-f", file, "--tag", OLD).code == 0
    kubectl("scale", "deployment/render", "--replicas=2", "-n", namespace)  # by the way that an autoscaler takes
    kubectl("rollout", "status", "deployment/render", "--timeout=60s", "-n", namespace)

    assert run("sametag", "status", NAME, "-n", namespace).code == 0
    assert run("sametag", "upgrade", NAME, "-n", namespace, "--tag", NEW).code == 0
    assert run("sametag", "rollback", NAME, "-n", namespace).code == 0
    assert deployment(kubectl, namespace)["spec"]["replicas"] == 2
