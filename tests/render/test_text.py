"""Without a font nothing could be read: that is an error, not boxes instead of letters."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """
from sln_guide.render.text import NoFontError, ensure_gui_application, family
try:
    ensure_gui_application()
    print("drawn in", repr(family()))
except NoFontError as error:
    print(error)
"""


def test_a_machine_without_fonts_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "fonts.conf").write_text("<fontconfig></fontconfig>")
    said = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=os.environ | {"FONTCONFIG_FILE": str(tmp_path / "fonts.conf")},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        cwd=Path(__file__).parents[2],
    )
    assert said.stdout.startswith("no font is installed"), said.stdout + said.stderr
