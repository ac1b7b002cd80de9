"""The kinds of workload, and what each of them must be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from rendering import Chart, Rendered

WEB = {"command": ["web"]}


def test_a_deployment_starts_new_pods_before_it_stops_old_ones(render: Chart) -> None:
    """Recreate as a default would take the application down on every upgrade."""
    spec = render({"web": WEB}).one("Deployment")["spec"]
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 0}}


def test_a_rollout_fails_before_helm_gives_up(render: Chart) -> None:
    """Helm waits 300 s; Kubernetes' own 600 s would leave Helm without a reason."""
    assert render({"web": WEB}).one("Deployment")["spec"]["progressDeadlineSeconds"] < 300


def test_recreate_has_no_leftover_of_the_default(render: Chart) -> None:
    spec = render({"web": {**WEB, "strategy": {"type": "Recreate"}}}).one("Deployment")["spec"]
    assert spec["strategy"] == {"type": "Recreate"}


def test_min_ready_seconds_is_the_workloads_not_the_pods(render: Chart) -> None:
    rendered = render({"web": {**WEB, "minReadySeconds": 5}})
    assert rendered.one("Deployment")["spec"]["minReadySeconds"] == 5
    assert "minReadySeconds" not in rendered.pod("app-web")["spec"]


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet"])
@pytest.mark.parametrize(
    ("settings", "seconds"),
    [
        ({}, 10),
        ({"minReadySeconds": 0}, 0),
        ({"ports": {"http": {"containerPort": 80}}, "probes": {"port": "http"}}, None),
        ({"probes": {"readiness": {"exec": {"command": ["/ready"]}}}}, None),
        ({"probes": {"liveness": {"exec": {"command": ["/live"]}}}}, 10),
        ({"progressDeadlineSeconds": 5}, 4),
    ],
)
def test_a_pod_that_no_probe_asks_must_run_for_a_while_before_it_replaces_another(
    render: Chart, kind: str, settings: dict[str, object], seconds: int | None
) -> None:
    """Such a pod is ready as soon as it starts: one that crashes a second later would have taken the service down."""
    spec = render({"web": {**WEB, "kind": kind, **settings}}).one(kind)["spec"]
    assert spec.get("minReadySeconds") == seconds


def test_a_statefulset_has_claims_and_a_headless_service(render: Chart) -> None:
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    service = {
        **WEB,
        "kind": "StatefulSet",
        "ports": {"http": {"containerPort": 80}},
        "volumes": {"data": {"mountPath": "/data", "claim": claim}},
    }
    rendered = render({"web": service})
    spec = rendered.one("StatefulSet")["spec"]
    (template,) = spec["volumeClaimTemplates"]
    assert ("data", claim) == (template["metadata"]["name"], template["spec"])
    assert rendered.all("Service")[spec["serviceName"]]["spec"]["clusterIP"] == "None"
    assert "clusterIP" not in rendered.all("Service")["app-web"]["spec"]
    assert rendered.container("app-web")["volumeMounts"] == [{"name": "data", "mountPath": "/data"}]
    assert "volumes" not in rendered.pod("app-web")["spec"]
    assert rendered.all("PersistentVolumeClaim") == {}


def test_a_daemonset_has_no_replicas_and_nothing_that_counts_them(render: Chart) -> None:
    rendered = render({"web": {**WEB, "kind": "DaemonSet"}}, defaults={"replicas": 3})
    assert "replicas" not in rendered.one("DaemonSet")["spec"]
    assert "topologySpreadConstraints" not in rendered.pod("app-web")["spec"]
    assert rendered.all("PodDisruptionBudget") == {}


def test_a_job_is_another_one_when_what_it_runs_changes(render: Chart) -> None:
    """A Job cannot change: an upgrade that tried would fail."""
    job = {"job": {"kind": "Job", "command": ["job"]}}

    def name(*options: str) -> str:
        (found,) = render(job, *options).all("Job")
        return str(found)

    assert name() == name()
    assert name() != name("--set-string", "image.tag=2")
    assert name().startswith("app-job-")


def test_a_cronjob_runs_once_at_a_time(render: Chart) -> None:
    spec = render({"cron": {**WEB, "kind": "CronJob", "cronJob": {"schedule": "@daily"}}}).one("CronJob")["spec"]
    assert (spec["schedule"], spec["concurrencyPolicy"]) == ("@daily", "Forbid")
    assert spec["jobTemplate"]["spec"]["template"]["spec"]["restartPolicy"] == "Never"


