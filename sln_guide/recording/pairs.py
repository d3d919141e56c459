"""Which NIR frame belongs with which white one, in a case, and what stands alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

HOLE_NS = 500_000_000
"""A longer stretch without a pair is no hiccup: what was recorded in it is shown as well."""


def nearest_pairs(
    nir_ns: NDArray[np.int64], white_ns: NDArray[np.int64]
) -> list[tuple[int, int | None]]:
    """Return for each NIR frame the white one exposed nearest to it, None where none was near.

    The nearest of a steady stream is at most half a period away; three quarters allow for jitter.

    Parameters
    ----------
    nir_ns, white_ns
        (N,) and (M,) int64, mid-exposures on one clock, in any order.
    """
    if len(white_ns) == 0:
        return [(index, None) for index in range(len(nir_ns))]
    order = np.argsort(white_ns, kind="stable")
    times = white_ns[order]
    right = np.clip(np.searchsorted(times, nir_ns), 0, len(times) - 1)
    left = np.maximum(right - 1, 0)
    nearer_left = np.abs(times[left] - nir_ns) <= np.abs(times[right] - nir_ns)
    chosen = np.where(nearer_left, left, right)
    skew_ns = np.abs(times[chosen] - nir_ns)
    limit_ns = 0.75 * float(np.median(np.diff(times))) if len(times) > 1 else np.inf
    return [
        (index, int(order[c]) if skew <= limit_ns else None)
        for index, (c, skew) in enumerate(zip(chosen.tolist(), skew_ns.tolist(), strict=True))
    ]


def in_holes(times_ns: NDArray[np.int64], known_ns: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Tell which of ``times_ns`` lie in a stretch of more than `HOLE_NS` without a known one.

    Parameters
    ----------
    times_ns, known_ns
        (N,) and (M,) int64, on one clock, in any order. Before the first known time and behind
        the last one the stretch ends with the first and last of ``times_ns``.
    """
    if len(times_ns) == 0 or len(known_ns) == 0:
        return np.full(len(times_ns), True)
    known = np.sort(known_ns)
    first, last = min(times_ns.min(), known[0]), max(times_ns.max(), known[-1])
    edges = np.concatenate(([first], known, [last]))
    right = np.searchsorted(known, times_ns)
    holes = (edges[right + 1] - edges[right] > HOLE_NS) & ~np.isin(times_ns, known)
    return np.asarray(holes, dtype=np.bool_)


def all_moments(
    pairs: list[tuple[int, int | None]],
    nir_ns: NDArray[np.int64],
    white_ns: NDArray[np.int64],
    lit: NDArray[np.bool_] | None,
) -> list[tuple[int | None, int | None]]:
    """Return (NIR index, white index) of all there is to show, in order of time.

    The ``pairs``, and what was recorded for a while without any: NIR frames that nothing was
    computed of, white frames while there was no NIR.

    Parameters
    ----------
    pairs
        (NIR index, white index or None), in the order of processing.
    nir_ns, white_ns
        (N,) and (M,) int64, mid-exposures on one clock.
    lit
        (N,) bool, which NIR frames were lit; None: all.
    """

    def exposed_ns(moment: tuple[int | None, int | None]) -> int:
        nir, white = moment
        return int(white_ns[white] if nir is None else nir_ns[nir])

    paired = np.array([nir for nir, _ in pairs], dtype=np.intp)
    more = set(np.flatnonzero(in_holes(nir_ns, nir_ns[paired])).tolist()) - set(paired.tolist())
    if lit is not None:
        more &= set(np.flatnonzero(lit).tolist())
    shown = pairs + [pair for pair in nearest_pairs(nir_ns, white_ns) if pair[0] in more]
    seen_ns = nir_ns[[nir for nir, _ in shown]]
    partners = {white for _, white in shown}
    lone = set(np.flatnonzero(in_holes(white_ns, seen_ns)).tolist()) - partners
    moments: list[tuple[int | None, int | None]] = [*shown, *((None, white) for white in lone)]
    if more or lone:
        moments.sort(key=exposed_ns)
    return moments
