"""Rig files: strict, and every error names its key."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.rig import Rig, RigError
from hardware.rig_files import load_rig, parse_rig, shipped_rigs

GOOD = """
name = "bench"
[nir]
source = "basler"
serial = "1"
pixel_format = "Mono12"
exposure_us = 10000.0
frame_rate_hz = 60
[white]
source = "basler"
serial = "2"
pixel_format = "BayerRG8"
exposure_us = 8000
"""


def with_line(line: str, table: str = "") -> str:
    """Return the good rig with one line added to a table ('' is the top)."""
    head = f"[{table}]"
    return GOOD.replace(head, f"{head}\n{line}") if table else f"{line}\n{GOOD}"


@pytest.mark.parametrize("name", shipped_rigs())
def test_shipped_rigs_are_good(name: str) -> None:
    rig = load_rig(name)
    assert rig.name == name
    assert rig.simulated == (name != "basler-dual")


def test_the_three_rigs_of_the_plan_are_shipped() -> None:
    assert set(shipped_rigs()) >= {"basler-dual", "emulated", "demo"}


def test_a_good_rig_is_taken_as_written() -> None:
    rig = parse_rig(GOOD, origin="bench.toml")
    assert rig.nir is not None
    assert rig.nir.camera_settings().exposure_us == 10_000.0
    assert rig.nir.camera_settings().black_level is None
    assert not rig.simulated


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (GOOD.replace('name = "bench"', ""), "name"),
        (GOOD.replace('"bench"', '" "'), "name"),
        (with_line("schema = 2"), "schema"),
        (with_line("emulate = true"), "emulate"),
        (GOOD.replace("exposure_us = 10000.0", "exposure_us = 0"), "nir.exposure_us"),
        (GOOD.replace("exposure_us = 10000.0", "exposure_us = -5.0"), "nir.exposure_us"),
        (GOOD.replace("exposure_us = 10000.0", "exposure_us = inf"), "nir.exposure_us"),
        (GOOD.replace("exposure_us = 10000.0", "exposure_us = nan"), "nir.exposure_us"),
        (GOOD.replace("exposure_us = 10000.0", 'exposure_us = "10"'), "nir.exposure_us"),
        (GOOD.replace("exposure_us = 10000.0", "exposure_us = true"), "nir.exposure_us"),
        (GOOD.replace("exposure_us = 10000.0", "exposure_us = 20000"), "nir.exposure_us"),
        (GOOD.replace("exposure_us = 10000.0", ""), "nir.exposure_us"),
        (with_line("exposure = 10", "nir"), "nir.exposure"),
        (GOOD.replace('"Mono12"', '"Mono14"'), "nir.pixel_format"),
        (GOOD.replace('"Mono12"', '"BayerRG8"'), "nir.pixel_format"),
        (GOOD.replace('"BayerRG8"', '"Mono8"'), "white.pixel_format"),
        (GOOD.replace('"BayerRG8"', '"RGB8"'), "white.pixel_format"),
        (GOOD.replace('serial = "1"', ""), "nir.serial"),
        (GOOD.replace('serial = "1"', "serial = 1"), "nir.serial"),
        (GOOD.replace('serial = "2"', 'serial = "1"'), "white.serial"),
        (GOOD.replace('source = "basler"', 'source = "webcam"'), "nir.source"),
        (GOOD.replace('source = "basler"', 'source = "phantom"'), "phantom"),
        (GOOD.replace('source = "basler"', 'source = "recording"'), "nir.source"),
        (with_line("gain_db = -1.0", "nir"), "nir.gain_db"),
        (with_line("roi = [0, 0, 0, 5]", "nir"), "nir.roi"),
        (with_line("roi = [-8, 0, 64, 64]", "nir"), "nir.roi"),
        (with_line("roi = [0, 0, 64]", "nir"), "nir.roi"),
        (with_line("roi = [0, 0, 63, 5]", "nir").replace("Mono12", "Mono12p"), "nir.roi"),
        (with_line('trigger = "hardware"', "nir"), "nir.trigger_line"),
        (with_line('trigger = "software"', "nir"), "nir.trigger"),
        (with_line('images = "x"', "nir"), "nir.images"),
        (with_line('light_line = "3"', "nir"), "nir.light_line"),
        (with_line("emulated = true").replace("Mono12", "Mono12p"), "nir.pixel_format"),
        (GOOD + "[optics]\nnode_min_mm = 9\nnode_max_mm = 3", "optics.node_max_mm"),
        (GOOD + "[optics]\nmm_per_px = 0", "optics.mm_per_px"),
        (GOOD + "[optics]\nlayout = 'side'", "optics.layout"),
        (GOOD + "[optics]\nbaseline_mm = inf", "optics.baseline_mm"),
        (
            GOOD + "[registration]\nwhite_from_nir = [[1,0,0],[0,1,0],[0,0,0]]",
            "registration.white_from_nir",
        ),
        (
            GOOD + "[registration]\nwhite_from_nir = [[1,0,0],[0,1,0]]",
            "registration.white_from_nir",
        ),
        (
            GOOD + "[registration]\nwhite_from_nir = [[1e300,0,0],[0,1e300,0],[0,0,1]]",
            "registration.white_from_nir",
        ),
        (
            GOOD + "[registration]\nwhite_from_nir = [[nan,0,0],[0,1,0],[0,0,1]]",
            "registration.white_from_nir",
        ),
        (GOOD + "[phantom]\nwidth = 0", "phantom.width"),
        (GOOD + f"[phantom]\nheight = 1{'0' * 400}", "phantom.height"),
        (GOOD + "[phantom]\nstart_s = 1e300", "phantom.start_s"),
        (GOOD + "[optics]\nmm_per_px = 1e300", "optics.mm_per_px"),
        (GOOD + "[optics]\nmm_per_px = 1e-4", "optics.mm_per_px"),
        (GOOD + "[optics]\nmm_per_px = 100", "optics.mm_per_px"),
        (GOOD + "[sensor]\nread_noise_counts = 1e300", "sensor.read_noise_counts"),
        (with_line("gain_db = 1e300", "nir"), "nir.gain_db"),
        (GOOD + "[light]\nmains_hz = 50", "light.mains_hz"),
        (
            with_line('light_line = "Line3"', "nir") + "[light]\ngated = [1, 1]\nmains_hz = 50",
            "nir.frame_rate_hz",
        ),
        (GOOD + "[recording]\nwhite = 'png'", "recording.white"),
        (GOOD + "[recording]\nnir = 'jpeg'", "recording.nir"),
        (GOOD + "[recording]\njpeg_quality = 90", "recording.jpeg_quality"),
        (GOOD + "[recording]\nwhite = 'jpeg'\njpeg_quality = 49", "recording.jpeg_quality"),
        (GOOD + "[recording]\nwhite = 'jpeg'\njpeg_quality = 101", "recording.jpeg_quality"),
        (GOOD + "[recording]\nwhite = 'jpeg'\njpeg_quality = 90.5", "recording.jpeg_quality"),
        (
            GOOD.replace('"BayerRG8"', '"BayerRG12"') + "[recording]\nwhite = 'jpeg'",
            "recording.white",
        ),
        (GOOD.split("[white]")[0] + "[recording]\nwhite = 'jpeg'", "recording.white"),
    ],
)
def test_what_is_wrong_is_named_by_file_and_key(text: str, key: str) -> None:
    with pytest.raises(RigError) as refusal:
        parse_rig(text, origin="bench.toml")
    assert "rig bench.toml" in str(refusal.value)
    assert f"'{key}" in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("table", "quality"),
    [
        ("", None),
        ("[recording]\nwhite = 'lossless'", None),
        ("[recording]\nwhite = 'jpeg'", 95),
        ("[recording]\nwhite = 'jpeg'\njpeg_quality = 80", 80),
    ],
)
def test_white_light_is_recorded_without_loss_unless_the_rig_says_jpeg(
    table: str, quality: int | None
) -> None:
    rig = parse_rig(GOOD + table, origin="bench.toml")
    assert rig.recording.white_jpeg_quality == quality


@pytest.mark.parametrize("text", ["name = ", "[nir", "a = 1\na = 2", "\x00", "x = " + "[" * 5000])
def test_what_is_no_toml_is_said_so(text: str) -> None:
    with pytest.raises(RigError, match="not valid TOML"):
        parse_rig(text, origin="bench.toml")


def test_files_are_found_beside_the_rig(tmp_path: Path) -> None:
    file = tmp_path / "bench.toml"
    text = with_line('pfs = "nir.pfs"', "nir").replace('"bench"', '"bench"\nemulated = true')
    file.write_text(text + f'images = "{tmp_path}/white"\n')
    rig = load_rig(file)
    assert rig.nir is not None
    assert rig.white is not None
    assert rig.nir.pfs == str(tmp_path / "nir.pfs")
    assert rig.white.images == str(tmp_path / "white")


def test_a_rig_that_is_not_there_names_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(RigError, match="basler-dual, bench, demo, emulated"):
        load_rig("nonsense")
    with pytest.raises(RigError, match="cannot be read"):
        load_rig(tmp_path / "none.toml")
    with pytest.raises(RigError, match="cannot be read"):
        load_rig(tmp_path.rename(tmp_path.with_suffix(".toml")))
    (binary := tmp_path.with_suffix(".toml") / "noise.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(RigError, match="cannot be read"):
        load_rig(binary)


# -- whatever is written, a rig or a RigError --------------------------------------------------

_scalars = st.one_of(
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["basler", "phantom", "recording", "Mono12", "Mono12p", "BayerRG8", "Line1"]),
)
_values = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


def _keys(kind: Any) -> list[str]:
    return [field.encode_name for field in msgspec.structs.fields(kind)]


def _table(kind: Any) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(st.sampled_from(_keys(kind)) | st.text(max_size=4), _values, max_size=6)


def _merged(good: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    merged = dict(good)
    for key, value in changes.items():
        old = merged.get(key)
        both = isinstance(old, dict) and isinstance(value, dict)
        merged[key] = {**old, **value} if both and old is not None else value
    return merged


@given(st.text(max_size=200) | st.text(alphabet="[]{}=\"'.\n#0123456789-+einfa", max_size=60))
def test_any_text_is_a_rig_or_a_rig_error(text: str) -> None:
    _rig_or_error(text)


@given(
    st.dictionaries(
        st.sampled_from([*_keys(Rig), "nir", "white"]),
        _values | _table(msgspec.structs.fields(Rig)[3].type.__args__[0]),
        max_size=4,
    )
)
def test_any_change_of_a_good_rig_is_a_rig_or_a_rig_error(changes: dict[str, Any]) -> None:
    merged = _merged(msgspec.toml.decode(GOOD.encode()), changes)
    _rig_or_error("".join(f"{_toml(key)} = {_toml(value)}\n" for key, value in merged.items()))


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_toml(k)} = {_toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def _rig_or_error(text: str) -> None:
    try:
        outcome: Rig | str = parse_rig(text, origin="bench.toml")
    except RigError as error:
        outcome = str(error)
    if isinstance(outcome, str):
        assert outcome.startswith("rig bench.toml: ")
        assert outcome.isprintable()


def test_triggered_cameras_have_a_limit_to_their_skew() -> None:
    demo = load_rig("demo")
    assert demo.skew_limit_ms is None
    assert demo.white is not None
    chained = msgspec.structs.replace(demo.white, trigger="hardware", trigger_line="Line1")
    rig = msgspec.structs.replace(demo, white=chained)
    assert rig.skew_limit_ms == 2.0
    assert msgspec.structs.replace(rig, max_skew_ms=0.5).skew_limit_ms == 0.5


@pytest.mark.parametrize("rate_hz", ["50", "33.333", "25"])
def test_rates_at_which_the_room_s_lamps_cancel_are_taken(rate_hz: str) -> None:
    text = with_line('light_line = "Line3"', "nir") + "[light]\ngated = [1, 1]\nmains_hz = 50"
    text = text.replace("frame_rate_hz = 60", f"frame_rate_hz = {rate_hz}")
    assert parse_rig(text, origin="bench.toml").name == "bench"
