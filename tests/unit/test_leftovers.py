"""What a revision that failed would go on with is ended; what is another's, or good, or to be kept, stays."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from sametag.deploy import Request, Step, Troubled
from sametag.deploy.leftovers import Leftovers
from sametag.helm import Revision
from sametag.kube.connection import Target, connect

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from fake_api import ApiServer
    from sametag.deploy import Event

    Document = dict[str, Any]

BATCH = "/apis/batch/v1/namespaces/apps"
CORE = "/api/v1/namespaces/apps"
JOB = f"{BATCH}/jobs/app-migrate"
ACCOUNT = f"{CORE}/serviceaccounts/app-migrate"

#: The chart's.
POLICY = "before-hook-creation,hook-succeeded"


def manifest(kind: str, name: str, tag: str, *, policy: str = POLICY, **annotations: str) -> Document:
    annotations |= {"helm.sh/hook": "pre-upgrade", "helm.sh/hook-delete-policy": policy} if policy else {}
    labels = {"app.kubernetes.io/version": tag, "app.kubernetes.io/component": name.removeprefix("app-")}
    api_version = "batch/v1" if kind in ("Job", "CronJob") else "v1"
    meta = {"name": name, "labels": labels, "annotations": annotations}
    spec: Document = {"template": {"spec": {"containers": [{"name": "x", "image": f"r.example.com/app:{tag}"}]}}}
    if kind == "CronJob":
        spec = {"jobTemplate": {"spec": spec}}
    return {"apiVersion": api_version, "kind": kind, "metadata": meta, "spec": spec}


def live(document: Document, **status: Any) -> Document:
    copy: Document = json.loads(json.dumps(document))
    copy["metadata"]["uid"] = f"uid-{document['metadata']['name']}"
    copy["metadata"]["annotations"]["meta.helm.sh/release-name"] = "app"
    return {**copy, "status": status}


def hook(document: Document, phase: str, second: int) -> Document:
    annotations = document["metadata"]["annotations"]
    return {
        "kind": document["kind"],
        "name": document["metadata"]["name"],
        "manifest": json.dumps(document),
        "events": annotations["helm.sh/hook"].split(","),
        "delete_policies": annotations["helm.sh/hook-delete-policy"].split(","),
        "last_run": {"started_at": f"2026-01-01T00:00:{second:02}.5Z", "phase": phase},
    }


def revision(number: int, status: str, *objects: Document, hooks: tuple[Document, ...] = ()) -> Revision:
    return Revision(
        {
            "name": "app",
            "version": number,
            "info": {"status": status, "last_deployed": f"2026-01-01T00:00:{number:02}Z"},
            "chart": {"metadata": {"name": "sametag", "version": "0.1.0"}},
            "config": {"image": {"tag": str(number)}},
            "manifest": "\n---\n".join(map(json.dumps, objects)),
            "hooks": list(hooks),
        }
    )


def act(
    api: ApiServer, *history: Revision, on: Callable[[Leftovers], Awaitable[object]] = Leftovers.end_failed
) -> list[Event]:
    told: list[Event] = []

    async def main() -> None:
        target = Target(kubeconfig=str(api.kubeconfig))
        async with connect(target) as client:
            await on(Leftovers(client, Request(target, "app", told.append), history))

    api.answers |= {
        f"{CORE}/pods": (200, {"items": [], "metadata": {}}),
        f"{CORE}/events": (200, {"items": [], "metadata": {}}),
    }
    asyncio.run(main())
    return told


def texts(told: list[Event]) -> list[str]:
    return [str(event) for event in told if isinstance(event, Step)]


GOOD = revision(1, "deployed")


@pytest.mark.parametrize("phase", ["Running", "Failed", "Unknown"])
def test_the_hook_of_a_failed_revision_goes_and_what_came_with_it(api: ApiServer, phase: str) -> None:
    job, account = manifest("Job", "app-migrate", "2"), manifest("ServiceAccount", "app-migrate", "2")
    api.put(JOB, live(job))
    api.put(ACCOUNT, live(account))

    told = act(api, GOOD, revision(2, "failed", hooks=(hook(account, "Succeeded", 2), hook(job, phase, 2))))

    assert api.objects == {}
    assert texts(told) == [
        "deleted what revision 2 (tag 2) left: ServiceAccount app-migrate (pre-upgrade), Job app-migrate (pre-upgrade)"
    ]
    deleted = [request for request in api.requests if request.startswith(f"DELETE {JOB}")]
    assert deleted == [f"DELETE {JOB}?propagationPolicy=Foreground&uid=uid-app-migrate"]


@pytest.mark.parametrize(
    ("history", "present"),
    [
        ([revision(1, "deployed", hooks=(hook(manifest("Job", "app-migrate", "2"), "Succeeded", 1),))], "good"),
        ([GOOD, revision(2, "failed", hooks=(hook(manifest("Job", "app-migrate", "3"), "Failed", 2),))], "another's"),
        ([GOOD, revision(2, "failed", hooks=(hook(manifest("Job", "app-migrate", "2"), "", 1),))], "a copy"),
        (
            [
                revision(1, "failed", hooks=(hook(manifest("Job", "app-migrate", "2"), "Failed", 1),)),
                revision(2, "deployed", hooks=(hook(manifest("Job", "app-migrate", "2"), "Succeeded", 2),)),
            ],
            "run again",
        ),
    ],
)
def test_the_job_of_another_revision_or_client_stays(api: ApiServer, history: list[Revision], present: str) -> None:
    api.put(JOB, live(manifest("Job", "app-migrate", "2")))

    assert (act(api, *history), JOB in api.objects) == ([], True), present


def test_a_job_that_did_its_work_and_what_is_not_said_to_go_stay(api: ApiServer) -> None:
    """Its policy keeps both until the hook runs again."""
    job, secret = (manifest(kind, "app-migrate", "2", policy="before-hook-creation") for kind in ("Job", "Secret"))
    api.put(JOB, live(job, conditions=[{"type": "Complete", "status": "True"}]))
    api.put(f"{CORE}/secrets/app-migrate", live(secret))

    told = act(api, GOOD, revision(2, "failed", hooks=(hook(secret, "Succeeded", 2), hook(job, "Succeeded", 2))))

    assert (told, len(api.objects)) == ([], 2)


def test_a_job_that_is_to_be_kept_is_suspended(api: ApiServer) -> None:
    job = manifest("Job", "app-migrate", "2", **{"helm.sh/resource-policy": "keep"})
    api.put(JOB, live(job))
    api.answers[f"PATCH {JOB}"] = (200, {"metadata": {}})

    told = act(api, GOOD, revision(2, "failed", hooks=(hook(job, "Running", 2),)))

    assert JOB in api.objects
    assert texts(told) == ["suspended Job app-migrate (pre-upgrade) of revision 2 (tag 2), which is to be kept"]


def test_a_job_that_only_the_failed_revision_has_is_ended_and_its_log_is_told_first(api: ApiServer) -> None:
    old, new = manifest("Job", "app-seed-1", "1", policy=""), manifest("Job", "app-seed-2", "2", policy="")
    for job in (old, new):
        api.put(f"{BATCH}/jobs/{job['metadata']['name']}", live(job))
    api.answers[f"{CORE}/pods/app-seed-2-x/log"] = (200, {"rows": 7})
    container = {"name": "x", "image": "i", "imageID": "", "ready": False, "restartCount": 0, "state": {"running": {}}}
    pod = {
        "metadata": {"name": "app-seed-2-x", "uid": "p", "ownerReferences": [{"uid": "uid-app-seed-2"}]},
        "status": {"phase": "Running", "containerStatuses": [container]},
    }

    def with_pod(leftovers: Leftovers) -> Awaitable[object]:
        api.answers[f"{CORE}/pods"] = (200, {"items": [pod], "metadata": {}})
        return leftovers.end_failed()

    told = act(api, revision(1, "deployed", old), revision(2, "failed", old, new), on=with_pod)

    assert list(api.objects) == [f"{BATCH}/jobs/app-seed-1"]
    (troubled,) = [event for event in told if isinstance(event, Troubled)]
    assert [found.log for found in troubled.evidence] == [('{"rows": 7}',)]
    assert told.index(troubled) == 0


def test_what_a_cronjob_began_with_the_failed_tag_is_ended_and_the_run_of_the_good_one_goes_on(api: ApiServer) -> None:
    old, new = manifest("CronJob", "app-tick", "1", policy=""), manifest("CronJob", "app-tick", "2", policy="")
    api.put(f"{BATCH}/cronjobs/app-tick", live(new))
    runs = []
    for tag, owner in (("1", "uid-app-tick"), ("2", "uid-app-tick"), ("2", "uid-another")):
        run = live(manifest("Job", f"run-{tag}-{owner}", tag, policy=""))
        run["metadata"]["ownerReferences"] = [{"uid": owner}]
        # A mirror and a digest, as admission writes them, are no other image.
        image = run["spec"]["template"]["spec"]["containers"][0]
        image["image"] = f"mirror.example.com/app:{tag}@sha256:{'a' * 64}"
        api.put(f"{BATCH}/jobs/{run['metadata']['name']}", run)
        runs.append(run)
    api.answers[f"{BATCH}/jobs"] = (200, {"items": runs, "metadata": {}})

    told = act(api, revision(1, "deployed", old), revision(2, "failed", new))

    assert sorted(path.rpartition("/")[2] for path in api.objects) == [
        "app-tick",
        "run-1-uid-app-tick",
        "run-2-uid-another",
    ]
    assert texts(told) == ["deleted what revision 2 (tag 2) left: Job run-2-uid-app-tick"]


def test_after_an_uninstall_nothing_of_any_hook_is_left_but_what_is_to_be_kept(api: ApiServer) -> None:
    keep = {"helm.sh/resource-policy": "keep"}
    job, kept = manifest("Job", "app-migrate", "1"), manifest("Secret", "app-migrate", "1", **keep)
    api.put(JOB, live(job))
    api.put(f"{CORE}/secrets/app-migrate", live(kept))
    history = revision(1, "deployed", hooks=(hook(job, "Succeeded", 1), hook(kept, "Succeeded", 1)))

    told = act(api, history, on=Leftovers.remove_hooks)
    told += act(api, history, on=Leftovers.say_kept)

    assert list(api.objects) == [f"{CORE}/secrets/app-migrate"]
    command = f"kubectl delete secret/app-migrate -n apps --kubeconfig {api.kubeconfig}"
    assert texts(told)[-1] == f"kept: Secret app-migrate; {command} removes it"


def test_the_claims_of_a_statefulset_are_said_to_be_kept_with_the_command_that_removes_them(api: ApiServer) -> None:
    database = manifest("StatefulSet", "app-db", "1", policy="")
    database |= {"apiVersion": "apps/v1", "spec": {"volumeClaimTemplates": [{"metadata": {"name": "data"}}]}}
    claims: list[Document] = [
        {"metadata": {"name": "data-app-db-0"}},
        {"metadata": {"name": "data-app-db-1", "ownerReferences": [{"uid": "s"}]}},
        {"metadata": {"name": "data-app-db-x"}},
    ]
    api.answers[f"{CORE}/persistentvolumeclaims"] = (200, {"items": claims, "metadata": {}})

    told = act(api, revision(1, "failed", database), on=Leftovers.say_kept)

    command = f"kubectl delete persistentvolumeclaim/data-app-db-0 -n apps --kubeconfig {api.kubeconfig}"
    assert texts(told) == [f"kept: PersistentVolumeClaim data-app-db-0; {command} removes it"]


def test_what_may_not_be_deleted_is_named_with_the_command_and_stops_nothing(api: ApiServer) -> None:
    job = manifest("Job", "app-migrate", "2")
    api.put(JOB, live(job))
    refused = {"kind": "Status", "code": 403, "message": "jobs is forbidden", "reason": "Forbidden"}
    api.answers[f"DELETE {JOB}"] = (403, refused)

    told = act(api, GOOD, revision(2, "failed", hooks=(hook(job, "Running", 2),)))

    command = f"kubectl delete job/app-migrate -n apps --kubeconfig {api.kubeconfig}"
    assert texts(told) == [
        f"warning: Job app-migrate of revision 2 (tag 2) stays: jobs is forbidden; {command} removes it"
    ]
