"""Rules about the content of ConfigMaps, Secrets and environment variables."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sametag.chart.service import listed, mapping, maps, string
from sametag.validation.finding import RuleHit
from sametag.validation.rules.variables import environments

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sametag.chart.service import Service
    from sametag.values import Path

# https://kubernetes.io/docs/concepts/configuration/secret/#secret-types
_KEYS_OF_TYPES = {
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
}
# https://kubernetes.io/docs/concepts/configuration/configmap/#motivation
_LARGEST = 1024 * 1024
_SENSITIVE = (
    r"(^|_)(PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|CREDENTIALS?"
    r"|(API|ACCESS|SECRET|PRIVATE|ENCRYPTION|SIGNING|ACCOUNT)_?KEY)$"
)
_LOGIN = r"[a-z][a-z0-9+.-]*://[^/\s:@]+:([^/\s@]+)@"


def unknown_key(service: Service) -> Iterator[RuleHit]:
    """A container that needs a missing key of a ConfigMap or Secret does not start."""
    places: list[tuple[Path, Any]] = [(("env",), service.get("env"))]
    places += [((*path, "env"), container.get("env")) for path, container in service.helpers()]
    for path, env in places:
        for variable, value in mapping(env).items():
            if isinstance(value, dict) and value.get("optional") is not True:
                setting, source = ("secrets", "secret") if value.get("secret") else ("config", "configMap")
                yield from _missing((*path, variable, "key"), service, setting, value.get(source), value.get("key"))
    for setting in ("config", "secrets"):
        for entry, files in service.map(setting).items():
            yield from _missing((setting, entry, "subPath"), service, setting, entry, mapping(files).get("subPath"))


def _missing(path: Path, service: Service, setting: str, entry: Any, key: Any) -> Iterator[RuleHit]:
    files = service.map(setting).get(entry) if isinstance(entry, str) else None
    if not isinstance(files, dict) or files.get("existing") or not isinstance(key, str):
        return
    keys = [*mapping(files.get("data")), *mapping(files.get("binaryData"))]
    if key not in keys:
        yield RuleHit(path, f"refers to unknown key {key} of {setting}.{entry} {listed('keys', keys)}")


def repeated_key(service: Service) -> Iterator[RuleHit]:
    """Kubernetes rejects a key in both data and binaryData."""
    for entry, files in service.map("config").items():
        data = mapping(mapping(files).get("data"))
        for key in mapping(mapping(files).get("binaryData")):
            if key in data:
                yield RuleHit(
                    ("config", entry, "binaryData", key), "is also in data", "remove one of them", at_key=True
                )


def secret_type(service: Service) -> Iterator[RuleHit]:
    """Kubernetes rejects a Secret without the keys that its type requires."""
    for entry in service.map("secrets"):
        files = service.map("secrets", entry)
        kind = "" if files.get("existing") else string(files.get("type"))
        for key in _KEYS_OF_TYPES.get(kind, ()):
            if key not in mapping(files.get("data")):
                yield RuleHit(("secrets", entry, "type"), f"is {kind}, but data has no {key}")


def too_large(service: Service) -> Iterator[RuleHit]:
    """Kubernetes rejects a ConfigMap or Secret larger than 1 MiB."""
    for setting in ("config", "secrets"):
        for entry, files in service.map(setting).items():
            data = mapping(mapping(files).get("data"))
            size = sum(len(value.encode(errors="replace")) for value in data.values() if isinstance(value, str))
            if size > _LARGEST:
                text = f"has {size:,} bytes of data; the limit is {_LARGEST:,}"
                yield RuleHit((setting, entry), text, "put it into the image or a volume", at_key=True)


def plain_secret(service: Service) -> Iterator[RuleHit]:
    """Anyone who can read the values or the release can read the secret."""
    text = "looks like a secret in plain text"
    for path, env, _ in environments(service):
        for variable, value in mapping(env).items():
            if isinstance(value, str) and _is_secret(variable, value):
                yield RuleHit((*path, variable), text, "take it from a Secret: {secret: NAME, key: KEY}", at_key=True)
        for index, entry in maps(env):
            name, value = entry.get("name"), entry.get("value")
            if isinstance(name, str) and isinstance(value, str) and _is_secret(name, value):
                remedy = "take it from a Secret: valueFrom: {secretKeyRef: {name: NAME, key: KEY}}"
                yield RuleHit((*path, index, "value"), text, remedy, at_key=True)


def _is_secret(variable: str, value: str) -> bool:
    """Whether a variable has the name and a value of a secret: not a path, reference or switch."""
    login = re.search(_LOGIN, value)
    if login and not login[1].startswith("$"):
        return True
    if not value or value.startswith(("/", "$", "./", "file:", "vault:", "arn:")) or value.lower() in _SWITCHES:
        return False
    return re.search(_SENSITIVE, variable.upper()) is not None


_SWITCHES = {"true", "false", "yes", "no", "on", "off", "none", "null", "required", "optional", "enabled", "disabled"}
