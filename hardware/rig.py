"""`Rig`: which camera plays which role, its settings, the optics, and the registration.

As it stands in a rig file (`hardware.rig_files`). ``None`` (a missing key) is unset; 0 is zero.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from hardware.balance import Gains
from hardware.camera import CameraSettings, ConversionGain, Trigger
from hardware.frame import PixelFormat

Positive = Annotated[float, msgspec.Meta(gt=0)]
NonNegative = Annotated[float, msgspec.Meta(ge=0)]
PreRollSeconds = Annotated[float, msgspec.Meta(ge=0, le=120)]
PositiveInt = Annotated[int, msgspec.Meta(gt=0)]
Gain = Annotated[float, msgspec.Meta(gt=0, le=8)]
JpegQuality = Annotated[int, msgspec.Meta(ge=50, le=100)]

TRIGGERED_SKEW_MS = 2.0
"""Cameras on one trigger expose within half of the difference of their exposure times."""
DEFAULT_JPEG_QUALITY = 95


class RigError(Exception):
    """A rig file that cannot be used: names the file, the key, and what to do."""


class CameraSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One camera of a rig.

    ``source``: "basler" (a real camera, or Basler's emulator where the rig is ``emulated``) or
    "phantom" (our optical model). "recording" stands in the rig of an imported case: it says what
    the frames are, and no camera can be opened by it.
    """

    source: Literal["basler", "phantom", "recording"]
    serial: str | None = None
    pixel_format: PixelFormat
    exposure_us: Positive
    gain_db: NonNegative = 0.0
    frame_rate_hz: Positive | None = None
    roi: tuple[int, int, PositiveInt, PositiveInt] | None = None
    black_level: NonNegative | None = None
    trigger: Trigger = "free-run"
    trigger_line: str | None = None
    conversion_gain: ConversionGain | None = None
    """Mode of a sensor that has two; None: as the camera stands, which no calibration trusts."""
    light_line: str | None = None
    """Input line that is high while the excitation light is on, such as "Line3"."""
    pfs: str | None = None
    """Features saved by the pylon Viewer; relative to the rig file."""
    images: str | None = None
    """Folder of images fed to Basler's emulator, relative to the rig file; only emulated."""

    white_balance: tuple[Gain, Gain, Gain] | None = None
    """Factors for red, green and blue on the screen; raw data stays raw. None: as it comes."""

    black_counts: NonNegative | None = None
    """Level of the white camera without light, taken off before; None: unknown, as if 0."""

    def camera_settings(self) -> CameraSettings:
        """Return what to `Camera.apply`."""
        return CameraSettings(
            pixel_format=self.pixel_format,
            exposure_us=self.exposure_us,
            gain_db=self.gain_db,
            frame_rate_hz=self.frame_rate_hz,
            roi=self.roi,
            black_level=self.black_level,
            trigger=self.trigger,
            trigger_line=self.trigger_line,
            conversion_gain=self.conversion_gain,
        )


