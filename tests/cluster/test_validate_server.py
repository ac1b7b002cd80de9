"""`sametag validate --server`: what only the API server knows is said at the line that causes it."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from gifinator import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Ran
    from gifinator import Kubectl

    Run = Callable[..., Ran]

# The questions are ours, whichever Helm renders.
pytestmark = pytest.mark.parametrize("helm", ["HELM4"], indirect=True)

EXAMPLES = sorted((ROOT / "examples").glob("*/values.yaml"))

IMAGE = 'image: {repository: registry.example.com/app, tag: "1"}\n'


@pytest.fixture
def asked(run: Run, namespace: str, tmp_path: Path) -> Callable[..., tuple[int, list[str]]]:
    """Write values, validate them in a namespace that enforces Pod Security, and return the code and each problem."""
    file = tmp_path / "values.yaml"

    def ask(text: str, *options: str) -> tuple[int, list[str]]:
        file.write_text(IMAGE + text)
        words = ("-f", str(file), "--server", "-n", namespace, "--release", "app", "-o", "json", *options)
        ran = run("sametag", "validate", *words)
        problems = json.loads(ran.stdout)["problems"] if ran.stdout else []
        places = ((one["location"] or {}).get("line") for one in problems)
        return ran.code, [
            f"{line} {one['rule']} {one['path']}: {one['message']}" for line, one in zip(places, problems, strict=True)
        ]

    return ask


def test_what_the_server_takes_has_no_problem(asked: Any) -> None:
    assert asked(
        "services:\n  web: {command: [/x]}\n  set: {kind: StatefulSet, command: [/x]}\n"
        "  each: {kind: DaemonSet, command: [/x]}\n"
        "  once: {kind: Job, command: [/x]}\n  cron: {kind: CronJob, command: [/x], cronJob: {schedule: '@daily'}}\n"
        "  hook: {hook: {}, command: [/x]}\n"
    ) == (0, [])


RESTRICTED = {"runAsNonRoot": True, "runAsUser": 1, "seccompProfile": {"type": "RuntimeDefault"}}
CONTAINER = {
    "name": "c",
    "image": "b",
    "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
}
POD = {"securityContext": RESTRICTED, "containers": [CONTAINER]}
CONFIG_MAP = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}
CLAIM = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}


@pytest.mark.parametrize(
    "values",
    [
        # A StatefulSet's controller adds the volumes of the claims to its pods.
        {
            "services": {
                "db": {
                    "kind": "StatefulSet",
                    "command": ["/w"],
                    "volumes": {"d": {"mountPath": "/data", "claim": CLAIM}},
                }
            }
        },
        {"extraObjects": [{"apiVersion": "v1", "kind": "List", "items": [CONFIG_MAP]}]},
        {"extraObjects": [{"apiVersion": "v1", "kind": "ConfigMapList", "items": [CONFIG_MAP]}]},
        {
            "extraObjects": [
                {
                    "apiVersion": "batch/v1",
                    "kind": "Job",
                    "metadata": {"name": "j"},
                    "spec": {"template": {"spec": {**POD, "restartPolicy": "Never"}}},
                }
            ]
        },
        {
            "extraObjects": [
                {
                    "apiVersion": "apps/v1",
                    "kind": "Deployment",
                    "metadata": {"name": "d"},
                    "spec": {
                        "selector": {"matchLabels": {"a": "b"}},
                        "template": {"metadata": {"labels": {"a": "b"}}, "spec": POD},
                    },
                }
            ]
        },
        # An account that a hook shares is there twice: as a hook too.
        {
            "services": {
                "migrate": {"command": ["/m"], "hook": {}, "serviceAccount": {"name": "shared"}},
                "web": {"command": ["/w"], "serviceAccount": {"name": "shared"}},
            }
        },
    ],
    ids=["claims", "list", "list-of-a-kind", "template-without-metadata", "without-namespace", "account-of-a-hook"],
)
def test_what_helm_can_install_has_no_problem(asked: Any, values: dict[str, Any]) -> None:
    assert asked(yaml.safe_dump({"services": {"web": {"command": ["/x"]}}, **values})) == (0, [])


def test_an_object_that_nobody_can_make_is_a_problem_and_no_failure(asked: Any) -> None:
    code, problems = asked(
        "services:\n  web: {command: [/x]}\n"
        "extraObjects:\n- {apiVersion: v1, kind: ConfigMap, metadata: {labels: {a: b}}}\n"
    )
    assert code == 1
    assert ["extraObjects[0].metadata.name is missing" in problem for problem in problems] == [True]


@pytest.mark.usefixtures("custom_kinds")
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda file: file.parent.name)
def test_the_server_takes_every_example(run: Run, kubectl: Kubectl, namespace: str, example: Path) -> None:
    kubectl("create", "serviceaccount", "made-elsewhere", "--namespace", namespace)
    words = ("-f", str(example), "--server", "-n", namespace, "--release", "app", "--strict")
    assert run("sametag", "validate", *words).code == 0


def test_a_refused_field_is_said_at_its_line(asked: Any) -> None:
    code, problems = asked(
        "services:\n  web:\n    command: [/web]\n    ports: {http: {containerPort: 8080}}\n"
        "    service:\n      ipFamilies:\n        - IPv6\n"
    )
    assert code == 1
    (problem,) = problems
    assert problem.startswith("8 server-refused services.web.service.ipFamilies[0]: ")
    assert "the API server rejects Service app-web at spec.ipFamilies[0]" in problem


def test_a_refused_pod_is_said_at_the_setting_and_in_defaults_where_it_comes_from_there(asked: Any) -> None:
    """The Deployment would be taken, and its pods never start."""
    code, problems = asked(
        "defaults:\n  priorityClassName: nowhere\nservices:\n  web:\n    command: [/web]\n    priorityClassName: null\n"
        "    ports: {http: {containerPort: 80, hostPort: 80}}\n  api: {command: [/api]}\n"
    )
    assert code == 1
    assert [problem.partition(": ")[0] for problem in problems] == [
        "3 server-refused defaults.priorityClassName",
        "8 server-refused services.web.ports",
    ]


def test_a_quota_counts_and_the_pods_that_run_already_do_not_count_twice(
    asked: Any, kubectl: Kubectl, namespace: str, tmp_path: Path, run: Run
) -> None:
    memory = "{memory: 2Gi}"
    values = (
        f"services:\n  web:\n    command: [/web]\n    resources:\n      requests: {memory}\n      limits: {memory}\n"
    )
    kubectl("create", "quota", "small", "--hard=limits.memory=1Gi", "--namespace", namespace)
    code, problems = asked(values)
    assert code == 1
    assert problems[0].startswith("5 server-refused services.web.resources: ")
    assert "exceeded quota: small" in problems[0]

    rendered = run("helm", "template", "app", "chart", "-f", str(tmp_path / "values.yaml"), "-n", namespace)
    kubectl("apply", "--namespace", namespace, "--filename", "-", stdin=rendered.stdout)
    assert asked(values) == (0, [])


def test_a_kind_or_a_field_that_the_cluster_does_not_know_is_refused(asked: Any) -> None:
    code, problems = asked(
        "extraObjects:\n"
        "  - {apiVersion: example.com/v1, kind: Nothing, metadata: {name: a}}\n"
        "  - {apiVersion: v1, kind: ConfigMap, metadata: {name: b}, content: {}}\n"
    )
    assert code == 1
    assert len(problems) == 2
    assert all(problem.startswith("2 server-refused ") for problem in problems)
    assert "the cluster has no kind Nothing in example.com/v1" in "".join(problems)
    assert "rejects ConfigMap b at content: field not declared in schema" in "".join(problems)


def test_objects_of_helm_3_are_compared_with_what_would_become_of_them(
    asked: Any, kubectl: Kubectl, namespace: str, tmp_path: Path, run: Run
) -> None:
    """In a dry run its fields stay beside ours: a probe of two handlers, which Helm 3 would never make."""
    probe = "    probes: {liveness: {%s: {port: 80}}}\n"
    claim = "    volumes: {data: {mountPath: /d, claim: {accessModes: [%s], resources: {requests: {storage: 1Gi}}}}}\n"
    service = "services:\n  web:\n    command: [/web]\n"
    service += "    ports: {http: {containerPort: 80}}\n    strategy: {type: Recreate}\n"
    assert asked(service + probe % "tcpSocket" + claim % "ReadWriteOnce") == (0, [])
    rendered = run("helm", "template", "app", "chart", "-f", str(tmp_path / "values.yaml"), "-n", namespace)
    kubectl("create", "--namespace", namespace, "--filename", "-", stdin=rendered.stdout)

    assert asked(service + probe % "grpc" + claim % "ReadWriteOnce") == (0, [])
    code, problems = asked(service + probe % "tcpSocket" + claim % "ReadOnlyMany")
    assert code == 1
    assert [problem.partition(": ")[0] for problem in problems] == ["8 server-refused services.web.volumes.data.claim"]
    assert "immutable" in problems[0]


def test_no_namespace_no_right_and_no_cluster_are_errors_with_a_remedy(
    run: Run, kubectl: Kubectl, namespace: str, tmp_path: Path
) -> None:
    file = tmp_path / "values.yaml"
    file.write_text(f"{IMAGE}services: {{web: {{command: [/web]}}}}\n")
    ask = ("sametag", "validate", "-f", str(file), "--server")

    ran = run(*ask, "-n", "nowhere")
    assert ran.code == 3
    assert "namespace nowhere does not exist\n  create it" in ran.stderr

    ran = run(*ask, "-n", namespace, "--kubeconfig", str(_of_nobody(kubectl, namespace, tmp_path)))
    assert ran.code == 3
    assert "cannot patch resource" in ran.stderr
    assert "ask for this permission" in ran.stderr

    ran = run(*ask, "--kubeconfig", str(tmp_path / "missing"))
    assert ran.code == 3
    assert "cannot read the kubeconfig" in ran.stderr


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 503 x\r\nContent-Length: 6\r\n\r\n<html>", b"nonsense\r\n\r\n"])
def test_a_server_that_does_not_answer_is_one_line(run: Run, tmp_path: Path, answer: bytes) -> None:
    """As where a proxy or a firewall is between the client and the cluster."""
    file, config = tmp_path / "values.yaml", tmp_path / "kubeconfig"
    file.write_text(f"{IMAGE}services: {{web: {{command: [/web]}}}}\n")
    with socket.create_server(("127.0.0.1", 0)) as server:
        host, port = server.getsockname()
        config.write_text(
            json.dumps(
                {
                    "clusters": [{"name": "c", "cluster": {"server": f"http://{host}:{port}"}}],
                    "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
                    "users": [{"name": "u", "user": {"token": "x"}}],
                    "current-context": "c",
                }
            )
        )
        answering = threading.Thread(target=_answer_all, args=(server, answer), daemon=True)
        answering.start()
        ran = run("sametag", "validate", "-f", str(file), "--server", "--kubeconfig", str(config))
    assert (ran.code, "Traceback" in ran.stderr) == (3, False)
    assert ran.stderr.startswith("sametag: ")


def _answer_all(server: socket.socket, answer: bytes) -> None:
    with suppress(OSError):
        while True:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)


def _of_nobody(kubectl: Kubectl, namespace: str, folder: Path) -> Path:
    """Return the kubeconfig of an account without rights."""
    kubectl("create", "serviceaccount", "nobody", "--namespace", namespace)
    token = kubectl("create", "token", "nobody", "--namespace", namespace).strip()
    config = yaml.safe_load(kubectl.kubeconfig.read_text())
    config["users"] = [{"name": config["contexts"][0]["context"]["user"], "user": {"token": token}}]
    file = folder / "nobody.kubeconfig"
    file.write_text(json.dumps(config))
    return file
