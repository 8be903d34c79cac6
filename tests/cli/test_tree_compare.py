"""`granctl tree compare` and `tree align` from the command line: what they say."""

from __future__ import annotations

import csv

import numpy as np
import pyarrow.parquet as pq
import pytest
from animal_maps import write_map
from generated_images import LABELS

from granctl.tree.labelmap import LabelMap

# --- results --------------------------------------------------------------------------------------


def test_compare_prints_the_relation_alone(granctl, fine, coarse, tmp_path):
    """One word on stdout for scripts; the measures and the largest cells on stderr."""
    crossing = write_map(tmp_path / "crossing.parquet", [0, 1, 0, 1, 0, 1])
    renamed = write_map(tmp_path / "renamed.parquet", [3, 3, 0, 1, 1, 2])
    found = granctl("tree", "compare", fine, coarse)
    assert (found.code, found.out) == (0, "a-refines-b\n")
    assert "compared: 6 labels, each label weighs one" in found.err
    assert "A refines B" in found.err
    assert "largest cells by labels (4 of 4)" in found.err
    assert granctl("tree", "compare", coarse, fine).out == "b-refines-a\n"
    assert granctl("tree", "compare", fine, renamed).out == "equal\n"
    assert granctl("tree", "compare", coarse, crossing).out == "neither\n"


def test_quiet_leaves_stderr_empty(granctl, fine, coarse):
    """Only the result."""
    assert granctl("tree", "compare", fine, coarse, "--quiet").err == ""
    assert granctl("tree", "align", coarse, fine, "--quiet").err == ""


def test_compare_as_json(granctl, fine, coarse):
    """Every field that docs/commands/tree-compare.md lists."""
    found = granctl("tree", "compare", coarse, fine, "--json", "--quiet").json
    measures = ("nmi", "v_measure", "homogeneity", "completeness", "mutual_information_bits")
    values = {name: found.pop(name) for name in measures}
    entropies = [found.pop(f"entropy_{side}_bits") for side in "ab"]
    about_b = found.pop("b")
    assert found.pop("a")["groups"] == 2
    assert about_b == {
        "path": str(fine),
        "digest": LabelMap.read(fine).digest,
        "method": "toy",
        "params": {"classes": [0, 0, 1, 2, 2, 3]},
        "keyed_by": "label",
        "multi_label": False,
        "labels": 6,
        "classes": 4,
        "groups": 4,
    }
    assert entropies == [1.0, pytest.approx(1.9182958340544893)]
    assert values["completeness"] == 1.0
    assert values["homogeneity"] == pytest.approx(1 / 1.9182958340544893)
    assert values["nmi"] == pytest.approx(values["v_measure"])
    assert values["mutual_information_bits"] == pytest.approx(1.0)
    largest = found.pop("largest")
    assert largest[0] == {
        "a": "c0",
        "a_name": "name c0",
        "b": "c0",
        "b_name": "name c0",
        "num": 2,
        "weight": 2,
    }
    left_out = found.pop("left_out")
    assert left_out.pop("images") is None
    assert set(left_out.values()) == {0}
    assert found == {
        "kind": "comparison",
        "schema": 1,
        "unit": "label",
        "compared": 6,
        "weighted_by": "labels",
        "weights": None,
        "weight": 6,
        "relation": "b-refines-a",
        "groups_a": 2,
        "groups_b": 4,
        "split_a": {"num": 2, "into": 2, "example": {"id": "c0", "name": "name c0"}},
        "split_b": {"num": 0, "into": 1, "example": None},
        "cells": 4,
        "crosstab": None,
    }


