"""The examples: what is committed beside each values.yaml is what both Helms render."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import goldens
from rendering import BOTH_HELMS

if TYPE_CHECKING:
    from pathlib import Path

    from rendering import Chart

CASES = goldens.cases()


def test_there_are_examples() -> None:
    assert len(CASES) >= 12


@BOTH_HELMS
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_an_example_renders_what_is_committed(render: Chart, case: Path) -> None:
    ran = render.template(case.name, case / "values.yaml", "--namespace", case.name)
    assert ran.returncode == 0, ran.stderr
    assert (case / "rendered.yaml").read_text() == goldens.evened(ran.stdout)


def test_the_first_file_a_user_copies_is_the_sample_applications() -> None:
    root = goldens.ROOT
    assert (root / "values.example.yaml").read_bytes() == (root / "examples/gifinator/values.yaml").read_bytes()
