"""The note in the description of a revision: who deployed it, why, and whether every pod was seen on its tag.

The description is the one field in Helm's record that users may write, that every Helm keeps when it supersedes a
revision without passing it to the next, and that `helm history` shows. The note follows Helm's own words:

    Upgrade complete (verified tag 0.0.6 sha256:… by alice@laptop at 2026-11-24T13:20:11Z): the new codec
"""

from __future__ import annotations

import getpass
import os
import re
import socket
from datetime import UTC, datetime
from typing import NamedTuple

from sametag.masking import utf_8

#: Maximum length of a reason: Helm's own limit for the description of a rollback (MaxDescriptionLength).
REASON_LIMIT = 256

# A revision has at most 1 MiB, and the message of a failed upgrade may contain the error of every object.
_WORDS_LIMIT = 1024
_AUTHOR_LIMIT = 64

#: Start of the words that sametag writes if Helm died before it could.
LEFT = "Left in the middle: "

#: Start of the words of an upgrade to a tag whose revisions were pruned.
BACK = "Back to an older tag: "

_TIME = "%Y-%m-%dT%H:%M:%SZ"

_NOTE = re.compile(
    r"(?:^| )\((?P<verified>verified )?(?:tag (?P<tag>[\w.-]+) )?(?:(?P<digest>sha\d+:[0-9a-f]+) )?"
    r"(?:by (?P<who>[^\s()]+) )?at (?P<when>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)\)(?:: (?P<why>.+))?\Z",
    re.ASCII | re.DOTALL,
)

# The CI systems' names of the person who started the job; Jenkins' needs its build user plugin.
_AUTHORS = ("SAMETAG_USER", "GITHUB_ACTOR", "GITLAB_USER_LOGIN", "BUILD_USER_ID")


class Note(NamedTuple):
    """The parts of a description.

    Attributes:
        words: Helm's, such as `Upgrade complete`.
        when: The time of the note; None if there is none, and then all fields below are empty.
        verified: Whether every pod of every service was seen ready on the tag.
        tag: The tag that they were seen on, or that failed.
        digest: The one digest that the kubelets reported for it.
        who: Who deployed the revision.
        why: The reason that they gave.
    """

    words: str
    when: datetime | None = None
    verified: bool = False
    tag: str = ""
    digest: str = ""
    who: str = ""
    why: str = ""


def parse(description: str) -> Note:
    """Parse a description; one without a note consists of words only."""
    found = _NOTE.search(description)
    if found is None:
        return Note(description)
    try:
        when = datetime.strptime(found["when"], _TIME).replace(tzinfo=UTC)
    except ValueError:
        return Note(description)
    text = {name: value or "" for name, value in found.groupdict().items()}
    return Note(
        words=description[: found.start()],
        when=when,
        verified=bool(text["verified"]),
        tag=text["tag"],
        digest=text["digest"],
        who=text["who"],
        why=text["why"],
    )


def text(note: Note) -> str:
    """Format a description of limited length that `parse` reads as the same note.

    A note within the words is dropped, because the new note replaces it.
    """
    words = parse(note.words).words[:_WORDS_LIMIT].rstrip()
    if note.when is None:
        return words
    parts = (
        "verified" if note.verified else "",
        f"tag {note.tag}" if note.tag else "",
        note.digest,
        f"by {_one_word(note.who)}" if note.who else "",
        f"at {note.when.astimezone(UTC).strftime(_TIME)}",
    )
    told = f"({' '.join(part for part in parts if part)})"
    why = " ".join(utf_8(note.why).split())[:REASON_LIMIT]
    return (f"{words} {told}" if words else told) + (f": {why}" if why else "")


def _one_word(name: str) -> str:
    return re.sub(r"[\s()]+", "-", name)[:_AUTHOR_LIMIT]


def author() -> str:
    """Return the deployer: SAMETAG_USER, the person that the CI system names, or user@host."""
    for variable in _AUTHORS:
        if os.environ.get(variable):
            return utf_8(os.environ[variable])
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        user = str(os.getuid())
    return utf_8(f"{user}@{socket.gethostname()}")
