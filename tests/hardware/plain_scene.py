"""A scene of the phantom in which what is added stands alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hardware.phantom import Phantom, Scene

PLAIN = Scene(
    400,
    320,
    border=False,
    vessels=False,
    speculars=False,
    texture_rms=0.0,
    fine_rms=0.0,
    relief=0.0,
)
"""Tissue without texture, so that what is added stands alone."""


def nodes_alone(scene: Scene, index: int = 0) -> np.ndarray:
    """Return the light that nodes add: with them less without."""
    bare = Phantom.from_scene(replace(scene, nodes=()))
    return Phantom.from_scene(scene).noiseless(index) - bare.noiseless(index)
