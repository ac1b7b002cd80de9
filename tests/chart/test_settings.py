"""Every field that the chart writes from a setting leads back to that setting.

Each leaf of the examples' values is changed in turn, the chart is rendered with the real Helm, and each field that is
another then must lead to the setting that was changed. So a setting that somebody adds is tested by its example.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from rendering import CHART, KUBERNETES, Chart, Object, objects_of
from sametag.chart.labels import service_of
from sametag.chart.settings import DERIVED, services_in, setting_of
from sametag.drift.compare import ABSENT, differences
from sametag.kube.objects import concrete
from sametag.values import known_part, path_text
from sametag.values.merge import coalesce

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path as File

    from sametag.values import Path

EXAMPLES = sorted((CHART.parent / "examples").glob("*/values.yaml"))

DEFAULTS = yaml.safe_load((CHART / "values.yaml").read_text())

# Settings that decide which objects there are or what they are called, so that no single field comes from them.
STRUCTURE = {"create", "enabled", "existing", "headless", "hook", "kind", "mountPath", "name", "subPath"}


# The number of a port of a service stands in the fields of other settings too, which name the port.
PORT_USERS: tuple[Path, ...] = (("ingress",), ("route",), ("networkPolicy", "allowTo"))


def leaves(value: Any, path: Path = ()) -> Iterator[Path]:
    """Yield the path of every scalar."""
    if isinstance(value, dict | list):
        for key, child in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(child, (*path, key))
    else:
        yield path


def changed(value: Any) -> Any:
    """Return another value of the same type."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    return f"{value}x"


def with_changes(values: dict[str, Any], number: int) -> tuple[dict[str, Any], dict[str, Path]]:
    """Change the leaf of this number in every service that has so many.

    Returns:
        The changed values, and what was changed by service.
    """
    tree, paths = json.loads(json.dumps(values)), {}  # without YAML's aliases, which are one object
    for name, service in (tree["services"] or {}).items():
        candidates = [path for path in leaves(service) if not STRUCTURE & set(path) and path[2:] != ("env",)]
        if number < len(candidates):
            *above, key = paths[name] = candidates[number]
            for step in above:
                service = service[step]  # noqa: PLW2901 - one level deeper
            service[key] = changed(service[key])
    return tree, paths


def fields(before: list[Object], after: list[Object]) -> Iterator[tuple[dict[str, Any], Path]]:
    """Yield each field that differs and the object that has it; objects that come or go have no field that differs."""
    old = {(item["kind"], item["metadata"]["name"]): item for item in before}
    for item in after:
        there = old.get((item["kind"], item["metadata"]["name"]))
        for difference in differences(there, item) if there else ():
            if difference.path[-1] not in DERIVED:
                holder = there if there and difference.new is ABSENT else item
                path = concrete(holder, difference.path)
                yield from ((holder, (*path, *below)) for below in deepest(difference.old, difference.new))


def deepest(old: Any, new: Any) -> Iterator[Path]:
    """Yield where two values differ, in lists too, whose items have no names."""
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        keys: Any = range(len(new))
    elif isinstance(old, dict) and isinstance(new, dict) and old.keys() == new.keys():
        keys = new
    else:
        yield ()
        return
    for key in keys:
        if old[key] != new[key]:
            yield from ((key, *below) for below in deepest(old[key], new[key]))


@pytest.mark.parametrize("helm", ["HELM4"], indirect=True)
@pytest.mark.parametrize("example", EXAMPLES, ids=[file.parent.name for file in EXAMPLES])
def test_a_field_leads_back_to_the_setting_that_was_changed(example: File, render: Chart, tmp_path: File) -> None:
    values = yaml.safe_load(example.read_text())
    values.setdefault("image", {}).setdefault("tag", "1")
    file = tmp_path / "changed.yaml"

    def rendered(tree: dict[str, Any]) -> list[Object]:
        file.write_text(json.dumps(tree))
        ran = render.template("app", file, "--skip-schema-validation", "--kube-version", KUBERNETES)
        return objects_of(ran.stdout) if ran.returncode == 0 else []

    before, checked, number = rendered(values), 0, 0
    assert before
    while True:
        tree, paths = with_changes(values, number)
        if not paths:
            break
        settings = services_in(coalesce(DEFAULTS, tree))
        for item, path in fields(before, rendered(tree)):
            service = service_of(item)
            if service not in paths:
                continue  # it comes from another service, as the ports of a policy do
            setting = setting_of(item, path, settings[service])
            expected = paths[service]
            if expected[0] == "ports" and any(setting[: len(user)] == user for user in PORT_USERS):
                continue
            found = known_part(settings[service], setting)
            assert found == expected[: len(found)], f"{path}: {path_text(setting)}, not {path_text(expected)}"
            assert found, f"{path} leads nowhere: {path_text(setting)}"
            checked += found == expected
        number += 1
    assert checked >= number / 2, f"of {number} settings only {checked} fields were found"
