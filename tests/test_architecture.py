"""docs/architecture.md says what the code does: its threads, its floors, its files."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
SOURCES = [path for room in ("sln_guide", "hardware") for path in (ROOT / room).rglob("*.py")]
FILES = [*SOURCES, *(ROOT / "tests").rglob("*.py")]


def names_of(thread: ast.expr, constants: dict[str, str]) -> Iterator[str]:
    """Yield the name a thread is given; of one that is put together its first piece."""
    if isinstance(thread, ast.JoinedStr):
        thread = thread.values[0]
    if isinstance(thread, ast.Constant):
        yield str(thread.value)
    elif isinstance(thread, ast.Name):
        yield constants[thread.id]


def threads(path: Path) -> set[str]:
    """Return the names of the threads that a file starts."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    constants = {
        node.targets[0].id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Constant)
    }
    found: set[str] = set()
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        if ast.unparse(node.func) == "SideThread":
            found |= set(names_of(node.args[0], constants))
        elif ast.unparse(node.func) == "threading.Thread" and path.stem != "side_thread":
            named = [each.value for each in node.keywords if each.arg == "name"]
            assert named, f"{path}: a thread without a name"
            found |= {str(name) for name in names_of(named[0], constants)}
    return found


def test_every_thread_has_a_name_and_stands_in_the_page() -> None:
    found = set[str]().union(*map(threads, SOURCES))
    assert len(found) > 15
    missing = [name for name in found if not re.search(rf"(?<![\w-]){re.escape(name)}", TEXT)]
    assert not missing


def test_the_floors_are_those_that_are_proved() -> None:
    rules = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    layers = rules["tool"]["importlinter"]["contracts"][0]["layers"]
    told = TEXT[TEXT.index("neighbours:") : TEXT.index(". Only `basler.py`")]
    floors = [re.findall(r"\w+", floor) for floor in told.removeprefix("neighbours:").split(">")]
    assert floors == [re.findall(r"\w+", floor.replace("sln_guide.", "")) for floor in layers]


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`([\w/]+(?:\.py|/))`", TEXT))))
def test_every_file_it_names_is_there(name: str) -> None:
    assert any(f"/{name}" in path.as_posix() for path in FILES)


@pytest.mark.parametrize(
    "room", ["hardware", "sln_guide/recording", "sln_guide/calibration", "sln_guide/export"]
)
def test_a_large_room_says_where_each_of_its_files_belongs(room: str) -> None:
    said = ast.get_docstring(ast.parse((ROOT / room / "__init__.py").read_text(encoding="utf-8")))
    told = re.findall(r"(?<!`)`(\w+)`(?!`)", said or "")
    there = [p.stem for p in (ROOT / room).glob("*.py") if p.stem != "__init__"]
    there += [p.parent.name for p in (ROOT / room).glob("*/__init__.py")]
    assert sorted(told) == sorted(there)
