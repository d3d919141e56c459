"""`Bench`: two simulated cameras before whatever is laid under them, for calibration.

A plane (a cap, a uniform target, a printed board) is seen through two real lenses, with
perspective, distortion, fall-off, and sensors with shot noise, read noise, dark current and pixels
that differ. All of it is a pure function of the rig's seed, the plane, the role and the frame's
number; and all of it is known, so that a calibration can be compared with the truth.
"""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hardware.camera import CameraSettings
from hardware.frame import PixelFormat
from hardware.opencv import cv2
from hardware.rig import CameraSpec, Rig

RoleName = Literal["nir", "white"]
OVERSAMPLING = 3
ITERATE = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 10, 1e-9)
FULL_WELL_ELECTRONS = 19_000.0
MANY_ELECTRONS = 40.0
"""From so many on, Poisson's distribution is drawn as the normal one of the same mean."""
WHITE_TINT = {"R": 0.72, "G": 1.0, "B": 0.58}
"""What the lamp and the filters leave of each colour: a grey card is not grey in raw data."""


@dataclass(frozen=True, slots=True, eq=False)
class Lens:
    """A pinhole with distortion. ``k`` as OpenCV orders it: k1, k2, p1, p2, k3.

    ``rotation`` (3, 3) and ``translation_mm`` take a point from the NIR camera to this one.
    """

    focal_px: float
    centre_px: tuple[float, float]
    k: tuple[float, float, float, float, float]
    rotation: NDArray[np.float64] = field(default_factory=lambda: np.eye(3))
    translation_mm: NDArray[np.float64] = field(default_factory=lambda: np.zeros(3))

    @property
    def matrix(self) -> NDArray[np.float64]:
        """The camera matrix (3, 3)."""
        x, y = self.centre_px
        return np.array([[self.focal_px, 0, x], [0, self.focal_px, y], [0, 0, 1.0]])


@dataclass(frozen=True, slots=True)
class SensorTruth:
    """One sensor for good: 12-bit counts, electrons."""

    electron_counts: float
    read_electrons: float
    dark_electrons_per_ms: float
    offset_spread_counts: float
    prnu: float
    falloff: float
    hot_share: float


@dataclass(frozen=True, slots=True, eq=False)
class Plane:
    """Something flat under the cameras.

    Attributes
    ----------
    picture
        (H, W) float32, reflectance (or glow) 0 to 1, of a sheet whose top-left corner is the
        plane's origin; None: the whole plane is uniform.
    mm_per_texel
        Scale of ``picture``.
    outside
        Reflectance beyond the sheet.
    rotation, position_mm
        Take a point of the plane (x, y, 0) mm to the NIR camera's frame; the defaults lie square
        at the origin of the optical axis: position is of the plane's origin.
    electrons_per_ms
        What a reflectance of 1 gives each camera, at the field's centre: nir, white.
    blur_px
        Of a lens out of focus, or a board that moved.
    """

    picture: NDArray[np.float32] | None = None
    mm_per_texel: float = 0.1
    outside: float = 0.5
    rotation: NDArray[np.float64] = field(default_factory=lambda: np.eye(3))
    position_mm: tuple[float, float, float] = (0.0, 0.0, 300.0)
    electrons_per_ms: tuple[float, float] = (800.0, 800.0)
    blur_px: float = 0.0


CAP = Plane(outside=0.0)


