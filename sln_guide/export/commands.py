"""The commands that derive something from cases: process, what-if, export, verify."""

from __future__ import annotations

import argparse
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from sln_guide.export.wish import AS_RECORDED, SPANNED, Span, What, Wish
from sln_guide.guidance import Settings
from sln_guide.terminal import NOT_SOUND, OK, PARTIAL, positive, progress_bar

if TYPE_CHECKING:
    Verbs = argparse._SubParsersAction[argparse.ArgumentParser]


def add_commands(verbs: Verbs) -> None:
    """Add them to the parser."""
    verb = verbs.add_parser("process", help="compute cases into tables and video, headless")
    verb.add_argument("source", type=Path, nargs="+", help="a case; several, or a folder of cases")
    verb.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder for the results"
    )
    verb.add_argument("--threshold", type=_threshold, metavar="SIGMA", help="else as recorded")
    verb.add_argument("--no-video", action="store_true", help="leave out overlay.mp4")
    verb.add_argument("--force", action="store_true", help="replace what an earlier run left")
    verb.add_argument(
        "--workers", type=_workers, metavar="N", help="processes, for several cases; else all cores"
    )
    verb.set_defaults(run=process)

    verb = verbs.add_parser("what-if", help="what other settings change: nodes gained, lost, moved")
    verb.add_argument("case", type=Path, help="its folder")
    verb.add_argument("--threshold", type=_threshold, metavar="SIGMA", help="the other threshold")
    verb.add_argument("--out", type=Path, metavar="FILE", help="write the difference as JSON")
    verb.set_defaults(run=show_difference)

    verb = verbs.add_parser("export", help="film, stills, curves, tables, journal, raw NIR")
    verb.add_argument("case", type=Path, help="its folder")
    verb.add_argument("--to", required=True, choices=[what.value for what in What])
    verb.add_argument("--out", type=Path, required=True, metavar="FILE", help="or a folder")
    verb.add_argument(
        "--begin", type=_seconds, default=0.0, metavar="S", help="film and curves: from"
    )
    verb.add_argument("--end", type=_seconds, default=math.inf, metavar="S", help="and until")
    verb.add_argument(
        "--at", type=_seconds, action="append", metavar="S", help="a still at this time"
    )
    verb.add_argument("--threshold", type=_threshold, metavar="SIGMA", help="else as recorded")
    verb.set_defaults(run=export, refuse=verb.error)

    verb = verbs.add_parser("verify", help="check a case for damage, edits and gaps")
    verb.add_argument("case", type=Path, help="its folder")
    verb.add_argument(
        "--head", type=_head, metavar="HEX", help="the head of the hash chain, as noted at stop"
    )
    verb.add_argument(
        "--replay", action="store_true", help="compute everything that was seen again, and compare"
    )
    verb.set_defaults(run=verify)


def _workers(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"at least 1, not {text}")
    return value


def _head(text: str) -> str:
    head = text.strip().lower()
    if re.fullmatch(r"[0-9a-f]{64}", head) is None:
        raise argparse.ArgumentTypeError("64 digits from 0 to f, as shown at stop and in heads.txt")
    return head


def _seconds(text: str) -> float:
    value = float(text)
    if math.isnan(value):
        raise argparse.ArgumentTypeError(f"{text} is no time in seconds")
    return value


def _threshold(text: str) -> float:
    value = positive(text)
    try:
        return Settings(threshold_sigma=value).threshold_sigma
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def process(options: argparse.Namespace) -> int:
    """Compute a case headless into tables, video and summary; or many, and one table of all."""
    from sln_guide.export.batch import cases_in, process_many
    from sln_guide.export.process import process_case
    from sln_guide.recording.folder import part_paths
    from sln_guide.recording.reader import CaseReader
    from sln_guide.warm_up import warm_up

    only = options.source[0]
    if len(options.source) == 1 and (part_paths(only) or not any(only.glob("*.case"))):
        with CaseReader(only) as case:
            summary = process_case(
                case,
                options.out,
                asked=case.asked(options.threshold),
                video=not options.no_video,
                force=options.force,
                progress=progress_bar("processing"),
            )
        print(summary.text())
        return OK if summary.complete else PARTIAL
    cases = cases_in(options.source)
    with CaseReader(cases[0]) as case:
        warm_up(case.rig)  # once, before the workers: they load what it compiled
    batch = process_many(
        cases,
        options.out,
        threshold_sigma=options.threshold,
        video=not options.no_video,
        workers=options.workers,
        progress=progress_bar("processing"),
    )
    print(batch.text())
    return OK if batch.complete else PARTIAL


def show_difference(options: argparse.Namespace) -> int:
    """Compute a case again with other settings; tell the nodes gained, lost and moved."""
    from sln_guide.export.folder import OutputFolder
    from sln_guide.export.what_if import what_if
    from sln_guide.recording.reader import CaseReader

    with CaseReader(options.case) as case:
        difference = what_if(
            case,
            lambda settings: _changed(settings, options.threshold),
            progress=progress_bar("computing again"),
        )
    if options.out is not None:
        out: Path = options.out
        with OutputFolder(out.parent, (out.name,), force=True) as folder:
            folder.partial(out.name).write_bytes(difference.to_json())
            folder.publish()
    print(difference.text())
    return OK


def export(options: argparse.Namespace) -> int:
    """Write a film, stills, curves, tables, or the raw NIR frames of a case."""
    from sln_guide.export.fulfilling import fulfil
    from sln_guide.recording.reader import CaseReader

    what = What(options.to)
    _refuse_idle(options, what)
    with CaseReader(options.case) as case:
        wish = Wish(
            what,
            options.out,
            case.asked(options.threshold),
            Span(options.begin, options.end),
            tuple(options.at or ()),
        )
        outcome = fulfil(case, wish, progress_bar("exporting"))
    print(outcome.text())
    return OK if outcome.complete else PARTIAL


def _refuse_idle(options: argparse.Namespace, what: What) -> None:
    """Refuse, as wrong use, what would do nothing: whoever gave it expects it to."""
    idle = {
        "--begin, --end": what not in SPANNED and (options.begin, options.end) != (0.0, math.inf),
        "--at": what is not What.STILLS and options.at is not None,
        "--threshold": what in AS_RECORDED and options.threshold is not None,
    }
    for name, given in idle.items():
        if given:
            options.refuse(f"{name}: not for --to {what}, leave it out")
    if options.begin >= options.end:
        options.refuse(f"--begin {options.begin:g} is not before --end {options.end:g}")


def _changed(settings: Settings, threshold_sigma: float | None) -> Settings:
    if threshold_sigma is None:
        return settings
    return replace(settings, threshold_sigma=threshold_sigma)


def verify(options: argparse.Namespace) -> int:
    """Check a case byte by byte, and on request what was seen; name what is wrong."""
    from sln_guide.recording.verify import verify as verify_case

    result = verify_case(
        options.case, expected_head=options.head, progress=progress_bar("verifying")
    )
    print(result.text())
    sound = result.ok and (result.complete or result.recording)
    if options.replay:
        from sln_guide.export.as_seen import verify_as_seen
        from sln_guide.recording.reader import CaseReader

        with CaseReader(options.case) as case:
            seen = verify_as_seen(case, progress=progress_bar("computing again"))
        print(seen.text())
        if sound and (seen.by_other_code if seen.different else seen.lossy):
            return PARTIAL  # nothing is wrong with the case, and nothing proved
        sound &= seen.ok
    if sound and result.recording:
        return PARTIAL  # what was recorded since was not looked at
    return OK if sound else NOT_SOUND
