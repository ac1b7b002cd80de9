"""Values files: what is read, where it was written, and what is refused."""

from __future__ import annotations

import io
import json
import random
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
import yaml

from sametag import values
from sametag.deploy.next_values import lost_values
from sametag.helm.command import to_helm
from sametag.values import Location, Sources

DATA = Path(__file__).parent / "data"
SCALARS = json.loads((DATA / "helm-yaml-scalars.json").read_text())


def read(text: str | bytes) -> values.Values:
    return values.from_text(text, "values.yaml")


def said(found: values.Values) -> list[str]:
    """Write problems as `line:column rule`."""
    return [f"{p.location.line}:{p.location.column} {p.rule}" for p in found.problems if p.location]


@pytest.fixture(params=[True, False], ids=["libyaml", "pure"])
def either_parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a test with libyaml, and as on a machine that has none."""
    assert yaml.__with_libyaml__
    monkeypatch.setattr(yaml, "__with_libyaml__", request.param)


@pytest.mark.usefixtures("either_parser")
@pytest.mark.parametrize("case", SCALARS, ids=lambda case: case["yaml"])
def test_a_scalar_is_read_as_helm_reads_it(case: dict[str, Any]) -> None:
    if "json" not in case:
        assert values.has_errors(read(f"k: {case['yaml']}\n").problems)
        return
    seen = read(f"k: {case['yaml']}\n").tree["k"]
    assert (float(case["json"]) if _is_number(case["json"]) else case["json"]) == (
        float(seen) if _is_number(seen) else seen
    )
    assert isinstance(case["json"], bool) is isinstance(seen, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def test_whole_numbers_are_ints() -> None:
    tree = read("{a: 3, b: 3.0, c: 1e3, d: 0.5}").tree
    assert [int, int, int, float] == [type(value) for value in tree.values()]


@pytest.mark.usefixtures("either_parser")
@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("", {}),
        ("# nothing\n", {}),
        ("null\n", {}),
        ("a: 1\n---\n# nothing more\n", {"a": 1}),
        ("\ufeffa: 1\n", {"a": 1}),
        ("a: 1\r\nb: 2\r\n", {"a": 1, "b": 2}),
        ("a: &x {b: 1}\nc: *x\n", {"a": {"b": 1}, "c": {"b": 1}}),
        ("x: &x {a: 1, b: 1}\nz: {a: 2, <<: *x}\n", {"x": {"a": 1, "b": 1}, "z": {"a": 1, "b": 1}}),
        ("x: &x {a: 1, b: 1}\nz: {<<: *x, a: 2}\n", {"x": {"a": 1, "b": 1}, "z": {"a": 2, "b": 1}}),
        (
            "p: &p {a: 1}\nq: &q {a: 2, b: 2}\nz: {<<: [*p, *q]}\n",
            {"p": {"a": 1}, "q": {"a": 2, "b": 2}, "z": {"a": 1, "b": 2}},
        ),
        ("k: &k key\n*k : 1\n", {"k": "key", "key": 1}),
        ("1: a\n1.10: b\n0x10: c\n", {"1": "a", "1.1": "b", "16": "c"}),
        ("a: ! 5\n", {"a": "5"}),
    ],
)
def test_a_document_is_read_as_helm_reads_it(text: str, tree: dict[str, Any]) -> None:
    found = read(text)
    assert tree == found.tree
    assert not values.has_errors(found.problems)


PLACES = """\
image:
  tag: 1.10
list:
  - a
  - {b: yes, "c": 0x10}
anchor: &x
  deep: 1
alias: *x
merged:
  <<: *x
  own: 2
