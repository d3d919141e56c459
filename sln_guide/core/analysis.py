"""`Analyser`: one pair of frames becomes maps and spots."""

from __future__ import annotations

import math
import time

import numpy as np
from numpy.typing import NDArray

from hardware.frame import Frame
from hardware.rig import Registration
from sln_guide.core.baseline import Baseline, follow_into
from sln_guide.core.evidence import HEADROOM
from sln_guide.core.field import SIGMA_OF_DIAMETER, Field, Geometry
from sln_guide.core.finder import Seen, finder
from sln_guide.core.finding import find_into, spots_of
from sln_guide.core.grid import multiply_into
from sln_guide.core.halo import halo, take_halos_off
from sln_guide.core.lumps import count_lumps, count_pits, tail_of
from sln_guide.core.maps import maps_into
from sln_guide.core.masks import (
    CONSTANT,
    NO_LIGHT,
    SATURATED,
    TOO_LITTLE,
    USABLE,
    Sensor,
    Sizes,
    mask_into,
    masks,
)
from sln_guide.core.observer import band_templates, observe_into, observer, settle_into, temper_into
from sln_guide.core.prior import choose_colour_into, predict_into, prior
from sln_guide.core.pyramid import pyramid, surroundings
from sln_guide.core.reduction import NirReducer
from sln_guide.core.spot import Analysis
from sln_guide.core.trend import take_trend_off, trend
from sln_guide.core.white import WhiteReducer
from sln_guide.guidance import (
    BASELINE_MISFIT,
    NIR_CONSTANT,
    NIR_DARK,
    NIR_SATURATED,
    TOO_MANY,
    UNJUDGED,
    Kind,
    sbr_of_contrast,
)

__all__ = ["Analyser", "Baseline", "Field"]

F32 = np.float32
_BANDS = 6
_FALSE_RATE, _FALSE_SLOPE, _FALSE_OF_TAIL, _FALSE_OF_SKEW = 0.34, 2.23, 5.0, 1.6
_USUAL_SPOT = 2
"""Index of the spot size that detection limits are told for: the middle of a node's sizes."""
_USUAL_THRESHOLD = 4.5
_LEAST_OWN = 0.1
"""Share of a spot's height, in the logarithm, that NIR must show without colour's foretelling."""
_LEAST_BASELINE = 0.3
"""Share of the field that must be in sight for a baseline."""
_SITE_WIDTH = 0.3
"""Least width of an injection site as a share of the largest node's."""


_WHY_NOT = {
    SATURATED: NIR_SATURATED,
    NO_LIGHT: NIR_DARK,
    CONSTANT: NIR_CONSTANT,
    TOO_LITTLE: UNJUDGED,
}


