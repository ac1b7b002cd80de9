"""What was checked and what is wrong with it: the data that every format writes."""

from __future__ import annotations

import os
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sametag.values import Location, Problem

# How many files are named that one problem outside of them occurs with.
_NAMED = 3


class Report(NamedTuple):
    """The result of one run.

    Attributes:
        files: The values files that were read, as `Location` names them, each once.
        problems: What is wrong; the same thing only once, however many files it was found with.
    """

    files: tuple[str, ...]
    problems: tuple[Problem, ...]

    def strict(self) -> Report:
        """Return the report with errors for warnings."""
        return self._replace(problems=tuple(problem._replace(severity="error") for problem in self.problems))


def collect(checked: Iterable[tuple[Sequence[str], Iterable[Problem]]]) -> Report:
    """Put together what was found in one run.

    Args:
        checked: For each set of values its files, and what was found. The last of several files is the set's own; the
            others are what the sets share.
    """
    found: dict[Problem, list[str]] = {}
    files: dict[str, None] = {}
    count = 0
    for count, (names, problems) in enumerate(checked, start=1):  # noqa: B007 - it is read below
        files |= dict.fromkeys(names)
        for problem in problems:
            found.setdefault(problem, []).extend(names[-1:])
    problems = (problem if len(names) in (0, count) else _with(problem, names) for problem, names in found.items())
    return Report(tuple(files), tuple(problems))


def _with(problem: Problem, names: Sequence[str]) -> Problem:
    """Say of a problem in what the files share which of them it occurs with."""
    if problem.location and problem.location.source in names:
        return problem
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return problem._replace(message=f"{problem.message} (with {', '.join(names[:_NAMED])}{more})")


def file_of(location: Location | None) -> str | None:
    """Return the file of a location; None for standard input, an expression, and where nothing is known."""
    if location is None or location.option or location.source.startswith("<"):
        return None
    return location.source


def place(location: Location | None) -> str:
    """Return a location as people and editors read it, such as `values.yaml:3:5`; empty where nothing is known."""
    if location is None:
        return ""
    source = printable(location.source)
    return source if location.line is None else f"{source}:{location.line}:{location.column}"


def printable(text: str) -> str:
    """Escape what would move the cursor, or cannot be encoded: keys and file names may hold anything."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def counted(problems: Sequence[Problem]) -> str:
    """Count problems, such as `2 errors, 1 warning`."""
    errors = sum(problem.severity == "error" for problem in problems)
    counts = ((errors, "error"), (len(problems) - errors, "warning"))
    return ", ".join(f"{count} {what}{'s' * (count != 1)}" for count, what in counts if count) or "no problems"


# Where the repository is in a job of GitHub Actions and of GitLab CI, whatever folder a step works in.
_ROOTS = ("GITHUB_WORKSPACE", "CI_PROJECT_DIR")


def in_repository(file: str) -> str:
    """Return a path relative to the repository, outside of CI to the working directory; one beyond is absolute."""
    root = next((os.environ[name] for name in _ROOTS if os.environ.get(name)), os.curdir)
    relative = os.path.relpath(file, root)
    return os.path.abspath(file) if relative.startswith("..") else relative  # noqa: PTH100 - links stay


def fingerprints(problems: Sequence[Problem]) -> Iterator[str]:
    """Yield for each problem a hash that stays the same when its line moves, and differs from all others."""
    seen: dict[tuple[str, ...], int] = {}
    for problem in problems:
        source = problem.location.source if problem.location else ""
        # What is wrong with a whole file has no path; its words are all that it has.
        identity = (problem.rule, source, problem.path or problem.message)
        number = seen[identity] = seen.get(identity, -1) + 1
        yield sha256("\0".join((*identity, str(number))).encode(errors="surrogatepass")).hexdigest()
