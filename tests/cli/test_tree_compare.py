"""`granctl tree compare` and `tree align` from the command line: results, refusals, exit codes."""

from __future__ import annotations

import csv
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from generated_images import LABELS, write_source

from granctl.progress import Silent
from granctl.shards.build.write import BuildSpec, build_shards
from granctl.shards.index import ShardSet
from granctl.tree.labelmap import LabelMap
from granctl.workspace import Workspace

FINE = ("cat", "tiger", "dog", "oak", "elm", "rock")


def write_map(
    path: Path, class_of: Sequence[int], labels: Sequence[str] = FINE, keyed_by: str = "label"
) -> Path:
    """A map of these labels to classes `c0`, `c1` ...; -1 is no class."""
    ids = tuple(f"c{i}" for i in range(max(class_of) + 1))
    LabelMap.from_single(
        labels,
        np.array(class_of),
        class_ids=ids,
        class_names=tuple(f"name {i}" for i in ids),
        method="toy",
        params={"classes": list(class_of)},
        keyed_by=keyed_by,
    ).write(path)
    return path


@pytest.fixture
def fine(tmp_path: Path) -> Path:
    """Cats, dog, trees, rock: four classes."""
    return write_map(tmp_path / "fine.parquet", [0, 0, 1, 2, 2, 3])


@pytest.fixture
def coarse(tmp_path: Path) -> Path:
    """Animals, the rest: two classes."""
    return write_map(tmp_path / "coarse.parquet", [0, 0, 0, 1, 1, 1])


@pytest.fixture
def counts(tmp_path: Path) -> Path:
    """Images of four of the six labels, and of one that no map knows."""
    path = tmp_path / "counts.tsv"
    path.write_text("cat\t30\ndog\t10\noak\t40\nelm\t0\nrock\t20\nship\t7\n")
    return path


@pytest.fixture
def shards(tmp_path: Path) -> ShardSet:
    """24 images in 6 classes: 18 to train and 6 to test on."""
    source = write_source(tmp_path / "shapes")
    built = build_shards(Workspace(tmp_path / "own"), BuildSpec(source=str(source)), None, Silent())
    return ShardSet.open(built.path)


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


# --- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["compare", "align"])
def test_a_missing_map_is_named(granctl, fine, tmp_path, command):
    """Exit 2, the path and the mend."""
    found = granctl("tree", command, fine, tmp_path / "none.parquet")
    assert (found.code, found.out) == (2, "")
    assert f"error: label map not found: {tmp_path / 'none.parquet'}" in found.err
    assert "hint: make one with `granctl tree cut`" in found.err


def test_a_file_that_is_no_map_is_refused(granctl, fine, tmp_path):
    """Exit 3: the data is not what it says."""
    (tmp_path / "text.parquet").write_text("no map")
    found = granctl("tree", "compare", fine, tmp_path / "text.parquet")
    assert found.code == 3
    assert "not a label map" in found.err


def test_images_and_labels_without_shards_are_refused(granctl, fine, tmp_path):
    """Exit 2; the mend names --shards, whichever of the two is the map of images."""
    images = write_map(tmp_path / "images.parquet", [0, 1], ["0a", "0b"], "image")
    for command in ((fine, images), (images, fine)):
        found = granctl("tree", "compare", *command)
        assert found.code == 2
        assert f"{fine} is keyed by labels and {images} by images" in found.err
        assert (
            "hint: name the shard set whose images are in images.parquet with --shards" in found.err
        )


def test_maps_without_a_common_label_are_refused(granctl, fine, tmp_path):
    """Exit 2; nothing in common, no class in common, no image in common: each is said."""
    strange = write_map(tmp_path / "strange.parquet", [0, 1], ["ship", "sea"])
    found = granctl("tree", "align", fine, strange)
    assert found.code == 2
    assert f"nothing of {fine} and {strange} can be compared: no label is in both" in found.err
    assert "hint: compare maps cut over the same label list" in found.err

    dropped = write_map(tmp_path / "dropped.parquet", [-1, 0], ["cat", "sea"])
    found = granctl("tree", "compare", fine, dropped)
    assert found.code == 2
    assert "no label has a class in both maps (in both: 1)" in found.err
    assert "--shallow keep" in found.err

    (tmp_path / "zero.tsv").write_text("cat\t0\nship\t3\n")
    found = granctl("tree", "compare", fine, fine, "--counts", tmp_path / "zero.tsv")
    assert found.code == 2
    assert "none of the 6 labels in both has an image" in found.err
    assert "leave --counts and --shards out" in found.err