class Analyser:
    """Analyses frames of one geometry in a preallocated workspace.

    One thread at a time. Nothing carries over from one frame to the next. Each stage is one call
    into compiled code, which holds no lock: what is left to Python is to hand things on.
    """

    def __init__(self, field: Field) -> None:
        self.field = field
        self.geometry = geometry = Geometry.of(field)
        rows, cols = geometry.rows, geometry.cols
        spots = np.array(geometry.spot_sigmas)
        low, high = max(0.7 * spots[0], 0.8), 1.8 * spots[-1]
        blurs = low * (high / low) ** (np.arange(_BANDS) / (_BANDS - 1))
        self._finest_blur = float(blurs[0])
        self._step_of_noise = _step_of_noise(geometry.block_px)
        self._nir = NirReducer(field, geometry)
        self._white = WhiteReducer(geometry)
        self._prior = prior(geometry)
        self._trend = trend(rows, cols)
        self._masks = masks(geometry)
        self._halo = halo(geometry)
        largest = spots[-1] / SIGMA_OF_DIAMETER  # the largest node's diameter in cells
        self._sizes = Sizes(
            glint=float(max(4, round((spots[0] * 2.355) ** 2))),
            site=float(0.25 * np.pi * (_SITE_WIDTH * largest) ** 2),
            node=int(geometry.smallest),
        )
        self._pyramid = pyramid(rows, cols, tuple(float(b) for b in blurs))
        self._around = surroundings(rows, cols, 1.5 * float(spots[-1]))
        # A field holds many more places for small spots than for large ones: the same number of
        # sigmas is worth less there. At about the usual threshold, equal false calls per size.
        trials = 1.0 - np.log((spots[1] / spots) ** 2) / _USUAL_THRESHOLD**2
        self._observer = observer(rows, cols, band_templates(spots, blurs), trials)
        # the blur that smooths a spot without flattening it, and the one as wide as it
        self._finder = finder(
            geometry,
            np.array([np.argmin(np.abs(np.log(blurs / (0.6 * s)))) for s in spots]),
            np.array([np.argmin(np.abs(np.log(blurs / s))) for s in spots]),
        )
        self._even = np.zeros((rows, cols), F32)
        self._no_white = np.zeros((5, rows, cols), F32)
        self._places = rows * cols / geometry.spot_sigmas[0] ** 2
        self._lines, self._sample = np.zeros((2, cols), F32), np.zeros(rows * cols, F32)

    def fits(self, nir: Frame) -> bool:
        """Whether ``nir`` has the geometry this analyser was made for."""
        field = self.field
        return (nir.height, nir.width, nir.pixel_format, nir.bit_depth) == (
            field.height,
            field.width,
            field.pixel_format,
            field.bit_depth,
        )

    def analyse(
        self,
        nir: Frame,
        white: Frame | None,
        registration: Registration,
        threshold_sigma: float,
        baseline: Baseline | None = None,
        tail_before: tuple[float, float] | None = None,
        *,
        baseline_trusted: bool = True,
    ) -> Analysis:
        """Return maps and spots of one pair; calls need ``threshold_sigma`` [sigma].

        ``baseline``, of this field before the tracer came, is used where it is
        ``baseline_trusted`` and fits.
        ``tail_before``: `Analysis.tail` of the frames before, and its weight in [0, 1] beside what
        this one tells by itself.

        Raises
        ------
        ValueError
            If ``nir`` has another geometry than the field this was made for.
        """
        if not self.fits(nir):
            raise ValueError(
                f"the frame is {nir.width} x {nir.height} {nir.pixel_format}/{nir.bit_depth}, the "
                f"analyser was made for {self.field.width} x {self.field.height} "
                f"{self.field.pixel_format}/{self.field.bit_depth}: make another"
            )
        clock = _Stages()
        reduced, m, o, t = self._nir, self._masks, self._observer, self._trend
        unit = 1.0 / (max(nir.exposure_us, 1e-3) / 1000.0 * nir.gain)
        reduced.reduce(nir)
        clock.mark("reduce")
        mean, full = reduced.mean, reduced.full
        status, _, noise, floor, sites = mask_into(
            m,
            self._around,
            mean,
            reduced.edge,
            full,
            reduced.bad_share,
            self._sensor(nir),
            self._sizes,
        )
        clock.mark("masks")
        white_small = None
        if white is not None and registration.kind != "none":
            white_small = self._white.reduce(white, registration)
            clock.mark("white")
        if status != USABLE:
            return self._nothing(unit, clock, _WHY_NOT[status], white_small)
        fits, baseline_used, predicted = self._predict(
            baseline, has_colour=white_small is not None, trusted=baseline_trusted
        )
        prediction = self._prior.prediction
        take_trend_off(t, m.log, prediction, m.usable)
        residual = t.residual
        if not baseline_used:
            take_halos_off(self._halo, residual, prediction, m, mean, sites)
        else:  # a channel that fills is as new as a node, and stood out of the halo
            residual = self._even
            multiply_into(residual, t.residual, self._prior.trust)
        clock.mark("background")
        if not observe_into(o, self._pyramid, self._around, residual, m.usable):
            return self._nothing(unit, clock, UNJUDGED, white_small)
        if baseline_used:
            o.spread[:] /= self._prior.trust
            settle_into(o, self._prior.followed, m.usable)
        # a baseline is NIR's own past: what it foretells, NIR by itself need not show
        least_own = -np.inf if baseline_used else _LEAST_OWN
        seen = self._seen(floor, least_own, has_white=white_small is not None)
        lumps = count_lumps(self._finder, seen)
        pits, skew = count_pits(self._finder, seen)
        tail = tail_of(lumps, pits, self._places)
        if tail_before is not None:
            tail += tail_before[1] * (tail_before[0] - tail)
        temper_into(o, tail)
        clock.mark("significance")

        significance, signal, background, limits = (np.empty(mean.shape, F32) for _ in range(4))
        step = threshold_sigma - HEADROOM
        step /= float(o.sharpness[_USUAL_SPOT] * o.trials[_USUAL_SPOT])
        blurs = self._pyramid.blurs
        top, limit = maps_into(
            significance,
            signal,
            background,
            limits,
            self._lines,
            self._sample,
            mean,
            m.judge,
            m.usable,
            m.log,
            o.local,
            o.spread,
            t.trend,
            prediction,
            blurs[0],
            blurs[-1],
            noise / max(2 * math.sqrt(math.pi) * self._finest_blur, 1.0),
            F32(floor),
            F32(unit),
            F32(step),
            F32(threshold_sigma),
        )
        clock.mark("maps")
        count, more = find_into(
            self._finder,
            seen,
            significance,
            F32(threshold_sigma),
            noise,
            unit,
            sites,
        )
        spots = spots_of(self._finder, count, self.geometry.block_px)
        if any(spot.kind is Kind.GLINT for spot in spots):
            limits[m.judge != 0] = np.inf
        clock.mark("spots")
        return Analysis(
            grid_px=self.geometry.block_px,
            signal=_frozen(signal),
            background=_frozen(background),
            significance=_frozen(significance),
            limit_contrast=_frozen(limits),
            cannot_judge=_frozen_bytes(m.judge),
            limit_sbr=sbr_of_contrast(limit) if math.isfinite(limit) else None,
            false_calls_per_field=self._false_calls(threshold_sigma, tail, skew),
            tail=tail,
            scene_full_scale=max(top if top >= 0 else 6 * noise * unit, 1e-6 * unit),
            colour_predicted=predicted,
            spots=spots,
            white_small=white_small,
            baseline_fits=fits,
            baseline_used=baseline_used,
            stage_ms=clock.stages,
            flags=_flags(more=more, misfit=baseline is not None and not baseline_used),
        )

    def find_nothing(self) -> None:
        """Compile (or load) the finder, a third of the core's compilation, without the rest.

        Only before the first frame: it is run on an empty field.
        """
        field = np.zeros_like(self._masks.log)
        seen = self._seen(1.0, _LEAST_OWN, has_white=False)
        count_lumps(self._finder, seen)
        count_pits(self._finder, seen)
        find_into(self._finder, seen, field, F32(1.0), 1.0, 1.0, 0)

    def _seen(self, floor: float, least_own: float, *, has_white: bool) -> Seen:
        """Return what the stages before the finder left in the workspace."""
        m, o = self._masks, self._observer
        return Seen(
            o.local,
            o.sizes,
            o.spread,
            self._trend.residual,
            self._prior.prediction,
            self._pyramid,
            self._nir.mean,
            m.usable,
            m.judge,
            self._nir.full,
            m.site,
            F32(floor),
            F32(least_own),
            self._white.planes if has_white else self._no_white,
            self._white.noise,
            self._prior.shares,
        )

    def _sensor(self, nir: Frame) -> Sensor:
        """Return what is known of the noise at this frame's gain."""
        field = self.field
        return Sensor(
            known=field.electron_counts is not None,
            electron=float(field.electron_counts or 0.0) * nir.gain,
            read=_read_noise(field, nir),
            step_of_noise=self._step_of_noise or 0.0,
            block=self.geometry.block_px,
        )

    def baseline(self) -> Baseline | None:
        """Return the last frame as a baseline; None if too little of it could be judged."""
        m = self._masks
        if np.count_nonzero(m.judge == 0) < _LEAST_BASELINE * m.judge.size:
            return None
        return Baseline(_frozen(m.log.copy()), _frozen(m.usable.copy()))

    def _predict(
        self, baseline: Baseline | None, *, has_colour: bool, trusted: bool
    ) -> tuple[bool, bool, bool]:
        """Fit what is known to NIR; return whether the baseline fits, and was used, and colour."""
        prior, m, white = self._prior, self._masks, self._white
        np.copyto(prior.good, m.usable)
        if has_colour:
            choose_colour_into(prior.good, m.judge, m.usable, white.planes, white.covered)
        has_baseline = baseline is not None and follow_into(
            prior.logs[0], prior.followed, baseline, m.log
        )
        if not (has_baseline or has_colour):
            prior.prediction.fill(0.0)
            prior.shares.fill(0.0)
            return False, False, False
        colour = white.planes[:3]
        told = predict_into(prior, m.log, colour, has_baseline, has_colour, trusted)
        return bool(told[0]), bool(told[1]), bool(told[2])

    def _false_calls(self, threshold_sigma: float, tail: float, skew: float) -> float:
        """Return the false calls to expect in one field of texture without a node.

        Proportional to how many places for the smallest spot the field holds. The tail in sigma
        is exponential rather than Gaussian, because texture and its spectrum are themselves only
        measured; rate and slope are from empty fields (docs/decisions/0002-detector.md). Tempering
        by the ``tail`` (see `core.lumps`) does not make up for all of it, and lumps grow rarer with
        their strength by as much more slowly. Texture that is lopsided by ``skew`` towards the
        bright has more of them, the other way round fewer.
        """
        usual = _FALSE_RATE * self._places * math.exp(-_FALSE_SLOPE * _USUAL_THRESHOLD)
        beyond = _FALSE_SLOPE / tail * (threshold_sigma - _USUAL_THRESHOLD)
        rate = usual * math.exp(-beyond)
        return float(rate * tail**_FALSE_OF_TAIL * math.exp(_FALSE_OF_SKEW * skew / tail))

    def _nothing(
        self,
        unit: float,
        clock: _Stages,
        why: str,
        white_small: NDArray[np.float32] | None,
    ) -> Analysis:
        clock.mark("rest")
        mean = self._nir.mean
        return Analysis(
            grid_px=self.geometry.block_px,
            signal=_frozen(np.zeros(mean.shape, F32)),
            background=_frozen((np.maximum(mean, 0) * F32(unit)).astype(F32)),
            significance=_frozen(np.zeros(mean.shape, F32)),
            limit_contrast=_frozen(np.full(mean.shape, np.inf, F32)),
            cannot_judge=_frozen_bytes(self._masks.judge),
            limit_sbr=None,
            false_calls_per_field=0.0,
            scene_full_scale=max(float(mean.max()), 1.0) * unit,
            colour_predicted=False,
            spots=(),
            white_small=white_small,
            stage_ms=clock.stages,
            flags=(why,),
        )