"""


@pytest.mark.usefixtures("either_parser")
@pytest.mark.parametrize(
    ("path", "key", "value"),
    [
        (("image",), (1, 1), (2, 3)),
        (("image", "tag"), (2, 3), (2, 8)),
        (("list", 0), (4, 5), (4, 5)),
        (("list", 1, "b"), (5, 6), (5, 9)),
        (("list", 1, "c"), (5, 14), (5, 19)),
        (("alias",), (8, 1), (6, 9)),
        (("alias", "deep"), (7, 3), (7, 9)),
        (("merged", "deep"), (7, 3), (7, 9)),
        (("merged", "own"), (11, 3), (11, 8)),
    ],
)
def test_every_key_and_value_knows_its_place(path: values.Path, key: tuple[int, int], value: tuple[int, int]) -> None:
    found = read(PLACES)
    assert Location("values.yaml", *key) == found.locate_key(path)
    located = found.locate(path)
    assert located
    # Where a block begins behind an anchor, the two parsers differ: at the anchor, or at the first key.
    assert value == (located.line, located.column) or path == ("alias",)


@pytest.mark.parametrize(
    ("path", "written"),
    [(("image", "tag"), "1.10"), (("list", 1, "b"), "yes"), (("list", 1, "c"), "0x10"), (("list", 0), None)],
)
def test_what_is_no_text_knows_its_source(path: values.Path, written: str | None) -> None:
    assert written == read(PLACES).written(path)


@pytest.mark.parametrize("path", [("nothing",), ("image", "tag", "deeper"), ("list", 7), ("image", 0)])
def test_what_is_not_there_has_no_place(path: values.Path) -> None:
    assert read(PLACES).locate(path) is None


@pytest.mark.usefixtures("either_parser")
@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\nb: 2\na: 3\n", "3:1 duplicate-key"),
        ('1: a\n"1": b\n', "2:1 duplicate-key"),
        ("on: a\ntrue: b\n", "2:1 duplicate-key"),
        ("a: 1\n---\nb: 2\n", "2:1 several-documents"),
        ("---\n---\na: 1\n", "2:1 several-documents"),
        ("- a\n", "1:1 not-a-map"),
        ("just text\n", "1:1 not-a-map"),
        ("a: .inf\n", "1:4 infinite-number"),
        ("a: [1, .NaN]\n", "1:8 infinite-number"),
        ("a:\n\tb: 1\n", "2:1 tab"),
        ("a:\n  b: 1\n \tc: 1\n", "3:2 tab"),
        ("a: b: c\n", "1:5 yaml-syntax"),
        ('a: "x\\/y"\n', "1:4 yaml-syntax"),
        ("%YAML 1.2\n---\na: 1\n", "1:1 yaml-syntax"),
        ("x: &x {b: 2}\na:\n  b: 1\n  <<: *x\n", "3:3 replaced-key"),
        ("a: [1, 2\nb: 1\n", "1:4 yaml-syntax"),
        ("a: 'x\nb: 1\n", "1:4 yaml-syntax"),
        ("a: *x\n", "1:4 unknown-alias"),
        ("a: &x [*x]\n", "1:8 cycle"),
        ("a: &x {b: {c: *x}}\n", "1:15 cycle"),
        ("~: 1\n", "1:1 bad-key"),
        ("18446744073709551615: 1\n", "1:1 bad-key"),
        ("a: {{ .Values.b }}\n", "1:5 bad-key"),
        ("? [a]\n: 1\n", "1:3 bad-key"),
        ("x: &x [a]\n*x : 1\n", "2:1 bad-key"),
        ("<<: 1\n", "1:1 bad-merge"),
        ("a: !!int x\n", "1:4 wrong-yaml-tag"),
        ("a: !!binary '%'\n", "1:4 wrong-yaml-tag"),
        ("a: \x07\n", "1:4 control-character"),
        ("on: 1\n", "1:1 changed-key"),
        ("1.10: 1\n", "1:1 changed-key"),
    ],
)
def test_what_people_regret_is_named_with_its_place(text: str, problem: str) -> None:
    assert problem in said(read(text))


@pytest.mark.usefixtures("either_parser")
@pytest.mark.parametrize("text", ["a: {b: x?y=z}\n", "a: [b, what?]\n", "a: {b?: c}\n"])
def test_a_question_mark_between_brackets_needs_quotes(text: str) -> None:
    assert [line.split()[1] for line in said(read(text))] == ["yaml-syntax"]


@pytest.mark.usefixtures("either_parser")
@pytest.mark.parametrize(
    "text",
    [
        "a: x?y\n",
        'a: {b: "x?y"}\n',
        'a: "\\\\/"\n',
        "a: '\\/'\n",
        "x: &x {b: 2}\na:\n  <<: *x\n  b: 1\n",
        "x: &x {b: 1}\na:\n  b: 1\n  <<: *x\n",
    ],
)
def test_what_helm_reads_as_it_is_written_is_no_problem(text: str) -> None:
    assert not read(text).problems


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: 1\nb: 2\na: 3\n", "duplicate key a, first on line 1"),
        ("on: 1\n", "Helm reads the key on as true"),
        ("a:\n\tb: 1\n", "a tab in column 1"),
        ("a: 'x\n", "this quote is not closed"),
        ("a: [1\n", "this bracket is not closed"),
        ("a: @x\n", "a string cannot start with this character"),
        ('a: "\\q"\n', "YAML does not know this escape"),
        ("a:\n  - 1\n  b: 2\n", "this line is not an entry of the list above"),
        ("a: - b\n", "a list cannot start here"),
    ],
)
def test_a_problem_is_said_in_plain_words(text: str, words: str) -> None:
    assert words in read(text).problems[0].message


@pytest.mark.usefixtures("either_parser")
@pytest.mark.parametrize(
    ("text", "column", "message", "remedy"),
    [
        ("a: * * * * *\n", 4, "* begins an alias in YAML", 'put quotes around it: "* * * * *"'),
        (
            "a: */9 * * * MON # often\n",
            4,
            "* begins an alias in YAML",
            'put quotes around it: "*/9 * * * MON"',
        ),
        ("- {a: */5 * * * *, b: 1}\n", 7, "* begins an alias in YAML", 'put quotes around it: "*/5 * * * *"'),
        ("- [*.example.com]\n", 4, "* begins an alias in YAML", 'put quotes around it: "*.example.com"'),
        ("a: @daily\n", 4, "a string cannot start with this character", 'put quotes around it: "@daily"'),
        ("a: & b\n", 4, "& begins an anchor in YAML", "put quotes around it"),
        ("a: !!\n", 4, "! begins a tag in YAML", "put quotes around it"),
        ("a: %hunter2\n", 4, "a string cannot start with this character", "put quotes around it"),
        ("a: **HUNTER2\n", 4, "* begins an alias in YAML", "put quotes around it"),
        ("a: `x`\n", 4, "a string cannot start with this character", "put quotes around it"),
    ],
)
def test_a_string_that_begins_like_something_else_needs_quotes(
    text: str, column: int, message: str, remedy: str
) -> None:
    (problem,) = read(text).problems
    assert problem.location
    assert (problem.location.column, problem.message, problem.remedy) == (column, message, remedy)


def test_bytes_that_are_no_utf8_are_located() -> None:
    assert said(read("a: ü\nb: é".encode() + b"\xff\n")) == ["2:5 not-utf-8"]


@pytest.mark.usefixtures("either_parser")
def test_half_a_character_is_refused() -> None:
    assert "half a character" in read('a: "\\ud800"\n').problems[0].message


def test_all_problems_of_a_file_are_found_at_once() -> None:
    assert said(read("a: 1\na: 2\na: .inf\n")) == ["2:1 duplicate-key", "3:1 duplicate-key", "3:4 infinite-number"]


BOMBS = {
    "billion laughs": "a0: &a0 [x]\n"
    + "".join(f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 40)),
    "merges": "a0: &a0 {x: 1}\n" + "".join(f"a{n}: &a{n} {{b: *a{n - 1}, c: *a{n - 1}}}\n" for n in range(1, 60)),
    "many": f"a: &a [{'x,' * 9000}]\nb: [{'*a,' * 9000}]\n",
    "deep flow": "a: " + "[" * 200_000,
    "deep block": "- " * 200_000,
    "deep maps": "".join(" " * n + "a:\n" for n in range(3000)),
    "deep aliases": "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 3000)),
}


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
def test_bombs_are_refused_in_little_time_and_memory(bomb: str) -> None:
    tracemalloc.start()
    try:
        started = time.process_time()
        (problem,) = read(bomb).problems
        spent, (_, peak) = time.process_time() - started, tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert problem.rule in {"alias-bomb", "too-deep"}
    assert spent < 5
    assert peak < 60 * 1024 * 1024


def test_bombs_are_refused_in_an_address_space_of_300_mb(tmp_path: Path) -> None:
    for number, bomb in enumerate(BOMBS.values()):
        (tmp_path / f"{number}.yaml").write_text(bomb)
    command = f"ulimit -v 300000; exec {sys.executable} -m sametag validate *.yaml"
    ran = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False)

    assert (ran.returncode, ran.stderr) == (1, "")
    assert ran.stdout.splitlines()[-1] == f"{len(BOMBS)} errors in {len(BOMBS)} files"


def test_a_file_larger_than_10_mb_is_read_finish_despite_cancel(tmp_path: Path) -> None:
    text = "a: |\n" + "  some text that fills a line of this file\n" * 250_000 + "b: {c: 1, c: 2}\n"
    (tmp_path / "large.yaml").write_text(text)
    found = values.load(Sources(files=(str(tmp_path / "large.yaml"),)))

    assert len(text) > 10_000_000
    assert found.tree["b"] == {"c": 2}
    assert said(found) == ["250002:11 duplicate-key"]


def test_aliases_that_helm_reads_are_no_bomb() -> None:
    text = "x: &x {a: {b: [1, 2, 3]}, c: d}\n" + "".join(f"s{n}: *x\n" for n in range(2000))
    assert read(text).problems == ()


def test_no_bytes_at_all_make_a_traceback() -> None:
    dice = random.Random(7)  # noqa: S311 - the same cases on every run
    pieces = [
        "a",
        "b: ",
        "- ",
        "\n",
        "  ",
        "\t",
        "[",
        "]",
        "{",
        "}",
        "&a ",
        "*a",
        "!",
        "!!int ",
        "<<: ",
        "? ",
        "|",
        ">",
    ]
    pieces += ["'", '"', "\\", "#", "%", "@", "---\n", "...\n", "é", "\x00", "\u2028", ".inf", "1e9", ": ", ",", "~"]
    for _ in range(3000):
        read("".join(dice.choices(pieces, k=dice.randint(1, 25))))
        read(bytes(dice.choices(range(256), k=dice.randint(1, 12))))


def test_the_two_parsers_read_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [f"k: {case['yaml']}\n{case['yaml']}: k\n" for case in SCALARS if "\ufeff" not in case["yaml"]]
    fast = [read(text) for text in texts]
    monkeypatch.setattr(yaml, "__with_libyaml__", False)
    for text, found in zip(texts, fast, strict=True):
        slow = read(text)
        assert (found.tree, said(found)) == (slow.tree, said(slow)), text


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "one.yaml").write_text("image: {tag: a, repository: r}\nlist: [1, 2]\nnone: 1\n")
    (tmp_path / "two.yaml").write_text("image:\n  tag: b\nlist: [3]\nnone: null\n")
    return tmp_path


@pytest.mark.usefixtures("folder")
def test_files_are_merged_in_their_order_maps_by_key_and_null_kept() -> None:
    found = values.load(Sources(files=("one.yaml", "two.yaml")))
    assert found.tree == {"image": {"tag": "b", "repository": "r"}, "list": [3], "none": None}


@pytest.mark.usefixtures("folder")
def test_a_merged_value_knows_the_source_that_won() -> None:
    found = values.load(Sources(files=("one.yaml", "two.yaml"), set=("list[0]=9,x.y=1",)))
    assert Location("two.yaml", 2, 8) == found.locate(("image", "tag"))
    assert Location("one.yaml", 1, 29) == found.locate(("image", "repository"))
    assert Location("--set list[0]=9,x.y=1", None, 1) == found.locate(("list", 0))
    assert Location("--set list[0]=9,x.y=1", None, 11) == found.locate(("x", "y"))
    assert Location("one.yaml", 1, 1) == found.locate_key(("image",))


@pytest.mark.usefixtures("folder")
def test_expressions_are_applied_in_helms_order_whatever_the_command_line() -> None:
    Path("content").write_text("file\n")
    options = {
        "set_json": ('a="json"', 'b="json"', 'c="json"', 'd="json"', 'e="json"'),
        "set": ("b=set", "c=set", "d=set", "e=set"),
        "set_string": ("c=string", "d=string", "e=string"),
        "set_file": ("d=content", "e=content"),
        "set_literal": ("e=literal",),
    }
    expected = {"a": "json", "b": "set", "c": "string", "d": "file\n", "e": "literal"}
    assert expected == values.load(Sources(**options)).tree  # type: ignore[arg-type] # tag has another type


@pytest.mark.parametrize("tag", ["1.10", "1e3", "null", "true", "0123", "a,b=c", "{x}"])
def test_a_tag_is_always_text_and_wins(tag: str) -> None:
    found = values.load(Sources(set=("image.tag=old,image.x=1",), set_literal=("image.tag=older",), tag=tag))
    assert {"tag": tag, "x": 1} == found.tree["image"]
    assert Location(f"--tag {tag}", None, 1) == found.locate(("image", "tag"))


def test_standard_input_is_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a: 1\na: 2\n")))
    found = values.load(Sources(files=("-",)))
    assert found.tree == {"a": 2}
    assert found.problems[0].location == Location("<stdin>", 2, 1)


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("missing.yaml", "no such file or directory"),
        (".", "is a directory"),
        ("https://example.com/values.yaml", "download the file first"),
        ("nul\0byte", "embedded null byte"),
        ("/dev/zero", "larger than 64 MiB"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_a_file_that_cannot_be_read_is_one_problem(file: str, words: str) -> None:
    found = values.load(Sources(files=("one.yaml", file)))
    assert [(problem.rule, problem.location) for problem in found.problems] == [("unreadable-file", Location(file))]
    assert words in found.problems[0].message


def test_defaults_lie_under_the_users_values_and_null_removes_one() -> None:
    defaults = values.from_text("a: 1\nb: {c: 1, d: 2}\n", "chart/values.yaml")
    user = read("a: null\nb: {c: null, e: null}\nf: null\n")
    merged = values.on_defaults(defaults, user)
    assert merged.tree == {"b": {"d": 2, "e": None}, "f": None}
    assert Location("chart/values.yaml", 2, 14) == merged.locate(("b", "d"))
    assert Location("values.yaml", 2, 1) == merged.locate_key(("b",))


def test_what_is_missing_is_shown_where_the_user_can_write_it() -> None:
    merged = values.on_defaults(values.from_text("image: {}\n", "chart/values.yaml"), read("a: {b: 1}\n"))
    assert Location("values.yaml", 1, 1) == merged.locate_nearest(("image",))
    assert Location("values.yaml", 1, 1) == merged.locate_nearest(("a",))


def test_reading_and_merging_change_nothing_in_place() -> None:
    defaults, user = read("a: {b: 1}\n"), read("a: {c: [1]}\n")
    merged = values.on_defaults(defaults, user)
    values.load(Sources(set=("a.c[0]=2",)))
    assert (defaults.tree, user.tree) == ({"a": {"b": 1}}, {"a": {"c": [1]}})
    assert merged.tree == {"a": {"b": 1, "c": [1]}}


def test_stored_values_have_a_source_and_no_lines() -> None:
    stored = values.from_tree({"image": {"tag": "1"}}, "values of revision 3")
    assert Location("values of revision 3") == stored.locate(("image", "tag"))
    assert stored.locate(("image", "tag", 0)) is None


def test_what_helm_is_sent_has_no_surrogates_and_no_raw_control_characters() -> None:
    sent = to_helm({"a": "😀é\x7f\x85\u2028\ufeff\0", "n": [1, 1.5, True, None]})
    assert sent == b'{"a":"\xf0\x9f\x98\x80\xc3\xa9\\u007f\\u0085\\u2028\\ufeff\\u0000","n":[1,1.5,true,null]}'


def test_a_path_is_written_as_set_takes_it() -> None:
    path = ("services", "a.b", "env", 0, "x=y,z", "[", "\\")
    text = values.path_text(path)
    assert text == r"services.a\.b.env[0].x\=y\,z.\[.\\"
    tree: Any = values.load(Sources(set=(f"{text}=1",))).tree
    for part in path:
        tree = tree[part]
    assert tree == 1


def test_what_files_do_not_say_is_lost_from_the_release_and_said() -> None:
    kept: dict[str, Any] = {
        "image": {"repository": "app", "tag": "1", "pullPolicy": "Never"},
        "defaults": {"replicas": 2},
        "services": {"web": {"env": {"A": "1", "B": "2"}, "replicas": 3}, "old": {"command": ["x"]}},
        "namePrefix": None,
    }
    given = {"image": {"repository": "app"}, "services": {"web": {"env": {"A": "9"}, "replicas": 3}}}
    defaults = {"defaults": {"replicas": 2}}

    found = lost_values(kept, given, {**defaults, "image": {"pullPolicy": "Always"}}, "values of revision 7")

    assert [(problem.path, problem.severity, problem.message.partition(": ")[2]) for problem in found] == [
        ("image.pullPolicy", "warning", "it is reset to the chart's default"),
        ("services.web.env.B", "warning", "it is reset to the chart's default"),
        ("services.old", "warning", "the service is removed"),
    ]
    assert lost_values(kept, given, kept, "values of revision 7") == []


def test_many_lost_values_are_counted() -> None:
    found = lost_values({str(number): number for number in range(20)}, {}, {}, "values of revision 7")

    assert len(found) == 11
    assert found[-1].message == "and 10 more values are not in your values"