def test_counts_weigh_the_labels_and_what_is_left_out_is_said(
    granctl, fine, coarse, counts, tmp_path
):
    """Images weigh; labels of one map only, without a class or an image are counted and said."""
    other = write_map(
        tmp_path / "other.parquet", [0, 0, -1, 1, 1, 0], ("dog", "cat", "oak", "elm", "rock", "sky")
    )
    command = ("tree", "compare", fine, other, "--counts", counts)
    found = granctl(*command, "--json").json
    assert (found["compared"], found["weight"], found["weighted_by"]) == (3, 60, "images")
    assert found["weights"]["images"] == 107
    assert found["left_out"] == {
        "only_in_a": 1,
        "only_in_b": 1,
        "no_class_in_a": 0,
        "no_class_in_b": 1,
        "no_image": 1,
        "not_in_shards_a": 0,
        "not_in_shards_b": 0,
        "images": 47,
    }
    said = granctl(*command).err
    for line in (
        f"compared: 3 labels, weighted by their 60 images ({counts})",
        "left out: 1 label only in A",
        "left out: 1 label only in B",
        "left out: 1 label without a class in B",
        "left out: 1 label without an image",
        f"left out in all: 47 images of {counts}",
    ):
        assert line in said.splitlines()


def test_crosstab_is_written_once_as_csv_and_parquet(granctl, fine, coarse, counts, tmp_path):
    """Every cell, the heaviest first; the same command again changes nothing."""
    for name in ("table.csv", "table.parquet"):
        command = ("tree", "compare", fine, coarse, "--counts", counts, "--crosstab")
        assert granctl(*command, tmp_path / name).code == 0
        again = granctl(*command, tmp_path / name)
        assert again.code == 0
        assert "holds this crosstab already" in again.err
    with (tmp_path / "table.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(r["a"], r["b_name"], r["num"], r["weight"]) for r in rows] == [
        ("c2", "name c1", "1", "40"),
        ("c0", "name c0", "1", "30"),
        ("c3", "name c1", "1", "20"),
        ("c1", "name c0", "1", "10"),
    ]
    table = pq.read_table(tmp_path / "table.parquet")
    assert [{k: str(v) for k, v in row.items()} for row in table.to_pylist()] == rows
    assert b"granctl.crosstab" in table.schema.metadata
    assert sorted(p.name for p in tmp_path.glob("*table*")) == ["table.csv", "table.parquet"]


def test_several_classes_count_as_one_set(granctl, tmp_path):
    """Labels of a multi-label map are told apart by all their classes."""
    several = LabelMap(
        labels=("bat", "cat", "gull"),
        offsets=np.array([0, 2, 3, 4]),
        classes=np.array([1, 0, 0, 1], np.int32),
        class_ids=("mammal", "flyer"),
        class_names=("mammals", "flyers"),
        method="level",
    )
    several.write(tmp_path / "several.parquet")
    single = write_map(tmp_path / "single.parquet", [0, 0, 1], several.labels)
    found = granctl("tree", "compare", tmp_path / "several.parquet", single, "--json").json
    assert found["relation"] == "a-refines-b"
    assert (found["a"]["classes"], found["a"]["groups"]) == (2, 3)
    assert "mammal+flyer" in {cell["a"] for cell in found["largest"]}


def test_align_prints_the_purity_and_says_the_rest(granctl, fine, coarse, counts):
    """The result is a number; with counts it weighs images."""
    assert granctl("tree", "align", coarse, fine).out == "0.666667\n"
    found = granctl("tree", "align", coarse, fine, "--counts", counts)
    assert found.out == "0.700000\n"
    assert "target classes that stay apart" in found.err
    assert "2 of 4" in found.err


def test_align_as_json(granctl, fine, coarse, counts):
    """The measures of the documentation."""
    found = granctl("tree", "align", coarse, fine, "--counts", counts, "--json").json
    assert found["kind"] == "alignment"
    assert (found["source"]["groups"], found["target"]["groups"]) == (2, 4)
    assert found["left_out"]["only_in_source"] == 0
    assert found["left_out"]["images"] == 7
    assert found["purity"] == found["best_top1"] == 0.7
    assert found["best_mean_per_class"] == 0.5
    assert (found["mixed_mean"], found["mixed_max"]) == (2.0, 2)
    assert found["mixed_max_class"] == {"id": "c1", "name": "name c1"}
    assert (found["pure_frac"], found["pure_weight_frac"]) == (0.0, 0.0)
    assert (found["groups_target"], found["groups_target_apart"]) == (4, 2)
    assert 0 < found["h_target_given_source_bits"] < found["h_target_bits"]


