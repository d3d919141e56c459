"""`CameraSettings` in the words of GenICam's Standard Features Naming Convention, old and new."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from hardware.camera import CameraSettings, ConversionGain
from hardware.frame import PixelFormat
from hardware.genicam import Features, PfsEntry
from hardware.images import image_files, read_image

EXPOSURE = ("ExposureTime", "ExposureTimeAbs")
GAIN = ("Gain", "GainAbs")
RATE = ("AcquisitionFrameRate", "AcquisitionFrameRateAbs")
POSSIBLE_RATE = (
    "ResultingFrameRate",
    "BslResultingAcquisitionFrameRate",
    "ResultingFrameRateAbs",
)
BLACK_LEVEL = ("BlackLevel", "BlackLevelAbs", "BlackLevelRaw")
READOUT = ("SensorReadoutTime", "ReadoutTimeAbs")
CONVERSION_GAIN = "BslConversionGainMode"
ROI = ("OffsetX", "OffsetY", "Width", "Height")

NAMES: dict[str, tuple[str, ...]] = {
    "pixel_format": ("PixelFormat",),
    "exposure_us": EXPOSURE,
    "gain_db": (*GAIN, "GainRaw"),
    "frame_rate_hz": RATE,
    "roi": ROI,
    "black_level": BLACK_LEVEL,
    "trigger": ("TriggerMode",),
    "trigger_line": ("TriggerSource",),
    "conversion_gain": (CONVERSION_GAIN,),
}
"""Which features a ``.pfs`` file may set each of our settings by."""

OF_A_FRAME = ("pixel_format", "roi", "exposure_us", "gain_db", "black_level")
"""Settings without which nobody knows what a frame's bytes mean."""

CHUNKS = ("ExposureTime", "Gain", "LineStatusAll")

# How far what is read back may lie from what was asked for: cameras round to their own steps.
RELATIVE = 0.005
GAIN_STEP_DB = 0.05
BLACK_STEP_COUNTS = 0.5


def write(features: Features, settings: CameraSettings) -> None:
    """Set everything in ``settings`` that is not None, each read back.

    Raises
    ------
    BadSettingError
        Naming the feature, what was wanted, what it is and what is allowed.
    """
    if settings.pixel_format is not None:
        if settings.pixel_format is PixelFormat.RGB8:
            raise features.refuse("pixel_format RGB8: colour is taken raw; choose a Bayer format")
        features.set("PixelFormat", settings.pixel_format.value, of="pixel_format")
    if settings.roi is not None:
        _write_roi(features, settings.roi)
    if settings.exposure_us is not None:
        for name, value in (("ExposureAuto", "Off"), ("ExposureMode", "Timed")):
            if features.first(name):
                features.set(name, value, of="exposure_us")
        wanted = float(settings.exposure_us)
        name = _required(features, EXPOSURE, "exposure_us")
        features.set(name, wanted, of="exposure_us", tolerance=RELATIVE * wanted)
    if settings.conversion_gain is not None:  # first: it bounds the gain
        name = _required(features, (CONVERSION_GAIN,), "conversion_gain")
        features.set(name, settings.conversion_gain, of="conversion_gain")
    if settings.gain_db is not None:
        _write_gain(features, settings.gain_db)
    if settings.black_level is not None:
        _select_all(features, "BlackLevelSelector")
        name = _required(features, BLACK_LEVEL, "black_level")
        wanted = settings.black_level
        features.set(
            name,
            round(wanted) if name.endswith("Raw") else float(wanted),
            of="black_level",
            tolerance=BLACK_STEP_COUNTS,
        )
    if settings.trigger is not None:
        _write_trigger(features, settings)
    if settings.frame_rate_hz is not None:
        _write_rate(features, float(settings.frame_rate_hz))


