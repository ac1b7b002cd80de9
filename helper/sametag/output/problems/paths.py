"""What the formats of other systems need of a problem: a path in the repository, and an identity that lasts."""

from __future__ import annotations

import os
from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sametag.values import Problem


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
