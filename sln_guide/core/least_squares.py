"""Small weighted least squares over samples that lie in rows. Private to the core."""

from __future__ import annotations

import numpy as np

from sln_guide.core.kernel import allocating, kernel


@kernel(error_model="numpy", fastmath={"reassoc", "nsz", "contract", "nnan", "ninf"})
def dot_3(w, x, y):  # type: ignore[no-untyped-def]
    """Return the sum of ``w * x * y``."""
    total = np.float32(0)
    for i in range(w.shape[0]):
        total += w[i] * x[i] * y[i]
    return total


@kernel(error_model="numpy", fastmath={"reassoc", "nsz", "contract", "nnan", "ninf"})
def total_of(w):  # type: ignore[no-untyped-def]
    """Return the sum of ``w``."""
    total = np.float32(0)
    for i in range(w.shape[0]):
        total += w[i]
    return total


@kernel(error_model="numpy")
def normal_into(normal, weight, x, n):  # type: ignore[no-untyped-def]
    """Write the weighted products of all pairs of rows of ``x`` (K, ...) over ``n`` samples."""
    w = weight[:n]
    for i in range(x.shape[0]):
        for j in range(i + 1):
            value = dot_3(w, x[i, :n], x[j, :n])
            normal[i, j] = value
            normal[j, i] = value


@kernel(error_model="numpy")
def _add_scaled(out, f, x):  # type: ignore[no-untyped-def]
    for i in range(out.shape[0]):
        out[i] += f * x[i]


@kernel(error_model="numpy")
def residual_into(residual, y, x, beta, n):  # type: ignore[no-untyped-def]
    """Write ``y - beta @ x`` for ``n`` samples."""
    out = residual[:n]
    for i in range(n):
        out[i] = y[i]
    for k in range(x.shape[0]):
        _add_scaled(out, np.float32(-beta[k]), x[k, :n])


@kernel(error_model="numpy")
def _add_product(out, f, x, y):  # type: ignore[no-untyped-def]
    for i in range(out.shape[0]):
        out[i] += f * x[i] * y[i]


@kernel(error_model="numpy")
def distance_into(distance, inverse, x, n):  # type: ignore[no-untyped-def]
    """Write the squared Mahalanobis distance of each of ``n`` samples."""
    out = distance[:n]
    for i in range(n):
        out[i] = np.float32(0)
    for a in range(x.shape[0]):
        for b in range(a + 1):
            f = np.float32(inverse[a, b] * (1.0 if a == b else 2.0))
            _add_product(out, f, x[a, :n], x[b, :n])


@allocating(error_model="numpy")
def invert_into(inverse, matrix):  # type: ignore[no-untyped-def]
    """Invert a symmetric positive matrix by Gauss-Jordan elimination; False: it is singular."""
    count = matrix.shape[0]
    work = matrix.copy()
    inverse[:] = 0.0
    for i in range(count):
        inverse[i, i] = 1.0
    for i in range(count):
        pivot = work[i, i]
        if not pivot > 0.0:
            return False
        for k in range(count):
            work[i, k] /= pivot
            inverse[i, k] /= pivot
        for j in range(count):
            if j != i:
                f = work[j, i]
                for k in range(count):
                    work[j, k] -= f * work[i, k]
                    inverse[j, k] -= f * inverse[i, k]
    return True


@kernel(error_model="numpy")
def solve_into(out, matrix, right):  # type: ignore[no-untyped-def]
    """Solve a symmetric positive system by elimination; ``matrix``, ``right`` are used up."""
    count = matrix.shape[0]
    for i in range(count):
        for j in range(i + 1, count):
            f = matrix[j, i] / matrix[i, i]
            for k in range(i, count):
                matrix[j, k] -= f * matrix[i, k]
            right[j] -= f * right[i]
    for i in range(count - 1, -1, -1):
        t = right[i]
        for k in range(i + 1, count):
            t -= matrix[i, k] * out[k]
        out[i] = t / matrix[i, i]