class Optics(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Geometry. ``mm_per_px`` is of the NIR image at the working distance; None: unknown scale."""

    mm_per_px: Positive | None = None
    layout: Literal["coaxial", "two-lens"] = "coaxial"
    baseline_mm: NonNegative = 0.0
    working_distance_mm: Positive = 300.0
    relief_mm: NonNegative = 0.0
    node_min_mm: Positive = 3.0
    node_max_mm: Positive = 20.0
    max_tissue_motion_mm: Positive = 1.0

    @property
    def parallax_mm(self) -> float:
        """Misplacement in the image for the declared relief: baseline x relief / distance."""
        return self.baseline_mm * self.relief_mm / self.working_distance_mm


Matrix3 = tuple[tuple[float, float, float], tuple[float, float, float], tuple[float, float, float]]
IDENTITY: Matrix3 = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))


class Registration(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where an NIR pixel lies in the white image: ``white ~ white_from_nir @ (x, y, 1)``.

    ``none``: no overlay, views side by side. ``assumed``: never measured, ``nudged``: moved by
    hand since; the screen says so. ``calibrated``: measured on this rig; ``residual_mm`` is its
    error on that plane.
    """

    kind: Literal["none", "assumed", "nudged", "calibrated"] = "none"
    white_from_nir: Matrix3 = IDENTITY
    residual_mm: NonNegative | None = None

    def matrix(self) -> NDArray[np.float64]:
        """Return the homography as a (3, 3) float64 array."""
        return np.array(self.white_from_nir, dtype=np.float64)

    def nudged(self, dx_px: float, dy_px: float) -> Registration:
        """Return it moved by hand by white px: a last resort, of unknown error. Moves no "none"."""
        if self.kind == "none" or (dx_px, dy_px) == (0.0, 0.0):
            return self
        x, y, w = self.white_from_nir
        return Registration(
            kind="nudged",
            white_from_nir=(
                (x[0] + dx_px * w[0], x[1] + dx_px * w[1], x[2] + dx_px * w[2]),
                (y[0] + dy_px * w[0], y[1] + dy_px * w[1], y[2] + dy_px * w[2]),
                w,
            ),
        )


class Sensor(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the NIR numbers mean. Counts below ``dark_counts`` are offset, not light.

    ``electron_counts`` is K of EMVA 1288 (DN/e-) at 0 dB; ``read_noise_counts`` the temporal
    dark noise at 0 dB. None: estimated from the frames, and said so.
    """

    dark_counts: NonNegative = 0.0
    electron_counts: Positive | None = None
    read_noise_counts: NonNegative | None = None


class PhantomSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which scene the phantom plays for a simulated rig, and how far into it its cameras begin."""

    scene: str = "procedure"
    seed: int = 1
    width: PositiveInt = 1280
    height: PositiveInt = 1024
    start_s: NonNegative = 0.0
    room_light: NonNegative = 0.0
    """Under gated light: room light in every NIR frame, a multiple of the excited background."""


class Light(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Excitation and filters: bands (from, to) in nm; ``probe`` names the tracer they are for.

    With ``gated`` the excitation follows the NIR camera's exposure-active line: so many lit frames,
    then so many dark ones. ``mains_hz``: of the room's lamps, which must cancel between them.
    """

    probe: str | None = None
    excitation_nm: tuple[Positive, Positive] | None = None
    emission_nm: tuple[Positive, Positive] | None = None
    gated: tuple[PositiveInt, PositiveInt] | None = None
    mains_hz: Positive | None = None


class RecordingSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a case keeps frames. NIR is kept without loss, whatever stands here.

    ``white``: "lossless", or "jpeg": a fraction of the size, and what was seen cannot be computed
    again bit for bit. ``jpeg_quality`` is libjpeg's; None: `DEFAULT_JPEG_QUALITY`.
    """

    white: Literal["lossless", "jpeg"] = "lossless"
    jpeg_quality: JpegQuality | None = None

    @property
    def white_jpeg_quality(self) -> int | None:
        """Quality to store white frames with; None: without loss."""
        if self.white == "lossless":
            return None
        return DEFAULT_JPEG_QUALITY if self.jpeg_quality is None else self.jpeg_quality


class Calibration(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Files of `sln-guide calibrate`, relative to the rig file. None: not calibrated."""

    dark: str | None = None
    flat: str | None = None
    photon_transfer: str | None = None
    registration: str | None = None
    white_balance: str | None = None
    check: str | None = None
    """Folder of the quality checks' history."""


class Tolerances(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What this rig must reach in `sln-guide check`."""

    limit_nm: Positive = 100.0
    linearity: Positive = 0.1
    depth_mm: NonNegative = 2.0
    resolution_lp_mm: NonNegative = 0.5
    uniformity: NonNegative = 0.8
    distortion_percent: Positive = 1.0
    scale_percent: Positive = 2.0
    registration_mm: Positive = 0.5
    frame_age_ms: Positive = 100.0


class Expiry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """When something ends that vouches for calibrated units, and what: "quality check", ..."""

    what: str
    at: datetime


class Rig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything the application must know about the hardware it stands on."""

    schema: Literal[1] = 1
    name: str
    description: str = ""
    nir: CameraSpec | None
    white: CameraSpec | None = None
    optics: Optics = Optics()
    sensor: Sensor = Sensor()
    registration: Registration = Registration()
    light: Light = Light()
    calibration: Calibration = Calibration()
    check: Tolerances = Tolerances()
    phantom: PhantomSpec | None = None
    recording: RecordingSpec = RecordingSpec()
    pre_roll_s: PreRollSeconds = 0.0
    """Seconds kept in memory, so that Record saves what just happened; 0: none."""
    emulated: bool = False
    """True only for Basler's software emulator: asked for by name, SIMULATED on the screen."""
    unchecked: str | None = None
    """Why nothing vouches for calibrated units, in one line with what to do; None: something does.
    Found out when the rig is used and recorded with a case; never in a rig file."""

    distances_mm: tuple[Positive, Positive] | None = None
    """Nearest and farthest plane of a registration by distance; None: one plane only. Found out
    likewise."""

    expires: Expiry | None = None
    """What ends first of what vouches for calibrated units. Found out likewise."""

    max_skew_ms: Positive | None = None
    """How far apart in time NIR and white may be exposed; None: `TRIGGERED_SKEW_MS` where a camera
    is triggered by hardware, else whatever free-running cameras do."""

    @property
    def skew_limit_ms(self) -> float | None:
        """How far apart in time the cameras may expose before it is an alarm; None: any."""
        if self.max_skew_ms is not None:
            return self.max_skew_ms
        specs = [s for s in (self.nir, self.white) if s is not None]
        triggered = len(specs) == 2 and any(s.trigger == "hardware" for s in specs)
        return TRIGGERED_SKEW_MS if triggered else None

    @property
    def registered_distance_mm(self) -> float | None:
        """Distance of the plane that the registration is for; None where it is for one only."""
        by_distance = self.calibration.registration is not None
        return self.optics.working_distance_mm if by_distance else None

    @property
    def vouched_mm_per_px(self) -> float | None:
        """Scale of the NIR image, where figures in mm may be shown; None: in px only."""
        return None if self.unchecked is not None else self.optics.mm_per_px

    @property
    def white_balance(self) -> Gains:
        """Gains and black level of the white picture; neutral where nothing is known."""
        if self.white is None:
            return Gains()
        top = 2**self.white.pixel_format.bit_depth - 1
        black = (self.white.black_counts or 0.0) / top
        return Gains(*(self.white.white_balance or (1.0, 1.0, 1.0)), black=black)

    @property
    def simulated(self) -> bool:
        """Whether any picture this rig gives is not light on a sensor."""
        specs = [s for s in (self.nir, self.white) if s is not None]
        return self.emulated or any(s.source == "phantom" for s in specs)
