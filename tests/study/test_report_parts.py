"""The parts of a report beside its panels: what they count, and when they are not there."""

from __future__ import annotations

import csv
import json
import math
import re
import shutil
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_parts import RIGHT, write_run_log
from made_up_study import fake_result, write_result

from granctl.progress import Silent
from granctl.provenance import digest
from granctl.study.aligned import alignment_part
from granctl.study.difficulty import DifficultySpec
from granctl.study.examples import examples_part
from granctl.study.grid import grid_records
from granctl.study.latex import escape_latex
from granctl.study.linefigure import Axis, Dot, Line, LineFigure, Rule
from granctl.study.lineprint import draw_lines
from granctl.study.losscurves import losses_part
from granctl.study.report import report_of
from granctl.study.results import load_results
from granctl.study.spent import costs_part
from granctl.study.summary import Panel, summarise
from granctl.train.predictions import Kept, read_predictions
from granctl.workspace import Artefact, Workspace


def table(rich_report: Artefact, name: str) -> list[dict[str, str]]:
    with (rich_report.path / "tables" / f"{name}.csv").open() as file:
        return list(csv.DictReader(file))


def figure(rich_report: Artefact, name: str) -> dict[str, Any]:
    page = (rich_report.path / "report.html").read_text()
    found = re.search(
        rf'id="figure-{name}">.*?<script type="application/json">(.*?)</script>', page, re.S
    )
    assert found is not None
    return json.loads(found[1])


def test_every_figure_and_table_is_a_file_of_its_own(rich_report: Artefact) -> None:
    """SVG and PNG of each figure of the page; CSV, Markdown and LaTeX of each table."""
    page = (rich_report.path / "report.html").read_text()
    drawn = set(re.findall(r'<figure class="lines[^"]*" id="figure-([\w-]+)"', page))
    expected = {"methods-1", "alignment-1-h", "alignment-1-nmi", "losses-1"}
    expected |= {f"difficulty-{i}-{what}" for i in (1, 2) for what in ("top1", "gain")}
    assert drawn == expected
    figures = {p.name for p in (rich_report.path / "figures").iterdir()}
    names = {*drawn, "curve-1", "curve-2"}
    assert figures == {f"{name}.{kind}" for name in names for kind in ("svg", "png")}
    tables = {p.name for p in (rich_report.path / "tables").iterdir()}
    names = {"alignment-1", "costs", "examples", "levels-1", "levels-2"}
    names |= {"difficulty-1", "difficulty-2"}
    assert tables == {f"{name}.{kind}" for name in names for kind in ("csv", "md", "tex")}


def test_alignment_is_that_of_the_maps(rich_report: Artefact) -> None:
    """Two classes of three labels each leave log2(3) bits open; the leaves leave none."""
    rows = {row["source"]: row for row in table(rich_report, "alignment-1")}
    coarse, leaf = rows["depth-1"], rows["leaf"]
    assert float(coarse["purity"]) == pytest.approx(1 / 3)
    assert float(coarse["h_target_given_source_bits"]) == pytest.approx(math.log2(3))
    assert float(coarse["nmi"]) == pytest.approx(2 / (1 + math.log2(6)))
    assert (float(leaf["purity"]), float(leaf["nmi"])) == (1, 1)
    assert rich_report.details["tables"]["alignment-1"][1]["nmi"] == 1
    assert float(leaf["error_1_finetune"]) == pytest.approx(1 / 6)
    dots = figure(rich_report, "alignment-1-h")["lines"][0]["dots"]
    assert [round(d["x"], 3) for d in dots] == [1.585, 0]


