"""`Asked` and `InForce`: what a recorded case is computed again with, moment by moment."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import numpy as np

from hardware.working_plane import WorkingPlane
from sln_guide.guidance import Polygon, Settings
from sln_guide.recording.contents import Contents
from sln_guide.recording.records import GUIDANCE, FrameRef

CHOOSABLE = frozenset({"threshold_sigma", "exclusion_px", "regions_px"})
"""Fields of `Settings` that guidance rests on, and that somebody who replays may choose anew."""


@dataclass(frozen=True, slots=True)
class Asked:
    """As recorded, whatever the operator changed meanwhile, but for what was ``chosen`` since.

    ``settings`` says how to draw, and what was chosen. ``chosen`` is a part of `CHOOSABLE`.
    """

    settings: Settings
    chosen: frozenset[str] = frozenset()

    def changed(self, **changes: Any) -> Asked:
        """Return it with these fields of `Settings` chosen. Raises ValueError."""
        chosen = self.chosen | (changes.keys() & CHOOSABLE)
        return Asked(replace(self.settings, **changes), chosen)

    def of(self, fields: Iterable[str]) -> tuple[tuple[str, Any], ...]:
        """Return names and values of those fields that were chosen."""
        return tuple((n, getattr(self.settings, n)) for n in sorted(fields) if n in self.chosen)


class _InForce(msgspec.Struct, frozen=True):
    """The part of `Settings` that guidance rests on.

    Where NIR lay in white, and the baseline, are as they were, whatever is asked now.
    """

    registration_withdrawn: bool = False
    plane: WorkingPlane | None = None
    nudge_px: tuple[float, float] = (0.0, 0.0)
    baseline_ns: int | None = None
    threshold_sigma: float = Settings().threshold_sigma
    exclusion_px: Polygon = ()
    regions_px: tuple[Polygon, ...] = ()


class _Logged(msgspec.Struct, frozen=True):
    nir: FrameRef
    settings: _InForce


class InForce:
    """What the operator had chosen, over the time of a case.

    Parameters
    ----------
    contents
        Read once, here.
    begun
        The settings that recording began with, for before the first computation.
    """

    def __init__(self, contents: Contents, begun: Settings) -> None:
        times_ns: list[int] = []
        found: list[_InForce] = []
        for _, record in contents.each(GUIDANCE, _Logged):
            if not found or found[-1] != record.settings:
                times_ns.append(record.nir.mid_exposure_ns)
                found.append(record.settings)
        self._times_ns = np.array(times_ns, np.int64)
        self._found = found
        # what the edges' check withdrew before, it withdrew of another time
        self._begun = replace(begun, registration_withdrawn=False)

    def at(self, time_ns: int, asked: Asked) -> Settings:
        """Return the settings for ``time_ns`` (monotonic)."""
        last = int(np.searchsorted(self._times_ns, time_ns, "right")) - 1
        then = self._begun if last < 0 else self._found[last]
        changes = {
            name: getattr(then, name)
            for name in _InForce.__struct_fields__
            if name not in asked.chosen and getattr(then, name) != getattr(asked.settings, name)
        }
        return replace(asked.settings, **changes) if changes else asked.settings

    def changes(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield when (ns, monotonic) which fields became what, in order."""
        before: Settings | _InForce = self._begun
        for time_ns, then in zip(self._times_ns.tolist(), self._found, strict=True):
            names = _InForce.__struct_fields__
            yield (
                time_ns,
                {n: getattr(then, n) for n in names if getattr(then, n) != getattr(before, n)},
            )
            before = then

    def planes(self) -> tuple[WorkingPlane | None, ...]:
        """Return the planes worked in, each once, in order; None: the rig's own."""
        return tuple(dict.fromkeys(each.plane for each in self._found)) or (self._begun.plane,)