def test_what_ends_by_itself_has_no_service_no_budget_no_probe_delay(render: Chart) -> None:
    service = {**WEB, "kind": "Job", "ports": {"http": {"containerPort": 80}}}
    rendered = render({"job": service}, defaults={"replicas": 5})
    assert rendered.kinds() == ["Job", "NetworkPolicy", "ServiceAccount"]
    assert "lifecycle" not in rendered.pod(next(iter(rendered.all("Job"))))["spec"]["containers"][0]


def test_a_hook_runs_before_any_service_changes_once_and_as_long_as_it_needs(render: Chart) -> None:
    job = render({"migrate": {**WEB, "hook": {}}}).one("Job")
    assert job["metadata"]["name"] == "app-migrate"
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    assert job["spec"]["backoffLimit"] == 0
    assert "activeDeadlineSeconds" not in job["spec"]
    assert render({"job": {**WEB, "kind": "Job"}}).one("Job")["spec"]["backoffLimit"] == 2


def test_what_a_hook_needs_is_there_before_it(render: Chart) -> None:
    """Ordinary objects come after pre-install hooks: a Job without its account or its ConfigMap would never start."""
    service = {
        **WEB,
        "hook": {"weight": 3},
        "config": {"a": {"env": True, "data": {"b": "c"}}},
        "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}],
    }
    rendered = render({"migrate": service})
    weights = {o["kind"]: int(o["metadata"]["annotations"]["helm.sh/hook-weight"]) for o in rendered.objects}
    assert weights.pop("Job") == 3
    assert weights == {"ConfigMap": 2, "NetworkPolicy": 2, "Role": 2, "RoleBinding": 2, "ServiceAccount": 2}


def accounts(rendered: Rendered) -> list[dict[str, Any]]:
    return [item["metadata"] for item in rendered.objects if item["kind"] == "ServiceAccount"]


def test_an_account_that_services_share_is_made_once_for_all_of_them(render: Chart) -> None:
    services = {
        "a": {**WEB, "labels": {"team": "x", "only": "a"}, "serviceAccount": {"annotations": {"role": "one"}}},
        "b": {**WEB, "labels": {"team": "x"}, "serviceAccount": {"annotations": {"role": "one", "more": "y"}}},
        "c": {**WEB, "labels": {"team": "x"}, "serviceAccount": {"create": False}},
    }
    (account,) = accounts(render(services, defaults={"serviceAccount": {"name": "cloud"}}))
    assert account["annotations"] == {"role": "one", "more": "y"}
    assert account["labels"]["team"] == "x"
    assert not {"only", "app.kubernetes.io/component"} & account["labels"].keys()


def test_services_that_disagree_about_their_account_are_an_error_that_names_both(render: Chart) -> None:
    services = {
        name: {**WEB, "serviceAccount": {"name": "cloud", "annotations": {"role": role}}}
        for name, role in {"a": "", "b": "two"}.items()
    }
    message = "services.a and services.b share the ServiceAccount cloud and disagree about its annotation role"
    assert message in render.refusal(services)


def test_an_account_of_a_hook_and_a_service_is_there_before_the_hook_and_stays(render: Chart) -> None:
    services = {"migrate": {**WEB, "hook": {"weight": 3}}, "seed": {**WEB, "hook": {"weight": -2}}, "web": WEB}
    ordinary, early = accounts(render(services, defaults={"serviceAccount": {"name": "shared"}}))
    assert "annotations" not in ordinary
    assert early["annotations"] == {
        "helm.sh/hook": "pre-install",
        "helm.sh/hook-weight": "-3",
        "helm.sh/hook-delete-policy": "before-hook-creation,hook-succeeded",
    }


def test_an_account_of_hooks_alone_comes_and_goes_with_them(render: Chart) -> None:
    services = {"a": {**WEB, "hook": {"on": ["post-upgrade"]}}, "b": {**WEB, "hook": {"on": ["pre-upgrade"]}}}
    (account,) = accounts(render(services, defaults={"serviceAccount": {"name": "shared"}}))
    assert account["annotations"]["helm.sh/hook"] == "post-upgrade,pre-upgrade"


def test_services_and_their_config_are_no_hooks(render: Chart) -> None:
    """A ConfigMap that is a hook is not restored by a rollback."""
    rendered = render({"web": {**WEB, "config": {"a": {"data": {"b": "c"}}}}, "migrate": {**WEB, "hook": {}}})
    assert "annotations" not in rendered.one("ConfigMap")["metadata"]
    assert "annotations" not in rendered.one("Deployment")["metadata"]


SLOW = {"exec": {"command": ["up"]}, "periodSeconds": 10, "failureThreshold": 100}


