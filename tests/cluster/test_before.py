"""What Helm would find half-way is found before; what goes through is not refused; pods that an autoscaler has stay."""

from __future__ import annotations

import json
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from gifinator import NEW, OLD, ROOT
from small_app import healthy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from gifinator import Kubectl
    from small_app import App

    MakeApp = Callable[..., App]
    Deny = Callable[[App, str, str], None]

REFUSED = 3


def helm(app: App, *words: str) -> str:
    """Run plain Helm in the application's namespace."""
    command = ["helm", *words, "--namespace", app.namespace]
    ran = subprocess.run(command, env=app.environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def revisions(app: App) -> list[tuple[int, str]]:
    return [(entry["revision"], entry["tag"]) for entry in app.ask("history")[1]["revisions"]]


def live(app: App, kind: str, service: str) -> dict[str, Any]:
    name = f"{app.name}-{service}"
    found: dict[str, Any] = json.loads(app.kubectl("get", kind, name, "-n", app.namespace, "-o", "json"))
    return found


def refused_untouched(app: App, stderr: str, *words: str) -> None:
    """Assert that this was said, and that no revision, and no pod, is another."""
    assert "nothing was changed" in stderr, stderr
    for word in words:
        assert word in stderr, stderr
    assert revisions(app) == [(1, OLD)]
    tags = app.kubectl.tags(app.namespace).values()
    assert set().union(*tags) == {OLD}


@pytest.fixture
def deny(kubectl: Kubectl) -> Iterator[Deny]:
    """Make a policy that denies objects of a resource in one namespace where an expression does not hold."""
    made: list[str] = []

    def make(app: App, resource: str, expression: str) -> None:
        name = f"before-{app.namespace}-{resource}"
        group = {"deployments": "apps", "jobs": "batch"}.get(resource, "")
        rule = {
            "apiGroups": [group],
            "apiVersions": ["v1"],
            "operations": ["CREATE", "UPDATE"],
            "resources": [resource],
        }
        here = {"matchLabels": {"kubernetes.io/metadata.name": app.namespace}}
        spec = {
            "failurePolicy": "Fail",
            "matchConstraints": {"namespaceSelector": here, "resourceRules": [rule]},
            "validations": [{"expression": expression, "message": "the platform team says no"}],
        }
        binding = {"policyName": name, "validationActions": ["Deny"]}
        for kind, content in (("ValidatingAdmissionPolicy", spec), ("ValidatingAdmissionPolicyBinding", binding)):
            item = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": {"name": name}}
            kubectl("apply", "-f", "-", stdin=json.dumps({**item, "spec": content}))
            made.append(f"{kind}/{name}")
        # The API server reads policies every second.
        time.sleep(3)

    yield make
    for item in made:
        kubectl("delete", item, "--ignore-not-found")


def test_a_policy_that_denies_one_object_is_named_before_anything_is_changed(make_app: MakeApp, deny: Deny) -> None:
    app = make_app("policy")
    assert app.install().code == 0
    deny(app, "deployments", "object.metadata.name != 'policy-worker' || object.spec.replicas < 2")

    ended = app.upgrade(services={"worker": healthy(replicas=2)})
    assert ended.code == REFUSED
    refused_untouched(
        app,
        ended.stderr,
        f"ValidatingAdmissionPolicy before-{app.namespace}-deployments denies Deployment policy-worker: the platform",
    )
    assert app.upgrade(NEW).code == 0, "what the policy does not deny goes through"


def test_a_hook_that_is_denied_is_found_before_the_services_change(make_app: MakeApp, deny: Deny) -> None:
    """A post-upgrade hook is created when every service is on the new tag already."""
    app = make_app("hook")
    assert app.install().code == 0
    deny(app, "jobs", "false")

    ended = app.upgrade(services={"seed": {"command": ["/bin/true"], "hook": {"on": ["post-upgrade"]}}})
    assert ended.code == REFUSED
    refused_untouched(app, ended.stderr, "denies Job hook-seed: the platform team says no")


def test_what_pod_security_would_refuse_is_found_before(make_app: MakeApp) -> None:
    """Otherwise no pod ever comes, and the Deployment says why in an event."""
    app = make_app("podsecurity")
    assert app.install().code == 0

    ended = app.upgrade(services={"web": healthy(securityContext={"allowPrivilegeEscalation": True})})
    assert ended.code == REFUSED
    refused_untouched(app, ended.stderr, "Pod Security refuses the pods of Deployment podsecurity-web: violates")


def test_a_claim_that_cannot_change_is_named_by_its_setting_and_the_way_out_works(make_app: MakeApp) -> None:
    app = make_app("claim")

    def db(size: str) -> dict[str, Any]:
        claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}
        # Without a pod, no storage is needed.
        return healthy(kind="StatefulSet", replicas=0, volumes={"data": {"claim": claim, "mountPath": "/data"}})

    assert app.install(services={"db": db("1Gi")}).code == 0
    ended = app.upgrade(services={"db": db("2Gi")})
    assert ended.code == REFUSED
    refused_untouched(
        app,
        ended.stderr,
        "StatefulSet claim-db: services.db.volumes.data.claim.resources.requests.storage (1Gi -> 2Gi)",
        f"kubectl delete statefulset claim-db -n {app.namespace} --cascade=orphan",
    )

    app.kubectl("delete", "statefulset", "claim-db", "-n", app.namespace, "--cascade=orphan")
    assert app.upgrade(services={"db": db("2Gi")}).code == 0
    back = app.run("rollback")
    assert back.code == REFUSED, "going back is refused for the same reason"
    assert "(2Gi -> 1Gi)" in back.stderr
    assert revisions(app)[-1] == (2, NEW)


