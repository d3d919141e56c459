"""The simulated bench with small pictures, as a rig file."""

from __future__ import annotations

from pathlib import Path

RIGS = Path(__file__).parents[2] / "hardware" / "rigs"
SMALL = {
    "width = 640": "width = 448",
    "height = 512": "height = 358",
    "mm_per_px = 0.2": "mm_per_px = 0.28",
    "[0, 0, 800, 640]": "[0, 0, 560, 448]",
}


def small_bench(folder: Path, name: str = "bench") -> Path:
    """Write the rig file; return it."""
    text = (RIGS / f"{name}.toml").read_text(encoding="utf-8")
    for before, after in SMALL.items():
        assert before in text
        text = text.replace(before, after)
    path = folder / "rig.toml"
    path.write_text(text, encoding="utf-8")
    return path
