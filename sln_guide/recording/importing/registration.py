"""A registration as a file: a table as in a rig, or a bare matrix."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import numpy as np

from hardware.rig import Matrix3, Registration
from sln_guide.recording.importing.picture import ImportProblem


def load_registration(path: Path) -> Registration:
    """Read a registration: a table as in a rig file (TOML, JSON), or a 3x3 matrix.

    A bare matrix counts as assumed: it does not say how well it was measured.

    Raises
    ------
    ImportProblem
        Naming the file and what is wrong.
    """
    try:
        if path.suffix.lower() in (".toml", ".json"):
            data = path.read_bytes()
            table = (
                msgspec.toml.decode(data) if path.suffix.lower() == ".toml" else json.loads(data)
            )
            table = table.get("registration", table) if isinstance(table, dict) else table
            result = msgspec.convert(table, Registration)
        else:
            if path.suffix.lower() == ".npy":
                matrix = np.load(path, allow_pickle=False)
            else:
                text = path.read_text(encoding="utf-8").replace(",", " ")
                matrix = np.array(
                    [[float(v) for v in row.split()] for row in text.splitlines() if row.strip()]
                )
            if matrix.shape != (3, 3):
                raise ImportProblem(f"{path}: holds {matrix.shape} numbers, not 3x3")
            rows: Matrix3 = msgspec.convert(matrix.tolist(), Matrix3)
            result = Registration(kind="assumed", white_from_nir=rows)
    except FileNotFoundError:
        raise ImportProblem(f"--registration {path}: no such file (or identity, none)") from None
    except (OSError, ValueError, msgspec.MsgspecError, EOFError) as error:
        raise ImportProblem(f"{path}: not a registration ({error})") from None
    values = result.matrix()
    if not np.isfinite(values).all() or abs(float(np.linalg.det(values))) < 1e-9:
        raise ImportProblem(f"{path}: the matrix cannot be inverted")
    return result
