"""Rendered pictures: what is painted, where, and what must never be."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import QRectF
from PySide6.QtGui import QImage, QPainter, QTransform

from hardware.rig import Registration
from sln_guide.core.colour import colour_table
from sln_guide.guidance import (
    ColourMap,
    Kind,
    Mode,
    NirStyle,
    OverlayStyle,
    Settings,
    View,
)
from sln_guide.render import marks, tokens
from sln_guide.render.geometry import fitted, mm_per_picture_px, placement
from sln_guide.render.layout import Box, Ring
from sln_guide.render.look import Look
from sln_guide.render.marking import RING_OVER_SPOT
from sln_guide.render.renderer import MOST_MARKED, Renderer
from tests.render.scenes import (
    BARE,
    GREY,
    HEIGHT,
    SIZE,
    WIDTH,
    as_array,
    make_detection,
    make_picture,
    rendered,
    with_guidance,
)

TEXT_RGB = 0xFF000000 | int(tokens.TEXT[1:], 16)


def changed(picture, look=BARE, size=SIZE):
    """Where the annotations are."""
    return rendered(picture, look, size) != rendered(replace(picture, guidance=None), look, size)


def distance_from(x, y, size=SIZE):
    rows, cols = np.mgrid[: size[1], : size[0]]
    return np.hypot(cols - x, rows - y)


def test_the_picture_itself_is_untouched_where_nothing_is_painted():
    pixels = np.random.default_rng(1).integers(0, 1 << 24, (HEIGHT, WIDTH)).astype(np.uint32)
    pixels |= np.uint32(0xFF000000)
    picture = make_picture(rgb32=pixels)
    assert (rendered(picture) == pixels).all()


def test_a_confirmed_node_has_a_ring_and_nothing_inside_or_outside_it():
    painted = changed(make_picture(make_detection(200.0, 180.0)))
    distance = distance_from(200.0, 180.0)
    radius = 0.75 * 60.0
    assert painted[np.abs(distance - radius) < 1.0].all()
    assert not painted[np.abs(distance - radius) > 4.0].any()


def test_the_ring_is_white_on_dark():
    picture = rendered(make_picture(make_detection(200.0, 180.0)))
    across = picture[180, 200 + 41 : 200 + 50]
    brightness = (across >> 8 & 0xFF).astype(int)
    assert brightness.max() > 200
    assert brightness.min() < 60
    assert brightness.argmax() in (3, 4)  # bright in the middle, dark on both sides


@pytest.mark.parametrize(
    "doubt", [{"confirmed": False}, {"coasted": True}, {"kind": Kind.UNCERTAIN}]
)
def test_what_is_not_sure_has_a_broken_ring(doubt):
    painted = changed(make_picture(make_detection(200.0, 180.0, **doubt)))
    share = painted[np.abs(distance_from(200.0, 180.0) - 45.0) < 0.7].mean()
    assert 0.35 < share < 0.85


def test_a_coasted_node_is_told_apart_and_shows_no_figure():
    look = replace(BARE, tags=True)
    seen = changed(make_picture(make_detection()), look)
    gone = changed(make_picture(make_detection(coasted=True)), look)
    outside = distance_from(200.0, 180.0) > 55.0
    assert 0 < (gone & outside).sum() < 0.6 * (seen & outside).sum()


def test_glints_are_hidden():
    assert not changed(
        make_picture(make_detection(kind=Kind.GLINT)), replace(BARE, tags=True)
    ).any()


def test_kinds_the_operator_hides_are_hidden():
    for kind, name in ((Kind.CHANNEL, "show_channel"), (Kind.UNCERTAIN, "show_uncertain")):
        picture = make_picture(make_detection(kind=kind))
        assert changed(picture).any()
        assert not changed(picture, replace(BARE, settings=Settings(**{name: False}))).any()


def test_a_masked_injection_site_keeps_its_outline_and_says_so():
    contour = np.array([[150, 130], [250, 130], [250, 230], [150, 230]], np.float32)
    picture = make_picture(make_detection(kind=Kind.INJECTION, contour_px=contour))
    masked = replace(BARE, settings=Settings(show_injection=False), tags=True)
    assert changed(picture, masked)[129:132, 150:250].any()
    assert changed(picture, masked).sum() > changed(picture, replace(BARE, tags=True)).sum()


def test_a_channel_is_traced_along_its_contour():
    contour = np.array([[100, 200], [400, 240], [400, 260], [100, 220]], np.float32)
    painted = changed(make_picture(make_detection(kind=Kind.CHANNEL, contour_px=contour)))
    for x, y in ((100, 210), (250, 220), (400, 250), (250, 240)):
        assert painted[y - 1 : y + 2, x - 1 : x + 2].any()
    assert not painted[230, 250]
    assert not painted[:190].any()


def test_contours_go_through_the_registration():
    moved = Registration(kind="calibrated", white_from_nir=((1, 0, 30), (0, 1, -20), (0, 0, 1)))
    contour = np.array([[100, 200], [300, 200], [300, 220], [100, 220]], np.float32)
    picture = make_picture(make_detection(kind=Kind.CHANNEL, contour_px=contour))
    painted = changed(with_guidance(picture, registration=moved))
    assert painted[180, 140:320].all()
    assert not painted[203:, :].any()


def test_rings_grow_with_the_registrations_scale():
    doubled = Registration(kind="calibrated", white_from_nir=((2, 0, 0), (0, 2, 0), (0, 0, 1)))
    node = make_detection(100.0, 90.0, x_white_px=200.0, y_white_px=180.0)
    painted = changed(with_guidance(make_picture(node), registration=doubled))
    assert painted[np.abs(distance_from(200.0, 180.0) - 90.0) < 1.0].all()


def test_in_the_nir_view_marks_use_nir_coordinates():
    node = make_detection(100.0, 90.0, x_white_px=400.0, y_white_px=380.0)
    painted = changed(make_picture(node, view=View.NIR, overlay_drawn=False))
    assert painted[np.abs(distance_from(100.0, 90.0) - 45.0) < 1.0].all()
    assert not painted[300:, 300:].any()


@pytest.mark.parametrize(
    "changes",
    [{"view": View.WHITE}, {"overlay_drawn": False}, {"guidance": None}],
)
def test_plain_colour_carries_no_marks(changes):
    look = replace(BARE, tags=True, legend=True)
    picture = make_picture(make_detection(), **changes)
    assert (rendered(picture, look) == GREY).all()


def test_without_registration_a_detection_has_no_place_in_white():
    lost = make_detection(x_white_px=None, y_white_px=None)
    assert not changed(make_picture(lost), replace(BARE, tags=True)).any()


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), 1e30, -1e12])
def test_impossible_places_are_harmless(bad):
    contour = np.array([[bad, 0], [10, bad], [5, 5]], np.float32)
    for kind in (Kind.NODE, Kind.CHANNEL, Kind.INJECTION):
        wild = make_detection(bad, bad, kind=kind, contour_px=contour)
        assert not changed(make_picture(wild), replace(BARE, tags=True)).any()


def test_zoom_moves_and_widens_the_ring_but_not_the_words():
    picture = make_picture(make_detection(200.0, 180.0))
    renderer, look = Renderer(), replace(BARE, tags=True)
    boxes = []
    for scale in (1.0, 3.0):
        image = QImage(WIDTH, HEIGHT, QImage.Format.Format_RGB32)
        before = image.copy()
        placed = placement(scale, 150.0 - 200.5 * scale, 150.0 - 180.5 * scale)
        for target, shown in ((before, replace(picture, guidance=None)), (image, picture)):
            painter = QPainter(target)
            renderer.paint(painter, QRectF(0, 0, WIDTH, HEIGHT), shown, look, placed=placed)
            painter.end()
        difference = as_array(image) != as_array(before)
        distance = distance_from(150.0 - 0.5, 150.0 - 0.5)
        assert difference[np.abs(distance - 45.0 * scale) < 1.0].all()
        rows, cols = np.nonzero(difference & (distance > 45.0 * scale + 5.0))
        boxes.append((np.ptp(rows), np.ptp(cols)))
    assert boxes[0] == boxes[1]


def test_a_mirrored_mounting_mirrors_the_places_not_the_words():
    picture = make_picture(make_detection(100.0, 180.0))
    mirrored = QTransform(-1.0, 0.0, 0.0, 1.0, float(WIDTH), 0.0)
    image = QImage(WIDTH, HEIGHT, QImage.Format.Format_RGB32)
    painter = QPainter(image)
    Renderer().paint(painter, QRectF(0, 0, WIDTH, HEIGHT), picture, BARE, placed=mirrored)
    painter.end()
    painted = as_array(image) != GREY
    assert painted[np.abs(distance_from(WIDTH - 1 - 100.0, 180.0) - 45.0) < 1.0].all()


def test_type_grows_with_the_rows_of_a_large_screen():
    picture, look = make_picture(make_detection()), replace(BARE, tags=True)
    small = changed(picture, look, (1280, 1024))
    large = changed(picture, look, (2560, 2048))
    assert large.sum() > 2.0 * small.sum()


def test_tags_do_not_touch_each_other_the_nodes_or_the_edge():
    rng = np.random.default_rng(3)
    nodes = [
        make_detection(float(x), float(y), track_id=i + 1, spot_width_px=30.0)
        for i, (x, y) in enumerate(rng.uniform((20, 20), (620, 490), (8, 2)))
    ]
    picture = make_picture(*nodes)
    rings = changed(picture, BARE)
    tags = rendered(picture, replace(BARE, tags=True)) != rendered(picture, BARE)
    for node in nodes:
        inside = distance_from(node.x_px, node.y_px) < 0.75 * 30.0 - 3.0
        assert not tags[inside].any()
    assert not tags[:16].any()
    assert not tags[-16:].any()
    assert not tags[:, :16].any()
    assert not tags[:, -16:].any()
    assert rings.any()


def test_tags_stay_put_from_picture_to_picture():
    renderer, look = Renderer(), replace(BARE, tags=True)
    first = renderer.render_to_image(make_picture(make_detection()), look, SIZE)
    second = renderer.render_to_image(make_picture(make_detection()), look, SIZE)
    assert (first == second).all()


def test_more_detections_than_can_be_read_are_counted():
    crowd = [
        make_detection(20.0 + 6.0 * i, 250.0, track_id=i + 1, spot_width_px=8.0) for i in range(100)
    ]
    few = changed(make_picture(*crowd[:MOST_MARKED]), replace(BARE, tags=True))
    many = changed(make_picture(*crowd), replace(BARE, tags=True))
    assert many[-60:, 200:440].any()
    assert not few[-60:, 200:440].any()


def nearly(picture, colour):
    """Where a picture has a colour, give or take a few steps."""
    off = [
        np.abs((picture >> s & 0xFF).astype(int) - (int(colour) >> s & 0xFF)) for s in (0, 8, 16)
    ]
    return np.max(off, axis=0) <= 16


def test_the_legend_shows_the_colours_from_nothing_to_full_scale():
    look = replace(BARE, legend=True)
    picture = rendered(make_picture(), look)
    table = colour_table(ColourMap.GREEN)
    assert nearly(picture, table[255]).sum() > 10
    assert nearly(picture, table[128]).sum() == 0  # seen through: on dark it is darker
    cyan = rendered(make_picture(), replace(look, settings=Settings(colour_map=ColourMap.CYAN)))
    assert not nearly(cyan, table[255]).any()
    assert nearly(cyan, 0xFFFFFFFF).sum() > 10
    assert (rendered(make_picture(view=View.NIR), look) == GREY).all()


def test_the_legends_figures_follow_the_scale_in_use():
    look = replace(BARE, legend=True)
    followed = rendered(make_picture(), look)
    same = rendered(make_picture(), replace(look, settings=Settings(display_full_scale=12.5)))
    locked = rendered(make_picture(), replace(look, settings=Settings(display_full_scale=40.0)))
    assert (followed == same).all()
    assert (followed != locked).any()


def bar_length(picture, look, placed=None):
    image = QImage(WIDTH, HEIGHT, QImage.Format.Format_RGB32)
    painter = QPainter(image)
    area = QRectF(0, 0, WIDTH, HEIGHT)
    Renderer().paint(painter, area, picture, look, placed=placed)
    painter.end()
    row = as_array(image)[HEIGHT - 16 - 3]
    return int((row == TEXT_RGB).sum())


def test_the_scale_bar_measures_what_it_says():
    look = replace(BARE, scale_bar=True, mm_per_px=0.1)
    picture = make_picture()
    assert bar_length(picture, look) == 100  # 10 mm
    assert bar_length(picture, look, placement(2.0, 0.0, 0.0)) == 200
    assert bar_length(picture, look, placement(4.0, 0.0, 0.0)) == 200  # 5 mm
    assert bar_length(picture, look, placement(0.25, 0.0, 0.0)) == 125  # 50 mm
    doubled = Registration(kind="calibrated", white_from_nir=((2, 0, 0), (0, 2, 0), (0, 0, 1)))
    assert bar_length(with_guidance(picture, registration=doubled), look) == 200


def test_the_scale_of_plain_colour_is_the_rigs():
    look = Look(mm_per_px=0.1, registration=Registration(kind="calibrated"))
    assert mm_per_picture_px(make_picture(guidance=None, view=View.WHITE), look) == 0.1
    unregistered = replace(look, registration=Registration(kind="none"))
    assert mm_per_picture_px(make_picture(guidance=None, view=View.WHITE), unregistered) is None
    assert mm_per_picture_px(make_picture(guidance=None, view=View.NIR), unregistered) == 0.1


def test_without_a_scale_there_is_no_bar():
    assert (rendered(make_picture(), replace(BARE, scale_bar=True)) == GREY).all()


def test_the_heartbeat_moves_with_the_pictures_number():
    look = replace(BARE, heartbeat=True)
    first = rendered(make_picture(number=1), look)
    again = rendered(make_picture(number=1), look)
    second = rendered(make_picture(number=2), look)
    assert (first == again).all()
    assert (first != second).any()
    rows, cols = np.nonzero(first != second)
    assert rows.min() > HEIGHT - 64
    assert cols.min() > WIDTH - 64


def test_a_replay_has_its_frame_and_word():
    picture = rendered(make_picture(), replace(BARE, mode=Mode.REPLAY))
    violet = 0xFF000000 | int(tokens.REPLAY[1:], 16)
    for edge in (picture[:6], picture[-6:], picture[:, :6], picture[:, -6:]):
        assert (edge == violet).all()
    assert (picture[10:60, 10:120] == violet).any()  # the word
    assert (picture[100:400, 100:500] == GREY).all()


def test_a_simulation_is_hatched_all_round():
    picture = rendered(make_picture(), replace(BARE, simulated=True))
    cyan, ground = (0xFF000000 | int(c[1:], 16) for c in (tokens.SIMULATED, tokens.GROUND))
    for edge in (picture[:6], picture[-6:], picture[:, :6].T, picture[:, -6:].T):
        for part in np.array_split(edge, 10, axis=1):
            assert (part == cyan).any()
            assert (part == ground).any()
    same = rendered(make_picture(), replace(BARE, mode=Mode.SIMULATED))
    assert (picture == same).all()


def test_clock_and_research_note_are_burned_in_when_asked():
    plain = rendered(make_picture())
    for look in (replace(BARE, clock="14:03:22"), replace(BARE, research_note=True)):
        assert (rendered(make_picture(), look) != plain)[16:48].any()


@pytest.mark.parametrize("guided", [True, False])
def test_colour_from_jpeg_cannot_be_kept_quiet(guided):
    picture = make_picture(make_detection())
    if not guided:
        picture = replace(picture, guidance=None, overlay_drawn=False, view=View.WHITE)
    lossy = replace(picture, white=replace(picture.white, lossy=True))
    assert (rendered(lossy, BARE) != rendered(picture, BARE)).any()
    renderer = Renderer()
    renderer.render_to_image(picture, BARE, SIZE)
    again = renderer.render_to_image(lossy, BARE, SIZE)
    assert np.array_equal(again, rendered(lossy, BARE)), "what was laid out before is not kept"
    in_nir = replace(lossy, view=View.NIR)
    raw = replace(in_nir, white=picture.white)
    assert np.array_equal(rendered(in_nir, BARE), rendered(raw, BARE)), "it shows no colour"


@pytest.mark.parametrize("kind", ["assumed", "nudged"])
def test_an_assumed_or_nudged_registration_cannot_be_kept_quiet(kind):
    picture = make_picture()
    assumed = with_guidance(picture, registration=Registration(kind=kind))
    assert (rendered(assumed) != rendered(picture)).any()
    in_nir = replace(assumed, view=View.NIR)
    assert (rendered(in_nir) == GREY).all()


def test_words_keep_clear_of_what_the_window_puts_there():
    picture, look = make_picture(make_detection(200.0, 180.0)), replace(BARE, tags=True)
    image = QImage(WIDTH, HEIGHT, QImage.Format.Format_RGB32)
    image.fill(GREY)
    painter = QPainter(image)
    clear = QRectF(245.0, 100.0, 300.0, 160.0)
    area = QRectF(0, 0, WIDTH, HEIGHT)
    placed = fitted(WIDTH, HEIGHT, area)
    Renderer().paint_guidance(painter, area, picture, look, placed, keep_clear=(clear,))
    painter.end()
    assert (as_array(image)[102:258, 250:543] == GREY).all()


@pytest.mark.parametrize(
    ("node", "said"),
    [
        (make_detection(200.0, 40.0), True),
        (make_detection(200.0, 40.0, confirmed=False), False),
        (make_detection(200.0, 300.0), False),
    ],
    ids=["beneath a banner", "not confirmed", "in view"],
)
def test_a_node_where_nothing_can_be_marked_is_named(node, said):
    image = QImage(WIDTH, HEIGHT, QImage.Format.Format_RGB32)
    image.fill(GREY)
    painter = QPainter(image)
    whole, below = QRectF(0, 0, WIDTH, HEIGHT), QRectF(0, 120, WIDTH, HEIGHT - 120)
    placed = fitted(WIDTH, HEIGHT, whole)
    Renderer().paint_guidance(painter, below, make_picture(node), replace(BARE, tags=True), placed)
    painter.end()
    seen = as_array(image) != GREY
    assert seen[136:160].any() == said
    assert not seen[:120].any()


def test_the_contour_style_has_edges_for_a_colour_and_no_legend():
    contour = np.array([[180, 160], [220, 160], [220, 200], [180, 200]], np.float32)
    picture = make_picture(make_detection(200.0, 180.0, contour_px=contour))
    look = replace(BARE, legend=True, settings=Settings(overlay_style=OverlayStyle.CONTOUR))
    seen = rendered(picture, look)
    green = colour_table(ColourMap.GREEN)[128]
    assert nearly(seen, green)[159:162, 185:215].all(axis=1).any()
    assert (seen[170:190, 190:210] == GREY).all(), "inside it tissue is untouched"
    assert (seen[:40, -100:] == GREY).all(), "no legend"
    gone = make_picture(make_detection(200.0, 180.0, contour_px=contour, coasted=True))
    assert not nearly(rendered(gone, look), green).any(), "what is not seen has no edge"


def test_the_map_of_light_has_its_legend():
    look = replace(BARE, legend=True, settings=Settings(nir_style=NirStyle.MAP))
    mapped = rendered(make_picture(view=View.NIR, overlay_drawn=True), look)
    assert (mapped[16:60, -100:-16] != GREY).any()
    grey = rendered(make_picture(view=View.NIR, overlay_drawn=False), look)
    assert (grey == GREY).all(), "a grey frame has none"


def legend_box(renderer: Renderer, picture, look, monkeypatch) -> Box | None:
    put, boxes = marks.put_legend, []

    def listen(sheet, box, *rest, **how):
        boxes.append(box)
        put(sheet, box, *rest, **how)

    with monkeypatch.context() as patched:
        patched.setattr(marks, "put_legend", listen)
        renderer.render_to_image(picture, look, SIZE)
    return boxes[0] if boxes else None


def test_the_legend_never_hides_a_node_and_does_not_jump_about(monkeypatch):
    """In a narrow window there is no room beside the picture."""
    look, renderer = replace(BARE, legend=True), Renderer()

    def shown(*nodes):
        return legend_box(renderer, make_picture(*nodes), look, monkeypatch)

    here = shown(make_detection())
    assert here.right > WIDTH - 40, "it stands at the upper right"
    assert here.top < 40
    beneath = make_detection((here.left + here.right) / 2, (here.top + here.bottom) / 2)
    away = shown(beneath)
    radius = RING_OVER_SPOT * beneath.spot_width_px
    assert not Ring(beneath.x_px, beneath.y_px, radius).covers(away)
    assert shown(make_detection()) == away, "it stays until it hides something there"
    below = make_detection((away.left + away.right) / 2, (away.top + away.bottom) / 2)
    other = shown(beneath, below)
    assert other not in (here, away)
    assert not any(Ring(node.x_px, node.y_px, radius).covers(other) for node in (beneath, below))
    everywhere = [
        make_detection(x, y, track_id=1 + n)
        for n, (x, y) in enumerate((x, y) for x in (50.0, 590.0) for y in (80.0, 250.0, 430.0))
    ]
    said = []
    put = marks.put_chip

    def listen(sheet, box, text, *rest):
        said.append((text, box))
        put(sheet, box, text, *rest)

    with monkeypatch.context() as patched:
        patched.setattr(marks, "put_chip", listen)
        assert shown(*everywhere) is None, "no place is left"
    ((text, box),) = said
    assert text == "no room for the scale"
    for node in everywhere:
        assert not Ring(node.x_px, node.y_px, RING_OVER_SPOT * node.spot_width_px).covers(box)
    assert shown(make_detection()) == here


def test_a_small_picture_has_a_short_legend(monkeypatch):
    """A long one would take half of a pane in the quad, and a tag's second line with it."""
    heights = {}
    for height in (512, 340):
        monkeypatch.setitem(globals(), "SIZE", (WIDTH, height))
        look = replace(BARE, legend=True)
        box = legend_box(Renderer(), make_picture(make_detection()), look, monkeypatch)
        heights[height] = box.height / height
    assert heights[512] > 0.3
    assert heights[340] < heights[512] * 1.05


