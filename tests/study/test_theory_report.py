"""`granctl theory report`: its files, its page in a browser, its numbers, what it refuses."""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from headless import CALM, CHROMIUM, act

from granctl.errors import NotATheoryError, NothingToUseError, OutputExistsError
from granctl.progress import Silent
from granctl.study.theoryasked import asked_run, asked_sweep
from granctl.study.theorypage import theory_report
from granctl.study.theoryparts import extremes
from granctl.study.theoryread import Made, load_made
from granctl.study.theoryrun import run_theory
from granctl.workspace import Artefact, Workspace

SMALL = ["samples=16", "test=100", "k=4"]
SWEEPS = ("classes=2,8,16", "k=2,4", "alpha_dagger=0.1,0.4")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A run and three sweeps of two seeds, a tenth of a second each training."""
    found = Workspace(tmp_path_factory.mktemp("theory"))
    asked = [asked_run(SMALL, [], 2)]
    for vary in SWEEPS:
        pairs = [p for p in SMALL if p.split("=")[0] != vary.split("=")[0]]
        asked.append(asked_sweep([*pairs, "epochs=10"], vary, [], 2))
    for one in asked:
        run_theory(found, one, None, 1, Silent())
    return found


@pytest.fixture(scope="module")
def made(workspace: Workspace) -> Artefact:
    return theory_report(workspace, [], None, Silent())


def read_csv(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))


def test_every_run_and_sweep_is_on_the_page(workspace: Workspace, made: Artefact) -> None:
    """A section each, in the order of the story, with the command and the unmet conditions."""
    page = (made.path / "report.html").read_text()
    titles = re.findall(r"<h2[^>]*>(.*?)</h2>", page)
    assert titles == [
        "The contrast",
        "Number of subclasses, and the ratio",
        "How strong the wrong feature is",
        "Number of classes",
    ]
    assert made.details["sweeps"] == ["k", "alpha_dagger", "classes"]
    assert made.details["runs"] == 1
    assert page.count("enough samples a subclass") >= 4
    assert "http://" not in page.replace("http://www.w3.org", "")


def test_the_same_gives_the_same_bytes(
    workspace: Workspace, made: Artefact, tmp_path: Path
) -> None:
    """And a second call does nothing."""
    assert theory_report(workspace, [], None, Silent()).made is False
    run = load_made(workspace, [])[0]
    alone = [theory_report(workspace, [run.path], tmp_path / n, Silent()).path for n in "ab"]
    files = [p.relative_to(alone[0]) for p in alone[0].rglob("*") if p.suffix not in ("", ".json")]
    assert len(files) == 10  # the page, two lists, two figures and one table
    for file in files:
        assert (alone[0] / file).read_bytes() == (alone[1] / file).read_bytes()


def test_other_numbers_are_another_page(workspace: Workspace, tmp_path: Path) -> None:
    """Though the run that has them says that it is the same."""
    run = tmp_path / "run"
    shutil.copytree(load_made(workspace, [])[0].path, run)
    first = theory_report(workspace, [run], tmp_path / "page", Silent())
    manifest = json.loads((run / "manifest.json").read_text())
    manifest["coarse"]["hard"]["max"][0] /= 2
    (run / "manifest.json").write_text(json.dumps(manifest))
    second = theory_report(workspace, [run], tmp_path / "other", Silent())
    assert second.made
    assert second.digest != first.digest
    with pytest.raises(OutputExistsError):
        theory_report(workspace, [run], tmp_path / "page", Silent())


def test_figures_and_tables_lie_beside_it(made: Artefact) -> None:
    """For slides and papers."""
    figures = {p.name for p in (made.path / "figures").iterdir()}
    assert {"run-1-errors.svg", "run-1-ratio.svg", "k-2-ratio.svg"} <= figures
    assert {"alpha-dagger-3-readouts.png", "classes-4-error.png"} <= figures
    tables = {p.name for p in (made.path / "tables").iterdir()}
    assert {"run-1-table.csv", "k-2-table.md", "classes-4-table.tex"} <= tables
    assert (made.path / "tables.md").read_text().count("| --- |") == 4


def test_numbers_are_those_of_the_trainings(workspace: Workspace, made: Artefact) -> None:
    """trainings.csv has a row a training; a table has their mean; the first sentence the run's."""
    rows = read_csv(made.path / "trainings.csv")
    assert len(rows) == made.details["trainings"] == 4 + 8 + 8 + 6
    coarse = [float(r["hard_max"]) for r in rows if not r["vary"] and r["labels"] == "coarse"]
    first = read_csv(made.path / "tables" / "run-1-table.csv")[0]
    assert float(first["hard_max"]) == pytest.approx(fmean(coarse))
    page = (made.path / "report.html").read_text()
    assert f"is wrong on {100 * fmean(coarse):.1f} % of the hard samples" in page
    run = load_made(workspace, [])[0]
    told = json.loads((run.path / "manifest.json").read_text())
    assert told["coarse"]["hard"]["max"] == coarse


