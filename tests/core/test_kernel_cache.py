"""Compiled kernels live in a folder of this very source, wherever one can be written."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SHOW = "import numba, sln_guide.core; print(numba.config.CACHE_DIR)"


def folder_with(**environment: str) -> Path:
    given = {k: v for k, v in os.environ.items() if k != "NUMBA_CACHE_DIR"} | environment
    done = subprocess.run(
        [sys.executable, "-c", SHOW], env=given, capture_output=True, text=True, check=True
    )
    return Path(done.stdout.strip())


def test_under_the_users_cache(tmp_path: Path) -> None:
    folder = folder_with(XDG_CACHE_HOME=str(tmp_path))
    assert folder.is_relative_to(tmp_path)
    assert folder == folder_with(XDG_CACHE_HOME=str(tmp_path))


def test_a_home_that_cannot_be_written(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    folder = folder_with(XDG_CACHE_HOME=str(blocked / "cache"), TMPDIR=str(tmp_path))
    assert folder.is_dir()
    assert folder.is_relative_to(tmp_path)


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="needs to be root")
def test_a_folder_of_somebody_else_is_not_trusted(tmp_path: Path) -> None:
    planted = tmp_path / f"sln-guide-{os.getuid()}"
    planted.mkdir()
    os.chown(planted, 12345, 12345)
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    folder = folder_with(XDG_CACHE_HOME=str(blocked / "cache"), TMPDIR=str(tmp_path))
    assert not folder.is_relative_to(planted)


def test_a_folder_the_user_chose_is_kept(tmp_path: Path) -> None:
    assert folder_with(NUMBA_CACHE_DIR=str(tmp_path)) == tmp_path
