"""Look for values that sametag cannot read or check, guided by the code that they reach: python tools/fuzz.py SECONDS.

It needs atheris, which `make fuzz` installs: its wheels are for Linux on x86-64 alone, and no other target wants it.
What breaks is written to build/fuzz/crash-*; `python tools/fuzz.py build/fuzz/crash-…` runs it again.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parents[1] / "tests/support"))
with atheris.instrument_imports(include=["sametag"]):
    from mangled import FILES, OPTIONS, check_expressions, check_file

    # What is imported when it is needed must be watched too.
    for package in ("values", "schema", "output.problems"):
        inside = importlib.import_module(f"sametag.{package}")
        for module in pkgutil.walk_packages(inside.__path__, f"{inside.__name__}."):
            importlib.import_module(module.name)

_FOLDER = Path(__file__).parents[1] / "build/fuzz"
# One input in so many is read as expressions; the first byte says which.
_EXPRESSIONS = 4


def one(data: bytes) -> None:
    """Check one input: a values file, or expressions with a line for each."""
    if data[:1] and data[0] % _EXPRESSIONS == 1:
        lines = data[1:].decode(errors="surrogateescape").split("\n")
        check_expressions([(OPTIONS[number % len(OPTIONS)], line) for number, line in enumerate(lines[:8])])
    else:
        check_file(data[1:])


def main() -> None:
    """Run until the time is over, or until something breaks."""
    corpus = _FOLDER / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, file in enumerate(FILES):
        (corpus / f"seed-{number}").write_bytes(b"\0" + file.read_bytes())
    (corpus / "seed-expressions").write_bytes(b'\1a.b[0]=1,c={x,y}\na=\\,x\na={"b":[1]}\na.b=c\nimage.tag=1.10')
    given = sys.argv[1] if len(sys.argv) > 1 else "60"
    limits = ["-max_len=6000", "-timeout=20", "-rss_limit_mb=2048", f"-artifact_prefix={_FOLDER}/"]
    what = [given] if Path(given).exists() else [f"-max_total_time={given}", "-print_final_stats=1", str(corpus)]
    atheris.Setup([sys.argv[0], *limits, *what], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
