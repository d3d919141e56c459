"""The kernels of the core: one list for the tests that look at all of them."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

from numba.core.dispatcher import Dispatcher

import sln_guide.core


def kernels_of_the_core() -> dict[str, Any]:
    """Return them by module and name."""
    found: dict[str, Any] = {}
    for info in pkgutil.walk_packages(sln_guide.core.__path__, "sln_guide.core."):
        module = importlib.import_module(info.name)
        for name, value in vars(module).items():
            if isinstance(value, Dispatcher):
                found[f"{info.name}.{name}"] = value
    return found
