"""The values of the charts that a chart depends on are checked with their own schemas."""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path

import pytest

from sametag import chart, values
from sametag.validation import subcharts

OURS = Path(__file__).parents[2] / "chart"
METADATA = """apiVersion: v2
name: umbrella
version: 0.1.0
dependencies:
  - {name: sametag, version: ">=0.1.0", alias: shop, condition: shop.enabled}
  - {name: sametag, version: ">=0.1.0", alias: admin, condition: admin.enabled, tags: [back]}
"""
WEB = "image: {repository: r.example.com/a, tag: '1'}, services: {web: {command: [web]}}"
BAD = f"shop: {{{WEB.replace('command', 'comand')}}}\nadmin: {{{WEB}}}\n"


@pytest.fixture(params=["folder", "archive"])
def umbrella(request: pytest.FixtureRequest, tmp_path: Path) -> chart.Chart:
    folder = tmp_path / "umbrella"
    shutil.copytree(OURS, folder / "charts" / "sametag")
    (folder / "Chart.yaml").write_text(METADATA)
    (folder / "values.yaml").write_text("admin: {enabled: true}\n")
    if request.param == "folder":
        return chart.load(str(folder))
    with tarfile.open(tmp_path / "umbrella.tgz", "w:gz") as archive:
        archive.add(folder, "umbrella")
    return chart.load(str(tmp_path / "umbrella.tgz"))


def said(umbrella: chart.Chart, text: str) -> list[tuple[int | None, str, str]]:
    found = subcharts.checker(umbrella, None)(values.from_text(text, "values.yaml"))
    return [(one.location.line if one.location else None, one.path, one.message) for one in found]


def test_a_mistake_is_told_at_its_line_with_the_name_of_the_subchart(umbrella: chart.Chart) -> None:
    assert said(umbrella, BAD) == [
        (1, "shop.services.web.comand", "shop: comand is not a setting of a service; did you mean command?")
    ]
    assert said(umbrella, BAD.replace("comand", "command")) == []


def test_what_is_turned_off_is_not_checked(umbrella: chart.Chart) -> None:
    assert said(umbrella, BAD.replace("shop: {", "shop: {enabled: false, ")) == []
    off = f"shop: {{{WEB}}}\nadmin: {{enabled: null, services: 3}}\ntags: {{back: false}}\n"
    assert said(umbrella, off) == []


@pytest.mark.parametrize(
    ("own", "got"), [("null", "null"), ("", "null"), ("[]", "a list"), ("text", 'the string "text"')]
)
def test_values_of_a_dependency_that_are_no_map_are_an_error_even_if_it_is_disabled(
    umbrella: chart.Chart, own: str, got: str
) -> None:
    text = f"admin: {{{WEB}}}\nshop: {own}\n"
    assert said(umbrella, text) == [(2, "shop", f"shop must be a map of the chart's values, got {got}")]


def test_null_removes_what_the_parent_chart_says_of_a_dependency(umbrella: chart.Chart) -> None:
    assert said(umbrella, f"shop: {{{WEB}}}\nadmin: null\ntags: {{back: false}}\n") == []


def test_what_is_shared_is_the_subcharts_too(umbrella: chart.Chart) -> None:
    text = f"global: {{imageRegistry: 3}}\nshop: {{{WEB}}}\nadmin: {{enabled: false}}\n"
    ((_, path, _),) = said(umbrella, text)
    assert path == "shop.global.imageRegistry"


SHARED = (
    "shop: {{image: {{repository: r.example.com/a, tag: '1'}}, {prefix}services: {{{one}}}}}\n"
    "admin: {{image: {{repository: r.example.com/a, tag: '1'}}, {prefix}services: {{{other}}}}}\n"
)
RENAME = "rename one of them, or set another namePrefix"


@pytest.mark.parametrize(
    ("prefix", "services", "message", "remedy"),
    [
        ("", ("web: {command: [web]}", "web: {command: [web]}"), "", ""),
        ("namePrefix: app-, ", ("web: {command: [web]}", "web: {command: [web]}"), "Deployment app-web", RENAME),
        ("namePrefix: '', ", ("web: {command: [web]}", "api: {command: [web]}"), "", ""),
        (
            "",
            (
                "web: {command: [web], serviceAccount: {name: cloud}}",
                "web: {command: [web], serviceAccount: {name: cloud}}",
            ),
            "ServiceAccount cloud",
            "give each its own serviceAccount.name, or set serviceAccount.create to false in one of them",
        ),
        (
            "",
            (
                "web: {command: [web], serviceAccount: {name: cloud}}",
                "web: {command: [web], serviceAccount: {name: cloud, create: false}}",
            ),
            "",
            "",
        ),
        (
            "namePrefix: app-, ",
            (
                "web: {command: [web], config: {a-b: {data: {c: d}}}}",
                "web-a: {command: [web], config: {b: {data: {c: d}}}}",
            ),
            "ConfigMap app-web-a-b",
            RENAME,
        ),
    ],
)
def test_an_object_of_two_subcharts_is_an_error_that_names_both(
    umbrella: chart.Chart, prefix: str, services: tuple[str, str], message: str, remedy: str
) -> None:
    one, other = services
    text = SHARED.format(prefix=prefix, one=one, other=other)
    found = subcharts.checker(umbrella, None)(values.from_text(text, "values.yaml"))
    first, second = (
        f"{chart}.services.{words.partition(':')[0]}" for chart, words in (("shop", one), ("admin", other))
    )
    wanted = [(2, f"{first} and {second} both create the {message}", remedy)] if message else []
    assert wanted == [(each.location and each.location.line, each.message, each.remedy) for each in found]


def test_the_users_objects_of_two_subcharts_are_compared_too(umbrella: chart.Chart) -> None:
    """Also with those of a service, whose name has the release's and the alias."""
    extra = "extraObjects: [{apiVersion: v1, kind: ConfigMap, metadata: {name: rel-shop-web-c}}]"
    web = "image: {repository: a, tag: '1'}, services: {web: {command: [web], config: {c: {data: {a: b}}}}}"
    text = f"shop: {{{web}}}\nadmin: {{{web}, {extra}}}\n"
    user = values.from_text(text, "values.yaml")
    assert subcharts.checker(umbrella, None)(user) == []
    (problem,) = subcharts.checker(umbrella, "rel")(user)
    assert problem.path == "admin.extraObjects[0]"
    assert problem.message == ("shop.services.web and admin.extraObjects[0] both create the ConfigMap rel-shop-web-c")
