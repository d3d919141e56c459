"""Runs the EMVA 1288 reference implementation, as a program of its own, on its own camera.

Prints its figures and leaves the frames it saw: arrays ``lit_k``, ``dark_k`` (2, H, W), the
exposure of each, and the spatial stacks. Usage: reference_ptc.py OUT.npz
"""

from __future__ import annotations

import json
import sys

import numpy as np

if not hasattr(np, "asfarray"):  # the reference was written for NumPy 1
    vars(np)["asfarray"] = lambda a, dtype=float: np.asarray(a, dtype)

from emva1288.camera.camera import Camera
from emva1288.process.data import Data1288
from emva1288.process.results import Results1288
from emva1288.process.routines import get_int_imgs

HEIGHT, WIDTH, STEPS, STACK = 120, 160, 40, 16


def summed(images: np.ndarray) -> dict[str, float]:
    """Return what the reference's loader makes of two frames."""
    found = get_int_imgs(list(images))
    return {
        "sum": float(np.sum(found["sum"])),
        "pvar": float(np.sum(found["pvar"])),
        "dmean": float(found["dmean"]),
    }


rng = np.random.default_rng(5)
camera = Camera(
    bit_depth=12,
    width=WIDTH,
    height=HEIGHT,
    K=0.21,
    blackoffset=60,
    blackoffset_max=200,
    u_esat=16_000.0,
    dark_current_ref=40,
    dark_signal_0=0.0,
    sigma2_dark_0=36.0,
    dsnu=5.0 * rng.standard_normal((HEIGHT, WIDTH)),
    prnu=1.0 + 0.009 * rng.standard_normal((HEIGHT, WIDTH)),
    seed=9,
)
camera.exposure = camera.exposure_max
radiance = camera.get_radiance_for(mean=5000.0)
exposures = np.linspace(camera.exposure_max / STEPS, camera.exposure_max, STEPS)
arrays: dict[str, np.ndarray] = {"exposures_us": exposures * 1e-3}
temporal: dict[float, dict[float, dict[str, object]]] = {}
for k, exposure in enumerate(exposures):
    camera.exposure = exposure
    lit = np.stack([camera.grab(radiance) for _ in range(2)])
    dark = np.stack([camera.grab(radiance * 0.0) for _ in range(2)])
    arrays[f"lit_{k}"], arrays[f"dark_{k}"] = lit, dark
    photons = float(np.mean(camera.get_photons(radiance)))
    temporal[exposure] = {photons: summed(lit), 0.0: summed(dark)}
camera.exposure = exposures[STEPS // 3]
lit = np.stack([camera.grab(radiance) for _ in range(STACK)])
dark = np.stack([camera.grab(radiance * 0.0) for _ in range(STACK)])
arrays["spatial_lit"], arrays["spatial_dark"] = lit, dark
photons = float(np.mean(camera.get_photons(radiance)))
spatial = {camera.exposure: {photons: get_int_imgs(list(lit)), 0.0: get_int_imgs(list(dark))}}
data = {"temporal": temporal, "spatial": spatial, "width": WIDTH, "height": HEIGHT}
data = Data1288(data).data
# it takes the last of several equal variances for the peak where the full well clips: told which
peak = int(np.argmax(data["temporal"]["s2_y"]))
found = Results1288(data, pixel_area=25, index_u_ysat=peak)
np.savez(sys.argv[1], **arrays)
sys.stdout.write(
    json.dumps(
        {
            "K": float(found.K),
            "K_true": float(camera.K),
            "sigma_d": float(found.sigma_d),
            "sigma_y_dark": float(found.sigma_y_dark),
            "u_e_sat": float(found.u_e_sat),
            "u_e_min": float(found.u_e_min),
            "DR": float(found.DR),
            "SNR_max": float(found.SNR_max),
            "LE_min": float(found.LE_min) / 100,
            "LE_max": float(found.LE_max) / 100,
            "u_I_mean": float(found.u_I_mean),
            "DSNU": float(found.DSNU1288),
            "PRNU": float(found.PRNU1288) / 100,
        }
    )
)
