"""Commands for the user to run next, with the flags that this one was given to find the release."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sametag.deploy.events import Request
    from sametag.helm import Revision


def command(request: Request, verb: str, *words: str) -> str:
    """Return a command of sametag about the same release, in the same namespace of the same cluster."""
    target = request.target
    where = {"-n": target.namespace, "--kube-context": target.context, "--kubeconfig": target.kubeconfig}
    flags = [word for flag, value in where.items() if value for word in (flag, value)]
    return shlex.join(["sametag", verb, request.release, *flags, *words])


def kubectl_delete(request: Request, namespace: str, *objects: str) -> str:
    """Return the command of kubectl that deletes these objects, each `kind/name`, in the same cluster."""
    target = request.target
    where = {"-n": namespace, "--context": target.context, "--kubeconfig": target.kubeconfig}
    flags = [word for flag, value in where.items() if value for word in (flag, value)]
    return shlex.join(["kubectl", "delete", *(name.lower() for name in objects), *flags])


def rollback_to(request: Request, to: Revision) -> str:
    """Return the command that goes back to a revision."""
    words = ("--to-tag", to.tag) if to.tag else ("--to-revision", str(to.number))
    return command(request, "rollback", *words)
