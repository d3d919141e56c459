"""Files that are there whole or not at all, whoever else writes them, and whatever ends that."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from sln_guide.whole_file import LEFT_OVER_S, replace_file, sync_folder

PROJECT = Path(__file__).resolve().parents[1]
LEFT = ".0123456789abcdef.new"

WRITER = """
import sys
from pathlib import Path
from sln_guide.whole_file import replace_file
for _ in range(200):
    replace_file(Path(sys.argv[1]), sys.argv[2].encode() * int(sys.argv[3]))
"""


def test_programs_that_write_one_file_at_once_mix_nothing(tmp_path: Path) -> None:
    path = tmp_path / "shared.toml"
    texts = {"a": 300_000, "b": 200_000}
    replace_file(path, b"a" * texts["a"])
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), letter, str(size)],
            cwd=PROJECT,
            stderr=subprocess.PIPE,
            text=True,
        )
        for letter, size in texts.items()
    ]
    seen = set()
    while any(writer.poll() is None for writer in writers):
        data = path.read_bytes()
        seen.add((data[:1], len(data)))
        assert data == data[:1] * len(data), "a file of two writers"
    errors = [writer.communicate()[1] for writer in writers]
    assert errors == ["", ""]
    assert seen <= {(letter.encode(), size) for letter, size in texts.items()}
    assert [p.name for p in tmp_path.iterdir()] == ["shared.toml"]


def test_a_full_disk_leaves_the_old_file_and_nothing_beside_it(small_disk: Path) -> None:
    path = small_disk / "kept.json"
    replace_file(path, b"old")
    with pytest.raises(OSError, match="No space left"):
        replace_file(path, bytes(8 << 20))
    assert path.read_bytes() == b"old"
    assert [p.name for p in small_disk.iterdir()] == ["kept.json"]


def test_what_stands_in_the_way_of_its_name_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(IsADirectoryError):
        replace_file(tmp_path / "taken", b"text")
    assert [p.name for p in tmp_path.iterdir()] == ["taken"]


def test_an_end_by_hand_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def ended(fd: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fdatasync", ended)
    with pytest.raises(KeyboardInterrupt):
        replace_file(tmp_path / "file", b"text")
    assert list(tmp_path.iterdir()) == []


def test_what_killed_programs_left_is_cleared_away_but_nobody_elses_work(tmp_path: Path) -> None:
    old, young, other = tmp_path / LEFT, tmp_path / LEFT.replace("0", "f"), tmp_path / "notes.new"
    for path in (old, young, other):
        path.write_bytes(b"half")
    long_ago = time.time() - LEFT_OVER_S - 1
    for path in (old, other):
        os.utime(path, (long_ago, long_ago))
    replace_file(tmp_path / "file", b"text")
    assert not old.exists()
    assert young.exists(), "another program may be writing it"
    assert other.exists(), "not ours"


def test_what_a_link_points_to_is_replaced_not_the_link(tmp_path: Path) -> None:
    there = tmp_path / "elsewhere"
    there.mkdir()
    (there / "rig.toml").write_bytes(b"old")
    link = tmp_path / "rig.toml"
    link.symlink_to(there / "rig.toml")
    replace_file(link, b"new")
    assert link.is_symlink()
    assert (there / "rig.toml").read_bytes() == b"new"


def test_the_longest_name_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 255)
    replace_file(path, b"text")
    assert path.read_bytes() == b"text"


def test_file_systems_that_cannot_sync_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = errno.EINVAL

    def refuse(fd: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", refuse)
    sync_folder(tmp_path)
    code = errno.EIO
    with pytest.raises(OSError, match="Input/output"):
        sync_folder(tmp_path)


def test_threads_of_one_program_do_not_meet(tmp_path: Path) -> None:
    path = tmp_path / "file"
    errors: list[BaseException] = []

    def write(letter: bytes) -> None:
        try:
            for _ in range(100):
                replace_file(path, letter * 50_000)
        except BaseException as error:  # noqa: BLE001 - told to the test's own thread
            errors.append(error)

    threads = [threading.Thread(target=write, args=(letter,)) for letter in (b"a", b"b", b"c")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    data = path.read_bytes()
    assert data == data[:1] * 50_000
