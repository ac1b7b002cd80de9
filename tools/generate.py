"""Write every generated file, or say which one drifted: python tools/generate.py [--check].

Environment:
    SAMETAG_HELM4, SAMETAG_HELM3: The two Helms that render the examples; both must say the same.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING

import cli_reference
import events_schema
import examples
import goldens
import reference
import rules_reference
import schemas
from goldens import ROOT

if TYPE_CHECKING:
    from pathlib import Path

# What each of them is made from comes before it: the examples are validated against the schema.
SCHEMA = ROOT / "chart/values.schema.json"
_FORMATS = ROOT / "docs/reference/formats.md"


def main() -> int:
    """Return the exit code."""
    parser = argparse.ArgumentParser(description="Write every generated file.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where a file would change")
    check: bool = parser.parse_args().check
    drifted = [path for path, text in _texts().items() if _drifts(path, text, check=check)]
    # Made after the schema is written, since Helm and sametag validate with it.
    if not (check and drifted):
        texts = {**goldens.render_all(), _FORMATS: examples.refreshed(_FORMATS)}
        drifted += [path for path, text in texts.items() if _drifts(path, text, check=check)]
    for path in drifted:
        print(f"{path.relative_to(ROOT)}: {'drifted; make generate writes it' if check else 'written'}")
    return 1 if check and drifted else 0


def _texts() -> dict[Path, str]:
    described = schemas.full()
    return {
        SCHEMA: _json(schemas.without_descriptions(described)),
        ROOT / "docs/reference/values.schema.json": _json(described),
        ROOT / "docs/reference/values.md": reference.page(described),
        ROOT / "docs/reference/cli.md": cli_reference.page(),
        ROOT / "docs/reference/events.schema.json": _json(events_schema.schema()),
        ROOT / "docs/reference/rules.md": rules_reference.page(),
        ROOT / "chart/README.md": reference.readme(described),
    }


def _json(schema: schemas.Schema) -> str:
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


def _drifts(path: Path, text: str, *, check: bool) -> bool:
    same = path.is_file() and path.read_text(encoding="utf-8") == text
    if not same and not check:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return not same


if __name__ == "__main__":
    try:
        sys.exit(main())
    except goldens.HelmError as error:
        sys.exit(str(error))
