"""`Analysed`: the NIR frames of a case as the pipeline takes them.

Under steady light they are the recorded ones. Under gated light dark frames are taken off lit ones,
from the raw frames in the case, just as it was done live.
"""

from __future__ import annotations

from collections import OrderedDict

from hardware.frame import Frame
from sln_guide.calibration.gated import serves, taken_off
from sln_guide.guidance import Role
from sln_guide.recording.errors import DamagedError
from sln_guide.recording.reader import CaseReader

KEPT = 12
"""Raw frames remembered: a dark one serves several lit ones."""
LIGHT_OFF = "the excitation light was off: taken off lit frames"
NO_DARK = "no dark frame before it"


class Analysed:
    """Reads ``case``. One thread."""

    def __init__(self, case: CaseReader) -> None:
        self._case = case
        self._lit = case.lit()
        self._raw: OrderedDict[int, Frame] = OrderedDict()

    def left_out(self, index: int) -> str | None:
        """Say why NIR frame ``index`` is not analysed at all; None: it is."""
        if self._lit is None:
            return None
        if not self._lit[index]:
            return LIGHT_OFF
        return None if self._darks(index) else NO_DARK

    def nir(self, index: int, darks: tuple[int, ...] | None = None) -> Frame | None:
        """Return NIR frame ``index`` as it is analysed; None if it is not, see `left_out`.

        Parameters
        ----------
        darks
            Counters of the dark frames that live took off, None: not known. If others are in the
            case, there is no such frame.

        Raises
        ------
        DamagedError
            A frame that is needed cannot be read.
        """
        if self._lit is None:
            return self._case.frame(Role.NIR, index)
        if not self._lit[index]:
            return None
        found = self._darks(index)
        if not found or (darks is not None and darks != tuple(d.sequence for d in found)):
            return None
        return taken_off(self._frame(index), found, self._case.rig.sensor)

    def _darks(self, index: int) -> tuple[Frame, ...]:
        """Return the last two dark frames that `Subtraction` held when it took a lit one."""
        assert self._lit is not None
        found: list[Frame] = []
        passed = [self._frame(index)]
        for before in range(index - 1, -1, -1):
            try:
                frame = self._frame(before)
            except DamagedError:
                break  # whether it was lit, and how, nobody knows
            if not self._lit[before]:
                if not all(serves(frame, later) for later in passed):
                    break
                if not frame.settings_in_flight:
                    found.append(frame)
                if len(found) == 2:
                    break
            elif not serves(frame, passed[0]):
                break
            passed.append(frame)
        return tuple(reversed(found))

    def _frame(self, index: int) -> Frame:
        frame = self._raw.get(index)
        if frame is None:
            frame = self._raw[index] = self._case.frame(Role.NIR, index)
            if len(self._raw) > KEPT:
                self._raw.popitem(last=False)
        return frame
