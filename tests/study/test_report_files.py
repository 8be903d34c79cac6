"""The files of a report and what stands in them."""

from __future__ import annotations

import csv
import json
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from made_up_study import fake_result, u_curve, write_result

from granctl.errors import OutputExistsError
from granctl.progress import Silent
from granctl.study.cutmaps import (
    MOST_OF_IMAGES,
    Cut,
    drawn,
    find_cuts,
    find_taxonomy,
    forests_of,
)
from granctl.study.report import report_of
from granctl.study.results import load_results
from granctl.tree.build import build_taxonomy
from granctl.tree.labelmap import LabelMap
from granctl.tree.store import embedded_wordnet, save_taxonomy
from granctl.tree.taxonomy import HYPERNYM, Node
from granctl.workspace import Artefact, Workspace


def report(workspace: Workspace, out: Path) -> Artefact:
    return report_of(workspace, [], out, Silent())[0]


@pytest.fixture(scope="session")
def made(whole_study: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Artefact:
    """One report of the whole made-up study."""
    return report(whole_study, tmp_path_factory.mktemp("report") / "out")


class Tags(HTMLParser):
    """All start tags with their attributes, and the text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_folder_holds_all_files(made: Artefact) -> None:
    """Page, tables, figures, and the manifest as the last."""
    names = {p.name for p in made.path.iterdir()}
    files = {"report.html", "table.csv", "table.md", "table.tex", "curve.svg", "curve.png"}
    assert names == files | {"figures", "spec.json", "manifest.json"}
    drawn = {p.name for p in (made.path / "figures").iterdir()}
    assert {f"curve-{i}.{kind}" for i in (1, 2) for kind in ("svg", "png")} <= drawn
    newest = max(made.path.iterdir(), key=lambda p: p.stat().st_mtime_ns)
    assert newest.name == "manifest.json"
    assert made.made
    assert made.details["targets"] == ["embedded@depth-7", "embedded@leaf"]
    assert len(made.details["rows"]) == 16


def test_same_results_give_the_same_bytes(
    made: Artefact, whole_study: Workspace, tmp_path: Path
) -> None:
    """Page, tables and figures hold no time and no chance."""
    again = report(whole_study, tmp_path / "again")
    assert again.digest == made.digest
    for path in made.path.iterdir():
        if path.name in ("report.html", "table.csv", "table.md", "curve.svg", "curve.png"):
            assert path.read_bytes() == (again.path / path.name).read_bytes(), path.name


def test_a_whole_report_is_not_made_again(made: Artefact, whole_study: Workspace) -> None:
    """The same command finds it; an unfinished one is gone on with; another is left alone."""
    assert not report(whole_study, made.path).made
    (made.path / "manifest.json").unlink()
    assert report(whole_study, made.path).made


def test_out_that_holds_something_else_is_refused(whole_study: Workspace, tmp_path: Path) -> None:
    """A folder with other files is not written into."""
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(OutputExistsError):
        report(whole_study, tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("which", ["made", "rich_report"])
def test_page_stands_alone(which: str, request: pytest.FixtureRequest) -> None:
    """Nothing is fetched: no address in the page but places in itself and data in it."""
    made: Artefact = request.getfixturevalue(which)
    tags = Tags((made.path / "report.html").read_text())
    for tag, attributes in tags.found:
        for name in ("src", "href", "action", "srcset"):
            value = attributes.get(name)
            assert value is None or value.startswith(("#", "data:")), (tag, value)
    page = (made.path / "report.html").read_text()
    assert not re.search(r"@import|url\(|fetch\(|XMLHttpRequest", page)


def test_page_says_every_number_and_where_it_comes_from(made: Artefact) -> None:
    """All 48 scores and the commands from the cut to the result stand in the page."""
    text = Tags((made.path / "report.html").read_text()).text
    for record in u_curve():
        assert f"{100 * record['top1']:.2f} % ({record['correct']:,} of 2,000)" in text
    assert "granctl transfer --target embedded@leaf --method finetune" in text
    assert "granctl pretrain --shards" in text
    assert "granctl tree cut --cluster kmeans --classes 40" in text
    assert "record was not found" not in text
    for number in ("83.28", "0.54", "−9.20", "[−10.46, −7.93]", "2,000 (test split)"):
        assert number in text


def test_page_escapes_names(tmp_path: Path) -> None:
    """A name with markup in it is shown, not run; it cannot end the script element."""
    evil = "</script><script>alert(1)</script>"
    workspace = Workspace(tmp_path / "w")
    write_result(workspace.folder("result"), fake_result(cut="leaf") | {"split": evil})
    one = fake_result(cut=evil.replace("/", ":"), seed=1, top1=0.7) | {"split": evil}
    write_result(workspace.folder("result"), one)
    page = (report(workspace, tmp_path / "out").path / "report.html").read_text()
    assert "<script>alert" not in page
    assert page.count("</script>") == 2
    assert "&lt;script&gt;alert(1)" in page


def test_one_seed_shows_no_nan(tmp_path: Path) -> None:
    """A single seed: the deviation is said to be missing, and NaN stands nowhere."""
    workspace = Workspace(tmp_path / "w")
    for record in u_curve(seeds=[0]):
        write_result(workspace.folder("result"), record)
    made = report(workspace, tmp_path / "out")
    for name in ("report.html", "table.csv", "table.md", "manifest.json"):
        # "isNaN" of the scripts is no number of the page
        text = (made.path / name).read_text().replace("Number.isNaN", "")
        assert not re.search(r"\bnan\b|\bNaN\b|\bNone\b|Infinity\b", text.partition("<script>")[0])
    page = (made.path / "report.html").read_text()
    assert "has one seed, its deviation is not available" in page
    assert made.details["rows"][0]["top1_sd"] is None
    json.dumps(made.record(), allow_nan=False)


def test_csv_holds_fractions_a_row_a_source(made: Artefact) -> None:
    """The CSV can be read back: 16 rows, numbers as in the details, empty where there is none."""
    with (made.path / "table.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 16
    leaf = next(r for r in rows if r["source"] == "leaf" and r["target"] == "embedded@depth-7")
    assert float(leaf["top1_mean"]) == pytest.approx(0.83277, abs=1e-5)
    assert leaf["to_finest_mean"] == ""
    assert leaf["top1_n"] == "3"


def test_markdown_has_a_table_a_target(made: Artefact) -> None:
    """Each panel's table has nine columns in every row."""
    text = (made.path / "table.md").read_text()
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == 2 * (8 + 2)
    assert {line.count("|") for line in rows} == {10}
    assert "| leaf | 10 | taxonomy | 3 | 83.28 | 0.54 |" in text


def test_one_class_an_image_is_not_drawn(whole_study: Workspace) -> None:
    """A page of an ImageNet has millions of such classes."""
    (cut, *_), _ = find_cuts(whole_study, load_results(whole_study))
    num = MOST_OF_IMAGES + 1
    images = LabelMap(
        labels=tuple(map(str, range(num))),
        offsets=np.arange(num + 1, dtype=np.int64),
        classes=np.arange(num, dtype=np.int32),
        class_ids=tuple(map(str, range(num))),
        class_names=tuple(map(str, range(num))),
        method="per-image",
        params={},
        keyed_by="image",
    )
    assert drawn([cut, replace(cut, labels=images)]) == [cut]


def test_icicle_shows_the_labels_that_have_images(whole_study: Workspace) -> None:
    """Ten labels below their first parents; each cut's classes as its map says."""
    results = load_results(whole_study)
    cuts, present = find_cuts(whole_study, results)
    assert present is not None
    assert len(present) == 10
    assert {c.name for c in cuts} == {r["source"]["cut"] for r in results if r["source"]}
    forests, views = forests_of(cuts, present, embedded_wordnet())
    labels = forests[0]
    assert labels.names[0] == "entity"
    assert sum(labels.weights) == 10
    assert all(parent < i for i, parent in enumerate(labels.parents))
    by_name = {v.name: v for v in views}
    assert len(by_name["depth-5"].class_names) == 2
    assert len(by_name["leaf"].class_names) == 10
    boot = labels.ids.index("n02872752")
    leaf = by_name["leaf"]
    assert leaf.class_names[leaf.class_of_node[boot]] == "boot"
    clusters = forests[by_name["kmeans-40"].forest]
    assert clusters.unit == "images"
    assert sum(clusters.weights) == 800


def test_a_taxonomy_of_the_workspace_is_drawn(tmp_path: Path) -> None:
    """Cuts of an imported taxonomy find it by digest; cuts of two taxonomies have none."""
    nodes = [Node("root", (), ("root",)), Node("a", (("root", HYPERNYM),), ("a",))]
    tiny = build_taxonomy(nodes, "tiny")
    workspace = Workspace(tmp_path)
    path = workspace.place("taxonomy", "tiny", tiny.digest, ".npz")
    path.parent.mkdir(parents=True)
    save_taxonomy(tiny, path)

    def cut(digest: str) -> Cut:
        fields = {"class_ids": ("x",), "class_names": ("x",), "method": "depth"}
        labels = LabelMap.from_single(
            ["a"], np.zeros(1, np.int32), inputs={"taxonomy": digest}, **fields
        )
        return Cut(name="x", labels=labels, seed=0, num_maps=1)

    found = find_taxonomy(workspace, [cut(tiny.digest)])
    assert found is not None
    assert found.digest == tiny.digest
    assert find_taxonomy(workspace, [cut(embedded_wordnet().digest)]) is embedded_wordnet()
    both = [cut(embedded_wordnet().digest), cut(tiny.digest)]
    assert find_taxonomy(workspace, both) is None


def test_labels_present_are_unknown_without_the_shards(
    whole_study: Workspace, tmp_path: Path
) -> None:
    """Where a run's shard set is gone, nothing is claimed about which labels have images."""
    moved = Workspace(tmp_path / "moved")
    shutil.copytree(whole_study.folder("label-map"), moved.folder("label-map"))
    cuts, present = find_cuts(moved, load_results(whole_study))
    assert len(cuts) == 7
    assert present is None


def test_report_without_label_maps_says_so(study: Path, tmp_path: Path) -> None:
    """Results whose maps are gone still make a report; the cuts are said to be missing."""
    workspace = Workspace(study.parent)
    page = (report(workspace, tmp_path / "out").path / "report.html").read_text()
    assert "were\nnot found in the workspace" in page
    assert "Its record was not found" in page
