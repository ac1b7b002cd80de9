"""What is kept with each revision, where plain Helm sees it too; and what the history never loses."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from gifinator import MISSING, NEW, OLD, Kubectl
from single import CHART, NAME, NEVER, history, newest, values, wait_until

if TYPE_CHECKING:
    from single import Run


def test_plain_helm_keeps_what_sametag_notes_shows_it_and_gives_it_to_no_other_revision(
    run: Run, namespace: str, repository: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what plain Helm deployed is verified with our own eyes before it is left."""
    monkeypatch.setenv("SAMETAG_USER", "alice")
    where = ("-n", namespace)
    install = ("sametag", "install", NAME, *where, *values(repository, OLD), "--description", "the first (of two)")
    assert run(*install).code == 0
    upgrade = ("helm", "upgrade", NAME, CHART, *where, "--reset-then-reuse-values", "--wait")
    assert run(*upgrade, "--set", f"image.tag={NEW}").code == 0
    assert run("helm", "rollback", NAME, "1", *where, "--wait").code == 0

    said = run("helm", "history", NAME, *where, "--max", "10").stdout.splitlines()[1:]
    noted = rf"Install complete \(verified tag {OLD} sha256:[0-9a-f]{{64}} by alice at \S+Z\): the first \(of two\)"
    assert [re.search(noted, line) is not None for line in said] == [True, False, False]
    first, second, third = history(run, namespace)
    assert (first["status"], first["verified"], first["who"], first["why"], first["description"]) == (
        "superseded",
        True,
        "alice",
        "the first (of two)",
        "Install complete",
    )
    assert (second["verified"], second["who"], third["verified"], third["who"]) == (False, "", False, "")

    assert run("sametag", "upgrade", NAME, *where, "--tag", NEW).code == 0
    entries = history(run, namespace)
    assert [(entry["tag"], entry["status"], entry["verified"], entry["who"]) for entry in entries] == [
        (OLD, "superseded", True, "alice"),
        (NEW, "superseded", False, ""),
        (OLD, "superseded", True, ""),
        (NEW, "deployed", True, "alice"),
    ]
    assert entries[0]["digest"] == entries[2]["digest"] != entries[3]["digest"]
    for what in ("values", "manifest", "notes"):
        assert run("helm", "get", what, NAME, *where).code == 0


@pytest.mark.parametrize("helm", ["HELM3"], indirect=True)
def test_failures_are_noted_and_push_no_tag_out_that_was_verified(
    run: Run, namespace: str, repository: str, kubectl: Kubectl
) -> None:
    where = ("-n", namespace)
    assert run("sametag", "install", NAME, *where, *values(repository, OLD)).code == 0
    assert run("sametag", "upgrade", NAME, *where, "--tag", NEW).code == 0
    fail = ("sametag", "upgrade", NAME, *where, "--tag", MISSING, "--history-max", "3", "--description", "try")
    assert run(*fail, "--keep-failed").code == 4
    failed = history(run, namespace)[-1]
    assert (failed["status"], failed["verified"], failed["why"]) == ("failed", False, "try")
    assert re.fullmatch(
        rf'Upgrade "{NAME}" failed: render: ImageNotFound: \S+:{MISSING} does not exist', failed["description"]
    )
    assert failed["who"]

    for tag in (f"{MISSING}-a", f"{MISSING}-b"):
        assert run(*fail, "--tag", tag).code == 4
        assert kubectl.tags(namespace) == {"render": {NEW}}

    kept = history(run, namespace)
    assert len(kept) == 3
    assert {entry["tag"] for entry in kept if entry["verified"]} == {OLD, NEW}
    assert run("sametag", "rollback", NAME, *where).code == 0
    assert kubectl.tags(namespace) == {"render": {OLD}}


@pytest.mark.parametrize("helm", ["HELM4"], indirect=True)
def test_a_failed_change_of_values_goes_back_to_the_values_before(run: Run, namespace: str, repository: str) -> None:
    where = ("-n", namespace)
    assert run("sametag", "install", NAME, *where, *values(repository, NEW)).code == 0
    ran = run("sametag", "upgrade", NAME, *where, *NEVER, "--timeout", "3s")

    assert ran.code == 4
    assert f"rolling back to {NEW} (revision 1)" in ran.stderr
    assert newest(run, namespace) == (NEW, "deployed", True)
    assert "readinessPath" not in run("helm", "get", "values", NAME, *where).stdout


@pytest.mark.parametrize(("helm", "newest_revision"), [("HELM4", 2), ("HELM3", 3)], indirect=["helm"])
def test_a_tag_whose_revisions_are_pruned_is_deployed_with_todays_values(
    run: Run, namespace: str, repository: str, kubectl: Kubectl, newest_revision: int
) -> None:
    """By hand, or by a plain `helm upgrade --history-max 1`, which still keeps what was deployed before."""
    where, environment = ("-n", namespace), ("--set", "services.render.env.NEW=yes")
    assert run("sametag", "install", NAME, *where, *values(repository, OLD)).code == 0
    if newest_revision == 2:
        assert run("sametag", "upgrade", NAME, *where, "--tag", NEW, *environment).code == 0
        kubectl("delete", "secret", f"sh.helm.release.v1.{NAME}.v1", *where)
    else:
        prune = ("helm", "upgrade", NAME, CHART, *where, "--reset-then-reuse-values", "--history-max", "1", "--wait")
        assert run(*prune, "--set", f"image.tag={NEW}").code == 0
        assert run(*prune, *environment).code == 0
        # Helm 3 is done before the last old pod is told to end.
        wait_until(lambda: kubectl.tags(namespace) == {"render": {NEW}})
    assert [entry["tag"] for entry in history(run, namespace)] == [NEW] * (newest_revision - 1)
    told = (
        f"the history has no revision with tag {OLD} any more: "
        f"deploying {OLD} with the values of revision {newest_revision}"
    )

    dry = run("sametag", "rollback", NAME, *where, "--to-tag", OLD, "--dry-run")
    assert (dry.code, told in dry.stderr) == (0, True)
    assert kubectl.tags(namespace) == {"render": {NEW}}

    back = run("sametag", "rollback", NAME, *where, "--to-tag", OLD)
    assert (back.code, told in back.stderr) == (0, True)
    assert kubectl.tags(namespace) == {"render": {OLD}}
    assert newest(run, namespace) == (OLD, "deployed", True)
    assert "NEW" in run("helm", "get", "values", NAME, *where).stdout
