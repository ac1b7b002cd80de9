"""Hide secrets: which names mean a secret, which text contains one, and what is shown instead.

This module alone decides; SECURITY.md lists what is not hidden.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: What is shown instead of a secret.
HIDDEN: Final = "(hidden)"

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")

# Words of a name: each alone makes it one of a secret.
_SECRET = {
    *("pass", "passwd", "password", "passwords", "passphrase", "passcode", "passkey", "pwd"),
    *("secret", "secrets", "token", "tokens", "credential", "credentials", "creds", "apikey", "pat"),
    *("salt", "pepper", "signing", "mnemonic", "dsn", "htpasswd", "otp"),
}
# At its end: the words of a name that is written as one.
_ENDINGS = ("password", "passwd", "passphrase", "secret", "token", "apikey", "credentials", "pass", "pwd")
_ENDINGS_OF_KEYS = ("accesskey", "privatekey", "secretkey", "masterkey", "signingkey", "encryptionkey", "authkey")
_HARMLESS = {"bypass", "compass", "trespass", "surpass", "overpass", "underpass", "oldpwd"}
# As the last word of several.
_LAST = {"key", "keys", "auth", "jwt", "hmac"}
# Before `key`: the word then does not mean a secret, or means a public one.
_OTHER_KEYS = {
    *("public", "pub", "primary", "foreign", "partition", "sort", "cache", "routing", "object", "lookup", "config"),
    *(
        "feature",
        "translation",
        "shard",
        "group",
        "topic",
        "index",
        "hot",
        "map",
        "row",
        "label",
        "unique",
        "idempotency",
    ),
}
# At the end of a name: it says something about a secret, or where it is.
_ABOUT = {
    *("path", "file", "files", "filename", "dir", "directory", "folder", "name", "names", "ref", "id", "ids"),
    *("url", "uri", "endpoint", "host", "port", "server", "issuer", "audience", "header", "prefix", "scope", "type"),
    *("ttl", "expiry", "expiration", "expires", "timeout", "seconds", "minutes", "hours", "days", "age", "lifetime"),
    *("length", "size", "min", "max", "limit", "count", "rounds", "cost", "rotation", "interval", "version", "format"),
    *("algorithm", "alg", "method", "mode", "policy", "provider", "enabled", "disabled", "required", "through", "by"),
}
# Before `tokens`, which are words of a language model then.
_COUNTED = {"max", "min", "num", "total"}


def secret_name(name: str) -> bool:
    """Whether a variable, a setting or a flag of this name has a secret for a value."""
    words = [word.lower() for word in _WORD.findall(name)]
    if not words or words[-1] in _ABOUT or words == ["pwd"] or words[0] in _COUNTED:
        return False
    if words[-2:] == ["connection", "string"] or (len(words) > 1 and words[-1] == "auth"):
        return True
    if any(word in _SECRET or _ends_like_a_secret(word) for word in words):
        return True
    return len(words) > 1 and words[-1] in _LAST and words[-2] not in _OTHER_KEYS


def _ends_like_a_secret(word: str) -> bool:
    return word not in _HARMLESS and word.endswith((*_ENDINGS, *_ENDINGS_OF_KEYS))


@cache
def _patterns() -> tuple[re.Pattern[str], ...]:
    """Return what finds a secret in a text; the group `secret` is hidden, or all of it."""
    flags = re.ASCII
    return tuple(
        re.compile(pattern, flags)
        for pattern in (
            # A private key, whole or cut off, also with its line breaks written as \n.
            r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY[A-Z ]*-----(?s:.*?)(?:-----END [A-Z0-9 ]*-----|\Z)",
            # scheme://user:password@host, and https://token@host
            r"(?<![A-Za-z0-9+.-])[A-Za-z][A-Za-z0-9+.-]*://[^/\s:@?#'\"]*:(?P<secret>[^/\s'\"]+)@",
            r"https?://(?P<secret>[^/\s:@?#'\"]{16,})@",
            # Authorization: Bearer …; of plain words only those that no word looks like.
            # Not the digest of an image.
            (
                r"(?i:\b(?:bearer|basic|digest|negotiate))[ \t]+"
                r"(?P<secret>(?!sha\d+:)(?=\S*(?:[0-9=]|[a-z][A-Z]))[\w.~+/=-]{6,})"
            ),
            r"(?i:\bauthorization)\s*[:=]\s*[\"']?(?i:bearer|basic|token|digest|apikey)[ \t]+(?P<secret>[^\s\"']+)",
            # Tokens that say what they are.
            r"\b(?:gh[pousr]_|github_pat_|glpat-|dckr_pat_|npm_|pypi-|hvs\.|sk-|[rs]k_(?:live|test)_|xox[abeprs]-)[\w-]{10,}",
            r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
            r"\bAIza[\w-]{30,}|\bSG\.[\w-]{16,}\.[\w-]{16,}",
            r"\beyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?",
            r"hooks\.slack\.com/services/(?P<secret>[^\s\"']+)",
            # Signed addresses, and connection strings of Azure.
            r"[?&](?i:sig|signature|x-amz-signature|key)=(?P<secret>[^&\s\"']+)",
            r"(?i:\b(?:account|sharedaccess)key)\s*=\s*(?P<secret>[^;\s\"']+)",
        )
    )


# name=value, name="value", --name=value; the value ends as in a shell, a URL or a connection string.
_QUOTED = r"\"(?:[^\"\\]|\\.)*\"|'[^']*'"
_ASSIGNED = re.compile(
    r"(?<![\w.-])(?P<name>-*[A-Za-z_][\w.-]*)(?P<between>\s?=\s?(?!=))(?P<value>\"[^\"]*\"|'[^']*'|[^\s;,&\"']+)"
)
# "name": "value", and in YAML, which is more than a line: name: value
_IN_JSON = re.compile(
    r"(?P<name>[\"'][\w.-]+[\"'])(?P<between>\s*:\s*)(?P<value>\"(?:[^\"\\]|\\.)*\"|'[^']*'|[\w.+/-]+)"
)
_IN_YAML = re.compile(r"(?m)^(?P<name>[ \t-]*[\w.-]+)(?P<between>:[ \t]+)(?P<value>[^\s\n].*)$")
# --name value; what is only letters may be the next word of a sentence.
_FLAG = re.compile(r"(?P<name>(?<!\S)--?[A-Za-z][\w-]*)(?P<between>[ \t]+)(?P<value>(?![a-z]+\b|-)\S+)")

_SWITCHES = ("true", "false", "null", "")


def masked(text: str) -> str:
    """Return a text with every recognizable secret hidden; the text itself if there is none."""
    for pattern in _patterns():
        text = pattern.sub(_hidden_part, text)
    for pattern in (_ASSIGNED, _IN_JSON, _FLAG, *((_IN_YAML,) if "\n" in text else ())):
        text = pattern.sub(_hidden_value, text)
    return text


def _hidden_part(found: re.Match[str]) -> str:
    if "secret" not in found.re.groupindex:
        return HIDDEN
    begin, end = found.span("secret")
    return found[0][: begin - found.start()] + HIDDEN + found[0][end - found.start() :]


def _hidden_value(found: re.Match[str]) -> str:
    if not secret_name(found["name"]) or found["value"].strip("\"'") in (*_SWITCHES, HIDDEN):
        return found[0]
    return f"{found['name']}{found['between']}{HIDDEN}"


def holds_a_secret(text: str) -> bool:
    """Whether a text has a secret in it."""
    return masked(text) != text


def masked_words(words: Sequence[Any]) -> list[Any]:
    """Return the words of a command line with the secrets hidden, also one that follows its flag."""
    shown: list[Any] = []
    flag = False
    for word in words:
        if not isinstance(word, str):
            shown.append(HIDDEN if flag and not isinstance(word, dict | list) else word)
            flag = False
        else:
            shown.append(HIDDEN if flag and not word.startswith("--") else masked(word))
            flag = word.startswith("-") and "=" not in word and secret_name(word)
    return shown


def is_secret(name: str, value: Any) -> bool:
    """Whether the value of a variable or a setting is a secret: by its name, or by what it is."""
    if isinstance(value, str) and value not in _SWITCHES:
        return secret_name(name) or holds_a_secret(value)
    return isinstance(value, int | float) and not isinstance(value, bool) and secret_name(name)


# Everything under these keys is a secret: `secrets` of a service, and the data of a Secret.
_ALL_SECRET = ("secrets",)
# Values that are names, although their keys suggest a secret.
_NAMES = (
    *("secret", "existing", "existingSecret", "mountPath", "subPath", "env"),
    *("pullSecret", "pullSecrets", "imagePullSecret", "imagePullSecrets"),
)


def secrets(tree: Any) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Yield every secret of values or of an object: its path, and the scalar that is there."""
    yield from _secrets(tree, (), inside=False)


