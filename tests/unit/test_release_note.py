"""What is noted in a revision's description: it reads back as it was written, and nothing else reads as verified."""

from __future__ import annotations

import re
import socket
import string
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sametag.helm.note import REASON_LIMIT, Note, author, parse, text

DIGEST = f"sha256:{'0a' * 32}"
WHEN = datetime(2026, 11, 24, 13, 20, 11, tzinfo=UTC)
TEXT = f"Upgrade complete (verified tag 0.0.6 {DIGEST} by alice@laptop at 2026-11-24T13:20:11Z): the (new) codec"
NOTE = Note("Upgrade complete", WHEN, True, "0.0.6", DIGEST, "alice@laptop", "the (new) codec")  # noqa: FBT003

one_word = st.text(string.ascii_letters + string.digits + "._-@/:", max_size=64)
notes = st.builds(
    Note,
    words=st.text(max_size=200).map(str.rstrip).filter(lambda words: parse(words).when is None),
    when=st.datetimes(datetime(1000, 1, 1), datetime(9999, 1, 1)).map(  # noqa: DTZ001 - hypothesis takes bare ones
        lambda moment: moment.replace(microsecond=0, tzinfo=UTC)
    ),
    verified=st.booleans(),
    tag=st.from_regex(r"\A(?:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?\Z"),
    digest=st.sampled_from(["", DIGEST]),
    who=one_word,
    why=st.text(max_size=REASON_LIMIT).map(lambda why: " ".join(why.split())),
)


def test_the_form_is_the_documented_one() -> None:
    assert text(NOTE) == TEXT
    assert parse(TEXT) == NOTE


@settings(deadline=None)
@given(notes)
def test_a_note_reads_back_as_it_was_written(note: Note) -> None:
    assert parse(text(note)) == note


@settings(deadline=None)
@given(notes, notes)
def test_a_second_note_takes_the_place_of_the_first(first: Note, second: Note) -> None:
    assert parse(text(second._replace(words=text(first)))) == second._replace(words=first.words)


@settings(deadline=None)
@given(st.text())
def test_what_others_wrote_is_all_words(description: str) -> None:
    assert parse(description) == Note(description)


@pytest.mark.parametrize(
    "description",
    [
        "verified tag 0.0.6",
        "(verified)",
        "Upgrade complete (verified tag 0.0.6)",
        "Upgrade complete (verified tag 0.0.6 by alice)",
        TEXT.replace("T13:20:11Z", "T25:20:11Z"),
        TEXT.replace("): ", ") and "),
        TEXT.replace(" (verified", "(verified"),
        TEXT.replace("verified tag", "Verified tag"),
    ],
)
def test_what_is_nearly_a_note_is_none(description: str) -> None:
    assert not parse(description).verified


@settings(deadline=None)
@given(st.text(), st.text(), st.text())
def test_a_note_has_a_bounded_length_and_a_person_stays_one_word(words: str, who: str, why: str) -> None:
    written = text(Note(words * 100, WHEN, tag="0.0.6", who=who * 10, why=why * 50))

    assert len(written) < 1500
    assert parse(written).when == WHEN
    assert re.fullmatch(r"[^\s()]*", parse(written).who)


@pytest.mark.parametrize("variable", ["SAMETAG_USER", "GITHUB_ACTOR", "GITLAB_USER_LOGIN", "BUILD_USER_ID"])
def test_the_author_is_the_person_whom_the_ci_system_names(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    for other in ("SAMETAG_USER", "GITHUB_ACTOR", "GITLAB_USER_LOGIN", "BUILD_USER_ID"):
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv("LOGNAME", "alice")
    assert author() == f"alice@{socket.gethostname()}"

    monkeypatch.setenv(variable, "bob")
    assert author() == "bob"
