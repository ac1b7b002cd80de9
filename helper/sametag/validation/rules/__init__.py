"""What a schema cannot say: rules about what a service really gets, once `defaults` is merged under it.

A rule is a function from a service, or from all of them, to what it finds there; `table` lists them. They run even
where the schema found something: what is not of the shape that a rule expects counts as not there.
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


def check(
    values: Values, misplaced: frozenset[Path] = frozenset(), release_name: str | None = None
) -> Iterator[Finding]:
    """Yield what every rule finds.

    Args:
        values: The chart's defaults and the user's values, coalesced.
        misplaced: What is not there because of a mistake that is known already, such as a key with another spelling.
        release_name: The name of the release; None where it is not known.
    """
    release = services.read(values, release_name)
    for rule in RELEASE_RULES:
        for hit in rule.check(release):
            yield _finding(rule, hit, hit.path)
    defaults = services.mapping(values.tree.get("defaults"))
    chosen = _Chosen(defaults, _written_defaults(values, defaults))
    for service in release.services.values():
        for one in chosen.of(service):
            if misplaced and any(("services", service.name, setting) in misplaced for setting in one.looks_at):
                continue
            for hit in one.check(service):
                yield _of_service(one, hit, service, defaults)


class _Chosen:
    """The rules that have something to look at; services that are alike have the same ones.

    A rule is of use where one of its settings is set, and where not everything that it looks at is the chart's own.
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
    """Return the settings of `defaults` that are the user's: the chart's own break no rule."""
    user = values._replace(defaults=()) if values.defaults else values
    return [setting for setting in defaults if user.locate_key(("defaults", setting))]


def _of_service(rule: Rule, hit: RuleHit, service: Service, defaults: dict[str, Any]) -> Finding:
    """Put what was found where it was written: under the service, or else in `defaults`."""
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
