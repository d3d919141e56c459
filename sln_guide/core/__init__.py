"""The numba core: pure functions on arrays."""
