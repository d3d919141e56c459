"""What kernels are made with.

A slice of an array costs numba two atomic operations on its count of references, in every row of
every loop: a third of the time of a kernel that takes a row's few slices. A `kernel` counts none:
it works on arrays that its caller holds. Whatever would own one is refused by the compiler ("NRT
required"), save two things: **a kernel must not return an array**, not even one it was given, and
**it must not be handed one by whom it calls**: nobody would ever give that back.
"""

from __future__ import annotations

from functools import partial

import numba as nb

kernel = partial(nb.njit, nogil=True, cache=True, _nrt=False)
"""Compile a function that allocates no array and returns none."""
allocating = partial(nb.njit, nogil=True, cache=True, _nrt=True)
"""Compile one that does; said for each, as it would else follow its caller."""
