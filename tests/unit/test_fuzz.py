"""Whatever values hold, they are read and checked without a traceback, and what is wrong is said in one line each.

The cases are the same on every run, unless SEED is given; EXAMPLES is how many of each kind. `make fuzz` looks further.
"""

from __future__ import annotations

import os
from typing import Any

from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from mangled import FILES, OPTIONS, check_expressions, check_file

_SEED = os.environ.get("SEED")
# What YAML, Helm and our schema treat in a way of its own.
_PIECES = [
    *":-?,[]{}#&*!|>'\"%@`~\\",
    *("\n", "\n\n", "\r\n", "\t", " ", "  ", "    ", "\ufeff", "\x85", "\u2028", "\0", "\x07", "é", "😀", "\ud7ff"),
    *(
        ": ",
        "- ",
        "---\n",
        "...\n",
        "%YAML 1.1\n",
        "&a ",
        "*a",
        "<<: *a\n",
        "!!binary ",
        "!!int ",
        "! ",
        "|2-\n",
        ">+\n",
    ),
    *("null", "yes", "0x", "0o7", "1e3", "1_0", "1.10", ".inf", ".nan", "2024-01-01", "12e4567", "9" * 30, "\\ud800"),
    *("image", "tag", "repository", "services", "defaults", "web", "command", "probes", "ports", "env", "replicas"),
]
_EXPRESSION = [*"=.,[]{}\\\"' ", "a", "b[0]", "[1]", "[-1]", "[99999]", "null", "1", "1.5", '{"a":1}', "image.tag"]
_TEXT = st.lists(st.sampled_from(_PIECES), max_size=40).map("".join)


def varied(test: Any) -> Any:
    """Run a test with many inputs: the same ones, or those of SEED."""
    run = settings(
        max_examples=int(os.environ.get("EXAMPLES", "150")),
        derandomize=_SEED is None,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )(test)
    return run if _SEED is None else seed(int(_SEED))(run)


@st.composite
def _mangled(draw: st.DrawFn) -> str:
    """Return a real file in which pieces were cut out, doubled, moved or put in."""
    text = draw(st.sampled_from(FILES)).read_text()
    for _ in range(draw(st.integers(1, 4))):
        begin = draw(st.integers(0, len(text)))
        end = min(len(text), begin + draw(st.integers(0, 30)))
        middle = draw(st.sampled_from([text[begin:end] * 2, ""]) | _TEXT | st.sampled_from(_PIECES))
        text = text[:begin] + middle + text[end:]
    return text


@varied
@given(st.binary(max_size=300))
def test_random_bytes_are_no_traceback(data: bytes) -> None:
    check_file(data)


@varied
@given(_TEXT)
def test_random_pieces_of_yaml_are_no_traceback(text: str) -> None:
    check_file(text.encode())


@varied
@given(_mangled())
def test_real_files_with_random_damage_are_no_traceback(text: str) -> None:
    check_file(text.encode())


@varied
@given(
    st.lists(
        st.tuples(
            st.sampled_from(OPTIONS),
            st.lists(st.sampled_from(_EXPRESSION), max_size=12).map("".join) | st.text(max_size=20),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_random_expressions_are_no_traceback(expressions: list[tuple[str, str]]) -> None:
    check_expressions(expressions)
