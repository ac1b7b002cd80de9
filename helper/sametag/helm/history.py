"""Choose revisions: the newest, the target of a rollback, and those that the history can drop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sametag.errors import HelmError, UsageError
from sametag.helm.note import BACK

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sametag.helm.revision import Revision


def current(history: Sequence[Revision], release: str, namespace: str, otherwise: str = "") -> Revision:
    """Return the newest revision.

    Args:
        history: Every revision, oldest first.
        release: The name of the release, for the message.
        namespace: Its namespace.
        otherwise: A remedy if there is none.

    Raises:
        HelmError: There is no such release.
    """
    if not history:
        raise HelmError(
            f"there is no release {release} in namespace {namespace}",
            f"{otherwise}helm list -A shows all releases; -n chooses the namespace",
        )
    return history[-1]


def last_good(history: Sequence[Revision]) -> Revision | None:
    """Return the newest verified revision, else the newest whose rollout Helm completed, else None."""
    return next(_good_ones(history), None)


def _good_ones(history: Sequence[Revision]) -> Iterator[Revision]:
    """Yield the verified revisions, newest first, then those whose rollout Helm completed.

    A revision without workloads is left out if others have some: it is a mistake.
    """
    history = [revision for revision in history if revision.has_workloads] or history
    yield from (revision for revision in reversed(history) if revision.verified)
    yield from (revision for revision in reversed(history) if revision.was_deployed and not revision.verified)


def line(history: Sequence[Revision]) -> list[Revision]:
    """Return the revisions that led to the current one, oldest first, without those that were rolled back.

    A revision that a rollback created takes the place of its target, and failed revisions have no place. Therefore a
    second rollback goes further back, and never to a revision that was rolled back on purpose.
    """
    found: list[tuple[Revision, set[int]]] = []
    numbers = {revision.number for revision in history}
    for revision in history:
        if not revision.was_deployed:
            continue
        origin, names = revision.rolled_back_to, {revision.number}
        if revision.note.words.startswith(BACK):
            found = []
        if origin is not None:
            at = next((at for at, (_, names_there) in enumerate(found) if origin in names_there), None)
            if at is not None:
                names |= found[at][1]
                del found[at:]
            elif origin not in numbers:  # Helm pruned it, but newer revisions were rolled back all the same
                found = [(older, there) for older, there in found if min(there) < origin]
        found.append((revision, names))
    return [revision for revision, _ in found]


def rollback_target(
    history: Sequence[Revision], *, to_tag: str | None = None, to_revision: int | None = None
) -> Revision:
    """Choose the revision to go back to.

    Without arguments: if the newest revision failed or runs nothing, the revision before it. Otherwise the newest
    verified revision on the line to the current one that has another tag; if none is verified, the newest that Helm
    completed. Helm's own rule (the previous revision, whatever its status) would redeploy the failure after an
    automatic rollback.

    Args:
        history: Every revision, oldest first, at least one.
        to_tag: The newest good revision with this tag.
        to_revision: This revision, whatever its status.

    Raises:
        UsageError: There is no such revision.
    """
    if to_revision is not None:
        return _by_number(history, to_revision)
    if to_tag is not None:
        return _by_tag(history, to_tag)
    newest = history[-1]
    emptied = not newest.has_workloads and any(revision.has_workloads for revision in history)
    for revision in _good_ones(line(history)):
        if revision is not newest and (revision.tag != newest.tag or emptied or not newest.was_deployed):
            return revision
    others = [revision.tag for revision in _good_ones(history) if revision.tag != newest.tag]
    if others:
        raise UsageError(
            f"no revision is further back than tag {newest.tag}",
            f"--to-tag {others[0]} goes to another tag, --select shows all",
        )
    raise UsageError(
        "there is nothing to go back to: no revision was deployed with another tag",
        "sametag history shows the revisions; --to-revision N goes to any of them",
    )


def choices(history: Sequence[Revision]) -> list[Revision]:
    """Return the possible targets of a rollback: the default target, if any, then the others, newest first.

    Revisions that a newer one repeats are left out.
    """
    try:
        default = [rollback_target(history)]
    except UsageError:
        default = []
    others = [
        revision
        for revision in sorted(_good_ones(history[:-1]), key=lambda revision: -revision.number)
        if revision not in default and not _is_repeated(revision, history)
    ]
    return [*default, *others]


def _by_number(history: Sequence[Revision], number: int) -> Revision:
    for revision in history:
        if revision.number == number:
            return revision
    numbers = ", ".join(str(revision.number) for revision in history)
    raise UsageError(f"there is no revision {number}", f"Helm still has: {numbers}")


def _by_tag(history: Sequence[Revision], tag: str) -> Revision:
    for revision in _good_ones(history):
        if _has(revision, tag):
            return revision
    tags = ", ".join(dict.fromkeys(revision.tag for revision in history if revision.was_deployed)) or "none"
    raise UsageError(f"no deployed revision has the tag {tag}", f"tags in the history: {tags}")


def was_pruned(history: Sequence[Revision], tag: str) -> bool:
    """Whether the history may have had a good revision with this tag that was pruned."""
    numbers = [revision.number for revision in history]
    pruned = numbers != list(range(1, len(numbers) + 1))
    return pruned and not any(_has(revision, tag) for revision in history)


def _has(revision: Revision, wanted: str) -> bool:
    """Whether a revision has this tag, and its digest if there is one (`1.0@sha256:…`)."""
    tag, _, digest = wanted.partition("@")
    return revision.tag == tag and digest in ("", revision.digest, revision.note.digest)


def to_prune(history: Sequence[Revision], keep: int) -> list[Revision]:
    """Return the revisions to delete so that at most `keep` are left, oldest first among equals.

    Helm deletes the oldest, so a few failures in a row push out every tag that worked. Here failed revisions are first,
    then those that a newer good revision repeats (as after an automatic rollback), then those that were never verified.
    The newest revision and the deployed one always stay; 0 keeps all.
    """
    if not keep:
        return []
    movable = [revision for revision in history[:-1] if revision.status != "deployed"]
    ordered = sorted(movable, key=lambda revision: _worth(revision, history))
    return ordered[: max(0, len(history) - keep)]


def _worth(revision: Revision, history: Sequence[Revision]) -> int:
    if not revision.was_deployed:
        return 0
    if _is_repeated(revision, history):
        return 1
    return 3 if revision.verified else 2


def _is_repeated(revision: Revision, history: Sequence[Revision]) -> bool:
    return any(newer.number > revision.number and _repeats(newer, revision) for newer in history)


def _repeats(newer: Revision, older: Revision) -> bool:
    """Whether a rollback to the newer one has the same result as one to the older."""
    good = newer.verified or (newer.was_deployed and not older.verified)
    return good and (newer.manifest, newer.values) == (older.manifest, older.values)
