"""One image, four services, one tag: what the pods say, not what Helm says."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from gifinator import MISSING, NEW, OLD, ROOT, SERVICES, VALUES, Kubectl, gif_drawn_by, kubeconfig_of
from single import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Ran

    Run = Callable[..., Ran]

NAME = "gifinator"


def all_run(tag: str) -> dict[str, set[str]]:
    return {service: {tag} for service in SERVICES}


def render_runs(tag: str) -> dict[str, set[str]]:
    """What runs where there is only `render`: for what surrounds a rollout one service shows as much as four."""
    return {"render": {tag}}


@pytest.fixture
def installed(run: Run, namespace: str, repository: str) -> str:
    """A namespace with the application on the old tag."""
    ran = run(
        "sametag",
        "install",
        NAME,
        "-n",
        namespace,
        "-f",
        str(VALUES),
        "--set",
        f"image.repository={repository}",
        # Many tests share one small node.
        "--set",
        "defaults.resources.requests.cpu=1m",
        "--tag",
        OLD,
    )
    assert ran.code == 0
    return namespace


def test_upgrade_and_rollback_move_every_service_and_the_application_works(
    run: Run, installed: str, kubectl: Kubectl
) -> None:
    """Steps 3 to 6 of the demo, with the GIF fetched through frontend, gifcreator and render after each."""
    assert kubectl.tags(installed) == all_run(OLD)
    gifs = [gif_drawn_by(kubectl, installed, OLD)]

    assert run("sametag", "upgrade", NAME, "-n", installed, "--tag", NEW).code == 0
    assert kubectl.tags(installed) == all_run(NEW)
    gifs.append(gif_drawn_by(kubectl, installed, NEW))

    history = json.loads(run("sametag", "history", NAME, "-n", installed, "-o", "json").stdout)["revisions"]
    assert [(entry["revision"], entry["tag"], entry["status"]) for entry in history] == [
        (1, OLD, "superseded"),
        (2, NEW, "deployed"),
    ]

    assert run("sametag", "rollback", NAME, "-n", installed, "--to-tag", OLD).code == 0
    assert kubectl.tags(installed) == all_run(OLD)
    gifs.append(gif_drawn_by(kubectl, installed, OLD))

    assert [gif.version for gif in gifs] == [OLD, NEW, OLD]
    assert gifs[0] == gifs[2] != gifs[1]


def test_plain_helm_does_the_same(run: Run, installed: str, kubectl: Kubectl) -> None:
    """The chart is enough: one value, and helm rollback."""
    chart = str(ROOT / "chart")
    new_tag = ("--reset-then-reuse-values", "--set", f"image.tag={NEW}", "--wait")
    assert run("helm", "upgrade", NAME, chart, "-n", installed, *new_tag).code == 0
    assert kubectl.tags(installed) == all_run(NEW)

    assert run("helm", "rollback", NAME, "1", "-n", installed, "--wait").code == 0
    assert kubectl.tags(installed) == all_run(OLD)


@pytest.mark.parametrize("helm", ["HELM4"], indirect=True)
def test_a_tag_that_does_not_exist_is_named_and_every_service_goes_back(
    run: Run, installed: str, kubectl: Kubectl
) -> None:
    ran = run("sametag", "upgrade", NAME, "-n", installed, "--tag", MISSING)

    assert ran.code == 4
    assert f"ImageNotFound: {repository_of(kubectl, installed)}:{MISSING} does not exist" in ran.stderr
    assert f"every service is back on {OLD}" in ran.stderr
    assert kubectl.tags(installed) == all_run(OLD)
    assert run("sametag", "status", NAME, "-n", installed).code == 0


def repository_of(kubectl: Kubectl, namespace: str) -> str:
    (image,) = kubectl.images(namespace)["render"]
    return image.rpartition(":")[0]


@pytest.mark.parametrize("helm", ["HELM3"], indirect=True)
def test_after_an_automatic_rollback_rollback_does_not_redeploy_the_failure(
    run: Run, render_alone: str, kubectl: Kubectl
) -> None:
    """Plain `helm rollback` would: it goes to the revision before, which is the failed one."""
    assert run("sametag", "upgrade", NAME, "-n", render_alone, "--tag", NEW).code == 0
    assert run("sametag", "upgrade", NAME, "-n", render_alone, "--tag", MISSING).code == 4

    assert run("sametag", "rollback", NAME, "-n", render_alone).code == 0
    assert kubectl.tags(render_alone) == render_runs(OLD)


@pytest.mark.parametrize("helm", ["HELM3"], indirect=True)
def test_a_command_that_is_not_in_the_image_fails_the_install_and_nothing_is_left(
    run: Run, namespace: str, repository: str, kubectl: Kubectl
) -> None:
    values = ("-f", str(VALUES), "--set", f"image.repository={repository}")
    wrong = ("--set-json", 'services.render.command=["/rendr"]')
    ran = run("sametag", "install", NAME, "-n", namespace, *values, *wrong, "--tag", OLD)

    assert ran.code == 4
    assert "render: StartError" in ran.stderr
    assert "/rendr" in ran.stderr
    # Helm has removed the workloads; their pods follow.
    wait_until(lambda: kubectl.tags(namespace) == {})
    assert run("sametag", "history", NAME, "-n", namespace).code == 3


@pytest.mark.parametrize("helm", ["HELM4"], indirect=True)
def test_an_upgrade_with_a_bare_tag_keeps_the_users_values(
    run: Run, render_alone: str, kubectl: Kubectl, render_values: Callable[..., str]
) -> None:
    more = ("-f", render_values(), "--set", "services.render.replicas=2")
    assert run("sametag", "upgrade", NAME, "-n", render_alone, *more).code == 0
    assert run("sametag", "upgrade", NAME, "-n", render_alone, "--tag", NEW).code == 0

    assert kubectl.tags(render_alone) == render_runs(NEW)
    replicas = kubectl("get", "deployment", "render", "-n", render_alone, "-o", "jsonpath={.spec.replicas}")
    assert replicas == "2"


def test_drift_is_found_and_the_next_upgrade_ends_it(run: Run, render_alone: str, kubectl: Kubectl) -> None:
    """With server-side apply the fields of `kubectl set image` conflict: a plain upgrade would end with two tags."""
    image = f"{repository_of(kubectl, render_alone)}:{NEW}"
    kubectl("set", "image", "deployment/render", f"render={image}", "-n", render_alone)
    kubectl("rollout", "status", "deployment/render", "-n", render_alone)

    assert run("sametag", "status", NAME, "-n", render_alone).code == 6
    assert run("sametag", "rollback", NAME, "-n", render_alone, "--to-revision", "1").code == 0
    assert kubectl.tags(render_alone) == render_runs(OLD)
    assert run("sametag", "status", NAME, "-n", render_alone).code == 0


@pytest.mark.parametrize(("helm", "maker"), [("HELM4", "HELM3"), ("HELM3", "HELM4")], indirect=["helm"])
def test_a_release_of_plain_helm_is_upgraded_and_rolled_back_with_the_other(
    run: Run, namespace: str, render_values: Callable[..., str], kubectl: Kubectl, maker: str
) -> None:
    """Helm 4 applies on the server and Helm 3 at the client: what one has set and the new values have not must go."""
    where = ("-n", namespace)
    values = ("-f", render_values())
    first = (*values, "--set", "services.render.env.ONCE=yes", "--set-string", f"image.tag={OLD}")
    assert run(os.environ[f"SAMETAG_{maker}"], "install", NAME, str(ROOT / "chart"), *where, *first, "--wait").code == 0

    def environment() -> str:
        return kubectl("get", "deployment", "render", *where, "-o", "jsonpath={..env[*].name}")

    assert "ONCE" in environment()
    assert run("sametag", "upgrade", NAME, *where, *values, "--tag", NEW).code == 0
    assert kubectl.tags(namespace) == render_runs(NEW)
    assert "ONCE" not in environment()
    assert run("sametag", "status", NAME, *where).code == 0

    assert run("sametag", "rollback", NAME, *where).code == 0
    assert kubectl.tags(namespace) == render_runs(OLD)
    assert "ONCE" in environment()
    assert run("sametag", "status", NAME, *where).code == 0


@pytest.mark.parametrize("helm", ["HELM3"], indirect=True)
def test_an_interrupted_upgrade_leaves_a_release_that_can_be_rolled_back(
    render_alone: str, run: Run, kubectl: Kubectl
) -> None:
    """Ctrl-C reaches Helm as SIGINT, once, so that it writes down that the revision failed."""
    never = ("--set-json", 'services.render.probes={"port": "http", "readinessPath": "/never", "path": "/healthz"}')
    process = subprocess.Popen(
        ["sametag", "upgrade", NAME, "-n", render_alone, "--tag", NEW, *never], stderr=subprocess.PIPE, text=True
    )
    wait_until(lambda: NEW in kubectl.tags(render_alone).get("render", set()))
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=180)

    assert process.returncode == 130, stderr
    history = json.loads(run("sametag", "history", NAME, "-n", render_alone, "-o", "json").stdout)["revisions"]
    assert [entry["status"] for entry in history] == ["deployed", "failed"]
    # The lock was given back.
    assert run("sametag", "rollback", NAME, "-n", render_alone, "--lock-timeout", "0").code == 0
    assert kubectl.tags(render_alone) == render_runs(OLD)


@pytest.mark.parametrize("helm", ["HELM4"], indirect=True)
def test_what_cannot_be_done_is_said_in_one_line_with_a_remedy(run: Run, render_alone: str, tmp_path: Path) -> None:
    """One release, and every way to ask for the wrong thing."""
    old_kubeconfig = tmp_path / "kubeconfig"
    old_kubeconfig.write_text(
        json.dumps(
            {
                "current-context": "gone",
                "contexts": [{"name": "gone", "context": {"cluster": "gone", "user": "gone"}}],
                "clusters": [{"name": "gone", "cluster": {"server": "https://127.0.0.1:1"}}],
                "users": [{"name": "gone", "user": {"token": "x"}}],
            }
        )
    )
    cases = {
        ("upgrade", "nothere", "--tag", NEW): (3, "there is no release nothere"),
        ("install", NAME, "-f", str(VALUES), "--tag", NEW): (2, f"release {NAME} exists"),
        ("rollback", NAME, "--to-tag", "9.9.9"): (2, "no deployed revision has the tag 9.9.9"),
        ("rollback", NAME, "--to-revision", "7"): (2, "there is no revision 7"),
        ("rollback", NAME): (2, "there is nothing to go back to"),
        ("history", NAME, "--kube-context", "nothere"): (3, "nothere"),
        ("history", NAME, "--kubeconfig", str(old_kubeconfig)): (3, "cannot reach the cluster"),
        ("upgrade", NAME, "--tag", NEW, "--chart", "nothere"): (2, "no chart at nothere"),
        ("upgrade", NAME, "--tag", "not a tag"): (1, "image.tag"),
    }
    for words, (code, message) in cases.items():
        ran = run("sametag", *words, "-n", render_alone)
        assert (ran.code, message in ran.stderr) == (code, True), words
        assert len(ran.stderr.splitlines()) > 1, f"no remedy: {words}"
        assert "Traceback" not in ran.stderr


@pytest.mark.parametrize("helm", ["HELM4"], indirect=True)
def test_a_user_without_rights_is_told_which_one_is_missing(
    run: Run, render_alone: str, kubectl: Kubectl, tmp_path: Path
) -> None:
    kubectl("create", "serviceaccount", "nobody", "-n", render_alone)
    kubeconfig = kubeconfig_of(kubectl, render_alone, "nobody", tmp_path)

    ran = run("sametag", "upgrade", NAME, "-n", render_alone, "--tag", NEW, "--kubeconfig", str(kubeconfig))

    assert ran.code == 3
    assert 'cannot list resource "secrets"' in ran.stderr
    assert kubectl.tags(render_alone) == render_runs(OLD)


@pytest.mark.parametrize("helm", ["HELM3"], indirect=True)  # test_unlock has Helm 4
def test_a_release_in_progress_is_not_touched(run: Run, render_alone: str, kubectl: Kubectl, helm: Path) -> None:
    """Helm was killed in the middle; the release is pending until somebody clears it."""
    command = [str(helm), "upgrade", NAME, "chart", "-n", render_alone, "--reset-then-reuse-values", "--wait"]
    command += ["--set", f"image.tag={NEW}", "--set", "services.render.probes.readinessPath=/never"]
    process = subprocess.Popen(command, cwd=ROOT)
    wait_until(lambda: NEW in kubectl.tags(render_alone).get("render", set()))
    process.kill()
    process.wait()

    ran = run("sametag", "upgrade", NAME, "-n", render_alone, "--tag", NEW)

    assert ran.code == 7
    assert "revision 2 (tag 0.0.6) has been pending-upgrade" in ran.stderr
    assert f"sametag unlock {NAME}" in ran.stderr


def test_the_documented_role_is_enough(
    run: Run, namespace: str, render_values: Callable[..., str], kubectl: Kubectl, tmp_path: Path
) -> None:
    kubectl("apply", "-n", namespace, "-f", str(ROOT / "docs/reference/role.yaml"))
    kubectl("create", "serviceaccount", "deployer", "-n", namespace)
    account = f"--serviceaccount={namespace}:deployer"
    kubectl("create", "rolebinding", "sametag", "-n", namespace, "--role=sametag", account)
    where = ("-n", namespace, "--kubeconfig", str(kubeconfig_of(kubectl, namespace, "deployer", tmp_path)))

    assert run("sametag", "install", NAME, *where, "-f", render_values(), "--tag", OLD).code == 0
    assert run("sametag", "upgrade", NAME, *where, "--tag", MISSING).code == 4
    assert run("sametag", "upgrade", NAME, *where, "--tag", NEW).code == 0
    assert run("sametag", "rollback", NAME, *where).code == 0
    assert kubectl.tags(namespace) == render_runs(OLD)
    assert run("sametag", "status", NAME, *where).code == 0

    # What new values add needs rights too.
    rule = {"apiGroups": ["networking.k8s.io"], "resources": ["networkpolicies"], "verbs": ["*"]}
    patch = [
        {"op": "test", "path": "/rules/5/apiGroups", "value": rule["apiGroups"]},
        {"op": "replace", "path": "/rules/5", "value": rule},
    ]
    kubectl("patch", "role", "sametag", "-n", namespace, "--type=json", "--patch", json.dumps(patch))
    host = ("--set", "services.render.ingress.hosts={shop.example.com}", "--tag", NEW)
    ran = run("sametag", "upgrade", NAME, *where, *host)
    assert (ran.code, "create ingresses.networking.k8s.io" in ran.stderr) == (3, True)
    assert kubectl.tags(namespace) == render_runs(OLD)
    assert run("sametag", "uninstall", NAME, *where).code == 0


def test_the_chart_may_come_from_a_registry(
    run: Run, render_alone: str, repository: str, kubectl: Kubectl, tmp_path: Path
) -> None:
    charts = f"oci://{repository.rpartition('/')[0]}/charts"
    (archive,) = [
        word
        for word in run("helm", "package", str(ROOT / "chart"), "-d", str(tmp_path)).stdout.split()
        if ".tgz" in word
    ]
    assert run("helm", "push", archive, charts, "--plain-http").code == 0

    chart = ("--chart", f"{charts}/sametag", "--plain-http")
    assert run("sametag", "upgrade", NAME, "-n", render_alone, "--tag", NEW, *chart).code == 0
    assert kubectl.tags(render_alone) == render_runs(NEW)


@pytest.mark.parametrize("helm", ["HELM4"], indirect=True)
def test_the_examples_of_the_python_page_upgrade_a_release_and_read_it(
    run: Run, render_alone: str, kubectl: Kubectl, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page's upgrade is a dry run; here it is not."""
    page = (ROOT / "docs/reference/python.md").read_text().replace('"app"', f'"{NAME}"').replace('"1.11"', f'"{NEW}"')
    assert ", dry_run=True" in page
    _, upgrading, reading = re.findall(r"```python\n(.*?)```", page.replace(", dry_run=True", ""), re.DOTALL)
    monkeypatch.setenv("HELM_NAMESPACE", render_alone)

    upgraded = run(sys.executable, "-c", upgrading)
    assert (upgraded.code, f"revision 2 (tag {NEW})" in upgraded.stdout) == (0, True)
    assert kubectl.tags(render_alone) == render_runs(NEW)
    read = run(sys.executable, "-c", reading).stdout.splitlines()
    assert read == [f"1 {OLD} superseded True", f"2 {NEW} deployed True", f"render ('{NEW}',) 1 of 1"]
