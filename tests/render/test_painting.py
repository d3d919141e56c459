"""How marks get into a picture: scaled once, from any thread, kept until they change."""

from __future__ import annotations

import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QRectF
from PySide6.QtGui import QGuiApplication, QImage, QPainter

from sln_guide.guidance import (
    Kind,
    Mode,
    Settings,
)
from sln_guide.render import sprites
from sln_guide.render.figures import Figures
from sln_guide.render.geometry import placement
from sln_guide.render.layout import Box
from sln_guide.render.look import Look
from sln_guide.render.pixels import paint_pixels
from sln_guide.render.renderer import Renderer, rendered_size
from sln_guide.render.scaling import Scaled
from sln_guide.render.text import ensure_gui_application
from sln_guide.render.wording import tag_lines
from tests.render.scenes import (
    BARE,
    GREY,
    HEIGHT,
    NIR,
    SIZE,
    WIDTH,
    as_array,
    make_detection,
    make_picture,
    rendered,
    with_guidance,
)


def test_painting_leaves_the_painter_as_it_was():
    image = QImage(WIDTH, HEIGHT, QImage.Format.Format_RGB32)
    painter = QPainter(image)
    painter.setClipRect(QRectF(0, 0, 600, 500))
    before = (painter.transform(), painter.clipBoundingRect(), painter.pen(), painter.brush())
    contour = np.array([[100, 200], [400, 240], [400, 260]], np.float32)
    everything = [
        make_detection(kind=k, track_id=i, contour_px=contour) for i, k in enumerate(Kind)
    ]
    look = Look(mm_per_px=0.1, mode=Mode.REPLAY, simulated=True, clock="14:03", research_note=True)
    Renderer().paint(painter, QRectF(0, 0, WIDTH, HEIGHT), make_picture(*everything), look)
    after = (painter.transform(), painter.clipBoundingRect(), painter.pen(), painter.brush())
    painter.end()
    assert before == after


def test_small_pictures_are_enlarged_before_words_are_put_on_them():
    pixels = np.full((126, 161), GREY, np.uint32)
    small = make_picture(rgb32=pixels)
    assert rendered_size(small) == (966, 756)
    assert Renderer().render_to_image(small, Look()).shape == (756, 966)
    assert rendered_size(make_picture(rgb32=np.zeros((1024, 1280), np.uint32))) == (1280, 1024)


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (1, 500), (500, 1)])
def test_degenerate_pictures(shape):
    picture = make_picture(make_detection(0.0, 0.0), rgb32=np.full(shape, GREY, np.uint32))
    out = Renderer().render_to_image(picture, Look(mm_per_px=0.1), (64, 48))
    assert out.shape == (48, 64)


def test_pixels_stay_sharp_one_to_one():
    pixels = np.random.default_rng(2).integers(0, 1 << 24, (40, 60)).astype(np.uint32)
    pixels |= np.uint32(0xFF000000)
    image = QImage(60, 40, QImage.Format.Format_RGB32)
    painter = QPainter(image)
    paint_pixels(painter, pixels, placement(1.0, 0.0, 0.0))
    painter.end()
    assert (as_array(image) == pixels).all()


def test_rendering_from_another_thread_is_the_same():
    picture, look = make_picture(make_detection()), Look(mm_per_px=0.1)
    expected = rendered(picture, look)
    found = []
    thread = threading.Thread(target=lambda: found.append(rendered(picture, look)))
    thread.start()
    thread.join()
    assert (found[0] == expected).all()


def test_a_result_is_the_callers_own():
    picture = make_picture()
    first, second = rendered(picture), rendered(picture)
    assert first.flags.writeable
    assert not np.shares_memory(first, second)
    assert not np.shares_memory(first, picture.rgb32)


def test_the_application_object_is_made_once_and_headless():
    application = ensure_gui_application()
    assert ensure_gui_application() is application
    assert QGuiApplication.instance() is application


def run(code):
    root = Path(__file__).resolve().parents[2]
    return subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False,
        timeout=120, env={"PATH": "/usr/bin:/bin"},
    )  # fmt: skip


def test_without_a_display_rendering_works():
    done = run(
        "from sln_guide.render.text import ensure_gui_application as e; print(e().platformName())"
    )
    assert (done.returncode, done.stdout.strip()) == (0, "offscreen"), done.stderr


def test_the_application_object_must_be_made_by_the_main_thread():
    done = run(
        "import threading\n"
        "from sln_guide.render.text import ensure_gui_application\n"
        "def work():\n"
        "    try: ensure_gui_application()\n"
        "    except RuntimeError as error: print(error)\n"
        "t = threading.Thread(target=work); t.start(); t.join()"
    )
    assert "from the main thread" in done.stdout, done.stderr


def test_figures_stand_still_for_a_moment_but_not_what_they_are_of():
    figures = Figures()

    def said(milliseconds, **changes):
        detection = make_detection(**changes)
        standing = figures.standing(detection.track_id, detection, int(milliseconds * 1e6))
        return " ".join(tag_lines(standing, Settings()))

    assert "2.17" in said(0)
    assert "2.17" in said(100, sbr=2.31), "not before it can be read"
    assert "2.31" in said(300, sbr=2.31)
    assert "last seen" in said(310, coasted=True), "lost is said at once"
    assert "≥" in said(320, sbr=2.4, saturated_fraction=0.2), "so is clipped"