def read(features: Features) -> CameraSettings:
    """Return what the camera does now; every field set that it has.

    ``trigger_line`` only when triggered.

    Raises
    ------
    BadSettingError
        The camera has no such feature, or is in a mode we do not know.
    """
    pixel_format = str(features.get("PixelFormat"))
    known = [f.value for f in PixelFormat if f is not PixelFormat.RGB8]
    if pixel_format not in known:
        raise features.refuse(f"PixelFormat is {pixel_format}: choose one in the rig file")
    exposure_us = features.number(*EXPOSURE)
    rate_hz = features.number(*RATE)
    possible_hz = features.number(*POSSIBLE_RATE)
    line = _trigger_source(features)
    enabled = features.first("AcquisitionFrameRateEnable")
    limited = line is None and (enabled is None or bool(features.get(enabled)))
    rates = [r for r in (rate_hz if limited else None, possible_hz) if r is not None]
    x, y, width, height = (int(features.number(name) or 0) for name in ROI)
    return CameraSettings(
        pixel_format=PixelFormat(pixel_format),
        exposure_us=exposure_us,
        gain_db=_read_gain(features),
        frame_rate_hz=min(rates) if rates else rate_hz,
        roi=(x, y, width, height),
        black_level=features.number(*BLACK_LEVEL) or 0.0,
        trigger="free-run" if line is None else "hardware",
        trigger_line=line,
        conversion_gain=_conversion_gain(features),
    )


def disagreements(
    features: Features, wanted: CameraSettings, entries: Iterable[PfsEntry]
) -> list[str]:
    """Compare what a ``.pfs`` file made of the camera with what the rig wants.

    Only settings that the file names are compared: the others are still to be set.
    """
    named = {entry.name for entry in entries}
    got = read(features)
    tolerances = {"gain_db": GAIN_STEP_DB, "black_level": BLACK_STEP_COUNTS}
    unlike = []
    for setting, names in NAMES.items():
        want, have = getattr(wanted, setting), getattr(got, setting)
        if want is None or not named.intersection(names):
            continue
        if isinstance(want, float | int):
            near = tolerances.get(setting, RELATIVE * abs(want))
            same = have is not None and abs(want - have) <= near
        else:
            same = want == have
        if not same:
            unlike.append(f"{setting}: rig {want}, file {have}")
    return unlike


def enable_chunks(features: Features) -> bool:
    """Have exposure, gain and line status sent with every frame, where the camera can."""
    if features.first("ChunkModeActive") is None or features.first("ChunkSelector") is None:
        return False
    features.set("ChunkModeActive", True)
    choices = features.choices("ChunkSelector")
    for chunk in CHUNKS:
        if chunk in choices:
            features.set("ChunkSelector", chunk)
            features.set("ChunkEnable", True)
    return True


def readout_us(features: Features) -> float:
    """Return the time between the end of exposure and the last pixel read; 0 if not known."""
    return features.number(*READOUT) or 0.0


def play_images(
    features: Features, folder: Path, settings: CameraSettings, *, choose: bool
) -> CameraSettings:
    """Have Basler's emulator play ``folder``; return ``settings`` with the images' size.

    ``choose`` False: it plays already, only check. The emulator cuts images to the camera's size,
    so that has to be theirs.

    Raises
    ------
    CameraError
        No images, images of the wrong kind, or a ``roi`` that is not their size.
    """
    first = image_files(folder)[0]
    pixels = read_image(first)
    write(features, CameraSettings(pixel_format=settings.pixel_format))
    kind = read(features).pixel_format
    if kind is not None and (pixels.ndim != 2 or pixels.dtype != kind.dtype):
        depth = "16 bit, values at the top" if kind.bit_depth > 8 else "8 bit"
        raise features.refuse(
            f"{first}: {pixels.dtype} of shape {pixels.shape}; {kind} needs grey images of {depth}"
        )
    if choose:
        features.set("TestImageSelector", "Off")
        features.set("ImageFilename", str(folder.resolve()))
        features.set("ImageFileMode", "On")
    rows, columns = pixels.shape[:2]
    if settings.roi not in (None, (0, 0, columns, rows)):
        raise features.refuse(f"roi {settings.roi}: the images it plays are {columns} x {rows}")
    return replace(settings, roi=(0, 0, columns, rows))


def _required(features: Features, names: tuple[str, ...], setting: str) -> str:
    name = features.first(*names)
    if name is None:
        raise features.refuse(f"{setting}: has none of {', '.join(names)}")
    return name


def _select_all(features: Features, selector: str) -> None:
    if features.first(selector) and "All" in features.choices(selector):
        features.set(selector, "All")


def _write_roi(features: Features, roi: tuple[int, int, int, int]) -> None:
    if tuple(features.get(name) for name in ROI) == roi:
        return
    for centred in ("CenterX", "CenterY"):
        if features.first(centred):
            features.set(centred, False, of="roi")
    # sizes bound offsets and offsets bound sizes: at offset 0 every size is possible
    for name in ROI[:2]:
        features.set(name, 0, of="roi")
    for index in (2, 3, 0, 1):
        features.set(ROI[index], roi[index], of="roi")


