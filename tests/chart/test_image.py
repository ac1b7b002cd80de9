"""One image, one tag: whatever the values say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from rendering import Chart

WEB = {"web": {"command": ["web"]}}
REPOSITORY = "registry.example.com/app"


def image(**settings: object) -> dict[str, object]:
    return {"repository": REPOSITORY, **settings}


def test_every_container_of_every_service_runs_the_one_image(render: Chart) -> None:
    helpers = {"initContainers": [{"name": "before"}], "sidecars": [{"name": "beside"}]}
    rendered = render({"web": {"command": ["web"], **helpers}, "job": {"kind": "Job", "command": ["job"]}})
    pods = [rendered.pod("app-web"), rendered.pod(next(iter(rendered.all("Job"))))]
    containers = [c for pod in pods for c in pod["spec"]["containers"] + pod["spec"].get("initContainers", [])]
    assert [f"{REPOSITORY}:1.10"] * 4 == [container["image"] for container in containers]


def test_a_helper_container_may_have_its_own_image(render: Chart) -> None:
    helpers = {"sidecars": [{"name": "proxy", "image": "proxy:2"}]}
    containers = render({"web": {"command": ["web"], **helpers}}).pod("app-web")["spec"]["containers"]
    assert [f"{REPOSITORY}:1.10", "proxy:2"] == [container["image"] for container in containers]
    assert "imagePullPolicy" not in containers[1]


@pytest.mark.parametrize("tag", ["1.10", "1e3", "0123456", "58467965", "v1", "true"])
def test_a_tag_is_text_whatever_it_looks_like(render: Chart, tag: str) -> None:
    rendered = render(WEB, image=image(tag=tag))
    assert f"{REPOSITORY}:{tag}" == rendered.container("app-web")["image"]
    assert tag == rendered.pod("app-web")["metadata"]["labels"]["app.kubernetes.io/version"]


def test_a_tag_set_on_the_command_line_wins(render: Chart) -> None:
    rendered = render(WEB, "--set-string", "image.tag=2.0")
    assert f"{REPOSITORY}:2.0" == rendered.container("app-web")["image"]


def test_a_number_as_a_tag_is_refused_by_schema_and_templates(render: Chart) -> None:
    assert "image" in render.refusal(WEB, image=image(tag=1.1))
    assert "image.tag must be a string, got the number 1.1" in render.without_schema(WEB, image=image(tag=1.1))


def test_no_tag_is_refused_by_schema_and_templates(render: Chart) -> None:
    assert "image" in render.refusal(WEB, image=image())
    assert "image.tag is required" in render.without_schema(WEB, image=image())
    assert "image.repository is required" in render.without_schema(WEB, image={"tag": "1"})


@pytest.mark.parametrize("key", ["tag", "image"])
def test_a_tag_of_a_services_own_is_refused_by_schema_and_templates(render: Chart, key: str) -> None:
    services = {"web": {"command": ["web"], key: "2.0"}}
    assert f"services/web/{key}" in render.refusal(services).replace(".", "/")
    assert "services.web must not have a tag or image" in render.without_schema(services)
    assert f"defaults.{key} is not allowed" in render.without_schema(WEB, defaults={key: "2.0"})


def test_a_digest_is_pinned_beside_the_tag(render: Chart) -> None:
    digest = "sha256:" + "0" * 64
    assert f"{REPOSITORY}:1@{digest}" == render(WEB, image=image(tag="1", digest=digest)).container("app-web")["image"]
    assert f"{REPOSITORY}@{digest}" == render(WEB, image=image(digest=digest)).container("app-web")["image"]


def test_a_tag_may_have_its_digest_behind_it(render: Chart) -> None:
    """As Renovate, Argo CD Image Updater and Skaffold write it."""
    digest = "sha256:" + "0" * 64
    for options in ({"image": image(tag=f"1@{digest}")}, {"image": image(tag=f"1@{digest}", digest=digest)}):
        rendered = render(WEB, **options)
        assert f"{REPOSITORY}:1@{digest}" == rendered.container("app-web")["image"]
        assert rendered.pod("app-web")["metadata"]["labels"]["app.kubernetes.io/version"] == "1"
    other = image(tag=f"1@{digest}", digest="sha256:" + "1" * 64)
    assert "image.tag has a different digest than image.digest" in render.refusal(WEB, image=other)


@pytest.mark.parametrize(
    ("repository", "expected"),
    [
        ("registry.example.com/team/app", "mirror.example.org/team/app:1"),
        ("localhost:5000/app", "mirror.example.org/app:1"),
        ("team/app", "mirror.example.org/team/app:1"),
        ("app", "mirror.example.org/app:1"),
    ],
)
def test_a_global_registry_stands_in_the_place_of_the_repositorys(
    render: Chart, repository: str, expected: str
) -> None:
    registry = {"imageRegistry": "mirror.example.org"}
    rendered = render(WEB, image={"repository": repository, "tag": "1"}, **{"global": registry})
    assert expected == rendered.container("app-web")["image"]


def test_pull_policy_and_secrets_reach_every_pod(render: Chart) -> None:
    rendered = render(WEB, image=image(tag="1", pullPolicy="IfNotPresent", pullSecrets=[{"name": "login"}]))
    assert rendered.container("app-web")["imagePullPolicy"] == "IfNotPresent"
    assert rendered.pod("app-web")["spec"]["imagePullSecrets"] == [{"name": "login"}]


def test_a_service_needs_a_command_unless_the_image_has_an_entrypoint(render: Chart) -> None:
    assert "command" in render.refusal({"web": {}})
    assert "services.web.command is required" in render.without_schema({"web": {}})
    assert "command" not in render({"web": {}}, image=image(tag="1", hasEntrypoint=True)).container("app-web")


def test_a_misspelt_command_does_not_run_the_wrong_binary(render: Chart) -> None:
    """With an entry point, `comand:` would run whatever the image runs by itself."""
    message = render.refusal({"web": {"comand": ["web"]}}, image=image(tag="1", hasEntrypoint=True))
    assert "comand" in message
