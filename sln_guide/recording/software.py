"""What a case says made it: versions, and a digest of the code that turns frames into guidance."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path

import hardware
import sln_guide

COMPUTATION = "computation"
"""Key of the digest among the versions."""

PACKAGES = ("sln_guide/core", "sln_guide/tracking")
FILES = (
    "hardware/balance.py",
    "hardware/camera.py",
    "hardware/frame.py",
    "hardware/gating.py",
    "hardware/opencv.py",
    "hardware/rig.py",
    "hardware/working_plane.py",
    "sln_guide/calibration/errors.py",
    "sln_guide/calibration/frames.py",
    "sln_guide/calibration/gated.py",
    "sln_guide/exclusion.py",
    "sln_guide/guidance.py",
    "sln_guide/health.py",
    "sln_guide/live/lighting.py",
    "sln_guide/pipeline.py",
    "sln_guide/pipeline_state.py",
)
"""All that `pipeline` and `lighting` import of ours, and they: a version's number does not change
with every edit, and results may."""

LIBRARIES = ("sln-guide", "numpy", "blosc2", "numba", "opencv-python")
DIGITS = 12


def _digest() -> str:
    homes = {"hardware": Path(hardware.__file__), "sln_guide": Path(sln_guide.__file__)}
    paths: list[Path] = []
    for name in (*FILES, *PACKAGES):
        path = homes[name.split("/")[0]].parent.parent / name
        paths += sorted(path.glob("*.py")) if name in PACKAGES else [path]
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.name.encode() + b"\0")
        digest.update(path.read_bytes())
    return digest.hexdigest()[:DIGITS]


_DIGEST = _digest()
"""Of the sources as they were loaded: an update under a running program changes nothing in it."""


def software_versions() -> dict[str, str]:
    """Return what a case, or what is derived from one, says made it.

    By name: our version and those of the libraries that decide results and bytes; "computation",
    the digest of the code that computes guidance; "python" and "machine" (the processor's kind).
    """
    found = {name: version(name) for name in LIBRARIES}
    return found | {
        COMPUTATION: _DIGEST,
        "python": platform.python_version(),
        "machine": platform.machine(),
    }


def other_versions(recorders: Iterable[Mapping[str, str]]) -> tuple[str, ...]:
    """Return what of ``recorders`` is another version here, each with the version then."""
    here = software_versions()
    then = sorted({each for software in recorders for each in software.items()})
    return tuple(
        f"{name} {made}" for name, made in then if name != COMPUTATION and here.get(name) != made
    )


def other_code(recorders: Iterable[Mapping[str, str]]) -> str | None:
    """Return the digest of the code that computed for ``recorders`` if it is not the code here.

    None: it was this very code. Empty: a case from before cases noted it, so that nobody can tell.
    """
    then = {software.get(COMPUTATION, "") for software in recorders}
    return None if then == {_DIGEST} else ", ".join(sorted(then - {_DIGEST, ""}))
