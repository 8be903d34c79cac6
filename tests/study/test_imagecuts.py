"""Cuts that join a tree with images: k-means inside each class, and random classes an image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from generated_images import LABELS, write_source

from granctl.progress import Silent
from granctl.shards.features import Features
from granctl.shards.index import ShardSet
from granctl.shards.write import BuildSpec, build_shards
from granctl.tree.labelmap import LabelMap
from granctl.workspace import Workspace


def _within(path: Path, class_of: list[int], labels: tuple[str, ...] = LABELS) -> Path:
    """A map of the labels to the classes animal and thing; -1 drops a label."""
    names: Any = {"class_ids": ("a", "t"), "class_names": ("animal", "thing")}
    fields = {"method": "depth", "params": {"depth": 3, "list": "six"}, **names}
    LabelMap.from_single(labels, np.array(class_of), **fields).write(path)
    return path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """18 training images of 6 labels in shards, their features, a cut into 2 classes."""
    root = tmp_path_factory.mktemp("cuts")
    spec = BuildSpec(source=str(write_source(root / "source")))
    shards = build_shards(Workspace(root), spec, None, Silent()).path
    opened = ShardSet.open(shards)
    _write_features(root / "f.parquet", opened)
    within = _within(root / "within.parquet", [0, 0, 0, 0, 1, 1])
    return {"shards": shards, "features": root / "f.parquet", "within": within, "root": root}


def _write_features(path: Path, shards: ShardSet, leave_out: int = 0) -> None:
    checksums = shards.checksums("train")[leave_out:]
    labels = np.array(shards.labels)[shards.rows("train").label][leave_out:]
    matrix = np.random.default_rng(0).normal(size=(len(labels), 4)).astype(np.float32)
    # Not in the order of the shards: rows are found by checksum.
    order = np.random.default_rng(1).permutation(len(labels))
    Features(
        checksums=checksums[order],
        labels=labels[order],
        matrix=matrix[order],
        run_digest="0" * 64,
        shards_digest=shards.digest,
        split="train",
        digest="1" * 64,
    ).write(path)


def _kmeans(granctl, made: dict[str, Path], num: int, *more: object):
    paths = [f"--{k}={made[k]}" for k in ("within", "shards", "features")]
    return granctl("tree", "cut", "--cluster", "kmeans", "--classes", num, *paths, *more)


def test_kmeans_gives_each_image_a_class_inside_its_own(granctl, made):
    """Exactly so many classes, shared by images; ids say the superclass; keyed by checksum."""
    found = _kmeans(granctl, made, 6, "--json").json
    assert (found["classes"], found["labels"], found["multi_label"]) == (6, 18, 0)
    assert (found["method"], found["keyed_by"]) == ("kmeans", "image")
    assert found["params"] == {
        "classes": 6,
        "list": "six",
        "seed": 0,
        "split": "train",
        "within": "depth-3",
    }
    assert set(found["inputs"]) == {"within", "shards", "features", "taxonomy"}
    label_map = LabelMap.read(Path(found["path"]))
    assert label_map.class_ids == ("a/0", "a/1", "a/2", "a/3", "t/0", "t/1")
    assert label_map.class_names[4] == "thing: n00000005", "its label, behind its superclass"
    shards = ShardSet.open(made["shards"])
    assert list(label_map.labels) == [c.decode() for c in shards.checksums("train")]
    for checksum, label in zip(label_map.labels, shards.rows("train").label, strict=True):
        (index,) = label_map.classes_of(checksum)
        assert label_map.class_ids[index].startswith("a/" if label < 4 else "t/")


def test_kmeans_is_made_once_and_follows_the_seed(granctl, made):
    """Again: there already; another seed: another map."""
    first = _kmeans(granctl, made, 5, "--seed", 1).path
    again = _kmeans(granctl, made, 5, "--seed", 1, "--json").json
    assert (again["path"], again["made"]) == (str(first), False)
    assert first.name.startswith("kmeans-5-")
    assert _kmeans(granctl, made, 5, "--seed", 2).path != first


@pytest.mark.parametrize(
    ("num", "what"), [(19, "more than the 18 images"), (1, "fewer than the 2 classes")]
)
def test_a_number_of_clusters_that_cannot_be_is_refused(granctl, made, num: int, what: str):
    """More classes than images, or fewer than superclasses: exit 2, the range, no file."""
    outcome = _kmeans(granctl, made, num)
    assert outcome.code == 2
    assert what in outcome.err
    assert "take --classes 2 to 18" in outcome.err


def test_a_dropped_label_has_images_without_a_class(granctl, made, tmp_path: Path):
    """Images of a label that --within drops are in no cluster."""
    within = _within(tmp_path / "w.parquet", [0, 0, -1, -1, 1, 1])
    found = _kmeans(granctl, {**made, "within": within}, 4, "--json").json
    assert (found["classes"], found["dropped"], found["labels"]) == (4, 6, 18)


def test_within_must_know_every_label(granctl, made, tmp_path: Path):
    """A map of another list: how many labels and images it lacks, and which."""
    within = _within(tmp_path / "w.parquet", [0, 0, 0, 0, 1], LABELS[:5])
    outcome = _kmeans(granctl, {**made, "within": within}, 4)
    assert outcome.code == 2
    assert "n00000006" in outcome.err
    assert "3 images" in outcome.err


def test_within_must_give_one_class(granctl, made, tmp_path: Path):
    """Several classes a label leave open which one a cluster lies in."""
    path = tmp_path / "w.parquet"
    LabelMap(
        labels=LABELS,
        offsets=np.array([0, 2, 3, 4, 5, 6, 7]),
        classes=np.array([0, 1, 0, 0, 0, 1, 1], np.int32),
        class_ids=("a", "t"),
        class_names=("a", "t"),
        method="level",
        params={"level": 2},
    ).write(path)
    outcome = _kmeans(granctl, {**made, "within": path}, 4)
    assert outcome.code == 2
    assert "gives 1 labels several classes, such as n00000001" in outcome.err


def test_features_of_other_images_are_refused(granctl, made, tmp_path: Path):
    """Features that lack images of the split: exit 3, how many."""
    path = tmp_path / "f.parquet"
    _write_features(path, ShardSet.open(made["shards"]), leave_out=3)
    outcome = _kmeans(granctl, {**made, "features": path}, 4)
    assert outcome.code == 3
    assert "lacks 3 of the 18 images" in outcome.err


def test_clusters_want_all_their_inputs(granctl, made):
    """Without --classes, or any features or shards in the workspace: exit 2, which one."""
    inputs = ["--shards", made["shards"], "--features", made["features"]]
    cluster = ["tree", "cut", "--cluster", "kmeans"]
    outcome = granctl(*cluster, "--within", made["within"], *inputs)
    assert (outcome.code, "--classes: a cut by kmeans needs it" in outcome.err) == (2, True)
    outcome = granctl(*cluster, "--classes", 4, "--per-image", "--features", made["features"])
    assert (outcome.code, "no shards was given" in outcome.err) == (2, True)
    outcome = granctl(*cluster, "--classes", 4)
    assert (outcome.code, "no features was given" in outcome.err) == (2, True)


def test_random_classes_an_image_have_the_cuts_sizes(granctl, made):
    """With shards, every image is dealt a class; classes are as large as the cut's on them."""
    like = ["--random", "--like", made["within"], "--shards", made["shards"]]
    found = granctl("tree", "cut", *like, "--json").json
    assert (found["keyed_by"], found["labels"], found["classes"]) == ("image", 18, 2)
    label_map = LabelMap.read(Path(found["path"]))
    assert sorted(np.bincount(label_map.classes).tolist()) == [6, 12]
    again = granctl("tree", "cut", "--random", "--like", found["path"], "--json").json
    assert again["keyed_by"] == "image", "a random map of an image map is keyed by image, too"
