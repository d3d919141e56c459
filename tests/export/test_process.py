"""`process_case`: every frame accounted for, whatever the case and however it ends."""

from __future__ import annotations

import csv
import errno
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from hardware.frame import Frame, PixelFormat, frozen_pixels
from hardware.rig import Optics, Registration
from sln_guide import pipeline
from sln_guide.export.folder import ExportError
from sln_guide.export.process import process_case
from sln_guide.export.summary import Summary
from sln_guide.export.video import OverlayVideo
from sln_guide.guidance import Kind, Mode, Pair, Role
from sln_guide.recording import CaseDescription, CaseReader, CaseWriter, RecordingError
from tests.export.making import make_frame, spoil

PERIOD_NS = 33_000_000
FILES = ["detections.csv", "frames.csv", "overlay.mp4", "summary.json"]
Recorded = list[tuple[Role, Frame]]


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def video_times_s(path: Path) -> list[float]:
    with av.open(str(path)) as container:
        return [float(frame.time or 0.0) for frame in container.decode(video=0)]


@pytest.fixture
def scene() -> Callable[..., Recorded]:
    """A bright round spot on a smooth ground that sways, in both streams."""

    def make(
        count: int = 14,
        *,
        shape: tuple[int, int] = (160, 192),
        white: bool = True,
        lost: tuple[int, ...] = (),
    ) -> Recorded:
        rng = np.random.default_rng(1)
        rows, columns = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float32)
        recorded: Recorded = []
        for index in range(count):
            if index in lost:
                continue
            x, y = 90.0 + 0.5 * index, 70.0
            spot = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * 14.0**2))
            light = 64 + 500 + 1500 * spot + rng.normal(0, 8, shape)
            nir = replace(
                make_frame(index, time_ns=10**9 + index * PERIOD_NS),
                pixels=frozen_pixels(np.clip(light, 0, 4095).astype(np.uint16)),
            )
            recorded.append((Role.NIR, nir))
            if white:
                seen = np.clip(120 + 20 * np.sin(columns / 9) + rng.normal(0, 3, shape), 0, 255)
                frame = make_frame(index, white=True, time_ns=nir.mid_exposure_ns + 1_000_000)
                recorded.append(
                    (Role.WHITE, replace(frame, pixels=frozen_pixels(seen.astype(np.uint8))))
                )
        return recorded

    return make


def run(case: Path, out: Path, **options: object) -> Summary:
    with CaseReader(case) as reader:
        return process_case(reader, out, **options)


def test_every_frame_has_its_row_and_its_picture(
    tmp_path: Path, make_case: Callable[..., Path], scene: Callable[..., Recorded]
) -> None:
    out = tmp_path / "out"
    steps: list[tuple[int, int]] = []
    summary = run(make_case(scene()), out, progress=lambda d, t: steps.append((d, t)))
    assert sorted(p.name for p in out.iterdir()) == FILES
    frames = table(out / "frames.csv")
    assert [row["frame"] for row in frames] == [str(i) for i in range(14)]
    assert {row["processed"] for row in frames} == {"true"}
    assert [row["white_frame"] for row in frames] == [row["frame"] for row in frames]
    assert [float(row["time_s"]) for row in frames] == pytest.approx([0.033 * i for i in range(14)])
    assert video_times_s(out / "overlay.mp4") == pytest.approx(
        [0.033 * i for i in range(14)], abs=1e-4
    )
    assert steps == [(i + 1, 14) for i in range(14)]
    assert summary.complete
    assert summary.frames.processed == summary.frames.pictures == 14


def test_the_spot_is_found_and_followed(
    tmp_path: Path, make_case: Callable[..., Path], scene: Callable[..., Recorded]
) -> None:
    out = tmp_path / "out"
    summary = run(make_case(scene()), out, video=False)
    rows = table(out / "detections.csv")
    confirmed = [row for row in rows if row["confirmed"] == "true"]
    assert {row["coasted"] for row in rows} == {"false"}
    assert {row["track_id"] for row in confirmed} == {"1"}
    for row in confirmed:
        assert float(row["x_px"]) == pytest.approx(90 + 0.5 * int(row["frame"]), abs=3)
        assert float(row["y_px"]) == pytest.approx(70, abs=3)
        assert float(row["x_white_px"]) == pytest.approx(float(row["x_px"]), abs=1e-5)
        assert float(row["sbr_low"]) <= float(row["sbr"]) <= float(row["sbr_high"])
        assert float(row["area_mm2"]) == pytest.approx(0.01 * float(row["area_px"]), rel=1e-6)
    (followed,) = summary.tracks
    assert followed.track_id == 1
    assert followed.frames == len(confirmed)
    assert summary.detections[Kind.NODE] > 0


