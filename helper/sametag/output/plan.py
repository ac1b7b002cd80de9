"""What a deployment would do: service by service, the manifests in full, or JSON."""

from __future__ import annotations

import difflib
import json
from typing import TYPE_CHECKING, Any

from sametag.drift import ABSENT
from sametag.output.wording import names, number_of, tag_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sametag.deploy import Plan
    from sametag.drift import Change, ObjectDiff
    from sametag.helm import Revision
    from sametag.output import shapes

# Longer values, such as the content of a file, are cut; --full has them whole.
_LONGEST = 60

# The column of settings; a longer one stands out of it.
_WIDEST = 32


def plan_lines(plan: Plan) -> Iterator[str]:
    """Yield what would change, services that change alike together; labels that follow from the tag are counted."""
    yield _title(plan)
    if not plan.objects:
        yield "nothing would change"
    alike: dict[tuple[str, ...], list[str]] = {}
    for service, objects in _by_service(plan).items():
        if lines := tuple(_service_lines(objects)):
            alike.setdefault(lines, []).append(service or "(no service)")
    for lines, services in alike.items():
        yield names(services)
        yield from (f"  {line}" for line in lines)
    derived = sum(any(change.derived for change in one.changes) for one in plan.objects)
    if derived:
        yield f"labels that follow from the tag or the chart: {number_of(derived, 'object')}"
    for hook in plan.hooks:
        yield f"Helm runs {hook}"


def _title(plan: Plan) -> str:
    if plan.now is None:
        return f"{plan.release}: not installed -> {_version(plan.then)}"
    return f"{plan.release}: {_version(plan.now)} (revision {plan.now.number}) -> {_version(plan.then)}"


def _version(revision: Revision) -> str:
    return f"tag {revision.tag or revision.digest}, chart {revision.chart}"


def _by_service(plan: Plan) -> dict[str, list[ObjectDiff]]:
    found: dict[str, list[ObjectDiff]] = {}
    for one in plan.objects:
        found.setdefault(one.service, []).append(one)
    return dict(sorted(found.items()))


def _service_lines(objects: Sequence[ObjectDiff]) -> Iterator[str]:
    changes = [change for one in objects for change in one.changes if not change.derived]
    width = min(max((len(change.setting) for change in changes), default=0), _WIDEST)
    # One setting may be in several objects, as a port is in the Deployment, the Service and the policy.
    yield from dict.fromkeys(f"{change.setting:<{width}}  {_words(change)}" for change in changes)
    for action, word in (("create", "new"), ("delete", "gone")):
        kinds = [one.key.kind if one.service else str(one.key) for one in objects if one.action == action]
        if kinds:
            yield f"{word}: {', '.join(sorted(kinds))}"


def _words(change: Change) -> str:
    """Say in a few words what changes, and who had changed it."""
    old, new = in_short(change)
    by = f" (by {change.owner})" if change.owner else ""
    if old is None:
        return f"added: {new}"
    return f"{old}{by} -> {new}" if new is not None else f"removed, was {old}{by}"


def in_short(change: Change) -> tuple[str | None, str | None]:
    """Return the old and the new value in a few words; None where there is none."""
    old, new = ((None if value is ABSENT else _text(change.setting, value)) for value in (change.old, change.new))
    if old and new and change.setting.endswith("image") and _repository(old) == _repository(new):
        return tag_of(old), tag_of(new)
    return old and _cut(old), new and _cut(new)


def _text(setting: str, value: Any) -> str:
    if setting.startswith("env.") and isinstance(value, dict) and "value" in value:
        value = value["value"]
    return value if isinstance(value, str) and value and value.isprintable() else json.dumps(value)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _repository(image: str) -> str:
    return image.removesuffix(tag_of(image))


def plan_in_full(plan: Plan) -> Iterator[str]:
    """Yield a unified diff of every manifest, secrets hidden."""
    import yaml

    for one in plan.objects:
        old, new = (
            yaml.safe_dump(item, sort_keys=False, allow_unicode=True).splitlines() if item else []
            for item in (one.before, one.after)
        )
        yield from difflib.unified_diff(old, new, f"live {one.key}", f"next {one.key}", lineterm="")


def plan_json(plan: Plan) -> str:
    """Return the plan as JSON: {"version": 1, "release": …, "objects": […], "hooks": […]}."""
    return json.dumps({"version": 1, **plan_document(plan)}, indent=2)


def plan_document(plan: Plan) -> shapes.PlanFields:
    """Return the plan as plain data; a value that is not there is left out."""
    return {
        "release": plan.release,
        "revision": plan.now.number if plan.now else None,
        "tag": plan.now.tag if plan.now else None,
        "newTag": plan.then.tag,
        "chart": plan.then.chart,
        "objects": [_object_document(one) for one in plan.objects],
        "hooks": [{"kind": hook.kind, "name": hook.name, "events": list(hook.events)} for hook in plan.hooks],
    }


def _object_document(one: ObjectDiff) -> shapes.ChangedObject:
    return {
        "service": one.service,
        "kind": one.key.kind,
        "namespace": one.key.namespace,
        "name": one.key.name,
        "action": one.action,
        "changes": [change_document(change) for change in one.changes],
    }


def change_document(change: Change) -> shapes.Change:
    """Return one change as plain data."""
    document: shapes.Change = {"setting": change.setting, "derived": change.derived}
    if change.old is not ABSENT:
        document["old"] = change.old
    if change.new is not ABSENT:
        document["new"] = change.new
    if change.owner:
        time = change.owner.time
        document["by"] = {"manager": change.owner.manager, "time": time.isoformat() if time else None}
    return document