def _secrets(item: Any, path: tuple[str | int, ...], *, inside: bool) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    if isinstance(item, dict):
        name = item.get("name")
        for key, value in item.items():
            if path[-2:-1] == _ALL_SECRET and key in _NAMES:
                continue
            known = name if key == "value" and isinstance(name, str) else "" if key in _NAMES else key
            if isinstance(value, dict | list):
                yield from _secrets(value, (*path, key), inside=inside or key in _ALL_SECRET)
            elif value is not None and (inside or is_secret(known, value)):
                yield (*path, key), value
    elif isinstance(item, list):
        for number, (value, shown) in enumerate(zip(item, masked_words(item), strict=True)):
            if isinstance(value, dict | list):
                yield from _secrets(value, (*path, number), inside=inside)
            elif value is not None and (inside or value != shown):
                yield (*path, number), value


# Shorter ones are words of other texts too.
_TELLING = 4


def without(text: str, tree: Any) -> str:
    """Return a text, such as Helm's output, without the secrets in these values."""
    found = {str(secret) for _, secret in secrets(tree) if len(str(secret)) >= _TELLING}
    for secret in sorted(found, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return text


def utf_8(text: str) -> str:
    """Return text with what is not UTF-8 escaped: arguments and variables may hold any bytes, and JSON may not."""
    return text.encode(errors="backslashreplace").decode()
