"""Compiled kernels live in a folder of this very source, wherever one can be written."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from numba.core.caching import IndexDataCacheFile

import sln_guide.core as _core  # noqa: F401 - lets processes take turns at numba's cache
from sln_guide.terminal import OUTPUT

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


NO_TEMPORARY = """
import tempfile
def nowhere(*_, **__):
    raise FileNotFoundError(2, "No usable temporary directory found")
tempfile._get_default_tempdir = nowhere
"""


def test_a_full_disk_has_the_kernels_of_before(tmp_path: Path) -> None:
    """Python finds no temporary folder on one: it was asked for before it was needed."""
    given = {k: v for k, v in os.environ.items() if k != "NUMBA_CACHE_DIR"}
    given["XDG_CACHE_HOME"] = str(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", NO_TEMPORARY + SHOW],
        check=False,
        env=given,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).is_relative_to(tmp_path)


def test_where_nothing_takes_the_kernels_is_one_line(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    given = {k: v for k, v in os.environ.items() if k != "NUMBA_CACHE_DIR"}
    given["XDG_CACHE_HOME"] = str(blocked)
    code = NO_TEMPORARY + "import sys; from sln_guide import cli; sys.exit(cli.main(sys.argv[1:]))"
    words = ("what-if", str(tmp_path / "no.case"), "--threshold", "5")
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        check=False,
        env=given,
        capture_output=True,
        text=True,
    )
    assert done.returncode == OUTPUT, done.stderr
    (line,) = done.stderr.splitlines()
    assert "set XDG_CACHE_HOME" in line


def test_a_folder_the_user_chose_is_kept(tmp_path: Path) -> None:
    assert folder_with(NUMBA_CACHE_DIR=str(tmp_path)) == tmp_path


@pytest.fixture
def files(tmp_path: Path) -> tuple[IndexDataCacheFile, IndexDataCacheFile]:
    """Return one kernel's cache as two processes have it (a lock is each opener's own)."""
    one, other = (IndexDataCacheFile(str(tmp_path), "kernel", 1) for _ in range(2))
    return one, other


def test_a_kernel_is_not_looked_up_before_it_is_written(
    files: tuple[IndexDataCacheFile, IndexDataCacheFile], monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, reader = files
    writer.save("of other types", "stale")
    writer.flush()  # as after an edit: files stay, and their names are given anew
    indexed, go_on = threading.Event(), threading.Event()
    write = writer._save_data

    def paused(*arguments: Any) -> None:
        indexed.set()
        assert go_on.wait(10)
        write(*arguments)

    monkeypatch.setattr(writer, "_save_data", paused)
    with ThreadPoolExecutor() as pool:
        saving = pool.submit(writer.save, "mine", "fresh")
        assert indexed.wait(10)
        loading = pool.submit(reader.load, "mine")
        with pytest.raises(TimeoutError):
            loading.result(0.2)
        go_on.set()
        saving.result(10)
        assert loading.result(10) == "fresh"


def test_two_that_compile_at_once_do_not_take_one_name(
    files: tuple[IndexDataCacheFile, IndexDataCacheFile], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = files
    looked, go_on = threading.Event(), threading.Event()
    name = one._data_name

    def paused(number: int) -> str:
        looked.set()
        assert go_on.wait(10)
        return name(number)

    monkeypatch.setattr(one, "_data_name", paused)
    with ThreadPoolExecutor() as pool:
        first = pool.submit(one.save, "int8", "for int8")
        assert looked.wait(10)
        second = pool.submit(other.save, "int16", "for int16")
        with pytest.raises(TimeoutError):
            second.result(0.2)
        go_on.set()
        first.result(10)
        second.result(10)
    assert (other.load("int8"), one.load("int16")) == ("for int8", "for int16")


def test_a_cache_that_does_not_exist_holds_nothing(tmp_path: Path) -> None:
    assert IndexDataCacheFile(str(tmp_path / "none"), "kernel", 1).load("mine") is None


def test_a_home_without_locks_has_a_cache_all_the_same(
    files: tuple[IndexDataCacheFile, IndexDataCacheFile], monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*arguments: Any) -> None:
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr("fcntl.flock", none)
    writer, reader = files
    writer.save("mine", "fresh")
    assert reader.load("mine") == "fresh"


def test_a_changed_byte_in_the_cache_is_as_if_nothing_were_there(
    files: tuple[IndexDataCacheFile, IndexDataCacheFile],
) -> None:
    """What is cached is run: damaged, it ended every start, or computed something else."""
    writer, reader = files
    kernel = ("machine code", bytes(range(200)))
    writer.save("mine", kernel)
    for path in (Path(writer._index_path), Path(writer._data_path(writer._data_name(1)))):
        whole = path.read_bytes()
        for at in range(len(whole)):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :])
            assert reader.load("mine") in (None, kernel), f"byte {at} of {path.name}"
            path.write_bytes(whole[:at])
            assert reader.load("mine") is None, f"{path.name} cut at {at}"
        writer.save("mine", kernel)
        assert reader.load("mine") == kernel


def test_another_processor_has_a_folder_of_its_own(tmp_path: Path) -> None:
    shown = (
        "import llvmlite.binding as b; b.get_host_cpu_name = lambda: 'another'; "
        "import numba, sln_guide.core; print(numba.config.CACHE_DIR)"
    )
    given = {k: v for k, v in os.environ.items() if k != "NUMBA_CACHE_DIR"}
    given["XDG_CACHE_HOME"] = str(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", shown], env=given, capture_output=True, text=True, check=True
    )
    assert Path(done.stdout.strip()) != folder_with(XDG_CACHE_HOME=str(tmp_path))
