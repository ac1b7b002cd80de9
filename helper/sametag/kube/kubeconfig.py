"""Read kubeconfigs, and merge them as client-go does.

Source: https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/ and
k8s.io/client-go/tools/clientcmd
"""

from __future__ import annotations

import base64
import binascii
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from sametag.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Settings = dict[str, Any]

# Setting -> the function that checks its value, given its path for messages and the directory of the kubeconfig.
_Checks = dict[str, "Callable[[str, Any, Path], Any]"]

_DEFAULT = "~/.kube/config"

# Far above every real one; an endless device must not fill the memory.
_SIZE_LIMIT = 16 * 1024 * 1024


class _Loader(yaml.SafeLoader):
    """Reads a date as a string, as Go does."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


class Entry(NamedTuple):
    """A cluster, a context or a user as it was written, and the folder that its paths are relative to."""

    settings: Settings
    folder: Path


class Kubeconfig(NamedTuple):
    """The kubeconfigs, merged.

    Attributes:
        current_context: Empty if none is set.
        clusters, contexts, users: By name.
        sources: The paths that were tried, for messages.
        found: Whether one of them exists.
    """

    current_context: str
    clusters: dict[str, Entry]
    contexts: dict[str, Entry]
    users: dict[str, Entry]
    sources: tuple[str, ...]
    found: bool


def read(explicit: str | None) -> Kubeconfig:
    """Read the kubeconfig of `--kubeconfig`, else those of KUBECONFIG, else ~/.kube/config.

    Raises:
        ClusterError: A file cannot be read, or the file of `--kubeconfig` does not exist.
    """
    files = _files(explicit)
    documents = [document for path in files if (document := _read(path, needed=bool(explicit))) is not None]
    current = next((name for document in documents if (name := document["current-context"])), "")
    clusters: dict[str, Entry] = {}
    contexts: dict[str, Entry] = {}
    users: dict[str, Entry] = {}
    # The first file that defines a name takes precedence.
    for document in reversed(documents):
        clusters |= document["clusters"]
        contexts |= document["contexts"]
        users |= document["users"]
    return Kubeconfig(current, clusters, contexts, users, tuple(map(str, files)), found=bool(documents))


def _files(explicit: str | None) -> list[Path]:
    names = [explicit] if explicit else [name for name in os.environ.get("KUBECONFIG", "").split(os.pathsep) if name]
    # Not Path.expanduser: it raises if the user has no home directory.
    return [Path(os.path.expanduser(name)) for name in dict.fromkeys(names or [_DEFAULT])]  # noqa: PTH111


def _read(path: Path, *, needed: bool) -> Settings | None:
    """Return the parts of a kubeconfig; None if an optional file does not exist."""
    try:
        with path.open("rb") as file:
            content = file.read(_SIZE_LIMIT + 1)
    except (FileNotFoundError, NotADirectoryError) as error:
        if needed:
            raise _refusal(path, "no such file") from error
        return None
    except (OSError, ValueError) as error:
        raise _refusal(path, getattr(error, "strerror", None) or str(error)) from error
    if len(content) > _SIZE_LIMIT:
        raise _refusal(path, f"it is larger than {_SIZE_LIMIT // 1024 // 1024} MiB")
    document = _parse(path, content)
    if document is None:
        document = {}
    if not isinstance(document, dict):
        raise _refusal(path, f"it must be a map, got {_kind(document)}")
    current = document.get("current-context")
    if not isinstance(current, str | None):
        raise _refusal(path, f"current-context must be a string, got {_kind(current)}")
    parts: Settings = {f"{kind}s": _entries(path, document, kind) for kind in ("cluster", "context", "user")}
    return {"current-context": current or "", **parts}


def _parse(path: Path, content: bytes) -> Any:
    try:
        return yaml.load(content.decode("utf-8-sig"), _Loader)  # noqa: S506 - a SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f"line {mark.line + 1}: " if mark else ""
        raise _refusal(path, f"{line}{error.problem or error.context}") from error
    except RecursionError as error:
        raise _refusal(path, "it is nested too deeply") from error
    except UnicodeDecodeError as error:
        raise _refusal(path, "it is not UTF-8") from error
    # PyYAML passes on Python's errors if a tag does not fit its text (!!int x).
    except (yaml.YAMLError, ValueError, LookupError, TypeError, AttributeError, OverflowError) as error:
        raise _refusal(path, (str(error).splitlines() or [type(error).__name__])[0]) from error


def _entries(path: Path, document: Settings, kind: str) -> dict[str, Entry]:
    """Return the entries of `clusters`, `contexts` or `users` by name."""
    entries = document.get(f"{kind}s")
    if entries is None:
        return {}
    if not isinstance(entries, list):
        raise _refusal(path, f"{kind}s must be a list, got {_kind(entries)}")
    named: dict[str, Entry] = {}
    for number, entry in enumerate(entries):
        where = f"{kind}s[{number}]"
        if not isinstance(entry, dict):
            raise _refusal(path, f"{where} must be a map, got {_kind(entry)}")
        name, settings = entry.get("name"), entry.get(kind)
        if not isinstance(name, str):
            raise _refusal(path, f"{where}.name must be a string, got {_kind(name)}")
        if not isinstance(settings, dict | None):
            raise _refusal(path, f"{where}.{kind} must be a map, got {_kind(settings)}")
        if name in named:
            raise _refusal(path, f"{kind}s has {name!r} twice")
        named[name] = Entry(settings or {}, path.parent.absolute())
    return named


def _refusal(path: Path, reason: str) -> ClusterError:
    return ClusterError(f"cannot read the kubeconfig {path}: {reason}", "--kubeconfig and KUBECONFIG choose another")


def _kind(value: Any) -> str:
    kinds: dict[type, str] = {
        type(None): "null",
        bool: "a boolean",
        int: "a number",
        float: "a number",
        str: "a string",
        list: "a list",
        dict: "a map",
    }
    return kinds.get(type(value), f"a {type(value).__name__}")


def cluster_settings(name: str, cluster: Entry) -> Settings:
    """Return a cluster's settings that are set, checked; paths are absolute.

    Raises:
        ClusterError: One has the wrong type.
    """
    return _checked(f"cluster {name!r}", cluster.settings, _CLUSTER, cluster.folder)


def user_settings(name: str, user: Entry) -> Settings:
    """Return a user's settings that are set, checked; see `cluster_settings`."""
    return _checked(f"user {name!r}", user.settings, _USER, user.folder)


