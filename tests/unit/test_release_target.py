"""Which revision a rollback goes to, and which ones the history can do without."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sametag.errors import HelmError, UsageError
from sametag.helm import Revision, choices, current, last_good, rollback_target, to_prune, was_pruned

STATUSES = ("deployed", "superseded", "failed", "pending-upgrade")


def revision(number: int, tag: str, status: str = "superseded", *, verified: bool = False, **more: Any) -> Revision:
    note = f" (verified tag {tag} sha256:{'0a' * 32} at 2026-01-02T03:04:05Z)" if verified else ""
    return Revision(
        {
            "name": "app",
            "version": number,
            "info": {"status": status, "description": f"Upgrade complete{note}"},
            "chart": {"metadata": {"name": "sametag", "version": "0.1.0"}},
            "config": {"image": {"tag": tag}},
            "manifest": f"kind: Deployment # {tag}",
            **more,
        }
    )


def history(*entries: tuple[str, str]) -> list[Revision]:
    """Revisions by tag and status; a `verified` one was deployed."""
    return [
        revision(number, tag, "superseded" if status == "verified" else status, verified=status == "verified")
        for number, (tag, status) in enumerate(entries, 1)
    ]


def test_no_such_release_is_said_with_its_namespace() -> None:
    with pytest.raises(HelmError, match="no release app in namespace apps"):
        current([], "app", "apps")


def test_a_failed_revision_is_not_the_last_good_one() -> None:
    found = last_good(history(("1.0", "superseded"), ("2.0", "deployed"), ("3.0", "failed")))

    assert found is not None
    assert found.number == 2


@pytest.mark.parametrize(
    ("entries", "number"),
    [
        ([("1.0", "superseded"), ("2.0", "deployed")], 1),
        # The failure was left in place: what worked last is the way back.
        ([("1.0", "superseded"), ("2.0", "deployed"), ("3.0", "failed")], 2),
        # It was rolled back: plain Helm would redeploy the failed 3.0 now.
        ([("1.0", "superseded"), ("2.0", "superseded"), ("3.0", "failed"), ("2.0", "deployed")], 1),
        # Only values changed in between: the tag is what counts.
        ([("1.0", "superseded"), ("2.0", "superseded"), ("2.0", "deployed")], 1),
    ],
)
def test_rollback_goes_to_the_newest_good_revision_with_another_tag(
    entries: list[tuple[str, str]], number: int
) -> None:
    assert number == rollback_target(history(*entries)).number


def told(entries: str) -> list[Revision]:
    """Revisions by words: a tag is an upgrade, `A!` a failed one, `A@2` a rollback to 2.

    `A<` is an upgrade that went back, `A~` has no workload, and `-` is a revision that Helm has forgotten.
    """
    found = []
    for number, word in enumerate(entries.split(), 1):
        tag, origin = word.rstrip("!<~").partition("@")[::2]
        words = f"Rollback to {origin}" if origin else "Back to an older tag: Upgrade complete"
        description = (
            f"{words if '@' in word or '<' in word else 'Upgrade complete'} (tag {tag} at 2026-01-02T03:04:05Z)"
        )
        status = "failed" if "!" in word else "superseded"
        manifest = "" if "~" in word else f"kind: Deployment # {tag}"
        info = {"status": status, "description": description}
        if tag != "-":
            found.append(revision(number, tag, info=info, manifest=manifest))
    return found


@pytest.mark.parametrize(
    ("entries", "target"),
    [
        # The table of docs/explanation/going-back.md.
        ("A B C", 2),
        ("A B C B@2", 1),
        ("A B C B@2 A@1", None),
        ("A B C B@2 D", 4),
        ("A B C B@2 D B@4", 1),
        ("A B C B@2 C@3", 4),
        ("A B C B@2 C@3 B@4", 1),
        ("A B C!", 2),
        ("A B C! B@2", 1),
        ("A B C B@2 D!", 4),
        ("A B C B@2!", 3),
        ("A B B B!", 3),
        ("- - C D C@3", None),
        ("- - C D B@2", None),
        ("- B C D B@2", None),
        ("- B C A<", None),
        ("- B C A< D", 4),
        ("A B~", 1),
        ("A A~", 1),
        ("A~ B A@1", None),
    ],
)
def test_going_back_again_goes_further_back_and_never_to_what_was_left(entries: str, target: int | None) -> None:
    if target is None:
        with pytest.raises(UsageError, match="no revision is further back than tag"):
            rollback_target(told(entries))
    else:
        assert target == rollback_target(told(entries)).number


def test_where_nothing_is_further_back_the_way_to_other_tags_is_said() -> None:
    with pytest.raises(UsageError) as caught:
        rollback_target(told("A B C B@2 A@1"))
    assert caught.value.remedy == "--to-tag B goes to another tag, --select shows all"


@pytest.mark.parametrize(
    ("entries", "numbers"),
    [("A B C", [2, 1]), ("A B C B@2", [1, 3]), ("A B C B@2 A@1", [4, 3]), ("A", []), ("A B!", [1])],
)
def test_what_can_be_chosen_begins_with_what_would_be_and_names_nothing_twice(entries: str, numbers: list[int]) -> None:
    assert numbers == [revision.number for revision in choices(told(entries))]


def test_a_revision_that_runs_nothing_is_never_gone_back_to_unasked() -> None:
    entries = told("A B~ C!")

    found = last_good(entries)
    assert found is not None
    assert found.number == 1
    assert rollback_target(entries, to_revision=2).number == 2


def test_rollback_to_a_tag_takes_its_newest_deployed_revision() -> None:
    entries = history(("1.0", "superseded"), ("1.0", "superseded"), ("1.0", "failed"), ("2.0", "deployed"))

    assert rollback_target(entries, to_tag="1.0").number == 2


def test_a_tag_is_found_whatever_digest_its_values_pin_and_a_digest_has_to_be_its_own() -> None:
    """Renovate, Argo CD Image Updater and Skaffold write TAG@sha256:…."""
    digest = f"sha256:{'1b' * 32}"
    revisions = [revision(1, f"1.0@{digest}"), revision(2, "2.0", "deployed")]

    assert (revisions[0].tag, revisions[0].digest) == ("1.0", digest)
    for wanted in ("1.0", f"1.0@{digest}"):
        assert rollback_target(revisions, to_tag=wanted).number == 1
    with pytest.raises(UsageError, match="no deployed revision has the tag"):
        rollback_target(revisions, to_tag=f"1.0@sha256:{'2c' * 32}")


def test_a_tag_that_never_worked_is_no_target() -> None:
    with pytest.raises(UsageError, match=r"no deployed revision has the tag 3\.0") as caught:
        rollback_target(history(("1.0", "superseded"), ("2.0", "deployed"), ("3.0", "failed")), to_tag="3.0")
    assert caught.value.remedy == "tags in the history: 1.0, 2.0"


def test_a_revision_that_helm_has_forgotten_is_said() -> None:
    with pytest.raises(UsageError, match="no revision 7") as caught:
        rollback_target(history(("1.0", "deployed")), to_revision=7)
    assert caught.value.remedy == "Helm still has: 1"


def test_with_one_tag_there_is_nothing_to_go_back_to() -> None:
    with pytest.raises(UsageError, match="nothing to go back to"):
        rollback_target(history(("1.0", "superseded"), ("1.0", "deployed")))


def test_a_verified_revision_is_preferred_to_a_newer_one_that_nobody_has_seen() -> None:
    entries = history(("1.0", "verified"), ("1.1", "superseded"), ("2.0", "deployed"))

    assert rollback_target(entries).number == 1
    assert rollback_target(entries, to_tag="1.1").number == 2


def test_without_a_verified_revision_with_another_tag_helms_status_decides() -> None:
    assert rollback_target(history(("1.0", "superseded"), ("2.0", "verified"), ("2.0", "deployed"))).number == 1


def test_what_a_failed_upgrade_goes_back_to_is_the_newest_verified_revision_whatever_its_tag() -> None:
    found = last_good(history(("1.0", "verified"), ("2.0", "verified"), ("2.0", "failed"), ("3.0", "superseded")))

    assert found is not None
    assert found.number == 2


@pytest.mark.parametrize("status", ["failed", "pending-upgrade", "uninstalled"])
def test_a_note_on_a_revision_that_was_not_deployed_verifies_nothing(status: str) -> None:
    assert not revision(1, "1.0", status, verified=True).verified


@pytest.mark.parametrize(
    "description",
    [
        'Release "app" failed: context deadline exceeded',
        "Left in the middle: pending-install by a client that died; bob@desk marked it as failed",
    ],
)
def test_a_failed_first_install_is_no_good_revision_though_helm_calls_it_superseded(description: str) -> None:
    first = revision(1, "1.0", info={"status": "superseded", "description": description})

    assert not first.was_deployed
    assert last_good([first]) is None


def test_a_note_of_another_tag_verifies_nothing() -> None:
    """Somebody copied the description."""
    record = revision(1, "1.0", "deployed", verified=True).record

    assert Revision(record).verified
    assert not Revision({**record, "config": {"image": {"tag": "2.0"}}}).verified


@pytest.mark.parametrize(
    ("numbers", "tag", "expected"),
    [([1, 2, 3], "0.9", False), ([2, 3], "0.9", True), ([1, 3], "0.9", True), ([2, 3], "3", False)],
)
def test_a_tag_may_be_forgotten_only_where_revisions_are_missing(
    numbers: list[int], tag: str, *, expected: bool
) -> None:
    assert expected == was_pruned([revision(number, str(number)) for number in numbers], tag)


def kept(entries: list[Revision], keep: int) -> list[int]:
    gone = {revision.number for revision in to_prune(entries, keep)}
    return [revision.number for revision in entries if revision.number not in gone]


def test_failed_revisions_go_before_any_that_worked() -> None:
    entries = history(
        ("1.0", "verified"), ("2.0", "failed"), ("3.0", "verified"), ("4.0", "failed"), ("5.0", "deployed")
    )

    assert kept(entries, 4) == [1, 3, 4, 5]
    assert kept(entries, 3) == [1, 3, 5]
    assert kept(entries, 2) == [3, 5]


def test_a_revision_that_a_newer_one_repeats_goes_before_an_older_tag() -> None:
    """Each failure that is rolled back repeats what ran; ten of them would push out every other tag."""
    entries = history(("1.0", "verified"), ("2.0", "verified"), ("2.0", "verified"), ("2.0", "deployed"))

    assert kept(entries, 3) == [1, 3, 4]


def test_the_same_tag_with_other_values_is_no_repetition() -> None:
    entries = history(("1.0", "verified"), ("2.0", "verified"), ("2.0", "verified"))
    entries[1].record["manifest"] += " with two replicas"

    assert kept(entries, 2) == [2, 3]


def test_what_nobody_verified_goes_before_what_was() -> None:
    assert kept(history(("1.0", "verified"), ("2.0", "superseded"), ("3.0", "deployed")), 2) == [1, 3]


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["1.0", "2.0", "3.0"]), st.sampled_from([*STATUSES, "verified"])), min_size=1),
    st.integers(0, 12),
)
def test_the_history_is_cut_to_its_length_and_never_loses_what_runs(entries: list[tuple[str, str]], keep: int) -> None:
    revisions = history(*entries)
    left = kept(revisions, keep)
    must_stay = {revision.number for revision in revisions if revision.status == "deployed"} | {len(revisions)}

    assert must_stay <= set(left)
    assert len(left) <= max(keep, len(must_stay)) or keep == 0
    assert len(left) >= min(keep, len(revisions))
    gone = [revision for revision in revisions if revision.number not in left]
    if any(revision.verified for revision in gone):
        worthless = [r.number for r in revisions if not r.was_deployed and r.number in left]
        assert set(worthless) <= must_stay
