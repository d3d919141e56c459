"""Settings on a GenICam node map: set, read back, refuse; names as cameras of all ages spell them.

Knows no SDK: a node map is whatever has ``GetNode(name)`` giving nodes with ``IsReadable()``,
``IsWritable()``, ``Value``, ``ToString()``, and for numbers ``Min`` and ``Max``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hardware.camera import BadSettingError

Value = float | int | str | bool

LINEAR: tuple[tuple[str, Value], ...] = (
    ("ExposureAuto", "Off"),
    ("GainAuto", "Off"),
    ("BalanceWhiteAuto", "Off"),
    ("GammaEnable", False),
    ("Gamma", 1.0),
    ("LUTEnable", False),
    ("BslContrastMode", "Linear"),
    ("BslContrast", 0.0),
    ("BslBrightness", 0.0),
    ("PgiMode", "Off"),
    ("DemosaicingMode", "Simple"),
    ("SharpnessEnhancement", 0.0),
    ("SharpnessEnhancementAbs", 0.0),
    ("SharpnessEnhancementRaw", 0),
    ("BslSharpnessEnhancement", 0.0),
    ("NoiseReduction", 0.0),
    ("NoiseReductionAbs", 0.0),
    ("NoiseReductionRaw", 0),
    ("BslNoiseReduction", 0.0),
    ("DefectPixelCorrectionMode", "Off"),
    ("BslDefectPixelCorrectionMode", "Off"),
    ("BslStaticDefectPixelCorrectionMode", "Off"),
    ("BslPixelCorrectionBeyondEnable", False),
    ("BslVignettingCorrectionMode", "Off"),
    ("BslFlatFieldCorrectionMode", "Off"),
    ("BslShadingCorrectionMode", "Off"),
    ("LightSourcePreset", "Off"),
    ("BslLightSourcePreset", "Off"),
    ("ColorAdjustmentEnable", False),
    ("DigitalShift", 0),
    ("ImageCompressionMode", "Off"),
)
"""Every feature that would bend, sharpen, smooth or rewrite counts, and its harmless value."""

GLOBAL_SHUTTER: tuple[tuple[str, Value], ...] = (
    ("SensorShutterMode", "Global"),
    ("ShutterMode", "Global"),
)
"""By its new and its old name: rows that are exposed one after another are of no one moment."""

TEST_IMAGES: tuple[tuple[str, Value], ...] = (
    ("TestPattern", "Off"),
    ("TestImageSelector", "Off"),
    ("ImageFileMode", "Off"),
)
"""Features that show something other than light."""


@dataclass(frozen=True, slots=True)
class PfsEntry:
    """One line of a ``.pfs`` file: a feature under its selectors, and its value as text."""

    name: str
    selectors: tuple[tuple[str, str], ...]
    value: str

    def __str__(self) -> str:
        if not self.selectors:
            return self.name
        return f"{self.name}[{', '.join(f'{k}={v}' for k, v in self.selectors)}]"


_NO_TEXT = "GENICAM_EMPTY_STRING"
_SELECTORS = re.compile(r"^\{(.*)\}$")


def read_pfs(path: Path) -> tuple[PfsEntry, ...]:
    """Read a camera's saved features as the pylon Viewer writes them.

    Raises
    ------
    BadSettingError
        The file cannot be read, or is not such a file.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadSettingError(f"{path}: cannot be read ({error})") from None
    entries = []
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        fields = line.split("\t")
        braces = _SELECTORS.match(fields[1]) if len(fields) == 3 else None
        if len(fields) < 2 or not fields[0].strip() or (len(fields) == 3 and braces is None):
            raise BadSettingError(
                f"{path}, line {number}: expected a feature, a tab and a value, as the pylon "
                "Viewer saves them"
            )
        pairs = [p.partition("=") for p in braces.group(1).split(",")] if braces else []
        selectors = tuple((k.strip(), v.strip()) for k, _, v in pairs)
        value = fields[-1].strip()
        entries.append(PfsEntry(fields[0].strip(), selectors, "" if value == _NO_TEXT else value))
    return tuple(entries)


def _same(wanted: Value, got: Value, tolerance: float = 0.0) -> bool:
    """Compare as numbers where both are, else as text; ``tolerance`` is absolute."""
    try:
        return abs(float(wanted) - float(got)) <= tolerance
    except ValueError:
        return str(wanted) == str(got)


