"""`Analyser`: one pair of frames becomes maps and spots."""

from __future__ import annotations

import math
import time

import numpy as np
from numpy.typing import NDArray

from hardware.frame import Frame, frozen_pixels
from hardware.rig import Registration
from sln_guide.core.field import Field, Geometry
from sln_guide.core.finding import Seen, SpotFinder
from sln_guide.core.grid import exp_into, log_into
from sln_guide.core.maps import calm_size_into, maps_into
from sln_guide.core.masks import Masks, typical_edge
from sln_guide.core.observer import TextureStatistics, band_templates, respond_into
from sln_guide.core.prior import ColourPrior, Trend
from sln_guide.core.pyramid import Pyramid, Surroundings
from sln_guide.core.reduction import NirReducer
from sln_guide.core.spot import Analysis
from sln_guide.core.white import WhiteReducer
from sln_guide.guidance import CannotJudge

__all__ = ["Analyser", "Field", "warm_up"]

F32 = np.float32
_BANDS = 6
_FALSE_RATE, _FALSE_SLOPE = 1.83, 2.62
_TYPICAL_SPOT = 1
"""Index of the spot size that detection limits are told for: a small node's."""
_TOO_LITTLE = "too little of the field can be judged"
_USUAL_THRESHOLD = 4.5
_PLAIN_SPREAD = 0.048
"""Least spread of log NIR a field without any signal is taken to have."""


