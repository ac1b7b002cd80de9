"""Jobs, hooks and CronJobs in rollouts that fail, are interrupted or killed: nothing of them goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from conftest import needed
from gifinator import MISSING, NEW, OLD
from single import LEASE_SECONDS, wait_until
from small_app import FAILED_AND_ROLLED_BACK, healthy, shell

if TYPE_CHECKING:
    from collections.abc import Callable

    from small_app import App

    MakeApp = Callable[..., App]

HELMS = pytest.mark.parametrize("helm", ["HELM4", "HELM3"])

#: The lines of a migration end in the log of the only service that writes: a file would need a volume.
MIGRATE = "echo migrating; exec sleep infinity"


def migration(script: str = MIGRATE, on: str = "pre-upgrade", **settings: Any) -> dict[str, Any]:
    """Return the values of a hook, whose ServiceAccount and ConfigMap come with it."""
    config = {"rules": {"data": {"a": "1"}}}
    return shell(script, hook={"on": [on]}, serviceAccount={"create": True}, config=config, **settings)


def objects(app: App) -> set[str]:
    """Return the Jobs, and what belongs to the migration, as `kind/name`; what is about to go is not there."""
    kinds = "jobs,serviceaccounts,configmaps,pods"
    items = json.loads(app.kubectl("get", kinds, "-n", app.namespace, "-o", "json"))["items"]
    return {
        f"{item['kind']}/{item['metadata']['name']}"
        for item in items
        if item["kind"] == "Job" or "migrate" in item["metadata"]["name"]
    }


def texts(events: list[dict[str, Any]]) -> str:
    return "\n".join(event["text"] for event in events if event["event"] == "step")


def services(migrate: dict[str, Any]) -> dict[str, Any]:
    return {"services": {"migrate": migrate}}


@pytest.fixture
def app(make_app: MakeApp, request: pytest.FixtureRequest) -> App:
    """One service on the old tag."""
    helm = request.node.callspec.params.get("helm", "HELM4") if hasattr(request.node, "callspec") else "HELM4"
    name = request.node.originalname.removeprefix("test_")[:20].replace("_", "-").rstrip("-")
    app = make_app(f"{name}{helm[-1]}", helm)
    app.services = {"web": healthy()}
    assert app.install().code == 0
    return app


@pytest.mark.parametrize("helm", ["HELM4"])
def test_a_hook_that_waits_for_its_image_does_not_run_when_the_image_appears_after_the_way_back(
    app: App, helm: str
) -> None:
    """The tag is pushed when all is over: today's migration of a tag that was rolled back ran weeks later."""
    late = f"late-{os.getpid()}-{helm.lower()}"
    ended = app.upgrade(late, **services(migration("echo migrating")))

    assert ended.code == FAILED_AND_ROLLED_BACK
    assert [failure["reason"] for failure in ended.failures("migrate")] == ["ImageNotFound"]
    assert "deleted what revision 2" in texts(ended.events)
    assert objects(app) == set()
    retag(app.repository, NEW, late)
    assert app.everything_runs(OLD)
    assert objects(app) == set()
    app.status_is_true()


def retag(repository: str, tag: str, other: str) -> None:
    """Give an image that is in the registry another tag too."""
    import urllib.request

    host, _, name = repository.partition("/")
    kind = "application/vnd.oci.image.manifest.v1+json"
    url = f"http://{host}/v2/{name}/manifests"
    request = urllib.request.Request(f"{url}/{tag}", headers={"Accept": kind})  # noqa: S310 - localhost
    with urllib.request.urlopen(request) as response:  # noqa: S310
        content, kind = response.read(), response.headers["Content-Type"]
    put = urllib.request.Request(f"{url}/{other}", content, {"Content-Type": kind}, method="PUT")  # noqa: S310
    with urllib.request.urlopen(put) as response:  # noqa: S310
        assert response.status == 201


def interrupt_in_hook(app: App, number: signal.Signals, *words: str, **changes: Any) -> tuple[int, list[Any], str]:
    """Send a signal to an upgrade while its migration runs."""
    process = app.start("upgrade", "--values", str(app.values(changes)), "--tag", NEW, *words)
    wait_until_it_runs(app, process, "migrate")
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=120)
    return process.returncode, [json.loads(line) for line in stdout.splitlines()], stderr


def wait_until_it_runs(app: App, process: subprocess.Popen[str], service: str) -> None:
    """Wait until a pod of this service runs, while a command is at work."""

    def runs() -> bool:
        assert process.poll() is None, process.communicate()
        return bool(running(app, service))

    wait_until(runs)


def running(app: App, service: str) -> list[str]:
    pods = app.kubectl.pods(app.namespace, f"app.kubernetes.io/component={service}")
    return [pod["metadata"]["name"] for pod in pods if pod["status"].get("phase") == "Running"]


