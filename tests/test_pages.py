"""The pages lead where they say: every link, and every file of ours that they name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
OURS = ("sln_guide", "hardware", "tests", "benchmarks", "docs")
FILES = [f"/{p.relative_to(ROOT)}" for room in OURS for p in (ROOT / room).rglob("*.py")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_leads_where_it_says(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", text)
    gone = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert not gone
    named = re.findall(r"[\w/]+\.py\b", text)
    assert not [n for n in named if not any(f.endswith(f"/{n.lstrip('/')}") for f in FILES)]
    modules = re.findall(r"python -m (benchmarks\.\w+)", text)
    assert not [m for m in modules if not (ROOT / f"{m.replace('.', '/')}.py").exists()]