def _write_gain(features: Features, gain_db: float) -> None:
    if features.first("GainAuto"):
        features.set("GainAuto", "Off", of="gain_db")
    _select_all(features, "GainSelector")
    name = features.first(*GAIN)
    if name is not None:
        features.set(name, float(gain_db), of="gain_db", tolerance=GAIN_STEP_DB)
        return
    # raw steps differ from model to model; only the smallest has a meaning that needs no table
    raw = _required(features, ("GainRaw",), "gain_db")
    if gain_db:
        raise features.refuse(
            f"gain_db {gain_db:g}: this camera counts its gain in raw steps, which are no "
            "decibels; only 0 (its smallest gain) can be asked for"
        )
    features.set(raw, int(features.smallest(raw)), of="gain_db")


def _read_gain(features: Features) -> float:
    gain_db = features.number(*GAIN)
    if gain_db is not None:
        return gain_db
    raw = _required(features, ("GainRaw",), "gain_db")
    if features.number(raw) != features.smallest(raw):
        raise features.refuse(
            f"GainRaw is {features.get(raw)}, in steps that are no decibels: give gain_db = 0"
        )
    return 0.0


def _conversion_gain(features: Features) -> ConversionGain | None:
    if features.first(CONVERSION_GAIN) is None:
        return None
    mode = str(features.get(CONVERSION_GAIN))
    if mode == "High":
        return "High"
    if mode == "Low":
        return "Low"
    raise features.refuse(f"{CONVERSION_GAIN} is {mode}: choose High or Low in the rig file")


def _triggers(features: Features) -> tuple[str, ...]:
    """Return the camera's triggers, the one that starts a frame last."""
    if features.first("TriggerSelector") is None:
        return ()
    others = [s for s in features.choices("TriggerSelector") if s != "FrameStart"]
    return (*others, "FrameStart")


def _write_trigger(features: Features, settings: CameraSettings) -> None:
    hardware = settings.trigger == "hardware"
    if hardware and settings.trigger_line is None:
        raise features.refuse("trigger: a hardware trigger needs its trigger_line")
    for selector in _triggers(features):
        features.set("TriggerSelector", selector, of="trigger")
        on = hardware and selector == "FrameStart"
        if features.first("TriggerMode"):
            if on and settings.trigger_line is not None:
                features.set("TriggerSource", settings.trigger_line, of="trigger_line")
                features.set("TriggerActivation", "RisingEdge", of="trigger")
            features.set("TriggerMode", "On" if on else "Off", of="trigger")
    if hardware and features.first("TriggerMode") is None:
        raise features.refuse("trigger: this camera cannot be triggered")


def _trigger_source(features: Features) -> str | None:
    """Return what starts each frame, or None when the camera runs free."""
    source = None
    for selector in _triggers(features):
        features.set("TriggerSelector", selector)
        if features.first("TriggerMode") is None or features.get("TriggerMode") != "On":
            continue
        source = str(features.get("TriggerSource"))
        if selector != "FrameStart" or source.startswith("Software"):
            raise features.refuse(
                f"TriggerMode of {selector} is On (source {source}), and nobody fires it: "
                "set trigger in the rig file"
            )
    return source


def _write_rate(features: Features, wanted_hz: float) -> None:
    triggered = _trigger_source(features) is not None
    if features.first("AcquisitionFrameRateEnable"):
        features.set("AcquisitionFrameRateEnable", not triggered, of="frame_rate_hz")
    if not triggered:
        name = _required(features, RATE, "frame_rate_hz")
        features.set(name, wanted_hz, of="frame_rate_hz", tolerance=RELATIVE * wanted_hz)
    possible_hz = features.number(*POSSIBLE_RATE)
    if possible_hz is not None and possible_hz < wanted_hz * (1 - RELATIVE):
        raise features.refuse(
            f"frame_rate_hz: wanted {wanted_hz:g}, but {possible_hz:g} is the most it can do: "
            "shorten the exposure, make the roi smaller, or look at its link (sln-guide doctor)"
        )


def temperature_c(features: Features) -> float | None:
    """Return what the camera's thermometer says (by its new or old name); None: it has none."""
    return features.number("DeviceTemperature", "TemperatureAbs")
