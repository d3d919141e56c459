"""Features: set and read back, linearity, saved files; on made cameras of all ages."""

from __future__ import annotations

from pathlib import Path

import pytest

from hardware import sfnc
from hardware.camera import BadSettingError, CameraSettings
from hardware.frame import PixelFormat
from hardware.genicam import GLOBAL_SHUTTER, LINEAR, read_pfs
from tests.hardware.nodes import Broken, Node, Refused, Selected, features, modern, triggers

# -- one feature -------------------------------------------------------------------------------


def test_what_reads_so_already_is_not_written() -> None:
    node = Node(5.0, writable=False)
    assert features(Gain=node).set("Gain", 5) == 5.0
    assert node.writes == []


@pytest.mark.parametrize(
    ("node", "wanted", "words"),
    [
        (Node(5.0, low=1.0, high=10.0), 11.0, ("wanted 11.0", "1 to 10", "stays at 5.0")),
        (Node(5.0, low=1.0, high=10.0), float("nan"), ("not a number",)),
        (Node(64, low=16, high=128, step=16), 70, ("16 to 128 in steps of 16",)),
        (Node("Mono8", choices=("Mono8", "Mono12")), "Mono14", ("Mono8, Mono12",)),
        (Node(5.0, writable=False), 6.0, ("cannot be changed now",)),
        (Node(5.0, keeps=lambda v: 9.0), 6.0, ("wanted 6.0", "reads back 9.0")),
        (Node(5.0, error=Refused("the sensor is busy : thrown in node.h")), 6.0, ("is busy",)),
    ],
)
def test_a_refusal_names_feature_setting_wish_and_reason(
    node: Node, wanted: float | str, words: tuple[str, ...]
) -> None:
    with pytest.raises(BadSettingError) as refusal:
        features(Thing=node).set("Thing", wanted, of="thing_px")
    for word in ("24000001", "Thing (thing_px)", *words):
        assert word in str(refusal.value)
    assert "node.h" not in str(refusal.value)


def test_a_camera_that_fails_is_not_a_refused_setting() -> None:
    with pytest.raises(Broken):
        features(Gain=Node(5.0, error=Broken("physically removed"))).set("Gain", 6.0)


def test_a_feature_it_has_not_is_named() -> None:
    with pytest.raises(BadSettingError, match="no feature Gain"):
        features().get("Gain")


# -- linearity ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "harmless"), LINEAR)
def test_whatever_bends_counts_is_switched_off_and_read_back(
    name: str, harmless: float | str | bool
) -> None:
    bent = Node(_bent(harmless))
    features(**{name: bent}).neutral(LINEAR, why="NIR must stay linear, but")
    assert bent.Value == harmless


@pytest.mark.parametrize(("name", "harmless"), LINEAR)
def test_whatever_a_saved_file_bends_is_refused_by_name(
    name: str, harmless: float | str | bool
) -> None:
    bent = Node(_bent(harmless))
    with pytest.raises(BadSettingError, match=rf"linear, but: {name}="):
        features(**{name: bent}).neutral(LINEAR, fixed=[name], why="NIR must stay linear, but")
    assert bent.writes == []


def test_frames_exposed_together_have_a_global_shutter_or_are_refused() -> None:
    why = "what is exposed together needs a global shutter, but"
    able = features(SensorShutterMode=Node("Rolling", choices=("Rolling", "Global")))
    able.neutral(GLOBAL_SHUTTER, why=why)
    assert able.get("SensorShutterMode") == "Global"
    for name in ("SensorShutterMode", "ShutterMode"):
        unable = features(**{name: Node("Rolling", choices=("Rolling", "GlobalReset"))})
        with pytest.raises(BadSettingError, match=f"global shutter, but: {name}=Rolling"):
            unable.neutral(GLOBAL_SHUTTER, why=why)
    features().neutral(GLOBAL_SHUTTER, why=why)  # has but one shutter, and does not tell of it


def test_all_that_cannot_be_made_linear_is_named_at_once() -> None:
    camera = features(
        GainAuto=Node("Continuous", writable=False),
        Gamma=Node(0.45, keeps=lambda v: 0.45),
        LUTEnable=Node(True),
    )
    with pytest.raises(BadSettingError, match=r"GainAuto=Continuous.*Gamma=0.45") as refusal:
        camera.neutral(LINEAR, why="NIR must stay linear, but")
    assert "LUTEnable" not in str(refusal.value)


def _bent(harmless: float | str | bool) -> float | str | bool:
    if isinstance(harmless, bool):
        return not harmless
    return "On" if isinstance(harmless, str) else harmless + 1


# -- our settings on cameras of all ages -------------------------------------------------------


