"""A rig with its calibrations: what may be used, and why the rest may not.

Nothing is half-used: a file that is missing, damaged, expired or another camera's is left out, by
name, with what to do. The video never waits for a calibration; only units do.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from hardware.rig import Calibration, CameraSpec, Expiry, Rig
from hardware.working_plane import WorkingPlane
from sln_guide.calibration.balance import WhiteBalance
from sln_guide.calibration.binding import GAIN_TOLERANCE_DB, Binding, expired, utc_now
from sln_guide.calibration.dark import DarkMap
from sln_guide.calibration.errors import CalibrationFileError, CaptureError
from sln_guide.calibration.flat import FlatMap
from sln_guide.calibration.history import VALID_DAYS, CheckRecord, last_check
from sln_guide.calibration.photon_transfer import PhotonTransfer
from sln_guide.calibration.registration import RigRegistration


@dataclass(frozen=True, slots=True, eq=False)
class Applied:
    """What a rig's calibrations came to.

    Attributes
    ----------
    rig
        The rig with measured sensor figures, registration and scale in place of declared ones; it
        names no file that was refused, so applying again changes nothing more. ``rig.unchecked``
        says why its figures may carry no calibrated units.
    dark
        (H, W) float32 counts at the rig's exposure, NaN where a pixel is bad; None: not usable.
    flat
        (H, W) float32 relative sensitivity, NaN where a pixel is bad; None: not usable.
    problems
        What was left out, a line each: file, reason, what to do.
    made
        When each calibration in use was made, by its key in the rig.
    by_distance
        The registration in use, for other distances; None: there is none.
    """

    rig: Rig
    dark: NDArray[np.float32] | None = None
    flat: NDArray[np.float32] | None = None
    problems: tuple[str, ...] = ()
    made: dict[str, datetime] = field(default_factory=dict)
    by_distance: RigRegistration | None = None

    def plane_at(self, distance_mm: float) -> WorkingPlane:
        """Return homography and scale of another working distance.

        Raises
        ------
        CalibrationFileError
            The rig is registered for one distance only, or not so far: with the range.
        """
        path = self.rig.calibration.registration
        if self.by_distance is None or path is None:
            raise CalibrationFileError(
                f"rig {self.rig.name} has no registration by distance: run `sln-guide calibrate "
                "register`, or leave the distance as it is"
            )
        return _plane(self.by_distance, distance_mm, path)


def apply_calibrations(rig: Rig, *, now: datetime | None = None) -> Applied:
    """Load what the rig's ``[calibration]`` names, and refuse by name what does not fit.

    Parameters
    ----------
    now
        The time of day, for expiry; None: the clock's.
    """
    moment = now or utc_now()
    named = rig.calibration
    problems: list[str] = []
    made: dict[str, datetime] = {}
    ends: list[Expiry] = []
    dark: NDArray[np.float32] | None = None
    flat: NDArray[np.float32] | None = None
    by_distance: RigRegistration | None = None
    spec = rig.nir
    rig = msgspec.structs.replace(rig, distances_mm=None, expires=None)

    def take(key: str, path: str, made_at: datetime, valid_days: float, why: str | None) -> None:
        _refuse(path, why)
        ends.append(_in_time(path, key, made_at, valid_days, moment))
        made[key] = made_at

    if spec is not None and named.dark is not None:
        try:
            dark_map = DarkMap.load(Path(named.dark))
            of = dark_map.fields
            why = _mismatch(of.binding, "nir", spec, exposure=True)
            take("dark", named.dark, of.made_at, of.valid_days, why)
            dark = dark_map.at(spec.exposure_us)
            dark[dark_map.bad] = np.nan
            rig = msgspec.structs.replace(
                rig,
                sensor=msgspec.structs.replace(
                    rig.sensor, dark_counts=max(0.0, float(np.nanmedian(dark)))
                ),
            )
        except CalibrationFileError as error:
            dark = None
            problems.append(str(error))
            rig = _without(rig, "dark")
    if spec is not None and named.flat is not None:
        try:
            flat_map = FlatMap.load(Path(named.flat))
            why = _mismatch(flat_map.fields.binding, "nir", spec, exposure=False, gain=False)
            take("flat", named.flat, flat_map.fields.made_at, flat_map.fields.valid_days, why)
            flat = flat_map.sensitivity.copy()
            flat[flat_map.bad] = np.nan
        except CalibrationFileError as error:
            problems.append(str(error))
            rig = _without(rig, "flat")
    if spec is not None and named.photon_transfer is not None:
        try:
            curve = PhotonTransfer.load(Path(named.photon_transfer))
            why = _mismatch(curve.binding, "nir", spec, exposure=False, gain=False)
            take("photon_transfer", named.photon_transfer, curve.made_at, curve.valid_days, why)
            # measured at the binding's gain; a rig's sensor figures are of 0 dB
            gain = 10.0 ** (curve.binding.gain_db / 20.0)
            rig = msgspec.structs.replace(
                rig,
                sensor=msgspec.structs.replace(
                    rig.sensor,
                    electron_counts=curve.electron_counts / gain,
                    read_noise_counts=curve.dark_noise_counts / gain,
                ),
            )
        except CalibrationFileError as error:
            problems.append(str(error))
            rig = _without(rig, "photon_transfer")
    if named.registration is not None:
        try:
            found = RigRegistration.load(Path(named.registration))
            why = _not_registered_as(found, rig)
            take(
                "registration",
                named.registration,
                found.fields.made_at,
                found.fields.valid_days,
                why,
            )
            rig = _registered(rig, found, named.registration)
            by_distance = found
        except CalibrationFileError as error:
            problems.append(str(error))
            rig = _without(rig, "registration")
    unchecked = rig.unchecked
    if unchecked is None:
        checked = _checked(rig, named, problems, made, moment)
        unchecked = checked if isinstance(checked, str) else None
        if isinstance(checked, CheckRecord):
            ends.append(_ends("quality check", checked.made_at, VALID_DAYS))
    # the colours of white light carry no unit: a balance that is refused spoils none
    if rig.white is not None and named.white_balance is not None:
        try:
            rig = _balanced(rig, rig.white, named.white_balance, moment)
        except CalibrationFileError as error:
            problems.append(str(error))
            rig = _without(rig, "white_balance")
    vouching = unchecked is None and ends
    rig = msgspec.structs.replace(
        rig,
        unchecked=unchecked,
        expires=min(ends, key=lambda end: end.at) if vouching else None,
    )
    return Applied(rig, dark, flat, tuple(problems), made, by_distance)


def _checked(
    rig: Rig, named: Calibration, problems: list[str], made: dict[str, datetime], now: datetime
) -> CheckRecord | str | None:
    """Return the check that vouches for calibrated units, or say why none does.

    None: none is needed. A simulation that names no calibration is what its figures say it is,
    and says SIMULATED.
    """
    if problems:
        return problems[0]
    if rig.simulated and named == Calibration():
        return None
    checked = last_check(rig, now)
    if isinstance(checked, str):
        return checked
    why = _not_of(checked, rig)
    other = [name for name in made if made[name] != checked.made_of.get(name)]
    if why is None and other:
        why = f"the rig has another {other[0].replace('_', ' ')} calibration now"
    if why is None:
        return checked
    return f"{named.check}: the last quality check does not hold: {why}; run `sln-guide check`"


def _not_of(checked: CheckRecord, rig: Rig) -> str | None:
    """Say in what the rig is another one than was checked; None: it is the same."""
    if not checked.bindings or checked.optics is None:
        return "nothing says with what settings it was made"
    by_role: dict[str, Binding] = {binding.role: binding for binding in checked.bindings}
    for role, spec in (("nir", rig.nir), ("white", rig.white)):
        binding = by_role.get(role)
        if (spec is None) != (binding is None):
            return f"the rig's {role} camera came or went since"
        if spec is not None and binding is not None:
            why = _mismatch(binding, "white" if role == "white" else "nir", spec, exposure=True)
            if why is not None:
                return why
    was, now = checked.optics, rig.optics
    if (was.layout, was.baseline_mm) != (now.layout, now.baseline_mm):
        return "the rig's optics have changed since"
    if rig.calibration.registration is not None:
        return None  # scale and homography are that file's, at any distance that it holds for
    if (was.mm_per_px, was.working_distance_mm) != (now.mm_per_px, now.working_distance_mm):
        return "the rig's scale or working distance has changed since"
    if checked.registration != rig.registration:
        return "the rig's registration has changed since"
    return None


def at_distance(rig: Rig, distance_mm: float) -> Rig:
    """Return the rig, to be used at another distance than it declares. Apply calibrations after it.

    Raises
    ------
    CalibrationFileError
        Nothing says where NIR lies in white at that distance: no registration by distance, or one
        that does not reach so far.
    """
    path = rig.calibration.registration
    found = None if path is None else RigRegistration.load(Path(path))
    plane = Applied(rig, by_distance=found).plane_at(distance_mm)
    optics = msgspec.structs.replace(rig.optics, working_distance_mm=plane.distance_mm)
    return msgspec.structs.replace(rig, optics=optics)


def _plane(found: RigRegistration, distance_mm: float, path: str) -> WorkingPlane:
    try:
        return found.working_plane(distance_mm)
    except (CalibrationFileError, CaptureError) as error:
        raise CalibrationFileError(f"{path}: {error}") from None


def _without(rig: Rig, name: str) -> Rig:
    changed = msgspec.structs.replace(rig.calibration, **{name: None})
    return msgspec.structs.replace(rig, calibration=changed)


def _balanced(rig: Rig, white: CameraSpec, named: str, now: datetime) -> Rig:
    found = WhiteBalance.load(Path(named))
    why = _mismatch(found.binding, "white", white, exposure=False, gain=False, layout=False)
    _refuse(named, why)
    _in_time(named, "white_balance", found.made_at, found.valid_days, now)
    black_counts = white.black_counts if found.black_counts is None else found.black_counts
    white = msgspec.structs.replace(white, white_balance=found.factors, black_counts=black_counts)
    return msgspec.structs.replace(rig, white=white)


def _not_registered_as(found: RigRegistration, rig: Rig) -> str | None:
    """Say in what a rig is another one than was registered; None: it is the same."""
    fields = found.fields
    sides: tuple[tuple[Literal["nir", "white"], Binding, CameraSpec | None], ...] = (
        ("nir", fields.nir, rig.nir),
        ("white", fields.white, rig.white),
    )
    for role, binding, spec in sides:
        if spec is None:
            return f"made with a {role} camera, the rig has none"
        why = _mismatch(binding, role, spec, exposure=False, gain=False, layout=False)
        if why is not None:
            return why
    made, now = fields.optics, rig.optics
    if (made.layout, made.baseline_mm) != (now.layout, now.baseline_mm):
        return (
            f"made for other optics (layout {made.layout}, baseline {made.baseline_mm:g} mm; the "
            f"rig has {now.layout}, {now.baseline_mm:g} mm)"
        )
    return None


def _registered(rig: Rig, found: RigRegistration, path: str) -> Rig:
    """Return the rig as registered, at its working distance."""
    plane = _plane(found, rig.optics.working_distance_mm, path)
    return msgspec.structs.replace(plane.rig(rig), distances_mm=found.fields.range_mm)


def _refuse(path: str, why: str | None) -> None:
    """Raise if a calibration is not of the camera that the rig describes."""
    if why is not None:
        raise CalibrationFileError(f"{path}: {why}; calibrate this rig, or name its own file")


def _mismatch(
    binding: Binding,
    role: Literal["nir", "white"],
    spec: CameraSpec,
    *,
    exposure: bool,
    gain: bool = True,
    layout: bool = True,
) -> str | None:
    """Say in what a camera is another one, or set in another way, than what was measured."""
    why: str | None = None
    camera = binding.camera_id
    if binding.role != role:
        why = f"made for the {binding.role} camera"
    elif spec.source == "basler" and camera != spec.serial:
        why = f"made with camera {camera}, the rig has {spec.serial}"
    elif spec.source == "phantom" and not camera.startswith(("phantom-", "bench-")):
        why = f"made with camera {camera}, the rig has a simulated one"
    elif layout and binding.pixel_format is not spec.pixel_format:
        why = f"made in {binding.pixel_format}, the rig takes {spec.pixel_format}"
    elif spec.roi is not None and binding.roi != spec.roi:
        why = f"made with roi {binding.roi}, the rig has {spec.roi}"
    elif gain and abs(binding.gain_db - spec.gain_db) > GAIN_TOLERANCE_DB:
        why = f"made at {binding.gain_db:g} dB gain, the rig has {spec.gain_db:g} dB"
    elif layout and binding.conversion_gain != spec.conversion_gain:
        why = (
            f"made at conversion gain {_mode(binding.conversion_gain)}, the rig has "
            f"{_mode(spec.conversion_gain)}"
        )
    elif gain and spec.black_level is not None:
        if abs(binding.black_level - spec.black_level) > 0.5:
            why = f"made with black level {binding.black_level:g}, not {spec.black_level:g}"
    low, high = binding.exposure_us
    if why is None and exposure and not low * 0.999 <= spec.exposure_us <= high * 1.001:
        why = f"made for exposures of {low:g} to {high:g} us, the rig has {spec.exposure_us:g} us"
    return why


def _mode(conversion_gain: str | None) -> str:
    return "none" if conversion_gain is None else conversion_gain


def _in_time(path: str, key: str, made_at: datetime, valid_days: float, now: datetime) -> Expiry:
    """Return when a calibration ends. Raises CalibrationFileError if it has."""
    why = expired(made_at, valid_days, now)
    if why is not None:
        raise CalibrationFileError(f"{path}: {why}; calibrate again")
    return _ends(f"{key.replace('_', ' ')} calibration", made_at, valid_days)


def _ends(what: str, made_at: datetime, valid_days: float) -> Expiry:
    return Expiry(what=what, at=made_at + timedelta(days=valid_days))
