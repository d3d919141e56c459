"""What others would write for the same job: each with one fixed setting, none of them a straw man.

`careful_overlay`: the whole NIR-to-overlay job in OpenCV by someone who knows that the background
can be estimated on a small image. `plain_overlay`: the same with full-size Gaussians.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sln_guide.core.opencv import cv2

Array = NDArray[Any]
Call = tuple[float, float, float]
"""(x, y, score) of one called node [NIR px]."""


class OpenCvComposition:
    """Dark, flat, background, threshold, components, demosaic, warp, colour map, blend."""

    def __init__(self, height: int, width: int, *, careful: bool) -> None:
        self._dark = np.full((height, width), 64, np.float32)
        self._flat = np.ones((height, width), np.float32)
        self._careful = careful
        self._matrix = np.eye(3)

    def _background(self, corrected: Array) -> Array:
        height, width = corrected.shape
        if not self._careful:
            # the median of a full-size image in counts needs 16 bits: Gaussians only
            return np.asarray(cv2.GaussianBlur(corrected, (0, 0), 40))
        small = cv2.resize(corrected, (width // 16, height // 16), interpolation=cv2.INTER_AREA)
        small = cv2.GaussianBlur(cv2.medianBlur(small, 5), (0, 0), 4)
        return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR))

    def overlay(self, nir: Array, mosaic: Array) -> tuple[Array, Array]:
        """Return the painted-ready picture and the components' statistics."""
        corrected = cv2.subtract(nir, self._dark, dtype=cv2.CV_32F)
        corrected = cv2.multiply(corrected, self._flat)
        added = cv2.subtract(corrected, self._background(corrected))
        added = cv2.blur(added, (5, 5)) if self._careful else cv2.GaussianBlur(added, (0, 0), 2)
        sample = added[::8, ::8]
        middle = np.median(sample)
        spread = 1.4826 * np.median(np.abs(sample - middle))
        mask = (added > middle + 4 * spread).astype(np.uint8)
        _, _, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
        scaled = cv2.convertScaleAbs(added, alpha=255 / max(20 * float(spread), 1e-6))
        scaled = cv2.bitwise_and(scaled, scaled, mask=mask)
        white = cv2.cvtColor(mosaic, cv2.COLOR_BayerRG2BGR)
        size = (white.shape[1], white.shape[0])
        warped = cv2.warpPerspective(scaled, self._matrix, size)
        coloured = cv2.applyColorMap(warped, cv2.COLORMAP_VIRIDIS)
        blended = cv2.addWeighted(white, 1.0, coloured, 0.6, 0)
        return cv2.cvtColor(blended, cv2.COLOR_BGR2BGRA), stats


def call_top_hat(light: Array, k: float) -> list[Call]:
    """OpenCV: top-hat wider than a node, k times the robust spread, components."""
    small = cv2.resize(light, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small.astype(np.float32), (0, 0), 2)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (61, 61))
    hat = cv2.morphologyEx(small, cv2.MORPH_TOPHAT, kernel)
    middle = np.median(hat)
    spread = 1.4826 * np.median(np.abs(hat - middle)) + 1e-6
    score = (hat - middle) / spread
    count, labels, stats, centres = cv2.connectedComponentsWithStats((score > k).astype(np.uint8))
    return [
        (centres[i][0] * 4 + 1.5, centres[i][1] * 4 + 1.5, float(score[labels == i].max()))
        for i in range(1, min(count, 400))
        if stats[i, cv2.CC_STAT_AREA] >= 20
    ]


def call_sep(light: Array, k: float) -> list[Call]:
    """Source Extractor: mesh background, matched filter, deblending."""
    import sep

    data = np.ascontiguousarray(light, np.float32)
    background = sep.Background(data, bw=128, bh=128)
    data = data - background.back()
    kernel = cv2.getGaussianKernel(9, 2.0)
    sep.set_extract_pixstack(2_000_000)
    try:
        found = sep.extract(
            data, k, err=background.globalrms, minarea=200, filter_kernel=kernel @ kernel.T
        )
    except Exception:  # noqa: BLE001 - its own buffers overflow on busy scenes: then it has found nothing
        return []
    score = found["peak"] / background.globalrms
    return list(zip(found["x"].tolist(), found["y"].tolist(), score.tolist(), strict=True))


def call_otsu(light: Array, k: float) -> list[Call]:
    """Blur, Otsu's threshold times ``k``, components."""
    small = cv2.resize(light, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small.astype(np.float32), (0, 0), 3)
    top = max(float(np.percentile(small, 99.9)), 1.0)
    eight = np.clip(small / top * 255, 0, 255).astype(np.uint8)
    level, _ = cv2.threshold(eight, 0, 255, cv2.THRESH_OTSU)
    mask = (eight > level * k).astype(np.uint8)
    count, labels, stats, centres = cv2.connectedComponentsWithStats(mask)
    return [
        (centres[i][0] * 4 + 1.5, centres[i][1] * 4 + 1.5, float(eight[labels == i].max() / level))
        for i in range(1, min(count, 400))
        if stats[i, cv2.CC_STAT_AREA] >= 20
    ]


def call_log(light: Array, k: float) -> list[Call]:
    """scikit-image: Laplacian of Gaussian blobs on the log image, over a node's sizes."""
    from skimage.feature import blob_log

    small = cv2.resize(light, None, fx=0.125, fy=0.125, interpolation=cv2.INTER_AREA)
    logged = np.log(np.maximum(small, 1.0))
    blobs = blob_log(logged, min_sigma=1.5, max_sigma=10, num_sigma=6, threshold=k)
    return [(x * 8 + 3.5, y * 8 + 3.5, float(logged[int(y), int(x)])) for y, x, _ in blobs]


PEERS: dict[str, tuple[Callable[[Array, float], list[Call]], tuple[float, ...]]] = {
    "OpenCV top-hat + k MAD": (call_top_hat, (3, 4, 6, 8, 12, 16, 24, 40)),
    "SEP (Source Extractor)": (call_sep, (1.0, 1.5, 2, 3, 5, 8, 12, 20)),
    "blur + Otsu": (call_otsu, (0.8, 1.0, 1.2, 1.5, 2.0, 3.0)),
    "scikit-image LoG": (call_log, (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 0.8)),
}
