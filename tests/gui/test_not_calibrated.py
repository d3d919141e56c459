"""The window on a rig that nothing vouches for: pictures as ever, no calibrated unit anywhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from PySide6.QtCore import QPoint, QPointF

from sln_guide.gui.claims.layout import Content, Layout
from sln_guide.gui.claims.readings import Tone
from sln_guide.gui.claims.showing import motion_since_guidance
from sln_guide.gui.picture.readout import readout
from sln_guide.gui.plots.curves import UNVOUCHED
from sln_guide.guidance import UNCALIBRATED
from sln_guide.render import marks
from sln_guide.render.look import Look
from sln_guide.render.renderer import Renderer
from sln_guide.render.wording import cnr_text, sbr_text, tag_lines, width_text
from sln_guide.styles import SIGNAL_UNIT, UNCALIBRATED_UNIT, legend_of
from tests.gui import fakes

WHY = "/home/or/rigs/calibration/checks: the last quality check is expired; run `sln-guide check`"
Open = Callable[..., Any]
Wait = Callable[[Callable[[], object]], None]


@pytest.fixture
def source() -> Any:
    source = fakes.FakeSource(unchecked=WHY)
    source.push(
        detections=(
            fakes.make_detection(spot_width_mm=None, area_mm2=None, flags=(UNCALIBRATED,)),
        ),
        flags=(UNCALIBRATED,),
    )
    return source


def test_the_screen_says_why_and_what_to_do_and_guides_on(
    open_window: Open, wait_for: Wait, source: Any
) -> None:
    window = open_window(source)
    wait_for(lambda: window.video.shown is not None and window.video.shown.overlay)
    state = window.video.shown.state
    assert state.overlay_allowed
    (banner,) = state.banners
    assert banner.tone is Tone.NEUTRAL
    assert banner.slim
    assert "sizes in px" in banner.headline
    assert banner.detail == "checks: the last quality check is expired; run `sln-guide check`"
    assert "registration not checked" in window.strip.texts()
    assert not any(" mm" in text for text in window.strip.texts())
    wait_for(lambda: window.curves.heading == UNVOUCHED)


def test_no_words_carry_a_unit(source: Any) -> None:
    picture = source.latest_picture()
    guidance = picture.guidance
    (node,) = guidance.detections
    assert sbr_text(node) == "SBR ≈ 2.17"
    assert cnr_text(node) == "CNR ≈ 7.3"
    assert width_text(node).endswith(" px")
    assert UNCALIBRATED not in " ".join(tag_lines(node, guidance.settings))
    legend = legend_of(guidance, guidance.settings, picture.view)
    assert legend is not None
    assert legend.unit == UNCALIBRATED_UNIT
    told = readout(picture, 40.0, 40.0, source.rig.vouched_mm_per_px)
    assert UNCALIBRATED in told
    assert SIGNAL_UNIT not in told
    assert " mm" not in told
    motion = motion_since_guidance(picture, source.rig)
    assert motion is not None
    assert (motion.unit, motion.limit) == ("px", 10.0)


def test_the_picture_itself_says_so(qt: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A still or a film that leaves the program says it, without the window's banner."""
    said: list[str] = []
    put = marks.put_chip

    def listen(sheet: Any, box: Any, text: str, *rest: Any) -> None:
        said.append(text)
        put(sheet, box, text, *rest)

    monkeypatch.setattr(marks, "put_chip", listen)
    for flags in ((), (UNCALIBRATED,)):
        said.clear()
        picture = fakes.FakeSource().push(flags=flags)
        Renderer().render_to_image(picture, Look(), (640, 512))
        assert ("NOT CALIBRATED" in said) == bool(flags)


def test_the_band_hides_nothing_of_the_picture(
    open_window: Open, wait_for: Wait, source: Any
) -> None:
    """It may stand there for a whole procedure: a node beneath it would not be seen."""
    window = open_window(source)
    video = window.video
    wait_for(lambda: video.shown is not None and video.shown.overlay)
    grabbed = video.grab().toImage()
    main = video.pane(Content.MAIN)
    assert main.top == video._painting.begins >= video._painting.banners_end > 0
    lies = video.placement()
    x, y = round(main.left + lies.left), round(main.top + lies.top)
    ratio = grabbed.devicePixelRatio()
    for inside in (y + 1, y + round(fakes.HEIGHT * lies.scale) - 2):
        pixel = grabbed.pixelColor(round((x + 30) * ratio), round(inside * ratio))
        assert pixel.red() > 100 > pixel.green(), "the first and the last line of tissue"
    corner = video._picture_point(QPointF(x, y))
    assert corner == pytest.approx((-0.5, -0.5), abs=1.0), "and the pointer knows where it is"
    window.commands.choose_layout(Layout.QUAD)
    pane = Content.CURVES
    wait_for(lambda: video.pane(pane) is not None and video.pane(pane).top > main.top)
    wait_for(lambda: window.curves.mapTo(video, QPoint(0, 0)).y() >= video.pane(pane).top)


def test_an_alarm_does_not_move_the_picture(open_window: Open, wait_for: Wait) -> None:
    source = fakes.FakeSource()
    source.push()
    window = open_window(source)
    wait_for(lambda: window.video.shown is not None and window.video.shown.overlay)
    source.push(age_ms=600)
    wait_for(lambda: not window.video.shown.overlay)
    window.video.grab()
    assert window.video._painting.banners_end > 0
    assert window.video.pane(Content.MAIN).top == 0
