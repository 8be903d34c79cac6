"""The theory's report: one page, its figures and tables, every training as a row."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from granctl import __version__
from granctl.files import write_bytes
from granctl.progress import Progress
from granctl.provenance import digest, short
from granctl.study.grid import grid_files
from granctl.study.parts import write_parts
from granctl.study.table import csv_of
from granctl.study.theoryparts import parts_of
from granctl.study.theoryread import Made, load_made
from granctl.study.theorytable import label_spaces, mean_of, records
from granctl.study.webpage import Part, look, webpage
from granctl.study.wording import per_cent
from granctl.workspace import Artefact, Workspace, begin_folder, finish_folder, folder_state

SCHEMA = 1
PAGE_NAME, ROWS_NAME, TABLES_NAME = "report.html", "trainings.csv", "tables.md"


def theory_report(
    workspace: Workspace, paths: Sequence[Path], out: Path | None, progress: Progress
) -> Artefact:
    """Makes report.html, figures/, tables/, tables.md, trainings.csv and, last, manifest.json.

    The same runs and sweeps give the same digest and the same bytes.

    Args:
        workspace: where runs and sweeps are looked for, and where the report goes without `out`.
        paths: runs and sweeps; none: all of the workspace.
        out: another folder for the report.
        progress: told each stage.

    Raises:
        NotATheoryError: a path holds something else.
        NothingToUseError: there is nothing to report.
        OutputExistsError: `out` holds something else.
        OutputNotWritableError: it cannot be written.
    """
    found = load_made(workspace, paths)
    parts = parts_of(found)
    digests = [made.digest for made in found]
    spec = {"kind": "theory-report", "schema": SCHEMA, "version": __version__, "made": digests}
    spec["look"] = digest(look())
    spec["parts"] = [digest(part.html) for part in parts]
    spec["rows"] = digest([records(made.details) for made in found])
    identity = digest(spec)
    folder = out.absolute() if out else workspace.place("theory-report", "theory", identity)
    details: dict[str, Any] = {
        "page": str(folder / PAGE_NAME),
        "runs": sum(made.vary is None for made in found),
        "sweeps": [made.vary for made in found if made.vary is not None],
        "trainings": sum(len(records(made.details)) for made in found),
    }
    if made := folder_state(folder, identity) != "whole":
        begin_folder(folder, identity, spec, {f"made-{i}": d for i, d in enumerate(digests)})
        _write(folder, identity, found, parts, progress)
        head = {"kind": "theory-report", "schema": SCHEMA, "digest": identity}
        finish_folder(folder, {**head, **details})
    return Artefact(kind="theory-report", path=folder, digest=identity, made=made, details=details)


def _write(
    folder: Path, identity: str, found: Sequence[Made], parts: Sequence[Part], progress: Progress
) -> None:
    progress.start("report", len(parts) + 1, "parts")
    for part in parts:
        write_parts(folder, [part])
        progress.advance()
    rows = [row for made in found for row in records(made.details)]
    write_bytes(folder / ROWS_NAME, csv_of(rows).encode())
    tables = [grid_files(grid)[f"{grid.name}.md"] for part in parts for grid in part.grids]
    write_bytes(folder / TABLES_NAME, "\n".join(tables).encode())
    write_bytes(folder / PAGE_NAME, _page(identity, found, parts).encode())
    progress.advance(note=PAGE_NAME)
    progress.finish()


def _page(identity: str, found: Sequence[Made], parts: Sequence[Part]) -> str:
    return webpage(
        title="The theory, run",
        kicker=f"theory {short(identity)}",
        heading="What do coarse and fine labels teach?",
        lede=_lede(found),
        caution=(
            "Made-up data of the paper's hierarchical multi-view model and its two-layer patch"
            " network (arXiv 2303.16887), not images; in a small dimension, where the theorems"
            " speak of large ones."
        ),
        sections=[part.html for part in parts],
        footer=f"Beside this page: figures/ (SVG, PNG), tables/, {TABLES_NAME}, {ROWS_NAME}.",
    )


def _lede(found: Sequence[Made]) -> str:
    """The contrast of the first run that has it; else what there is."""
    for made in found:
        spaces = label_spaces(made.details)
        if made.vary is None and {"coarse", "fine"} <= set(spaces):
            coarse, fine = (mean_of(spaces[key]["hard"]["max"]) for key in ("coarse", "fine"))
            assert coarse is not None
            assert fine is not None
            return (
                f"Trained on {spaces['coarse']['classes']} coarse labels, the network is wrong on"
                f" {per_cent(coarse.mean)} of the hard samples; on the same data with"
                f" {spaces['fine']['classes']} fine labels, on {per_cent(fine.mean)}."
            )
    varied = [made.vary for made in found if made.vary is not None]
    return f"Varied here: {', '.join(dict.fromkeys(varied))}." if varied else "Runs of the theory."
