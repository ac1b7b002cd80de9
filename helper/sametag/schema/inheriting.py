"""Which services a mistake in `defaults` breaks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sametag.schema.words import some

if TYPE_CHECKING:
    from sametag.values import Path, Values


def broken_by(values: Values, path: Path) -> str:
    """Say which services take over what is at this path; nothing where it is not in the defaults, or nobody does."""
    services = values.tree.get("services")
    if path[:1] != ("defaults",) or not isinstance(services, dict):
        return ""
    heirs = [name for name, service in sorted(services.items()) if _is_on(service) and not _has(service, path[1:])]
    return f" (breaks the service{'s' * (len(heirs) > 1)} {some(heirs)})" if heirs else ""


def _is_on(service: Any) -> bool:
    return not isinstance(service, dict) or service.get("enabled") is not False


def _has(service: Any, path: Path) -> bool:
    """Whether a service says for itself what is at this path; what is no map takes the place of all of it."""
    for part in path:
        if service is None or not isinstance(service, dict):
            return service is not None
        if part not in service:
            return False
        service = service[part]
    return True
