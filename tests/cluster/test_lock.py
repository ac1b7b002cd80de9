"""One deployer at a time, on a real API server: who waits, who is told what, who takes over."""

from __future__ import annotations

import json
import signal
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from gifinator import MISSING, NEW, OLD, ROOT, Kubectl, kubeconfig_of
from single import NAME, NEVER, history, newest, start, values, wait_until

if TYPE_CHECKING:
    import subprocess

    from single import Run


def lease(kubectl: Kubectl, namespace: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(kubectl("get", "lease", f"sametag-{NAME}", "-n", namespace, "-o", "json"))
    return found


def held_by(kubectl: Kubectl, namespace: str, who: str) -> None:
    """Write a holder into the Lease, as another client would."""
    now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
    spec = {"holderIdentity": f"{who}/1", "leaseDurationSeconds": 15, "acquireTime": now, "renewTime": now}
    annotations = {"sametag/tag": MISSING}
    patch = {"metadata": {"annotations": annotations}, "spec": spec}
    kubectl("patch", "lease", f"sametag-{NAME}", "-n", namespace, "--type=merge", "-p", json.dumps(patch))


@pytest.mark.parametrize("helm", ["HELM4"], indirect=True)
def test_five_at_once_take_turns_and_all_tell_the_truth(
    run: Run, namespace: str, repository: str, kubectl: Kubectl
) -> None:
    assert run("sametag", "install", NAME, "-n", namespace, *values(repository, OLD)).code == 0

    tags = (NEW, OLD, NEW, OLD, NEW)
    clients = [start("sametag", "upgrade", NAME, "-n", namespace, "--tag", tag) for tag in tags]
    said = [client.communicate(timeout=280) for client in clients]

    assert [client.returncode for client in clients] == [0] * 5, said
    assert sum("waiting for " in stderr for _, stderr in said) >= 4
    entries = history(run, namespace)
    assert [entry["verified"] for entry in entries] == [True] * 6
    for (stdout, _), tag in zip(said, tags, strict=True):
        (number,) = [entry["revision"] for entry in entries[1:] if f"(revision {entry['revision']})" in stdout]
        assert f"on tag {tag} " in stdout
        assert entries[number - 1]["tag"] == tag
    assert kubectl.tags(namespace) == {"render": {entries[-1]["tag"]}}
    assert lease(kubectl, namespace)["spec"]["holderIdentity"] == ""


@pytest.mark.parametrize("helm", ["HELM4"], indirect=True)
def test_a_lock_is_waited_for_no_longer_than_asked_and_taken_over_once_its_holder_is_dead(
    run: Run, namespace: str, repository: str, kubectl: Kubectl
) -> None:
    where = ("-n", namespace)
    assert run("sametag", "install", NAME, *where, *values(repository, OLD)).code == 0
    held_by(kubectl, namespace, "carol@ci")

    for words in (("upgrade", NAME, "--tag", NEW), ("rollback", NAME, "--to-revision", "1"), ("uninstall", NAME)):
        ran = run("sametag", *words, *where, "--lock-timeout", "0")
        assert ran.code == 7
        assert f"release {NAME} is locked by carol@ci for tag {MISSING}, since 20" in ran.stderr
        assert "--lock-timeout" in ran.stderr
    for harmless in (("upgrade", NAME, "--tag", NEW, "--dry-run"), ("history", NAME), ("status", NAME)):
        assert run("sametag", *harmless, *where).code == 0, "what changes nothing needs no lock"

    ran = run("sametag", "upgrade", NAME, *where, "--tag", NEW)
    assert (ran.code, f"waiting for carol@ci for tag {MISSING}, since 20" in ran.stderr) == (0, True)
    assert newest(run, namespace) == (NEW, "deployed", True)


@pytest.mark.parametrize("helm", ["HELM4"], indirect=True)
def test_a_live_deployer_cannot_be_unlocked_and_stops_when_it_is_taken_over(
    run: Run, namespace: str, repository: str, kubectl: Kubectl
) -> None:
    where = ("-n", namespace)
    assert run("sametag", "install", NAME, *where, *values(repository, OLD)).code == 0
    client = start("sametag", "upgrade", NAME, *where, "--tag", NEW, *NEVER)
    wait_until(lambda: NEW in kubectl.tags(namespace)["render"])
    assert lease(kubectl, namespace)["metadata"]["annotations"] == {"sametag/tag": NEW, "sametag/revision": "2"}

    ran = run("sametag", "unlock", NAME, *where, "--timeout", "1s")
    assert (ran.code, f"for tag {NEW}" in ran.stderr) == (7, True)
    assert client.poll() is None

    held_by(kubectl, namespace, "dave@ci")
    _, stderr = client.communicate(timeout=180)
    assert client.returncode == 7, stderr
    assert f"taken over by dave@ci for tag {MISSING}" in stderr
    assert lease(kubectl, namespace)["spec"]["holderIdentity"] == "dave@ci/1"
    assert newest(run, namespace) == (NEW, "failed", False)


@pytest.mark.parametrize("helm", ["HELM4"], indirect=True)
def test_nothing_is_left_of_the_lock_where_nothing_is_left_of_the_release(
    run: Run, namespace: str, repository: str, kubectl: Kubectl
) -> None:
    where = ("-n", namespace)
    assert run("sametag", "install", NAME, *where, *values(repository, MISSING)).code == 4
    assert kubectl("get", "leases,secrets", *where, "-o", "name") == ""

    assert run("sametag", "install", NAME, *where, *values(repository, OLD)).code == 0
    assert run("sametag", "uninstall", NAME, *where).code == 0
    assert kubectl("get", "leases,secrets", *where, "-o", "name") == ""


@pytest.mark.parametrize("helm", ["HELM4"], indirect=True)
def test_without_the_right_to_use_leases_there_is_a_warning_and_helms_own_guard(
    run: Run, namespace: str, repository: str, kubectl: Kubectl, tmp_path: Path
) -> None:
    role = (ROOT / "docs/reference/role.yaml").read_text()
    assert "resources: [leases]" in role
    kubectl("apply", "-n", namespace, "-f", "-", stdin=role.replace("resources: [leases]", "resources: [others]"))
    kubectl("create", "serviceaccount", "deployer", "-n", namespace)
    account = f"--serviceaccount={namespace}:deployer"
    kubectl("create", "rolebinding", "sametag", "-n", namespace, "--role=sametag", account)
    where = ("-n", namespace, "--kubeconfig", str(kubeconfig_of(kubectl, namespace, "deployer", tmp_path)))

    ran = run("sametag", "install", NAME, *where, *values(repository, OLD))

    assert ran.code == 0
    assert "warning: no lock against concurrent deployments, only Helm's own guard" in ran.stderr
    assert 'cannot get resource "leases"' in ran.stderr
    assert newest(run, namespace) == (OLD, "deployed", True)


@pytest.mark.parametrize("helm", ["HELM4"], indirect=True)
def test_a_first_install_may_create_the_namespace_that_its_lock_is_in(
    run: Run, namespace: str, repository: str, kubectl: Kubectl
) -> None:
    fresh = f"{namespace}-new"
    words = ("sametag", "install", NAME, "-n", fresh, *values(repository, OLD))
    assert run(*words).code == 3
    try:
        assert run(*words, "--create-namespace").code == 0
        assert newest(run, fresh) == (OLD, "deployed", True)
    finally:
        kubectl("delete", "namespace", fresh, "--ignore-not-found", "--wait=false")


def state(process: int) -> str:
    """Return the letter of a process's state; empty where it is gone."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2][0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def helm_of(client: subprocess.Popen[str]) -> int:
    """Return the Helm that a client has started; its other child is the watchdog, which is Python."""
    children = Path(f"/proc/{client.pid}/task/{client.pid}/children").read_text().split()
    (helm,) = [child for child in children if "python" not in Path(f"/proc/{child}/comm").read_text()]
    return int(helm)


@pytest.mark.parametrize("helm", ["HELM4"], indirect=True)
def test_helm_stops_with_its_client_and_another_client_takes_over_from_both(
    run: Run, namespace: str, repository: str, kubectl: Kubectl
) -> None:
    where = ("-n", namespace)
    assert run("sametag", "install", NAME, *where, *values(repository, OLD)).code == 0
    client = start("sametag", "upgrade", NAME, *where, "--tag", NEW, *NEVER)
    wait_until(lambda: NEW in kubectl.tags(namespace)["render"])
    helm = helm_of(client)

    client.send_signal(signal.SIGSTOP)
    wait_until(lambda: state(helm) == "T", 60)
    kubectl("delete", "lease", f"sametag-{NAME}", *where)
    client.send_signal(signal.SIGCONT)
    wait_until(lambda: state(helm) != "T" and lease(kubectl, namespace)["spec"]["holderIdentity"] != "")
    assert client.poll() is None, "a lease that nobody holds is taken again"

    client.send_signal(signal.SIGSTOP)
    ran = run("sametag", "rollback", NAME, *where)
    assert (ran.code, "died while it was pending-upgrade" in ran.stderr, state(helm)) == (0, True, "T")
    client.send_signal(signal.SIGCONT)
    _, stderr = client.communicate(timeout=180)
    assert (client.returncode, state(helm)) == (7, ""), stderr
    assert "the lock was taken over by another client, which is done by now" in stderr
    assert newest(run, namespace) == (OLD, "deployed", True)
    assert kubectl.tags(namespace) == {"render": {OLD}}


def test_a_plain_rollback_in_the_middle_is_a_failure_that_names_it_and_is_not_undone(
    run: Run, namespace: str, repository: str, kubectl: Kubectl
) -> None:
    where = ("-n", namespace)
    assert run("sametag", "install", NAME, *where, *values(repository, OLD)).code == 0
    client = start("sametag", "upgrade", NAME, *where, "--tag", NEW, *NEVER)
    wait_until(lambda: NEW in kubectl.tags(namespace)["render"])

    assert run("helm", "rollback", NAME, "1", *where).code == 0
    stdout, stderr = client.communicate(timeout=240)

    assert (client.returncode, stdout) == (4, ""), stderr
    assert (
        f"the newest revision is revision 3 (tag {OLD}), deployed (Rollback to 1), not revision 2 (tag {NEW})" in stderr
    )
    assert [entry["tag"] for entry in history(run, namespace)] == [OLD, NEW, OLD]
    wait_until(lambda: kubectl.tags(namespace) == {"render": {OLD}})


@pytest.mark.parametrize("helm", ["HELM4"], indirect=True)
def test_credentials_that_are_taken_away_end_a_rollout_within_seconds_with_that_reason(
    run: Run, namespace: str, repository: str, kubectl: Kubectl, tmp_path: Path
) -> None:
    kubectl("apply", "-n", namespace, "-f", "-", stdin=(ROOT / "docs/reference/role.yaml").read_text())
    kubectl("create", "serviceaccount", "deployer", "-n", namespace)
    account = f"--serviceaccount={namespace}:deployer"
    kubectl("create", "rolebinding", "sametag", "-n", namespace, "--role=sametag", account)
    where = ("-n", namespace, "--kubeconfig", str(kubeconfig_of(kubectl, namespace, "deployer", tmp_path)))
    assert run("sametag", "install", NAME, *where, *values(repository, OLD)).code == 0
    client = start("sametag", "upgrade", NAME, *where, "--tag", NEW, *NEVER)
    wait_until(lambda: NEW in kubectl.tags(namespace)["render"])

    kubectl("delete", "serviceaccount", "deployer", "-n", namespace)
    _, stderr = client.communicate(timeout=180)

    assert client.returncode == 3, stderr
    assert "Unauthorized" in stderr
