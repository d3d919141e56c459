"""Run every benchmark, one after the other: what `make bench` and `sln-guide bench` do."""

from __future__ import annotations

import importlib

BENCHMARKS = (
    "calibration",
    "core_speed",
    "detection",
    "false_tracks",
    "ideal_observer",
    "live_path",
    "real_tissue",
    "recording",
    "screen",
    "tracking",
)


def main(only: str | None = None, *, quick: bool = False) -> int:
    """Run all benchmarks, or the one named ``only``; return an exit code."""
    names = BENCHMARKS if only is None else (only,)
    for name in names:
        if name not in BENCHMARKS:
            print(f"no benchmark named {name!r}: choose from {', '.join(BENCHMARKS)}")
            return 2
        print(f"\n== {name} ==", flush=True)
        importlib.import_module(f"benchmarks.{name}").main(quick=quick)
    return 0
