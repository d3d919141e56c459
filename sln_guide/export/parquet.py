"""Parquet beside CSV, by DuckDB where it is installed (half the size of the other writers)."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from sln_guide.export.tables import DETECTION_COLUMNS

_TEXT = ("kind", "flags")
_WHOLE = ("frame", "track_id", "node_number")
_YES_NO = ("confirmed", "coasted")


def _type(column: str) -> str:
    if column in _TEXT:
        return "VARCHAR"
    if column in _WHOLE:
        return "BIGINT"
    return "BOOLEAN" if column in _YES_NO else "DOUBLE"


DETECTION_TYPES: dict[str, str] = {column: _type(column) for column in DETECTION_COLUMNS}
"""Columns of a table of detections, and their SQL types."""


def parquet_available() -> bool:
    """Return whether Parquet can be written here."""
    return find_spec("duckdb") is not None


def write_parquet(table: Path, parquet: Path, types: Mapping[str, str]) -> None:
    """Write the CSV ``table`` as Parquet, row for row; an empty cell is null.

    Raises
    ------
    OSError
        When it cannot be written.
    """
    import duckdb

    columns = ", ".join(f"'{name}': '{kind}'" for name, kind in types.items())
    try:
        with duckdb.connect() as database:
            database.execute(
                f"COPY (FROM read_csv({_quoted(table)}, header = true, columns = {{{columns}}}, "
                f"auto_detect = false)) TO {_quoted(parquet)} (FORMAT parquet, COMPRESSION zstd)"
            )
    except duckdb.IOException as error:
        raise OSError(str(error).splitlines()[0]) from None


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"
