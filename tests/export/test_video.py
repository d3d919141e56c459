"""What was written plays, at its own times and in its own colours."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from sln_guide.export.video import OverlayVideo

RED, GREEN = 0xFFFF0000, 0xFF20C040


def plain(colour: int, height: int = 96, width: int = 128) -> NDArray[np.uint32]:
    return np.full((height, width), colour, np.uint32)


def decoded(path: Path) -> list[tuple[float, NDArray[np.uint8]]]:
    with av.open(str(path)) as container:
        return [
            (float(frame.time or 0.0), frame.to_ndarray(format="rgb24"))
            for frame in container.decode(video=0)
        ]


def test_pictures_keep_their_own_times(tmp_path: Path) -> None:
    times_s = [0.0, 0.033, 0.066, 0.2, 0.21]
    with OverlayVideo(tmp_path / "a.mp4", rate_hz=30) as video:
        for time_s in times_s:
            video.write(plain(RED), time_s)
    assert video.pictures == 5
    assert [t for t, _ in decoded(tmp_path / "a.mp4")] == pytest.approx(times_s, abs=2e-5)


def test_times_that_do_not_rise_are_moved_on(tmp_path: Path) -> None:
    with OverlayVideo(tmp_path / "a.mp4", rate_hz=30) as video:
        for time_s in (0.0, 0.5, 0.5, 0.1):
            video.write(plain(RED), time_s)
    times = [t for t, _ in decoded(tmp_path / "a.mp4")]
    assert times == sorted(set(times))
    assert len(times) == 4


def test_colours_are_right_and_said(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    picture = plain(RED)
    picture[48:] = GREEN
    with OverlayVideo(path, rate_hz=30) as video:
        video.write(picture, 0.0)
    ((_, rgb),) = decoded(path)
    assert np.abs(rgb[20, 60].astype(int) - (255, 0, 0)).max() <= 4
    assert np.abs(rgb[80, 60].astype(int) - (0x20, 0xC0, 0x40)).max() <= 4
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        assert context.name == "h264"
        assert context.pix_fmt == "yuv420p"
        assert (context.colorspace, context.color_primaries, context.color_trc) == (1, 1, 1)


def test_a_picture_wider_than_h264_can_be_is_made_smaller(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with OverlayVideo(path, rate_hz=15) as video:
        video.write(plain(RED, 64, 32_000), 0.0)
    ((_, rgb),) = decoded(path)
    assert rgb.shape == (32, 16_000, 3)
    assert np.abs(rgb.astype(int) - (255, 0, 0)).max() <= 4


@pytest.mark.parametrize(("height", "width"), [(95, 127), (1, 1), (126, 161), (3, 700)])
def test_any_size_becomes_even_and_loses_nothing(tmp_path: Path, height: int, width: int) -> None:
    path = tmp_path / "a.mp4"
    with OverlayVideo(path, rate_hz=15) as video:
        video.write(plain(RED, height, width), 0.0)
    ((_, rgb),) = decoded(path)
    assert rgb.shape == (height + height % 2, width + width % 2, 3)
    if min(height, width) > 16:
        assert np.abs(rgb[height - 5, width - 5].astype(int) - (255, 0, 0)).max() <= 8


def test_a_picture_of_another_size_is_fitted(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with OverlayVideo(path, rate_hz=15) as video:
        video.write(plain(RED), 0.0)
        video.write(plain(GREEN, 192, 192), 0.1)
        video.write(plain(GREEN, 48, 128), 0.2)
    shown = decoded(path)
    assert {rgb.shape for _, rgb in shown} == {(96, 128, 3)}
    assert np.abs(shown[1][1][90, 90].astype(int) - (0x20, 0xC0, 0x40)).max() <= 6
    assert shown[1][1][50, 120].max() <= 8


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with (
        pytest.raises(FileNotFoundError),
        OverlayVideo(tmp_path / "nowhere" / "a.mp4", rate_hz=30) as video,
    ):
        video.write(plain(RED), 0.0)


FILMING = """
import sys
from pathlib import Path
import numpy as np
from sln_guide.export.video import OverlayVideo
noise = np.random.default_rng(0)
try:
    with OverlayVideo(Path(sys.argv[1]), rate_hz=30) as video:
        for index in range(60):
            video.write(noise.integers(0, 1 << 24, (240, 320)).astype(np.uint32), index / 30)
except OSError as error:
    print(error)
"""


@pytest.mark.parametrize("free_kb", [0, 100])
def test_a_full_disk_is_an_error_and_not_the_end_of_the_program(
    small_disk: Path, free_kb: int
) -> None:
    """Where not even the header fits, libav ends the process when more is added."""
    size = 4096 - free_kb
    with suppress(OSError), (small_disk / "ballast").open("wb", buffering=0) as ballast:
        for _ in range(size):
            ballast.write(bytes(1024))
    run = subprocess.run(
        [sys.executable, "-c", FILMING, str(small_disk / "film.mp4")],
        cwd=Path(__file__).resolve().parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert "No space left on device" in run.stdout