def test_alignment_without_images_weighs_labels(rich: Workspace, tmp_path: Path) -> None:
    """Without the shard set each label weighs one; a source whose map is gone is named."""
    bare = Workspace(tmp_path)
    bare.folder("label-map").mkdir()
    (path,) = rich.folder("label-map").glob("leaf-*")
    shutil.copy(path, bare.folder("label-map"))
    part = alignment_part(bare, summarise(load_results(rich)))
    assert part is not None
    (grid,) = part.grids
    assert [row["source"] for row in grid_records(grid)] == ["leaf"]
    assert "weighted by labels" in grid.caption
    assert "Without a map that was found and shares images: depth-1." in grid.caption
    assert part.figures == ()  # one dot tells nothing


def test_levels_are_means_over_seeds(rich_report: Artefact) -> None:
    """5/6 and 4/6 under the two seeds: 75 %."""
    rows = {row["source"]: row for row in table(rich_report, "levels-1")}
    assert float(rows["leaf"]["top1_depth-1"]) == pytest.approx(0.75)
    assert float(rows["leaf"]["top1"]) == pytest.approx(5 / 6)


def test_costs_are_the_measured_ones(rich_report: Artefact) -> None:
    """1,000 images at 50 a second are 20 s, on two processes 40 device-seconds a run."""
    row = table(rich_report, "costs")[0]
    assert (row["source"], row["runs"], row["steps"]) == ("depth-1", "2", "100.0")
    assert float(row["seconds"]) == pytest.approx(20)
    assert float(row["device_hours"]) == pytest.approx(2 * 40 / 3600)
    assert row["transfer_device_hours"] == ""  # they wrote no metrics
    assert "cuda, bfloat16" in row["computed"]


def test_a_sum_of_costs_is_missing_where_one_record_is(tmp_path: Path) -> None:
    """A run whose metrics are gone costs something all the same; images are a mean over runs."""
    folder = tmp_path / "results"
    for seed in (0, 1, 2):
        record = fake_result(cut="depth-1", method="depth", classes=2, how="finetune", seed=seed)
        run = tmp_path / f"run-{seed}"
        source = {**record["source"], "images_seen": (100, 100, 400)[seed]}
        path = write_result(folder, {**record, "source": source, "run": str(run)})
        if seed:
            write_run_log(run, seed)
            write_run_log(path.parent, seed)
    results = load_results([folder])

    def row(chosen: list[Any]) -> dict[str, Any]:
        part = costs_part(summarise(chosen))
        assert part is not None
        (found,) = grid_records(part.grids[0])
        return found

    found = row(results)
    assert (found["runs"], found["images_seen"]) == (3, 200)
    assert found["device_hours"] is None
    assert found["transfer_device_hours"] is None
    whole = row([r for r in results if r["seed"]])
    assert whole["device_hours"] == pytest.approx(2 * 40 / 3600)
    assert whole["transfer_device_hours"] == pytest.approx(2 * 40 / 3600)


def test_losses_are_a_mean_and_thin_seeds(rich_report: Artefact) -> None:
    """Each cut has two thin lines and their mean, half a nat above seed 0."""
    lines = figure(rich_report, "losses-1")["lines"]
    assert [line["thin"] for line in lines] == [True, True, False] * 2
    assert lines[2]["dots"][0]["y"] == pytest.approx(1.5)
    assert lines[2]["dots"][-1]["text"].endswith("under its own classes 50.0 %")


def test_recipes_are_escaped(tmp_path: Path) -> None:
    """A recipe's name is what its author wrote."""
    record = fake_result(cut="depth-1", method="depth", classes=2, how="finetune", seed=0)
    source = {**record["source"], "recipe": "wide<b>&"}
    write_result(tmp_path / "r", {**record, "source": source, "run": str(tmp_path / "run")})
    write_run_log(tmp_path / "run", 0)
    part = losses_part(summarise(load_results([tmp_path / "r"])))
    assert part is not None
    assert "<b>wide&lt;b&gt;&amp;, " in part.html