def test_the_tables_hold_what_the_pipeline_gives(
    tmp_path: Path, make_case: Callable[..., Path], scene: Callable[..., Recorded]
) -> None:
    case, out = make_case(scene()), tmp_path / "out"
    run(case, out, video=False)
    expected = []
    with CaseReader(case) as reader:
        state = pipeline.initial_state(pipeline.Setup.from_rig(reader.rig, dark=None))
        for nir_index, white_index in reader.pairs():
            assert white_index is not None
            nir, white = reader.frame(Role.NIR, nir_index), reader.frame(Role.WHITE, white_index)
            pair = Pair(nir, white, white.mid_exposure_ns - nir.mid_exposure_ns)
            state, guidance = pipeline.step(state, pair, reader.settings)
            expected += [
                (nir_index, d.track_id, round(d.x_px, 4), round(d.sbr or 0.0, 4))
                for d in guidance.detections
                if not d.coasted
            ]
    assert expected == [
        (
            int(row["frame"]),
            int(row["track_id"]),
            round(float(row["x_px"]), 4),
            round(float(row["sbr"]), 4),
        )
        for row in table(out / "detections.csv")
    ]


def test_twice_the_same_gives_the_same_bytes(
    tmp_path: Path, make_case: Callable[..., Path], scene: Callable[..., Recorded]
) -> None:
    case = make_case(scene())
    for name in ("a", "b"):
        run(case, tmp_path / name, video=False)
    for name in FILES[:2]:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_the_summary_says_what_from_with_what_and_what_was_assumed(
    tmp_path: Path, make_case: Callable[..., Path], scene: Callable[..., Recorded]
) -> None:
    case, out = make_case(scene(4), optics=Optics()), tmp_path / "out"
    summary = run(case, out, video=False)
    about = json.loads((out / "summary.json").read_text())
    with CaseReader(case) as reader:
        assert reader.manifest is not None
        assert about["source"]["chain_head"] == reader.manifest.chain_head
        assert about["source"]["case_id"] == reader.header.case_id
    assert about["source"]["name"] == "small.case"
    assert about["source"]["mode"] == "simulated"
    assert about["registration"] == "assumed"
    assert any("registration" in what for what in about["assumed"])
    assert any("scale unknown" in what for what in about["assumed"])
    assert about["settings"]["threshold_sigma"] == 4.5
    assert about["software"]["sln-guide"]
    assert str(tmp_path) not in (out / "summary.json").read_text()
    assert "SIMULATED" in summary.text()
    assert "assumed: registration" in summary.text()


def test_lost_frames_are_rows_too(
    tmp_path: Path, make_case: Callable[..., Path], scene: Callable[..., Recorded]
) -> None:
    out = tmp_path / "out"
    summary = run(make_case(scene(8, lost=(3, 4))), out, video=False)
    frames = table(out / "frames.csv")
    assert [row["sequence"] for row in frames] == [str(i) for i in range(8)]
    assert [row["frame"] for row in frames] == ["0", "1", "2", "", "", "3", "4", "5"]
    assert {row["processed"] for row in frames[3:5]} == {"false"}
    assert all("lost" in row["reason"] for row in frames[3:5])
    assert summary.frames.lost == 2
    assert summary.complete


def test_a_counter_that_jumped_does_not_fill_the_disk(
    tmp_path: Path, make_case: Callable[..., Path], scene: Callable[..., Recorded]
) -> None:
    recorded = scene(3)
    role, last = recorded[-2]
    recorded[-2] = (role, replace(last, sequence=10**9))
    out = tmp_path / "out"
    summary = run(make_case(recorded), out, video=False)
    frames = table(out / "frames.csv")
    assert len(frames) == 4
    assert frames[2]["reason"].startswith("999999998 frames from here on")
    assert summary.frames.lost == 999_999_998


def test_an_unreadable_frame_is_left_out_and_named(
    tmp_path: Path,
    make_case: Callable[..., Path],
    scene: Callable[..., Recorded],
) -> None:
    case, out = make_case(scene(8)), tmp_path / "out"
    spoil(case, Role.NIR, 5)
    summary = run(case, out)
    frames = table(out / "frames.csv")
    assert [row["processed"] for row in frames].count("false") == 1
    assert frames[5]["reason"].startswith("unreadable: ")
    assert frames[5]["time_s"]
    assert not summary.complete
    assert summary.frames.unreadable == 1
    assert "sequence 5" in summary.text()
    assert len(video_times_s(out / "overlay.mp4")) == 7


def test_why_it_ends_in_part_is_said(
    tmp_path: Path,
    make_case: Callable[..., Path],
    scene: Callable[..., Recorded],
) -> None:
    """The exit code told that something was wrong, and no line what."""
    case = make_case(scene(4))
    shutil.copy(case / "part-000.mcap", case / "part-001.mcap")
    summary = run(case, tmp_path / "out")
    assert not summary.complete
    assert "  damaged: part-001.mcap: is not in the manifest: it was added" in summary.text()
    assert "recording not complete" not in summary.text(), "said once"


