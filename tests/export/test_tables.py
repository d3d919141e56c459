"""Cells are what was measured; what was not is an empty cell."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import replace

import pytest

from sln_guide.export.tables import (
    DETECTION_COLUMNS,
    FRAME_COLUMNS,
    FrameRow,
    Table,
    detection_row,
    frame_row,
    measured,
)
from tests.export.making import make_detection, make_frame, make_guidance


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_the_columns_promised_come_first_in_their_order() -> None:
    assert ",".join(DETECTION_COLUMNS) == (
        "frame,time_s,track_id,kind,confirmed,coasted,x_px,y_px,x_white_px,y_white_px,area_px,"
        "area_mm2,spot_width_mm,signal,sbr,sbr_low,sbr_high,cnr,cnr_low,cnr_high,significance,"
        "saturated_fraction,flags,node_number"
    )


def test_a_detection_is_read_back_as_it_was() -> None:
    file = io.StringIO()
    Table(file, DETECTION_COLUMNS).write(
        detection_row(12, 0.4000000001, make_detection(node_number=4))
    )
    (row,) = read(file.getvalue())
    assert row["frame"] == "12"
    assert row["time_s"] == "0.4"
    assert (row["track_id"], row["kind"]) == ("3", "node")
    assert (row["confirmed"], row["coasted"]) == ("true", "false")
    assert (float(row["x_px"]), float(row["y_px"])) == (30.25, 20.5)
    assert (row["x_white_px"], row["y_white_px"]) == ("31", "")
    assert [float(row[k]) for k in ("sbr", "sbr_low", "sbr_high")] == [2.5, 2.25, 2.75]
    assert [float(row[k]) for k in ("cnr", "cnr_low", "cnr_high")] == [6.0, 5.0, 7.0]
    assert row["flags"] == 'saturated; says "by, instrument"'
    assert row["node_number"] == "4"


def test_what_is_unknown_is_an_empty_cell() -> None:
    unknown = make_detection(
        area_mm2=None, spot_width_mm=None, sbr_interval=None, cnr_interval=None, flags=()
    )
    file = io.StringIO()
    Table(file, DETECTION_COLUMNS).write(detection_row(0, 0.0, unknown))
    (row,) = read(file.getvalue())
    empty = {name for name, cell in row.items() if cell == ""}
    assert empty == {
        "y_white_px",
        "area_mm2",
        "spot_width_mm",
        "sbr_low",
        "sbr_high",
        "cnr_low",
        "cnr_high",
        "flags",
        "node_number",
    }


def test_a_coasting_node_is_not_measured() -> None:
    seen = make_detection()
    guidance = make_guidance(seen, make_detection(coasted=True, signal=None, sbr=None, cnr=None))
    assert measured(guidance) == (seen,)


def test_none_found_and_not_looked_differ() -> None:
    file = io.StringIO()
    table = Table(file, FRAME_COLUMNS)
    white = make_frame(4, white=True)
    guidance = replace(make_guidance(white=white), detections=())
    looked = FrameRow(
        frame=0,
        time_s=0.0,
        stream_epoch=1,
        sequence=7,
        nir=guidance.pair.nir,
        white_frame=4,
        guidance=guidance,
    )
    table.write(frame_row(looked))
    table.write(frame_row(FrameRow(None, None, 1, 8, "lost on the way")))
    first, second = read(file.getvalue())
    assert (first["processed"], first["detections"], first["reason"]) == ("true", "0", "")
    assert (first["white_frame"], float(first["skew_ms"])) == ("4", 2.5)
    assert float(first["cannot_judge_fraction"]) == pytest.approx(0.5)
    assert first["flags"] == "light step"
    assert (second["processed"], second["detections"]) == ("false", "")
    assert (second["frame"], second["sequence"], second["reason"]) == ("", "8", "lost on the way")


def test_nothing_but_numbers_in_number_cells() -> None:
    file = io.StringIO()
    tiny = make_detection(x_px=1 / 3, signal=1e-7, y_px=1023.123456789)
    Table(file, DETECTION_COLUMNS).write(detection_row(0, 1234.5678915, tiny))
    (row,) = read(file.getvalue())
    assert math.isclose(float(row["x_px"]), 1 / 3, rel_tol=1e-8)
    assert float(row["signal"]) == 1e-7
    assert math.isclose(float(row["y_px"]), 1023.123456789, rel_tol=1e-8)


def test_a_row_of_another_width_is_refused() -> None:
    with pytest.raises(ValueError, match="2 cells for 3"):
        Table(io.StringIO(), ("a", "b", "c")).write((1, 2))
