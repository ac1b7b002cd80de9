"""The check of links finds what leads nowhere, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import links

if TYPE_CHECKING:
    from pathlib import Path


def test_every_link_of_the_documentation_has_a_target() -> None:
    assert links.main() == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[a](other.md#a-heading-of-it)", []),
        ("[a](other.md#a-heading-of-it-1) and [b](#here)", []),
        ("[a](https://example.com/#x), [b](mailto:a@example.com)", []),
        ("`[a](nowhere.md)`\n\n    [a](nowhere.md)\n\n```\n[a](nowhere.md)\n```\n", []),
        ("[a](nowhere.md)", ["nowhere.md does not exist"]),
        ("[a](other.md#nothing)", ["other.md#nothing: there is no heading with this anchor"]),
        ('[a](#nothing "title")', ["#nothing: there is no heading with this anchor"]),
    ],
)
def test_a_link_leads_to_a_file_and_a_heading(tmp_path: Path, text: str, expected: list[str]) -> None:
    (tmp_path / "other.md").write_text("# Other\n\n## A heading, of `it`\n\n## A heading of it\n")
    file = tmp_path / "page.md"
    file.write_text(f"# Here\n\n{text}\n")
    assert list(links.broken(file)) == expected
