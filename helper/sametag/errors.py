"""Errors for the user.

Every error that a user can cause or fix is a `SametagError`: one line with the cause, a remedy if there is one, and the
exit code of the command. Anything else that reaches the command line is a bug and exits with 70.
"""

from __future__ import annotations

from typing import ClassVar

from sametag.masking import masked


class SametagError(Exception):
    """Base class of every error that sametag raises on purpose.

    Args:
        message: One line, lower case, no full stop; says what is wrong.
        remedy: What to try, one line; None if there is no advice.
    """

    exit_code: ClassVar[int] = 70

    def __init__(self, message: str, remedy: str | None = None) -> None:
        # Messages may quote the cluster, Helm or the user, and end up in the logs of a CI job.
        self.message = masked(message)
        self.remedy = masked(remedy) if remedy else remedy
        super().__init__(self.message)


class ValuesError(SametagError):
    """The values cannot be read, or the schema rejects them."""

    exit_code = 1


class UsageError(SametagError):
    """The command line asks for something that cannot be done."""

    exit_code = 2


class HelmError(SametagError):
    """Helm is missing, too old, or failed."""

    exit_code = 3


class ClusterError(SametagError):
    """The cluster cannot be reached, or rejected a request."""

    exit_code = 3


class RolloutError(SametagError):
    """A rollout failed; the message says what runs now."""

    exit_code = 4


class LockedError(SametagError):
    """Another client is changing the release, or died while it was."""

    exit_code = 7


class InterruptedByUserError(SametagError):
    """The user pressed Ctrl-C, or the process was told to end."""

    exit_code = 130