@HELMS
def test_ctrl_c_in_a_hook_ends_it_and_says_what_runs_and_how_to_go_back(app: App, helm: str) -> None:
    assert helm
    code, events, stderr = interrupt_in_hook(app, signal.SIGINT, **services(migration()))

    assert code == 130, stderr
    (log,) = [event["log"] for event in events if event["event"] == "trouble" and "migrate" in event["services"]]
    assert log == ["migrating"]
    assert objects(app) == set()
    assert "interrupted: revision 2 (tag 0.0.6) is failed" in stderr
    command = f"sametag rollback {app.name} -n {app.namespace} --to-tag {OLD}"
    assert f"{command} brings every service to {OLD}" in stderr
    assert subprocess.run(command.split(), env=app.environment, check=False).returncode == 0
    assert app.everything_runs(OLD)


def test_sigterm_in_a_hook_says_what_each_service_runs_in_one_line(app: App) -> None:
    process = subprocess.Popen(
        app.command("upgrade", "--values", str(app.values(services(migration()))), "--tag", NEW),
        env=app.environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until_it_runs(app, process, "migrate")
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=120)

    assert process.returncode == 130
    assert f"\n  web: {OLD}, ready\n" in stderr
    assert "migrate" in stderr
    assert objects(app) == set()


def test_a_job_that_only_the_interrupted_revision_has_is_ended_and_that_of_the_good_one_stays(app: App) -> None:
    app.services["seed"] = shell("echo seeded", kind="Job")
    assert app.upgrade(NEW).code == 0
    seeded = objects(app)
    assert len(seeded) == 1

    process = app.start("upgrade", "--values", str(app.values({"services": {"load": shell(MIGRATE, kind="Job")}})))
    wait_until_it_runs(app, process, "load")
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=120)

    assert process.returncode == 130, stderr
    assert "deleted what revision 3 (tag 0.0.6) left: Job" in texts([json.loads(line) for line in stdout.splitlines()])
    assert objects(app) == seeded


def test_the_hook_of_a_client_that_was_killed_is_ended_by_the_next_upgrade(app: App) -> None:
    """The one service stays, the migration is gone from the values: nothing would ever run it again."""
    interrupt_in_hook(app, signal.SIGKILL, **services(migration()))
    assert {name.partition("/")[0] for name in objects(app)} == {"Job", "Pod", "ServiceAccount", "ConfigMap"}

    ended = app.run(
        "upgrade", "--values", str(app.values({})), "--tag", NEW, "--lock-timeout", f"{LEASE_SECONDS + 30}s"
    )

    assert ended.code == 0, ended.stderr
    assert "deleted what revision 2 (tag 0.0.6) left" in texts(ended.events)
    assert objects(app) == set()
    assert app.everything_runs(NEW)


def test_unlock_ends_the_hook_of_a_client_that_was_killed(app: App) -> None:
    interrupt_in_hook(app, signal.SIGKILL, **services(migration()))

    ran = subprocess.run(app.command("unlock"), env=app.environment, capture_output=True, text=True, check=False)

    assert ran.returncode == 0, ran.stderr
    assert "deleted what revision 2 (tag 0.0.6) left" in ran.stderr
    assert objects(app) == set()


@pytest.mark.parametrize("helm", ["HELM3"])
def test_an_uninstall_leaves_nothing_of_hooks_and_names_the_claims_with_the_command_that_removes_them(
    app: App, helm: str
) -> None:
    assert helm
    kept = {"deletePolicy": ["before-hook-creation"], "on": ["pre-upgrade"]}
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}
    database = healthy(kind="StatefulSet", volumes={"data": {"claim": claim, "mountPath": "/data"}}, replicas=0)
    changes = {"services": {"migrate": {**migration("echo done"), "hook": kept}, "db": database}}
    assert app.upgrade(NEW, **changes).code == 0
    assert f"Job/{app.name}-migrate" in objects(app)
    app.kubectl("scale", "statefulset", f"{app.name}-db", "--replicas=1", "-n", app.namespace)
    claims = ("get", "persistentvolumeclaims", "-n", app.namespace, "-o", "name")
    wait_until(lambda: bool(app.kubectl(*claims)))

    ran = subprocess.run(app.command("uninstall"), env=app.environment, capture_output=True, text=True, check=False)

    assert ran.returncode == 0, ran.stderr
    assert objects(app) == set()
    name = f"data-{app.name}-db-0"
    command = f"kubectl delete persistentvolumeclaim/{name} -n {app.namespace}"
    assert f"kept: PersistentVolumeClaim {name}; {command} removes it" in ran.stderr


