"""Tracers, and whether a rig's filters suit one: light in, light out, and none straight across."""

from __future__ import annotations

import math
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import msgspec

from hardware.rig import Light
from sln_guide.calibration.binding import NonNegative, Positive
from sln_guide.calibration.errors import CalibrationError

LEAST_COLLECTED = 0.25
LEAST_EXCITED = 0.3
LEAST_GAP_NM = 8.0
QUANTUM_DOT_GAP_NM = 30.0
FWHM_PER_SIGMA = 2.0 * math.sqrt(2.0 * math.log(2.0))
"""Full width at half maximum of a Gaussian, by its sigma."""
_TABLE = "probes.toml"


class Probe(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One tracer. ``sources`` of its figures; ``checked`` says whether they were compared."""

    name: str
    kind: str
    excitation_nm: Positive
    excitation_width_nm: NonNegative
    emission_nm: Positive
    emission_width_nm: Positive
    broad: bool
    human_use: str
    notes: str
    sources: tuple[str, ...]
    checked: bool


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    probe: tuple[Probe, ...]


@dataclass(frozen=True, slots=True)
class FilterCheck:
    """What a pair of filters makes of a probe; shares 0 to 1, of peaks taken as Gaussian."""

    probe: Probe
    collected: float
    excited: float
    problems: tuple[str, ...]

    @property
    def good(self) -> bool:
        """Whether nothing stands against it."""
        return not self.problems


def probes() -> tuple[Probe, ...]:
    """Return the table that comes with the application. Raises CalibrationError: it is missing."""
    package = resources.files("sln_guide")
    for path in (package / "_assets" / _TABLE, Path(str(package)).parent / "assets" / _TABLE):
        if path.is_file():
            return msgspec.toml.decode(path.read_bytes(), type=_Table).probe
    raise CalibrationError("the table of probes is missing: install sln-guide again")


def probe_named(name: str) -> Probe:
    """Return a probe by name, in any spelling of case. Raises CalibrationError naming them all."""
    for probe in probes():
        if probe.name.casefold() == name.casefold():
            return probe
    known = ", ".join(p.name for p in probes())
    raise CalibrationError(f"no probe named {name!r}: there are {known}")


def check_filters(
    probe: Probe, excitation_nm: tuple[float, float], emission_nm: tuple[float, float]
) -> FilterCheck:
    """Hold a rig's bands (from, to) against a probe.

    Raises
    ------
    ValueError
        A band that ends before it begins.
    """
    for band in (excitation_nm, emission_nm):
        if not 0 < band[0] < band[1]:
            raise ValueError(f"a band goes from a shorter to a longer wavelength, not {band}")
    collected = _share(probe.emission_nm, probe.emission_width_nm, emission_nm)
    middle_nm = 0.5 * sum(excitation_nm)
    if probe.broad:
        excited = 1.0 if middle_nm < probe.emission_nm - QUANTUM_DOT_GAP_NM else 0.0
    else:
        sigma_nm = probe.excitation_width_nm / FWHM_PER_SIGMA
        excited = math.exp(-0.5 * ((middle_nm - probe.excitation_nm) / sigma_nm) ** 2)
    gap_nm = emission_nm[0] - excitation_nm[1]
    problems = []
    if gap_nm < LEAST_GAP_NM:
        problems.append(
            f"excitation up to {excitation_nm[1]:g} nm and emission from {emission_nm[0]:g} nm "
            f"leave {gap_nm:g} nm: excitation light would leak into the picture"
        )
    if collected < LEAST_COLLECTED:
        problems.append(
            f"the emission filter {emission_nm[0]:g}-{emission_nm[1]:g} nm passes "
            f"{collected:.0%} of {probe.name}'s light, which peaks at {probe.emission_nm:g} nm"
        )
    if excited < LEAST_EXCITED:
        problems.append(
            f"excitation at {middle_nm:g} nm is {excited:.0%} as good as at {probe.name}'s peak "
            f"({probe.excitation_nm:g} nm)"
            if not probe.broad
            else f"{probe.name} absorbs only well below its emission at {probe.emission_nm:g} nm, "
            f"not at {middle_nm:g} nm"
        )
    return FilterCheck(probe, collected, excited, tuple(problems))


def lines_of(light: Light) -> list[str]:
    """Hold a rig's filters against its probe, where it names them, and say who may get it."""
    if light.probe is None:
        return []
    try:
        probe = probe_named(light.probe)
    except CalibrationError as error:
        return [f"BAD {error}"]
    use = f"?   {probe.name} in humans: {probe.human_use}"
    if light.excitation_nm is None or light.emission_nm is None:
        return [use]
    found = check_filters(probe, light.excitation_nm, light.emission_nm)
    if found.good:
        return [f"ok  filters pass {found.collected:.0%} of {probe.name}'s light", use]
    return [*(f"BAD {problem}" for problem in found.problems), use]


def _share(peak_nm: float, width_nm: float, band_nm: tuple[float, float]) -> float:
    """Return the share of a Gaussian peak (full width at half maximum) that lies in a band."""
    sigma_nm = width_nm / FWHM_PER_SIGMA
    low, high = (math.erf((edge - peak_nm) / (sigma_nm * math.sqrt(2.0))) for edge in band_nm)
    return 0.5 * (high - low)
