"""Making a report: results in; a page, tables, figures and a manifest out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from granctl import __version__
from granctl.files import make_folder, write_bytes
from granctl.progress import Progress
from granctl.provenance import digest, plain
from granctl.study import difficultyview as hard
from granctl.study.answer import answer
from granctl.study.cutmaps import Cut, drawn, find_cuts, find_taxonomy, forests_of, with_inputs
from granctl.study.difficulty import DifficultyPanel, DifficultySpec, by_difficulty
from granctl.study.evidence import statistics_record
from granctl.study.figures import draw_curves, panel_title
from granctl.study.grid import grid_records
from granctl.study.lineage import lineage
from granctl.study.page import all_assets, page
from granctl.study.parts import FIGURES, Parts, report_parts, write_parts
from granctl.study.results import Result, load_results
from granctl.study.summary import Panel, summarise
from granctl.study.table import as_csv, as_latex, as_markdown, left_out, records
from granctl.study.verdict import verdicts
from granctl.workspace import Artefact, Workspace, begin_folder, finish_folder, folder_state

SCHEMA = 1
PAGE_NAME = "report.html"


def report_of(
    workspace: Workspace,
    paths: Sequence[Path],
    out: Path | None,
    progress: Progress,
    difficulty: DifficultySpec | None = None,
) -> tuple[Artefact, tuple[Panel, ...], tuple[DifficultyPanel, ...]]:
    """Loads results (of the paths, else all of the workspace), finds their cuts, makes the report.

    Returns:
        The report, its panels, and where `difficulty` is asked the panels by difficulty.

    Raises:
        GranctlError: as `load_results`, `summarise`, `by_difficulty` and `make_report`.
    """
    results = with_inputs(workspace, load_results(paths or workspace))
    progress.note(f"reading {len(results)} results")
    cuts, present = find_cuts(workspace, results)
    panels = summarise(results)
    for panel in panels:
        if panel.left_out:
            progress.note(f"{panel_title(panel)}: {left_out(panel)}")
    bins = () if difficulty is None else by_difficulty(panels, difficulty, progress)
    artefact = make_report(workspace, results, panels, cuts, present, out, progress, bins)
    return artefact, panels, bins


def make_report(
    workspace: Workspace,
    results: Sequence[Result],
    panels: Sequence[Panel],
    cuts: Sequence[Cut],
    present: frozenset[str] | None,
    out: Path | None,
    progress: Progress,
    difficulty: Sequence[DifficultyPanel] = (),
) -> Artefact:
    """Makes report.html, table.csv|md|tex, curve.svg|png, figures/, tables/; manifest.json last.

    With `difficulty` also difficulty.csv, difficulty.md and difficulty.svg.

    The page needs no network and no other file. The same results and cuts give the same digest
    and the same bytes.

    Args:
        workspace: where the report goes without `out`, and where lineages are looked up.
        results: as `load_results` gives them, at least one.
        panels: what `summarise` makes of them.
        cuts: label maps to draw as icicles, as `find_cuts` gives them; may be empty.
        present: labels that have images; None when that is not known.
        out: another folder for the report.
        progress: told each file.
        difficulty: sources by difficulty, as `by_difficulty` gives them; may be empty.

    Raises:
        OutputExistsError: `out` holds something else.
        OutputNotWritableError: it cannot be written.
    """
    parts = report_parts(workspace, panels, difficulty)
    spec = {
        "kind": "report",
        "schema": SCHEMA,
        "version": __version__,
        "assets": digest(all_assets()),
        "results": sorted(r["digest"] for r in results),
        "cuts": {c.name: c.labels.digest for c in cuts},
        "present": None if present is None else digest(sorted(present)),
        "parts": [digest(part.html) for part in parts.all],
    }
    if difficulty:
        spec["difficulty"] = plain(difficulty[0].spec)
    if budgets := {r["digest"]: r["budget"] for r in results if "budget" in r}:
        spec["budgets"] = budgets
    if names := _names(panels):
        spec["names"] = names
    identity = digest(spec)
    folder = out.absolute() if out else workspace.place("report", "report", identity)
    details = _details(panels, folder, len(results), parts)
    if difficulty:
        details["difficulty"] = hard.records(difficulty)
    made = folder_state(folder, identity) != "whole"
    if made:
        inputs = {f"result-{i}": r["digest"] for i, r in enumerate(results)}
        begin_folder(folder, identity, spec, inputs)
        _write_tables(folder, panels, parts, progress)
        _write_page(folder, workspace, identity, panels, cuts, present, parts, progress)
        _write_difficulty(folder, difficulty)
        finish_folder(folder, {"digest": identity, "kind": "report", "schema": SCHEMA, **details})
    return Artefact(kind="report", path=folder, digest=identity, made=made, details=details)


def _names(panels: Sequence[Panel]) -> dict[str, str]:
    """What the points are called whose label maps have another name, by the results' digests."""
    every = [r for panel in panels for point in panel.points for r in point.results]
    named = [r for r in every if "point" in r]
    return {r["digest"]: r["point"] for r in named if r["point"] != r["source"]["cut"]}


