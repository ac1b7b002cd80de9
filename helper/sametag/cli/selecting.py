"""Have the user choose the revision that a rollback goes to, from a list on the terminal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from sametag.errors import InterruptedByUserError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sametag.helm import Revision


def refuse_without_terminal() -> None:
    """Refuse to ask where nobody can answer.

    Raises:
        UsageError: Standard input or standard error is not a terminal.
    """
    if not (sys.stdin and sys.stdin.isatty() and sys.stderr and sys.stderr.isatty()):
        raise UsageError("--select needs a terminal", "--to-tag TAG or --to-revision N says which revision is meant")


def select(history: Sequence[Revision]) -> Revision:
    """Show what a rollback can go to, and return what is chosen; an empty line chooses the first.

    Raises:
        InterruptedByUserError: The input ends.
        UsageError: There is nothing to choose from.
    """
    from sametag.helm import choices
    from sametag.output.history import choices_table

    found = choices(history) if history else []
    if not found:
        raise UsageError("there is nothing to go back to: no other revision was deployed")
    print("\n".join(choices_table(history, found)), file=sys.stderr)
    while True:
        print(f"which one, 1 to {len(found)}? [1] ", end="", file=sys.stderr, flush=True)
        line = sys.stdin.readline()
        if not line:
            raise InterruptedByUserError("nothing was chosen, and nothing was changed")
        answer = line.strip() or "1"
        if answer.isascii() and answer.isdigit() and 1 <= int(answer) <= len(found):
            return found[int(answer) - 1]
