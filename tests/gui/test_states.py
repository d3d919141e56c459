"""States as they are seen: the pixels differ, and an overlay that may not be there is not."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PySide6.QtGui import QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QWidget

from hardware.rig import Registration
from sln_guide.gui import theme
from sln_guide.gui.claims.layout import CHOICES, Layout
from sln_guide.gui.claims.readings import Tone
from sln_guide.gui.picture.signs import PILL_TINT
from sln_guide.guidance import Mode, Settings
from sln_guide.health import Health, RecorderHealth
from sln_guide.render import tokens
from tests.gui import fakes

Open = Callable[..., Any]
Wait = Callable[[Callable[[], object]], None]
OVERLAY_RGB = (0x5A, 0xFF, 0x3C)


def pixels(widget: QWidget) -> NDArray[np.uint8]:
    """Return what a widget looks like, (H, W, 3) red, green, blue."""
    image = widget.grab().toImage().convertToFormat(QImage.Format.Format_RGB32)
    raw = np.frombuffer(image.constBits(), np.uint8)
    rows = raw.reshape(image.height(), image.bytesPerLine() // 4, 4)
    return rows[:, : image.width(), 2::-1].copy()


def share_of(shown: NDArray[np.uint8], rgb: tuple[int, int, int], tolerance: int = 3) -> float:
    off = np.abs(shown.astype(int) - np.array(rgb)).max(axis=2)
    return float((off <= tolerance).mean())


def token_rgb(value: str) -> tuple[int, int, int]:
    return int(value[1:3], 16), int(value[3:5], 16), int(value[5:7], 16)


def processing_failed(s: Any) -> None:
    s.now_health = replace(
        s.now_health, processing_error="ValueError: x", processing_since_ns=time.monotonic_ns()
    )


def being_made_ready(s: Any) -> None:
    s.now_health = replace(s.now_health, preparing_since_ns=time.monotonic_ns())


NORMAL: dict[str, Any] = {"set_up": lambda s: None, "push": {}}
STATES: dict[str, dict[str, Any]] = {
    "live": NORMAL,
    "late": NORMAL | {"push": {"age_ms": 150.0}},
    "not live": NORMAL | {"push": {"age_ms": 2000.0, "white_age_ms": 5.0}, "gone": True},
    "moved": NORMAL | {"push": {"shift_px": (15.0, 0.0)}, "gone": True},
    "nir lost": NORMAL
    | {"set_up": lambda s: s.set_stream("nir", health=Health.LOST), "gone": True},
    "white lost": NORMAL
    | {
        "set_up": lambda s: s.set_stream("white", health=Health.LOST),
        "push": {"white_age_ms": 3000.0},
        "gone": True,
    },
    "frozen camera": NORMAL | {"set_up": lambda s: s.set_stream("nir", frozen=True), "gone": True},
    "processing failed": NORMAL | {"set_up": processing_failed, "gone": True},
    "unregistered": NORMAL | {"rig": {"registration": Registration()}, "gone": True},
    "registration withdrawn": NORMAL
    | {
        "push": {
            "registration": Registration(),
            "settings": Settings(registration_withdrawn=True),
        },
        "gone": True,
    },
    "simulated": NORMAL | {"mode": Mode.SIMULATED},
    "being made ready": NORMAL
    | {"set_up": being_made_ready, "push": {"overlay": False}, "calm": True},
}


def shown_state(name: str, open_window: Open, wait_for: Wait) -> tuple[Any, Any]:
    state = STATES[name]
    source = fakes.FakeSource(mode=state.get("mode", Mode.LIVE), **state.get("rig", {}))
    source.push()
    window = open_window(source, (1366, 768))
    state["set_up"](source)
    asked = time.monotonic_ns()
    wait_for(lambda: (window.watch.newest.asked_ns or 0) > asked)
    source.push(**state["push"])
    window.refresh()
    window.refresh_readings()
    return window, source


@pytest.mark.parametrize("name", STATES)
def test_the_overlay_is_on_the_screen_exactly_when_it_may_be(
    name: str, open_window: Open, wait_for: Wait
) -> None:
    window, _ = shown_state(name, open_window, wait_for)
    share = share_of(pixels(window.video), OVERLAY_RGB)
    if STATES[name].get("calm"):
        assert share == 0.0
        assert not window.video.shown.overlay
        assert share_of(pixels(window.video), token_rgb(tokens.ALARM)) == 0.0
    elif STATES[name].get("gone"):
        assert share == 0.0
        assert not window.video.shown.overlay
        assert share_of(pixels(window.video), token_rgb(tokens.ALARM)) > 0.05, "the red band"
        assert window.nodes.rows == ()
    else:
        assert share > 0.005
        assert share_of(pixels(window.video), token_rgb(tokens.ALARM)) == 0.0


def test_small_pictures_that_are_old_say_so_and_lose_their_colour(
    open_window: Open, wait_for: Wait
) -> None:
    window, source = shown_state("live", open_window, wait_for)
    source.push(white_age_ms=5.0, age_ms=5.0)
    window.refresh_readings()
    small = window.thumbnails
    assert (small.white.note, small.nir.note) == ("", "")
    assert colourful(pixels(small.white)) > 0.5
    source.push(white_age_ms=5.0, age_ms=1200.0)
    window.refresh_readings()
    assert (small.white.note, small.nir.note) == ("", "1.2 s old")
    source.push(white_age_ms=3000.0, age_ms=3000.0)  # as when the engine is gone
    window.refresh_readings()
    assert (small.white.note, small.nir.note) == ("3.0 s old", "3.0 s old")
    assert colourful(pixels(small.white)) == 0.0


def test_nothing_is_said_of_a_threshold_while_nothing_is_judged(
    open_window: Open, wait_for: Wait
) -> None:
    window, _ = shown_state("live", open_window, wait_for)
    assert "1 false in 20 fields" in window.overlay.implied.text()
    window, _ = shown_state("nir lost", open_window, wait_for)
    assert window.overlay.implied.text().endswith("false calls unknown")


def test_small_pictures_of_a_damaged_recording_blame_no_camera(
    open_window: Open, wait_for: Wait
) -> None:
    source = fakes.ReplaySource()
    source.push(age_ms=1e7)
    source.set_stream("nir", health=Health.LOST)
    window = open_window(source)
    wait_for(lambda: window.watch.newest.health)
    window.refresh_readings()
    assert window.thumbnails.nir.note == "cannot be read here"


def colourful(shown: NDArray[np.uint8]) -> float:
    """Return how much of a picture is plainly not grey."""
    return float((np.ptp(shown.astype(int), axis=2) > 40).mean())


@pytest.mark.parametrize("layout", CHOICES)
def test_the_heartbeat_is_seen_in_every_layout(
    layout: Layout, open_window: Open, wait_for: Wait
) -> None:
    window, source = shown_state("live", open_window, wait_for)
    window.showing.choose_layout(layout)
    seen = []
    for _ in range(2):
        source.push()
        window.refresh()
        everything = pixels(window)
        seen.append(everything[window.video.y() :, : window.video.geometry().right()])
    assert (seen[0] != seen[1]).any(), "nothing tells that pictures come"


def test_the_small_colour_picture_does_not_wait_for_what_the_large_one_shows(
    open_window: Open, wait_for: Wait
) -> None:
    source = fakes.FakeSource()
    source.push_white()
    window = open_window(source, (1366, 768))
    wait_for(lambda: window.watch.newest.health)
    source.push_white()
    window.refresh()
    window.refresh_readings()
    assert window.video.shown.alone
    assert share_of(pixels(window.thumbnails.white), fakes.TISSUE) > 0.2
    assert share_of(pixels(window.thumbnails.nir), fakes.TISSUE) == 0.0


def test_states_look_different(open_window: Open, wait_for: Wait) -> None:
    looks = {}
    for name in STATES:
        window, _ = shown_state(name, open_window, wait_for)
        strip = pixels(window.strip)[:, :420]
        looks[name] = np.concatenate([strip.ravel(), pixels(window.video)[:90].ravel()])
        window.close_now()
    for one, other in combinations(STATES, 2):
        differing = float((np.abs(looks[one].astype(int) - looks[other]) > 24).mean())
        assert differing > 0.001, f"{one} looks like {other}"
        alarmed = STATES[one].get("gone", False), STATES[other].get("gone", False)
        if alarmed[0] != alarmed[1]:
            assert differing > 0.15, f"{one} hardly differs from {other}"


def test_colour_has_no_scale_while_the_registration_is_withdrawn(
    open_window: Open, wait_for: Wait
) -> None:
    """The bar lies at the bottom left, white: there when live, gone with the registration."""
    shares = []
    for name in ("live", "registration withdrawn"):
        window, _ = shown_state(name, open_window, wait_for)
        corner = pixels(window.video)[-30:, :120]
        shares.append(share_of(corner, token_rgb(tokens.TEXT), 12))
        window.close_now()
    assert shares[0] > 0.02
    assert shares[1] == 0.0


def test_a_picture_that_is_old_loses_its_colour_and_white_light_that_is_live_keeps_it(
    open_window: Open, wait_for: Wait
) -> None:
    window, _ = shown_state("white lost", open_window, wait_for)
    shown = pixels(window.video)[300:400, 500:600].astype(int)
    assert np.ptp(shown, axis=2).max() <= 12, "grey"
    window, _ = shown_state("nir lost", open_window, wait_for)
    shown = pixels(window.video)[300:400, 500:600].astype(int)
    assert np.ptp(shown, axis=2).min() > 40, "in colour"


def test_a_stall_of_processing_does_not_leave_an_old_overlay(
    open_window: Open, wait_for: Wait
) -> None:
    """White light goes on, pictures do not: within a tick of 250 ms the overlay is gone."""
    source = fakes.FakeSource()
    source.push()
    window = open_window(source)
    source.push()
    wait_for(lambda: (source.number, True) in [(n, v) for n, _, v in source.painted_calls])
    assert share_of(pixels(window.video), OVERLAY_RGB) > 0.005
    last = source.number
    mid_ns = source.picture.nir.mid_exposure_ns
    painted_white = []

    def stalled() -> bool:
        source.push_white()
        painted_white.append(window.video.shown.beat)
        return window.video.shown.alone

    wait_for(stalled)
    noticed_ms = (time.monotonic_ns() - mid_ns) / 1e6
    assert share_of(pixels(window.video), OVERLAY_RGB) == 0.0
    wait_for(lambda: source.painted_calls[-1][0] == last and not source.painted_calls[-1][2])
    assert noticed_ms > 250
    assert window.strip.pill == "NOT LIVE"
    beat = window.video.shown.beat
    wait_for(lambda: source.push_white() and window.video.shown.beat > beat + 5)
    assert not window.video.shown.state.video_old
    source.push()
    wait_for(lambda: window.strip.pill == "LIVE")
    assert share_of(pixels(window.video), OVERLAY_RGB) > 0.005


def test_everything_stops_and_the_window_says_so_by_itself(
    open_window: Open, wait_for: Wait
) -> None:
    source = fakes.FakeSource()
    source.push()
    window = open_window(source)
    source.push()
    wait_for(lambda: window.strip.pill == "LIVE")
    wait_for(lambda: window.strip.pill == "NOT LIVE")
    assert window.video.shown.state.video_old
    beat = window.video.shown.beat
    QTest.qWait(120)
    assert window.video.shown.beat == beat, "no heart beats without new pictures"


def test_recording_trouble_is_said_and_leaves_the_overlay(
    open_window: Open, wait_for: Wait
) -> None:
    source = fakes.RecordingSource()
    source.push()
    source.now_health = replace(
        source.now_health,
        recorder=RecorderHealth(minutes_left=0.0, error="the disk is full: free space"),
    )
    window = open_window(source)
    wait_for(lambda: source.push() and "REC FAILED" in window.strip.texts())
    assert "disk 0 min" in window.strip.texts()
    assert share_of(pixels(window.video), OVERLAY_RGB) > 0.005
    assert share_of(pixels(window.video), token_rgb(tokens.ALARM)) > 0.02


@pytest.mark.parametrize("name", ["replay", "simulated replay"])
def test_replay_has_its_violet_frame(name: str, open_window: Open, wait_for: Wait) -> None:
    rig = {"emulated": True} if name == "simulated replay" else {}
    source = fakes.ReplaySource(**rig)
    source.push(age_ms=1e7)
    window = open_window(source)
    wait_for(lambda: window.video.shown.image is not None)
    shown = pixels(window.video)
    violet, cyan = token_rgb(tokens.REPLAY), token_rgb(tokens.SIMULATED)
    for side in (shown[1], shown[-2], shown[:, 1], shown[:, -2]):
        assert np.abs(side.astype(int) - violet).max() <= 3
    inner = share_of(shown[:12], cyan, 20)
    assert (inner > 0.05) == (name == "simulated replay")
    assert window.strip.pill == ("REPLAY · SIMULATED" if rig else "REPLAY")
    assert share_of(shown, OVERLAY_RGB) > 0.005


def test_simulated_frame_is_hatched(open_window: Open, wait_for: Wait) -> None:
    window, _ = shown_state("simulated", open_window, wait_for)
    edge = pixels(window.video)[2]
    cyan = np.abs(edge.astype(int) - token_rgb(tokens.SIMULATED)).max(axis=1) < 24
    assert 0.2 < cyan.mean() < 0.8
    assert (np.diff(cyan.astype(int)) != 0).sum() > 50


def test_banners_and_pills_are_readable() -> None:
    """WCAG AA: 4.5 to 1 for every text on what is behind it."""
    for tone in Tone:
        ink = theme.colour(tone)
        assert contrast(ink.name(), tokens.PANEL) >= 4.5, tone
        assert contrast(ink.name(), over(ink.name(), PILL_TINT, tokens.PANEL)) >= 4.5, (
            f"pill {tone}"
        )
    for filled in (tokens.ALARM, tokens.STALE):
        assert contrast(tokens.GROUND, filled) >= 4.5
    for ink in (tokens.TEXT, tokens.SECONDARY):
        for ground in (tokens.PANEL, tokens.GROUND):
            assert contrast(ink, ground) >= 4.5
    assert contrast(tokens.GROUND, tokens.ACTION) >= 4.5


def luminance(value: str) -> float:
    """Relative luminance of WCAG 2."""
    channels = [c / 255 for c in token_rgb(value)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def over(ink: str, alpha: float, ground: str) -> str:
    mixed = [
        round(a * alpha + b * (1 - alpha))
        for a, b in zip(token_rgb(ink), token_rgb(ground), strict=True)
    ]
    return "#" + "".join(f"{c:02x}" for c in mixed)
