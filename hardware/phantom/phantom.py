"""`Phantom`: one simulated field, seen by an NIR and a white-light camera at the same time."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from hardware.camera import BadSettingError, CameraInUseError, CameraNotFoundError, CameraSettings
from hardware.frame import Frame, PixelFormat, frozen_pixels, half_exposure_ns
from hardware.phantom.render import ADC_TOP, Exposure, Renderer, RoleName, RoleOptics
from hardware.phantom.scene import Scene
from hardware.phantom.scenes import scene_named
from hardware.phantom.truth import Truth
from hardware.rig import CameraSpec, Optics, PhantomSpec, Registration, Rig, Sensor
from hardware.simulated import settled

DEFAULT_RATE_HZ = 30.0
DEFAULT_MM_PER_PX = 0.1
DEFAULT_REGISTRATION = Registration(kind="calibrated", residual_mm=0.0)
DEFAULT_SENSOR = Sensor(dark_counts=64.0, electron_counts=0.4, read_noise_counts=3.0)

WHITE_ELECTRON_COUNTS = 0.5
WHITE_READ_NOISE_COUNTS = 4.0
WHITE_DARK_COUNTS = 24.0
"""The white sensor, 12-bit counts; its full well is some 8,000 electrons."""

NIR_FORMATS = (PixelFormat.MONO8, PixelFormat.MONO10, PixelFormat.MONO12, PixelFormat.MONO12P)


class Phantom:
    """A simulated operating field, cameras that look at it, and the truth about it.

    Everything is a pure function of the scene (its seed included), the role and the frame's
    index: the same bytes in any order, from any thread, in any process. Methods may be called
    from any thread; each camera, as any, by one at a time.

    Parameters
    ----------
    spec
        Which scene (`hardware.phantom.SCENE_NAMES`), seed and size.
    rig
        Formats, exposures, rates, sensor, scale and registration. Its ``white_from_nir`` is
        obeyed: what the truth places at NIR px ``p`` shows at white px ``H p``.

    Raises
    ------
    ValueError
        No such scene, or a scene the phantom cannot draw.
    """

    def __init__(self, spec: PhantomSpec, rig: Rig) -> None:
        mm_per_px = rig.optics.mm_per_px or DEFAULT_MM_PER_PX
        scene = scene_named(spec.scene, spec.seed, spec.width, spec.height, mm_per_px)
        self._build(scene, rig)

    @classmethod
    def from_scene(
        cls,
        scene: Scene,
        *,
        frame_rate_hz: float = DEFAULT_RATE_HZ,
        nir_exposure_us: float = 10_000.0,
        white_exposure_us: float = 8_000.0,
        nir_format: PixelFormat = PixelFormat.MONO12,
        white_format: PixelFormat = PixelFormat.BAYER_RG8,
        sensor: Sensor = DEFAULT_SENSOR,
        registration: Registration = DEFAULT_REGISTRATION,
        white_size: tuple[int, int] | None = None,
    ) -> Self:
        """Return a phantom of any scene, by default with the sensor of the demo rig."""
        roi = None if white_size is None else (0, 0, *white_size)
        rig = Rig(
            name="phantom",
            nir=CameraSpec(
                source="phantom",
                pixel_format=nir_format,
                exposure_us=nir_exposure_us,
                frame_rate_hz=frame_rate_hz,
            ),
            white=CameraSpec(
                source="phantom",
                pixel_format=white_format,
                exposure_us=white_exposure_us,
                frame_rate_hz=frame_rate_hz,
                roi=roi,
            ),
            optics=Optics(mm_per_px=scene.mm_per_px),
            sensor=sensor,
            registration=registration,
            phantom=PhantomSpec(seed=scene.seed, width=scene.width_px, height=scene.height_px),
        )
        phantom = cls.__new__(cls)
        phantom._build(scene, rig)
        return phantom

    def _build(self, scene: Scene, rig: Rig) -> None:
        self._scene = scene
        self._rig = rig
        self._guard = threading.Lock()
        self._held: set[str] = set()
        self._origin_ns: int | None = None
        self._start_ns = 0 if rig.phantom is None else round(rig.phantom.start_s * 1e9)
        optics: dict[RoleName, RoleOptics] = {}
        self._defaults: dict[RoleName, CameraSettings] = {}
        for role in ("nir", "white"):
            spec: CameraSpec | None = getattr(rig, role)
            if spec is None:
                continue
            size = self._sensor_size(role, spec)
            optics[role] = self._optics_of(role, spec, size)
            settings = CameraSettings(
                pixel_format=spec.pixel_format,
                exposure_us=spec.exposure_us,
                gain_db=spec.gain_db,
                frame_rate_hz=spec.frame_rate_hz or DEFAULT_RATE_HZ,
                roi=spec.roi or (0, 0, *size),
                black_level=spec.black_level,
                trigger=spec.trigger,
                trigger_line=spec.trigger_line or "none",
            )
            if settings.black_level is None:
                settings = replace(settings, black_level=self._black_level(role, settings))
            try:
                self._defaults[role] = self.checked(role, settings, settings)
            except BadSettingError as error:
                raise ValueError(str(error)) from None
        self._renderer = Renderer(scene, optics)
        self._warm_up()

    def _warm_up(self) -> None:
        """Compile before the first frame is due: a corner of each role, in its own format."""
        for role, settings in self._defaults.items():
            corner = replace(_exposure_of(settings), roi=(0, 0, 2, 1))
            self._renderer.pixels(role, 0.0, 0, corner)

    def _sensor_size(self, role: str, spec: CameraSpec) -> tuple[int, int]:
        """Return (width, height): the NIR sensor is the scene, the white one at least its ROI."""
        width, height = self._scene.width_px, self._scene.height_px
        if role == "white" and spec.roi is not None:
            x, y, w, h = spec.roi
            if x + w > width or y + h > height:
                return x + w, y + h
        return width, height

    def _optics_of(self, role: RoleName, spec: CameraSpec, size: tuple[int, int]) -> RoleOptics:
        if role == "nir":
            sensor = self._rig.sensor
            unit = 2.0 ** (12 - spec.pixel_format.bit_depth)
            k = sensor.electron_counts or DEFAULT_SENSOR.electron_counts or 0.0
            read = sensor.read_noise_counts
            if read is None:
                read = DEFAULT_SENSOR.read_noise_counts or 0.0
            return RoleOptics(
                *size,
                self._scene.background_counts_per_ms * unit,
                k * unit,
                read * unit,
                np.eye(3),
            )
        # The white lamp was set for the rig's exposure: a white reflector just saturates.
        exposed = spec.exposure_us * 1e-3 * 10.0 ** (spec.gain_db / 20.0)
        nir_roi = None if self._rig.nir is None else self._rig.nir.roi
        to_nir_image, from_white_image = np.eye(3), np.eye(3)
        if nir_roi is not None:
            to_nir_image[:2, 2] = (-nir_roi[0], -nir_roi[1])
        if spec.roi is not None:
            from_white_image[:2, 2] = spec.roi[:2]
        return RoleOptics(
            *size,
            ADC_TOP / exposed,
            WHITE_ELECTRON_COUNTS,
            WHITE_READ_NOISE_COUNTS,
            from_white_image @ self._rig.registration.matrix() @ to_nir_image,
        )

    def _black_level(self, role: str, settings: CameraSettings) -> float:
        """Return the default offset in counts of the format that is set."""
        depth = (settings.pixel_format or PixelFormat.MONO12).bit_depth
        if role == "nir" and self._rig.nir is not None:
            own = self._rig.nir.pixel_format.bit_depth
            return float(self._rig.sensor.dark_counts * 2.0 ** (depth - own))
        return float(WHITE_DARK_COUNTS * 2.0 ** (depth - 12))

    # -- what can be asked ------------------------------------------------------------------

    @property
    def scene(self) -> Scene:
        """The scene that is shown."""
        return self._scene

    @property
    def rig(self) -> Rig:
        """The rig it is shown to."""
        return self._rig

    def settings(self, role: str) -> CameraSettings:
        """Return the rig's settings of a role, every field set. Raises CameraNotFoundError."""
        return self._defaults[self.role(role)]

    def role(self, role: str) -> RoleName:
        """Return ``role`` if this phantom's rig has it. Raises CameraNotFoundError."""
        found: RoleName
        for found in ("nir", "white"):
            if role == found and found in self._defaults:
                return found
        has = ", ".join(self._defaults) or "none"
        raise CameraNotFoundError(
            f"phantom of rig {self._rig.name!r} has no {role!r} camera (it has: {has}): "
            f"add a [{role}] table to the rig"
        )

    def frame(self, role: str, index: int) -> Frame:
        """Return frame ``index`` as the rig's settings take it; times count from 0.

        ``sequence`` is ``index`` and the clock begins with frame 0's exposure.
        """
        found = self.role(role)
        return self.exposed(found, index, self._defaults[found], origin_ns=0)

    def exposed(
        self, role: RoleName, index: int, settings: CameraSettings, *, origin_ns: int
    ) -> Frame:
        """Return frame ``index`` under ``settings``, every field set; times from ``origin_ns``."""
        exposure = _exposure_of(settings)
        middle_ns = mid_exposure_ns(index, settings)
        pixels = self._renderer.pixels(role, middle_ns * 1e-9, index, exposure)
        end_ns = origin_ns + middle_ns + half_exposure_ns(exposure.exposure_us)
        return Frame(
            pixels=frozen_pixels(pixels),
            pixel_format=exposure.pixel_format,
            bit_depth=exposure.pixel_format.bit_depth,
            sequence=index,
            stream_epoch=0,
            device_time_ns=middle_ns,
            host_time_ns=end_ns,
            mid_exposure_ns=origin_ns + middle_ns,
            exposure_us=exposure.exposure_us,
            gain_db=exposure.gain_db,
            camera_id=f"phantom-{role}",
            light_on=self._scene.light,
        )

    def truth(self, index: int) -> Truth:
        """Return what is there in NIR frame ``index`` as the rig's settings take it."""
        settings = self._defaults[self.role("nir")]
        middle_s = mid_exposure_ns(index, settings) * 1e-9
        return self._renderer.truth(index, middle_s, _exposure_of(settings))

    def noiseless(self, index: int) -> NDArray[np.float32]:
        """Return NIR frame ``index`` above dark without any noise, defect, rounding or clipping.

        (H, W) float32 in 12-bit counts.
        """
        settings = self._defaults[self.role("nir")]
        middle_s = mid_exposure_ns(index, settings) * 1e-9
        return self._renderer.noiseless(middle_s, _exposure_of(settings))

    # -- what its cameras need --------------------------------------------------------------

    def checked(self, role: RoleName, old: CameraSettings, wish: CameraSettings) -> CameraSettings:
        """Return ``old`` with what ``wish`` sets, as this camera really does it.

        Raises
        ------
        BadSettingError
            Naming the setting, what it was and what is possible.
        """
        spec: CameraSpec | None = getattr(self._rig, role)
        if spec is None:
            raise CameraNotFoundError(f"phantom has no {role!r} camera")
        formats = NIR_FORMATS if role == "nir" else tuple(f for f in PixelFormat if f.is_bayer)
        size = self._sensor_size(role, spec)
        return settled(f"phantom-{role}", old, wish, formats=formats, size=size)

    def hold(self, role: RoleName) -> None:
        """Take the role's device for one camera object. Raises CameraInUseError."""
        with self._guard:
            if role in self._held:
                raise CameraInUseError(
                    f"phantom-{role} is open already: close the other camera object first"
                )
            self._held.add(role)

    def let_go(self, role: RoleName) -> None:
        """Give the role's device back."""
        with self._guard:
            self._held.discard(role)

    def origin_ns(self) -> int:
        """Return when the scene's time began, for all cameras alike.

        At the first call, or ``start_s`` of the rig's phantom before it.
        """
        with self._guard:
            if self._origin_ns is None:
                self._origin_ns = time.monotonic_ns() - self._start_ns
            return self._origin_ns


def mid_exposure_ns(index: int, settings: CameraSettings) -> int:
    """Return the middle of frame ``index``'s exposure since frame 0's began [ns]."""
    rate = settings.frame_rate_hz or DEFAULT_RATE_HZ
    return round(index * 1e9 / rate + 0.5e3 * (settings.exposure_us or 0.0))


def _exposure_of(settings: CameraSettings) -> Exposure:
    if (
        settings.pixel_format is None
        or settings.exposure_us is None
        or settings.gain_db is None
        or settings.black_level is None
        or settings.roi is None
    ):
        raise ValueError("every field of the settings must be set")
    depth = settings.pixel_format.bit_depth
    return Exposure(
        settings.pixel_format,
        settings.exposure_us,
        settings.gain_db,
        settings.black_level * 2.0 ** (12 - depth),
        settings.roi,
    )