def test_figures_hold_what_was_measured(made: Artefact) -> None:
    """The ratio over k beside 1/k; over steps up to the last; the true number of classes marked."""
    page = (made.path / "report.html").read_text()
    found = [json.loads(t) for t in re.findall(r'json">(\{"name".*?)</script>', page, re.S)]
    figures: dict[str, Any] = {f["name"]: f for f in found}
    law = next(line for line in figures["k-2-ratio"]["lines"] if line["name"] == "1/k")
    assert [(d["x"], d["y"]) for d in law["dots"]] == [(2, 0.5), (4, 0.25)]
    over_time = figures["run-1-ratio"]
    assert over_time["rules"][0]["y"] == 0.25
    bold = [line for line in over_time["lines"] if not line["thin"]]
    assert [line["name"] for line in bold] == ["coarse", "fine"]
    assert sum(line["thin"] for line in over_time["lines"]) == 4
    marks = [line["name"] for line in figures["classes-4-error"]["lines"]]
    assert marks == ["hard samples", "easy samples", "the true 8 subclasses"]
    marks = [line["name"] for line in figures["alpha-dagger-3-error"]["lines"]]
    assert marks == ["coarse", "fine", "coarse ratio x s / s_dagger"]


def test_networks_that_answer_to_nothing_are_reported(tmp_path: Path) -> None:
    """No ratio, so no figure of it over time and no sentence on k; the errors stand there."""
    space = Workspace(tmp_path)
    dead = ["samples=16", "test=100", "bias_rule=fixed", "bias=-0.1", "epochs=1"]
    for asked in (
        asked_run([*dead, "k=4"], [], 2),
        asked_sweep(dead, "k=2,4", [], 2),
        asked_sweep([*dead, "k=4"], "alpha_dagger=0.05,0.4", [], 2),
    ):
        run_theory(space, asked, None, 1, Silent())
    made = theory_report(space, [], None, Silent())
    figures = {p.name for p in (made.path / "figures").glob("*.svg")}
    assert "run-1-errors.svg" in figures
    assert "run-1-ratio.svg" not in figures
    page = (made.path / "report.html").read_text()
    assert "k times the ratio" not in page
    assert "coarse ratio x s" not in page


@pytest.mark.parametrize(
    ("errors", "said"),
    [
        ([[0.24], [1.0]], "between 24.0 % at d = 1 and 100.0 % at d = 2 (one seed)."),
        ([[0.1, 0.1], [0.1, 0.1]], "is 10.0 % at every value of d."),
        ([[0.1, 0.3], [0.2, 0.401]], "10.1 points apart (95 % interval 9.4 to 10.7, paired"),
        ([[0.1, 0.3], [0.3, 0.2]], "of their difference, paired by seed, holds zero."),
    ],
)
def test_extremes_are_told_apart_by_seed(errors: list[list[float]], said: str) -> None:
    """Intervals that overlap tell nothing of values that share their seeds."""
    made = Made(path=Path(), details={"vary": "d", "points": [{"value": 1}, {"value": 2}]})
    assert said in extremes(made, errors)


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_the_page_opens_without_a_fault(made: Artefact, tmp_path: Path) -> None:
    """Every figure is drawn, nothing stands in the console."""
    script = """
      await wait(300);
      seen.dots = [...document.querySelectorAll('figure.lines')].map(f =>
        [Number(f.querySelector('.plot').dataset.rendered),
         JSON.parse(f.querySelector('script').textContent).lines.flatMap(l => l.dots).length])"""
    seen = act(made.path / "report.html", script, tmp_path, CALM)
    assert len(seen["dots"]) == 9
    assert all(drawn == dots > 0 for drawn, dots in seen["dots"])


def test_what_is_no_theory_is_refused(workspace: Workspace, tmp_path: Path) -> None:
    """Another folder, a report, an empty workspace, a run whose trainings are gone."""
    with pytest.raises(NotATheoryError, match="has no manifest"):
        load_made(workspace, [tmp_path])
    (tmp_path / "manifest.json").write_text('{"kind": "study"}')
    with pytest.raises(NotATheoryError, match="of kind 'study'"):
        load_made(workspace, [tmp_path])
    with pytest.raises(NothingToUseError, match="no theory was given"):
        load_made(Workspace(tmp_path / "none"), [])
    run = run_theory(workspace, asked_run([*SMALL, "epochs=1"], [], 1), tmp_path / "r", 1, Silent())
    next((run.path / "trainings").glob("*.json")).unlink()
    with pytest.raises(NotATheoryError, match="is gone"):
        theory_report(workspace, [run.path], tmp_path / "out", Silent())
    assert not (tmp_path / "out" / "manifest.json").exists()
