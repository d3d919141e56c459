"""Reads rigs from TOML: those that come with the application, and your own.

Validated strictly: an unknown key, a wrong type or a value out of range is refused with the key's
path.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import msgspec

from hardware.rig import CameraSpec, Rig, RigError
from hardware.rig_rules import problems
from hardware.toml_words import plain, plain_syntax


def parse_rig(text: str, *, origin: str) -> Rig:
    """Parse and validate TOML ``text``; ``origin`` is named in errors.

    Raises
    ------
    RigError
        Naming the key and what is wrong with it.
    """
    try:
        rig = msgspec.toml.decode(text.encode(), type=Rig)
    except msgspec.ValidationError as error:
        raise RigError(f"rig {origin}: {_one_line(plain(str(error), Rig))}") from None
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        reason = _one_line(plain_syntax(str(error), text)) or "nested too deeply"
        raise RigError(f"rig {origin}: not valid TOML: {reason}") from None
    wrong = next(problems(rig), None)
    if wrong is not None:
        raise RigError(f"rig {origin}: key '{wrong[0]}': {_one_line(wrong[1])}")
    return rig


def load_rig(name_or_path: str | Path) -> Rig:
    """Load a rig by the name of a shipped one or by path to a TOML file. Raises RigError."""
    path = Path(name_or_path)
    if path.suffix == ".toml" or path.is_file():
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise RigError(f"rig {path}: cannot be read ({error})") from None
        return _beside(path.parent, parse_rig(text, origin=str(path)))
    name = str(name_or_path)
    if name not in shipped_rigs():
        raise RigError(
            f"no rig named {name!r}: give a .toml file or one of {', '.join(shipped_rigs())}"
        )
    text = (resources.files("hardware") / "rigs" / f"{name}.toml").read_text(encoding="utf-8")
    return parse_rig(text, origin=name)


def shipped_rigs() -> tuple[str, ...]:
    """Return the names of the rigs that come with the application."""
    folder = resources.files("hardware") / "rigs"
    return tuple(sorted(p.name[:-5] for p in folder.iterdir() if p.name.endswith(".toml")))


def _beside(folder: Path, rig: Rig) -> Rig:
    """Return the rig with the files its cameras name found relative to ``folder``."""
    roles: dict[str, CameraSpec] = {}
    for role in ("nir", "white"):
        spec: CameraSpec | None = getattr(rig, role)
        if spec is not None:
            files = {key: getattr(spec, key) for key in ("pfs", "images")}
            found = {key: str(folder / name) for key, name in files.items() if name is not None}
            roles[role] = msgspec.structs.replace(spec, **found)
    files = {
        key: str(folder / name)
        for key, name in msgspec.structs.asdict(rig.calibration).items()
        if name is not None
    }
    calibration = msgspec.structs.replace(rig.calibration, **files)
    return msgspec.structs.replace(rig, calibration=calibration, **roles)


def _one_line(message: str) -> str:
    """Keys and values may hold line ends; an error may not."""
    return (
        message.encode("unicode_escape").decode("ascii") if not message.isprintable() else message
    )
