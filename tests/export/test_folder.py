"""Files appear whole, together, or not at all."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from sln_guide.export.folder import PARTIAL, ExportError, OutputFolder

NAMES = ("a.csv", "b.csv", "done.json")


def held(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def test_nothing_has_its_name_before_all_have(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    with OutputFolder(out, NAMES) as folder:
        for name in NAMES:
            folder.partial(name).write_text(name)
        assert held(out) == [f"{name}.partial" for name in NAMES]
        folder.publish()
    assert held(out) == list(NAMES)


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_an_interrupted_run_leaves_nothing(tmp_path: Path, error: type[BaseException]) -> None:
    out = tmp_path / "deep" / "out"
    with pytest.raises(error), OutputFolder(out, NAMES) as folder:  # noqa: PT012
        folder.partial("a.csv").write_text("half")
        raise error
    assert held(tmp_path) == []


def test_a_folder_that_was_there_stays(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), OutputFolder(tmp_path, NAMES) as folder:  # noqa: PT012
        folder.partial("a.csv").write_text("half")
        raise KeyboardInterrupt
    assert held(tmp_path) == []


def test_an_interrupted_second_run_leaves_the_first_ones_files(tmp_path: Path) -> None:
    with OutputFolder(tmp_path, NAMES) as folder:
        for name in NAMES:
            folder.partial(name).write_text("first")
        folder.publish()
    with (  # noqa: PT012
        pytest.raises(KeyboardInterrupt),
        OutputFolder(tmp_path, NAMES, force=True) as folder,
    ):
        folder.partial("a.csv").write_text("second")
        raise KeyboardInterrupt
    assert held(tmp_path) == list(NAMES)
    assert (tmp_path / "a.csv").read_text() == "first"


def test_what_lies_there_is_not_touched_unless_forced(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(ExportError, match=r"not empty \(it holds thesis.txt\).*--force"):
        OutputFolder(tmp_path, NAMES)
    with OutputFolder(tmp_path, NAMES, force=True) as folder:
        folder.partial("done.json").write_text("x")
        folder.publish()
    assert held(tmp_path) == ["done.json", "thesis.txt"]


def test_files_of_an_earlier_run_that_this_one_does_not_make_are_taken_away(tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_text("of another run")
    with OutputFolder(tmp_path, NAMES, force=True) as folder:
        folder.partial("a.csv").write_text("new")
        folder.partial("done.json").write_text("new")
        folder.publish()
    assert held(tmp_path) == ["a.csv", "done.json"]


def test_leftovers_of_a_killed_run_are_in_nobodys_way(tmp_path: Path) -> None:
    (tmp_path / "a.csv.partial").write_text("half")
    with OutputFolder(tmp_path, NAMES) as folder:
        folder.partial("a.csv").write_text("whole")
        folder.publish()
    assert held(tmp_path) == ["a.csv"]
    assert (tmp_path / "a.csv").read_text() == "whole"


def test_a_place_that_cannot_be_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/nowhere/out")):
        with pytest.raises(ExportError) as caught:
            OutputFolder(place, NAMES)
        assert "\n" not in str(caught.value)


def test_an_unannounced_name_is_a_fault(tmp_path: Path) -> None:
    with (
        OutputFolder(tmp_path, NAMES) as folder,
        pytest.raises(ValueError, match="not announced"),
    ):
        folder.partial("c.csv")


def test_two_runs_at_once_do_not_write_into_one_another(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with OutputFolder(out, NAMES) as first:
        first.partial(NAMES[0]).write_text("first")
        with (
            pytest.raises(ExportError, match=r"a\.csv is being written by another command"),
            OutputFolder(out, NAMES) as second,
        ):
            second.partial(NAMES[0]).write_text("second")
        first.publish()
    assert (out / NAMES[0]).read_text() == "first"
    with OutputFolder(out, NAMES, force=True) as third:  # nobody holds it any more
        third.partial(NAMES[0]).write_text("third")
        third.publish()
    assert (out / NAMES[0]).read_text() == "third"


def test_what_a_killed_run_left_is_written_over(tmp_path: Path) -> None:
    (tmp_path / f"{NAMES[0]}.partial").write_text("half of something longer")
    with OutputFolder(tmp_path, NAMES) as folder:
        folder.partial(NAMES[0]).write_text("whole")
        folder.publish()
    assert (tmp_path / NAMES[0]).read_text() == "whole"


def test_what_a_killed_run_left_is_not_published_by_the_next(tmp_path: Path) -> None:
    """A film torn off was given its name by the next run, which made none."""
    for name in NAMES:
        (tmp_path / (name + PARTIAL)).write_text("torn")
    with OutputFolder(tmp_path, NAMES, force=True) as folder:
        folder.partial(NAMES[-1]).write_text("whole")
        folder.publish()
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {NAMES[-1]: "whole"}


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (OSError(errno.EFBIG, "File too large"), "on FAT32 4 GB"),
        (OSError("327680 requested and 1880 written"), "on FAT32 4 GB"),
        (OSError(errno.EINVAL, "Invalid argument"), "takes no such name"),
        (OSError(errno.ENOSPC, "No space left on device"), "free space or choose"),
    ],
)
def test_what_to_do_follows_from_what_went_wrong(
    error: OSError, advice: str, tmp_path: Path
) -> None:
    said = str(OutputFolder(tmp_path, NAMES).failure("write film.mp4", error))
    assert advice in said
    assert ("free space" in said) == (error.errno in (errno.ENOSPC, None))