def context_settings(name: str, context: Entry) -> Settings:
    """Return a context's settings that are set, checked; see `cluster_settings`."""
    return _checked(f"context {name!r}", context.settings, _CONTEXT, context.folder)


def _checked(where: str, settings: Settings, known: _Checks, folder: Path) -> Settings:
    """Return the known settings that have a value: what is empty counts as absent, as in Go."""
    read = {key: check(f"{where}: {key}", settings[key], folder) for key, check in known.items() if key in settings}
    return {key: value for key, value in read.items() if value}


def _mistake(where: str, wanted: str, value: Any) -> ClusterError:
    return ClusterError(f"the kubeconfig's {where} must be {wanted}, got {_kind(value)}")


def _string(where: str, value: Any, _: Path) -> str:
    if not isinstance(value, str | None):
        raise _mistake(where, "a string", value)
    if value and "\0" in value:
        raise ClusterError(f"the kubeconfig's {where} contains a null character")
    return value or ""


def _boolean(where: str, value: Any, _: Path) -> bool:
    if not isinstance(value, bool | None):
        raise _mistake(where, "a boolean", value)
    return bool(value)


def _file(where: str, value: Any, folder: Path) -> str:
    text = _string(where, value, folder)
    return str(folder / text) if text else ""


def _data(where: str, value: Any, folder: Path) -> str:
    """Check base64, as Go reads it."""
    text = _string(where, value, folder).replace("\n", "").replace("\r", "")
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ClusterError(f"the kubeconfig's {where} is not base64") from error
    return text


def _strings(where: str, value: Any, folder: Path) -> list[str]:
    if not isinstance(value, list | None):
        raise _mistake(where, "a list", value)
    return [_string(f"{where}[{number}]", item, folder) for number, item in enumerate(value or ())]


def _string_lists(where: str, value: Any, folder: Path) -> dict[str, list[str]]:
    return {
        _string(f"{where} key", key, folder): _strings(f"{where}.{key}", items, folder)
        for key, items in _map(where, value, folder).items()
    }


def _map(where: str, value: Any, _: Path) -> Settings:
    if not isinstance(value, dict | None):
        raise _mistake(where, "a map", value)
    return value or {}


def _plugin(where: str, value: Any, folder: Path) -> Settings:
    """Check a credential plugin. Source: k8s.io/client-go/tools/clientcmd/api/v1, ExecConfig."""
    settings = _map(where, value, folder)
    if not settings:
        return {}
    checked = _checked(where, settings, _EXEC, folder)
    if not checked.get("command"):
        raise ClusterError(f"the kubeconfig's {where} has no command")
    if os.sep in checked["command"]:
        checked["command"] = str(folder / checked["command"])
    return checked


def _environment(where: str, value: Any, folder: Path) -> list[Settings]:
    if not isinstance(value, list | None):
        raise _mistake(where, "a list", value)
    variables = []
    for number, item in enumerate(value or ()):
        entry = _map(f"{where}[{number}]", item, folder)
        name = _string(f"{where}[{number}].name", entry.get("name"), folder)
        if not name or "=" in name:
            raise ClusterError(f"the kubeconfig's {where}[{number}].name is not the name of a variable")
        variables.append({"name": name, "value": _string(f"{where}[{number}].value", entry.get("value"), folder)})
    return variables


def _mode(where: str, value: Any, folder: Path) -> str:
    mode = _string(where, value, folder)
    if mode not in ("", "Never", "IfAvailable", "Always"):
        raise ClusterError(f"the kubeconfig's {where} must be Never, IfAvailable or Always, got {mode!r}")
    return mode


def _extensions(where: str, value: Any, folder: Path) -> list[Settings]:
    if not isinstance(value, list | None):
        raise _mistake(where, "a list", value)
    return [_map(f"{where}[{number}]", item, folder) for number, item in enumerate(value or ())]


_CLUSTER: _Checks = {
    "server": _string,
    "tls-server-name": _string,
    "insecure-skip-tls-verify": _boolean,
    "certificate-authority": _file,
    "certificate-authority-data": _data,
    "proxy-url": _string,
    "disable-compression": _boolean,
    "extensions": _extensions,
}

_CONTEXT: _Checks = {"cluster": _string, "user": _string, "namespace": _string}

_USER: _Checks = {
    "client-certificate": _file,
    "client-certificate-data": _data,
    "client-key": _file,
    "client-key-data": _data,
    "token": _string,
    "tokenFile": _file,
    "as": _string,
    "as-uid": _string,
    "as-groups": _strings,
    "as-user-extra": _string_lists,
    "username": _string,
    "password": _string,
    "auth-provider": _map,
    "exec": _plugin,
}

_EXEC: _Checks = {
    "apiVersion": _string,
    "command": _string,
    "args": _strings,
    "env": _environment,
    "installHint": _string,
    "provideClusterInfo": _boolean,
    "interactiveMode": _mode,
}


def names(known: Iterable[str]) -> str:
    """Return names as a message lists them."""
    return ", ".join(sorted(known)) or "none"
