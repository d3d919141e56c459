"""Run as a process of its own: records until it is killed, telling each frame that was taken.

    python -m tests.recording.dying_writer FOLDER [resume|jpeg [FIRST]]

Prints the sequence number of each frame once `write_frame` has returned.
"""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

from sln_guide.guidance import Role, Settings
from sln_guide.recording import CaseDescription, CaseWriter
from tests.recording.making import frame, guidance, jpeg_rig, rig, white


def main(folder: Path, how: str) -> None:
    if how == "resume":
        case = CaseWriter.resume(folder, roll_bytes=400_000)
    else:
        chosen = jpeg_rig() if how == "jpeg" else rig()
        case = CaseWriter(
            folder, CaseDescription(rig=chosen, settings=Settings()), roll_bytes=400_000
        )

    def sync() -> None:
        while True:
            case.sync()

    threading.Thread(target=sync, daemon=True).start()
    first = int(sys.argv[3]) if len(sys.argv) > 3 else 0
    for sequence in range(first, first + 1_000_000):
        nir, other = frame(sequence, size=(96, 128)), white(sequence, size=(96, 128))
        case.write_frame(Role.NIR, nir)
        case.write_frame(Role.WHITE, other)
        case.write_guidance(guidance(sequence, nir, other))
        os.write(1, f"{sequence}\n".encode())


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "")
