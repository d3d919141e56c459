"""What `make` says on machines that lack something."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]
NOBODY = 65534

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="needs make")


@pytest.fixture
def copy() -> Iterator[Path]:
    """Return a copy of what `make` begins with, which everybody may read and nobody may change."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for each in ("Makefile", "requirements.lock", "pyproject.toml"):
            shutil.copy(PROJECT / each, folder)
        folder.chmod(0o555)
        yield folder
        folder.chmod(0o755)


def test_a_folder_that_cannot_be_written_to_is_said_and_no_module_asked_for(copy: Path) -> None:
    root = hasattr(os, "getuid") and os.getuid() == 0
    done = subprocess.run(
        ["make", "-C", str(copy), "PYTHON=true", "demo"],
        user=NOBODY if root else None,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    said = done.stdout + done.stderr
    assert "cannot be written to" in said
    assert "venv module" not in said
