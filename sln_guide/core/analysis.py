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
from sln_guide.core.grid import log_into
from sln_guide.core.masks import Masks
from sln_guide.core.observer import band_templates, respond_into, texture_covariance
from sln_guide.core.pyramid import Pyramid
from sln_guide.core.reduction import NirReducer
from sln_guide.core.spot import Analysis
from sln_guide.core.white import WhiteReducer
from sln_guide.guidance import CannotJudge

__all__ = ["Analyser", "Field", "warm_up"]

F32 = np.float32
_USUAL_THRESHOLD = 4.5
_PLAIN_SPREAD = 0.04
"""Least spread of log NIR a field without any signal is taken to have."""


class Analyser:
    """Analyses frames of one geometry in a preallocated workspace.

    One thread at a time. Nothing carries over from one frame to the next.
    """

    def __init__(self, field: Field) -> None:
        self.field = field
        self.geometry = geometry = Geometry.of(field)
        self._nir = NirReducer(field, geometry)
        self._white = WhiteReducer(geometry)
        rows, cols = geometry.rows, geometry.cols
        shape = (rows, cols)
        spots = np.array(geometry.spot_sigmas)
        count = 6
        low, high = max(0.7 * spots[0], 0.8), 1.8 * spots[-1]
        blurs = low * (high / low) ** (np.arange(count) / (count - 1))
        self._pyramid = Pyramid(rows, cols, tuple(float(b) for b in blurs))
        self._mid = Pyramid(rows, cols, tuple(float(v) for v in 0.9 * spots))
        self._masks = Masks(geometry)
        self._finder = SpotFinder(geometry)
        self._support_of = [int(np.argmin(np.abs(np.log(blurs / s)))) for s in spots]
        # the blur that smooths a spot without flattening it
        self._smooth_of = [int(np.argmin(np.abs(np.log(blurs / (0.6 * s))))) for s in spots]
        self._wide = Pyramid(
            rows, cols, tuple(float(v) for v in (2.0, 4.0, max(4.5, 1.5 * spots[-1])))
        )
        self._templates = band_templates(spots, blurs)
        # A field holds many more places for small spots than for large ones: the same number of
        # sigmas is worth less there. At about the usual threshold, equal false calls per size.
        self._trials = 1.0 - np.log((spots[1] / spots) ** 2) / _USUAL_THRESHOLD**2
        self._bands = np.zeros((count, *shape), F32)
        self._log = np.zeros(shape, F32)
        self._logs = np.zeros((3, *shape), F32)
        self._weight = np.zeros(shape, F32)
        self._best = np.zeros(shape, F32)
        self._which = np.zeros(shape, np.int32)
        r, c = np.mgrid[0:rows, 0:cols].astype(np.float64)
        v, u = r / max(rows - 1, 1) * 2 - 1, c / max(cols - 1, 1) * 2 - 1
        self._shapes = np.stack([np.ones(shape), u, v, u * u, u * v, v * v])
        self._thin = (slice(None, None, 3), slice(None, None, 3))

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
        flags: list[str] = []
        self._nir.reduce(nir)
        clock.mark("reduce")
        mean, edge, full = self._nir.mean, self._nir.edge, self._nir.full
        unit = 1.0 / (max(nir.exposure_us, 1e-3) / 1000.0 * nir.gain)
        noise = self._block_noise(nir, mean)
        tissue = float(np.percentile(mean, 60))
        floor = F32(max(3 * noise, 0.04 * float(np.percentile(mean, 75)), 1e-3))
        around = self._around(mean, full, floor)
        self._masks.update(
            mean, edge, full, self._nir.bad_share, around, tissue, noise, float(floor)
        )
        judge, usable = self._masks.judge, self._masks.usable
        clock.mark("masks")

        if float(mean.max() - mean.min()) <= 0 or usable.sum() < 0.02 * usable.size:
            if float(full.mean()) > 0.5:
                flags.append("saturated image")
            elif float(mean.max()) <= 0:
                flags.append("no light")
            elif float(mean.max() - mean.min()) <= 0:
                flags.append("constant image")
            else:
                flags.append("too little of the field can be judged")
            return self._nothing(mean, judge, unit, clock, flags)
        log_into(self._log, mean, floor)
        weight = self._weight
        weight[:] = usable
        predicted, prediction = False, np.zeros(mean.shape, F32)
        if white is not None and registration.kind != "none":
            self._white.reduce(white, registration)
            clock.mark("white")
            predicted, prediction = self._predict(weight, judge)
        trend = self._trend(self._log - prediction, weight)
        residual = (self._log - prediction - trend).astype(F32)
        clock.mark("background")

        self._pyramid.weigh(weight)
        blurs = self._pyramid.blur(residual)
        bands = self._bands
        np.subtract(residual, blurs[0], out=bands[0])
        np.subtract(blurs[:-1], blurs[1:], out=bands[1:])
        covariance, offset, used = texture_covariance(bands, weight)
        if used < 4 * len(bands):
            flags.append("too little of the field can be judged")
            return self._nothing(mean, judge, unit, clock, flags)
        inverse = np.linalg.inv(covariance)
        filters = self._templates @ inverse
        gain = np.sqrt(np.einsum("sb,sb->s", filters, self._templates))
        filters = filters * (self._trials / gain)[:, None]
        best, which = self._best, self._which
        respond_into(best, which, bands, filters.astype(F32), (-filters @ offset).astype(F32))
        best *= weight
        spread = self._spread(best)
        local = best / spread
        clock.mark("significance")

        background = np.exp(trend + prediction + blurs[-1]) - floor
        background = np.maximum(background, 0)
        smooth = np.where(weight > 0.5, trend + blurs[0], self._log - prediction)
        extended, ground = self._extended(smooth, weight, noise)
        significance = np.maximum(local, extended)
        added = mean - background
        wide = extended > local
        lit = mean - (np.exp(F32(ground) + prediction) - floor)
        added[wide] = np.maximum(added, lit)[wide]
        limit = np.exp(threshold_sigma / gain[1]) - 1
        limits = np.exp(F32(threshold_sigma / gain[1]) * spread) - 1
        limits[judge > 0] = np.inf

        seen = Seen(
            local,
            which,
            residual,
            tuple(blurs[k] for k in self._smooth_of),
            tuple(self._pyramid.support[k] for k in self._support_of),
            mean,
            weight,
            judge,
            full,
            noise,
            unit,
        )
        spots, more = self._finder.find(seen, threshold_sigma, self._masks.injections)
        if more:
            flags.append("more bright places than can be told apart")
        clock.mark("spots")
        tops = added[(significance > threshold_sigma) & (judge == 0)]
        top = float(np.percentile(tops, 99)) if tops.size else float(6 * noise)
        return Analysis(
            grid_px=self.geometry.block_px,
            signal=_owned(np.maximum(added, 0) * unit),
            background=_owned(background * unit),
            significance=_owned(significance),
            limit_contrast=_owned(limits),
            cannot_judge=_owned_bytes(judge),
            limit_sbr=1.0 + float(limit),
            false_calls_per_field=self._false_calls(threshold_sigma),
            scene_full_scale=max(top, 1e-6) * unit,
            colour_predicted=predicted,
            spots=tuple(spots),
            stage_ms=clock.stages,
            flags=tuple(flags),
        )

    def _block_noise(self, nir: Frame, mean: NDArray[np.float32]) -> float:
        """Noise of a block's mean [counts] at the field's median level."""
        field = self.field
        if field.electron_counts is not None:
            read = field.read_noise_counts or 0.0
            k = field.electron_counts * nir.gain
            variance = (read * nir.gain) ** 2 + k * max(float(np.median(mean)), 0.0)
            return math.sqrt(variance / self.geometry.block_px**2) + 0.3 / self.geometry.block_px
        if min(mean.shape) < 3:
            return 1.0
        # a second difference both ways removes everything smooth (DOI 10.1006/cviu.1996.0060)
        d = mean[:, :-2] - 2 * mean[:, 1:-1] + mean[:, 2:]
        d = d[:-2] - 2 * d[1:-1] + d[2:]
        return float(np.median(np.abs(d)) / 0.6745 / 6.0) + 0.3 / self.geometry.block_px

    def _around(
        self, mean: NDArray[np.float32], full: NDArray[np.float32], floor: np.float32
    ) -> NDArray[np.float32]:
        """Level of the wider surroundings [counts]: geometric, so that brightness hardly counts."""
        log_into(self._log, mean, floor)
        self._wide.weigh((full <= 0.02).astype(F32))
        return np.exp(self._wide.blur(self._log)[-1]) - floor  # type: ignore[no-any-return]

    def _predict(
        self, weight: NDArray[np.float32], judge: NDArray[np.uint8]
    ) -> tuple[bool, NDArray[np.float32]]:
        white = self._white
        judge[~white.covered] |= np.uint8(CannotJudge.OUTSIDE_REGISTERED_FIELD)
        good = white.covered & (white.full < 0.004) & (white.edge < 0.35)
        w = weight * good
        if w.sum() < 0.1 * w.size:
            return False, np.zeros(weight.shape, F32)
        for k in range(3):
            log_into(self._logs[k], white.colour[k], F32(max(0.02 * white.colour[k].mean(), 1e-3)))
        self._mid.weigh(np.ascontiguousarray(w, F32))
        passed = []
        for k, image in enumerate((self._log, *self._logs)):
            blurs = self._mid.blur(image)
            passed.append([(blurs[i] - blurs[i + 1])[self._thin] for i in range(len(blurs) - 1)])
            if k > 0:
                # a reflection hides the colour below it: take that of its surroundings
                self._mid.fill(image, good)
        use = w[self._thin] > 0.5
        scale = [1.4826 * float(np.median(np.abs(p[use]))) + 1e-9 for p in passed[0]]
        y = np.concatenate([p[use] / q for p, q in zip(passed[0], scale, strict=True)])
        x = np.stack(
            [
                np.concatenate([p[use] / q for p, q in zip(band, scale, strict=True)])
                for band in passed[1:]
            ],
            1,
        ).astype(np.float64)
        v = np.ones(len(y))
        beta = np.zeros(3)
        for _ in range(4):
            a = (x * v[:, None]).T @ x
            a[np.diag_indices(3)] *= 1.01
            a[np.diag_indices(3)] += 1e-9 * len(y)
            beta = np.linalg.solve(a, (x * v[:, None]).T @ y)
            e = y - x @ beta
            s = 1.4826 * np.median(np.abs(e)) + 1e-9
            v = np.where(
                e > 0, 1 / np.maximum(1, e / (1.0 * s)) ** 2, 1 / np.maximum(1, -e / (2 * s))
            )
        out = np.tensordot(beta, self._logs, axes=1).astype(F32)
        return True, out

    def _trend(
        self, image: NDArray[np.float32], weight: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        thin = self._thin
        y = image[thin].ravel()
        w = weight[thin].ravel().astype(np.float64)
        x = self._shapes[(slice(None), *thin)].reshape(6, -1)
        v = w.copy()
        beta = np.zeros(6)
        for _ in range(3):
            a = (x * v) @ x.T
            a[np.diag_indices(6)] += 1e-6 * max(v.sum(), 1.0)
            beta = np.linalg.solve(a, (x * v) @ y)
            e = y - beta @ x
            s = 1.4826 * float(np.median(np.abs(e[w > 0]))) + 1e-9
            v = w / np.maximum(1, np.abs(e) / (1.5 * s))
        return np.tensordot(beta, self._shapes, axes=1).astype(F32)

    def _spread(self, response: NDArray[np.float32]) -> NDArray[np.float32]:
        """How much livelier texture is here than over the field: at least 1.

        From the mean size of responses in the wider surroundings, bright spots left out.
        """
        calm = self._weight * (response < F32(2.0))
        self._wide.weigh(calm)
        size = np.minimum(np.abs(response), F32(3.0))
        typical = float(np.mean(size[calm > 0.5]))
        return np.maximum(self._wide.blur(size)[-1] / F32(max(typical, 1e-6)), F32(1.0))

    def _extended(
        self, plain: NDArray[np.float32], weight: NDArray[np.float32], noise: float
    ) -> tuple[NDArray[np.float32], float]:
        """Significance of light above the darker, larger part of the field, and that level.

        ``plain`` is log NIR less what colour explains, smoothed. What fluoresces over more than a
        node's size is no node, but it is light, and the operator shall see it. The spread of the
        darker part is its texture, shading and noise; being a lower quantile, it knows nothing of
        what glows.
        """
        seen = plain[weight > 0.5]
        low, level = (float(v) for v in np.quantile(seen, (0.1, 0.4)))
        sigma = math.hypot(0.75 * (level - low), _PLAIN_SPREAD)
        return (plain - F32(level)) / F32(sigma), level

    def _false_calls(self, threshold: float) -> float:
        g = self.geometry
        patch = 2 * g.spot_sigmas[0] ** 2
        u = threshold
        return float(g.rows * g.cols / patch * u / (2 * math.pi) ** 1.5 * math.exp(-u * u / 2) * 3)

    def _nothing(
        self,
        mean: NDArray[np.float32],
        judge: NDArray[np.uint8],
        unit: float,
        clock: _Stages,
        flags: list[str],
    ) -> Analysis:
        zero = np.zeros(mean.shape, F32)
        clock.mark("rest")
        return Analysis(
            grid_px=self.geometry.block_px,
            signal=_owned(zero),
            background=_owned(np.maximum(mean, 0) * unit),
            significance=_owned(zero),
            limit_contrast=_owned(np.full(mean.shape, np.inf, F32)),
            cannot_judge=_owned_bytes(judge),
            limit_sbr=None,
            false_calls_per_field=0.0,
            scene_full_scale=max(float(mean.max()), 1.0) * unit,
            colour_predicted=False,
            spots=(),
            stage_ms=clock.stages,
            flags=tuple(flags),
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


def _owned(values: NDArray[np.floating]) -> NDArray[np.float32]:
    out = np.array(values, dtype=F32, order="C")
    out.setflags(write=False)
    return out


def _owned_bytes(values: NDArray[np.uint8]) -> NDArray[np.uint8]:
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