@pytest.mark.parametrize(
    ("service", "deadline"),
    [
        ({}, 240),
        ({"probes": {"startup": SLOW}}, 1060),
        ({"probes": {"startup": {**SLOW, "failureThreshold": 2}}}, 240),
        ({"probes": {"startup": SLOW}, "progressDeadlineSeconds": 500}, 500),
        ({"probes": {"readiness": {**SLOW, "initialDelaySeconds": 400}}}, 460),
        ({"sidecars": [{"name": "a", "startupProbe": SLOW}], "probes": {"startup": SLOW}}, 1060),
        ({"initContainers": [{"name": "a", "restartPolicy": "Always", "startupProbe": SLOW}]}, 1060),
    ],
)
def test_a_rollout_has_not_failed_before_a_slow_start_has(
    render: Chart, service: dict[str, Any], deadline: int
) -> None:
    assert deadline == render({"web": {**WEB, **service}}).one("Deployment")["spec"]["progressDeadlineSeconds"]


def test_a_hook_is_for_a_job(render: Chart) -> None:
    assert "services.web.hook only applies to a Job" in render.refusal(
        {"web": {**WEB, "kind": "Deployment", "hook": {}}}
    )


def test_a_cronjob_needs_a_schedule(render: Chart) -> None:
    assert "services.web.cronJob.schedule is required" in render.refusal({"web": {**WEB, "kind": "CronJob"}})


def test_an_autoscaler_sets_the_replicas_alone(render: Chart) -> None:
    rendered = render({"web": {**WEB, "autoscaling": {"minReplicas": 2, "maxReplicas": 9}}}, defaults={"replicas": 7})
    assert "replicas" not in rendered.one("Deployment")["spec"]
    spec = rendered.one("HorizontalPodAutoscaler")["spec"]
    assert (
        spec["minReplicas"],
        spec["maxReplicas"],
        spec["metrics"][0]["resource"]["target"]["averageUtilization"],
    ) == (2, 9, 80)
    assert spec["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": "app-web"}


def test_keda_sets_the_replicas_alone(render: Chart) -> None:
    keda = {"triggers": [{"type": "cron", "metadata": {"timezone": "UTC"}}]}
    rendered = render({"web": {**WEB, "keda": keda}})
    assert "replicas" not in rendered.one("Deployment")["spec"]
    assert keda["triggers"] == rendered.one("ScaledObject")["spec"]["triggers"]


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"keda": {"triggers": [{"type": "cpu", "metadata": {}}]}}, "only one can set the replicas"),
        ({"kind": "DaemonSet"}, "autoscaling only applies to a Deployment or StatefulSet; this service is a DaemonSet"),
    ],
)
def test_what_cannot_scale_is_refused(render: Chart, extra: dict[str, object], message: str) -> None:
    assert message in render.refusal({"web": {**WEB, "autoscaling": {"maxReplicas": 2}, **extra}})


def test_several_pods_have_a_budget_and_spread(render: Chart) -> None:
    rendered = render({"one": WEB, "two": {**WEB, "replicas": 2}})
    assert list(rendered.all("PodDisruptionBudget")) == ["app-two"]
    spec = rendered.pod("app-two")["spec"]
    assert [constraint["topologyKey"] for constraint in spec["topologySpreadConstraints"]] == [
        "kubernetes.io/hostname",
        "topology.kubernetes.io/zone",
    ]
    assert {"ScheduleAnyway"} == {each["whenUnsatisfiable"] for each in spec["topologySpreadConstraints"]}
    assert "preferredDuringSchedulingIgnoredDuringExecution" in spec["affinity"]["podAntiAffinity"]
    assert not {"affinity", "topologySpreadConstraints"} & rendered.pod("app-one")["spec"].keys()


def test_the_users_own_placement_and_budget_stand_in_the_place_of_the_default(render: Chart) -> None:
    service = {
        **WEB,
        "replicas": 2,
        "affinity": {},
        "topologySpreadConstraints": [{"maxSkew": 2, "topologyKey": "rack", "whenUnsatisfiable": "DoNotSchedule"}],
        "podDisruptionBudget": {"minAvailable": 1},
    }
    rendered = render({"web": service})
    spec = rendered.pod("app-web")["spec"]
    assert "affinity" not in spec
    (constraint,) = spec["topologySpreadConstraints"]
    assert constraint["topologyKey"] == "rack"
    assert constraint["labelSelector"]["matchLabels"]["app.kubernetes.io/component"] == "web"
    budget = rendered.one("PodDisruptionBudget")["spec"]
    assert (budget["minAvailable"], budget.get("maxUnavailable")) == (1, None)


def test_a_budget_can_be_done_without(render: Chart) -> None:
    rendered = render({"web": {**WEB, "replicas": 2, "podDisruptionBudget": {"enabled": False}}})
    assert rendered.all("PodDisruptionBudget") == {}
