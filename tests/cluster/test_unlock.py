"""Every state that a dead client leaves a release in: what each command says of it, and the way out.

The states are made by killing real clients with SIGKILL, which nothing can handle.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gifinator import NEW, OLD, Kubectl
from single import CHART, NAME, NEVER, history, newest, start, values, wait_until

if TYPE_CHECKING:
    from single import Run


def helm_status(kubectl: Kubectl, namespace: str) -> str:
    """Return the status of the newest revision, by the label that Helm itself finds it by."""
    revisions = kubectl.helm_revisions(namespace, NAME)
    return revisions[-1][1] if revisions else ""


def kill_once(status: str, kubectl: Kubectl, namespace: str, *words: str) -> None:
    """Start a command, and kill it as soon as the release is in this status."""
    client = start(*words)
    wait_until(lambda: helm_status(kubectl, namespace) == status or client.poll() is not None)
    ended = client.poll()
    client.kill()
    assert ended is None, client.communicate(timeout=180)
    client.communicate(timeout=180)


def to_what_never_gets_ready(run: Run, namespace: str, repository: str) -> None:
    """Have a revision 1 whose pods never become ready, and run a good revision 2: a rollback to 1 takes for ever."""
    install = ("helm", "upgrade", "--install", NAME, CHART, "-n", namespace)
    assert run(*install, *values(repository, OLD), *NEVER).code == 0
    assert run(*install, *values(repository, NEW), "--wait").code == 0


def make(status: str, run: Run, kubectl: Kubectl, namespace: str, repository: str) -> None:
    """Bring a release into a status, with plain Helm."""
    where = ("-n", namespace)
    upgrade = ("helm", "upgrade", "--install", NAME, CHART, *where, "--wait")
    if status == "pending-install":
        kill_once(status, kubectl, namespace, *upgrade, *values(repository, OLD), *NEVER)
        return
    if status == "pending-rollback":
        to_what_never_gets_ready(run, namespace, repository)
        kill_once(status, kubectl, namespace, "helm", "rollback", NAME, "1", *where, "--wait")
        return
    assert run(*upgrade, *values(repository, OLD)).code == 0
    if status == "pending-upgrade":
        kill_once(status, kubectl, namespace, *upgrade, *values(repository, NEW), *NEVER)
    elif status == "uninstalling":
        patch = '{"metadata": {"finalizers": ["example.com/hold"]}}'
        kubectl("patch", "deployment", f"{NAME}-render", "--type=merge", "-p", patch, *where)
        kill_once(status, kubectl, namespace, "helm", "uninstall", NAME, *where, "--wait")
        # Helm may have been killed before it deleted anything.
        kubectl("delete", "deployments,services", "--all", "--wait=false", *where)
        released = '{"metadata": {"finalizers": null}}'
        kubectl("patch", "deployment", f"{NAME}-render", "--type=merge", "-p", released, *where)
        wait_until(lambda: kubectl("get", "deployments,services", *where, "-o", "name") == "")
    else:
        assert run(*upgrade, *values(repository, NEW), *NEVER, "--timeout", "1s").code != 0


@pytest.mark.parametrize(
    ("helm", "status"),
    [
        ("HELM4", "pending-install"),
        ("HELM4", "pending-upgrade"),
        ("HELM3", "pending-rollback"),
        ("HELM4", "uninstalling"),
    ],
    indirect=["helm"],
)
def test_what_changes_a_stuck_release_is_refused_with_the_way_out_and_unlock_opens_it(
    status: str, run: Run, namespace: str, repository: str, kubectl: Kubectl
) -> None:
    where = ("-n", namespace)
    make(status, run, kubectl, namespace, repository)
    before = kubectl("get", "deployments,services", *where, "-o", "jsonpath={.items[*].metadata.generation}")
    refused: tuple[tuple[str, ...], ...] = (
        ("install", NAME, *values(repository, NEW)),
        ("upgrade", NAME, "--tag", NEW),
        ("upgrade", NAME, "--tag", NEW, "--install", "--dry-run"),
        ("rollback", NAME, "--to-revision", "1"),
        ("uninstall", NAME),
    )
    for words in refused:
        ran = run("sametag", *words, *where)
        assert ran.code == 7
        assert f"has been {status} since 20" in ran.stderr
        assert f"if it died: sametag unlock {NAME}" in ran.stderr
    for told in ("history", "status"):
        assert status in run("sametag", told, NAME, *where).stdout

    young = run("sametag", "unlock", NAME, *where)
    assert (young.code, f"has been {status} for only" in young.stderr, "--timeout" in young.stderr) == (7, True, True)
    assert helm_status(kubectl, namespace) == status

    opened = run("sametag", "unlock", NAME, *where, "--timeout", "1s")
    assert opened.code == 0
    assert f"was {status}, and is marked as failed" in opened.stdout
    assert "what runs now:" in opened.stdout
    assert before == kubectl("get", "deployments,services", *where, "-o", "jsonpath={.items[*].metadata.generation}")
    assert helm_status(kubectl, namespace) == "failed"
    assert newest(run, namespace)[1] == "failed"

    ran = run("sametag", "upgrade", NAME, *where, *values(repository, NEW), "--set-json", "services.render.probes=null")
    assert ran.code == 0
    assert kubectl.tags(namespace) == {"render": {NEW}}
    assert newest(run, namespace) == (NEW, "deployed", True)


@pytest.mark.parametrize("helm", ["HELM4"], indirect=True)
def test_a_failed_release_needs_no_unlock(run: Run, namespace: str, repository: str, kubectl: Kubectl) -> None:
    where = ("-n", namespace)
    make("failed", run, kubectl, namespace, repository)

    opened = run("sametag", "unlock", NAME, *where)
    assert (opened.code, f"{NAME} is not stuck: revision 2 (tag {NEW}) is failed" in opened.stdout) == (0, True)
    assert f"next: sametag rollback {NAME} --to-revision 1 brings every service to {OLD}" in opened.stdout
    assert run("sametag", "install", NAME, *where, *values(repository, NEW)).code == 2
    assert run("sametag", "rollback", NAME, *where).code == 0
    assert kubectl.tags(namespace) == {"render": {OLD}}


@pytest.mark.parametrize("helm", ["HELM4"], indirect=True)
def test_a_release_whose_history_was_kept_is_installed_again_or_brought_back(
    run: Run, namespace: str, repository: str, kubectl: Kubectl
) -> None:
    where = ("-n", namespace)
    assert run("sametag", "install", NAME, *where, *values(repository, OLD)).code == 0
    uninstall = ("sametag", "uninstall", NAME, *where, "--keep-history")
    assert run(*uninstall).code == 0

    ran = run("sametag", "upgrade", NAME, *where, "--tag", NEW)
    assert (ran.code, "was uninstalled, and only its history is left" in ran.stderr) == (3, True)
    assert run("sametag", "rollback", NAME, *where, "--to-revision", "1").code == 0
    assert kubectl.tags(namespace) == {"render": {OLD}}

    assert run(*uninstall).code == 0
    assert run("sametag", "install", NAME, *where, *values(repository, NEW)).code == 0
    assert newest(run, namespace) == (NEW, "deployed", True)


def helms_of(namespace: str) -> list[int]:
    """Return the processes of this machine that run Helm in this namespace."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if Path(os.fsdecode(words[0])).name == "helm" and os.fsencode(namespace) in words:
            found.append(int(folder.name))
    return found


