"""Real tissue with a truth: the core's masks beside thresholds, each at one setting for all.

``fgs_chicken``: noisy NIR, and the same averaged, whose Otsu mask is the truth. ``fluo_16bit``: an
image and its dark frame, with a reference mask. Neither is part of the project: what is absent is
skipped.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.core_speed import ASSUMED, field_of
from benchmarks.detection_scenes import frame_of
from hardware.frame import PixelFormat
from sln_guide.core.analysis import Analyser
from sln_guide.core.opencv import cv2
from sln_guide.core.subtract import take_off_into

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def chicken(folder: Path) -> dict[str, float]:
    """Mean IoU over all frames of a real recording; each method at one setting for all."""
    import sep

    read = [
        [cv2.imread(str(folder / kind / f"{k:03d}.png"), flag) for k in range(80)]
        for kind, flag in (("nir", 0), ("nir_truth", 0), ("white", 1))
    ]
    analyser: Analyser | None = None
    scores: dict[str, list[float]] = {}
    for nir, truth, white in zip(*read, strict=True):
        mask = cv2.threshold(truth, 0, 255, cv2.THRESH_OTSU)[1] > 0
        shot = frame_of(nir, PixelFormat.MONO8)
        colour = frame_of(cv2.cvtColor(white, cv2.COLOR_BGR2RGB), PixelFormat.RGB8)
        analyser = analyser or Analyser(field_of(shot, 128.0 / shot.width, 0.0))
        result = analyser.analyse(shot, colour, ASSUMED, 4.5)
        tried = {"core": result.significance >= 4.5}
        smooth = cv2.GaussianBlur(nir.astype(np.float32), (0, 0), 1.5)
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (61, 61))
        hat = cv2.morphologyEx(smooth, cv2.MORPH_TOPHAT, kernel)
        middle = np.median(hat)
        spread = 1.4826 * np.median(np.abs(hat - middle))
        for k in (3.0, 4.0, 5.0, 6.0, 7.0):
            tried[f"OpenCV top-hat + {k:g} MAD"] = hat > middle + k * spread
        blurred = cv2.GaussianBlur(nir, (0, 0), 2)
        tried["blur + Otsu"] = cv2.threshold(blurred, 0, 255, cv2.THRESH_OTSU)[1] > 0
        data = nir.astype(np.float64)
        ground = sep.Background(data)
        for k in (1.5, 2.0, 3.0, 4.0):
            _, labels = sep.extract(
                data - ground.back(), k, err=ground.globalrms, minarea=20, segmentation_map=True
            )
            tried[f"SEP {k:g}"] = labels > 0
        for name, lit in tried.items():
            scores.setdefault(name, []).append(iou(lit, mask))
    means = {name: float(np.mean(v)) for name, v in scores.items()}
    print("real tissue (80 frames), mean IoU with Otsu of the truth, one setting for all:")
    for name, mean in means.items():
        print(f"  {name:26s} {mean:.3f}")
    return means


def fluorescence(folder: Path) -> float:
    """IoU with the reference mask of Otsu's threshold, after a dark frame was taken off."""
    image, dark, truth = (read(folder / f"FLUO_TV_{name}.png") for name in ("max", "dark", "MASK"))
    corrected = np.empty_like(image)
    full = 2**16 - 1
    take_off_into(corrected, image, dark, (0, 0), pedestal=0, top=full, out_top=full, blinding=1.0)
    eight = np.clip(corrected / corrected.max() * 255.0, 0, 255).astype(np.uint8)
    mask = cv2.threshold(eight, 0, 255, cv2.THRESH_OTSU)[1] > 0
    score = iou(mask, truth > 0)
    print(f"16-bit fluorescence, the dark frame taken off, then Otsu: IoU {score:.3f}")
    return score


def read(path: Path) -> NDArray[Any]:
    """Return an image as it was stored."""
    return np.asarray(cv2.imread(str(path), cv2.IMREAD_UNCHANGED))


def iou(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    """Return the share of what either mask holds that both hold."""
    return float((a & b).sum() / max((a | b).sum(), 1))


def main(*, quick: bool = False) -> dict[str, object]:
    """Measure and print; return the figures."""
    del quick
    figures: dict[str, object] = {}
    for name, measure in (("fgs_chicken", chicken), ("fluo_16bit", fluorescence)):
        if (SHARED_DATA / name).is_dir():
            figures[name] = measure(SHARED_DATA / name)
        else:
            print(f"{name}: absent, skipped")
    return figures


if __name__ == "__main__":
    main()
