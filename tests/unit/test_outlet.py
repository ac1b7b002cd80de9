"""Output decides nothing: whatever the standard streams are, a rollout goes on, and its exit code is right."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from sametag.output.outlet import Outlet

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# What a command does that changes a release; it ends with 4.
BEGIN = "import os, sys; from sametag.output.outlet import Outlets; outlets = Outlets(); outlets.hurry()\n"
END = "\nos._exit(4 if outlets.settle(1) else 5)"


def run(code: str, through: str = '"$@"', **environment: str) -> subprocess.CompletedProcess[bytes]:
    words = ["bash", "-c", through, "bash", sys.executable, "-c", code]
    return subprocess.run(words, capture_output=True, check=False, timeout=60, env={**os.environ, **environment})


@pytest.mark.parametrize(
    ("redirected", "environment"),
    [
        ("2>/dev/full", {}),
        (">/dev/full", {}),
        (">&-", {}),
        ("2>&-", {}),
        (">&- 2>&- <&-", {}),
        ("2</dev/null", {}),
        ("2> >(exit)", {}),
        ("> >(exit)", {}),
        ("", {"LC_ALL": "C", "PYTHONIOENCODING": "ascii"}),
        ("", {"PYTHONIOENCODING": "latin-1"}),
    ],
)
def test_nothing_that_is_printed_raises_an_error(redirected: str, environment: Mapping[str, str]) -> None:
    # Letters that ASCII and Latin-1 do not have, and a byte that is not UTF-8.
    prints = r"""
for number in range(100):
    print("progress \xe9 \u4e2d \udce9", file=sys.stderr, flush=True)
    print("result \xe9 \u4e2d \udce9", flush=True)
outlets.settle(10)
os._exit(4)
"""
    ran = run(BEGIN + prints, f'"$@" {redirected}', **environment)

    assert (ran.returncode, b"Traceback" in ran.stderr) == (4, False), ran.stderr


def test_a_descriptor_that_is_closed_is_not_given_to_what_is_opened_next() -> None:
    read, write = os.pipe()
    code = f"{BEGIN}file = open(os.devnull); os.write({write}, str(file.fileno()).encode()){END}"
    words = ["bash", "-c", '"$@" <&- >&- 2>&-', "bash", sys.executable, "-c", code]
    subprocess.run(words, check=False, timeout=60, pass_fds=(write,))
    assert int(os.read(read, 10)) > 2


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_reader_that_does_not_read_holds_nobody_up(stream: str) -> None:
    prints = f"""
import time
began = time.monotonic()
for number in range(20000):
    print("x" * 80, file=sys.{stream}, flush=True)
print(f"took {{time.monotonic() - began:.1f}} s", file=sys.{"stdout" if stream == "stderr" else "stderr"}, flush=True)
"""
    words = [sys.executable, "-c", BEGIN + prints + END]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        other = process.stdout if stream == "stderr" else process.stderr
        assert other
        assert other.readline().startswith(b"took ")
        # Of the progress nothing has to be complete.
        assert process.wait(30) == (5 if stream == "stdout" else 4)


def test_a_reader_that_comes_back_gets_the_newest_lines_of_the_progress_and_is_told_how_many_are_missing() -> None:
    prints = (
        "for number in range(20000): print(number, 'x' * 80, file=sys.stderr, flush=True)\nprint('done', flush=True)"
    )
    words = [sys.executable, "-c", BEGIN + prints + END]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.readline()
        lines = process.stderr.read().decode().splitlines()
    notes = [line for line in lines if line.startswith("(")]
    missing = sum(int(line[1:].split()[0]) for line in notes)
    assert notes
    assert lines[-1].startswith("19999 ")
    assert len(lines) - len(notes) + missing == 20000


def test_results_have_no_gap_however_late_they_are_read() -> None:
    prints = (
        "for number in range(20000): print(number, 'x' * 80, flush=True)\nprint('done', file=sys.stderr, flush=True)"
    )
    words = [sys.executable, "-c", BEGIN + prints + END]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        process.stderr.readline()
        numbers = [int(line.split()[0]) for line in process.stdout]
        assert process.wait(30) == 4
    assert numbers == [*range(20000)]


def test_a_pipe_that_another_program_made_non_blocking_gets_everything() -> None:
    read, write = os.pipe()
    os.set_blocking(write, False)
    code = f"{BEGIN}print('x' * 300_000, flush=True){END}"
    with subprocess.Popen([sys.executable, "-c", code], stdout=write) as process:
        os.close(write)
        time.sleep(0.5)
        with os.fdopen(read, "rb") as pipe:
            assert len(pipe.read()) == 300_001
    assert process.returncode == 4


def test_what_goes_to_one_place_stays_in_order() -> None:
    prints = "for number in range(1000): print(number, file=(sys.stdout, sys.stderr)[number % 2], flush=True)"
    ran = run(BEGIN + prints + END, '"$@" 2>&1')

    assert ran.stdout.decode().split() == [str(number) for number in range(1000)]


def test_what_cannot_be_encoded_is_escaped(tmp_path: Path) -> None:
    with (tmp_path / "text").open("w") as file:
        outlet = Outlet(file.fileno(), "ascii", results=True)
        print("caf\u00e9 \udce9", file=outlet, flush=True)
    assert (tmp_path / "text").read_text() == "caf\\xe9 \\udce9\n"


def sametag(*words: str, through: str) -> subprocess.CompletedProcess[str]:
    command = ["bash", "-c", through, "bash", sys.executable, "-m", "sametag", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_a_document_that_could_not_be_written_is_no_success() -> None:
    ran = sametag("schema", through='"$@" >/dev/full')

    assert (ran.returncode, ran.stderr) == (
        2,
        "sametag: warning: standard output could not be written: No space left on device\n",
    )


@pytest.mark.parametrize("through", ['"$@" >&-', '"$@" | head -1; exit ${PIPESTATUS[0]}', '"$@" >&- 2>&-'])
def test_a_reader_that_is_not_there_is_no_failure(through: str) -> None:
    ran = sametag("schema", through=through)

    assert (ran.returncode, ran.stderr) == (0, "")


@pytest.mark.parametrize("through", ['"$@" 2>&-', '"$@" 2>/dev/full', '"$@" >/dev/full'])
def test_the_exit_code_of_an_error_stays_when_it_cannot_be_said(through: str) -> None:
    assert sametag("upgrade", "app", "--tag", "1", "--kubeconfig", "/nowhere", through=through).returncode == 3


def test_a_whole_table_waits_for_its_pager() -> None:
    with subprocess.Popen([sys.executable, "-m", "sametag", "schema"], stdout=subprocess.PIPE) as process:
        time.sleep(2)
        assert process.stdout
        assert process.stdout.read().endswith(b"}\n")
    assert process.returncode == 0