@pytest.mark.parametrize(("level", "apart"), [(1, 572), (2, 339), (4, 157), (6, 86), (9, 34)])
def test_how_many_of_the_1k_stay_apart(granctl, level, apart):
    """The label sets of 999 ImageNet-1k classes at each of the paper's levels."""
    target = granctl("tree", "cut", "--level", 0, "--list", "1k").path
    cut = granctl("tree", "cut", "--level", level).path
    found = granctl("tree", "align", cut, target, "--json").json
    assert (found["groups_target"], found["groups_target_apart"]) == (999, apart)
    assert found["best_top1"] == found["best_mean_per_class"] == pytest.approx(apart / 999)


def test_levels_and_depths_nest(granctl):
    """Each lower level refines the higher; each deeper cut refines the shallower."""
    for option, finer, coarser in (("--level", 2, 4), ("--level", 4, 9), ("--depth", 7, 5)):
        a, b = (granctl("tree", "cut", option, number).path for number in (finer, coarser))
        assert granctl("tree", "compare", a, b).out == "a-refines-b\n"


# --- shard sets -----------------------------------------------------------------------------------


def test_shards_weigh_labels_by_their_images(granctl, shards, tmp_path):
    """The images of one split; train by default."""
    a = write_map(tmp_path / "a.parquet", range(6), LABELS)
    b = write_map(tmp_path / "b.parquet", [0, 0, 0, 1, 1], LABELS[:5])
    command = ("tree", "compare", a, b, "--shards", shards.root, "--json")
    found = granctl(*command).json
    assert (found["compared"], found["weight"], found["unit"]) == (5, 15, "label")
    assert found["weights"] == {
        "from": "shards",
        "path": str(shards.root),
        "digest": shards.digest,
        "split": "train",
        "images": 18,
    }
    assert found["left_out"]["images"] == 3
    assert granctl(*command, "--split", "test").json["weight"] == 5


def test_shards_join_maps_of_images_and_labels(granctl, shards, tmp_path):
    """A map of images meets one of labels image by image; strangers are counted."""
    labels = np.array(shards.labels)[shards.rows("train").label]
    checksums = shards.checksums("train").astype(str)
    clusters = [2 * LABELS.index(name) + i % 2 for i, name in enumerate(labels)]
    images = write_map(
        tmp_path / "images.parquet", [*clusters[1:], 0], [*checksums[1:], "0" * 32], "image"
    )
    superclasses = write_map(tmp_path / "labels.parquet", [0, 0, 0, 1, 1, 1], LABELS)
    found = granctl("tree", "compare", images, superclasses, "--shards", shards.root, "--json").json
    assert found["relation"] == "a-refines-b"
    assert (found["unit"], found["compared"], found["weight"]) == ("image", 17, 17)
    assert (found["left_out"]["only_in_b"], found["left_out"]["not_in_shards_a"]) == (1, 1)
    turned = granctl("tree", "align", superclasses, images, "--shards", shards.root, "--json").json
    assert turned["left_out"]["not_in_shards_target"] == 1
    assert turned["groups_source"] == 2


def test_maps_of_images_need_no_shards(granctl, tmp_path):
    """Two maps of images join by checksum; every image weighs one."""
    a = write_map(tmp_path / "a.parquet", [0, 1, 1], ["0a", "0b", "0c"], "image")
    b = write_map(tmp_path / "b.parquet", [0, 0, 1], ["0c", "0b", "0d"], "image")
    found = granctl("tree", "compare", a, b, "--json").json
    assert (found["unit"], found["weighted_by"], found["weights"]) == ("image", "images", None)
    assert (found["compared"], found["left_out"]["only_in_a"]) == (2, 1)
