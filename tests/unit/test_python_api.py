"""The Python API: the public names, what they tell, and the examples of its page."""

from __future__ import annotations

import base64
import contextlib
import gzip
import inspect
import io
import json
import pkgutil
import re
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

import sametag
from fake_release import APPS, NAMESPACE, deployed, revision, template

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fake_api import ApiServer

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/reference/python.md").read_text()
VALUES = 'image: {repository: registry.example.com/app, tag: "1.10"}\nservices: {web: {command: [web]}}\n'


@pytest.fixture
def release(api: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ApiServer:
    """A release, and a helm that does a dry run of tag 1.11, and nothing else."""
    deployed(api, "1.10")
    rules = {"resourceRules": [], "nonResourceRules": [], "incomplete": True}
    api.answers["POST /apis/authorization.k8s.io/v1/selfsubjectrulesreviews"] = (201, {"spec": {}, "status": rules})
    meta: dict[str, Any] = {"name": "web", "namespace": "apps"}
    web = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": {"template": template("1.11")}}
    api.answers[f"PATCH {APPS}/deployments/web"] = (200, web)
    service = {"apiVersion": "v1", "kind": "Service", "metadata": meta}
    api.answers[f"PATCH {NAMESPACE}/services/web"] = (200, service)
    record = revision(3, "1.11", "pending-upgrade")["data"]["release"]
    dry_run = gzip.decompress(base64.b64decode(base64.b64decode(record))).decode()
    dry_run = json.dumps({**json.loads(dry_run), "name": "app"})
    program = tmp_path / "helm"
    program.write_text(
        f"#!{sys.executable}\nimport sys\nif 'upgrade' in sys.argv:\n    assert '--dry-run=server' in sys.argv\n"
        f"    print({dry_run!r})\nelse:\n    print('v4.3.1')\n"
    )
    program.chmod(0o755)
    (tmp_path / "values.yaml").write_text(VALUES)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("KUBECONFIG", str(api.kubeconfig))
    monkeypatch.chdir(tmp_path)
    return api


def printed(example: str) -> str:
    """Run an example, and return what it prints."""
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        exec(compile(example, "example", "exec"), {"__name__": "example"})  # noqa: S102 - ours
    return output.getvalue()


@pytest.mark.usefixtures("release")
def test_every_example_of_the_page_runs() -> None:
    validating, upgrading, reading = map(printed, re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL))

    assert validating == ""
    assert "revision 2 (tag 1.10) -> revision 3 (tag 1.11)" in upgrading
    assert upgrading.endswith("nothing was changed\n")
    assert reading.splitlines()[1:] == ["2 1.10 deployed True", "web ('1.10',) 1 of 1"]


@pytest.mark.usefixtures("release")
def test_invalid_values_are_an_event_with_the_problems() -> None:
    events: list[sametag.Event] = []
    sources = sametag.Sources(set=("services.web.comand=x",))

    with pytest.raises(sametag.ValuesError, match="the values are invalid; nothing was changed"):
        sametag.sync.upgrade(
            "app", values=sources, namespace="apps", on_event=events.append, options=sametag.Options(dry_run=True)
        )
    (problems,) = [event.problems for event in events if isinstance(event, sametag.Problems)]
    assert "unknown-key" in {problem.rule for problem in problems}


def test_a_release_that_does_not_exist_is_an_error(release: ApiServer) -> None:
    release.answers[f"{NAMESPACE}/secrets"] = (200, {"metadata": {}, "items": []})

    with pytest.raises(sametag.HelmError, match="there is no release app in namespace apps"):
        sametag.sync.history("app")


def test_reprs_are_short_and_hold_no_secrets() -> None:
    record = {"name": "app", "version": 1, "info": {"status": "deployed"}, "config": {"password": "s3cret"}}
    record["chart"] = {"metadata": {"name": "sametag", "version": "1"}}
    values = [
        sametag.Revision(record),
        sametag.Sources(files=("values.yaml",), set=("password=s3cret",)),
        sametag.Hook("Secret", "app", ("pre-install",), manifest="password: s3cret"),
        sametag.load_chart(None),
    ]
    for value in values:
        assert "s3cret" not in repr(value)
        assert len(repr(value)) < 200


def test_dir_and_the_type_checker_know_the_public_names() -> None:
    source = (ROOT / "helper/sametag/__init__.py").read_text()
    typed = set(re.findall(r"^    from \S+ import (?:\w+ as )?(\w+)", source, re.MULTILINE))

    assert typed == set(sametag.__all__)
    assert {*sametag.__all__, "__version__"} == set(dir(sametag))
    for name in dir(sametag):
        assert getattr(sametag, name) is not None


def test_the_version_is_the_charts() -> None:
    assert sametag.__version__ == yaml.safe_load((ROOT / "chart/Chart.yaml").read_text())["version"]


def test_the_synchronous_calls_are_all_of_the_api() -> None:
    api = import_module("sametag.api")
    calls = {name for name, call in vars(api).items() if inspect.isfunction(call) and not name.startswith("_")}

    assert set(sametag.sync.__all__) == {name for name in calls if vars(api)[name].__module__ == "sametag.api"}


def classes_of_sametag() -> set[str]:
    names = set()
    for module in pkgutil.walk_packages(sametag.__path__, "sametag."):
        if not module.name.endswith(("__main__", "watchdog")):
            members = vars(import_module(module.name)).values()
            names |= {
                member.__name__ for member in members if inspect.isclass(member) and "sametag" in member.__module__
            }
    return names


def annotations_of(public: Any) -> Iterator[str]:
    """Yield the annotations of a function, or of the fields, properties and methods of a class."""
    if inspect.isfunction(public):
        yield from map(str, public.__annotations__.values())
    elif inspect.isclass(public):
        yield from (str(text) for name, text in inspect.get_annotations(public).items() if not name.startswith("_"))
        for name, member in vars(public).items():
            function = member.fget if isinstance(member, property) else getattr(member, "func", member)
            if inspect.isfunction(function) and not name.startswith("_"):
                yield from map(str, function.__annotations__.values())


def test_every_type_that_a_public_name_mentions_is_public() -> None:
    hidden = classes_of_sametag() - set(sametag.__all__)
    mentioned = {
        (name, word)
        for name in sametag.__all__
        for annotation in annotations_of(getattr(sametag, name))
        for word in re.findall(r"\w+", annotation)
        if word in hidden
    }
    assert mentioned == set()