def test_the_picture_says_the_figures_that_are_said_beside_it():
    look = replace(BARE, tags=True)
    detection = make_detection()

    def painted(figures):
        return Renderer(figures).render_to_image(make_picture(detection), look)

    shared = Figures()
    told = replace(detection, sbr=2.31)
    shared.standing(detection.track_id, told, NIR.mid_exposure_ns)
    np.testing.assert_array_equal(
        painted(shared), Renderer().render_to_image(make_picture(told), look)
    )
    assert not np.array_equal(painted(shared), painted(None))


def test_what_is_kept_looks_like_what_is_painted_anew():
    picture, look = make_picture(make_detection()), replace(BARE, tags=True, legend=True)
    sprites._kept.clear()
    fresh = Renderer().render_to_image(picture, look)
    assert sprites._kept.images, "something was kept"
    kept = Renderer().render_to_image(picture, look)
    np.testing.assert_array_equal(fresh, kept)


def test_only_so_much_is_kept(monkeypatch):
    sprites._kept.clear()
    monkeypatch.setattr(sprites, "MOST_KEPT_BYTES", 10_000)
    sheet = sprites.Sheet(1.0)
    for number in range(300):
        sheet.stamp(Box(0, 0, 20, 10), number, lambda p, b: None)
    held = sum(image.sizeInBytes() for image, _ in sprites._kept.images.values())
    assert held == sprites._kept.total_bytes <= 10_000
    assert len(sprites._kept.images) > 5
    sprites._kept.clear()


def test_what_is_never_painted_again_is_not_kept_for_long(monkeypatch):
    """A clock is another sign each second: an hour of them filled all that may be kept."""
    sprites._kept.clear()
    now_s = 0.0
    monkeypatch.setattr(sprites.time, "monotonic", lambda: now_s)
    for second in range(3600):
        now_s = float(second)
        sprites.Sheet(1.0).stamp(Box(0, 0, 20, 10), "LIVE", lambda p, b: None)
        sprites.Sheet(1.0).stamp(Box(0, 0, 20, 10), second, lambda p, b: None)
    kept = [key for key, *_ in sprites._kept.images]
    assert "LIVE" in kept
    assert set(kept) - {"LIVE"} == set(range(3600 - len(kept) + 1, 3600))
    assert len(kept) < 40
    sprites._kept.clear()


def test_a_sheet_is_laid_out_once_a_guidance(monkeypatch):
    renderer, look = Renderer(), replace(BARE, tags=True, legend=True)
    laid_out = []
    before = Renderer._sheet
    monkeypatch.setattr(Renderer, "_sheet", lambda *a: laid_out.append(1) or before(*a))
    picture = make_picture(make_detection())
    first = renderer.render_to_image(picture, look, SIZE)
    again = renderer.render_to_image(replace(picture, number=2), look, SIZE)
    assert len(laid_out) == 1
    assert (first == again).all()
    other = with_guidance(picture, detections=())
    assert (renderer.render_to_image(other, look, SIZE) != first).any()
    zoomed = rendered(picture, look, (WIDTH * 2, HEIGHT * 2))
    assert (renderer.render_to_image(picture, look, (WIDTH * 2, HEIGHT * 2)) == zoomed).all()
    assert len(laid_out) == 4


def picture_pixels(height, width, seed=1):
    pixels = np.random.default_rng(seed).integers(0, 1 << 24, (height, width)).astype(np.uint32)
    return pixels | np.uint32(0xFF000000)


def test_a_picture_is_scaled_once_and_smoothly():
    scaled, pixels = Scaled(), picture_pixels(100, 120)
    image = scaled.image(pixels, 90, 75)
    assert (image.width(), image.height()) == (90, 75)
    first = as_array(image)
    assert scaled.image(pixels, 90, 75) is image
    reference = QImage(pixels.data.cast("B"), 120, 100, 480, QImage.Format.Format_RGB32)
    target = QImage(90, 75, QImage.Format.Format_RGB32)
    painter = QPainter(target)
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
    painter.drawImage(QRectF(0, 0, 90, 75), reference, QRectF(0, 0, 120, 100))
    painter.end()
    off = first.view(np.uint8).astype(int) - as_array(target).view(np.uint8)
    assert np.abs(off).max() <= 4, "the same as Qt would scale it"
    changed = as_array(scaled.image(picture_pixels(100, 120, seed=2), 90, 75))
    assert (changed != first).any()


def test_a_picture_seen_small_loses_nothing_between_its_pixels():
    lines = np.full((400, 400), 0xFF000000, np.uint32)
    lines[:, ::4] = 0xFFFFFFFF
    seen = as_array(Scaled().image(lines, 100, 100)) & 0xFF
    assert seen.min() > 40
    assert seen.max() < 90
