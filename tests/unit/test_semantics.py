"""The rules beyond the schema, and how what they find is placed; tests/chart/schema has a file for each of them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sametag import chart, values
from sametag import validation as schema
from sametag.chart.settings import merge
from sametag.validation import rules
from sametag.validation.locate import place
from sametag.validation.rules import changed
from sametag.validation.rules.resources import quantity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sametag.values import Problem

CHART = chart.load(None)
DEFAULTS = values.from_text(CHART.defaults, "chart/values.yaml")
CHECK = schema.checker(DEFAULTS, CHART.schema)
HEAD = 'image: {repository: example.com/a, tag: "1"}\n'


def check(text: str, **expressions: Any) -> list[Problem]:
    """Check a file, which begins after the image on line 2, and expressions over it."""
    # What needs no service has one, at the end, so that no line moves.
    whole = text if "services:" in text else f"{text.rstrip(chr(10))}\nservices: {{a: {{command: [a]}}}}\n"
    read = values.from_text(HEAD + whole, "values.yaml")
    over = values.load(values.Sources(**expressions))
    user = read._replace(tree=values.coalesce(read, over).tree, layers=(*read.layers, *over.layers))
    return CHECK(user)


def said(text: str, **expressions: Any) -> list[str]:
    return [
        f"{problem.location.line if problem.location else '-'}: {problem.message}"
        for problem in check(text, **expressions)
    ]


# Values through `defaults`


def test_what_defaults_break_is_said_once_and_names_the_services() -> None:
    text = (
        "defaults:\n  probes: {port: http}\nservices:\n"
        "  a: {command: [a]}\n"
        "  b: {command: [b], ports: {http: {containerPort: 80}}}\n"
        "  c: {command: [c], probes: null}\n"
        "  d: {command: [d], enabled: false}\n"
        "  e: {command: [e], ports: {grpc: {containerPort: 81}}}\n"
    )
    assert said(text) == [
        "3: defaults.probes.port refers to unknown port http (ports: none) (breaks the services a and e)"
    ]


def test_more_than_three_broken_services_are_counted() -> None:
    services = "".join(f"  s{number}: {{command: [a]}}\n" for number in range(6))
    (message,) = said(f"defaults: {{probes: {{port: http}}}}\nservices:\n{services}")
    assert message.endswith(" (breaks the services s0, s1, s2 and 3 more)")


def test_what_the_schema_finds_in_defaults_names_the_services_too() -> None:
    text = "defaults:\n  replicas: many\nservices:\n  a: {command: [a]}\n  b: {command: [b], replicas: 2}\n"
    assert said(text) == [
        '3: defaults.replicas must be an integer, got the string "many" (breaks the service a)',
    ]


def test_a_service_that_breaks_what_it_has_from_defaults_is_where_it_is_shown() -> None:
    text = "defaults:\n  resources: {requests: {cpu: 2}}\nservices:\n  a: {command: [a]}\n  b:\n    command: [b]\n"
    assert said(text + "    resources: {limits: {cpu: 1}}\n") == [
        "8: services.b.resources.limits.cpu must not be below the request (2), got 1"
    ]


def test_what_the_users_defaults_break_of_the_charts_is_shown_at_the_users() -> None:
    assert said("defaults: {resources: {limits: {memory: 1Mi}}}\nservices: {a: {command: [a]}}\n") == [
        "2: defaults.resources.limits.memory must not be below the request (128Mi), got 1Mi (breaks the service a)"
    ]


def test_null_takes_away_what_defaults_would_break() -> None:
    text = (
        "defaults: {autoscaling: {maxReplicas: 2, minReplicas: 3}}\nservices: {a: {command: [a], autoscaling: null}}\n"
    )
    assert said(text) == []


def test_what_is_missing_because_of_defaults_is_shown_at_the_service() -> None:
    assert said("defaults: {kind: CronJob}\nservices:\n  a: {command: [a]}\n") == [
        "4: services.a.cronJob.schedule is required for a CronJob"
    ]


def test_one_mistake_behind_an_anchor_is_one_problem() -> None:
    text = "services:\n  a: &a {command: [a], probes: {port: http}}\n  b: *a\n"
    (message,) = said(text)
    assert "services.a.probes.port refers to unknown port http" in message
    assert "(also services.b.probes.port)" in message


def test_halves_that_do_not_go_together_are_an_error_where_the_service_adds_its_own() -> None:
    text = (
        "defaults:\n  config: {a: {existing: shared, env: true}}\nservices:\n  a: {command: [a]}\n"
        "  b:\n    command: [b]\n    config: {a: {data: {c: d}}}\n"
    )
    (problem,) = check(text)
    assert (problem.path, problem.location and problem.location.line) == ("services.b.config.a", 8)
    assert "merged with defaults" in problem.message
    assert check(text.replace("{a: {data", "{a: {existing: null, data")) == []


def test_services_merge_as_in_the_chart() -> None:
    under = {"a": {"b": 1, "c": 2}, "d": [1], "e": 1}
    assert merge(under, {"a": {"b": None, "f": 3}, "d": [2], "e": None}) == {"a": {"c": 2, "f": 3}, "d": [2]}


# Digest and tag


@pytest.mark.parametrize(
    ("expressions", "wrong"),
    [
        ({"tag": "2"}, True),
        ({"set": ("image.tag=v2",)}, True),
        ({"tag": "1"}, False),
        ({"tag": "2", "set": (f"image.digest=sha256:{'b' * 64}",)}, False),
        ({}, False),
    ],
)
def test_a_tag_that_leaves_the_digest_behind_is_an_error(expressions: dict[str, Any], wrong: bool) -> None:  # noqa: FBT001 - a case
    text = f'image: {{repository: example.com/a, tag: "1", digest: sha256:{"a" * 64}}}\n'
    text += "services: {a: {command: [a]}}\n"
    user, over = values.from_text(text, "values.yaml"), values.load(values.Sources(**expressions))
    both = user._replace(tree=values.coalesce(user, over).tree, layers=(*user.layers, *over.layers))
    found = schema.validate(DEFAULTS, both, CHART.schema)
    assert [problem.rule for problem in found] == ["contradicting-digest"] * wrong


# Silencing


def test_a_comment_silences_the_rules_that_it_names_and_no_other() -> None:
    service = "services:\n  web:\n    command: [web]\n    probes: {port: 81, path: /}"
    assert [problem.rule for problem in check(service)] == ["undeclared-port"]
    assert check(f"{service} # sametag: ignore undeclared-port, latest-tag")[0].message == (
        "nothing to ignore: no latest-tag warning here"
    )
    assert check(f"{service} # sametag: ignore undeclared-port: another container listens") == []
    assert [problem.rule for problem in check(f"{service} # sametag: ignore latest-tag")] == [
        "undeclared-port",
        "unused-ignore",
    ]


def test_a_warning_of_the_reader_is_silenced_too() -> None:
    text = "services:\n  web:\n    command: [web]\n    labels: {on: a} # sametag: ignore changed-key\n"
    assert check(text) == []


def test_an_error_cannot_be_silenced() -> None:
    text = "services:\n  web:\n    command: [web]\n    probes: {port: http} # sametag: ignore unknown-port\n"
    assert [problem.rule for problem in check(text)] == ["unknown-port"]


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("latest-tga", "unknown rule latest-tga; did you mean latest-tag?"),
        ("xyz", "unknown rule xyz"),
        ("unknown-port", "unknown-port is an error and cannot be ignored"),
        ("latest-tag", "nothing to ignore: no latest-tag warning here"),
    ],
)
def test_a_comment_that_silences_nothing_is_a_warning(rule: str, message: str) -> None:
    (problem,) = check(f"services: {{a: {{command: [a]}}}} # sametag: ignore {rule}\n")
    assert (problem.rule, problem.severity, problem.message) == ("unused-ignore", "warning", message)
    assert problem.location == values.Location("values.yaml", 2, 49)


def test_a_comment_is_not_called_unused_where_another_source_may_have_replaced_the_line() -> None:
    assert check("# sametag: ignore latest-tag\nservices: {a: {command: [a]}}\n", set=("namePrefix=a-",)) == []


# Precision


@pytest.mark.parametrize(
    "variable",
    [
        "PASSWORD: /run/secrets/password",
        "API_TOKEN: $(OTHER)",
        "DB_PASSWORD: {secret: db, key: password}",
        "PASSWORD_FILE: /x",
        "TOKEN_TTL: 30s",
        "SORT_KEY: name",
        "PUBLIC_KEY: abc",
        'SECRET: ""',
        "REQUIRE_TOKEN: true",
        'USE_TOKEN: "false"',
        "DATABASE: postgres://db:5432/app",
        "DATABASE: postgres://app:$(PASSWORD)@db/app",
        "DATABASE: postgres://app@db/app",
    ],
)
def test_what_only_looks_like_a_secret_is_none(variable: str) -> None:
    found = check(f"services:\n  web:\n    command: [web]\n    env:\n      {variable}\n")
    assert "plain-secret" not in {problem.rule for problem in found}


@pytest.mark.parametrize("schedule", ["*/5 0-23/2 1,15 jan-mar MON-FRI", "@hourly", "@every 1h", "0 0 ? * 0"])
def test_a_schedule_that_a_clock_shows_is_right(schedule: str) -> None:
    text = f'services:\n  a: {{command: [a], kind: CronJob, cronJob: {{schedule: "{schedule}"}}}}\n'
    assert check(text) == []


@pytest.mark.parametrize(
    "schedule", ["60 * * * *", "* 24 * * *", "* * 0 * *", "5-1 * * * *", "*/0 * * * *", "* * * * 8"]
)
def test_a_schedule_that_no_clock_shows_is_wrong(schedule: str) -> None:
    text = f'services:\n  a: {{command: [a], kind: CronJob, cronJob: {{schedule: "{schedule}"}}}}\n'
    assert [problem.rule for problem in check(text)] == ["wrong-schedule"]


@pytest.mark.parametrize(
    ("smaller", "larger"),
    [("999m", "1"), ("1e3", "1001"), ("0.1Gi", "128Mi"), ("128M", "128Mi"), ("1n", "1u"), ("1023Ki", "1Mi"), (1, 1.5)],
)
def test_quantities_are_compared_as_kubernetes_does(smaller: Any, larger: Any) -> None:
    low, high = quantity(smaller), quantity(larger)
    assert low is not None
    assert high is not None
    assert low < high


@pytest.mark.parametrize("wrong", ["", ".", "Ki", "1X", "1e9999999999", None, True, [], {}])
def test_what_is_no_quantity_is_none(wrong: Any) -> None:
    assert quantity(wrong) is None


def test_a_config_of_more_than_a_megabyte_is_refused() -> None:
    text = f"services:\n  a:\n    command: [a]\n    config: {{b: {{data: {{c: {'x' * (1024 * 1024 + 1)}}}}}}}\n"
    assert said(text) == ["5: services.a.config.b has 1,048,577 bytes of data; the limit is 1,048,576"]


# Together with the schema


def test_a_misspelt_key_hides_what_only_seems_to_be_missing_because_of_it() -> None:
    text = "services:\n  web:\n    command: [web]\n    prots: {http: {containerPort: 80}}\n    probes: {port: http}\n"
    assert said(text) == ["5: prots is not a setting of a service; did you mean ports?"]


def test_the_rules_speak_where_the_schema_has_not() -> None:
    text = "services:\n  a: {command: a}\n  b: {command: [b], probes: {port: http}}\n"
    assert [problem.path for problem in check(text)] == ["services.a.command", "services.b.probes.port"]


def test_another_charts_values_are_not_judged() -> None:
    own: dict[str, Any] = {"properties": {"services": {}}}
    user = values.from_text("services: {a: {probes: {port: http}}}\n", "values.yaml")
    assert schema.validate(values.from_text("", ""), user, own) == []


# Whatever the values are

SETTINGS = sorted((CHART.schema or {})["definitions"]["service"]["properties"])
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 70000) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    *SETTINGS,
                    "name",
                    "port",
                    "limits",
                    "requests",
                    "cpu",
                    "secret",
                    "key",
                    "data",
                    "mountPath",
                    "a",
                    "claim",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)
SERVICE = st.dictionaries(st.sampled_from(SETTINGS), ANYTHING, max_size=8)


@settings(max_examples=50, deadline=None)
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "image": ANYTHING,
            "namePrefix": ANYTHING,
            "defaults": SERVICE | ANYTHING,
            "services": st.dictionaries(st.sampled_from(["a", "a-b", "b"]), SERVICE | ANYTHING) | ANYTHING,
        },
    )
)
def test_malformed_values_are_never_an_exception(tree: dict[str, Any]) -> None:
    merged = values.on_defaults(DEFAULTS, values.from_tree(tree, "generated"))
    assert all(problem.message for problem in place(merged, rules.check(merged)))


def test_the_table_names_every_rule_in_kebab_case_with_a_reason() -> None:
    from sametag.validation.catalogue import entries

    names = [entry.name for entry in entries()]
    assert len(names) == len(set(names)) > 60
    for entry in entries():
        assert entry.name == entry.name.lower().replace("_", "-")
        assert entry.reason.endswith(".")
        assert "\n" not in entry.reason


def test_every_name_in_the_code_is_in_the_catalogue() -> None:
    import re

    from sametag.validation.catalogue import entries

    known = {entry.name for entry in entries()}
    code = "".join(file.read_text() for file in Path(schema.__file__).parents[1].glob("[sv]*/**/*.py"))
    used = set(re.findall(r'(?:Problem|Finding|_report|_broken|_problem|explain)\(\s*"([a-z-]+)"', code))
    assert used
    assert used <= known


# Scalars that become text


CASES = [
    case
    for case in json.loads((Path(__file__).parent / "data" / "helm-yaml-scalars.json").read_text())
    if not re.match("[\"'!&{[|>]|.* #", case["yaml"])
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: repr(case["yaml"]))
def test_a_scalar_is_warned_of_where_its_text_changes(case: dict[str, Any]) -> None:
    """What Helm makes of each scalar is in the data; a string and a number that reads the same survive."""
    written, value = case["yaml"], case.get("json")
    problems = check(f"services:\n  web:\n    command: [web]\n    env:\n      A: {written}\n")
    survives = value == written or (isinstance(value, bool) and written == json.dumps(value))
    survives = survives or (isinstance(value, int | float) and written == go_number(value))
    if any(problem.severity == "error" for problem in problems):
        return
    expected = [] if survives or (value is None and written.lower() == "null") else [("changed-value", 6)]
    assert [(problem.rule, problem.location and problem.location.line) for problem in problems] == expected


@pytest.mark.parametrize(
    ("setting", "message", "remedy"),
    [
        ("replicas: 010", "services.web.replicas is 010, but Kubernetes gets 8", "write 10"),
        (
            "podSecurityContext: {runAsUser: 1_0, fsGroup: 00012}",
            "services.web.podSecurityContext.fsGroup is 00012, but Kubernetes gets 10",
            "write 12",
        ),
        (
            "resources: {requests: {memory: 12345678901234567}, limits: {memory: 99999999999999999}}",
            "services.web.resources.requests.memory is 12345678901234567, but Kubernetes gets 12345678901234568",
            "write a number of at most 15 digits",
        ),
        ("minReadySeconds: 08", "", ""),
        ("podSecurityContext: {runAsUser: 0x10, fsGroup: 1e3}", "", ""),
        ("volumes: {a: {mountPath: /a, configMap: {name: a, defaultMode: 0444}}}", "", ""),
    ],
)
def test_a_number_that_is_read_as_another_is_a_warning(setting: str, message: str, remedy: str) -> None:
    found = check(f"services: {{web: {{command: [web], {setting}}}}}\n")
    found = [problem for problem in found if "limits" not in problem.path]
    assert [(message, remedy)] * bool(message) == [(problem.message, problem.remedy) for problem in found]


@pytest.mark.parametrize(
    ("expression", "remedy"),
    [
        ("image.tag=1.10", "use --set-string image.tag=1.10"),
        ('{"image": {"tag": 5}}', "use --set-string image.tag=5"),
        ("services.a.args[0]=7", "use --set-string 'services.a.args[0]=7'"),
        ('services.a.env={"A": 1.10}', "use --set-string services.a.env.A=1.10"),
    ],
)
def test_what_to_write_instead_of_a_number_in_json_survives_a_shell(expression: str, remedy: str) -> None:
    (problem,) = check("services: {a: {command: [a]}}\n", set_json=(expression,))
    assert problem.remedy == remedy


@pytest.mark.parametrize(
    ("setting", "remedy"),
    [
        ("env: {LOG_LEVEL=debug: x}", "did you mean LOG_LEVEL?"),
        ("env: {my var: x}", "did you mean my_var?"),
        ("env: {'==': x}", None),
        ("sidecars: [{name: s, image: 's:1', env: {A B=C: x}}]", "did you mean A_B?"),
        ("config: {c: {data: {My File.txt: x}}}", "did you mean My-File.txt?"),
    ],
)
def test_a_bad_name_is_answered_with_one_that_is_right_there(setting: str, remedy: str | None) -> None:
    (problem,) = check(f"services: {{web: {{command: [web], {setting}}}}}\n")
    assert (problem.rule, problem.remedy) == ("bad-name", remedy)


@pytest.mark.parametrize("written", ["12345678901234567890", "0x1F2E3D4C", "1.10"])
def test_a_secret_that_changes_is_not_shown_as_it_was_nor_as_it_is(written: str) -> None:
    (found,) = check(f"services: {{web: {{command: [web], secrets: {{s: {{env: true, data: {{A: {written}}}}}}}}}}}\n")
    assert found.message.endswith('is (hidden), but the container gets "(hidden)"')
    assert found.remedy == "put quotes around it"


def go_number(value: Any) -> str:
    """Write a number that is small enough for a plain notation."""
    return str(int(value)) if float(value).is_integer() else repr(value).replace("e-0", "e-")


def test_every_setting_whose_scalars_become_text_is_looked_at() -> None:
    """In the schema those are the ones that take a string, a number and a boolean."""
    definitions = CHART.schema["definitions"] if CHART.schema else {}
    assert set(changed.TEXTS) == set(_of_scalars(definitions["service"], definitions, ()))


def _of_scalars(schema: Any, definitions: dict[str, Any], path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    if "$ref" in schema:
        schema = definitions[schema["$ref"].rpartition("/")[2]]
    if len(path) > 4:
        return
    entries = schema.get("additionalProperties") or {}
    entries = definitions[entries["$ref"].rpartition("/")[2]] if "$ref" in entries else entries
    if {"string", "number", "boolean"} <= set(entries.get("type", ())):
        yield path
    for part in schema.get("allOf", ()):
        yield from _of_scalars(part, definitions, path)
    for key, child in schema.get("properties", {}).items():
        yield from _of_scalars(child, definitions, (*path, key))
    for child in (entries, schema.get("items") or {}):
        yield from _of_scalars(child, definitions, (*path, "*"))


def test_scalars_of_expressions_become_text_too() -> None:
    text = 'services: {web: {command: [web], env: {A: "1"}}}\n'
    found = check(text, set=("services.web.env.A=+5",), set_json=('services.web.podLabels={"b":1.20}',))
    assert [(problem.message, problem.remedy) for problem in found] == [
        (
            'services.web.podLabels.b is 1.20, but Kubernetes gets "1.2"',
            "use --set-string services.web.podLabels.b=1.20",
        ),
        ('services.web.env.A is +5, but the container gets "5"', "use --set-string"),
    ]
    whole = '{"services":{"web":{"env":{"A":1e3}}}}'
    assert [problem.message for problem in check(text, set_json=(whole,))] == [
        'services.web.env.A is 1e3, but the container gets "1000"'
    ]


def test_null_that_removes_something_is_no_lost_value() -> None:
    text = "defaults: {env: {A: b}}\nservices: {web: {command: [web], env: {A: ~, B: null, C: ''}}}\n"
    assert said(text) == []
    assert said("services: {web: {command: [web], env: {A: b}}}\n", set=("services.web.env.A=null",)) == []


def test_an_empty_value_is_not_an_empty_string() -> None:
    (problem,) = check("services:\n  web:\n    command: [web]\n    env:\n      A:\n")
    assert problem.message == "services.web.env.A has no value, which is null: it is omitted"
    assert problem.remedy == 'write "" for an empty string, or remove the line'


# Text that does not mean what it looks like


def test_a_reference_is_to_what_comes_before_it_in_a_list() -> None:
    """The names of the service's own files count; with others from elsewhere nobody knows."""
    config = "config: {app: {env: true, data: {HOST: a}}}"
    text = f"services:\n  a:\n    command: [a]\n    {config}\n    env: {{URL: $(HOST) $(PORT)}}\n"
    assert said(text) == [
        "6: services.a.env.URL refers to $(PORT), which is not defined before it: the container gets the text as it is"
    ]
    assert said(text + "    envFrom: [{secretRef: {name: x}}]\n") == []
    assert said(text.replace("data: {HOST: a}", "existing: x")) == []


