"""Text of others is shown as what it is: it moves no cursor, turns no letters around, and hides none."""

from __future__ import annotations

import pytest

from sametag.output.plain import plain


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m \x1b]0;title\x07text\r", "red text"),
        ("\u202eevil\u202c", r"\u202eevil\u202c"),
        ("\u2066a\u2069\u2067b\u2068", r"\u2066a\u2069\u2067b\u2068"),
        ("a\u200eb\u200fc\u061c", r"a\u200eb\u200fc\u061c"),
        ("no\u200bwhere\ufeff\u00ad", r"no\u200bwhere\ufeff\xad"),
        ("one\u2028two\u2029", r"one\u2028two\u2029"),
        ("tag\U000e0041", r"tag\U000e0041"),
        ("\udce9", r"\udce9"),
        ("a\tb", "a\tb"),
    ],
)
def test_what_turns_or_hides_text_is_spelt_out(text: str, shown: str) -> None:
    assert plain(text) == shown


@pytest.mark.parametrize(
    "text", ["\u05e9\u05dc\u05d5\u05dd", "\U0001f469\u200d\U0001f680", "\u0645\u06cc\u200c\u062e", "caf\u00e9 \u4e2d"]
)
def test_what_people_write_stays(text: str) -> None:
    assert plain(text) == text