@pytest.mark.parametrize(
    ("helm", "verb"),
    [("HELM4", "install"), ("HELM3", "upgrade"), ("HELM4", "rollback")],
    indirect=["helm"],
)
def test_a_killed_client_takes_helm_with_it_and_the_next_goes_on_by_itself(
    run: Run, namespace: str, repository: str, kubectl: Kubectl, verb: str
) -> None:
    where = ("-n", namespace)
    words = {
        "install": (*values(repository, NEW), *NEVER),
        "upgrade": ("--tag", NEW, *NEVER),
        "rollback": ("--to-revision", "1"),
    }[verb]
    if verb == "upgrade":
        assert run("sametag", "install", NAME, *where, *values(repository, OLD)).code == 0
    elif verb == "rollback":
        to_what_never_gets_ready(run, namespace, repository)
    client = start("sametag", verb, NAME, *where, *words, "--no-fail-fast")
    wait_until(lambda: helm_status(kubectl, namespace) == f"pending-{verb}")
    if verb == "upgrade":
        # Helm 3 would keep the probe that never succeeds, were the failed revision not cleared away first.
        wait_until(lambda: NEW in kubectl.tags(namespace)["render"])
    assert len(helms_of(namespace)) == 1
    client.kill()
    client.communicate(timeout=180)
    wait_until(lambda: helms_of(namespace) == [], 60)

    again = ("sametag", "install" if verb == "install" else "upgrade", NAME, *where, *values(repository, NEW))
    ran = run(*again, "--set-json", "services.render.probes=null")

    assert ran.code == 0
    assert f"died while it was pending-{verb}" in ran.stderr
    assert ("rolling back to" in ran.stderr) == (verb == "upgrade")
    assert kubectl.tags(namespace) == {"render": {NEW}}
    assert newest(run, namespace) == (NEW, "deployed", True)
    left = history(run, namespace)[-3 if verb == "upgrade" else -2]
    assert f"Left in the middle: pending-{verb} by a client that died" in left["description"]
    # Helm calls a failed first install superseded by the upgrade after it; it is nothing to go back to all the same.
    assert left["status"] == ("superseded" if verb == "install" else "failed")
    assert not left["verified"]
    if verb == "install":
        assert run("sametag", "rollback", NAME, *where).code == 2


@pytest.mark.parametrize("helm", ["HELM3"], indirect=True)
def test_a_killed_helm_is_written_down_as_failed_and_every_service_goes_back(
    run: Run, namespace: str, repository: str, kubectl: Kubectl
) -> None:
    where = ("-n", namespace)
    assert run("sametag", "install", NAME, *where, *values(repository, OLD)).code == 0
    client = start("sametag", "upgrade", NAME, *where, "--tag", NEW, *NEVER)
    wait_until(lambda: NEW in kubectl.tags(namespace)["render"])
    (helm,) = helms_of(namespace)
    os.kill(helm, 9)
    _, stderr = client.communicate(timeout=120)

    assert client.returncode == 4, stderr
    assert "helm was killed by SIGKILL" in stderr
    assert kubectl.tags(namespace) == {"render": {OLD}}
    assert [(entry["status"], entry["verified"]) for entry in history(run, namespace)] == [
        ("superseded", True),
        ("failed", False),
        ("deployed", True),
    ]