def test_an_unreadable_white_frame_costs_the_colour_not_the_frame(
    tmp_path: Path,
    make_case: Callable[..., Path],
    scene: Callable[..., Recorded],
) -> None:
    case, out = make_case(scene(8)), tmp_path / "out"
    spoil(case, Role.WHITE, 5)
    summary = run(case, out)
    frames = table(out / "frames.csv")
    assert {row["processed"] for row in frames} == {"true"}
    assert (frames[5]["white_frame"], frames[5]["skew_ms"]) == ("", "")
    assert not summary.complete
    assert summary.frames.without_white == 1


def test_frames_that_live_guidance_passed_over_are_looked_at(
    tmp_path: Path, make_case: Callable[..., Path], scene: Callable[..., Recorded]
) -> None:
    recorded = scene(6)
    reference = make_case(recorded)
    folder = tmp_path / "live.case"
    with (
        CaseReader(reference) as reader,
        CaseWriter(folder, CaseDescription(rig=reader.rig, settings=reader.settings)) as writer,
    ):
        for role, frame in recorded:
            writer.write_frame(role, frame)
        state = pipeline.initial_state(pipeline.Setup.from_rig(reader.rig, dark=None))
        late = recorded[3][1]
        pair = Pair(recorded[0][1], late, late.mid_exposure_ns - recorded[0][1].mid_exposure_ns)
        writer.write_guidance(pipeline.step(state, pair, reader.settings)[1])
    out = tmp_path / "out"
    run(folder, out, video=False)
    frames = table(out / "frames.csv")
    assert {row["processed"] for row in frames} == {"true"}
    assert [row["white_frame"] for row in frames] == ["1", "1", "2", "3", "4", "5"]


@pytest.mark.parametrize("kind", ["none", "assumed"])
@pytest.mark.parametrize("white", [True, False])
def test_with_and_without_white_light_and_registration(
    tmp_path: Path,
    make_case: Callable[..., Path],
    scene: Callable[..., Recorded],
    kind: str,
    white: bool,
) -> None:
    out = tmp_path / "out"
    case = make_case(scene(3, white=white), registration=Registration(kind=kind))
    summary = run(case, out)
    assert len(video_times_s(out / "overlay.mp4")) == 3
    assert summary.frames.without_white == (0 if white else 3)


def test_a_frame_of_another_size_ends_nothing(
    tmp_path: Path, make_case: Callable[..., Path], scene: Callable[..., Recorded]
) -> None:
    small = [
        (role, replace(frame, sequence=frame.sequence + 4, mid_exposure_ns=time_ns + 10**9))
        for role, frame in scene(4, shape=(80, 96))
        for time_ns in (frame.mid_exposure_ns,)
    ]
    out = tmp_path / "out"
    summary = run(make_case(scene(4) + small), out)
    assert summary.frames.processed == 8
    assert len(video_times_s(out / "overlay.mp4")) == 8


@pytest.mark.parametrize("pixels", [(1, 1), (3, 700), (33, 17)])
def test_frames_too_small_to_judge_are_looked_at(
    tmp_path: Path,
    make_case: Callable[..., Path],
    pixels: tuple[int, int],
) -> None:
    nir = replace(
        make_frame(0),
        pixels=frozen_pixels(np.full(pixels, 70, np.uint8)),
        pixel_format=PixelFormat.MONO8,
        bit_depth=8,
    )
    summary = run(make_case([(Role.NIR, nir)]), tmp_path / "out")
    assert summary.frames.processed == 1
    assert summary.detections == {}


def test_interrupted_it_leaves_nothing(
    tmp_path: Path, make_case: Callable[..., Path], scene: Callable[..., Recorded]
) -> None:
    def interrupt(done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    out = tmp_path / "deep" / "out"
    with pytest.raises(KeyboardInterrupt):
        run(make_case(scene(5)), out, progress=interrupt)
    assert not out.parent.exists()


def test_a_disk_that_is_full_while_filming_is_told_and_leaves_nothing(
    tmp_path: Path,
    make_case: Callable[..., Path],
    scene: Callable[..., Recorded],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Another thread encodes: what goes wrong there is the run's failure, not its own affair."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(OverlayVideo, "write", full)
    out = tmp_path / "out"
    with pytest.raises(ExportError, match="No space left on device"):
        run(make_case(scene()), out)
    assert not out.exists()


def test_a_folder_with_something_in_it_is_refused_unless_forced(
    tmp_path: Path, make_case: Callable[..., Path], scene: Callable[..., Recorded]
) -> None:
    case, out = make_case(scene(2)), tmp_path / "out"
    run(case, out)
    with pytest.raises(ExportError, match="not empty"):
        run(case, out)
    run(case, out, video=False, force=True)
    assert sorted(p.name for p in out.iterdir()) == [n for n in FILES if n != "overlay.mp4"]


def test_a_case_without_nir_is_refused(
    tmp_path: Path, make_case: Callable[..., Path], scene: Callable[..., Recorded]
) -> None:
    white_only = [(role, frame) for role, frame in scene(2) if role is Role.WHITE]
    with pytest.raises(RecordingError, match="no NIR frame"):
        run(make_case(white_only, mode=Mode.LIVE), tmp_path / "out")
    assert not (tmp_path / "out").exists()