def _read_noise(field: Field, nir: Frame) -> float:
    """Return the noise [counts rms] of a frame without light: more, where some was taken off."""
    if nir.room_light is not None and nir.room_light.noise_counts is not None:
        return nir.room_light.noise_counts
    return float(field.read_noise_counts or 0.0) * nir.gain


def _flags(*, more: bool, misfit: bool) -> tuple[str, ...]:
    flags = []
    if more:
        flags.append(TOO_MANY)
    if misfit:
        flags.append(BASELINE_MISFIT)
    return tuple(flags)


class _Stages:
    """Time since the last mark, per stage [ms]."""

    def __init__(self) -> None:
        self.stages: dict[str, float] = {}
        self._last = time.perf_counter_ns()

    def mark(self, stage: str) -> None:
        now = time.perf_counter_ns()
        self.stages[stage] = self.stages.get(stage, 0.0) + (now - self._last) / 1e6
        self._last = now


def _step_of_noise(block: int) -> float | None:
    """Return the median largest step of a block of unit noise; None: the block is too small.

    By drawing it, with a seed of its own: the same number everywhere.
    """
    if block < 4:
        return None
    rng = np.random.default_rng(20)
    v = rng.standard_normal((400, block, block), dtype=np.float32)
    three = np.stack([v[:, 2:, :-2], v[:, :-2, :-2], v[:, 2:, 2:]])
    return float(np.median(np.ptp(three, axis=0).max(axis=(1, 2))))


def _frozen(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give a fresh array away: nobody writes to it again."""
    values.setflags(write=False)
    return values


def _frozen_bytes(values: NDArray[np.uint8]) -> NDArray[np.uint8]:
    out = values.copy()
    out.setflags(write=False)
    return out