def test_dollars_that_somebody_doubled_on_purpose_are_left() -> None:
    assert said("services: {a: {command: [a], env: {A: a$$$$b, B: $$(X), C: $5, D: a$}}}\n") == []
    assert said("services: {a: {command: [a, kill $$]}}\n") == [
        "2: services.a.command[1] has $$: the container gets kill $"
    ]


def test_a_service_that_only_an_expression_has_is_a_mistake() -> None:
    text = "services: {web: {command: [web]}, worker: {command: [worker]}}\n"
    (problem,) = check(text, set=("services.wbe.replicas=3",))
    assert (problem.rule, problem.message) == ("unknown-service", "unknown service wbe; did you mean web?")
    assert problem.location == values.Location("--set services.wbe.replicas=3", None, 1)
    (problem,) = check(text, set=("services.wbe=null",))
    assert (problem.message, problem.remedy) == (
        "unknown service wbe; did you mean web?",
        "to remove that one, use --set services.web=null",
    )
    (problem,) = check(text, set=("services.somebody=null",))
    assert problem.remedy == "there is nothing to remove"
    (problem,) = check(text, set_json=('services.x={"enabled":false}',))
    assert problem.message == "unknown service x; services: web, worker"
    assert check(text, set=("services.web.replicas=3",)) == []
    assert check(text, set=("services.new.command={new}",)) == []


