"""`WorkingPlane`: the distance that a rig works at, with all that follows from it."""

from __future__ import annotations

import math

import msgspec

from hardware.rig import Optics, Positive, Registration, Rig


class WorkingPlane(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One plane of a rig that is registered by distance: homography and scale of that plane.

    ``mm_per_px`` is of the NIR image. Made by `RigRegistration.working_plane`.

    Raises
    ------
    ValueError
        A distance or scale that is no positive number.
    """

    distance_mm: Positive
    mm_per_px: Positive
    registration: Registration

    def __post_init__(self) -> None:
        for name in ("distance_mm", "mm_per_px"):
            if not 0.0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be positive, not {getattr(self, name)}")

    def optics(self, optics: Optics) -> Optics:
        """Return ``optics`` at this distance."""
        return msgspec.structs.replace(
            optics, mm_per_px=self.mm_per_px, working_distance_mm=self.distance_mm
        )

    def rig(self, rig: Rig) -> Rig:
        """Return ``rig`` at this distance."""
        return msgspec.structs.replace(
            rig, optics=self.optics(rig.optics), registration=self.registration
        )