class Bench:
    """Two cameras and what lies under them. `show` may be called at any time, from any thread.

    Parameters
    ----------
    rig
        Its ``phantom`` table gives seed and NIR size; white's ROI its own size; optics the scale,
        the working distance and the baseline. Without that table: ValueError.
    """

    def __init__(self, rig: Rig) -> None:
        if rig.phantom is None:
            raise ValueError("the bench needs a [phantom] table")
        self.rig = rig
        self._plane = Plane()
        self.lenses: dict[RoleName, Lens] = {}
        self.sensors: dict[RoleName, SensorTruth] = {}
        self._sizes: dict[RoleName, tuple[int, int]] = {}
        seed = rig.phantom.seed
        rng = np.random.default_rng([seed, 77])
        distance = rig.optics.working_distance_mm
        focal = distance / (rig.optics.mm_per_px or 0.2)
        for role in ("nir", "white"):
            spec: CameraSpec | None = getattr(rig, role)
            if spec is None:
                continue
            nir_size = (rig.phantom.width, rig.phantom.height)
            size = nir_size if spec.roi is None else (spec.roi[2], spec.roi[3])
            scale = size[0] / nir_size[0]
            centre = (
                0.5 * (size[0] - 1) + float(rng.uniform(-6, 6)) * scale,
                0.5 * (size[1] - 1) + float(rng.uniform(-6, 6)) * scale,
            )
            bend = float(rng.uniform(-0.14, -0.08))
            k = (bend, 0.05, float(rng.uniform(-4e-4, 4e-4)), float(rng.uniform(-4e-4, 4e-4)), 0.0)
            if role == "nir":
                lens = Lens(focal, centre, k)
            else:
                angle = math.atan2(rig.optics.baseline_mm, distance)
                tilt = cv2.Rodrigues(
                    np.array(
                        [float(rng.uniform(-0.01, 0.01)), angle, float(rng.uniform(-0.02, 0.02))]
                    )
                )[0]
                shift = tilt @ np.array([-rig.optics.baseline_mm, 0.6, 0.9])
                lens = Lens(1.05 * focal * scale, centre, k, tilt, shift)
            self.lenses[role] = lens
            self._sizes[role] = size
            unit = rig.sensor.electron_counts or 0.2
            noise = rig.sensor.read_noise_counts or 1.2
            self.sensors[role] = SensorTruth(unit, noise / unit, 0.02, 0.8, 0.008, 0.25, 5e-5)
        self._pixels = {role: self._pixels_of(role) for role in self._sizes}
        self._rays: dict[RoleName, NDArray[np.float32]] = {}
        self._images: dict[RoleName, NDArray[np.float32]] = {}
        self._kept: dict[
            RoleName, tuple[NDArray[np.float32], PixelFormat, NDArray[np.float32]]
        ] = {}
        self._lock = threading.Lock()

    # -- what the operator does -----------------------------------------------------------------

    def show(self, plane: Plane) -> None:
        """Lay something else under the cameras."""
        with self._lock:
            self._plane = plane
            self._images.clear()

    def move(self, role: RoleName, *, rotation_deg: float = 0.0, shift_mm: float = 0.0) -> None:
        """Knock a camera: its registration with the other no longer holds."""
        turn = cv2.Rodrigues(np.array([0.0, 0.0, math.radians(rotation_deg)]))[0]
        lens = self.lenses[role]
        with self._lock:
            self.lenses[role] = replace(
                lens,
                rotation=turn @ lens.rotation,
                translation_mm=turn @ lens.translation_mm + np.array([shift_mm, 0.0, 0.0]),
            )
            self._images.clear()

    # -- the truth ------------------------------------------------------------------------------

    def size(self, role: RoleName) -> tuple[int, int]:
        """Return (width, height)."""
        return self._sizes[role]

    def white_from_nir(
        self, nir_px: NDArray[np.float64], distance_mm: float
    ) -> NDArray[np.float64]:
        """Return where NIR px (N, 2) of a plane square to the NIR camera lie in white, (N, 2)."""
        nir, white = self.lenses["nir"], self.lenses["white"]
        flat = cv2.undistortPoints(
            nir_px.reshape(-1, 1, 2).astype(np.float64),
            nir.matrix,
            np.array(nir.k),
            criteria=ITERATE,
        )
        points = np.concatenate([flat[:, 0], np.ones((len(flat), 1))], axis=1) * distance_mm
        turned = cv2.Rodrigues(white.rotation)[0]
        seen, _ = cv2.projectPoints(
            points, turned, white.translation_mm, white.matrix, np.array(white.k)
        )
        return np.asarray(seen[:, 0], np.float64)

    # -- pictures -------------------------------------------------------------------------------

    def noiseless(self, role: RoleName) -> NDArray[np.float32]:
        """Return electrons a ms (H, W) that light frees in each pixel, before its sensitivity."""
        with self._lock:
            if role not in self._images:
                self._images[role] = self._drawn(role, self._plane)
            return self._images[role]

    def _rays_of(self, role: RoleName) -> NDArray[np.float32]:
        """Return undistorted directions (H * s, W * s, 2) of the oversampled pixels."""
        width, height = self._sizes[role]
        s = OVERSAMPLING
        y, x = np.mgrid[0 : height * s, 0 : width * s]
        places = np.stack([(x + 0.5) / s - 0.5, (y + 0.5) / s - 0.5], axis=-1).astype(np.float64)
        lens = self.lenses[role]
        flat = cv2.undistortPoints(
            places.reshape(-1, 1, 2), lens.matrix, np.array(lens.k), criteria=ITERATE
        )
        return np.asarray(flat.reshape(height * s, width * s, 2), np.float32)

    def _drawn(self, role: RoleName, plane: Plane) -> NDArray[np.float32]:
        width, height = self._sizes[role]
        light = plane.electrons_per_ms[0 if role == "nir" else 1]
        if plane.picture is None:
            image = np.full((height, width), plane.outside, np.float32)
        else:
            lens = self.lenses[role]
            rotation = lens.rotation @ plane.rotation
            origin = lens.rotation @ np.array(plane.position_mm) + lens.translation_mm
            # rays meet the plane where [r1 r2 origin]^-1 (x, y, 1) says
            onto = np.linalg.inv(np.stack([rotation[:, 0], rotation[:, 1], origin], axis=1))
            onto = onto.astype(np.float32)
            if role not in self._rays:
                self._rays[role] = self._rays_of(role)
            rays = self._rays[role]
            mapped = rays @ onto[:, :2].T + onto[:, 2]
            place = mapped[..., :2] / mapped[..., 2:] / plane.mm_per_texel - 0.5
            big = cv2.remap(
                plane.picture,
                place.astype(np.float32),
                None,
                cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_CONSTANT,
                borderValue=plane.outside,
            )
            image = cv2.resize(big, (width, height), interpolation=cv2.INTER_AREA)
            if plane.blur_px > 0:
                image = cv2.GaussianBlur(image, (0, 0), plane.blur_px)
        y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
        lamp = 1.0 - 0.5 * self.sensors[role].falloff * ((x - 0.1) ** 2 + (y + 0.06) ** 2)
        return np.asarray(image * lamp * light, np.float32)

    def _pixels_of(self, role: RoleName) -> tuple[NDArray[np.float32], ...]:
        """Return what differs between pixels: sensitivity, offset [counts], dark current [e/ms]."""
        width, height = self._sizes[role]
        truth = self.sensors[role]
        seed = self.rig.phantom.seed if self.rig.phantom else 0
        rng = np.random.default_rng([seed, 78, 0 if role == "nir" else 1])
        shape = (height, width)
        sensitivity = 1.0 + truth.prnu * rng.standard_normal(shape, np.float32)
        offset = truth.offset_spread_counts * rng.standard_normal(shape, np.float32)
        current = np.full(shape, truth.dark_electrons_per_ms, np.float32)
        hot = rng.random(shape) < truth.hot_share
        current[hot] = rng.uniform(20.0, 200.0, int(hot.sum()))
        dead = rng.random(shape) < truth.hot_share
        sensitivity[dead] *= 0.2
        return sensitivity, offset, current

    def _felt(
        self, role: RoleName, layout: PixelFormat, sensitivity: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Return electrons a ms of light, as each pixel with its filter feels it."""
        seen = self.noiseless(role)
        with self._lock:
            kept = self._kept.get(role)
            if kept is not None and kept[0] is seen and kept[1] is layout:
                return kept[2]
        light = seen * sensitivity
        if layout.is_bayer:
            for row, colours in enumerate((layout.bayer_pattern, _below(layout.bayer_pattern))):
                for column, colour in enumerate(colours):
                    light[row::2, column::2] *= np.float32(WHITE_TINT[colour])
        with self._lock:
            self._kept[role] = (seen, layout, light)
        return light

    def exposed(
        self, role: RoleName, sequence: int, settings: CameraSettings
    ) -> NDArray[np.uint8] | NDArray[np.uint16]:
        """Return one frame's pixels."""
        truth = self.sensors[role]
        spec: CameraSpec | None = getattr(self.rig, role)
        layout, roi = settings.pixel_format, settings.roi
        assert spec is not None
        assert layout is not None
        assert roi is not None
        milliseconds = (settings.exposure_us or 0.0) * 1e-3
        sensitivity, offset, current = self._pixels[role]
        light = self._felt(role, layout, sensitivity)
        seed = self.rig.phantom.seed if self.rig.phantom else 0
        rng = np.random.default_rng([seed, 79, 0 if role == "nir" else 1, sequence])
        x, y, w, h = roi
        window = np.s_[y : y + h, x : x + w]
        mean = np.maximum(light + current, 0.0)[window] * np.float32(milliseconds)
        electrons: NDArray[np.float32]
        if float(mean.min()) > MANY_ELECTRONS:
            electrons = mean + np.sqrt(mean) * rng.standard_normal((h, w), np.float32)
        else:
            electrons = rng.poisson(mean).astype(np.float32)
        electrons = np.minimum(electrons, FULL_WELL_ELECTRONS * 1.2)
        signal = electrons + np.float32(truth.read_electrons) * rng.standard_normal(
            (h, w), np.float32
        )
        depth = layout.bit_depth
        gain = truth.electron_counts * 10.0 ** ((settings.gain_db or 0.0) / 20.0)
        dark = (settings.black_level or 0.0) * 2.0 ** (12 - depth)
        counts = signal * np.float32(gain) + (offset[window] + np.float32(dark))
        counts *= np.float32(2.0 ** (depth - 12))
        clipped = np.clip(np.rint(counts), 0, 2**depth - 1)
        return clipped.astype(np.uint8) if depth == 8 else clipped.astype(np.uint16)


def _below(pattern: str) -> str:
    return {"RG": "GB", "GB": "RG", "GR": "BG", "BG": "GR"}[pattern]
