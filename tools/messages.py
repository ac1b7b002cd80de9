"""Write every text that sametag can print to build/messages.md, for an editor: python tools/messages.py.

A text is a string of more than one word that is not a docstring; {…} is a value. The chart's are those of `fail`.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
_PAGE = ROOT / "build/messages.md"
_FAIL = re.compile(r'(?:fail|printf) (?:\(printf )?"((?:[^"\\]|\\.)*)"')
_WORDS = re.compile(r"[A-Za-z]{2,}\W+[A-Za-z]{2,}|\w+ \{…\}|\{…\}:? \w+")


def main() -> None:
    """Write the page."""
    sections = [
        *(_section(file, texts(file.read_text(encoding="utf-8"))) for file in _files("helper/sametag", "*.py")),
        *(_section(file, _fails(file.read_text(encoding="utf-8"))) for file in _files("chart/templates", "*.*")),
    ]
    _PAGE.parent.mkdir(exist_ok=True)
    _PAGE.write_text("# Messages\n" + "".join(sections), encoding="utf-8")
    print(_PAGE.relative_to(ROOT))


def _files(folder: str, pattern: str) -> list[Path]:
    return sorted((ROOT / folder).rglob(pattern))


def _section(file: Path, lines: Iterator[tuple[int, str]]) -> str:
    rows = [f"- {number}: {' '.join(text.split())}" for number, text in lines]
    return f"\n## {file.relative_to(ROOT)}\n\n" + "\n".join(rows) + "\n" if rows else ""


def texts(source: str) -> Iterator[tuple[int, str]]:
    """Yield the line and the text of each message in a module, from top to bottom."""
    tree = ast.parse(source)
    inner = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)}
    inner |= {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    rows = []
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            rows.append((node.lineno, _text(node)))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inner:
            rows.append((node.lineno, node.value))
    yield from sorted((number, text) for number, text in rows if _WORDS.search(text))


def _text(joined: ast.JoinedStr) -> str:
    return "".join(str(part.value) if isinstance(part, ast.Constant) else "{…}" for part in joined.values)


def _fails(template: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(template.splitlines(), 1):
        yield from ((number, match[1]) for match in _FAIL.finditer(line) if _WORDS.search(match[1]))


if __name__ == "__main__":
    main()
