"""What a case says made it: the digest covers all the code that turns frames into guidance."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from sln_guide.recording import CaseReader, CaseWriter, software
from tests.recording.making import fill
from tests.recording.test_crash import abandon

ROOT = Path(software.__file__).parents[2]
HERE = software.software_versions()
THEN = HERE | {software.COMPUTATION: "0123456789ab"}
BEFORE = {name: made for name, made in HERE.items() if name != software.COMPUTATION}


def imported(path: Path) -> Iterator[str]:
    """Yield the modules, and the names in them, that a file imports."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def made_of(*modules: str) -> set[str]:
    """Return the files of ours that modules are made of, whoever imports them in between."""
    waiting, found = list(modules), set[str]()
    while waiting:
        name = waiting.pop().replace(".", "/")
        for file in (f"{name}.py", f"{name}/__init__.py"):
            if name.startswith(("sln_guide/", "hardware/")) and (ROOT / file).is_file():
                if file not in found:
                    found.add(file)
                    waiting.extend(imported(ROOT / file))
    return found


def test_the_digest_is_of_all_the_code_that_computes() -> None:
    needed = made_of("sln_guide.pipeline", "sln_guide.live.lighting")
    covered = set(software.FILES)
    for package in software.PACKAGES:
        assert not [p for p in (ROOT / package).iterdir() if (p / "__init__.py").exists()]
        covered |= {str(p.relative_to(ROOT)) for p in (ROOT / package).glob("*.py")}
    assert needed <= covered
    assert set(software.FILES) <= needed, "nothing that computes nothing"


def test_an_edit_of_that_code_changes_the_digest(tmp_path: Path) -> None:
    for package in ("sln_guide", "hardware"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("*.pyc"))
    ask = "from sln_guide.recording import software; print(software.software_versions())"

    def told() -> str:
        return subprocess.run(
            [sys.executable, "-c", ask], cwd=tmp_path, capture_output=True, text=True, check=True
        ).stdout

    assert HERE[software.COMPUTATION] in told()
    with (tmp_path / "sln_guide/gui/theme.py").open("a") as file:
        file.write("# nothing that computes\n")
    assert HERE[software.COMPUTATION] in told()
    with (tmp_path / "sln_guide/tracking/tracker.py").open("a") as file:
        file.write("# an edit\n")
    assert HERE[software.COMPUTATION] not in told()


def test_other_code_is_told_by_its_digest_and_an_old_case_tells_nothing() -> None:
    assert software.other_code([HERE]) is None
    assert software.other_code([THEN]) == "0123456789ab"
    assert software.other_code([HERE, THEN]) == "0123456789ab"
    assert software.other_code([BEFORE]) == ""
    assert software.other_versions([HERE, THEN, BEFORE]) == ()
    assert software.other_versions([HERE | {"numpy": "1.0"}]) == ("numpy 1.0",)


def test_a_case_gone_on_with_by_updated_code_says_both(tmp_path: Path) -> None:
    folder = tmp_path / "r.case"
    abandon(folder, software=THEN)
    with CaseWriter.resume(folder) as case:
        fill(case, 3, first=6)
    with CaseReader(folder) as read:
        assert read.recorders() == (THEN, HERE)