def test_a_modern_camera_is_set_and_read_back() -> None:
    camera = modern()
    sfnc.write(
        camera,
        CameraSettings(
            pixel_format=PixelFormat.MONO12P,
            exposure_us=10_000.2,
            gain_db=6.0,
            frame_rate_hz=60.0,
            roi=(16, 2, 640, 512),
            black_level=12.0,
            trigger="free-run",
            conversion_gain="High",
        ),
    )
    assert sfnc.read(camera) == CameraSettings(
        pixel_format=PixelFormat.MONO12P,
        exposure_us=10_000.0,
        gain_db=6.0,
        frame_rate_hz=60.0,
        roi=(16, 2, 640, 512),
        black_level=12.0,
        trigger="free-run",
        conversion_gain="High",
    )
    assert camera.get("ExposureAuto") == "Off"
    assert sfnc.readout_us(camera) == 12_000.0
    assert sfnc.temperature_c(camera) == 41.25


def test_an_old_camera_is_set_by_its_old_names() -> None:
    gain = Node(300, low=192, high=1023)
    camera = features(
        PixelFormat=Node("Mono8", choices=("Mono8",)),
        ExposureTimeAbs=Node(100.0),
        GainSelector=Node("AnalogAll", choices=("AnalogAll", "All")),
        GainRaw=gain,
        BlackLevelRaw=Node(32, low=0, high=255),
        AcquisitionFrameRateEnable=Node(False),
        AcquisitionFrameRateAbs=Node(10.0),
        ResultingFrameRateAbs=Node(40.0),
        ReadoutTimeAbs=Node(9_000.0),
        TriggerMode=Node("Off", choices=("Off", "On")),
        **{n: Node(v) for n, v in zip(sfnc.ROI, (0, 0, 640, 480), strict=True)},
    )
    settings = CameraSettings(
        exposure_us=2_000.0, gain_db=0.0, black_level=16.4, frame_rate_hz=30.0
    )
    sfnc.write(camera, settings)
    got = sfnc.read(camera)
    assert (got.exposure_us, got.gain_db, got.black_level) == (2_000.0, 0.0, 16.0)
    assert got.frame_rate_hz == 30.0
    assert got.conversion_gain is None
    # pylon takes no floating-point number for an integer feature
    assert gain.writes == [192]
    assert isinstance(gain.writes[0], int)
    assert camera.get("GainSelector") == "All"
    assert sfnc.readout_us(camera) == 9_000.0
    assert sfnc.temperature_c(camera) is None
    with pytest.raises(BadSettingError, match="raw steps"):
        sfnc.write(camera, CameraSettings(gain_db=3.0))
    gain.Value = 400
    with pytest.raises(BadSettingError, match="GainRaw is 400"):
        sfnc.read(camera)


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        (CameraSettings(exposure_us=1.0), "ExposureTime, ExposureTimeAbs"),
        (CameraSettings(black_level=1.0), "BlackLevel"),
        (CameraSettings(gain_db=0.0), "GainRaw"),
        (CameraSettings(frame_rate_hz=1.0), "AcquisitionFrameRate"),
        (CameraSettings(conversion_gain="High"), "BslConversionGainMode"),
        (CameraSettings(trigger="hardware", trigger_line="Line1"), "cannot be triggered"),
    ],
)
def test_a_setting_the_camera_has_no_feature_for_is_refused(
    settings: CameraSettings, names: str
) -> None:
    with pytest.raises(BadSettingError, match=names):
        sfnc.write(features(), settings)


def test_a_rate_it_cannot_reach_is_refused_with_the_rate_it_can() -> None:
    with pytest.raises(BadSettingError, match=r"wanted 90, but 75 is the most"):
        sfnc.write(modern(), CameraSettings(frame_rate_hz=90.0))


def test_colour_in_the_camera_is_refused() -> None:
    with pytest.raises(BadSettingError, match="RGB8"):
        sfnc.write(modern(), CameraSettings(pixel_format=PixelFormat.RGB8))
    with pytest.raises(BadSettingError, match="RGB8"):
        sfnc.read(modern(PixelFormat=Node("RGB8")))


def test_a_region_is_moved_where_offsets_and_sizes_bound_each_other() -> None:
    class Bounded(Node):
        """An offset that only fits what the size leaves."""

        def __init__(self, size: Node, whole: int) -> None:
            self._size, self._whole = size, whole
            super().__init__(0, low=0)

        @property
        def Max(self) -> int:
            return self._whole - int(self._size.Value)

        @Max.setter
        def Max(self, value: float) -> None:
            pass

    width, height = Node(1280, low=8, high=1280), Node(1024, low=2, high=1024)
    camera = modern(
        Width=width,
        Height=height,
        OffsetX=Bounded(width, 1280),
        OffsetY=Bounded(height, 1024),
        CenterX=Node(True),
    )
    for roi in ((1200, 1000, 80, 24), (0, 0, 1280, 1024), (8, 8, 16, 16)):
        sfnc.write(camera, CameraSettings(roi=roi))
        assert sfnc.read(camera).roi == roi
    assert camera.get("CenterX") is False
    with pytest.raises(BadSettingError, match="OffsetX"):
        sfnc.write(camera, CameraSettings(roi=(1270, 0, 80, 24)))


