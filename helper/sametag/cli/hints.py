"""Which flag or command was meant, where one was given that is not there: most come from Helm's habits."""

from __future__ import annotations

import difflib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

# Helm's and kubectl's words for our commands.
_COMMANDS = {"delete": "uninstall", "lint": "validate", "template": "render", "undo": "rollback", "get": "status"}

_WAITS = "leave it out: sametag always waits until every service is ready"
_GOES_BACK = "leave it out: a failed upgrade goes back by itself; --no-rollback turns that off"
_KEEPS = "leave it out: without -f the values of the release are kept, with -f they are replaced"
_FORCES = "--take-over overwrites what others have changed"

# Flags of Helm -> what does the same here; {value} is what was given with it.
_FLAGS = {
    "--atomic": _GOES_BACK,
    "--rollback-on-failure": _GOES_BACK,
    "--cleanup-on-fail": "leave it out: nothing of a failed upgrade is left",
    "--wait": _WAITS,
    "--wait-for-jobs": _WAITS,
    "--reuse-values": _KEEPS,
    "--reset-values": _KEEPS,
    "--reset-then-reuse-values": _KEEPS,
    "--force": _FORCES,
    "--force-conflicts": _FORCES,
    "--force-replace": _FORCES,
    "--take-ownership": _FORCES,
    "--context": "--kube-context {value} chooses the context of the kubeconfig",
    "--kube-apiserver": "set HELM_KUBEAPISERVER",
    "--kube-as-group": "set HELM_KUBEASGROUPS",
    "--kube-as-user": "set HELM_KUBEASUSER",
    "--kube-ca-file": "set HELM_KUBECAFILE",
    "--kube-insecure-skip-tls-verify": "set HELM_KUBEINSECURE_SKIP_TLS_VERIFY",
    "--kube-tls-server-name": "set HELM_KUBETLS_SERVER_NAME",
    "--kube-token": "set HELM_KUBETOKEN",
}

# The same flag means another thing, or another flag, in another command.
_BACK = {
    "--tag": "--to-tag {value} goes back to the newest good revision with this tag",
    "--version": "--to-tag {value} goes back to a tag, --to-revision to a revision",
    "--revision": "--to-revision {value} goes back to this revision",
    **dict.fromkeys(("--force", "--force-conflicts"), "leave it out: going back overwrites what others have changed"),
}
_FORTH = {
    "--to-tag": "--tag {value} chooses the tag; --to-tag is a flag of sametag rollback",
    "--to-revision": "--to-revision is a flag of sametag rollback",
    "--revision": "--to-revision is a flag of sametag rollback",
    "--image": "--tag chooses the tag, --set-string image.repository=… the image",
    "--image-tag": "--tag {value} chooses the tag",
}
_OF_COMMAND = {"rollback": _BACK, "upgrade": _FORTH, "install": _FORTH}


def for_unknown(command: str, words: Sequence[str], flags: Collection[str]) -> str:
    """Return what is wrong with words that a command does not have, and what was meant.

    Args:
        command: The command's name.
        words: As they stand in the command line; what a flag was given with may be among them.
        flags: All that the command has.
    """
    first = words[0]
    if not first.startswith("-"):
        return f"{first} is not expected: {_for_word(command, first)}"
    flag, _, value = first.partition("=")
    value = value or next(iter(words[1:2]), "")
    value = "" if value.startswith("-") else value
    hint = _for_flag(command, flag, value, flags)
    return f"there is no {flag}{': ' if hint else ''}{hint}"


def _for_flag(command: str, flag: str, value: str, flags: Collection[str]) -> str:
    hint = _OF_COMMAND.get(command, {}).get(flag) or _FLAGS.get(flag)
    # A flag that the hint names has to be one of this command, or said to be another's.
    if hint and (not hint.startswith("--") or hint.split()[0] in flags or "is a flag of" in hint):
        return " ".join(hint.format(value=value).split())
    near = difflib.get_close_matches(flag, [known for known in flags if known.startswith("--")], 1)
    return f"did you mean {near[0]}?" if near else ""


def _for_word(command: str, word: str) -> str:
    if command == "rollback":
        flag, what = ("--to-revision", "revision") if word.isdecimal() else ("--to-tag", "tag")
        return f"{flag} {word} goes back to this {what}"
    if command not in ("install", "upgrade", "diff", "render"):
        return "one release at a time"
    if word.endswith((".yaml", ".yml", ".json")):
        return f"-f {word} gives a values file"
    if "=" in word:
        return f"--set {word} sets a value"
    # pathlib takes 8 ms to import.
    there = os.path.exists(word)  # noqa: PTH110
    if there or word.startswith(("oci:", "http:", "https:", "./", "../")) or word.endswith(".tgz"):
        return f"--chart {word} chooses a chart; without it that is the one of sametag"
    return f"--tag {word} chooses the tag of every service"


def for_command(word: str, names: Collection[str]) -> str:
    """Return which command was meant; empty where none is near."""
    near = difflib.get_close_matches(word, names, 1)
    meant = _COMMANDS.get(word) or (near[0] if near else None)
    return f"did you mean sametag {meant}?" if meant else ""
