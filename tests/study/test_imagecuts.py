"""k-means of single images, inside each class of a cut and over the whole set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from generated_images import LABELS
from made_features import write_features, write_features_of, write_within

from granctl.shards.index import ShardSet
from granctl.tree.labelmap import LabelMap


def _kmeans(granctl, clustered: dict[str, Path], num: int, *more: object):
    paths = [f"--{k}={clustered[k]}" for k in ("within", "shards", "features")]
    return granctl("tree", "cut", "--cluster", "kmeans", "--classes", num, *paths, *more)


def test_kmeans_gives_each_image_a_class_inside_its_own(granctl, clustered):
    """Exactly so many classes, shared by images; ids say the superclass; keyed by checksum."""
    found = _kmeans(granctl, clustered, 6, "--json").json
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
    shards = ShardSet.open(clustered["shards"])
    assert list(label_map.labels) == [c.decode() for c in shards.checksums("train")]
    for checksum, label in zip(label_map.labels, shards.rows("train").label, strict=True):
        (index,) = label_map.classes_of(checksum)
        assert label_map.class_ids[index].startswith("a/" if label < 4 else "t/")


def test_kmeans_is_made_once_and_follows_the_seed(granctl, clustered):
    """Again: there already; another seed: another map."""
    first = _kmeans(granctl, clustered, 5, "--seed", 1).path
    again = _kmeans(granctl, clustered, 5, "--seed", 1, "--json").json
    assert (again["path"], again["made"]) == (str(first), False)
    assert first.name.startswith("kmeans-5-")
    assert _kmeans(granctl, clustered, 5, "--seed", 2).path != first


@pytest.mark.parametrize(
    ("num", "what"), [(19, "more than the 18 images"), (1, "fewer than the 2 classes")]
)
def test_a_number_of_clusters_that_cannot_be_is_refused(granctl, clustered, num: int, what: str):
    """More classes than images, or fewer than superclasses: exit 2, the range, no file."""
    outcome = _kmeans(granctl, clustered, num)
    assert outcome.code == 2
    assert what in outcome.err
    assert "take --classes 2 to 18" in outcome.err


def test_a_dropped_label_has_images_without_a_class(granctl, clustered, tmp_path: Path):
    """Images of a label that --within drops are in no cluster."""
    within = write_within(tmp_path / "w.parquet", [0, 0, -1, -1, 1, 1])
    found = _kmeans(granctl, {**clustered, "within": within}, 4, "--json").json
    assert (found["classes"], found["dropped"], found["labels"]) == (4, 6, 18)


def test_within_must_know_every_label(granctl, clustered, tmp_path: Path):
    """A map of another list: how many labels and images it lacks, and which."""
    within = write_within(tmp_path / "w.parquet", [0, 0, 0, 0, 1], LABELS[:5])
    outcome = _kmeans(granctl, {**clustered, "within": within}, 4)
    assert outcome.code == 2
    assert "n00000006" in outcome.err
    assert "3 images" in outcome.err


def test_within_must_give_one_class(granctl, clustered, tmp_path: Path):
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
    outcome = _kmeans(granctl, {**clustered, "within": path}, 4)
    assert outcome.code == 2
    assert "gives 1 labels several classes, such as n00000001" in outcome.err


def test_features_of_other_images_are_refused(granctl, clustered, tmp_path: Path):
    """Features that lack images of the split: exit 3, how many."""
    path = tmp_path / "f.parquet"
    write_features_of(path, ShardSet.open(clustered["shards"]), leave_out=3)
    outcome = _kmeans(granctl, {**clustered, "features": path}, 4)
    assert outcome.code == 3
    assert "lacks 3 of the 18 images" in outcome.err


def test_clusters_want_all_their_inputs(granctl, clustered):
    """Without --classes, or any features or shards in the workspace: exit 2, which one."""
    inputs = ["--shards", clustered["shards"], "--features", clustered["features"]]
    cluster = ["tree", "cut", "--cluster", "kmeans"]
    outcome = granctl(*cluster, "--within", clustered["within"], *inputs)
    assert (outcome.code, "--classes: a cut by kmeans needs it" in outcome.err) == (2, True)
    outcome = granctl(*cluster, "--classes", 4, "--per-image", "--features", clustered["features"])
    assert (outcome.code, "no shards was given" in outcome.err) == (2, True)
    outcome = granctl(*cluster, "--classes", 4)
    assert (outcome.code, "no features was given" in outcome.err) == (2, True)


def test_images_of_the_whole_set_are_clustered_together(granctl, clustered):
    """Without --within clusters are free; `--per-image` takes the newest shards."""
    paths = ["--features", clustered["features"]]
    cut = ["tree", "cut", "--cluster", "kmeans", "--classes", 5]
    found = granctl(*cut, "--shards", clustered["shards"], *paths, "--json").json
    assert (found["keyed_by"], found["classes"], found["labels"]) == ("image", 5, 18)
    assert Path(found["path"]).name.startswith("kmeans-5-free-")
    label_map = LabelMap.read(Path(found["path"]))
    assert label_map.class_ids == tuple(f"kmeans/{j}" for j in range(5))
    assert np.bincount(label_map.classes, minlength=5).min() >= 1
    per_image = granctl(*cut, "--per-image", "--shards", clustered["shards"], *paths, "--json").json
    assert (per_image["path"], per_image["made"]) == (found["path"], False)


def test_features_read_again_for_every_pass_give_the_same_map(
    granctl, clustered, monkeypatch, tmp_path: Path
):
    """A file too large to be held gives the same map as one that is held."""
    from granctl.study import clustercuts

    held = LabelMap.read(_kmeans(granctl, clustered, 6).path)
    monkeypatch.setattr(clustercuts, "HELD_BYTES", 0)
    streamed = LabelMap.read(_kmeans(granctl, clustered, 6, "--out", tmp_path / "again").path)
    assert streamed.content_digest == held.content_digest


def test_features_that_are_not_numbers_are_refused(granctl, clustered, tmp_path: Path):
    """NaN in one image: exit 3, which image."""
    shards = ShardSet.open(clustered["shards"])
    checksums = shards.checksums("train").tolist()
    matrix = np.zeros((18, 2))
    matrix[7, 1] = np.nan
    path = write_features(tmp_path / "f.parquet", ["n00000001"] * 18, matrix, checksums)
    outcome = _kmeans(granctl, {**clustered, "features": path}, 4)
    assert outcome.code == 3
    assert f"NaN or infinity in the features of at least 1 image: {checksums[7].decode()}" in (
        outcome.err
    )
