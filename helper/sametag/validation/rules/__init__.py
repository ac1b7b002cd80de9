"""Values -> RuleHit -> Finding: what no schema can express, about each service over `defaults`.

A rule is a function from a service, or from all of them, to its hits; `registry` lists them. Rules run even after
schema errors: a value of an unexpected type counts as missing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sametag.chart import service as services
from sametag.validation.finding import Finding, RuleHit
from sametag.validation.rules.registry import RELEASE_RULES, SERVICE_RULES
from sametag.values import has, path_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sametag.chart.service import Service
    from sametag.validation.rules.registry import ReleaseRule, Rule
    from sametag.values import Path, Values

_UNKNOWN = services.Naming()


def check(
    values: Values, misplaced: frozenset[Path] = frozenset(), naming: services.Naming = _UNKNOWN
) -> Iterator[Finding]:
    """Yield the findings of every rule.

    Args:
        values: The chart's defaults and the user's values, coalesced.
        misplaced: What is missing because of a known mistake, such as a misspelled key.
        naming: What object names start with.
    """
    release = services.read(values, naming)
    for rule in RELEASE_RULES:
        for hit in rule.check(release):
            yield _finding(rule, hit, hit.path)
    defaults = services.mapping(values.tree.get("defaults"))
    chosen = _Chosen(defaults, _written_defaults(values, defaults))
    for service in release.services.values():
        for service_rule in chosen.of(service):
            if misplaced and any(("services", service.name, setting) in misplaced for setting in service_rule.looks_at):
                continue
            for hit in service_rule.check(service):
                yield _of_service(service_rule, hit, service, defaults)


class _Chosen:
    """The rules that apply to a service; services with the same settings share them.

    A rule applies if one of its settings is set, and if something that it looks at is the user's.
    """

    def __init__(self, defaults: Iterable[str], written: Iterable[str]) -> None:
        self._defaults, self._written = frozenset(defaults), frozenset(written)
        self._known: dict[tuple[str, ...], list[Rule]] = {}

    def of(self, service: Service) -> list[Rule]:
        own = tuple(service.own)
        if own not in self._known:
            there, written = self._defaults.union(own), self._written.union(own)
            self._known[own] = [
                rule
                for rule in SERVICE_RULES
                if not (there.isdisjoint(rule.settings) or written.isdisjoint(rule.looks_at))
            ]
        return self._known[own]


def _written_defaults(values: Values, defaults: dict[str, Any]) -> list[str]:
    """Return the settings of `defaults` that are the user's; the chart's own break no rule."""
    user = values._replace(defaults=()) if values.defaults else values
    return [setting for setting in defaults if user.locate_key(("defaults", setting))]


def _of_service(rule: Rule, hit: RuleHit, service: Service, defaults: dict[str, Any]) -> Finding:
    """Locate a hit where the setting was written: in the service, or else in `defaults`."""
    if not has(service.own, hit.path) and has(defaults, hit.path):
        return _finding(rule, hit, ("defaults", *hit.path), ("defaults",), service.name)
    return _finding(rule, hit, ("services", service.name, *hit.path), ("services", service.name))


def _finding(
    rule: Rule | ReleaseRule, hit: RuleHit, path: Path, owner: Path = (), breaks: str | None = None
) -> Finding:
    if hit.message is None:
        message = f"{path_text(path)} {hit.text}"
    else:
        message = hit.message.replace("{service}", path_text(owner))
    key_at = path if hit.at_key else None
    return Finding(rule.name, path, message, hit.remedy, key_at, severity=rule.severity, breaks=breaks)
