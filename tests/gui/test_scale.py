"""The interface grows with the screen it is on, and never out of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PySide6.QtGui import QImage

from sln_guide.gui.preferences import FILE_NAME, Place, wanted_scale
from sln_guide.gui.scale import LEAST_PX, Display, choices, factors, scale_for
from sln_guide.render import tokens
from tests.x_server import x_server


def display(width: int, height: int, dpi: float = 96.0, scale: float = 1.0) -> Display:
    return Display("DP-1", width, height, dpi, scale)


@pytest.mark.parametrize(
    ("size", "dpi", "scale"),
    [
        ((1366, 768), 96, 1.0),
        ((1366, 768), 135, 1.0),  # a small one has no room to be scaled
        ((1920, 1080), 92, 1.0),
        ((1920, 1080), 141, 1.25),  # of a laptop: 44 px would be 8 mm
        ((1920, 1200), 94, 1.0),
        ((2560, 1440), 109, 1.25),
        ((3440, 1440), 109, 1.25),
        ((3840, 2160), 163, 2.0),
        ((3840, 2160), 80, 2.0),  # a television
        ((3840, 2160), 2000, 2.0),  # a size nobody believes
        ((3840, 2160), float("nan"), 2.0),
        ((1280, 720), 96, 1.0),
    ],
)
def test_the_scale_is_the_screens(size: tuple[int, int], dpi: float, scale: float) -> None:
    assert scale_for(display(*size, dpi)) == scale


@pytest.mark.parametrize("size", [(1366, 768), (1920, 1080), (2560, 1440), (3840, 2160)])
def test_what_is_offered_leaves_room_for_the_window(size: tuple[int, int]) -> None:
    offered = choices(display(*size))
    assert offered[0] == 1.0
    assert list(offered) == sorted(set(offered))
    for scale in offered:
        assert scale_for(display(*size), scale) == scale
        assert size[0] / scale >= LEAST_PX[0]
        assert size[1] / scale >= LEAST_PX[1]
    # what another, larger screen was given is cut down to what there is room for
    assert scale_for(display(*size), 4.0) == offered[-1]
    assert scale_for(display(*size), 0.3) == 1.0


def test_each_screen_has_its_own_and_the_desktops_word_holds() -> None:
    two = [display(1920, 1080), display(3840, 2160)._replace(name="HDMI-1")]
    assert factors(two, 0.0, overrides=True) == "DP-1=1;HDMI-1=2"
    assert factors(two, 1.25, overrides=True) == "DP-1=1.25;HDMI-1=1.25"
    scaled = [display(3840, 2160, scale=2.0)]
    assert factors(scaled, 0.0, overrides=True) == ""
    assert factors(scaled, 1.5, overrides=True) == "DP-1=1.5"
    assert factors(scaled, 1.5, overrides=False) == "DP-1=0.75"


def test_no_desktop_puts_buttons_outside_the_screen() -> None:
    small = [display(1920, 1080, scale=2.0)]
    assert factors(small, 0.0, overrides=True) == "DP-1=1.25"
    assert factors(small, 0.0, overrides=False) == "DP-1=0.625"
    assert factors([display(1920, 1080, scale=1.35)], 0.0, overrides=True) == "", "there is room"


def test_what_is_wanted_is_kept_and_a_broken_file_is_for_others_to_tell(tmp_path: Path) -> None:
    assert wanted_scale(tmp_path) == 0.0
    Place(tmp_path).keep(interface_scale=1.5)
    assert wanted_scale(tmp_path) == 1.5
    (tmp_path / FILE_NAME).write_text("interface_scale = 9.0")
    assert wanted_scale(tmp_path) == 0.0


ROOT = Path(__file__).resolve().parents[2]

PROGRAM = """
import sys
from pathlib import Path
from sln_guide.gui.app import WindowPlan, run
from tests.gui import fakes
place = Path({folder!r})
picture = place / "w.png"
sys.exit(run(fakes.FakeSource(), WindowPlan(screenshot=picture, seconds=0.6, snapshot_folder=place,
             config=place, size=(1366, 768))))
"""


@pytest.mark.parametrize(("wanted", "scale"), [(0.0, 2), (1.0, 1)])
def test_on_a_4k_screen_the_window_is_twice_as_large(
    wanted: float, scale: int, tmp_path: Path
) -> None:
    Place(tmp_path).keep(interface_scale=wanted)
    with x_server(3840, 2160) as name:
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("QT_", "WAYLAND"))}
        subprocess.run(
            [sys.executable, "-c", PROGRAM.format(folder=str(tmp_path))],
            cwd=ROOT,
            env=clean | {"DISPLAY": name, "QT_QPA_PLATFORM": "xcb"},
            check=True,
            timeout=60,
        )
    image = QImage(str(tmp_path / "w.png"))
    assert (image.width(), image.height()) == (1366 * scale, 768 * scale)
    # the hairline under the top strip, which is 60 of the interface's px high
    column = [image.pixelColor(600 * scale, y).name().upper() for y in range(140)]
    assert column.index(tokens.LINE) == 59 * scale
