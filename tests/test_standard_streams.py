"""Standard streams closed, full or without a reader: no traceback, the right exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PROGRAM = "from sln_guide.__main__ import main; import sys; sys.exit(main())"
CASE = 5


def started(shell: str, program: str = PROGRAM, *words: str) -> subprocess.CompletedProcess[str]:
    """Run ``program`` from a shell, as ``"$@"`` in ``shell``."""
    python = [sys.executable, "-c", program, *words]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8"}
    environment.pop("PYTHONUNBUFFERED", None)
    return subprocess.run(
        ["bash", "-c", shell, "bash", *python],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
        env=environment,
    )


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&- <&-", "2>/dev/full", "2>&1 | true"])
def test_the_exit_code_is_that_of_the_command(closed: str, tmp_path: Path) -> None:
    ended = started(
        f'"$@" {closed}; exit ${{PIPESTATUS[0]}}', PROGRAM, "verify", str(tmp_path / "none")
    )
    assert ended.returncode == CASE
    assert "Traceback" not in ended.stderr
    assert "Exception" not in ended.stderr


def test_help_that_nobody_reads_to_its_end(tmp_path: Path) -> None:
    ended = started('"$@" | true; exit ${PIPESTATUS[0]}', PROGRAM, "--help")
    assert (ended.returncode, ended.stderr) == (0, "")


def test_words_that_do_not_fit_on_a_full_disk_are_an_error() -> None:
    ended = started('"$@" > /dev/full', PROGRAM, "--version")
    assert ended.returncode == 7
    assert ended.stderr == "sln-guide: standard output: No space left on device\n"


def test_a_last_interrupt_is_no_traceback_out_of_pythons_own_end() -> None:
    program = (
        "import atexit, os, signal\natexit.register(lambda: os.kill(os.getpid(), signal.SIGINT))\n"
    )
    ended = started('"$@"', program + PROGRAM, "--version")
    assert ended.stdout.startswith("sln-guide ")
    assert ended.stderr == ""


def test_no_file_takes_the_place_of_a_closed_stream(tmp_path: Path) -> None:
    """What a library prints would else be written into a part of a case."""
    kept = tmp_path / "part"
    ended = started(
        '"$@" >&- 2>&- <&-',
        "import os, subprocess, sys\n"
        "from sln_guide import standard_streams\n"
        "standard_streams.secure()\n"
        "part = open(sys.argv[1], 'wb')\n"
        "os.write(1, b'said'), os.write(2, b'said')\n"
        "print('said'), print('said', file=sys.stderr), sys.stdin.isatty()\n"
        "subprocess.run(['sh', '-c', 'echo said; echo said >&2'], check=True)\n",
        str(kept),
    )
    assert ended.returncode == 0
    assert kept.read_bytes() == b""


def test_a_name_that_is_no_text_can_be_told() -> None:
    ended = started("LC_ALL=C.UTF-8 \"$@\" verify $'/caf\\xe9.case'")
    assert ended.returncode == CASE
    assert "caf\\udce9.case does not exist" in ended.stderr
