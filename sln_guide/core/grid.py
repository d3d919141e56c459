"""Kernels on the coarse grid: logarithm, mask-aware Gaussian pyramid, resampling.

Private to `core.analysis`. All arrays are float32 and owned by the caller.
"""

from __future__ import annotations

import numba as nb
import numpy as np

_LN2 = np.float32(0.6931471805599453)


@nb.njit(nogil=True, cache=True)
def log_into(out, values, floor):  # type: ignore[no-untyped-def]
    """Write ``log(max(values, 0) + floor)``; ``floor`` > 0 keeps noise in the dark small."""
    for r in range(values.shape[0]):
        for c in range(values.shape[1]):
            out[r, c] = np.log(max(values[r, c], np.float32(0)) + floor)


@nb.njit(nogil=True, cache=True)
def _blur_rows_into(out, source, taps):  # type: ignore[no-untyped-def]
    """Correlate along columns index (within rows) with a symmetric kernel; outside is 0."""
    rows, cols = source.shape
    n = taps.shape[0]
    for r in range(rows):
        line = out[r]
        from_ = source[r]
        for c in range(cols):
            line[c] = from_[c] * taps[0]
        for k in range(1, n):
            if k >= cols:
                break
            t = taps[k]
            for c in range(cols - k):
                line[c] += t * from_[c + k]
            for c in range(cols - k):
                line[c + k] += t * from_[c]


@nb.njit(nogil=True, cache=True)
def _blur_columns_into(out, source, taps):  # type: ignore[no-untyped-def]
    """Correlate along rows index (down the columns) with a symmetric kernel; outside is 0."""
    rows, cols = source.shape
    n = taps.shape[0]
    for r in range(rows):
        line = out[r]
        a = source[r]
        for c in range(cols):
            line[c] = a[c] * taps[0]
        for k in range(1, n):
            t = taps[k]
            if r - k >= 0:
                a = source[r - k]
                for c in range(cols):
                    line[c] += t * a[c]
            if r + k < rows:
                a = source[r + k]
                for c in range(cols):
                    line[c] += t * a[c]


@nb.njit(nogil=True, cache=True)
def blur_into(out, source, taps, scratch):  # type: ignore[no-untyped-def]
    """Gaussian blur; ``taps`` is half of the kernel from its centre; outside counts as 0."""
    _blur_rows_into(scratch, source, taps)
    _blur_columns_into(out, scratch, taps)


@nb.njit(nogil=True, cache=True)
def halve_into(out, source):  # type: ignore[no-untyped-def]
    """Take every second row and column: ``out[i, j] = source[2 i, 2 j]``."""
    for r in range(out.shape[0]):
        for c in range(out.shape[1]):
            out[r, c] = source[2 * r, 2 * c]


@nb.njit(nogil=True, cache=True)
def enlarge_into(out, source, factor):  # type: ignore[no-untyped-def]
    """Interpolate ``source`` (samples at every ``factor``-th cell of ``out``) bilinearly."""
    rows, cols = out.shape
    last_r, last_c = source.shape[0] - 1, source.shape[1] - 1
    step = np.float32(1.0) / np.float32(factor)
    for r in range(rows):
        i = min(r // factor, last_r)
        i2 = min(i + 1, last_r)
        fr = np.float32(r - i * factor) * step
        a = source[i]
        b = source[i2]
        for c in range(cols):
            j = min(c // factor, last_c)
            j2 = min(j + 1, last_c)
            fc = np.float32(c - j * factor) * step
            top = a[j] + fc * (a[j2] - a[j])
            low = b[j] + fc * (b[j2] - b[j])
            out[r, c] = top + fr * (low - top)


@nb.njit(nogil=True, cache=True)
def divide_into(out, sums, weights):  # type: ignore[no-untyped-def]
    """Write ``sums / weights``, 0 where there is hardly any weight."""
    for r in range(out.shape[0]):
        for c in range(out.shape[1]):
            w = weights[r, c]
            out[r, c] = sums[r, c] / w if w > np.float32(1e-3) else np.float32(0)


@nb.njit(nogil=True, cache=True)
def fill_into(image, good, blurs, support):  # type: ignore[no-untyped-def]
    """Replace cells that are not ``good``, in place, by the finest blur with enough support."""
    levels = blurs.shape[0]
    for r in range(image.shape[0]):
        for c in range(image.shape[1]):
            if good[r, c]:
                continue
            k = 0
            while k < levels - 1 and support[k, r, c] < np.float32(0.25):
                k += 1
            image[r, c] = blurs[k, r, c]


@nb.njit(nogil=True, cache=True)
def sample_into(out, source, at, weight):  # type: ignore[no-untyped-def]
    """Sample ``source`` bilinearly through a table.

    ``at`` (N, 4) int32 flat indices into a plane of ``source`` (planes, rows, cols), ``weight``
    (N, 4) float32; ``out`` (planes, N).
    """
    planes = source.shape[0]
    flat = source.reshape(planes, source.shape[1] * source.shape[2])
    for p in range(planes):
        s = flat[p]
        for i in range(at.shape[0]):
            out[p, i] = (
                s[at[i, 0]] * weight[i, 0]
                + s[at[i, 1]] * weight[i, 1]
                + s[at[i, 2]] * weight[i, 2]
                + s[at[i, 3]] * weight[i, 3]
            )


def gaussian_taps(sigma: float) -> np.ndarray:  # type: ignore[type-arg]
    """Return half of a normalised Gaussian kernel from its centre on, cut at 3 sigma."""
    if sigma <= 0:
        return np.ones(1, np.float32)
    radius = max(1, int(np.ceil(3.0 * sigma)))
    half = np.exp(-0.5 * (np.arange(radius + 1) / sigma) ** 2)
    return (half / (half[0] + 2 * half[1:].sum())).astype(np.float32)