@pytest.mark.parametrize("helm", ["HELM4", "HELM3"])
def test_ctrl_c_in_a_hook_of_an_uninstall_ends_it_and_the_release_goes_on(app: App, helm: str) -> None:
    assert helm
    assert app.upgrade(NEW, **services(migration(on="pre-delete"))).code == 0
    process = subprocess.Popen(app.command("uninstall"), env=app.environment, stderr=subprocess.PIPE, text=True)
    wait_until_it_runs(app, process, "migrate")
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=120)

    assert process.returncode == 130, stderr
    assert f"interrupted: revision 2 (tag {NEW}) is failed" in stderr
    assert f"sametag uninstall {app.name} -n {app.namespace} removes what is left" in stderr
    assert objects(app) == set()
    assert app.everything_runs(NEW)
    _, history = app.ask("history")
    assert [(entry["status"], entry["description"]) for entry in history["revisions"]][1:] == [
        ("failed", "Left in the middle: uninstalling was interrupted")
    ]
    assert app.upgrade(OLD).code == 0
    assert app.everything_runs(OLD)
    assert subprocess.run(app.command("uninstall"), env=app.environment, check=False).returncode == 0


def test_a_first_install_that_fails_in_its_hook_leaves_nothing(make_app: MakeApp) -> None:
    app = make_app("first")
    ended = app.install(OLD, **services(migration("echo no database; exit 3", "pre-install", job={"backoffLimit": 0})))

    assert ended.code == FAILED_AND_ROLLED_BACK
    assert ended.failures("migrate")[0]["log"] == ["no database"]
    assert objects(app) == set()


def test_a_way_back_names_the_migrations_that_did_their_work_with_their_digest(app: App) -> None:
    done = app.upgrade(NEW, **services(migration("echo done")))
    assert done.code == 0, done.stderr
    states = [event["words"] for event in done.events if event["event"] == "service" and event["name"] == "migrate"]
    assert states[-1].startswith("done in "), states
    assert not {"ready", "starting"} & set(states)

    failed = app.upgrade(OLD, **services(migration("exit 1", job={"backoffLimit": 0})))
    assert failed.code == FAILED_AND_ROLLED_BACK
    assert "rolling back does not undo it" not in texts(failed.events)

    back = app.run("rollback")
    assert back.code == 0
    digest = next(event["digest"] for event in done.events if event["event"] == "end")
    name = f"Job {app.name}-migrate (pre-upgrade)"
    assert f"{name} ran with revision 2 (tag {NEW}, {digest}); rolling back does not undo it" in texts(back.events)

    # Its migration works, and then the service does not: the way back is one that crosses it.
    broken = app.upgrade(NEW, services={"migrate": migration("echo done"), "web": shell("exit 1")})
    assert broken.code == FAILED_AND_ROLLED_BACK
    assert f"{name} ran with revision 6 (tag {NEW}, {digest}); rolling back does not undo it" in texts(broken.events)


def test_a_cronjob_has_a_row_everywhere_and_what_it_began_with_a_failed_tag_is_ended(app: App) -> None:
    app.services["tick"] = shell(
        "echo tick", kind="CronJob", cronJob={"schedule": "0 3 * * *", "timeZone": "Europe/Oslo"}
    )
    ended = app.upgrade(NEW)
    assert ended.code == 0, ended.stderr
    assert ended.end["unseen"] == [{"name": "tick", "words": "not run yet on this tag"}]
    code, status = app.ask("status")
    (row,) = status["cronJobs"]
    assert (code, row["name"], row["tags"], row["schedule"], row["onTag"]) == (0, "tick", [NEW], "0 3 * * *", None)

    # A run that was begun by hand while the CronJob had the tag that is not there.
    upgrade = app.start("upgrade", "--values", str(app.values({})), "--tag", MISSING, "--grace", "ImageNotFound=60s")
    cronjob = ("get", "cronjob", f"{app.name}-tick", "-n", app.namespace, "-o", "jsonpath={..image}")
    wait_until(lambda: app.kubectl(*cronjob).endswith(MISSING))
    app.kubectl("create", "job", "by-hand", f"--from=cronjob/{app.name}-tick", "-n", app.namespace)
    upgrade.send_signal(signal.SIGINT)
    _, stderr = upgrade.communicate(timeout=120)

    assert upgrade.returncode == 130, stderr
    assert "Job/by-hand" not in objects(app)
    assert app.run("rollback", "--to-tag", NEW).code == 0
    app.kubectl("create", "job", "good", f"--from=cronjob/{app.name}-tick", "-n", app.namespace)
    wait_until(lambda: (app.ask("status")[1]["cronJobs"][0]["onTag"] or {}).get("state") == "done")


def test_status_in_the_middle_of_a_rollout_says_who_and_folds_what_follows_from_the_tag(app: App) -> None:
    process = app.start("upgrade", "--values", str(app.values(services(migration()))), "--tag", NEW)
    wait_until_it_runs(app, process, "migrate")
    ran = subprocess.run(app.command("status"), env=app.environment, capture_output=True, text=True, check=False)
    code, status = app.ask("status")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=120)

    assert f"a rollout is in progress, by {status['rollout']['by']} for tag {NEW}, since " in ran.stdout
    assert [(job["name"], job["state"]) for job in status["jobs"]] == [("migrate", "running")]
    assert ran.stdout.count(f"{NEW}") <= 4, ran.stdout
    assert code == 6


@pytest.fixture(scope="module", autouse=True)
def environment() -> None:
    needed("SAMETAG_HELM3")
