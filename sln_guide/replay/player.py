"""`Player`: the picture of any moment of a case, forwards, backwards or out of the blue."""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import replace

from hardware.frame import Frame
from sln_guide import pipeline
from sln_guide.drawing import Drawing
from sln_guide.guidance import Pair, Picture, Role, Settings
from sln_guide.recording.analysed import Analysed
from sln_guide.recording.asked import Asked
from sln_guide.recording.corrections import gone_on, setup_of, state_at
from sln_guide.recording.errors import RecordingError
from sln_guide.recording.reader import CaseReader

LEAD_IN_NS = tuple(n * 120_000_000 for n in (4, 3, 2, 1))
"""Before a pair sought, these are computed: as far apart as tracking allows, for as long as it
takes to confirm a node. Four steps instead of thirty keep a seek below a tenth of a second."""
MOST_STATES = 256
"""States remembered, so that going back is quick; some 0.1 MB each at full size."""


class Player:
    """Computes pictures of ``case``; ``moments`` as `CaseReader.moments` has them. One thread."""

    def __init__(
        self, case: CaseReader, moments: tuple[tuple[int | None, int | None], ...]
    ) -> None:
        self._case = case
        self._moments = moments
        self._setup = setup_of(case)
        self._analysed = Analysed(case)
        self._drawing = Drawing(self._setup.registration, white_balance=case.rig.white_balance)
        self._before: OrderedDict[int, pipeline.State] = OrderedDict()
        self._next = -1
        self._state = pipeline.initial_state(self._setup)
        self._chosen: tuple[tuple[str, object], ...] = ()
        self.settings = case.settings
        """What the last picture was made with."""
        self.white: Frame | None = None
        self.unread: dict[int, tuple[Role, str]] = {}
        """Whose frame of a moment cannot be read, and why."""

    def at(self, index: int, asked: Asked) -> Picture | None:
        """Return the picture of moment ``index`` made as ``asked``; None: see `unread`."""
        self._forget_other_settings(asked)
        if index != self._next:
            self._go_to(index, asked)
        else:
            self._go_on(index - 1, index, asked)
        self.settings = settings = self._settings_of(index, asked)
        decoded_ns = time.monotonic_ns()
        self._next = index + 1
        if self._moments[index][0] is None:
            picture = self._white_alone(index, settings)
        else:
            pair = self._pair(index)
            if pair is None:
                if index in self.unread:  # what is left of this moment, not another's
                    self.white = self._frame(Role.WHITE, self._moments[index][1], index)
                return None
            self._remember(index)
            self._state, guidance = pipeline.step(self._state, pair, settings)
            self.white = pair.white
            picture = self._drawing.picture(pair.nir, pair.white, guidance, settings)
        return None if picture is None else replace(picture, handed_over_ns=decoded_ns)

    def _white_alone(self, index: int, settings: Settings) -> Picture | None:
        """Draw white light from a time without NIR: nothing is left of what NIR showed before."""
        frame = self._frame(Role.WHITE, self._moments[index][1], index)
        if frame is None:
            return None
        self._remember(index)
        self.white = frame
        self._drawing.forget_nir()
        return self._drawing.picture(None, frame, None, settings)

    def _settings_of(self, index: int, asked: Asked) -> Settings:
        return self._case.settings_at(self._time_ns(index), asked)

    def _remember(self, index: int) -> None:
        self._before[index] = self._state
        self._before.move_to_end(index)
        if len(self._before) > MOST_STATES:
            self._before.popitem(last=False)

    def _forget_other_settings(self, asked: Asked) -> None:
        """Drop states that another threshold made (other settings act from the next step on)."""
        chosen = asked.of({"threshold_sigma"})
        if chosen != self._chosen:
            self._before.clear()
            self._next = -1
        self._chosen = chosen

    def _go_to(self, index: int, asked: Asked) -> None:
        """Bring the state to right before pair ``index``."""
        known = self._before.get(index)
        if known is not None:
            self._state = known
            return
        first = 0 <= index - self._next < len(LEAD_IN_NS) and self._next >= 0
        lead_in = range(self._next, index) if first else self._lead_in(index)
        if not first:
            self._state = self._noted_state(lead_in[0] if lead_in else index, asked)
        before = self._next - 1 if first else -1
        for each in lead_in:
            self._go_on(before, each, asked)
            before = each
            pair = self._pair(each)
            if pair is not None:
                if first:
                    self._remember(each)
                settings = self._settings_of(each, asked)
                self._state, _ = pipeline.step(self._state, pair, settings)
        self._go_on(before, index, asked)

    def _go_on(self, before: int, index: int, asked: Asked) -> None:
        """Bring the state from behind one moment to right before another: see `gone_on`."""
        if before >= 0:
            span_ns = self._time_ns(before), self._time_ns(index)
            self._state = gone_on(self._case, self._state, *span_ns, asked)

    def _lead_in(self, index: int) -> list[int]:
        """Return pairs before ``index``, in order."""
        target_ns = int(self._time_ns(index))
        found: list[int] = []
        each = index - 1
        for before_ns in reversed(LEAD_IN_NS):
            while each >= 0 and self._time_ns(each) > target_ns - before_ns:
                each -= 1
            # where frames come slowly, the one before is as near as there is
            chosen = each if each >= 0 else None
            if chosen is None:
                break
            found.append(chosen)
            each -= 1
        if len(found) < len(LEAD_IN_NS):
            found = [*found, *range(min(found, default=index) - 1, -1, -1)]
        return found[: len(LEAD_IN_NS)][::-1]

    def _time_ns(self, index: int) -> int:
        return self._case.moment_ns(*self._moments[index])

    def _noted_state(self, index: int, asked: Asked) -> pipeline.State:
        """Return a state from which to go on at ``index``: tracks keep the numbers they had."""
        state = state_at(self._case, self._setup, self._time_ns(index), asked)
        return replace(state, analyser=self._state.analyser)

    def _pair(self, index: int) -> Pair | None:
        """Return the frames of a moment; None without NIR, or where they cannot be read."""
        nir_index, white_index = self._moments[index]
        nir = self._nir(nir_index, index)
        if nir is None:
            return None
        white = self._frame(Role.WHITE, white_index, index)
        if white is None and white_index is not None:
            return None
        skew_ns = 0 if white is None else white.mid_exposure_ns - nir.mid_exposure_ns
        return Pair(nir, white, skew_ns)

    def _nir(self, frame_index: int | None, index: int) -> Frame | None:
        """Return NIR as it is analysed; None where there is none to analyse, or see `unread`."""
        if frame_index is None:
            return None
        try:
            return self._analysed.nir(frame_index)
        except RecordingError as error:
            self.unread[index] = (Role.NIR, str(error))
            return None

    def _frame(self, role: Role, frame_index: int | None, index: int) -> Frame | None:
        if frame_index is None:
            return None
        try:
            return self._case.frame(role, frame_index)
        except RecordingError as error:
            self.unread.setdefault(index, (role, str(error)))
            return None