def _details(
    panels: Sequence[Panel], folder: Path, num_results: int, parts: Parts
) -> dict[str, Any]:
    return {
        "page": str(folder / PAGE_NAME),
        "targets": list(dict.fromkeys(p.target for p in panels)),
        "answers": [answer(p) for p in panels],
        "verdicts": [verdicts(p) for p in panels],
        "statistics": [statistics_record(p) for p in panels],
        "results": num_results,
        "rows": records(panels),
        "tables": {grid.name: grid_records(grid) for part in parts.all for grid in part.grids},
    }


def _write_tables(folder: Path, panels: Sequence[Panel], parts: Parts, progress: Progress) -> None:
    """All but the page."""
    progress.start("report", 5, "files")
    write_bytes(folder / "table.csv", as_csv(panels).encode())
    write_bytes(folder / "table.md", as_markdown(panels).encode())
    write_bytes(folder / "table.tex", as_latex(panels).encode())
    progress.advance(note="table.csv, table.md, table.tex")
    draw_curves(panels, folder / "curve.svg", folder / "curve.png")
    progress.advance(note="curve.svg, curve.png")
    make_folder(folder / FIGURES)
    for i, panel in enumerate(panels, 1):
        stem = folder / FIGURES / f"curve-{i}"
        draw_curves([panel], stem.with_suffix(".svg"), stem.with_suffix(".png"))
    progress.advance(note=f"{FIGURES}/curve-1.svg ...")
    write_parts(folder, parts.all)
    progress.advance(note="figures, tables")


def _write_page(
    folder: Path,
    workspace: Workspace,
    identity: str,
    panels: Sequence[Panel],
    cuts: Sequence[Cut],
    present: frozenset[str] | None,
    parts: Parts,
    progress: Progress,
) -> None:
    cuts = drawn(cuts)
    forests, views = forests_of(cuts, present, find_taxonomy(workspace, cuts))
    every = {r["digest"]: r for panel in panels for point in panel.points for r in point.results}
    text = page(
        digest=identity,
        panels=panels,
        cuts=cuts,
        forests=forests,
        views=views,
        lineages={key: lineage(workspace, r) for key, r in every.items()},
        present_known=present is not None,
        parts=parts,
    )
    write_bytes(folder / PAGE_NAME, text.encode())
    progress.advance(note=PAGE_NAME)
    progress.finish()


def _write_difficulty(folder: Path, panels: Sequence[DifficultyPanel]) -> None:
    if panels:
        write_bytes(folder / hard.CSV_NAME, hard.as_csv(panels).encode())
        write_bytes(folder / hard.MARKDOWN_NAME, hard.as_markdown(panels).encode())
        hard.draw_bins(panels, folder / hard.FIGURE_NAME)