def test_a_mistyped_service_is_found_where_the_image_says_what_to_run() -> None:
    text = "services: {web: {}}\n"
    over = {"set": ("image.hasEntrypoint=true", "services.wbe.replicas=3")}
    assert [problem.rule for problem in check(text, **over)] == ["unknown-service"]


def test_an_empty_file_has_no_services() -> None:
    (problem,) = CHECK(values.from_text("", "values.yaml"))
    assert (problem.rule, problem.severity) == ("no-services", "warning")
    assert problem.location == values.Location("values.yaml", 1, 1)


def test_objects_alone_are_something() -> None:
    object_ = "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}"
    assert said(f"services: {{}}\nextraObjects: [{object_}]\n") == []


def test_a_hook_that_reads_what_comes_with_it_or_after_the_install_is_in_order() -> None:
    text = (
        "namePrefix: x-\nservices:\n  web: {command: [web], secrets: {db: {data: {A: b}}}}\n"
        "  hook: {command: [a], hook: %s, env: {A: {secret: %s, key: A}}}\n"
    )
    assert len(check(text % ("{}", "x-web-db"))) == 1
    assert check(text % ('{"on": [post-install]}', "x-web-db")) == []
    assert check(text % ("{}", "elsewhere")) == []


def test_an_empty_map_that_replaces_nothing_is_in_order() -> None:
    assert said("services: {a: {command: [a], env: {}, writablePaths: {/tmp: {}}}}\n") == []


