"""What is nobody's business is shown nowhere, and what is of use is not hidden."""

from __future__ import annotations

import pytest

from sametag import validation, values
from sametag.errors import ClusterError
from sametag.masking import HIDDEN, masked, masked_words, secret_name, without
from sametag.output.problems import FORMATS, Report, lines
from sametag.rollout import Trouble

HIDDEN_NAMES = """
SMTP_PASS PWD_DB COOKIE_KEY MASTER_KEY JWT_SIGNING SALT GITHUB_PAT DB_PASSWORD dbPassword DBPassword password2
API_KEY apiKey SECRET_KEY_BASE DJANGO_SECRET_KEY SENTRY_DSN AWS_SECRET_ACCESS_KEY ENCRYPTION_KEY SESSION_KEY
authToken authtoken DBPASS REDIS_AUTH CLIENT_SECRET PRIVATE_KEY TOKEN --token ConnectionString SMTPPWD
MYSQL_ROOT_PASSWORD KEY_PASSPHRASE HASH_SALT APP_KEY
"""

OTHER_NAMES = """
MONKEY KEYBOARD PASSENGER_PORT key bypass PWD KEY COMPASS_URL TOKEN_URL TOKEN_TTL MAX_TOKENS PUBLIC_KEY
AWS_ACCESS_KEY_ID SECRET_NAME PASSWORD_FILE TOKENIZER PATH PATTERN AUTHOR AUTH PARTITION_KEY CACHE_KEY
DATABASE_URL LOG_LEVEL PASSIVE hotkeys KEYCLOAK_URL GOPATH
"""


@pytest.mark.parametrize("name", HIDDEN_NAMES.split())
def test_a_name_says_that_its_value_is_a_secret(name: str) -> None:
    assert secret_name(name)


@pytest.mark.parametrize("name", OTHER_NAMES.split())
def test_a_name_that_only_sounds_like_it_hides_nothing(name: str) -> None:
    assert not secret_name(name)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Bearer abcdef123456", "Bearer (hidden)"),
        ("Authorization: Basic YWRtaW46cHc=", "Authorization: Basic (hidden)"),
        ("postgres://app:s3cret@db:5432/shop", "postgres://app:(hidden)@db:5432/shop"),
        ("redis://:pw@redis:6379/0", "redis://:(hidden)@redis:6379/0"),
        ("https://ghp_abcdefghijklmnop1234@github.com/a", "https://(hidden)@github.com/a"),
        ("Server=db;User Id=sa;Password=hunter2;Encrypt=true", "Server=db;User Id=sa;Password=(hidden);Encrypt=true"),
        ("exec: --password=hunter2 --token X9 run", "exec: --password=(hidden) --token (hidden) run"),
        ("SMTP_PASS=hunter2 is set", "SMTP_PASS=(hidden) is set"),
        ("AKIAIOSFODNN7EXAMPLE", "(hidden)"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIx.abc", "(hidden)"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY-----\nrest", "(hidden)\nrest"),
        ("a: 1\npassword: hunter2\nmonkey: 3", "a: 1\npassword: (hidden)\nmonkey: 3"),
        ('{"password": "x y", "port": 1}', '{"password": (hidden), "port": 1}'),
        ("https://b.example.com/o?X-Amz-Signature=abc&x=1", "https://b.example.com/o?X-Amz-Signature=(hidden)&x=1"),
    ],
)
def test_a_secret_in_a_text_is_hidden_and_the_rest_is_not(text: str, shown: str) -> None:
    assert masked(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "Basic authentication is needed",
        "Basic Authentication",
        "http://registry:5000/app@sha256:0123abcd",
        "flag --password is required",
        "image registry.example.com/app:1.0 not found",
        "password: wrong",
        "token == null",
        "the key is missing; add key: value",
    ],
)
def test_a_text_without_a_secret_stays_as_it_is(text: str) -> None:
    assert masked(text) == text


def test_the_word_after_a_flag_is_hidden_in_a_command() -> None:
    words = ["serve", "--password=a", "--token", "X", "-p", "3", "--port", "80"]
    assert masked_words(words) == ["serve", f"--password={HIDDEN}", "--token", HIDDEN, "-p", "3", "--port", "80"]


def test_what_helm_quotes_of_its_values_is_hidden() -> None:
    tree = {"services": {"web": {"secrets": {"db": {"data": {"login": "hunter2"}}}, "env": {"TZ": "Europe/Oslo"}}}}
    said = "execution error: hunter2 is not a login (Europe/Oslo)"
    assert without(said, tree) == f"execution error: {HIDDEN} is not a login (Europe/Oslo)"


def test_errors_and_troubles_hide_what_they_quote() -> None:
    error = ClusterError("refused: DB_PASSWORD=hunter2", "try --token abc123")
    assert (error.message, error.remedy, str(error)) == (
        f"refused: DB_PASSWORD={HIDDEN}",
        f"try --token {HIDDEN}",
        f"refused: DB_PASSWORD={HIDDEN}",
    )
    assert Trouble("StartError", 'exec "--password=hunter2"').summary == f'StartError: exec "--password={HIDDEN}"'


# Each is wrong, or changed by YAML, in a way of its own.
WRONG = """
image: {repository: app, tag: "1"}
services:
  web:
    command: [a]
    args: [--token, 91827364]
    secrets:
      one: {data: {login: 91827364}}
      two: {data: hunter-two-hunter}
      three: hunter-three-hunter
      four: {data: {login: [hunter-four-hunter]}}
      five: {data: {login: {inner: hunter-five-hunter}}, hunter: x}
      six: {data: {login: 0918273}}
    env:
      SMTP_PASS: [hunter-six-hunter]
      PWD_DB: {value: hunter-seven-hunter}
      COOKIE_KEY: 0918273
      JWT_SIGNING: hunter-eight-hunter
      SALT: 1_918_273
      BROKER: [amqp://user:hunter-nine-hunter@rabbit]
    replicas: amqp://user:hunter-ten-hunter@rabbit
"""


@pytest.mark.parametrize("style", FORMATS)
def test_no_problem_quotes_a_secret_in_any_format(style: str) -> None:
    from asking import DEFAULTS, SCHEMA

    problems = validation.validate(DEFAULTS, values.from_text(WRONG, "values.yaml"), SCHEMA)
    said = "\n".join(lines(Report(("values.yaml",), tuple(problems)), style))

    assert {"services.web.replicas", "services.web.secrets.three"} <= {problem.path for problem in problems}
    for secret in ("91827364", "0918273", "234169", "1_918_273", "1918273", "1.918273", "hunter-"):
        assert secret not in said, said