class Features:
    """The features of one camera, by name.

    Parameters
    ----------
    nodes
        The camera's node map.
    camera_id
        Named in errors.
    refusals
        What the SDK raises when a value or an access is refused: becomes BadSettingError naming
        the feature. Whatever else it raises passes through: that is the camera failing.
    """

    def __init__(self, nodes: Any, camera_id: str, refusals: tuple[type[Exception], ...]) -> None:
        self._nodes = nodes
        self._camera_id = camera_id
        self._refusals = refusals

    def refuse(self, text: str) -> BadSettingError:
        """Return the error that says ``text`` of this camera."""
        return BadSettingError(f"camera {self._camera_id}: {text}")

    @contextmanager
    def _named(self, name: str) -> Iterator[None]:
        try:
            yield
        except self._refusals as error:
            reason = str(error).split(" : ")[0].strip()
            raise self.refuse(f"{name}: {reason}") from None

    def first(self, *names: str) -> str | None:
        """Return the first of ``names`` this camera has and lets be read, or None."""
        return next((n for n in names if self._nodes.GetNode(n).IsReadable()), None)

    def get(self, name: str) -> Value:
        """Return a feature's value. Raises BadSettingError where the camera has none such."""
        node = self._nodes.GetNode(name)
        if not node.IsReadable():
            raise self.refuse(f"has no feature {name}, or does not let it be read now")
        with self._named(name):
            value: Value = node.Value
        return value

    def text(self, name: str) -> str:
        """Return a feature's value as the camera prints it, and as a ``.pfs`` file holds it."""
        with self._named(name):
            return str(self._nodes.GetNode(name).ToString())

    def number(self, *names: str) -> float | None:
        """Return the first of ``names`` there is, as a number; None where none is."""
        name = self.first(*names)
        return None if name is None else float(self.get(name))

    def choices(self, name: str) -> tuple[str, ...]:
        """Return what an enumeration can be set to."""
        with self._named(name):
            return tuple(self._nodes.GetNode(name).Symbolics)

    def smallest(self, name: str) -> float:
        """Return the least value a number can have."""
        with self._named(name):
            return float(self._nodes.GetNode(name).Min)

    def execute(self, name: str) -> None:
        """Give the camera a command."""
        with self._named(name):
            self._nodes.GetNode(name).Execute()

    def set(self, name: str, wanted: Value, *, of: str = "", tolerance: float = 0.0) -> Value:
        """Set one feature and read it back; writes nothing where it already reads so.

        Parameters
        ----------
        name
            The feature.
        wanted
            Its new value.
        of
            The setting's name in the rig file, for the error.
        tolerance
            How far the value read back may lie from ``wanted`` (cameras round to their steps).

        Raises
        ------
        BadSettingError
            Naming the feature, what was wanted, what it is, and what would be allowed.
        """
        label = f"{name} ({of})" if of else name
        before = self.get(name)
        if _same(wanted, before):
            return before
        node = self._nodes.GetNode(name)
        if isinstance(wanted, float) and not math.isfinite(wanted):
            raise self.refuse(f"{label}: wanted {wanted}, which is not a number")
        allowed = self._allowed(node, wanted)
        if allowed is not None:
            raise self.refuse(f"{label}: wanted {wanted}, {allowed}; it stays at {before}")
        if not node.IsWritable():
            raise self.refuse(
                f"{label}: wanted {wanted}, is {before}, and cannot be changed now "
                "(fixed, or the camera must be stopped first)"
            )
        try:
            node.Value = wanted
        except self._refusals as error:
            reason = str(error).split(" : ")[0].strip()
            raise self.refuse(f"{label}: wanted {wanted}, is {before}: {reason}") from None
        got = self.get(name)
        if not _same(wanted, got, tolerance):
            raise self.refuse(f"{label}: wanted {wanted}, reads back {got}")
        return got

    @staticmethod
    def _allowed(node: Any, wanted: Value) -> str | None:
        """Say what is allowed where ``wanted`` is not; None where it is."""
        if isinstance(wanted, bool):
            return None
        if isinstance(wanted, str):
            choices = getattr(node, "Symbolics", None)
            if choices is not None and wanted not in choices:
                return f"allowed: {', '.join(choices)}"
            return None
        low, high = node.Min, node.Max
        step = node.Inc if isinstance(wanted, int) else 0
        if low <= wanted <= high and not (step and (wanted - low) % step):
            return None
        return f"allowed {low:g} to {high:g}" + (f" in steps of {step}" if step > 1 else "")

    def neutral(
        self, features: Iterable[tuple[str, Value]], *, fixed: Iterable[str] = (), why: str
    ) -> None:
        """Bring ``features`` to their harmless values, those in ``fixed`` excepted.

        What is ``fixed`` was asked for by name, and so is refused by name.

        Raises
        ------
        BadSettingError
            Naming every feature that is not harmless and may not, or cannot, be made so.
        """
        kept = set(fixed)
        wrong = []
        for name, harmless in features:
            if self.first(name) is None or _same(harmless, self.get(name)):
                continue
            if name in kept:
                wrong.append(f"{name}={self.get(name)} (must be {harmless})")
                continue
            try:
                self.set(name, harmless)
            except BadSettingError:
                wrong.append(f"{name}={self.get(name)} (must be {harmless}, cannot be changed)")
        if wrong:
            raise self.refuse(f"{why}: {', '.join(wrong)}")

    def differences(self, entries: Iterable[PfsEntry]) -> list[str]:
        """Compare saved features with the camera; selectors are put back. Returns the unlike."""
        unlike = []
        for entry in entries:
            selected = [(name, self.first(name)) for name, _ in entry.selectors]
            if self.first(entry.name) is None or any(found is None for _, found in selected):
                unlike.append(f"{entry}: saved {entry.value}, not on this camera")
                continue
            before = [(name, self.get(name)) for name, _ in entry.selectors]
            try:
                for name, value in entry.selectors:
                    self.set(name, value)
                got = self.text(entry.name)
            finally:
                for name, old in reversed(before):
                    self.set(name, old)
            if got != entry.value and not _same(entry.value, got, 1e-6):
                unlike.append(f"{entry}: saved {entry.value}, reads back {got}")
        return unlike