class Analyser:
    """Analyses frames of one geometry in a preallocated workspace.

    One thread at a time. Nothing carries over from one frame to the next.
    """

    def __init__(self, field: Field) -> None:
        self.field = field
        self.geometry = geometry = Geometry.of(field)
        rows, cols = shape = geometry.rows, geometry.cols
        spots = np.array(geometry.spot_sigmas)
        low, high = max(0.7 * spots[0], 0.8), 1.8 * spots[-1]
        blurs = low * (high / low) ** (np.arange(_BANDS) / (_BANDS - 1))
        self._step_of_noise = _step_of_noise(geometry.block_px)
        self._nir = NirReducer(field, geometry)
        self._white = WhiteReducer(geometry)
        self._prior = ColourPrior(geometry)
        self._trend = Trend(rows, cols)
        self._masks = Masks(geometry)
        self._pyramid = Pyramid(rows, cols, tuple(float(b) for b in blurs))
        self._texture = TextureStatistics(_BANDS, rows, cols)
        self._around = Surroundings(rows, cols, 1.5 * float(spots[-1]))
        self._finder = SpotFinder(geometry)
        self._templates = band_templates(spots, blurs)
        # A field holds many more places for small spots than for large ones: the same number of
        # sigmas is worth less there. At about the usual threshold, equal false calls per size.
        self._trials = 1.0 - np.log((spots[1] / spots) ** 2) / _USUAL_THRESHOLD**2
        # the blur that smooths a spot without flattening it, and the one as wide as it
        self._smooth_of = [int(np.argmin(np.abs(np.log(blurs / (0.6 * s))))) for s in spots]
        self._support_of = [int(np.argmin(np.abs(np.log(blurs / s)))) for s in spots]
        self._log, self._level = np.zeros(shape, F32), np.zeros(shape, F32)
        self._good, self._no_prediction = np.zeros(shape, F32), np.zeros(shape, F32)
        self._bands = np.zeros((_BANDS, *shape), F32)
        self._best, self._which = np.zeros(shape, F32), np.zeros(shape, np.int32)
        self._calm, self._size = np.zeros(shape, F32), np.zeros(shape, F32)

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
    ) -> Analysis:
        """Return maps and spots of one pair; calls need ``threshold_sigma`` [sigma].

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
        self._nir.reduce(nir)
        clock.mark("reduce")
        mean, full = self._nir.mean, self._nir.full
        unit = 1.0 / (max(nir.exposure_us, 1e-3) / 1000.0 * nir.gain)
        levels = np.sort(mean[::3, ::3], axis=None)
        level = max(_quantile(levels, 0.6), 1e-3)
        edges = typical_edge(self._nir.edge, mean, F32(level))
        noise = self._block_noise(nir, mean, levels, edges)
        floor = F32(max(3 * noise, 0.04 * _quantile(levels, 0.75), 1e-3))
        log_into(self._log, mean, floor)
        np.less_equal(full, F32(0.02), out=self._calm, casting="unsafe")
        exp_into(self._level, self._around.blur(self._log, self._calm))
        self._level -= floor
        self._masks.update(
            mean,
            self._nir.edge,
            full,
            self._nir.bad_share,
            self._level,
            level,
            noise,
            float(floor),
            edges,
        )
        judge, usable = self._masks.judge, self._masks.usable
        clock.mark("masks")

        why_not = self._unfit(mean, full, usable)
        if why_not is not None:
            return self._nothing(mean, judge, unit, clock, why_not)
        predicted, prediction = False, self._no_prediction
        if white is not None and registration.kind != "none":
            self._white.reduce(white, registration)
            clock.mark("white")
            predicted, prediction = self._predict(usable, judge)
        self._trend.take_off(self._log, prediction, usable)
        residual, trend = self._trend.residual, self._trend.trend
        clock.mark("background")

        self._pyramid.weigh(usable)
        blurs = self._pyramid.blur(residual)
        bands = self._bands
        np.subtract(residual, blurs[0], out=bands[0])
        np.subtract(blurs[:-1], blurs[1:], out=bands[1:])
        covariance = self._texture.covariance(bands, usable)
        if covariance is None:
            return self._nothing(mean, judge, unit, clock, _TOO_LITTLE)
        filters = self._templates @ np.linalg.inv(covariance)
        sharpness = np.sqrt(np.einsum("sb,sb->s", filters, self._templates))
        filters *= (self._trials / sharpness)[:, None]
        best, which = self._best, self._which
        respond_into(best, which, bands, filters.astype(F32))
        best *= usable
        spread = self._spread(best, usable)
        local = best / spread
        clock.mark("significance")

        extended, ground = self._extended(trend, blurs[0], prediction, usable, noise)
        significance, signal, background = (np.empty(mean.shape, F32) for _ in range(3))
        maps_into(
            significance,
            signal,
            background,
            mean,
            local,
            extended,
            trend,
            prediction,
            blurs[-1],
            F32(ground),
            floor,
            F32(unit),
        )
        step = threshold_sigma / (sharpness[_TYPICAL_SPOT] * self._trials[_TYPICAL_SPOT])
        limits = np.empty(mean.shape, F32)
        exp_into(limits, spread * F32(step))
        limits -= F32(1)
        limits[judge != 0] = np.inf
        clock.mark("maps")

        seen = Seen(
            local,
            which,
            residual,
            tuple(blurs[k] for k in self._smooth_of),
            tuple(self._pyramid.support[k] for k in self._support_of),
            mean,
            usable,
            judge,
            full,
            noise,
            unit,
        )
        spots, more = self._finder.find(seen, threshold_sigma, self._masks.injections)
        clock.mark("spots")
        tops = signal[(significance > F32(threshold_sigma)) & (judge == 0)]
        top = _quantile(np.sort(tops), 0.99) if tops.size else 6 * noise * unit
        return Analysis(
            grid_px=self.geometry.block_px,
            signal=_frozen(signal),
            background=_frozen(background),
            significance=_frozen(significance),
            limit_contrast=_frozen(limits),
            cannot_judge=_frozen_bytes(judge),
            limit_sbr=1.0 + math.expm1(step),
            false_calls_per_field=self._false_calls(threshold_sigma),
            scene_full_scale=max(top, 1e-6 * unit),
            colour_predicted=predicted,
            spots=tuple(spots),
            stage_ms=clock.stages,
            flags=("more bright places than can be told apart",) if more else (),
        )

    def _block_noise(
        self,
        nir: Frame,
        mean: NDArray[np.float32],
        levels: NDArray[np.float32],
        edges: tuple[float, float],
    ) -> float:
        """Noise of a block's mean [counts] at the field's median level."""
        field = self.field
        block = self.geometry.block_px
        rounding = 0.3 / block
        if field.electron_counts is not None:
            read = field.read_noise_counts or 0.0
            k = field.electron_counts * nir.gain
            variance = (read * nir.gain) ** 2 + k * max(_quantile(levels, 0.5), 0.0)
            return math.hypot(math.sqrt(variance) / block, rounding)
        if self._step_of_noise is not None:
            ratio, dim_edge = edges
            middle = max(_quantile(levels, 0.5), 0.0) + 0.05 * max(_quantile(levels, 0.6), 1e-3)
            pixel = max(ratio * math.sqrt(middle), dim_edge) / self._step_of_noise
            return math.hypot(pixel / block, rounding)
        if min(mean.shape) < 3:
            return 1.0
        # a second difference both ways removes everything smooth (DOI 10.1006/cviu.1996.0060)
        step = 2 if min(mean.shape) >= 48 else 1
        m = mean[: mean.shape[0] // 3 * 3]
        d = m[0::3] - 2 * m[1::3] + m[2::3]
        d = d[:, :-2] - 2 * d[:, 1:-1] + d[:, 2:]
        return float(np.median(np.abs(d[:, ::step]))) / 0.6745 / 6.0 + rounding

    @staticmethod
    def _unfit(
        mean: NDArray[np.float32], full: NDArray[np.float32], usable: NDArray[np.float32]
    ) -> str | None:
        """Return why nothing can be found in this frame, None where something can."""
        highest, lowest = float(mean.max()), float(mean.min())
        if float(full.mean()) > 0.5:
            return "saturated image"
        if highest <= 0:
            return "no light"
        if highest <= lowest:
            return "constant image"
        if np.count_nonzero(usable) < 0.02 * usable.size:
            return _TOO_LITTLE
        return None

    def _predict(
        self, usable: NDArray[np.float32], judge: NDArray[np.uint8]
    ) -> tuple[bool, NDArray[np.float32]]:
        """Fit colour to NIR where both show tissue; mark what lies outside the white frame."""
        white = self._white
        judge[~white.covered] |= np.uint8(CannotJudge.OUTSIDE_REGISTERED_FIELD)
        good = (white.full < 0.004) & (white.edge < 0.35) & white.covered
        good &= white.colour[1] >= 1.0
        np.multiply(usable, good, out=self._good)
        if not self._prior.fit(self._log, white.colour, self._good):
            return False, self._no_prediction
        return True, self._prior.prediction

    def _spread(
        self, response: NDArray[np.float32], usable: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """How much livelier texture is here than over the field: at least 1.

        From the mean size of responses in the wider surroundings, bright spots left out.
        """
        total = calm_size_into(self._size, self._calm, response, usable)
        wide = self._around.blur(self._size, self._calm)
        spread: NDArray[np.float32] = np.maximum(wide * F32(1.0 / max(total, 1e-6)), F32(1.0))
        return spread

    def _extended(
        self,
        trend: NDArray[np.float32],
        smooth: NDArray[np.float32],
        prediction: NDArray[np.float32],
        usable: NDArray[np.float32],
        noise: float,
    ) -> tuple[NDArray[np.float32], float]:
        """Significance of light above the darker, larger part of the field, and that level.

        On the smoothed logarithm. What fluoresces over more than a node's size is no node, but it
        is light, and the operator shall see it. The spread of the darker part is its texture,
        shading and noise; being a lower quantile, it knows nothing of what glows. Where tissue
        itself is uneven that spread is wide, and only what is several times brighter is shown.
        """
        lit = np.where(usable > F32(0.5), trend + smooth + prediction, self._log)
        seen = np.sort(lit[::3, ::3][usable[::3, ::3] > F32(0.5)])
        if seen.size == 0:
            return np.zeros(lit.shape, F32), 0.0
        low, level = _quantile(seen, 0.1), _quantile(seen, 0.4)
        left = noise / max(2 * math.sqrt(math.pi) * self._pyramid.sigmas[0], 1.0)
        sigma = math.hypot(0.7 * (level - low), _PLAIN_SPREAD, left / math.exp(level))
        lit -= F32(level)
        lit *= F32(1.0 / sigma)
        return lit, level

    def _false_calls(self, threshold_sigma: float) -> float:
        """Return the false calls to expect in one field of texture without a node.

        Proportional to how many places for the smallest spot the field holds. The tail in sigma
        is exponential rather than Gaussian, because texture and its spectrum are themselves only
        measured; rate and slope are from empty fields (docs/decisions/0002-detector.md).
        """
        places = self.geometry.rows * self.geometry.cols / self.geometry.spot_sigmas[0] ** 2
        return float(_FALSE_RATE * places * math.exp(-_FALSE_SLOPE * threshold_sigma))

    def _nothing(
        self,
        mean: NDArray[np.float32],
        judge: NDArray[np.uint8],
        unit: float,
        clock: _Stages,
        why: str,
    ) -> Analysis:
        clock.mark("rest")
        return Analysis(
            grid_px=self.geometry.block_px,
            signal=_frozen(np.zeros(mean.shape, F32)),
            background=_frozen((np.maximum(mean, 0) * F32(unit)).astype(F32)),
            significance=_frozen(np.zeros(mean.shape, F32)),
            limit_contrast=_frozen(np.full(mean.shape, np.inf, F32)),
            cannot_judge=_frozen_bytes(judge),
            limit_sbr=None,
            false_calls_per_field=0.0,
            scene_full_scale=max(float(mean.max()), 1.0) * unit,
            colour_predicted=False,
            spots=(),
            stage_ms=clock.stages,
            flags=(why,),
        )


class _Stages:
    """Time since the last mark, per stage [ms]."""

    def __init__(self) -> None:
        self.stages: dict[str, float] = {}
        self._last = time.perf_counter_ns()

    def mark(self, stage: str) -> None:
        now = time.perf_counter_ns()
        self.stages[stage] = self.stages.get(stage, 0.0) + (now - self._last) / 1e6
        self._last = now


def _quantile(rising: NDArray[np.float32], share: float) -> float:
    """Return the value below which ``share`` of sorted values lie."""
    return float(rising[min(int(share * rising.size), rising.size - 1)])


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


def warm_up(field: Field, white: Frame | None = None) -> None:
    """Compile (or load) everything that frames like ``field``'s will need."""
    rng = np.random.default_rng(1)
    shape = field.pixel_format.array_shape(field.height, field.width)
    top = 255 if field.pixel_format.dtype is np.uint8 else 2**field.bit_depth - 1
    pixels = rng.integers(0, top // 2, shape).astype(field.pixel_format.dtype)
    nir = Frame(
        pixels=frozen_pixels(pixels),
        pixel_format=field.pixel_format,
        bit_depth=field.bit_depth,
        sequence=0,
        stream_epoch=0,
        device_time_ns=0,
        host_time_ns=0,
        mid_exposure_ns=0,
        exposure_us=10_000.0,
        gain_db=0.0,
        camera_id="warm-up",
    )
    Analyser(field).analyse(nir, white, Registration(kind="assumed"), 1.0)
