"""`defaults` and a service are judged after their merge: two halves that are whole together are accepted."""

from __future__ import annotations

import pytest

from sametag import chart, validation, values

CHART = chart.load(None)
CHECK = validation.checker(values.from_text(CHART.defaults, "chart/values.yaml"), CHART.schema)
HEAD = 'image: {repository: example.com/a, tag: "1"}\n'
PORTS = ", ports: {http: {containerPort: 8080}}"

# The two halves of a setting, and what else the service needs.
HALVES = [
    ("ingress: {ingressClassName: nginx}", "ingress: {hosts: [a.example.com]}", PORTS),
    ("autoscaling: {maxReplicas: 3}", "autoscaling: {minReplicas: 2}", ""),
    ("keda: {pollingInterval: 10}", "keda: {triggers: [{type: cpu, metadata: {value: '80'}}]}", ""),
    (
        "keda: {fallback: {failureThreshold: 3}}",
        "keda: {fallback: {replicas: 1}, triggers: [{type: x, metadata: {}}]}",
        "",
    ),
    ("cronJob: {timeZone: UTC}", "cronJob: {schedule: '0 0 * * *'}", ", kind: CronJob"),
    ("route: {parentRefs: [{name: gateway}]}", "route: {hostnames: [a.example.com]}", PORTS),
    ("route: {kind: GRPCRoute, parentRefs: [{name: gateway}]}", "route: {methods: [{service: a.B}]}", PORTS),
    ("volumes: {data: {mountPath: /data}}", "volumes: {data: {emptyDir: {}}}", ""),
    (
        "volumes: {data: {claim: {accessModes: [ReadWriteMany]}}}",
        "volumes: {data: {mountPath: /d, claim: {resources: {requests: {storage: 1Gi}}}}}",
        "",
    ),
    ("env: {A: {secret: login}}", "env: {A: {key: password}}", ""),
    ("env: {A: {valueFrom: {secretKeyRef: {name: login}}}}", "env: {A: {valueFrom: {secretKeyRef: {key: a}}}}", ""),
    ("ports: {http: {containerPort: 8080}}", "ports: {http: {port: 80}}", ""),
    ("probes: {path: /healthz}", "probes: {port: http}", PORTS),
    ("probes: {liveness: {periodSeconds: 5}}", "probes: {liveness: {tcpSocket: {port: http}}}", PORTS),
    ("probes: {liveness: {httpGet: {path: /}}}", "probes: {liveness: {httpGet: {port: http}}}", PORTS),
    ("lifecycle: {preStop: {sleep: {seconds: 5}}}", "lifecycle: {preStop: {exec: null}}", ""),
    (
        "securityContext: {seccompProfile: {type: Localhost}}",
        "securityContext: {seccompProfile: {localhostProfile: a.json}}",
        "",
    ),
    ("service: {ipFamilyPolicy: RequireDualStack}", "service: {ipFamilies: [IPv4, IPv6]}", PORTS),
    ("serviceAccount: {create: false}", "serviceAccount: {name: robot}", ""),
    ("config: {app: {mountPath: /etc/app}}", "config: {app: {data: {a: b}}}", ""),
    (
        "podDisruptionBudget: {minAvailable: 1}",
        "podDisruptionBudget: {unhealthyPodEvictionPolicy: IfHealthyBudget}",
        ", replicas: 3",
    ),
]
BOTH_WAYS = [case for one, other, rest in HALVES for case in ((one, other, rest), (other, one, rest))]


def said(text: str) -> list[str]:
    found = CHECK(values.from_text(HEAD + text, "values.yaml"))
    return [f"{one.location.line if one.location else '-'}: {one.message}" for one in found if one.severity == "error"]


@pytest.mark.parametrize(("shared", "own", "rest"), BOTH_WAYS)
def test_two_halves_that_are_whole_together_are_accepted(shared: str, own: str, rest: str) -> None:
    assert said(f"defaults:\n  {shared}\nservices:\n  web: {{command: [web], {own}{rest}}}\n") == []


@pytest.mark.parametrize(
    ("shared", "own", "expected"),
    [
        (
            "autoscaling: {minReplicas: 1}",
            "autoscaling: {behavior: {}}",
            "services.web.autoscaling.maxReplicas is missing",
        ),
        ("env: {A: {key: a}}", "env: {A: {optional: true}}", "services.web.env.A.secret is missing"),
        (
            "volumes: {data: {mountPath: /d}}",
            "volumes: {data: {readOnly: true}}",
            "services.web.volumes.data must have exactly one source, such as emptyDir or claim",
        ),
    ],
)
def test_what_both_halves_lack_is_said_at_the_service(shared: str, own: str, expected: str) -> None:
    assert said(f"defaults:\n  {shared}\nservices:\n  web:\n    command: [web]\n    {own}\n") == [f"7: {expected}"]


def test_a_half_in_defaults_is_whole_for_nobody_who_has_no_other() -> None:
    text = (
        "defaults:\n  autoscaling: {minReplicas: 1}\nservices:\n  a: {command: [a], autoscaling: {maxReplicas: 2}}\n"
        "  b: {command: [b]}\n  c: {command: [c], autoscaling: null}\n  d: {command: [d], enabled: false}\n"
    )
    assert said(text) == ["3: defaults.autoscaling.maxReplicas is missing (breaks the service b)"]


def test_a_half_that_no_service_of_its_kind_takes_breaks_nothing() -> None:
    text = (
        "defaults:\n  cronJob: {timeZone: UTC}\nservices:\n  a: {command: [a]}\n"
        "  b: {command: [b], kind: CronJob, cronJob: {schedule: '@daily'}}\n"
    )
    assert said(text) == []


def test_what_is_wrong_in_a_half_is_said_of_the_half() -> None:
    text = "defaults:\n  ingress: {hosts: a.example.com, clas: x}\nservices:\n  web: {command: [web]}\n"
    assert [line.partition(":")[0] for line in said(text)] == ["3", "3", "3"][: len(said(text))]
    assert "defaults.ingress.hosts must be a list" in said(text)[0]
