"""Words and tokens: what a tag may say, and that it can be read."""

from __future__ import annotations

import pytest

from sln_guide.guidance import Interval, Kind, Settings
from sln_guide.render import tokens
from sln_guide.render.marks import TAG_OPACITY
from sln_guide.render.wording import (
    cnr_text,
    node_name,
    sbr_text,
    signal_text,
    tag_lines,
    width_text,
)
from tests.render.scenes import make_detection

SHOWN = Settings()


def test_a_confirmed_node_says_number_sbr_cnr_and_width():
    assert tag_lines(make_detection(), SHOWN) == (
        "SLN-1   SBR 2.17 ± 0.05",
        "CNR 7.3   spot 6.0 mm",
    )


def test_clipped_light_gives_lower_bounds():
    clipped = make_detection(saturated_fraction=0.2, flags=("saturated",))
    assert sbr_text(clipped) == "SBR ≥ 2.17"
    assert cnr_text(clipped) == "CNR ≥ 7.3"
    assert tag_lines(clipped, SHOWN)[1] == "CNR ≥ 7.3   spot 6.0 mm"


def test_without_a_scale_widths_are_in_px():
    assert width_text(make_detection(spot_width_mm=None)) == "spot 60 px"


def test_a_lopsided_interval_is_stated_by_its_longer_side():
    assert sbr_text(make_detection(sbr_interval=Interval(2.10, 2.47))) == "SBR 2.17 ± 0.30"
    assert sbr_text(make_detection(sbr_interval=None)) == "SBR 2.17"


def test_what_is_not_seen_now_has_no_figures():
    gone = make_detection(coasted=True)
    assert tag_lines(gone, SHOWN) == ("SLN-1 last seen", "")
    assert sbr_text(gone) == cnr_text(gone) == width_text(gone) == ""


def test_an_unconfirmed_node_has_neither_number_nor_figures():
    new = make_detection(confirmed=False, track_id=7)
    assert node_name(new) == "node"
    assert tag_lines(new, SHOWN) == ("node", "not confirmed")


def test_an_untracked_node_has_no_number():
    assert node_name(make_detection(track_id=0)) == "node"


def test_uncertain_things_say_so_and_why():
    doubtful = make_detection(kind=Kind.UNCERTAIN, flags=("by instrument", "faint"))
    assert tag_lines(doubtful, SHOWN) == ("?   SBR 2.17 ± 0.05", "uncertain · by instrument")


def test_doubts_about_a_node_are_told():
    lines = tag_lines(make_detection(flags=("saturated", "at the field's edge")), SHOWN)
    assert lines[1].endswith("spot 6.0 mm · at the field's edge")


def test_light_no_brighter_than_around_it_is_told_to_be_none():
    lines = tag_lines(make_detection(sbr=0.84, cnr=-0.5, flags=("by instrument",)), SHOWN)
    assert lines[1].endswith("no brighter than around it")


def test_a_masked_injection_site_says_so():
    site = make_detection(kind=Kind.INJECTION)
    assert tag_lines(site, SHOWN) == ("injection", "")
    assert tag_lines(site, Settings(show_injection=False)) == ("injection", "colour masked")


@pytest.mark.parametrize(
    ("signal", "text"),
    [(0.0, "0"), (0.01234, "0.0123"), (6.25, "6.25"), (12.5, "12.5"), (1234.5, "1234")],
)
def test_signals_have_three_digits(signal, text):
    assert signal_text(signal) == text


def luminance(colour):
    """Relative luminance as WCAG 2 defines it."""
    shares = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize(
    "ink",
    [
        tokens.TEXT,
        tokens.SECONDARY,
        tokens.ACTION,
        tokens.LIVE,
        tokens.STALE,
        tokens.ALARM,
        tokens.REPLAY,
        tokens.SIMULATED,
    ],
)
@pytest.mark.parametrize("ground", [tokens.GROUND, tokens.PANEL])
def test_every_ink_can_be_read_on_every_ground(ink, ground):
    assert (luminance(ink) + 0.05) / (luminance(ground) + 0.05) >= 4.5


@pytest.mark.parametrize("ink", [tokens.TEXT, tokens.SECONDARY, tokens.STALE])
def test_tags_can_be_read_over_the_brightest_tissue(ink):
    shares = [int(tokens.PANEL[i : i + 2], 16) for i in (1, 3, 5)]
    seen = "#" + "".join(
        f"{round(TAG_OPACITY * share + (1 - TAG_OPACITY) * 255):02X}" for share in shares
    )
    assert (luminance(ink) + 0.05) / (luminance(seen) + 0.05) >= 4.5


def test_an_interval_is_rounded_up_and_never_to_nothing():
    tight = make_detection(sbr=2.17, sbr_interval=Interval(2.169, 2.171))
    assert sbr_text(tight) == "SBR 2.17 ± 0.01"
    assert sbr_text(make_detection(sbr=2.17, sbr_interval=Interval(2.12, 2.22))).endswith("± 0.05")
    assert sbr_text(make_detection(sbr=2.0, sbr_interval=Interval(1.988, 2.012))).endswith("± 0.02")
