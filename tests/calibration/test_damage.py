"""Calibrations and the history of checks, damaged anywhere: one line, never a traceback."""

from __future__ import annotations

import io
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.rig import Calibration
from hardware.rig_files import load_rig
from sln_guide.calibration import container, history
from sln_guide.calibration.binding import Finite, Moment
from sln_guide.calibration.errors import CalibrationFileError
from sln_guide.calibration.history import CheckRecord, Figure

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
ARRAY = np.arange(12, dtype=np.float32).reshape(3, 4)
CHANGES = st.lists(st.tuples(st.integers(0), st.integers(1, 255)), min_size=1, max_size=4)


class Fields(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    made_at: Moment
    camera: str
    value: Finite
    note: str = ""


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("made") / "x.npz"
    container.save(path, "trial", Fields(made_at=NOW, camera="ä1", value=2.5), {"dark": ARRAY})
    return path.read_bytes()


def changed(data: bytes, changes: list[tuple[int, int]]) -> bytes:
    array = bytearray(data)
    for place, flip in changes:
        array[place % len(array)] ^= flip
    return bytes(array)


def resealed(data: bytes, changes: list[tuple[int, int]]) -> bytes:
    """Change the header's text, and have the archive's checksums fit again."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            text = old.read(name)
            new.writestr(name, changed(text, changes) if name == container.HEADER else text)
    return out.getvalue()


def load_or_one_line(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    try:
        fields, arrays = container.load(path, "trial", Fields)
    except CalibrationFileError as error:
        said = str(error)
    else:
        said = ""
        assert isinstance(fields, Fields)
        assert np.array_equal(arrays["dark"], ARRAY)
    assert said.isprintable()
    assert len(said) < 400 + len(str(path))


@given(CHANGES)
def test_any_bytes_changed_are_found_or_change_nothing(
    saved: bytes, tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, int]]
) -> None:
    load_or_one_line(tmp_path_factory.mktemp("raw") / "x.npz", changed(saved, changes))


@given(CHANGES)
def test_a_header_that_is_no_text_any_more_is_refused(
    saved: bytes, tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, int]]
) -> None:
    load_or_one_line(tmp_path_factory.mktemp("sealed") / "x.npz", resealed(saved, changes))


@pytest.mark.parametrize("text", ["ä1", "trial"])
def test_bytes_that_are_no_text_in_the_header(saved: bytes, tmp_path: Path, text: str) -> None:
    with zipfile.ZipFile(io.BytesIO(saved)) as archive:
        place = archive.read(container.HEADER).index(text.encode())
    path = tmp_path / "x.npz"
    path.write_bytes(resealed(saved, [(place, 0xFF ^ text.encode()[0])]))
    with pytest.raises(CalibrationFileError, match="damaged header"):
        container.load(path, "trial", Fields)


def test_a_time_without_its_zone_is_refused(tmp_path: Path) -> None:
    """Nobody could tell how old it is, and comparing it would end the program."""
    path = tmp_path / "x.npz"
    container.save(path, "trial", Fields(made_at=NOW.replace(tzinfo=None), camera="1", value=1.0))
    with pytest.raises(CalibrationFileError, match="made_at"):
        container.load(path, "trial", Fields)


# -- the history of checks ---------------------------------------------------------------------


def record(name: str) -> bytes:
    figure = Figure(name="dark", value=1.0, unit="counts", note="größer")
    made = CheckRecord(made_at=NOW, rig=name, cameras=("1",), figures=(figure,), good=True)
    return msgspec.json.encode(made) + b"\n"


@given(CHANGES)
def test_a_damaged_line_costs_that_line_alone(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, int]]
) -> None:
    folder = tmp_path_factory.mktemp("checks")
    damaged = changed(record("damaged")[:-1], changes).replace(b"\n", b"").replace(b"\r", b"")
    (folder / history.FILE).write_bytes(record("before") + damaged + b"\n" + record("after"))
    records, count = history.read(folder)
    assert {"before", "after"} <= {r.rig for r in records}
    assert len(records) + count >= 2
    rig = msgspec.structs.replace(load_rig("demo"), calibration=Calibration(check=str(folder)))
    assert isinstance(history.last_check(rig, NOW), str | CheckRecord)


def test_a_line_that_is_no_text_and_a_time_without_its_zone(tmp_path: Path) -> None:
    bad = [record("x").replace("ö".encode(), b"\xff\xfe"), record("x").replace(b"Z", b"")]
    (tmp_path / history.FILE).write_bytes(record("good") + b"".join(bad))
    records, damaged = history.read(tmp_path)
    assert [r.rig for r in records] == ["good"]
    assert damaged == 2
