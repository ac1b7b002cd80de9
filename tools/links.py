"""Check that every relative link in the Markdown files has a target, anchors included: python tools/links.py."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
# Code is no place for links; a title may stand after the target.
_CODE = re.compile(r"^(```|~~~).*?^\1|^(?: {4}|\t).*?$|`[^`\n]*`", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\)")
_ELSEWHERE = re.compile("[a-z][a-z0-9+.-]*:")


def main() -> int:
    """Return the exit code."""
    found = [f"{file.relative_to(ROOT)}: {problem}" for file in _files() for problem in broken(file)]
    for line in found:
        print(line)
    return 1 if found else 0


def _files() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def broken(file: Path) -> Iterator[str]:
    """Yield what is wrong with each link of a file that leads nowhere."""
    for target in _LINK.findall(_CODE.sub("", file.read_text(encoding="utf-8"))):
        if _ELSEWHERE.match(target):
            continue
        path, _, anchor = target.partition("#")
        there = (file.parent / path) if path else file
        if not there.exists():
            yield f"{target} does not exist"
        elif anchor and there.suffix == ".md" and anchor not in anchors(there):
            yield f"{target}: there is no heading with this anchor"


def anchors(file: Path) -> set[str]:
    """Return the anchors of a file's headings, as GitHub makes them: a second one of a name gets a number."""
    text = re.sub(r"^(```|~~~).*?^\1", "", file.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    found: dict[str, int] = {}
    made = set()
    for heading in re.findall(r"^#{1,6} +(.+?) *#*$", text, re.MULTILINE):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", words).strip().replace(" ", "-")
        number = found.get(slug, 0)
        found[slug] = number + 1
        made.add(f"{slug}-{number}" if number else slug)
    return made


if __name__ == "__main__":
    sys.exit(main())
