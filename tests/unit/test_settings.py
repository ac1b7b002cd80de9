"""Where a field of an object comes from: the setting that the user wrote."""

from __future__ import annotations

from typing import Any

import pytest

from sametag.chart.settings import field_path, setting_of
from sametag.values import path_text

POD: dict[str, Any] = {
    "metadata": {"labels": {}},
    "spec": {
        "containers": [
            {
                "name": "web",
                "env": [{"name": "A"}, {"name": "B"}],
                "ports": [{"name": "http", "containerPort": 80, "protocol": "TCP"}],
                "volumeMounts": [{"name": "config-app"}, {"name": "data"}],
            },
            {"name": "beside"},
        ],
        "volumes": [{"name": "secret-login"}, {"name": "writable-12345678"}, {"name": "data"}],
    },
}
CRON = {"jobTemplate": {"spec": {"template": POD}}}


@pytest.mark.parametrize(
    ("kind", "spec", "field", "setting"),
    [
        ("Deployment", {"template": POD}, "spec.replicas", "replicas"),
        ("Deployment", {"template": POD}, "spec.strategy.rollingUpdate", "strategy.rollingUpdate"),
        ("StatefulSet", {"template": POD}, "spec.updateStrategy", "strategy"),
        ("StatefulSet", {"template": POD}, "spec.ordinals.start", "statefulSet.ordinals.start"),
        (
            "Deployment",
            {"template": POD},
            "spec.template.spec.containers[0].resources.limits[cpu]",
            "resources.limits.cpu",
        ),
        ("Deployment", {"template": POD}, "spec.template.spec.containers[0].env[1].name", "env.B"),
        ("Deployment", {"template": POD}, 'spec.template.spec.containers[name="web"].env[name="B"]', "env.B"),
        ("Deployment", {"template": POD}, "spec.template.spec.containers[0].ports[0].hostPort", "ports.http.hostPort"),
        (
            "Deployment",
            {"template": POD},
            "spec.template.spec.containers[0].livenessProbe.httpGet.port",
            "probes.liveness.httpGet.port",
        ),
        ("Deployment", {"template": POD}, "spec.template.spec.containers[1].name", "sidecars[0].name"),
        (
            "Deployment",
            {"template": POD},
            "spec.template.spec.initContainers[2].lifecycle",
            "initContainers[2].lifecycle",
        ),
        (
            "Deployment",
            {"template": POD},
            "spec.template.spec.securityContext.runAsUser",
            "podSecurityContext.runAsUser",
        ),
        (
            "Deployment",
            {"template": POD},
            "spec.template.spec.containers[0].volumeMounts[0].mountPath",
            "config.app.mountPath",
        ),
        (
            "Deployment",
            {"template": POD},
            "spec.template.spec.volumes[0].secret.secretName",
            "secrets.login.existing",
        ),
        ("Deployment", {"template": POD}, "spec.template.spec.volumes[1].emptyDir", "writablePaths"),
        ("Deployment", {"template": POD}, "spec.template.spec.volumes[2].nfs.path", "volumes.data.nfs.path"),
        ("Deployment", {"template": POD}, "spec.template.labels", ""),
        ("CronJob", CRON, "spec.schedule", "cronJob.schedule"),
        ("CronJob", CRON, "spec.jobTemplate.spec.completions", "job.completions"),
        ("CronJob", CRON, "spec.jobTemplate.spec.template.spec.dnsConfig", "dnsConfig"),
        ("Job", {"template": POD}, "spec.backoffLimit", "job.backoffLimit"),
        ("Pod", POD["spec"], "spec.containers[0].env[0].value", "env.A"),
        ("Service", {"ports": [{"name": "http"}]}, "spec.ports[0].nodePort", "ports.http.nodePort"),
        ("Service", {}, "spec.externalTrafficPolicy", "service.externalTrafficPolicy"),
        ("Ingress", {}, "spec.rules[1].host", "ingress.hosts[1]"),
        ("Ingress", {}, "spec.tls[0].secretName", "ingress.tls[0].secretName"),
        ("HTTPRoute", {}, "spec.parentRefs[0].namespace", "route.parentRefs[0].namespace"),
        ("HorizontalPodAutoscaler", {}, "spec.metrics[0].resource", "autoscaling.metrics[0].resource"),
        ("ServiceMonitor", {}, "spec.endpoints[0].interval", "monitor.interval"),
        ("Role", {}, "rules[0].verbs", "rules[0].verbs"),
        ("NetworkPolicy", {}, "metadata.labels", "labels"),
    ],
)
def test_a_field_leads_to_its_setting(kind: str, spec: Any, field: str, setting: str) -> None:
    obj = {"kind": kind, "metadata": {"name": "app-web", "labels": {}}, "spec": spec}
    assert path_text(setting_of(obj, field_path(obj, field))) == setting
