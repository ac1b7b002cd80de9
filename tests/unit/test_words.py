"""The tools for an editor of the texts."""

from __future__ import annotations

from messages import texts
from words import ROOT, found


def test_a_word_of_the_list_is_named_with_its_line_and_what_to_write() -> None:
    text = "A fine line.\nIt is no service, and whom it serves is unknown.\nThis is no longer so.\nBeside Helm.\n"

    assert list(found(text, ROOT / "README.md")) == [
        'README.md:2: "is no": is not a',
        'README.md:2: "whom": who, or another sentence',
        'README.md:4: "Beside": next to',
    ]


def test_messages_are_the_strings_that_are_printed_and_not_the_docstrings() -> None:
    source = '"""A docstring of words."""\nNAME = "name"\nraise Error(f"release {name} does not exist", "try again")\n'

    assert list(texts(source)) == [(3, "release {…} does not exist"), (3, "try again")]
