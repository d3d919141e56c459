"""What is wrong with a TOML file, in the words of those who wrote it: which key, and what to do."""

from __future__ import annotations

import difflib
import re

import msgspec
from msgspec import inspect

LONGEST = 300
"""Characters of a message: a value may be a whole book."""

_FIELD = re.compile(r"Object (missing required|contains unknown) field `(.*)`")
_EXPECTED = re.compile(
    r"Expected `([^`]+)`(?: ([<>]=?|of length(?: [<>]=?)?) ([^,]+))?(?:, got (.+))?"
)
_ENUM = re.compile(r"Invalid enum value (.+)")
_LINE = re.compile(r"\(at (?:line (\d+), column \d+|(end of document))\)")
_KEY = re.compile(r"\s*([^=#\[\]]+?)\s*=")

_KINDS = {
    "int": "a whole number",
    "float": "a number",
    "str": "text in quotes",
    "bool": "true or false",
    "array": "a list in brackets",
    "object": "a table",
}
_GOT = {"str": "text", "array": "a list"}
_MOST = {"<": "below", "<=": "at most", ">": "above", ">=": "at least"}


def plain(message: str, kind: type[msgspec.Struct]) -> str:
    """Return what msgspec says of a value of ``kind`` as key, what is wrong, and what to do.

    ``$.nir.exposure_us`` becomes the key as written in the file.
    """
    text, _, where = message.partition(" - at `$")
    key = where.rstrip("`").lstrip(".")
    field = _FIELD.fullmatch(text)
    if field is not None:
        known = _fields(kind, key)
        key = f"{key}.{field[2]}" if key else field[2]
        if field[1] == "missing required":
            return _short(f"key '{key}': is missing")
        near = difflib.get_close_matches(field[2], known, 1)
        hint = f"did you mean '{near[0]}'?" if near else f"there are {', '.join(known)}"
        return _short(f"key '{_short(key, 60)}': no such key: {hint}")
    text = _said(text, kind, key)
    return _short(f"key '{_short(key, 60)}': {text}" if key else text)


def plain_syntax(message: str, text: str) -> str:
    """Return what is wrong where ``text`` is no TOML: what stands twice, else as it is told."""
    twice = "Cannot overwrite a value" in message or "Cannot declare" in message
    at = _LINE.search(message)
    if not twice or at is None:
        return _short(message)
    lines = text.splitlines()
    number = int(at[1]) if at[1] else len(lines)
    # past its end the line before is meant
    for line in range(min(number, len(lines)), 0, -1):
        said = lines[line - 1]
        key = _KEY.match(said)
        if key is not None:
            return _short(f"key '{key[1]}' stands twice (line {line}): take one of them out")
        if said.lstrip().startswith("["):
            return _short(f"{said.strip()} stands twice (line {line}): take one of them out")
    return _short(message)


def _said(text: str, kind: type[msgspec.Struct], key: str) -> str:
    enum = _ENUM.fullmatch(text)
    if enum is not None:
        value = _short(enum[1], 60)
        return f"must be {_one_of(_allowed(_at(inspect.type_info(kind), key)))}, not {value}"
    expected = _EXPECTED.fullmatch(text)
    if expected is None:
        return text
    kinds, relation, size, got = expected.groups()
    wanted = " or ".join(_KINDS.get(each, each) for each in kinds.split(" | ") if each != "null")
    if relation is None:
        got = got.strip("`")
        return f"must be {wanted}, not {_GOT.get(got, _KINDS.get(got, f'a {got}'))}"
    if relation.startswith("of length"):
        most = _MOST.get(relation.removeprefix("of length").strip(), "")
        return f"must be {wanted} of {f'{most} ' if most else ''}{size} values, not {got}"
    return f"must be {wanted}, {_MOST[relation]} {float(size):g}"


def _one_of(values: list[str]) -> str:
    return " or ".join([", ".join(values[:-1]), values[-1]] if len(values) > 1 else values)


def _fields(kind: type[msgspec.Struct], key: str) -> list[str]:
    for each in _structs(_at(inspect.type_info(kind), key)):
        return [field.encode_name for field in each.fields]
    return []


def _at(kind: inspect.Type, key: str) -> inspect.Type:
    """Return the type at ``key``, such as ``nir.roi[0]``."""
    for name in re.findall(r"[^.\[\]]+|\[[^\]]*\]", key):
        found = [
            *(f.type for s in _structs(kind) for f in s.fields if f.encode_name == name),
            *_inside(kind),
        ]
        if not found:
            break
        kind = found[0]
    return kind


def _members(kind: inspect.Type) -> tuple[inspect.Type, ...]:
    return kind.types if isinstance(kind, inspect.UnionType) else (kind,)


def _structs(kind: inspect.Type) -> list[inspect.StructType]:
    return [each for each in _members(kind) if isinstance(each, inspect.StructType)]


def _inside(kind: inspect.Type) -> list[inspect.Type]:
    """Return the types of what a list or a table of anything holds."""
    found: list[inspect.Type] = []
    for each in _members(kind):
        if isinstance(each, inspect.TupleType):
            found += each.item_types
        elif isinstance(each, inspect.ListType | inspect.VarTupleType):
            found.append(each.item_type)
        elif isinstance(each, inspect.DictType):
            found.append(each.value_type)
    return found


def _allowed(kind: inspect.Type) -> list[str]:
    """Return the values that may stand there, as they are written."""
    found: list[str] = []
    for each in _members(kind):
        if isinstance(each, inspect.LiteralType):
            found += [repr(value) for value in each.values]
        elif isinstance(each, inspect.EnumType):
            found += [repr(member.value) for member in each.cls]
    return found or ["something else"]


def _short(text: str, most: int = LONGEST) -> str:
    return text if len(text) <= most else f"{text[: most // 2]}...{text[-most // 4 :]}"