def test_other_programs_read_their_own_braces() -> None:
    text = (
        "services:\n  a:\n    command: [a]\n    annotations: {x: '{{ .user }}'}\n"
        "    config: {c: {mountPath: /c, data: {a: '{{ $value }} {{ .Values }}'}}}\n"
    )
    assert [line.partition(" has ")[0] for line in said(text)] == ["6: services.a.config.c.data.a"]


# The release's name, its objects, and their times


TOO_LONG = (
    "services.nightly-report-of-all: the name of its CronJob, "
    "a-very-long-name-of-a-release-indeed-yes-nightly-report-of-all, is longer than 52 characters"
)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("app", []),
        (None, []),
        ("App", ["App is not a valid release name: use lower-case letters, digits and '-', at most 53"]),
        (
            "a_b",
            ["a_b is not a valid release name: use lower-case letters, digits and '-', at most 53"],
        ),
        ("1app", ["the object names start with the release name 1app: it must start with a letter and have no dot"]),
        (
            "a-very-long-name-of-a-release-indeed-yes",
            [TOO_LONG],
        ),
    ],
)
def test_the_release_is_part_of_the_names(name: str | None, expected: list[str]) -> None:
    service = "{kind: CronJob, command: [a], cronJob: {schedule: '@daily'}}"
    text = HEAD + f"services: {{nightly-report-of-all: {service}}}\n"
    found = schema.checker(DEFAULTS, CHART.schema, name)(values.from_text(text, "values.yaml"))
    assert [problem.message for problem in found] == expected


