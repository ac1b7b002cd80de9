"""Which services a mistake in `defaults` breaks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sametag.text import listing

if TYPE_CHECKING:
    from sametag.values import Path, Values

_NAMED = 3


def broken_by(values: Values, path: Path, known: list[str]) -> str:
    """Say which services take over what is at this path of the defaults; nothing where nobody does.

    Args:
        values: The merged values.
        path: Where the mistake is, `defaults` included.
        known: The services that are known to be broken; where none is, all that take it over are.
    """
    services = values.tree.get("services")
    heirs = known or [name for name, one in _entries(services) if _is_on(one) and not _has(one, path[1:])]
    return f" (breaks the service{'s' * (len(heirs) > 1)} {listing(sorted(heirs), _NAMED)})" if heirs else ""


def _entries(services: Any) -> list[tuple[str, Any]]:
    return list(services.items()) if isinstance(services, dict) else []


def _is_on(service: Any) -> bool:
    return not isinstance(service, dict) or service.get("enabled") is not False


def _has(service: Any, path: Path) -> bool:
    """Whether a service says for itself what is at this path; what is not a map takes the place of all of it."""
    for part in path:
        if not isinstance(service, dict):
            return True
        if part not in service:
            return False
        service = service[part]
    return True