def test_examples_are_what_only_the_finest_gets_right(rich_report: Artefact) -> None:
    """Labels 2, 3 and 4: true class, what the coarse source said, and the picture."""
    page = (rich_report.path / "report.html").read_text()
    items = re.findall(r"<li>(<img.*?)</li>", page.split('class="examples"')[1])
    assert len(items) == 3
    true = sorted(re.findall(r"<b>class &lt;(\d)&gt;</b>", "".join(items)))
    assert true == ["2", "3", "4"]
    for item in items:
        mine, said = re.findall(r"class &lt;(\d)&gt;", re.sub(r'alt="[^"]*"', "", item))
        assert int(said) == int(mine) + 1
        assert "90&nbsp;%" in item
        assert 'src="data:image/webp;base64,' in item
    counts = table(rich_report, "examples")
    assert [(r["both"], r["only_finest"], r["only_coarsest"], r["neither"]) for r in counts] == [
        ("2", "3", "0", "1")
    ] * 2


def test_without_shards_the_images_are_said_to_be_missing(rich: Workspace, tmp_path: Path) -> None:
    """What a workspace does not have is said; alignment then has no images to weigh with."""
    bare = Workspace(tmp_path / "bare")
    shutil.copytree(rich.folder("result"), bare.folder("result"))
    made = report_of(bare, [], tmp_path / "out", Silent())[0]
    page = (made.path / "report.html").read_text()
    assert "shard set was not found" in page
    assert "data:image/webp" not in page
    assert page.count('class="gone"') == 3
    assert 'id="alignment"' not in page


def test_latex_is_escaped(rich_report: Artefact) -> None:
    """No bare per cent or underscore; every row has its columns."""
    for path in [rich_report.path / "table.tex", *(rich_report.path / "tables").glob("*.tex")]:
        text = path.read_text()
        assert not re.search(r"(?<!\\)[%_#]", text), path.name
        for body in re.findall(r"\\toprule\n(.*?)\\bottomrule", text, re.S):
            rows = [line for line in body.splitlines() if line.endswith(r"\\")]
            assert len({len(re.findall(r"(?<!\\)&", row)) for row in rows}) == 1


def test_no_character_of_latex_is_a_command() -> None:
    """Bars are dashes and quotes are curled in the old encoding of fonts, which is the default."""
    assert escape_latex('a|b "c" 5 %') == r"a\textbar{}b ''c'' 5 \%"


def test_results_on_different_images_share_some(rich: Workspace, tmp_path: Path) -> None:
    """Those that both sources were scored on are counted; none is said; scores have no per cent."""
    (panel,) = [p for p in summarise(load_results(rich)) if p.method == "finetune"]
    fine = next(p for p in panel.points if p.cut == "leaf")
    kept = read_predictions(Path(fine.results[0]["path"]).parent / "predictions.parquet")
    few = [i for i in range(6) if not RIGHT["depth-1"][kept.answers.classes[i]]][1:]
    part = examples_part(rich, [fewer(panel, few, tmp_path)])
    assert part is not None
    rows = grid_records(part.grids[0])
    assert [sum(row[k] for k in row if k != "seed") for row in rows] == [3, 3]
    none = examples_part(rich, [fewer(panel, [0], tmp_path / "none", swapped=True)])
    assert none is not None
    assert "There is no" in none.html
    assert "There is no" not in part.html
    scores = examples_part(rich, [replace(panel, method="fewshot")])
    assert scores is not None
    assert "90&nbsp;%" not in scores.html


