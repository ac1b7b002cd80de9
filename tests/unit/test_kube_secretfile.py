"""A secret that another program reads is in memory, and nobody else's to read."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

from sametag.kube.secretfile import secret_file

_READ = "import sys; sys.stdout.write(open(sys.argv[1]).read())"


def test_a_program_that_a_child_starts_can_read_it_twice_and_nobody_can_afterwards() -> None:
    read = f"[sys.executable, '-c', {_READ!r}, sys.argv[1]]"
    grandchild = f"import subprocess, sys; [subprocess.run({read}, check=True) for _ in 'ab']"
    with secret_file(b"secret ") as path:
        assert stat.S_IMODE(Path(path).stat().st_mode) == 0o600
        ran = subprocess.run([sys.executable, "-c", grandchild, path], capture_output=True, text=True, check=True)
        assert ran.stdout == "secret secret "
    assert not Path(path).exists()


def test_on_linux_it_is_on_no_disk() -> None:
    with secret_file(b"secret") as path:
        assert path.startswith("/proc/") == (sys.platform == "linux")
