"""Names that come from outside and become names of files."""

from __future__ import annotations

from sln_guide.recording.errors import RecordingError

MAX_NAME = 128


def check_attachment_name(name: str) -> None:
    """Refuse what is not a plain, portable file name: no folders, no control characters.

    Raises
    ------
    RecordingError
        Naming what is wrong.
    """
    if (
        not name
        or len(name.encode(errors="replace")) > MAX_NAME
        or name.startswith((".", " "))
        or name.endswith((".", " "))
        or any(c in '/\\:*?"<>|' or not c.isprintable() for c in name)
    ):
        raise RecordingError(
            f"attachment name {name[:60]!r} is not a plain file name: use letters, digits, - _ ."
        )