def test_a_missing_kind_is_named_and_what_comes_with_the_release_is_not_missed(make_app: MakeApp) -> None:
    app = make_app("kinds")
    widget = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}}
    ended = app.install(extraObjects=[widget])
    assert ended.code == REFUSED
    assert app.ask("history")[1] is None

    other = f"{app.namespace}-other"
    objects = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": other}},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m", "namespace": other}},
    ]
    ended = app.install(extraObjects=objects)
    assert ended.code == 0, ended.stderr
    app.remove()


def test_a_webhook_that_does_not_answer_is_named_unless_it_is_ignored(make_app: MakeApp, kubectl: Kubectl) -> None:
    app = make_app("webhook")
    assert app.install().code == 0
    hook = {
        "name": f"before.{app.namespace}.example.com",
        "clientConfig": {"url": "https://127.0.0.1:1/"},
        "rules": [{"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["*"], "resources": ["deployments"]}],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": app.namespace}},
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "timeoutSeconds": 1,
    }
    config = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": f"before-{app.namespace}"},
    }
    try:
        kubectl("apply", "-f", "-", stdin=json.dumps({**config, "webhooks": [{**hook, "failurePolicy": "Fail"}]}))
        time.sleep(3)
        ended = app.upgrade()
        assert ended.code == REFUSED
        refused_untouched(app, ended.stderr, f"webhook {hook['name']} does not answer for Deployment webhook-web")
        kubectl("apply", "-f", "-", stdin=json.dumps({**config, "webhooks": [{**hook, "failurePolicy": "Ignore"}]}))
        time.sleep(3)
        assert app.upgrade().code == 0
    finally:
        kubectl("delete", "validatingwebhookconfiguration", f"before-{app.namespace}")


def test_a_namespace_that_is_being_deleted_is_said(make_app: MakeApp, kubectl: Kubectl) -> None:
    app = make_app("ending")
    assert app.install().code == 0
    holder = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "holder", "finalizers": ["example.com/held"]},
    }
    kubectl("apply", "-n", app.namespace, "-f", "-", stdin=json.dumps(holder))
    kubectl("delete", "namespace", app.namespace, "--wait=false")
    try:
        ended = app.upgrade()
        assert ended.code == REFUSED
        assert f"namespace {app.namespace} is being deleted" in ended.stderr
    finally:
        patch = '{"metadata": {"finalizers": null}}'
        kubectl("patch", "configmap", "holder", "-n", app.namespace, "--type=merge", "-p", patch)


@pytest.mark.parametrize("program", ["HELM3"])
def test_values_without_services_are_refused_and_an_empty_record_is_no_end(
    make_app: MakeApp, tmp_path: Path, program: str
) -> None:
    app = make_app(f"empty{program[-1]}", program)
    assert app.install().code == 0
    values = tmp_path / "empty.json"
    values.write_text("{}")
    ended = app.run("upgrade", "--values", str(values))
    assert ended.code == 1
    assert "every running workload would be deleted" in ended.stderr
    assert "--to-revision 1" in ended.stderr
    assert revisions(app) == [(1, OLD)]
    assert app.everything_runs(OLD)

    # Plain Helm deletes everything, and stores a record without a manifest.
    chart = tmp_path / "nothing"
    chart.mkdir()
    (chart / "Chart.yaml").write_text('{"apiVersion": "v2", "name": "nothing", "version": "0.1.0"}')
    helm(app, "upgrade", app.name, str(chart), "--reset-values")
    assert app.ask("history")[0] == 0
    assert app.ask("status")[1]["revision"] == 2
    ended = app.run("upgrade", "--tag", NEW)
    assert (ended.code, "--to-revision 1" in ended.stderr) == (1, True), ended.stderr
    ended = app.run("rollback")
    assert ended.code == 0, ended.stderr
    assert app.everything_runs(OLD)
    assert app.upgrade().code == 0
    assert app.everything_runs(NEW)


