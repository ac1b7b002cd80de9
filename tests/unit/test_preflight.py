"""A chart whose services cannot follow a tag is refused before anything is changed."""

from __future__ import annotations

from typing import Any

import pytest

from sametag.chart import Chart
from sametag.deploy.preflight import refuse_untagged
from sametag.errors import UsageError
from sametag.rollout import Member, Members

OURS = Chart("chart", "sametag", "1", "image: {repository: ''}\nservices: {}\n", None)
OTHER = Chart("nginx", "nginx", "1", "replicaCount: 1\nimage: {tag: '1'}\n", None)


def rendered(*images: str) -> Members:
    found = {("Deployment", image): Member("Deployment", image, "web", "web", image) for image in images}
    return Members("shop", found)


@pytest.mark.parametrize(
    ("image", "reference"),
    [
        ({"tag": "2"}, "app:2"),
        ({"digest": "sha256:ab"}, "app@sha256:ab"),
        ({"tag": "2", "digest": "sha256:ab"}, "localhost:5000/app:2@sha256:ab"),
        ({"tag": "2@sha256:ab"}, "app:2@sha256:ab"),
        ({}, "app:1"),
    ],
)
def test_what_is_rendered_with_the_tag_is_taken(image: dict[str, Any], reference: str) -> None:
    refuse_untagged(rendered(reference, "other:7"), OURS, {"image": image, "services": {"web": {}}})


def test_a_chart_that_makes_nothing_of_services_is_refused() -> None:
    with pytest.raises(UsageError, match="the chart nginx renders no workload from `services` and `image`"):
        refuse_untagged(rendered(), OTHER, {"image": {"tag": "2"}})


def test_a_tag_that_no_service_would_run_is_refused() -> None:
    with pytest.raises(UsageError, match="no service would run 2: the chart umbrella sets 1") as refused:
        refuse_untagged(rendered("app:1"), OTHER._replace(name="umbrella"), {"image": {"tag": "2"}})
    assert "under the name of each dependency" in str(refused.value.remedy)


def test_whether_a_chart_of_ours_may_be_left_without_services_is_not_asked_here() -> None:
    refuse_untagged(rendered(), OURS, {"image": {"tag": "2"}, "services": {}})