def test_a_hardware_trigger_starts_frames_and_nothing_else_does() -> None:
    camera = modern(**triggers(FrameBurstStart="On", FrameStart="Off"))
    sfnc.write(camera, CameraSettings(trigger="hardware", trigger_line="Line2", frame_rate_hz=60.0))
    got = sfnc.read(camera)
    assert (got.trigger, got.trigger_line) == ("hardware", "Line2")
    # pulses set the rate: the camera's own limit is off, and what it could do is told
    assert camera.get("AcquisitionFrameRateEnable") is False
    assert got.frame_rate_hz == 75.0
    camera.set("TriggerSelector", "FrameBurstStart")
    assert camera.get("TriggerMode") == "Off"
    sfnc.write(camera, CameraSettings(trigger="free-run"))
    assert sfnc.read(camera).trigger == "free-run"


@pytest.mark.parametrize("modes", [{"FrameStart": "On"}, {"FrameBurstStart": "On"}])
def test_a_trigger_nobody_fires_is_refused_not_waited_for(modes: dict[str, str]) -> None:
    camera = modern(**triggers(**{"FrameBurstStart": "Off", "FrameStart": "Off", **modes}))
    with pytest.raises(BadSettingError, match="nobody fires it"):
        sfnc.read(camera)


def test_a_trigger_without_its_line_is_refused() -> None:
    with pytest.raises(BadSettingError, match="trigger_line"):
        sfnc.write(modern(), CameraSettings(trigger="hardware"))


def test_chunks_are_switched_on_where_there_are_any() -> None:
    selector = Node("Gain", choices=("Gain", "ExposureTime", "Timestamp"))
    enabled = Selected(selector, dict.fromkeys(selector.Symbolics, False))
    camera = modern(ChunkModeActive=Node(False), ChunkSelector=selector, ChunkEnable=enabled)
    assert sfnc.enable_chunks(camera)
    assert enabled.values == {"Gain": True, "ExposureTime": True, "Timestamp": False}
    assert not sfnc.enable_chunks(modern())
    assert not sfnc.enable_chunks(modern(ChunkModeActive=Node(False)))


# -- saved features ----------------------------------------------------------------------------

SAVED = """# {05D8C294-F295-4dfb-9D01-096BD04049F4}
# GenApi persistence file (version 3.5.0)

ExposureTime\t5000.0
Gain\t0.000e+00
ExposureAuto\tContinuous
TriggerMode\t{TriggerSelector=FrameStart}\tOff
"""


def test_a_saved_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "nir.pfs"
    file.write_text(SAVED)
    entries = read_pfs(file)
    assert [(e.name, e.value) for e in entries[:3]] == [
        ("ExposureTime", "5000.0"),
        ("Gain", "0.000e+00"),
        ("ExposureAuto", "Continuous"),
    ]
    assert entries[3].selectors == (("TriggerSelector", "FrameStart"),)
    assert str(entries[3]) == "TriggerMode[TriggerSelector=FrameStart]"
    assert modern().differences(entries) == []


@pytest.mark.parametrize("text", ["ExposureTime 5000", "A\tb\tc", "\t5"])
def test_a_file_that_is_none_is_refused_with_its_line(tmp_path: Path, text: str) -> None:
    file = tmp_path / "nir.pfs"
    file.write_text(f"# comment\n{text}\n")
    with pytest.raises(BadSettingError, match="line 2"):
        read_pfs(file)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadSettingError, match=r"none\.pfs"):
        read_pfs(tmp_path / "none.pfs")
    (tmp_path / "noise.pfs").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadSettingError, match=r"noise\.pfs"):
        read_pfs(tmp_path / "noise.pfs")


def test_every_difference_from_a_saved_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "nir.pfs"
    file.write_text(SAVED.replace("5000.0", "7000.0") + "Nonsense\t1\nGamma\t{Nowhere=1}\t1\n")
    camera = modern(**triggers(FrameBurstStart="Off", FrameStart="On"))
    unlike = camera.differences(read_pfs(file))
    assert unlike == [
        "ExposureTime: saved 7000.0, reads back 5000.0",
        "TriggerMode[TriggerSelector=FrameStart]: saved Off, reads back On",
        "Nonsense: saved 1, not on this camera",
        "Gamma[Nowhere=1]: saved 1, not on this camera",
    ]


def test_selectors_are_put_back_after_comparing(tmp_path: Path) -> None:
    file = tmp_path / "nir.pfs"
    file.write_text("TriggerMode\t{TriggerSelector=FrameBurstStart}\tOff\n")
    camera = modern()
    assert camera.differences(read_pfs(file)) == []
    assert camera.get("TriggerSelector") == "FrameStart"


def test_a_rig_that_disagrees_with_a_saved_file_is_told_where(tmp_path: Path) -> None:
    file = tmp_path / "nir.pfs"
    file.write_text(SAVED)
    wanted = CameraSettings(
        pixel_format=PixelFormat.MONO8, exposure_us=10_000.0, gain_db=0.02, frame_rate_hz=1.0
    )
    # neither the format nor the rate is in the file: they are still to be set
    assert sfnc.disagreements(modern(), wanted, read_pfs(file)) == [
        "exposure_us: rig 10000.0, file 5000.0"
    ]