def test_maps_of_other_images_are_refused(granctl, fine, shards, tmp_path):
    """Exit 2: no image of the map is in the shard set."""
    images = write_map(tmp_path / "images.parquet", [0, 1], ["0a", "0b"], "image")
    found = granctl("tree", "compare", images, fine, "--shards", shards.root)
    assert found.code == 2
    assert "no image is in both" in found.err
    assert "hint: compare maps over the same shard set and split" in found.err


@pytest.mark.parametrize(
    ("content", "code", "said", "mend"),
    [
        (None, 2, "file of counts not found", "check the path given to --counts"),
        ("cat\ndog\n", 2, "has labels and no counts", "a line is a label, a tab"),
        ("cat\t9999999999999999\n", 2, "counts 9999999999999999 images", "a line is a label"),
        ("cat\t-3\ndog\tmany\ncat\t1\n", 3, "line 2: 'many' is no number", "after a tab"),
    ],
)
def test_counts_that_are_none_are_refused(granctl, fine, tmp_path, content, code, said, mend):
    """What is wrong with the file, and how a line looks."""
    path = tmp_path / "bad.tsv"
    if content is not None:
        path.write_text(content)
    found = granctl("tree", "compare", fine, fine, "--counts", path)
    assert (found.code, found.out) == (code, "")
    assert said in found.err
    assert mend in found.err


def test_options_that_contradict_are_refused(granctl, fine, counts, tmp_path):
    """Exit 2 before anything is read."""
    found = granctl("tree", "compare", fine, fine, "--counts", counts, "--shards", tmp_path)
    assert found.code == 2
    assert "error: --counts: --shards counts the images, too" in found.err
    assert "hint: give one of --counts and --shards" in found.err
    found = granctl("tree", "align", fine, fine, "--split", "test")
    assert found.code == 2
    assert "error: --split: only a shard set has splits" in found.err


def test_shard_sets_that_cannot_weigh_are_refused(granctl, fine, shards, tmp_path):
    """Missing: exit 2; no such split: exit 2; not a shard set: exit 3."""
    found = granctl("tree", "compare", fine, fine, "--shards", tmp_path / "none")
    assert found.code == 2
    assert "shard set not found" in found.err
    found = granctl("tree", "compare", fine, fine, "--shards", shards.root, "--split", "val")
    assert found.code == 2
    assert "has no split val" in found.err
    (tmp_path / "empty").mkdir()
    found = granctl("tree", "compare", fine, fine, "--shards", tmp_path / "empty")
    assert found.code == 3
    assert "not a whole shard set" in found.err


def test_crosstab_in_an_unknown_form_is_refused_first(granctl, tmp_path):
    """Exit 2 before the maps are looked for."""
    none = tmp_path / "none.parquet"
    found = granctl("tree", "compare", none, none, "--crosstab", tmp_path / "table.txt")
    assert found.code == 2
    assert "error: --crosstab: 'table.txt' says neither CSV nor Parquet" in found.err
    assert "hint: let the name end in .csv or .parquet" in found.err


def test_crosstab_overwrites_nothing(granctl, fine, coarse, tmp_path):
    """Exit 2; what is there stays."""
    (tmp_path / "table.csv").write_text("mine")
    found = granctl("tree", "compare", fine, coarse, "--crosstab", tmp_path / "table.csv")
    assert (found.code, found.out) == (2, "")
    assert "exists and holds something else than this crosstab" in found.err
    assert "hint: name another place with --crosstab" in found.err
    assert (tmp_path / "table.csv").read_text() == "mine"


def test_crosstab_that_cannot_be_written_is_refused(granctl, fine, coarse, tmp_path):
    """Exit 2: a part of the path is a file."""
    (tmp_path / "file").write_text("")
    found = granctl("tree", "compare", fine, coarse, "--crosstab", tmp_path / "file" / "t.csv")
    assert found.code == 2
    assert "cannot write" in found.err


@pytest.mark.parametrize("command", ["compare", "align"])
def test_comparing_loads_nothing_heavy(fine, coarse, tmp_path, command):
    """A fresh process ends without the heavy packages."""
    program = (
        "import sys; from granctl.cli.main import run; code = run(sys.argv[1:]);"
        "heavy = {'torch', 'pandas', 'nltk', 'sklearn', 'scipy', 'matplotlib', 'webdataset'};"
        "print('LOADED', sorted(heavy & set(sys.modules)), file=sys.stderr); sys.exit(code)"
    )
    result = subprocess.run(
        [sys.executable, "-c", program, "tree", command, fine, coarse],
        capture_output=True,
        text=True,
        env={"PATH": "", "GRANCTL_WORKSPACE": str(tmp_path)},
    )
    assert result.returncode == 0, result.stderr
    assert "LOADED []" in result.stderr