def test_a_second_rollback_goes_further_back(make_app: MakeApp) -> None:
    app = make_app("again")
    for number, tag in enumerate((OLD, NEW, OLD), 1):
        settings = {"services": {"web": healthy(env={"REVISION": str(number)})}}
        assert (app.install(tag, **settings) if number == 1 else app.upgrade(tag, **settings)).code == 0

    for revision in ("2", "1"):
        assert app.run("rollback").code == 0
        env = live(app, "deployment", "web")["spec"]["template"]["spec"]["containers"][0]["env"]
        assert {"name": "REVISION", "value": revision} in env
    ended = app.run("rollback")
    assert ended.code == 2
    assert "no revision is further back" in ended.stderr


def test_a_renamed_port_is_warned_of_before_the_rollout_begins(make_app: MakeApp) -> None:
    app = make_app("port")

    def web(name: str) -> dict[str, Any]:
        return {"web": healthy(preStopDelaySeconds=0, ports={name: {"containerPort": 8080, "port": 80}})}

    assert app.install(services=web("http")).code == 0
    ended = app.upgrade(services=web("main"))
    assert ended.code == 0
    told = [event["event"] for event in ended.events]
    (warned,) = [at for at, event in enumerate(ended.events) if "will send port 80 to main (now http)" in str(event)]
    assert warned < told.index("start")


HPA = {"minReplicas": 3, "maxReplicas": 5}


@contextmanager
def numbers_of_pods(app: App) -> Iterator[list[int]]:
    """Watch the number of pods that the service web shall have; afterwards every one is in the list."""
    template = '-o=jsonpath={.spec.replicas}{"\\n"}'
    words = ("get", "deployment", f"{app.name}-web", "-n", app.namespace, "--watch", template)
    watch = subprocess.Popen([*app.kubectl.words, *words], env=app.environment, stdout=subprocess.PIPE, text=True)
    found: list[int] = []
    try:
        yield found
        time.sleep(2)
    finally:
        watch.terminate()
        stdout, _ = watch.communicate()
        found += [int(line) for line in stdout.split()]


@pytest.mark.parametrize("program", ["HELM4", "HELM3"])
@pytest.mark.parametrize("by", ["sametag", "helm"])
def test_pods_that_an_autoscaler_takes_over_never_drop(make_app: MakeApp, program: str, by: str) -> None:
    app = make_app(f"hpa{by[0]}{program[-1]}", program)
    assert app.install(services={"web": healthy(replicas=3)}).code == 0

    def apply(tag: str, **settings: Any) -> None:
        values = str(app.values({"services": {"web": healthy(**settings)}, "image": {"tag": tag}}))
        if by == "helm":
            helm(app, "upgrade", app.name, str(ROOT / "chart"), "--values", values, "--wait")
        else:
            ended = app.run("upgrade", "--values", values)
            assert ended.code == 0, ended.stderr

    with numbers_of_pods(app) as found:
        for tag in (OLD, NEW):  # the second time the number is the autoscaler's, or nobody's
            apply(tag, autoscaling=HPA)
    assert set(found) == {3}
    if by == "sametag":
        apply(NEW, replicas=3)
        assert app.run("rollback", "--to-revision", "3").code == 0
        assert live(app, "deployment", "web")["spec"]["replicas"] == 3 or program == "HELM3"
        apply(NEW, replicas=2)
        assert live(app, "deployment", "web")["spec"]["replicas"] == 2


def test_every_number_that_an_autoscaler_has_set_survives_an_upgrade_and_can_be_taken_back(make_app: MakeApp) -> None:
    """The autoscaler of the test has no metrics: kubectl scales as it does, through the same subresource."""
    app = make_app("scaled")
    assert app.install(services={"web": healthy(autoscaling=HPA)}).code == 0
    raw = f"/apis/apps/v1/namespaces/{app.namespace}/deployments/scaled-web/scale?fieldManager=kube-controller-manager"
    body = {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {"name": "scaled-web", "namespace": app.namespace},
    }
    app.kubectl("replace", "--raw", raw, "-f", "-", stdin=json.dumps({**body, "spec": {"replicas": 4}}))

    assert app.upgrade(services={"web": healthy(autoscaling=HPA)}).code == 0
    assert live(app, "deployment", "web")["spec"]["replicas"] == 4
    ended = app.upgrade(services={"web": healthy(replicas=2)})
    assert ended.code == 0, ended.stderr
    assert live(app, "deployment", "web")["spec"]["replicas"] == 2