@pytest.mark.parametrize(("height", "room"), [(300, True), (240, True), (150, False)])
def test_the_legend_lies_on_no_other_words(height, room, monkeypatch):
    """As in a small pane, whose name stands in the upper left corner: where there is no room, none.

    It hid the scale bar's figure there, and the name hid the legend's own.
    """
    node = make_detection(560.0, 60.0, spot_width_px=20.0)
    chips = QRectF(16, 16, 120, 32)
    put, boxes = marks.put_legend, []

    def listen(sheet, box, *rest, **how):
        boxes.append(box)
        put(sheet, box, *rest, **how)

    monkeypatch.setattr(marks, "put_legend", listen)
    image = QImage(WIDTH, height, QImage.Format.Format_RGB32)
    painter = QPainter(image)
    area = QRectF(0, 0, WIDTH, height)
    Renderer().paint_guidance(
        painter,
        area,
        make_picture(node),
        Look(tags=False),
        placement(1.0, 0.0, 0.0),
        keep_clear=(chips,),
    )
    painter.end()
    assert bool(boxes) is room
    for box in boxes:
        assert box.overlap(Box(*chips.getCoords())) == 0
        assert 0 <= box.top < box.bottom <= height
        assert not Ring(560.0, 60.0, RING_OVER_SPOT * 20.0).covers(box)