def test_classes_without_a_neighbour_are_no_fault(
    rich: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their loss is infinite by nearest neighbours, under both sources of some images."""

    def endless(path: Path) -> Kept:
        kept = read_predictions(path)
        loss = np.where(kept.answers.right, kept.answers.loss, np.inf).astype(np.float32)
        return replace(kept, answers=replace(kept.answers, loss=loss))

    monkeypatch.setattr("granctl.study.examples.read_predictions", endless)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        part = examples_part(rich, summarise(load_results(rich)))
    assert part is not None
    assert part.html.count("<li>") == 3


def fewer(panel: Panel, rows: list[int], folder: Path, *, swapped: bool = False) -> Panel:
    """The panel with predictions of the finest on some images only; or of the coarsest twice."""
    points = []
    for point in panel.points:
        results = []
        for result in point.results:
            home = Path(result["path"]).parent
            if swapped and point.cut == "leaf":
                other = next(p for p in panel.points if p.cut == "depth-1")
                home = Path(other.results[point.results.index(result)]["path"]).parent
            kept = read_predictions(home / "predictions.parquet")
            own = kept.answers
            if point.cut == "leaf" and not swapped:
                part = {
                    "offsets": np.arange(len(rows) + 1),
                    "classes": own.classes[rows],
                    "loss": own.loss[rows],
                    "margin": own.margin[rows],
                    "top": own.top[rows],
                    "top_logp": own.top_logp[rows],
                }
                kept = replace(kept, answers=replace(own, **part), checksums=kept.checksums[rows])
            kept = replace(kept, result_digest=result["digest"])
            place = folder / result["digest"]
            place.mkdir(parents=True, exist_ok=True)
            kept.write(place / "predictions.parquet")
            results.append({**result, "path": str(place / "result.json")})
        points.append(replace(point, results=tuple(results)))
    return replace(panel, points=tuple(points))


@pytest.mark.slow
def test_a_page_of_three_hundred_results_is_light(tmp_path: Path) -> None:
    """25 cuts, 6 seeds, 2 targets: below 3 MB."""
    workspace = Workspace(tmp_path / "w")
    for seed in range(6):
        for cut in range(25):
            for target in ("embedded@leaf", "embedded@depth-7"):
                one = {"cut": f"classes-{cut + 2}", "method": "classes", "classes": cut + 2}
                record = fake_result(**one, seed=seed, target=target, top1=0.5 + cut / 100)
                run = workspace.place("run", "made-up", digest([cut, seed]))
                if not run.exists():
                    write_run_log(run, seed, lines=400)
                write_result(workspace.folder("result"), {**record, "run": str(run)})
    made = report_of(workspace, [], tmp_path / "out", Silent())[0]
    assert made.details["results"] == 300
    assert (made.path / "report.html").stat().st_size < 3_000_000


def test_same_study_is_the_same_report(rich_report: Artefact, rich: Workspace) -> None:
    """The parts say the same again, so that the report is found whole."""
    spec = DifficultySpec(cut="depth-1", bins=2)
    assert not report_of(rich, [], rich_report.path, Silent(), spec)[0].made


def test_a_figure_for_print_is_the_same_bytes(tmp_path: Path) -> None:
    """Logarithmic, with a rule, intervals, thin lines and names: no time and no chance in it."""
    dots = tuple(Dot(x=x, y=x / 2, low=x / 3, high=x, name=f"{x}") for x in (1.0, 10.0, 100.0))
    figure = LineFigure(
        name="all",
        title="all",
        x=Axis(title="x", log=True, ticks=(1.0, 10.0, 100.0)),
        y=Axis(title="y", log=True),
        lines=(Line(name="a", dots=dots), Line(name="b", dots=dots, thin=True, marks="last")),
        rules=(Rule(name="rule", y=5.0, low=4.0, high=6.0),),
    )
    for name in ("first", "second"):
        draw_lines(figure, tmp_path / f"{name}.svg", tmp_path / f"{name}.png")
    for kind in ("svg", "png"):
        first, second = (tmp_path / f"{name}.{kind}" for name in ("first", "second"))
        assert first.read_bytes() == second.read_bytes()
        assert first.stat().st_size > 5_000


def test_a_figure_that_cannot_be_drawn_is_refused() -> None:
    """No dot at all, or a logarithm of nothing."""
    axes = {"x": Axis(title="x", log=True), "y": Axis(title="y")}
    with pytest.raises(ValueError, match="no dot"):
        LineFigure(name="n", title="n", lines=(), **axes)
    with pytest.raises(ValueError, match="above zero"):
        LineFigure(name="n", title="n", lines=(Line(name="a", dots=(Dot(x=0, y=1),)),), **axes)
