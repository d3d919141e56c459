"""Images for the emulator, drawn once; the emulator's cameras offered before pylon is loaded."""

from __future__ import annotations

import os

os.environ["PYLON_CAMEMU"] = "4"

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from hardware.images import write_emulator_image

HEIGHT, WIDTH = 64, 96


@pytest.fixture(scope="session")
def mono12_images() -> NDArray[np.uint16]:
    """Three noise images of every 12 bit value there is, (3, H, W)."""
    return np.random.default_rng(12).integers(0, 4096, (3, HEIGHT, WIDTH), dtype=np.uint16)


@pytest.fixture(scope="session")
def bayer8_images() -> NDArray[np.uint8]:
    return np.random.default_rng(8).integers(0, 256, (3, HEIGHT, WIDTH), dtype=np.uint8)


@pytest.fixture(scope="session")
def mono12_folder(tmp_path_factory: pytest.TempPathFactory, mono12_images: np.ndarray) -> Path:
    folder = tmp_path_factory.mktemp("mono12")
    for index, pixels in enumerate(mono12_images):
        write_emulator_image(folder / f"{index:03}.tif", pixels, 12)
    return folder


@pytest.fixture(scope="session")
def bayer8_folder(tmp_path_factory: pytest.TempPathFactory, bayer8_images: np.ndarray) -> Path:
    folder = tmp_path_factory.mktemp("bayer8")
    for index, pixels in enumerate(bayer8_images):
        write_emulator_image(folder / f"{index:03}.tif", pixels, 8)
    return folder
