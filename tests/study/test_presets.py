"""The studies that come with granctl: each states what it costs, with or without its images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from granctl.errors import OutputExistsError
from granctl.progress import Silent
from granctl.study.costs import costs_of
from granctl.study.plantable import cost_notes, cost_table
from granctl.study.studyfile import STUDIES, copy_study, load_study, study_names
from granctl.study.studyplan import plan_study
from granctl.workspace import Workspace

TIMED = ("embedded-resnet", "vit-b16-in21k", "vit-b16-augreg-30ep")


def costs(name: str, folder: Path) -> dict[str, Any]:
    return costs_of(Workspace(folder / "ws"), plan_study(load_study(name)), None, Silent())


@pytest.mark.parametrize("name", study_names())
def test_every_study_states_its_cost(name: str, tmp_path: Path) -> None:
    """Runs, steps, images, operations, checkpoints; hours where its recipes were timed."""
    plan, found = plan_study(load_study(name)), costs(name, tmp_path)
    assert found["images"] > 0
    assert found["flops"] > found["images_seen"] > 0
    assert all(row["classes"] > 1 and row["steps"] > 0 for row in found["sources"])
    assert found["disk"]["checkpoints"] > 0
    assert (found["hours"] is not None) == (set(plan.study.recipe) <= set(TIMED))
    assert len(cost_table(found)[2]) >= len(found["sources"])
    assert any("disk:" in line for line in cost_notes(plan, found))


def test_the_papers_study_needs_no_image_to_be_planned(tmp_path: Path) -> None:
    """Its class counts, three seeds of six levels, 14.2 million images stated as such, A100-hours.

    18 runs of 32 hours on 8 devices are 4,608 hours; finetuning at 384 pixels and the 300 epochs
    of the baseline come on top.
    """
    plan, found = plan_study(load_study("in21k-in1k")), costs("in21k-in1k", tmp_path)
    rows = found["sources"]
    assert [row["classes"] for row in rows] == [21843, 5995, 2281, 519, 160, 38]
    assert {(row["runs"], row["images"], row["epochs"]) for row in rows} == {(3, 14_140_334, 90)}
    assert found["images_from"].startswith("stated, for the source is not here: image-net.org")
    assert 4_608 < found["hours"] < 5_100
    assert found["rates"][0]["device"] == "A100 GPU"
    assert found["disk"]["shards"] == pytest.approx(1.35e12, rel=0.01)
    assert found["shared"] == {"shards": 1, "maps": 6, "runs": 18, "transfers": 21}
    assert plan.recipe.loss == "sigmoid"


def test_inat_counts_are_stated_until_its_table_is_here(tmp_path: Path) -> None:
    """By name of the cut; with the table beside the file they are counted from it."""
    stated = {r["cut"]: r["classes"] for r in costs("inat21-superclass", tmp_path)["sources"]}
    assert (stated["kingdom"], stated["species"], stated["supercategories"]) == (3, 10_000, 11)
    assert stated["random-like-genus"] == stated["genus"] == 4_900
    copied = copy_study("inat21-superclass", tmp_path / "inat21-superclass.toml")
    (tmp_path / "train_mini.json").write_text(INAT)
    counted = {r["cut"]: r["classes"] for r in costs(str(copied), tmp_path)["sources"]}
    assert (counted["kingdom"], counted["class"], counted["species"]) == (2, 2, 3)
    assert counted["supercategories"] is None, "this table lacks nodes of the file"


INAT = """{"categories": [
{"kingdom": "Animalia", "phylum": "Chordata", "class": "Aves", "order": "O", "family": "F",
 "genus": "G", "name": "G a", "image_dir_name": "0"},
{"kingdom": "Animalia", "phylum": "Chordata", "class": "Aves", "order": "O", "family": "F",
 "genus": "G", "name": "G b", "image_dir_name": "1"},
{"kingdom": "Plantae", "phylum": "P", "class": "C", "order": "O", "family": "F",
 "genus": "H", "name": "H a", "image_dir_name": "2"}]}"""


def test_what_a_study_names_is_copied_with_it(tmp_path: Path) -> None:
    """The file of nodes too; again it is found the same, and what differs is not overwritten."""
    copy_study("inat21-superclass", tmp_path / "mine.toml")
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["inat21-superclass.nodes.txt", "mine.toml"]
    copy_study("inat21-superclass", tmp_path / "mine.toml")
    (tmp_path / "inat21-superclass.nodes.txt").write_text("mine")
    with pytest.raises(OutputExistsError):
        copy_study("inat21-superclass", tmp_path / "other.toml")
    assert not (tmp_path / "other.toml").exists()


def test_equal_images_are_classes_times_images(tmp_path: Path) -> None:
    """Every source of the preset has 2,400 images and as many steps."""
    rows = costs("equal-images", tmp_path)["sources"]
    assert {(row["images"], row["steps"]) for row in rows} == {(2400, 285)}
    assert {row["cut"]: row["classes"] for row in rows} == {
        "depth-5-2400-images": 2,
        "depth-6-2400-images": 3,
        "depth-7-2400-images": 5,
        "leaf-2400-images": 10,
        "kmeans-40-2400-images": 40,
        "kmeans-400-2400-images": 400,
        "leaf-2-classes-2400-images": 2,
        "leaf-5-classes-2400-images": 5,
        "one-an-image-2400-images": 2400,
    }


def test_files_beside_studies_belong_to_one() -> None:
    """NAME.WHAT.txt, so that `init` copies it."""
    assert all(p.name.split(".")[0] in study_names() for p in STUDIES.glob("*.txt"))
