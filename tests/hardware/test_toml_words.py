"""A mistake in a file is told by its key, in one line, with what to do."""

from __future__ import annotations

import re
from importlib import resources

import pytest

from hardware.rig import RigError
from hardware.rig_files import parse_rig, shipped_rigs

BAD = (
    "nan",
    "-inf",
    "-1",
    "1e300",
    "''",
    "'ü\\u0000'",
    "true",
    "[]",
    "[nan, nan]",
    "{}",
    "{a = 1}",
)
BAD += ("1979-05-27", "'" + "a" * 5000 + "'", "9" * 30)
LINE = re.compile(r"(\w+)\s*=")


def text_of(name: str) -> list[str]:
    path = resources.files("hardware") / "rigs" / f"{name}.toml"
    return path.read_text(encoding="utf-8").splitlines()


def refusal(lines: list[str]) -> str | None:
    try:
        parse_rig("\n".join(lines), origin="own.toml")
    except RigError as error:
        return str(error)
    return None


@pytest.mark.parametrize("name", shipped_rigs())
def test_whatever_stands_at_a_key_is_taken_or_told_by_that_key(name: str) -> None:
    lines = text_of(name)
    refused = 0
    for at, line in enumerate(lines):
        key = LINE.match(line)
        if key is None:
            continue
        changed = [[*lines[:at], f"{key[1]} = {value}", *lines[at + 1 :]] for value in BAD]
        twice = lines[: at + 1] + lines[at:]
        for wrong in (*changed, twice):
            said = refusal(wrong)
            refused += said is not None
            if said is not None:
                assert key[1] in said
                assert said.isprintable(), "one line"
                assert len(said) < 400
        assert "stands twice" in (refusal(twice) or "")
    assert refused > 100


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('"basler"', '"webcam"', "'nir.source': must be 'basler', 'phantom' or 'recording', not"),
        (
            "exposure_us",
            "exposure_ms",
            "'nir.exposure_ms': no such key: did you mean 'exposure_us'?",
        ),
        ("exposure_us", "zzz", "'nir.zzz': no such key: there are source, serial"),
        ("exposure_us = 10000.0", "", "'nir.exposure_us': is missing"),
        ("10000.0", "'long'", "'nir.exposure_us': must be a number, not text"),
        ("10000.0", "[1]", "'nir.exposure_us': must be a number, not a list"),
        ("10000.0", "0", "'nir.exposure_us': must be a number, above 0"),
        (
            "gain_db",
            "roi = [0, 0, 64]\ngain_db",
            "'nir.roi': must be a list in brackets of 4 values",
        ),
        ("gain_db", "exposure_us = 1\ngain_db", "key 'exposure_us' stands twice (line"),
        ("\n[white]\n", "\n[nir]\n", "[nir] stands twice (line"),
    ],
)
def test_it_says_what_to_do(old: str, new: str, says: str) -> None:
    text = "\n".join(text_of("emulated")).replace(old, new, 1)
    assert says in (refusal(text.splitlines()) or "")
