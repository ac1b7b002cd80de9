"""Find words that plain English does not need in docs, the chart and the sources: python tools/words.py."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]

# Word -> what to write in its place.
WORDS = {
    r"[Ww]ithout it\b(?=[,;: ])": "by default",
    r"(?<![Tt]here )\b(?:is|are) no (?!longer\b|more\b|less\b)": "is not a",
    r"\b[Ww]hom\b": "who, or another sentence",
    r"\banew\b": "again",
    r"\bsays that\b": "state the fact",
    r"\b(?:has|have) not (?!been\b|\w+(?:ed|en|own)\b)": "does not have",
    r"\bgoes first\b": "takes precedence",
    r"\b[Bb]eside (?!in\b|if\b|else\b)(?=[\w`])": "next to",
    r"\b[Ee]verybody\b": "anyone, or everyone",
    r"\bin the place of\b": "instead of, or replaces",
    r"\bpushed over\b": "pushed again",
    r"\bwithout a word\b": "silently",
    r"\bwhole number": "integer",
    r"\btrue or false\b": "boolean",
    r"\bno matter of\b": "is not",
}
_PATTERN = re.compile("|".join(f"({word})" for word in WORDS))
_KINDS = ("*.md", "*.py", "*.tpl", "*.html", "*.yaml", "*.txt")
_FOLDERS = ("helper", "chart", "docs", "README.md", "CONTRIBUTING.md", "SECURITY.md")
# Written by make generate, from sources that are read here; and this list.
_GENERATED = ("docs/reference/cli.md", "docs/reference/values.md", "docs/reference/rules.md", "chart/README.md")


def main() -> int:
    """Return the exit code."""
    problems = [problem for file in _files() for problem in found(file.read_text(encoding="utf-8"), file)]
    for problem in problems:
        print(problem)
    return 1 if problems else 0


def _files() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z", *_FOLDERS], cwd=ROOT, capture_output=True, text=True, check=True)
    names = [name for name in listed.stdout.split("\0") if name and name not in _GENERATED]
    return [ROOT / name for name in names if (ROOT / name).is_file() and any(Path(name).match(kind) for kind in _KINDS)]


def found(text: str, file: Path) -> Iterator[str]:
    """Yield `file:line: "word": what to write`, for each word of a text."""
    better = list(WORDS.values())
    for number, line in enumerate(text.splitlines(), 1):
        for match in _PATTERN.finditer(line):
            remedy = better[(match.lastindex or 1) - 1]
            yield f'{file.relative_to(ROOT)}:{number}: "{match[0].strip()}": {remedy}'


if __name__ == "__main__":
    sys.exit(main())
