"""Which flag or command was meant by an unknown one. Most unknown ones are Helm's or kubectl's."""

from __future__ import annotations

import difflib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

# Helm's and kubectl's words for our commands.
_COMMANDS = {"delete": "uninstall", "lint": "validate", "template": "render", "undo": "rollback", "get": "status"}

_WAITS = "not needed: sametag always waits until every service is ready"
_ROLLS_BACK = "not needed: a failed upgrade is rolled back; --keep-failed turns that off"
_KEEPS = "not needed: the release keeps its values unless -f replaces them"
_OVERWRITES = "--take-over overwrites changes that were made outside of Helm"

# Flags of Helm -> what does the same here; {value} is what was given with it.
_FLAGS = {
    "--atomic": _ROLLS_BACK,
    "--rollback-on-failure": _ROLLS_BACK,
    "--cleanup-on-fail": "not needed: nothing of a failed upgrade is left",
    "--wait": _WAITS,
    "--wait-for-jobs": _WAITS,
    "--reuse-values": _KEEPS,
    "--reset-values": _KEEPS,
    "--reset-then-reuse-values": _KEEPS,
    "--force": _OVERWRITES,
    "--force-conflicts": _OVERWRITES,
    "--force-replace": _OVERWRITES,
    "--take-ownership": _OVERWRITES,
    "--format": "use -o {value}",
    "--no-rollback": "use --keep-failed",
    "--fail-fast": "use --no-fail-fast to wait for --timeout",
    "--context": "use --kube-context {value}",
    "--kube-apiserver": "set HELM_KUBEAPISERVER",
    "--kube-as-group": "set HELM_KUBEASGROUPS",
    "--kube-as-user": "set HELM_KUBEASUSER",
    "--kube-ca-file": "set HELM_KUBECAFILE",
    "--kube-insecure-skip-tls-verify": "set HELM_KUBEINSECURE_SKIP_TLS_VERIFY",
    "--kube-tls-server-name": "set HELM_KUBETLS_SERVER_NAME",
    "--kube-token": "set HELM_KUBETOKEN",
}

# The same flag has another meaning, or another name, in some commands.
_BACK = {
    "--tag": "use --to-tag {value} to go back to the newest good revision with this tag",
    "--version": "use --to-tag {value} or --to-revision",
    "--revision": "use --to-revision {value}",
    **dict.fromkeys(("--force", "--force-conflicts"), "not needed: a rollback overwrites changes made outside of Helm"),
}
_FORTH = {
    "--to-tag": "use --tag {value}; --to-tag is a flag of sametag rollback",
    "--to-revision": "it is a flag of sametag rollback",
    "--revision": "--to-revision is a flag of sametag rollback",
    "--image": "use --tag for the tag, or --set-string image.repository=… for the image",
    "--image-tag": "use --tag {value}",
}
_OF_COMMAND = {"rollback": _BACK, "upgrade": _FORTH, "install": _FORTH}


def for_unknown(command: str, words: Sequence[str], flags: Collection[str]) -> str:
    """Return what is wrong with words that a command does not have, and what was meant.

    Args:
        command: The command's name.
        words: The rest of the command line, from the first unknown word on.
        flags: The command's flags.
    """
    first = words[0]
    if not first.startswith("-"):
        return f"unexpected argument {first}; {_for_word(command, first)}"
    flag, _, value = first.partition("=")
    value = value or next(iter(words[1:2]), "")
    value = "" if value.startswith("-") else value
    hint = _for_flag(command, flag, value, flags)
    return f"unknown flag {flag}{'; ' if hint else ''}{hint}"


def _for_flag(command: str, flag: str, value: str, flags: Collection[str]) -> str:
    hint = _OF_COMMAND.get(command, {}).get(flag) or _FLAGS.get(flag)
    if hint and _applies(hint, flags):
        return " ".join(hint.format(value=value).split())
    near = difflib.get_close_matches(flag, [known for known in flags if known.startswith("--")], 1)
    return f"did you mean {near[0]}?" if near else ""


def _applies(hint: str, flags: Collection[str]) -> bool:
    """Whether the first flag in a hint belongs to the command, or the hint names another command for it."""
    named = next((word.strip(";") for word in hint.split() if word.startswith("-")), None)
    return named is None or named in flags or "is a flag of" in hint


def _for_word(command: str, word: str) -> str:
    if command == "rollback":
        return f"did you mean {'--to-revision' if word.isdecimal() else '--to-tag'} {word}?"
    if command not in ("install", "upgrade", "diff", "render"):
        return "give one release at a time"
    if word.endswith((".yaml", ".yml", ".json")):
        return f"did you mean -f {word}?"
    if "=" in word:
        return f"did you mean --set {word}?"
    # pathlib takes 8 ms to import.
    exists = os.path.exists(word)  # noqa: PTH110
    if exists or word.startswith(("oci:", "http:", "https:", "./", "../")) or word.endswith(".tgz"):
        return f"did you mean --chart {word}? (default: sametag's own chart)"
    return f"did you mean --tag {word}?"


def meant_command(word: str, names: Collection[str]) -> str | None:
    """Return which command was meant by an unknown one; None if nothing is close."""
    near = difflib.get_close_matches(word, names, 1)
    return _COMMANDS.get(word) or (near[0] if near else None)
