"""The page for users of other charts and tools."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/how-to/coming-from.md").read_text()
SCHEMA = json.loads((ROOT / "docs/reference/values.schema.json").read_text())
ROW = re.compile(r"^\| .+ \| (.+) \|$", re.MULTILINE)


def settings() -> list[str]:
    """Return the settings in the last column; flags and values are left out."""
    words = (word for cell in ROW.findall(PAGE) for word in re.findall(r"`([^`]+)`", cell))
    return [word.partition(":")[0] for word in words if not word.startswith("-")]


def parts(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a schema with what it refers to."""
    if reference := schema.get("$ref"):
        yield from parts(SCHEMA["definitions"][reference.rpartition("/")[2]])
    for part in schema.get("allOf", ()):
        yield from parts(part)
    yield schema


def has(schema: dict[str, Any], path: list[str]) -> bool:
    """Whether a schema has a setting; any name is a key of a map without fixed keys."""
    if not path:
        return True
    for part in parts(schema):
        known = part.get("properties", {}).get(path[0], part.get("additionalProperties"))
        if isinstance(known, dict) and has(known, path[1:]):
            return True
    return False


@pytest.mark.parametrize("setting", settings())
def test_each_setting_that_the_page_names_is_one_of_the_chart(setting: str) -> None:
    path = setting.split(".")

    assert has(SCHEMA, path) or has(SCHEMA, ["services", "web", *path])


def test_a_setting_that_the_chart_does_not_have_is_found() -> None:
    assert len(settings()) > 40
    assert not has(SCHEMA, ["services", "web", "persistence"])
