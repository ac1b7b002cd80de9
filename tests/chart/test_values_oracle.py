"""What Helm itself makes of values, against our reading: a chart whose only template prints `.Values`."""

from __future__ import annotations

import base64
import json
import os
import random
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from mutants import mutants
from sametag import validation, values
from sametag.helm.command import to_helm
from sametag.values.set_flags import apply

DATA = Path(__file__).parents[1] / "unit" / "data"
HELMS = ("SAMETAG_HELM4", "SAMETAG_HELM3")
EXPRESSIONS = json.loads((DATA / "helm-set-expressions.json").read_text())
SCALARS = [case["yaml"] for case in json.loads((DATA / "helm-yaml-scalars.json").read_text())]

Tree = dict[str, Any]


class Oracle:
    """Asks the real helm what it makes of values."""

    def __init__(self, helm: str, folder: Path) -> None:
        self.helm = helm
        self.folder = folder
        self.chart = folder / "oracle"
        (self.chart / "templates").mkdir(parents=True)
        (self.chart / "Chart.yaml").write_text("{apiVersion: v2, name: oracle, version: 0.0.0}")
        (self.chart / "templates" / "values.yaml").write_text("values: {{ .Values | toJson | b64enc }}\n")

    def ask(self, *arguments: str | Path, defaults: str = "", stdin: bytes = b"", of: str = "values") -> Tree | None:
        """Return the values that a template sees, which prints them with this name; None when Helm refuses them."""
        (self.chart / "values.yaml").write_text(defaults)
        ran = subprocess.run(
            [self.helm, "template", "r", self.chart, *arguments],
            input=stdin,
            capture_output=True,
            check=False,
            timeout=60,
        )
        found = re.search(rf"^{of}: (\S+)$".encode(), ran.stdout, re.MULTILINE)
        seen: Tree | None = json.loads(base64.b64decode(found[1])) if found and ran.returncode == 0 else None
        return seen

    def read(self, text: str) -> Tree | None:
        """Return what Helm makes of one values file."""
        return self.ask("-f", self.file("values.yaml", text))

    def file(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_bytes(text.encode())
        return path


@pytest.fixture(params=HELMS)
def oracle(request: pytest.FixtureRequest, tmp_path: Path) -> Oracle:
    helm = os.environ.get(request.param)
    assert helm, f"{request.param} must name a helm binary"
    return Oracle(helm, tmp_path)


def _as_json(tree: Any) -> Any:
    """Compare numbers as float64, as Helm has them, and keep true apart from 1."""
    if isinstance(tree, dict):
        return {key: _as_json(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_as_json(value) for value in tree]
    return float(tree) if isinstance(tree, int) and not isinstance(tree, bool) else tree


def _same(ours: Any, theirs: Any) -> bool:
    return repr(_sorted(_as_json(ours))) == repr(_sorted(_as_json(theirs)))


def _sorted(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {key: _sorted(tree[key]) for key in sorted(tree)}
    return (
        [_sorted(value) for value in tree]
        if isinstance(tree, list)
        else (0.0 if tree == 0.0 and tree is not False else tree)
    )


def _load(options: dict[str, Any], files: tuple[Path, ...] = ()) -> values.Values:
    """Load these sources; an option is named as a field of `Sources`."""
    return values.load(values.Sources(files=tuple(map(str, files)), **options))


def _read(text: str) -> values.Values:
    return values.from_text(text, "values.yaml")


# Rejecting more than Helm does is our purpose in these rules, and in no others.
OURS = {"duplicate-key", "several-documents", "infinite-number", "too-deep", "control-character"}


def _check(oracle: Oracle, texts: list[str]) -> None:
    """Compare our reading of every text with Helm's: all that we accept in one call, what we refuse one by one."""
    accepted = {f"d{number}": text for number, text in enumerate(texts) if not values.has_errors(_read(text).problems)}
    arguments = [part for key, text in accepted.items() for part in ("-f", oracle.file(f"{key}.yaml", text))]
    ours: Tree = {}
    for text in accepted.values():
        ours |= _read(text).tree
    theirs = oracle.ask(*arguments)
    if theirs is None or not _same(ours, theirs):
        different = {
            text: (_read(text).tree, seen)
            for text in accepted.values()
            if not _same(_read(text).tree, seen := oracle.read(text))
        }
        pytest.fail(json.dumps(different, indent=1, ensure_ascii=False))
    for text in texts:
        rules = {problem.rule for problem in _read(text).problems if problem.severity == "error"}
        if rules and not rules & OURS:
            assert oracle.read(text) is None, (text, rules)


def test_scalars_are_read_as_helm_reads_them(oracle: Oracle) -> None:
    scalars = [scalar for scalar in SCALARS if "\n" not in scalar]
    _check(oracle, [f"v{number}: {scalar}\n" for number, scalar in enumerate(scalars)])


def test_random_scalars_are_read_as_helm_reads_them_as_values_and_as_keys(oracle: Oracle) -> None:
    dice = _dice(20240501)
    scalars = [_random_scalar(dice) for _ in range(600)]
    texts = [f"v{number}: {scalar}\n" for number, scalar in enumerate(scalars)]
    texts += [f"k{number}:\n  {scalar}: 1\n" for number, scalar in enumerate(scalars)]
    refused = [text for text in texts if values.has_errors(_read(text).problems)]
    _check(oracle, [text for text in texts if text not in refused] + refused[:30])


def test_random_documents_are_read_as_helm_reads_them(oracle: Oracle) -> None:
    dice = _dice(20240502)
    texts = [_RandomDocument(dice, number).text() for number in range(300)]
    refused = [text for text in texts if values.has_errors(_read(text).problems)]
    assert len(refused) < len(texts) / 2
    _check(oracle, [text for text in texts if text not in refused] + refused[:30])


_PIECES = (
    *"0123456789" * 2,
    *"+-._eExXoObBnyYNtTfF~<=:",
    "0x",
    "0b",
    "0o",
    "1e",
    ".5",
    "inf",
    ".nan",
    "null",
    "true",
    "on",
    "é",
    " ",
)


def _dice(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - the same cases on every run


def _random_scalar(dice: random.Random) -> str:
    return "".join(dice.choices(_PIECES, k=dice.randint(1, 6))).strip() or "~"


class _RandomDocument:
    """Writes a random map in random styles, with anchors, aliases, merges, quotes, blocks and comments."""

    def __init__(self, dice: random.Random, number: int) -> None:
        self.dice = dice
        self.number = number
        self.anchors: list[str] = []
        self.maps: list[str] = []

    def text(self) -> str:
        return self.part() + self.dice.choice(["", "...\n", "# end\n", "\n\n"])

    def part(self) -> str:
        """Return it as a part of a larger document."""
        return f"d{self.number}:\n" + self._map(1)

    def _map(self, depth: int) -> str:
        pad = "  " * depth
        lines = ""
        for index in range(self.dice.randint(1, 4)):
            if self.maps and self.dice.random() < 0.15:
                lines += f"{pad}<<: *{self.dice.choice(self.maps)}\n"
            key = self.dice.choice(
                [f"k{index}", f'"q{index}"', f"'s {index}'", f"{index}", "on", "1.5", "~x", "a b", "é", "0x1f"]
            )
            lines += f"{pad}{key}:" + self._value(depth)
        return lines

    def _value(self, depth: int) -> str:
        kind = self.dice.random()
        if depth < 4 and kind < 0.25:
            anchor = self._anchor(self.maps) if self.dice.random() < 0.3 else ""
            return f"{anchor}\n" + self._map(depth + 1)
        if depth < 4 and kind < 0.4:
            pad = "  " * self.dice.choice([depth, depth + 1])
            return "\n" + "".join(f"{pad}- {self._flow(2)}\n" for _ in range(self.dice.randint(1, 3)))
        if kind < 0.5:
            style = self.dice.choice(["|", ">", "|-", ">-", "|+", "|2"])
            return f" {style}\n" + "".join(
                "  " * (depth + 1) + self.dice.choice(["a b", "c", " d", "#e", ""]) + "\n" for _ in range(3)
            )
        if self.anchors and kind < 0.6:
            return f" *{self.dice.choice(self.anchors)}\n"
        anchor = self._anchor(self.anchors) if self.dice.random() < 0.15 else ""
        return f"{anchor} {self._flow(3)}{self.dice.choice(['', ' # why', '  '])}\n"

    def _anchor(self, kind: list[str]) -> str:
        kind.append(f"a{len(self.anchors) + len(self.maps)}")
        return f" &{kind[-1]}"

    def _flow(self, depth: int) -> str:
        kind = self.dice.random()
        if depth and kind < 0.15:
            return "[" + ", ".join(self._flow(depth - 1) for _ in range(self.dice.randint(0, 3))) + "]"
        if depth and kind < 0.3:
            return "{" + ", ".join(f"f{n}: {self._flow(depth - 1)}" for n in range(self.dice.randint(0, 3))) + "}"
        if kind < 0.5:
            return json.dumps(self.dice.choice(["", "on", "1", "a\tb", "é", "\u2028x", "a: b", "- c", "{{ x }}"]))
        if kind < 0.6:
            return self.dice.choice(["'it''s'", "''", "'1.10'", "!!str 1", "! 5", "!!int '7'", "!x y"])
        return self.dice.choice(
            ["a", "b c", "1.10", "1e3", "0123", "yes", "null", "~", "x:y", "a#b", "-1", "v1.2.3", "2024-01-01"]
        )


def _numbered(expression: str, number: int) -> str:
    r"""Give the names k and j of a case names of its own, so that many cases fit into one call."""
    return re.sub(r"(^|,)([kj])(?=[\\.\[=])", rf"\g<1>\g<2>{number}", expression)


@pytest.mark.parametrize("option", ["set", "set-string", "set-literal", "set-json"])
def test_expressions_are_read_as_helm_reads_them(oracle: Oracle, option: str) -> None:
    accepted = tuple(_numbered(case["expression"], n) for n, case in enumerate(EXPRESSIONS) if case[option] != "error")
    loaded = _load({option.replace("-", "_"): accepted})
    assert loaded.problems == ()
    assert _same(loaded.tree, oracle.ask(*(word for e in accepted for word in (f"--{option}", e))))


def test_random_expressions_are_read_as_helm_reads_them(oracle: Oracle) -> None:
    dice = _dice(20240503)
    for option in ("set", "set-string", "set-literal", "set-json"):
        expressions = [_random_expression(dice, number, option) for number in range(150)]
        field = option.replace("-", "_")
        accepted = [e for e in expressions if not _load({field: (e,)}).problems]
        assert len(accepted) > len(expressions) / 4
        loaded = _load({field: tuple(accepted)})
        theirs = oracle.ask(*(word for e in accepted for word in (f"--{option}", e)))
        assert theirs is not None
        assert _differences(loaded.tree, theirs) == {}


def _random_expression(dice: random.Random, number: int, option: str) -> str:
    values_of = {"set-json": ["1", '"a"', "null", "[1,{}]", '{"x":1}', " ", "1e2", "true"]}
    choices = values_of.get(
        option, ["1", "a", "{a,1}", "{}", "null", "TRUE", "-0", "01", "a\\,b", "", "x=y", "1.5", "{a", "\\{"]
    )
    names = [f"r{number}", *dice.choices(["a", "b", "[0]", "[1]", "[2]", "c\\.d", "e f"], k=dice.randint(0, 4))]
    first = ".".join(names).replace(".[", "[")
    second = f"r{number}" + dice.choice([".z", "[0]", "y", ".a.b", "[1].c"])
    expression = f"{first}={dice.choice(choices)}"
    return expression + (f",{second}={dice.choice(choices)}" if dice.random() < 0.4 else "")


def test_sources_are_merged_and_coalesced_as_helm_does(oracle: Oracle) -> None:
    """Defaults, two files and expressions of every kind, with nulls wherever the user can write them."""
    dice = _dice(20240504)
    defaults = {f"c{n}": _random_tree(dice, 3, nulls=False) for n in range(150)}
    first, second = ({f"c{n}": _random_tree(dice, 3, nulls=True) for n in range(150)} for _ in range(2))
    files = (oracle.file("one.yaml", json.dumps(first)), oracle.file("two.yaml", json.dumps(second)))
    content = oracle.file("content.txt", "line 1\nline 2: ü\n")
    sets = {
        "--set-literal": [f"c{n}.lit={{x}}" for n in range(0, 150, 7)],
        "--set": [f"c{n}.a={dice.choice(['null', '5', '{a,b}'])}" for n in range(0, 150, 3)],
        "--set-json": [f'c{n}={{"a":{{"b":null}}}}' for n in range(0, 150, 5)],
        "--set-string": [f"c{n}.s=01" for n in range(0, 150, 11)],
        "--set-file": [f"c{n}.f={content}" for n in range(0, 150, 13)],
    }
    options = {option[2:].replace("-", "_"): tuple(expressions) for option, expressions in sets.items()}
    options = {key: tuple(e for e in some if not _fails(files, key, e)) for key, some in options.items()}
    user = _load(options, files)
    assert user.problems == ()
    words = [word for key, some in options.items() for e in some for word in ("--" + key.replace("_", "-"), e)]
    theirs = oracle.ask("-f", files[0], "-f", files[1], *words, defaults=json.dumps(defaults))
    ours = values.coalesce(values.from_text(json.dumps(defaults), "defaults"), user).tree
    assert theirs is not None
    assert _differences(ours, theirs) == {}


@pytest.mark.parametrize("seed", range(3))
def test_random_files_and_expressions_are_merged_as_helm_does(oracle: Oracle, seed: int) -> None:
    """Three files of random YAML over defaults of random YAML, and over them every kind of expression."""
    dice = _dice(seed)
    defaults, *files = (_parts(dice, 60, nulls=which > 0) for which in range(4))
    paths = tuple(oracle.file(f"{number}.yaml", text) for number, text in enumerate(files))
    content = oracle.file("content.txt", "x: 1\n")
    written = {option: [_random_setting(dice, option, content) for _ in range(40)] for option in _ORDER}
    user = _applicable(_load({}, paths).tree, written)
    words = [word for path in paths for word in ("-f", str(path))]
    words += [word for option, some in user.items() for expression in some for word in (option, expression)]
    fields = {option[2:].replace("-", "_"): tuple(some) for option, some in user.items()}
    ours = values.coalesce(values.from_text(defaults, "defaults"), _load(fields, paths))

    assert not values.has_errors(ours.problems)
    assert sum(map(len, user.values())) > 40
    theirs = oracle.ask(*words, defaults=defaults)
    assert theirs is not None
    assert _differences(ours.tree, theirs) == {}


def _parts(dice: random.Random, count: int, *, nulls: bool) -> str:
    """Write a file of parts that we read without a complaint; the chart's own values hold no nulls."""
    text = ""
    for number in range(count):
        part = _RandomDocument(dice, number).part()
        alone = _read(part)
        if not values.has_errors(alone.problems) and (nulls or not _has_null(alone.tree)):
            text += part
    return text


def _has_null(tree: Any) -> bool:
    if isinstance(tree, dict | list):
        return any(map(_has_null, tree.values() if isinstance(tree, dict) else tree))
    return tree is None


# In which Helm applies them, whatever the command line's order is.
_ORDER = ("--set-json", "--set", "--set-string", "--set-file", "--set-literal")


def _random_setting(dice: random.Random, option: str, content: Path) -> str:
    """Write an expression about what the random files have, or have not."""
    places = ["", ".k0", ".k1", ".q1", ".k0.k1", ".new", ".k2[0]", ".on", ".new.k[1].z"]
    texts = ["1", "a", "null", "{a,1}", "TRUE", "01", "1.10", "x=y"]
    choices = {"--set-json": ["1", '"a"', "null", "[1,{}]", '{"x":{"y":null}}'], "--set-file": [str(content)]}
    return f"d{dice.randrange(60)}{dice.choice(places)}={dice.choice(choices.get(option, texts))}"


def _applicable(tree: Tree, written: dict[str, list[str]]) -> dict[str, list[str]]:
    """Leave out the expressions that the files, or those before them, made impossible."""
    kept: dict[str, list[str]] = {option: [] for option in written}
    for option in _ORDER:
        for expression in written[option]:
            tree, setting = apply(option, expression, tree, lambda file: Path(file).read_text())
            if not setting.problems:
                kept[option].append(expression)
    return kept


def test_a_subchart_sees_its_own_values_and_the_global_ones(oracle: Oracle) -> None:
    """The child's defaults under what its parent says of it, and `global` of everybody over its own."""
    child = oracle.chart / "charts" / "child"
    (child / "templates").mkdir(parents=True)
    (child / "Chart.yaml").write_text("{apiVersion: v2, name: child, version: 0.0.0}")
    (child / "templates/values.yaml").write_text("child: {{ .Values | toJson | b64enc }}\n")
    (oracle.chart / "templates/values.yaml").write_text("")
    dice = _dice(20240505)
    own, parent, user = ({"child": _fields(dice), "global": _fields(dice)} for _ in range(3))
    own_defaults = own["child"] | {"global": own["global"]}
    (child / "values.yaml").write_text(json.dumps(own_defaults))

    seen = oracle.ask("-f", oracle.file("user.yaml", json.dumps(user)), defaults=json.dumps(parent), of="child")

    merged = values.coalesce(_read(json.dumps(parent)), _read(json.dumps(user))).tree
    expected = values.coalesce(_read(json.dumps(own_defaults)), _read(json.dumps(merged["child"]))).tree
    shared = values.coalesce(_read(json.dumps(own["global"])), _read(json.dumps(merged["global"]))).tree
    assert seen is not None
    assert _differences(expected | {"global": shared}, seen) == {}


def _fields(dice: random.Random) -> Tree:
    return {f"f{number}": _random_tree(dice, 3, nulls=False) for number in range(60)}


def _differences(ours: Tree, theirs: Tree) -> Tree:
    pairs = {key: (ours.get(key), theirs.get(key)) for key in {*ours, *theirs}}
    return {key: pair for key, pair in pairs.items() if not _same(*pair)}


def _fails(files: tuple[Path, ...], field: str, expression: str) -> bool:
    return values.has_errors(_load({field: (expression,)}, files).problems)


def _random_tree(dice: random.Random, depth: int, *, nulls: bool) -> Any:
    if depth and dice.random() < 0.7:
        return {key: _random_tree(dice, depth - 1, nulls=nulls) for key in "abcd" if dice.random() < 0.5}
    leaves: list[Any] = [1, "x", True, [1, {"a": None}] if nulls else [1], {}, 2.5, *([None] * 2 if nulls else [])]
    return dice.choice(leaves)


def test_top_level_nulls_are_coalesced_as_helm_does(oracle: Oracle) -> None:
    defaults, user = "{a: 1, b: {c: 1, d: 2}, e: [1]}", "{a: null, b: null, e: {f: null}, g: null, h: {i: null}}"
    ours = values.coalesce(_read(defaults), _read(user)).tree
    assert _same(ours, oracle.ask("-f", oracle.file("user.yaml", user), defaults=defaults))


def test_what_is_written_for_helm_is_what_helm_reads(oracle: Oracle) -> None:
    """Every character that YAML can be told in JSON, numbers at the edges of float64, keys that look like values."""
    characters = [
        chr(code) for code in (*range(0x180), 0x2028, 0x2029, 0xD7FF, 0xE000, 0xFEFF, *range(0xFFF0, 0x10010), 0x1F600)
    ]
    tree = {
        "characters": dict.fromkeys(characters, 1) | {"in values": "".join(characters)},
        "numbers": [0, -1, 2**53, 2**53 + 2, 1e21, 1.5, 1e-7, 5e-324, 1.7976931348623157e308],
        "keys": {"on": 1, "1": 2, "<<": {"x": 1}, "": 3, "~": 4, "1.10": 5, "- a": 6},
        "text": ["on", "1.10", "null", "", " a ", "{{ x }}", "*a", "&a", "# c", "line\nline\n", "tab\t"],
    }
    assert _same(tree, oracle.ask("--values", "-", stdin=to_helm(tree)))


SPOKEN = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "pattern": "^[a-z]+$", "x-error": "must be a name", "x-remedy": "choose another"},
        "tag": {"not": {}, "x-error": "is not allowed"},
        "one": {"type": "object", "oneOf": [{"required": ["a"]}, {"required": ["b"]}], "x-error": "needs a or b"},
    },
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    "text",
    ["name: abc", "one: {a: 1}", "{}", "name: A", "tag: x", "tag: null", "one: {}", "one: {a: 1, b: 1}", "other: 1"],
)
def test_helm_rejects_what_we_reject_and_ignores_our_own_keywords(oracle: Oracle, text: str) -> None:
    (oracle.chart / "values.schema.json").write_text(json.dumps(SPOKEN))
    ours = validation.validate(_read(""), _read(text), SPOKEN)
    assert (oracle.read(text) is None) is values.has_errors(ours)


def test_helm_rejects_the_same_random_mistakes_in_the_charts_values(oracle: Oracle) -> None:
    chart = Path(__file__).parents[2] / "chart"
    rules = json.loads((chart / "values.schema.json").read_text())
    defaults = (chart / "values.yaml").read_text()
    (oracle.chart / "values.schema.json").write_text(json.dumps(rules))
    rejected = 0
    for tree in mutants(seed=99, count=15):
        text = json.dumps(tree)
        ours = validation.validate(_read(defaults), _read(text), rules)
        theirs = oracle.ask("-f", oracle.file("values.yaml", text), defaults=defaults)
        assert (theirs is None) is values.has_errors(ours), (text, ours)
        rejected += theirs is None
    assert 2 < rejected < 15