def test_a_prefix_stands_in_the_place_of_the_release() -> None:
    text = HEAD + "namePrefix: app-\nservices: {web: {command: [web]}}\n"
    assert schema.checker(DEFAULTS, CHART.schema, "1app")(values.from_text(text, "values.yaml")) == []


def test_a_time_zone_has_the_letters_of_the_database() -> None:
    (problem,) = check(
        "services: {a: {kind: CronJob, command: [a], cronJob: {schedule: '@daily', timeZone: europe/berlin}}}\n"
    )
    assert problem.message == "services.a.cronJob.timeZone is europe/berlin, which is not a time zone"
    assert problem.remedy == "did you mean Europe/Berlin?"


def test_the_zone_of_a_keda_trigger_is_one_too() -> None:
    trigger = (
        "{type: cron, metadata: {timezone: Mars/Base, start: '0 6 * * *', end: '0 7 * * *', desiredReplicas: '2'}}"
    )
    assert said(f"services: {{a: {{command: [a], keda: {{triggers: [{trigger}]}}}}}}\n") == [
        "2: services.a.keda.triggers[0].metadata.timezone is Mars/Base, which is not a time zone"
    ]


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}", []),
        ("{apiVersion: v1, kind: ConfigMap}", ["extraObjects[0].metadata.name is missing"]),
        ("{apiVersion: v1, kind: 1, metadata: {name: a}}", ["extraObjects[0].kind must be a string"]),
        ('"kind: A\\nmetadata: {name: a}"', ["apiVersion is missing in extraObjects[0]"]),
        ('"a: [1"', ["extraObjects[0] is not valid YAML: "]),
        ('"just words"', ["extraObjects[0] is not valid YAML: it is not a map"]),
        ('"{{ include \\"x\\" . }}"', []),
        ("{apiVersion: v1, kind: Secret, metadata: {name: a}, data: {p: pa55}}", []),
        (
            "{apiVersion: v1, kind: Secret, metadata: {name: a}, data: {p: hello!}}",
            ["extraObjects[0].data.p must be base64"],
        ),
        (
            "{apiVersion: v1, kind: Secret, metadata: {name: a}, stringData: {p: 1}}",
            ["extraObjects[0].stringData.p must be"],
        ),
        (
            "{apiVersion: v1, kind: List, items: [{apiVersion: v1, kind: ConfigMap, metadata: {}}]}",
            ["extraObjects[0].items[0].metadata.name is missing"],
        ),
    ],
)
def test_objects_of_the_users_own_are_whole(entry: str, expected: list[str]) -> None:
    found = [
        line.partition(": ")[2] for line in said(f"services: {{a: {{command: [a]}}}}\nextraObjects:\n  - {entry}\n")
    ]
    assert len(found) == len(expected)
    assert all(line.startswith(start) for line, start in zip(found, expected, strict=True))


@pytest.mark.parametrize(
    ("env", "remedy"),
    [
        ("[{name: A, value: $(B)}, {name: B, value: b}]", "move B above A, or write $$(B) to keep the text"),
        ("[{name: A, value: $(B)}]", "add B to env, or write $$(B) to keep the text"),
        ("{A: $(B)}", "add B to env, or write $$(B) to keep the text"),
    ],
)
def test_a_variable_that_stands_too_late_in_a_list_is_to_be_moved(env: str, remedy: str) -> None:
    (problem,) = check(f"services: {{web: {{command: [web], env: {env}}}}}\n")
    assert (problem.rule, problem.remedy) == ("unknown-variable", remedy)
